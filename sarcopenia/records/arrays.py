"""Pictures of a measurement <-> blobs: one NumPy .npy per array, and a small frame with the geometry around them.

.npy files are written without compression, so the same mask has the same SHA-256 wherever it was made.
"""

import io
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from sarcopenia.domain.geometry import PlaneGeometry
from sarcopenia.domain.results import CompartmentMap
from sarcopenia.records.views import ScoutImage, StoredArrays, StoredSlice

MUSCLE_ROLE: Final = "muscle_yx"


@dataclass(frozen=True)
class ArrayFrame:
    """What must be known about the arrays beside their values: the slice's plane, the scouts' spacing in mm."""

    plane: PlaneGeometry | None
    sagittal_spacing_mm_zx: tuple[float, float] | None
    coronal_spacing_mm_zx: tuple[float, float] | None


def pack(arrays: StoredArrays) -> tuple[ArrayFrame, dict[str, bytes]]:
    """Frame of the pictures, and the bytes of every array by its role."""
    parts: dict[str, Any] = {}
    if arrays.slice is not None:
        maps = arrays.slice.compartments
        parts |= {"hu_yx": arrays.slice.hu_yx, "compartments_yx": maps.compartments_yx}
        parts |= {MUSCLE_ROLE: maps.muscle_yx, "muscle_spread_yx": maps.muscle_spread_yx}
    for name, scout in (("sagittal", arrays.sagittal), ("coronal", arrays.coronal)):
        if scout is not None:
            parts |= {f"{name}_hu_zx": scout.hu_zx, f"{name}_z_mm": scout.z_mm}
    frame = ArrayFrame(
        arrays.slice.plane if arrays.slice else None,
        arrays.sagittal.spacing_mm_zx if arrays.sagittal else None,
        arrays.coronal.spacing_mm_zx if arrays.coronal else None,
    )
    return frame, {role: to_npy(array) for role, array in parts.items()}


def unpack(frame: ArrayFrame, blobs: Mapping[str, bytes]) -> StoredArrays:
    """Pictures from what `pack` gave."""
    parts = {role: from_npy(content) for role, content in blobs.items()}
    return StoredArrays(
        _slice(frame.plane, parts),
        _scout(frame.sagittal_spacing_mm_zx, parts, "sagittal"),
        _scout(frame.coronal_spacing_mm_zx, parts, "coronal"),
    )


def to_npy(array: Any) -> bytes:  # noqa: ANN401 # arrays of several dtypes
    """Bytes of an array in NumPy's .npy format."""
    buffer = io.BytesIO()
    np.save(buffer, np.ascontiguousarray(array), allow_pickle=False)
    return buffer.getvalue()


def from_npy(content: bytes) -> Any:  # noqa: ANN401 # arrays of several dtypes
    """Array from what `to_npy` gave."""
    return np.load(io.BytesIO(content), allow_pickle=False)


def _slice(plane: PlaneGeometry | None, parts: Mapping[str, Any]) -> StoredSlice | None:
    if plane is None:
        return None
    maps = CompartmentMap(parts["compartments_yx"], parts[MUSCLE_ROLE], parts["muscle_spread_yx"])
    return StoredSlice(parts["hu_yx"], plane, maps)


def _scout(spacing_mm_zx: tuple[float, float] | None, parts: Mapping[str, Any], name: str) -> ScoutImage | None:
    if spacing_mm_zx is None:
        return None
    return ScoutImage(parts[f"{name}_hu_zx"], spacing_mm_zx, parts[f"{name}_z_mm"])
