"""Outlines of a slice that nobody measures."""

import numpy as np
import pytest

from sarcopenia.assessment.events import AssessmentOptions
from sarcopenia.assessment.pipeline import run_assessment
from sarcopenia.assessment.preview import outline_slice
from sarcopenia.domain.errors import ServerUnavailableError, SliceNotFoundError
from sarcopenia.inference.fake import FakeModelClient, known_spine
from sarcopenia.phantom import PhantomSpec, make_phantom


@pytest.fixture(scope="module")
def phantom():
    return make_phantom(PhantomSpec(seed=3, pixel_spacing_mm=3.0, shape_yx=(112, 144), slice_spacing_mm=6.0))


@pytest.fixture
def models(phantom):
    return FakeModelClient(spine=known_spine(phantom.volume.geometry.slice_z_mm, phantom.vertebral_coordinate_z))


def test_a_preview_is_what_measuring_there_would_give(phantom, models):
    vat = (-190, -30)
    measured = run_assessment(phantom.volume, models, AssessmentOptions(20, vat, "L2"))
    seen = outline_slice(phantom.volume, models, 20, vat)
    assert seen.composition == measured.measurement.composition
    np.testing.assert_array_equal(seen.compartments.compartments_yx, measured.arrays.compartments.compartments_yx)


def test_a_slice_that_is_not_there_and_a_silent_server_are_told_apart(phantom, models):
    with pytest.raises(SliceNotFoundError):
        outline_slice(phantom.volume, models, 9999)
    models.failure = ServerUnavailableError("gone")
    with pytest.raises(ServerUnavailableError):
        outline_slice(phantom.volume, models, 20)
