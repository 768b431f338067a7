"""One axial slice as parallel-beam projections, and the way back for what was changed in them.

Only a *change* of the projections is reconstructed and added to the slice: filtered back-projection is linear, so the
slice itself keeps every detail and nothing but the artefact passes through the coarse grid (Kak and Slaney 1988).
"""

from dataclasses import dataclass
from functools import cached_property
from typing import Final

import numpy as np
from numpy.typing import NDArray
from skimage.transform import iradon, radon, resize

from sarcopenia.inference.contract import AIR_HU

WATER_PER_MM: Final = 0.0195
"""Linear attenuation of water near 70 keV, the mean energy of a 120 kV beam behind a body (NIST XCOM: 0.193/cm)."""
ANGLE_COUNT: Final = 360
DETECTOR_MM: Final = 1.5
"""Detector and pixel size of the projections; finer slices are averaged to it."""
AIR_BELOW_HU: Final = -950.0

Image = NDArray[np.float32]


@dataclass(frozen=True)
class SliceProjections:
    """Line integrals of one slice.

    Attributes
    ----------
    hu_yx: float32 slice of square pixels of ``spacing_mm``.
    line_integrals: float32 (detector, angle), −ln of the transmitted share; 0.5° per angle over half a turn, the
    detector centred on the middle of the slice.
    pixel_mm: size of a detector and of the pixels that are reconstructed.
    """

    hu_yx: Image
    spacing_mm: float
    line_integrals: Image
    pixel_mm: float

    @classmethod
    def of(cls, hu_yx: NDArray[np.generic], spacing_mm: float) -> "SliceProjections":
        """Project a slice (y, x) in HU; the slowest step, so keep the result when a slice is changed repeatedly."""
        hu = np.clip(hu_yx.astype(np.float32), AIR_HU, None)
        pixel_mm = max(spacing_mm, DETECTOR_MM)
        coarse = _resized(hu - AIR_HU, tuple(max(1, round(n * spacing_mm / pixel_mm)) for n in hu.shape)) + AIR_HU
        attenuation = np.where(coarse > AIR_BELOW_HU, 1 + coarse / 1000, 0) * WATER_PER_MM * pixel_mm
        square = _in_circle(attenuation.astype(np.float32))
        return cls(hu, spacing_mm, radon(square, angles_deg(), circle=True).astype(np.float32), pixel_mm)

    @cached_property
    def positions_mm(self) -> Image:
        """Distance of each detector from the middle of the slice, in mm; shape (detector, 1)."""
        count = len(self.line_integrals)
        return ((np.arange(count, dtype=np.float32) - count // 2) * self.pixel_mm)[:, None]

    def reconstruct(self, change: Image, kernel: str = "hann") -> Image:
        """HU (y, x) on the slice's own pixels that a change of the line integrals (detector, angle) adds."""
        square = iradon(change, angles_deg(), filter_name=kernel, circle=True)
        hu = square.astype(np.float32) * (1000 / (WATER_PER_MM * self.pixel_mm))
        shape = tuple(max(1, round(n * self.spacing_mm / self.pixel_mm)) for n in self.hu_yx.shape)
        return _resized(_centre_crop(hu, shape), self.hu_yx.shape)


def angles_deg() -> NDArray[np.float64]:
    """Angles of the projections in degrees, half a turn."""
    return np.linspace(0, 180, ANGLE_COUNT, endpoint=False)


def directions() -> tuple[Image, Image]:
    """Unit vector (x, y) along the detector at every angle, in rows and columns of the slice; each (1, angle)."""
    radians = np.deg2rad(angles_deg()).astype(np.float32)[None]
    return np.cos(radians), -np.sin(radians)


def _resized(image: Image, shape: tuple[int, ...]) -> Image:
    smaller = shape[0] < image.shape[0]
    return image if shape == image.shape else resize(image, shape, order=1, anti_aliasing=smaller, preserve_range=True)


def _in_circle(image: Image) -> Image:
    """The image in the middle of a square whose inscribed circle holds everything that is not air."""
    rows, columns = (n // 2 for n in image.shape)
    y, x = np.nonzero(image)
    reach = int(np.ceil(np.hypot(y - rows, x - columns).max(initial=0))) + 2
    square = np.zeros((2 * reach, 2 * reach), dtype=np.float32)
    (ty, sy), (tx, sx) = (_overlap(reach, n) for n in image.shape)
    square[sy, sx] = image[ty, tx]
    return square


def _centre_crop(square: Image, shape: tuple[int, ...]) -> Image:
    """Inverse of `_in_circle`: the image of that shape whose middle is the middle of the square."""
    half = len(square) // 2
    cropped = np.zeros(shape, dtype=np.float32)
    (ty, sy), (tx, sx) = (_overlap(half, n) for n in shape)
    cropped[ty, tx] = square[sy, sx]
    return cropped


def _overlap(half: int, length: int) -> tuple[slice, slice]:
    start, stop = max(0, length // 2 - half), min(length, length // 2 + half)
    return slice(start, stop), slice(start - length // 2 + half, stop - length // 2 + half)
