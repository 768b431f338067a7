"""Which weights a figure was measured with: they lie outside the repository, so the evidence names their hash."""

import hashlib
from collections.abc import Iterable
from pathlib import Path

import torch

from inference_server.evaluation.markdown import table
from inference_server.evaluation.predictors import STUDENT, member_files, student_file
from inference_server.training.run_state import RunFiles


def compartment_files(runs: Path, folds: int, model: str) -> tuple[Path, ...]:
    """Files of the teacher or the student of every fold.

    Raises
    ------
    SettingsError: a fold was not trained.
    """
    if model == STUDENT:
        return tuple(student_file(runs, fold) for fold in range(folds))
    return tuple(path for fold in range(folds) for path in member_files(runs, fold))


def files_table(files: Iterable[Path], runs: Path) -> str:
    """File, first digits of its SHA-256, and the step that its run has reached: a run may not be at its end."""
    rows = ((str(path.relative_to(runs)), _digest(path), str(_step(path))) for path in files)
    return "Networks:\n\n" + table(("file under `runs`", "SHA-256", "steps of the run"), rows)


def _digest(path: Path) -> str:
    return f"`{hashlib.sha256(path.read_bytes()).hexdigest()[:12]}…`"


def _step(path: Path) -> int:
    checkpoint = RunFiles(path.parent).checkpoint
    return int(torch.load(checkpoint, weights_only=True, map_location="cpu")["step"])
