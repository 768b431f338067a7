from dataclasses import replace
from datetime import date

import pytest

from dashboard.trend_figure import trend_figure
from dashboard.trend_view import MEASURES, SMA, SMI, build_trend, trend_scans
from sarcopenia.records import EventKind
from tests.unit.dashboard.trend_samples import HEADER, SCANS, SIGNED, event, scan

SMD = next(measure for measure in MEASURES if measure.name == "SMD")
OTHER_KV = scan(date(2025, 9, 1), 120.0, replace(HEADER, kvp=80.0))


def figure_of(scans=SCANS, measure=SMA, events=(), height_m=1.80, **options):
    trend = build_trend(trend_scans(scans)[0], measure, height_m, events)
    return trend_figure(trend, events, **options)


def lines(figure):
    return [trace for trace in figure.data if trace.mode == "lines+markers"]


def bands(figure):
    return [trace for trace in figure.data if trace.fill == "toself"]


def test_comparable_scans_are_joined_with_their_error_bars():
    (line,) = lines(figure_of())
    assert list(line.y) == [160.0, 150.0, 130.0]
    assert list(line.error_y.array) == pytest.approx([1.96 * 0.01 * sma for sma in (160.0, 150.0, 130.0)])


def test_the_band_is_the_mdc95_of_each_pair_around_the_baseline():
    (band,) = bands(figure_of())
    half = [1.96 * 0.068 * (160.0 + sma) / 2 for sma in (150.0, 150.0, 130.0)]
    assert list(band.y) == pytest.approx([160 + h for h in half] + [160 - h for h in reversed(half)])


def test_a_break_is_marked_with_its_reason_and_every_run_has_its_own_band():
    figure = figure_of((*SCANS[:2], OTHER_KV))
    assert [list(line.y) for line in lines(figure)] == [[160.0, 150.0], [120.0]]
    assert len(bands(figure)) == 1
    assert "tube voltage" in figure.layout.annotations[0].text


def test_the_axis_starts_at_zero_or_says_that_it_does_not():
    whole, zoomed = figure_of(), figure_of(from_zero=False)
    assert whole.layout.yaxis.range[0] == 0.0
    assert "zero" not in whole.layout.yaxis.title.text
    assert 0 < zoomed.layout.yaxis.range[0] < 130.0
    assert "does not start at zero" in zoomed.layout.yaxis.title.text


def test_everything_drawn_lies_inside_the_axes():
    events = (event(date(2024, 1, 1)), event(date(2026, 6, 1)))
    for zero in (True, False):
        figure = figure_of(events=events, from_zero=zero)
        low, high = figure.layout.yaxis.range
        assert low <= min(bands(figure)[0].y)
        assert max(bands(figure)[0].y) <= high
        assert figure.layout.xaxis.range[0] < "2024-01-01"
        assert figure.layout.xaxis.range[1] > "2026-06-01"


def test_events_stand_on_the_axis_by_name_and_a_range_as_a_strip():
    chemotherapy = event(date(2025, 2, 1), EventKind.CHEMOTHERAPY, date(2025, 3, 1), "FOLFOX")
    figure = figure_of(events=(chemotherapy, event(date(2025, 5, 20))))
    assert [note.text for note in figure.layout.annotations] == ["chemotherapy", "operation"]
    assert [shape.type for shape in figure.layout.shapes] == ["rect", "line", "line"]
    (strip, *_) = figure.layout.shapes
    assert (strip.x0, strip.x1) == ("2025-02-01", "2025-03-01")


def test_signed_and_post_operative_points_have_shapes_of_their_own():
    signed = scan(date(2025, 6, 1), 150.0, state=SIGNED)
    (line,) = lines(
        figure_of((signed, SCANS[1], SCANS[2]), events=(event(date(2025, 5, 20)), event(date(2025, 11, 20))))
    )
    assert list(line.marker.symbol) == ["circle-open", "diamond", "diamond-open"]
    assert "post-operative" in line.customdata[1][1]
    assert "signed by Dr A" in line.customdata[1][1]
    assert "120 kV · 5 mm" in line.customdata[0][1]


def test_a_measure_of_unknown_error_has_neither_band_nor_bars():
    figure = figure_of(measure=SMD)
    assert bands(figure) == []
    assert list(lines(figure)[0].error_y.array) == [0.0, 0.0, 0.0]


def test_a_missing_height_draws_nothing_and_no_error():
    assert figure_of(measure=SMI, height_m=None).data == ()


def test_negative_densities_stay_visible():
    low = [
        replace(
            s,
            stored=replace(
                s.stored,
                measurement=replace(
                    s.stored.measurement, composition=replace(s.stored.measurement.composition, smd_hu=-5.0)
                ),
            ),
        )
        for s in SCANS
    ]
    assert figure_of(low, SMD).layout.yaxis.range[0] < -5.0
