"""Change of the SMA of every patient between two dates, without Streamlit.

The scan nearest to each date stands for it. What may be said of two scans is decided by `sarcopenia.clinical.trend`.
"""

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

from dashboard.cohort_view import CohortRow, counted, counting, left_out_words
from dashboard.review_view import review_words
from dashboard.trend_view import SMA, TrendScan, build_trend
from sarcopenia.clinical.trend import Change, Outcome


@dataclass(frozen=True)
class PatientChange:
    """One patient's two scans and what may be said of them."""

    before: CohortRow
    after: CohortRow
    change: Change

    @property
    def difference_cm2(self) -> float | None:
        """Later minus earlier SMA; a pair that may not be compared has none."""
        return None if self.change.outcome is Outcome.NOT_COMPARABLE else self.change.difference

    @property
    def percent(self) -> float | None:
        """The difference in % of the earlier SMA."""
        return None if self.change.outcome is Outcome.NOT_COMPARABLE else self.change.percent

    @property
    def days(self) -> int:
        """Days between the two scans."""
        return (self.change.after.day - self.change.before.day).days

    @property
    def mdc95_cm2(self) -> float | None:
        """Minimal detectable change of the pair."""
        return None if self.change.mdc95 is None else self.change.mdc95.value


@dataclass(frozen=True)
class CohortChange:
    """The changes of all patients who have a scan near both dates, and why the others have none."""

    changes: tuple[PatientChange, ...]
    left_out: tuple[str, ...]


def changes_between(rows: Sequence[CohortRow], first: date, last: date, tolerance_days: int) -> CohortChange:
    """Change of every patient; of several scans equally near, a signed one, then the one stored last, is taken.

    Raises
    ------
    ValueError: the first date is not before the last.
    """
    if first >= last:
        raise ValueError("the first date must lie before the last")
    scans: dict[int, list[CohortRow]] = defaultdict(list)
    for row in counting(rows):
        scans[row.patient_id].append(row)
    changes, left_out = [], []
    for of_patient in scans.values():
        before, after = (_nearest(of_patient, day, tolerance_days) for day in (first, last))
        if before is None or after is None:
            near = [name for name, row in (("first", before), ("second", after)) if row is None]
            left_out.append(f"no scan near the {' and the '.join(near)} date")
        elif before is after:
            left_out.append("one scan is the nearest to both dates")
        else:
            changes.append(_change(before, after))
    return CohortChange(tuple(changes), tuple(left_out))


def _nearest(rows: Sequence[CohortRow], day: date, tolerance_days: int) -> CohortRow | None:
    away = [(abs((row.study_date - day).days), not row.signed, -row.scan_id, row) for row in rows if row.study_date]
    near = [found for found in away if found[0] <= tolerance_days]
    return min(near, key=lambda found: found[:3])[3] if near else None


def _change(before: CohortRow, after: CohortRow) -> PatientChange:
    scans = [
        TrendScan(row.scan_id, row.study_date, row.stored, row.version, row.header)
        for row in (before, after)
        if row.stored is not None and row.study_date is not None
    ]
    trend = build_trend(scans, SMA, None, ())
    return PatientChange(before, after, trend.change(*trend.points))


def summary_words(found: CohortChange) -> str:
    """How many patients were lost, gained, unchanged or not comparable, and how many have no pair of scans."""
    outcomes = Counter(str(each.change.outcome) for each in found.changes)
    told = ", ".join(f"{outcomes[outcome]} × {outcome}" for outcome in Outcome if outcomes[outcome])
    pairs = counted(len(found.changes), "patient") + " with a scan near both dates"
    words = f"{pairs}: {told}." if told else f"{pairs}."
    return f"{words} Left out: {left_out_words(found.left_out)}." if found.left_out else words


def change_rows(changes: Sequence[PatientChange]) -> list[dict[str, object]]:
    """Table of the changes."""
    return [
        {
            "Patient": each.after.patient_name,
            "First scan": each.change.before.day,
            "Second scan": each.change.after.day,
            "Days": each.days,
            "First SMA (cm²)": each.change.before.value,
            "Second SMA (cm²)": each.change.after.value,
            "Difference (cm²)": each.difference_cm2,
            "Difference (%)": each.percent,
            "MDC95 (cm²)": each.mdc95_cm2,
            "Outcome": str(each.change.outcome),
            "Why": ", ".join(each.change.reasons),
            "First review": "" if each.before.stored is None else review_words(each.before.stored),
            "Second review": "" if each.after.stored is None else review_words(each.after.stored),
        }
        for each in changes
    ]
