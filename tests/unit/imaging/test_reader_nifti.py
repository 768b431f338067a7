"""NIfTI volumes: any axis order or flip gives the same slices at the same place as the DICOM series."""

import gzip
import itertools
from pathlib import Path

import nibabel
import numpy as np
import pytest

from sarcopenia.domain.errors import (
    BrokenSeriesError,
    InputError,
    MissingGeometryError,
    NoAxialSeriesError,
    NotReadableError,
    TooLargeError,
)
from sarcopenia.domain.geometry import regular_geometry
from sarcopenia.domain.volume import CtVolume
from sarcopenia.exchange.ct_writer import ct_series_bytes
from sarcopenia.exchange.nifti_writer import write_volume_nifti
from sarcopenia.imaging import InputFile, files_from_path, read_series
from tests.ct_series import make_volume

VOLUME = make_volume(regular_geometry((7, 40, 50), (5.0, 0.9, 0.6), (-17.5, -16.0, -300.0)))
LPS_TO_RAS = np.diag([-1.0, -1.0, 1.0, 1.0])
STORED_AS = [
    (order, flips) for order in itertools.permutations(range(3)) for flips in ((), (0,), (1,), (2,), (0, 1, 2))
]


def stored(
    values: np.ndarray, affine_ras: np.ndarray, name: str = "ct.nii", *, code: int = 1, unit: str = "mm"
) -> InputFile:
    image = nibabel.Nifti1Image(values, affine_ras)
    image.set_sform(affine_ras, code=code)
    image.set_qform(None, code=0)
    image.header.set_xyzt_units(unit)
    content = image.to_bytes()
    return InputFile(name, gzip.compress(content) if name.endswith(".gz") else content)


def as_lps() -> tuple[np.ndarray, np.ndarray]:
    """The volume as (columns, rows, slices) and its RAS affine."""
    affine = np.diag([0.6, 0.9, 5.0, 1.0])
    affine[:3, 3] = (-17.5, -16.0, -300.0)
    return VOLUME.hu_zyx.transpose(2, 1, 0), LPS_TO_RAS @ affine


def read(file: InputFile) -> CtVolume:
    return read_series([file]).chosen


@pytest.mark.parametrize(("order", "flips"), STORED_AS)
def test_every_storage_order_shows_each_patient_point_with_the_same_hu(order: tuple, flips: tuple) -> None:
    values, affine = as_lps()
    for axis in flips:
        affine = affine.copy()
        affine[:3, 3] += affine[:3, axis] * (values.shape[axis] - 1)
        affine[:3, axis] *= -1
        values = np.flip(values, axis)
    result = read(stored(values.transpose(order), affine[:, [*order, 3]]))
    assert result.geometry.shape_zyx == (7, 40, 50)
    assert result.geometry.spacing_mm_zyx == pytest.approx((5.0, 0.9, 0.6))
    np.testing.assert_allclose(result.geometry.slice_z_mm, VOLUME.geometry.slice_z_mm, atol=1e-3)
    for z, y, x in np.random.default_rng(0).integers(0, (7, 40, 50), (30, 3)):
        point = VOLUME.geometry.plane(z).to_lps_mm(np.array([float(y), float(x)]))
        row, column = np.rint(result.geometry.plane(z).to_index_yx(point)).astype(int)
        assert result.hu_zyx[z, row, column] == VOLUME.hu_zyx[z, y, x]


def test_a_converted_series_has_the_geometry_and_the_hash_of_its_dicom(tmp_path: Path) -> None:
    write_volume_nifti(VOLUME, tmp_path / "ct.nii.gz")
    nifti = read_series(files_from_path(tmp_path / "ct.nii.gz")).chosen
    dicom = read_series(ct_series_bytes(VOLUME)).chosen
    np.testing.assert_array_equal(nifti.hu_zyx, dicom.hu_zyx)
    np.testing.assert_allclose(nifti.geometry.slice_origins_lps_mm, dicom.geometry.slice_origins_lps_mm, atol=1e-4)
    assert nifti.geometry.row_direction_lps == pytest.approx(dicom.geometry.row_direction_lps)
    assert nifti.series_hash == dicom.series_hash
    assert nifti.sop_instance_uids == ("",) * 7


def test_an_oblique_affine_within_20_degrees_keeps_its_tilt() -> None:
    values, affine = as_lps()
    a = np.radians(10)
    turn = np.array([[1, 0, 0, 0], [0, np.cos(a), -np.sin(a), 0], [0, np.sin(a), np.cos(a), 0], [0, 0, 0, 1]])
    result = read(stored(values, turn @ affine))
    assert np.degrees(np.arccos(result.geometry.normal_lps[2])) == pytest.approx(10, abs=1e-3)
    np.testing.assert_array_equal(result.hu_zyx, VOLUME.hu_zyx)
    assert not result.report.warnings


def test_no_axis_near_the_body_axis_is_not_axial() -> None:
    values, affine = as_lps()
    a = np.radians(35)
    turn = np.array([[1, 0, 0, 0], [0, np.cos(a), -np.sin(a), 0], [0, np.sin(a), np.cos(a), 0], [0, 0, 0, 1]])
    with pytest.raises(NoAxialSeriesError, match="body axis"):
        read(stored(values, turn @ affine))


def test_stored_integers_with_a_slope_become_hu() -> None:
    values, affine = as_lps()
    content = bytearray(nibabel.Nifti1Image(((values + 1024) * 2).astype(np.int16), affine).to_bytes())
    content[112:120] = np.array([0.5, -1024], dtype="<f4").tobytes()  # scl_slope, scl_inter
    np.testing.assert_array_equal(read(InputFile("ct.nii", bytes(content))).hu_zyx, VOLUME.hu_zyx)


def test_floats_are_rounded_and_what_is_no_number_is_air() -> None:
    values, affine = as_lps()
    floats = values.astype(np.float32) + 0.3
    floats[0, 0, 0] = np.nan
    hu = read(stored(floats, affine)).hu_zyx
    assert hu[0, 0, 0] == -1024
    np.testing.assert_array_equal(hu.ravel()[1:], VOLUME.hu_zyx.ravel()[1:])


@pytest.mark.parametrize("shape", [(50, 40, 1), (50, 40), (50, 40, 1, 1)])
def test_one_slice_is_enough(shape: tuple[int, ...]) -> None:
    values, affine = as_lps()
    result = read(stored(values[:, :, 2].reshape(shape), affine, "slice.nii.gz"))
    np.testing.assert_array_equal(result.hu_zyx, VOLUME.hu_zyx[2:3])
    assert {w.code for w in result.report.warnings} == {"single_slice"}


def test_units_of_the_header_are_respected() -> None:
    values, affine = as_lps()
    metres = np.diag([1e-3, 1e-3, 1e-3, 1.0]) @ affine
    assert read(stored(values, metres, unit="meter")).geometry.spacing_mm_zyx == pytest.approx((5.0, 0.9, 0.6))


@pytest.mark.parametrize("highest", [1, 4, 255])
def test_masks_and_pictures_are_not_hu(highest: int) -> None:
    values = np.random.default_rng(0).integers(0, highest + 1, (50, 40, 7)).astype(np.uint8)
    with pytest.raises(InputError, match="not Hounsfield units"):
        read(stored(values, as_lps()[1]))


def test_a_mask_beside_the_volume_is_rejected_and_the_volume_taken() -> None:
    values, affine = as_lps()
    mask = stored((values > 0).astype(np.uint8), affine, "mask.nii")
    selection = read_series([mask, stored(values, affine)])
    assert selection.chosen.header.series_description == "ct.nii"
    assert [(r.description, r.reason_code) for r in selection.rejected] == [("mask.nii", "less_suitable")]


def test_a_volume_that_does_not_say_how_it_lies_is_refused() -> None:
    with pytest.raises(MissingGeometryError, match="sform"):
        read(stored(*as_lps(), code=0))


def test_a_sheared_volume_is_refused() -> None:
    values, affine = as_lps()
    affine[0, 1] = 0.3
    with pytest.raises(BrokenSeriesError, match="sheared"):
        read(stored(values, affine))


def test_several_volumes_in_one_file_are_refused() -> None:
    values, affine = as_lps()
    with pytest.raises(NotReadableError, match="not one volume"):
        read(stored(np.stack([values, values], axis=-1), affine))


def test_a_matrix_beyond_the_limit_is_refused() -> None:
    with pytest.raises(TooLargeError):
        read(stored(np.zeros((1025, 1025, 1), dtype=np.int16), as_lps()[1], "big.nii.gz"))


@pytest.mark.parametrize("cut", [300, 400, 5000])
def test_a_file_that_is_cut_short_is_not_readable(cut: int) -> None:
    for name in ("ct.nii", "ct.nii.gz"):
        whole = stored(*as_lps(), name)
        with pytest.raises(NotReadableError):
            read(InputFile(name, whole.content[:cut]))
