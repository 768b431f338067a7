"""Degraded examples, the quality network, its training and the choice of its limits; on phantoms."""

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="the extra `train` is not installed")

from inference_server.evaluation.quality_report import (  # noqa: E402
    QualityResult,
    choose_limits,
    quality_figures,
)
from inference_server.evaluation.stress import STRESS_GRADES, StressKind, slice_cases  # noqa: E402
from inference_server.evaluation.uncertainty_analysis import StressResult  # noqa: E402
from inference_server.publish import publish, quality_export  # noqa: E402
from inference_server.training.datasets.compartment_data import NativeSlice  # noqa: E402
from inference_server.training.quality.examples import (  # noqa: E402
    degraded_examples,
    load_examples,
    save_examples,
)
from inference_server.training.quality.network import (  # noqa: E402
    QualityNet,
    ServedQualityNet,
    fine_detail,
    pooled_over_body,
)
from inference_server.training.quality.train import (  # noqa: E402
    QualityTraining,
    is_held_out,
    load_quality_network,
    quality_loss,
    rate,
    train,
)
from sarcopenia.assessment.composition import muscle_mask  # noqa: E402
from sarcopenia.domain.results import Degradation  # noqa: E402
from sarcopenia.phantom import PhantomSpec, make_phantom  # noqa: E402
from tests.contract.tiny_models import REPOSITORY  # noqa: E402

pytestmark = pytest.mark.training
SPEC = PhantomSpec(
    seed=5,
    pixel_spacing_mm=3.0,
    shape_yx=(112, 144),
    slice_spacing_mm=12.0,
    bottom_coordinate=16.0,
    top_coordinate=14.5,
    noise_sd_hu=3.0,
)


@pytest.fixture(scope="module")
def phantom():
    return make_phantom(SPEC)


@pytest.fixture(scope="module")
def examples(phantom):
    hu_yx = np.kron(phantom.volume.hu_zyx[1], np.ones((2, 2), np.int16))
    return degraded_examples("phantom5", hu_yx, 1, np.random.default_rng(0))


def test_every_kind_lowers_the_similarity_and_the_clean_slice_is_itself(examples):
    assert [e.kind for e in examples] == list(Degradation)
    assert examples[0].ssim == 1
    assert all(0 < e.ssim < 1 for e in examples[1:])
    assert len({e.hu_yx.tobytes() for e in examples}) == len(examples)


def test_examples_survive_their_file(examples, tmp_path):
    save_examples(examples, tmp_path / "phantom5_000.npz")
    again = list(load_examples(tmp_path))
    assert [(e.kind, e.severity, e.ssim) for e in again] == [(e.kind, e.severity, e.ssim) for e in examples]
    assert all(np.array_equal(a.hu_yx, e.hu_yx) for a, e in zip(again, examples, strict=True))


def test_fine_detail_is_what_a_pixel_has_beyond_its_surroundings():
    flat = torch.full((1, 1, 9, 9), 50.0)
    assert fine_detail(flat).abs().max() < 1e-4
    flat[..., 4, 4] += 36
    assert fine_detail(flat)[0, 0, 4, 4] == pytest.approx(36 * 8 / 9 / 40)


def test_pooling_sees_the_body_only():
    features = torch.zeros(1, 2, 4, 4)
    features[:, 0, :2] = 3
    features[:, 1, 2:] = 9
    body = torch.zeros(1, 1, 4, 4)
    body[:, :, :2] = 1
    mean, spread, most = pooled_over_body(features, body).reshape(3, 2)
    assert mean.tolist() == pytest.approx([3, 0], abs=2e-3)
    assert most.tolist() == [3, 0]
    assert spread.max() < 0.01


def test_the_loss_is_least_for_the_right_answer():
    ssim, kind = torch.tensor([[0.9], [0.3]]), torch.tensor([0, 3])
    right = torch.nn.functional.one_hot(kind, 6) * 8.0
    assert quality_loss(ssim.logit(), right, ssim, kind) < 0.1
    assert quality_loss(ssim.flip(0).logit(), right, ssim, kind) > 1
    assert quality_loss(ssim.logit(), right.flip(0), ssim, kind) > 1


def test_training_resumes_and_the_export_answers_as_the_network(examples, phantom, tmp_path):
    save_examples(examples, tmp_path / "phantom5_000.npz")
    options = QualityTraining(tmp_path, tmp_path, tmp_path / "run", None, steps=2, batch_size=2)
    weights = train(options)
    before = weights.read_bytes()
    assert train(options).read_bytes() == before
    network = load_quality_network(weights)
    ssim, kinds = rate(network, examples[0].hu_yx)
    assert 0 < ssim < 1
    assert kinds.sum() == pytest.approx(1, abs=1e-5)
    folder = tmp_path / "repository" / "scan_quality"
    (folder / "configs").mkdir(parents=True)
    for config in ("config.pbtxt", "configs/gpu.pbtxt"):
        (folder / config).write_text((REPOSITORY / "scan_quality" / config).read_text())
    path = publish(quality_export(network, {"ssim_review": "0.8", "ssim_reject": "0.5"}), tmp_path / "repository")
    assert path.stat().st_size < 1_000_000
    assert '"0.8"' in (folder / "config.pbtxt").read_text()


def test_phantoms_are_held_out_with_a_fold(tmp_path):
    assert is_held_out("phantom50005", tmp_path, 1)
    assert not is_held_out("phantom50004", tmp_path, 1)
    assert not is_held_out("phantom50005", tmp_path, None)
    assert is_held_out("tcga0", tmp_path, 1)


def test_the_network_is_small():
    assert sum(p.numel() for p in ServedQualityNet(QualityNet()).parameters()) < 300_000


def test_figures_count_what_was_taken_for_what():
    results = [
        QualityResult("a", Degradation.NOISE, 0.9, 0.4, 0.5, Degradation.NOISE),
        QualityResult("a", Degradation.RING, 0.1, 0.9, 0.9, Degradation.NONE),
        QualityResult("b", Degradation.NONE, 0.0, 1.0, 0.8, Degradation.NONE),
    ]
    found = quality_figures(results)
    assert (found.n, found.people) == (3, 2)
    assert found.ssim_mae == pytest.approx(0.1)
    assert (found.kind_accuracy, found.visible_kind_accuracy) == (pytest.approx(2 / 3), 1)
    assert found.confusion[4, 0] == 1


def rated(kind: StressKind, ssim: float, change_percent: float) -> StressResult:
    return StressResult(
        person="a",
        kind=kind.value,
        severity=0.5,
        sma_error_percent=change_percent + 1,
        sma_change_percent=change_percent,
        dice=0.9,
        cov_percent=3,
        entropy=0.1,
        variance=0.1,
        predicted_ssim=ssim,
        predicted_kind=Degradation(kind.value),
    )


def test_limits_lie_where_the_area_begins_to_change():
    """The change of the area grows as the similarity falls: 3 % at 0.8, 10 % at 0.5."""
    cases = [
        rated(StressKind.NOISE, float(ssim), float(3 + (0.8 - ssim) * 7 / 0.3)) for ssim in np.linspace(0.3, 0.9, 61)
    ]
    limits = choose_limits(cases)
    assert limits.ssim_review == pytest.approx(0.8, abs=0.03)
    assert limits.ssim_reject == pytest.approx(0.5, abs=0.03)


def test_clean_slices_are_seldom_flagged_and_never_refused():
    """Where the prediction tells too little, the budget of false alarms decides."""
    random = np.random.default_rng(0)
    clean = [rated(StressKind.NONE, float(s), 0.0) for s in np.linspace(0.85, 0.95, 20)]
    spoiled = [rated(StressKind.NOISE, float(s), 20.0) for s in random.uniform(0.8, 0.97, 60)]
    limits = choose_limits([*clean, *spoiled])
    assert sum(case.predicted_ssim < limits.ssim_review for case in clean) <= 2
    assert sum(case.predicted_ssim < limits.ssim_reject for case in clean) == 0


def test_the_stress_set_is_the_same_every_time_and_knows_the_clean_area(phantom):
    plane = phantom.volume.geometry.plane(1)
    native = NativeSlice("p", 1, phantom.volume.hu_zyx[1], phantom.compartments_zyx[1], plane, is_key=True)
    cases = list(slice_cases(native))
    assert len(cases) == sum(len(severities) for _, severities in STRESS_GRADES)
    clean = np.count_nonzero(muscle_mask(native.hu_yx, native.labels_yx)) * plane.pixel_area_mm2 / 100
    assert [case.reference_sma_cm2 for case in cases] == pytest.approx([clean] * len(cases))
    again = list(slice_cases(native))
    assert all(np.array_equal(a.native.hu_yx, b.native.hu_yx) for a, b in zip(cases, again, strict=True))
    arm = next(case for case in cases if case.kind is StressKind.ARM)
    assert arm.native.hu_yx.shape[1] > native.hu_yx.shape[1]
    assert (arm.native.labels_yx > 0).sum() == (native.labels_yx > 0).sum()
