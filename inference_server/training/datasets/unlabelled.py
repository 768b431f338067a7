"""Every axial slice of the training scans on the model grid, without labels: for pre-training and for the student.

Most slices of an annotated scan were never drawn; to a network that fills gaps, or learns from a teacher, they are
worth as much as the drawn ones.
"""

from pathlib import Path

import nibabel as nib
import numpy as np
from numpy.typing import NDArray

from inference_server.training.datasets.compartment_data import read_index
from sarcopenia.assessment.model_grid import axial_grid
from sarcopenia.domain.errors import NoBodyError
from sarcopenia.domain.geometry import PlaneGeometry


def scan_slices(data: Path, name: str, every: int = 1) -> list[NDArray[np.int16]]:
    """Slices (y, x) of one scan that show a body, on the model grid, HU."""
    hu_xyz = np.asanyarray(nib.load(data / "volumes" / f"{name}.nii.gz").dataobj)
    spacing = tuple(read_index(data)[name]["spacing_mm_zyx"][1:])
    plane = PlaneGeometry((0.0, 0.0, 0.0), (1.0, 0.0, 0.0), (0.0, 1.0, 0.0), spacing, hu_xyz.shape[1::-1])
    found = []
    for k in range(0, hu_xyz.shape[2], every):
        hu_yx = hu_xyz[:, :, k].T.astype(np.int16)
        try:
            grid = axial_grid(hu_yx, plane)
        except NoBodyError:
            continue
        found.append(np.round(grid.to_model(hu_yx)).astype(np.int16))
    return found
