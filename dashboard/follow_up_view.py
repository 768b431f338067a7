"""A follow-up measured at the baseline's place, as pictures, words and rows, without Streamlit.

Both outlines are drawn on the baseline's slice; the follow-up's is laid over it by the in-plane part of the same rigid
motion that matched the vertebra, so the spine is what coincides. The follow-up's outline is dashed as well as coloured.
"""

import io
from dataclasses import dataclass
from functools import cached_property
from typing import Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont
from scipy import ndimage

from dashboard.images import BURNT_IN, MUSCLE_LAYER, PICTURE_WIDTH, WINDOWS, SliceDisplay, body_box
from sarcopenia.assessment.model_grid import CanonicalView
from sarcopenia.clinical.method_comparison import dice_of
from sarcopenia.domain.results import BodyComposition, Compartment, Measurement, SliceMatch
from sarcopenia.records import ReviewState, StoredMeasurement, StoredSlice

# Okabe and Ito's blue and vermilion: told apart with any colour vision.
BASELINE_COLOUR: Final = (86, 180, 233)
FOLLOW_UP_COLOUR: Final = (213, 94, 0)
DIMMED: Final = 0.55
DASH_PIXELS: Final = 14
MASKED_SLICE: Final = SliceDisplay(WINDOWS[0], frozenset({MUSCLE_LAYER.name}), 0.45, outlines=False)


@dataclass(frozen=True)
class ContourPair:
    """Muscle walls of both scans on the native pixels of the baseline's slice, the follow-up's laid over by a match."""

    baseline: StoredSlice
    follow_up: StoredSlice
    match: SliceMatch

    @cached_property
    def baseline_yx(self) -> NDArray[np.bool_]:
        """The baseline's wall (y, x)."""
        return np.asarray(self.baseline.compartments.compartments_yx == Compartment.MUSCLE_WALL)

    @cached_property
    def follow_up_yx(self) -> NDArray[np.bool_]:
        """The follow-up's wall on the baseline's pixels (y, x)."""
        rows, columns = self.baseline_yx.shape
        pixels_yx = np.stack(np.mgrid[:rows, :columns], axis=-1).astype(np.float64)
        there = self.follow_up.plane.to_index_yx(self._moved(self.baseline.plane.to_lps_mm(pixels_yx)))
        wall = (self.follow_up.compartments.compartments_yx == Compartment.MUSCLE_WALL).astype(np.float32)
        return np.asarray(ndimage.map_coordinates(wall, np.moveaxis(there, -1, 0), order=1) > 0.5)

    def _moved(self, points_lps_mm: NDArray[np.float64]) -> NDArray[np.float64]:
        """Points of the baseline (..., 3) where they lie in the follow-up, turned about the long axis only."""
        angle = np.radians(self.match.in_plane_deg)
        turn = np.array([[np.cos(angle), -np.sin(angle), 0], [np.sin(angle), np.cos(angle), 0], [0, 0, 1]])
        offset = points_lps_mm - np.asarray(self.match.baseline_point_lps_mm)
        return np.asarray(offset @ turn.T + np.asarray(self.match.follow_up_point_lps_mm))

    @property
    def only_baseline_cm2(self) -> float:
        """Area of the wall that the follow-up's does not cover."""
        return self._cm2(self.baseline_yx & ~self.follow_up_yx)

    @property
    def only_follow_up_cm2(self) -> float:
        """Area of the follow-up's wall outside the baseline's."""
        return self._cm2(self.follow_up_yx & ~self.baseline_yx)

    def _cm2(self, mask_yx: NDArray[np.bool_]) -> float:
        return float(np.count_nonzero(mask_yx)) * self.baseline.plane.pixel_area_mm2 / 100

    @property
    def words(self) -> str:
        """The picture of the outlines in words, for people who do not see it."""
        return (
            "Outlines of the muscle wall on the baseline's slice, both spines laid over each other: baseline solid "
            f"blue, follow-up dashed orange. Only inside the baseline's outline {self.only_baseline_cm2:.1f} cm², only "
            f"inside the follow-up's {self.only_follow_up_cm2:.1f} cm²; overlap (Dice) "
            f"{dice_of(self.baseline_yx, self.follow_up_yx):.2f}."
        )

    def picture(self) -> bytes:
        """PNG: the baseline's slice, dimmed, with both outlines and their names."""
        view = CanonicalView.of(self.baseline.plane)
        hu = view.apply(self.baseline.hu_yx).astype(np.int16)
        top, left, bottom, right = body_box(hu, view.spacing_mm_yx)
        box = slice(top, bottom), slice(left, right)
        height = round(
            PICTURE_WIDTH * (bottom - top) * view.spacing_mm_yx[0] / ((right - left) * view.spacing_mm_yx[1])
        )
        size = (PICTURE_WIDTH, height)
        grey = _resized(WINDOWS[0].apply(hu[box]) * DIMMED, size)
        rgb = np.repeat(grey[..., None], 3, axis=2)
        rgb[_outline(view.apply(self.baseline_yx)[box], size)] = BASELINE_COLOUR
        rgb[_outline(view.apply(self.follow_up_yx)[box], size) & _dashes(size)] = FOLLOW_UP_COLOUR
        return _named(Image.fromarray(np.clip(rgb, 0, 255).astype(np.uint8)))


def _resized(values: NDArray[np.generic], size: tuple[int, int]) -> NDArray[np.float32]:
    image = Image.fromarray(values.astype(np.float32)).resize(size, Image.Resampling.BILINEAR)
    return np.array(image, dtype=np.float32)


def _outline(mask_yx: NDArray[np.generic], size: tuple[int, int]) -> NDArray[np.bool_]:
    """Border of a mask on a picture of some (width, height), three pixels wide."""
    mask = _resized(mask_yx, size) > 0.5
    return np.asarray(ndimage.binary_dilation(mask) & ~ndimage.binary_erosion(mask, iterations=2))


def _dashes(size: tuple[int, int]) -> NDArray[np.bool_]:
    y, x = np.mgrid[: size[1], : size[0]]
    return np.asarray((x + y) // DASH_PIXELS % 2 == 0)


def _named(image: Image.Image) -> bytes:
    """PNG with the names of both outlines, the patient's right and left, and research use."""
    draw, font = ImageDraw.Draw(image), ImageFont.load_default(20)
    draw.text((12, 8), "baseline (solid)", fill=BASELINE_COLOUR, font=font)
    draw.text((12, 32), "follow-up (dashed)", fill=FOLLOW_UP_COLOUR, font=font)
    for letter, x in (("R", 12), ("L", image.width - 26)):
        draw.text((x, image.height // 2), letter, fill="white", font=font)
    draw.text((12, image.height - 24), BURNT_IN, fill="white", font=ImageFont.load_default(15))
    stream = io.BytesIO()
    image.save(stream, format="PNG")
    return stream.getvalue()


def match_words(match: SliceMatch) -> str:
    """Where the follow-up's slice was found, and how well the vertebra fits, in sentences."""
    if abs(match.shift_mm) < 0.05:
        moved = "at the expected height"
    else:
        moved = f"{abs(match.shift_mm):.1f} mm {'above' if match.shift_mm > 0 else 'below'} the expected height"
    neighbour = match.neighbour_similarity
    beside = "" if neighbour is None else f"; the best neighbouring vertebra reaches {neighbour:.2f}"
    return (
        f"The same place lies {moved} (slice {match.slice_index}), the vertebra turned by {match.rotation_deg:.1f}°. "
        f"Similarity of the bone {match.similarity_before:.2f} before and {match.similarity:.2f} after the match "
        f"(1 = the same){beside}. {match.reason}"
    )


def same_place_rows(
    baseline: Measurement, same_place: Measurement, own_level: Measurement | None
) -> list[dict[str, str | float | None]]:
    """The exact numbers: baseline, follow-up at the same place, difference, and the follow-up at its own level."""
    rows = [
        ("SMA (cm²)", "sma_cm2"),
        ("SMD (HU)", "smd_hu"),
        ("SAT (cm²)", "sat_cm2"),
        ("VAT (cm²)", "vat_cm2"),
        ("IMAT (cm²)", "imat_cm2"),
    ]
    return [
        _row(
            name,
            _value(baseline.composition, key),
            _value(same_place.composition, key),
            None if own_level is None else _value(own_level.composition, key),
        )
        for name, key in rows
    ]


def _value(composition: BodyComposition | None, key: str) -> float | None:
    value: float | None = None if composition is None else getattr(composition, key)
    return value


def _row(name: str, before: float | None, after: float | None, own: float | None) -> dict[str, str | float | None]:
    known = before is not None and after is not None
    difference = after - before if before is not None and after is not None else None
    percent = 100 * difference / before if known and before and difference is not None else None
    return {
        "Measure": name,
        "Baseline": _rounded(before),
        "Follow-up, same place": _rounded(after),
        "Difference": _rounded(difference),
        "Difference (%)": None if name.endswith("(HU)") else _rounded(percent),
        "Follow-up, its own level": _rounded(own),
    }


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 1)


def what_is_lost(follow_up: StoredMeasurement) -> str:
    """What a new measurement of the follow-up makes void, to be said before; "" where nothing is lost."""
    lost = []
    review = follow_up.review
    if review is not None and review.state is ReviewState.SIGNED:
        lost.append(f"the signature of {review.author} no longer counts, and the new version must be signed again")
    if follow_up.measurement.provenance.strokes:
        lost.append("the mask mended by hand is not taken over; it stays in the older version")
    return f"Measuring again makes a new version: {'; '.join(lost)}." if lost else ""
