"""Enhanced (multi-frame) CT: every frame is a slice."""

import io

import numpy as np
import pydicom
from highdicom.legacy import LegacyConvertedEnhancedCTImage

from sarcopenia.domain.geometry import regular_geometry
from sarcopenia.exchange.ct_writer import ct_series_bytes
from sarcopenia.imaging import InputFile, read_series
from tests.ct_series import edited, make_volume, setting

VOLUME = make_volume(regular_geometry((7, 40, 50), (5.0, 0.9, 0.6), (3.0, 4.0, -300.0)), convolution_kernel="Br40")


def enhanced() -> InputFile:
    """One multi-frame file of the volume with its frames in another order than feet to head."""
    files = edited(ct_series_bytes(VOLUME), setting(PatientBirthDate="19600101", PatientName="A^B", PatientID="1"))
    classic = [pydicom.dcmread(io.BytesIO(files[i].content)) for i in (3, 0, 6, 1, 5, 2, 4)]
    image = LegacyConvertedEnhancedCTImage(classic, "1.2.3.1", 1, "1.2.3.2", 1)
    buffer = io.BytesIO()
    image.save_as(buffer, enforce_file_format=True)
    return InputFile("enhanced", buffer.getvalue())


def test_the_frames_become_slices_at_their_place() -> None:
    result = read_series([enhanced()]).chosen
    np.testing.assert_array_equal(result.hu_zyx, VOLUME.hu_zyx)
    np.testing.assert_allclose(result.geometry.slice_origins_lps_mm, VOLUME.geometry.slice_origins_lps_mm)
    assert result.geometry.spacing_mm_zyx == (5.0, 0.9, 0.6)
    assert set(result.sop_instance_uids) == {"1.2.3.2"}
    assert result.header.kvp == 120.0
    assert result.header.convolution_kernel == "Br40"
    assert not result.report.warnings
