"""All scans together: what is read, filters, and the views of the cohort with their exact numbers."""

import sys
from collections.abc import Callable, Mapping, Sequence
from datetime import date
from typing import Final

import pandas as pd
import plotly.graph_objects as go
import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from dashboard.cohort_change_columns import CHANGE_COLUMNS
from dashboard.cohort_change_view import CohortChange, change_rows, changes_between, summary_words
from dashboard.cohort_columns import COLUMNS
from dashboard.cohort_export import chosen_columns, csv_bytes, dictionary_csv, parquet_bytes, xlsx_bytes
from dashboard.cohort_figures import (
    distribution_figure,
    distribution_words,
    prevalence_figure,
    prevalence_words,
    scatter_figure,
    scatter_words,
)
from dashboard.cohort_numbers_view import (
    Prevalence,
    group_rows,
    marker_rows,
    nobody_rows,
    people_rows,
    prevalence_people,
    prevalence_rows,
    prevalences,
    protocol_words,
    range_words,
    smi_groups,
    smi_missing_words,
)
from dashboard.cohort_view import (
    ALL_AGES,
    MAX_SCANS,
    Cohort,
    CohortFilter,
    CohortRow,
    FilterStep,
    Selection,
    counted,
    counting,
    counting_words,
    filter_words,
    filtered,
    kv_words,
    one_a_person,
    phase_words,
    read_words,
    sex_words,
    table_row,
)
from dashboard.components.scan import person_at
from dashboard.components.work_list import FIRST_CT, address_of
from dashboard.result_view import MISSING, NOT_REVIEWED, age_years
from dashboard.services import Services, get_services
from sarcopenia.domain.volume import ContrastPhase, Sex
from sarcopenia.records import PatientSummary, Records, ScanSummary

LINK: Final = "Open"
ONE, ALL = "One a person, the newest", "All"
TOLERANCE_DAYS: Final = 30
ONE_DIGIT: Final = st.column_config.NumberColumn(format="%.1f")
NUMBERS: Final = {
    LINK: st.column_config.LinkColumn(LINK, display_text="Open", help="The scan in a tab of its own", width="small"),
    "Counts": st.column_config.TextColumn(width="medium"),
    **dict.fromkeys(
        (
            "SMA (cm²)",
            "SMI (cm²/m²)",
            "SMD (HU)",
            "First SMA (cm²)",
            "Second SMA (cm²)",
            "Difference (cm²)",
            "Difference (%)",
            "MDC95 (cm²)",
        ),
        ONE_DIGIT,
    ),
}
XLSX: Final = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
SEVERAL: Final = "A person with several scans counts several times here. "
MARKERS: Final = f"Open markers: {NOT_REVIEWED}; filled: signed."


def show_cohort(services: Services) -> None:
    """Search, filters, how many scans count, and one view of them."""
    text = st.text_input("Search by patient, series, day or scan number", key="cohort-search", type="search").strip()
    newest = services.records.audit.entries(limit=1)
    cohort = read_cohort(text, newest[0].entry_id if newest else 0)
    if not cohort.everything:
        st.info("No scans yet. Upload one first.")
        return
    st.caption(read_words(cohort))
    selection = _select(cohort)
    if not selection.shown:
        st.info("No scan matches. Search for something else, or take a filter away.")
        return
    st.markdown(counting_words(selection.shown))
    view = st.segmented_control("View", list(VIEWS), default=next(iter(VIEWS)), required=True, key="cohort-view")
    VIEWS[view](selection)


@st.cache_resource(max_entries=4, show_spinner="Reading the records …")
def read_cohort(text: str, last_entry_id: int) -> Cohort:  # the audit's entry is part of the key alone
    """The newest scans that match a search, read once for all sessions until something is changed.

    Every change of the records writes into the audit, so what was read holds as long as ``last_entry_id`` is its last.
    """
    records = get_services().records
    items = records.work_items.find(text)
    versions = {item.scan_id: item.result.version for item in items if item.result is not None}
    patients = {patient.patient_id: patient for patient in records.patients.search(limit=sys.maxsize)}
    rows = tuple(
        _row(records, scan, patients.get(scan.patient_id), versions.get(scan.scan_id, 1))
        for scan in records.scans.search(text, MAX_SCANS)
    )
    return Cohort(rows, len(items), records.work_items.count())


def _row(records: Records, scan: ScanSummary, patient: PatientSummary | None, version: int) -> CohortRow:
    """One scan; ``patient`` is ``None`` where two were merged since the patients were read."""
    identity = None if patient is None else patient.identity
    return CohortRow(
        scan_id=scan.scan_id,
        patient_id=scan.patient_id,
        patient_name=MISSING if patient is None else patient.display_name,
        hospital_number="" if identity is None else identity.dicom_patient_id,
        study_date=scan.study_date,
        age_years=age_years(scan.header, None if identity is None else identity.birth_date, scan.study_date),
        header=scan.header,
        person=person_at(records.contexts.for_scan(scan.scan_id)),
        stored=scan.latest,
        version=version,
    )


def _select(cohort: Cohort) -> Selection:
    """What the filters take, and how many scans each leaves."""
    wanted, only_one = _ask_filter(cohort.rows)
    rows, steps = filtered(cohort.rows, wanted)
    shown = one_a_person(rows) if only_one else rows
    if only_one:
        steps = (*steps, FilterStep("one scan a person", len(shown)))
    st.caption(filter_words(cohort, steps))
    return Selection(rows, shown)


def _ask_filter(rows: Sequence[CohortRow]) -> tuple[CohortFilter, bool]:
    """The filters, and whether each person comes with one scan."""
    number, review, sex, age = st.columns([3, 2, 3, 4])
    only_one = number.segmented_control("Scans", [ONE, ALL], default=ONE, required=True, key="cohort-scans") == ONE
    signed = review.segmented_control("Review", ["All", "Signed"], default="All", required=True, key="cohort-review")
    sexes = sex.multiselect("Sex", list(Sex), format_func=sex_words, key="cohort-sex")
    ages = age.slider("Age at the scan (years)", *ALL_AGES, ALL_AGES, key="cohort-age")
    since, until, phase, kv = st.columns([2, 2, 4, 4])
    first_day, last_day = _ask_day(since, "Study from", "cohort-from"), _ask_day(until, "Study to", "cohort-to")
    phases = phase.multiselect("Contrast phase", list(ContrastPhase), format_func=phase_words, key="cohort-phase")
    protocols = kv.multiselect("Protocol", sorted({kv_words(row.header) for row in rows}), key="cohort-protocol")
    return CohortFilter(
        signed == "Signed", tuple(sexes), ages, first_day, last_day, tuple(phases), tuple(protocols)
    ), only_one


def _ask_day(place: DeltaGenerator, label: str, key: str) -> date | None:
    return place.date_input(label, None, FIRST_CT, key=key, format="YYYY-MM-DD")


def _show_chart(name: str, figure: go.Figure, words: str) -> None:
    """A chart, and below it what it shows in words."""
    st.plotly_chart(figure, width="stretch", key=f"cohort-{name}", alt=words)
    st.caption(words)


def _show_table(rows: Sequence[Mapping[str, object]], alt: str) -> None:
    st.dataframe(pd.DataFrame(rows), hide_index=True, width="stretch", column_config=NUMBERS, alt=alt)


def _show_markers(rows: Sequence[CohortRow]) -> None:
    with st.expander("Exact values of the chart: one row for each scan"):
        _show_table(marker_rows(rows), "Exact values of the chart")


def _show_distribution(selection: Selection) -> None:
    """SMI by sex and age."""
    rows = counting(selection.shown)
    groups = smi_groups(rows)
    if missing := smi_missing_words(rows):
        st.info(missing)
    if not groups:
        st.info("No scan has an SMI.")
        return
    _show_chart("distribution", distribution_figure(rows), distribution_words(rows, groups))
    st.caption(f"{MARKERS} {_several_words(rows)}SMI uses the height that holds on the day of each scan.")
    _show_table(group_rows(groups), "Median and quartiles of the SMI by sex and decade of age")
    _show_markers(rows)


def _several_words(rows: Sequence[CohortRow]) -> str:
    return SEVERAL if len({row.patient_id for row in rows}) < len(rows) else ""


def _show_prevalence(selection: Selection) -> None:
    """How many people lie below each profile's limit."""
    with_unsigned = st.toggle(f"Count numbers that are {NOT_REVIEWED}", key="cohort-unsigned")
    people = prevalence_people(selection.rows, with_unsigned=with_unsigned)
    if not people:
        st.info("Nobody has a signed number among these scans. Sign them in Review, or count unsigned numbers too.")
        return
    st.caption(f"{counted(len(people), 'scan')}, one for each person: the newest that counts.")
    unsigned = sum(not row.signed for row in people)
    if unsigned:
        st.warning(f"{unsigned} of {len(people)} numbers are **{NOT_REVIEWED}**; the last table names them.")
    _show_profiles(prevalences(people))
    with st.expander(f"Who counts ({len(people)})"):
        _show_table(people_rows(people), "People who count, with the review of their number")


def _show_profiles(found: Sequence[Prevalence]) -> None:
    for words in range_words(found):
        st.markdown(f"**{words}**")
    st.caption("A profile applies to other people than the next one. There is no global verdict.")
    if rows := prevalence_rows(found):
        _show_chart("prevalence", prevalence_figure(found), prevalence_words(found))
        _show_table(rows, "Number and share of people below each limit")
    if nobody := nobody_rows(found):
        with st.expander(f"{counted(len(nobody), 'comparison')} that can be made for nobody here"):
            _show_table(nobody, "Profiles that apply to nobody, with the reasons")


def _show_scatter(selection: Selection) -> None:
    """Density against area."""
    rows = [row for row in counting(selection.shown) if row.composition is not None]
    measured = [row for row in rows if row.composition is not None and row.composition.smd_hu is not None]
    if not measured:
        st.info("No scan has both an area and a density.")
        return
    _show_chart("scatter", scatter_figure(measured), scatter_words(measured))
    st.caption(f"{MARKERS} {_several_words(measured)}{protocol_words(measured)}")
    _show_markers(measured)


def _show_rows(selection: Selection) -> None:
    """The table of all rows, and the files."""
    rows = [{LINK: address_of(row.scan_id)} | table_row(row) for row in selection.shown]
    _show_table(rows, "Cohort: one row for every scan")
    st.subheader("Export")
    named = _ask_identifiers("cohort-identifiers")
    columns = chosen_columns(COLUMNS, with_identifiers=named)
    files: tuple[tuple[str, str, str, Callable[[], bytes]], ...] = (
        ("Data (CSV)", "cohort", "csv", lambda: csv_bytes(selection.shown, columns)),
        ("Data and dictionary (XLSX)", "cohort", "xlsx", lambda: xlsx_bytes(selection.shown, columns)),
        ("Data (Parquet)", "cohort", "parquet", lambda: parquet_bytes(selection.shown, columns)),
        ("Dictionary (CSV)", "cohort_dictionary", "csv", lambda: dictionary_csv(columns)),
    )
    _show_downloads(files, named=named)


def _ask_identifiers(key: str) -> bool:
    """Whether the files name people; says what that means either way."""
    named = st.toggle("With identifiers", key=key)
    if named:
        st.warning(
            "The files name patients and staff: names, hospital and accession numbers, study dates, UIDs. "
            "Keep them as you keep the patients' files."
        )
    else:
        st.caption(
            "Without names, hospital numbers, exact dates and UIDs: age in years, year of the study, and this tool's "
            "own record numbers. That is pseudonymous, not anonymous."
        )
    return named


def _show_downloads(files: Sequence[tuple[str, str, str, Callable[[], bytes]]], *, named: bool) -> None:
    """Buttons (label, name, ending, content); a file is made when it is asked for."""
    types = {"csv": "text/csv", "xlsx": XLSX, "parquet": "application/vnd.apache.parquet"}
    marked = "_with_identifiers" if named else ""
    with st.container(horizontal=True):
        for label, name, ending, content in files:
            st.download_button(
                label,
                content,
                f"{name}{marked}_research_use_only.{ending}",
                types[ending],
                icon=":material/download:",
                on_click="ignore",
                key=f"download-{name}-{ending}",
            )


def _show_change(selection: Selection) -> None:
    """Change of every patient between two dates."""
    rows = counting(selection.rows)
    days = sorted(row.study_date for row in rows if row.study_date is not None)
    first_place, last_place, width = st.columns(3)
    first, last = _ask_day(first_place, "First date", "change-from"), _ask_day(last_place, "Second date", "change-to")
    tolerance = width.number_input("Days a scan may lie from its date", 0, 3650, TOLERANCE_DAYS, key="change-days")
    if not days:
        st.info("No scan that counts has a date.")
    elif first is None or last is None:
        st.info(f"Enter two dates. The scans that count are of {days[0]} to {days[-1]}.")
    elif first >= last:
        st.error("The first date must lie before the second one. Enter them again.")
    else:
        _show_changes(changes_between(rows, first, last, int(tolerance)))


def _show_changes(found: CohortChange) -> None:
    st.markdown(summary_words(found))
    st.caption(
        "SMA of the scan nearest to each date; all scans that pass the filters and count are asked, not one a person. "
        "Scans that are not comparable have no difference. The MDC95 is that of the Patient page."
    )
    if not found.changes:
        return
    _show_table(change_rows(found.changes), "Change of the SMA of every patient")
    named = _ask_identifiers("change-identifiers")
    columns = chosen_columns(CHANGE_COLUMNS, with_identifiers=named)
    files: tuple[tuple[str, str, str, Callable[[], bytes]], ...] = (
        ("Changes (CSV)", "cohort_change", "csv", lambda: csv_bytes(found.changes, columns)),
        ("Dictionary (CSV)", "cohort_change_dictionary", "csv", lambda: dictionary_csv(columns)),
    )
    _show_downloads(files, named=named)


VIEWS: Final[dict[str, Callable[[Selection], None]]] = {
    "SMI by sex and age": _show_distribution,
    "Cut-off profiles": _show_prevalence,
    "Area and density": _show_scatter,
    "Table and export": _show_rows,
    "Change between two dates": _show_change,
}
