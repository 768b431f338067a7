"""The machine room: does every model answer, which weights are served, what waits, where the data lies."""

import pandas as pd
import streamlit as st

from dashboard.components.notices import show_error
from dashboard.services import Services, get_services, model_health
from dashboard.system_view import health_rows, job_rows, weight_rows
from sarcopenia.domain.errors import InferenceError, SarcopeniaError
from sarcopenia.inference.supervision import read_supervision
from sarcopenia.records import JobState

AUTHOR = "dashboard"
RECENT_JOBS = 50


def show_models(services: Services) -> None:
    """Canary of every model and the weights behind it."""
    st.subheader("Models")
    st.caption(f"Triton at {services.settings.triton_address}. Each line is one real inference, not a ready flag.")
    st.dataframe(pd.DataFrame(health_rows(model_health())), hide_index=True, width="stretch")
    try:
        st.dataframe(pd.DataFrame(weight_rows(services.models.identities())), hide_index=True, width="stretch")
    except InferenceError as error:
        st.caption(f"Versions and weights are not known: {error.message}")


def show_supervisor(services: Services) -> None:
    """What the supervisor of the embedded server says."""
    supervision = read_supervision(services.settings.data_dir)
    if supervision is None:
        st.caption("No embedded server reports here.")
        return
    st.markdown(f"**Embedded server: {supervision.state.value}** since {supervision.since:%Y-%m-%d %H:%M:%S} UTC")
    st.caption(f"{supervision.message} Restarts: {supervision.restarts}.")


def show_jobs(services: Services) -> None:
    """Recent jobs, and a retry for those that failed for want of a server."""
    st.subheader("Jobs")
    jobs = services.records.jobs.recent(RECENT_JOBS)
    if not jobs:
        st.info("No jobs yet.")
        return
    st.dataframe(pd.DataFrame(job_rows(jobs)), hide_index=True, width="stretch")
    failed = [job for job in jobs if job.state is JobState.FAILED and job.failure is not None and job.failure.retriable]
    for job in failed:
        if st.button(f"Retry job {job.job_id}", key=f"system-retry-{job.job_id}"):
            services.records.jobs.retry(job.job_id, author=AUTHOR)
            st.rerun()


def page() -> None:
    """The page from top to bottom."""
    st.title("System")
    services = get_services()
    try:
        show_models(services)
        show_supervisor(services)
        show_jobs(services)
    except SarcopeniaError as error:
        show_error(error)
    st.subheader("Storage")
    st.caption(
        f"Records: {services.settings.database_url.split('@')[-1]} · pixels and masks: {services.settings.blob_url}"
    )


page()
