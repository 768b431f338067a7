"""A model repository for tests: the real config.pbtxt of each model, with tiny networks of the same contract.

The networks are so simple that a test can compute their answers itself (`tiny_spine_profile`, `tiny_probability`).
Only the line with the weights' SHA-256 differs from the real config.
"""

import hashlib
import re
from pathlib import Path

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from sarcopenia.inference.contract import BODY_COMPARTMENTS, COMPARTMENT_COUNT, SPINE_LEVEL, SPINE_WIDTH

REPOSITORY = Path(__file__).resolve().parents[2] / "model_repository"
OPSET, IR_VERSION = 17, 9
MEMBERS = 2
SPINE_OUTPUTS = (
    "vertebral_coordinate",
    "coordinate_spread",
    "spine_probability",
    "rib_probability",
    "sacrum_probability",
)
SPINE_FACTORS = (1e-3, 2e-3, 3e-3, 4e-3, 5e-3)


def tiny_spine_profile(hu_czw: NDArray[np.int16]) -> NDArray[np.float32]:
    """What the tiny `spine_level` answers: mean HU of a row × one factor per output; shape (5, z)."""
    mean_z = hu_czw.astype(np.float32).mean(axis=(0, 2))
    return np.stack([mean_z * np.float32(factor) for factor in SPINE_FACTORS])


def tiny_probability(slices_hu_nyx: NDArray[np.int16]) -> NDArray[np.uint8]:
    """What the tiny `body_compartments` answers: |HU| clipped to 255, in every member and compartment."""
    clipped = np.clip(np.abs(slices_hu_nyx.astype(np.float32)), 0, 255).astype(np.uint8)
    return np.broadcast_to(clipped[:, None, None], (len(clipped), MEMBERS, COMPARTMENT_COUNT, *clipped.shape[1:]))


def tiny_spine_level() -> onnx.ModelProto:
    """`spine_level` as one mean over channels and columns."""
    dims = ["batch", 2, "rows", SPINE_WIDTH]
    nodes = [
        helper.make_node("Cast", ["spine_projections_hu"], ["hu"], to=TensorProto.FLOAT),
        helper.make_node("ReduceMean", ["hu"], ["mean"], axes=[1, 3], keepdims=0),
        *(helper.make_node("Mul", ["mean", f"factor_{name}"], [name]) for name in SPINE_OUTPUTS),
    ]
    factors = zip(SPINE_OUTPUTS, SPINE_FACTORS, strict=True)
    constants = [numpy_helper.from_array(np.float32(factor), f"factor_{name}") for name, factor in factors]
    outputs = [helper.make_tensor_value_info(name, TensorProto.FLOAT, ["batch", "rows"]) for name in SPINE_OUTPUTS]
    inputs = [helper.make_tensor_value_info("spine_projections_hu", TensorProto.INT16, dims)]
    return _model(helper.make_graph(nodes, SPINE_LEVEL, inputs, outputs, constants))


def tiny_body_compartments() -> onnx.ModelProto:
    """`body_compartments` as |HU|, repeated for members and compartments."""
    nodes = [
        helper.make_node("Cast", ["ct_hu"], ["hu"], to=TensorProto.FLOAT),
        helper.make_node("Abs", ["hu"], ["magnitude"]),
        helper.make_node("Clip", ["magnitude", "", "most"], ["clipped"]),
        helper.make_node("Cast", ["clipped"], ["bytes"], to=TensorProto.UINT8),
        helper.make_node("Unsqueeze", ["bytes", "member_axis"], ["one"]),
        helper.make_node("Expand", ["one", "repeats"], ["member_probability"]),
    ]
    constants = [
        numpy_helper.from_array(np.float32(255), "most"),
        numpy_helper.from_array(np.array([1]), "member_axis"),
        numpy_helper.from_array(np.array([1, MEMBERS, COMPARTMENT_COUNT, 1, 1]), "repeats"),
    ]
    dims = ["batch", MEMBERS, COMPARTMENT_COUNT, "rows", "columns"]
    inputs = [helper.make_tensor_value_info("ct_hu", TensorProto.INT16, ["batch", 1, "rows", "columns"])]
    outputs = [helper.make_tensor_value_info("member_probability", TensorProto.UINT8, dims)]
    return _model(helper.make_graph(nodes, BODY_COMPARTMENTS, inputs, outputs, constants))


def _model(graph: onnx.GraphProto) -> onnx.ModelProto:
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=IR_VERSION)
    onnx.checker.check_model(model, full_check=True)
    return model


def write_tiny_repository(folder: Path) -> Path:
    """Write both tiny models with the real configs into ``folder``."""
    for name, model in ((SPINE_LEVEL, tiny_spine_level()), (BODY_COMPARTMENTS, tiny_body_compartments())):
        weights = model.SerializeToString()
        (folder / name / "1").mkdir(parents=True)
        (folder / name / "1" / "model.onnx").write_bytes(weights)
        config = with_sha256((REPOSITORY / name / "config.pbtxt").read_text(), hashlib.sha256(weights).hexdigest())
        (folder / name / "config.pbtxt").write_text(config)
    return folder


def with_sha256(config: str, sha256: str) -> str:
    """The same config.pbtxt with another hash of the weights."""
    changed, count = re.subn(r'("onnx_sha256" value: \{ string_value: ")[0-9a-f]{64}', rf"\g<1>{sha256}", config)
    assert count == 1
    return changed
