"""A model repository for tests: the real config.pbtxt of each model, with tiny networks of the same contract.

The networks are so simple that a test can compute their answers itself (`tiny_spine_profile`, `tiny_probability`,
`tiny_rating`, `tiny_pattern`). Only the parameters that belong to the weights differ from the real config.
"""

import hashlib
import re
from pathlib import Path

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from sarcopenia.domain.results import AcceptanceRule
from sarcopenia.inference.contract import (
    BODY_COMPARTMENTS,
    BODY_COMPARTMENTS_TEACHER,
    COMPARTMENT_COUNT,
    DEGRADATION_COUNT,
    SARCOPENIA_CLASSIFIER,
    SCAN_QUALITY,
    SPINE_LEVEL,
    SPINE_WIDTH,
)

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
SSIM_FACTOR = 1e-4
DEGRADATION_FACTORS = np.arange(1, DEGRADATION_COUNT + 1, dtype=np.float32) * np.float32(1e-3)
TINY_RULE = AcceptanceRule(2.5, 10.0, 1.25, 0.8, 0.6)
TINY_LIMITS = {
    "cov_review_percent": "2.5",
    "cov_reject_percent": "10",
    "temperature": "1.25",
    "ssim_review": "0.8",
    "ssim_reject": "0.6",
}


def tiny_spine_profile(hu_czw: NDArray[np.int16]) -> NDArray[np.float32]:
    """What the tiny `spine_level` answers: mean HU of a row × one factor per output; shape (5, z)."""
    mean_z = hu_czw.astype(np.float32).mean(axis=(0, 2))
    return np.stack([mean_z * np.float32(factor) for factor in SPINE_FACTORS])


def tiny_probability(slices_hu_nyx: NDArray[np.int16]) -> NDArray[np.uint8]:
    """What the tiny `body_compartments` answers: |HU| clipped to 255, in every member and compartment."""
    clipped = np.clip(np.abs(slices_hu_nyx.astype(np.float32)), 0, 255).astype(np.uint8)
    return np.broadcast_to(clipped[:, None, None], (len(clipped), MEMBERS, COMPARTMENT_COUNT, *clipped.shape[1:]))


def tiny_rating(slices_hu_nyx: NDArray[np.int16]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """What the tiny `scan_quality` answers: mean HU × a factor, and × one factor per degradation: (n,), (n, 6)."""
    mean_n = slices_hu_nyx.astype(np.float32).mean(axis=(1, 2))
    return mean_n * np.float32(SSIM_FACTOR), mean_n[:, None] * DEGRADATION_FACTORS


def tiny_pattern(slab_hu_nyx: NDArray[np.int16]) -> tuple[float, NDArray[np.float32]]:
    """What the tiny `sarcopenia_classifier` answers: sigmoid of the mean HU / 1000, and the slices' means over it."""
    mean_n = slab_hu_nyx.astype(np.float32).mean(axis=(1, 2)) / np.float32(1000)
    return float(1 / (1 + np.exp(-mean_n.mean()))), mean_n


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


def tiny_body_compartments(name: str) -> onnx.ModelProto:
    """Student or teacher as |HU|, repeated for members and compartments."""
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
    return _model(helper.make_graph(nodes, name, inputs, outputs, constants))


def tiny_scan_quality() -> onnx.ModelProto:
    """`scan_quality` as the mean of a slice times constants."""
    nodes = [
        helper.make_node("Cast", ["ct_hu"], ["hu"], to=TensorProto.FLOAT),
        helper.make_node("ReduceMean", ["hu"], ["mean"], axes=[2, 3], keepdims=0),
        helper.make_node("Mul", ["mean", "ssim_factor"], ["predicted_ssim"]),
        helper.make_node("Mul", ["mean", "degradation_factors"], ["degradation_probability"]),
    ]
    constants = [
        numpy_helper.from_array(np.float32(SSIM_FACTOR), "ssim_factor"),
        numpy_helper.from_array(DEGRADATION_FACTORS, "degradation_factors"),
    ]
    inputs = [helper.make_tensor_value_info("ct_hu", TensorProto.INT16, ["batch", 1, "rows", "columns"])]
    outputs = [
        helper.make_tensor_value_info("predicted_ssim", TensorProto.FLOAT, ["batch", 1]),
        helper.make_tensor_value_info("degradation_probability", TensorProto.FLOAT, ["batch", DEGRADATION_COUNT]),
    ]
    return _model(helper.make_graph(nodes, SCAN_QUALITY, inputs, outputs, constants))


def tiny_sarcopenia_classifier() -> onnx.ModelProto:
    """`sarcopenia_classifier` as means over slices and over the slab."""
    nodes = [
        helper.make_node("Cast", ["slab_hu"], ["hu"], to=TensorProto.FLOAT),
        helper.make_node("Mul", ["hu", "thousandth"], ["scaled"]),
        helper.make_node("ReduceMean", ["scaled"], ["slice_attention"], axes=[2, 3], keepdims=0),
        helper.make_node("ReduceMean", ["slice_attention"], ["mean"], axes=[1], keepdims=1),
        helper.make_node("Sigmoid", ["mean"], ["low_muscle_probability"]),
    ]
    constants = [numpy_helper.from_array(np.float32(1e-3), "thousandth")]
    inputs = [helper.make_tensor_value_info("slab_hu", TensorProto.INT16, ["batch", "slices", "rows", "columns"])]
    outputs = [
        helper.make_tensor_value_info("low_muscle_probability", TensorProto.FLOAT, ["batch", 1]),
        helper.make_tensor_value_info("slice_attention", TensorProto.FLOAT, ["batch", "slices"]),
    ]
    return _model(helper.make_graph(nodes, SARCOPENIA_CLASSIFIER, inputs, outputs, constants))


def _model(graph: onnx.GraphProto) -> onnx.ModelProto:
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=IR_VERSION)
    onnx.checker.check_model(model, full_check=True)
    return model


def write_tiny_repository(folder: Path) -> Path:
    """Write a tiny model for every contract, with the real configs, into ``folder``."""
    models = {
        SPINE_LEVEL: tiny_spine_level(),
        BODY_COMPARTMENTS: tiny_body_compartments(BODY_COMPARTMENTS),
        BODY_COMPARTMENTS_TEACHER: tiny_body_compartments(BODY_COMPARTMENTS_TEACHER),
        SCAN_QUALITY: tiny_scan_quality(),
        SARCOPENIA_CLASSIFIER: tiny_sarcopenia_classifier(),
    }
    for name, model in models.items():
        weights = model.SerializeToString()
        (version,) = re.findall(r"specific \{ versions: \[ (\d+) \]", (REPOSITORY / name / "config.pbtxt").read_text())
        (folder / name / version).mkdir(parents=True)
        (folder / name / version / "model.onnx").write_bytes(weights)
        config = with_sha256((REPOSITORY / name / "config.pbtxt").read_text(), hashlib.sha256(weights).hexdigest())
        for key, value in TINY_LIMITS.items():
            config = re.sub(rf'("{key}" value: \{{ string_value: ")[^"]*', rf"\g<1>{value}", config)
        (folder / name / "config.pbtxt").write_text(config)
    return folder


def with_sha256(config: str, sha256: str) -> str:
    """The same config.pbtxt with another hash of the weights."""
    changed, count = re.subn(r'("onnx_sha256" value: \{ string_value: ")[0-9a-f]{64}', rf"\g<1>{sha256}", config)
    assert count == 1
    return changed
