from dataclasses import replace

import pytest

from dashboard.cohort_figures import (
    distribution_figure,
    distribution_words,
    prevalence_figure,
    prevalence_words,
    scatter_figure,
    scatter_words,
)
from dashboard.cohort_numbers_view import prevalences, smi_groups
from dashboard.result_view import NOT_REVIEWED, RESEARCH_USE
from sarcopenia.domain.volume import ContrastPhase
from tests.unit.dashboard.cohort_samples import MAN, row
from tests.unit.dashboard.trend_samples import HEADER

ROWS = (
    row(1, 128.0, 40.0),
    row(2, 64.0, 30.0, state=None, age_years=70.0),
    row(3, 162.0, 45.0, person=MAN),
    row(4, person=replace(MAN, height_m=None)),
    row(5, age_years=None),
)


def test_a_marker_for_each_scan_with_age_and_smi_and_sexes_apart():
    women, men = distribution_figure(ROWS).data
    assert (women.name, list(women.x), list(women.y)) == ("female", [64.0, 70.0], pytest.approx([50.0, 25.0]))
    assert (men.name, list(men.x), list(men.y)) == ("male", [64.0], pytest.approx([50.0]))
    assert women.marker.color != men.marker.color
    assert list(women.marker.symbol) == ["circle", "circle-open"]
    assert list(men.marker.symbol) == ["square"]


def test_axes_have_units_and_the_picture_says_what_it_is_for():
    for figure, x, y in (
        (distribution_figure(ROWS), "(years)", "(cm²/m²)"),
        (scatter_figure(ROWS), "(cm²)", "(HU)"),
    ):
        assert x in figure.layout.xaxis.title.text
        assert y in figure.layout.yaxis.title.text
        assert RESEARCH_USE in [note.text for note in figure.layout.annotations]


def test_markers_name_scans_and_reviews_and_no_person():
    for figure in (distribution_figure(ROWS), scatter_figure(ROWS)):
        assert "DOE" not in str(figure.to_dict())
        assert NOT_REVIEWED in str(figure.to_dict())


def test_contrast_phases_have_their_own_symbol_and_legend():
    portal = replace(HEADER, contrast_phase=ContrastPhase.PORTAL_VENOUS)
    plain, contrast = scatter_figure((row(1), row(2, header=portal), row(3, smd=None))).data
    assert (plain.name, contrast.name) == ("female, contrast none", "female, contrast portal venous")
    assert plain.marker.color == contrast.marker.color
    assert plain.marker.symbol != contrast.marker.symbol


def test_bars_carry_the_interval_and_the_numbers():
    found = prevalences((row(1, 80.0), row(2, 91.0), row(3, 120.0)))
    figure = prevalence_figure(found)
    (bars,) = figure.data
    answered = [each for each in found if each.percent is not None]
    assert len(bars.x) == len(answered)
    assert list(bars.x) == sorted(bars.x, reverse=True)
    place = list(bars.y).index("Matsubara 2015 · SMA")
    assert bars.x[place] == pytest.approx(100 / 3)
    # Wilson for 1 of 3: 6.15 to 79.23 %
    assert bars.x[place] - bars.error_x.arrayminus[place] == pytest.approx(6.15, abs=0.01)
    assert bars.x[place] + bars.error_x.array[place] == pytest.approx(79.23, abs=0.01)
    assert " 1 of 3" in [note.text for note in figure.layout.annotations]


def test_the_words_hold_what_the_charts_show():
    words = distribution_words(ROWS, smi_groups(ROWS))
    assert "3 scans" in words
    assert "male, 60–69: 50.0 (n = 1)" in words
    assert "female: median SMA 100.0 cm², median SMD 40.0 HU (n = 3)" in scatter_words(ROWS)
    assert "Matsubara 2015 · SMA: 100 % (21 to 100 %, 1 of 1)" in prevalence_words(prevalences((row(1, 80.0),)))
    assert "No profile applies" in prevalence_words(())
    assert "0 scans" in scatter_words(())
