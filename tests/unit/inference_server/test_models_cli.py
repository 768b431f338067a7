"""`sarcopenia models …` from a hospital's folder to trained members, on two phantoms and one step of training."""

import subprocess
import sys
from pathlib import Path

import nibabel
import pytest
from typer.testing import CliRunner, Result

from sarcopenia.cli import models as models_command
from sarcopenia.cli.app import app
from sarcopenia.exchange.nifti_writer import write_volume_nifti
from sarcopenia.phantom import PhantomSpec, make_phantom

SPEC = PhantomSpec(
    seed=3, pixel_spacing_mm=3.0, shape_yx=(112, 144), slice_spacing_mm=6.0, bottom_coordinate=15.2, top_coordinate=14.9
)
CONFIG = """
threads = 1
[pretrain]
steps = 1
batch_size = 1
[body_compartments]
cycle_ends = [1, 2]
batch_size = 1
"""


def run(*arguments: object) -> Result:
    return CliRunner().invoke(app, ["models", *map(str, arguments)])


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """A hospital's folder: two people with compartments."""
    root = tmp_path_factory.mktemp("hospital")
    phantom = make_phantom(SPEC)
    for name in ("p1", "p2"):
        scan = root / "scans" / name
        scan.mkdir(parents=True)
        write_volume_nifti(phantom.volume, scan / "ct.nii.gz")
        affine = nibabel.load(scan / "ct.nii.gz").affine
        image = nibabel.Nifti1Image(phantom.compartments_zyx.transpose(2, 1, 0), affine)
        nibabel.save(image, scan / "compartments.nii.gz")
    (root / "splits.toml").write_text('[folds]\ncompartments = [["p1"], ["p2"]]\n')
    (root / "tiny.toml").write_text(CONFIG)
    return root


@pytest.fixture(scope="module")
def data(folder, tmp_path_factory) -> Path:
    out = tmp_path_factory.mktemp("form")
    assert run("convert", folder, out).exit_code == 0
    return out


def test_a_good_folder_is_listed_with_its_areas(folder):
    result = run("check", folder)
    assert result.exit_code == 0
    assert "p1" in result.stdout
    assert "fold 1" in result.stdout


def test_a_bad_scan_ends_the_check_with_the_code_of_an_input_error(folder):
    extra = folder / "scans" / "p1" / "muscle.nii.gz"
    extra.write_bytes(b"nothing")
    try:
        result = run("check", folder)
        assert result.exit_code == 2
        assert "Not everything can be trained on" in result.stderr
        assert run("convert", folder, folder / "out").exit_code == 2
    finally:
        extra.unlink()


def test_the_command_line_does_without_torch():
    code = "import sys; from sarcopenia.cli.app import app; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_a_missing_extra_is_said_with_the_way_to_install_it(data, monkeypatch):
    monkeypatch.setattr(models_command, "NEEDED_PACKAGES", ("no_such_package",))
    result = run("pretrain", "--data", data)
    assert result.exit_code == 3
    assert "pip install 'sarcopenia-dashboard[train]'" in result.stderr


def test_a_folder_that_was_not_converted_is_refused_with_the_way_out(folder):
    pytest.importorskip("torch", reason="the extra `train` is not installed")
    result = run("train", "--model", "body_compartments", "--data", folder)
    assert result.exit_code == 3
    assert "models convert" in result.stderr


@pytest.mark.training
def test_members_are_trained_resumed_and_started_from_others(folder, data, tmp_path):
    pytest.importorskip("torch", reason="the extra `train` is not installed")
    common = ("--data", data, "--config", folder / "tiny.toml", "--runs", tmp_path / "runs")
    train = ("train", "--model", "body_compartments", "--fold", 0, *common)
    refused = run(*train)
    assert refused.exit_code == 3
    assert "models pretrain" in refused.stderr
    assert run("pretrain", "--fold", 0, *common).exit_code == 0
    assert run(*train).exit_code == 0
    members = sorted((tmp_path / "runs" / "teacher" / "fold0").glob("cycle*.pt"))
    assert [path.name for path in members] == ["cycle0.pt", "cycle1.pt"]
    before = members[1].read_bytes()
    assert run(*train).exit_code == 0
    assert members[1].read_bytes() == before
    other = ("train", "--model", "body_compartments", "--fold", 1, *common)
    assert run(*other, "--from", members[1], "--seed", 4).exit_code == 0
    assert (tmp_path / "runs" / "teacher" / "fold1" / "start.pt").exists()


@pytest.mark.training
@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("train", "--model", "body_compartments", "--fold", 2), "there is no fold 2"),
        (("train", "--model", "spine_level"), "has folds 0 to -1"),
        (("train", "--model", "scan_quality", "--from", "published"), "Leave --from out"),
        (("train", "--model", "sarcopenia_classifier", "--fold", 0), "models distil"),
        (("distil",), "is not trained to its end"),
        (("publish", "--model", "spine_level"), "Train or distil on everybody"),
        (("publish", "--model", "body_compartments"), "Train or distil on everybody"),
        (("publish", "--model", "body_compartments_teacher"), "Train every fold"),
        (("evaluate", "--page", "ablation"), "holds no results"),
        (("evaluate", "--page", "beauty"), "Pages are accuracy, levels"),
    ],
)
def test_what_cannot_be_done_yet_says_what_to_do_first(data, tmp_path, arguments, said):
    pytest.importorskip("torch", reason="the extra `train` is not installed")
    result = run(*arguments, "--data", data, "--runs", tmp_path)
    assert result.exit_code == 3
    assert said in result.stderr


@pytest.mark.training
def test_a_student_without_limits_is_not_published(data, tmp_path):
    torch = pytest.importorskip("torch", reason="the extra `train` is not installed")
    from inference_server.training.networks import StudentNet  # noqa: PLC0415 - needs torch

    folder = tmp_path / "student" / "foldall"
    folder.mkdir(parents=True)
    torch.save(StudentNet().state_dict(), folder / "weights.pt")
    limits = tmp_path / "limits.toml"
    limits.write_text("temperature = 1.2\nbone_offset = 1\ncov_review_percent = 4\n")
    publish = ("publish", "--model", "body_compartments", "--data", data, "--runs", tmp_path)
    for result in (run(*publish), run(*publish, "--limits", limits)):
        assert result.exit_code == 3
        assert "cov_reject_percent" in result.stderr
