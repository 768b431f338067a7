"""The port's promises, held by the fake and by the real server alike."""

import re
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import pytest

from sarcopenia.domain.errors import InferenceRejectedError, InferenceTimeoutError, ModelUnavailableError
from sarcopenia.inference.contract import (
    AIR_HU,
    BODY_COMPARTMENTS_TEACHER_CONTRACT,
    COMPARTMENT_COUNT,
    DEGRADATION_COUNT,
    SPINE_LEVEL_CONTRACT,
    SPINE_WIDTH,
    ModelContract,
    ModelSet,
)
from sarcopenia.inference.port import ModelClient
from sarcopenia.inference.triton import TritonModelClient
from tests.contract.conftest import EVERYTHING
from tests.contract.tiny_models import TINY_RULE, tiny_pattern, tiny_probability, tiny_rating, tiny_spine_profile

Contracts = tuple[ModelContract, ...]


def random_hu(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(-1024, 1500, shape, dtype=np.int16)


@pytest.mark.parametrize("rows", [16, 160, 400])
def test_spine_profile_has_one_float_per_row(models: ModelClient, rows: int) -> None:
    profile = models.locate_spine(random_hu(2, rows, SPINE_WIDTH))
    arrays = [profile.coordinate_z, profile.spread_z, profile.spine_z, profile.rib_z, profile.sacrum_z]
    assert [a.shape for a in arrays] == [(rows,)] * 5
    assert all(a.dtype == np.float32 and np.isfinite(a).all() for a in arrays)


@pytest.mark.parametrize("count", [1, 3, 11])
def test_compartments_keep_slices_and_size(models: ModelClient, count: int) -> None:
    answer = models.segment_compartments(random_hu(count, 64, 96))
    assert answer.dtype == np.uint8
    assert answer.ndim == 5
    assert answer.shape[0] == count
    assert answer.shape[1] >= 1
    assert answer.shape[2:] == (COMPARTMENT_COUNT, 64, 96)


@pytest.mark.parametrize("count", [1, 3, 11])
def test_every_slice_is_rated(models: ModelClient, count: int) -> None:
    rating = models.rate_quality(random_hu(count, 64, 96))
    assert (rating.predicted_ssim_n.shape, rating.degradation_nk.shape) == ((count,), (count, DEGRADATION_COUNT))
    assert rating.predicted_ssim_n.dtype == rating.degradation_nk.dtype == np.float32


@pytest.mark.parametrize("count", [1, 5])
def test_a_slab_is_classified_where_research_is_on(models: ModelClient, contracts: Contracts, count: int) -> None:
    pattern = models.classify_slab(random_hu(count, 64, 96))
    assert (pattern is not None) == any(c.name == "sarcopenia_classifier" for c in contracts)
    if pattern is not None:
        assert 0 <= pattern.low_muscle_probability <= 1
        assert pattern.slice_attention_n.shape == (count,)


def test_the_limits_of_the_weights_are_told(models: ModelClient) -> None:
    rule = models.acceptance_rule()
    assert 0 < rule.cov_review_percent <= rule.cov_reject_percent
    assert rule.temperature > 0
    assert rule.ssim_review is not None
    assert rule.ssim_reject is not None
    assert 0 <= rule.ssim_reject <= rule.ssim_review <= 1


def test_a_batch_answers_like_single_slices(models: ModelClient) -> None:
    slices = random_hu(11, 64, 64)
    together = models.segment_compartments(slices)
    one_by_one = np.concatenate([models.segment_compartments(each[None]) for each in slices])
    # Another batch size may sum in another order: one level of 1/255 at most.
    assert np.abs(together.astype(int) - one_by_one.astype(int)).max() <= 1


def test_same_tensors_give_the_same_answer(models: ModelClient) -> None:
    projections = random_hu(2, 64, SPINE_WIDTH)
    first, second = models.locate_spine(projections), models.locate_spine(projections)
    np.testing.assert_array_equal(first.coordinate_z, second.coordinate_z)


def test_a_view_answers_like_its_copy(models: ModelClient) -> None:
    mirrored = random_hu(2, 64, 96)[:, :, ::-1]
    np.testing.assert_array_equal(models.segment_compartments(mirrored), models.segment_compartments(mirrored.copy()))


def test_an_empty_image_is_answered(models: ModelClient) -> None:
    air = np.full((1, 32, 32), AIR_HU, np.int16)
    assert models.segment_compartments(air).shape[0] == 1
    assert models.locate_spine(np.full((2, 16, SPINE_WIDTH), AIR_HU, np.int16)).spine_z.shape == (16,)


@pytest.mark.parametrize(
    "projections",
    [
        np.zeros((2, 15, SPINE_WIDTH), np.int16),
        np.zeros((2, 0, SPINE_WIDTH), np.int16),
        np.zeros((1, 16, SPINE_WIDTH), np.int16),
        np.zeros((2, 16, SPINE_WIDTH + 1), np.int16),
        np.zeros((16, SPINE_WIDTH), np.int16),
        np.zeros((2, 16, SPINE_WIDTH), np.float32),
    ],
    ids=["rows", "no rows", "channels", "width", "axes", "type"],
)
def test_spine_projections_off_the_contract_are_rejected(models: ModelClient, projections: np.ndarray) -> None:
    with pytest.raises(InferenceRejectedError):
        models.locate_spine(projections)


@pytest.mark.parametrize(
    "slices",
    [
        np.zeros((0, 32, 32), np.int16),
        np.zeros((1, 33, 32), np.int16),
        np.zeros((1, 32, 48), np.int16),
        np.zeros((1, 0, 32), np.int16),
        np.zeros((32, 32), np.int16),
        np.zeros((1, 32, 32), np.int32),
    ],
    ids=["no slices", "rows", "columns", "no rows", "axes", "type"],
)
def test_slices_off_the_contract_are_rejected(models: ModelClient, slices: np.ndarray) -> None:
    for call in (models.segment_compartments, models.rate_quality, models.classify_slab):
        with pytest.raises(InferenceRejectedError):
            call(slices)


def test_identities_name_every_model_and_its_weights(models: ModelClient, contracts: Contracts) -> None:
    identities = models.identities()
    assert [(i.name, i.version) for i in identities] == [(c.name, c.version) for c in contracts]
    assert all(re.fullmatch("[0-9a-f]{64}", i.onnx_sha256) for i in identities)
    assert all(i.precision and i.backend for i in identities)


def test_check_reports_every_model_healthy(models: ModelClient, contracts: Contracts) -> None:
    health = models.check()
    assert [(h.name, h.version, h.healthy, h.code) for h in health] == [
        (c.name, c.version, True, "") for c in contracts
    ]
    assert all(h.latency_ms is not None and h.latency_ms > 0 for h in health)
    assert [h.pending_requests for h in health] == [0] * len(contracts)


@pytest.mark.triton
class TestTriton:
    """What only a real server can show."""

    def test_tensors_arrive_and_return_unchanged(self, tiny_triton: TritonModelClient) -> None:
        projections, slices = random_hu(2, 160, SPINE_WIDTH), random_hu(3, 96, 128)
        profile = tiny_triton.locate_spine(projections)
        arrays = [profile.coordinate_z, profile.spread_z, profile.spine_z, profile.rib_z, profile.sacrum_z]
        np.testing.assert_allclose(np.stack(arrays), tiny_spine_profile(projections), rtol=1e-4, atol=1e-5)
        np.testing.assert_array_equal(tiny_triton.segment_compartments(slices), tiny_probability(slices))
        rating, (ssim, degradation) = tiny_triton.rate_quality(slices), tiny_rating(slices)
        np.testing.assert_allclose(rating.predicted_ssim_n, ssim, rtol=1e-4, atol=1e-6)
        np.testing.assert_allclose(rating.degradation_nk, degradation, rtol=1e-4, atol=1e-5)
        pattern, (probability, attention) = tiny_triton.classify_slab(slices), tiny_pattern(slices)
        assert pattern.low_muscle_probability == pytest.approx(probability, rel=1e-4)
        np.testing.assert_allclose(pattern.slice_attention_n, attention, rtol=1e-4, atol=1e-6)

    def test_limits_are_those_of_the_served_config(self, tiny_triton: TritonModelClient) -> None:
        assert tiny_triton.acceptance_rule() == TINY_RULE

    def test_a_server_without_a_needed_model_is_named(self, tiny_triton: TritonModelClient) -> None:
        """The embedded server loads its set only: the teacher lies in the repository and is not served."""
        teacher = ModelSet(compartments=BODY_COMPARTMENTS_TEACHER_CONTRACT)
        with TritonModelClient(tiny_triton.url, teacher) as client:
            ill = {h.name: h.code for h in client.check() if not h.healthy}
            assert ill == {"body_compartments_teacher": "model_unavailable"}
            with pytest.raises(ModelUnavailableError, match="body_compartments_teacher"):
                client.segment_compartments(random_hu(1, 32, 32))
            with pytest.raises(ModelUnavailableError, match="body_compartments_teacher"):
                client.acceptance_rule()

    def test_many_threads_share_one_client(self, tiny_triton: TritonModelClient) -> None:
        stacks = [random_hu(1 + seed % 4, 32 * (1 + seed % 3), 64, seed=seed) for seed in range(40)]
        with ThreadPoolExecutor(8) as pool:
            answers = list(pool.map(tiny_triton.segment_compartments, stacks))
        for stack, answer in zip(stacks, answers, strict=True):
            np.testing.assert_array_equal(answer, tiny_probability(stack))

    def test_the_deadline_of_a_call_is_kept(self, tiny_triton: TritonModelClient) -> None:
        with TritonModelClient(tiny_triton.url, timeout_s=0.001) as hasty, pytest.raises(InferenceTimeoutError):
            hasty.segment_compartments(random_hu(8, 384, 384))

    @pytest.mark.parametrize("change", [{"version": "99"}, {"name": "no_such_model"}], ids=["version", "name"])
    def test_a_model_that_is_not_served_is_unavailable(
        self, tiny_triton: TritonModelClient, monkeypatch: pytest.MonkeyPatch, change: dict[str, str]
    ) -> None:
        monkeypatch.setattr("sarcopenia.inference.triton.SPINE_LEVEL_CONTRACT", replace(SPINE_LEVEL_CONTRACT, **change))
        with pytest.raises(ModelUnavailableError):
            tiny_triton.locate_spine(random_hu(2, 16, SPINE_WIDTH))

    def test_the_server_itself_refuses_what_the_client_let_through(
        self, tiny_triton: TritonModelClient, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("sarcopenia.inference.triton.require_spine_projections", lambda hu_czw: None)
        with pytest.raises(InferenceRejectedError, match="unexpected shape"):
            tiny_triton.locate_spine(random_hu(2, 16, SPINE_WIDTH - 1))

    def test_metrics_that_cannot_be_read_leave_the_queue_unknown(self, tiny_triton: TritonModelClient) -> None:
        with TritonModelClient(tiny_triton.url, EVERYTHING, metrics_address=tiny_triton.url) as client:
            assert [(h.healthy, h.pending_requests) for h in client.check()] == [(True, None)] * 4
