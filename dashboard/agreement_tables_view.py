"""The exact numbers of the agreement page, without Streamlit: tables beside the charts, and CSV texts.

A CSV holds every row that counts, whatever weights the page shows: each row names the weights of its AI mask.
"""

import csv
import io
from collections.abc import Mapping, Sequence
from typing import Final

import numpy as np

from dashboard.agreement_charts_view import interval_words
from dashboard.agreement_view import (
    UNIT_OF,
    AgreementRow,
    Group,
    Measure,
    MeasureSummary,
    PersonPoint,
    summaries,
    weights_words,
)
from dashboard.result_view import NOT_REVIEWED
from sarcopenia.clinical.method_comparison import Interval

_FORMULA_STARTS: Final = ("=", "+", "-", "@", "\t", "\r")


def summary_table(found: Sequence[MeasureSummary]) -> list[dict[str, object]]:
    """The figures of agreement as they stand beside the charts."""
    return [
        {
            "Counted by": each.unit.value,
            "Measure (AI minus reader)": each.measure.value,
            "n": each.n,
            "Median": _rounded(each.median, each.measure),
            "Worst": _rounded(each.worst, each.measure),
            "ICC(2,1)": None if each.icc is None else round(each.icc, 3),
            **_limit_columns(each),
            "Blank because": each.blank_because,
        }
        for each in found
    ]


def _limit_columns(each: MeasureSummary) -> dict[str, object]:
    limits = each.limits
    bounds = {
        "Bias": None if limits is None else limits.bias,
        "Lower limit": None if limits is None else limits.lower,
        "Upper limit": None if limits is None else limits.upper,
    }
    columns: dict[str, object] = {}
    for name, interval in bounds.items():
        columns[name] = None if interval is None else _rounded(interval.value, each.measure)
        columns[f"{name}: 95 % CI"] = "" if interval is None else interval_words(interval)
    return columns


def _rounded(value: float | None, measure: Measure) -> float | None:
    return None if value is None else round(value, 3 if measure is Measure.DICE else 2)


def person_table(points: Sequence[PersonPoint], names: Mapping[int, str]) -> list[dict[str, object]]:
    """The exact numbers of every marker of both charts; ``names`` of the patients by id."""
    return [
        {
            "Patient": names.get(point.patient_id, str(point.patient_id)),
            "Readers' SMA (cm²)": round(point.reader_cm2, 2),
            f"AI's SMA (cm²), {NOT_REVIEWED}": round(point.ai_cm2, 2),
            "Mean of both (cm²)": round(point.mean_cm2, 2),
            "AI minus reader (cm²)": round(point.difference_cm2, 2),
        }
        for point in points
    ]


def reading_table(rows: Sequence[AgreementRow], names: Mapping[int, str]) -> list[dict[str, object]]:
    """The exact numbers of every row, for the page; ``names`` of the patients by id."""
    return [
        {
            "Patient": names.get(row.patient_id, str(row.patient_id)),
            "Scan": row.scan_id,
            "Slice (from the feet)": row.slice_index,
            "Reader": row.reader,
            "Mask": row.method,
            "Reader's SMA (cm²)": round(row.comparison.sma_cm2, 2),
            f"AI's SMA (cm²), {NOT_REVIEWED}": round(row.comparison.ai_sma_cm2, 2),
            "AI minus reader (cm²)": round(row.difference_cm2, 2),
            "AI minus reader (%)": _finite(row.error_percent, 2),
            "AI minus reader, SMD (HU)": _finite(row.difference_hu, 2),
            "Dice": round(row.comparison.dice, 4),
            "AI's mask": row.ai_mask,
            "Weights": row.weights,
            "Stored": row.recorded_at,
        }
        for row in rows
    ]


def _finite(value: float, digits: int) -> float | None:
    return round(value, digits) if np.isfinite(value) else None


def readings_csv(rows: Sequence[AgreementRow]) -> str:
    """All rows as CSV, groups named; patients and scans by the tool's own ids, no names of patients."""
    return _csv([_csv_row(row) for row in rows])


def _csv_row(row: AgreementRow) -> dict[str, object]:
    found = row.comparison
    return {
        "group": row.group.value,
        "record": row.record,
        "patient_id": row.patient_id,
        "scan_id": row.scan_id,
        "slice_index_from_feet_0_based": row.slice_index,
        "reader": _as_text(row.reader),
        "mask_format": row.method,
        "reader_sma_cm2": round(found.sma_cm2, 4),
        "ai_sma_cm2": round(found.ai_sma_cm2, 4),
        "ai_minus_reader_cm2": round(row.difference_cm2, 4),
        "ai_minus_reader_percent_of_reader": _finite(row.error_percent, 4),
        "reader_smd_hu": None if found.smd_hu is None else round(found.smd_hu, 4),
        "ai_smd_hu": None if found.ai_smd_hu is None else round(found.ai_smd_hu, 4),
        "dice_0_to_1": round(found.dice, 6),
        "ai_review_state": NOT_REVIEWED,
        "ai_mask": row.ai_mask,
        "ai_weights_sha256": weights_words(row.models, digits=64),
        "recorded_at_utc": row.recorded_at.isoformat(),
    }


def figures_csv(rows: Sequence[AgreementRow]) -> str:
    """The figures of agreement as CSV, each group and each set of weights by itself; every row names its unit."""
    parts: dict[tuple[str, Group], list[AgreementRow]] = {}
    for row in rows:
        parts.setdefault((weights_words(row.models, digits=64), row.group), []).append(row)
    return _csv(
        [_figures_row(group, weights, each) for (weights, group), those in parts.items() for each in summaries(those)]
    )


def _figures_row(group: Group, weights: str, each: MeasureSummary) -> dict[str, object]:
    limits = each.limits
    row: dict[str, object] = {
        "group": group.value,
        "ai_weights_sha256": weights,
        "counted_by": each.unit.value,
        "measure_ai_minus_reader": each.measure.value,
        "unit_of_numbers": UNIT_OF[each.measure],
        "n": each.n,
        "median": _rounded(each.median, each.measure),
        "worst": _rounded(each.worst, each.measure),
    }
    for name in ("bias", "lower", "upper"):
        interval: Interval | None = None if limits is None else getattr(limits, name)
        label = name if name == "bias" else f"{name}_limit_of_agreement"
        row[label] = None if interval is None else round(interval.value, 4)
        row[f"{label}_ci95_low"] = None if interval is None else round(interval.low, 4)
        row[f"{label}_ci95_high"] = None if interval is None else round(interval.high, 4)
    return row | {"icc_2_1": None if each.icc is None else round(each.icc, 4), "blank_because": each.blank_because}


def _csv(rows: Sequence[Mapping[str, object]]) -> str:
    text = io.StringIO()
    writer = csv.DictWriter(text, fieldnames=list(rows[0]) if rows else [], lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


def _as_text(typed: str) -> str:
    """A spreadsheet must not take what somebody typed for a formula."""
    return f"'{typed}" if typed.startswith(_FORMULA_STARTS) else typed
