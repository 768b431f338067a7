"""Puts the demo patients into the records: phantoms, written as DICOM, sent along the road that every upload takes."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from sarcopenia.exchange.ct_writer import CtWriteOptions, ct_series_bytes
from sarcopenia.phantom.demo import DemoStudy, demo_studies
from sarcopenia.records import Records

SOURCE: Final = "demo"


@dataclass(frozen=True)
class DemoProgress:
    """One study is on its way: which of how many, and its patient."""

    index: int
    total: int
    name: str


def load_demo_patients(records: Records) -> Iterator[DemoProgress]:
    """Submit every demo study that is not in the records yet; generating one takes some seconds."""
    studies = demo_studies()
    for index, study in enumerate(studies):
        if not _is_stored(records, study):
            volume = study.phantom().volume
            files = ct_series_bytes(volume, CtWriteOptions(is_phantom=True, compression="rle"))
            records.uploads.submit([(file.name, file.content) for file in files], source=SOURCE)
        yield DemoProgress(index, len(studies), study.patient.name)


def _is_stored(records: Records, study: DemoStudy) -> bool:
    """Whether the patient already has a scan of that day: a cheaper question than making the phantom again."""
    return any(
        scan.study_date == study.study_date
        for patient in records.patients.search(study.patient.patient_id)
        for scan in records.scans.of_patient(patient.patient_id)
    )
