"""The agreement page: empty, taking a mask, refusing a foreign one, and each group by itself."""

from dataclasses import replace

import numpy as np
import pytest

from dashboard.agreement_view import Group
from sarcopenia.assessment.composition import muscle_mask
from sarcopenia.domain.errors import ServerUnavailableError
from sarcopenia.domain.strokes import Stroke, StrokeTool
from sarcopenia.domain.volume import PatientHeader
from sarcopenia.imaging import InputFile
from sarcopenia.inference.contract import BODY_COMPARTMENTS
from sarcopenia.review import store_correction
from tests.drawn_masks import nifti_mask
from tests.unit.records.samples import new_reading

ERASE = Stroke(StrokeTool.ERASER, ((60.0, 60.0), (80.0, 60.0)), 8.0, within_muscle_hu=False)


def words(at):
    """Everything that stands on the page."""
    parts = [*at.markdown, *at.caption, *at.info, *at.warning, *at.error, *at.success, *at.header]
    return "\n".join(str(part.value) for part in parts)


def tables(at, column):
    return [frame.value for frame in at.dataframe if column in frame.value]


@pytest.fixture
def scan_id(stack, phantom, somebody):
    return stack.measure(phantom, **somebody).scan_id


@pytest.fixture(scope="module")
def truth_zyx(phantom):
    return np.stack([muscle_mask(*each) for each in zip(phantom.volume.hu_zyx, phantom.compartments_zyx, strict=True)])


def name_field(at):
    return next(field for field in at.text_input if field.label == "Who drew it")


def press(at, label):
    next(button for button in at.button if button.label == label).click().run()
    assert not at.exception, at.exception


def bring(at, mask):
    """Bring a mask; the page says what it holds."""
    at.file_uploader[0].set_value([(mask.name, mask.content, "application/octet-stream")]).run()
    assert not at.exception, at.exception
    return at


def give(at, mask, reader="Ann Lee", blind="Yes, blind", muscle=()):
    """Fill the form and press."""
    bring(at, mask)
    name_field(at).set_value(reader)
    if muscle:
        at.multiselect[0].set_value(muscle)
    if blind is not None:
        at.radio[0].set_value(blind)
    press(at, "Compare")
    return at


def test_without_scans_the_page_says_what_to_do(stack):
    at = stack.page("agreement")
    assert "Upload one first" in words(at)
    assert not at.file_uploader


def test_without_readings_there_is_the_form_alone(stack, scan_id):
    at = stack.page("agreement")
    assert "No readings yet" in words(at)
    (option,) = at.selectbox[0].options
    assert option.startswith("DOE, JANE · ")
    assert option.endswith(f" · scan {scan_id}")
    assert not at.dataframe


def test_a_mask_is_compared_stored_and_summed_up(stack, phantom, scan_id, truth_zyx):
    at = give(stack.page("agreement"), nifti_mask(phantom.volume, truth_zyx))
    (stored,) = stack.records.readings.all()
    latest = stack.records.scans.get(scan_id).latest
    assert (stored.scan_id, stored.measurement_id, stored.reader) == (scan_id, latest.measurement_id, "Ann Lee")
    assert stored.blind
    assert f"Dice {stored.comparison.dice:.3f}" in words(at)
    (rows,) = tables(at, "Reader")
    assert rows["Patient"].tolist() == ["DOE, JANE"]
    assert rows["Reader's SMA (cm²)"].tolist() == [round(phantom.true_composition(stored.slice_index).sma_cm2, 2)]
    (figures,) = tables(at, "ICC(2,1)")
    assert "limits of agreement need 3 persons, there are 1" in set("; ".join(figures["Blank because"]).split("; "))
    charts = at.get("plotly_chart")
    assert len(charts) == 2
    assert all(chart.proto.alt for chart in charts)
    assert [button.label for button in at.download_button] == ["Readings (CSV)", "Figures (CSV)"]
    assert words(at).count("None yet.") == 2
    (markers,) = tables(at, "Mean of both (cm²)")
    assert len(markers) == 1
    assert charts[0].proto.alt in words(at)
    assert not at.file_uploader[0].value
    assert at.radio[0].value is None
    assert name_field(at).value == "Ann Lee"
    assert at.selectbox[0].options[0].endswith("· 1 read")


def test_a_mask_of_another_series_is_refused_in_words(stack, phantom, scan_id, truth_zyx):
    origins = np.asarray(phantom.volume.geometry.slice_origins_lps_mm) + np.array([1.0, 0.0, 0.0])
    away = replace(phantom.volume, geometry=replace(phantom.volume.geometry, slice_origins_lps_mm=origins))
    at = give(stack.page("agreement"), nifti_mask(away, truth_zyx))
    assert "The mask was not taken" in words(at)
    assert "drawn on another series, or cropped?" in words(at)
    assert "Draw or export the mask again" in words(at)
    assert name_field(at).value == "Ann Lee"
    assert stack.records.readings.all() == ()


def test_of_several_labels_the_person_picks_muscle(stack, phantom, scan_id, truth_zyx):
    mask = nifti_mask(phantom.volume, np.where(truth_zyx, 2, 1))
    at = bring(stack.page("agreement"), mask)
    assert at.multiselect[0].options == ["1", "2"]
    assert at.multiselect[0].value == []
    at = give(at, mask)
    assert "Still missing: which label is muscle." in words(at)
    assert stack.records.readings.all() == ()
    at = give(at, mask, muscle=["2"])
    (stored,) = stack.records.readings.all()
    assert stored.comparison.sma_cm2 == pytest.approx(phantom.true_composition(stored.slice_index).sma_cm2)


def test_a_file_that_is_no_mask_is_told_at_once(stack, phantom, scan_id):
    at = bring(stack.page("agreement"), InputFile("notes.txt", b"hello"))
    assert "no mask among the files" in words(at)


def test_scans_are_searched_and_one_of_several_must_be_chosen(stack, phantom, scan_id, truth_zyx):
    other = stack.measure(phantom, patient=PatientHeader("P-2", "HOSPITAL", "ROE^RICHARD"), series_description="Thin")
    at = stack.page("agreement")
    assert (len(at.selectbox[0].options), at.selectbox[0].value) == (2, None)
    at = give(at, nifti_mask(phantom.volume, truth_zyx))
    assert "Still missing: the scan." in words(at)
    next(field for field in at.text_input if field.label == "Search scans").set_value("richard thin").run()
    (option,) = at.selectbox[0].options
    assert option.endswith(f"· scan {other.scan_id}")
    assert at.file_uploader[0].value
    press(at, "Compare")
    (stored,) = stack.records.readings.all()
    assert stored.scan_id == other.scan_id


@pytest.mark.parametrize(
    ("reader", "blind", "missing"),
    [("", "No", "who drew it."), ("Ann Lee", None, "whether it was drawn without seeing the AI's mask.")],
)
def test_the_reader_and_whether_it_was_blind_must_be_said(stack, phantom, scan_id, truth_zyx, reader, blind, missing):
    at = give(stack.page("agreement"), nifti_mask(phantom.volume, truth_zyx), reader, blind)
    assert f"Still missing: {missing}" in words(at)
    assert stack.records.readings.all() == ()


def test_groups_stand_apart(stack, phantom, scan_id, truth_zyx):
    at = give(stack.page("agreement"), nifti_mask(phantom.volume, truth_zyx))
    at = give(at, nifti_mask(phantom.volume, truth_zyx), "Ben", "No")
    first = stack.records.scans.get(scan_id).latest
    mended = store_correction(stack.records, first.measurement_id, [ERASE], author="Cleo")
    at.run()
    assert [header.value for header in at.header] == [group.value for group in Group]
    assert "None yet." not in words(at)
    assert "Anchored" in words(at)
    rows = tables(at, "Reader")
    assert [table["Reader"].tolist() for table in rows] == [["Ann Lee"], ["Ben"], ["Cleo"]]
    (mended_sma, ai_sma) = (each.measurement.composition.sma_cm2 for each in (mended, first))
    assert rows[2]["AI minus reader (cm²)"].tolist() == [round(ai_sma - mended_sma, 2)]
    assert rows[0]["AI minus reader (cm²)"].tolist() == rows[1]["AI minus reader (cm²)"].tolist()


def test_corrections_alone_are_listed_as_anchored(stack, phantom, scan_id):
    first = stack.records.scans.get(scan_id).latest
    store_correction(stack.records, first.measurement_id, [ERASE], author="Cleo")
    at = stack.page("agreement")
    assert words(at).count("None yet.") == 2
    assert [table["Reader"].tolist() for table in tables(at, "Reader")] == [["Cleo"]]


def test_readings_of_other_weights_are_not_mixed_in(stack, phantom, scan_id, truth_zyx):
    old = tuple(
        replace(each, onnx_sha256="0" * 64, version="0") if each.name == BODY_COMPARTMENTS else each
        for each in stack.models.identities()
    )
    stack.records.readings.add(new_reading(scan_id, reader="Zoe", models=old))
    at = give(stack.page("agreement"), nifti_mask(phantom.volume, truth_zyx))
    choice = next(box for box in at.selectbox if box.label == "Weights of the AI")
    assert len(choice.options) == 2
    assert [table["Reader"].tolist() for table in tables(at, "Reader")] == [["Ann Lee"]]
    choice.set_value(choice.options[1]).run()
    assert [table["Reader"].tolist() for table in tables(at, "Reader")] == [["Zoe"]]


def test_a_mask_waits_for_a_server_that_is_down_and_is_compared_later(stack, phantom, scan_id, truth_zyx):
    other = np.zeros_like(truth_zyx)
    elsewhere = stack.records.scans.get(scan_id).latest.measurement.slice_index + 2
    other[elsewhere] = truth_zyx[elsewhere]
    at = stack.page("agreement")
    stack.models.failure = ServerUnavailableError("No Triton answers.")
    give(at, nifti_mask(phantom.volume, other))
    assert "The inference server is down" in words(at)
    assert "Nothing is lost: the mask by Ann Lee" in words(at)
    assert stack.records.readings.all() == ()
    at.switch_page("app_pages/system.py").run()
    at.switch_page("app_pages/agreement.py").run()
    press(at, "Try again")
    assert "Nothing is lost" in words(at)
    stack.models.failure = None
    press(at, "Try again")
    (stored,) = stack.records.readings.all()
    assert (stored.slice_index, stored.reader, stored.blind) == (elsewhere, "Ann Lee", True)
    assert "Nothing is lost" not in words(at)
    assert f"Dice {stored.comparison.dice:.3f}" in words(at)


def test_a_mask_that_waits_can_be_discarded(stack, phantom, scan_id, truth_zyx):
    other = np.zeros_like(truth_zyx)
    elsewhere = stack.records.scans.get(scan_id).latest.measurement.slice_index + 2
    other[elsewhere] = truth_zyx[elsewhere]
    stack.models.failure = ServerUnavailableError("No Triton answers.")
    at = give(stack.page("agreement"), nifti_mask(phantom.volume, other))
    press(at, "Discard")
    assert "Nothing is lost" not in words(at)
    assert not at.file_uploader[0].value
    assert stack.records.readings.all() == ()
