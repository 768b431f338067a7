"""An arm beside the trunk: what a patient who could not lift it adds to the slice, from skin to the streaks between.

The arm lies on the flank: where the two meet, the trunk keeps its pixels and the arm's skin and fat follow the contact.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from inference_server.training.quality.degradations import (
    BODY_HU,
    BONE_HU,
    MAX_HU,
    beam_hardening,
    photon_noise,
)
from inference_server.training.quality.projections import Image, SliceProjections
from sarcopenia.assessment.model_grid import find_body
from sarcopenia.inference.contract import AIR_HU

SKIN_MM: Final = 1.8
SKIN_HU, FAT_HU, MUSCLE_HU, CORTICAL_HU, MARROW_HU = 10.0, -100.0, 50.0, 1100.0, 30.0


@dataclass(frozen=True)
class ArmShape:
    """One arm: middle (row, column) in pixels, half axes in mm, tilt in radians, fat in mm, one or two bones."""

    centre_yx: tuple[float, float]
    half_axes_mm_yx: tuple[float, float]
    tilt: float
    fat_mm: float
    is_forearm: bool


def paste_arm(
    hu_yx: NDArray[np.generic], spacing_mm: float, side: int, random: np.random.Generator
) -> NDArray[np.int16]:
    """A copy of the slice (y, x) with an arm on the low (``side`` −1) or high (+1) columns of the trunk.

    The arm belongs to the outside; labels stay. What does not fit into the image is cut, as by a field of view: pad the
    slice with air by 130 mm to see the whole arm.

    Raises
    ------
    NoBodyError: there is no trunk on the slice.
    """
    hu = hu_yx.astype(np.float32)
    trunk = _trunk(hu, spacing_mm)
    shape = _random_shape(trunk, spacing_mm, side, random)
    arm = _arm_pixels(trunk, shape, spacing_mm)
    layers = _painted(arm, shape, spacing_mm, random)
    soft = np.clip(ndimage.gaussian_filter(arm.astype(np.float32), 0.5 / spacing_mm) * (hu < BODY_HU), 0, 1)
    with_arm = hu + soft * (layers + _grain(hu, trunk, spacing_mm, random) - hu)
    return np.clip(np.round(_with_streaks(with_arm, arm, spacing_mm, random)), AIR_HU, MAX_HU).astype(np.int16)


def _trunk(hu: Image, spacing_mm: float) -> NDArray[np.bool_]:
    outline = find_body(hu.astype(np.int16), (spacing_mm, spacing_mm))
    reach = max(1, round(3 / spacing_mm))
    near = ndimage.binary_dilation(outline.mask_yx, iterations=reach)
    return np.asarray(ndimage.binary_fill_holes(near & (hu > BODY_HU)), dtype=np.bool_)


def _random_shape(trunk: NDArray[np.bool_], spacing_mm: float, side: int, random: np.random.Generator) -> ArmShape:
    """An upper arm or a forearm that touches the trunk at a random height, pressed in by up to 15 mm."""
    rows = np.flatnonzero(trunk.any(1))
    row = int(rows[0] + (rows[-1] - rows[0]) * random.uniform(0.3, 0.75))
    is_forearm = bool(random.random() < 0.6)
    half_x = random.uniform(28, 38) if is_forearm else random.uniform(36, 50)
    half_y = half_x * random.uniform(0.95, 1.35)
    reach = slice(max(0, row - round(half_y / spacing_mm / 2)), row + round(half_y / spacing_mm / 2) + 1)
    columns = np.flatnonzero(trunk[reach].any(0))
    edge = columns[-1] if side > 0 else columns[0]
    column = edge + side * (half_x - random.uniform(-2, 15)) / spacing_mm
    fat = random.uniform(2, 5) if random.random() < 0.5 else random.uniform(4, 0.35 * half_x)
    return ArmShape((row, float(column)), (half_y, half_x), random.uniform(-0.4, 0.4), fat, is_forearm)


def _arm_pixels(trunk: NDArray[np.bool_], shape: ArmShape, spacing_mm: float) -> NDArray[np.bool_]:
    """Pixels (y, x) of the arm: an ellipse without the trunk and without a hair of air between the two."""
    y, x = _turned(trunk.shape, shape, spacing_mm)
    radius = (np.abs(y) / shape.half_axes_mm_yx[0]) ** 2.3 + (np.abs(x) / shape.half_axes_mm_yx[1]) ** 2.3
    return np.asarray((radius < 1) & ~ndimage.binary_dilation(trunk), dtype=np.bool_)


def _turned(shape_yx: tuple[int, ...], shape: ArmShape, spacing_mm: float) -> tuple[Image, Image]:
    """Coordinates (y, x) in mm along the axes of the arm, from its middle."""
    y, x = np.indices(shape_yx, dtype=np.float32)
    y, x = (y - shape.centre_yx[0]) * spacing_mm, (x - shape.centre_yx[1]) * spacing_mm
    cos, sin = np.cos(shape.tilt), np.sin(shape.tilt)
    return y * cos + x * sin, x * cos - y * sin


def _painted(arm: NDArray[np.bool_], shape: ArmShape, spacing_mm: float, random: np.random.Generator) -> Image:
    """HU (y, x) of skin, fat, muscle bellies with fat between them, and bone; meaningful on the arm only."""
    size = arm.shape
    wobble = ndimage.gaussian_filter(random.standard_normal(size), 9 / spacing_mm)
    depth = ndimage.distance_transform_edt(arm) * spacing_mm
    fascia = depth + 1.5 * wobble / wobble.std()
    hu = np.where(fascia < SKIN_MM + shape.fat_mm, FAT_HU, random.uniform(35, 65))
    # Muscle bellies meet where a smooth field changes its sign; the fat between them is about a millimetre thin.
    bellies = ndimage.gaussian_filter(random.standard_normal(size), 8 / spacing_mm)
    slope = np.hypot(*np.gradient(bellies, spacing_mm))
    septum = np.clip(1.2 - np.abs(bellies) / np.maximum(slope, 1e-9), 0, 1) * (fascia >= SKIN_MM + shape.fat_mm)
    hu = hu + septum * random.uniform(0.4, 0.9) * (FAT_HU - hu)
    hu = np.where(depth < SKIN_MM, SKIN_HU, hu)
    y, x = _turned(size, shape, spacing_mm)
    for at_y, at_x, radius in _bones(shape, random):
        distance = np.hypot((y - at_y) / random.uniform(0.85, 1.15), x - at_x)
        hu = np.where(distance < radius, CORTICAL_HU, hu)
        hu = np.where(distance < radius * 0.6, MARROW_HU if radius < 9 else -40, hu)
    return np.asarray(ndimage.gaussian_filter(hu, 0.6 / spacing_mm), dtype=np.float32)


def _bones(shape: ArmShape, random: np.random.Generator) -> list[tuple[float, float, float]]:
    """Middle (y, x) and radius in mm of humerus, or of radius and ulna."""
    if not shape.is_forearm:
        return [(random.uniform(-5, 5), random.uniform(-5, 5), random.uniform(10, 12.5))]
    apart = max(11.0, 0.42 * shape.half_axes_mm_yx[0])
    return [(sign * apart + random.uniform(-2, 2), random.uniform(-5, 5), random.uniform(6, 8)) for sign in (-1, 1)]


def _grain(hu: Image, trunk: NDArray[np.bool_], spacing_mm: float, random: np.random.Generator) -> Image:
    """Noise (y, x) as strong as that of the trunk's soft tissue, with the grain of a usual kernel."""
    fine = hu - ndimage.gaussian_filter(hu, 2 / spacing_mm)
    inner = ndimage.binary_erosion(trunk & (hu > -30) & (hu < 120), iterations=2)
    sd = 1.48 * float(np.median(np.abs(fine[inner]))) if inner.any() else 5.0
    grain = ndimage.gaussian_filter(random.standard_normal(hu.shape), 0.6 / spacing_mm)
    return np.asarray(0.8 * sd * grain / grain.std(), dtype=np.float32)


def _with_streaks(with_arm: Image, arm: NDArray[np.bool_], spacing_mm: float, random: np.random.Generator) -> Image:
    """Add what the longer rays through trunk and arm lose: dark bands beside the bones, and noise along the arm."""
    full = SliceProjections.of(with_arm, spacing_mm)
    boneless = np.where(arm & (with_arm > BONE_HU), MUSCLE_HU, with_arm)
    bone = full.line_integrals - SliceProjections.of(boneless, spacing_mm).line_integrals
    soft = full.line_integrals - bone
    dark = random.uniform(0.2, 0.8) * (beam_hardening(soft, bone) - bone)
    photons = random.uniform(30, 300) * float(np.exp(np.percentile(full.line_integrals, 99.8)))
    return with_arm + full.reconstruct(dark + photon_noise(full.line_integrals, photons, random))
