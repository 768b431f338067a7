"""Confounders in the measured slice: a drawn trunk with one thing wrong at a time, and real people without any."""

import json
from dataclasses import dataclass, replace

import nibabel as nib
import numpy as np
import pytest
from scipy import ndimage

from sarcopenia.assessment.anatomy_checks import (
    FOUND_IN_SLICE,
    anatomy_flags,
    cavity_outside_wall_cm2,
    fluid_share,
    oedema_share,
)
from sarcopenia.assessment.composition import muscle_mask
from sarcopenia.assessment.events import AssessmentArrays
from sarcopenia.assessment.spine_course import FOUND_ALONG_SPINE
from sarcopenia.assessment.symmetry import compare_sides
from sarcopenia.assessment.trunk_view import TrunkView
from sarcopenia.clinical.confounders import DETECTED_CONFOUNDERS
from sarcopenia.domain.geometry import PlaneGeometry
from sarcopenia.domain.results import Compartment, CompartmentMap, Severity
from sarcopenia.imaging import files_from_path, read_series

PIXEL_MM = 2.0
SHAPE_YX = (140, 240)
FAT, MUSCLE, BOWEL, BONE, AIR = -100, 50, 40, 300, -1000
X_MM, Y_MM = np.meshgrid(
    (np.arange(SHAPE_YX[1]) - 120) * PIXEL_MM, (np.arange(SHAPE_YX[0]) - 70) * PIXEL_MM
)  # to the patient's left, to the back


def ellipse(x_mm: float, y_mm: float, half_x_mm: float, half_y_mm: float) -> np.ndarray:
    return np.hypot((X_MM - x_mm) / half_x_mm, (Y_MM - y_mm) / half_y_mm) <= 1


@dataclass
class Trunk:
    """A drawn slice: HU and compartments (y, x)."""

    hu: np.ndarray
    compartments: np.ndarray

    def paint(self, mask: np.ndarray, hu: int, compartment: Compartment | None = None) -> None:
        self.hu[mask] = hu
        if compartment is not None:
            self.compartments[mask] = compartment

    @property
    def arrays(self) -> AssessmentArrays:
        plane = PlaneGeometry((0, 0, 0), (1, 0, 0), (0, 1, 0), (PIXEL_MM, PIXEL_MM), self.hu.shape)
        return arrays_of(self.hu, self.compartments, plane)

    @property
    def view(self) -> TrunkView:
        return TrunkView.of(self.arrays)

    def flags(self, level: str | None = "L3") -> dict[str, str]:
        return {flag.code: flag.text for flag in anatomy_flags(self.arrays, level)}


def arrays_of(hu: np.ndarray, compartments: np.ndarray, plane: PlaneGeometry) -> AssessmentArrays:
    muscle = muscle_mask(hu, compartments)
    return AssessmentArrays(hu, CompartmentMap(compartments, muscle, np.zeros(hu.shape, np.float32)), plane)


PSOAS_LEFT, PSOAS_RIGHT = ellipse(38, 35, 15, 17), ellipse(-38, 35, 15, 17)


@pytest.fixture
def trunk() -> Trunk:
    """Fat 24 mm thick around a wall of 16 mm, a cavity half of fat and half of bowel, a vertebra, two psoas."""
    drawn = Trunk(np.full(SHAPE_YX, AIR, np.int16), np.zeros(SHAPE_YX, np.uint8))
    drawn.paint(ellipse(0, 0, 164, 114), MUSCLE, Compartment.SUBCUTANEOUS)
    drawn.paint(ellipse(0, 0, 162, 112), FAT)
    drawn.paint(ellipse(0, 0, 140, 90), MUSCLE, Compartment.MUSCLE_WALL)
    cavity = ellipse(0, -10, 124, 64)
    drawn.paint(cavity, FAT, Compartment.VISCERAL_CAVITY)
    drawn.paint(cavity & (Y_MM < -10), BOWEL)
    drawn.paint(PSOAS_LEFT | PSOAS_RIGHT, MUSCLE, Compartment.MUSCLE_WALL)
    drawn.paint(ellipse(0, 40, 23, 17) | ellipse(0, 65, 6, 15), BONE, Compartment.SPINE_BONE)
    return drawn


def test_an_ordinary_trunk_raises_nothing(trunk):
    assert trunk.flags() == {}
    assert trunk.flags(None) == {}


def test_every_code_is_told_as_looked_for():
    assert {each.code for each in DETECTED_CONFOUNDERS} == FOUND_IN_SLICE | FOUND_ALONG_SPINE


def test_two_screws_are_metal_at_the_spine_with_their_area(trunk):
    screws = ellipse(-15, 40, 4, 12) | ellipse(15, 40, 4, 12)
    trunk.paint(screws, 3071)
    assert f"Metal at the spine: {screws.sum() * PIXEL_MM**2:.0f} mm²" in trunk.flags()["metal"]
    assert set(trunk.flags("T9")) == {"metal"}


def test_metal_far_from_the_spine_is_named_so_and_a_speck_or_the_table_is_none(trunk):
    trunk.paint(ellipse(0, -60, 5, 5), 3071)
    assert "Metal in the body" in trunk.flags()["metal"]
    trunk.paint(ellipse(0, -60, 5, 5), BOWEL)
    trunk.hu[40, 120] = 3071
    trunk.hu[-2:] = 3071
    assert "metal" not in trunk.flags()


def arm(trunk: Trunk, x_mm: float, labelled: Compartment) -> np.ndarray:
    """A forearm of 28 by 36 mm half axes: fat, muscle, two bones."""
    outline = ellipse(x_mm, 0, 28, 36) & (trunk.compartments == Compartment.OUTSIDE)
    trunk.paint(outline, FAT, labelled)
    trunk.paint(ellipse(x_mm, 0, 23, 30) & outline, MUSCLE)
    trunk.paint((ellipse(x_mm, -12, 7, 7) | ellipse(x_mm, 12, 7, 7)) & outline, 700)
    return outline


@pytest.mark.parametrize("gap_mm", [10, 0, -4])
def test_an_arm_is_found_beside_and_against_the_body_with_its_side_and_area(trunk, gap_mm):
    outline = arm(trunk, 164 + gap_mm + 28, Compartment.OUTSIDE)
    flags = trunk.flags()
    assert set(flags) == {"arm_beside_body"}
    assert "patient's left" in flags["arm_beside_body"]
    (found,) = trunk.view.arms
    assert trunk.view.area_cm2(found.mask_yx) == pytest.approx(outline.sum() * PIXEL_MM**2 / 100, rel=0.1)


def test_an_arm_that_the_model_took_for_the_wall_is_told_and_leaves_the_other_checks_alone(trunk):
    arm(trunk, -200, Compartment.MUSCLE_WALL)
    flags = trunk.flags()
    assert set(flags) == {"arm_beside_body"}
    assert "patient's right" in flags["arm_beside_body"]
    counted = float(flags["arm_beside_body"].split("cm², ")[1].split(" cm²")[0])
    assert counted == pytest.approx(np.count_nonzero(trunk.arrays.compartments.muscle_yx[:, :34]) * 0.04, abs=0.3)
    assert counted > 10


def test_a_cushion_without_bone_is_no_arm(trunk):
    trunk.paint(ellipse(205, 0, 28, 36), -80)
    assert trunk.flags() == {}


def test_a_slice_that_is_stored_mirrored_has_its_sides_right(trunk):
    arm(trunk, 200, Compartment.OUTSIDE)
    arrays = trunk.arrays
    plane = replace(arrays.plane, row_direction_lps=(-1.0, 0.0, 0.0))
    mirrored = arrays_of(trunk.hu[:, ::-1].copy(), trunk.compartments[:, ::-1].copy(), plane)
    (flag,) = anatomy_flags(mirrored, "L3")
    assert "patient's left" in flag.text


def test_fluid_is_counted_where_it_is_a_field_and_not_where_it_is_a_border(trunk):
    assert fluid_share(trunk.view) == 0
    cavity = trunk.compartments == Compartment.VISCERAL_CAVITY
    fluid = cavity & (Y_MM > -10)
    trunk.paint(fluid, 8)
    share = fluid.sum() / cavity.sum()
    assert fluid_share(trunk.view) == pytest.approx(share, abs=0.08)  # fields lose their rim
    assert set(trunk.flags()) == {"abdominal_fluid"}
    assert trunk.flags("T10") == {}


def test_a_cyst_of_six_centimetres_is_no_ascites(trunk):
    trunk.paint(ellipse(-60, 0, 30, 30), 8)
    assert 0.05 < fluid_share(trunk.view) < 0.25
    assert trunk.flags() == {}


def test_water_in_the_fat_under_the_skin_is_oedema_but_strands_are_not(trunk):
    fat = trunk.compartments == Compartment.SUBCUTANEOUS
    noise = ndimage.gaussian_filter(np.random.default_rng(2).normal(size=SHAPE_YX), 2.0)
    trunk.paint(fat & (noise > np.quantile(noise[fat], 0.95)), 10)
    assert oedema_share(trunk.view) < 0.08
    assert trunk.flags() == {}
    trunk.paint(fat & (noise > np.quantile(noise[fat], 0.5)), 10)
    assert oedema_share(trunk.view) == pytest.approx(0.5, abs=0.12)
    assert set(trunk.flags()) == {"subcutaneous_oedema"}


def test_a_thin_subcutis_is_not_judged(trunk):
    trunk.paint(trunk.compartments == Compartment.SUBCUTANEOUS, AIR, Compartment.OUTSIDE)
    assert oedema_share(trunk.view) is None


def test_a_wasted_psoas_is_told_with_side_and_areas(trunk):
    trunk.paint(PSOAS_RIGHT & ~ellipse(-38, 35, 9, 10) & ~ellipse(0, 40, 23, 17), FAT, Compartment.VISCERAL_CAVITY)
    text = trunk.flags()["one_sided_psoas"]
    found = compare_sides(trunk.view).psoas
    assert found.left_cm2 > 1.5 * found.right_cm2
    assert f"left {found.left_cm2:.1f} cm², right {found.right_cm2:.1f} cm², the patient's right is" in text
    assert "one_sided_muscle" not in trunk.flags()


def test_muscle_lost_on_the_left_is_told_whatever_the_turn_of_the_body(trunk):
    wall = (trunk.compartments == Compartment.MUSCLE_WALL) & (X_MM > 30)
    trunk.paint(wall & (np.random.default_rng(3).random(SHAPE_YX) < 0.6), FAT)
    for angle in (0, 12, -12):
        turned = Trunk(
            ndimage.rotate(trunk.hu, angle, reshape=False, order=0, cval=AIR),
            ndimage.rotate(trunk.compartments, angle, reshape=False, order=0),
        )
        assert "the patient's left is" in turned.flags()["one_sided_muscle"]


def test_a_turned_body_is_not_one_sided(trunk):
    for angle in (10, -10):
        hu = ndimage.rotate(trunk.hu, angle, reshape=False, order=0, cval=AIR)
        turned = Trunk(hu, ndimage.rotate(trunk.compartments, angle, reshape=False, order=0))
        assert turned.flags() == {}
        assert compare_sides(turned.view).muscle.missing_share < 0.06


def test_bowel_before_the_wall_is_a_hernia_with_its_area(trunk):
    sac = ellipse(0, -96, 22, 12)
    trunk.paint(sac, BOWEL, Compartment.VISCERAL_CAVITY)
    outside = (sac & ~ellipse(0, 0, 143, 93)).sum() * PIXEL_MM**2 / 100
    assert cavity_outside_wall_cm2(trunk.view) == pytest.approx(outside, abs=1.0)  # the gap is bridged by a chord
    assert f"{cavity_outside_wall_cm2(trunk.view):.0f} cm²" in trunk.flags()["hernia"]


def test_every_flag_asks_for_a_look(trunk):
    trunk.paint(ellipse(-15, 40, 4, 12), 3071)
    assert [flag.severity for flag in anatomy_flags(trunk.arrays, "L3")] == [Severity.REVIEW]


@pytest.mark.parametrize("everything", [Compartment.OUTSIDE, Compartment.MUSCLE_WALL, Compartment.VISCERAL_CAVITY])
def test_a_slice_with_one_compartment_is_no_error(trunk, everything):
    trunk.compartments[:] = everything
    assert compare_sides(trunk.view) is None
    assert "hernia" not in trunk.flags()


@pytest.mark.shared_data
@pytest.mark.parametrize("name", ["arreaza", "tcga0", "cort0", "sarcoma0", "luad47", "luad16"])
def test_real_people_of_the_training_split_raise_nothing(shared_data, name):
    """Hand-drawn compartments, L1 to L4."""
    volume = read_series(files_from_path(shared_data / "volumes" / f"{name}.nii.gz")).chosen
    labels = np.asarray(nib.load(shared_data / "labels" / f"{name}.nii.gz").dataobj).transpose(2, 1, 0)
    slices = json.loads((shared_data / "index.json").read_text("utf-8"))[name]["key_slices"]
    for index in slices:
        compartments = np.where(labels[index] == 255, 0, labels[index]).astype(np.uint8)
        arrays = arrays_of(volume.hu_zyx[index], compartments, volume.geometry.plane(index))
        assert anatomy_flags(arrays, None) == (), f"slice {index}"
