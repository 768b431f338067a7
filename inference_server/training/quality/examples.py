"""Slices with a known quality: clean ones of the training scans and of phantoms, degraded, with their SSIM.

The structural similarity (Wang 2004) is that of a degraded slice to the slice as the scan gave it: a low-dose scan that
is noisy by itself counts as clean, so the figure tells what came on top of an ordinary scan. `cort0` and `tsex0` have
3 mm pixels and are smooth on the model grid. One file per clean slice; a run goes on where it stopped.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from zlib import crc32

import numpy as np
from numpy.typing import NDArray
from rich.progress import track
from skimage.metrics import structural_similarity

from inference_server.training.datasets.axial_phantoms import load_slices
from inference_server.training.datasets.splits import splits_of, training_names
from inference_server.training.datasets.unlabelled import scan_slices
from inference_server.training.quality.degradations import degrade_projected
from inference_server.training.quality.projections import SliceProjections
from sarcopenia.assessment.model_grid import find_body
from sarcopenia.domain.errors import NoBodyError
from sarcopenia.domain.results import Degradation
from sarcopenia.inference.contract import AXIAL_GRID_MM

WINDOW_HU: Final = (-200.0, 250.0)
SLICES_PER_SCAN: Final = 40
SLICES_PER_PHANTOM: Final = 2
MAX_ROUNDS: Final = 10
"""A scan of one slice is degraded this often, so that it counts."""
SEVERITY: Final = (0.1, 1.0)


@dataclass(frozen=True)
class QualityExample:
    """One slice (y, x), int16 HU on the model grid; whose, what was done to it, and SSIM 0..1 to the clean one."""

    name: str
    hu_yx: NDArray[np.int16]
    kind: Degradation
    severity: float
    ssim: float


def body_ssim(clean_yx: NDArray[np.int16], degraded_yx: NDArray[np.int16], spacing_mm: float) -> float:
    """Mean structural similarity of two slices in the soft-tissue window, over the body of the clean one.

    Raises
    ------
    NoBodyError: there is no body on the clean slice.
    """
    body = find_body(clean_yx, (spacing_mm, spacing_mm)).mask_yx
    low, high = WINDOW_HU
    first, second = (
        (np.clip(image.astype(np.float32), low, high) - low) / (high - low) for image in (clean_yx, degraded_yx)
    )
    _, similarity = structural_similarity(first, second, data_range=1.0, full=True)
    return float(similarity[body].mean())


def degraded_examples(
    name: str, clean_yx: NDArray[np.int16], rounds: int, random: np.random.Generator
) -> list[QualityExample]:
    """The clean slice and, in every round, one degraded copy of each kind with a random severity."""
    projections = SliceProjections.of(clean_yx, AXIAL_GRID_MM)
    examples = [QualityExample(name, clean_yx, Degradation.NONE, 0.0, 1.0)]
    for kind in [kind for kind in Degradation if kind is not Degradation.NONE] * rounds:
        severity = float(random.uniform(*SEVERITY))
        hu = degrade_projected(projections, kind, severity, random)
        examples.append(QualityExample(name, hu, kind, severity, body_ssim(clean_yx, hu, AXIAL_GRID_MM)))
    return examples


def scan_names(data: Path) -> tuple[str, ...]:
    """The scans whose slices are degraded: those of all compartment folds and the unlabelled ones, never the test."""
    splits = splits_of(data)
    return (*training_names(splits.compartment_folds, None), *splits.unlabelled_names)


def clean_slices(data: Path, name: str) -> list[NDArray[np.int16]]:
    """Slices of a scan that show a body, on the model grid, thinned to about `SLICES_PER_SCAN`."""
    slices = scan_slices(data, name)
    chosen = np.linspace(0, len(slices) - 1, min(SLICES_PER_SCAN, len(slices))).round().astype(int)
    return [slices[k] for k in chosen]


def generate(data: Path, phantoms: Path, folder: Path, phantom_count: int = 60) -> None:
    """Degrade the training scans and ``phantom_count`` phantoms into ``folder``; files that exist are kept."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in scan_names(data):
        slices = clean_slices(data, name)
        rounds = min(MAX_ROUNDS, max(1, SLICES_PER_SCAN // len(slices)))
        for k, clean_yx in enumerate(track(slices, description=name)):
            _degrade_to(folder / f"{name}_{k:03}.npz", name, clean_yx, rounds)
    for path in track(sorted(phantoms.glob("*.npz"))[:phantom_count], description="phantoms"):
        for k, item in enumerate(load_slices(path)[:SLICES_PER_PHANTOM]):
            _degrade_to(folder / f"{path.stem}_{k:03}.npz", path.stem, item.hu_yx, 1)


def _degrade_to(path: Path, name: str, clean_yx: NDArray[np.int16], rounds: int) -> None:
    if not path.exists():
        try:
            save_examples(
                degraded_examples(name, clean_yx, rounds, np.random.default_rng(crc32(path.stem.encode()))), path
            )
        except NoBodyError:
            return


def save_examples(examples: list[QualityExample], path: Path) -> None:
    """Keep the examples of one clean slice; a half-written file is never seen."""
    temporary = path.with_name(f".{path.name}")
    with temporary.open("wb") as stream:
        np.savez_compressed(
            stream,
            name=examples[0].name,
            hu_nyx=np.stack([e.hu_yx for e in examples]),
            kind_n=np.array([e.kind.value for e in examples]),
            severity_n=np.array([e.severity for e in examples]),
            ssim_n=np.array([e.ssim for e in examples]),
        )
    temporary.rename(path)


def load_examples(folder: Path) -> Iterator[QualityExample]:
    """All examples of a folder that `generate` filled, in the order of the file names."""
    for path in sorted(folder.glob("[!.]*.npz")):
        with np.load(path) as stored:
            yield from (
                QualityExample(str(stored["name"]), hu, Degradation(str(kind)), float(severity), float(ssim))
                for hu, kind, severity, ssim in zip(
                    stored["hu_nyx"], stored["kind_n"], stored["severity_n"], stored["ssim_n"], strict=True
                )
            )
