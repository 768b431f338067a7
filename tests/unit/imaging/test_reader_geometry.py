"""Geometry of DICOM series through bytes: a patient point has the same HU however the series is stored."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sarcopenia.domain.errors import BrokenSeriesError, MissingGeometryError
from sarcopenia.domain.geometry import VolumeGeometry, regular_geometry
from sarcopenia.domain.volume import CtVolume
from sarcopenia.exchange.ct_writer import CtWriteOptions, ct_series_bytes
from sarcopenia.imaging import InputFile, read_series
from tests.ct_series import edited, make_volume, setting, with_origins

ANISOTROPIC = regular_geometry((20, 40, 50), (5.0, 0.9, 0.6), (-17.5, -16.0, -300.0))


def read(volume: CtVolume) -> CtVolume:
    return read_series(ct_series_bytes(volume)).chosen


def codes(volume: CtVolume) -> set[str]:
    return {warning.code for warning in volume.report.warnings}


def rotated(geometry: VolumeGeometry, rotation: np.ndarray) -> VolumeGeometry:
    def turn(vector: tuple[float, float, float]) -> tuple[float, float, float]:
        x, y, z = (rotation @ np.asarray(vector)).tolist()
        return x, y, z

    return replace(
        geometry,
        slice_origins_lps_mm=tuple(map(turn, geometry.slice_origins_lps_mm)),
        row_direction_lps=turn(geometry.row_direction_lps),
        column_direction_lps=turn(geometry.column_direction_lps),
    )


def about_x(degrees: float) -> np.ndarray:
    c, s = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    return np.array([[1, 0, 0], [0, c, -s], [0, s, c]])


def assert_same_place(actual: VolumeGeometry, expected: VolumeGeometry) -> None:
    assert actual.shape_zyx == expected.shape_zyx
    np.testing.assert_allclose(actual.slice_origins_lps_mm, expected.slice_origins_lps_mm, atol=1e-6)
    np.testing.assert_allclose(actual.row_direction_lps, expected.row_direction_lps, atol=1e-6)
    np.testing.assert_allclose(actual.column_direction_lps, expected.column_direction_lps, atol=1e-6)
    np.testing.assert_allclose(actual.spacing_mm_zyx, expected.spacing_mm_zyx, atol=1e-5)


def test_an_anisotropic_series_comes_back_voxel_by_voxel_without_a_warning() -> None:
    volume = make_volume(ANISOTROPIC)
    result = read(volume)
    np.testing.assert_array_equal(result.hu_zyx, volume.hu_zyx)
    assert_same_place(result.geometry, ANISOTROPIC)
    assert codes(result) == set()


@pytest.mark.parametrize(
    "directions",
    [
        ((1.0, 0.0, 0.0), (0.0, 1.0, 0.0)),
        ((-1.0, 0.0, 0.0), (0.0, -1.0, 0.0)),  # prone
        ((0.0, 1.0, 0.0), (-1.0, 0.0, 0.0)),  # decubitus
        ((-1.0, 0.0, 0.0), (0.0, 1.0, 0.0)),  # mirrored in-plane: normal to the feet
        ((1.0, 0.0, 0.0), (0.0, -1.0, 0.0)),
    ],
)
def test_flips_and_positions_of_the_patient_are_kept_as_directions(directions: tuple) -> None:
    volume = make_volume(replace(ANISOTROPIC, row_direction_lps=directions[0], column_direction_lps=directions[1]))
    result = read(volume)
    np.testing.assert_array_equal(result.hu_zyx, volume.hu_zyx)
    assert_same_place(result.geometry, volume.geometry)
    assert (np.diff(result.geometry.slice_z_mm) > 0).all()


def test_slices_stored_from_head_to_feet_are_sorted_feet_to_head_with_their_uids() -> None:
    volume = make_volume()
    files = ct_series_bytes(volume)
    renamed = tuple(InputFile(f"x{100 - i}", f.content) for i, f in enumerate(files))
    renumbered = edited(renamed[::-1], lambda ds: setattr(ds, "InstanceNumber", 100 - ds.InstanceNumber))
    result, reference = read_series(renumbered).chosen, read_series(files).chosen
    np.testing.assert_array_equal(result.hu_zyx, volume.hu_zyx)
    assert result.sop_instance_uids == reference.sop_instance_uids
    assert result.series_hash == reference.series_hash


@given(order=st.permutations(range(20)))
@settings(max_examples=10, deadline=None)
def test_the_hash_does_not_depend_on_the_order_of_the_files(order: list[int]) -> None:
    files = ct_series_bytes(make_volume())
    assert read_series([files[i] for i in order]).chosen.series_hash == read_series(files).chosen.series_hash


def test_the_hash_changes_with_one_voxel_and_with_the_place() -> None:
    volume = make_volume()
    other_voxel = volume.hu_zyx.copy()
    other_voxel[3, 4, 5] += 1
    moved = with_origins(volume.geometry, [(x + 1, y, z) for x, y, z in volume.geometry.slice_origins_lps_mm])
    hashes = {
        read(v).series_hash for v in (volume, replace(volume, hu_zyx=other_voxel), replace(volume, geometry=moved))
    }
    assert len(hashes) == 3


@given(
    degrees=st.floats(-19, 19),
    spin=st.sampled_from([0, 90, 180, 270]),
    spacing=st.tuples(st.floats(1, 5), st.floats(0.5, 1.5), st.floats(0.5, 1.5)),
    seed=st.integers(0, 99),
)
@settings(max_examples=20, deadline=None)
def test_a_patient_point_has_the_same_hu_whatever_the_storage(
    degrees: float, spin: int, spacing: tuple[float, float, float], seed: int
) -> None:
    turn = np.round(np.array([[np.cos(a := np.radians(spin)), -np.sin(a), 0], [np.sin(a), np.cos(a), 0], [0, 0, 1]]))
    geometry = rotated(regular_geometry((6, 8, 9), spacing, (-5.0, 7.0, 100.0)), about_x(degrees) @ turn)
    volume = make_volume(geometry, seed=seed)
    files = list(ct_series_bytes(volume))
    np.random.default_rng(seed).shuffle(files)  # type: ignore[arg-type]
    result = read_series(files).chosen
    for z, y, x in np.random.default_rng(seed).integers(0, (6, 8, 9), (10, 3)):
        point = geometry.plane(z).to_lps_mm(np.array([float(y), float(x)]))
        plane_index = int(np.abs(result.geometry.slice_positions_mm - point @ result.geometry.normal_lps).argmin())
        row, column = np.rint(result.geometry.plane(plane_index).to_index_yx(point)).astype(int)
        assert result.hu_zyx[plane_index, row, column] == volume.hu_zyx[z, y, x]


def test_gantry_tilt_keeps_each_slice_at_its_own_origin_and_is_told_in_degrees() -> None:
    tilted = rotated(ANISOTROPIC, about_x(12.0))
    x, y, z = tilted.slice_origins_lps_mm[0]
    tilted = with_origins(tilted, [(x, y, z + 5.0 * i) for i in range(20)])
    result = read(make_volume(tilted))
    np.testing.assert_allclose(result.geometry.slice_origins_lps_mm, tilted.slice_origins_lps_mm, atol=1e-6)
    assert result.geometry.spacing_mm_zyx[0] == pytest.approx(5.0 * np.cos(np.radians(12)), abs=1e-4)
    assert "12°" in next(w.message for w in result.report.warnings if w.code == "gantry_tilt")


def test_missing_slices_are_a_gap_in_mm_and_the_others_stay_where_they_are() -> None:
    volume = make_volume()
    result = read_series([f for i, f in enumerate(ct_series_bytes(volume)) if i not in (7, 8)]).chosen
    assert result.geometry.spacing_mm_zyx[0] == pytest.approx(5.0)
    np.testing.assert_array_equal(result.hu_zyx, np.delete(volume.hu_zyx, (7, 8), axis=0))
    (gap,) = result.report.warnings
    assert (gap.code, gap.count) == ("gap", 1)
    assert "15.0 mm" in gap.message


def test_varying_spacing_is_kept_and_told() -> None:
    geometry = regular_geometry((20, 40, 50), (5.0, 0.8, 0.7))
    z = np.cumsum([0.0, *[5.0] * 15, *[3.0] * 4])
    result = read(make_volume(with_origins(geometry, [(0.0, 0.0, float(v)) for v in z])))
    np.testing.assert_allclose(result.geometry.slice_positions_mm, z)
    assert codes(result) == {"varying_spacing"}


def test_a_copy_of_a_slice_under_another_uid_is_left_out_and_told() -> None:
    volume = make_volume()
    files = ct_series_bytes(volume)
    copy = edited(files[4:5], setting(SOPInstanceUID="1.2.3.4", InstanceNumber=500))
    result = read_series([*copy, *files]).chosen
    np.testing.assert_array_equal(result.hu_zyx, volume.hu_zyx)
    assert "1.2.3.4" not in result.sop_instance_uids
    assert codes(result) == {"duplicate_slices"}


def test_the_same_files_sent_twice_are_one_series_without_a_warning() -> None:
    files = ct_series_bytes(make_volume())
    result = read_series([*files, *[InputFile(f"again/{f.name}", f.content) for f in files]]).chosen
    assert result.hu_zyx.shape[0] == 20
    assert codes(result) == set()


def two_phases(**difference: object) -> tuple[InputFile, ...]:
    """Two scans of one place under one Series Instance UID, the second one with other attributes."""
    first = ct_series_bytes(make_volume(seed=1))
    second = edited(ct_series_bytes(make_volume(seed=2)), setting(**difference))
    uid = read_series(first).chosen.header.series_instance_uid
    return (*first, *edited(second, setting(SeriesInstanceUID=uid)))


@pytest.mark.parametrize(
    "difference",
    [
        {"AcquisitionNumber": 2},
        {"TemporalPositionIdentifier": 2},
        {"ContentTime": "120130"},
        {"ImageType": ["DERIVED", "SECONDARY", "AXIAL"]},
        {"ConvolutionKernel": "B70f"},
        {"KVP": "130", "AcquisitionNumber": 2},
    ],
)
def test_two_scans_in_one_series_are_told_apart_by_what_differs(difference: dict[str, object]) -> None:
    selection = read_series(two_phases(**difference))
    np.testing.assert_array_equal(selection.chosen.hu_zyx, make_volume(seed=1).hu_zyx)
    assert [(r.reason_code, r.slice_count) for r in selection.rejected] == [("less_suitable", 20)]


def test_two_scans_that_nothing_tells_apart_are_refused() -> None:
    with pytest.raises(BrokenSeriesError, match="entangled") as caught:
        read_series(two_phases())
    assert [e.code for e in caught.value.report.errors] == ["broken"]


def test_two_interleaved_scans_are_told_apart() -> None:
    geometry = make_volume().geometry
    shifted = with_origins(geometry, [(x, y, z + 1.3) for x, y, z in geometry.slice_origins_lps_mm])
    first = ct_series_bytes(make_volume(seed=1))
    uid = read_series(first).chosen.header.series_instance_uid
    second = edited(ct_series_bytes(make_volume(shifted, seed=2)), setting(SeriesInstanceUID=uid, AcquisitionNumber=2))
    selection = read_series([*first, *second])
    np.testing.assert_array_equal(selection.chosen.hu_zyx, make_volume(seed=1).hu_zyx)
    assert codes(selection.chosen) == set()


@pytest.mark.parametrize("keyword", ["PixelSpacing", "ImagePositionPatient", "ImageOrientationPatient"])
def test_images_without_geometry_are_refused(keyword: str) -> None:
    with pytest.raises(MissingGeometryError) as caught:
        read_series(edited(ct_series_bytes(make_volume()), setting(**{keyword: None})))
    assert caught.value.report.errors[0].code == "no_geometry"
    assert caught.value.report.errors[0].count == 20


def test_one_single_axial_slice_is_enough() -> None:
    volume = make_volume()
    result = read_series(ct_series_bytes(volume)[3:4]).chosen
    np.testing.assert_array_equal(result.hu_zyx, volume.hu_zyx[3:4])
    assert result.geometry.spacing_mm_zyx == pytest.approx((5.0, 0.8, 0.7))
    assert codes(result) == {"single_slice"}


def test_thick_slices_are_told() -> None:
    volume = make_volume(regular_geometry((20, 40, 50), (8.0, 0.8, 0.7)), slice_thickness_mm=8.0)
    assert codes(read(volume)) == {"thick_slices"}


def test_feet_first_is_only_a_direction() -> None:
    volume = make_volume()
    files = ct_series_bytes(volume, CtWriteOptions(patient_position="FFS"))
    np.testing.assert_array_equal(read_series(files).chosen.hu_zyx, volume.hu_zyx)
