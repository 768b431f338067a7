"""A job on its way: stages while it runs, a question, a failure with a way out. Polled in a fragment."""

from typing import Final

import streamlit as st

from dashboard import state
from dashboard.services import get_services
from sarcopenia.records import IdentityFacts, JobState, JobStatus

POLL_S: Final = 1.0
AUTHOR: Final = "dashboard"


@st.fragment(run_every=POLL_S)
def follow_job(job_id: int) -> None:
    """Draw a job that is under way; the whole page runs again when it has ended or asks something."""
    status = get_services().records.jobs.status(job_id)
    if status.state not in (JobState.QUEUED, JobState.RUNNING):
        st.rerun()
    if status.stage is None or status.state is JobState.QUEUED:
        st.progress(0.0, text=_waiting_words(status))
        return
    st.progress((status.stage.index + 0.5) / status.stage.total, text=f"{status.stage.text} …")


def _waiting_words(status: JobStatus) -> str:
    if status.failure is not None:
        return f"{status.failure.title}. The upload is kept; the next try follows by itself."
    return "Waiting for the worker … The upload is saved; you may close this page."


def show_failure(status: JobStatus) -> None:
    """Why a job failed, what to do, and a button where a retry makes sense."""
    failure = status.failure
    if failure is None:
        return
    st.error(f"**{failure.title}.** {failure.message}\n\n{failure.next_step}", icon=":material/error:")
    if failure.retriable and st.button("Retry", key=f"retry-{status.job_id}", type="primary"):
        get_services().records.jobs.retry(status.job_id, author=AUTHOR)
        st.rerun()


def show_question(status: JobStatus) -> None:
    """Both identities side by side, and the two answers."""
    question = status.question
    if question is None:
        return
    st.warning(f"**Is this the same patient?** {question.text}", icon=":material/help:")
    known, incoming = st.columns(2)
    _show_identity(known, "Known patient", question.known)
    _show_identity(incoming, "This scan", question.incoming)
    same, different = st.columns(2)
    if same.button("The same person", key=f"same-{status.job_id}"):
        _answer(status.job_id, same_person=True)
    if different.button("A different person", key=f"different-{status.job_id}"):
        _answer(status.job_id, same_person=False)


def _show_identity(place: st.delta_generator.DeltaGenerator, title: str, facts: IdentityFacts) -> None:
    born = "–" if facts.birth_date is None else facts.birth_date.isoformat()
    place.markdown(
        f"**{title}**\n\n- Name: {facts.name or '–'}\n- Patient ID: {facts.dicom_patient_id or '–'} "
        f"(issuer {facts.issuer or '–'})\n- Born: {born}\n- Sex: {facts.sex.value or '–'}"
    )


def _answer(job_id: int, *, same_person: bool) -> None:
    get_services().records.jobs.answer_identity(job_id, same_person=same_person, author=AUTHOR)
    state.follow_job(job_id)
    st.rerun()
