"""What stands in model_repository: configs against the code's contract, weights against the rules and their hash."""

import hashlib
from pathlib import Path

import onnx
import pytest
from google.protobuf import text_format
from tritonclient.grpc import model_config_pb2

from sarcopenia.inference.contract import CONTRACTS

REPOSITORY = Path(__file__).resolve().parents[2] / "model_repository"
MAX_OPSET, MAX_IR = 17, 10
MAX_TOTAL_BYTES = 20_000_000
ONNX_TYPES = {
    "TYPE_INT16": onnx.TensorProto.INT16,
    "TYPE_UINT8": onnx.TensorProto.UINT8,
    "TYPE_FP32": onnx.TensorProto.FLOAT,
}


def parsed(path):
    return text_format.Parse(path.read_text(), model_config_pb2.ModelConfig())


def type_name(value):
    return model_config_pb2.DataType.Name(value)


@pytest.fixture(params=CONTRACTS, ids=lambda contract: contract.name)
def contract(request):
    return request.param


@pytest.fixture(params=["config.pbtxt", "configs/gpu.pbtxt"])
def config(request, contract):
    return parsed(REPOSITORY / contract.name / request.param)


@pytest.fixture
def model_file(contract):
    return REPOSITORY / contract.name / contract.version / "model.onnx"


def specs(tensors):
    return [(t.name, type_name(t.data_type), tuple(t.dims)) for t in tensors]


def test_config_says_what_the_code_expects(contract, config):
    assert config.name == contract.name
    assert config.backend == "onnxruntime"
    assert specs(config.input) == [(s.name, s.data_type, s.dims) for s in contract.inputs]
    assert specs(config.output) == [(s.name, s.data_type, s.dims) for s in contract.outputs]


def test_config_pins_the_version_batches_and_warms_up(contract, config):
    assert list(config.version_policy.specific.versions) == [int(contract.version)]
    assert config.max_batch_size > 0
    assert config.HasField("dynamic_batching")
    assert config.dynamic_batching.default_queue_policy.max_queue_size > 0
    assert len(config.model_warmup) >= 1


def test_the_gpu_config_changes_placement_and_precision_only(contract):
    cpu = parsed(REPOSITORY / contract.name / "config.pbtxt")
    gpu = parsed(REPOSITORY / contract.name / "configs" / "gpu.pbtxt")
    kinds = model_config_pb2.ModelInstanceGroup
    assert {group.kind for group in cpu.instance_group} == {kinds.KIND_CPU}
    assert {group.kind for group in gpu.instance_group} == {kinds.KIND_GPU}
    accelerators = [a.name for a in gpu.optimization.execution_accelerators.gpu_execution_accelerator]
    assert accelerators == ["tensorrt"]
    assert cpu.parameters["onnx_sha256"] == gpu.parameters["onnx_sha256"]


def test_only_one_version_with_its_card_is_there(contract, model_file):
    folder = REPOSITORY / contract.name
    assert [p.name for p in folder.iterdir() if p.name.isdigit()] == [contract.version]
    card = (folder / "card.md").read_text()
    assert hashlib.sha256(model_file.read_bytes()).hexdigest() in card
    for heading in ("## Figures", "## Data and licences", "## Limits"):
        assert heading in card
    assert "Research use only" in card


def test_weights_are_those_of_the_config(config, model_file):
    assert config.parameters["onnx_sha256"].string_value == hashlib.sha256(model_file.read_bytes()).hexdigest()


def test_weights_run_on_the_older_runtime_of_the_server(model_file):
    model = onnx.load(model_file, load_external_data=False)
    onnx.checker.check_model(model)
    assert next(entry.version for entry in model.opset_import if entry.domain == "") <= MAX_OPSET
    assert model.ir_version <= MAX_IR
    assert not any(tensor.external_data for tensor in model.graph.initializer)


def test_weights_have_the_tensors_of_the_contract(contract, model_file):
    graph = onnx.load(model_file).graph

    def shape(value):
        return [d.dim_value or -1 for d in value.type.tensor_type.shape.dim]

    for value, spec in zip(graph.input, contract.inputs, strict=True):
        assert (value.name, value.type.tensor_type.elem_type) == (spec.name, ONNX_TYPES[spec.data_type])
        assert shape(value)[1:] == list(spec.dims)
    for value, spec in zip(graph.output, contract.outputs, strict=True):
        assert (value.name, value.type.tensor_type.elem_type) == (spec.name, ONNX_TYPES[spec.data_type])
        assert len(shape(value)) == len(spec.dims) + 1


def test_all_weights_together_are_small():
    assert sum(path.stat().st_size for path in REPOSITORY.rglob("*.onnx")) <= MAX_TOTAL_BYTES
