"""The work list without Streamlit: where a scan stands, what comes first, what is asked for, rows and CSV."""

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from typing import Final

from dashboard.result_view import RESEARCH_USE
from dashboard.review_view import minute_words, said_words
from sarcopenia.domain.results import Verdict
from sarcopenia.records import ReviewState, WorkItem, WorkResult

FORMULA_SIGNS: Final = ("=", "+", "-", "@", "\t", "\r")
"""A spreadsheet would run a cell that begins with one of these."""


class WorkState(StrEnum):
    """Where a scan stands in the work list, the most urgent first."""

    NEEDS_REVIEW = "needs review"
    NEW = "new"
    NO_RESULT = "no result"
    REJECTED = "rejected"
    SIGNED = "signed"


@dataclass(frozen=True)
class WorkFilter:
    """What a person wants to see; empty and ``None``: everything. Days are days of the study, both included."""

    states: tuple[str, ...] = ()
    flags: tuple[str, ...] = ()
    first_day: date | None = None
    last_day: date | None = None
    reviewers: tuple[str, ...] = ()

    def takes(self, item: WorkItem) -> bool:
        """Whether a scan is wanted: any of the states, any of the flags, and any of the reviewers."""
        result = item.result
        codes = () if result is None else tuple(flag.code for flag in result.flags)
        return (
            (not self.states or work_state(item).value in self.states)
            and (not self.flags or bool(set(self.flags) & set(codes)))
            and (not self.reviewers or reviewer(item) in self.reviewers)
            and self._in_time(item.study_date)
        )

    def _in_time(self, day: date | None) -> bool:
        if day is None:
            return self.first_day is None and self.last_day is None
        return (self.first_day or day) <= day <= (self.last_day or day)


def work_state(item: WorkItem) -> WorkState:
    """Where a scan stands."""
    result = item.result
    if result is None:
        return WorkState.NO_RESULT
    if result.review is not None and result.review.state is not ReviewState.WITHDRAWN:
        return WorkState.SIGNED if result.review.state is ReviewState.SIGNED else WorkState.REJECTED
    return WorkState.NEW if result.verdict is Verdict.ACCEPT else WorkState.NEEDS_REVIEW


def work_order(item: WorkItem) -> tuple[int, float, date]:
    """Sort key: what needs review first, there the most uncertain first, then by the date of the study."""
    spread = None if item.result is None else item.result.sma_cov_percent
    return list(WorkState).index(work_state(item)), -(spread or 0.0), item.study_date or date.min


def reviewer(item: WorkItem) -> str:
    """Whose review holds; "" where nobody has said anything."""
    return item.result.review.author if item.result is not None and item.result.review is not None else ""


def reviewers(items: Sequence[WorkItem]) -> list[str]:
    """Everybody whose review holds somewhere."""
    return sorted({reviewer(item) for item in items} - {""})


def flag_codes(items: Sequence[WorkItem]) -> list[str]:
    """Every flag that some scan has."""
    return sorted({flag.code for item in items if item.result is not None for flag in item.result.flags})


def work_row(item: WorkItem, patient_name: str) -> dict[str, object]:
    """One row of the work list."""
    result = item.result
    return {
        "State": work_state(item).value,
        "Patient": patient_name,
        "Study date": item.study_date,
        "Series": item.series_description,
        "Level": None if result is None else result.level,
        "SMA (cm²)": None if result is None else result.sma_cm2,
        "CoV (%)": None if result is None else result.sma_cov_percent,
        "Verdict": "" if result is None else result.verdict.value.replace("_", " "),
        "Flags": "" if result is None else ", ".join(flag.code for flag in result.flags),
        "Reviewed": "" if result is None else said_words(result.review),
    }


def work_csv(items: Sequence[WorkItem], names: dict[int, str], addresses: dict[int, str]) -> str:
    """The rows as CSV with version, review and address of every scan; names and addresses by scan id."""
    text = io.StringIO()
    rows = [_csv_row(item, names[item.scan_id], addresses[item.scan_id]) for item in items]
    writer = csv.DictWriter(text, fieldnames=list(rows[0]) if rows else [], lineterminator="\n")
    writer.writeheader()
    writer.writerows({name: _as_text(value) for name, value in row.items()} for row in rows)
    return text.getvalue()


def _csv_row(item: WorkItem, patient_name: str, address: str) -> dict[str, object]:
    row = {"Scan": item.scan_id} | work_row(item, patient_name)
    return row | _review_columns(item.result) | {"Address": address, "Notice": RESEARCH_USE}


def _review_columns(result: WorkResult | None) -> dict[str, object]:
    review = None if result is None else result.review
    return {
        "Version": None if result is None else result.version,
        "Reviewer": "" if review is None else review.author,
        "Reviewed at": "" if review is None else minute_words(review.recorded_at),
    }


def _as_text(value: object) -> object:
    return f"'{value}" if isinstance(value, str) and value.startswith(FORMULA_SIGNS) else value


def counted_words(shown: int, total: int) -> str:
    """How many scans are shown of how many."""
    return f"Showing all {total:,} scans." if shown == total else f"Showing {shown:,} of {total:,} scans."
