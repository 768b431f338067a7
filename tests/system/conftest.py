"""The command line on the real embedded Triton with the trained models."""

import pytest

from inference_server.serve import embedded_triton
from sarcopenia.exchange.ct_writer import write_ct_series
from sarcopenia.phantom import PhantomSpec, make_phantom
from sarcopenia.settings import Settings

SPEC = PhantomSpec(seed=11, pixel_spacing_mm=1.5, shape_yx=(224, 288), slice_spacing_mm=4.0, slice_thickness_mm=3.0)


@pytest.fixture(scope="session")
def triton_url():
    with embedded_triton(Settings.from_environment({})) as url:
        yield url


@pytest.fixture(scope="session")
def phantom():
    return make_phantom(SPEC)


@pytest.fixture(scope="session")
def series(phantom, tmp_path_factory):
    folder = tmp_path_factory.mktemp("series")
    write_ct_series(phantom.volume, folder)
    return folder
