"""Same level, same place: the follow-up measured at the place of the baseline's slice, both slices side by side."""

import pandas as pd
import streamlit as st

from dashboard.components.notices import show_error
from dashboard.follow_up_view import MASKED_SLICE, ContourPair, match_words, same_place_rows, what_is_lost
from dashboard.images import slice_picture
from dashboard.result_view import place_words
from dashboard.review_view import review_words
from dashboard.services import Services, measurement_arrays
from sarcopenia.domain.errors import SarcopeniaError
from sarcopenia.domain.results import SliceRegistration
from sarcopenia.follow_up import ScanPair, check_pair, measure_same_place
from sarcopenia.records import ScanSummary, StoredMeasurement, StoredSlice
from sarcopenia.review import scan_volume

ALIGNED = "The spines are laid over each other, so outlines also differ where the body lies differently."


def show_follow_up(services: Services, baseline: ScanSummary, follow_up: ScanSummary, author: str) -> None:
    """Offer to measure the follow-up at the baseline's place; once that is done, show both."""
    if baseline.latest is None or follow_up.latest is None:
        st.info("Both scans must be measured first.")
        return
    registration = follow_up.latest.measurement.provenance.registration
    if registration is None or registration.baseline_measurement_id != baseline.latest.measurement_id:
        _offer(services, baseline.latest, follow_up.latest, author)
    else:
        names = f"Baseline, {_day(baseline)}", f"Follow-up, {_day(follow_up)}"
        _show_pair(services, names, (baseline.latest, follow_up.latest), registration)


def _day(scan: ScanSummary) -> str:
    return "no date" if scan.study_date is None else scan.study_date.isoformat()


def _offer(services: Services, baseline: StoredMeasurement, follow_up: StoredMeasurement, author: str) -> None:
    """Say what measuring again does, and the button."""
    try:
        check_pair(services.records, baseline.measurement_id, follow_up.measurement_id)
    except SarcopeniaError as error:
        show_error(error)
        return
    st.markdown(
        "Each scan was measured at the level found in it alone. The follow-up can be measured at the place of the "
        "baseline's slice: its spine is registered to the baseline's, and the models outline the slice found there."
    )
    lost = what_is_lost(follow_up)
    agreed = True
    if lost:
        st.warning(lost, icon=":material/ink_eraser:")
        agreed = st.checkbox("I know that, and want the new version", key=f"same-place-lost-{follow_up.measurement_id}")
    if not author:
        st.caption("Enter your name first; it stands under the new version.")
    asked = st.button(
        "Measure the follow-up at the same place",
        key=f"same-place-{baseline.measurement_id}-{follow_up.measurement_id}",
        disabled=not (author and agreed),
    )
    if asked:
        _measure(services, baseline, follow_up, author)


def _measure(services: Services, baseline: StoredMeasurement, follow_up: StoredMeasurement, author: str) -> None:
    try:
        with st.spinner("Registering the spines …"):
            scans = ScanPair(*(scan_volume(services.records, stored.scan_id) for stored in (baseline, follow_up)))
            ids = baseline.measurement_id, follow_up.measurement_id
            measure_same_place(services.records, services.models, *ids, scans, author=author)
    except SarcopeniaError as error:
        show_error(error)
        return
    st.rerun()


def _show_pair(
    services: Services,
    names: tuple[str, str],
    both: tuple[StoredMeasurement, StoredMeasurement],
    registration: SliceRegistration,
) -> None:
    slices = [measurement_arrays(stored.measurement_id).slice for stored in both]
    if slices[0] is None or slices[1] is None:
        st.info("One of the two measurements has no slice to show.")
        return
    pair = ContourPair(slices[0], slices[1], registration.match)
    st.markdown(match_words(registration.match))
    for place, name, stored, shown in zip(st.columns(2), names, both, (pair.baseline, pair.follow_up), strict=True):
        with place:
            _show_slice(name, stored, shown)
    st.image(pair.picture(), caption=f"{pair.words} {ALIGNED}", width="stretch", alt=pair.words)
    own_level = _own_level(services, both[1])
    rows = pd.DataFrame(
        same_place_rows(both[0].measurement, both[1].measurement, None if own_level is None else own_level.measurement)
    )
    numbers = {name: st.column_config.NumberColumn(format="%.1f") for name in rows.columns[1:]}
    st.dataframe(rows, column_config=numbers, hide_index=True, width="stretch")


def _show_slice(name: str, stored: StoredMeasurement, shown: StoredSlice) -> None:
    measurement = stored.measurement
    vat_range_hu = measurement.provenance.vat_range_hu
    picture = slice_picture(shown.hu_yx, shown.compartments.compartments_yx, shown.plane, MASKED_SLICE, vat_range_hu)
    caption = f"{name}: {place_words(measurement)} {review_words(stored)}."
    st.image(picture, caption=caption, width="stretch", alt=f"Axial CT slice with the muscle mask. {caption}")


def _own_level(services: Services, stored: StoredMeasurement) -> StoredMeasurement | None:
    """The follow-up's newest version that was not registered."""
    while stored.measurement.provenance.registration is not None:
        if stored.parent_id is None:
            return None
        stored = services.records.measurements.get(stored.parent_id)
    return stored
