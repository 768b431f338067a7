"""Limits of the served weights: read in words of the config, never guessed."""

import pytest

from sarcopenia.domain.errors import InferenceRejectedError
from sarcopenia.domain.results import AcceptanceRule
from sarcopenia.inference.acceptance import acceptance_rule
from sarcopenia.inference.contract import BODY_COMPARTMENTS_TEACHER_CONTRACT, DEFAULT_MODELS, ModelSet

COV = {"cov_review_percent": "3.1", "cov_reject_percent": "12", "temperature": "1.25"}
SSIM = {"ssim_review": "0.82", "ssim_reject": "0.61"}


def test_the_rule_is_read_from_the_model_that_outlines() -> None:
    teacher = ModelSet(compartments=BODY_COMPARTMENTS_TEACHER_CONTRACT)
    found = acceptance_rule(teacher, {"body_compartments_teacher": COV, "scan_quality": SSIM})
    assert found == AcceptanceRule(3.1, 12.0, 1.25, 0.82, 0.61)


def test_limits_of_the_quality_belong_to_the_model_that_rates() -> None:
    found = acceptance_rule(ModelSet(), {"body_compartments": COV, "scan_quality": SSIM})
    assert found == AcceptanceRule(3.1, 12.0, 1.25, 0.82, 0.61)


@pytest.mark.parametrize("key", [*COV, *SSIM])
@pytest.mark.parametrize("value", [None, "", "high", "nan", "-1", "inf"])
def test_a_limit_that_is_missing_or_no_number_is_named(key: str, value: str | None) -> None:
    parameters = {"body_compartments": dict(COV), "scan_quality": dict(SSIM)}
    for each in parameters.values():
        if key in each and value is None:
            del each[key]
        elif key in each:
            each[key] = str(value)
    with pytest.raises(InferenceRejectedError, match=key):
        acceptance_rule(ModelSet(), parameters)


@pytest.mark.parametrize(
    ("cov", "ssim"),
    [
        ({"cov_review_percent": "13"}, {}),
        ({"temperature": "0"}, {}),
        ({}, {"ssim_reject": "0.9"}),
        ({}, {"ssim_review": "1.5"}),
    ],
)
def test_limits_that_contradict_each_other_are_refused(cov: dict[str, str], ssim: dict[str, str]) -> None:
    with pytest.raises(InferenceRejectedError):
        acceptance_rule(ModelSet(), {"body_compartments": COV | cov, "scan_quality": SSIM | ssim})


def test_nothing_is_a_default() -> None:
    with pytest.raises(InferenceRejectedError, match="does not say"):
        acceptance_rule(DEFAULT_MODELS, {"body_compartments": {"onnx_sha256": "ab" * 32}, "scan_quality": SSIM})
