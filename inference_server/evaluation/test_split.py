"""The published models on the visible test split, by the same pipeline that the product runs.

Run once per published version (`test_log` holds it to that); nothing is chosen here.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import nibabel as nib
import numpy as np
from numpy.typing import NDArray

from inference_server.evaluation.agreement import muscle_agreement
from inference_server.evaluation.levels import RIGHT_VERTEBRA
from inference_server.evaluation.out_of_fold import EvaluatedSlice, evaluated
from inference_server.training.datasets.compartment_data import NativeSlice, native_slices, read_index
from inference_server.training.datasets.splits import Patient, splits_of
from inference_server.training.spine.data import COORDINATE_OF
from sarcopenia.assessment import AssessmentOptions, run_assessment
from sarcopenia.domain.geometry import regular_geometry
from sarcopenia.domain.results import L3_COORDINATE, vertebra_label
from sarcopenia.domain.volume import CtVolume, SeriesHeader
from sarcopenia.inference.port import ModelClient

LEVELS: Final = (14.0, L3_COORDINATE, 16.0)
"""L2, L3 and L4: where the two scans of a pair are compared."""


@dataclass(frozen=True)
class SplitSlice:
    """One key slice of the test split, and the codes of the flags that the product raised on it."""

    evaluated: EvaluatedSlice
    flags: tuple[str, ...]


@dataclass(frozen=True)
class SplitLevel:
    """One whole scan, measured without help.

    ``error_mm`` is the signed error of mid-L3 (positive to the head), ``right_vertebra`` whether it lies in the
    annotated body, ``sma_cm2`` the SMA at the found L3; all ``None`` when no L3 was found.
    """

    name: str
    error_mm: float | None
    right_vertebra: bool | None
    sma_cm2: float | None


@dataclass(frozen=True)
class SameDayDifference:
    """SMA of both scans of a person at one level, in cm²: by the model, and as drawn."""

    person: str
    level: str
    sma_cm2: tuple[float, float]
    reference_cm2: tuple[float, float]

    @property
    def percent(self) -> float:
        """Difference of the model's two areas (second minus first) in % of their mean."""
        return 200 * (self.sma_cm2[1] - self.sma_cm2[0]) / sum(self.sma_cm2)

    @property
    def reference_percent(self) -> float:
        """The same for the drawn areas."""
        return 200 * (self.reference_cm2[1] - self.reference_cm2[0]) / sum(self.reference_cm2)


@dataclass(frozen=True)
class SplitResult:
    """Everything that one run of the test split brings."""

    slices: tuple[SplitSlice, ...]
    levels: tuple[SplitLevel, ...]
    same_day: tuple[SameDayDifference, ...]


def read_volume(data: Path, name: str) -> CtVolume:
    """An annotated volume as the product sees a scan."""
    spacing = tuple(read_index(data)[name]["spacing_mm_zyx"])
    hu = np.asanyarray(nib.load(data / "volumes" / f"{name}.nii.gz").dataobj).transpose(2, 1, 0).astype(np.int16)
    return CtVolume(hu, regular_geometry(hu.shape, spacing), SeriesHeader(), ("",) * len(hu), name)


def run_test_split(data: Path, models: ModelClient) -> SplitResult:
    """Measure every hand-drawn slice and search L3 in every scan of the test split that has one."""
    names = splits_of(data).test_names
    slices = tuple(_slice(data, native, models) for name in names for native in key_slices(data, name))
    levels = tuple(_level(data, name, models) for name in names if vertebra_label(L3_COORDINATE) in _levels(data, name))
    return SplitResult(slices, levels, same_day_differences(data, slices))


def key_slices(data: Path, name: str) -> list[NativeSlice]:
    """The hand-drawn slices of one scan."""
    return native_slices(data, name, include_weak=False)


def _slice(data: Path, native: NativeSlice, models: ModelClient) -> SplitSlice:
    result = run_assessment(read_volume(data, native.name), models, AssessmentOptions(slice_choice=native.slice_index))
    agreement = muscle_agreement(native, result.arrays.compartments.compartments_yx, expert_mask(data, native.name))
    measured = evaluated(data, agreement, result.measurement.uncertainty.sma_cov_percent)
    return SplitSlice(measured, tuple(flag.code for flag in result.measurement.flags))


def expert_mask(data: Path, name: str) -> NDArray[np.bool_] | None:
    """The clinician's own muscle mask (y, x) where there is one."""
    path = data / "expert" / f"{name}.nii.gz"
    return np.asarray(np.asanyarray(nib.load(path).dataobj)[:, :, 0].T > 0) if path.exists() else None


def _levels(data: Path, name: str) -> dict[str, float]:
    """Slice index of every annotated mid-body."""
    return read_index(data)[name]["levels_z"]


def _level(data: Path, name: str, models: ModelClient) -> SplitLevel:
    result = run_assessment(read_volume(data, name), models)
    l3 = result.level.l3 if result.level is not None else None
    if l3 is None:
        return SplitLevel(name, None, None, None)
    spacing_mm = read_index(data)[name]["spacing_mm_zyx"][0]
    levels = sorted((z * spacing_mm, COORDINATE_OF[label]) for label, z in _levels(data, name).items())
    z_mm, coordinate = np.array(levels).T
    true_mm = np.interp(-L3_COORDINATE, -coordinate, z_mm)
    found = float(np.interp(l3.z_mm, z_mm, coordinate))
    composition = result.measurement.composition
    sma_cm2 = None if composition is None else composition.sma_cm2
    return SplitLevel(name, float(l3.z_mm - true_mm), abs(found - L3_COORDINATE) < RIGHT_VERTEBRA, sma_cm2)


def same_day_differences(data: Path, slices: Sequence[SplitSlice]) -> tuple[SameDayDifference, ...]:
    """Everybody with two scans in the test split, each scan by its key slice nearest to the middle of the vertebra."""
    splits = splits_of(data)
    pairs = [p for p in splits.patients if len(p.scans) == 2 and set(p.scans) <= set(splits.test_names)]
    return tuple(_difference(data, slices, pair, vertebra_label(level)) for pair in pairs for level in LEVELS)


def _difference(data: Path, slices: Sequence[SplitSlice], pair: Patient, level: str) -> SameDayDifference:
    both = [_nearest(data, slices, name, level).agreement for name in pair.scans]
    found, drawn = (tuple(getattr(a, field) for a in both) for field in ("sma_cm2", "reference_sma_cm2"))
    return SameDayDifference(pair.name, level, found, drawn)


def _nearest(data: Path, slices: Sequence[SplitSlice], name: str, level: str) -> EvaluatedSlice:
    of_scan = [item.evaluated for item in slices if item.evaluated.agreement.name == name]
    return min(of_scan, key=lambda item: abs(item.agreement.slice_index - _levels(data, name)[level]))
