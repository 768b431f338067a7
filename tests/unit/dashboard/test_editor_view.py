"""Words and numbers beside the viewer."""

from dataclasses import replace
from datetime import UTC, date, datetime

import numpy as np
import pytest

from dashboard.editor_view import Editing, draft_words, scan_words, uncertainty_words
from sarcopenia.domain.geometry import PlaneGeometry
from sarcopenia.domain.results import AcceptanceRule, Compartment, CompartmentMap
from sarcopenia.domain.strokes import Stroke, StrokeTool
from sarcopenia.records import StoredDraft, StoredMeasurement, StoredSlice
from tests.unit.dashboard.measurements import MEASURED, PROVENANCE, WITHOUT_L3

NOW = datetime(2026, 1, 2, 3, 4, tzinfo=UTC)
PLANE = PlaneGeometry((0.0, 0.0, 0.0), (1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (2.0, 5.0), (4, 6))
ERASE = Stroke(StrokeTool.ERASER, ((0.0, 0.0),), 0.5, within_muscle_hu=False)


def model_slice():
    """Two columns of muscle of 50 HU in fat of −100 HU; a pixel is 10 mm²."""
    compartments = np.full((4, 6), Compartment.SUBCUTANEOUS, np.uint8)
    compartments[:, :2] = Compartment.MUSCLE_WALL
    hu = np.where(compartments == Compartment.MUSCLE_WALL, 50, -100).astype(np.int16)
    muscle = compartments == Compartment.MUSCLE_WALL
    return StoredSlice(hu, PLANE, CompartmentMap(compartments, muscle, np.zeros((4, 6), np.float32)))


def stored_with(strokes=()):
    measurement = replace(MEASURED, provenance=replace(PROVENANCE, strokes=strokes))
    return StoredMeasurement(1, 1, 1, None, None, "Ann", NOW, measurement, None, None, None)


def editing(stored_strokes=(), draft=None):
    made = None if draft is None else StoredDraft(1, "Ann", draft, 1, NOW)
    return Editing(stored_with(stored_strokes), model_slice(), made)


@pytest.mark.parametrize(
    ("stored", "draft", "strokes", "changed", "sma_cm2"),
    [
        ((), None, (), False, 0.8),
        ((ERASE,), None, (ERASE,), False, 0.7),
        ((), (ERASE,), (ERASE,), True, 0.7),
        ((ERASE,), (), (), True, 0.8),
        ((), (), (), False, 0.8),
    ],
)
def test_a_draft_wins_over_the_version_and_an_empty_one_is_the_models_own(stored, draft, strokes, changed, sma_cm2):
    state = editing(stored, draft)
    assert (state.strokes, state.is_changed) == (strokes, changed)
    assert state.composition.sma_cm2 == pytest.approx(sma_cm2)
    assert state.composition.smd_hu == pytest.approx(50)


def test_a_draft_says_what_storing_it_does():
    assert draft_words(editing()) == ""
    assert "survives a reload" in draft_words(editing(draft=(ERASE,)))
    assert "AI's own mask again" in draft_words(editing((ERASE,), ()))
    assert "nothing to store" in draft_words(editing((), ()))
    assert "nothing to store" in draft_words(editing((ERASE,), (ERASE,)))


def test_the_cov_stands_beside_its_limits():
    rule = AcceptanceRule(2.5, 10.0, 1.0)
    measurement = replace(MEASURED, provenance=replace(PROVENANCE, acceptance=rule))
    words = uncertainty_words(measurement, mended=False)
    assert "**1.0 %**" in words
    assert "review above 2.5 %, reject above 10 %" in words
    assert "not of the mended one" in uncertainty_words(measurement, mended=True)
    assert "Limits" not in uncertainty_words(MEASURED, mended=False)
    assert uncertainty_words(WITHOUT_L3, mended=False) == ""


def test_a_scan_in_a_line():
    words = scan_words(date(2025, 3, 1), stored_with((ERASE,)), 2)
    assert words == (
        "**2025-03-01** · **SMA 140.0 cm²** at L3, slice 42 · Version 2: mask mended by Ann · AI – not reviewed"
    )
    assert scan_words(None, stored_with(), 1).startswith("**no date**")
