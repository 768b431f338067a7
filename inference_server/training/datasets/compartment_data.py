"""Labelled axial slices on the model grid, as `body_compartments` trains on them.

A slice is kept as int16 HU and soft labels: the share of each compartment in every model pixel, so that the borders of
native labels survive the coarser grid. Pixels without a label have weight 0. Where only "not the muscle wall" is known
the shares sum to less than the known part; the loss gives the rest to the other compartments.
"""

import json
from dataclasses import dataclass
from pathlib import Path

import nibabel as nib
import numpy as np
from numpy.typing import NDArray

from sarcopenia.assessment.model_grid import axial_grid
from sarcopenia.domain.geometry import PlaneGeometry
from sarcopenia.inference.contract import COMPARTMENT_COUNT

UNLABELLED = 255
NOT_WALL = 254
"""Native label of a pixel that is known to be no muscle wall, and nothing more: a mask of muscle alone says so."""
KEY_WEIGHT, WEAK_WEIGHT = 1.0, 0.4


@dataclass(frozen=True)
class LabelledSlice:
    """One slice of one patient.

    Attributes
    ----------
    hu_yx: int16, model grid. share_cyx: uint8 shares of the five compartments, 255 = all of the pixel.
    known_yx: uint8, 255 where the pixel is labelled. weight: trust in the label (hand-drawn 1, interpolated less).
    """

    name: str
    slice_index: int
    hu_yx: NDArray[np.int16]
    share_cyx: NDArray[np.uint8]
    known_yx: NDArray[np.uint8]
    weight: float


@dataclass(frozen=True)
class NativeSlice:
    """One labelled slice on its native pixels, for evaluation: HU and labels of shape (y, x), and its plane."""

    name: str
    slice_index: int
    hu_yx: NDArray[np.int16]
    labels_yx: NDArray[np.uint8]
    plane: PlaneGeometry
    is_key: bool


def read_index(data: Path) -> dict[str, dict[str, object]]:
    """The index of the annotated CT: spacing, levels, key and weak slices per name."""
    return json.loads((data / "index.json").read_text())


def native_slices(data: Path, name: str, include_weak: bool) -> list[NativeSlice]:
    """Labelled slices of one scan; rows to the back, columns to the left, as stored."""
    entry = read_index(data)[name]
    hu = np.asanyarray(nib.load(data / "volumes" / f"{name}.nii.gz").dataobj)
    labels = np.asanyarray(nib.load(data / "labels" / f"{name}.nii.gz").dataobj)
    spacing = tuple(entry["spacing_mm_zyx"][1:])
    chosen = [(k, True) for k in entry["key_slices"]]
    chosen += [(k, False) for k in entry["weak_slices"]] if include_weak else []
    plane = PlaneGeometry((0.0, 0.0, 0.0), (1.0, 0.0, 0.0), (0.0, 1.0, 0.0), spacing, hu.shape[1::-1])
    return [
        NativeSlice(name, k, hu[:, :, k].T.astype(np.int16), labels[:, :, k].T.astype(np.uint8), plane, is_key)
        for k, is_key in chosen
    ]


def to_model_grid(native: NativeSlice) -> LabelledSlice:
    """A native slice and its labels on the model grid."""
    grid = axial_grid(native.hu_yx, native.plane)
    shares = [grid.to_model(native.labels_yx == c, outside=0.0) for c in range(COMPARTMENT_COUNT)]
    known = grid.to_model(native.labels_yx != UNLABELLED, outside=1.0)
    inside = grid.to_model(np.ones_like(native.labels_yx), outside=0.0)
    shares[0] = shares[0] + (1 - inside)
    return LabelledSlice(
        native.name,
        native.slice_index,
        np.round(grid.to_model(native.hu_yx)).astype(np.int16),
        np.round(np.clip(np.stack(shares), 0, 1) * 255).astype(np.uint8),
        np.round(np.clip(known, 0, 1) * 255).astype(np.uint8),
        KEY_WEIGHT if native.is_key else WEAK_WEIGHT,
    )


def load_training_slices(data: Path, names: tuple[str, ...]) -> list[LabelledSlice]:
    """All labelled slices, hand-drawn and interpolated, of the named scans on the model grid."""
    return [to_model_grid(native) for name in names for native in native_slices(data, name, include_weak=True)]
