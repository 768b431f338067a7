"""Masks of readers against the AI's: the form that takes one, and what they say together.

The AI's mask is not shown here, so that who reads the next scan stays blind to it.
"""

import pandas as pd
import streamlit as st
from streamlit.runtime.uploaded_file_manager import UploadedFile

from dashboard import state
from dashboard.agreement_view import (
    GROUP_WORDS,
    AgreementRow,
    Correction,
    Group,
    Measure,
    MeasureSummary,
    Unit,
    agreement_rows,
    bland_altman_figure,
    bland_altman_words,
    identity_figure,
    identity_words,
    person_points,
    reading_table,
    readings_csv,
    summaries,
    summary_csv,
    summary_table,
)
from dashboard.components.notices import show_error
from dashboard.result_view import NOT_REVIEWED
from dashboard.services import Services, get_services, scan_series
from sarcopenia.agreement import FORMATS, Reader, add_reading, compare_masks
from sarcopenia.domain.errors import InputError, SarcopeniaError
from sarcopenia.imaging import InputFile
from sarcopenia.records import MaskComparison, ScanSummary, StoredReading
from sarcopenia.review import models_slice

BLIND, NOT_BLIND = "Yes, blind", "No"
LONGEST_NAME = 255


def show_form(services: Services, scans: tuple[ScanSummary, ...], names: dict[int, str]) -> None:
    """Take a mask that was drawn outside, for one scan; the models are asked where they must outline its slice."""
    last = state.last_reading()
    with st.form(f"reading-{last}"):
        labels = {scan.scan_id: _scan_words(scan, names) for scan in scans}
        scan_id = st.selectbox("Scan", list(labels), format_func=labels.__getitem__)
        files = st.file_uploader(
            f"The mask: {FORMATS}, with their images where the scan was not uploaded under the same names",
            accept_multiple_files=True,
        )
        name = st.text_input("Who drew it", value=state.person(), max_chars=LONGEST_NAME)
        blind = st.radio("Drawn without seeing the AI's mask?", [BLIND, NOT_BLIND], index=None, horizontal=True)
        pressed = st.form_submit_button("Compare", type="primary")
    if pressed:
        _take(services, scan_id, files, name, blind)
    _show_last(services, last, names)


def _scan_words(scan: ScanSummary, names: dict[int, str]) -> str:
    words = f"{names[scan.patient_id]} · {scan.study_date or 'no date'} · {scan.header.series_description}"
    return f"{words} · scan {scan.scan_id}"


def _take(services: Services, scan_id: int, files: list[UploadedFile], name: str, blind: str | None) -> None:
    if not files or blind is None or not name.strip():
        st.warning("Give the mask, who drew it, and say whether it was drawn without seeing the AI's mask.")
        return
    given = [InputFile(file.name, file.getvalue()) for file in files]
    reader = Reader(name, blind == BLIND, author=state.person() or name.strip())
    try:
        volume = scan_series(scan_id)
        with st.spinner("Comparing with the AI on the same slice …"):
            reading = add_reading(services.records, services.models, volume, scan_id, given, reader)
    except InputError as error:
        st.error(f"**The mask was not taken.** {error.message}\n\n{error.next_step}", icon=":material/error:")
        return
    except SarcopeniaError as error:
        show_error(error)
        return
    state.reading_stored(reading.reading_id)
    st.rerun()


def _show_last(services: Services, reading_id: int | None, names: dict[int, str]) -> None:
    found = next((each for each in services.records.readings.all() if each.reading_id == reading_id), None)
    if found is not None:
        st.success(_reading_words(found, names), icon=":material/check:")


def _reading_words(reading: StoredReading, names: dict[int, str]) -> str:
    found = reading.comparison
    whose = names.get(reading.patient_id, f"patient {reading.patient_id}")
    return (
        f"Stored: {whose}, slice {reading.slice_index} from the feet, read by {reading.reader}. Dice {found.dice:.3f}; "
        f"SMA {found.sma_cm2:.1f} cm² by the reader, {found.ai_sma_cm2:.1f} cm² by the AI ({NOT_REVIEWED})."
    )


@st.cache_data(scope="session", max_entries=5000, show_spinner=False)
def correction_comparison(measurement_id: int) -> MaskComparison | None:
    """A stored correction against the models' own mask; versions never change, so it is worked out once."""
    records = get_services().records
    mended = records.measurements.arrays(measurement_id).slice
    if mended is None:
        return None
    model = models_slice(records, measurement_id)
    return compare_masks(
        mended.hu_yx, mended.plane.pixel_area_mm2, mended.compartments.muscle_yx, model.compartments.muscle_yx
    )


def all_rows(services: Services) -> tuple[AgreementRow, ...]:
    """Everything that can be compared."""
    mended = services.records.measurements.corrected()
    compared = [(stored, correction_comparison(stored.measurement_id)) for stored in mended]
    corrections = [Correction(stored, found) for stored, found in compared if found is not None]
    return agreement_rows(services.records.readings.all(), corrections)


def show_results(rows: tuple[AgreementRow, ...], names: dict[int, str]) -> None:
    """Each group by itself, then the CSV files of all."""
    shown = _of_weights(rows)
    found: dict[Group, tuple[MeasureSummary, ...]] = {}
    for group in Group:
        st.header(group.value)
        st.caption(GROUP_WORDS[group])
        those = tuple(row for row in shown if row.group is group)
        if not those:
            st.info("None yet.")
            continue
        found[group] = summaries(those)
        _show_group(group, those, found[group], names)
    _show_downloads(shown, found)


def _of_weights(rows: tuple[AgreementRow, ...]) -> tuple[AgreementRow, ...]:
    """Rows against one set of weights: agreement belongs to the network that was read, so two are never mixed."""
    weights = list(dict.fromkeys(row.weights for row in sorted(rows, key=lambda row: row.recorded_at, reverse=True)))
    if len(weights) < 2:
        return rows
    chosen = st.selectbox("Weights of the AI", weights, help="Agreement belongs to the weights that were compared.")
    return tuple(row for row in rows if row.weights == chosen)


def _show_group(
    group: Group, rows: tuple[AgreementRow, ...], found: tuple[MeasureSummary, ...], names: dict[int, str]
) -> None:
    points = person_points(rows)
    limits = next(each.limits for each in found if (each.unit, each.measure) == (Unit.PERSON, Measure.DIFFERENCE_CM2))
    left, right = st.columns(2)
    left.plotly_chart(
        bland_altman_figure(points, limits),
        width="stretch",
        key=f"bland-altman-{group.name}",
        alt=bland_altman_words(points, limits),
    )
    right.plotly_chart(
        identity_figure(points), width="stretch", key=f"identity-{group.name}", alt=identity_words(points)
    )
    st.dataframe(pd.DataFrame(summary_table(found)), hide_index=True, width="stretch")
    st.dataframe(pd.DataFrame(reading_table(rows, names)), hide_index=True, width="stretch")


def _show_downloads(rows: tuple[AgreementRow, ...], found: dict[Group, tuple[MeasureSummary, ...]]) -> None:
    if not rows:
        return
    st.caption(
        f"One marker per person: means over readers and scans. Differences are AI minus reader; the AI's areas are its "
        f"own: {NOT_REVIEWED}. Readings of one person or scan depend on each other, so limits counted by reading are "
        "too narrow where there are several."
    )
    first, second = st.columns(2)
    first.download_button(
        "Readings (CSV)", readings_csv(rows), "agreement_readings_research_use_only.csv", "text/csv", key="csv-rows"
    )
    second.download_button(
        "Figures (CSV)", summary_csv(found), "agreement_figures_research_use_only.csv", "text/csv", key="csv-figures"
    )
