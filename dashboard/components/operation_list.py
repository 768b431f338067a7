"""The list of planned operations: the next first, entered or imported from a CSV file; and the search without one."""

from collections.abc import Mapping
from datetime import date
from typing import Final

import pandas as pd
import streamlit as st

from dashboard import state
from dashboard.components.notices import show_error
from dashboard.preop_view import chosen_scan, list_row, scan_line
from dashboard.services import Services
from sarcopenia.clinical.evidence import PROCEDURE_NAMES, Procedure
from sarcopenia.domain.errors import SarcopeniaError
from sarcopenia.exchange.operation_list import OperationLine, OperationList, read_operation_list
from sarcopenia.records import NewOperation, PlannedOperation

SEARCH_LIMIT: Final = 50
CSV_HINT: Final = "Columns: hospital number, date, procedure, and if known surgeon, name, note. One line an operation."


def show_list(services: Services, author: str, today: date) -> None:
    """The list with its ways in; a click opens a patient's page."""
    _show_search(services)
    st.subheader("Planned operations")
    planned = services.records.operations.planned(today)
    if planned:
        rows = pd.DataFrame([_row(services, operation) for operation in planned])
        event = st.dataframe(rows, hide_index=True, width="stretch", on_select="rerun", selection_mode="single-row")
        if event.selection.rows:
            state.link_number(state.OPERATION_PARAMETER, planned[event.selection.rows[0]].operation_id)
            st.rerun()
    else:
        st.info("No operation is planned from today on. Enter one, or import the list of your theatre.")
    _show_form(services, author, today)
    _show_import(services, author)


def _row(services: Services, operation: PlannedOperation) -> dict[str, object]:
    if len(operation.patient_ids) != 1:
        words = "several patients have this number" if operation.patient_ids else "no scan yet"
        return list_row(operation, operation.plan.patient_name, words)
    patient = services.records.patients.get(operation.patient_ids[0])
    scan = chosen_scan(services.records.scans.of_patient(patient.patient_id), operation.plan.day)
    return list_row(operation, patient.display_name, scan_line(scan))


def _show_search(services: Services) -> None:
    """The emergency: nobody has planned it, but there is a CT."""
    text = st.text_input(
        "Find a patient by hospital number, accession number or name", key="preop-search", icon=":material/search:"
    )
    if not text.strip():
        return
    scans = services.records.scans.search(text, SEARCH_LIMIT)
    if not scans:
        st.info("No patient matches. Upload the CT first; it is measured within a minute.")
        return
    for patient_id in dict.fromkeys(scan.patient_id for scan in scans):
        patient = services.records.patients.get(patient_id)
        label = f"{patient.display_name} · {patient.identity.dicom_patient_id} · {patient.scan_count} scans"
        if st.button(label, key=f"found-{patient_id}", icon=":material/person:"):
            state.link_number(state.PATIENT_PARAMETER, patient_id)
            st.rerun()


def _show_form(services: Services, author: str, today: date) -> None:
    with st.expander("Enter an operation"), st.form("operation", clear_on_submit=True):
        first, second = st.columns(2)
        number = first.text_input("Hospital number", help="DICOM Patient ID of the images")
        name = second.text_input("Patient's name, if there are no images yet")
        day = first.date_input("Date", today, min_value=today)
        procedure = second.selectbox("Procedure", list(Procedure), format_func=PROCEDURE_NAMES.__getitem__)
        surgeon, note = first.text_input("Surgeon"), second.text_input("Note")
        if st.form_submit_button("Save", type="primary"):
            new = NewOperation(number, day, procedure, surgeon, name, note)
            _plan(services, (new,), author)


def _plan(services: Services, new: tuple[NewOperation, ...], author: str) -> None:
    try:
        services.records.operations.plan(new, author=author)
    except SarcopeniaError as error:
        show_error(error)
        return
    st.rerun()


def procedure_codes() -> Mapping[str, str]:
    """Code of every procedure by its code and by its name, in lower case, as a list may call it."""
    return {word.lower(): each.value for each in Procedure for word in (each.value, PROCEDURE_NAMES[each])}


def _show_import(services: Services, author: str) -> None:
    with st.expander("Import a list (CSV)"):
        st.caption(f"{CSV_HINT} Procedures: {', '.join(each.value for each in Procedure)}.")
        file = st.file_uploader("CSV file", type=["csv"], key="operation-list")
        if file is None:
            return
        try:
            found = read_operation_list(file.getvalue(), procedure_codes())
        except SarcopeniaError as error:
            show_error(error)
            return
        _show_found(found)
        if st.button(f"Plan {len(found.lines)} operations", type="primary", disabled=not found.lines):
            _plan(services, tuple(_operation(line) for line in found.lines), author)


def _operation(line: OperationLine) -> NewOperation:
    return NewOperation(line.hospital_number, line.day, line.procedure, line.surgeon, line.patient_name, line.note)


def _show_found(found: OperationList) -> None:
    """What the file holds, and the lines that a person must mend."""
    for refused in found.refused:
        st.warning(f"Line {refused.number} is left out: {refused.reason}.")
    st.caption(f"{len(found.lines)} operations can be planned. Those on the list already are not doubled.")
