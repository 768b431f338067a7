"""Flags: what a person must know about a scan or a result, with a stable code and words; and the verdict they lead to.

Limits that were chosen for the served weights come with them (`AcceptanceRule`); the others stand here with their
reason. A flag of severity *block* forbids a clinical verdict, *review* asks a person
to look, *info* only tells.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from sarcopenia.domain.results import (
    AcceptanceRule,
    Degradation,
    Flag,
    ImageQuality,
    LevelAnchor,
    LevelFinding,
    Severity,
    Uncertainty,
    Verdict,
)
from sarcopenia.domain.volume import CtVolume

LEVEL_SPREAD_REVIEW_MM: Final = 10.0
"""A third of a lumbar vertebra: beyond it the slice may be at a disc or the neighbour."""
THICK_ABOVE_MM: Final = 5.5
HOLES_REVIEW: Final = 0.06
NOISE_REVIEW_HU: Final = 35.0
SLAB_REVIEW: Final = 0.10
"""The slice and the mean of ±10 mm around it rarely differ by more than a few percent."""
PLAUSIBLE_SMA_CM2: Final = (35.0, 350.0)
EDGE_MM: Final = 10.0
ADULT_YEARS: Final = 18
DEGRADATION_WORDS: Final = {
    Degradation.NONE: "no single cause",
    Degradation.MOTION: "motion",
    Degradation.STREAK: "streaks",
    Degradation.NOISE: "noise",
    Degradation.RING: "rings",
    Degradation.TRUNCATION: "a cut field of view",
}


@dataclass(frozen=True)
class SliceEvidence:
    """What is known about the measured slice when the flags are raised."""

    sma_cm2: float
    slab_sma_cm2: float | None
    uncertainty: Uncertainty
    quality: ImageQuality
    body_is_cut: bool
    muscle_is_cut: bool


def scan_flags(volume: CtVolume) -> list[Flag]:
    """Flags of the series as such."""
    flags = [Flag(w.code, w.message, Severity.INFO) for w in volume.report.warnings]
    header = volume.header
    if not header.hu_calibrated:
        flags.append(
            Flag(
                "not_hu", "The pixel values are not Hounsfield units; areas and densities may be wrong.", Severity.BLOCK
            )
        )
    if header.spectral:
        text = f"Spectral image ({header.spectral}): densities are not comparable with a normal 120 kV scan."
        flags.append(Flag("spectral", text))
    if header.age_years is not None and header.age_years < ADULT_YEARS:
        flags.append(Flag("under_18", "The patient is under 18: no reference or cut-off applies.", Severity.BLOCK))
    thickness = max(header.slice_thickness_mm or 0.0, volume.geometry.spacing_mm_zyx[0])
    if thickness > THICK_ABOVE_MM and not any(flag.code == "thick_slices" for flag in flags):
        text = f"Slices of {thickness:.1f} mm: the level and the edges of muscle are less certain."
        flags.append(Flag("thick_slices", text, Severity.INFO))
    return flags


def level_flags(volume: CtVolume, level: LevelFinding) -> list[Flag]:
    """Flags of the search for L3."""
    if not level.vertebrae:
        return [Flag("no_spine", "No lumbar or lower thoracic spine was recognised in this scan.", Severity.BLOCK)]
    if level.l3 is None:
        seen = f"{level.vertebrae[-1].label} to {level.vertebrae[0].label}"
        return [Flag("no_l3", f"L3 is not in this scan; it shows {seen}.", Severity.BLOCK)]
    flags = []
    if level.candidates:
        text = f"{level.lumbar_count} lumbar vertebrae were counted: L3 is ambiguous. Compare both slices and choose."
        flags.append(Flag("level_ambiguous", text, Severity.BLOCK))
    flags += _anchor_flags(level.anchor)
    if level.l3.spread_mm > LEVEL_SPREAD_REVIEW_MM:
        flags.append(Flag("level_uncertain", f"The level of L3 is uncertain by ±{level.l3.spread_mm:.0f} mm."))
    ends = volume.geometry.slice_z_mm[[0, -1]]
    if min(abs(level.l3.z_mm - ends[0]), abs(level.l3.z_mm - ends[1])) < EDGE_MM:
        flags.append(Flag("level_at_edge", "L3 lies at the very end of the scan; check the level.", Severity.REVIEW))
    return flags


def _anchor_flags(anchor: LevelAnchor) -> list[Flag]:
    if anchor is LevelAnchor.SACRUM:
        return [
            Flag(
                "level_from_sacrum", "L3 was counted from the sacrum only; the last rib is not in view.", Severity.INFO
            )
        ]
    if anchor is LevelAnchor.LAST_RIB:
        return [
            Flag("level_from_rib", "L3 was counted from the last rib only; the sacrum is not in view.", Severity.INFO)
        ]
    if anchor is LevelAnchor.NONE:
        return [Flag("level_without_anchor", "Neither the last rib nor the sacrum is in view: check the level.")]
    return []


def slice_flags(evidence: SliceEvidence, rule: AcceptanceRule) -> list[Flag]:
    """Flags of the measured slice by the rule of the served weights."""
    flags = [*_agreement_flags(evidence, rule), *_rating_flags(evidence.quality, rule)]
    quality = evidence.quality
    if evidence.muscle_is_cut:
        flags.append(Flag("muscle_cut", "The field of view cuts through muscle: SMA is too small.", Severity.BLOCK))
    elif evidence.body_is_cut:
        text = "The field of view cuts the skin: the subcutaneous fat area is incomplete."
        flags.append(Flag("field_of_view_cut", text, Severity.INFO))
    if quality.noise_sd_hu is not None and quality.noise_sd_hu > NOISE_REVIEW_HU:
        flags.append(Flag("noisy", f"The image is noisy (±{quality.noise_sd_hu:.0f} HU in muscle)."))
    if quality.hole_fraction > HOLES_REVIEW:
        share = 100 * quality.hole_fraction
        flags.append(Flag("holes", f"Noise takes {share:.0f} % of the muscle wall out of the muscle's HU range."))
    return flags


def _rating_flags(quality: ImageQuality, rule: AcceptanceRule) -> Iterable[Flag]:
    """Flags of the rating by `scan_quality`; none where it did not look, or names nothing to look for."""
    ssim, kind = quality.predicted_ssim, quality.degradation
    if ssim is None or kind is None or rule.ssim_review is None or rule.ssim_reject is None:
        return
    found = f"(predicted similarity to a clean slice {ssim:.2f}; most likely {DEGRADATION_WORDS[kind]})"
    if ssim < rule.ssim_reject:
        yield Flag("unusable_quality", f"The image is too degraded to be measured {found}.", Severity.BLOCK)
    elif ssim < rule.ssim_review and kind is not Degradation.NONE:
        yield Flag("poor_quality", f"The image is degraded {found}; look at the mask.")


def _agreement_flags(evidence: SliceEvidence, rule: AcceptanceRule) -> Iterable[Flag]:
    cov = evidence.uncertainty.sma_cov_percent
    if cov > rule.cov_reject_percent:
        yield Flag("area_rejected", f"The muscle area is uncertain by {cov:.0f} %: too much to use it.", Severity.BLOCK)
    elif cov > rule.cov_review_percent:
        yield Flag("area_uncertain", f"The muscle area is uncertain by {cov:.1f} %; look at the mask.")
    yield from area_flags(evidence.sma_cm2, evidence.slab_sma_cm2)


def area_flags(sma_cm2: float, slab_sma_cm2: float | None) -> Iterable[Flag]:
    """Flags of an area in cm², whoever drew it; ``slab_sma_cm2`` is the mean of the slices around by the models."""
    if slab_sma_cm2 is not None and abs(slab_sma_cm2 / max(sma_cm2, 1e-6) - 1) > SLAB_REVIEW:
        yield Flag("slab_differs", f"The mean of the slices around is {slab_sma_cm2:.0f} cm²; look at the mask.")
    if not PLAUSIBLE_SMA_CM2[0] <= sma_cm2 <= PLAUSIBLE_SMA_CM2[1]:
        yield Flag("implausible_area", f"A muscle area of {sma_cm2:.0f} cm² is hardly possible at L3.")


REJECTING: Final = frozenset({"not_hu", "muscle_cut", "area_rejected", "unusable_quality"})


def verdict_of(flags: Iterable[Flag]) -> Verdict:
    """Verdict of a measured slice: ambiguous level first, then reject, review, accept."""
    codes = {flag.code: flag.severity for flag in flags}
    if "level_ambiguous" in codes:
        return Verdict.AMBIGUOUS_LEVEL
    if REJECTING & codes.keys():
        return Verdict.REJECT
    return Verdict.REVIEW if set(codes.values()) - {Severity.INFO} else Verdict.ACCEPT
