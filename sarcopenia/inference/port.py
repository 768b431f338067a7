"""The port to the models: what an assessment may ask, whoever answers (Triton, or a fake in tests)."""

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from sarcopenia.domain.results import AcceptanceRule, ModelIdentity


@dataclass(frozen=True)
class SpineProfile:
    """What `spine_level` says about every row of a spine projection; all arrays float32 of shape (z,).

    Attributes
    ----------
    coordinate_z: vertebral coordinate (L3 = 15 at mid-body, see `sarcopenia.domain.results`).
    spread_z: standard deviation of the coordinate, in vertebrae.
    spine_z, rib_z, sacrum_z: probability of a spine, of a rib at the vertebra, of the sacrum on that row.
    """

    coordinate_z: NDArray[np.float32]
    spread_z: NDArray[np.float32]
    spine_z: NDArray[np.float32]
    rib_z: NDArray[np.float32]
    sacrum_z: NDArray[np.float32]


@dataclass(frozen=True)
class ModelHealth:
    """One model's canary: whether a real inference came back in time, how long it took, and the words if not.

    ``pending_requests`` is the server's queue for this model, ``None`` when the server does not say; ``code`` is the
    code of the `InferenceError` behind an unhealthy model, "" for a healthy one.
    """

    name: str
    version: str
    healthy: bool
    latency_ms: float | None
    pending_requests: int | None
    message: str
    code: str = ""


@dataclass(frozen=True)
class QualityRating:
    """What `scan_quality` says of n slices.

    Attributes
    ----------
    predicted_ssim_n: float32 (n,), similarity to the undegraded slice.
    degradation_nk: float32 (n, 6), probability of every `Degradation`, in their order.
    """

    predicted_ssim_n: NDArray[np.float32]
    degradation_nk: NDArray[np.float32]


@dataclass(frozen=True)
class SlabPattern:
    """What `sarcopenia_classifier` says of a slab of n slices: a probability, and the share of every slice in it."""

    low_muscle_probability: float
    slice_attention_n: NDArray[np.float32]


class ModelClient(Protocol):
    """Typed access to the served models. Every method raises an `InferenceError` of the fitting kind."""

    def locate_spine(self, projections_hu_czw: NDArray[np.int16]) -> SpineProfile:
        """Vertebral coordinates along a spine, from int16 projections (2, z, SPINE_WIDTH), z a multiple of 16."""
        ...

    def segment_compartments(self, slices_hu_nyx: NDArray[np.int16]) -> NDArray[np.uint8]:
        """Member probabilities (n, member, 5, y, x), uint8 with 255 = 1, of int16 slices (n, y, x) on the grid."""
        ...

    def rate_quality(self, slices_hu_nyx: NDArray[np.int16]) -> QualityRating:
        """How spoiled int16 slices (n, y, x) on the grid are."""
        ...

    def classify_slab(self, slab_hu_nyx: NDArray[np.int16]) -> SlabPattern | None:
        """Pattern of low muscle on int16 slices (n, y, x), feet to head; ``None`` where research is off."""
        ...

    def identities(self) -> tuple[ModelIdentity, ...]:
        """Name, version and weights of every model that this client uses."""
        ...

    def acceptance_rule(self) -> AcceptanceRule:
        """Limits that were chosen for the served weights."""
        ...

    def check(self, deadline_s: float = 5.0) -> tuple[ModelHealth, ...]:
        """One canary inference per model; never raises for an unhealthy server."""
        ...
