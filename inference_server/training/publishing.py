"""From a finished run to the model repository: which weights are published, with which limits.

The limits by which results are accepted are chosen on validation (`sarcopenia models evaluate`) and handed over in a
TOML file, so that they are written down before the weights are published with them.
"""

import tomllib
from pathlib import Path

from inference_server.publish import Export, compartments_export, publish, spine_export
from inference_server.training.commands import Workplace
from inference_server.training.distil import load_student
from inference_server.training.train_spine import load_spine_network
from sarcopenia.domain.errors import SettingsError
from sarcopenia.inference.contract import BODY_COMPARTMENTS, BODY_COMPARTMENTS_CONTRACT, SPINE_LEVEL

TEMPERATURE = "temperature"


def run_publishing(place: Workplace, model: str, limits_file: Path | None) -> Path:
    """Publish the run on everybody into the repository; returns the ONNX file.

    Raises
    ------
    SettingsError: the run is not finished, limits are missing or malformed, or the export is refused.
    """
    limits = read_limits(limits_file) if limits_file else {}
    try:
        return publish(_export(place, model, limits), place.repository)
    except ValueError as error:
        raise SettingsError(f"{model} was not published: {error}.") from error


def _export(place: Workplace, model: str, limits: dict[str, float]) -> Export:
    if model == SPINE_LEVEL:
        return spine_export(load_spine_network(_finished(place, "spine")))
    if model != BODY_COMPARTMENTS:
        raise SettingsError(f"{model} cannot be published by this command yet.")
    if TEMPERATURE not in limits:
        raise SettingsError("body_compartments needs its limits.", "Give --limits FILE with temperature = … in it.")
    parameters = {key: f"{value:g}" for key, value in limits.items()}
    student = load_student(_finished(place, "student"))
    return compartments_export(student, BODY_COMPARTMENTS_CONTRACT, parameters, limits[TEMPERATURE])


def _finished(place: Workplace, training: str) -> Path:
    weights = place.run_folder(training, None) / "weights.pt"
    if not weights.exists():
        raise SettingsError(f"{weights} does not exist.", "Train or distil on everybody first (without --fold).")
    return weights


def read_limits(path: Path) -> dict[str, float]:
    """Numbers by the name of the parameter in ``config.pbtxt``.

    Raises
    ------
    SettingsError: not TOML, or a value that is no number.
    """
    try:
        return {key: float(value) for key, value in tomllib.loads(path.read_text(encoding="utf-8")).items()}
    except (OSError, ValueError, TypeError) as error:
        raise SettingsError(f"{path} cannot be read as limits: {error}.") from error
