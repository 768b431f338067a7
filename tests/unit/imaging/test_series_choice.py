"""Which series is measured, and what every other one is told."""

import re
from pathlib import Path

import pytest

from sarcopenia import imaging
from sarcopenia.domain.errors import InputError, NoAxialSeriesError, NotReadableError, UnsupportedEncodingError
from sarcopenia.domain.geometry import regular_geometry
from sarcopenia.exchange.ct_writer import CtWriteOptions, ct_series_bytes
from sarcopenia.imaging import InputFile, read_series
from sarcopenia.imaging.ranking import RANKING
from sarcopenia.imaging.suitability import REASONS
from tests.ct_series import edited, make_volume, setting

CORONAL = [1, 0, 0, 0, 0, -1]
GOOD = make_volume(series_description="Abdomen 5.0 Br40")


def series(number: int, description: str, *, slices: int = 20, spacing_mm: float = 5.0, **attributes: object):
    """Another series of the same study, with attributes changed."""
    geometry = regular_geometry((slices, 40, 50), (spacing_mm, 0.8, 0.7), (0.0, 0.0, -300.0))
    volume = make_volume(geometry, seed=number, series_description=description)
    files = ct_series_bytes(volume, CtWriteOptions(uid_seed=f"series {number}", series_number=number))
    return edited(files, setting(**attributes)) if attributes else files


def good() -> tuple[InputFile, ...]:
    return ct_series_bytes(GOOD, CtWriteOptions(series_number=3))


BAD = {
    "localiser": series(1, "Topogram 0.6 T20f", slices=1, ImageType=["ORIGINAL", "PRIMARY", "LOCALIZER"]),
    "not_ct": series(9, "PET WB", Modality="PT", SOPClassUID="1.2.840.10008.5.1.4.1.1.128"),
    "secondary_capture": series(
        8, "Dose Report", slices=1, SOPClassUID="1.2.840.10008.5.1.4.1.1.7", ImageType=["DERIVED", "SECONDARY"]
    ),
    "derived": series(7, "Abd MIP", ImageType=["DERIVED", "SECONDARY", "MIP"]),
    "not_axial": series(6, "Abd cor", ImageOrientationPatient=CORONAL),
    "not_hu": series(5, "Iodine map", RescaleType="MGML"),
    "too_few_slices": series(4, "Monitoring", slices=3),
    "no_geometry": series(11, "Stripped", PixelSpacing=None),
    "no_pixel_data": series(12, "Dose SR", slices=1, Modality="SR", Rows=None, Columns=None, PixelData=None),
    "less_suitable": series(13, "Abdomen 5.0 Br64 bone"),
}


@pytest.mark.parametrize("code", BAD)
def test_each_unsuitable_series_is_rejected_with_its_reason_beside_a_good_one(code: str) -> None:
    selection = read_series([*BAD[code], *good()])
    assert selection.chosen.header.series_description == "Abdomen 5.0 Br40"
    (rejected,) = selection.rejected
    assert rejected.reason_code == code
    assert rejected.reason_code in REASONS
    assert rejected.slice_count == len(BAD[code])
    assert rejected.reason_text.endswith(".")


def test_a_whole_study_leaves_the_good_series_and_nine_reasons() -> None:
    selection = read_series([file for files in BAD.values() for file in files] + list(good()))
    assert selection.chosen.header.series_description == "Abdomen 5.0 Br40"
    assert {r.reason_code for r in selection.rejected} == set(BAD)
    assert [r.description for r in selection.rejected] == sorted(r.description for r in selection.rejected)


@pytest.mark.parametrize("code", ["localiser", "not_ct", "secondary_capture", "derived", "not_axial"])
def test_nothing_but_unsuitable_series_is_an_error_that_names_the_reason(code: str) -> None:
    with pytest.raises(NoAxialSeriesError) as caught:
        read_series(BAD[code])
    description = BAD_DESCRIPTION[code]
    assert description in caught.value.message
    assert [(e.code, e.count) for e in caught.value.report.errors] == [(code, len(BAD[code]))]


BAD_DESCRIPTION = {
    "localiser": "Topogram",
    "not_ct": "PET",
    "secondary_capture": "Dose Report",
    "derived": "Abd MIP",
    "not_axial": "Abd cor",
}


def test_an_iodine_map_alone_is_refused_as_not_hu() -> None:
    with pytest.raises(InputError, match="not Hounsfield units"):
        read_series(BAD["not_hu"])


def test_an_unspecified_unit_is_measured_when_the_values_look_like_hu_but_is_not_calibrated() -> None:
    unspecified = series(2, "Abdomen", RescaleType="US")
    assert read_series(unspecified).chosen.header.hu_calibrated is False
    selection = read_series([*unspecified, *good()])
    assert selection.chosen.header.hu_calibrated
    assert "stated to be Hounsfield units" in selection.rejected[0].reason_text


def test_three_slices_are_taken_when_nothing_else_is_there() -> None:
    assert read_series(BAD["too_few_slices"]).chosen.hu_zyx.shape[0] == 3


@pytest.mark.parametrize(
    ("loser", "winner"),
    [
        (series(1, "Thorax 5.0"), series(2, "Abdomen 5.0")),
        (series(1, "Abdomen mono 70 keV"), series(2, "Abdomen 5.0")),
        (series(1, "Abdomen", ImageType=["DERIVED", "PRIMARY", "AXIAL"]), series(2, "Abdomen")),
        (series(1, "Abdomen", ConvolutionKernel="B70f"), series(2, "Abdomen", ConvolutionKernel="B30f")),
        (series(1, "Abdomen", ConvolutionKernel="BONE"), series(2, "Abdomen", ConvolutionKernel="STANDARD")),
        (series(1, "Abdomen", ConvolutionKernel="FC51"), series(2, "Abdomen", ConvolutionKernel="FC08")),
        (series(1, "Abdomen", ConvolutionKernel=["Br64d", "3"]), series(2, "Abdomen", ConvolutionKernel=["I30f", "3"])),
        (series(1, "Abdomen", SliceThickness="10"), series(2, "Abdomen", SliceThickness="5")),
        (series(1, "Abdomen", slices=20), series(2, "Abdomen", slices=30)),
        (series(1, "Abdomen", slices=20, spacing_mm=5.0), series(2, "Abdomen", slices=40, spacing_mm=2.45)),
        (series(2, "Abdomen"), series(1, "Abdomen")),
    ],
)
def test_of_two_usable_series_the_better_one_is_taken_in_any_order(loser: tuple, winner: tuple) -> None:
    for files in ([*loser, *winner], [*winner, *loser]):
        selection = read_series(files)
        assert selection.chosen.header.series_instance_uid == read_series(winner).chosen.header.series_instance_uid
        (rejected,) = selection.rejected
        assert rejected.reason_code == "less_suitable"
        assert any(preference.words in rejected.reason_text for preference in RANKING)


def test_values_without_air_or_fat_are_not_hu_whatever_the_header_says() -> None:
    files = series(1, "Abdomen", RescaleIntercept="0")
    with pytest.raises(InputError, match="not Hounsfield units"):
        read_series(files)
    selection = read_series([*files, *good()])
    assert [r.reason_code for r in selection.rejected] == ["not_hu"]


def test_an_unknown_compression_is_named() -> None:
    little_endian, unheard_of = b"1.2.840.10008.1.2.1\x00", b"1.2.840.10008.1.2.9\x00"
    files = [InputFile(f.name, f.content.replace(little_endian, unheard_of)) for f in good()]
    with pytest.raises(UnsupportedEncodingError, match="No installed decoder") as caught:
        read_series(files)
    assert [e.code for e in caught.value.report.errors] == ["unsupported_encoding"]


def test_damaged_pixels_of_one_slice_cost_that_slice_only() -> None:
    files = list(good())
    files[5] = InputFile(files[5].name, files[5].content[:-100])
    result = read_series(files).chosen
    assert result.hu_zyx.shape[0] == 19
    assert {w.code for w in result.report.warnings} == {"damaged_slices", "gap"}


def test_when_the_best_series_is_damaged_the_next_one_is_taken() -> None:
    damaged = [InputFile(f.name, f.content[:-100]) for f in good()]
    selection = read_series([*damaged, *series(4, "Abdomen second")])
    assert selection.chosen.header.series_description == "Abdomen second"
    assert [r.reason_code for r in selection.rejected] == ["broken"]


@pytest.mark.parametrize("content", [b"", b"hello", b"\x89PNG" + bytes(200), bytes(128) + b"DICM" + bytes(50)])
def test_what_is_no_image_is_not_readable(content: bytes) -> None:
    with pytest.raises(NotReadableError):
        read_series([InputFile("file", content)])


def test_no_file_at_all_is_not_readable() -> None:
    with pytest.raises(NotReadableError):
        read_series([])


def test_text_files_beside_the_images_do_not_matter() -> None:
    files = [InputFile("readme.txt", b"read me"), InputFile("viewer.exe", b"MZ" + bytes(500)), *good()]
    assert read_series(files).rejected == ()


def test_every_warning_code_is_in_the_documented_table() -> None:
    sources = "".join(path.read_text() for path in Path(imaging.__file__).parent.glob("*.py"))
    codes = set(re.findall(r'ValidationIssue\(\s*"(\w+)"', sources))
    documented = set(re.findall(r"^``(\w+)``", imaging.__doc__ or "", re.MULTILINE))
    assert codes == documented
    assert "gap" in codes
