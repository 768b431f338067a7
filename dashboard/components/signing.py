"""Who looks, what is confirmed, signed, rejected or withdrawn, and what was said before."""

from collections.abc import Sequence

import streamlit as st

from dashboard import state
from dashboard.components.notices import show_error
from dashboard.review_view import history_rows, review_words, version_number, void_signature_words
from dashboard.services import Services
from dashboard.signing_view import confirmations, signed_version_words
from sarcopenia.domain.errors import SarcopeniaError
from sarcopenia.records import ScanSummary, StoredMeasurement
from sarcopenia.review import asked_flags, may_sign, reject, sign, withdraw


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
    """Confirm level, mask, person and every flag, then sign; or reject with a reason; or take a signature back."""
    st.subheader("Sign or reject")
    versions = services.records.measurements.of_scan(scan.scan_id)
    if words := void_signature_words(versions, stored):
        st.warning(words, icon=":material/history:")
    if not author:
        st.caption("Enter your name above first.")
    elif stored.is_signed:
        _show_signed(services, stored, author)
    else:
        _show_drafts(services, scan, author)
        number = version_number(versions, stored.measurement_id)
        _show_form(services, stored, signed_version_words(stored, number, author), author)
    _show_history(services, versions)


def _show_drafts(services: Services, scan: ScanSummary, author: str) -> None:
    """Strokes that are not stored are no part of what is signed."""
    painters = dict.fromkeys(draft.author for draft in services.records.drafts.of_scan(scan.scan_id))
    if author in painters:
        st.warning("Your strokes are not stored yet: they are no part of what you sign.")
    if others := [painter for painter in painters if painter != author]:
        st.info(f"{', '.join(others)}: strokes on this scan that are not stored yet.")


def _show_form(services: Services, stored: StoredMeasurement, signed_words: str, author: str) -> None:
    context = services.records.contexts.for_scan(stored.scan_id)
    items = confirmations(stored, context, asked_flags(services.records, stored.scan_id))
    signer = may_sign(services.settings, author)
    if stored.review is not None:
        st.info(f"{review_words(stored)}: {stored.review.comment}")
    with st.form(f"sign-{stored.measurement_id}"):
        st.markdown(f"You sign {signed_words} Look at each and confirm it:")
        ticked = [item.key for item in items if st.checkbox(f"**{item.key}** — {item.words}")]
        if not signer:
            st.caption(f"{author} may not sign; the settings name who may.")
        reason = st.text_input("Reason, if it is rejected")
        first, second = st.columns(2)
        signed = first.form_submit_button("Sign", type="primary", disabled=not signer)
        rejected = second.form_submit_button("Reject")
    try:
        if signed:
            sign(services.records, services.settings, stored.measurement_id, ticked, author=author)
        if rejected:
            reject(services.records, services.settings, stored.measurement_id, reason, author=author)
    except SarcopeniaError as error:
        show_error(error)
        return
    if signed or rejected:
        st.rerun()


def _show_signed(services: Services, stored: StoredMeasurement, author: str) -> None:
    """Who signed; and the way back for whoever may sign."""
    st.success(f"This version is {review_words(stored)}.", icon=":material/verified:")
    if not may_sign(services.settings, author):
        st.caption(f"{author} may not sign, and so not withdraw a signature either.")
        return
    with st.form(f"withdraw-{stored.measurement_id}"):
        reason = st.text_input("Reason, if the signature is withdrawn or the result rejected")
        first, second = st.columns(2)
        withdrawn = first.form_submit_button("Withdraw signature")
        rejected = second.form_submit_button("Reject")
    if not withdrawn and not rejected:
        return
    change = withdraw if withdrawn else reject
    try:
        change(services.records, services.settings, stored.measurement_id, reason, author=author)
    except SarcopeniaError as error:
        show_error(error)
        return
    st.rerun()


def _show_history(services: Services, versions: Sequence[StoredMeasurement]) -> None:
    """Everything that was said about any version; nothing is ever deleted."""
    said = [
        (number, review)
        for number, version in enumerate(versions, start=1)
        for review in services.records.reviews.of_measurement(version.measurement_id)
    ]
    if said:
        st.markdown("**History of reviews**")
        st.dataframe(history_rows(said), hide_index=True, width="stretch")
