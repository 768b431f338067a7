"""The acceptance rule of the served weights, read from the parameters of their configuration.

The limits were chosen for exactly these weights, so a server that does not tell them is refused: a default in the
software would be the limit of other weights.
"""

from collections.abc import Mapping

from sarcopenia.domain.errors import InferenceRejectedError
from sarcopenia.domain.results import AcceptanceRule
from sarcopenia.inference.contract import SCAN_QUALITY, ModelSet

Parameters = Mapping[str, str]
"""Parameters of one model's configuration."""


def acceptance_rule(models: ModelSet, parameters: Mapping[str, Parameters]) -> AcceptanceRule:
    """Build the rule from the parameters of every model, by its name.

    Raises
    ------
    InferenceRejectedError: a limit is missing, is no number, or contradicts its neighbour.
    """
    name = models.compartments.name
    review, reject, temperature = (
        _limit(name, parameters[name], key) for key in ("cov_review_percent", "cov_reject_percent", "temperature")
    )
    _require(review <= reject, name, "cov_review_percent is above cov_reject_percent")
    _require(temperature > 0, name, "temperature is not positive")
    ssim_review, ssim_reject = (
        _limit(SCAN_QUALITY, parameters[SCAN_QUALITY], key) for key in ("ssim_review", "ssim_reject")
    )
    _require(ssim_reject <= ssim_review <= 1, SCAN_QUALITY, "ssim_reject, ssim_review and 1 are not in this order")
    return AcceptanceRule(review, reject, temperature, ssim_review, ssim_reject)


def _limit(model: str, parameters: Parameters, key: str) -> float:
    text = parameters.get(key)
    if text is None:
        raise InferenceRejectedError(f"The server does not say the limit {key} of the model {model}.")
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    _require(0 <= value < float("inf"), model, f"{key} is {text!r}, not a number from 0")
    return value


def _require(holds: bool, model: str, what_is_wrong: str) -> None:
    if not holds:
        raise InferenceRejectedError(f"The limits of the model {model} on the server are wrong: {what_is_wrong}.")
