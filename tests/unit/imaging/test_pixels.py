"""Pixels to HU: transfer syntaxes, modality LUT, padding, overlays in the pixel bits, enhanced multi-frame."""

import io

import numpy as np
import pydicom
import pytest
from PIL import Image
from pydicom.encaps import encapsulate
from pydicom.uid import ExplicitVRBigEndian, ImplicitVRLittleEndian, JPEGBaseline8Bit, JPEGLosslessSV1

from sarcopenia.domain.geometry import regular_geometry
from sarcopenia.exchange.ct_writer import COMPRESSIONS, CtWriteOptions, ct_series_bytes
from sarcopenia.imaging import InputFile, read_series
from tests.ct_series import edited, make_volume, setting
from tests.jpeg_lossless import encode_jpeg_lossless

VOLUME = make_volume(regular_geometry((4, 40, 50), (5.0, 0.8, 0.7)))


@pytest.mark.parametrize("compression", COMPRESSIONS)
def test_every_lossless_syntax_gives_the_same_hu_and_hash(compression: str) -> None:
    result = read_series(ct_series_bytes(VOLUME, CtWriteOptions(compression=compression))).chosen
    np.testing.assert_array_equal(result.hu_zyx, VOLUME.hu_zyx)
    assert result.series_hash == read_series(ct_series_bytes(VOLUME)).chosen.series_hash
    assert not result.report.warnings


def test_jpeg_lossless_gives_the_same_hu() -> None:
    def compress(dataset: pydicom.Dataset) -> None:
        dataset.PixelData = encapsulate([encode_jpeg_lossless(dataset.pixel_array)])
        dataset["PixelData"].VR = "OB"
        dataset.file_meta.TransferSyntaxUID = JPEGLosslessSV1

    result = read_series(edited(ct_series_bytes(VOLUME), compress)).chosen
    np.testing.assert_array_equal(result.hu_zyx, VOLUME.hu_zyx)


def rewritten(syntax: pydicom.uid.UID) -> tuple[InputFile, ...]:
    files = []
    for file in ct_series_bytes(VOLUME):
        dataset = pydicom.dcmread(io.BytesIO(file.content))
        if syntax == ExplicitVRBigEndian:
            dataset.PixelData = dataset.pixel_array.astype(">u2").tobytes()
        dataset.file_meta.TransferSyntaxUID = syntax
        buffer = io.BytesIO()
        pydicom.dcmwrite(buffer, dataset, enforce_file_format=True)
        files.append(InputFile(file.name, buffer.getvalue()))
    return tuple(files)


@pytest.mark.parametrize("syntax", [ImplicitVRLittleEndian, ExplicitVRBigEndian])
def test_uncompressed_syntaxes_give_the_same_hu(syntax: pydicom.uid.UID) -> None:
    np.testing.assert_array_equal(read_series(rewritten(syntax)).chosen.hu_zyx, VOLUME.hu_zyx)


@pytest.mark.parametrize("implicit", [True, False])
def test_a_bare_data_set_without_preamble_and_meta_information_is_read(implicit: bool) -> None:
    files = []
    for file in ct_series_bytes(VOLUME):
        dataset = pydicom.dcmread(io.BytesIO(file.content))
        bare = pydicom.Dataset()
        bare.update(dataset)
        buffer = io.BytesIO()
        pydicom.dcmwrite(buffer, bare, implicit_vr=implicit, little_endian=True, enforce_file_format=False)
        files.append(InputFile(file.name, buffer.getvalue()))
    assert files[0].content[128:132] != b"DICM"
    np.testing.assert_array_equal(read_series(files).chosen.hu_zyx, VOLUME.hu_zyx)


def test_lossy_images_are_accepted_and_told() -> None:
    result = read_series(edited(ct_series_bytes(VOLUME), setting(LossyImageCompression="01"))).chosen
    assert [(w.code, w.count) for w in result.report.warnings] == [("lossy", 4)]


def test_a_lossy_transfer_syntax_is_told_even_when_the_header_keeps_silent() -> None:
    def compress(dataset: pydicom.Dataset) -> None:
        buffer = io.BytesIO()
        Image.fromarray((dataset.pixel_array >> 4).astype(np.uint8)).save(buffer, "JPEG")
        dataset.BitsAllocated = dataset.BitsStored = 8
        dataset.HighBit = 7
        dataset.RescaleSlope = "16"
        dataset.PixelData = encapsulate([buffer.getvalue()])
        dataset["PixelData"].VR = "OB"
        dataset.file_meta.TransferSyntaxUID = JPEGBaseline8Bit

    result = read_series(edited(ct_series_bytes(VOLUME), compress)).chosen
    assert [w.code for w in result.report.warnings] == ["lossy"]


def test_slope_and_intercept_of_each_slice_are_applied_and_rounded_to_the_nearest_hu() -> None:
    files = list(ct_series_bytes(VOLUME))
    files[2:3] = edited((files[2],), setting(RescaleSlope="0.5", RescaleIntercept="-1000.3"))
    hu = read_series(files).chosen.hu_zyx
    np.testing.assert_array_equal(hu[2], np.rint((VOLUME.hu_zyx[2] + 1024.0) * 0.5 - 1000.3))
    np.testing.assert_array_equal(hu[1], VOLUME.hu_zyx[1])


def test_padding_outside_the_reconstruction_is_air() -> None:
    def pad(dataset: pydicom.Dataset) -> None:
        stored = dataset.pixel_array.copy().astype(np.int16)
        stored[:5] = -2000
        dataset.PixelRepresentation = 1
        dataset.add_new("PixelPaddingValue", "SS", -2000)
        dataset.PixelData = stored.tobytes()

    hu = read_series(edited(ct_series_bytes(VOLUME), pad)).chosen.hu_zyx
    assert (hu[:, :5] == -1024).all()
    np.testing.assert_array_equal(hu[:, 5:], VOLUME.hu_zyx[:, 5:])


def test_a_padding_value_in_the_middle_of_the_range_is_air_too() -> None:
    def pad(dataset: pydicom.Dataset) -> None:
        dataset.add_new("PixelPaddingValue", "US", 1024)

    hu = read_series(edited(ct_series_bytes(VOLUME), pad)).chosen.hu_zyx
    water = VOLUME.hu_zyx == 0
    assert water.any()
    assert (hu[water] == -1024).all()
    np.testing.assert_array_equal(hu[~water], VOLUME.hu_zyx[~water])


def test_an_overlay_in_the_unused_bits_does_not_reach_the_hu() -> None:
    def overlay(dataset: pydicom.Dataset) -> None:
        stored = dataset.pixel_array.copy()
        stored[10, 10:20] |= 1 << 12
        dataset.BitsStored, dataset.HighBit = 12, 11
        dataset.add_new(0x60000102, "US", 12)
        dataset.PixelData = stored.tobytes()

    np.testing.assert_array_equal(read_series(edited(ct_series_bytes(VOLUME), overlay)).chosen.hu_zyx, VOLUME.hu_zyx)
