"""Pictures made on the server: a slice with its overlay, and the scouts with their levels. No Streamlit.

Display is radiological: the patient's right is on the left of the picture, the front on top, the head on top of scouts.
"""

import io
from dataclasses import dataclass
from functools import cache
from typing import Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont
from scipy import ndimage

from sarcopenia.assessment.composition import FAT_HU, MUSCLE_HU, HuRange, tissue_mask
from sarcopenia.assessment.model_grid import CanonicalView, find_body
from sarcopenia.domain.errors import NoBodyError
from sarcopenia.domain.geometry import PlaneGeometry
from sarcopenia.domain.results import Compartment, VertebraPosition

Rgb = tuple[int, int, int]


@dataclass(frozen=True)
class Window:
    """A display window: name, width and level in HU."""

    name: str
    width_hu: float
    level_hu: float

    def apply(self, hu: NDArray[np.generic]) -> NDArray[np.float32]:
        """Grey values 0..255."""
        low = self.level_hu - self.width_hu / 2
        return np.clip((hu.astype(np.float32) - low) * (255.0 / self.width_hu), 0, 255)


WINDOWS: Final = (
    Window("Soft tissue (400/40)", 400, 40),
    Window("Muscle (−29 to 150)", 179, 60.5),
    Window("Bone (1800/400)", 1800, 400),
    Window("Lung (1500/−600)", 1500, -600),
)
SCOUT_WINDOW: Final = Window("Scout", 900, 150)


@dataclass(frozen=True)
class TissueLayer:
    """One tissue of the overlay: name, compartment, HU range (``None``: the whole compartment), and colour."""

    name: str
    compartment: Compartment
    hu_range: HuRange | None
    colour: Rgb


# Okabe and Ito's palette: told apart with any colour vision.
MUSCLE_LAYER: Final = TissueLayer("Muscle (SMA)", Compartment.MUSCLE_WALL, MUSCLE_HU, (213, 94, 0))
IMAT_LAYER: Final = TissueLayer("Intermuscular fat (IMAT)", Compartment.MUSCLE_WALL, FAT_HU, (0, 158, 115))
SAT_LAYER: Final = TissueLayer("Subcutaneous fat (SAT)", Compartment.SUBCUTANEOUS, FAT_HU, (86, 180, 233))
BONE_LAYER: Final = TissueLayer("Spine and bone", Compartment.SPINE_BONE, None, (204, 121, 167))
VAT_COLOUR: Final[Rgb] = (240, 228, 66)


def tissue_layers(vat_range_hu: HuRange) -> tuple[TissueLayer, ...]:
    """Layers of the overlay; visceral fat with the range that the measurement used."""
    vat = TissueLayer("Visceral fat (VAT)", Compartment.VISCERAL_CAVITY, vat_range_hu, VAT_COLOUR)
    return (MUSCLE_LAYER, IMAT_LAYER, SAT_LAYER, vat, BONE_LAYER)


@dataclass(frozen=True)
class SliceDisplay:
    """How a slice is shown: window, names of the layers that are on, opacity 0..1, outlines instead of areas."""

    window: Window
    layers: frozenset[str]
    opacity: float
    outlines: bool


PICTURE_WIDTH: Final = 900
LEVEL_COLUMN: Final = 44
"""Pixels at the right of a scout for the names of the levels."""
SCOUT_ZOOM: Final = 2
SCOUT_BONE_HU: Final = 150.0
SCOUT_REACH_MM: Final = 90.0
"""Half width of a scout that is clicked on: bodies, transverse processes and the ribs' necks."""
SCALE_BAR_MM: Final = 50.0
BURNT_IN: Final = "Research use only"
"""Stands in the picture itself, so that a saved copy says it too."""
MARGIN_MM: Final = 10.0
LINE: Final[Rgb] = (255, 255, 255)
L3_COLOUR: Final[Rgb] = (255, 159, 28)
LEVEL_COLOUR: Final[Rgb] = (150, 170, 190)


def slice_picture(
    hu_yx: NDArray[np.int16],
    compartments_yx: NDArray[np.uint8],
    plane: PlaneGeometry,
    display: SliceDisplay,
    vat_range_hu: HuRange,
) -> bytes:
    """PNG of one slice with its overlay, scale bar and orientation letters, cropped to the body."""
    view = CanonicalView.of(plane)
    hu = view.apply(hu_yx).astype(np.int16)
    compartments = view.apply(compartments_yx).astype(np.uint8)
    rgb = np.repeat(display.window.apply(hu)[..., None], 3, axis=2)
    for layer in tissue_layers(vat_range_hu):
        if layer.name in display.layers:
            rgb = blend(rgb, _layer_mask(hu, compartments, layer), layer.colour, display)
    return body_picture(rgb, hu, view.spacing_mm_yx)


def body_picture(rgb: NDArray[np.float32], hu: NDArray[np.int16], spacing_mm_yx: tuple[float, float]) -> bytes:
    """PNG of a slice (y, x, colour) in canonical orientation, cropped to the body, with scale bar and letters."""
    top, left, bottom, right = body_box(hu, spacing_mm_yx)
    box = slice(top, bottom), slice(left, right)
    image = _scaled(rgb[box], spacing_mm_yx)
    _annotate(image, spacing_mm_yx[1] * rgb[box].shape[1] / image.width)
    return _png(image)


def _layer_mask(hu: NDArray[np.int16], compartments: NDArray[np.uint8], layer: TissueLayer) -> NDArray[np.bool_]:
    if layer.hu_range is None:
        return np.asarray(compartments == layer.compartment)
    return tissue_mask(hu, compartments, layer.compartment, layer.hu_range)


def blend(rgb: NDArray[np.float32], mask: NDArray[np.bool_], colour: Rgb, display: SliceDisplay) -> NDArray[np.float32]:
    """A picture (y, x, colour) with a colour laid over the pixels of a mask (y, x), or along its edge."""
    opacity = display.opacity
    if display.outlines:
        mask, opacity = mask & ~ndimage.binary_erosion(mask), 1.0
    share = (mask * opacity)[..., None].astype(np.float32)
    return rgb * (1 - share) + np.asarray(colour, dtype=np.float32) * share


def body_box(hu: NDArray[np.int16], spacing_mm_yx: tuple[float, float]) -> tuple[int, int, int, int]:
    """Top, left, bottom, right of the body with a margin, in pixels; the whole image where no body is found."""
    rows, columns = hu.shape
    try:
        top, left, bottom, right = find_body(hu, spacing_mm_yx).box_yx
    except NoBodyError:
        return 0, 0, rows, columns
    dy, dx = (round(MARGIN_MM / spacing) for spacing in spacing_mm_yx)
    return max(top - dy, 0), max(left - dx, 0), min(bottom + dy, rows), min(right + dx, columns)


def _scaled(rgb: NDArray[np.float32], spacing_mm_yx: tuple[float, float]) -> Image.Image:
    """Picture of `PICTURE_WIDTH` with square pixels."""
    rows, columns = rgb.shape[:2]
    height = round(PICTURE_WIDTH * rows * spacing_mm_yx[0] / (columns * spacing_mm_yx[1]))
    return Image.fromarray(rgb.astype(np.uint8)).resize((PICTURE_WIDTH, height), Image.Resampling.BICUBIC)


def _annotate(image: Image.Image, mm_per_pixel: float) -> None:
    """Scale bar of 5 cm, research use, and the letters of the patient's right, left, front and back."""
    draw, font = ImageDraw.Draw(image), _font(22)
    width, height = image.size
    for text, place in (("R", (12, height // 2)), ("L", (width - 26, height // 2)), ("A", (width // 2, 6))):
        draw.text(place, text, fill=LINE, font=font)
    draw.text((width // 2, height - 30), "P", fill=LINE, font=font)
    length = SCALE_BAR_MM / mm_per_pixel
    right, base = width - 20, height - 20
    draw.line((right - length, base, right, base), fill=LINE, width=3)
    draw.text((right - length, base - 30), "5 cm", fill=LINE, font=font)
    draw.text((12, height - 24), BURNT_IN, fill=LEVEL_COLOUR, font=_font(15))


@cache
def _font(size: int) -> ImageFont.ImageFont | ImageFont.FreeTypeFont:
    return ImageFont.load_default(size)


def _png(image: Image.Image) -> bytes:
    stream = io.BytesIO()
    image.save(stream, format="PNG")
    return stream.getvalue()


@dataclass(frozen=True)
class ScoutLevels:
    """Levels to draw on a scout: all vertebrae, and patient z in mm of the measured slice."""

    vertebrae: tuple[VertebraPosition, ...]
    measured_z_mm: float | None
    measured_name: str


def scout_grey(hu_zx: NDArray[np.int16], spacing_mm_zx: tuple[float, float]) -> bytes:
    """PNG of the spine on a scout, nothing drawn on it: head on top, square pixels, cropped sideways."""
    return _png(_scout_image(hu_zx[:, _spine_columns(hu_zx, spacing_mm_zx[1])], spacing_mm_zx))


def _scout_image(hu_zx: NDArray[np.int16], spacing_mm_zx: tuple[float, float]) -> Image.Image:
    grey = SCOUT_WINDOW.apply(hu_zx)[::-1]
    rows, columns = grey.shape
    size = (columns * SCOUT_ZOOM, round(rows * SCOUT_ZOOM * spacing_mm_zx[0] / spacing_mm_zx[1]))
    return Image.fromarray(grey.astype(np.uint8)).resize(size, Image.Resampling.BICUBIC)


def _spine_columns(hu_zx: NDArray[np.int16], column_mm: float) -> slice:
    """Columns around the middle of the bone; around the middle of the picture where there is none."""
    bone = np.cumsum((hu_zx > SCOUT_BONE_HU).sum(axis=0))
    columns = hu_zx.shape[1]
    middle = int(np.searchsorted(bone, bone[-1] / 2)) if bone[-1] else columns // 2
    reach = round(SCOUT_REACH_MM / column_mm)
    return slice(max(middle - reach, 0), min(middle + reach, columns))


def scout_height(row_z_mm: NDArray[np.float64], z_mm: float) -> float:
    """Height of a patient z in the picture of a scout, 0 at the head and 1 at the feet; rows run from feet to head."""
    row = float(np.interp(z_mm, row_z_mm, np.arange(len(row_z_mm))))
    return 1 - (row + 0.5) / len(row_z_mm)


def scout_picture(
    hu_zx: NDArray[np.int16],
    spacing_mm_zx: tuple[float, float],
    z_mm: NDArray[np.float64],
    levels: ScoutLevels,
    letters: tuple[str, str],
) -> bytes:
    """PNG of a scout, head on top, with a tick for every vertebra and a line for the measured slice."""
    image = _scout_image(hu_zx, spacing_mm_zx).convert("RGB")
    draw, font = ImageDraw.Draw(image), _font(15)
    for vertebra in levels.vertebrae:
        y, is_target = image.height * scout_height(z_mm, vertebra.z_mm), vertebra.label == "L3"
        colour = L3_COLOUR if is_target else LEVEL_COLOUR
        draw.line((image.width - LEVEL_COLUMN, y, image.width - 32, y), fill=colour, width=3 if is_target else 1)
        draw.text((image.width - 30, max(y - 9, 0)), vertebra.label, fill=colour, font=font)
    if levels.measured_z_mm is not None:
        y = image.height * scout_height(z_mm, levels.measured_z_mm)
        draw.line((0, y, image.width, y), fill=L3_COLOUR, width=2)
        draw.text((6, y - 20), levels.measured_name, fill=L3_COLOUR, font=_font(17))
    draw.text((6, image.height - 24), letters[0], fill=LINE, font=font)
    draw.text((image.width - LEVEL_COLUMN - 14, image.height - 24), letters[1], fill=LINE, font=font)
    return _png(image)
