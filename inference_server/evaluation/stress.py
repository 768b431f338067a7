"""The stress set: hand-drawn slices of the validation patients, spoiled in graded ways, with their true muscle area.

Everything that judges the uncertainty is measured on it. The truth is the area of the *clean* slice: a degradation
changes what can be seen, never the patient. Severities reach from just visible to clearly unusable.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path
from typing import Final
from zlib import crc32

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from inference_server.training.datasets.compartment_data import NativeSlice, native_slices
from inference_server.training.quality.degradations import degrade_projected
from inference_server.training.quality.pasted_arm import paste_arm
from inference_server.training.quality.projections import SliceProjections
from sarcopenia.assessment.composition import muscle_mask
from sarcopenia.domain.results import Compartment, Degradation
from sarcopenia.inference.contract import AIR_HU

ARM_ROOM_MM: Final = 130.0
BLUR_MM: Final = 2.5
"""Standard deviation of the blur at severity 1: an image that was smoothed to hide its noise."""


class StressKind(StrEnum):
    """What was done to a slice."""

    NONE = "none"
    NOISE = "noise"
    STREAK = "streak"
    MOTION = "motion"
    RING = "ring"
    TRUNCATION = "truncation"
    ARM = "arm"
    LOW_DOSE_BLUR = "low_dose_blur"


STRESS_GRADES: Final[tuple[tuple[StressKind, tuple[float, ...]], ...]] = (
    (StressKind.NONE, (0.0,)),
    (StressKind.NOISE, (0.25, 0.5, 0.85)),
    (StressKind.STREAK, (0.3, 0.6, 1.0)),
    (StressKind.MOTION, (0.2, 0.45, 0.8)),
    (StressKind.RING, (0.4, 0.9)),
    (StressKind.TRUNCATION, (0.3, 0.8)),
    (StressKind.ARM, (1.0,)),
    (StressKind.LOW_DOSE_BLUR, (0.5, 1.0)),
)


@dataclass(frozen=True)
class StressCase:
    """One spoiled slice.

    Attributes
    ----------
    native: spoiled HU with the labels of the clean slice, on its own pixels (wider by air beside a pasted arm).
    reference_sma_cm2: muscle area of the clean slice, drawn wall ∩ −29..150 HU.
    """

    native: NativeSlice
    kind: StressKind
    severity: float
    reference_sma_cm2: float


def stress_cases(data: Path, names: Iterable[str]) -> Iterator[StressCase]:
    """All grades of all kinds of every key slice of the named scans; the same ones at every call."""
    for name in names:
        for native in native_slices(data, name, include_weak=False):
            yield from slice_cases(native)


def slice_cases(native: NativeSlice) -> Iterator[StressCase]:
    """All grades of all kinds of one slice; its projections are made once."""
    clean = SliceProjections.of(native.hu_yx, native.plane.spacing_mm_yx[0])
    muscle = muscle_mask(native.hu_yx, native.labels_yx)
    reference_cm2 = float(np.count_nonzero(muscle) * native.plane.pixel_area_mm2 / 100)
    for place, (kind, severities) in enumerate(STRESS_GRADES):
        for severity in severities:
            random = np.random.default_rng(
                [crc32(native.name.encode()), native.slice_index, place, int(100 * severity)]
            )
            yield StressCase(_spoiled(native, clean, kind, severity, random), kind, severity, reference_cm2)


def _spoiled(
    native: NativeSlice, clean: SliceProjections, kind: StressKind, severity: float, random: np.random.Generator
) -> NativeSlice:
    if kind is StressKind.ARM:
        return _with_arm(native, random)
    if kind is StressKind.LOW_DOSE_BLUR:
        noisy = degrade_projected(clean, Degradation.NOISE, 0.8 * severity, random)
        return replace(native, hu_yx=_blurred(noisy, BLUR_MM * severity / clean.spacing_mm))
    return replace(native, hu_yx=degrade_projected(clean, Degradation(kind), severity, random))


def _blurred(hu_yx: NDArray[np.int16], sigma_pixels: float) -> NDArray[np.int16]:
    return np.round(ndimage.gaussian_filter(hu_yx.astype(np.float32), sigma_pixels)).astype(np.int16)


def _with_arm(native: NativeSlice, random: np.random.Generator) -> NativeSlice:
    """The slice, wider on both sides, with an arm on a random one."""
    spacing_mm = native.plane.spacing_mm_yx[1]
    room = round(ARM_ROOM_MM / spacing_mm)
    rows, columns = native.plane.shape_yx
    origin = tuple(float(v) for v in native.plane.to_lps_mm(np.array([0.0, -room])))
    plane = replace(native.plane, origin_lps_mm=origin, shape_yx=(rows, columns + 2 * room))
    wide = np.pad(native.hu_yx, ((0, 0), (room, room)), constant_values=AIR_HU)
    labels = np.pad(native.labels_yx, ((0, 0), (room, room)), constant_values=Compartment.OUTSIDE)
    side = 1 if random.random() < 0.5 else -1
    return replace(native, hu_yx=paste_arm(wide, spacing_mm, side, random), labels_yx=labels, plane=plane)
