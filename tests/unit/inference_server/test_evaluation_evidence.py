"""The evidence command on a tiny annotated data set of three made-up people, with untrained networks."""

import json
from datetime import UTC, datetime
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

pytest.importorskip("torch", reason="the extra `train` is not installed")

import torch

from inference_server.evaluation import evidence
from inference_server.evaluation.cards import write_cards
from inference_server.evaluation.evidence import EvidenceOptions, write_evidence
from inference_server.evaluation.headlines import figures_of, merge_figures, read_figures, targets_page
from inference_server.evaluation.out_of_fold import evaluate_out_of_fold
from inference_server.evaluation.pages import Page
from inference_server.evaluation.predictors import UNCALIBRATED
from inference_server.evaluation.summaries import summarise
from inference_server.evaluation.test_log import SplitRun, append_run
from inference_server.training.networks import CompartmentNet, StudentNet
from sarcopenia.domain.errors import SettingsError
from tests.contract.tiny_models import write_tiny_repository

SPACING = 2.0
NAMES = ("one", "two", "three")


def body(seed: int) -> tuple[np.ndarray, np.ndarray]:
    """A slice (y, x) of an elliptic person: fat around a ring of muscle around a cavity, and labels."""
    y, x = np.mgrid[-70:70, -90:90] * SPACING
    radius = np.hypot(y / 100, x / (140 + 5 * seed))
    labels = np.select([radius < 0.55, radius < 0.8, radius < 1], [3, 2, 1], 0).astype(np.uint8)
    hu = np.choose(labels, [-1000, -100, 50, 20]) + np.random.default_rng(seed).normal(0, 5, labels.shape)
    return hu.astype(np.int16), labels


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("data")
    index = {}
    for seed, name in enumerate(NAMES):
        hu, labels = body(seed)
        for kind, voxels in (("volumes", hu), ("labels", labels)):
            (folder / kind).mkdir(exist_ok=True)
            nib.save(nib.Nifti1Image(voxels.T[:, :, None], np.eye(4)), folder / kind / f"{name}.nii.gz")
        index[name] = {
            "spacing_mm_zyx": [5.0, SPACING, SPACING],
            "key_slices": [0],
            "weak_slices": [],
            "levels_z": {"L3": 0.0},
            "what": "female" if seed else "male, contrast",
        }
    (folder / "index.json").write_text(json.dumps(index))
    (folder / "splits.toml").write_text(
        'test = []\nunlabelled = []\n[folds]\ncompartments = [["one"], ["two"], ["three"]]\nspine = []\n'
    )
    return folder


def save_run(folder: Path, files: dict[str, torch.nn.Module]) -> None:
    folder.mkdir(parents=True)
    for name, network in files.items():
        torch.save(network.state_dict(), folder / name)
    torch.save({"step": 7}, folder / "checkpoint.pt")


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("runs")
    torch.manual_seed(0)
    for fold in range(3):
        save_run(folder / "teacher" / f"fold{fold}", {f"cycle{c}.pt": CompartmentNet() for c in range(2)})
        save_run(folder / "student" / f"fold{fold}", {"weights.pt": StudentNet()})
    return folder


@pytest.fixture
def options(data: Path, runs: Path, tmp_path: Path) -> EvidenceOptions:
    repository = write_tiny_repository(tmp_path / "repository")
    return EvidenceOptions(data, runs, repository, tmp_path / "evidence", pages=(Page.ACCURACY,))


def test_every_person_is_measured_by_the_fold_that_held_it_out(data, runs):
    slices = list(evaluate_out_of_fold(data, runs, "teacher", [UNCALIBRATED] * 3))
    assert [item.person for item in slices] == list(NAMES)
    assert [item.sex.value for item in slices] == ["M", "F", "F"]
    assert {item.level for item in slices} == {"L3"}
    assert all(0 <= item.agreement.dice <= 1 for item in slices)
    assert summarise(slices).persons == 3


def test_the_accuracy_page_its_plots_and_the_targets_are_written(options):
    write_evidence(options)
    page = (options.output / "accuracy.md").read_text()
    assert "Out-of-fold: teacher" in page
    assert "Out-of-fold: student" in page
    assert "Not run for the weights" in page
    assert "teacher/fold0/cycle1.pt" in page
    for plot in options.output.glob("plots/*.png"):
        assert plot.stat().st_size < 60_000
        assert f"plots/{plot.name}" in page
    targets = (options.output / "README.md").read_text()
    assert "out-of-fold, L2–L4, body_compartments" in targets
    assert "not run for the weights that are published now" in targets
    assert set(read_figures(options.output)["accuracy"]) == {"body_compartments", "body_compartments_teacher"}


def test_a_page_without_its_training_says_what_to_do(options, tmp_path):
    empty = EvidenceOptions(options.data, tmp_path / "nothing", options.repository, options.output, (Page.ACCURACY,))
    with pytest.raises(SettingsError, match="no members"):
        write_evidence(empty)


def test_figures_that_are_not_finite_become_null(tmp_path):
    merge_figures(tmp_path, "quality", {"scan_quality": {"mae": float("nan"), "rates": (0.5, float("inf"))}})
    merge_figures(tmp_path, "levels", {"other": 1})
    assert read_figures(tmp_path)["quality"] == {"scan_quality": {"mae": None, "rates": [0.5, None]}}
    assert figures_of(3) == 3


def test_a_missed_target_is_shown_as_missed(tmp_path):
    levels = {"median_mm": 6.0, "worst_mm": 30.0, "missing_folds": [0], "right": 1, "with_l3": 2}
    merge_figures(tmp_path, "levels", {"spine_level": levels | {"said_none": 3, "without_l3": 3}})
    rows = [line for line in targets_page(tmp_path).splitlines() if line.startswith("|")]
    assert next(row for row in rows if "L3 error, median" in row).endswith("| 6.0 / 30.0 | no |")
    assert next(row for row in rows if "right vertebra" in row).endswith("| 1 of 2 | no |")
    assert next(row for row in rows if "chest only" in row).endswith("| 3 of 3 | yes |")


def test_cards_quote_the_log_by_the_hash_of_the_weights(options):
    options.output.mkdir()
    write_cards(options.repository, options.output)
    card = json.loads((options.repository / "body_compartments" / "figures.json").read_text())
    assert card["figures"]["test_split"] is None
    now = datetime(2026, 11, 24, tzinfo=UTC).isoformat()
    figures = ("10", "0.9712", "0.9400", "2.00", "5.00", "+0.10", "+1.0", "L3 +1.0")
    run = SplitRun(now, "body_compartments/1", card["onnx_sha256"], "evaluate --test", *figures)
    append_run(options.output / evidence.TEST_LOG, run)
    write_cards(options.repository, options.output)
    page = (options.repository / "body_compartments" / "card.md").read_text()
    assert "0.9712" in page
    assert card["onnx_sha256"] in page
    assert "0.9712" not in (options.repository / "spine_level" / "card.md").read_text()
