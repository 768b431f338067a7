"""Masks and volumes as NIfTI lie where the images lie."""

from dataclasses import replace
from pathlib import Path

import nibabel
import numpy as np
import pytest

from sarcopenia.domain.geometry import PlaneGeometry, VolumeGeometry, regular_geometry
from sarcopenia.exchange.nifti_writer import write_slice_nifti, write_volume_nifti
from tests.ct_series import make_volume, with_origins

S = float(np.sin(np.radians(12)))
C = float(np.cos(np.radians(12)))
PLANES = {
    "supine": PlaneGeometry((-17.0, -16.0, 33.0), (1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.9, 0.6), (4, 5)),
    "prone": PlaneGeometry((17.0, 16.0, 33.0), (-1.0, 0.0, 0.0), (0.0, -1.0, 0.0), (0.9, 0.6), (4, 5)),
    "mirrored": PlaneGeometry((17.0, -16.0, 33.0), (-1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.9, 0.6), (4, 5)),
    "decubitus": PlaneGeometry((1.0, 2.0, 3.0), (0.0, 1.0, 0.0), (-1.0, 0.0, 0.0), (0.9, 0.6), (4, 5)),
    "tilted": PlaneGeometry((1.0, 2.0, 3.0), (1.0, 0.0, 0.0), (0.0, C, S), (0.9, 0.6), (4, 5)),
}


def world_lps(image: nibabel.Nifti1Image, index: tuple[int, int, int]) -> np.ndarray:
    return (image.affine @ (*index, 1))[:3] * (-1, -1, 1)


@pytest.mark.parametrize("name", PLANES)
def test_each_pixel_of_a_mask_lies_where_the_slice_has_it(name: str, tmp_path: Path) -> None:
    plane = PLANES[name]
    mask = np.arange(20, dtype=np.uint8).reshape(4, 5)
    write_slice_nifti(mask, plane, 3.0, tmp_path / "mask.nii.gz")
    image = nibabel.load(tmp_path / "mask.nii.gz")
    assert image.shape == (5, 4, 1)
    assert image.get_data_dtype() == np.uint8
    assert image.header.get_zooms() == pytest.approx((0.6, 0.9, 3.0))
    values = np.asarray(image.dataobj)
    for row, column in ((0, 0), (3, 4), (1, 3)):
        assert values[column, row, 0] == mask[row, column]
        expected = plane.to_lps_mm(np.array([float(row), float(column)]))
        np.testing.assert_allclose(world_lps(image, (column, row, 0)), expected, atol=1e-4)
    assert image.affine[2, 2] > 0


def test_a_mask_of_another_shape_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="does not fit"):
        write_slice_nifti(np.zeros((5, 4), dtype=np.uint8), PLANES["supine"], 3.0, tmp_path / "mask.nii.gz")


def tilted_stack() -> VolumeGeometry:
    upright = regular_geometry((6, 8, 9), (5.0, 0.9, 0.6))
    tilted = replace(upright, column_direction_lps=(0.0, C, S), spacing_mm_zyx=(5.0 * C, 0.9, 0.6))
    return with_origins(tilted, [(1.0, 2.0, 5.0 * i) for i in range(6)])


@pytest.mark.parametrize("geometry", [regular_geometry((6, 8, 9), (5.0, 0.9, 0.6), (1.0, 2.0, 3.0)), tilted_stack()])
def test_each_voxel_of_a_volume_lies_where_its_slice_has_it(geometry: VolumeGeometry, tmp_path: Path) -> None:
    volume = make_volume(geometry)
    write_volume_nifti(volume, tmp_path / "ct.nii")
    image = nibabel.load(tmp_path / "ct.nii")
    values = np.asarray(image.dataobj)
    assert values.shape == (9, 8, 6)
    for z, y, x in ((0, 0, 0), (5, 7, 8), (2, 3, 4)):
        assert values[x, y, z] == volume.hu_zyx[z, y, x]
        expected = geometry.plane(z).to_lps_mm(np.array([float(y), float(x)]))
        np.testing.assert_allclose(world_lps(image, (x, y, z)), expected, atol=1e-4)


def test_a_mask_overlies_its_slice_of_the_volume(tmp_path: Path) -> None:
    volume = make_volume()
    write_volume_nifti(volume, tmp_path / "ct.nii")
    write_slice_nifti((volume.hu_zyx[3] > 0).astype(np.uint8), volume.geometry.plane(3), 5.0, tmp_path / "mask.nii")
    ct, mask = nibabel.load(tmp_path / "ct.nii"), nibabel.load(tmp_path / "mask.nii")
    np.testing.assert_allclose(mask.affine[:, 3], ct.affine @ (0, 0, 3, 1), atol=1e-4)
    np.testing.assert_allclose(mask.affine[:, :3], ct.affine[:, :3], atol=1e-6)


def test_a_mask_carries_its_note_and_needs_none(tmp_path: Path) -> None:
    plane, mask = PLANES["supine"], np.zeros((4, 5), np.uint8)
    write_slice_nifti(mask, plane, 3.0, tmp_path / "noted.nii.gz", "AI - not reviewed.")
    write_slice_nifti(mask, plane, 3.0, tmp_path / "plain.nii.gz")
    told = [bytes(nibabel.load(tmp_path / name).header["descrip"]) for name in ("noted.nii.gz", "plain.nii.gz")]
    assert [note.rstrip(b"\0") for note in told] == [b"AI - not reviewed.", b""]
