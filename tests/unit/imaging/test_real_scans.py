"""The reader on real CT: shapes, spacing, HU and orientation."""

import json
from pathlib import Path

import numpy as np
import pytest

from sarcopenia.domain.volume import CtVolume, Sex
from sarcopenia.imaging import InputFile, files_from_path, read_series

pytestmark = pytest.mark.shared_data


def bone_is_behind_the_belly(volume: CtVolume) -> bool:
    """The spine lies behind (LPS +y) the middle of the body and metal-free bone is the densest there is."""
    bone = np.argwhere(volume.hu_zyx[volume.hu_zyx.shape[0] // 3] > 250)
    body = np.argwhere(volume.hu_zyx[volume.hu_zyx.shape[0] // 3] > -200)
    plane = volume.geometry.plane(0)
    centres = [plane.to_lps_mm(points.mean(axis=0))[1] for points in (bone, body)]
    return bool(centres[0] > centres[1])


def test_the_dicom_series_is_read_with_geometry_header_and_hu(shared_data: Path) -> None:
    selection = read_series(files_from_path(shared_data / "dicom" / "arreaza.zip"))
    volume = selection.chosen
    assert selection.rejected == ()
    assert volume.hu_zyx.shape == (99, 512, 512)
    assert volume.geometry.spacing_mm_zyx == pytest.approx((4.25, 0.976562, 0.976562))
    assert volume.geometry.slice_z_mm[[0, -1]] == pytest.approx((-846.25, -429.75))
    assert (volume.hu_zyx.min(), volume.hu_zyx.max()) == (-1024, 1288)
    assert volume.report.warnings == ()
    assert len(set(volume.sop_instance_uids)) == 99
    assert (volume.header.kvp, volume.header.slice_thickness_mm) == (140.0, 5.0)
    assert (volume.header.sex, volume.header.age_years, volume.header.weight_kg) == (Sex.FEMALE, 49.0, 87.0)
    assert volume.header.height_m is None
    assert bone_is_behind_the_belly(volume)


def test_dicom_and_nifti_of_one_scan_hold_the_same_hu_in_the_same_order(shared_data: Path) -> None:
    dicom = read_series(files_from_path(shared_data / "dicom" / "arreaza.zip")).chosen
    nifti = read_series(files_from_path(shared_data / "volumes" / "arreaza.nii.gz")).chosen
    _, rows, columns = nifti.hu_zyx.shape
    lowest, highest = nifti.hu_zyx[0], nifti.hu_zyx[-1]
    first = np.lib.stride_tricks.sliding_window_view(dicom.hu_zyx[0], (rows, columns))
    places = np.argwhere(first[:, :, 100, 200] == lowest[100, 200])
    (place,) = [(r, c) for r, c in places if np.array_equal(first[r, c], lowest)]
    row, column = place
    np.testing.assert_array_equal(dicom.hu_zyx[-1, row : row + rows, column : column + columns], highest)


def test_every_volume_is_read_as_its_index_says(shared_data: Path) -> None:
    index = json.loads((shared_data / "index.json").read_text())
    assert index
    for name, entry in index.items():
        path = shared_data / "volumes" / f"{name}.nii.gz"
        volume = read_series(files_from_path(path)).chosen
        assert volume.hu_zyx.shape == tuple(entry["shape_zyx"])
        assert volume.hu_zyx.min() >= -1024
        assert volume.hu_zyx.max() > 200
        assert volume.geometry.row_direction_lps == pytest.approx((1, 0, 0))
        assert volume.geometry.column_direction_lps == pytest.approx((0, 1, 0))
        assert volume.geometry.spacing_mm_zyx == pytest.approx(tuple(entry["spacing_mm_zyx"]), rel=1e-3)


def test_sagittal_images_are_no_axial_series(shared_data: Path) -> None:
    path = next((shared_data / "sagittal").glob("*.dcm"))
    selection = read_series([*files_from_path(path), *axial(shared_data)])
    assert [r.reason_code for r in selection.rejected] == ["not_axial"]


def axial(shared_data: Path) -> tuple[InputFile, ...]:
    return files_from_path(shared_data / "dicom" / "arreaza.zip")
