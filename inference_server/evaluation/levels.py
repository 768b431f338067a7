"""How near the found mid-L3 lies to the annotated one, whether it is the right vertebra, and whether "no L3" is said.

The level is found by the product's own `find_level`. A sagittal reformat has no coronal projection and no ribs; it
takes the same road. Every spine is read by the network of the fold that held its patient out.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from inference_server.training.datasets.splits import splits_of
from inference_server.training.spine.data import SpineExample, load_real_spines
from inference_server.training.spine.train import load_spine_network, predict_profile
from sarcopenia.assessment.level import find_level
from sarcopenia.domain.geometry import regular_geometry
from sarcopenia.domain.results import L3_COORDINATE, LevelAnchor, LevelFinding
from sarcopenia.domain.volume import CtVolume, SeriesHeader
from sarcopenia.inference.contract import SPINE_GRID_MM
from sarcopenia.inference.port import SpineProfile

RIGHT_VERTEBRA: Final = 0.5
"""A found mid-L3 lies in the body of L3 when its annotated coordinate is less than half a vertebra away."""
ABOVE_L2: Final = 13.5
"""A crop that ends above the disc L1/L2 shows no L3 and no L2."""
SHORTEST_CROP_MM: Final = 60.0
SILVER: Final = frozenset({"tsex0"})
"""Levels made by another model: up to 8 mm below the middle of the body."""


@dataclass(frozen=True)
class LevelError:
    """One spine, whole or cropped.

    Attributes
    ----------
    case: "whole", or what was cropped away. has_l3, found_l3: whether L3 is annotated, and found.
    error_mm: signed error of mid-L3, positive too far to the head; ``None`` where one of both has no L3.
    right_vertebra: whether the found mid-L3 lies in the annotated body of L3; ``None`` where no error exists.
    spread_mm: the network's own standard deviation there. ambiguous: whether two candidates are shown.
    """

    name: str
    case: str
    has_l3: bool
    found_l3: bool
    error_mm: float | None
    right_vertebra: bool | None
    spread_mm: float | None
    anchor: LevelAnchor
    lumbar_count: int | None
    ambiguous: bool


def level_of(profile: SpineProfile, rows: int) -> LevelFinding:
    """What the product finds in a profile whose first ``rows`` rows are the scan."""
    geometry = regular_geometry((rows, 1, 1), (SPINE_GRID_MM, SPINE_GRID_MM, SPINE_GRID_MM))
    volume = CtVolume(np.zeros((rows, 1, 1), np.int16), geometry, SeriesHeader(), ("",) * rows, "")
    return find_level(volume, profile, geometry.slice_z_mm)


def level_error(example: SpineExample, profile: SpineProfile, case: str = "whole") -> LevelError:
    """Compare the found L3 with the annotated one."""
    level = level_of(profile, len(example.coordinate_z))
    true = true_l3_mm(example)
    error = None if level.l3 is None or true is None else level.l3.z_mm - true
    right = None if level.l3 is None or error is None else _is_l3(example, level.l3.z_mm)
    return LevelError(
        name=example.name,
        case=case,
        has_l3=true is not None,
        found_l3=level.l3 is not None,
        error_mm=error,
        right_vertebra=right,
        spread_mm=None if level.l3 is None else level.l3.spread_mm,
        anchor=level.anchor,
        lumbar_count=level.lumbar_count,
        ambiguous=bool(level.candidates),
    )


def _known(example: SpineExample) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Z in mm and coordinate of the annotated rows, feet to head."""
    rows = np.flatnonzero(np.isfinite(example.coordinate_z))
    return rows * SPINE_GRID_MM, example.coordinate_z[rows].astype(np.float64)


def _is_l3(example: SpineExample, z_mm: float) -> bool:
    at_mm, coordinate = _known(example)
    inside = at_mm[0] <= z_mm <= at_mm[-1]
    return bool(inside and abs(np.interp(z_mm, at_mm, coordinate) - L3_COORDINATE) < RIGHT_VERTEBRA)


def true_l3_mm(example: SpineExample) -> float | None:
    """Annotated mid-L3 in mm above the lowest row; ``None`` where the scan does not hold it."""
    at_mm, coordinate = _known(example)
    if len(coordinate) < 2 or not coordinate.min() <= L3_COORDINATE <= coordinate.max():
        return None
    return float(np.interp(-L3_COORDINATE, -coordinate, at_mm))


def above_l2(example: SpineExample) -> SpineExample | None:
    """What a chest scan would show of a spine: rows above the disc L1/L2; ``None`` where too little is left."""
    below = np.flatnonzero(example.coordinate_z > ABOVE_L2)
    start = int(below[-1]) + 1 if len(below) else 0
    if start == 0 or (len(example.coordinate_z) - start) * SPINE_GRID_MM < SHORTEST_CROP_MM:
        return None
    per_row = ("coordinate_z", "at_most_z", "spine_z", "rib_z", "sacrum_z")
    labels = {field: getattr(example, field)[start:] for field in per_row}
    return replace(example, variants=example.variants[:, :, start:], **labels)


def held_out_levels(data: Path, runs: Path) -> Iterator[LevelError]:
    """Every annotated spine, whole and cropped above L2, by the network that never saw the patient.

    Folds that were not trained are left out; `missing_folds` names them.
    """
    for fold, names in enumerate(splits_of(data).spine_folds):
        weights = _weights(runs, fold)
        if not weights.exists():
            continue
        network = load_spine_network(weights)
        for example in load_real_spines(data, names, 1, seed=0):
            crop = above_l2(example)
            for case, shown in (("whole", example), ("cropped above L2", crop)):
                if shown is not None:
                    profile = predict_profile(network, shown.variants[0].astype(np.float32))
                    yield level_error(shown, profile, case)


def missing_folds(data: Path, runs: Path) -> tuple[int, ...]:
    """Folds of `spine_level` without a network."""
    return tuple(fold for fold in range(len(splits_of(data).spine_folds)) if not _weights(runs, fold).exists())


def level_files(data: Path, runs: Path) -> tuple[Path, ...]:
    """The networks of the folds that were trained."""
    weights = (_weights(runs, fold) for fold in range(len(splits_of(data).spine_folds)))
    return tuple(path for path in weights if path.exists())


def _weights(runs: Path, fold: int) -> Path:
    return runs / "spine" / f"fold{fold}" / "weights.pt"
