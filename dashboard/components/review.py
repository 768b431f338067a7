"""The whole review of one scan: look, mend, move, sign."""

import streamlit as st

from dashboard.components.editor import show_editor, show_overtaken, show_previous
from dashboard.components.result import show_overviews, show_verdict
from dashboard.components.scan import show_questions
from dashboard.components.signing import show_person, show_signing, show_versions
from dashboard.services import Services, measurement_arrays
from sarcopenia.records import ScanSummary, StoredMeasurement


def show_review(services: Services, scan: ScanSummary, stored: StoredMeasurement) -> None:
    """The whole review of a scan with a result."""
    show_verdict(stored)
    author = show_person()
    arrays = measurement_arrays(stored.measurement_id)
    if arrays.slice is None:
        show_overviews(stored, arrays)
        return
    show_overtaken(services, scan, stored, author)
    show_editor(services, scan, stored, author)
    show_previous(services, scan)
    levels, signing = st.columns(2, gap="large")
    with levels:
        st.subheader("Levels")
        show_overviews(stored, arrays)
    with signing:
        show_questions(services, scan, services.records.contexts.for_scan(scan.scan_id))
        show_signing(services, scan, stored, author)
    show_versions(services, scan)
