"""How near the found mid-L3 lies to the annotated one, in mm."""

from dataclasses import dataclass

import numpy as np

from inference_server.training.spine_data import SpineExample
from sarcopenia.assessment.level import decode_curve
from sarcopenia.domain.results import L3_COORDINATE
from sarcopenia.inference.contract import SPINE_GRID_MM
from sarcopenia.inference.port import SpineProfile


@dataclass(frozen=True)
class LevelError:
    """One spine: signed error of mid-L3 in mm (positive: too far to the head), ``None`` where one of both has no L3."""

    name: str
    has_l3: bool
    found_l3: bool
    error_mm: float | None
    spread_mm: float | None


def level_error(example: SpineExample, profile: SpineProfile) -> LevelError:
    """Compare the decoded L3 with the annotated one."""
    z_mm = np.arange(len(example.coordinate_z)) * SPINE_GRID_MM
    curve = decode_curve(profile, z_mm)
    found = curve.z_of(L3_COORDINATE)
    true = _true_l3_mm(example)
    error = None if found is None or true is None else found - true
    spread = None if found is None else curve.spread_mm(found)
    return LevelError(example.name, true is not None, found is not None, error, spread)


def _true_l3_mm(example: SpineExample) -> float | None:
    known = np.isfinite(example.coordinate_z)
    falling = example.coordinate_z[known]
    if len(falling) < 2 or not falling.min() <= L3_COORDINATE <= falling.max():
        return None
    rows = np.flatnonzero(known)
    return float(np.interp(-L3_COORDINATE, -falling, rows) * SPINE_GRID_MM)
