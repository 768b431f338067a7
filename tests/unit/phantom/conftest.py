"""Small phantoms shared by the tests: coarse grids, made once."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from sarcopenia.phantom import Phantom, PhantomSpec, make_phantom

_COARSE = PhantomSpec(
    seed=5, pixel_spacing_mm=3.0, shape_yx=(112, 144), slice_thickness_mm=4.0, slice_spacing_mm=4.0, noise_sd_hu=8.0
)
SliceOf = Callable[..., Phantom]


@pytest.fixture(scope="session")
def coarse() -> PhantomSpec:
    """A man on a grid of 3 × 3 × 4 mm."""
    return _COARSE


@pytest.fixture(scope="session")
def abdomen() -> Phantom:
    """T9 to S2 of one man on a coarse grid."""
    return make_phantom(replace(_COARSE, bottom_coordinate=19.2, top_coordinate=9.2))


@pytest.fixture(scope="session")
def at_l3() -> SliceOf:
    """Make one or two slices at the middle of L3 with a changed spec."""

    def make(**changes: object) -> Phantom:
        middle = replace(_COARSE, bottom_coordinate=15.06, top_coordinate=14.94, slice_thickness_mm=2.0)
        return make_phantom(replace(middle, **changes))

    return make
