"""From a DICOM header to the part of it that the product keeps. Nothing is guessed but the contrast phase.

Whether values are Hounsfield units follows Modality and Rescale Type (PS3.3 C.11.1.1.2, C.8.15.3.10); spectral results
are recognised by their names, which no vendor writes into a standard attribute.
"""

import re
from datetime import date, datetime
from typing import Final

from sarcopenia.domain.volume import PatientHeader, SeriesHeader, Sex
from sarcopenia.imaging.contrast import guess_contrast_phase
from sarcopenia.imaging.dicom_images import DicomImage

PLAUSIBLE_HEIGHT_M: Final = (1.20, 2.20)
"""Heights of adults; values in cm and zeros lie outside and are left out, never corrected."""
PLAUSIBLE_WEIGHT_KG: Final = (20.0, 400.0)
_YEARS_PER_UNIT: Final = {"Y": 1.0, "M": 1 / 12, "W": 7 / 365.25, "D": 1 / 365.25}
_HU_RESCALE_TYPES: Final = ("", "HU", "HU_MOD")
_UNSPECIFIED_RESCALE_TYPE: Final = "US"
"""Written by some archives over what was HU: may be measured, but is not stated to be calibrated."""

_SPECTRAL_NOT_HU: Final = (
    ("iodine map", r"\biodine\b(?!.*(remov|suppress))|\bjod(karte)?\b|\biod(e|ine)? ?(map|density|no water|\(water)"),
    ("effective atomic number", r"\bz[- ]?eff(ective)?\b|\beff(ective)?[ -]z\b|\brho/?z\b"),
    ("electron density", r"\belectron dens\w*"),
    ("uric acid map", r"\buric acid\b"),
    ("perfusion map", r"\bperfusion\b|\b(cbf|cbv|mtt|ttp)\b"),
)
_SPECTRAL_IN_HU: Final = (
    ("virtual non-contrast", r"\bvnc\b|\bvirtual (non|un)|\bvue\b|\bvirtual unenh\w*"),
    ("virtual monoenergetic", r"\bmono(e|energetic|chromatic)?\b|\bvm[ie]\b|\b\d{2,3} ?kev\b"),
    ("photon counting", r"\bphoton[- ]counting\b|\bpcct\b|\bnaeotom\b"),
    ("dual energy mix", r"\bdual[- ]?energy\b|\bde mix\w*|\bm_0\.\d"),
)


def read_header(image: DicomImage) -> SeriesHeader:
    """The header of a series from one of its images."""
    study_date = _date(image.text("StudyDate")) or _date(image.text("AcquisitionDate"))
    birth_date = _date(image.text("PatientBirthDate"))
    texts = tuple(image.text(k) for k in ("SeriesDescription", "ContrastBolusAgent", "ProtocolName"))
    return SeriesHeader(
        study_instance_uid=image.text("StudyInstanceUID"),
        series_instance_uid=image.text("SeriesInstanceUID"),
        accession_number=image.text("AccessionNumber"),
        study_date=study_date,
        series_description=image.text("SeriesDescription"),
        manufacturer=image.text("Manufacturer"),
        model_name=image.text("ManufacturerModelName"),
        kvp=_positive(image, "KVP"),
        convolution_kernel=image.text("ConvolutionKernel").replace("\\", " "),
        slice_thickness_mm=_positive(image, "SliceThickness"),
        contrast_agent=image.text("ContrastBolusAgent"),
        contrast_phase=guess_contrast_phase(texts, image.text("ContrastBolusAgent")),
        body_part=image.text("BodyPartExamined"),
        sex=_sex(image.text("PatientSex")),
        age_years=_age_years(image.text("PatientAge"), birth_date, study_date),
        height_m=_within(image.number("PatientSize"), PLAUSIBLE_HEIGHT_M),
        weight_kg=_within(image.number("PatientWeight"), PLAUSIBLE_WEIGHT_KG),
        hu_calibrated=is_in_hu(image),
        spectral=spectral_name(image),
        patient=_patient(image, birth_date),
    )


def is_in_hu(image: DicomImage) -> bool:
    """Whether the header says that rescaled values are Hounsfield units: CT, Rescale Type HU or absent, no map."""
    return may_be_in_hu(image) and image.text("RescaleType").upper() != _UNSPECIFIED_RESCALE_TYPE


def may_be_in_hu(image: DicomImage) -> bool:
    """Whether nothing in the header says that values are something else: a map, another unit, another modality."""
    allowed = (*_HU_RESCALE_TYPES, _UNSPECIFIED_RESCALE_TYPE)
    named_map = _first_name(_SPECTRAL_NOT_HU, _spectral_text(image))
    return image.text("Modality") == "CT" and image.text("RescaleType").upper() in allowed and not named_map


def spectral_name(image: DicomImage) -> str:
    """Name of the spectral result that the header speaks of, "" for a normal single-energy image."""
    text = _spectral_text(image)
    return _first_name(_SPECTRAL_NOT_HU, text) or _first_name(_SPECTRAL_IN_HU, text)


def _spectral_text(image: DicomImage) -> str:
    keywords = ("SeriesDescription", "ImageType", "ImageComments", "DerivationDescription", "ManufacturerModelName")
    return " ".join(image.text(k) for k in keywords).lower().replace("_", " ").replace("\\", " ")


def _first_name(table: tuple[tuple[str, str], ...], text: str) -> str:
    return next((name for name, words in table if re.search(words, text)), "")


def _patient(image: DicomImage, birth_date: date | None) -> PatientHeader:
    return PatientHeader(
        patient_id=image.text("PatientID"),
        issuer=image.text("IssuerOfPatientID"),
        name=image.text("PatientName"),
        birth_date=birth_date,
    )


def _sex(text: str) -> Sex:
    return Sex(text.upper()) if text.upper() in set(Sex) else Sex.UNKNOWN


def _date(text: str) -> date | None:
    """DICOM DA, also in the old form with dots."""
    try:
        return datetime.strptime(text.replace(".", "")[:8], "%Y%m%d").date()
    except ValueError:
        return None


def _age_years(age: str, birth_date: date | None, study_date: date | None) -> float | None:
    """Patient's Age (AS, for example 049Y), else the completed years between birth and study date."""
    match = re.fullmatch(r"(\d{1,3})([YMWD]?)", age.upper())
    if match and int(match[1]) > 0:
        return int(match[1]) * _YEARS_PER_UNIT[match[2] or "Y"]
    if birth_date is None or study_date is None or birth_date > study_date:
        return None
    before_birthday = (study_date.month, study_date.day) < (birth_date.month, birth_date.day)
    return float(study_date.year - birth_date.year - before_birthday)


def _positive(image: DicomImage, keyword: str) -> float | None:
    value = image.number(keyword)
    return value if value is not None and value > 0 else None


def _within(value: float | None, limits: tuple[float, float]) -> float | None:
    return value if value is not None and limits[0] <= value <= limits[1] else None
