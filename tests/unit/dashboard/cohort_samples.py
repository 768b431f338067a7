"""Rows of a cohort, by hand."""

from dataclasses import replace
from datetime import date

from dashboard.cohort_view import CohortRow
from dashboard.result_view import PersonAtScan
from sarcopenia.domain.results import Flag, Severity
from sarcopenia.domain.volume import Sex
from sarcopenia.records import ReviewState
from tests.unit.dashboard.measurements import MEASURED, WITHOUT_L3
from tests.unit.dashboard.trend_samples import HEADER, stored

WOMAN = PersonAtScan(1.60, 60.0, Sex.FEMALE)
MAN = PersonAtScan(1.80, 80.0, Sex.MALE)
DAY = date(2025, 6, 1)
CUT = Flag("muscle_cut", "The field of view cuts through muscle: SMA is too small.", Severity.BLOCK)


def row(scan_id=1, sma=100.0, smd=40.0, state=ReviewState.SIGNED, **changes):
    """A scan of a woman of 64 with that number and review; ``measurement`` and fields of the row may be changed."""
    composition = replace(MEASURED.composition, sma_cm2=sma, smd_hu=smd)
    measurement = changes.pop("measurement", replace(MEASURED, composition=composition))
    plain = CohortRow(
        scan_id=scan_id,
        patient_id=scan_id,
        patient_name=f"DOE, P{scan_id}",
        hospital_number=f"H-{scan_id}",
        study_date=DAY,
        age_years=64.0,
        header=replace(HEADER, study_instance_uid=f"1.2.{scan_id}"),
        person=WOMAN,
        stored=stored(scan_id, measurement, state=state),
        version=1,
    )
    return replace(plain, **changes)


def without_l3(scan_id):
    """A scan in which nothing was measured."""
    return row(scan_id, measurement=WITHOUT_L3, state=None)
