"""The scouts as a way through the series: every level, the measured and the shown slice, clicks and steps."""

import numpy as np
import streamlit as st

from dashboard import state
from dashboard.components.notices import show_error
from dashboard.components.scout_map import show_scout_map
from dashboard.level_view import drawn_levels
from dashboard.scout_payload import MeasuredPlace, ScoutWish, ShownPlace, build_scout_payload
from dashboard.services import scan_series
from sarcopenia.domain.errors import SarcopeniaError
from sarcopenia.domain.results import Verdict
from sarcopenia.records import ScanSummary, ScoutImage, StoredArrays, StoredMeasurement

STEPS = (1, 5)


def shown_z_mm(stored: StoredMeasurement, scan: ScanSummary, shown_slice: int) -> float:
    """Patient z in mm of a slice; the series is read for any but the measured one.

    Raises
    ------
    RecordError, InputError: the series can no longer be read.
    """
    measurement = stored.measurement
    if shown_slice == measurement.slice_index and measurement.slice_z_mm is not None:
        return measurement.slice_z_mm
    return float(scan_series(scan.scan_id).geometry.slice_z_mm[shown_slice])


def show_scout_picker(
    stored: StoredMeasurement, arrays: StoredArrays, scan: ScanSummary, shown_slice: int
) -> int | None:
    """Both scouts and buttons for steps; gives the slice that was clicked on, ``None`` where nobody has clicked.

    Belongs into a fragment: a click then runs only that again. The buttons have gone to their slice already.
    """
    clicked = None
    try:
        if arrays.sagittal is not None and arrays.coronal is not None:
            clicked = _show_map(stored, scan, arrays.sagittal, arrays.coronal, shown_slice)
        else:
            st.caption("A series this short has no overview.")
    except SarcopeniaError as error:
        show_error(error)
    _show_steps(stored, scan, arrays.sagittal, shown_slice)
    return None if clicked is None else _inside(clicked, scan)


def _inside(slice_index: int, scan: ScanSummary) -> int:
    return int(np.clip(slice_index, 0, scan.slice_count - 1))


def _show_map(
    stored: StoredMeasurement, scan: ScanSummary, sagittal: ScoutImage, coronal: ScoutImage, shown_slice: int
) -> int | None:
    measurement = stored.measurement
    z_mm = shown_z_mm(stored, scan, shown_slice)
    shown = ShownPlace(shown_slice, scan.slice_count, z_mm, f"slice {shown_slice}, z = {z_mm:.1f} mm")
    measured = None
    if measurement.slice_z_mm is not None:
        name = f"slice {measurement.slice_index}, {measurement.level or 'unknown level'}"
        measured = MeasuredPlace(measurement.slice_z_mm, name)
    vertebrae = drawn_levels(stored.level, ambiguous=measurement.verdict is Verdict.AMBIGUOUS_LEVEL)
    payload = build_scout_payload(sagittal, coronal, vertebrae, measured, shown)
    wish = show_scout_map(f"scouts-{scan.scan_id}", payload, sagittal.z_mm)
    return None if wish is None else _slice_of(wish, scan, shown_slice)


def _slice_of(wish: ScoutWish, scan: ScanSummary, shown_slice: int) -> int:
    if wish.z_mm is None:
        return shown_slice + wish.step
    return scan_series(scan.scan_id).geometry.nearest_slice(wish.z_mm)


def _show_steps(stored: StoredMeasurement, scan: ScanSummary, scout: ScoutImage | None, shown_slice: int) -> None:
    """Buttons for one and five slices to the feet or to the head."""
    for size in STEPS:
        for place, step in zip(st.columns(2), (-size, size), strict=True):
            there = _inside(shown_slice + step, scan)
            place.button(
                f"{size} to {'head' if step > 0 else 'feet'}",
                key=f"step{step}-{stored.measurement_id}",
                help=_step_words(step, scout, scan.slice_count),
                disabled=there == shown_slice,
                on_click=state.show_slice,
                args=(stored.measurement_id, there),
                width="stretch",
            )


def _step_words(step: int, scout: ScoutImage | None, slice_count: int) -> str:
    """A step in slices and, where the scout tells the length of the series, in mm."""
    words = f"{abs(step)} slice{'s' if abs(step) > 1 else ''} towards the {'head' if step > 0 else 'feet'}"
    if scout is None or slice_count < 2:
        return words
    length_mm = float(scout.z_mm[-1] - scout.z_mm[0])
    return f"{words}, about {abs(step) * length_mm / (slice_count - 1):.0f} mm"
