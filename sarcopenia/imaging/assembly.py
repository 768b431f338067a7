"""From one chosen stack to a `CtVolume`: duplicates and damaged slices out, pixels decoded, warnings written."""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray
from pydicom.uid import JPEGBaseline8Bit, JPEGExtended12Bit, JPEGLSNearLossless

from sarcopenia.domain.errors import BrokenSeriesError, InputError, ValidationIssue, ValidationReport
from sarcopenia.domain.volume import CtVolume
from sarcopenia.imaging.dicom_images import DicomImage
from sarcopenia.imaging.grouping import Stack, repeated_positions
from sarcopenia.imaging.header import read_header
from sarcopenia.imaging.pixels import decode_hu, looks_like_hu
from sarcopenia.imaging.series_hash import series_hash
from sarcopenia.imaging.stacking import stack_geometry, stack_warnings

TOLERATED_SHARE: Final = 0.1
"""Share of slices that may be damaged, or lie over another one with other pixels, before the series is refused."""
_LOSSY: Final = frozenset({JPEGBaseline8Bit, JPEGExtended12Bit, JPEGLSNearLossless})
"""Syntaxes made for loss; JPEG 2000 may be either and says so in the header."""
NOT_HU_MESSAGE: Final = "The pixel values are not Hounsfield units: nothing as light as fat or air is among them."


@dataclass(frozen=True, eq=False)
class _Slice:
    image: DicomImage
    hu_yx: NDArray[np.int16]


def assemble(stack: Stack) -> CtVolume:
    """Decode a stack of parallel axial images.

    Raises
    ------
    BrokenSeriesError: too many slices are damaged or lie over each other with different pixels.
    InputError: the values are not Hounsfield units.
    """
    decoded, damaged = _decode(stack)
    slices, duplicates = _without_duplicates(decoded)
    hu_zyx = np.stack([s.hu_yx for s in slices])
    if not looks_like_hu(hu_zyx):
        raise InputError(NOT_HU_MESSAGE)
    images = [s.image for s in slices]
    header = read_header(images[0])
    planes = [image.plane for image in images if image.plane is not None]
    geometry = stack_geometry(planes, header.slice_thickness_mm)
    warnings = (
        *damaged,
        *duplicates,
        *_lossy(images),
        *stack_warnings(geometry, header.slice_thickness_mm),
    )
    return CtVolume(
        hu_zyx,
        geometry,
        header,
        tuple(image.text("SOPInstanceUID") for image in images),
        series_hash(hu_zyx, geometry),
        ValidationReport(warnings=warnings),
    )


def _decode(stack: Stack) -> tuple[list[_Slice], tuple[ValidationIssue, ...]]:
    slices: list[_Slice] = []
    for image in stack.images:
        try:
            slices.append(_Slice(image, decode_hu(image)))
        except BrokenSeriesError:
            continue
    lost = len(stack.images) - len(slices)
    if not slices or lost > TOLERATED_SHARE * len(stack.images):
        raise BrokenSeriesError(f"The pixels of {lost} of {len(stack.images)} images are damaged.")
    text = f"{lost} damaged slice(s) were left out."
    return slices, (ValidationIssue("damaged_slices", text, lost),) if lost else ()


def _without_duplicates(slices: list[_Slice]) -> tuple[list[_Slice], tuple[ValidationIssue, ...]]:
    """Keep the first slice of each position; refuse the stack when many of them differ in their pixels."""
    repeats = repeated_positions(Stack(tuple(s.image for s in slices)).positions_mm)
    kept: list[_Slice] = []
    different = 0
    for candidate, is_repeat in zip(slices, repeats, strict=True):
        if not is_repeat:
            kept.append(candidate)
        elif not np.array_equal(candidate.hu_yx, kept[-1].hu_yx):
            different += 1
    if different > TOLERATED_SHARE * len(kept):
        text = f"{different} images lie at the position of another one with different pixels"
        raise BrokenSeriesError(f"{text}: several scans are entangled in this series.")
    count = len(slices) - len(kept)
    text = f"{count} image(s) repeat a position; the first one of each was kept."
    return kept, (ValidationIssue("duplicate_slices", text, count),) if count else ()


def _lossy(images: list[DicomImage]) -> tuple[ValidationIssue, ...]:
    """Lossy Image Compression (0028,2110), which stays "01" after decompression, or a lossy transfer syntax."""
    count = sum(image.text("LossyImageCompression") == "01" or image.transfer_syntax in _LOSSY for image in images)
    text = "The images were compressed with loss; edges and densities may be blurred."
    return (ValidationIssue("lossy", text, count),) if count else ()
