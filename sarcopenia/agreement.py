"""How a hospital validates the tool: a reader's mask of a stored scan against the models' own mask of the same slice.

The AI's side is never a mask that a person mended. It is the mask of the newest measurement that only models made,
where the reader drew on its slice; on any other slice the models are asked anew. They are asked anew too where the
measured image was averaged over several slices: a reader draws on one native slice. Masks count as they were drawn.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import PurePath
from typing import Final

import numpy as np
from numpy.typing import NDArray

from sarcopenia.assessment.events import AssessmentOptions
from sarcopenia.assessment.pipeline import run_assessment
from sarcopenia.clinical.method_comparison import dice_of
from sarcopenia.domain.errors import InputError, RecordError
from sarcopenia.domain.results import ModelIdentity
from sarcopenia.domain.volume import CtVolume
from sarcopenia.imaging import InputFile
from sarcopenia.imaging.annotation_masks import (
    MaskSlice,
    Tissue,
    looks_like_segmentation,
    nifti_labels,
    read_nifti_mask,
    read_segment_mask,
    read_tag_mask,
    segment_labels,
    tag_labels,
)
from sarcopenia.imaging.files import unpack_archives
from sarcopenia.imaging.nifti import looks_like_nifti
from sarcopenia.imaging.sliceomatic import SUFFIX, image_names
from sarcopenia.inference.port import ModelClient
from sarcopenia.records import (
    MaskComparison,
    MaskFormat,
    NewReading,
    ReadingMasks,
    Records,
    StoredMeasurement,
    StoredReading,
)
from sarcopenia.stored_series import upload_files

FORMATS: Final = "a NIfTI mask (.nii, .nii.gz), a DICOM SEG or SliceOmatic .tag files"


@dataclass(frozen=True)
class Reader:
    """Who drew a mask, whether without seeing the AI's, and who gives the file."""

    name: str
    blind: bool
    author: str


@dataclass(frozen=True)
class MaskLabels:
    """What the files of a mask call its parts: numbers in NIfTI and tags, Segment Labels in DICOM SEG.

    Attributes
    ----------
    muscle: the labels that are muscle without asking; none where a person must say.
    """

    method: MaskFormat
    labels: tuple[str, ...]
    muscle: tuple[str, ...]


@dataclass(frozen=True)
class ReaderMask:
    """Muscle that a reader drew: boolean masks (y, x) by slice index (0-based, from the feet), none of them empty."""

    method: MaskFormat
    muscle_by_slice: dict[int, NDArray[np.bool_]]


@dataclass(frozen=True)
class ModelsMask:
    """The models' own mask of one slice (y, x), the weights, and the measurement it belongs to, if it was stored."""

    muscle_yx: NDArray[np.bool_]
    models: tuple[ModelIdentity, ...]
    measurement_id: int | None


@dataclass(frozen=True)
class GivenMask:
    """Files of a mask as a person gives them, and which of its labels are muscle; none: as the files say."""

    files: tuple[InputFile, ...]
    muscle: tuple[str, ...] = ()


def add_reading(
    records: Records, models: ModelClient, volume: CtVolume, scan_id: int, given: GivenMask, reader: Reader
) -> StoredReading:
    """Compare a reader's mask with the models' own on the same slice of a scan, and store both.

    Raises
    ------
    InputError: no mask among the files, drawn on another series, no muscle, not said which label it is, or no slice to
    compare; a mask that is said to be blind is the AI's own. InferenceError: the models could not be asked.
    RecordNotFoundError: no such scan. RecordError: the volume is another scan's, or nobody's name.
    """
    scan = records.scans.get(scan_id)
    if scan.series_hash != volume.series_hash:
        raise RecordError("The series that was read is not the one that was stored.")
    if not reader.name.strip():  # before the models are asked for nothing
        raise RecordError("A reading needs the name of its reader.", "Enter who drew the mask.")
    mask = read_reader_mask(given, volume, lambda: _series_files(records, scan.upload_id))
    measured = newest_models_own(records, scan_id)
    index = compared_slice(sorted(mask.muscle_by_slice), None if measured is None else measured.measurement.slice_index)
    ai = _models_mask(records, models, volume, measured, index)
    drawn_yx = mask.muscle_by_slice[index]
    if reader.blind and np.array_equal(drawn_yx, ai.muscle_yx):
        raise InputError("This mask is the AI's own, pixel for pixel.", "Say that it was not drawn blind.")
    plane = volume.geometry.plane(index)
    new = NewReading(
        scan_id=scan_id,
        measurement_id=ai.measurement_id,
        slice_index=index,
        reader=reader.name.strip(),
        blind=reader.blind,
        method=mask.method,
        masks=ReadingMasks(drawn_yx, ai.muscle_yx),
        comparison=compare_masks(volume.hu_zyx[index], plane.pixel_area_mm2, drawn_yx, ai.muscle_yx),
        models=ai.models,
        author=reader.author,
    )
    return records.readings.add(new)


def _series_files(records: Records, upload_id: int) -> tuple[InputFile, ...]:
    return unpack_archives(upload_files(records, upload_id))


def mask_labels(files: Sequence[InputFile]) -> MaskLabels:
    """Labels of uploaded masks of one kind; a .zip is opened.

    Muscle without asking are segments named or coded as muscle, tag 1 of the Alberta protocol, and the only label of a
    mask that follows no protocol.

    Raises
    ------
    InputError: no mask or two kinds of mask among the files, a damaged one, or nothing is drawn.
    """
    method, masks, _ = _sorted_out(files)
    if method is MaskFormat.SEG:
        named = {label: tissue for file in masks for label, tissue in segment_labels(file).items()}
        muscle = tuple(label for label, tissue in named.items() if tissue is Tissue.MUSCLE)
        return MaskLabels(method, tuple(named), muscle)
    labels_of = nifti_labels if method is MaskFormat.NIFTI else tag_labels
    values = sorted({value for file in masks for value in labels_of(file)})
    if not values:
        raise InputError("The mask is empty.", "Upload one on which muscle is drawn.")
    return MaskLabels(method, tuple(map(str, values)), tuple(map(str, _muscle_values(method, values))))


def _muscle_values(method: MaskFormat, values: Sequence[int]) -> Sequence[int]:
    if method is MaskFormat.TAG and set(values) <= set(map(int, Tissue)):
        return [value for value in values if value == Tissue.MUSCLE]
    return values if len(values) == 1 else ()


def read_reader_mask(
    given: GivenMask, volume: CtVolume, series_files: Callable[[], Sequence[InputFile]] = tuple
) -> ReaderMask:
    """Muscle of uploaded masks of one kind; several files may hold several slices, a .zip is opened.

    A .tag file is matched by its name with its DICOM image, which lies beside it or among ``series_files``: what the
    series was uploaded as, asked for only then.

    Raises
    ------
    InputError: no mask or two kinds of mask among the files, a slice drawn twice, another series, no muscle, or it is
    not said which label is muscle.
    """
    method, masks, beside = _sorted_out(given.files)
    muscle = given.muscle or mask_labels(given.files).muscle
    if not muscle:
        labels = ", ".join(mask_labels(given.files).labels)
        raise InputError(f"The mask does not say which of its labels is muscle: {labels}.", "Choose the muscle label.")
    images = (*beside, *series_files()) if method is MaskFormat.TAG else ()
    return ReaderMask(
        method, _by_slice([item for file in masks for item in _read(method, file, volume, muscle, images)])
    )


def _sorted_out(files: Sequence[InputFile]) -> tuple[MaskFormat, list[InputFile], tuple[InputFile, ...]]:
    """The kind of the masks among the files, the masks, and all files unpacked."""
    given = unpack_archives(files)
    kind_of = [(_kind(file), file) for file in given]
    kinds = {kind for kind, _ in kind_of if kind is not None}
    if len(kinds) > 1:
        raise InputError("The files hold masks of several kinds.", "Upload the masks of one kind alone.")
    if not kinds:
        raise InputError("There is no mask among the files.", f"Upload {FORMATS}.")
    method = kinds.pop()
    return method, [file for kind, file in kind_of if kind is method], given


def _kind(file: InputFile) -> MaskFormat | None:
    if file.name.lower().endswith(SUFFIX):
        return MaskFormat.TAG
    if looks_like_nifti(file.content):
        return MaskFormat.NIFTI
    return MaskFormat.SEG if looks_like_segmentation(file) else None


def _read(
    method: MaskFormat, file: InputFile, volume: CtVolume, muscle: Sequence[str], images: Sequence[InputFile]
) -> tuple[MaskSlice, ...]:
    if method is MaskFormat.SEG:
        return read_segment_mask(file, volume, muscle)
    values = [int(label) for label in muscle]
    if method is MaskFormat.NIFTI:
        return read_nifti_mask(file, volume, values)
    return (_read_tag(file, volume, values, images),)


def _read_tag(tag: InputFile, volume: CtVolume, values: Sequence[int], images: Sequence[InputFile]) -> MaskSlice:
    """Some tags of a .tag file on the image of its name; folders of several series may hold the same names."""
    names = {name.lower() for name in image_names(PurePath(tag.name).name)}
    found: dict[int, MaskSlice] = {}
    refusals: list[InputError] = []
    for image in images:
        if PurePath(image.name).name.lower() in names:
            try:
                drawn = read_tag_mask(tag, image, volume, values)
                found[drawn.slice_index] = drawn
            except InputError as error:
                refusals.append(error)
    if len(found) == 1:
        return next(iter(found.values()))
    if found or not refusals:
        many = "more than one of them" if found else "none of them"
        raise InputError(
            f"{tag.name} must belong to one image of the scan; its name fits {many}.",
            "Upload the DICOM image that it was drawn on beside it.",
        )
    raise refusals[0]


def _by_slice(slices: Sequence[MaskSlice]) -> dict[int, NDArray[np.bool_]]:
    drawn = [(each.slice_index, each.mask_yx) for each in slices if each.mask_yx.any()]
    if not drawn:
        raise InputError("The mask holds no muscle on the slices of this scan.", "Choose another label or scan.")
    if len(dict(drawn)) < len(drawn):
        raise InputError("Two of the masks were drawn on the same slice.", "Upload one of them.")
    return dict(drawn)


def newest_models_own(records: Records, scan_id: int) -> StoredMeasurement | None:
    """The newest measurement of a scan whose mask the models alone made; ``None`` without any."""
    versions = reversed(records.measurements.of_scan(scan_id))
    return next((stored for stored in versions if not stored.measurement.provenance.strokes), None)


def compared_slice(drawn: Sequence[int], measured: int | None) -> int:
    """The slice on which both are compared: the measured one if drawn, else the drawn one nearest to it.

    Raises
    ------
    InputError: nothing was measured, and several slices were drawn.
    """
    if measured is None and len(drawn) > 1:
        raise InputError(
            f"Muscle was drawn on {len(drawn)} slices, and this scan has no measured slice to choose among them.",
            "Upload a mask of one slice, or choose the level on the Review page first.",
        )
    return drawn[0] if measured is None else min(drawn, key=lambda index: (abs(index - measured), index))


def _models_mask(
    records: Records, models: ModelClient, volume: CtVolume, measured: StoredMeasurement | None, index: int
) -> ModelsMask:
    """The stored mask where it lies on this very slice, else what the models outline there now."""
    if measured is not None and measured.measurement.slice_index == index:
        provenance = measured.measurement.provenance
        found = records.measurements.arrays(measured.measurement_id).slice
        if found is not None and provenance.averaged_slices == 1:
            return ModelsMask(found.compartments.muscle_yx, provenance.models, measured.measurement_id)
    asked = run_assessment(volume, models, AssessmentOptions(slice_choice=index))
    if asked.arrays is None:
        raise RuntimeError("a slice that was given is always outlined")
    return ModelsMask(asked.arrays.compartments.muscle_yx, asked.measurement.provenance.models, None)


def compare_masks(
    hu_yx: NDArray[np.int16], pixel_area_mm2: float, reader_yx: NDArray[np.bool_], ai_yx: NDArray[np.bool_]
) -> MaskComparison:
    """Areas, densities and overlap of a person's and the models' muscle masks (y, x) on the HU of one slice."""

    def density_hu(mask_yx: NDArray[np.bool_]) -> float | None:
        return float(hu_yx[mask_yx].mean(dtype=np.float64)) if mask_yx.any() else None

    return MaskComparison(
        sma_cm2=float(np.count_nonzero(reader_yx) * pixel_area_mm2 / 100),
        ai_sma_cm2=float(np.count_nonzero(ai_yx) * pixel_area_mm2 / 100),
        smd_hu=density_hu(reader_yx),
        ai_smd_hu=density_hu(ai_yx),
        dice=dice_of(ai_yx, reader_yx),
    )
