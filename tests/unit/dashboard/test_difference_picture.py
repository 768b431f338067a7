"""The picture of a mended mask against the models' own."""

import io

import numpy as np
from PIL import Image

from dashboard.difference_picture import MENDED_COLOUR, difference_picture
from dashboard.viewer_payload import ADDED_COLOUR, AI_COLOUR, REMOVED_COLOUR
from sarcopenia.domain.geometry import regular_geometry

SHAPE = (90, 120)
PLANE = regular_geometry((1, *SHAPE), (5.0, 3.0, 3.0)).plane(0)


def colours_of(model, mended):
    """Share of every colour in the picture of a body of soft tissue, scaled without mixing colours much."""
    hu = np.full(SHAPE, -1000, np.int16)
    hu[10:80, 10:110] = 40
    pixels = np.asarray(Image.open(io.BytesIO(difference_picture(hu, model, mended, PLANE)))).reshape(-1, 3).astype(int)

    def share(colour, grey=None, opacity=1.0):
        base = 127.5 if grey is None else grey
        expected = np.asarray(colour) * opacity + base * (1 - opacity)
        return float((np.abs(pixels - expected).max(axis=1) < 25).mean())

    return share


def block(rows, columns):
    mask = np.zeros(SHAPE, bool)
    mask[rows, columns] = True
    return mask


def test_added_and_removed_pixels_have_their_colours_and_both_outlines_are_drawn():
    model = block(slice(20, 70), slice(20, 60))
    mended = block(slice(20, 70), slice(40, 100))
    share = colours_of(model, mended)
    added, removed = share(ADDED_COLOUR, opacity=0.75), share(REMOVED_COLOUR, opacity=0.75)
    # Inside of the outlines 39 columns were added and 19 removed.
    assert added > 1.5 * removed > 0.05
    assert share(AI_COLOUR) > 0
    assert share(MENDED_COLOUR) > 0


def test_without_a_change_only_one_outline_is_seen():
    model = block(slice(20, 70), slice(20, 60))
    share = colours_of(model, model)
    assert share(ADDED_COLOUR, opacity=0.75) == 0
    assert share(REMOVED_COLOUR, opacity=0.75) == 0
    assert share(MENDED_COLOUR) > 0
