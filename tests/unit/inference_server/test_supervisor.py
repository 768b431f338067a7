"""When a server counts as ill, and how long its supervisor waits."""

from inference_server.supervisor import Diagnosis, SupervisionPolicy
from sarcopenia.inference.port import ModelHealth

GOOD = ModelHealth("spine_level", "1", True, 2.0, 0, "The model answers.")


def failed(code: str) -> ModelHealth:
    return ModelHealth("body_compartments", "1", False, None, None, f"told: {code}", code)


def test_healthy_models_are_no_illness() -> None:
    assert Diagnosis(0).illness([GOOD, GOOD]) is None


def test_a_model_that_is_gone_is_an_illness_at_once() -> None:
    assert Diagnosis(5).illness([GOOD, failed("model_unavailable")]) == "told: model_unavailable"


def test_a_late_canary_is_an_illness_only_after_several_in_a_row() -> None:
    diagnosis = Diagnosis(2)
    late = [GOOD, failed("inference_timeout")]
    assert [diagnosis.illness(late), diagnosis.illness(late)] == [None, None]
    assert diagnosis.illness(late) == "told: inference_timeout"


def test_a_good_canary_starts_the_count_anew() -> None:
    diagnosis = Diagnosis(1)
    late = [failed("inference_timeout")]
    assert [diagnosis.illness(late), diagnosis.illness([GOOD]), diagnosis.illness(late)] == [None, None, None]


def test_a_busy_server_is_never_ill() -> None:
    diagnosis = Diagnosis(0)
    assert [diagnosis.illness([failed("queue_full")]) for _ in range(10)] == [None] * 10


def test_a_refused_canary_is_no_reason_for_a_restart() -> None:
    assert Diagnosis(0).illness([failed("inference_rejected")]) is None


def test_pauses_double_up_to_the_longest() -> None:
    policy = SupervisionPolicy(first_pause_s=1, longest_pause_s=10)
    assert [policy.pause_s(failures) for failures in (1, 2, 3, 4, 5, 1000)] == [1, 2, 4, 8, 10, 10]
