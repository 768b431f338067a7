"""NIfTI-1 files of slices and volumes, in the place where the images lie: never flipped, never resampled.

Arrays are stored as (columns, rows, slices), as the common DICOM converters do; the world of the affine is RAS in mm,
so that x and y of the patient's LPS change their sign.
"""

from pathlib import Path
from typing import Any, Final

import nibabel
import numpy as np
from numpy.typing import NDArray

from sarcopenia.domain.geometry import PlaneGeometry, Vector
from sarcopenia.domain.volume import CtVolume

SCANNER_CODE: Final = 1
"""NIFTI_XFORM_SCANNER_ANAT: the affine leads to scanner coordinates."""
_LPS_TO_RAS: Final = np.diag([-1.0, -1.0, 1.0, 1.0])


def write_slice_nifti(
    array_yx: NDArray[np.uint8], plane: PlaneGeometry, thickness_mm: float, path: Path, note: str = ""
) -> None:
    """Write a mask of one slice with shape (columns, rows, 1) and the affine of its slice.

    Parameters
    ----------
    array_yx: uint8, rows × columns as in the image.
    thickness_mm: the slice's thickness, the length of the third voxel axis along the normal to the head.
    path: a name that ends in .nii or .nii.gz.
    note: kept in the header's field for a description, ASCII, at most 79 characters.

    Raises
    ------
    ValueError: the array has another shape than the plane.
    OSError: the file cannot be written.
    """
    if array_yx.shape != plane.shape_yx:
        raise ValueError(f"a mask of shape {array_yx.shape} does not fit a slice of {plane.shape_yx}")
    normal = plane.normal_lps if plane.normal_lps[2] >= 0 else -plane.normal_lps
    _write(array_yx.T[..., np.newaxis], _affine_ras(plane, normal * thickness_mm), path, note)


def write_volume_nifti(volume: CtVolume, path: Path) -> None:
    """Write int16 HU with shape (columns, rows, slices), slices feet to head.

    An affine knows one step between slices: the mean step from the first to the last slice is written, which keeps
    gantry tilt; gaps and varying spacing cannot be kept in this format.

    Raises
    ------
    OSError: the file cannot be written.
    """
    geometry = volume.geometry
    origins = np.asarray(geometry.slice_origins_lps_mm)
    step = np.asarray(geometry.normal_lps) * (geometry.spacing_mm_zyx[0] or 1.0)
    if len(origins) > 1:
        step = (origins[-1] - origins[0]) / (len(origins) - 1)
    _write(volume.hu_zyx.transpose(2, 1, 0), _affine_ras(geometry.plane(0), step), path)


def _affine_ras(plane: PlaneGeometry, slice_step_lps_mm: NDArray[np.float64]) -> NDArray[np.float64]:
    """Voxel (column, row, slice, 1) to RAS mm, shape (4, 4)."""
    affine = np.eye(4)
    affine[:3, 0] = _scaled(plane.row_direction_lps, plane.spacing_mm_yx[1])
    affine[:3, 1] = _scaled(plane.column_direction_lps, plane.spacing_mm_yx[0])
    affine[:3, 2] = slice_step_lps_mm
    affine[:3, 3] = plane.origin_lps_mm
    return np.asarray(_LPS_TO_RAS @ affine)


def _scaled(direction: Vector, length_mm: float) -> NDArray[np.float64]:
    return np.asarray(direction) * length_mm


def _write(
    array: NDArray[np.uint8] | NDArray[np.int16], affine_ras: NDArray[np.float64], path: Path, note: str = ""
) -> None:
    make_image: Any = nibabel.Nifti1Image  # nibabel's methods carry no types
    image = make_image(np.ascontiguousarray(array), affine_ras)
    image.header.set_xyzt_units("mm")
    image.header["descrip"] = note.encode("ascii")
    image.set_sform(affine_ras, code=SCANNER_CODE)
    image.set_qform(affine_ras, code=SCANNER_CODE, strip_shears=True)
    nibabel.save(image, path)
