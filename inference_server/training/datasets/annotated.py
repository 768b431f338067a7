"""One annotated scan of a hospital's own folder: CT and masks in, compartment labels on the native pixels out.

A scan is a folder with ``ct.nii.gz``, ``ct.zip`` or ``ct/`` (DICOM), one kind of annotation, perhaps ``levels.toml``:

* ``compartments.nii.gz``: 0 outside, 1 subcutaneous, 2 muscle wall, 3 visceral cavity, 4 spine/bone, 255 not labelled;
* ``tissues.nii.gz``: SliceOmatic's tags 1 muscle, 2 IMAT, 5 VAT, 7 SAT;
* ``muscle.nii.gz``: one value for muscle, 0 for all else;
* ``*.tag`` of SliceOmatic, each beside its DICOM image in ``ct/``; DICOM SEG ``*.dcm`` beside ``ct/``.

Masks of tissues know less than compartments, and only what they say is learned: a tagged pixel lies in the compartment
of its tissue; an untagged pixel with the HU of muscle is no muscle wall; air around the body is outside; the rest is
not known. Slices without muscle count as not drawn.
"""

import tomllib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from inference_server.training.datasets.compartment_data import NOT_WALL, UNLABELLED, NativeSlice
from inference_server.training.spine.data import COORDINATE_OF
from sarcopenia.assessment.composition import MUSCLE_HU
from sarcopenia.assessment.model_grid import BODY_THRESHOLD_HU, CanonicalView, find_body
from sarcopenia.domain.errors import InputError, NoBodyError, NotReadableError
from sarcopenia.domain.geometry import PlaneGeometry
from sarcopenia.domain.results import Compartment
from sarcopenia.domain.volume import CtVolume
from sarcopenia.imaging import InputFile, files_from_path, read_series
from sarcopenia.imaging.annotation_masks import (
    Tissue,
    TissueSlice,
    looks_like_segmentation,
    read_mask_nifti,
    read_segmentation,
    read_tag_slice,
)
from sarcopenia.imaging.sliceomatic import SUFFIX, image_names

CT_NAMES: Final = ("ct.nii.gz", "ct.nii", "ct.zip", "ct")
NIFTI_MASKS: Final = ("compartments", "tissues", "muscle")
LEVELS_FILE: Final = "levels.toml"
COMPARTMENT_OF_TISSUE: Final = {
    Tissue.MUSCLE: Compartment.MUSCLE_WALL,
    Tissue.IMAT: Compartment.MUSCLE_WALL,
    Tissue.SAT: Compartment.SUBCUTANEOUS,
    Tissue.VAT: Compartment.VISCERAL_CAVITY,
}
NEXT_STEP: Final = "docs/training.md shows what a scan's folder holds."


@dataclass(frozen=True)
class VertebraLevel:
    """Where the middle of a vertebral body lies: slice index from the feet, 0-based, may be fractional."""

    label: str
    slice_index: float


@dataclass(frozen=True)
class AnnotatedScan:
    """A scan with what was drawn on it.

    Attributes
    ----------
    labels_zyx: uint8 `Compartment` values on the native pixels, `NOT_WALL` or `UNLABELLED`.
    drawn_slices: indices of the slices with labels, ascending.
    mask_kind: which annotation it was: a name of `NIFTI_MASKS`, "tags", "seg", or "none".
    levels: vertebrae; empty where nobody gave them. chest_only: whether the scan is said to show no lumbar spine.
    """

    name: str
    volume: CtVolume
    labels_zyx: NDArray[np.uint8]
    drawn_slices: tuple[int, ...]
    mask_kind: str
    levels: tuple[VertebraLevel, ...] = ()
    chest_only: bool = False

    def native_slices(self) -> list[NativeSlice]:
        """The drawn slices for training and evaluation."""
        return [
            NativeSlice(self.name, k, self.volume.hu_zyx[k], self.labels_zyx[k], self.volume.geometry.plane(k), True)
            for k in self.drawn_slices
        ]


def read_annotated_scan(folder: Path) -> AnnotatedScan:
    """Read a scan's folder.

    Raises
    ------
    InputError: no CT, two kinds of annotation, an empty or a foreign mask, unknown values; the message names the file.
    """
    volume = _read_ct(folder)
    kind, labels = _read_labels(folder, volume)
    drawn = np.flatnonzero((labels == Compartment.MUSCLE_WALL).any(axis=(1, 2)))
    if kind != "none" and len(drawn) == 0:
        raise InputError(f"{folder.name}: the annotation ({kind}) holds no muscle.", NEXT_STEP)
    levels, chest_only = _read_levels(folder / LEVELS_FILE, len(labels))
    return AnnotatedScan(folder.name, volume, labels, tuple(drawn.tolist()), kind, levels, chest_only)


def _read_ct(folder: Path) -> CtVolume:
    found = [folder / name for name in CT_NAMES if (folder / name).exists()]
    if len(found) != 1:
        raise InputError(f"{folder.name} must hold one of {', '.join(CT_NAMES)}; it holds {len(found)}.", NEXT_STEP)
    files = files_from_path(found[0])
    return read_series([file for file in files if not looks_like_segmentation(file)]).chosen


def _read_labels(folder: Path, volume: CtVolume) -> tuple[str, NDArray[np.uint8]]:
    """The kind of annotation and labels (z, y, x)."""
    niftis = {kind: path for kind in NIFTI_MASKS for path in sorted(folder.glob(f"{kind}.nii*"))}
    tags = sorted((folder / "ct").rglob(f"*{SUFFIX}"))
    segs = [file for path in sorted(folder.glob("*.dcm")) for file in files_from_path(path)]
    kinds = [*niftis, *(["tags"] if tags else []), *(["seg"] if segs else [])]
    if len(kinds) > 1:
        raise InputError(f"{folder.name} holds several annotations: {', '.join(kinds)}. Keep one.", NEXT_STEP)
    if not kinds:
        return "none", np.full(volume.hu_zyx.shape, UNLABELLED, np.uint8)
    if niftis:
        return kinds[0], _labels_of_nifti(kinds[0], niftis[kinds[0]], volume)
    slices = [_read_tag(path, volume) for path in tags] if tags else _read_segs(segs, volume)
    return kinds[0], _labels_of_tissues(volume, slices)


def _read_tag(path: Path, volume: CtVolume) -> TissueSlice:
    image = next((path.with_name(name) for name in image_names(path.name) if path.with_name(name).is_file()), None)
    if image is None:
        raise InputError(f"{path.name}: its DICOM image is not beside it.", NEXT_STEP)
    return read_tag_slice(InputFile(path.name, path.read_bytes()), InputFile(image.name, image.read_bytes()), volume)


def _read_segs(files: Iterable[InputFile], volume: CtVolume) -> list[TissueSlice]:
    slices = [item for file in files for item in read_segmentation(file, volume)]
    indices = [item.slice_index for item in slices]
    if len(set(indices)) < len(indices):
        raise InputError("Two DICOM SEG files were drawn on the same slice. Keep one.", NEXT_STEP)
    return slices


def _labels_of_nifti(kind: str, path: Path, volume: CtVolume) -> NDArray[np.uint8]:
    mask = read_mask_nifti(path, volume)
    found = set(np.unique(mask.values_zyx).tolist())
    if kind == "compartments":
        _refuse_unknown(path, found, {*map(int, Compartment), UNLABELLED})
        drawn = (mask.values_zyx == Compartment.MUSCLE_WALL).any(axis=(1, 2)) & mask.covered_z
        return np.where(drawn[:, None, None], mask.values_zyx, UNLABELLED).astype(np.uint8)
    tissues = mask.values_zyx
    if kind == "muscle":
        if len(found - {0}) > 1:
            raise InputError(f"{path.name} holds values {sorted(found)}; one value means muscle.", NEXT_STEP)
        tissues = np.where(tissues > 0, int(Tissue.MUSCLE), 0).astype(np.uint8)
    else:
        _refuse_unknown(path, found, set(map(int, Tissue)))
    return _labels_of_tissues(volume, [TissueSlice(k, tissues[k]) for k in np.flatnonzero(mask.covered_z).tolist()])


def _refuse_unknown(path: Path, found: set[int], known: set[int]) -> None:
    if unknown := found - known:
        raise InputError(f"{path.name} holds values {sorted(unknown)}; known are {sorted(known)}.", NEXT_STEP)


def _labels_of_tissues(volume: CtVolume, slices: Iterable[TissueSlice]) -> NDArray[np.uint8]:
    labels = np.full(volume.hu_zyx.shape, UNLABELLED, np.uint8)
    for item in slices:
        k = item.slice_index
        if (item.tissue_yx == Tissue.MUSCLE).any():
            labels[k] = compartments_known_from(volume.hu_zyx[k], item.tissue_yx, volume.geometry.plane(k))
    return labels


def compartments_known_from(
    hu_yx: NDArray[np.int16], tissue_yx: NDArray[np.uint8], plane: PlaneGeometry
) -> NDArray[np.uint8]:
    """What a slice's tissues (y, x) say about the compartments of its pixels: labels, `NOT_WALL`, `UNLABELLED`."""
    labels = np.full(hu_yx.shape, UNLABELLED, np.uint8)
    labels[(hu_yx >= MUSCLE_HU[0]) & (hu_yx <= MUSCLE_HU[1])] = NOT_WALL
    labels[_air_around(hu_yx, plane)] = Compartment.OUTSIDE
    for tissue, compartment in COMPARTMENT_OF_TISSUE.items():
        labels[tissue_yx == tissue] = compartment
    return labels


def _air_around(hu_yx: NDArray[np.int16], plane: PlaneGeometry) -> NDArray[np.bool_]:
    """Air outside the body, one pixel off the skin, which shares its border pixels; none where no body is found."""
    view = CanonicalView.of(plane)
    try:
        body = find_body(view.apply(hu_yx).astype(np.int16), view.spacing_mm_yx)
    except NoBodyError:
        return np.zeros(hu_yx.shape, np.bool_)
    air = ndimage.binary_erosion(hu_yx < BODY_THRESHOLD_HU, ndimage.generate_binary_structure(2, 2), border_value=1)
    return np.asarray(~view.undo(body.mask_yx).astype(np.bool_) & air)


def _read_levels(path: Path, slice_count: int) -> tuple[tuple[VertebraLevel, ...], bool]:
    if not path.exists():
        return (), False
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
        levels = tuple(VertebraLevel(label, float(k)) for label, k in content.get("levels", {}).items())
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError, TypeError, ValueError) as error:
        raise NotReadableError(f"{path.parent.name}/{path.name}: {error}.", NEXT_STEP) from error
    if unknown := [level.label for level in levels if level.label not in COORDINATE_OF]:
        raise InputError(
            f"{path.parent.name}/{path.name}: {', '.join(unknown)} is no vertebra; known: T1 … S1.", NEXT_STEP
        )
    if outside := [level.label for level in levels if not 0 <= level.slice_index < slice_count]:
        raise InputError(f"{path.parent.name}/{path.name}: {', '.join(outside)} lies outside the scan.", NEXT_STEP)
    heights = [level.slice_index for level in sorted(levels, key=lambda level: -COORDINATE_OF[level.label])]
    if heights != sorted(heights):
        raise InputError(f"{path.parent.name}/{path.name}: slices must count from the feet; these fall.", NEXT_STEP)
    return levels, bool(content.get("chest_only", False))
