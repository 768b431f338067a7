"""The columns of the export of changes between two dates: those of both scans, and what may be said of the two."""

from typing import Final

from dashboard.cohort_change_view import PatientChange
from dashboard.cohort_columns import COLUMNS, rounded
from dashboard.cohort_export import Column
from dashboard.result_view import RESEARCH_USE

_BY_NAME: Final = {column.name: column for column in COLUMNS}
_OF_PATIENT: Final = ("record_number", "patient_name", "hospital_number", "sex")
_OF_EACH_SCAN: Final = (
    "scan_number",
    "study_date",
    "study_year",
    "age_years",
    "contrast_phase",
    "tube_voltage_kv",
    "sma_cm2",
    "version",
    "review_state",
    "reviewer",
    "weights",
    "software_version",
)


def _taken(side: str, source: str, name: str) -> Column[PatientChange]:
    """A column of the export of scans, read from one of a patient's two ("before" or "after") under a name."""
    column = _BY_NAME[source]
    meaning = column.meaning if name == source else f"{side.capitalize()}: {column.meaning}"
    return Column(
        name,
        column.kind,
        column.unit,
        meaning,
        column.source,
        lambda change: column.value(getattr(change, side)),
        column.identifying,
    )


CHANGE_COLUMNS: Final[tuple[Column[PatientChange], ...]] = (
    *(_taken("after", name, name) for name in _OF_PATIENT),
    *(_taken(side, name, f"{side}_{name}") for side in ("before", "after") for name in _OF_EACH_SCAN),
    Column("days", int, "d", "Days between the two scans", "computed", lambda change: change.days),
    Column(
        "difference_cm2",
        float,
        "cm2",
        "Later minus earlier SMA; empty where the scans are not comparable",
        "computed",
        lambda change: rounded(change.difference_cm2),
    ),
    Column(
        "difference_percent",
        float,
        "%",
        "Difference in % of the earlier SMA; empty where the scans are not comparable",
        "computed",
        lambda change: rounded(change.percent),
    ),
    Column(
        "mdc95_cm2",
        float,
        "cm2",
        "Minimal detectable change of the pair: in 95 of 100 unchanged people the difference stays inside",
        "computed",
        lambda change: rounded(change.mdc95_cm2),
    ),
    Column(
        "outcome",
        str,
        "",
        "Loss or gain beyond measurement error, within it, or not comparable",
        "computed",
        lambda change: str(change.change.outcome),
    ),
    Column("reasons", str, "", "Why not comparable", "computed", lambda change: ", ".join(change.change.reasons)),
    Column("use", str, "", "What the data may be used for", "this software", lambda _change: RESEARCH_USE),
)
"""Every column of the export of changes."""
