"""Upload a scan, follow its job, see the result. The bytes are stored before anything else happens."""

import streamlit as st
from streamlit.runtime.uploaded_file_manager import UploadedFile

from dashboard import state
from dashboard.components.job_progress import follow_job, show_failure, show_question
from dashboard.components.notices import show_error
from dashboard.components.scan import show_scan
from dashboard.services import Services, get_services
from sarcopenia.domain.errors import SarcopeniaError
from sarcopenia.records import JobState, JobStatus

FOLDER, FILES = "A folder", "Files, a .zip or NIfTI"


def show_uploader(services: Services) -> None:
    """Take a folder or files; what arrives is stored at once and its job is followed."""
    way = st.segmented_control("What do you have?", [FOLDER, FILES], default=FOLDER, key="upload-way", required=True)
    uploaded = st.file_uploader(
        "DICOM series of the abdomen"
        if way == FOLDER
        else "DICOM files without or with extension, .zip, .nii, .nii.gz",
        accept_multiple_files="directory" if way == FOLDER else True,
        key=f"{state.uploader_key()}-{way}",
    )
    if uploaded:
        _submit(services, uploaded)


def _submit(services: Services, uploaded: list[UploadedFile]) -> None:
    try:
        with st.spinner("Saving the upload …"):
            files = [(file.name, file.getvalue()) for file in uploaded]
            receipt = services.records.uploads.submit(files, source="dashboard")
    except SarcopeniaError as error:
        show_error(error)
        return
    state.clear_uploader()
    state.link_scan(None)
    state.follow_job(receipt.job_id)
    st.rerun()


def show_job(services: Services, job_id: int) -> None:
    """The job that this session follows, whatever its state."""
    status = services.records.jobs.status(job_id)
    if status.state in (JobState.QUEUED, JobState.RUNNING):
        follow_job(job_id)
    elif status.state is JobState.QUESTION:
        show_question(status)
    elif status.state is JobState.FAILED:
        show_failure(status)
    else:
        _show_done(services, status)


def _show_done(services: Services, status: JobStatus) -> None:
    if status.note:
        st.info(status.note)
    if status.scan_id is not None:
        state.link_scan(status.scan_id)
        show_scan(services, status.scan_id)


def page() -> None:
    """The page from top to bottom."""
    services = get_services()
    job_id, scan_id = state.current_job(), state.linked_scan()
    nothing_shown = job_id is None and scan_id is None
    st.title("Upload a CT scan")
    with st.expander("Upload a scan" if nothing_shown else "Upload another scan", expanded=nothing_shown):
        show_uploader(services)
    try:
        if job_id is not None:
            show_job(services, job_id)
        elif scan_id is not None:
            show_scan(services, scan_id)
        else:
            st.info("Drop the folder or the files of one CT series. L3 is found and muscle is measured there.")
    except SarcopeniaError as error:
        show_error(error)


page()
