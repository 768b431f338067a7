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
SACRUM_COORDINATE: Final = 17.5
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


def decode_curve(profile: SpineProfile, z_mm: NDArray[np.float64]) -> CoordinateCurve:
    """Monotone coordinate curve over the longest run of rows on which a spine is seen."""
    count = len(z_mm)
    start, stop = _longest_run(profile.spine_z[:count] > PRESENT)
    coordinate = ndimage.gaussian_filter1d(profile.coordinate_z[start:stop].astype(np.float64), SMOOTHING_ROWS)
    spread = profile.spread_z[start:stop].astype(np.float64)
    if len(coordinate) > 1:
        fit = optimize.isotonic_regression(coordinate, weights=1 / np.maximum(spread, 0.02) ** 2, increasing=False)
        coordinate = np.asarray(fit.x)
    return CoordinateCurve(z_mm[start:stop], coordinate, spread)


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
    lumbar_count = _lumbar_count(curve, rib_z, sacrum_z)
    vertebrae = _vertebrae(volume, curve)
    candidates = _candidates(volume, curve, sacrum_z, lumbar_count)
    l3 = next((v for v in vertebrae if v.label == "L3"), None)
    return LevelFinding(vertebrae, l3, candidates, _anchor(rib_z, sacrum_z), lumbar_count, spine_share)


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


def _lumbar_count(curve: CoordinateCurve, rib_z: float | None, sacrum_z: float | None) -> int | None:
    """Number of lumbar-type bodies between last rib and sacrum: the fall of the coordinate between them."""
    if rib_z is None or sacrum_z is None or rib_z <= sacrum_z:
        return None
    at_rib, at_sacrum = np.interp([rib_z, sacrum_z], curve.z_mm, curve.coordinate_z)
    return int(np.round(at_sacrum - at_rib))


def _candidates(
    volume: CtVolume, curve: CoordinateCurve, sacrum_z: float | None, lumbar_count: int | None
) -> tuple[VertebraPosition, ...]:
    """Both possible L3 when four or six lumbar bodies are counted: third from the rib, and third above the sacrum."""
    if lumbar_count is None or lumbar_count == NORMAL_LUMBAR_COUNT or sacrum_z is None:
        return ()
    at_sacrum = float(np.interp(sacrum_z, curve.z_mm, curve.coordinate_z))
    from_sacrum = np.round(at_sacrum - 0.5) - (SACRUM_COORDINATE - 0.5 - L3_COORDINATE)
    both = {L3_COORDINATE, float(from_sacrum)}
    positions = [(c, curve.z_of(c)) for c in sorted(both)]
    found = [_position(volume, curve, "L3", z) for _, z in positions if z is not None]
    return tuple(found) if len(found) > 1 else ()
