"""The header as the product keeps it: stated or None, never guessed."""

from datetime import date

import pytest

from sarcopenia.domain.volume import ContrastPhase, SeriesHeader, Sex
from sarcopenia.exchange.ct_writer import CtWriteOptions, ct_series_bytes
from sarcopenia.imaging import read_series
from sarcopenia.imaging.contrast import guess_contrast_phase
from tests.ct_series import edited, make_volume, setting

FILES = ct_series_bytes(make_volume())[:1]


def header(**attributes: object) -> SeriesHeader:
    return read_series(edited(FILES, setting(**attributes))).chosen.header


def test_what_is_stated_is_kept() -> None:
    result = header(
        PatientID="42",
        IssuerOfPatientID="HOSPITAL",
        PatientName="Doe^Jane",
        PatientBirthDate="19500603",
        PatientSex="F",
        PatientAge="070Y",
        PatientSize="1.64",
        PatientWeight="61.5",
        StudyDate="20210105",
        KVP="100",
        ConvolutionKernel=["Br40d", "3"],
        Manufacturer="SIEMENS",
        AccessionNumber="A1",
        BodyPartExamined="ABDOMEN",
    )
    assert (result.patient.patient_id, result.patient.issuer, result.patient.name) == ("42", "HOSPITAL", "Doe^Jane")
    assert (result.patient.birth_date, result.study_date) == (date(1950, 6, 3), date(2021, 1, 5))
    assert (result.sex, result.age_years, result.height_m, result.weight_kg) == (Sex.FEMALE, 70.0, 1.64, 61.5)
    assert (result.kvp, result.convolution_kernel, result.manufacturer) == (100.0, "Br40d 3", "SIEMENS")
    assert (result.accession_number, result.body_part, result.slice_thickness_mm) == ("A1", "ABDOMEN", 5.0)


def test_what_is_not_stated_is_none() -> None:
    result = header(KVP=None, SliceThickness=None, PatientSex=None)
    assert result.kvp is None
    assert result.slice_thickness_mm is None
    assert result.sex is Sex.UNKNOWN
    assert (result.age_years, result.height_m, result.weight_kg, result.study_date) == (None, None, None, None)
    assert result.contrast_phase is ContrastPhase.UNKNOWN


@pytest.mark.parametrize("size", ["0", "164", "17.2", "0.9", "2.5", ""])
def test_an_implausible_height_is_none_and_never_corrected(size: str) -> None:
    assert header(PatientSize=size).height_m is None


@pytest.mark.parametrize("weight", ["0", "7", "6500", ""])
def test_an_implausible_weight_is_none(weight: str) -> None:
    assert header(PatientWeight=weight).weight_kg is None


@pytest.mark.parametrize(
    ("age", "years"), [("049Y", 49.0), ("018M", 1.5), ("052W", pytest.approx(0.997, abs=1e-3)), ("000Y", None)]
)
def test_age_in_its_units(age: str, years: float | None) -> None:
    assert header(PatientAge=age).age_years == years


@pytest.mark.parametrize(("study", "years"), [("20210603", 71.0), ("20210602", 70.0), ("19400101", None)])
def test_age_from_birth_and_study_date_when_it_is_not_stated(study: str, years: float | None) -> None:
    assert header(PatientBirthDate="19500603", StudyDate=study).age_years == years


@pytest.mark.parametrize("sex", ["M", "F", "O"])
def test_sex_as_stated(sex: str) -> None:
    assert header(PatientSex=sex).sex.value == sex


@pytest.mark.parametrize(
    ("description", "name"),
    [
        ("Abdomen Mono 70 keV", "virtual monoenergetic"),
        ("ABD VNC", "virtual non-contrast"),
        ("Abd DE Mix 0.6", "dual energy mix"),
        ("Abdomen PCCT", "photon counting"),
        ("Abdomen 5.0 Br40", ""),
        ("Abdomen monitoring", ""),
    ],
)
def test_spectral_results_in_hu_are_named(description: str, name: str) -> None:
    result = header(SeriesDescription=description)
    assert (result.spectral, result.hu_calibrated) == (name, True)


def test_the_header_can_be_deidentified() -> None:
    result = header(PatientID="42", PatientName="Doe^Jane", PatientBirthDate="19500603", StudyDate="20210105")
    bare = result.deidentified()
    assert bare.patient.name == bare.patient.patient_id == bare.study_instance_uid == ""
    assert bare.kvp == result.kvp


def test_a_phantom_says_so_in_every_image() -> None:
    files = ct_series_bytes(make_volume(), CtWriteOptions(is_phantom=True))
    assert all(b"phantom, not a patient" in file.content for file in files)


NONE, PORTAL, ARTERIAL = ContrastPhase.NONE, ContrastPhase.PORTAL_VENOUS, ContrastPhase.ARTERIAL
LATE, ENHANCED, UNKNOWN = ContrastPhase.LATE, ContrastPhase.CONTRAST_UNKNOWN_PHASE, ContrastPhase.UNKNOWN


@pytest.mark.parametrize(
    ("text", "phase"),
    [
        ("Abdomen nativ 5.0", NONE),
        ("Abd ohne KM", NONE),
        ("CT ABD W/O CONTRAST", NONE),
        ("non-contrast abdomen", NONE),
        ("unenhanced", NONE),
        ("TAP sans injection", NONE),
        ("abdomen sin contraste", NONE),
        ("abdomen zonder contrast", NONE),
        ("Abdomen blanco", NONE),
        ("ABD PORTAL VENOUS 5.0", PORTAL),
        ("Abdomen pv 3.0 Br40", PORTAL),
        ("Abdomen portalvenös", PORTAL),
        ("Abd venös 5.0", PORTAL),
        ("Abdomen_ven_5.0", PORTAL),
        ("TAP temps portal", PORTAL),
        ("fase venosa", PORTAL),
        ("Abdomen 70s", PORTAL),
        ("Leber arteriell", ARTERIAL),
        ("late arterial", ARTERIAL),
        ("Leber spätarteriell", ARTERIAL),
        ("CTA aorta", ARTERIAL),
        ("fase arterial", ARTERIAL),
        ("Delayed 5 min", LATE),
        ("Spätphase", LATE),
        ("temps tardif", LATE),
        ("fase excretora", LATE),
        ("Abdomen mit KM", ENHANCED),
        ("arterial and portal", ENHANCED),
        ("ABD with contrast", ENHANCED),
        ("Abdomen 5.0 Br40", UNKNOWN),
        ("MAR artefact reduction", UNKNOWN),
        ("portable", UNKNOWN),
        ("ventral hernia", UNKNOWN),
        ("", UNKNOWN),
    ],
)
def test_contrast_phase_in_the_words_of_several_languages(text: str, phase: ContrastPhase) -> None:
    assert guess_contrast_phase([text]) is phase


@pytest.mark.parametrize(
    ("agent", "phase"), [("Ultravist 370", ENHANCED), ("NONE", UNKNOWN), ("oral", UNKNOWN), ("", UNKNOWN)]
)
def test_an_agent_alone_means_enhanced_without_a_phase(agent: str, phase: ContrastPhase) -> None:
    assert guess_contrast_phase(["Abdomen"], agent) is phase


def test_the_first_text_that_names_a_phase_decides() -> None:
    assert guess_contrast_phase(["Abdomen", "venous", "native"], "Ultravist") is PORTAL


@pytest.mark.parametrize(
    "protocol", ["ABDOMEN W/WO", "ABD W & WO IV CON", "Abdomen ohne und mit KM", "Abdo sans et avec"]
)
def test_a_protocol_with_and_without_contrast_says_nothing_on_one_series(protocol: str) -> None:
    assert guess_contrast_phase([protocol]) is ContrastPhase.UNKNOWN
    assert guess_contrast_phase(["5 mm", protocol], "Omnipaque 350") is ContrastPhase.CONTRAST_UNKNOWN_PHASE
    assert guess_contrast_phase(["portal venous", protocol]) is ContrastPhase.PORTAL_VENOUS
