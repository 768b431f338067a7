"""The fingerprint of a series: the same voxels at the same place in the patient have the same hash."""

import hashlib
from typing import Final

import numpy as np
from numpy.typing import NDArray

from sarcopenia.domain.geometry import VolumeGeometry

LENGTH_STEP_MM: Final = 1e-3
"""Lengths are rounded to 1 µm, so that a number that took the way through another decimal text stays the same."""
DIRECTION_STEP: Final = 1e-4


def series_hash(hu_zyx: NDArray[np.int16], geometry: VolumeGeometry) -> str:
    """SHA-256 (hex) of HU and geometry; independent of file names, file order, compression and header."""
    digest = hashlib.sha256(repr(geometry.shape_zyx).encode())
    lengths_mm = [*np.ravel(geometry.slice_origins_lps_mm), *geometry.spacing_mm_zyx[1:]]
    directions = [*geometry.row_direction_lps, *geometry.column_direction_lps]
    digest.update(_steps(lengths_mm, LENGTH_STEP_MM))
    digest.update(_steps(directions, DIRECTION_STEP))
    digest.update(np.ascontiguousarray(hu_zyx, dtype="<i2").tobytes())
    return digest.hexdigest()


def _steps(values: list[float], step: float) -> bytes:
    return np.rint(np.asarray(values) / step).astype("<i8").tobytes()
