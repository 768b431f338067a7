"""The same place in two scans, on phantoms whose spines are known to the millimetre."""

from dataclasses import replace

import numpy as np
import pytest

from sarcopenia.assessment.registration import match_slice
from sarcopenia.assessment.spine_block import crop_slices
from sarcopenia.domain.errors import InputError, SliceNotFoundError
from sarcopenia.domain.geometry import VolumeGeometry
from sarcopenia.domain.volume import ContrastPhase, CtVolume
from sarcopenia.phantom import Phantom, PhantomSpec, make_phantom

SPEC = PhantomSpec(
    seed=5,
    pixel_spacing_mm=2.0,
    shape_yx=(168, 216),
    slice_spacing_mm=3.0,
    bottom_coordinate=17.4,
    top_coordinate=12.6,
    noise_sd_hu=10.0,
)
AGAIN = replace(
    SPEC,
    scan_seed=2,
    phase=ContrastPhase.NONE,
    noise_sd_hu=20.0,
    slice_spacing_mm=5.0,
    slice_thickness_mm=5.0,
    pixel_spacing_mm=1.6,
    shape_yx=(210, 270),
    rotation_deg=6.0,
    centre_offset_mm_yx=(8.0, -12.0),
    muscle_scale=0.9,
)


@pytest.fixture(scope="module")
def phantom() -> Phantom:
    return make_phantom(SPEC)


@pytest.fixture(scope="module")
def again() -> Phantom:
    """The same person: plain, thick, noisy, turned and moved, with less muscle."""
    return make_phantom(AGAIN)


def slice_of(phantom: Phantom, level: str) -> int:
    return phantom.volume.geometry.nearest_slice(phantom.level_z_mm[level])


def off_middle_mm(phantom: Phantom, z_mm: float, level: str) -> float:
    return z_mm - phantom.level_z_mm[level]


def moved(volume: CtVolume, by_lps_mm: tuple[float, float, float]) -> CtVolume:
    """The same images on another table position."""
    geometry = volume.geometry
    origins = tuple(tuple(float(v) for v in np.add(o, by_lps_mm)) for o in geometry.slice_origins_lps_mm)
    return replace(volume, geometry=replace(geometry, slice_origins_lps_mm=origins))


def turned_pixels(volume: CtVolume) -> CtVolume:
    """The same scan with rows and columns stored from back to front and from left to right."""
    geometry = volume.geometry
    _, rows, columns = geometry.shape_zyx
    corner = np.array([[rows - 1.0, columns - 1.0]])
    origins = tuple(
        tuple(float(v) for v in geometry.plane(k).to_lps_mm(corner)[0]) for k in range(geometry.shape_zyx[0])
    )
    back = VolumeGeometry(origins, (-1.0, 0.0, 0.0), (0.0, -1.0, 0.0), geometry.spacing_mm_zyx, geometry.shape_zyx)
    return replace(volume, hu_zyx=volume.hu_zyx[:, ::-1, ::-1], geometry=back)


def test_the_same_scan_on_another_table_position_is_matched_slice_by_slice(phantom):
    here = slice_of(phantom, "L3")
    match = match_slice(phantom.volume, here, moved(phantom.volume, (5.0, -7.0, 400.0)), here - 3)
    assert match.slice_index == here
    assert match.shift_mm == pytest.approx(9.0, abs=0.3)
    assert match.rotation_deg == pytest.approx(0.0, abs=0.3)
    np.testing.assert_allclose(
        np.subtract(match.follow_up_point_lps_mm, match.baseline_point_lps_mm), (5.0, -7.0, 400.0), atol=0.3
    )
    assert match.similarity > 0.99 > match.similarity_before
    assert match.trusted


@pytest.mark.parametrize("level", ["L2", "L3", "L4"])
def test_another_scan_of_the_same_person_is_matched_within_a_millimetre(phantom, again, level):
    here = slice_of(phantom, level)
    match = match_slice(phantom.volume, here, again.volume, slice_of(again, level) + 2)
    wanted = off_middle_mm(phantom, phantom.volume.geometry.slice_z_mm[here], level)
    assert off_middle_mm(again, match.follow_up_point_lps_mm[2], level) == pytest.approx(wanted, abs=1.0)
    assert match.slice_index == again.volume.geometry.nearest_slice(again.level_z_mm[level] + wanted)
    assert match.rotation_deg == pytest.approx(6.0, abs=1.0)
    assert abs(match.in_plane_deg) == pytest.approx(6.0, abs=1.0)
    assert match.similarity > match.similarity_before
    assert match.neighbour_similarity < match.similarity
    assert match.trusted


def test_how_the_pixels_are_stored_does_not_matter(phantom, again):
    here, guess = slice_of(phantom, "L3"), slice_of(again, "L3")
    upright = match_slice(phantom.volume, here, again.volume, guess)
    turned = match_slice(phantom.volume, here, turned_pixels(again.volume), guess)
    assert turned.slice_index == upright.slice_index
    assert turned.shift_mm == pytest.approx(upright.shift_mm, abs=0.2)
    assert turned.in_plane_deg == pytest.approx(upright.in_plane_deg, abs=0.3)


def test_the_same_scans_give_the_same_match(phantom, again):
    asked = phantom.volume, slice_of(phantom, "L3"), again.volume, slice_of(again, "L3") + 1
    assert match_slice(*asked) == match_slice(*asked)


@pytest.mark.parametrize(("seed", "height_m"), [(6, 1.75), (7, 1.66)])
def test_another_person_is_not_trusted(phantom, seed, height_m):
    other = make_phantom(replace(SPEC, seed=seed, height_m=height_m))
    match = match_slice(phantom.volume, slice_of(phantom, "L3"), other.volume, slice_of(other, "L3"))
    assert not match.trusted
    assert "do not look alike" in match.reason


def test_a_guess_at_the_neighbour_is_told_as_a_doubtful_count(phantom, again):
    match = match_slice(phantom.volume, slice_of(phantom, "L3"), again.volume, slice_of(again, "L4"))
    assert not match.trusted
    assert "count" in match.reason
    assert match.slice_index == pytest.approx(slice_of(again, "L3"), abs=1)


def test_a_spine_whose_vertebrae_are_all_alike_is_not_trusted(phantom):
    """One vertebra and its disc, twelve slices of 3 mm, repeated: every neighbour fits."""
    here = slice_of(phantom, "L3")
    order = np.tile(np.arange(here - 6, here + 6), 5)
    volume = crop_slices(phantom.volume, 0, 1)
    step = np.array([0.0, 0.0, 3.0])
    origin = np.asarray(volume.geometry.slice_origins_lps_mm[0])
    geometry = replace(
        volume.geometry,
        slice_origins_lps_mm=tuple(tuple((origin + k * step).tolist()) for k in range(len(order))),
        shape_zyx=(len(order), *volume.geometry.shape_zyx[1:]),
    )
    alike = replace(
        volume, hu_zyx=phantom.volume.hu_zyx[order], geometry=geometry, sop_instance_uids=("",) * len(order)
    )
    match = match_slice(alike, 30, alike, 30)
    assert not match.trusted
    assert "neighbouring vertebra fits as well" in match.reason
    assert match.neighbour_similarity == pytest.approx(match.similarity, abs=0.04)


def test_scans_that_do_not_share_the_vertebra_are_refused_or_not_trusted(phantom, again):
    here = slice_of(phantom, "L4")
    upper = crop_slices(again.volume, slice_of(again, "L2"), again.volume.geometry.shape_zyx[0])
    assert not match_slice(phantom.volume, here, upper, 2).trusted
    single = crop_slices(again.volume, slice_of(again, "L4"), slice_of(again, "L4") + 1)
    with pytest.raises(InputError, match="too little of the spine") as raised:
        match_slice(phantom.volume, here, single, 0)
    assert "by hand" in raised.value.next_step


def test_a_slice_that_is_not_there_is_an_error(phantom):
    with pytest.raises(SliceNotFoundError):
        match_slice(phantom.volume, 9999, phantom.volume, 10)
