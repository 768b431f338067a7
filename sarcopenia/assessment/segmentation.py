"""Compartments of native slices from the ensemble's answers on the model grid, and the ensemble's spread."""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from sarcopenia.assessment.composition import MUSCLE_HU, muscle_mask
from sarcopenia.assessment.model_grid import AxialGrid, axial_grid
from sarcopenia.assessment.uncertainty import (
    area_cov_percent,
    plausible_areas_cm2,
    wall_entropy,
    wall_variance,
)
from sarcopenia.domain.geometry import PlaneGeometry
from sarcopenia.domain.results import Compartment, CompartmentMap
from sarcopenia.inference.port import ModelClient


@dataclass(frozen=True)
class SegmentedSlice:
    """One slice: its compartments, and how far the members of the ensemble disagree.

    Attributes
    ----------
    member_sma_cm2: SMA in cm² that every member would have measured.
    sma_cov_percent: CoV of the areas that are plausible to the members, see `plausible_areas_cm2`.
    entropy, variance: see `sarcopenia.assessment.uncertainty.wall_entropy` (nats) and `wall_variance`.
    model_hu_yx: int16 slice on the model grid, as it was sent to the model.
    """

    compartments: CompartmentMap
    member_sma_cm2: tuple[float, ...]
    sma_cov_percent: float
    entropy: float
    variance: float
    model_hu_yx: NDArray[np.int16]


def segment_slices(
    images: list[NDArray[np.int16]], planes: list[PlaneGeometry], models: ModelClient
) -> list[SegmentedSlice]:
    """Segment native slices (y, x) in one call to the model.

    Raises
    ------
    NoBodyError: a slice shows no body. InferenceError: the model could not be asked.
    """
    grids = [axial_grid(image, plane) for image, plane in zip(images, planes, strict=True)]
    shape = (max(g.shape_yx[0] for g in grids), max(g.shape_yx[1] for g in grids))
    grids = [replace(grid, shape_yx=shape) for grid in grids]
    batch = np.stack([np.round(g.to_model(image)) for g, image in zip(grids, images, strict=True)]).astype(np.int16)
    answers = models.segment_compartments(batch)
    return [
        _segmented(image, plane, grid, sent, answer)
        for image, plane, grid, sent, answer in zip(images, planes, grids, batch, answers, strict=True)
    ]


def _segmented(
    hu_yx: NDArray[np.int16],
    plane: PlaneGeometry,
    grid: AxialGrid,
    model_hu_yx: NDArray[np.int16],
    members_mcyx: NDArray[np.uint8],
) -> SegmentedSlice:
    """Mean of the members on native pixels, and every member's own muscle area."""
    total: NDArray[np.float32] | None = None
    wall_probability, areas_cm2 = [], []
    plausible_cm2: list[float] = []
    muscle_like = (hu_yx >= MUSCLE_HU[0]) & (hu_yx <= MUSCLE_HU[1])
    probability_mcyx = members_mcyx.astype(np.float32) / 255
    for member in probability_mcyx:
        native = grid.to_native(member)
        total = native if total is None else total + native
        wall_probability.append(native[Compartment.MUSCLE_WALL])
        area = np.count_nonzero(muscle_mask(hu_yx, native.argmax(axis=0).astype(np.uint8)))
        areas_cm2.append(float(area * plane.pixel_area_mm2 / 100))
        plausible_cm2 += plausible_areas_cm2(muscle_like, native[Compartment.MUSCLE_WALL], plane.pixel_area_mm2)
    compartments = np.asarray(total).argmax(axis=0).astype(np.uint8)
    spread = np.std(wall_probability, axis=0).astype(np.float32)
    return SegmentedSlice(
        compartments=CompartmentMap(compartments, muscle_mask(hu_yx, compartments), spread),
        member_sma_cm2=tuple(areas_cm2),
        sma_cov_percent=area_cov_percent(plausible_cm2),
        entropy=wall_entropy(probability_mcyx),
        variance=wall_variance(probability_mcyx),
        model_hu_yx=model_hu_yx,
    )
