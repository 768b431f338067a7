"""The agreement page: empty, taking a mask, refusing a foreign one, and each group by itself."""

from dataclasses import replace

import numpy as np
import pytest

from dashboard.agreement_view import Group
from sarcopenia.assessment.composition import muscle_mask
from sarcopenia.domain.errors import ServerUnavailableError
from sarcopenia.domain.strokes import Stroke, StrokeTool
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


def give(at, mask, reader="Ann Lee", blind="Yes, blind"):
    """Fill the form and press."""
    at.file_uploader[0].set_value([(mask.name, mask.content, "application/octet-stream")])
    at.text_input[0].set_value(reader)
    if blind is not None:
        at.radio[0].set_value(blind)
    at.button[0].click().run()
    assert not at.exception, at.exception
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
    assert not at.file_uploader[0].value
    assert at.radio[0].value is None


def test_a_mask_of_another_series_is_refused_in_words(stack, phantom, scan_id, truth_zyx):
    origins = np.asarray(phantom.volume.geometry.slice_origins_lps_mm) + np.array([1.0, 0.0, 0.0])
    away = replace(phantom.volume, geometry=replace(phantom.volume.geometry, slice_origins_lps_mm=origins))
    at = give(stack.page("agreement"), nifti_mask(away, truth_zyx))
    assert "The mask was not taken" in words(at)
    assert "drawn on another series?" in words(at)
    assert "Draw or export the mask again" in words(at)
    assert at.text_input[0].value == "Ann Lee"
    assert stack.records.readings.all() == ()


@pytest.mark.parametrize(("reader", "blind"), [("", "No"), ("Ann Lee", None)])
def test_the_reader_and_whether_it_was_blind_must_be_said(stack, phantom, scan_id, truth_zyx, reader, blind):
    at = give(stack.page("agreement"), nifti_mask(phantom.volume, truth_zyx), reader, blind)
    assert "say whether it was drawn without seeing" in words(at)
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


def test_a_server_that_is_down_is_told_and_stores_nothing(stack, phantom, scan_id, truth_zyx):
    other = np.zeros_like(truth_zyx)
    elsewhere = stack.records.scans.get(scan_id).latest.measurement.slice_index + 2
    other[elsewhere] = truth_zyx[elsewhere]
    at = stack.page("agreement")
    stack.models.failure = ServerUnavailableError("No Triton answers.")
    give(at, nifti_mask(phantom.volume, other))
    assert "The inference server is down" in words(at)
    assert stack.records.readings.all() == ()
