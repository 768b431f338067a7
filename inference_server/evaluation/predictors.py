"""Trained networks that answer like the server, so that evaluation runs through the product's own code.

Everything on a training patient is out-of-fold: the networks come from the run that held the patient's fold out.
"""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Final, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from inference_server.training.networks import (
    Calibration,
    CompartmentNet,
    ServedCompartments,
    StudentNet,
    TeacherMembers,
)
from inference_server.training.quality.train import load_quality_network, rate
from sarcopenia.domain.errors import SettingsError

STUDENT: Final = "student"
TEACHER: Final = "teacher"
UNCALIBRATED: Final = Calibration()


QualityModel = Callable[[NDArray[np.int16]], tuple[float, NDArray[np.float32]]]
"""int16 slice (y, x) on the model grid -> predicted SSIM and probabilities (6,) of the kinds."""


class CompartmentPredictor(Protocol):
    """The part of `sarcopenia.inference.port.ModelClient` that `segment_slices` asks."""

    def segment_compartments(self, slices_hu_nyx: NDArray[np.int16]) -> NDArray[np.uint8]:
        """Member probabilities (n, member, 5, y, x), uint8 with 255 = 1, of int16 slices (n, y, x) on the grid."""
        ...


class TorchPredictor:
    """A `CompartmentPredictor` on torch networks, with the same mirror images, calibration and rounding as served."""

    def __init__(self, network: StudentNet | TeacherMembers, calibration: Calibration = UNCALIBRATED) -> None:
        self.network = network.eval()
        self.calibration = calibration

    def segment_compartments(self, slices_hu_nyx: NDArray[np.int16]) -> NDArray[np.uint8]:
        """See `CompartmentPredictor`."""
        served = ServedCompartments(self.network, self.calibration).eval()
        with torch.inference_mode():
            return served(_batch(slices_hu_nyx)).numpy()

    def member_logits(self, hu_yx: NDArray[np.int16]) -> NDArray[np.float32]:
        """Logits (member and mirror image, 5, y, x) of one slice before the calibration, which is fitted to them."""
        image = _batch(hu_yx[None]).float()
        with torch.inference_mode():
            both = torch.cat([self.network(image), self.network(image.flip(-1)).flip(-1)], dim=1)
        return both[0].numpy()


def _batch(slices_hu_nyx: NDArray[np.int16]) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(slices_hu_nyx))[:, None]


def member_files(runs: Path, fold: int) -> tuple[Path, ...]:
    """Weights of the teacher's members that held out a fold, one for every cycle of its run.

    Raises
    ------
    SettingsError: the fold was not trained.
    """
    folder = runs / TEACHER / f"fold{fold}"
    files = tuple(sorted(folder.glob("cycle*.pt")))
    if not files:
        raise SettingsError(f"{folder} holds no members.", "Run `sarcopenia models train` for every fold.")
    return files


def student_file(runs: Path, fold: int) -> Path:
    """Weights of the student that was taught by the members that held out a fold.

    Raises
    ------
    SettingsError: the fold was not distilled.
    """
    path = runs / STUDENT / f"fold{fold}" / "weights.pt"
    if not path.exists():
        raise SettingsError(f"{path} does not exist.", "Run `sarcopenia models distil` for every fold.")
    return path


def out_of_fold(runs: Path, fold: int, model: str, calibration: Calibration = UNCALIBRATED) -> TorchPredictor:
    """The teacher or the student that never saw the patients of a fold.

    Raises
    ------
    SettingsError: the fold was not trained.
    """
    if model == STUDENT:
        student = StudentNet()
        student.load_state_dict(torch.load(student_file(runs, fold), weights_only=True, map_location="cpu"))
        return TorchPredictor(student, calibration)
    return TorchPredictor(TeacherMembers([_member(path) for path in member_files(runs, fold)]), calibration)


def out_of_fold_quality(runs: Path, fold: int) -> QualityModel:
    """`scan_quality` of a fold, which never saw the fold's patients.

    Raises
    ------
    SettingsError: the fold was not trained.
    """
    path = runs / "quality" / f"fold{fold}" / "weights.pt"
    if not path.exists():
        raise SettingsError(f"{path} does not exist.", "Train scan_quality for every fold.")
    return partial(rate, load_quality_network(path))


def _member(path: Path) -> CompartmentNet:
    network = CompartmentNet()
    network.load_state_dict(torch.load(path, weights_only=True, map_location="cpu"))
    return network
