"""A hospital's folder: every annotation format ends as the same labels, and what is wrong is said by name."""

from dataclasses import replace
from pathlib import Path

import nibabel
import numpy as np
import pytest

from inference_server.training.datasets.annotated import compartments_known_from, read_annotated_scan
from inference_server.training.datasets.annotated_folder import (
    check_scan,
    convert_folder,
    folder_splits,
    problems_across,
    scan_folders,
)
from inference_server.training.datasets.compartment_data import (
    NOT_WALL,
    UNLABELLED,
    load_training_slices,
    native_slices,
    read_index,
)
from inference_server.training.datasets.splits import Splits, splits_of
from sarcopenia.assessment.composition import body_composition, muscle_mask
from sarcopenia.domain.errors import InputError
from sarcopenia.domain.results import Compartment
from sarcopenia.domain.volume import CtVolume, PatientHeader
from sarcopenia.exchange.ct_writer import CtWriteOptions, ct_series_bytes
from sarcopenia.exchange.nifti_writer import write_volume_nifti
from sarcopenia.imaging import InputFile, read_series
from sarcopenia.imaging.annotation_masks import Tissue
from sarcopenia.phantom import PhantomSpec, make_phantom
from tests.drawn_masks import segmentation, tag_bytes

SPEC = PhantomSpec(
    seed=3, pixel_spacing_mm=3.0, shape_yx=(112, 144), slice_spacing_mm=6.0, bottom_coordinate=15.4, top_coordinate=14.6
)
FOLDS = Splits((("a",), ("b",)), ())


@pytest.fixture(scope="module")
def phantom():
    return make_phantom(SPEC)


@pytest.fixture(scope="module")
def files(phantom) -> tuple[InputFile, ...]:
    header = replace(phantom.volume.header, patient=PatientHeader(patient_id="P1"))
    return ct_series_bytes(replace(phantom.volume, header=header), CtWriteOptions(uid_seed="a"))


@pytest.fixture(scope="module")
def tissues_zyx(phantom) -> np.ndarray:
    """What a SliceOmatic user would tag: compartment ∩ HU, on the two middle slices."""
    tissues = np.zeros(phantom.volume.hu_zyx.shape, np.uint8)
    middle = len(tissues) // 2
    for k in (middle, middle + 1):
        hu, compartments = phantom.volume.hu_zyx[k], phantom.compartments_zyx[k]
        fat = (hu >= -190) & (hu <= -30)
        tissues[k][(compartments == Compartment.SUBCUTANEOUS) & fat] = Tissue.SAT
        tissues[k][(compartments == Compartment.VISCERAL_CAVITY) & fat] = Tissue.VAT
        tissues[k][(compartments == Compartment.MUSCLE_WALL) & fat] = Tissue.IMAT
        tissues[k][muscle_mask(hu, compartments)] = Tissue.MUSCLE
    return tissues


def write_dicom(folder: Path, files: tuple[InputFile, ...]) -> None:
    (folder / "ct").mkdir(parents=True)
    for i, file in enumerate(files):
        (folder / "ct" / f"im{i}.dcm").write_bytes(file.content)


def write_mask(values_zyx: np.ndarray, volume: CtVolume, path: Path) -> None:
    write_volume_nifti(volume, path)
    affine = nibabel.load(path).affine
    nibabel.save(nibabel.Nifti1Image(values_zyx.transpose(2, 1, 0), affine), path)


def order_of(files: tuple[InputFile, ...], volume: CtVolume) -> list[int]:
    """Slice index of each file."""
    uids = [read_series((file,)).chosen.sop_instance_uids[0] for file in files]
    return [read_series(files).chosen.sop_instance_uids.index(uid) for uid in uids]


def write_annotation(kind: str, folder: Path, files, phantom, tissues_zyx) -> None:
    write_dicom(folder, files)
    order = order_of(files, phantom.volume)
    if kind == "tags":
        for i, k in enumerate(order):
            if tissues_zyx[k].any():
                (folder / "ct" / f"im{i}.dcm.tag").write_bytes(tag_bytes(tissues_zyx[k], inc_x=3.0, inc_y=3.0))
    elif kind == "seg":
        masks = {tissue.name: tissues_zyx[order] == tissue for tissue in Tissue if tissue}
        (folder / "seg.dcm").write_bytes(segmentation(files, masks).content)
    elif kind == "tissues":
        write_mask(tissues_zyx, phantom.volume, folder / "tissues.nii.gz")
    else:
        write_mask((tissues_zyx == Tissue.MUSCLE).astype(np.uint8), phantom.volume, folder / "muscle.nii.gz")


@pytest.mark.parametrize("kind", ["tags", "seg", "tissues", "muscle"])
def test_every_format_gives_the_area_that_was_drawn_and_claims_nothing_false(
    kind, tmp_path, files, phantom, tissues_zyx
):
    write_annotation(kind, tmp_path / "a", files, phantom, tissues_zyx)
    scan = read_annotated_scan(tmp_path / "a")
    middle = len(tissues_zyx) // 2
    assert scan.mask_kind == kind
    assert scan.drawn_slices == (middle, middle + 1)
    assert (scan.labels_zyx[0] == UNLABELLED).all()
    for native in scan.native_slices():
        truth = phantom.compartments_zyx[native.slice_index]
        drawn = body_composition(native.hu_yx, native.labels_yx, 9.0)
        assert drawn.sma_cm2 == pytest.approx(body_composition(native.hu_yx, truth, 9.0).sma_cm2)
        said = native.labels_yx < NOT_WALL
        assert said.mean() > 0.5
        assert np.array_equal(native.labels_yx[said], truth[said])
        assert not (truth[native.labels_yx == NOT_WALL] == Compartment.MUSCLE_WALL).any()
        assert (native.labels_yx == NOT_WALL).any()


def test_a_compartment_map_is_taken_as_it_is_and_undrawn_slices_are_unknown(tmp_path, files, phantom):
    write_dicom(tmp_path / "a", files)
    drawn = np.where((np.arange(len(phantom.compartments_zyx)) == 1)[:, None, None], phantom.compartments_zyx, 0)
    drawn[1, :10] = UNLABELLED
    write_mask(drawn.astype(np.uint8), phantom.volume, tmp_path / "a" / "compartments.nii.gz")
    scan = read_annotated_scan(tmp_path / "a")
    assert scan.drawn_slices == (1,)
    assert np.array_equal(scan.labels_zyx[1], drawn[1])
    assert (scan.labels_zyx[0] == UNLABELLED).all()


def test_what_a_muscle_mask_does_not_say_stays_unknown(phantom):
    k = len(phantom.volume.hu_zyx) // 2
    hu, plane = phantom.volume.hu_zyx[k], phantom.volume.geometry.plane(k)
    muscle = muscle_mask(hu, phantom.compartments_zyx[k])
    labels = compartments_known_from(hu, muscle.astype(np.uint8), plane)
    inside = phantom.compartments_zyx[k] != Compartment.OUTSIDE
    fat = inside & (hu < -30) & (hu > -190)
    assert (labels[fat] == UNLABELLED).all()
    assert (labels[inside & (hu > 150)] == UNLABELLED).all()
    assert (labels[muscle] == Compartment.MUSCLE_WALL).all()
    assert (labels[inside & ~muscle & (hu >= -29) & (hu <= 150)] == NOT_WALL).all()


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lambda a, p: (a / "ct" / "im0.dcm").rename(a / "ct" / "other.dcm"), "its DICOM image is not beside it"),
        (lambda a, p: write_mask(p.compartments_zyx, p.volume, a / "compartments.nii.gz"), "several annotations"),
        (lambda a, p: (a / "ct").rename(a / "dicom"), "must hold one of ct.nii.gz"),
        (lambda a, p: (a / "levels.toml").write_text("[levels]\nL3 = 99"), "L3 lies outside the scan"),
        (lambda a, p: (a / "levels.toml").write_text("[levels]\nX3 = 1"), "X3 is no vertebra"),
        (lambda a, p: (a / "levels.toml").write_text("[levels]\nL3 = 2\nL4 = 3"), "count from the feet"),
        (lambda a, p: (a / "levels.toml").write_text("L3: 4"), "levels.toml"),
    ],
)
def test_a_broken_scan_is_named_with_its_problem(spoil, said, tmp_path, files, phantom, tissues_zyx):
    write_dicom(tmp_path / "a", files)
    k = order_of(files, phantom.volume)[0]
    drawn = np.where(np.arange(len(tissues_zyx))[:, None, None] == k, 1, 0).astype(np.uint8) * np.ones_like(tissues_zyx)
    (tmp_path / "a" / "ct" / "im0.tag").write_bytes(tag_bytes(drawn[k]))
    spoil(tmp_path / "a", phantom)
    assert said in check_scan(tmp_path / "a", FOLDS).problems[0]


@pytest.mark.parametrize(
    ("name", "values", "said"),
    [
        ("muscle", {1: 3, 2: 4}, "one value means muscle"),
        ("compartments", {2: 2, 1: 9}, "known are"),
        ("tissues", {1: 1, 2: 3}, "known are"),
        ("muscle", {}, "holds no muscle"),
        ("muscle", {1: 1}, "cm² of muscle"),
    ],
)
def test_masks_with_wrong_values_are_named(name, values, said, tmp_path, files, phantom):
    write_dicom(tmp_path / "a", files)
    mask = np.zeros(phantom.volume.hu_zyx.shape, np.uint8)
    for row, value in values.items():
        mask[1, 50 + row, 60:70] = value
    write_mask(mask, phantom.volume, tmp_path / "a" / f"{name}.nii.gz")
    assert said in check_scan(tmp_path / "a", FOLDS).problems[0]


@pytest.fixture
def folder(tmp_path, files, phantom, tissues_zyx):
    """Two people: one by tags, one by compartments in NIfTI, with levels."""
    write_annotation("tags", tmp_path / "scans" / "a", files, phantom, tissues_zyx)
    b = tmp_path / "scans" / "b"
    b.mkdir()
    write_volume_nifti(phantom.volume, b / "ct.nii.gz")
    write_mask(phantom.compartments_zyx, phantom.volume, b / "compartments.nii.gz")
    (b / "levels.toml").write_text("[levels]\nL3 = 2.5\n")
    (tmp_path / "splits.toml").write_text('[folds]\ncompartments = [["a"], ["b"]]\nspine = [["b"]]\n')
    return tmp_path


def test_the_training_form_holds_what_was_drawn(folder, phantom, tmp_path_factory):
    data = tmp_path_factory.mktemp("data")
    assert list(convert_folder(folder, data)) == ["a", "b"]
    assert splits_of(data).compartment_folds == (("a",), ("b",))
    assert read_index(data)["b"]["levels_z"] == {"L3": 2.5}
    k = len(phantom.compartments_zyx) // 2
    truth = body_composition(phantom.volume.hu_zyx[k], phantom.compartments_zyx[k], 9.0)
    for name in ("a", "b"):
        native = next(item for item in native_slices(data, name, include_weak=False) if item.slice_index == k)
        found = body_composition(native.hu_yx, native.labels_yx, native.plane.pixel_area_mm2)
        assert found.sma_cm2 == pytest.approx(truth.sma_cm2)
        assert found.smd_hu == pytest.approx(truth.smd_hu)


def test_on_the_model_grid_shares_fall_short_only_where_no_more_than_not_wall_is_known(folder, tmp_path_factory):
    data = tmp_path_factory.mktemp("data")
    list(convert_folder(folder, data))
    for name, is_partial in (("a", True), ("b", False)):
        for item in load_training_slices(data, (name,)):
            missing = item.known_yx.astype(int) - item.share_cyx.astype(int).sum(0)
            assert (missing > 128).any() == is_partial
            assert missing.min() >= -3


def test_a_folder_is_checked_as_a_whole(folder):
    splits = folder_splits(folder)
    reports = [check_scan(path, splits) for path in scan_folders(folder)]
    assert [report.problems for report in reports] == [(), ()]
    assert [report.place for report in reports] == ["fold 0", "fold 1"]
    assert reports[0].sat_cm2 == pytest.approx(reports[1].sat_cm2, rel=0.05)
    assert problems_across(reports, splits) == ()
    same = [replace(report, patient_id="P1") for report in reports]
    assert "patient a = b is in fold 0 and in fold 1" in problems_across(same, splits)[0]
    assert "names c, but there is no such scan" in problems_across(reports, replace(splits, test_names=("c",)))[0]


def test_a_folder_with_a_problem_is_not_converted(folder, tmp_path_factory):
    data = tmp_path_factory.mktemp("data")
    (folder / "scans" / "b" / "levels.toml").unlink()
    with pytest.raises(InputError, match="b: In a fold of the spine, but"):
        list(convert_folder(folder, data))
    assert not (data / "index.json").exists()
    (folder / "splits.toml").unlink()
    with pytest.raises(InputError, match=r"no splits\.toml"):
        list(convert_folder(folder, data))
    with pytest.raises(InputError, match="holds no folder of a scan"):
        scan_folders(data)
