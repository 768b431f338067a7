"""The work list on a page: filters that the address keeps, the table, and what is done with the rows chosen in it."""

import sys
from collections.abc import Sequence
from datetime import date
from typing import Final
from urllib.parse import urljoin

import pandas as pd
import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from dashboard import state
from dashboard.components.notices import show_error
from dashboard.result_view import MISSING
from dashboard.services import Services
from dashboard.work_list_view import (
    WorkFilter,
    WorkState,
    counted_words,
    flag_codes,
    reviewers,
    work_csv,
    work_order,
    work_row,
)
from sarcopenia.domain.errors import SarcopeniaError
from sarcopenia.records import WorkItem
from sarcopenia.review import BULK_STATEMENT, may_sign, sign_in_bulk

REVIEW_PAGE: Final = "app_pages/review.py"
LINK: Final = "Open"
FIRST_CT: Final = date(1971, 10, 1)
"""The first scan of a patient; a calendar must begin somewhere."""
COLUMNS: Final = {
    LINK: st.column_config.LinkColumn(LINK, display_text="Open", help="The scan in a tab of its own", width="small"),
    "SMA (cm²)": st.column_config.NumberColumn(format="%.1f"),
    "CoV (%)": st.column_config.NumberColumn(format="%.1f", help="Spread of the ensemble; the larger, the less sure."),
    "Flags": st.column_config.TextColumn(width="medium"),
}


def show_work_list(services: Services, author: str) -> None:
    """Filters, the table, and what can be done with it."""
    everything = services.records.work_items.find()
    text = _ask_text()
    wanted = _ask_filter(everything)
    state.keep_work_list()
    _show_bulk_outcome(everything)
    found = services.records.work_items.find(text) if text else everything
    items = sorted((item for item in found if wanted.takes(item)), key=work_order)
    if not everything:
        st.info("No scans yet. Upload one first.")
        return
    st.caption(f"{counted_words(len(items), len(everything))} What needs a person comes first, the least sure on top.")
    if not items:
        st.info("No scan matches.")
        return
    names = patient_names(services, items)
    chosen = _show_table(items, names)
    _show_download(items, names)
    show_chosen(services, chosen, author)


def _ask_text() -> str:
    return st.text_input(
        "Search by patient, series, day or scan number", key="search", type="search", bind="query-params"
    ).strip()


def _ask_filter(items: Sequence[WorkItem]) -> WorkFilter:
    """What to show; the keys are the names in the address."""
    states = st.pills(
        "State", [each.value for each in WorkState], selection_mode="multi", key="state", bind="query-params"
    )
    flag, since, until, by = st.columns([3, 2, 2, 3])
    flags = flag.multiselect("Flag", flag_codes(items), key="flag", bind="query-params")
    first_day = _ask_day(since, "Study from", "from")
    last_day = _ask_day(until, "Study to", "to")
    people = by.multiselect("Reviewed by", reviewers(items), key="by", bind="query-params")
    return WorkFilter(tuple(states), tuple(flags), first_day, last_day, tuple(people))


def _ask_day(place: DeltaGenerator, label: str, key: str) -> date | None:
    return place.date_input(label, None, FIRST_CT, key=key, format="YYYY-MM-DD", bind="query-params")


def patient_names(services: Services, items: Sequence[WorkItem]) -> dict[int, str]:
    """Name of the patient of every scan, by scan id."""
    everybody = services.records.patients.search(limit=sys.maxsize)
    names = {patient.patient_id: patient.display_name for patient in everybody}
    # Two patients may have been merged since the scans were read.
    return {item.scan_id: names.get(item.patient_id, MISSING) for item in items}


def address_of(scan_id: int) -> str:
    """Address of a scan that can be bookmarked and sent."""
    return urljoin(st.context.url or "", f"review?{state.SCAN_PARAMETER}={scan_id}")


def _show_table(items: Sequence[WorkItem], names: dict[int, str]) -> list[WorkItem]:
    """The table; gives the chosen rows."""
    rows = pd.DataFrame([{LINK: address_of(item.scan_id)} | work_row(item, names[item.scan_id]) for item in items])
    # Without a key: rows are chosen by their place, and must not stay chosen when others take it.
    event = st.dataframe(
        rows,
        hide_index=True,
        width="stretch",
        column_config=COLUMNS,
        on_select="rerun",
        selection_mode="multi-row",
        alt="Work list: one row for every scan",
    )
    return [items[place] for place in event.selection.rows if place < len(items)]


def _show_download(items: Sequence[WorkItem], names: dict[int, str]) -> None:
    addresses = {item.scan_id: address_of(item.scan_id) for item in items}
    st.download_button(
        "Listed rows (CSV)",
        work_csv(items, names, addresses).encode("utf-8-sig"),  # a spreadsheet needs the mark to read "cm²"
        "worklist_research_use_only.csv",
        "text/csv",
        icon=":material/download:",
        on_click="ignore",
    )


def show_chosen(services: Services, chosen: Sequence[WorkItem], author: str) -> None:
    """What is done with the chosen rows: open one, sign all that need no look of their own."""
    if not chosen:
        st.caption("Choose a row to open it; choose several to sign them together.")
        return
    if len(chosen) == 1:
        _show_open(chosen[0])
    st.subheader(f"Sign selected ({len(chosen)})")
    if not author:
        st.caption("Enter your name above first.")
        return
    signer = may_sign(services.settings, author)
    if not signer:
        st.caption(f"{author} may not sign; the settings name who may.")
    st.caption(
        "Scans with a flag that asks for a look, a verdict other than accept, a review before or strokes that are not "
        "stored are left out and named."
    )
    # A key of these scans alone: what was confirmed of others does not count for them.
    key = f"bulk-{hash(tuple(item.scan_id for item in chosen))}"
    confirmed = st.checkbox(BULK_STATEMENT, key=key, disabled=not signer)
    if st.button("Sign selected", type="primary", disabled=not (signer and confirmed)):
        _sign(services, chosen, author)


def _show_open(item: WorkItem) -> None:
    place, address = st.columns([1, 4], vertical_alignment="center")
    if place.button("Open scan", icon=":material/open_in_new:", type="primary"):
        st.switch_page(REVIEW_PAGE, query_params={state.SCAN_PARAMETER: str(item.scan_id)})
    address.code(address_of(item.scan_id), language=None)


def _sign(services: Services, chosen: Sequence[WorkItem], author: str) -> None:
    ids = [item.result.measurement_id for item in chosen if item.result is not None]
    try:
        state.keep_bulk_outcome(sign_in_bulk(services.records, services.settings, ids, author=author))
    except SarcopeniaError as error:
        show_error(error)
        return
    st.rerun()


def _show_bulk_outcome(items: Sequence[WorkItem]) -> None:
    """What was signed just now, and what was not and why."""
    outcome = state.take_bulk_outcome()
    if outcome is None:
        return
    if outcome.signed:
        st.success(f"Signed: {len(outcome.signed)}.", icon=":material/verified:")
    if outcome.refused:
        by_id = {item.result.measurement_id: item for item in items if item.result is not None}
        lines = [f"- {_named(by_id.get(each.measurement_id))}: {each.reason}" for each in outcome.refused]
        st.warning(f"Not signed: {len(outcome.refused)}. Open each and look at it.\n\n" + "\n".join(lines))


def _named(item: WorkItem | None) -> str:
    if item is None:
        return "An earlier version"
    day = "no date" if item.study_date is None else item.study_date.isoformat()
    return f"[Scan {item.scan_id}]({address_of(item.scan_id)}), {day}, {item.series_description}"
