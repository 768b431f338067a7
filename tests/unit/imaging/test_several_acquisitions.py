"""One series scanned in several acquisitions: what follows each other stays one scan, what lies over it is split."""

import numpy as np
import pytest

from sarcopenia.domain.errors import ValidationIssue
from sarcopenia.domain.geometry import regular_geometry
from sarcopenia.exchange.ct_writer import ct_series_bytes
from sarcopenia.imaging import InputFile, read_series
from tests.ct_series import edited, make_volume, setting

SPACING_MM = (5.0, 0.8, 0.7)
WHOLE = make_volume(regular_geometry((40, 32, 36), SPACING_MM))


def acquisition(number: int, first: int, last: int, *, seed: int = 0) -> tuple[InputFile, ...]:
    """Slices first (included) to last (excluded) of the table's 5 mm positions, all in one series."""
    if seed:
        geometry = regular_geometry((last - first, 32, 36), SPACING_MM, (0.0, 0.0, first * 5.0))
        files = ct_series_bytes(make_volume(geometry, seed=seed))
    else:
        files = ct_series_bytes(WHOLE)[first:last]
    series = "1.2.826.0.1.3680043.8.498.7"
    own = (
        edited(
            [file], setting(AcquisitionNumber=number, SeriesInstanceUID=series, SOPInstanceUID=f"{series}.{number}.{i}")
        )[0]
        for i, file in enumerate(files, start=1)
    )
    return tuple(InputFile(f"{number}-{file.name}", file.content) for file in own)


def codes(warnings: tuple[ValidationIssue, ...]) -> list[str]:
    return [issue.code for issue in warnings]


@pytest.mark.parametrize("overlap", [1, 3])
def test_acquisitions_that_follow_each_other_with_a_small_overlap_stay_one_scan(overlap: int) -> None:
    selection = read_series([*acquisition(1, 0, 20 + overlap), *acquisition(2, 20, 40)])
    np.testing.assert_array_equal(selection.chosen.hu_zyx, WHOLE.hu_zyx)
    assert not selection.rejected
    assert codes(selection.chosen.report.warnings) == ["duplicate_slices"]
    assert selection.chosen.report.warnings[0].count == overlap


def test_a_short_acquisition_within_a_long_one_is_split_from_it() -> None:
    selection = read_series([*acquisition(1, 10, 13, seed=7), *acquisition(2, 0, 40)])
    np.testing.assert_array_equal(selection.chosen.hu_zyx, WHOLE.hu_zyx)
    assert [series.slice_count for series in selection.rejected] == [3]


def test_acquisitions_that_overlap_widely_are_split() -> None:
    selection = read_series([*acquisition(1, 0, 30), *acquisition(2, 15, 40)])
    assert [series.slice_count for series in selection.rejected] == [25]
