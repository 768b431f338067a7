"""What the scanner adds: couch, arms beside the body, point spread, noise with the kernel's texture."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import fft, ndimage

from sarcopenia.domain.results import Compartment
from sarcopenia.phantom.fields import Array
from sarcopenia.phantom.render import THIN_MM, Grid
from sarcopenia.phantom.scene import Person
from sarcopenia.phantom.shapes import length
from sarcopenia.phantom.spec import PhantomSpec
from sarcopenia.phantom.tissues import TissueHu
from sarcopenia.phantom.trunk import skin_box


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


@dataclass(frozen=True)
class Scanner:
    """Everything around and after the body, for one scan; draws from its random generator slice by slice."""

    person: Person
    noise: NoiseFilter
    random: np.random.Generator
    x_mm_yx: Array
    y_mm_yx: Array
    couch: tuple[tuple[Array, float], ...]

    @classmethod
    def of(cls, person: Person, grid: Grid) -> "Scanner":
        """Prepare couch, coordinates and noise of a scan."""
        spec = person.spec
        x, y = np.meshgrid(grid.column_mm.astype(np.float32), grid.row_mm.astype(np.float32))
        couch = _couch(x, y, grid.back_y_mm + 3, spec.pixel_spacing_mm) if spec.table else ()
        random = np.random.default_rng([spec.seed, spec.scan_seed, 4])
        return cls(person, NoiseFilter.of(spec), random, x, y, couch)

    def surround(self, hu_yx: Array, compartments_yx: NDArray[np.uint8], z_mm: float) -> Array:
        """Add couch and arms where there is no body, then the point spread."""
        outside = compartments_yx == Compartment.OUTSIDE
        for share, hu in self.couch:
            hu_yx = hu_yx + outside * share * (hu - hu_yx)
        if self.person.spec.arms:
            _, station, axis_x, axis_y = self.person.spine.at(z_mm)
            reach = skin_box(self.person, station, axis_y, self.person.back_y_mm(z_mm)).half_width_mm + 47
            for side in (-1, 1):
                x, y = self.x_mm_yx - 0.6 * axis_x - side * reach, self.y_mm_yx + 10
                hu_yx = _with_arm(hu_yx, x, y, outside, self.person.hu, station < 13.5)
        return blur(hu_yx, self.person.spec)

    def disturb(self, hu_yx: Array, compartments_yx: NDArray[np.uint8]) -> Array:
        """Add noise and the streaks of metal."""
        profile = noise_profile(compartments_yx > 0)
        noisy = hu_yx + self.person.spec.noise_sd_hu * profile * self.noise.draw(self.random)
        return np.asarray(noisy + metal_streaks(hu_yx, self.person.spec, self.random))


def _couch(x_mm: Array, y_mm: Array, surface_y_mm: float, pixel_mm: float) -> tuple[tuple[Array, float], ...]:
    """Shape a hollow, curved couch as (share, HU) of its two thin shells, lowest at ``surface_y_mm``."""
    half_width, half_thickness = 265.0, 1.2 + 0.3 * pixel_mm
    bend = (x_mm / half_width) ** 2
    layers = []
    for depth, hu in ((0.0, 60.0), (24.0, -60.0)):
        distance = np.abs(y_mm - (surface_y_mm - 28 * bend + depth * (1 - 0.8 * bend))) - half_thickness
        share = np.clip(0.5 - distance / pixel_mm, 0, 1) * (bend < 1)
        layers.append((share.astype(np.float32), hu))
    return tuple(layers)


def _with_arm(
    hu_yx: Array, x_mm: Array, y_mm: Array, outside: NDArray[np.bool_], tissue: TissueHu, upper: bool
) -> Array:
    """Paint an arm around the origin: skin, fat, muscle, one bone (upper arm) or two (forearm)."""
    pixel = float(abs(y_mm[1, 0] - y_mm[0, 0]))
    radius = length(x_mm / 0.85, y_mm)
    rings = [(radius, 42.0, tissue.skin), (radius, 40.2, tissue.fat), (radius, 33.0, tissue.muscle)]
    for bone_y in (0.0,) if upper else (-11.0, 11.0):
        bone = length(x_mm, y_mm - bone_y)
        size = 11.0 if upper else 7.5
        rings += [(bone, size, tissue.cortical), (bone, size - 3.5, tissue.trabecular)]
    for distance, limit, hu in rings:
        hu_yx = hu_yx + outside * np.clip(0.5 + (limit - distance) / pixel, 0, 1) * (hu - hu_yx)
    return hu_yx


def blur(hu_yx: Array, spec: PhantomSpec) -> Array:
    """Point spread of the kernel: about 0.9 mm (smooth) to 0.4 mm (sharp) standard deviation."""
    sigma = (0.9 - 0.5 * spec.sharpness) / spec.pixel_spacing_mm
    return hu_yx if sigma < 0.25 else np.asarray(ndimage.gaussian_filter(hu_yx, sigma, truncate=3), dtype=np.float32)


def overlap_slices(hu_zyx: NDArray[np.float32], spec: PhantomSpec) -> NDArray[np.float32]:
    """Slice sensitivity of a helical scan: neighbouring thin slices share a part of what they see."""
    share = min(0.25, 0.2 * spec.slice_thickness_mm / spec.slice_spacing_mm)
    if spec.slice_thickness_mm > THIN_MM or len(hu_zyx) < 3:
        return hu_zyx
    return np.asarray(ndimage.convolve1d(hu_zyx, [share, 1 - 2 * share, share], axis=0, mode="nearest"))


def noise_profile(body_yx: NDArray[np.bool_]) -> Array:
    """Relative noise: largest in the middle of the body, small in air; shape (rows, columns)."""
    smooth = ndimage.uniform_filter(body_yx.astype(np.float32), (body_yx.shape[0] // 5, body_yx.shape[1] // 5))
    return np.asarray(0.35 + 0.65 * np.clip(smooth * 1.1, 0, 1), dtype=np.float32)


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
