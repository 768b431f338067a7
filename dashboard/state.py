"""Every key of the session, with a typed way to read and write it; no other module spells a key.

Only small serialisable values live here: ids and counters, never pixels or clients.
"""

import streamlit as st

from sarcopenia.review import BulkOutcome

_JOB = "current_job_id"
_UPLOADER = "uploader_generation"
_PATIENT = "current_patient_id"
_PERSON = "person_name"
_SHOWN_SLICE = "shown_slice"
_READING = "last_reading_id"
_BULK = "bulk_outcome"
_WORK_LIST = "work_list_parameters"
PROFILE_KEY = "cut_off_profile"
"""Key of the widget that chooses the cut-off profile of the pre-operative page."""
SCAN_PARAMETER = "scan"
"""Query parameter that makes a result a link."""
OPERATION_PARAMETER = "operation"
PATIENT_PARAMETER = "patient"
"""Query parameters of the pre-operative page: a planned operation, or a patient without one."""


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
    return linked_number(SCAN_PARAMETER)


def link_scan(scan_id: int | None) -> None:
    """Put a scan into the address, or take it out."""
    link_number(SCAN_PARAMETER, scan_id)


def linked_number(parameter: str) -> int | None:
    """Number that a query parameter of the address names."""
    text = st.query_params.get(parameter, "")
    return int(text) if text.isdecimal() else None


def link_number(parameter: str, number: int | None) -> None:
    """Put a number into the address, or take it out."""
    if number is None:
        st.query_params.pop(parameter, None)
    else:
        st.query_params[parameter] = str(number)


def link_selected_scan(chart_key: str) -> None:
    """Put the scan of the marker that was clicked last in a chart into the address."""
    points = st.session_state[chart_key]["selection"]["points"]
    if points:
        link_scan(int(points[0]["customdata"][0]))


def person() -> str:
    """Name of who sits at the screen: the login's, else the one that was typed; "" when nobody said."""
    if st.user.get("is_logged_in"):
        return str(st.user.get("email") or st.user.get("name") or "")
    name: str = st.session_state.get(_PERSON, "")
    return name


def name_person(name: str) -> None:
    """Remember the name that was typed."""
    st.session_state[_PERSON] = name.strip()


def chosen_profile() -> str:
    """Id of the cut-off profile that a person chose; "" leaves it to the operation."""
    profile_id: str = st.session_state.get(PROFILE_KEY, "")
    return profile_id


def shown_slice(measurement_id: int) -> int | None:
    """Slice that the review page shows of a measurement's scan; ``None``: the measured one."""
    kept = st.session_state.get(_SHOWN_SLICE)
    return kept[1] if kept is not None and kept[0] == measurement_id else None


def show_slice(measurement_id: int, slice_index: int | None) -> None:
    """Show a slice of a measurement's scan, or the measured one again."""
    st.session_state[_SHOWN_SLICE] = None if slice_index is None else [measurement_id, slice_index]


def last_reading() -> int | None:
    """Reading that this session stored last; each has an uploader of its own, so that the next one is empty."""
    reading_id: int | None = st.session_state.get(_READING)
    return reading_id


def reading_stored(reading_id: int) -> None:
    """Remember a reading that was stored, and let go of its upload."""
    st.session_state[_READING] = reading_id


def keep_bulk_outcome(outcome: BulkOutcome) -> None:
    """Keep what came of signing in bulk, so that the page can say it when it is drawn again."""
    st.session_state[_BULK] = outcome


def take_bulk_outcome() -> BulkOutcome | None:
    """What came of signing in bulk just now; it is told once."""
    outcome: BulkOutcome | None = st.session_state.pop(_BULK, None)
    return outcome


def keep_work_list() -> None:
    """Remember the filters in the address of the worklist."""
    names = set(st.query_params) - {SCAN_PARAMETER}
    st.session_state[_WORK_LIST] = {name: st.query_params.get_all(name) for name in names}


def work_list_parameters() -> dict[str, list[str]]:
    """Query parameters of the worklist as it was seen last."""
    parameters: dict[str, list[str]] = st.session_state.get(_WORK_LIST, {})
    return parameters
