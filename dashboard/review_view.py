"""What the review page says, without Streamlit: versions, reviews and differences of masks.

A version is one stored measurement of a scan; the newest one is what every other page shows.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

import numpy as np
from numpy.typing import NDArray

from dashboard.result_view import NOT_REVIEWED
from sarcopenia.clinical.method_comparison import dice_of
from sarcopenia.domain.results import LevelRule
from sarcopenia.records import ReviewState, ScanSummary, StoredMeasurement, StoredReview

REVIEW_WORDS: Final = {
    ReviewState.SIGNED: "signed",
    ReviewState.REJECTED: "rejected",
    ReviewState.WITHDRAWN: f"{NOT_REVIEWED} (signature withdrawn)",
}


@dataclass(frozen=True)
class MaskDifference:
    """A mask against the models' own.

    Attributes
    ----------
    area_cm2, area_percent: mended minus the models', in cm² and in % of the models'.
    added_cm2, removed_cm2: area of the pixels in the mended mask alone, and in the models' alone.
    dice: overlap, 0..1.
    """

    area_cm2: float
    area_percent: float
    added_cm2: float
    removed_cm2: float
    dice: float


def mask_difference(model_yx: NDArray[np.bool_], mended_yx: NDArray[np.bool_], pixel_area_mm2: float) -> MaskDifference:
    """How far a mended muscle mask (y, x) lies from the models'; Dice is 1 where both are empty."""
    added, removed = np.count_nonzero(mended_yx & ~model_yx), np.count_nonzero(model_yx & ~mended_yx)
    model = np.count_nonzero(model_yx)
    return MaskDifference(
        area_cm2=(added - removed) * pixel_area_mm2 / 100,
        area_percent=100 * (added - removed) / model if model else float("nan"),
        added_cm2=added * pixel_area_mm2 / 100,
        removed_cm2=removed * pixel_area_mm2 / 100,
        dice=dice_of(mended_yx, model_yx),
    )


def said_words(review: StoredReview | None) -> str:
    """What a person said: "AI – not reviewed" until somebody signs or rejects."""
    if review is None:
        return NOT_REVIEWED
    words = REVIEW_WORDS[review.state]
    if review.state is ReviewState.WITHDRAWN:
        return words
    return f"{words} by {review.author} on {minute_words(review.recorded_at)}"


def review_words(stored: StoredMeasurement) -> str:
    """Whether a person has looked at a measurement."""
    return said_words(stored.review)


def minute_words(moment: datetime) -> str:
    """An aware UTC time to the minute."""
    return f"{moment:%Y-%m-%d %H:%M} UTC"


def version_number(versions: Sequence[StoredMeasurement], measurement_id: int) -> int:
    """Number of a version among all of its scan, the oldest first; 1 is the first."""
    return [version.measurement_id for version in versions].index(measurement_id) + 1


def void_signature_words(versions: Sequence[StoredMeasurement], stored: StoredMeasurement) -> str:
    """That the last signature belongs to an earlier version and not to this one; "" where there is none."""
    if stored.is_signed:
        return ""
    earlier = [(number, version) for number, version in enumerate(versions, start=1) if version.is_signed]
    if not earlier:
        return ""
    number, version = earlier[-1]
    return f"Version {number} was {review_words(version)}; this version is not."


def version_words(stored: StoredMeasurement, number: int) -> str:
    """Name of a version: its number and what made it."""
    provenance = stored.measurement.provenance
    if provenance.strokes:
        made = f"mask mended by {stored.author}"
    elif any(flag.code == "mask_reset" for flag in stored.measurement.flags):
        made = f"AI's own mask again, taken back by {stored.author}"
    elif provenance.level_rule is LevelRule.PERSON:
        made = f"level chosen by {stored.author}"
    elif provenance.level_rule is LevelRule.REGISTERED:
        made = f"measured at the baseline's place for {stored.author}"
    else:
        made = "AI"
    return f"Version {number}: {made}"


def version_rows(versions: Sequence[StoredMeasurement]) -> list[dict[str, object]]:
    """Table of the versions of a scan, the oldest first, with the review of each."""
    return [_version_row(version, number) for number, version in enumerate(versions, start=1)]


def _version_row(stored: StoredMeasurement, number: int) -> dict[str, object]:
    measurement = stored.measurement
    composition = measurement.composition
    return {
        "Version": version_words(stored, number),
        "Stored": minute_words(stored.stored_at),
        "Author": stored.author,
        "Slice": measurement.slice_index,
        "Level": measurement.level,
        "SMA (cm²)": None if composition is None else round(composition.sma_cm2, 1),
        "Review": review_words(stored),
        "Weights": ", ".join(
            f"{model.name} {model.version} ({model.onnx_sha256[:8]})" for model in measurement.provenance.models
        ),
    }


def history_rows(reviews: Sequence[tuple[int, StoredReview]]) -> list[dict[str, object]]:
    """Table of what people said about the versions of a scan, given as (version, review); the newest first."""
    newest_first = sorted(reviews, key=lambda said: said[1].review_id, reverse=True)
    return [
        {
            "When": minute_words(review.recorded_at),
            "Version": number,
            "What": review.state.value,
            "Who": review.author,
            "Comment": review.comment,
        }
        for number, review in newest_first
    ]


def difference_rows(
    model: StoredMeasurement, version: StoredMeasurement, difference: MaskDifference
) -> list[dict[str, str]]:
    """Table of a version's muscle mask against the models' own on the same slice; empty where nothing was measured."""
    own, mended = model.measurement.composition, version.measurement.composition
    if own is None or mended is None:
        return []
    numbers = (
        ("SMA of the AI's own mask", f"{own.sma_cm2:.1f} cm²"),
        ("SMA of this version", f"{mended.sma_cm2:.1f} cm²"),
        ("Difference", f"{difference.area_cm2:+.1f} cm² ({difference.area_percent:+.1f} %)"),
        ("Added", f"{difference.added_cm2:.1f} cm²"),
        ("Removed", f"{difference.removed_cm2:.1f} cm²"),
        ("Dice", f"{difference.dice:.3f}"),
    )
    return [{"Measure": name, "Value": value} for name, value in numbers]


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
