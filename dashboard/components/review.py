"""The whole review of one scan: look, mend, move, sign."""

import streamlit as st

from dashboard.components.candidates import show_candidates
from dashboard.components.editor import show_editor, show_overtaken
from dashboard.components.level_choice import show_levels
from dashboard.components.result import show_verdict
from dashboard.components.scan import show_questions
from dashboard.components.signing import show_person, show_signing
from dashboard.components.unmeasured import show_unmeasured
from dashboard.components.versions import show_versions
from dashboard.services import Services, measurement_arrays
from sarcopenia.records import ScanSummary, StoredMeasurement


def show_review(services: Services, scan: ScanSummary, stored: StoredMeasurement) -> None:
    """The whole review of a scan with a result."""
    show_verdict(stored)
    author = show_person()
    arrays = measurement_arrays(stored.measurement_id)
    if arrays.slice is None:
        show_unmeasured(services, scan, stored, author)
        show_levels(stored)
        show_signing(services, scan, stored, author)
        show_versions(services, scan)
        return
    show_candidates(services, scan, stored, author)
    show_overtaken(services, scan, stored, author)
    show_editor(services, scan, stored, author)
    levels, signing = st.columns(2, gap="large")
    with levels:
        show_levels(stored)
    with signing:
        show_questions(services, scan, services.records.contexts.for_scan(scan.scan_id))
        show_signing(services, scan, stored, author)
    show_versions(services, scan)
