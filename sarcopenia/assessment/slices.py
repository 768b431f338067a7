"""Which slices are looked at: the measured one, its neighbours in the slab, and the mean of thin slices.

HU thresholds on thin noisy slices punch holes into muscle; series thinner than 2 mm are therefore averaged to about
3 mm around each slice, unless a person chose the slice.
"""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from sarcopenia.domain.errors import SliceNotFoundError
from sarcopenia.domain.volume import CtVolume

SLAB_HALF_HEIGHT_MM: Final = 10.0
SLAB_STEP_MM: Final = 5.0
THIN_BELOW_MM: Final = 2.0
AVERAGED_THICKNESS_MM: Final = 3.0


def resolve_slice(volume: CtVolume, choice: int | str) -> int:
    """Index of a slice given by index (feet to head, 0-based) or SOP Instance UID.

    Raises
    ------
    SliceNotFoundError: no such slice in the series.
    """
    count = volume.geometry.shape_zyx[0]
    if isinstance(choice, str):
        if choice in volume.sop_instance_uids:
            return volume.sop_instance_uids.index(choice)
        raise SliceNotFoundError(f"No slice of the series has the SOP Instance UID {choice}.")
    if not 0 <= choice < count:
        raise SliceNotFoundError(f"The series has slices 0 to {count - 1}; slice {choice} was asked for.")
    return choice


def slab_slices(volume: CtVolume, slice_index: int) -> tuple[int, ...]:
    """The slice first, then its neighbours within ±10 mm, about 5 mm apart."""
    position = volume.geometry.slice_positions_mm
    wanted = np.arange(-SLAB_HALF_HEIGHT_MM, SLAB_HALF_HEIGHT_MM + 0.1, SLAB_STEP_MM) + position[slice_index]
    reach = max(SLAB_STEP_MM / 2, volume.geometry.spacing_mm_zyx[0] / 2)
    chosen = [slice_index]
    for z in wanted:
        nearest = int(np.abs(position - z).argmin())
        within = abs(position[nearest] - position[slice_index]) <= SLAB_HALF_HEIGHT_MM + 0.5
        if nearest not in chosen and within and abs(position[nearest] - z) <= reach:
            chosen.append(nearest)
    return tuple(chosen)


def averaging_weights(volume: CtVolume, slice_index: int) -> NDArray[np.float64]:
    """Share of every slice (z,) in a slab of 3 mm around one slice; the slice alone for series of 2 mm and more."""
    spacing = volume.geometry.spacing_mm_zyx[0]
    distance = np.abs(volume.geometry.slice_positions_mm - volume.geometry.slice_positions_mm[slice_index])
    half = AVERAGED_THICKNESS_MM / 2 if volume.geometry.shape_zyx[0] > 1 and spacing < THIN_BELOW_MM else spacing / 2
    overlap = np.minimum(distance + spacing / 2, half) - np.maximum(distance - spacing / 2, -half)
    overlap[slice_index] = max(overlap[slice_index], 1e-6)
    weights = np.where(overlap > 1e-9, overlap, 0.0)
    return np.asarray(weights / weights.sum())


def slice_hu(volume: CtVolume, weights: NDArray[np.float64]) -> NDArray[np.int16]:
    """HU (y, x) of the weighted mean of slices, rounded to whole HU."""
    used = np.flatnonzero(weights)
    if len(used) == 1:
        return np.asarray(volume.hu_zyx[used[0]])
    return np.asarray(np.round(np.tensordot(weights[used], volume.hu_zyx[used], axes=1)), dtype=np.int16)
