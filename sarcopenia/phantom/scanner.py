"""What the scanner adds: couch, arms beside the body, point spread, noise with the kernel's texture."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import fft, ndimage

from sarcopenia.phantom.fields import Array
from sarcopenia.phantom.spec import PhantomSpec
from sarcopenia.phantom.tissues import TissueHu


@dataclass(frozen=True)
class NoiseFilter:
    """Square root of the noise power spectrum of a kernel on one grid (rises with frequency, then falls)."""

    gain: Array
    shape_yx: tuple[int, int]

    @classmethod
    def of(cls, spec: PhantomSpec) -> "NoiseFilter":
        """Filter of the kernel; scaled to unit standard deviation."""
        rows, columns = spec.shape_yx
        fy = fft.fftfreq(rows, spec.pixel_spacing_mm)[:, None]
        fx = fft.rfftfreq(columns, spec.pixel_spacing_mm)[None, :]
        frequency = np.hypot(fy, fx)
        cut_off = 0.28 + 0.45 * spec.sharpness  # cycles per mm
        gain = np.sqrt(frequency + 0.03) * np.exp(-((frequency / cut_off) ** 2))
        weights = np.full(gain.shape[1], 2.0)
        weights[0] = 1.0
        if columns % 2 == 0:
            weights[-1] = 1.0
        power = float((gain**2 * weights).sum()) / (rows * columns)
        return cls((gain / np.sqrt(power)).astype(np.float32), spec.shape_yx)

    def draw(self, rng: np.random.Generator) -> Array:
        """One slice of correlated noise of mean 0 and standard deviation 1."""
        white = rng.standard_normal(self.shape_yx, dtype=np.float32)
        return np.asarray(fft.irfft2(fft.rfft2(white) * self.gain, s=self.shape_yx), dtype=np.float32)


def blur(hu_yx: Array, spec: PhantomSpec) -> Array:
    """Point spread of the kernel: about 0.9 mm (smooth) to 0.4 mm (sharp) standard deviation."""
    sigma = (0.9 - 0.5 * spec.sharpness) / spec.pixel_spacing_mm
    return hu_yx if sigma < 0.25 else np.asarray(ndimage.gaussian_filter(hu_yx, sigma, truncate=3), dtype=np.float32)


def noise_profile(body_yx: NDArray[np.bool_]) -> Array:
    """Relative noise: largest in the middle of the body, small in air; shape (rows, columns)."""
    smooth = ndimage.uniform_filter(body_yx.astype(np.float32), (body_yx.shape[0] // 5, body_yx.shape[1] // 5))
    return np.asarray(0.35 + 0.65 * np.clip(smooth * 1.1, 0, 1), dtype=np.float32)


def paint_couch(hu_yx: Array, x_mm: Array, y_mm: Array, surface_y_mm: float) -> None:
    """Paint a curved couch under the body: two thin shells. ``surface_y_mm`` is its lowest point's height."""
    half_width = 265.0
    sag = surface_y_mm - 28.0 * (x_mm / half_width) ** 2
    for depth, hu in ((0.0, 40.0), (24.0, -120.0)):
        shell = np.clip(
            1.5 * np.abs(y_mm[1, 0] - y_mm[0, 0])
            + 0.6
            - np.abs(y_mm - sag - depth * (1 - 0.5 * (x_mm / half_width) ** 2)) / 1.2,
            0,
            1,
        )
        shell = shell * (np.abs(x_mm) < half_width) * (hu_yx < -800)
        hu_yx += shell * (hu - hu_yx)


def paint_arms(hu_yx: Array, x_mm: Array, y_mm: Array, centre_xy_mm: tuple[float, float], tissue: TissueHu) -> None:
    """Forearms beside the body: skin, fat, muscle, two bones. They stay outside of every compartment."""
    for side in (-1, 1):
        x, y = x_mm - side * centre_xy_mm[0], y_mm - centre_xy_mm[1]
        radius = np.hypot(x / 0.85, y)
        for limit, hu in ((38.0, tissue.skin), (36.3, tissue.fat), (31.0, tissue.muscle)):
            cover = np.clip(limit - radius, 0, 1)
            hu_yx += cover * (hu - hu_yx)
        for bone_y in (-11.0, 11.0):
            bone = np.hypot(x, y - bone_y)
            for limit, hu in ((7.5, tissue.cortical), (4.5, tissue.trabecular)):
                cover = np.clip(limit - bone, 0, 1)
                hu_yx += cover * (hu - hu_yx)


def metal_streaks(hu_yx: Array, spec: PhantomSpec, rng: np.random.Generator) -> Array | float:
    """Bright and dark rays around metal, and the dark band between two screws; 0 where there is no metal."""
    if not spec.spine_metal or not (metal := hu_yx > 2000).any():
        return 0.0
    rows, columns = np.nonzero(metal)
    y, x = np.ogrid[: hu_yx.shape[0], : hu_yx.shape[1]]
    added = np.zeros(hu_yx.shape, dtype=np.float32)
    middle = columns.mean()
    for near in (columns < middle, columns >= middle):
        if near.any():
            added += _rays(x - columns[near].mean(), y - rows[near].mean(), spec.pixel_spacing_mm, rng)
    half = max(float(np.ptp(columns)) / 2, 1.0)
    band = np.exp(-(((y - rows.mean()) * spec.pixel_spacing_mm / 7) ** 2)) * (np.abs(x - middle) < half)
    return np.asarray(np.where(metal, 0, added - 180 * band), dtype=np.float32)


def _rays(x: Array, y: Array, pixel_mm: float, rng: np.random.Generator) -> Array:
    """Random rays from the origin that fade within some centimetres."""
    strength = ndimage.gaussian_filter1d(rng.normal(0, 1, 120), 1.2, mode="wrap") * 320
    angle = (np.arctan2(y, x) / (2 * np.pi) + 0.5) * (len(strength) - 1)
    distance_mm = np.hypot(x, y) * pixel_mm
    return np.asarray(np.interp(angle, np.arange(len(strength)), strength) * np.exp(-distance_mm / 45))
