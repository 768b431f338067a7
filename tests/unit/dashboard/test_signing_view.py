"""What is confirmed before a signature, with its source."""

from dataclasses import replace
from datetime import UTC, date, datetime

from dashboard.signing_view import confirmations, signed_version_words
from sarcopenia.domain.results import Flag, Severity
from sarcopenia.domain.strokes import Stroke, StrokeTool
from sarcopenia.records import ContextEntry, ContextKind, ContextSource, ScanContext, StoredMeasurement
from tests.unit.dashboard.measurements import MEASURED, WITHOUT_L3

NOON = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
NOBODY = ScanContext(**dict.fromkeys((kind.value for kind in ContextKind), None))
STROKE = Stroke(StrokeTool.BRUSH, ((1.0, 1.0),), 2.0, within_muscle_hu=False)


def stored(measurement=MEASURED, author="sarcopenia 0.1.0"):
    return StoredMeasurement(1, 1, 1, None, None, author, NOON, measurement, None, None, None)


def told(measurement=MEASURED, context=NOBODY, asked=(), author="sarcopenia 0.1.0"):
    return {each.key: each.words for each in confirmations(stored(measurement, author), context, asked)}


def entry(kind, value, source, day=date(2026, 2, 1)):
    return ContextEntry(1, kind, value, "", source, day, "Ann", NOON)


def test_sex_and_height_come_with_source_and_day():
    context = replace(
        NOBODY,
        sex=entry(ContextKind.SEX, "F", ContextSource.DICOM),
        height=entry(ContextKind.HEIGHT, 1.7, ContextSource.MEASURED, None),
    )
    words = told(context=context)["sex and height"]
    assert words == "sex female (DICOM header, 2026-02-01); height 1.70 m (measured by Ann, day not known)"
    assert told()["sex and height"] == "sex not known; height not known, so there is no SMI"


def test_every_flag_and_every_yes_is_confirmed_with_its_text():
    flags = (Flag("thick_slices", "Thick.", Severity.INFO), Flag("holes", "Holes."))
    words = told(replace(MEASURED, flags=flags), asked=(Flag("asked_dialysis", "Water.", Severity.REVIEW),))
    assert list(words) == ["level", "mask", "sex and height", "thick_slices", "holes", "asked_dialysis"]
    assert words["thick_slices"] == "for information: Thick."
    assert words["asked_dialysis"] == "review: Water."
    assert "Slice 42" in words["level"]


def test_the_mask_says_who_drew_it():
    assert told()["mask"] == "as the models drew it; SMA 140.0 cm²"
    mended = replace(MEASURED, provenance=replace(MEASURED.provenance, strokes=(STROKE, STROKE)))
    assert told(mended, author="Ben")["mask"] == "mended by Ben, 2 strokes; SMA 140.0 cm²"


def test_without_a_measured_slice_only_the_level_is_confirmed():
    assert list(told(WITHOUT_L3)) == ["level"]


def test_the_form_names_version_and_signer():
    words = signed_version_words(stored(), 1, "Ann Lee")
    assert words.startswith("**Version 1: AI**, stored 2026-03-01 12:00 UTC, in the name of **Ann Lee**")
