"""Masks that people drew on a CT series, brought onto its native pixels: NIfTI, SliceOmatic tags, DICOM SEG.

A mask is never resampled: it lies on the voxels of the series, or it is refused as drawn on another one. Tissues carry
the numbers that SliceOmatic users give them (TomoVision, Alberta protocol of the ABACS module). Labels are what a file
itself calls the parts of its mask: numbers in NIfTI and tags, Segment Labels in DICOM SEG.
"""

import io
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from enum import IntEnum
from pathlib import Path
from typing import Any, Final

import highdicom
import nibabel
import numpy as np
import pydicom
from nibabel.filebasedimages import ImageFileError
from numpy.typing import NDArray
from pydicom.sr.codedict import codes

from sarcopenia.domain.errors import InputError, NotReadableError
from sarcopenia.domain.geometry import PlaneGeometry
from sarcopenia.domain.volume import CtVolume
from sarcopenia.imaging.dicom_images import read_images
from sarcopenia.imaging.files import InputFile
from sarcopenia.imaging.nifti import load_nifti
from sarcopenia.imaging.sliceomatic import check_plane, read_tag

ON_GRID_WITHIN: Final = 0.1
"""Share of a voxel by which a mask may lie beside the voxels of its series."""
NEXT_STEP: Final = "Draw or export the mask again on the very series that it belongs to, with its geometry."
MOST_LABELS: Final = 255
"""A file with more different values is an image."""
_RAS_OF_LPS: Final = np.diag([-1.0, -1.0, 1.0, 1.0])


class Tissue(IntEnum):
    """Tags of the Alberta protocol; 0 is untagged."""

    NONE = 0
    MUSCLE = 1
    IMAT = 2
    VAT = 5
    SAT = 7


TISSUE_OF_LABEL: Final = {
    "muscle": Tissue.MUSCLE,
    "skeletal muscle": Tissue.MUSCLE,
    "sm": Tissue.MUSCLE,
    "sma": Tissue.MUSCLE,
    "imat": Tissue.IMAT,
    "intermuscular fat": Tissue.IMAT,
    "intermuscular adipose tissue": Tissue.IMAT,
    "intramuscular adipose tissue": Tissue.IMAT,
    "vat": Tissue.VAT,
    "visceral fat": Tissue.VAT,
    "visceral adipose tissue": Tissue.VAT,
    "sat": Tissue.SAT,
    "subcutaneous fat": Tissue.SAT,
    "subcutaneous adipose tissue": Tissue.SAT,
}
"""Segment Label (0062,0005) in lower case with spaces."""
MUSCLE_CODES: Final = frozenset(
    code.value for code in (codes.SCT.SkeletalMuscle, codes.SCT.MuscleTissue, codes.SCT.Muscle)
)
"""SNOMED CT codes of all skeletal muscle. The parts of it and the kinds of fat are told apart by labels alone."""


@dataclass(frozen=True)
class TissueSlice:
    """Tissues drawn on one slice of a series: uint8 `Tissue` values (y, x) on its native pixels."""

    slice_index: int
    tissue_yx: NDArray[np.uint8]


@dataclass(frozen=True)
class MaskSlice:
    """What some labels of a mask cover on one slice of a series: boolean (y, x) on its native pixels."""

    slice_index: int
    mask_yx: NDArray[np.bool_]


@dataclass(frozen=True)
class MaskVolume:
    """Values of a mask on the voxels of a series (z, y, x), and on which slices (z,) it lies at all."""

    values_zyx: NDArray[np.uint8]
    covered_z: NDArray[np.bool_]


def read_tag_slice(tag: InputFile, image: InputFile, volume: CtVolume) -> TissueSlice:
    """Tissues of a SliceOmatic tag file and the DICOM image that it was drawn on.

    Raises
    ------
    InputError: the image is not of the series, the tags are not of the image, or a tag is no `Tissue`.
    NotReadableError: a damaged tag file or image.
    """
    found = _tags_on_slice(tag, image, volume)
    _check_tissues(found.tissue_yx, tag.name)
    return found


def read_tag_mask(tag: InputFile, image: InputFile, volume: CtVolume, labels: Collection[int]) -> MaskSlice:
    """Where a SliceOmatic tag file holds one of the labels; errors as of `read_tag_slice`, for any tag."""
    found = _tags_on_slice(tag, image, volume)
    return MaskSlice(found.slice_index, np.isin(found.tissue_yx, list(labels)))


def tag_labels(tag: InputFile) -> tuple[int, ...]:
    """Tags that are drawn in a SliceOmatic file, ascending; raises `NotReadableError` or `InputError`."""
    return tuple(value for value in np.unique(read_tag(tag).tags_yx).tolist() if value)


def _tags_on_slice(tag: InputFile, image: InputFile, volume: CtVolume) -> TissueSlice:
    """Tags of a file, whatever they mean, on the slice of its image."""
    drawn = read_tag(tag)
    headers = read_images(image)
    if len(headers) != 1:
        raise NotReadableError(f"{image.name} is not one DICOM image.", NEXT_STEP)
    uid = headers[0].text("SOPInstanceUID")
    if not uid or uid not in volume.sop_instance_uids:
        raise InputError(f"{tag.name}: its image is not a slice of the series that was chosen.", NEXT_STEP)
    index = volume.sop_instance_uids.index(uid)
    check_plane(drawn, volume.geometry.plane(index))
    return TissueSlice(index, drawn.tags_yx)


def _check_tissues(tissues: NDArray[np.uint8], name: str) -> None:
    if unknown := set(np.unique(tissues).tolist()) - set(map(int, Tissue)):
        known = ", ".join(f"{tissue.value} {tissue.name}" for tissue in Tissue)
        raise InputError(f"{name} holds tags {sorted(unknown)}; known are {known}.", NEXT_STEP)


def read_mask_nifti(path: Path, volume: CtVolume) -> MaskVolume:
    """A NIfTI mask on the voxels of a series, whatever order its axes are stored in.

    Raises
    ------
    NotReadableError: damaged, or not one volume.
    InputError: values that are no whole numbers of 0..255, or no slice lies on the voxels of the series.
    """
    try:
        image: Any = nibabel.load(path)
    except (ImageFileError, OSError, EOFError, ValueError) as error:
        raise NotReadableError(f"{path.name} cannot be read as NIfTI.", NEXT_STEP) from error
    values, lps_of_index = _mask_values(image, path.name)
    if values.min() < 0 or values.max() > np.iinfo(np.uint8).max:
        raise InputError(f"{path.name} holds other values than whole numbers from 0 to 255.", NEXT_STEP)
    return _on_voxels(values.astype(np.uint8), lps_of_index, volume, path.name)


def nifti_labels(file: InputFile) -> tuple[int, ...]:
    """Values of a NIfTI mask, given as bytes, beside 0, ascending.

    Raises
    ------
    NotReadableError: damaged, or not one volume. UnsafeArchiveError: unpacks to more than the product accepts.
    InputError: values that are no whole numbers, or as many as only an image holds.
    """
    values, _ = _mask_values(load_nifti(file), file.name)
    labels = np.unique(values[values != 0])
    if len(labels) > MOST_LABELS:
        raise InputError(f"{file.name} holds {len(labels)} different values: an image, not a mask.", NEXT_STEP)
    return tuple(int(label) for label in labels)


def read_nifti_mask(file: InputFile, volume: CtVolume, labels: Collection[int]) -> tuple[MaskSlice, ...]:
    """Where a NIfTI mask, given as bytes, holds one of the labels, on the slices of a series with any of them.

    Raises
    ------
    NotReadableError: damaged, or not one volume. UnsafeArchiveError: unpacks to more than the product accepts.
    InputError: values that are no whole numbers, or no slice lies on the voxels of the series.
    """
    values, lps_of_index = _mask_values(load_nifti(file), file.name)
    drawn = np.isin(values, list(labels)).astype(np.uint8)
    mask_zyx = _on_voxels(drawn, lps_of_index, volume, file.name).values_zyx.astype(np.bool_)
    return tuple(MaskSlice(k, mask_zyx[k]) for k in np.flatnonzero(mask_zyx.any(axis=(1, 2))).tolist())


def _on_voxels(values: NDArray[np.uint8], lps_of_index: NDArray[np.float64], volume: CtVolume, name: str) -> MaskVolume:
    index_of_lps = np.asarray(np.linalg.inv(lps_of_index), dtype=np.float64)
    shape = volume.geometry.shape_zyx
    mask, covered = np.zeros(shape, np.uint8), np.zeros(shape[0], np.bool_)
    for k in range(shape[0]):
        indices = _indices_on(volume.geometry.plane(k), index_of_lps, values.shape)
        if indices is not None:
            mask[k], covered[k] = values[indices], True
    if not covered.any():
        raise InputError(
            f"{name} does not lie on the voxels of the scan: drawn on another series, or cropped?", NEXT_STEP
        )
    return MaskVolume(mask, covered)


def _mask_values(image: Any, name: str) -> tuple[NDArray[Any], NDArray[np.float64]]:  # noqa: ANN401 - nibabel is untyped
    """Whole numbers of shape (i, j, k), and the way from their indices to LPS in mm (4, 4)."""
    try:
        stored = np.asanyarray(image.dataobj)
    except (ImageFileError, OSError, EOFError, ValueError) as error:
        raise NotReadableError(f"{name} cannot be read as NIfTI.", NEXT_STEP) from error
    values = stored.reshape((*stored.shape, 1)[:3]) if stored.ndim == 2 else stored
    if values.ndim != 3 or not values.size or values.dtype.kind not in "biuf":
        raise NotReadableError(f"{name} is not one volume of numbers: its shape is {stored.shape}.", NEXT_STEP)
    lps_of_index = np.asarray(_RAS_OF_LPS @ image.affine, dtype=np.float64)
    if not np.isfinite(lps_of_index).all() or np.linalg.det(lps_of_index) == 0:
        raise NotReadableError(f"{name} does not say where its voxels lie.", NEXT_STEP)
    if values.dtype.kind == "f" and not (np.isfinite(values).all() and np.array_equal(values, np.rint(values))):
        raise InputError(f"{name} holds other values than whole numbers.", NEXT_STEP)
    return values, lps_of_index


def _indices_on(
    plane: PlaneGeometry, index_of_lps: NDArray[np.float64], shape: tuple[int, ...]
) -> tuple[NDArray[np.intp], ...] | None:
    """Indices (3 arrays of shape (y, x)) of the mask's voxels on a slice; ``None`` where they do not coincide."""
    rows, columns = plane.shape_yx
    corners = plane.to_lps_mm(np.array([[0.0, 0.0], [rows - 1.0, 0.0], [0.0, columns - 1.0]]))
    exact = corners @ index_of_lps[:3, :3].T + index_of_lps[:3, 3]
    first, last_row, last_column = np.rint(exact).astype(np.intp)
    row_step, column_step = last_row - first, last_column - first
    far = last_row + column_step
    inside = all((corner >= 0).all() and (corner < shape).all() for corner in (first, last_row, last_column, far))
    whole = sorted(map(abs, row_step)) == [0, 0, rows - 1] and sorted(map(abs, column_step)) == [0, 0, columns - 1]
    if not inside or not whole or np.abs(exact - np.rint(exact)).max() > ON_GRID_WITHIN:
        return None
    y, x = np.indices(plane.shape_yx)
    return tuple(
        first[axis] + y * np.sign(row_step[axis]) + x * np.sign(column_step[axis]) for axis in range(len(first))
    )


def looks_like_segmentation(file: InputFile) -> bool:
    """Whether a file is a DICOM Segmentation."""
    try:
        header = pydicom.dcmread(io.BytesIO(file.content), specific_tags=["SOPClassUID"], stop_before_pixels=True)
    except Exception:  # pydicom raises many things on what is not DICOM
        return False
    return bool(header.get("SOPClassUID") == pydicom.uid.SegmentationStorage)


def read_segmentation(file: InputFile, volume: CtVolume) -> tuple[TissueSlice, ...]:
    """Tissues of a DICOM SEG on the slices of a series that it refers to; other segments are left out.

    Raises
    ------
    NotReadableError: not a DICOM SEG, or damaged.
    InputError: drawn on another series, no segment names a tissue, another matrix, or two tissues in one pixel.
    """
    seg = _opened(file)
    tissues = [(number, tissue) for number in seg.segment_numbers if (tissue := _tissue_of(seg, number)) is not None]
    if not tissues:
        labels = ", ".join(_segment_label(seg, number) for number in seg.segment_numbers)
        raise InputError(f"{file.name}: no segment names a tissue ({labels}); known: {', '.join(TISSUE_OF_LABEL)}.")
    indices, filled = _segments_on_slices(seg, [number for number, _ in tissues], volume, file.name)
    if (filled.sum(axis=-1) > 1).any():
        raise InputError(f"{file.name} holds pixels with two tissues.", NEXT_STEP)
    values = np.array([int(tissue) for _, tissue in tissues], np.uint8)
    tissue_zyx = (filled * values).sum(axis=-1).astype(np.uint8)
    return tuple(TissueSlice(index, drawn) for index, drawn in zip(indices, tissue_zyx, strict=True) if drawn.any())


def segment_labels(file: InputFile) -> dict[str, Tissue | None]:
    """Segment Labels of a DICOM SEG and the tissue that each names, if any; raises `NotReadableError`."""
    seg = _opened(file)
    return {_segment_label(seg, number): _tissue_of(seg, number) for number in seg.segment_numbers}


def read_segment_mask(file: InputFile, volume: CtVolume, labels: Collection[str]) -> tuple[MaskSlice, ...]:
    """What the segments with one of the labels cover together, on the slices with any of it.

    Raises
    ------
    NotReadableError: not a DICOM SEG, or damaged. InputError: drawn on another series, or another matrix.
    """
    seg = _opened(file)
    numbers = [number for number in seg.segment_numbers if _segment_label(seg, number) in labels]
    if not numbers:
        return ()
    indices, filled = _segments_on_slices(seg, numbers, volume, file.name)
    masks_zyx = np.logical_or.reduce(filled, axis=-1)
    return tuple(MaskSlice(k, mask_yx) for k, mask_yx in zip(indices, masks_zyx, strict=True) if mask_yx.any())


def _opened(file: InputFile) -> Any:  # noqa: ANN401 - highdicom has no types
    try:
        return highdicom.seg.segread(io.BytesIO(file.content))
    except Exception as error:  # pydicom and highdicom raise many things on damaged files
        raise NotReadableError(f"{file.name} cannot be read as DICOM SEG.", NEXT_STEP) from error


def _segment_label(seg: Any, number: int) -> str:  # noqa: ANN401 - highdicom has no types
    return str(seg.get_segment_description(number).segment_label)


def _tissue_of(seg: Any, number: int) -> Tissue | None:  # noqa: ANN401 - highdicom has no types
    label = " ".join(_segment_label(seg, number).lower().replace("_", " ").replace("-", " ").split())
    kind = seg.get_segment_description(number).segmented_property_type
    is_muscle = kind.scheme_designator == "SCT" and kind.value in MUSCLE_CODES
    return TISSUE_OF_LABEL.get(label, Tissue.MUSCLE if is_muscle else None)


def _segments_on_slices(
    seg: Any,  # noqa: ANN401 - highdicom has no types
    numbers: Sequence[int],
    volume: CtVolume,
    name: str,
) -> tuple[list[int], NDArray[np.bool_]]:
    """Indices of the slices that a SEG refers to, and its segments on them: boolean (slice, y, x, segment)."""
    drawn_on = {uid for _, _, uid in seg.get_source_image_uids()}
    indices = [index for index, uid in enumerate(volume.sop_instance_uids) if uid in drawn_on]
    if not indices:
        raise InputError(f"{name} was drawn on another series than the one beside it.", NEXT_STEP)
    try:
        shares = seg.get_pixels_by_source_instance(
            [volume.sop_instance_uids[index] for index in indices],
            segment_numbers=list(numbers),
            assert_missing_frames_are_empty=True,
        )
    except (ValueError, KeyError, RuntimeError) as error:
        raise InputError(f"{name} does not say which slice each frame was drawn on.", NEXT_STEP) from error
    if shares.shape[1:3] != volume.geometry.shape_zyx[1:]:
        raise InputError(f"{name} has another matrix than the scan.", NEXT_STEP)
    return indices, shares > 0.5
