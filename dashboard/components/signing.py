"""Who looks, what is confirmed, signed or rejected, and every version of a scan."""

import streamlit as st

from dashboard import state
from dashboard.components.notices import show_error
from dashboard.components.scan import person_at
from dashboard.result_view import place_words
from dashboard.review_view import review_words, version_words
from dashboard.services import Services
from sarcopenia.domain.errors import SarcopeniaError
from sarcopenia.records import ScanSummary, StoredMeasurement
from sarcopenia.review import may_sign, reject, required_confirmations, sign


def show_person() -> str:
    """Who sits at the screen; asked for once where nobody is logged in."""
    name = state.person()
    if not name:
        typed = st.text_input("Your name", placeholder="as it shall stand under corrections and signatures")
        if typed:
            state.name_person(typed)
            st.rerun()
    return name


def show_signing(services: Services, scan: ScanSummary, stored: StoredMeasurement, author: str) -> None:
    """Confirm level, mask, person and every flag, then sign; or reject with a reason."""
    st.subheader("Sign or reject")
    if not author:
        st.caption("Enter your name above first.")
        return
    person = person_at(services.records.contexts.for_scan(scan.scan_id))
    height = "height not known" if person.height_m is None else f"height {person.height_m:.2f} m"
    hints = {"level": place_words(stored.measurement), "sex and height": f"sex {person.sex.value}, {height}"}
    hints |= {flag.code: flag.text for flag in stored.measurement.flags}
    with st.form(f"sign-{stored.measurement_id}"):
        items = required_confirmations(stored.measurement)
        ticked = [item for item in items if st.checkbox(f"**{item}** — {hints.get(item, 'as it is drawn')}")]
        reason = st.text_input("Reason, if it is rejected")
        first, second = st.columns(2)
        signed = first.form_submit_button("Sign", type="primary", disabled=not may_sign(services.settings, author))
        rejected = second.form_submit_button("Reject")
    try:
        if signed:
            sign(services.records, services.settings, stored.measurement_id, ticked, author=author)
        if rejected:
            reject(services.records, stored.measurement_id, reason, author=author)
    except SarcopeniaError as error:
        show_error(error)
        return
    if signed or rejected:
        st.rerun()


def show_versions(services: Services, scan: ScanSummary) -> None:
    """Every version of the scan with its area; none is ever changed."""
    versions = services.records.measurements.of_scan(scan.scan_id)
    st.subheader("Versions")
    rows = []
    for number, version in enumerate(versions, start=1):
        composition = version.measurement.composition
        rows.append(
            {
                "Version": version_words(version, number),
                "Stored": version.stored_at,
                "Slice": version.measurement.slice_index,
                "Level": version.measurement.level,
                "SMA (cm²)": None if composition is None else round(composition.sma_cm2, 1),
                "Review": review_words(version),
            }
        )
    st.dataframe(rows, hide_index=True, width="stretch")
