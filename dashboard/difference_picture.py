"""A picture of what a person changed of the models' mask, made on the server. No Streamlit."""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from dashboard.images import WINDOWS, Rgb, SliceDisplay, blend, body_picture
from dashboard.viewer_payload import ADDED_COLOUR, AI_COLOUR, REMOVED_COLOUR
from sarcopenia.assessment.model_grid import CanonicalView
from sarcopenia.domain.geometry import PlaneGeometry

MENDED_COLOUR: Final[Rgb] = (204, 121, 167)
DISPLAY: Final = SliceDisplay(WINDOWS[0], frozenset(), opacity=0.75, outlines=False)
OUTLINES: Final = SliceDisplay(WINDOWS[0], frozenset(), opacity=1.0, outlines=True)
LEGEND: Final = (
    ("Added", ADDED_COLOUR),
    ("Removed", REMOVED_COLOUR),
    ("AI's outline", AI_COLOUR),
    ("Outline of this version", MENDED_COLOUR),
)


def difference_picture(
    hu_yx: NDArray[np.int16], model_yx: NDArray[np.bool_], mended_yx: NDArray[np.bool_], plane: PlaneGeometry
) -> bytes:
    """PNG of one slice with the pixels that were added to the models' mask or removed, and both outlines.

    Where the outlines run together only that of the mended mask is seen. Colours as in the viewer.
    """
    view = CanonicalView.of(plane)
    hu = view.apply(hu_yx).astype(np.int16)
    model, mended = view.apply(model_yx).astype(bool), view.apply(mended_yx).astype(bool)
    rgb = np.repeat(DISPLAY.window.apply(hu)[..., None], 3, axis=2)
    for mask, colour, display in (
        (mended & ~model, ADDED_COLOUR, DISPLAY),
        (model & ~mended, REMOVED_COLOUR, DISPLAY),
        (model, AI_COLOUR, OUTLINES),
        (mended, MENDED_COLOUR, OUTLINES),
    ):
        rgb = blend(rgb, mask, colour, display)
    return body_picture(rgb, hu, view.spacing_mm_yx)
