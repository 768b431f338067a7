"""Pre-op: the list of planned operations, and one patient before one operation. The address names either."""

from dataclasses import dataclass
from datetime import date

import streamlit as st

from dashboard import state
from dashboard.components.notices import show_error
from dashboard.components.operation_list import show_list
from dashboard.components.preop import show_case
from dashboard.components.scan import person_at
from dashboard.components.signing import show_person
from dashboard.event_view import holding
from dashboard.patient_data import dated_trend_scans
from dashboard.preop_view import PreopCase, chosen_scan, operation_words, unusable_words
from dashboard.review_view import version_number
from dashboard.services import Services, get_services
from dashboard.trend_view import SMA, build_trend, trend_scans
from sarcopenia.domain.errors import SarcopeniaError
from sarcopenia.records import PatientSummary, PlannedOperation, ScanSummary


@dataclass(frozen=True)
class Subject:
    """Whose page it is, and before which operation."""

    patient: PatientSummary
    operation: PlannedOperation | None


def linked_subject(services: Services, operation: PlannedOperation | None) -> Subject | None:
    """The patient of the address; asks where a hospital number belongs to several."""
    linked = state.linked_number(state.PATIENT_PARAMETER)
    ids = (linked,) if operation is None and linked is not None else operation.patient_ids if operation else ()
    if len(ids) == 1:
        return Subject(services.records.patients.get(ids[0]), operation)
    if not ids:
        st.info("There is no scan of this patient yet. Upload the CT: it is found by its hospital number.")
        return None
    patients = {patient_id: services.records.patients.get(patient_id) for patient_id in ids}
    st.warning("Several patients have this hospital number. Choose the one who is operated on.")
    chosen = st.radio(
        "Patient",
        ids,
        index=None,
        format_func=lambda i: f"{patients[i].display_name}, born {patients[i].identity.birth_date or 'unknown'}",
    )
    return None if chosen is None else Subject(patients[chosen], operation)


def build_case(
    services: Services, subject: Subject, scans: tuple[ScanSummary, ...], profile_id: str, today: date
) -> PreopCase | None:
    """What the page shows of the patient's scans; ``None`` where no number may be used."""
    records = services.records
    patient, operation = subject.patient, subject.operation
    scan = chosen_scan(scans, None if operation is None else operation.plan.day)
    if scan is None or scan.latest is None:
        return None
    dated, _left_out = trend_scans(dated_trend_scans(records, scans))
    return PreopCase(
        patient=patient,
        operation=operation,
        scan=scan,
        stored=scan.latest,
        version=version_number(records.measurements.of_scan(scan.scan_id), scan.latest.measurement_id),
        person=person_at(records.contexts.for_scan(scan.scan_id)),
        trend=build_trend(dated, SMA, None, holding(records.events.of_patient(patient.patient_id))),
        today=today,
        profile_id=profile_id,
    )


def show_one(services: Services, today: date) -> None:
    """One patient before an operation."""
    number = state.linked_number(state.OPERATION_PARAMETER)
    operation = None if number is None else services.records.operations.get(number)
    if st.button("Planned operations", icon=":material/arrow_back:"):
        state.link_number(state.OPERATION_PARAMETER, None)
        state.link_number(state.PATIENT_PARAMETER, None)
        st.rerun()
    if operation is not None and operation.cancelled is not None:
        st.warning(f"Taken off the list by {operation.cancelled.author}: {operation.cancelled.reason}")
    subject = linked_subject(services, operation)
    if subject is not None:
        scans = services.records.scans.of_patient(subject.patient.patient_id)
        case = build_case(services, subject, scans, state.chosen_profile(), today)
        for words in unusable_words(scans, None if case is None else case.scan):
            st.warning(f"{words}.", icon=":material/block:")
        if case is None:
            st.subheader(f"{subject.patient.display_name} · {operation_words(operation)}")
            st.info("No scan of this patient has a usable measurement at L3.")
        else:
            show_case(services, case)
    if operation is not None and operation.cancelled is None:
        _show_cancel(services, operation)


def _show_cancel(services: Services, operation: PlannedOperation) -> None:
    with st.expander("Take this operation off the list"), st.form("cancel"):
        reason = st.text_input("Reason, for example: moved, done, cancelled")
        if st.form_submit_button("Take it off"):
            services.records.operations.cancel(operation.operation_id, author=state.person(), reason=reason)
            state.link_number(state.OPERATION_PARAMETER, None)
            st.rerun()


def page() -> None:
    """The page from top to bottom."""
    st.title("Pre-op")
    services = get_services()
    today = date.today()  # a theatre's list goes by the local day
    try:
        linked = [state.linked_number(name) for name in (state.OPERATION_PARAMETER, state.PATIENT_PARAMETER)]
        if any(number is not None for number in linked):
            show_one(services, today)
        else:
            show_list(services, show_person(), today)
    except SarcopeniaError as error:
        show_error(error)


page()
