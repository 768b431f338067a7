"""The test split is run once per published weights, and every run is written down."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

pytest.importorskip("torch", reason="the extra `train` is not installed")

from inference_server.evaluation.agreement import MuscleAgreement, SurfaceDistance
from inference_server.evaluation.out_of_fold import EvaluatedSlice
from inference_server.evaluation.test_log import TestedBeforeError as AlreadyTested
from inference_server.evaluation.test_log import append_run, read_log, require_untested, split_run
from inference_server.evaluation.test_split import SameDayDifference, SplitLevel, SplitResult, SplitSlice
from sarcopenia.domain.results import ModelIdentity
from sarcopenia.domain.volume import Sex

LOG = Path(__file__).parents[3] / "docs" / "evidence" / "test_runs.csv"
WHEN = datetime(2026, 11, 24, 15, 0, tzinfo=UTC)


def models(spine: str = "aa", compartments: str = "bb", quality: str = "cc") -> tuple[ModelIdentity, ...]:
    hashes = {"spine_level": spine, "body_compartments": compartments, "scan_quality": quality}
    return tuple(ModelIdentity(name, "2", digest, "FP32", "here") for name, digest in hashes.items())


def measured(name: str, level: str, sma_cm2: float) -> SplitSlice:
    distance = SurfaceDistance(1.0, 0.5)
    agreement = MuscleAgreement(name, 1, 0.96, sma_cm2, 100.0, 0.0, distance, distance)
    return SplitSlice(EvaluatedSlice(agreement, "juno", Sex.MALE, level, 1.0), ())


@pytest.fixture
def result():
    return SplitResult(
        slices=(measured("juno0", "L3", 98.0), measured("juno1", "L3", 104.0), measured("juno0", "L1", 50.0)),
        levels=(SplitLevel("juno0", -2.0, True, 98.0), SplitLevel("juno1", None, None, None)),
        same_day=(SameDayDifference("juno", "L3", (98.0, 102.0), (100.0, 100.0)),),
    )


def test_a_run_is_logged_with_its_figures_and_levels_apart(result, tmp_path):
    run = split_run(result, models(), "evaluate --test", WHEN)
    append_run(tmp_path / "log.csv", run)
    append_run(tmp_path / "log.csv", run)
    assert read_log(tmp_path / "log.csv") == (run, run)
    assert (run.slices, run.sma_error_worst_percent, run.sma_error_mean_signed_percent) == ("2", "4.00", "+1.00")
    assert (run.level_errors_mm, run.same_day_difference_percent) == ("-2.0 none", "L3 +4.0")


def test_the_same_weights_are_tested_once(result, tmp_path):
    log = tmp_path / "log.csv"
    require_untested(log, models(), again=False)
    append_run(log, split_run(result, models(), "evaluate --test", WHEN))
    with pytest.raises(AlreadyTested, match="2026-11-24"):
        require_untested(log, models(), again=False)
    require_untested(log, models(), again=True)
    require_untested(log, models(compartments="other"), again=False)


def test_another_quality_model_is_no_reason_to_test_again(result, tmp_path):
    append_run(tmp_path / "log.csv", split_run(result, models(), "evaluate --test", WHEN))
    with pytest.raises(AlreadyTested):
        require_untested(tmp_path / "log.csv", models(quality="other"), again=False)


def test_the_log_of_the_repository_is_whole():
    runs = read_log(LOG)
    assert len(runs) >= 1
    for run in runs:
        assert len(run.onnx_sha256.split()) == len(run.models.split())
        assert all(len(digest) == 64 for digest in run.onnx_sha256.split())
        assert 0 < float(run.dice_worst) <= float(run.dice_median) <= 1
