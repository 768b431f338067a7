"""A hospital's folder of annotated scans: what is in it, what is wrong with it, and its training form.

``FOLDER/scans/NAME/…`` as `annotated` reads them and ``FOLDER/splits.toml``. Training reads one form only, that of the
project's own data: ``volumes/``, ``labels/``, ``index.json``, ``splits.toml``; `convert_scan` writes it.
"""

import json
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import nibabel as nib
import numpy as np
from numpy.typing import NDArray

from inference_server.training.datasets.annotated import AnnotatedScan, read_annotated_scan
from inference_server.training.datasets.splits import FILE_NAME, Patient, Splits, check_splits, read_splits
from sarcopenia.assessment.composition import BodyComposition, body_composition
from sarcopenia.assessment.model_grid import CanonicalView
from sarcopenia.domain.errors import InputError, SettingsError
from sarcopenia.domain.results import Compartment
from sarcopenia.domain.volume import Sex

PLAUSIBLE_SMA_CM2: Final = (40.0, 350.0)
"""Adults at L1 to L5: a mask beyond is incomplete, or of another spacing."""
SEX_IN_WORDS: Final = {Sex.FEMALE: "female", Sex.MALE: "male"}
NEXT_STEP: Final = "Mend what `sarcopenia models check` lists, or take the scan out of splits.toml."


@dataclass(frozen=True)
class ScanReport:
    """One scan of a folder.

    Attributes
    ----------
    place: what splits.toml has it for. slice_count, drawn_count: slices of the CT, and those with labels.
    sma_cm2, sat_cm2, vat_cm2: medians over the drawn slices; ``None`` where the annotation does not hold the tissue.
    patient_id: as written in the images, "" where none. problems: sentences; a scan without any can be trained on.
    """

    name: str
    place: str
    mask_kind: str = "none"
    slice_count: int = 0
    drawn_count: int = 0
    sma_cm2: float | None = None
    sat_cm2: float | None = None
    vat_cm2: float | None = None
    patient_id: str = ""
    problems: tuple[str, ...] = ()


def scan_folders(folder: Path) -> tuple[Path, ...]:
    """Folders of the scans, by name.

    Raises
    ------
    InputError: there are none.
    """
    found = tuple(sorted(path for path in (folder / "scans").glob("*") if path.is_dir()))
    if not found:
        raise InputError(
            f"{folder / 'scans'} holds no folder of a scan.", "docs/training.md shows what it should hold."
        )
    return found


def folder_splits(folder: Path) -> Splits:
    """The splits of a hospital's folder; it must bring its own.

    Raises
    ------
    InputError: it has none. SettingsError: as `read_splits`.
    """
    if not (folder / FILE_NAME).exists():
        raise InputError(f"{folder} has no {FILE_NAME}.", "Write one: docs/training.md shows its form.")
    return read_splits(folder / FILE_NAME)


def check_scan(folder: Path, splits: Splits) -> ScanReport:
    """Read a scan and say what it holds and what is wrong with it; never raises for a bad scan."""
    try:
        return report_of(read_annotated_scan(folder), splits)
    except InputError as error:
        return ScanReport(folder.name, splits.place_of(folder.name), problems=(error.message,))


def report_of(scan: AnnotatedScan, splits: Splits) -> ScanReport:
    """What a scan holds, and what is wrong with it."""
    compositions = [_composition(scan, k) for k in scan.drawn_slices]
    return ScanReport(
        scan.name,
        splits.place_of(scan.name),
        scan.mask_kind,
        len(scan.labels_zyx),
        len(scan.drawn_slices),
        _median([c.sma_cm2 for c in compositions]),
        _median([c.sat_cm2 for c in compositions]) if _holds(scan, Compartment.SUBCUTANEOUS) else None,
        _median([c.vat_cm2 for c in compositions]) if _holds(scan, Compartment.VISCERAL_CAVITY) else None,
        scan.volume.header.patient.patient_id,
        (*_missing(scan, splits), *_implausible(scan, compositions)),
    )


def _composition(scan: AnnotatedScan, k: int) -> BodyComposition:
    area_mm2 = scan.volume.geometry.plane(k).pixel_area_mm2
    return body_composition(scan.volume.hu_zyx[k], scan.labels_zyx[k], area_mm2)


def _median(values: Sequence[float]) -> float | None:
    return float(np.median(values)) if values else None


def _holds(scan: AnnotatedScan, compartment: Compartment) -> bool:
    return bool((scan.labels_zyx[list(scan.drawn_slices)] == compartment).any())


def _missing(scan: AnnotatedScan, splits: Splits) -> Iterator[str]:
    """What a scan lacks for the folds that name it."""
    if not scan.drawn_slices and any(scan.name in names for names in splits.compartment_folds):
        yield "In a fold of the compartments, but nothing is drawn."
    if not (scan.levels or scan.chest_only) and any(scan.name in names for names in splits.spine_folds):
        yield "In a fold of the spine, but levels.toml gives no vertebra."


def _implausible(scan: AnnotatedScan, compositions: Sequence[BodyComposition]) -> Iterator[str]:
    low, high = PLAUSIBLE_SMA_CM2
    for k, composition in zip(scan.drawn_slices, compositions, strict=True):
        if not low <= composition.sma_cm2 <= high:
            yield f"Slice {k}: {composition.sma_cm2:.0f} cm² of muscle; {low:.0f} to {high:.0f} are plausible."


def problems_across(reports: Sequence[ScanReport], splits: Splits) -> tuple[str, ...]:
    """What only the whole folder shows: scans that splits.toml names and nobody has, a person in two places."""
    have = {report.name for report in reports}
    named = {*splits.test_names, *splits.unlabelled_names}
    named |= {name for folds in (splits.compartment_folds, splits.spine_folds) for names in folds for name in names}
    missing = [f"{FILE_NAME} names {name}, but there is no such scan." for name in sorted(named - have)]
    return (*missing, *_people_in_two_places(reports, splits))


def _people_in_two_places(reports: Sequence[ScanReport], splits: Splits) -> Iterator[str]:
    """The rule of `splits`, with the people that the images name."""
    scans_of: dict[str, list[str]] = {}
    for report in reports:
        if report.patient_id:
            scans_of.setdefault(report.patient_id, []).append(report.name)
    named = tuple(Patient(" = ".join(scans), tuple(scans)) for scans in scans_of.values())
    try:
        check_splits(replace(splits, patients=named), Path(FILE_NAME))
    except SettingsError as error:
        yield f"One person by the Patient ID of the images: {error.message}"


def convert_scan(scan: AnnotatedScan, data: Path) -> dict[str, Any]:
    """Write CT and labels in the training form and return the scan's entry of ``index.json``.

    Rows to the back and columns to the left are reached by turning, never by resampling; the origin is not kept.
    """
    view = CanonicalView.of(scan.volume.geometry.plane(0))
    spacing = (scan.volume.geometry.spacing_mm_zyx[0], *view.spacing_mm_yx)
    hu, labels = view.apply(scan.volume.hu_zyx), view.apply(scan.labels_zyx)
    for kind, voxels in (("volumes", hu), ("labels", labels)):
        _write_nifti(voxels, spacing, data / kind / f"{scan.name}.nii.gz")
    polygons = data / "polygons" / f"{scan.name}.json"
    polygons.parent.mkdir(parents=True, exist_ok=True)
    polygons.write_text(json.dumps({"levels": {}}))
    return {
        "spacing_mm_zyx": [float(mm) for mm in spacing],
        "shape_zyx": list(hu.shape),
        "levels_z": {level.label: level.slice_index for level in scan.levels},
        "key_slices": list(scan.drawn_slices),
        "weak_slices": [],
        "what": SEX_IN_WORDS.get(scan.volume.header.sex, ""),
    }


def _write_nifti(voxels_zyx: NDArray[np.generic], spacing_mm_zyx: Sequence[float], path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    z, y, x = spacing_mm_zyx
    nib.save(nib.Nifti1Image(np.ascontiguousarray(voxels_zyx.transpose(2, 1, 0)), np.diag([-x, -y, z, 1.0])), path)


def convert_folder(folder: Path, data: Path) -> Iterator[str]:
    """Write the training form of every scan that splits.toml names; yields each name when it is done.

    Raises
    ------
    InputError: a scan cannot be read, or something is wrong with it or with the folder. The index is written last.
    """
    splits = folder_splits(folder)
    index, reports = {}, []
    for path in scan_folders(folder):
        if splits.place_of(path.name) == "none":
            continue
        scan = read_annotated_scan(path)
        reports.append(report_of(scan, splits))
        if reports[-1].problems:
            raise InputError(f"{path.name}: {reports[-1].problems[0]}", NEXT_STEP)
        index[path.name] = convert_scan(scan, data)
        yield path.name
    if across := problems_across(reports, splits):
        raise InputError(across[0], NEXT_STEP)
    shutil.copyfile(folder / FILE_NAME, data / FILE_NAME)
    sagittal = data / "sagittal" / "sagittal_levels.json"
    sagittal.parent.mkdir(parents=True, exist_ok=True)
    sagittal.write_text("{}")
    (data / "index.json").write_text(json.dumps(index, indent=1))
