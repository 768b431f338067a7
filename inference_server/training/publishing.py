"""From a finished run to the model repository: which weights are published, with which limits.

The limits by which results are accepted are chosen on validation (`sarcopenia models evaluate`) and handed over in a
TOML file, so that they are written down before the weights are published with them.
"""

import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Final

from inference_server.publish import (
    Export,
    classifier_export,
    compartments_export,
    publish,
    quality_export,
    spine_export,
)
from inference_server.training.classifier.train import load_classifier
from inference_server.training.commands import Workplace
from inference_server.training.compartments.distil import load_student
from inference_server.training.compartments.train import load_member
from inference_server.training.datasets.splits import splits_of
from inference_server.training.networks import Calibration, StudentNet, TeacherMembers
from inference_server.training.quality.train import load_quality_network
from inference_server.training.run_state import RunFiles
from inference_server.training.spine.train import load_spine_network
from sarcopenia.domain.errors import SettingsError
from sarcopenia.inference.contract import (
    BODY_COMPARTMENTS,
    BODY_COMPARTMENTS_CONTRACT,
    BODY_COMPARTMENTS_TEACHER,
    BODY_COMPARTMENTS_TEACHER_CONTRACT,
    SARCOPENIA_CLASSIFIER,
    SCAN_QUALITY,
    SPINE_LEVEL,
    ModelContract,
)

COMPARTMENT_LIMITS: Final = ("temperature", "bone_offset", "cov_review_percent", "cov_reject_percent")
QUALITY_LIMITS: Final = ("ssim_review", "ssim_reject")


def run_publishing(place: Workplace, model: str, limits_file: Path | None) -> Path:
    """Publish the run on everybody into the repository; returns the ONNX file.

    Raises
    ------
    SettingsError: the run is not finished, limits are missing or malformed, or the export is refused.
    """
    limits = read_limits(limits_file) if limits_file else {}
    try:
        return publish(_EXPORTS[model](place, limits), place.repository)
    except ValueError as error:
        raise SettingsError(f"{model} was not published: {error}.") from error


def _spine(place: Workplace, _: dict[str, float]) -> Export:
    return spine_export(load_spine_network(_finished(place, "spine")))


def _student(place: Workplace, limits: dict[str, float]) -> Export:
    return _compartments(load_student(_finished(place, "student")), BODY_COMPARTMENTS_CONTRACT, limits)


def _teacher(place: Workplace, limits: dict[str, float]) -> Export:
    """The last member of every fold: together they have seen everybody."""
    last = len(place.config.body_compartments.cycle_ends) - 1
    folds = range(len(splits_of(place.data).compartment_folds))
    files = [RunFiles(place.run_folder("teacher", fold)).member(last) for fold in folds]
    if missing := [file for file in files if not file.exists()]:
        raise SettingsError(f"{missing[0]} does not exist.", "Train every fold of body_compartments first.")
    members = TeacherMembers([load_member(file) for file in files])
    return _compartments(members, BODY_COMPARTMENTS_TEACHER_CONTRACT, limits)


def _compartments(network: StudentNet | TeacherMembers, contract: ModelContract, limits: dict[str, float]) -> Export:
    parameters = _parameters(contract.name, limits, COMPARTMENT_LIMITS)
    calibration = Calibration(limits["temperature"], limits["bone_offset"])
    return compartments_export(network, contract, parameters, calibration)


def _quality(place: Workplace, limits: dict[str, float]) -> Export:
    parameters = _parameters(SCAN_QUALITY, limits, QUALITY_LIMITS)
    return quality_export(load_quality_network(_finished(place, "quality")), parameters)


def _classifier(place: Workplace, _: dict[str, float]) -> Export:
    _finished(place, "classifier")
    return classifier_export(load_classifier(_finished(place, "student"), place.run_folder("classifier", None)))


def _parameters(model: str, limits: dict[str, float], needed: tuple[str, ...]) -> dict[str, str]:
    if missing := [key for key in needed if key not in limits]:
        raise SettingsError(f"{model} needs its limits.", f"Give --limits FILE with {', '.join(missing)} in it.")
    return {key: f"{limits[key]:g}" for key in needed}


_EXPORTS: Final[dict[str, Callable[[Workplace, dict[str, float]], Export]]] = {
    SPINE_LEVEL: _spine,
    BODY_COMPARTMENTS: _student,
    BODY_COMPARTMENTS_TEACHER: _teacher,
    SCAN_QUALITY: _quality,
    SARCOPENIA_CLASSIFIER: _classifier,
}


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
