"""A reader's mask against the models' own: which slice, which AI, and what is refused."""

import io
import zipfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import nibabel
import numpy as np
import pytest
from pydicom.sr.codedict import codes

from sarcopenia.agreement import (
    GivenMask,
    Reader,
    add_reading,
    compare_masks,
    compared_slice,
    mask_labels,
    newest_models_own,
    read_reader_mask,
)
from sarcopenia.assessment.composition import muscle_mask
from sarcopenia.assessment.events import AssessmentOptions
from sarcopenia.assessment.pipeline import run_assessment
from sarcopenia.clinical.method_comparison import dice_of
from sarcopenia.domain.errors import InputError, RecordError, RecordNotFoundError, ServerUnavailableError
from sarcopenia.domain.strokes import Stroke, StrokeTool
from sarcopenia.exchange.ct_writer import CtWriteOptions, ct_series_bytes
from sarcopenia.imaging import InputFile
from sarcopenia.imaging.annotation_masks import Tissue
from sarcopenia.inference.fake import FakeModelClient, known_spine
from sarcopenia.phantom import PhantomSpec, make_phantom
from sarcopenia.records import MaskFormat, NewMeasurement, Records, open_records
from sarcopenia.review import LevelChoice, move_level, scan_volume, store_correction
from sarcopenia.settings import Settings
from sarcopenia.worker import Worker
from tests.drawn_masks import nifti_mask, segmentation, tag_bytes

SPEC = PhantomSpec(seed=5, pixel_spacing_mm=3.0, shape_yx=(112, 144), slice_spacing_mm=6.0, noise_sd_hu=6.0)
ANN = Reader("Ann", blind=True, author="Ann")
ERASE = Stroke(StrokeTool.ERASER, ((60.0, 60.0), (80.0, 60.0)), 8.0, within_muscle_hu=False)


@pytest.fixture(scope="module")
def phantom():
    return make_phantom(SPEC)


@pytest.fixture(scope="module")
def files(phantom):
    return ct_series_bytes(phantom.volume, CtWriteOptions())


@pytest.fixture(scope="module")
def truth_zyx(phantom):
    """True muscle (z, y, x)."""
    return np.stack([muscle_mask(*each) for each in zip(phantom.volume.hu_zyx, phantom.compartments_zyx, strict=True)])


class Place:
    """Records with the phantom measured, and the models."""

    def __init__(self, records: Records, phantom, files) -> None:
        self.records = records
        spine = known_spine(phantom.volume.geometry.slice_z_mm, phantom.vertebral_coordinate_z)
        self.models = FakeModelClient(spine=spine)
        job_id = records.uploads.submit([(file.name, file.content) for file in files], source="test").job_id
        assert Worker(records, self.models).run_once()
        self.scan_id = records.jobs.status(job_id).scan_id
        self.volume = scan_volume(records, self.scan_id)
        self.first = records.scans.get(self.scan_id).latest
        self.measured = self.first.measurement.slice_index

    def add(self, *masks: InputFile, reader: Reader = ANN, muscle=()):
        given = GivenMask(masks, muscle)
        return add_reading(self.records, self.models, self.volume, self.scan_id, given, reader)

    def ai_yx(self, reading):
        return self.records.readings.masks(reading.reading_id).ai_yx


@pytest.fixture
def place(tmp_path: Path, phantom, files) -> Iterator[Place]:
    with open_records(Settings.from_environment({"SARCOPENIA_DATA_DIR": str(tmp_path)})) as records:
        yield Place(records, phantom, files)


def only(truth_zyx, *slices):
    """The truth on some slices, nothing elsewhere."""
    kept = np.zeros_like(truth_zyx)
    kept[list(slices)] = truth_zyx[list(slices)]
    return kept


def test_a_mask_on_the_measured_slice_meets_the_stored_mask_of_the_models(place, phantom, truth_zyx):
    reading = place.add(nifti_mask(phantom.volume, truth_zyx))
    k, found = place.measured, reading.comparison
    ai_yx = place.records.measurements.arrays(place.first.measurement_id).slice.compartments.muscle_yx
    assert (reading.slice_index, reading.measurement_id, reading.method) == (
        k,
        place.first.measurement_id,
        MaskFormat.NIFTI,
    )
    assert (reading.reader, reading.blind) == ("Ann", True)
    assert found.sma_cm2 == pytest.approx(phantom.true_composition(k).sma_cm2)
    assert found.smd_hu == pytest.approx(phantom.true_composition(k).smd_hu)
    assert found.ai_sma_cm2 == pytest.approx(place.first.measurement.composition.sma_cm2)
    assert found.ai_smd_hu == pytest.approx(place.first.measurement.composition.smd_hu)
    assert found.dice == dice_of(ai_yx, truth_zyx[k])
    assert reading.models == place.first.measurement.provenance.models
    masks = place.records.readings.masks(reading.reading_id)
    np.testing.assert_array_equal(masks.reader_yx, truth_zyx[k])
    np.testing.assert_array_equal(masks.ai_yx, ai_yx)


def test_one_other_slice_is_outlined_by_the_models_for_this_reading(place, phantom, truth_zyx):
    k = place.measured + 3
    reading = place.add(nifti_mask(phantom.volume, only(truth_zyx, k)))
    asked = run_assessment(place.volume, place.models, AssessmentOptions(slice_choice=k))
    assert (reading.slice_index, reading.measurement_id) == (k, None)
    np.testing.assert_array_equal(place.ai_yx(reading), asked.arrays.compartments.muscle_yx)
    assert reading.comparison.ai_sma_cm2 == pytest.approx(asked.measurement.composition.sma_cm2)
    assert reading.models == asked.measurement.provenance.models
    assert place.records.scans.get(place.scan_id).latest == place.first


def test_of_several_other_slices_the_nearest_counts(place, phantom, truth_zyx):
    k = place.measured
    reading = place.add(nifti_mask(phantom.volume, only(truth_zyx, k - 4, k + 2, k + 6)))
    assert reading.slice_index == k + 2
    assert place.ai_yx(reading).any()


@pytest.mark.parametrize(
    ("drawn", "measured", "expected"),
    [([3, 5, 9], 5, 5), ([3, 9], 5, 3), ([4, 6], 5, 4), ([8], 5, 8), ([8], None, 8)],
)
def test_which_slice_is_compared(drawn, measured, expected):
    assert compared_slice(drawn, measured) == expected


def test_without_a_measured_slice_several_drawn_ones_are_refused():
    with pytest.raises(InputError, match="no measured slice") as caught:
        compared_slice([2, 3], None)
    assert "Review page" in caught.value.next_step


def test_the_ai_side_is_never_a_corrected_mask(place, phantom, truth_zyx):
    mended = store_correction(place.records, place.first.measurement_id, [ERASE], author="Ben")
    assert mended.measurement.composition.sma_cm2 < place.first.measurement.composition.sma_cm2
    assert newest_models_own(place.records, place.scan_id).measurement_id == place.first.measurement_id
    reading = place.add(nifti_mask(phantom.volume, truth_zyx))
    assert reading.measurement_id == place.first.measurement_id
    assert reading.comparison.ai_sma_cm2 == pytest.approx(place.first.measurement.composition.sma_cm2)


def test_a_moved_level_is_the_models_own_and_the_newest(place, phantom, truth_zyx):
    mended = store_correction(place.records, place.first.measurement_id, [ERASE], author="Ben")
    there = LevelChoice(place.measured + 2, "L3")
    moved = move_level(place.records, place.models, place.volume, mended.measurement_id, there, author="Ben")
    reading = place.add(nifti_mask(phantom.volume, truth_zyx))
    assert (reading.slice_index, reading.measurement_id) == (there.slice_index, moved.measurement_id)


def test_where_the_measured_image_was_averaged_the_native_slice_is_outlined(place, phantom, truth_zyx):
    measurement = place.first.measurement
    averaged = replace(measurement, provenance=replace(measurement.provenance, averaged_slices=3))
    arrays = place.records.measurements.arrays(place.first.measurement_id)
    nothing = replace(arrays.slice.compartments, muscle_yx=np.zeros_like(arrays.slice.compartments.muscle_yx))
    arrays = replace(arrays, slice=replace(arrays.slice, compartments=nothing))
    place.records.measurements.store(place.scan_id, NewMeasurement(averaged, None, arrays, "sarcopenia 9"))
    reading = place.add(nifti_mask(phantom.volume, truth_zyx))
    assert (reading.slice_index, reading.measurement_id) == (place.measured, None)
    assert place.ai_yx(reading).any()


def test_segments_and_tags_say_the_same_as_nifti(place, phantom, files, truth_zyx):
    k = place.measured
    seg = segmentation(files, {"Skeletal_Muscle": only(truth_zyx, k)})
    tags_yx = truth_zyx[k] * int(Tissue.MUSCLE)
    tag = InputFile(f"IM{k + 1:05d}.tag", tag_bytes(tags_yx))
    readings = [place.add(mask) for mask in (nifti_mask(phantom.volume, truth_zyx), seg, tag)]
    assert [each.method for each in readings] == [MaskFormat.NIFTI, MaskFormat.SEG, MaskFormat.TAG]
    assert len({each.mask_sha256 for each in readings}) == 1
    assert len({each.comparison for each in readings}) == 1
    assert len(place.records.readings.of_scan(place.scan_id)) == 3


def test_a_zip_of_tags_finds_its_images_by_name(place, truth_zyx):
    k = place.measured
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for index in (k, k + 1):
            archive.writestr(f"tags/IM{index + 1:05d}.tag", tag_bytes(truth_zyx[index] * int(Tissue.MUSCLE)))
    reading = place.add(InputFile("tags.zip", packed.getvalue()))
    assert (reading.slice_index, reading.method) == (k, MaskFormat.TAG)


def test_a_tag_file_whose_image_is_not_known_by_name_needs_it_beside_it(place, files, truth_zyx):
    k = place.measured
    tag = InputFile("slice.tag", tag_bytes(truth_zyx[k] * int(Tissue.MUSCLE)))
    with pytest.raises(InputError, match="fits none of them") as caught:
        place.add(tag)
    assert "beside it" in caught.value.next_step
    image = InputFile("slice.dcm", files[k].content)
    assert place.add(tag, image).slice_index == k
    with pytest.raises(InputError, match="fits more than one"):
        place.add(tag, image, InputFile("b/slice.dcm", files[k + 1].content))


def test_what_cannot_be_compared_is_refused_in_words(place, phantom, files, truth_zyx):
    k = place.measured
    good = nifti_mask(phantom.volume, truth_zyx)
    tag = InputFile(f"IM{k + 1:05d}.tag", tag_bytes(truth_zyx[k] * int(Tissue.MUSCLE)))
    away = replace(phantom.volume.geometry, slice_origins_lps_mm=_shifted(phantom.volume.geometry))
    foreign = nifti_mask(replace(phantom.volume, geometry=away), truth_zyx)
    other_series = ct_series_bytes(phantom.volume, CtWriteOptions(uid_seed="another series"))
    cases = {
        "no mask among the files": (files[0],),
        "masks of several kinds": (good, tag),
        "mask is empty": (nifti_mask(phantom.volume, truth_zyx * 0),),
        "does not lie on the voxels": (foreign,),
        "drawn on another series": (segmentation(other_series, {"muscle": only(truth_zyx, k)}),),
        "which of its labels is muscle: 1, 2": (nifti_mask(phantom.volume, truth_zyx + _beside(truth_zyx) * 2),),
        "which of its labels is muscle: 7": (InputFile(tag.name, tag_bytes(truth_zyx[k] * int(Tissue.SAT))),),
        "on the same slice": (good, replace(good, name="again.nii")),
    }
    for said, masks in cases.items():
        with pytest.raises(InputError, match=said) as caught:
            place.add(*masks)
        assert caught.value.next_step
    assert place.records.readings.all() == ()


def _beside(truth_zyx):
    """Pixels that are not muscle: the corner of every slice."""
    corner = np.zeros_like(truth_zyx)
    corner[:, :3, :3] = True
    return corner


@pytest.mark.parametrize("value", [1, 7, 255])
def test_the_only_label_of_a_nifti_mask_is_muscle_whatever_its_value(place, phantom, truth_zyx, value):
    mask = nifti_mask(phantom.volume, truth_zyx * value)
    assert mask_labels([mask]).muscle == mask_labels([mask]).labels == (str(value),)
    masks = place.records.readings.masks(place.add(mask).reading_id)
    np.testing.assert_array_equal(masks.reader_yx, truth_zyx[place.measured])


def test_of_several_labels_those_that_a_person_names_are_muscle(place, phantom, truth_zyx):
    columns = np.arange(truth_zyx.shape[2])
    halves = np.where(columns < columns.mean(), 4, 9) * truth_zyx
    mask = nifti_mask(phantom.volume, halves + _beside(truth_zyx) * 1)
    assert (mask_labels([mask]).labels, mask_labels([mask]).muscle) == (("1", "4", "9"), ())
    left = place.records.readings.masks(place.add(mask, muscle=("4",)).reading_id).reader_yx
    np.testing.assert_array_equal(left, (halves == 4)[place.measured])
    both = place.records.readings.masks(place.add(mask, muscle=("4", "9")).reading_id).reader_yx
    np.testing.assert_array_equal(both, truth_zyx[place.measured])
    with pytest.raises(InputError, match="no muscle on the slices") as caught:
        place.add(mask, muscle=("5",))
    assert "another label" in caught.value.next_step


def test_segments_without_a_name_for_muscle_are_asked_for(place, files, truth_zyx):
    k = place.measured
    parts = {"Segment_1": only(truth_zyx, k), "Segment_2": only(_beside(truth_zyx), k)}
    seg = segmentation(files, parts, code=codes.SCT.Tissue)
    assert (mask_labels([seg]).labels, mask_labels([seg]).muscle) == (("Segment_1", "Segment_2"), ())
    with pytest.raises(InputError, match="muscle: Segment_1, Segment_2"):
        place.add(seg)
    masks = place.records.readings.masks(place.add(seg, muscle=("Segment_1",)).reading_id)
    np.testing.assert_array_equal(masks.reader_yx, truth_zyx[k])
    named = segmentation(files, {"Muscle": only(truth_zyx, k), "SAT": only(_beside(truth_zyx), k)}, code=codes.SCT.Fat)
    assert mask_labels([named]).muscle == ("Muscle",)


def test_tag_1_of_the_alberta_protocol_is_muscle_and_other_protocols_are_asked_for(truth_zyx):
    fat = _beside(truth_zyx)[0] * int(Tissue.SAT)
    alberta = InputFile("a.tag", tag_bytes(truth_zyx[0] * int(Tissue.MUSCLE) + fat))
    assert (mask_labels([alberta]).labels, mask_labels([alberta]).muscle) == (("1", "7"), ("1",))
    other = InputFile("a.tag", tag_bytes(truth_zyx[0] * 3 + fat))
    assert (mask_labels([other]).labels, mask_labels([other]).muscle) == (("3", "7"), ())
    assert mask_labels([InputFile("a.tag", tag_bytes(truth_zyx[0] * 3))]).muscle == ("3",)


def test_an_image_is_not_taken_for_a_mask(phantom):
    values_zyx = np.arange(phantom.volume.hu_zyx.size, dtype=np.int16).reshape(phantom.volume.hu_zyx.shape)
    image = nibabel.Nifti1Image(values_zyx.transpose(2, 1, 0), np.eye(4))
    with pytest.raises(InputError, match="an image, not a mask"):
        mask_labels([InputFile("ct.nii", image.to_bytes())])


def _shifted(geometry):
    return np.asarray(geometry.slice_origins_lps_mm) + np.array([1.0, 0.0, 0.0])


def test_a_blind_mask_cannot_be_the_ais_own(place, phantom, truth_zyx):
    copied = np.zeros_like(truth_zyx)
    copied[place.measured] = place.records.measurements.arrays(place.first.measurement_id).slice.compartments.muscle_yx
    mask = nifti_mask(phantom.volume, copied)
    with pytest.raises(InputError, match="AI's own, pixel for pixel"):
        place.add(mask)
    reading = place.add(mask, reader=Reader("Ann", blind=False, author="Ben"))
    assert (reading.blind, reading.comparison.dice) == (False, 1.0)
    assert place.records.audit.entries(f"scan:{place.scan_id}")[0].author == "Ben"


def test_nobodys_name_another_volume_or_no_scan_store_nothing(place, phantom, truth_zyx):
    mask = nifti_mask(phantom.volume, truth_zyx)
    with pytest.raises(RecordError, match="name of its reader"):
        place.add(mask, reader=Reader("  ", blind=True, author=""))
    other = replace(place.volume, series_hash="b" * 64)
    with pytest.raises(RecordError, match="not the one that was stored"):
        add_reading(place.records, place.models, other, place.scan_id, GivenMask((mask,)), ANN)
    with pytest.raises(RecordNotFoundError):
        add_reading(place.records, place.models, place.volume, 99, GivenMask((mask,)), ANN)
    place.models.failure = ServerUnavailableError("No Triton answers.")
    with pytest.raises(ServerUnavailableError):
        place.add(nifti_mask(phantom.volume, only(truth_zyx, place.measured + 1)))
    assert place.records.readings.all() == ()


def test_two_readings_of_one_reader_are_both_kept(place, phantom, truth_zyx):
    mask = nifti_mask(phantom.volume, truth_zyx)
    assert [place.add(mask).reading_id, place.add(mask).reading_id] == [
        each.reading_id for each in place.records.readings.of_scan(place.scan_id)
    ]


def test_areas_densities_and_overlap_by_hand():
    hu_yx = np.array([[10, 20, 30, 40]], np.int16)
    reader_yx, ai_yx = np.array([[True, True, True, False]]), np.array([[False, True, True, True]])
    found = compare_masks(hu_yx, 50.0, reader_yx, ai_yx)
    assert (found.sma_cm2, found.ai_sma_cm2) == (1.5, 1.5)
    assert (found.smd_hu, found.ai_smd_hu, found.dice) == (20.0, 30.0, pytest.approx(2 / 3))
    empty = compare_masks(hu_yx, 50.0, reader_yx, np.zeros_like(ai_yx))
    assert (empty.ai_sma_cm2, empty.ai_smd_hu, empty.dice) == (0.0, None, 0.0)


def test_a_series_is_read_again_only_for_tags(place, phantom, truth_zyx):
    def never():
        raise AssertionError("not needed")

    given = GivenMask((nifti_mask(phantom.volume, only(truth_zyx, 4)),))
    mask = read_reader_mask(given, place.volume, never)
    assert list(mask.muscle_by_slice) == [4]
