"""The columns of the export of scans, each with unit, meaning and source.

What names a person, a day or a series is marked and leaves only when a person asks for it.
"""

from collections.abc import Callable
from datetime import date
from typing import Final

from dashboard.cohort_export import Cell, Column
from dashboard.cohort_view import CohortRow, phase_words
from dashboard.result_view import RESEARCH_USE
from dashboard.review_view import minute_words
from sarcopenia.clinical import bmi_kg_m2
from sarcopenia.domain.results import Measurement
from sarcopenia.records import StoredMeasurement, StoredReview

HEADER: Final = "DICOM header"
RECORD: Final = "records of this tool"
MEASURED: Final = "measurement on one CT slice"
CONTEXT: Final = "records of this tool: DICOM header, or entered by a person, valid on the day of the scan"
DIGITS: Final = 4


def _stored(read: Callable[[StoredMeasurement], Cell]) -> Callable[[CohortRow], Cell]:
    """Value of a measurement with its place; empty before the first one."""
    return lambda row: None if row.stored is None else read(row.stored)


def _measurement(read: Callable[[Measurement], Cell]) -> Callable[[CohortRow], Cell]:
    """Value of a measurement; empty before the first one."""
    return _stored(lambda stored: read(stored.measurement))


def _review(read: Callable[[StoredReview], Cell]) -> Callable[[CohortRow], Cell]:
    """Value of the review that holds; empty where nobody said anything."""
    return _stored(lambda stored: None if stored.review is None else read(stored.review))


def _tissue(name: str) -> Callable[[CohortRow], Cell]:
    """An area or density; empty where nothing was measured."""
    return lambda row: None if row.composition is None else rounded(getattr(row.composition, name))


def rounded(value: float | None) -> float | None:
    """A number without digits that nobody measured."""
    return None if value is None else round(value, DIGITS)


def _year(day: date | None) -> int | None:
    return None if day is None else day.year


def _vat_end(place: int) -> Callable[[CohortRow], Cell]:
    """Lower (0) or upper (1) end of the HU range of visceral fat."""
    return lambda row: None if row.composition is None else row.composition.vat_range_hu[place]


def _weights(found: Measurement) -> str:
    return "; ".join(f"{each.name} {each.version} {each.onnx_sha256}" for each in found.provenance.models)


def _cov_percent(found: Measurement) -> float | None:
    return None if found.uncertainty is None else rounded(found.uncertainty.sma_cov_percent)


def _flags(found: Measurement) -> str:
    return ", ".join(flag.code for flag in found.flags)


def _confounders(row: CohortRow) -> str:
    return ", ".join(flag.code for flag in row.person.confounders)


_WHO: Final = (
    Column[CohortRow](
        "record_number",
        int,
        "1",
        "Pseudonym: this tool's number of the patient",
        RECORD,
        lambda row: row.patient_id,
    ),
    Column[CohortRow]("scan_number", int, "1", "This tool's own number of the scan", RECORD, lambda row: row.scan_id),
    Column[CohortRow](
        "patient_name", str, "", "Name as in the newest images", HEADER, lambda row: row.patient_name, identifying=True
    ),
    Column[CohortRow](
        "hospital_number", str, "", "Patient ID (0010,0020)", HEADER, lambda row: row.hospital_number, identifying=True
    ),
    Column[CohortRow](
        "accession_number",
        str,
        "",
        "Accession Number (0008,0050)",
        HEADER,
        lambda row: row.header.accession_number,
        identifying=True,
    ),
    Column[CohortRow](
        "study_date", date, "", "Study Date (0008,0020)", HEADER, lambda row: row.study_date, identifying=True
    ),
    Column[CohortRow](
        "series_instance_uid",
        str,
        "",
        "Series Instance UID (0020,000E)",
        HEADER,
        lambda row: row.header.series_instance_uid,
        identifying=True,
    ),
    Column[CohortRow](
        "series_sha256",
        str,
        "",
        "SHA-256 of pixels and geometry of the series",
        "computed",
        _measurement(lambda found: found.provenance.series_hash),
        identifying=True,
    ),
    Column[CohortRow]("study_year", int, "", "Year of the study", HEADER, lambda row: _year(row.study_date)),
    Column[CohortRow](
        "age_years",
        int,
        "a",
        "Completed years of age at the scan",
        f"{HEADER}: Patient's Age (0010,1010), else birth date and study date",
        lambda row: None if row.age_years is None else int(row.age_years),
    ),
    Column[CohortRow](
        "sex", str, "", "Administrative sex: M, F, O; empty: not known", CONTEXT, lambda row: row.person.sex.value
    ),
    Column[CohortRow](
        "height_m", float, "m", "Height that makes the SMI", CONTEXT, lambda row: rounded(row.person.height_m)
    ),
    Column[CohortRow]("weight_kg", float, "kg", "Weight", CONTEXT, lambda row: rounded(row.person.weight_kg)),
    Column[CohortRow](
        "bmi_kg_m2",
        float,
        "kg/m2",
        "Body mass index",
        "computed: weight / height²",
        lambda row: rounded(bmi_kg_m2(row.person.weight_kg, row.person.height_m)),
    ),
)
_IMAGE: Final = (
    Column[CohortRow](
        "contrast_phase",
        str,
        "",
        "Contrast phase as far as the header tells",
        HEADER,
        lambda row: phase_words(row.header.contrast_phase),
    ),
    Column[CohortRow]("tube_voltage_kv", float, "kV", "KVP (0018,0060)", HEADER, lambda row: row.header.kvp),
    Column[CohortRow](
        "spectral", str, "", "Kind of a spectral image; empty: a normal one", HEADER, lambda row: row.header.spectral
    ),
    Column[CohortRow](
        "slice_thickness_mm",
        float,
        "mm",
        "Slice Thickness (0018,0050)",
        HEADER,
        lambda row: row.header.slice_thickness_mm,
    ),
    Column[CohortRow]("manufacturer", str, "", "Manufacturer (0008,0070)", HEADER, lambda row: row.header.manufacturer),
    Column[CohortRow](
        "convolution_kernel",
        str,
        "",
        "Convolution Kernel (0018,1210)",
        HEADER,
        lambda row: row.header.convolution_kernel,
    ),
)
_RESULT: Final = (
    Column[CohortRow](
        "level", str, "", "Vertebra of the measured slice", MEASURED, _measurement(lambda found: found.level)
    ),
    Column[CohortRow](
        "level_rule",
        str,
        "",
        "How the slice was chosen",
        MEASURED,
        _measurement(lambda found: found.provenance.level_rule.value),
    ),
    Column[CohortRow](
        "sma_cm2", float, "cm2", "Skeletal muscle area: muscle wall of −29 to 150 HU", MEASURED, _tissue("sma_cm2")
    ),
    Column[CohortRow](
        "smi_cm2_m2",
        float,
        "cm2/m2",
        "Skeletal muscle index; empty: no plausible height is known",
        "computed: SMA / height²",
        lambda row: rounded(row.smi_cm2_m2),
    ),
    Column[CohortRow](
        "smd_hu",
        float,
        "[hnsf'U]",
        "Skeletal muscle density: mean of the SMA's pixels; comparable within one contrast phase and tube voltage only",
        MEASURED,
        _tissue("smd_hu"),
    ),
    Column[CohortRow](
        "lama_cm2", float, "cm2", "Low-attenuation muscle area: −29 to 29 HU", MEASURED, _tissue("lama_cm2")
    ),
    Column[CohortRow]("sat_cm2", float, "cm2", "Subcutaneous fat area: −190 to −30 HU", MEASURED, _tissue("sat_cm2")),
    Column[CohortRow]("vat_cm2", float, "cm2", "Visceral fat area", MEASURED, _tissue("vat_cm2")),
    Column[CohortRow]("vat_from_hu", int, "[hnsf'U]", "Lowest HU of the visceral fat", MEASURED, _vat_end(0)),
    Column[CohortRow]("vat_to_hu", int, "[hnsf'U]", "Highest HU of the visceral fat", MEASURED, _vat_end(1)),
    Column[CohortRow](
        "imat_cm2", float, "cm2", "Intermuscular fat area: −190 to −30 HU", MEASURED, _tissue("imat_cm2")
    ),
    Column[CohortRow](
        "sma_cov_percent",
        float,
        "%",
        "Coefficient of variation of the SMA over the ensemble",
        MEASURED,
        _measurement(_cov_percent),
    ),
    Column[CohortRow](
        "verdict",
        str,
        "",
        "accept, review, reject, ambiguous_level or no_l3",
        MEASURED,
        _measurement(lambda found: found.verdict.value),
    ),
    Column[CohortRow]("flags", str, "", "Codes of the flags of scan and result", MEASURED, _measurement(_flags)),
    Column[CohortRow](
        "confounders", str, "", "Codes of the questions answered with yes; not asked is not no", CONTEXT, _confounders
    ),
    Column[CohortRow](
        "counts",
        bool,
        "",
        "Whether the row counts in the statistics of the page",
        "computed",
        lambda row: not row.left_out_because,
    ),
    Column[CohortRow](
        "left_out_because", str, "", "Why the row does not count", "computed", lambda row: row.left_out_because
    ),
)
_REVIEW: Final = (
    Column[CohortRow](
        "version",
        int,
        "1",
        "Version of the scan's measurement, 1 is the first",
        RECORD,
        lambda row: None if row.stored is None else row.version,
    ),
    Column[CohortRow](
        "mask_mended_by_person",
        bool,
        "",
        "Whether a person mended the mask",
        RECORD,
        _measurement(lambda found: bool(found.provenance.strokes)),
    ),
    Column[CohortRow](
        "review_state", str, "", "What a person decided about this version", RECORD, lambda row: row.review_state
    ),
    Column[CohortRow](
        "author",
        str,
        "",
        "Who made this version: software or a person",
        RECORD,
        _stored(lambda stored: stored.author),
        identifying=True,
    ),
    Column[CohortRow](
        "reviewer", str, "", "Who decided", RECORD, _review(lambda review: review.author), identifying=True
    ),
    Column[CohortRow](
        "reviewed_at",
        str,
        "",
        "When it was decided",
        RECORD,
        _review(lambda review: minute_words(review.recorded_at)),
        identifying=True,
    ),
    Column[CohortRow](
        "weights",
        str,
        "",
        "Networks behind the number: name, version, SHA-256 of the ONNX file",
        RECORD,
        _measurement(_weights),
    ),
    Column[CohortRow](
        "software_version",
        str,
        "",
        "Version of this software that measured",
        RECORD,
        _measurement(lambda found: found.provenance.software_version),
    ),
    Column[CohortRow]("use", str, "", "What the data may be used for", "this software", lambda _row: RESEARCH_USE),
)
COLUMNS: Final[tuple[Column[CohortRow], ...]] = (*_WHO, *_IMAGE, *_RESULT, *_REVIEW)
"""Every column of the export of scans."""
