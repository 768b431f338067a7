"""Spine projections with their vertebral levels, as `spine_level` trains on them.

Three sources: annotated volumes (both projections), sagittal reformats (no coronal projection), phantoms (both, with
exact levels, 4–6 lumbar vertebrae, any coverage). Rows run from feet to head in steps of `SPINE_GRID_MM`.
"""

import json
from dataclasses import dataclass, fields
from pathlib import Path

import nibabel as nib
import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from inference_server.training.datasets.compartment_data import read_index
from sarcopenia.assessment.spine_projection import CoarseBlock, coarse_block, find_midline, project_spine
from sarcopenia.domain.geometry import regular_geometry
from sarcopenia.domain.volume import CtVolume, SeriesHeader
from sarcopenia.imaging.image_plane import read_image_plane
from sarcopenia.inference.contract import AIR_HU, SPINE_GRID_MM, SPINE_WIDTH
from sarcopenia.phantom import Phantom

COORDINATE_OF = {f"T{n}": float(n) for n in range(1, 13)} | {f"L{n}": 12.0 + n for n in range(1, 7)} | {"S1": 18.0}
CHEST_ONLY_LIMIT = 13.3
"""A scan said to be chest only shows nothing below the first lumbar body."""
SACRUM_LENGTH_MM = 120.0
SACRUM_SURE_MM = 45.0
SACRUM_END_COORDINATE = 22.5
BODY_ANTERIOR_MM = 18.0
"""How far the centre of a vertebral body lies in front of the mid-line that is found from bone."""


@dataclass(frozen=True)
class SpineExample:
    """One spine; label arrays have shape (z,).

    Attributes
    ----------
    variants: int16 projections (v, 2, z, 96), the same spine seen along slightly different mid-lines.
    coordinate_z: vertebral coordinate, NaN where not known. at_most_z: upper bound of it where only that is known, else
        infinity. spine_z, rib_z, sacrum_z: 1, 0, or NaN where not known.
    """

    name: str
    variants: NDArray[np.int16]
    coordinate_z: NDArray[np.float32]
    at_most_z: NDArray[np.float32]
    spine_z: NDArray[np.float32]
    rib_z: NDArray[np.float32]
    sacrum_z: NDArray[np.float32]


def row_labels(level_rows: dict[str, float], count: int, chest_only: bool = False) -> dict[str, NDArray[np.float32]]:
    """Labels of ``count`` rows from the rows of mid-bodies (feet to head); a spine with five lumbar vertebrae."""
    rows = np.arange(count, dtype=np.float64)
    unknown = np.full(count, np.nan, dtype=np.float32)
    if not level_rows:
        limit = np.full(count, CHEST_ONLY_LIMIT if chest_only else np.inf, dtype=np.float32)
        ones, zeros = np.ones(count, dtype=np.float32), np.zeros(count, dtype=np.float32)
        return {"coordinate_z": unknown, "at_most_z": limit, "spine_z": ones, "rib_z": unknown, "sacrum_z": zeros}
    known = sorted((row, COORDINATE_OF[label]) for label, row in level_rows.items())
    at, value = np.array(known).T
    coordinate = _extended(rows, at, value)
    low, high = value.min() - 0.6, value.max() + 0.6
    inside = (coordinate >= low) & (coordinate <= high)
    below_s1_mm = (at[0] - rows) * SPINE_GRID_MM if value[0] == COORDINATE_OF["S1"] else np.zeros(count)
    spine = np.where(below_s1_mm > SACRUM_LENGTH_MM, 0.0, np.where(below_s1_mm > SACRUM_SURE_MM, np.nan, 1.0))
    return {
        "coordinate_z": np.where(inside, coordinate, np.nan).astype(np.float32),
        "at_most_z": np.where(coordinate < low, low, np.inf).astype(np.float32),
        "spine_z": spine.astype(np.float32),
        "rib_z": (coordinate <= 12.5).astype(np.float32),
        "sacrum_z": np.where(below_s1_mm > SACRUM_SURE_MM, np.nan, coordinate >= 17.5).astype(np.float32),
    }


def _extended(rows: NDArray[np.float64], at: NDArray[np.float64], value: NDArray[np.float64]) -> NDArray[np.float64]:
    """Linear interpolation through the mid-bodies, carried on at both ends with the last pitch."""
    first, last = (at[1] - at[0]) / (value[1] - value[0]), (at[-1] - at[-2]) / (value[-1] - value[-2])
    coordinate = np.interp(rows, at, value)
    coordinate = np.where(rows < at[0], value[0] + (rows - at[0]) / first, coordinate)
    return np.where(rows > at[-1], value[-1] + (rows - at[-1]) / last, coordinate)


def project_variants(block: CoarseBlock, count: int, random: np.random.Generator) -> NDArray[np.int16]:
    """Projections (count, 2, z, 96) along the found mid-line (first) and along shifted, wavering ones."""
    midline = find_midline(block)
    variants = [project_spine(block, midline).hu_czw[:, : len(block.z_mm)]]
    for _ in range(count - 1):
        shift = random.normal(0, 2.0, 2)
        waver = ndimage.gaussian_filter1d(random.normal(0, 1, midline.shape), 16, axis=0, mode="nearest") * 12
        variants.append(project_spine(block, midline + shift + waver).hu_czw[:, : len(block.z_mm)])
    return np.stack(variants)


def volume_example(data: Path, name: str, variants: int, random: np.random.Generator) -> SpineExample:
    """An annotated volume."""
    entry = read_index(data)[name]
    hu = np.asanyarray(nib.load(data / "volumes" / f"{name}.nii.gz").dataobj).transpose(2, 1, 0).astype(np.int16)
    geometry = regular_geometry(hu.shape, tuple(entry["spacing_mm_zyx"]))
    block = coarse_block(CtVolume(hu, geometry, SeriesHeader(), ("",) * len(hu), ""))
    rows = {k: v * entry["spacing_mm_zyx"][0] / SPINE_GRID_MM for k, v in _levels(data, name).items()}
    labels = row_labels(rows, len(block.z_mm), chest_only=not rows)
    return SpineExample(name, project_variants(block, variants, random), **labels)


def _levels(data: Path, name: str) -> dict[str, float]:
    """Slice index of every mid-body in an annotated volume."""
    entry = read_index(data)[name]
    return entry.get("levels_z") or json.loads((data / "polygons" / f"{name}.json").read_text()).get("levels", {})


def sagittal_example(data: Path, file_name: str, entry: dict[str, object]) -> SpineExample:
    """A mid-sagittal reformat: rows run from head to feet, columns to the back; there is no coronal projection."""
    image = read_image_plane((data / "sagittal" / file_name).read_bytes()).hu_yx[::-1].clip(min=AIR_HU)
    points = {label: (len(image) - 1 - row, column) for label, (row, column) in entry["points"].items()}
    zoom = entry["spacing_mm"][0] / SPINE_GRID_MM
    small = ndimage.zoom(ndimage.gaussian_filter(image, 0.5 / zoom), zoom, order=1)
    rows = {label: row * zoom for label, (row, _) in points.items()}
    at = np.array(
        sorted((row, column * zoom) for (row, column), row in zip(points.values(), rows.values(), strict=True))
    )
    centre = np.interp(np.arange(len(small)), at[:, 0], at[:, 1]) + BODY_ANTERIOR_MM / SPINE_GRID_MM
    across = centre[:, None] + np.arange(SPINE_WIDTH) - (SPINE_WIDTH - 1) / 2
    z = np.broadcast_to(np.arange(len(small))[:, None], across.shape)
    sagittal = ndimage.map_coordinates(small, [z, across], order=1, cval=AIR_HU)
    variants = np.stack([np.round(sagittal), np.full_like(sagittal, AIR_HU)])[None].astype(np.int16)
    return SpineExample(file_name.split("_", maxsplit=1)[0], variants, **row_labels(rows, len(small)))


def load_real_spines(data: Path, names: tuple[str, ...], variants: int, seed: int) -> list[SpineExample]:
    """All spines of the named patients; a sagittal patient may have two dates."""
    random = np.random.default_rng(seed)
    sagittal = json.loads((data / "sagittal" / "sagittal_levels.json").read_text())
    volumes = [volume_example(data, name, variants, random) for name in names if name in read_index(data)]
    reformats = [sagittal_example(data, file, e) for file, e in sagittal.items() if file.split("_")[0] in names]
    return volumes + reformats


def phantom_example(phantom: Phantom, name: str, variants: int, random: np.random.Generator) -> SpineExample:
    """A phantom's spine with its exact levels, counted from the last rib.

    With four or six lumbar vertebrae and no rib in view nobody can count: the coordinate is then not taught.
    """
    block = coarse_block(phantom.volume)
    slice_z = phantom.volume.geometry.slice_z_mm
    coordinate = np.interp(block.z_mm, slice_z, phantom.vertebral_coordinate_z)
    from_sacrum = np.interp(block.z_mm, slice_z, phantom.coordinate_from_sacrum_z)
    uncountable = phantom.spec.lumbar_count != 5 and coordinate.min() > 12.0
    known = (from_sacrum < 18.6) & (not uncountable)
    return SpineExample(
        name,
        project_variants(block, variants, random),
        np.where(known, coordinate, np.nan).astype(np.float32),
        np.full(len(block.z_mm), np.inf, dtype=np.float32),
        (from_sacrum < SACRUM_END_COORDINATE).astype(np.float32),
        (coordinate <= 12.5).astype(np.float32),
        (from_sacrum >= 17.5).astype(np.float32),
    )


def save_example(example: SpineExample, folder: Path) -> None:
    """Keep an example as one compressed file; a half-written file is never seen."""
    temporary = folder / f".{example.name}.npz"
    np.savez_compressed(temporary, **{f.name: getattr(example, f.name) for f in fields(example)})
    temporary.rename(folder / f"{example.name}.npz")


def load_example(path: Path) -> SpineExample:
    """Read what `save_example` wrote."""
    with np.load(path) as stored:
        return SpineExample(name=str(stored["name"]), **{k: stored[k] for k in stored.files if k != "name"})
