"""Pixels of a DICOM image as int16 HU: decoding by plug-ins, modality LUT (PS3.3 C.11.1), padding (C.7.5.1)."""

import io
from collections.abc import Iterable, Iterator
from typing import Final

import numpy as np
import pydicom
from numpy.typing import NDArray
from pydicom import Dataset
from pydicom.pixels.decoders.base import get_decoder
from pydicom.pixels.processing import apply_modality_lut
from pydicom.pixels.utils import pixel_array

from sarcopenia.imaging.dicom_images import DicomImage
from sarcopenia.imaging.files import InputFile

AIR_HU: Final = -1024
"""Lowest value kept: scanners pad outside the circle of reconstruction with −2000 to −3024."""
MAX_HU: Final = int(np.iinfo(np.int16).max)
MAX_TABLE_VALUES: Final = 65_536
"""All values of 16 bits; 32-bit pixels may span 4 thousand million, which no table should hold."""
_RUST_PANICS: Final = "pyo3_runtime"
PLAUSIBLE_AIR_OR_FAT_HU: Final = -40
PLAUSIBLE_SPAN_HU: Final = 100


def can_decode(image: DicomImage) -> bool:
    """Whether an installed decoder reads the transfer syntax of the image."""
    try:
        return bool(get_decoder(image.transfer_syntax).is_available)
    except NotImplementedError:
        return False


def decode_hu(images: Iterable[DicomImage]) -> Iterator[NDArray[np.int16] | None]:
    """HU of each image, shape (rows, columns), rounded to the nearest HU; ``None`` where the pixels are damaged.

    Padding and everything below is −1024. A file of many frames is parsed once when its frames follow each other.
    """
    parsed: InputFile | None = None
    dataset = Dataset()
    for image in images:
        try:
            if image.file is not parsed:
                dataset, parsed = _parse(image), image.file
            stored = _without_overlay_bits(pixel_array(dataset, index=image.frame, raw=True), dataset)
            hu_yx = _to_hu(stored, image)
        except BaseException as error:
            # pydicom and its decoders raise many things on damaged data; the one for RLE, written in Rust, panics with
            # an exception that is no Exception.
            if not isinstance(error, Exception) and type(error).__module__ != _RUST_PANICS:
                raise
            yield None
        else:
            yield hu_yx


def _parse(image: DicomImage) -> Dataset:
    dataset = pydicom.dcmread(io.BytesIO(image.file.content), force=True)
    dataset.file_meta.TransferSyntaxUID = image.transfer_syntax
    return dataset


def _to_hu(stored: NDArray[np.integer], image: DicomImage) -> NDArray[np.int16]:
    """Apply the modality LUT to every value that occurs once, not to every pixel: exact and several times faster."""
    low, high = int(stored.min()), int(stored.max())
    if high - low >= MAX_TABLE_VALUES:
        return _values_to_hu(stored, image)
    table = _values_to_hu(np.arange(low, high + 1, dtype=np.int32), image)
    return np.asarray(table[stored.astype(np.int32) - low])


def _values_to_hu(values: NDArray[np.integer], image: DicomImage) -> NDArray[np.int16]:
    """Modality LUT, rounding, padding and limits for stored values of any shape."""
    hu = np.rint(apply_modality_lut(values, image.header))
    hu[_is_padding(values, image)] = AIR_HU
    return np.asarray(np.clip(hu, AIR_HU, MAX_HU).astype(np.int16))


def looks_like_hu(hu_zyx: NDArray[np.int16]) -> bool:
    """Whether values can be HU of a body: something as light as fat or air, and more than a few different tissues.

    Masks, probability maps and pictures scaled to 0..255 fail.
    """
    low, high = int(hu_zyx.min()), int(hu_zyx.max())
    return low < PLAUSIBLE_AIR_OR_FAT_HU and high - low >= PLAUSIBLE_SPAN_HU


def _without_overlay_bits(stored: NDArray[np.integer], dataset: Dataset) -> NDArray[np.integer]:
    """Clear overlays that old scanners stored in the unused high bits of the pixels (PS3.3 C.9.2, retired)."""
    in_pixels = any(e.keyword == "OverlayBitPosition" and e.value for e in dataset.group_dataset(0x6000))
    unused = dataset.BitsAllocated - dataset.BitsStored
    return (stored << unused) >> unused if in_pixels and unused > 0 else stored


def _is_padding(stored: NDArray[np.integer], image: DicomImage) -> NDArray[np.bool_]:
    """Pixels outside the reconstruction, Pixel Padding Value and Range Limit (0028,0120), (0028,0121)."""
    value, limit = image.number("PixelPaddingValue"), image.number("PixelPaddingRangeLimit")
    if value is None:
        return np.zeros(stored.shape, dtype=np.bool_)
    low, high = sorted((value, value if limit is None else limit))
    return np.asarray((stored >= low) & (stored <= high))
