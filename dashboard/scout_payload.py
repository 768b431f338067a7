"""What passes between the server and the scouts in the browser: pictures and levels there, a wish back. No Streamlit.

Heights are shares of the picture, 0 at the head and 1 at the feet.
"""

import base64
import math
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from dashboard.images import scout_grey, scout_height
from sarcopenia.domain.errors import InputError
from sarcopenia.domain.results import VertebraPosition
from sarcopenia.records import ScoutImage

Json = dict[str, Any]
MAX_STEP: Final = 10_000


@dataclass(frozen=True)
class ShownPlace:
    """Where the viewer is: slice of ``slice_count``, its patient z in mm, and in words which vertebra is near."""

    slice_index: int
    slice_count: int
    z_mm: float
    words: str


@dataclass(frozen=True)
class MeasuredPlace:
    """The measured slice: patient z in mm, and what it is called."""

    z_mm: float
    name: str


@dataclass(frozen=True)
class ScoutWish:
    """Where a person wants to go: patient z in mm of a click, else a number of slices, positive to the head."""

    z_mm: float | None
    step: int


def build_scout_payload(
    sagittal: ScoutImage,
    coronal: ScoutImage,
    vertebrae: tuple[VertebraPosition, ...],
    measured: MeasuredPlace | None,
    shown: ShownPlace,
) -> Json:
    """Both pictures as data addresses, and everything that is drawn over them."""
    z_mm = sagittal.z_mm
    return {
        "pictures": [
            _picture_json(sagittal, "Sagittal", ("A", "P")),
            _picture_json(coronal, "Coronal", ("R", "L")),
        ],
        "levels": [{"label": each.label, "height": scout_height(z_mm, each.z_mm)} for each in vertebrae],
        "measured": None if measured is None else {"name": measured.name, "height": scout_height(z_mm, measured.z_mm)},
        "shown": {"height": scout_height(z_mm, shown.z_mm), "index": shown.slice_index, "words": shown.words},
        "slice_count": shown.slice_count,
        "z_ends_mm": [z_of(z_mm, 0.0), z_of(z_mm, 1.0)],
    }


def _picture_json(scout: ScoutImage, name: str, letters: tuple[str, str]) -> Json:
    png = base64.b64encode(scout_grey(scout.hu_zx, scout.spacing_mm_zx)).decode()
    return {"name": name, "left": letters[0], "right": letters[1], "src": f"data:image/png;base64,{png}"}


def z_of(row_z_mm: NDArray[np.float64], height: float) -> float:
    """Patient z in mm at a height of the picture; the inverse of `dashboard.images.scout_height`."""
    row = (1 - height) * len(row_z_mm) - 0.5
    return float(np.interp(row, np.arange(len(row_z_mm)), row_z_mm))


def parse_wish(clicked: object, stepped: object, row_z_mm: NDArray[np.float64]) -> ScoutWish | None:
    """Read what the browser sent; ``None`` where nobody wished anything.

    Raises
    ------
    InputError: not what the scouts send.
    """
    if clicked is not None:
        return ScoutWish(z_of(row_z_mm, _number(clicked, 0.0, 1.0)), 0)
    if stepped is not None:
        return ScoutWish(None, round(_number(stepped, -MAX_STEP, MAX_STEP)))
    return None


def _number(sent: object, low: float, high: float) -> float:
    if isinstance(sent, bool) or not isinstance(sent, int | float) or math.isnan(sent) or not low <= sent <= high:
        raise InputError("The place on the scout could not be read.", "Reload the page and click again.")
    return float(sent)
