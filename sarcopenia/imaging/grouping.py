"""From images in any order to stacks: by series, by orientation and matrix, and by what tells entangled scans apart.

A series (one Series Instance UID) may hold a scout beside the slices, two phases over the same table positions, or two
reconstructions. A stack is what can be measured: parallel planes of one size, each position once.
"""

from collections import defaultdict
from collections.abc import Callable, Hashable, Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

import numpy as np
from numpy.typing import NDArray

from sarcopenia.imaging.dicom_images import DicomImage
from sarcopenia.imaging.stacking import SAME_POSITION_MM, SPACING_TOLERANCE, measure_steps, positions_mm

DIRECTION_TOLERANCE: Final = 1e-3
SPACING_TOLERANCE_MM: Final = 1e-3
TOLERATED_SHARE: Final = 0.1
"""Share of slices that may be damaged, or lie over another one with other pixels, before the series is refused."""
ENTANGLED_SHARE: Final = 0.2
"""Above this share of uneven steps a stack is tried as two interleaved ones."""
SEPARATORS: Final = (
    "ImageType",
    "AcquisitionNumber",
    "TemporalPositionIdentifier",
    "TemporalPositionIndex",
    "EchoNumbers",
    "ConvolutionKernel",
    "KVP",
    "AcquisitionTime",
    "ContentTime",
)
"""Attributes that tell phases and reconstructions within one series apart, the surest first."""


@dataclass(frozen=True, eq=False)
class Stack:
    """Images of one series that belong together; sorted feet to head where they have planes."""

    images: tuple[DicomImage, ...]

    @property
    def first(self) -> DicomImage:
        """The image whose header speaks for the stack."""
        return self.images[0]

    @property
    def has_geometry(self) -> bool:
        """Whether every image says where it lies."""
        return all(image.plane is not None for image in self.images)

    @property
    def matrix_yx(self) -> tuple[int, int]:
        """Rows and columns."""
        return self.first.integer("Rows"), self.first.integer("Columns")

    @property
    def positions_mm(self) -> NDArray[np.float64]:
        """Positions along the normal in mm, feet to head; needs geometry."""
        return positions_mm([image.plane for image in self.images if image.plane is not None])

    @property
    def coverage_mm(self) -> float:
        """Distance from the first to the last slice in mm; 0 without geometry."""
        return float(np.ptp(self.positions_mm)) if self.has_geometry else 0.0


def group_stacks(images: Iterable[DicomImage]) -> tuple[Stack, ...]:
    """All stacks of all series; the result does not depend on the order or the names of the files."""
    unique = {_identity(image): image for image in sorted(images, key=_file_order, reverse=True)}
    by_series = _partition(unique.values(), lambda image: (image.text("SeriesInstanceUID"), _kind(image)))
    stacks: list[Stack] = []
    for series in by_series:
        for parallel in _split_by_plane(series):
            stacks += (Stack(part) for part in _disentangled(_sorted_along_normal(parallel)))
    return tuple(stacks)


def repeated_positions(sorted_mm: NDArray[np.float64]) -> NDArray[np.bool_]:
    """For every sorted position whether it repeats the one before, shape (n,)."""
    return np.concatenate([[False], np.diff(sorted_mm) < SAME_POSITION_MM])


def _file_order(image: DicomImage) -> tuple[str, int, int, str]:
    return image.text("SOPInstanceUID"), image.integer("InstanceNumber"), image.frame, image.file.name


def _identity(image: DicomImage) -> tuple[str, ...]:
    """Same file sent twice, same identity; the place is part of it because anonymisers hand out one UID for all."""
    keywords = ("SOPInstanceUID", "InstanceNumber", "ImagePositionPatient", "SeriesInstanceUID")
    named = tuple(image.text(keyword) for keyword in keywords)
    return (*named, str(image.frame), "" if named[0] else image.file.name)


def _kind(image: DicomImage) -> tuple[str, bool, bool]:
    """What can never be one stack: modality, scout or not, with or without geometry."""
    return image.text("Modality"), "LOCALIZER" in image.image_type, image.plane is None


def _partition(
    images: Iterable[DicomImage], key: Callable[[DicomImage], Hashable]
) -> tuple[tuple[DicomImage, ...], ...]:
    parts: dict[Hashable, list[DicomImage]] = defaultdict(list)
    for image in images:
        parts[key(image)].append(image)
    return tuple(tuple(part) for part in parts.values())


def _split_by_plane(images: Sequence[DicomImage]) -> list[list[DicomImage]]:
    """Put every image to the first stack that has its orientation, matrix and pixel spacing."""
    stacks: list[list[DicomImage]] = []
    for image in images:
        fitting = next((stack for stack in stacks if _same_grid(stack[0], image)), None)
        if fitting is None:
            stacks.append([image])
        else:
            fitting.append(image)
    return stacks


def _same_grid(a: DicomImage, b: DicomImage) -> bool:
    if a.plane is None or b.plane is None:
        return a.plane is b.plane
    a_directions, b_directions = ((p.row_direction_lps, p.column_direction_lps) for p in (a.plane, b.plane))
    return (
        a.plane.shape_yx == b.plane.shape_yx
        and np.allclose(a_directions, b_directions, rtol=0, atol=DIRECTION_TOLERANCE)
        and np.allclose(a.plane.spacing_mm_yx, b.plane.spacing_mm_yx, rtol=0, atol=SPACING_TOLERANCE_MM)
    )


def _sorted_along_normal(images: Sequence[DicomImage]) -> tuple[DicomImage, ...]:
    planes = [image.plane for image in images if image.plane is not None]
    if len(planes) < len(images):
        return tuple(sorted(images, key=lambda image: (image.integer("InstanceNumber"), image.frame)))
    # 10 µm steps: rounding noise of a position must not decide the order of two images at one place.
    steps = np.rint(positions_mm(planes) / SAME_POSITION_MM).astype(int).tolist()
    order = sorted(
        range(len(images)), key=lambda i: (steps[i], images[i].integer("AcquisitionNumber"), _age_of(images[i]))
    )
    return tuple(images[i] for i in order)


def _age_of(image: DicomImage) -> tuple[int, str, int]:
    return image.integer("InstanceNumber"), image.text("SOPInstanceUID"), image.frame


def _disentangled(images: tuple[DicomImage, ...]) -> tuple[tuple[DicomImage, ...], ...]:
    """Split images that lie over each other by the first attribute that leaves only clean stacks."""
    if len(images) < 2 or images[0].plane is None or not _is_entangled(images):
        return (images,)
    most_at_one_place = _multiplicity(images)
    for keyword in SEPARATORS:
        parts = _partition(images, lambda image, k=keyword: image.text(k))  # type: ignore[misc]
        if 1 < len(parts) <= most_at_one_place and not any(map(_is_entangled, parts)):
            return (images,) if _follow_each_other(parts) else parts
    return (images,)


def _is_entangled(images: Sequence[DicomImage]) -> bool:
    positions = Stack(tuple(images)).positions_mm
    return bool(repeated_positions(positions).any()) or measure_steps(positions).uneven_share > ENTANGLED_SHARE


def _follow_each_other(parts: Sequence[Sequence[DicomImage]]) -> bool:
    """Whether parts are one scan in several acquisitions: the same step, one beyond the other, a repairable overlap.

    Splitting them would cut the scan, perhaps at L3; the few slices acquired twice are left out by the assembly.
    """
    positions = sorted((Stack(tuple(part)).positions_mm for part in parts), key=lambda p: float(p[0]))
    repeats = int(repeated_positions(np.sort(np.concatenate(positions))).sum())
    steps = [measure_steps(p).median_mm for p in positions]
    return (
        0 < repeats <= TOLERATED_SHARE * (sum(map(len, positions)) - repeats)
        and min(steps) > 0
        and max(steps) <= (1 + SPACING_TOLERANCE) * min(steps)
        and all(low[-1] < high[-1] for low, high in pairwise(positions))
    )


def _multiplicity(images: Sequence[DicomImage]) -> int:
    """How many images lie at the busiest position; at least two, as interleaved stacks share none."""
    steps = np.rint(Stack(tuple(images)).positions_mm / SAME_POSITION_MM).astype(int)
    return max(2, int(np.unique(steps, return_counts=True)[1].max()))
