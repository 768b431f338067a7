"""Sagittal and coronal reformats along the spine's mid-line, for the reader's orientation only."""

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from sarcopenia.assessment.events import Scout, Scouts
from sarcopenia.assessment.spine_projection import CoarseBlock
from sarcopenia.inference.contract import AIR_HU, SPINE_GRID_MM

SLAB_PIXELS = (-2, -1, 0, 1, 2)


def make_scouts(block: CoarseBlock, midline_yx: NDArray[np.float64]) -> Scouts:
    """Thick reformats (12 mm) of the whole trunk that follow the mid-line, shape (z, y) and (z, x)."""
    depth, width = block.hu_zyx.shape[1:]
    sagittal = _reformat(block, np.arange(depth)[None, :], midline_yx[:, 1:], moving_axis=2)
    coronal = _reformat(block, np.arange(width)[None, :], midline_yx[:, :1], moving_axis=1)
    return Scouts(_scout(block, sagittal), _scout(block, coronal))


def _scout(block: CoarseBlock, hu: NDArray[np.float64]) -> Scout:
    return Scout(np.round(hu).astype(np.int16), (SPINE_GRID_MM, SPINE_GRID_MM), block.z_mm)


def _reformat(
    block: CoarseBlock, across: NDArray[np.int_], at: NDArray[np.float64], moving_axis: int
) -> NDArray[np.float64]:
    """Mean over the slab of planes at ``at`` (z, 1) along the moving axis, sampled at ``across`` (1, w)."""
    planes = []
    for offset in SLAB_PIXELS:
        z, fixed, moving = np.broadcast_arrays(np.arange(len(at))[:, None], across, at + offset)
        coordinates = (z, fixed, moving) if moving_axis == 2 else (z, moving, fixed)
        planes.append(ndimage.map_coordinates(block.hu_zyx, coordinates, order=1, cval=AIR_HU))
    return np.asarray(np.mean(planes, axis=0))
