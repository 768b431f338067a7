"""Values wider than 16 bits, scaled NIfTI, and archives packed by LZMA."""

import gzip
import io
import zipfile

import nibabel
import numpy as np
import pydicom
import pytest

from sarcopenia.domain.errors import NotReadableError
from sarcopenia.domain.geometry import regular_geometry
from sarcopenia.exchange.ct_writer import ct_series_bytes
from sarcopenia.imaging import InputFile, read_series
from tests.ct_series import edited, make_volume

VOLUME = make_volume(regular_geometry((6, 40, 50), (5.0, 0.8, 0.7)))


def test_32_bit_pixels_are_read_without_a_table_of_all_their_values() -> None:
    def widen(dataset: pydicom.Dataset) -> None:
        stored = dataset.pixel_array.astype("<u4")
        stored[0, 0] = 2_000_000_000
        dataset.BitsAllocated = dataset.BitsStored = 32
        dataset.HighBit = 31
        dataset.PixelData = stored.tobytes()

    hu_zyx = read_series(edited(ct_series_bytes(VOLUME), widen)).chosen.hu_zyx
    np.testing.assert_array_equal(hu_zyx[:, 0, 0], np.iinfo(np.int16).max)
    np.testing.assert_array_equal(hu_zyx[:, 1:], VOLUME.hu_zyx[:, 1:])


@pytest.mark.parametrize(("slope", "intercept"), [(1.0, -1024.0), (0.5, -1024.0)])
def test_a_scaled_nifti_is_rounded_to_hu_whatever_its_axes(slope: float, intercept: float) -> None:
    stored = np.random.default_rng(3).integers(0, 4000, (7, 9, 5)).astype(np.int16)
    affine = np.array([[0, 0, 2.0, 0], [0.8, 0, 0, 0], [0, -3.0, 0, 0], [0, 0, 0, 1]])
    image = nibabel.Nifti1Image(stored, affine)
    image.header.set_slope_inter(slope, intercept)
    hu_zyx = read_series([InputFile("a.nii.gz", gzip.compress(image.to_bytes()))]).chosen.hu_zyx
    expected = np.rint(stored * slope + intercept).transpose(1, 0, 2)[::-1]
    np.testing.assert_array_equal(hu_zyx, expected.clip(-1024))


def test_an_archive_damaged_inside_lzma_is_not_readable() -> None:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_LZMA) as archive:
        archive.writestr("IM1", np.random.default_rng(0).bytes(4096))
    content = bytearray(buffer.getvalue())
    content[60:80] = b"\xff" * 20
    with pytest.raises(NotReadableError):
        read_series([InputFile("a.zip", bytes(content))])
