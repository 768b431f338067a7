"""The button that measures a patient's scans again with the models that are served now."""

from collections.abc import Sequence
from typing import Final

import streamlit as st

from dashboard import state
from dashboard.components.scan import AUTHOR
from dashboard.remeasure_view import RemeasurePlan, kept_words, remeasure_plan
from dashboard.services import Services, get_services
from sarcopenia.domain.errors import InferenceError
from sarcopenia.records import JobState, ScanSummary

POLL_S: Final = 2.0
UNDER_WAY: Final = (JobState.QUEUED, JobState.RUNNING)


def show_remeasure(services: Services, scans: Sequence[ScanSummary]) -> None:
    """Offer it where scans were measured with other weights; say how far it is while the worker does it."""
    uploads = tuple(scan.upload_id for scan in scans)
    if waiting := _waiting(services, uploads):
        _follow(uploads, waiting)
        return
    try:
        plan = remeasure_plan(scans, services.models.identities())
    except InferenceError:
        return  # the page's banner says that the models do not answer
    if plan.again:
        _offer(services, plan)
    if words := kept_words(plan):
        st.caption(words)


def _offer(services: Services, plan: RemeasurePlan) -> None:
    count = len(plan.again)
    scans = "One scan was" if count == 1 else f"{count} scans were"
    st.info(f"{scans} measured with other models than the present ones, which breaks the line.")
    if st.button("Measure all with the present models", icon=":material/restart_alt:", key="remeasure"):
        for upload_id in dict.fromkeys(scan.upload_id for scan in plan.again):
            services.records.uploads.measure_again(upload_id, author=state.person() or AUTHOR)
        st.rerun()


def _waiting(services: Services, uploads: Sequence[int]) -> int:
    """Jobs of these uploads that are not done yet."""
    return sum(job.upload_id in uploads and job.state in UNDER_WAY for job in services.records.jobs.recent(200))


@st.fragment(run_every=POLL_S)
def _follow(uploads: Sequence[int], waiting: int) -> None:
    """How many scans wait; the whole page runs again when one is done."""
    now = _waiting(get_services(), uploads)
    if now != waiting:
        st.rerun()
    st.info(f"Being measured with the present models: {now} to go. You may close this page; *System* lists the jobs.")
