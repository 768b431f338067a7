"""The course of the spine: hand-drawn mid-lines, and planes that cut them."""

import numpy as np
import pytest

from sarcopenia.assessment.spine_course import FOUND_ALONG_SPINE, course_flags, oblique_deg, spine_course
from sarcopenia.assessment.spine_projection import SpineProjections
from sarcopenia.domain.geometry import PlaneGeometry
from sarcopenia.domain.results import LevelAnchor, LevelFinding, Severity, VertebraPosition

Z_MM = np.arange(0.0, 300.0, 2.0)
FLAT = PlaneGeometry((0, 0, 150), (1, 0, 0), (0, 1, 0), (1.0, 1.0), (100, 100))


def projections(x_mm: np.ndarray) -> SpineProjections:
    return SpineProjections(np.zeros((2, 160, 128), np.int16), Z_MM, np.stack([np.zeros_like(x_mm), x_mm], axis=1))


def level(*z_mm: float) -> LevelFinding:
    labels = ("L5", "L4", "L3", "L2", "L1", "T12")
    found = tuple(VertebraPosition(label, z, 0, 1.0) for label, z in zip(labels, z_mm, strict=False))
    return LevelFinding(found, None, (), LevelAnchor.BOTH, 5, 1.0)


def tilted(*, lateral_deg: float = 0.0, sagittal_deg: float = 0.0) -> PlaneGeometry:
    """A plane whose normal leans to the patient's left, or to the back."""
    a, b = np.radians(lateral_deg), np.radians(sagittal_deg)
    row = (float(np.cos(a)), 0.0, float(-np.sin(a)))
    column = (0.0, float(np.cos(b)), float(-np.sin(b)))
    return PlaneGeometry((0, 0, 150), row, column, (1.0, 1.0), (1, 1))


LUMBAR = level(60, 95, 130, 165, 200, 230)


def codes(course, plane=FLAT):
    return {flag.code for flag in course_flags(course, plane)}


def test_a_straight_spine_raises_nothing():
    course = spine_course(projections(np.full_like(Z_MM, 12.0)), LUMBAR)
    assert course.bend_deg == pytest.approx(0)
    assert codes(course) == set()


def test_a_bend_is_the_change_of_the_angle_between_the_lumbar_vertebrae():
    """An arc of radius 400 mm turns by 170 mm / 400 mm = 24° between z = 60 and z = 230."""
    x_mm = 400 - np.sqrt(400**2 - (Z_MM - 145) ** 2)
    course = spine_course(projections(x_mm), LUMBAR)
    assert course.bend_deg == pytest.approx(2 * np.degrees(np.arcsin(85 / 400)), abs=0.3)
    (flag,) = course_flags(course, FLAT)
    assert (flag.code, flag.severity) == ("spine_curved", Severity.REVIEW)
    assert "25°" in flag.text


def test_a_bend_beside_the_lumbar_spine_does_not_count():
    x_mm = np.where(Z_MM > 240, (Z_MM - 240) * 0.6, 0.0)
    assert spine_course(projections(x_mm), LUMBAR).bend_deg == pytest.approx(0, abs=1e-9)


def test_a_leaning_spine_is_cut_obliquely_and_a_plane_that_leans_with_it_is_not():
    leaning = spine_course(projections(np.tan(np.radians(20)) * Z_MM), LUMBAR)
    assert oblique_deg(leaning, FLAT) == pytest.approx(20)
    (flag,) = course_flags(leaning, FLAT)
    assert flag.code == "slice_oblique"
    assert "by 20°: areas are about 6 % too large" in flag.text
    assert oblique_deg(leaning, tilted(lateral_deg=20)) == pytest.approx(0, abs=1e-6)


@pytest.mark.parametrize(("angle", "expected"), [(10, set()), (-18, {"slice_oblique"})])
def test_a_tilted_gantry_is_told_when_it_matters(angle, expected):
    plane = tilted(sagittal_deg=angle)
    assert oblique_deg(None, plane) == pytest.approx(abs(angle))
    assert codes(None, plane) == expected


def test_a_stack_that_is_stored_from_the_back_is_not_upside_down():
    assert oblique_deg(None, PlaneGeometry((0, 0, 0), (-1, 0, 0), (0, 1, 0), (1.0, 1.0), (9, 9))) == pytest.approx(0)


def test_too_little_spine_shows_no_bend():
    x_mm = 400 - np.sqrt(400**2 - (Z_MM - 145) ** 2)
    assert spine_course(projections(x_mm), level(60, 95)).bend_deg is None
    assert spine_course(projections(x_mm), level()) is None
    assert codes(spine_course(projections(x_mm), level(60, 95))) <= FOUND_ALONG_SPINE - {"spine_curved"}
