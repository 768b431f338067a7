"""Training starts from published files: the same answers come back from the weights by name."""

import pytest

torch = pytest.importorskip("torch", reason="the extra `train` is not installed")

from inference_server.publish import Export, store_half, write_onnx  # noqa: E402
from inference_server.training.compartments.pretrain import transfer  # noqa: E402
from inference_server.training.networks import (  # noqa: E402
    Calibration,
    CompartmentNet,
    ServedCompartments,
    ServedSpineNet,
    SpineNet,
    StudentNet,
    TeacherMembers,
)
from inference_server.training.published_weights import write_member_start, write_spine_start  # noqa: E402
from sarcopenia.domain.errors import SettingsError  # noqa: E402
from sarcopenia.inference.contract import BODY_COMPARTMENTS_CONTRACT, SPINE_LEVEL_CONTRACT, SPINE_WIDTH  # noqa: E402

pytestmark = pytest.mark.training
SLICES = torch.randint(-1000, 1000, (2, 1, 32, 64), dtype=torch.int16, generator=torch.Generator().manual_seed(0))


def unsettled(network):
    """Batch norms that have seen something: fresh ones would hide that their statistics were lost."""
    torch.manual_seed(1)
    network.train()
    with torch.no_grad():
        for _ in range(2):
            network(torch.randn(4, 1, 32, 64) * 300)
    return network.eval()


def onnx_file(network, path):
    axes = {0: "batch", 2: "y", 3: "x"}
    write_onnx(
        Export(ServedCompartments(network, Calibration()).eval(), BODY_COMPARTMENTS_CONTRACT, SLICES, axes), path
    )
    store_half(path)
    return path


def member_from(source, tmp_path):
    member = CompartmentNet()
    transfer(write_member_start(source, tmp_path / "start" / "start.pt"), member)
    return member.eval()


def test_a_member_starts_where_the_published_student_stands(tmp_path):
    student = unsettled(StudentNet())
    member = member_from(onnx_file(student, tmp_path / "model.onnx"), tmp_path)
    with torch.no_grad():
        found, expected = member(SLICES.float()).softmax(1), student(SLICES.float())[:, 0].softmax(1)
    # Large weights are published as FP16.
    assert (found - expected).abs().max() < 0.01


def test_a_member_starts_where_a_published_teacher_or_a_run_stands(tmp_path):
    members = [unsettled(CompartmentNet()) for _ in range(2)]
    torch.save(members[0].state_dict(), tmp_path / "weights.pt")
    with torch.no_grad():
        expected = members[0](SLICES.float())
        assert torch.equal(member_from(tmp_path / "weights.pt", tmp_path)(SLICES.float()), expected)
        onnx = onnx_file(TeacherMembers(members), tmp_path / "model.onnx")
        found = member_from(onnx, tmp_path)(SLICES.float())
    assert (found.softmax(1) - expected.softmax(1)).abs().max() < 0.01


def test_the_spine_starts_where_the_published_one_stands(tmp_path):
    network = SpineNet(16).eval()
    with pytest.raises(SettingsError, match="does not hold this network by name"):
        torch.save(network.state_dict(), tmp_path / "small.pt")
        write_spine_start(tmp_path / "small.pt", tmp_path / "start.pt")
    network = SpineNet().eval()
    example = torch.randint(-1000, 1500, (2, 2, 64, SPINE_WIDTH), dtype=torch.int16)
    write_onnx(
        Export(ServedSpineNet(network), SPINE_LEVEL_CONTRACT, example, {0: "batch", 2: "z"}), tmp_path / "m.onnx"
    )
    again = SpineNet()
    again.load_state_dict(torch.load(write_spine_start(tmp_path / "m.onnx", tmp_path / "start.pt"), weights_only=True))
    with torch.no_grad():
        assert torch.allclose(again.eval()(example.float()), network(example.float()), atol=1e-4)


def test_a_file_of_another_kind_is_refused_in_words(tmp_path):
    (tmp_path / "weights.pt").write_bytes(b"nothing")
    with pytest.raises(SettingsError, match="cannot be read as weights"):
        write_member_start(tmp_path / "weights.pt", tmp_path / "start.pt")
