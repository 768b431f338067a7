"""What stands in model_repository: configs against the contract, weights against the rules, their hash, their card."""

import hashlib
from pathlib import Path

import onnx
import pytest
from google.protobuf import text_format
from onnx import TensorProto
from tritonclient.grpc import model_config_pb2

from inference_server.evaluation.cards import PARAMETER
from sarcopenia.inference.acceptance import acceptance_rule
from sarcopenia.inference.contract import (
    ALL_CONTRACTS,
    BODY_COMPARTMENTS_TEACHER,
    COMPARTMENT_CONTRACTS,
    ModelContract,
    ModelSet,
    TensorSpec,
)
from tests.contract.tiny_models import REPOSITORY, write_tiny_repository

MAX_OPSET, MAX_IR = 17, 10
"""What the ONNX Runtime in NVIDIA's container of the embedded server's release reads."""
MAX_TOTAL_BYTES = 20_000_000
"""What a CPU server can load: everything but the teacher."""
ONNX_TYPES = {"TYPE_INT16": TensorProto.INT16, "TYPE_UINT8": TensorProto.UINT8, "TYPE_FP32": TensorProto.FLOAT}
PER_CONTRACT = pytest.mark.parametrize("contract", ALL_CONTRACTS, ids=lambda contract: contract.name)


def parsed(path: Path) -> model_config_pb2.ModelConfig:
    return text_format.Parse(path.read_text(), model_config_pb2.ModelConfig())


def config_of(contract: ModelContract) -> model_config_pb2.ModelConfig:
    return parsed(REPOSITORY / contract.name / "config.pbtxt")


def specs_of(tensors: list) -> tuple[TensorSpec, ...]:
    types = model_config_pb2.DataType
    return tuple(TensorSpec(t.name, types.Name(t.data_type), tuple(t.dims)) for t in tensors)


def test_the_repository_serves_exactly_the_models_of_the_contract() -> None:
    assert sorted(path.name for path in REPOSITORY.iterdir() if path.is_dir()) == sorted(c.name for c in ALL_CONTRACTS)


@PER_CONTRACT
def test_config_and_code_name_the_same_tensors(contract: ModelContract) -> None:
    config = config_of(contract)
    assert (config.name, config.backend) == (contract.name, "onnxruntime")
    assert config.max_batch_size == contract.max_batch_size
    assert specs_of(config.input) == contract.inputs
    assert specs_of(config.output) == contract.outputs


@PER_CONTRACT
def test_the_version_is_pinned_to_that_of_the_code(contract: ModelContract) -> None:
    assert list(config_of(contract).version_policy.specific.versions) == [int(contract.version)]


@PER_CONTRACT
def test_a_full_or_slow_queue_rejects(contract: ModelContract) -> None:
    policy = config_of(contract).dynamic_batching.default_queue_policy
    assert policy.timeout_action == model_config_pb2.ModelQueuePolicy.REJECT
    assert policy.max_queue_size > 0
    assert policy.default_timeout_microseconds > 0
    assert not policy.allow_timeout_override


@PER_CONTRACT
def test_one_cpu_instance_with_known_threads(contract: ModelContract) -> None:
    config = config_of(contract)
    ((kind, count),) = [(group.kind, group.count) for group in config.instance_group]
    assert (kind, count) == (model_config_pb2.ModelInstanceGroup.KIND_CPU, 1)
    assert int(config.parameters["intra_op_thread_count"].string_value) > 0


@PER_CONTRACT
@pytest.mark.parametrize("variant", ["config.pbtxt", "configs/gpu.pbtxt"])
def test_warm_ups_are_inputs_that_the_contract_allows(contract: ModelContract, variant: str) -> None:
    config = parsed(REPOSITORY / contract.name / variant)
    assert config.model_warmup
    for warm_up in config.model_warmup:
        assert warm_up.batch_size <= contract.max_batch_size
        assert set(warm_up.inputs) == {spec.name for spec in contract.inputs}
        for spec in contract.inputs:
            dims = tuple(warm_up.inputs[spec.name].dims)
            steps = [dim % canary for dim, canary in zip(dims, contract.canary_dims, strict=True)]
            assert not any(steps)
            assert all(want in (-1, have) for want, have in zip(spec.dims, dims, strict=True))


@PER_CONTRACT
def test_the_gpu_variant_differs_in_placement_precision_and_warm_up_only(contract: ModelContract) -> None:
    cpu, gpu = config_of(contract), parsed(REPOSITORY / contract.name / "configs" / "gpu.pbtxt")
    accelerators = gpu.optimization.execution_accelerators.gpu_execution_accelerator
    assert [(each.name, each.parameters["precision_mode"]) for each in accelerators] == [("tensorrt", "FP16")]
    assert {group.kind for group in gpu.instance_group} == {model_config_pb2.ModelInstanceGroup.KIND_GPU}
    assert gpu.parameters["precision"].string_value != cpu.parameters["precision"].string_value
    for config in (cpu, gpu):
        for field in ("instance_group", "optimization", "model_warmup"):
            config.ClearField(field)
        for key in ("precision", "intra_op_thread_count"):
            del config.parameters[key]
    assert gpu == cpu


@PER_CONTRACT
def test_one_version_with_its_card_is_there(contract: ModelContract) -> None:
    folder = REPOSITORY / contract.name
    assert [path.name for path in folder.iterdir() if path.name.isdigit()] == [contract.version]
    card = (folder / "card.md").read_text()
    assert hashlib.sha256(weights(REPOSITORY, contract).read_bytes()).hexdigest() in card
    for part in ("## Figures", "## Data and licences", "## Limits", "Research use only"):
        assert part in card


@pytest.mark.parametrize("compartments", COMPARTMENT_CONTRACTS, ids=lambda contract: contract.name)
def test_the_limits_of_published_weights_are_sound(compartments: ModelContract) -> None:
    names = [contract.name for contract in ALL_CONTRACTS]
    configs = {name: (REPOSITORY / name / "config.pbtxt").read_text() for name in names}
    parameters = {name: dict(PARAMETER.findall(text)) for name, text in configs.items()}
    rule = acceptance_rule(ModelSet(compartments), parameters)
    assert 0 < rule.cov_review_percent <= rule.cov_reject_percent < 100


def test_the_weights_of_a_cpu_server_are_small() -> None:
    files = [path for path in REPOSITORY.rglob("*.onnx") if path.parents[1].name != BODY_COMPARTMENTS_TEACHER]
    assert sum(path.stat().st_size for path in files) <= MAX_TOTAL_BYTES


@pytest.fixture(params=["tiny", "published"])
def repository(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """The repository of the contract tests, and the real one."""
    return write_tiny_repository(tmp_path / "repository") if request.param == "tiny" else REPOSITORY


def weights(repository: Path, contract: ModelContract) -> Path:
    return repository / contract.name / contract.version / "model.onnx"


@PER_CONTRACT
def test_config_names_the_hash_of_its_weights(repository: Path, contract: ModelContract) -> None:
    config = parsed(repository / contract.name / "config.pbtxt")
    digest = hashlib.sha256(weights(repository, contract).read_bytes()).hexdigest()
    assert config.parameters["onnx_sha256"].string_value == digest


@PER_CONTRACT
def test_onnx_file_is_readable_by_the_older_container_and_whole(repository: Path, contract: ModelContract) -> None:
    path = weights(repository, contract)
    model = onnx.load(path, load_external_data=False)
    onnx.checker.check_model(model)
    assert {opset.domain: opset.version for opset in model.opset_import}[""] <= MAX_OPSET
    assert model.ir_version <= MAX_IR
    assert not [t.name for t in model.graph.initializer if t.data_location == TensorProto.EXTERNAL]
    assert [file.name for file in path.parent.iterdir()] == ["model.onnx"]


@PER_CONTRACT
def test_onnx_file_and_contract_name_the_same_tensors(repository: Path, contract: ModelContract) -> None:
    graph = onnx.load(weights(repository, contract)).graph
    for tensors, specs in ((graph.input, contract.inputs), (graph.output, contract.outputs)):
        assert [t.name for t in tensors] == [spec.name for spec in specs]
        for tensor, spec in zip(tensors, specs, strict=True):
            assert tensor.type.tensor_type.elem_type == ONNX_TYPES[spec.data_type]
            sizes = [dim.dim_value if dim.HasField("dim_value") else -1 for dim in tensor.type.tensor_type.shape.dim]
            assert sizes[0] == -1, "the batch axis must be free"
            # A free axis of the contract may be fixed in the file (the number of members), never the reverse.
            assert all(want in (-1, have) for want, have in zip(spec.dims, sizes[1:], strict=True))
