"""The demo patients: three people who never lived, with three scans each.

*Stable* keeps his muscle, *Losing* loses about an eighth of it in nine months, and *Protocol* keeps it while contrast
phase and tube voltage change, so that only the measurement moves. Nothing is generated until asked for.
"""

from dataclasses import dataclass, replace
from datetime import date

from sarcopenia.domain.volume import ContrastPhase, PatientHeader, SeriesHeader, Sex
from sarcopenia.phantom.make import Phantom, make_phantom
from sarcopenia.phantom.spec import PhantomSpec

ISSUER = "SARCOPENIA-DEMO"
_NONE, _PORTAL = ContrastPhase.NONE, ContrastPhase.PORTAL_VENOUS


@dataclass(frozen=True)
class DemoStudy:
    """One scan of a demo patient: what to generate, and the header it gets."""

    story: str
    spec: PhantomSpec
    patient: PatientHeader
    study_date: date
    weight_kg: float

    def phantom(self) -> Phantom:
        """Generate the scan (some seconds) with identity, date and weight in its header."""
        phantom = make_phantom(self.spec)
        return replace(phantom, volume=replace(phantom.volume, header=self._complete(phantom.header)))

    def _complete(self, header: SeriesHeader) -> SeriesHeader:
        day = self.study_date
        return replace(
            header,
            patient=self.patient,
            study_date=day,
            accession_number=f"{self.patient.patient_id}-{day:%Y%m%d}",
            weight_kg=self.weight_kg,
        )


@dataclass(frozen=True)
class _Visit:
    """What differs between the scans of one person."""

    day: date
    weight_kg: float
    muscle_scale: float
    subcutaneous_mm: float
    phase: ContrastPhase
    kvp: float


def demo_studies() -> tuple[DemoStudy, ...]:
    """All nine scans, by patient and date."""
    return (*_stable(), *_losing(), *_protocol())


def _stable() -> tuple[DemoStudy, ...]:
    person = PhantomSpec(
        seed=101, sex=Sex.MALE, height_m=1.78, body_scale=1.04, visceral_fat=1.1, fat_infiltration=0.09, bone_hu=150.0
    )
    visits = (
        _Visit(date(2024, 3, 11), 82.0, 1.03, 19.0, _PORTAL, 120.0),
        _Visit(date(2024, 9, 16), 82.5, 1.035, 19.4, _PORTAL, 120.0),
        _Visit(date(2025, 3, 17), 81.6, 1.028, 18.8, _PORTAL, 120.0),
    )
    return _studies("stable", person, PatientHeader("DEMO-001", ISSUER, "DEMO^Stable", date(1961, 5, 4)), visits)


def _losing() -> tuple[DemoStudy, ...]:
    person = PhantomSpec(
        seed=202, sex=Sex.FEMALE, height_m=1.63, body_scale=1.03, visceral_fat=0.9, fat_infiltration=0.16, bone_hu=115.0
    )
    visits = (
        _Visit(date(2024, 5, 6), 66.0, 0.93, 24.0, _PORTAL, 120.0),
        _Visit(date(2024, 9, 23), 62.5, 0.863, 21.0, _PORTAL, 120.0),
        _Visit(date(2025, 2, 10), 58.0, 0.793, 17.0, _PORTAL, 120.0),
    )
    return _studies("losing", person, PatientHeader("DEMO-002", ISSUER, "DEMO^Losing", date(1953, 1, 28)), visits)


def _protocol() -> tuple[DemoStudy, ...]:
    person = PhantomSpec(
        seed=303, sex=Sex.MALE, height_m=1.74, body_scale=1.07, visceral_fat=1.7, fat_infiltration=0.12, bone_hu=135.0
    )
    visits = (
        _Visit(date(2024, 2, 19), 91.0, 0.97, 24.0, _NONE, 120.0),
        _Visit(date(2024, 8, 26), 91.0, 0.97, 24.0, _NONE, 120.0),
        _Visit(date(2025, 2, 24), 90.5, 0.97, 23.8, _PORTAL, 100.0),
    )
    return _studies("protocol", person, PatientHeader("DEMO-003", ISSUER, "DEMO^Protocol", date(1966, 10, 13)), visits)


def _studies(
    story: str, person: PhantomSpec, patient: PatientHeader, visits: tuple[_Visit, ...]
) -> tuple[DemoStudy, ...]:
    """Lay out the scans of one person, with the pose a little different every time."""
    studies = []
    for number, visit in enumerate(visits):
        spec = replace(
            person,
            scan_seed=number + 1,
            age_years=float(_age(patient, visit.day)),
            muscle_scale=visit.muscle_scale,
            subcutaneous_mm=visit.subcutaneous_mm,
            phase=visit.phase,
            kvp=visit.kvp,
            rotation_deg=(0.0, 1.2, -0.8)[number],
            centre_offset_mm_yx=((0.0, 0.0), (4.0, -6.0), (-3.0, 5.0))[number],
            noise_sd_hu=11.0,
            pixel_spacing_mm=1.0,
            shape_yx=(384, 432),
            bottom_coordinate=18.4,
            top_coordinate=9.8,
        )
        studies.append(DemoStudy(story, spec, patient, visit.day, visit.weight_kg))
    return tuple(studies)


def _age(patient: PatientHeader, day: date) -> int:
    """Completed years on a day."""
    born = patient.birth_date or day
    return day.year - born.year - ((day.month, day.day) < (born.month, born.day))
