"""NIfTI from bytes to a `CtVolume`. Its RAS world becomes LPS here, at the edge, and nowhere else.

The voxel axis nearest to the body axis becomes the slices, the one nearest to left–right the columns, the other one
the rows. Slices are sorted feet to head; in-plane nothing is flipped, the geometry tells the directions instead.
Source: NIfTI-1 (nifti1.h: qform, sform, xyzt_units, scl_slope).
"""

import gzip
import io
import zlib
from typing import Any, Final

import nibabel
import numpy as np
from nibabel.filebasedimages import ImageFileError
from nibabel.spatialimages import HeaderDataError
from numpy.typing import NDArray

from sarcopenia.domain.errors import (
    BrokenSeriesError,
    InputError,
    MissingGeometryError,
    NoAxialSeriesError,
    NotReadableError,
    TooLargeError,
    UnsafeArchiveError,
    ValidationReport,
)
from sarcopenia.domain.geometry import PlaneGeometry, Vector, VolumeGeometry
from sarcopenia.domain.volume import CtVolume, SeriesHeader
from sarcopenia.imaging.assembly import NOT_HU_MESSAGE
from sarcopenia.imaging.dicom_images import ORTHOGONAL_WITHIN
from sarcopenia.imaging.files import MAX_FILES, InputFile, most_unpacked_bytes
from sarcopenia.imaging.pixels import AIR_HU, MAX_HU, looks_like_hu
from sarcopenia.imaging.series_hash import series_hash
from sarcopenia.imaging.stacking import stack_geometry, stack_warnings
from sarcopenia.imaging.suitability import MAX_MATRIX, MAX_OBLIQUE_DEG

GZIP_MAGIC: Final = b"\x1f\x8b"
_MAGIC_OFFSETS: Final = {b"n+1\x00": 344, b"n+2\x00": 4}
_HEADER_BYTES: Final = 352
_MM_PER_UNIT: Final = {"unknown": 1.0, "mm": 1.0, "meter": 1000.0, "micron": 0.001}
_RAS_TO_LPS: Final = np.diag([-1.0, -1.0, 1.0])


def looks_like_nifti(content: bytes) -> bool:
    """Whether the bytes are a single-file NIfTI-1 or NIfTI-2, packed by gzip or not."""
    start = content[:_HEADER_BYTES]
    if content[:2] == GZIP_MAGIC:
        try:
            start = zlib.decompressobj(wbits=31).decompress(content, _HEADER_BYTES)
        except zlib.error:
            return False
    return any(start[offset : offset + 4] == magic for magic, offset in _MAGIC_OFFSETS.items())


def read_nifti(file: InputFile) -> CtVolume:
    """Read one volume.

    Raises
    ------
    NotReadableError: damaged, or not one three-dimensional volume.
    MissingGeometryError: no orientation or no voxel size.
    BrokenSeriesError: sheared in-plane, so that a pixel has no rectangular area.
    TooLargeError, UnsafeArchiveError: more pixels or bytes than the product accepts.
    NoAxialSeriesError: no voxel axis is near the body axis.
    InputError: the values cannot be Hounsfield units (a mask, a picture).
    """
    image = load_nifti(file)
    hu, affine = _hu_3d(image, file), _affine_lps_mm(image, file)
    order, flips = _axis_order(affine)
    hu_zyx = np.transpose(hu, order)
    geometry = _geometry(affine[:, [*order, 3]], hu_zyx.shape, flips)
    hu_zyx = np.ascontiguousarray(hu_zyx[::-1] if flips else hu_zyx)
    if not looks_like_hu(hu_zyx):
        raise InputError(f"{file.name}: {NOT_HU_MESSAGE}")
    thickness_mm = geometry.spacing_mm_zyx[0]
    return CtVolume(
        hu_zyx,
        geometry,
        SeriesHeader(series_description=file.name, slice_thickness_mm=thickness_mm),
        ("",) * hu_zyx.shape[0],
        series_hash(hu_zyx, geometry),
        ValidationReport(warnings=tuple(stack_warnings(geometry, thickness_mm))),
    )


def load_nifti(file: InputFile) -> Any:  # noqa: ANN401 - nibabel has no types
    """Image of nibabel from the bytes of one file, packed by gzip or not.

    Raises
    ------
    NotReadableError: damaged. UnsafeArchiveError: it would unpack to more bytes than the product accepts.
    """
    content = _unpacked(file)
    kind = nibabel.Nifti2Image if content[4:8] == b"n+2\x00" else nibabel.Nifti1Image
    try:
        return kind.from_bytes(content)
    except (ImageFileError, HeaderDataError, ValueError, OSError) as error:
        raise NotReadableError(f"{file.name} is a damaged NIfTI file.") from error


def _unpacked(file: InputFile) -> bytes:
    if file.content[:2] != GZIP_MAGIC:
        return file.content
    limit = most_unpacked_bytes(len(file.content))
    try:
        with gzip.open(io.BytesIO(file.content)) as stream:
            content = stream.read(limit + 1)
    except (OSError, EOFError, zlib.error) as error:
        raise NotReadableError(f"{file.name} is a damaged .gz file.") from error
    if len(content) > limit:
        raise UnsafeArchiveError(f"{file.name} would unpack to more than {limit // 1024**2} MB.")
    return content


def _hu_3d(image: Any, file: InputFile) -> NDArray[np.int16]:  # noqa: ANN401 - nibabel has no types
    """HU from scaled values (scl_slope, scl_inter), shape (i, j, k); one slice may come without its third axis.

    Scaled plane by plane, as a whole series in 64-bit numbers takes gigabytes.
    """
    shape = tuple(n for i, n in enumerate(image.shape) if i < 3 or n != 1)
    if len(shape) not in (2, 3) or 0 in shape:
        raise NotReadableError(f"{file.name} is not one volume: its shape is {image.shape}.")
    if sorted(shape)[-2] > MAX_MATRIX or max(shape) > MAX_FILES:
        raise TooLargeError(f"{file.name} holds {' × '.join(map(str, shape))} voxels.")
    try:
        values = np.asarray(image.dataobj.get_unscaled()).reshape((*shape, 1)[:3], order="F")
    except (ValueError, OSError, EOFError) as error:
        raise NotReadableError(f"{file.name} is cut short.") from error
    if values.dtype.kind not in "iuf":
        raise NotReadableError(f"{file.name} holds colours or complex numbers, not HU.")
    slope, intercept = image.dataobj.slope, image.dataobj.inter
    hu = np.empty(values.shape, dtype=np.int16, order="F")
    for k in range(values.shape[2]):
        plane = values[..., k]
        hu[..., k] = _as_hu(plane if (slope, intercept) == (1.0, 0.0) else plane * slope + intercept)
    return hu


def _affine_lps_mm(image: Any, file: InputFile) -> NDArray[np.float64]:  # noqa: ANN401 - nibabel has no types
    """Voxel (i, j, k, 1) to patient LPS in mm, shape (3, 4)."""
    header = image.header
    if not (int(header["sform_code"]) or int(header["qform_code"])):
        raise MissingGeometryError(f"{file.name} does not say how it lies in the patient (no sform, no qform).")
    scale = _MM_PER_UNIT.get(header.get_xyzt_units()[0], 1.0)
    affine = np.asarray(_RAS_TO_LPS @ np.asarray(image.affine, dtype=np.float64)[:3] * scale)
    lengths = np.linalg.norm(affine[:, :3], axis=0)
    if not np.isfinite(affine).all() or lengths.min() < 1e-3:
        raise MissingGeometryError(f"{file.name} carries no voxel size.")
    return affine


def _axis_order(affine_lps_mm: NDArray[np.float64]) -> tuple[tuple[int, int, int], bool]:
    """Which voxel axes are slices, rows and columns, and whether the slices run from head to feet."""
    ras = np.eye(4)
    ras[:3] = _RAS_TO_LPS @ affine_lps_mm
    found = nibabel.io_orientation(ras)[:, 0]  # type: ignore[no-untyped-call]
    # A damaged affine may leave a voxel axis without a direction of its own (NaN), or give two axes the same.
    if sorted(found.tolist()) != [0, 1, 2]:
        raise MissingGeometryError("The affine does not give every voxel axis a direction of its own.")
    world_of_axis = found.astype(int).tolist()
    order = (world_of_axis.index(2), world_of_axis.index(1), world_of_axis.index(0))
    return order, bool(affine_lps_mm[2, order[0]] < 0)


def _geometry(affine_zyx: NDArray[np.float64], shape_zyx: tuple[int, ...], head_to_feet: bool) -> VolumeGeometry:
    """Geometry from an affine whose columns are the slice, row and column steps and the origin, LPS mm."""
    slice_step, row_step, column_step, origin = affine_zyx.T
    rows_mm, columns_mm = float(np.linalg.norm(row_step)), float(np.linalg.norm(column_step))
    row_direction, column_direction = column_step / columns_mm, row_step / rows_mm
    if abs(row_direction @ column_direction) > ORTHOGONAL_WITHIN:
        raise BrokenSeriesError("The volume is sheared: its pixels are no rectangles.")
    normal = np.cross(row_direction, column_direction)
    if np.degrees(np.arccos(min(1.0, abs(normal[2])))) > MAX_OBLIQUE_DEG:
        raise NoAxialSeriesError(
            f"No voxel axis lies within {MAX_OBLIQUE_DEG:.0f}° of the body axis: there are no axial slices."
        )
    indices = range(shape_zyx[0] - 1, -1, -1) if head_to_feet else range(shape_zyx[0])
    planes = [
        PlaneGeometry(
            _vector(origin + index * slice_step),
            _vector(row_direction),
            _vector(column_direction),
            (rows_mm, columns_mm),
            (shape_zyx[1], shape_zyx[2]),
        )
        for index in indices
    ]
    return stack_geometry(planes, abs(float(slice_step @ normal)))


def _as_hu(values: NDArray[Any]) -> NDArray[np.int16]:
    """Round to the nearest HU; what is not a number (masked air) becomes −1024."""
    if values.dtype.kind == "f":
        values = np.rint(np.nan_to_num(values, nan=AIR_HU, posinf=MAX_HU, neginf=AIR_HU))
    return np.asarray(np.clip(values, AIR_HU, MAX_HU), dtype=np.int16)


def _vector(values: NDArray[np.float64]) -> Vector:
    x, y, z = values.tolist()
    return x, y, z
