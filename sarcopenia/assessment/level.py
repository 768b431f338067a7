"""From the profile of `spine_level` to vertebrae: which are in the scan, where L3 is, and how sure the count is.

Rows run from feet to head; the vertebral coordinate falls along them (S1 = 18 … L3 = 15 … T10 = 10). The decoded curve
is monotone (isotonic regression weighted by the network's own spread), so every vertebra is crossed once at most.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage, optimize

from sarcopenia.domain.results import L3_COORDINATE, LevelAnchor, LevelFinding, VertebraPosition, vertebra_label
from sarcopenia.domain.volume import CtVolume
from sarcopenia.inference.port import SpineProfile

PRESENT: Final = 0.5
"""Probability from which a spine, a rib or the sacrum counts as seen."""
NORMAL_LUMBAR_COUNT: Final = 5
LAST_RIB_COORDINATE: Final = 12.5
FEWEST_OF_FIVE, MOST_OF_FIVE = 4.5, 5.55
"""Counted on ten spines of people with five: 4.6–5.3 (seen in training); on 22 unseen phantoms with four 4.2–4.6, with
five 5.0–5.2, with six 5.7–6.0."""
ANCHOR_LENGTH_MM: Final = 15.0
"""A rib or the sacrum must be seen over this length to be counted from."""
SMOOTHING_ROWS: Final = 1.0
MIN_SPINE_ROWS: Final = 8


@dataclass(frozen=True)
class CoordinateCurve:
    """Decoded coordinate along the spine: patient z in mm (rows with a spine, feet to head), coordinate, spread."""

    z_mm: NDArray[np.float64]
    coordinate_z: NDArray[np.float64]
    spread_z: NDArray[np.float64]

    def z_of(self, coordinate: float) -> float | None:
        """Patient z in mm where the curve crosses a coordinate; ``None`` outside the scan."""
        falling = self.coordinate_z
        if not len(falling) or not falling[-1] <= coordinate <= falling[0]:
            return None
        # A plateau of the isotonic fit is crossed in its middle.
        first = np.interp(-coordinate, -falling + np.arange(len(falling)) * 1e-9, self.z_mm)
        return float(first)

    def spread_mm(self, z_mm: float) -> float:
        """Standard deviation of the level at a position, in mm: the network's spread times the pitch there."""
        pitch_mm = -1.0 / min(float(np.interp(z_mm, self.z_mm, np.gradient(self.coordinate_z, self.z_mm))), -0.015)
        return float(np.interp(z_mm, self.z_mm, self.spread_z)) * pitch_mm


@dataclass(frozen=True)
class LumbarSpan:
    """The spine between last rib and sacrum: a curve that counts every body, and its values at both ends."""

    curve: CoordinateCurve
    at_rib: float
    at_sacrum: float

    @property
    def count(self) -> int:
        """Number of lumbar-type bodies; five unless the fall of the curve is clearly less or more."""
        bodies = self.at_sacrum - self.at_rib
        if FEWEST_OF_FIVE <= bodies <= MOST_OF_FIVE:
            return NORMAL_LUMBAR_COUNT
        return min(round(bodies), 4) if bodies < FEWEST_OF_FIVE else max(round(bodies), 6)


def decode_curve(
    profile: SpineProfile, z_mm: NDArray[np.float64], *, count_every_body: bool = False
) -> CoordinateCurve:
    """Monotone coordinate curve over the longest run of rows on which a spine is seen.

    The network ties its coordinate to the five lumbar vertebrae of most people: with four or six it slips by one
    somewhere. ``count_every_body`` undoes the slips, so that differences along the curve count the bodies that are
    there; its absolute value then means nothing.
    """
    start, stop = _longest_run(profile.spine_z[: len(z_mm)] > PRESENT)
    coordinate = profile.coordinate_z[start:stop].astype(np.float64)
    if count_every_body:
        coordinate = _unwrapped(coordinate)
    coordinate = ndimage.gaussian_filter1d(coordinate, SMOOTHING_ROWS)
    spread = profile.spread_z[start:stop].astype(np.float64)
    if len(coordinate) > 1:
        fit = optimize.isotonic_regression(coordinate, weights=1 / np.maximum(spread, 0.02) ** 2, increasing=False)
        coordinate = np.asarray(fit.x)
    return CoordinateCurve(z_mm[start:stop], coordinate, spread)


def _unwrapped(coordinate: NDArray[np.float64]) -> NDArray[np.float64]:
    """The coordinate without steps of whole vertebrae: its fraction, smoothed on the circle, followed along z."""
    phase = 2 * np.pi * coordinate
    smooth = [
        ndimage.gaussian_filter1d(part, SMOOTHING_ROWS, mode="nearest") for part in (np.cos(phase), np.sin(phase))
    ]
    return np.asarray(np.unwrap(np.arctan2(smooth[1], smooth[0])) / (2 * np.pi))


def _longest_run(seen: NDArray[np.bool_]) -> tuple[int, int]:
    """Start and stop of the longest run of true rows."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], seen, [False]]).astype(int)))
    runs = edges.reshape(-1, 2)
    if not len(runs):
        return 0, 0
    start, stop = runs[np.argmax(runs[:, 1] - runs[:, 0])]
    return int(start), int(stop)


def find_level(volume: CtVolume, profile: SpineProfile, z_mm: NDArray[np.float64]) -> LevelFinding:
    """Vertebrae of a scan from the profile of its projections; ``z_mm`` is the patient z of the profile's rows."""
    curve = decode_curve(profile, z_mm)
    spine_share = float((profile.spine_z[: len(z_mm)] > PRESENT).mean())
    if len(curve.z_mm) < MIN_SPINE_ROWS:
        return LevelFinding((), None, (), LevelAnchor.NONE, None, spine_share)
    rib_z, sacrum_z = _rib_end(profile, z_mm), _sacrum_start(profile, z_mm)
    span = _lumbar_span(profile, z_mm, rib_z, sacrum_z)
    vertebrae = _vertebrae(volume, curve)
    own = next((v for v in vertebrae if v.label == "L3"), None)
    candidates = () if span is None else _candidates(volume, span, own)
    l3 = candidates[0] if candidates else own
    count = None if span is None else span.count
    return LevelFinding(vertebrae, l3, candidates, _anchor(rib_z, sacrum_z), count, spine_share)


def _vertebrae(volume: CtVolume, curve: CoordinateCurve) -> tuple[VertebraPosition, ...]:
    """Every vertebra T1..S1 whose middle is crossed, feet to head."""
    found = []
    for number in range(18, 0, -1):
        z_mm = curve.z_of(float(number))
        if z_mm is not None:
            found.append(_position(volume, curve, vertebra_label(number), z_mm))
    return tuple(found)


def _position(volume: CtVolume, curve: CoordinateCurve, label: str, z_mm: float) -> VertebraPosition:
    return VertebraPosition(label, z_mm, volume.geometry.nearest_slice(z_mm), curve.spread_mm(z_mm))


def _rib_end(profile: SpineProfile, z_mm: NDArray[np.float64]) -> float | None:
    """Lowest z with a rib at the vertebra, ``None`` if no rib is seen or ribs go on to the scan's lower end."""
    seen = profile.rib_z[: len(z_mm)] > PRESENT
    start, stop = _longest_run(seen)
    if (stop - start) * _row_mm(z_mm) < ANCHOR_LENGTH_MM or start == 0:
        return None
    return float(z_mm[start])


def _sacrum_start(profile: SpineProfile, z_mm: NDArray[np.float64]) -> float | None:
    """Highest z of the sacrum, ``None`` if it is not seen or goes on to the scan's upper end."""
    seen = profile.sacrum_z[: len(z_mm)] > PRESENT
    start, stop = _longest_run(seen)
    if (stop - start) * _row_mm(z_mm) < ANCHOR_LENGTH_MM or stop == len(z_mm):
        return None
    return float(z_mm[stop - 1])


def _row_mm(z_mm: NDArray[np.float64]) -> float:
    return float(z_mm[1] - z_mm[0]) if len(z_mm) > 1 else 0.0


def _anchor(rib_z: float | None, sacrum_z: float | None) -> LevelAnchor:
    if rib_z is not None and sacrum_z is not None:
        return LevelAnchor.BOTH
    if sacrum_z is not None:
        return LevelAnchor.SACRUM
    return LevelAnchor.LAST_RIB if rib_z is not None else LevelAnchor.NONE


def _lumbar_span(
    profile: SpineProfile, z_mm: NDArray[np.float64], rib_z: float | None, sacrum_z: float | None
) -> LumbarSpan | None:
    """What lies between last rib and sacrum; ``None`` unless both are seen in this order."""
    if rib_z is None or sacrum_z is None or rib_z <= sacrum_z:
        return None
    curve = decode_curve(profile, z_mm, count_every_body=True)
    at_rib, at_sacrum = np.interp([rib_z, sacrum_z], curve.z_mm, curve.coordinate_z)
    return LumbarSpan(curve, float(at_rib), float(at_sacrum))


def _candidates(volume: CtVolume, span: LumbarSpan, own: VertebraPosition | None) -> tuple[VertebraPosition, ...]:
    """Both possible L3 when four or six bodies are counted: the third from the last rib and the third from the sacrum.

    First comes the one nearer to where the network itself sees L3 (two of three agree); where it sees none, the one
    from the last rib.
    """
    if span.count == NORMAL_LUMBAR_COUNT:
        return ()
    third = L3_COORDINATE - LAST_RIB_COORDINATE
    positions = [span.curve.z_of(c) for c in (span.at_rib + third, span.at_sacrum - third)]
    found = [_position(volume, span.curve, "L3", z) for z in positions if z is not None]
    if own is not None:
        found.sort(key=lambda candidate: abs(candidate.z_mm - own.z_mm))
    return tuple(found) if len(found) > 1 else ()
