"""One image of any orientation: the same HU and plane as in the series it comes from, and errors of the tree."""

import numpy as np
import pytest

from sarcopenia.domain.errors import MissingGeometryError, NotReadableError
from sarcopenia.domain.geometry import regular_geometry
from sarcopenia.exchange.ct_writer import ct_series_bytes
from sarcopenia.imaging.image_plane import read_image_plane
from tests.ct_series import edited, make_volume, setting

VOLUME = make_volume(regular_geometry((2, 40, 50), (5.0, 0.8, 0.7)))
FILES = ct_series_bytes(VOLUME)


def test_hu_and_plane_are_those_of_the_slice() -> None:
    image = read_image_plane(FILES[1].content)
    np.testing.assert_array_equal(image.hu_yx, VOLUME.hu_zyx[1])
    assert image.plane == VOLUME.geometry.plane(1)


def test_an_image_without_position_is_refused() -> None:
    (file,) = edited(FILES[:1], setting(ImagePositionPatient=None))
    with pytest.raises(MissingGeometryError):
        read_image_plane(file.content)


@pytest.mark.parametrize("content", [b"", b"not an image", FILES[0].content[:-400]])
def test_what_cannot_be_read_is_refused(content: bytes) -> None:
    with pytest.raises(NotReadableError):
        read_image_plane(content)
