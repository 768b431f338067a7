"""What an assessment finds: level, compartments, body composition, uncertainty, flags, provenance.

Compartments (uint8): 0 outside, 1 subcutaneous, 2 muscle wall, 3 visceral cavity, 4 spine/bone.
Vertebral coordinate: integers at mid-body, T10 = 10 … T12 = 12, L1 = 13, L2 = 14, L3 = 15, L4 = 16, L5 = 17, S1 = 18.
"""

from dataclasses import dataclass
from enum import IntEnum, StrEnum

import numpy as np
from numpy.typing import NDArray

from sarcopenia.domain.strokes import Stroke

L3_COORDINATE = 15.0


class Compartment(IntEnum):
    """Values of a compartment map."""

    OUTSIDE = 0
    SUBCUTANEOUS = 1
    MUSCLE_WALL = 2
    VISCERAL_CAVITY = 3
    SPINE_BONE = 4


def vertebra_label(coordinate: float) -> str:
    """Name of the vertebra nearest to a vertebral coordinate, for example 15.2 -> "L3"."""
    number = round(coordinate)
    if number <= 12:
        return f"T{max(number, 1)}"
    return f"L{number - 12}" if number <= 17 else f"S{min(number - 17, 5)}"


class Severity(StrEnum):
    """What a flag does: inform, ask for a review, or block a clinical verdict."""

    INFO = "info"
    REVIEW = "review"
    BLOCK = "block"


@dataclass(frozen=True)
class Flag:
    """A finding about the scan or the result, with a stable code and a sentence for people."""

    code: str
    text: str
    severity: Severity = Severity.REVIEW


class Verdict(StrEnum):
    """Whether the measurement may be used as it is."""

    ACCEPT = "accept"
    REVIEW = "review"
    REJECT = "reject"
    AMBIGUOUS_LEVEL = "ambiguous_level"
    NO_L3 = "no_l3"


class LevelAnchor(StrEnum):
    """What the level was counted from."""

    SACRUM = "sacrum"
    LAST_RIB = "last_rib"
    BOTH = "both"
    NONE = "none"


class LevelRule(StrEnum):
    """How the measured slice was chosen; by a person, who also names the vertebra, in `PERSON`.

    In `REGISTERED` it is the place of another scan's slice, found by registration of the spine.
    """

    MID_L3 = "mid_l3"
    GIVEN_SLICE = "given_slice"
    SINGLE_SLICE = "single_slice"
    PERSON = "person"
    REGISTERED = "registered"


class Landmark(StrEnum):
    """Where in the vertebra a person takes the slice; areas at different landmarks are not comparable."""

    MID_BODY = "mid_body"
    TRANSVERSE_PROCESSES = "transverse_processes"
    INFERIOR_ENDPLATE = "inferior_endplate"


@dataclass(frozen=True)
class VertebraPosition:
    """One vertebra of the scan: coordinate at its middle, patient z in mm, nearest slice, spread in mm (1 SD)."""

    label: str
    z_mm: float
    slice_index: int
    spread_mm: float


@dataclass(frozen=True)
class LevelFinding:
    """Which vertebrae the scan shows, and where L3 is.

    Attributes
    ----------
    vertebrae: all vertebrae whose middle lies in the scan, from feet to head.
    l3: the vertebra to be measured; ``None`` when L3 is not in the scan.
    candidates: two or more positions when the count is ambiguous, else empty.
    anchor: what the count could lean on.
    lumbar_count: number of lumbar-type bodies between last rib and sacrum, ``None`` unless both are seen.
    spine_share: share of the slices on which a spine was seen, 0..1.
    candidate_sma_cm2: SMA at each candidate, in their order; empty where there are none.
    """

    vertebrae: tuple[VertebraPosition, ...]
    l3: VertebraPosition | None
    candidates: tuple[VertebraPosition, ...]
    anchor: LevelAnchor
    lumbar_count: int | None
    spine_share: float
    candidate_sma_cm2: tuple[float, ...] = ()


@dataclass(frozen=True)
class CompartmentMap:
    """Compartments of one slice on its native pixels.

    Attributes
    ----------
    compartments_yx: uint8 map of `Compartment` values.
    muscle_yx: boolean skeletal muscle mask (muscle wall ∩ −29..150 HU).
    muscle_spread_yx: float32 standard deviation of the muscle-wall probability across ensemble members, 0..0.5.
    """

    compartments_yx: NDArray[np.uint8]
    muscle_yx: NDArray[np.bool_]
    muscle_spread_yx: NDArray[np.float32]


@dataclass(frozen=True)
class BodyComposition:
    """Tissue areas in cm² and muscle density in HU of one slice; ranges in HU as named in ``vat_range_hu``."""

    sma_cm2: float
    smd_hu: float | None
    lama_cm2: float
    sat_cm2: float
    vat_cm2: float
    imat_cm2: float
    vat_range_hu: tuple[int, int]


class Degradation(StrEnum):
    """What can spoil a slice, in the order of `scan_quality`'s answer."""

    NONE = "none"
    MOTION = "motion"
    STREAK = "streak"
    NOISE = "noise"
    RING = "ring"
    TRUNCATION = "truncation"


@dataclass(frozen=True)
class ImageQuality:
    """Properties of the measured image: effective thickness, noise SD in muscle, share of holes in the muscle wall.

    ``predicted_ssim`` (0..1) is how similar the slice is to its undegraded self, ``degradation`` the likeliest kind of
    degradation, both by `scan_quality`; ``None`` where that model did not look.
    """

    effective_thickness_mm: float | None
    noise_sd_hu: float | None
    hole_fraction: float
    predicted_ssim: float | None = None
    degradation: Degradation | None = None


@dataclass(frozen=True)
class Uncertainty:
    """Spread of the ensemble: SMA of every member in cm², CoV of the plausible areas in %, level spread in mm.

    The CoV is taken over the members at several probabilities of the wall (`sarcopenia.assessment.uncertainty`).
    ``entropy`` (nats) and ``variance`` are means over the muscle wall and what lies close around it
    (`sarcopenia.assessment.uncertainty`); ``None`` in measurements of earlier software.
    """

    member_sma_cm2: tuple[float, ...]
    sma_cov_percent: float
    level_spread_mm: float | None
    entropy: float | None = None
    variance: float | None = None


@dataclass(frozen=True)
class ModelIdentity:
    """Which weights answered: name, version, SHA-256 of the ONNX file, precision and serving backend."""

    name: str
    version: str
    onnx_sha256: str
    precision: str
    backend: str


@dataclass(frozen=True)
class AcceptanceRule:
    """Limits by which a result is accepted; chosen on validation, they belong to the weights that are served.

    Attributes
    ----------
    cov_review_percent, cov_reject_percent: CoV of the SMA above which a person looks, and above which the area is not
        to be used.
    temperature: of the softmax; already part of the served graph, told because the limits hold for it alone.
    ssim_review, ssim_reject: predicted SSIM below which a person looks, and below which the area is not to be used;
        ``None`` in measurements from before `scan_quality` was served.
    """

    cov_review_percent: float
    cov_reject_percent: float
    temperature: float
    ssim_review: float | None = None
    ssim_reject: float | None = None


@dataclass(frozen=True)
class SliceMatch:
    """Where the slice of a baseline scan lies in a follow-up scan, and how well both spines fit there.

    Attributes
    ----------
    slice_index: follow-up slice nearest to the matched height, 0-based, from the feet.
    shift_mm: from the guess to the matched height along the follow-up's slice normal, positive to the head.
    rotation_deg: angle of the whole rotation; in_plane_deg: its part about the long axis, from the patient's left to
        the back.
    similarity_before, similarity: normalised correlation of bone around the vertebra at the guess and at the match.
    neighbour_similarity: the best at a neighbouring vertebra; ``None`` where the scan shows none.
    baseline_point_lps_mm, follow_up_point_lps_mm: the same point of the spine in both scans.
    trusted: whether the slice may be measured. reason: why, or why not, in a sentence.
    """

    slice_index: int
    shift_mm: float
    rotation_deg: float
    in_plane_deg: float
    similarity_before: float
    similarity: float
    neighbour_similarity: float | None
    baseline_point_lps_mm: tuple[float, float, float]
    follow_up_point_lps_mm: tuple[float, float, float]
    trusted: bool
    reason: str


@dataclass(frozen=True)
class SliceRegistration:
    """That a slice was taken at the place of another measurement's slice.

    ``baseline_measurement_id`` is the record's number of that measurement, ``baseline_series_hash`` its series,
    ``baseline_rule`` the rule by which its place was first chosen.
    """

    baseline_measurement_id: int
    baseline_series_hash: str
    baseline_rule: LevelRule
    match: SliceMatch


@dataclass(frozen=True)
class Provenance:
    """Everything needed to say where a number comes from.

    ``acceptance`` is ``None`` in measurements of earlier software. ``strokes`` are a person's, folded in their order
    into the mask of the models; a mask without strokes is the models' own. ``landmark`` is where a person took the
    slice, ``None`` where the rule alone says it. ``registration`` is there where the slice is another scan's place.
    ``looked_for`` are the codes of the confounders that were looked for in the image; earlier software looked for none.
    """

    models: tuple[ModelIdentity, ...]
    software_version: str
    level_rule: LevelRule
    series_hash: str
    vat_range_hu: tuple[int, int]
    averaged_slices: int
    acceptance: AcceptanceRule | None = None
    strokes: tuple[Stroke, ...] = ()
    landmark: Landmark | None = None
    registration: SliceRegistration | None = None
    looked_for: tuple[str, ...] = ()

    @property
    def place_rule(self) -> LevelRule:
        """By which rule the place in the body was chosen: for a registered slice, that of its baseline."""
        return self.level_rule if self.registration is None else self.registration.baseline_rule


@dataclass(frozen=True)
class PatternFinding:
    """What the experimental `sarcopenia_classifier` says of a slab; never part of a measurement.

    Attributes
    ----------
    low_muscle_probability: 0..1.
    slice_indices: slices of the slab, from feet to head.
    slice_attention: share of each of them in the answer, sums to 1.
    model: the weights that answered.
    """

    low_muscle_probability: float
    slice_indices: tuple[int, ...]
    slice_attention: tuple[float, ...]
    model: ModelIdentity


@dataclass(frozen=True)
class Measurement:
    """One immutable measurement of one slice. SMI and verdicts under a cut-off are computed from it, never stored.

    ``composition``, ``level`` and the slice are ``None`` for the finding "L3 is not in this scan".
    ``slab_sma_cm2`` is the mean SMA over ±10 mm around the slice, ``None`` where the scan does not reach.
    """

    level: str | None
    slice_index: int | None
    slice_z_mm: float | None
    slice_sop_instance_uid: str | None
    composition: BodyComposition | None
    slab_sma_cm2: float | None
    uncertainty: Uncertainty | None
    quality: ImageQuality | None
    flags: tuple[Flag, ...]
    verdict: Verdict
    provenance: Provenance
