"""Written CT series: complete objects, reproducible identities, labelled phantoms."""

import io
from dataclasses import replace
from datetime import date
from pathlib import Path

import numpy as np
import pydicom
import pytest
from pydicom.uid import UID, CTImageStorage

from sarcopenia.domain.volume import ContrastPhase, PatientHeader, Sex
from sarcopenia.exchange.ct_writer import PHANTOM_COMMENT, CtWriteOptions, ct_series_bytes, write_ct_series
from sarcopenia.imaging import files_from_path, read_series
from tests.ct_series import make_volume

PATIENT = PatientHeader("DEMO-001", "ISSUER", "DEMO^Jane", date(1961, 5, 4))
STATED = {
    "patient": PATIENT,
    "study_date": date(2024, 3, 11),
    "accession_number": "DEMO-001-20240311",
    "sex": Sex.FEMALE,
    "age_years": 62.0,
    "height_m": 1.64,
    "weight_kg": 61.5,
    "manufacturer": "maker",
    "model_name": "model",
    "convolution_kernel": "soft",
    "contrast_agent": "iodine",
    "contrast_phase": ContrastPhase.PORTAL_VENOUS,
    "body_part": "ABDOMEN",
}
# Type 1 and 2 attributes of the CT Image IOD (PS3.3 A.3); those of type 2 may be empty.
MANDATORY = [
    "PatientName",
    "PatientID",
    "PatientBirthDate",
    "PatientSex",
    "StudyInstanceUID",
    "StudyDate",
    "StudyTime",
    "ReferringPhysicianName",
    "StudyID",
    "AccessionNumber",
    "Modality",
    "SeriesInstanceUID",
    "SeriesNumber",
    "FrameOfReferenceUID",
    "PositionReferenceIndicator",
    "Manufacturer",
    "InstanceNumber",
    "ImageType",
    "PixelSpacing",
    "ImageOrientationPatient",
    "ImagePositionPatient",
    "SliceThickness",
    "SamplesPerPixel",
    "PhotometricInterpretation",
    "Rows",
    "Columns",
    "BitsAllocated",
    "BitsStored",
    "HighBit",
    "PixelRepresentation",
    "PixelData",
    "RescaleIntercept",
    "RescaleSlope",
    "KVP",
    "AcquisitionNumber",
    "SOPClassUID",
    "SOPInstanceUID",
    "PatientPosition",
]


def datasets(**header: object) -> list[pydicom.Dataset]:
    files = ct_series_bytes(make_volume(**header))
    return [pydicom.dcmread(io.BytesIO(file.content)) for file in files]


def test_the_header_comes_back_as_it_was() -> None:
    volume = make_volume(**STATED)
    result = read_series(ct_series_bytes(volume)).chosen.header
    expected = replace(
        volume.header,
        study_instance_uid=result.study_instance_uid,
        series_instance_uid=result.series_instance_uid,
        accession_number="DEMO-001-2024031",  # SH: 16 characters
    )
    assert result == expected


@pytest.mark.parametrize("phase", ContrastPhase)
def test_the_contrast_phase_comes_back(phase: ContrastPhase) -> None:
    assert read_series(ct_series_bytes(make_volume(contrast_phase=phase))).chosen.header.contrast_phase is phase


def test_every_mandatory_attribute_is_there_even_when_the_header_is_empty() -> None:
    for dataset in (*datasets(), *datasets(**STATED)):
        assert [keyword for keyword in MANDATORY if keyword not in dataset] == []
        assert dataset.SOPClassUID == CTImageStorage
        assert dataset.file_meta.MediaStorageSOPInstanceUID == dataset.SOPInstanceUID


def test_uids_are_valid_unique_and_the_same_each_time() -> None:
    first, second = datasets(), datasets()
    uids = [dataset.SOPInstanceUID for dataset in first]
    assert len(set(uids)) == 20
    assert all(UID(uid).is_valid for uid in uids)
    assert uids == [dataset.SOPInstanceUID for dataset in second]
    assert len({dataset.SeriesInstanceUID for dataset in first}) == 1


def test_a_seed_gives_other_uids_than_the_volume_s_own() -> None:
    volume = make_volume(series_instance_uid="1.2.3", study_instance_uid="1.2")
    kept = read_series(ct_series_bytes(volume)).chosen.header
    seeded = read_series(ct_series_bytes(volume, CtWriteOptions(uid_seed="again"))).chosen.header
    assert (kept.series_instance_uid, kept.study_instance_uid) == ("1.2.3", "1.2")
    assert seeded.series_instance_uid.startswith("2.25.")


def test_only_phantoms_are_marked_as_such() -> None:
    assert "ImageComments" not in datasets()[0]
    assert datasets(manufacturer="sarcopenia phantom")[0].ImageComments == PHANTOM_COMMENT


def test_files_without_extension_are_written_and_read_from_the_folder(tmp_path: Path) -> None:
    volume = make_volume()
    paths = write_ct_series(volume, tmp_path / "new" / "series")
    assert [path.name for path in paths][:2] == ["IM00001", "IM00002"]
    np.testing.assert_array_equal(read_series(files_from_path(tmp_path)).chosen.hu_zyx, volume.hu_zyx)


def test_values_that_the_format_cannot_hold_are_refused() -> None:
    volume = make_volume()
    hu = volume.hu_zyx.copy()
    hu[3, 0, 0] = -1025
    with pytest.raises(ValueError, match="slice 3"):
        ct_series_bytes(replace(volume, hu_zyx=hu))


def test_an_unknown_compression_is_refused_by_name() -> None:
    with pytest.raises(ValueError, match="jpeg2000"):
        ct_series_bytes(make_volume(), CtWriteOptions(compression="zip"))
