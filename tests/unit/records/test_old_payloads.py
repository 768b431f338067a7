"""Measurements of earlier software still open: what they lack takes its default."""

import pytest

from sarcopenia.domain.results import Measurement
from sarcopenia.records.codec import decode, encode
from tests.unit.dashboard.measurements import MEASURED


@pytest.mark.parametrize(
    ("part", "added"),
    [
        ("quality", ("predicted_ssim", "degradation")),
        ("uncertainty", ("entropy", "variance")),
        ("provenance", ("acceptance",)),
    ],
)
def test_a_measurement_from_before_the_rating_opens(part: str, added: tuple[str, ...]) -> None:
    payload = encode(MEASURED)
    for name in added:
        del payload[part][name]
    found = getattr(decode(Measurement, payload), part)
    assert [getattr(found, name) for name in added] == [None] * len(added)
