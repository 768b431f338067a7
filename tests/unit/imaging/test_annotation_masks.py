"""Masks come onto the pixels that they were drawn on, and are refused on all others."""

import gzip
import re
from dataclasses import replace
from pathlib import Path

import nibabel
import numpy as np
import pytest
from pydicom.sr.codedict import codes

from sarcopenia.domain.errors import InputError, NotReadableError
from sarcopenia.domain.geometry import regular_geometry
from sarcopenia.exchange.ct_writer import CtWriteOptions, ct_series_bytes
from sarcopenia.exchange.nifti_writer import write_volume_nifti
from sarcopenia.imaging import InputFile, files_from_path, read_series
from sarcopenia.imaging.annotation_masks import (
    Tissue,
    looks_like_segmentation,
    nifti_labels,
    read_mask_nifti,
    read_nifti_mask,
    read_segment_mask,
    read_segmentation,
    read_tag_mask,
    read_tag_slice,
    segment_labels,
    tag_labels,
)
from tests.ct_series import make_volume
from tests.drawn_masks import nifti_mask, segmentation, tag_bytes

GEOMETRY = regular_geometry((4, 30, 40), (5.0, 0.8, 0.7), (-14.0, -12.0, -300.0))


@pytest.fixture(scope="module")
def files():
    return ct_series_bytes(make_volume(GEOMETRY, study_instance_uid="1.2.3"))


@pytest.fixture(scope="module")
def volume(files):
    return read_series(files).chosen


@pytest.fixture
def tags_yx():
    return np.random.default_rng(1).choice([int(t) for t in Tissue], (30, 40)).astype(np.uint8)


def slice_of(file: InputFile, volume) -> int:
    """Index of a file's image, found by its pixels: random HU are their own landmark."""
    hu = read_series((file,)).chosen.hu_zyx[0]
    return next(k for k in range(len(volume.hu_zyx)) if np.array_equal(volume.hu_zyx[k], hu))


def test_tags_lie_on_the_slice_of_the_image_beside_them(files, volume, tags_yx):
    for file in files:
        k = slice_of(file, volume)
        z = volume.geometry.slice_origins_lps_mm[k][2]
        tag = InputFile("im.tag", tag_bytes(tags_yx, INC_X=0.7, inc_y="0.8", org_z=f"{z:.2f}"))
        drawn = read_tag_slice(tag, file, volume)
        assert drawn.slice_index == k
        assert np.array_equal(drawn.tissue_yx, tags_yx)


@pytest.mark.parametrize(
    ("header", "said"),
    [
        ({"inc_x": 0.8, "inc_y": 0.8}, "its image (0.8, 0.7)"),
        ({"org_z": 12.0}, "was drawn at z = 12.0 mm"),
        ({"x": 41}, "holds 1200 tags for 30 × 41 pixels"),
        ({"z": 2}, "must hold one image"),
        ({"type": "SHORT"}, "must hold one image of one byte"),
        ({"x": "wide"}, "not a number"),
        ({"x": None}, "tags for 30 × 0"),
    ],
)
def test_tags_of_another_image_are_refused_in_words(files, volume, tags_yx, header, said):
    with pytest.raises(InputError, match=re.escape(said)):
        read_tag_slice(InputFile("im.tag", tag_bytes(tags_yx, **header)), files[0], volume)


def test_any_tags_are_labels(files, volume, tags_yx):
    other_yx = np.where(tags_yx == int(Tissue.SAT), 9, tags_yx)
    tag = InputFile("im.tag", tag_bytes(other_yx))
    assert tag_labels(tag) == (1, 2, 5, 9)
    drawn = read_tag_mask(tag, files[2], volume, [9, 2])
    assert drawn.slice_index == slice_of(files[2], volume)
    assert np.array_equal(drawn.mask_yx, (other_yx == 9) | (other_yx == 2))


def test_unknown_tags_a_transposed_image_and_a_foreign_image_are_refused(files, volume, tags_yx):
    with pytest.raises(InputError, match=r"holds tags \[3, 9\]"):
        read_tag_slice(
            InputFile("im.tag", tag_bytes(np.where(tags_yx == 7, 9, tags_yx + (tags_yx == 2)))), files[0], volume
        )
    with pytest.raises(InputError, match="has 40 × 30 pixels"):
        read_tag_slice(InputFile("im.tag", tag_bytes(tags_yx.T)), files[0], volume)
    foreign = ct_series_bytes(make_volume(GEOMETRY, seed=3))[0]
    with pytest.raises(InputError, match="is not a slice of the series"):
        read_tag_slice(InputFile("im.tag", tag_bytes(tags_yx)), foreign, volume)
    with pytest.raises(NotReadableError, match="no header"):
        read_tag_slice(InputFile("im.tag", b"x:3 y:3"), files[0], volume)


@pytest.mark.parametrize("axes", [(0, 1, 2), (1, 0, 2), (2, 0, 1)])
@pytest.mark.parametrize("flips", [(), (0,), (1, 2)])
def test_a_nifti_mask_fits_however_its_axes_are_stored(tmp_path: Path, volume, axes, flips):
    truth = np.random.default_rng(2).integers(0, 5, GEOMETRY.shape_zyx).astype(np.uint8)
    write_volume_nifti(volume, tmp_path / "ct.nii.gz")
    affine = nibabel.load(tmp_path / "ct.nii.gz").affine
    image = nibabel.Nifti1Image(truth.transpose(2, 1, 0), affine)
    turn = np.array([[axes.index(a), -1 if a in flips else 1] for a in range(3)], dtype=float)
    nibabel.save(image.as_reoriented(turn), tmp_path / "mask.nii.gz")
    from_nifti = read_series(files_from_path(tmp_path / "ct.nii.gz")).chosen
    for scan in (volume, from_nifti):
        mask = read_mask_nifti(tmp_path / "mask.nii.gz", scan)
        assert mask.covered_z.all()
        # The NIfTI reader may store rows and columns in another order than DICOM: compare what lies where.
        order = [int(np.flatnonzero((volume.hu_zyx == hu).all((1, 2)))[0]) for hu in scan.hu_zyx]
        assert np.array_equal(mask.values_zyx, truth[order])


def test_a_mask_of_one_slice_covers_that_slice(tmp_path: Path, volume):
    write_volume_nifti(volume, tmp_path / "ct.nii.gz")
    affine = nibabel.load(tmp_path / "ct.nii.gz").affine
    nibabel.save(
        nibabel.Nifti1Image(np.ones((40, 30, 1), np.uint8), affine + _shift(affine, 2)),
        tmp_path / "one.nii",
    )
    mask = read_mask_nifti(tmp_path / "one.nii", volume)
    assert mask.covered_z.tolist() == [False, False, True, False]
    assert mask.values_zyx.sum() == 1200


def _shift(affine: np.ndarray, slices: int) -> np.ndarray:
    shift = np.zeros((4, 4))
    shift[:3, 3] = affine[:3, 2] * slices
    return shift


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda v, a: (v, a + np.array([[0, 0, 0, 0.3]] * 3 + [[0] * 4])), "does not lie on the voxels"),
        (lambda v, a: (v[:-1], a), "does not lie on the voxels"),
        (lambda v, a: (v * 0.5, a), "whole numbers"),
        (lambda v, a: (np.stack([v, v], -1), a), "not one volume"),
    ],
)
def test_a_nifti_mask_of_another_scan_is_refused_in_words(tmp_path: Path, volume, change, said):
    write_volume_nifti(volume, tmp_path / "ct.nii.gz")
    values, affine = change(np.ones((40, 30, 4), np.float32), nibabel.load(tmp_path / "ct.nii.gz").affine)
    nibabel.save(nibabel.Nifti1Image(values, affine), tmp_path / "mask.nii")
    with pytest.raises(InputError, match=said):
        read_mask_nifti(tmp_path / "mask.nii", volume)
    (tmp_path / "mask.nii").write_bytes(b"nothing")
    with pytest.raises(NotReadableError):
        read_mask_nifti(tmp_path / "mask.nii", volume)


@pytest.mark.parametrize("packed", [False, True])
def test_labels_of_a_nifti_that_was_given_as_bytes(volume, tags_yx, packed):
    values = np.zeros(GEOMETRY.shape_zyx, np.uint8)
    values[1], values[3] = tags_yx, int(Tissue.MUSCLE)
    file = nifti_mask(volume, values)
    mask = InputFile("m.nii.gz", gzip.compress(file.content)) if packed else file
    assert nifti_labels(mask) == (1, 2, 5, 7)
    drawn = read_nifti_mask(mask, volume, [1, 5])
    assert [item.slice_index for item in drawn] == [1, 3]
    assert np.array_equal(drawn[0].mask_yx, (tags_yx == 1) | (tags_yx == 5))
    assert [item.slice_index for item in read_nifti_mask(mask, volume, [7])] == [1]
    assert read_nifti_mask(mask, volume, [255]) == ()
    assert nifti_labels(nifti_mask(volume, values * 0)) == ()


@pytest.mark.parametrize("value", [-1, 255, 1000])
@pytest.mark.parametrize("dtype", [np.int16, np.float32])
def test_labels_may_be_any_whole_number(volume, value, dtype):
    truth_zyx = np.random.default_rng(3).random(GEOMETRY.shape_zyx) < 0.5
    image = nibabel.Nifti1Image.from_bytes(nifti_mask(volume, truth_zyx).content)
    values = np.asarray(image.dataobj).astype(dtype) * dtype(value)
    mask = InputFile("m.nii", nibabel.Nifti1Image(values, image.affine).to_bytes())
    assert nifti_labels(mask) == (value,)
    assert np.array_equal([item.mask_yx for item in read_nifti_mask(mask, volume, [value])], truth_zyx)


def test_bytes_that_are_no_mask_are_refused_in_words(volume):
    ones = np.ones(GEOMETRY.shape_zyx, np.uint8)
    many = nibabel.Nifti1Image(np.arange(300, dtype=np.int16).reshape(10, 10, 3), np.eye(4))
    with pytest.raises(InputError, match="299 different values: an image, not a mask"):
        nifti_labels(InputFile("ct.nii", many.to_bytes()))
    with pytest.raises(InputError, match="does not lie on the voxels"):
        elsewhere = replace(volume, geometry=regular_geometry((4, 30, 40), (5.0, 0.9, 0.7)))
        read_nifti_mask(nifti_mask(volume, ones), elsewhere, [1])
    with pytest.raises(NotReadableError, match="cannot be read as NIfTI"):
        nifti_labels(InputFile("m.nii", nifti_mask(volume, ones).content[:500]))
    colours = nibabel.Nifti1Image(np.zeros((4, 4, 4), [("R", "u1"), ("G", "u1"), ("B", "u1")]), np.eye(4))
    with pytest.raises(NotReadableError, match="not one volume of numbers"):
        nifti_labels(InputFile("rgb.nii", colours.to_bytes()))
    flat = nibabel.Nifti1Image(ones.T, None)
    flat.header.set_sform(np.diag([1.0, 1.0, 0.0, 1.0]), code=1)
    with pytest.raises(NotReadableError, match="where its voxels lie"):
        nifti_labels(InputFile("flat.nii", flat.to_bytes()))


@pytest.fixture(scope="module")
def drawn(files, volume):
    """Muscle and SAT on two of four slices, in the order of the files."""
    masks = np.zeros((2, 4, 30, 40), bool)
    masks[0, 1, 5:9, 3:20] = masks[0, 3, 6:8, 3:20] = True
    masks[1, 1, 20:25, 3:20] = True
    return masks


def test_segments_become_tissues_on_the_slices_they_were_drawn_on(files, volume, drawn):
    seg = segmentation(
        files, {"Skeletal_Muscle": drawn[0], "SAT": drawn[1], "liver": np.roll(drawn[0], 2, 2)}, code=codes.SCT.Liver
    )
    assert looks_like_segmentation(seg)
    assert not looks_like_segmentation(files[0])
    found = {item.slice_index: item.tissue_yx for item in read_segmentation(seg, volume)}
    expected = drawn[0] * int(Tissue.MUSCLE) + drawn[1] * int(Tissue.SAT)
    of_file = {slice_of(file, volume): i for i, file in enumerate(files)}
    assert {of_file[k] for k in found} == {1, 3}
    for k, tissue_yx in found.items():
        assert np.array_equal(tissue_yx, expected[of_file[k]])


def test_segments_are_labels_that_may_overlap(files, volume, drawn):
    parts = {"psoas": drawn[0], "wall": np.roll(drawn[0], 2, 2), "SAT": drawn[1]}
    seg = segmentation(files, parts, code=codes.SCT.Liver)
    assert segment_labels(seg) == {"psoas": None, "wall": None, "SAT": Tissue.SAT}
    expected = drawn[0] | np.roll(drawn[0], 2, 2)
    of_file = {slice_of(file, volume): i for i, file in enumerate(files)}
    found = {of_file[item.slice_index]: item.mask_yx for item in read_segment_mask(seg, volume, ["psoas", "wall"])}
    assert sorted(found) == [1, 3]
    assert all(np.array_equal(mask_yx, expected[index]) for index, mask_yx in found.items())
    assert read_segment_mask(seg, volume, ["liver"]) == ()


def test_a_code_names_muscle_where_the_label_does_not(files, volume, drawn):
    seg = segmentation(files, {"Segment_1": drawn[0]}, code=codes.SCT.SkeletalMuscle)
    assert {int(v) for item in read_segmentation(seg, volume) for v in np.unique(item.tissue_yx)} == {0, 1}


def test_segments_that_do_not_fit_are_refused_in_words(files, volume, drawn):
    with pytest.raises(InputError, match=r"no segment names a tissue \(liver\)"):
        read_segmentation(segmentation(files, {"liver": drawn[0]}, code=codes.SCT.Liver), volume)
    with pytest.raises(InputError, match="pixels with two tissues"):
        read_segmentation(segmentation(files, {"muscle": drawn[0], "IMAT": drawn[0]}), volume)
    other = ct_series_bytes(make_volume(GEOMETRY), CtWriteOptions(uid_seed="another series"))
    with pytest.raises(InputError, match="another series"):
        read_segmentation(segmentation(other, {"muscle": drawn[0]}), volume)
    with pytest.raises(NotReadableError):
        read_segmentation(replace(files[0], name="ct.dcm"), volume)
