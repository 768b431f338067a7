"""Every key of the session, with a typed way to read and write it; no other module spells a key.

Only small serialisable values live here: ids and counters, never pixels or clients.
"""

import streamlit as st

_JOB = "current_job_id"
_UPLOADER = "uploader_generation"
_PATIENT = "current_patient_id"
SCAN_PARAMETER = "scan"
"""Query parameter that makes a result a link."""


def current_job() -> int | None:
    """Job that the upload page follows."""
    job_id: int | None = st.session_state.get(_JOB)
    return job_id


def follow_job(job_id: int | None) -> None:
    """Follow a job, or none."""
    st.session_state[_JOB] = job_id


def uploader_key() -> str:
    """Key of the uploader; a new one is an empty uploader."""
    return f"uploader-{st.session_state.get(_UPLOADER, 0)}"


def clear_uploader() -> None:
    """Let go of the uploaded bytes: they are in the store."""
    st.session_state[_UPLOADER] = st.session_state.get(_UPLOADER, 0) + 1


def current_patient() -> int | None:
    """Patient that the patient page shows."""
    patient_id: int | None = st.session_state.get(_PATIENT)
    return patient_id


def show_patient(patient_id: int | None) -> None:
    """Show a patient, or the list."""
    st.session_state[_PATIENT] = patient_id


def linked_scan() -> int | None:
    """Scan that the address names."""
    text = st.query_params.get(SCAN_PARAMETER, "")
    return int(text) if text.isdecimal() else None


def link_scan(scan_id: int | None) -> None:
    """Put a scan into the address, or take it out."""
    if scan_id is None:
        st.query_params.pop(SCAN_PARAMETER, None)
    else:
        st.query_params[SCAN_PARAMETER] = str(scan_id)


def link_selected_scan(chart_key: str) -> None:
    """Put the scan of the marker that was clicked last in a chart into the address."""
    points = st.session_state[chart_key]["selection"]["points"]
    if points:
        link_scan(int(points[0]["customdata"][0]))
