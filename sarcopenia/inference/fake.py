"""In-memory models for tests and page work: the port's answers from simple rules on the HU themselves, no server.

The spine's coordinates cannot be read from one projection by a simple rule, so they are scripted: `linear_spine` or
`known_spine`, or any function. The compartments follow from geometry (`simple_compartments`): plausible on a phantom,
useless on a patient. Same tensors in, same answer out; the same contract checks as the real client's.
"""

import hashlib
from collections.abc import Callable
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from sarcopenia.domain.errors import InferenceError
from sarcopenia.domain.results import AcceptanceRule, Compartment, Degradation, ModelIdentity
from sarcopenia.inference.checks import require_axial_slices, require_spine_projections
from sarcopenia.inference.contract import AXIAL_GRID_MM, COMPARTMENT_COUNT, DEFAULT_MODELS, SPINE_GRID_MM, ModelSet
from sarcopenia.inference.port import ModelHealth, QualityRating, SlabPattern, SpineProfile

SpineScript = Callable[[NDArray[np.int16]], SpineProfile]
CompartmentScript = Callable[[NDArray[np.int16]], NDArray[np.uint8]]
QualityScript = Callable[[NDArray[np.int16]], tuple[float, Degradation]]

VERTEBRA_PITCH_MM: Final = 34.0
SPREAD_VERTEBRAE: Final = 0.05
LAST_RIB_COORDINATE, SACRUM_COORDINATE = 12.5, 17.5
MEMBER_BLUR_PIXELS: Final = (0.8, 1.1, 1.4)
"""One member of the fake ensemble per width: they differ along the borders, as real ones do."""

FAKE_RULE: Final = AcceptanceRule(2.5, 10.0, 1.0, 0.8, 0.6)
"""Limits of nobody's weights."""

BODY_HU, FAT_CEILING_HU, BONE_FLOOR_HU = -300, -30, 160
SPINE_DEPTH_SHARE: Final = 0.68
"""Where the spine lies between belly and back."""
WALL_MM, SPINE_REACH_MM, PSOAS_REACH_MM = 15.0, 50.0, 28.0


def profile_of(coordinate_z: NDArray[np.floating]) -> SpineProfile:
    """Build a profile from coordinates of shape (z,), NaN where there is no spine; ribs to T12, sacrum from S1."""
    seen = np.isfinite(coordinate_z)
    coordinate = np.nan_to_num(coordinate_z).astype(np.float32)
    return SpineProfile(
        coordinate_z=coordinate,
        spread_z=np.full(coordinate.shape, SPREAD_VERTEBRAE, np.float32),
        spine_z=seen.astype(np.float32),
        rib_z=(seen & (coordinate < LAST_RIB_COORDINATE)).astype(np.float32),
        sacrum_z=(seen & (coordinate > SACRUM_COORDINATE)).astype(np.float32),
    )


def linear_spine(bottom_coordinate: float = 18.5, pitch_mm: float = VERTEBRA_PITCH_MM) -> SpineScript:
    """Script a spine of equal vertebrae on all rows that hold anything but air, from ``bottom_coordinate`` upwards."""

    def script(hu_czw: NDArray[np.int16]) -> SpineProfile:
        rows = np.arange(hu_czw.shape[1])
        filled = (hu_czw > BODY_HU).any(axis=(0, 2))
        return profile_of(np.where(filled, bottom_coordinate - rows * (SPINE_GRID_MM / pitch_mm), np.nan))

    return script


def known_spine(slice_z_mm: NDArray[np.floating], coordinate: NDArray[np.floating]) -> SpineScript:
    """Script the spine of one known scan: patient z in mm and vertebral coordinate of its slices, feet to head."""

    def script(hu_czw: NDArray[np.int16]) -> SpineProfile:
        row_z_mm = slice_z_mm[0] + np.arange(hu_czw.shape[1]) * SPINE_GRID_MM
        return profile_of(np.interp(row_z_mm, slice_z_mm, coordinate, right=np.nan))

    return script


def simple_compartments(hu_yx: NDArray[np.int16]) -> NDArray[np.uint8]:
    """Compartment map of a slice on the model grid by geometry alone.

    What lies inside the fascia is wall along its border, behind the spine and beside it, and cavity elsewhere.
    """
    body = _largest(_opened(hu_yx > BODY_HU, 3))
    inside = _largest(_closed(_opened(body & (hu_yx > FAT_CEILING_HU), 2), 8)) & body
    spine_yx = _spine_position(body)
    bone = _spine_bone(hu_yx, inside, spine_yx)
    wall = _near_border(inside) | _behind(hu_yx.shape, spine_yx) | (_beside(hu_yx, bone))
    answer = np.zeros(hu_yx.shape, np.uint8)
    answer[body] = Compartment.SUBCUTANEOUS
    answer[inside] = Compartment.VISCERAL_CAVITY
    answer[inside & wall] = Compartment.MUSCLE_WALL
    answer[bone] = Compartment.SPINE_BONE
    return answer


def flawless(hu_yx: NDArray[np.int16]) -> tuple[float, Degradation]:
    """Rate every slice as undegraded."""
    return 1.0, Degradation.NONE


class FakeModelClient:
    """`sarcopenia.inference.port.ModelClient` without a server.

    Parameters
    ----------
    spine: projections (2, z, SPINE_WIDTH) -> profile of z rows.
    compartments: slice (y, x) -> map of `Compartment` values.
    quality: slice (y, x) -> predicted SSIM and the kind of degradation.
    models: the set to play. rule: the limits to tell.
    failure: raised by every call, and told by `check`; may be set and cleared while the client is in use.
    """

    def __init__(
        self,
        spine: SpineScript | None = None,
        compartments: CompartmentScript = simple_compartments,
        quality: QualityScript = flawless,
        models: ModelSet = DEFAULT_MODELS,
        rule: AcceptanceRule = FAKE_RULE,
        failure: InferenceError | None = None,
    ) -> None:
        self._spine = spine or linear_spine()
        self._compartments = compartments
        self._quality = quality
        self._models = models
        self._rule = rule
        self.failure = failure

    def locate_spine(self, projections_hu_czw: NDArray[np.int16]) -> SpineProfile:
        """See `ModelClient.locate_spine`."""
        require_spine_projections(projections_hu_czw)
        self._fail_if_told()
        return self._spine(projections_hu_czw)

    def segment_compartments(self, slices_hu_nyx: NDArray[np.int16]) -> NDArray[np.uint8]:
        """See `ModelClient.segment_compartments`."""
        require_axial_slices(slices_hu_nyx)
        self._fail_if_told()
        return np.stack([_members(self._compartments(hu_yx)) for hu_yx in slices_hu_nyx])

    def rate_quality(self, slices_hu_nyx: NDArray[np.int16]) -> QualityRating:
        """See `ModelClient.rate_quality`; the scripted kind is certain."""
        require_axial_slices(slices_hu_nyx)
        self._fail_if_told()
        ssim, kinds = zip(*(self._quality(hu_yx) for hu_yx in slices_hu_nyx), strict=True)
        certain = [[float(kind is each) for each in Degradation] for kind in kinds]
        return QualityRating(np.array(ssim, np.float32), np.array(certain, np.float32))

    def classify_slab(self, slab_hu_nyx: NDArray[np.int16]) -> SlabPattern | None:
        """See `ModelClient.classify_slab`; the probability is the share of the body that is no soft tissue."""
        require_axial_slices(slab_hu_nyx)
        self._fail_if_told()
        if not self._models.research:
            return None
        lean_n = (slab_hu_nyx > FAT_CEILING_HU).sum(axis=(1, 2)) + 1
        body = np.count_nonzero(slab_hu_nyx > BODY_HU) + len(slab_hu_nyx)
        return SlabPattern(1 - float(lean_n.sum() / body), (lean_n / lean_n.sum()).astype(np.float32))

    def identities(self) -> tuple[ModelIdentity, ...]:
        """See `ModelClient.identities`; the weights are named by the hash of the model's name."""
        self._fail_if_told()
        return tuple(
            ModelIdentity(c.name, c.version, hashlib.sha256(c.name.encode()).hexdigest(), "FP32", "fake")
            for c in self._models.contracts
        )

    def acceptance_rule(self) -> AcceptanceRule:
        """See `ModelClient.acceptance_rule`."""
        self._fail_if_told()
        return self._rule

    def check(self, deadline_s: float = 5.0) -> tuple[ModelHealth, ...]:
        """See `ModelClient.check`."""
        contracts, failure = self._models.contracts, self.failure
        if failure is not None:
            return tuple(
                ModelHealth(c.name, c.version, False, None, None, failure.message, failure.code) for c in contracts
            )
        return tuple(ModelHealth(c.name, c.version, True, 1.0, 0, "The model answers.") for c in contracts)

    def _fail_if_told(self) -> None:
        if self.failure is not None:
            raise self.failure


def _members(compartments_yx: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Probabilities (member, 5, y, x), 255 = 1, of members that are unsure along the borders of the map."""
    one_hot = (compartments_yx == np.arange(COMPARTMENT_COUNT)[:, None, None]).astype(np.float32)
    blurred = [ndimage.gaussian_filter(one_hot, (0, width, width)) for width in MEMBER_BLUR_PIXELS]
    return np.round(np.stack(blurred) * 255).astype(np.uint8)


def _disc(radius_pixels: int) -> NDArray[np.bool_]:
    y, x = np.ogrid[-radius_pixels : radius_pixels + 1, -radius_pixels : radius_pixels + 1]
    return np.asarray(y * y + x * x <= radius_pixels * radius_pixels)


def _opened(mask_yx: NDArray[np.bool_], radius_pixels: int) -> NDArray[np.bool_]:
    return np.asarray(ndimage.binary_opening(mask_yx, _disc(radius_pixels)))


def _closed(mask_yx: NDArray[np.bool_], radius_pixels: int) -> NDArray[np.bool_]:
    padded = np.pad(mask_yx, radius_pixels)
    closed = ndimage.binary_closing(padded, _disc(radius_pixels))
    return np.asarray(closed[radius_pixels:-radius_pixels, radius_pixels:-radius_pixels])


def _largest(mask_yx: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Largest region without its holes; nothing when there is none."""
    labels, count = ndimage.label(mask_yx)
    if count == 0:
        return mask_yx
    sizes = np.bincount(labels.ravel())[1:]
    return np.asarray(ndimage.binary_fill_holes(labels == 1 + sizes.argmax()))


def _spine_position(body_yx: NDArray[np.bool_]) -> tuple[float, float]:
    """Row and column where the middle of the vertebra is expected."""
    rows, columns = np.flatnonzero(body_yx.any(axis=1)), np.flatnonzero(body_yx.any(axis=0))
    if not len(rows):
        return (0.0, 0.0)
    return rows[0] + SPINE_DEPTH_SHARE * (rows[-1] - rows[0]), (columns[0] + columns[-1]) / 2


def _spine_bone(
    hu_yx: NDArray[np.int16], inside_yx: NDArray[np.bool_], spine_yx: tuple[float, float]
) -> NDArray[np.bool_]:
    """Largest bone around the expected position, without its holes."""
    y, x = np.ogrid[: hu_yx.shape[0], : hu_yx.shape[1]]
    near = np.hypot(y - spine_yx[0], x - spine_yx[1]) * AXIAL_GRID_MM < SPINE_REACH_MM
    return _largest(_closed(inside_yx & near & (hu_yx > BONE_FLOOR_HU), 3)) & inside_yx


def _near_border(inside_yx: NDArray[np.bool_]) -> NDArray[np.bool_]:
    depth = ndimage.distance_transform_edt(np.pad(inside_yx, 1))[1:-1, 1:-1]
    return np.asarray(depth * AXIAL_GRID_MM < WALL_MM)


def _behind(shape_yx: tuple[int, ...], spine_yx: tuple[float, float]) -> NDArray[np.bool_]:
    return np.broadcast_to(np.arange(shape_yx[0])[:, None] > spine_yx[0], shape_yx)


def _beside(hu_yx: NDArray[np.int16], bone_yx: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Soft tissue on the rows of the vertebra and close to it: the psoas."""
    if not bone_yx.any():
        return bone_yx
    distance_mm = ndimage.distance_transform_edt(~bone_yx) * AXIAL_GRID_MM
    rows = np.flatnonzero(bone_yx.any(axis=1))
    level = np.zeros(hu_yx.shape, bool)
    level[rows[0] + 6 :] = True
    return np.asarray((distance_mm < PSOAS_REACH_MM) & level & (hu_yx > FAT_CEILING_HU))
