"""From trained weights to the model repository: ONNX export, checks against torch and the contract, parameters.

The ONNX files are self-contained, opset 17 and IR ≤ 10, because the served ONNX Runtime of that Triton release is older
than the one at hand. Large weights are stored as FP16 and cast back when the file is loaded: half the size, FP32
arithmetic; the export is refused when that changes an answer, or the muscle wall of a phantom. Batch norms stay apart
and parameters keep their names, so that training can start from a published file (`published_state`).

What belongs to the weights goes into ``config.pbtxt`` beside their SHA-256: the server refuses other weights, and every
result names them and the limits by which it was accepted.
"""

import hashlib
import re
import warnings
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import numpy as np
import onnx
import onnxruntime
import torch
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper
from torch import Tensor, nn

from inference_server.training.classifier.network import ServedClassifier
from inference_server.training.datasets.axial_phantoms import phantom_slices
from inference_server.training.networks import (
    Calibration,
    ServedCompartments,
    ServedSpineNet,
    SpineNet,
    StudentNet,
    TeacherMembers,
)
from inference_server.training.quality.network import ServedQualityNet
from sarcopenia.domain.results import Compartment
from sarcopenia.inference.contract import (
    SARCOPENIA_CLASSIFIER_CONTRACT,
    SCAN_QUALITY_CONTRACT,
    SPINE_LEVEL_CONTRACT,
    SPINE_WIDTH,
    ModelContract,
)

OPSET: Final = 17
MAX_IR: Final = 10
FLOAT_TOLERANCE: Final = 1e-3
BYTE_TOLERANCE: Final = 1
"""Levels of 1/255: rounding may fall to either side."""
HALF_FROM_VALUES: Final = 1000
"""Tensors with fewer values stay FP32: they weigh nothing."""
HALF_TOLERANCE: Final = 6
"""Levels of 1/255 that FP16 weights may move a probability; a border moves by far less than a pixel."""
HALF_FLOAT_TOLERANCE: Final = 2e-2
HALF_DICE, HALF_AREA_PERCENT = 0.999, 0.1
EXAMPLE_SEED: Final = 40_001
"""Phantom on which an export is checked."""
HALF_SUFFIX: Final = ".fp16"


@dataclass(frozen=True)
class Export:
    """What is to be published.

    Attributes
    ----------
    network: the network as it is served, with the tensors of ``contract``. example: an input with a batch of two.
    dynamic_axes: axes of the input that are free, by number. parameters: what else goes into config.pbtxt.
    """

    network: nn.Module
    contract: ModelContract
    example: Tensor
    dynamic_axes: dict[int, str]
    parameters: dict[str, str] = field(default_factory=dict)


def spine_export(network: SpineNet) -> Export:
    """`spine_level`."""
    example = torch.randint(-1000, 1500, (2, 2, 64, SPINE_WIDTH), dtype=torch.int16)
    return Export(ServedSpineNet(network), SPINE_LEVEL_CONTRACT, example, {0: "batch", 2: "z"})


def compartments_export(
    network: StudentNet | TeacherMembers, contract: ModelContract, parameters: dict[str, str], calibration: Calibration
) -> Export:
    """`body_compartments` (the student) or `body_compartments_teacher`."""
    served = ServedCompartments(network, calibration)
    return Export(served, contract, _example_slices(), {0: "batch", 2: "y", 3: "x"}, parameters)


def quality_export(network: ServedQualityNet, parameters: dict[str, str]) -> Export:
    """`scan_quality`."""
    return Export(network, SCAN_QUALITY_CONTRACT, _example_slices(), {0: "batch", 2: "y", 3: "x"}, parameters)


def classifier_export(network: ServedClassifier) -> Export:
    """`sarcopenia_classifier`."""
    slab = torch.stack([_example_slices()[:, 0]] * 2)
    return Export(network, SARCOPENIA_CLASSIFIER_CONTRACT, slab, {0: "batch", 1: "slice", 2: "y", 3: "x"})


def _example_slices() -> Tensor:
    """Two slices (2, 1, y, x) of a phantom: an export is checked on what it is made for."""
    return torch.from_numpy(np.stack([item.hu_yx for item in phantom_slices(EXAMPLE_SEED)[:2]]))[:, None]


def publish(export: Export, repository: Path) -> Path:
    """Write the ONNX file of the contract's version into the repository, checked, and its parameters; returns the file.

    Raises
    ------
    ValueError: the exported model answers differently, or the config lacks a parameter to fill.
    """
    path = repository / export.contract.name / export.contract.version / "model.onnx"
    path.parent.mkdir(parents=True, exist_ok=True)
    export.network.eval()
    write_onnx(export, path)
    full = answers(path, export.contract, export.example)
    compare(full, torch_answers(export), export.contract, (FLOAT_TOLERANCE, BYTE_TOLERANCE))
    store_half(path)
    halved = answers(path, export.contract, export.example)
    compare(halved, full, export.contract, (HALF_FLOAT_TOLERANCE, HALF_TOLERANCE))
    if export.contract.outputs[0].name == "member_probability":
        compare_walls(halved[0], full[0])
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    for config in ("config.pbtxt", "configs/gpu.pbtxt"):
        set_parameters(repository / export.contract.name / config, {"onnx_sha256": digest} | export.parameters)
    return path


def write_onnx(export: Export, path: Path) -> None:
    """Write a self-contained ONNX file with the tensor names of the contract."""
    outputs = [spec.name for spec in export.contract.outputs]
    axes = {export.contract.inputs[0].name: export.dynamic_axes}
    for spec in export.contract.outputs:
        free = [i + 1 for i, size in enumerate(spec.dims) if size == -1]
        axes[spec.name] = {0: "batch"} | {i: f"{spec.name}_{i}" for i in free}
    with warnings.catch_warnings():
        # The TorchScript exporter is the one that writes opset 17; its deprecation is known.
        warnings.simplefilter("ignore")
        torch.onnx.export(
            export.network,
            (export.example,),
            path,
            opset_version=OPSET,
            input_names=[export.contract.inputs[0].name],
            output_names=outputs,
            dynamic_axes=axes,
            dynamo=False,
            training=torch.onnx.TrainingMode.PRESERVE,
            do_constant_folding=False,
        )
    model = onnx.load(path)
    model.ir_version = min(model.ir_version, MAX_IR)
    fix_sizes(model, export.contract)
    onnx.checker.check_model(model)
    onnx.save(model, path)


def fix_sizes(model: onnx.ModelProto, contract: ModelContract) -> None:
    """Write the sizes that the contract fixes into the outputs: shape inference of the exporter loses some."""
    for output, spec in zip(model.graph.output, contract.outputs, strict=True):
        for axis, size in zip(output.type.tensor_type.shape.dim[1:], spec.dims, strict=True):
            if size != -1:
                axis.dim_value = size


def store_half(path: Path) -> None:
    """Store the large FP32 tensors of a file as FP16, with a cast to FP32 in front of their use."""
    model = onnx.load(path)
    casts, kept = [], []
    for tensor in model.graph.initializer:
        values = numpy_helper.to_array(tensor)
        if tensor.data_type != TensorProto.FLOAT or values.size < HALF_FROM_VALUES:
            kept.append(tensor)
            continue
        half = f"{tensor.name}{HALF_SUFFIX}"
        kept.append(numpy_helper.from_array(values.astype(np.float16), half))
        casts.append(helper.make_node("Cast", [half], [tensor.name], to=TensorProto.FLOAT))
    nodes = [*casts, *model.graph.node]
    del model.graph.initializer[:], model.graph.node[:]
    model.graph.initializer.extend(kept)
    model.graph.node.extend(nodes)
    onnx.checker.check_model(model)
    onnx.save(model, path)


def published_state(path: Path) -> dict[str, Tensor]:
    """The weights of a published file by the names of the served torch module (the counters of batch norms are not)."""
    graph = onnx.load(path).graph
    state = {
        tensor.name.removesuffix(HALF_SUFFIX): torch.from_numpy(numpy_helper.to_array(tensor).copy()).float()
        for tensor in graph.initializer
        if "." in tensor.name
    }
    # Equal tensors are stored once and referred to.
    same = {node.output[0]: node.input[0] for node in graph.node if node.op_type == "Identity"}
    return state | {copy: state[original] for copy, original in same.items() if original in state}


def answers(path: Path, contract: ModelContract, example: Tensor) -> list[NDArray[np.generic]]:
    """Outputs of an ONNX file for a batch and for another size."""
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    name = contract.inputs[0].name
    return [output for images in _two_sizes(example) for output in session.run(None, {name: images.numpy()})]


def torch_answers(export: Export) -> list[NDArray[np.generic]]:
    """The same from the network itself."""
    found = []
    for images in _two_sizes(export.example):
        with torch.no_grad():
            outputs = export.network(images)
        found += [outputs] if isinstance(outputs, Tensor) else list(outputs)
    return [output.numpy() for output in found]


def _two_sizes(example: Tensor) -> tuple[Tensor, Tensor]:
    return example, torch.cat([example, example.flip(2)], dim=2)[:1]


def compare(
    found: list[NDArray[np.generic]],
    expected: list[NDArray[np.generic]],
    contract: ModelContract,
    tolerance: tuple[float, float],
) -> None:
    """Hold answers to others, in units of the output: ``tolerance`` for floats and for bytes.

    Raises
    ------
    ValueError: they differ by more.
    """
    specs = contract.outputs * 2
    for spec, have, want in zip(specs, found, expected, strict=True):
        allowed = tolerance[1] if spec.data_type == "TYPE_UINT8" else tolerance[0]
        difference = np.abs(want.astype(np.float64) - have.astype(np.float64)).max()
        if difference > allowed:
            raise ValueError(f"{contract.name}/{spec.name}: the exported file differs by {difference}")


def compare_walls(found: NDArray[np.uint8], expected: NDArray[np.uint8]) -> None:
    """Hold the muscle walls of two answers (n, members, 5, y, x) together by Dice and by area.

    Raises
    ------
    ValueError: the walls are not the same for all that matters.
    """
    have, want = (a.mean(1).argmax(1) == Compartment.MUSCLE_WALL for a in (found, expected))
    dice = 2 * (have & want).sum() / max(have.sum() + want.sum(), 1)
    area_percent = 100 * abs(int(have.sum()) - int(want.sum())) / max(want.sum(), 1)
    if dice < HALF_DICE or area_percent > HALF_AREA_PERCENT:
        raise ValueError(f"FP16 weights change the muscle wall: Dice {dice:.4f}, area {area_percent:.2f} %")


def set_parameters(config: Path, parameters: dict[str, str]) -> None:
    """Fill parameters of a model's config.

    Raises
    ------
    ValueError: the config does not hold a parameter exactly once.
    """
    text = config.read_text()
    for key, value in parameters.items():
        pattern = rf'(key:\s*"{key}"\s*value:?\s*\{{\s*string_value:\s*")[^"]*(")'
        text, count = re.subn(pattern, rf"\g<1>{value}\g<2>", text)
        if count != 1:
            raise ValueError(f"{config} must hold the parameter {key} exactly once")
    config.write_text(text)
