"""From one chosen stack to a `CtVolume`: duplicates and damaged slices out, pixels decoded, warnings written."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray
from pydicom.uid import JPEGBaseline8Bit, JPEGExtended12Bit, JPEGLSNearLossless

from sarcopenia.domain.errors import BrokenSeriesError, InputError, ValidationIssue, ValidationReport
from sarcopenia.domain.volume import CtVolume
from sarcopenia.imaging.dicom_images import DicomImage
from sarcopenia.imaging.grouping import TOLERATED_SHARE, Stack, repeated_positions
from sarcopenia.imaging.header import read_header
from sarcopenia.imaging.pixels import decode_hu, looks_like_hu
from sarcopenia.imaging.series_hash import series_hash
from sarcopenia.imaging.stacking import stack_geometry, stack_warnings

_LOSSY: Final = frozenset({JPEGBaseline8Bit, JPEGExtended12Bit, JPEGLSNearLossless})
"""Syntaxes made for loss; JPEG 2000 may be either and says so in the header."""
NOT_HU_MESSAGE: Final = "The pixel values are not Hounsfield units: nothing as light as fat or air is among them."


@dataclass(frozen=True, eq=False)
class _Decoded:
    """Images with their HU (slices, rows, columns), and what was left out so far."""

    images: tuple[DicomImage, ...]
    hu_zyx: NDArray[np.int16]
    warnings: tuple[ValidationIssue, ...]

    def without(self, left_out: NDArray[np.bool_], warning: ValidationIssue) -> "_Decoded":
        """Leave out the slices that are marked, with a warning if there are any."""
        if not left_out.any():
            return self
        images = tuple(image for image, gone in zip(self.images, left_out, strict=True) if not gone)
        return _Decoded(images, self.hu_zyx[~left_out], (*self.warnings, warning))


def assemble(stack: Stack) -> CtVolume:
    """Decode a stack of parallel axial images.

    Raises
    ------
    BrokenSeriesError: too many slices are damaged or lie over each other with different pixels.
    InputError: the values are not Hounsfield units.
    """
    decoded = _without_duplicates(_decode(stack))
    if not looks_like_hu(decoded.hu_zyx):
        raise InputError(NOT_HU_MESSAGE)
    header = read_header(decoded.images[0])
    planes = [image.plane for image in decoded.images if image.plane is not None]
    geometry = stack_geometry(planes, header.slice_thickness_mm)
    warnings = (
        *decoded.warnings,
        *_lossy(decoded.images),
        *stack_warnings(geometry, header.slice_thickness_mm),
    )
    return CtVolume(
        decoded.hu_zyx,
        geometry,
        header,
        tuple(image.text("SOPInstanceUID") for image in decoded.images),
        series_hash(decoded.hu_zyx, geometry),
        ValidationReport(warnings=warnings),
    )


def _decode(stack: Stack) -> _Decoded:
    """Decode all images; leave out a few damaged ones."""
    hu_zyx = np.empty((len(stack.images), *stack.matrix_yx), dtype=np.int16)
    damaged = np.zeros(len(stack.images), dtype=np.bool_)
    for i, hu_yx in enumerate(decode_hu(stack.images)):
        damaged[i] = hu_yx is None or hu_yx.shape != stack.matrix_yx
        if hu_yx is not None and not damaged[i]:
            hu_zyx[i] = hu_yx
    lost = int(damaged.sum())
    if lost == len(damaged) or lost > TOLERATED_SHARE * len(damaged):
        raise BrokenSeriesError(f"The pixels of {lost} of {len(damaged)} images are damaged.")
    warning = ValidationIssue("damaged_slices", f"{lost} damaged slice(s) were left out.", lost)
    return _Decoded(stack.images, hu_zyx, ()).without(damaged, warning)


def _without_duplicates(decoded: _Decoded) -> _Decoded:
    """Keep the first slice of each position; refuse the stack when many of them differ in their pixels."""
    repeats = repeated_positions(Stack(decoded.images).positions_mm)
    count = int(repeats.sum())
    first_at_place = np.maximum.accumulate(np.where(repeats, 0, np.arange(len(repeats))))
    pairs = ((decoded.hu_zyx[i], decoded.hu_zyx[first_at_place[i]]) for i in np.flatnonzero(repeats))
    different = sum(not np.array_equal(a, b) for a, b in pairs)
    if different > TOLERATED_SHARE * (len(repeats) - count):
        text = f"{different} images lie at the position of another one with different pixels"
        raise BrokenSeriesError(f"{text}: several scans are entangled in this series.")
    text = f"{count} image(s) repeat a position; the first one of each was kept."
    return decoded.without(repeats, ValidationIssue("duplicate_slices", text, count))


def _lossy(images: Sequence[DicomImage]) -> tuple[ValidationIssue, ...]:
    """Lossy Image Compression (0028,2110), which stays "01" after decompression, or a lossy transfer syntax."""
    count = sum(image.text("LossyImageCompression") == "01" or image.transfer_syntax in _LOSSY for image in images)
    text = "The images were compressed with loss; edges and densities may be blurred."
    return (ValidationIssue("lossy", text, count),) if count else ()
