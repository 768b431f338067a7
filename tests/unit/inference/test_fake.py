"""The fake's answers are plausible on phantoms, and it fails when it is told to."""

import numpy as np
import pytest

from sarcopenia.assessment.model_grid import axial_grid
from sarcopenia.domain.errors import InferenceError, ModelUnavailableError, QueueFullError
from sarcopenia.domain.results import Compartment
from sarcopenia.inference.contract import CONTRACTS, SPINE_WIDTH
from sarcopenia.inference.fake import FakeModelClient, known_spine, linear_spine, simple_compartments
from sarcopenia.phantom import Phantom, PhantomSpec, make_phantom

PROJECTIONS = np.zeros((2, 32, SPINE_WIDTH), np.int16)
SLICES = np.zeros((1, 32, 32), np.int16)


@pytest.fixture(scope="module")
def phantom() -> Phantom:
    coarse = {"slice_spacing_mm": 8.0, "slice_thickness_mm": 8.0, "shape_yx": (192, 192), "pixel_spacing_mm": 2.0}
    return make_phantom(PhantomSpec(seed=1, bottom_coordinate=15.6, top_coordinate=14.4, **coarse))


def test_muscle_of_a_phantom_is_about_right(phantom: Phantom) -> None:
    index = int(np.abs(phantom.vertebral_coordinate_z - 15).argmin())
    hu = phantom.volume.hu_zyx[index]
    grid = axial_grid(hu, phantom.volume.geometry.plane(index))
    answer = FakeModelClient().segment_compartments(np.round(grid.to_model(hu)).astype(np.int16)[None])
    found = grid.to_native(answer[0].mean(axis=0) / 255).argmax(axis=0)
    muscle = (hu >= -29) & (hu <= 150)
    area = np.count_nonzero((found == Compartment.MUSCLE_WALL) & muscle)
    truth = np.count_nonzero((phantom.compartments_zyx[index] == Compartment.MUSCLE_WALL) & muscle)
    assert area == pytest.approx(truth, rel=0.25)


def test_members_agree_inside_and_differ_along_borders(phantom: Phantom) -> None:
    hu = phantom.volume.hu_zyx[len(phantom.volume.hu_zyx) // 2]
    spread = FakeModelClient().segment_compartments(hu[None])[0].astype(float).std(axis=0)
    assert spread.max() > 5
    assert np.median(spread) == 0


def test_all_air_is_outside() -> None:
    assert not simple_compartments(np.full((64, 64), -1024, np.int16)).any()


def test_probabilities_of_a_pixel_sum_to_one() -> None:
    total = FakeModelClient().segment_compartments(SLICES).astype(int).sum(axis=2)
    assert np.abs(total - 255).max() <= 3


def test_known_spine_gives_the_coordinates_of_its_scan_and_nothing_beyond() -> None:
    z_mm, coordinate = np.array([-100.0, -50.0]), np.array([16.0, 15.0])
    profile = FakeModelClient(known_spine(z_mm, coordinate)).locate_spine(PROJECTIONS)
    assert profile.coordinate_z[0] == pytest.approx(16.0)
    assert profile.coordinate_z[20] == pytest.approx(15.0)
    assert profile.spine_z[:21].all()
    assert not profile.spine_z[21:].any()


def test_linear_spine_has_sacrum_below_and_ribs_above() -> None:
    hu = np.zeros((2, 96, SPINE_WIDTH), np.int16)
    hu[:, 90:] = -1024
    profile = FakeModelClient(linear_spine(bottom_coordinate=18.5, pitch_mm=30)).locate_spine(hu)
    assert profile.coordinate_z[12] == pytest.approx(17.5)
    assert (profile.sacrum_z[0], profile.sacrum_z[20], profile.rib_z[20], profile.rib_z[80]) == (1, 0, 0, 1)
    assert not profile.spine_z[90:].any()


def test_scripted_compartments_are_returned() -> None:
    wall = np.full((32, 32), Compartment.MUSCLE_WALL, np.uint8)
    answer = FakeModelClient(compartments=lambda _: wall).segment_compartments(SLICES)
    assert (answer.argmax(axis=2) == Compartment.MUSCLE_WALL).all()


def test_told_failure_is_raised_by_every_call_and_told_by_check() -> None:
    client = FakeModelClient(failure=QueueFullError("The queue is full."))
    for call in (
        lambda: client.locate_spine(PROJECTIONS),
        lambda: client.segment_compartments(SLICES),
        lambda: client.rate_quality(SLICES),
        lambda: client.classify_slab(SLICES),
        client.identities,
        client.acceptance_rule,
    ):
        with pytest.raises(QueueFullError):
            call()
    told = [(h.healthy, h.code, h.message) for h in client.check()]
    assert told == [(False, "queue_full", "The queue is full.")] * len(CONTRACTS)


def test_failure_can_come_and_go() -> None:
    client = FakeModelClient()
    failure: InferenceError = ModelUnavailableError("gone")
    client.failure = failure
    with pytest.raises(ModelUnavailableError):
        client.segment_compartments(SLICES)
    client.failure = None
    assert client.segment_compartments(SLICES).shape[0] == 1
