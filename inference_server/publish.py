"""From trained weights to the model repository: ONNX export, check against torch and the contract, hash in the config.

The ONNX files are self-contained, opset 17 and IR ≤ 10, because the served ONNX Runtime of that Triton release is older
than the one at hand. The SHA-256 goes into ``config.pbtxt`` as the parameter ``onnx_sha256``: the server refuses other
weights, and every result names it.
"""

import hashlib
import re
import warnings
from pathlib import Path
from typing import Final

import numpy as np
import onnx
import onnxruntime
import torch
from torch import Tensor, nn

from inference_server.training.networks import CompartmentEnsemble, CompartmentNet, ServedSpineNet, SpineNet
from sarcopenia.inference.contract import (
    BODY_COMPARTMENTS_CONTRACT,
    SPINE_LEVEL_CONTRACT,
    SPINE_WIDTH,
    ModelContract,
)

OPSET: Final = 17
MAX_IR: Final = 10
LEVEL_TOLERANCE: Final = 1e-3
PROBABILITY_TOLERANCE: Final = 1
"""Levels of 1/255: rounding may fall to either side."""


def publish_spine(network: SpineNet, repository: Path) -> Path:
    """Export `spine_level`; returns the ONNX file."""
    example = torch.randint(-1000, 1500, (2, 2, 64, SPINE_WIDTH), dtype=torch.int16)
    dynamic = {0: "batch", 2: "z"}
    return _publish(ServedSpineNet(network), SPINE_LEVEL_CONTRACT, example, dynamic, repository)


def publish_compartments(members: list[CompartmentNet], repository: Path) -> Path:
    """Export the ensemble `body_compartments`; returns the ONNX file."""
    example = torch.randint(-1000, 1500, (2, 1, 64, 96), dtype=torch.int16)
    dynamic = {0: "batch", 2: "y", 3: "x"}
    return _publish(CompartmentEnsemble(members), BODY_COMPARTMENTS_CONTRACT, example, dynamic, repository)


def _publish(
    network: nn.Module, contract: ModelContract, example: Tensor, dynamic: dict[int, str], repository: Path
) -> Path:
    path = repository / contract.name / contract.version / "model.onnx"
    path.parent.mkdir(parents=True, exist_ok=True)
    network.eval()
    export(network, contract, example, dynamic, path)
    compare_with_torch(network, contract, example, path)
    for config in ("config.pbtxt", "configs/gpu.pbtxt"):
        write_hash(repository / contract.name / config, path)
    return path


def export(network: nn.Module, contract: ModelContract, example: Tensor, dynamic: dict[int, str], path: Path) -> None:
    """Write a self-contained ONNX file with the tensor names of the contract."""
    outputs = [spec.name for spec in contract.outputs]
    axes = {contract.inputs[0].name: dynamic}
    for spec in contract.outputs:
        free = [i + 1 for i, size in enumerate(spec.dims) if size == -1]
        axes[spec.name] = {0: "batch"} | {i: f"{spec.name}_{i}" for i in free}
    with warnings.catch_warnings():
        # The TorchScript exporter is the one that writes opset 17; its deprecation is known.
        warnings.simplefilter("ignore")
        torch.onnx.export(
            network,
            (example,),
            path,
            opset_version=OPSET,
            input_names=[contract.inputs[0].name],
            output_names=outputs,
            dynamic_axes=axes,
            dynamo=False,
        )
    model = onnx.load(path)
    model.ir_version = min(model.ir_version, MAX_IR)
    onnx.checker.check_model(model)
    onnx.save(model, path)


def compare_with_torch(network: nn.Module, contract: ModelContract, example: Tensor, path: Path) -> None:
    """Compare ONNX Runtime and torch on a batch and on another size.

    Raises
    ------
    ValueError: the exported model answers differently.
    """
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    for images in (example, torch.cat([example, example.flip(2)], dim=2)[:1]):
        with torch.no_grad():
            expected = network(images)
        expected = (expected,) if isinstance(expected, Tensor) else expected
        found = session.run(None, {contract.inputs[0].name: images.numpy()})
        for spec, want, have in zip(contract.outputs, expected, found, strict=True):
            tolerance = PROBABILITY_TOLERANCE if spec.data_type == "TYPE_UINT8" else LEVEL_TOLERANCE
            difference = np.abs(want.numpy().astype(np.float64) - have.astype(np.float64)).max()
            if difference > tolerance:
                raise ValueError(f"{contract.name}/{spec.name}: ONNX differs from torch by {difference}")


def write_hash(config: Path, model: Path) -> None:
    """Put the SHA-256 of the ONNX file into the model's config.

    Raises
    ------
    ValueError: the config has no ``onnx_sha256`` parameter to fill.
    """
    digest = hashlib.sha256(model.read_bytes()).hexdigest()
    text = config.read_text()
    pattern = r'(key:\s*"onnx_sha256"\s*value:?\s*\{\s*string_value:\s*")[^"]*(")'
    changed, count = re.subn(pattern, rf"\g<1>{digest}\g<2>", text)
    if count != 1:
        raise ValueError(f"{config} must hold the parameter onnx_sha256 exactly once")
    config.write_text(changed)
