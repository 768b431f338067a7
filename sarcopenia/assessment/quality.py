"""What the image says about how far its numbers can be trusted: noise, holes, a cut field of view, `scan_quality`."""

from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from sarcopenia.assessment.composition import MUSCLE_HU
from sarcopenia.assessment.model_grid import find_body
from sarcopenia.domain.geometry import PlaneGeometry
from sarcopenia.domain.results import Compartment, Degradation
from sarcopenia.inference.contract import AIR_HU
from sarcopenia.inference.port import ModelClient

HOLE_AREA_MM2: Final = 12.0
"""Non-muscle specks inside the wall up to this size are noise, not fat."""
TISSUE_HU: Final = -150
"""Above this a pixel next to the edge of the image is body, not air."""
CUT_LENGTH_MM: Final = 15.0
CUT_REACH_MM: Final = 6.0
MAD_TO_SD: Final = 1.4826


def rate_slice(model_hu_yx: NDArray[np.int16], models: ModelClient) -> tuple[float, Degradation]:
    """Predicted SSIM and the likeliest degradation of a slice on the model grid.

    Raises
    ------
    InferenceError: the model could not be asked.
    """
    rating = models.rate_quality(model_hu_yx[None])
    return float(rating.predicted_ssim_n[0]), tuple(Degradation)[int(rating.degradation_nk[0].argmax())]


def hole_fraction(hu_yx: NDArray[np.int16], compartments_yx: NDArray[np.uint8], pixel_area_mm2: float) -> float:
    """Share of the muscle wall in specks outside −29..150 HU that are too small to be fat or bone."""
    wall = compartments_yx == Compartment.MUSCLE_WALL
    if not wall.any():
        return 0.0
    outside = wall & ((hu_yx < MUSCLE_HU[0]) | (hu_yx > MUSCLE_HU[1]))
    labels, count = ndimage.label(outside)
    sizes = np.bincount(labels.ravel(), minlength=count + 1)
    small = sizes * pixel_area_mm2 <= HOLE_AREA_MM2
    small[0] = False
    return float(sizes[small].sum() / wall.sum())


def noise_sd_hu(hu_yx: NDArray[np.int16], muscle_yx: NDArray[np.bool_]) -> float | None:
    """Noise in muscle: robust standard deviation of the difference to the mean of the 3×3 neighbours, in HU."""
    inner = ndimage.binary_erosion(ndimage.binary_closing(muscle_yx, iterations=2), iterations=3)
    if np.count_nonzero(inner) < 50:
        return None
    hu = hu_yx.astype(np.float64)
    difference = (hu - ndimage.uniform_filter(hu, 3))[inner]
    deviation = MAD_TO_SD * np.median(np.abs(difference - np.median(difference)))
    return float(deviation / np.sqrt(8 / 9))


def cut_edge(hu_yx: NDArray[np.int16], plane: PlaneGeometry) -> NDArray[np.bool_]:
    """Body pixels (y, x) at the edge of the image or directly against the padding outside the field of view."""
    # The table may end at the edge of the image; only the body counts.
    tissue = (hu_yx > TISSUE_HU) & find_body(hu_yx, plane.spacing_mm_yx).mask_yx
    padding = np.pad(hu_yx <= AIR_HU, 1, constant_values=True)
    labels, _ = ndimage.label(padding)
    outside = labels == labels[0, 0]
    touches = ndimage.binary_dilation(outside)[1:-1, 1:-1]
    edge = tissue & touches
    labels, count = ndimage.label(edge, structure=np.ones((3, 3)))
    sizes = np.bincount(labels.ravel(), minlength=count + 1) * float(np.mean(plane.spacing_mm_yx))
    long_enough = sizes >= CUT_LENGTH_MM
    long_enough[0] = False
    return np.asarray(long_enough[labels])


def muscle_is_cut(edge_yx: NDArray[np.bool_], compartments_yx: NDArray[np.uint8], plane: PlaneGeometry) -> bool:
    """Whether the muscle wall lies at the cut for longer than a rounding error."""
    reach = max(1, round(CUT_REACH_MM / float(np.mean(plane.spacing_mm_yx))))
    near = ndimage.binary_dilation(edge_yx, iterations=reach) & (compartments_yx == Compartment.MUSCLE_WALL)
    return bool(np.count_nonzero(near) * plane.pixel_area_mm2 > CUT_LENGTH_MM * CUT_REACH_MM / 2)
