"""Axial slices of phantoms with exact labels, on the model grid: people that the annotated scans do not show.

Phantoms are thin, obese, wasted, with arms beside the body, metal or a cut field of view as often as one likes. They
are made once, at the pixel size of the model grid, and kept as one compressed file per person.
"""

from dataclasses import fields, replace
from pathlib import Path
from typing import Final

import numpy as np

from inference_server.training.datasets.compartment_data import LabelledSlice, NativeSlice, to_model_grid
from sarcopenia.inference.contract import AXIAL_GRID_MM
from sarcopenia.phantom import make_phantom, random_spec

FIRST_SEED: Final = 50_000
"""Phantoms for the spine have seeds below 1000; those of evaluations lie between."""
SLICES_PER_PHANTOM: Final = 6
SHAPE_YX: Final = (256, 336)
SLICE_SPACING_MM: Final = 14.0
COVERED: Final = (17.2, 12.7)
"""Vertebral coordinates of the lowest and the highest slice: L5 to the upper end of L1."""
PHANTOM_WEIGHT: Final = 0.7


def phantom_slices(seed: int) -> list[LabelledSlice]:
    """Slices between L5 and L1 of one random person."""
    spec = random_spec(seed, grid_mm=AXIAL_GRID_MM, shape_yx=SHAPE_YX)
    bottom, top = COVERED
    spec = replace(spec, bottom_coordinate=bottom, top_coordinate=top, slice_spacing_mm=SLICE_SPACING_MM)
    phantom = make_phantom(replace(spec, slice_thickness_mm=4.0))
    random = np.random.default_rng(seed)
    count = len(phantom.compartments_zyx)
    chosen = random.choice(count, min(SLICES_PER_PHANTOM, count), replace=False)
    natives = (
        NativeSlice(
            f"phantom{seed}",
            int(k),
            phantom.volume.hu_zyx[k],
            phantom.compartments_zyx[k],
            phantom.volume.geometry.plane(int(k)),
            is_key=True,
        )
        for k in chosen
    )
    return [replace(to_model_grid(native), weight=PHANTOM_WEIGHT) for native in natives]


def save_slices(slices: list[LabelledSlice], path: Path) -> None:
    """Keep the slices of one person; a half-written file is never seen."""
    temporary = path.with_name(f".{path.name}")
    arrays = {f"{f.name}.{i}": getattr(item, f.name) for i, item in enumerate(slices) for f in fields(item)}
    with temporary.open("wb") as stream:
        np.savez_compressed(stream, **arrays)
    temporary.rename(path)


def load_slices(path: Path) -> list[LabelledSlice]:
    """Read what `save_slices` wrote."""
    with np.load(path) as stored:
        count = len({key.rsplit(".", 1)[1] for key in stored.files})
        return [
            LabelledSlice(
                name=str(stored[f"name.{i}"]),
                slice_index=int(stored[f"slice_index.{i}"]),
                hu_yx=stored[f"hu_yx.{i}"],
                share_cyx=stored[f"share_cyx.{i}"],
                known_yx=stored[f"known_yx.{i}"],
                weight=float(stored[f"weight.{i}"]),
            )
            for i in range(count)
        ]


def generate(folder: Path, seed: int) -> Path:
    """Make the file of one person if it does not exist."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"phantom{seed}.npz"
    if not path.exists():
        save_slices(phantom_slices(seed), path)
    return path
