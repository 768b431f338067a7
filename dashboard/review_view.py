"""What the review page says, without Streamlit: versions, differences of masks, states and the work list.

A version is one stored measurement of a scan; the newest one is what every other page shows.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from typing import Final

import numpy as np
from numpy.typing import NDArray

from dashboard.result_view import NOT_REVIEWED
from sarcopenia.clinical.method_comparison import dice_of
from sarcopenia.domain.results import LevelRule, Verdict
from sarcopenia.records import ReviewState, ScanSummary, StoredMeasurement

REVIEW_WORDS: Final = {
    ReviewState.SIGNED: "signed",
    ReviewState.REJECTED: "rejected",
    ReviewState.WITHDRAWN: f"{NOT_REVIEWED} (signature withdrawn)",
}


class WorkState(StrEnum):
    """Where a scan stands in the work list, the most urgent first."""

    NEEDS_REVIEW = "needs review"
    NEW = "new"
    NO_RESULT = "no result"
    REJECTED = "rejected"
    SIGNED = "signed"


@dataclass(frozen=True)
class MaskDifference:
    """A mask against the models' own: difference of the area in cm² and in % of the models', and Dice (0..1)."""

    area_cm2: float
    area_percent: float
    dice: float


def mask_difference(model_yx: NDArray[np.bool_], mended_yx: NDArray[np.bool_], pixel_area_mm2: float) -> MaskDifference:
    """How far a mended muscle mask (y, x) lies from the models'; Dice is 1 where both are empty."""
    model, mended = np.count_nonzero(model_yx), np.count_nonzero(mended_yx)
    percent = 100 * (mended - model) / model if model else float("nan")
    return MaskDifference((mended - model) * pixel_area_mm2 / 100, percent, dice_of(mended_yx, model_yx))


def review_words(stored: StoredMeasurement) -> str:
    """Whether a person has looked: "AI – not reviewed" until somebody signs or rejects."""
    review = stored.review
    if review is None:
        return NOT_REVIEWED
    words = REVIEW_WORDS[review.state]
    if review.state is ReviewState.WITHDRAWN:
        return words
    return f"{words} by {review.author} on {review.recorded_at:%Y-%m-%d %H:%M} UTC"


def version_words(stored: StoredMeasurement, number: int) -> str:
    """Name of a version: its number and what made it."""
    provenance = stored.measurement.provenance
    if provenance.strokes:
        made = f"mask mended by {stored.author}"
    elif provenance.level_rule is LevelRule.PERSON:
        made = f"level chosen by {stored.author}"
    else:
        made = "AI"
    return f"Version {number}: {made}"


def work_state(scan: ScanSummary) -> WorkState:
    """Where a scan stands."""
    stored = scan.latest
    if stored is None:
        return WorkState.NO_RESULT
    if stored.review is not None and stored.review.state is not ReviewState.WITHDRAWN:
        return WorkState.SIGNED if stored.review.state is ReviewState.SIGNED else WorkState.REJECTED
    return WorkState.NEW if stored.measurement.verdict is Verdict.ACCEPT else WorkState.NEEDS_REVIEW


def work_order(scan: ScanSummary) -> tuple[int, float, date]:
    """Sort key: what needs review first, there the most uncertain first, then by the date of the study."""
    uncertainty = scan.latest.measurement.uncertainty if scan.latest is not None else None
    spread = uncertainty.sma_cov_percent if uncertainty is not None else 0.0
    return list(WorkState).index(work_state(scan)), -spread, scan.study_date or date.min


def work_row(scan: ScanSummary, patient_name: str) -> dict[str, object]:
    """One row of the work list."""
    stored = scan.latest
    measurement = stored.measurement if stored is not None else None
    composition = measurement.composition if measurement is not None else None
    uncertainty = measurement.uncertainty if measurement is not None else None
    return {
        "State": work_state(scan).value,
        "Patient": patient_name,
        "Study date": scan.study_date,
        "Series": scan.header.series_description,
        "Level": measurement.level if measurement is not None else None,
        "SMA (cm²)": None if composition is None else round(composition.sma_cm2, 1),
        "CoV (%)": None if uncertainty is None else round(uncertainty.sma_cov_percent, 1),
        "Verdict": "" if measurement is None else measurement.verdict.value.replace("_", " "),
        "Flags": "" if measurement is None else ", ".join(flag.code for flag in measurement.flags),
        "Reviewed": "" if stored is None else review_words(stored),
    }


def previous_scan(scans: Sequence[ScanSummary], scan: ScanSummary) -> ScanSummary | None:
    """The last measured scan of the same patient before the day of this one; none where a date is missing."""
    if scan.study_date is None:
        return None
    earlier = [
        (other.study_date, other.scan_id, other)
        for other in scans
        if other.study_date is not None
        and other.study_date < scan.study_date
        and other.latest is not None
        and other.latest.measurement.composition is not None
    ]
    return max(earlier, key=lambda found: found[:2])[2] if earlier else None
