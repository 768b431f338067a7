"""Holds tensors to the contract before they are sent and after they came back; used by the Triton client and the fake.

A refusal here is an `InferenceRejectedError`, the same that a server with another contract causes: for the person it is
the same thing, dashboard and models do not fit together.
"""

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from sarcopenia.domain.errors import InferenceRejectedError
from sarcopenia.inference.contract import (
    AXIAL_SIZE_MULTIPLE,
    COMPARTMENT_COUNT,
    DEGRADATION_COUNT,
    SPINE_LENGTH_MULTIPLE,
    SPINE_WIDTH,
)

Shape = tuple[int | None, ...]
"""Expected shape; ``None`` = any size."""

DTYPES: Final = {"TYPE_INT16": np.int16, "TYPE_UINT8": np.uint8, "TYPE_FP32": np.float32}
"""Triton data type -> numpy type, for the types in the contracts."""


def require_spine_projections(hu_czw: NDArray[np.int16]) -> None:
    """Raise `InferenceRejectedError` unless int16 of shape (2, z, SPINE_WIDTH), z a positive multiple of 16."""
    require_tensor("spine projections", hu_czw, "TYPE_INT16", (2, None, SPINE_WIDTH))
    _require_multiple("rows of the spine projections", hu_czw.shape[1], SPINE_LENGTH_MULTIPLE)


def require_axial_slices(hu_nyx: NDArray[np.int16]) -> None:
    """Raise `InferenceRejectedError` unless int16 (n, y, x), n > 0, y and x positive multiples of 32."""
    require_tensor("axial slices", hu_nyx, "TYPE_INT16", (None, None, None))
    _require_multiple("number of axial slices", hu_nyx.shape[0], 1)
    _require_multiple("rows of the axial slices", hu_nyx.shape[1], AXIAL_SIZE_MULTIPLE)
    _require_multiple("columns of the axial slices", hu_nyx.shape[2], AXIAL_SIZE_MULTIPLE)


def require_member_probability(answer: NDArray[np.uint8], slices_nyx: NDArray[np.int16]) -> None:
    """Raise `InferenceRejectedError` unless uint8 (n, member, 5, y, x) with the n, y and x of the slices asked."""
    count, rows, columns = slices_nyx.shape
    require_tensor("member_probability", answer, "TYPE_UINT8", (count, None, COMPARTMENT_COUNT, rows, columns))
    _require_multiple("number of ensemble members", answer.shape[1], 1)


def require_rating(ssim: NDArray[np.float32], degradation: NDArray[np.float32], count: int) -> None:
    """Raise `InferenceRejectedError` unless float32 (count, 1) and (count, 6), finite."""
    require_tensor("predicted_ssim", ssim, "TYPE_FP32", (count, 1))
    require_tensor("degradation_probability", degradation, "TYPE_FP32", (count, DEGRADATION_COUNT))
    _require_finite("predicted_ssim", ssim)


def require_pattern(probability: NDArray[np.float32], attention: NDArray[np.float32], count: int) -> None:
    """Raise `InferenceRejectedError` unless float32 (1, 1) and (1, count), finite."""
    require_tensor("low_muscle_probability", probability, "TYPE_FP32", (1, 1))
    require_tensor("slice_attention", attention, "TYPE_FP32", (1, count))
    _require_finite("low_muscle_probability", probability)


def require_tensor(name: str, array: NDArray[Any] | None, data_type: str, shape: Shape) -> NDArray[Any]:
    """Return the array; raise `InferenceRejectedError` unless it is there with this Triton data type and shape."""
    if array is None:
        raise InferenceRejectedError(f"The server sent no {name}.")
    fits = len(array.shape) == len(shape) and all(e in (None, s) for e, s in zip(shape, array.shape, strict=True))
    if array.dtype != DTYPES[data_type] or not fits:
        wanted = ", ".join("any" if size is None else str(size) for size in shape)
        raise InferenceRejectedError(
            f"{name}: expected {data_type.removeprefix('TYPE_')} of shape ({wanted}), "
            f"not {array.dtype} of shape {array.shape}."
        )
    return array


def _require_finite(name: str, array: NDArray[np.float32]) -> None:
    # NaN would pass every limit: no comparison with it is true.
    if not np.isfinite(array).all():
        raise InferenceRejectedError(f"{name}: the model answers with a value that is no number.")


def _require_multiple(what: str, size: int, multiple: int) -> None:
    if size < 1 or size % multiple:
        rule = f"a multiple of {multiple}" if multiple > 1 else "at least 1"
        raise InferenceRejectedError(f"The {what} must be {rule}, not {size}.")
