"""Graded degradations of one axial slice, made in its projections as a scanner makes them.

The clean slice is the scan as it was given: a real low-dose scan carries its own noise, and what is added comes on top.
Severity 0.2 is just visible, 1 is clearly unusable.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from inference_server.training.quality.projections import ANGLE_COUNT, WATER_PER_MM, Image, SliceProjections, directions
from sarcopenia.assessment.model_grid import find_body
from sarcopenia.domain.errors import NoBodyError
from sarcopenia.domain.results import Degradation
from sarcopenia.inference.contract import AIR_HU

MAX_HU: Final = 3071
BODY_HU: Final = -300
BONE_HU: Final = 250
NOISE_KERNELS: Final = {"shepp-logan": 0.61, "hann": 0.2}
"""Reconstruction kernels and the variance of their noise relative to the plain ramp filter."""
ELECTRONIC_PHOTONS: Final = 3.0
"""Standard deviation of the read-out noise, in detected photons: what makes starved rays streaky."""


@dataclass(frozen=True)
class BodyBox:
    """Middle (x, y) and half size of the body in mm, against the middle of the slice."""

    centre_xy_mm: tuple[float, float]
    half_width_mm: float
    half_height_mm: float

    @classmethod
    def of(cls, hu_yx: NDArray[np.generic], spacing_mm: float) -> "BodyBox":
        """Bounding box of the body without the couch; the whole slice when there is no body."""
        try:
            top, left, bottom, right = find_body(hu_yx.astype(np.int16), (spacing_mm, spacing_mm)).box_yx
        except NoBodyError:
            top, left, (bottom, right) = 0, 0, hu_yx.shape
        rows, columns = (n // 2 for n in hu_yx.shape)
        centre = (((left + right - 1) / 2 - columns) * spacing_mm, ((top + bottom - 1) / 2 - rows) * spacing_mm)
        return cls(centre, (right - left) / 2 * spacing_mm, (bottom - top) / 2 * spacing_mm)


def degrade(
    hu_yx: NDArray[np.generic], kind: Degradation, severity: float, spacing_mm: float, random: np.random.Generator
) -> NDArray[np.int16]:
    """A degraded copy (y, x), int16 HU, of a slice with square pixels.

    Raises
    ------
    ValueError: ``severity`` is not in 0..1.
    """
    return degrade_projected(SliceProjections.of(hu_yx, spacing_mm), kind, severity, random)


def degrade_projected(
    clean: SliceProjections, kind: Degradation, severity: float, random: np.random.Generator
) -> NDArray[np.int16]:
    """As `degrade`, for a slice whose projections are at hand.

    Raises
    ------
    ValueError: ``severity`` is not in 0..1.
    """
    if not 0 <= severity <= 1:
        raise ValueError("severity must lie in 0..1")
    spoiled = clean.hu_yx if kind is Degradation.NONE or severity == 0 else _SPOIL[kind](clean, severity, random)
    return np.clip(np.round(spoiled), AIR_HU, MAX_HU).astype(np.int16)


def photon_noise(line_integrals: Image, photons: float, random: np.random.Generator) -> Image:
    """Change of line integrals by counting ``photons`` per ray before the body, with read-out noise.

    Starved rays count next to nothing: their logarithm is large and biased, which is the streak across hips and arms.
    """
    counted = random.poisson(photons * np.exp(-line_integrals.astype(np.float64)))
    read = np.maximum(counted + random.normal(0, ELECTRONIC_PHOTONS, counted.shape), 0.5)
    return (np.log(photons / read) - line_integrals).astype(np.float32)


def beam_hardening(tissue: Image, dense: Image) -> Image:
    """Line integrals that a beam of two energies shows for dense matter (metal, bone) behind tissue.

    The tissue's own hardening is what every scanner corrects, so it is taken off; what is left is the too small
    attenuation of rays that cross several dense things: dark bands between them.
    """
    soft, hard = (0.5 * np.exp(-tissue * t) for t in (1.12, 0.88))
    through = soft * np.exp(-1.5 * dense) + hard * np.exp(-0.5 * dense)
    return np.asarray(np.log(soft + hard) - np.log(through), dtype=np.float32)


def disc_integrals(clean: SliceProjections, centre_xy_mm: tuple[float, float], radius_mm: float) -> Image:
    """Length in mm of every ray within a disc; shape (detector, angle)."""
    return 2 * np.sqrt(np.clip(radius_mm**2 - _offset_mm(clean, centre_xy_mm) ** 2, 0, None))


def _offset_mm(clean: SliceProjections, centre_xy_mm: tuple[float, float]) -> Image:
    """Signed distance in mm of every ray (detector, angle) from a point."""
    along_x, along_y = directions()
    return np.asarray(clean.positions_mm - (centre_xy_mm[0] * along_x + centre_xy_mm[1] * along_y), dtype=np.float32)


def _noise(clean: SliceProjections, severity: float, random: np.random.Generator) -> Image:
    """A low dose: photon noise of 20 (severity 0.2) to 160 HU in the middle of the body."""
    kernel, gain = list(NOISE_KERNELS.items())[random.integers(len(NOISE_KERNELS))]
    sd_per_mm = 160 * severity**1.3 / 1000 * WATER_PER_MM
    middle = clean.line_integrals[_middle_detectors(clean)]
    # Variance of filtered back-projection at the centre (Kak and Slaney 1988, 5.1), solved for the photons.
    variance = gain * np.pi**2 * float(np.exp(middle).mean()) / (12 * ANGLE_COUNT * clean.pixel_mm**2)
    return clean.hu_yx + clean.reconstruct(photon_noise(clean.line_integrals, variance / sd_per_mm**2, random), kernel)


def _middle_detectors(clean: SliceProjections) -> slice:
    middle = len(clean.line_integrals) // 2
    return slice(middle - 1, middle + 2)


def _streak(clean: SliceProjections, severity: float, random: np.random.Generator) -> Image:
    """Metal in the body, or photon starvation by arms outside the image."""
    spoil = _metal if random.random() < 0.5 else _starvation
    return spoil(clean, severity, random)


def _metal(clean: SliceProjections, severity: float, random: np.random.Generator) -> Image:
    """One to three pieces of titanium or steel, mostly in bone: dark bands, bright rays, starved rays."""
    density = WATER_PER_MM * random.uniform(8, 14) * (0.3 + 0.7 * severity)
    metal = np.zeros_like(clean.line_integrals)
    for _ in range(random.integers(1, 4)):
        place = _place_of_metal(clean, random)
        metal += density * disc_integrals(clean, place, random.uniform(0.7, 1.3) * (1 + 5 * severity))
    shown = beam_hardening(clean.line_integrals, metal)
    total = clean.line_integrals + shown
    photons = 40 * float(np.exp(np.percentile(clean.line_integrals, 99.5)))
    starved = photon_noise(total, photons, random) * (metal > 0)
    return clean.hu_yx + clean.reconstruct(shown + starved, "shepp-logan")


def _place_of_metal(clean: SliceProjections, random: np.random.Generator) -> tuple[float, float]:
    """Middle (x, y) in mm of a piece of metal: in bone where there is some, else anywhere in the body."""
    body = BodyBox.of(clean.hu_yx, clean.spacing_mm)
    bone = clean.hu_yx > BONE_HU
    solid = clean.hu_yx > BODY_HU
    for candidates in (ndimage.binary_opening(bone) if random.random() < 0.8 else solid, solid):
        rows, columns = np.nonzero(candidates)
        x, y = (
            (at - n // 2) * clean.spacing_mm for at, n in zip((columns, rows), clean.hu_yx.shape[::-1], strict=True)
        )
        inside = np.hypot(
            (x - body.centre_xy_mm[0]) / body.half_width_mm, (y - body.centre_xy_mm[1]) / body.half_height_mm
        )
        chosen = np.flatnonzero(inside < 0.95)
        if len(chosen):
            i = random.choice(chosen)
            return (float(x[i]), float(y[i]))
    return body.centre_xy_mm


def _starvation(clean: SliceProjections, severity: float, random: np.random.Generator) -> Image:
    """Horizontal streaks and dark bands: arms beside the body, outside the image, take the light."""
    body = BodyBox.of(clean.hu_yx, clean.spacing_mm)
    soft, bone = np.zeros_like(clean.line_integrals), np.zeros_like(clean.line_integrals)
    for side in (-1, 1):
        x = body.centre_xy_mm[0] + side * (body.half_width_mm + random.uniform(45, 70))
        y = body.centre_xy_mm[1] + random.uniform(-0.4, 0.5) * body.half_height_mm
        soft += WATER_PER_MM * disc_integrals(clean, (x, y), 42)
        bone += 1.5 * WATER_PER_MM * disc_integrals(clean, (x, y + random.uniform(-6, 6)), 10)
    total = clean.line_integrals + soft + bone
    photons = 80 * 0.02 ** (severity - 0.2) * float(np.exp(np.percentile(total, 99.8)))
    dark = severity * (beam_hardening(clean.line_integrals + soft, bone) - bone)
    return clean.hu_yx + clean.reconstruct(dark + photon_noise(total, photons, random), "shepp-logan")


def _ring(clean: SliceProjections, severity: float, random: np.random.Generator) -> Image:
    """Detectors whose gain drifted: rings around the axis of rotation, some of them open."""
    reach = float(np.abs(clean.positions_mm).max())
    count = int(reach / clean.pixel_mm) + 2
    error = 0.15 * random.normal(0, 1, count)
    spoiled = random.integers(1, count, random.integers(4, 12))
    error[spoiled] += random.choice([-1, 1], len(spoiled)) * random.uniform(0.5, 1.5, len(spoiled))
    axis = (float(random.normal(0, 15)), float(random.normal(0, 15)))
    # A full turn measures each ray by two detectors, left and right of the axis: only the radius counts.
    change = np.interp(np.abs(_offset_mm(clean, axis)) / clean.pixel_mm, np.arange(count), error)
    if random.random() < 0.3:
        change *= np.roll(np.arange(ANGLE_COUNT) < ANGLE_COUNT * random.uniform(0.4, 0.9), random.integers(ANGLE_COUNT))
    return clean.hu_yx + clean.reconstruct((0.12 * severity**1.3 * change).astype(np.float32), "shepp-logan")


def _truncation(clean: SliceProjections, severity: float, random: np.random.Generator) -> Image:
    """A detector shorter than the body: bright rim and cupping inside the field of view, air outside of it."""
    body = BodyBox.of(clean.hu_yx, clean.spacing_mm)
    cut_mm = body.half_width_mm * 0.25 * severity
    one_sided = random.random() < 0.6
    shift = random.choice([-1, 1]) * cut_mm if one_sided else 0.0
    radius = body.half_width_mm - (0.0 if one_sided else 0.8 * cut_mm)
    centre = (body.centre_xy_mm[0] + shift, body.centre_xy_mm[1] + float(random.normal(0, 8)))
    beyond = np.abs(_offset_mm(clean, centre)) - radius
    guess = _extrapolated(clean.line_integrals, beyond, reach_mm=random.uniform(5, 40))
    changed = clean.hu_yx + clean.reconstruct(np.where(beyond > 0, guess - clean.line_integrals, 0))
    rows, columns = ((np.arange(n) - n // 2) * clean.spacing_mm for n in clean.hu_yx.shape)
    seen = np.hypot(rows[:, None] - centre[1], columns[None] - centre[0]) <= radius
    return np.where(seen, changed, AIR_HU)


def _extrapolated(line_integrals: Image, beyond_mm: Image, reach_mm: float) -> Image:
    """The last measured value on either side, running out to 0 over ``reach_mm``, as scanners continue cut rays."""
    last = np.zeros((2, line_integrals.shape[1]), dtype=np.float32)
    columns = np.arange(line_integrals.shape[1])
    measured = beyond_mm <= 0
    last[0] = line_integrals[measured.argmax(0), columns]
    last[1] = line_integrals[len(measured) - 1 - measured[::-1].argmax(0), columns]
    upper = np.arange(len(measured))[:, None] > len(measured) // 2
    fade = np.cos(np.clip(beyond_mm / reach_mm, 0, 1) * np.pi / 2)
    return np.where(upper, last[1], last[0]) * fade


@dataclass(frozen=True)
class BodyMotion:
    """Affine pose of the body at every angle: matrix (angle, 2, 2) and shift (angle, 2) in mm, x before y."""

    matrix: NDArray[np.float64]
    shift_mm: NDArray[np.float64]


def _motion(clean: SliceProjections, severity: float, random: np.random.Generator) -> Image:
    """The body breathes, shifts and turns while the gantry turns."""
    moved = project_moving(clean, _random_motion(clean, severity, random))
    return clean.hu_yx + clean.reconstruct(moved - clean.line_integrals, "shepp-logan")


def _random_motion(clean: SliceProjections, severity: float, random: np.random.Generator) -> BodyMotion:
    """Breathing about the back (the couch holds it), a shift and a turn, each on a course of its own."""
    body = BodyBox.of(clean.hu_yx, clean.spacing_mm)
    breath, shift_x, shift_y, turn = (_course(random) for _ in range(4))
    strength = severity * random.uniform(0.6, 1.2, 4)
    angle = np.deg2rad(2 * strength[3]) * turn
    cos, sin = np.cos(angle), np.sin(angle)
    scale_y = 1 + 0.06 * strength[0] * breath
    matrix = np.stack([cos, -sin * scale_y, sin, cos * scale_y], axis=-1).reshape(-1, 2, 2)
    back = np.array([body.centre_xy_mm[0], body.centre_xy_mm[1] + body.half_height_mm])
    shift = np.stack([4 * strength[1] * shift_x, 2.5 * strength[2] * shift_y], axis=-1)
    return BodyMotion(matrix, shift + back - matrix @ back)


def _course(random: np.random.Generator) -> NDArray[np.float64]:
    """A course of mean 0 over all angles: drift, jerk or oscillation, from a random start of the turn."""
    time = np.linspace(0, 1, ANGLE_COUNT, endpoint=False)
    jerk = np.tanh((time - random.uniform(0.25, 0.75)) / random.uniform(0.02, 0.4))
    wave = np.sin(2 * np.pi * (random.uniform(0.5, 2.5) * time + random.random()))
    course = np.roll(jerk if random.random() < 0.6 else wave, random.integers(ANGLE_COUNT))
    return (course - course.mean()) * random.choice([-1, 1])


def project_moving(clean: SliceProjections, motion: BodyMotion) -> Image:
    """Line integrals (detector, angle) of a body in another affine pose at every angle.

    An affine pose only moves, tilts and scales lines, so its projections are found among those of the body at rest:
    with n along the detector, w = Aᵀn and shift b, p'(n, s) = |det A| / |w| · p(w / |w|, (s − n·b) / |w|).
    """
    normal = np.stack([d[0] for d in directions()], axis=-1).astype(np.float64)
    turned = np.einsum("aij,ai->aj", motion.matrix, normal)
    length = np.linalg.norm(turned, axis=-1)
    position = (clean.positions_mm - (normal * motion.shift_mm).sum(-1)) / length
    course = np.rad2deg(np.arctan2(-turned[:, 1], turned[:, 0])) * ANGLE_COUNT / 180
    step = (course - np.arange(ANGLE_COUNT) + ANGLE_COUNT) % (2 * ANGLE_COUNT) - ANGLE_COUNT
    margin = int(np.ceil(np.abs(step).max())) + 2
    mirrored = np.roll(clean.line_integrals[::-1], 1, axis=0)
    wide = np.concatenate([mirrored[:, -margin:], clean.line_integrals, mirrored[:, :margin]], axis=1)
    detector = position / clean.pixel_mm + len(wide) // 2
    angle = np.broadcast_to(np.arange(ANGLE_COUNT) + step + margin, detector.shape)
    found = ndimage.map_coordinates(wide, [detector, angle], order=1)
    return np.asarray(found * (np.abs(np.linalg.det(motion.matrix)) / length), dtype=np.float32)


_SPOIL: Final[dict[Degradation, Callable[[SliceProjections, float, np.random.Generator], Image]]] = {
    Degradation.MOTION: _motion,
    Degradation.STREAK: _streak,
    Degradation.NOISE: _noise,
    Degradation.RING: _ring,
    Degradation.TRUNCATION: _truncation,
}
