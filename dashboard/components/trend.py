"""The trend on the patient page: one measure at a time, its words, its table, and the download of all."""

from collections.abc import Sequence
from functools import partial
from itertools import pairwise

import pandas as pd
import streamlit as st

from dashboard import state
from dashboard.history_view import AgreedHeight, height_words
from dashboard.result_view import NOT_REVIEWED
from dashboard.trend_figure import trend_figure
from dashboard.trend_view import (
    MEASURES,
    SMA,
    SMI,
    Measure,
    Trend,
    TrendScan,
    build_trend,
    change_words,
    csv_rows,
    error_words,
    rate_words,
    trend_rows,
    trend_scans,
    trend_words,
)
from sarcopenia.records import PatientSummary, StoredEvent

ZOOM_HINT = "Off: the axis starts at zero, so that a small change looks small."


def show_trend(
    patient: PatientSummary, scans: Sequence[TrendScan], agreed: AgreedHeight | None, events: Sequence[StoredEvent]
) -> None:
    """Chart, words, table and download; nothing but the reasons when no scan has a point."""
    chosen, left_out = trend_scans(scans)
    if chosen:
        height_m = None if agreed is None else agreed.value_m
        trends = {measure: build_trend(chosen, measure, height_m, events) for measure in MEASURES}
        measure = _choose_measure()
        _show_measure(trends[measure], events)
        if measure == SMI:
            st.caption(height_words(agreed))
        _show_download(patient, list(trends.values()))
    if left_out:
        with st.expander(f"{len(left_out)} scans without a point in the trend"):
            st.markdown("\n".join(f"- {words}" for words in left_out))


def _choose_measure() -> Measure:
    names = {measure.name: measure for measure in MEASURES}
    chosen = st.segmented_control("Measure", list(names), default=SMA.name, required=True, key="trend-measure")
    return names[chosen]


def _show_measure(trend: Trend, events: Sequence[StoredEvent]) -> None:
    picture, words = st.columns([3, 2], gap="large")
    with words:
        st.markdown(f"**{trend.measure.long_name}**")
        _show_words(trend)
    with picture:
        zoomed = st.toggle("Zoom the axis", key="trend-zoom", help=ZOOM_HINT)
        key = f"trend-{trend.measure.key}"
        st.plotly_chart(
            trend_figure(trend, events, from_zero=not zoomed),
            width="stretch",
            key=key,
            on_select=partial(state.link_selected_scan, key),
            selection_mode="points",
            alt=trend_words(trend),
        )
        st.caption(_legend(trend))
    st.dataframe(pd.DataFrame(trend_rows(trend)), hide_index=True, width="stretch")


def _legend(trend: Trend) -> str:
    error = (
        "Error bars: ±1.96 SD of the ensemble, without repositioning and scanner. Band: MDC95 around the baseline. "
        if trend.errors is not None
        else "Neither error bars nor a band: the measurement error of this measure is not known. "
    )
    return (
        f"Open markers: {NOT_REVIEWED}; filled: signed; diamonds: within 30 days after an operation. {error}The line "
        "breaks where scans are not comparable. Click a marker to open its scan."
    )


def _show_words(trend: Trend) -> None:
    """Neighbours, baseline to last, and the change per year of every run of comparable scans; the newest run first."""
    points = trend.points
    if not points:
        st.info("No scan has this value.")
        return
    for run in reversed([run for run in trend.runs if len(run) > 1]):
        change = trend.change(run[0], run[-1])
        st.markdown("Baseline to last comparable scan:\n\n" + change_words(change, trend.measure))
        st.markdown(rate_words(trend.per_year(run), trend.measure))
        if words := error_words(change, trend.measure):
            st.caption(words)
    if len(points) > len(trend.runs[0]):
        change = trend.change(points[0], points[-1])
        st.markdown("First to last scan:\n\n" + change_words(change, trend.measure))
    if len(points) > 2:
        pairs = [trend.change(before, after) for before, after in pairwise(points)]
        st.markdown("Between neighbours:\n\n" + "\n".join(f"- {change_words(pair, trend.measure)}" for pair in pairs))
    if len(points) == 1:
        st.markdown("One scan has no change.")


def _show_download(patient: PatientSummary, trends: Sequence[Trend]) -> None:
    rows = csv_rows(trends, patient.identity.dicom_patient_id)
    st.download_button(
        "Download all measures (CSV)",
        pd.DataFrame(rows).to_csv(index=False).encode("utf-8-sig"),  # a spreadsheet needs the mark to read "cm²"
        file_name=f"trend_patient_{patient.patient_id}.csv",
        mime="text/csv",
        icon=":material/download:",
    )
