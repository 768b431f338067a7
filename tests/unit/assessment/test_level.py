from dataclasses import replace

import numpy as np
import pytest

from sarcopenia.assessment.level import decode_curve, find_level
from sarcopenia.domain.geometry import regular_geometry
from sarcopenia.domain.results import LevelAnchor
from sarcopenia.domain.volume import CtVolume, SeriesHeader
from sarcopenia.inference.contract import SPINE_GRID_MM
from sarcopenia.inference.port import SpineProfile

PITCH_MM = 34.0


def volume(length_mm=450.0, spacing_mm=5.0):
    count = int(length_mm / spacing_mm) + 1
    geometry = regular_geometry((count, 4, 4), (spacing_mm, 1.0, 1.0), (0.0, 0.0, -900.0))
    return CtVolume(np.zeros((count, 4, 4), np.int16), geometry, SeriesHeader(), ("",) * count, "")


def rows(scan):
    first, last = scan.geometry.slice_z_mm[[0, -1]]
    return np.arange(first, last + 1, SPINE_GRID_MM)


def profile(coordinate, noise=0.0, rib_below=12.5, sacrum_from=17.5, seed=0):
    wobble = np.random.default_rng(seed).normal(0, noise, len(coordinate)) if noise else 0.0
    as_float = [
        coordinate + wobble,
        np.full_like(coordinate, 0.1),
        np.ones_like(coordinate),
        coordinate < rib_below,
        coordinate > sacrum_from,
    ]
    return SpineProfile(*(np.asarray(values, dtype=np.float32) for values in as_float))


def coordinates(z_mm, bottom=19.0):
    return bottom - (z_mm - z_mm[0]) / PITCH_MM


def test_l3_is_found_where_the_coordinate_is_fifteen():
    scan = volume()
    z_mm = rows(scan)
    level = find_level(scan, profile(coordinates(z_mm), noise=0.15), z_mm)
    assert level.l3.z_mm == pytest.approx(-900 + 4 * PITCH_MM, abs=4.0)
    assert level.l3.slice_index == scan.geometry.nearest_slice(level.l3.z_mm)
    assert level.l3.spread_mm == pytest.approx(0.1 * PITCH_MM, rel=0.5)
    assert [v.label for v in level.vertebrae][:6] == ["S1", "L5", "L4", "L3", "L2", "L1"]
    assert level.anchor is LevelAnchor.BOTH
    assert level.lumbar_count == 5
    assert level.candidates == ()


def test_chest_only_has_no_l3():
    scan = volume(300.0)
    z_mm = rows(scan)
    level = find_level(scan, profile(coordinates(z_mm, bottom=13.8)), z_mm)
    assert level.l3 is None
    assert level.vertebrae[0].label == "L1"
    assert level.anchor is LevelAnchor.LAST_RIB


def test_pelvis_only_has_no_l3_and_is_counted_from_the_sacrum():
    scan = volume(120.0)
    z_mm = rows(scan)
    level = find_level(scan, profile(coordinates(z_mm, bottom=19.0)), z_mm)
    assert level.l3 is None
    assert level.anchor is LevelAnchor.SACRUM


@pytest.mark.parametrize(("lumbar", "sacrum_from"), [(4, 16.5), (6, 18.5)])
def test_four_or_six_lumbar_bodies_give_two_candidates(lumbar, sacrum_from):
    scan = volume()
    z_mm = rows(scan)
    level = find_level(scan, profile(coordinates(z_mm, bottom=20.0), sacrum_from=sacrum_from), z_mm)
    assert level.lumbar_count == lumbar
    heights = [candidate.z_mm for candidate in level.candidates]
    assert len(heights) == 2
    assert abs(heights[0] - heights[1]) == pytest.approx(PITCH_MM, abs=2 * SPINE_GRID_MM)


@pytest.mark.parametrize(("lumbar", "sacrum_from"), [(4, 16.5), (6, 18.5)])
def test_a_network_that_squeezes_the_count_to_five_is_found_out(lumbar, sacrum_from):
    """The coordinate slips by one vertebra near L5; its phase still counts every body."""
    scan = volume()
    z_mm = rows(scan)
    true = coordinates(z_mm, bottom=20.0)
    squeezed = np.where(true > sacrum_from - 1, true + 5 - lumbar, true)
    answer = profile(squeezed)
    answer = replace(answer, rib_z=(true < 12.5).astype(np.float32), sacrum_z=(true > sacrum_from).astype(np.float32))
    level = find_level(scan, answer, z_mm)
    assert level.lumbar_count == lumbar
    assert level.l3.z_mm == pytest.approx(np.interp(-15.0, -true, z_mm), abs=3)


def test_a_last_rib_that_was_missed_does_not_move_l3():
    """Ribs end one vertebra too high, so six bodies are counted; sacrum and the network itself agree on L3."""
    scan = volume()
    z_mm = rows(scan)
    true = coordinates(z_mm, bottom=20.0)
    answer = replace(profile(true), rib_z=(true < 11.5).astype(np.float32))
    level = find_level(scan, answer, z_mm)
    right, wrong = level.candidates
    assert level.lumbar_count == 6
    assert level.l3 == right
    assert right.z_mm == pytest.approx(np.interp(-15.0, -true, z_mm), abs=3)
    assert wrong.z_mm - right.z_mm == pytest.approx(PITCH_MM, abs=2 * SPINE_GRID_MM)


def test_no_spine_is_no_level():
    scan = volume()
    z_mm = rows(scan)
    empty = SpineProfile(*(np.zeros(len(z_mm), np.float32) for _ in range(5)))
    level = find_level(scan, empty, z_mm)
    assert level.vertebrae == ()
    assert level.l3 is None
    assert level.spine_share == 0


def test_the_decoded_curve_never_rises():
    z_mm = rows(volume())
    curve = decode_curve(profile(coordinates(z_mm), noise=0.6), z_mm)
    assert np.all(np.diff(curve.coordinate_z) <= 1e-9)
