"""Masks of readers against the AI's: what they say together, each group by itself, with CSV files of all."""

import pandas as pd
import streamlit as st

from dashboard.agreement_charts_view import bland_altman_figure, bland_altman_words, identity_figure, identity_words
from dashboard.agreement_tables_view import figures_csv, person_table, reading_table, readings_csv, summary_table
from dashboard.agreement_view import (
    GROUP_WORDS,
    AgreementRow,
    Correction,
    Group,
    Measure,
    MeasureSummary,
    PersonPoint,
    Unit,
    agreement_rows,
    person_points,
    summaries,
)
from dashboard.result_view import NOT_REVIEWED
from dashboard.services import Services, get_services
from sarcopenia.agreement import compare_masks
from sarcopenia.records import MaskComparison
from sarcopenia.review import models_own, models_slice


@st.cache_data(scope="session", max_entries=5000, show_spinner=False)
def correction_comparison(measurement_id: int) -> tuple[MaskComparison, int] | None:
    """A stored correction against the models' own mask, and the measurement that this one belongs to.

    Versions never change, so it is worked out once.
    """
    records = get_services().records
    mended = records.measurements.arrays(measurement_id).slice
    if mended is None:
        return None
    own, model = models_own(records, measurement_id), models_slice(records, measurement_id)
    found = compare_masks(
        mended.hu_yx, mended.plane.pixel_area_mm2, mended.compartments.muscle_yx, model.compartments.muscle_yx
    )
    return found, own.measurement_id


def all_rows(services: Services) -> tuple[AgreementRow, ...]:
    """Everything that can be compared."""
    mended = services.records.measurements.corrected()
    compared = [(stored, correction_comparison(stored.measurement_id)) for stored in mended]
    corrections = [Correction(stored, *found) for stored, found in compared if found is not None]
    return agreement_rows(services.records.readings.all(), corrections)


def show_results(rows: tuple[AgreementRow, ...], names: dict[int, str]) -> None:
    """Each group by itself, then the CSV files of all."""
    shown = _of_weights(rows)
    for group in Group:
        st.header(group.value)
        st.caption(GROUP_WORDS[group])
        those = tuple(row for row in shown if row.group is group)
        if those:
            _show_group(group, those, names)
        else:
            st.info("None yet.")
    _show_downloads(rows)


def _of_weights(rows: tuple[AgreementRow, ...]) -> tuple[AgreementRow, ...]:
    """Rows against one set of weights: agreement belongs to the network that was read, so two are never mixed."""
    weights = list(dict.fromkeys(row.weights for row in sorted(rows, key=lambda row: row.recorded_at, reverse=True)))
    if len(weights) < 2:
        return rows
    chosen = st.selectbox("Weights of the AI", weights, help="Agreement belongs to the weights that were compared.")
    return tuple(row for row in rows if row.weights == chosen)


def _show_group(group: Group, rows: tuple[AgreementRow, ...], names: dict[int, str]) -> None:
    points, found = person_points(rows), summaries(rows)
    _show_charts(group, points, found)
    with st.expander("Exact values of the charts: one row for each marker"):
        st.dataframe(pd.DataFrame(person_table(points, names)), hide_index=True, width="stretch")
    st.markdown("**Figures of agreement**")
    st.dataframe(pd.DataFrame(summary_table(found)), hide_index=True, width="stretch")
    st.markdown("**Each mask**")
    st.dataframe(pd.DataFrame(reading_table(rows, names)), hide_index=True, width="stretch")


def _show_charts(group: Group, points: tuple[PersonPoint, ...], found: tuple[MeasureSummary, ...]) -> None:
    """Both charts, and below each what it shows in words."""
    limits = next(each.limits for each in found if (each.unit, each.measure) == (Unit.PERSON, Measure.DIFFERENCE_CM2))
    charts = (
        ("bland-altman", bland_altman_figure(points, limits), bland_altman_words(points, limits)),
        ("identity", identity_figure(points), identity_words(points)),
    )
    for column, (kind, figure, words) in zip(st.columns(2), charts, strict=True):
        column.plotly_chart(figure, width="stretch", key=f"{kind}-{group.name}", alt=words)
        column.caption(words)


def _show_downloads(rows: tuple[AgreementRow, ...]) -> None:
    """CSV files of every mask that counts, whatever weights are shown."""
    st.caption(
        f"One marker per person: means over readers and scans. Differences are AI minus reader; the AI's areas are its "
        f"own: {NOT_REVIEWED}. Readings of one person or scan depend on each other, so limits counted by reading are "
        "too narrow where there are several. The CSV files hold all groups and all weights, each row with the SHA-256 "
        "of its weights, and no names of patients."
    )
    first, second = st.columns(2)
    first.download_button(
        "Readings (CSV)", readings_csv(rows), "agreement_readings_research_use_only.csv", "text/csv", key="csv-rows"
    )
    second.download_button(
        "Figures (CSV)", figures_csv(rows), "agreement_figures_research_use_only.csv", "text/csv", key="csv-figures"
    )
