"""The published models on the visible test split, by the same pipeline that the product runs.

Run once per published version; nothing is chosen here.
"""

from dataclasses import dataclass
from pathlib import Path

import nibabel as nib
import numpy as np

from inference_server.evaluation.agreement import MuscleAgreement, muscle_agreement
from inference_server.training.compartment_data import NativeSlice, native_slices, read_index
from inference_server.training.splits import TEST_NAMES
from sarcopenia.assessment import AssessmentOptions, run_assessment
from sarcopenia.domain.geometry import regular_geometry
from sarcopenia.domain.results import vertebra_label
from sarcopenia.domain.volume import CtVolume, SeriesHeader
from sarcopenia.inference.port import ModelClient

EXPERT_NAME = "gold0"


@dataclass(frozen=True)
class TestSlice:
    """One key slice: agreement, nearest annotated level ("" if none is annotated), spread and flags."""

    agreement: MuscleAgreement
    level: str
    sma_cov_percent: float
    flags: tuple[str, ...]


@dataclass(frozen=True)
class TestLevel:
    """One scan with an annotated L3: signed error of the found mid-level in mm, ``None`` when none was found."""

    name: str
    error_mm: float | None


def read_volume(data: Path, name: str) -> CtVolume:
    """An annotated volume as the product sees a scan."""
    spacing = tuple(read_index(data)[name]["spacing_mm_zyx"])
    hu = np.asanyarray(nib.load(data / "volumes" / f"{name}.nii.gz").dataobj).transpose(2, 1, 0).astype(np.int16)
    return CtVolume(hu, regular_geometry(hu.shape, spacing), SeriesHeader(), ("",) * len(hu), name)


def evaluate_slices(data: Path, models: ModelClient) -> list[TestSlice]:
    """Every hand-drawn slice of the test split; `gold0` against the clinician's own mask."""
    return [
        _evaluate(data, native, models)
        for name in TEST_NAMES
        for native in native_slices(data, name, include_weak=False)
    ]


def _evaluate(data: Path, native: NativeSlice, models: ModelClient) -> TestSlice:
    options = AssessmentOptions(slice_choice=native.slice_index)
    result = run_assessment(read_volume(data, native.name), models, options)
    expert = None
    if native.name == EXPERT_NAME:
        expert = np.asanyarray(nib.load(data / "expert" / f"{EXPERT_NAME}.nii.gz").dataobj)[:, :, 0].T > 0
    agreement = muscle_agreement(native, result.arrays.compartments.compartments_yx, expert)
    flags = tuple(flag.code for flag in result.measurement.flags)
    level = annotated_level(data, native.name, native.slice_index)
    return TestSlice(agreement, level, result.measurement.uncertainty.sma_cov_percent, flags)


def annotated_level(data: Path, name: str, slice_index: int) -> str:
    """Name of the annotated vertebra nearest to a slice; "" for a scan without levels."""
    levels = read_index(data)[name]["levels_z"]
    return min(levels, key=lambda label: abs(levels[label] - slice_index), default="")


def evaluate_levels(data: Path, models: ModelClient, names: tuple[str, ...]) -> list[TestLevel]:
    """Found against annotated mid-L3 of whole scans."""
    found = []
    for name in names:
        entry = read_index(data)[name]
        result = run_assessment(read_volume(data, name), models)
        true_mm = entry["levels_z"][vertebra_label(15.0)] * entry["spacing_mm_zyx"][0]
        l3 = result.level.l3 if result.level is not None else None
        found.append(TestLevel(name, None if l3 is None else l3.z_mm - true_mm))
    return found
