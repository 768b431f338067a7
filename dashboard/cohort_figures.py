"""The charts of the cohort page as plotly figures, without Streamlit, and what they show in words.

Colour carries nothing alone: sex stands in the legend, unsigned numbers are open markers, bars are named. No chart
names a person: a marker names its scan.
"""

from collections.abc import Callable, Sequence
from statistics import median
from typing import Final

import plotly.graph_objects as go

from dashboard.cohort_numbers_view import Prevalence, SmiGroup
from dashboard.cohort_view import CohortRow, counted, kv_words, phase_words, sex_words
from dashboard.result_view import RESEARCH_USE
from dashboard.trend_view import MEASURES
from sarcopenia.domain.volume import ContrastPhase, Sex

HEIGHT_PX: Final = 420
BAR_PX: Final = 34
GREY: Final = "#888888"
SEX_COLOURS: Final = {Sex.FEMALE: "#D55E00", Sex.MALE: "#0072B2", Sex.OTHER: "#009E73", Sex.UNKNOWN: GREY}
SEX_SYMBOLS: Final = {Sex.FEMALE: "circle", Sex.MALE: "square", Sex.OTHER: "diamond", Sex.UNKNOWN: "x"}
PHASE_SYMBOLS: Final = {
    ContrastPhase.NONE: "circle",
    ContrastPhase.ARTERIAL: "triangle-up",
    ContrastPhase.PORTAL_VENOUS: "square",
    ContrastPhase.LATE: "diamond",
    ContrastPhase.CONTRAST_UNKNOWN_PHASE: "cross",
    ContrastPhase.UNKNOWN: "x",
}
MEASURE_COLOURS: Final = {"sma_cm2": "#D55E00", "smi_cm2_m2": "#0072B2", "smd_hu": "#009E73"}
LABELS: Final = {measure.key: measure.label for measure in MEASURES}
Value = Callable[[CohortRow], float | None]


def distribution_figure(rows: Sequence[CohortRow]) -> go.Figure:
    """SMI over age, one marker a scan that has both; sex by symbol and colour."""
    figure = go.Figure()
    for sex in SEX_SYMBOLS:
        those = [row for row in rows if row.person.sex is sex]
        _add_markers(figure, those, (_age, _smi), (sex_words(sex), SEX_COLOURS[sex], SEX_SYMBOLS[sex]))
    return _laid_out(figure, "Age at the scan (years)", LABELS["smi"])


def scatter_figure(rows: Sequence[CohortRow]) -> go.Figure:
    """Density against area, one marker a scan that has both; sex by colour, contrast phase by symbol."""
    figure = go.Figure()
    for sex, colour in SEX_COLOURS.items():
        for phase, symbol in PHASE_SYMBOLS.items():
            those = [row for row in rows if row.person.sex is sex and row.header.contrast_phase is phase]
            look = (f"{sex_words(sex)}, contrast {phase_words(phase)}", colour, symbol)
            _add_markers(figure, those, (_sma, _smd), look)
    return _laid_out(figure, LABELS["sma"], LABELS["smd"])


def _age(row: CohortRow) -> float | None:
    return row.age_years


def _smi(row: CohortRow) -> float | None:
    return row.smi_cm2_m2


def _sma(row: CohortRow) -> float | None:
    return None if row.composition is None else row.composition.sma_cm2


def _smd(row: CohortRow) -> float | None:
    return None if row.composition is None else row.composition.smd_hu


def _add_markers(
    figure: go.Figure, rows: Sequence[CohortRow], values: tuple[Value, Value], look: tuple[str, str, str]
) -> None:
    """One trace with name, colour and symbol; none without a row that has both values."""
    (x_of, y_of), (name, colour, symbol) = values, look
    shown = [row for row in rows if x_of(row) is not None and y_of(row) is not None]
    if not shown:
        return
    figure.add_trace(
        go.Scatter(
            x=[x_of(row) for row in shown],
            y=[y_of(row) for row in shown],
            mode="markers",
            marker={
                "color": colour,
                "size": 10,
                "symbol": [symbol if row.signed else f"{symbol}-open" for row in shown],
                "line": {"width": 2, "color": colour},
            },
            customdata=[[row.scan_id, _hover(row)] for row in shown],
            hovertemplate="scan %{customdata[0]}: %{x:.1f}, %{y:.1f}<br>%{customdata[1]}<extra></extra>",
            name=name,
        )
    )


def _hover(row: CohortRow) -> str:
    protocol = f"contrast {phase_words(row.header.contrast_phase)}, {kv_words(row.header)}"
    return "<br>".join((sex_words(row.person.sex), protocol, row.review_state))


def prevalence_figure(found: Sequence[Prevalence]) -> go.Figure:
    """One bar for each measure of each profile that applies to somebody, with its 95 % confidence interval."""
    figure = go.Figure()
    bars = sorted(
        [(each.percent, each) for each in found if each.percent is not None],
        key=lambda bar: bar[0].value,
        reverse=True,
    )
    figure.add_trace(
        go.Bar(
            x=[percent.value for percent, _ in bars],
            y=[each.label for _, each in bars],
            orientation="h",
            # Pale, so that the interval is seen on the bar.
            marker={"color": [MEASURE_COLOURS[each.measure] for _, each in bars], "opacity": 0.55},
            error_x={
                "type": "data",
                "array": [percent.high - percent.value for percent, _ in bars],
                "arrayminus": [percent.value - percent.low for percent, _ in bars],
                "color": GREY,
            },
            hovertemplate="%{y}: %{x:.0f} %<extra></extra>",
        )
    )
    for percent, each in bars:
        words, font = f" {each.below} of {each.applicable}", {"size": 12, "color": GREY}
        place = {"x": percent.high, "y": each.label, "xanchor": "left", "showarrow": False}
        figure.add_annotation(**place, text=words, font=font)
    _laid_out(figure, "Below the limit (% of the people to whom it applies), 95 % CI", "")
    figure.update_layout(height=120 + BAR_PX * len(bars), showlegend=False)
    figure.update_xaxes(range=[0, 115], tickvals=[0, 20, 40, 60, 80, 100])  # room for the number beside a full bar
    figure.update_yaxes(autorange="reversed")
    return figure


def _laid_out(figure: go.Figure, x_title: str, y_title: str) -> go.Figure:
    """Axes with units, and what no picture that leaves the page may miss."""
    figure.update_layout(
        height=HEIGHT_PX,
        margin={"l": 10, "r": 10, "t": 50, "b": 10},
        showlegend=True,
        legend={"orientation": "h", "y": 1.02, "yanchor": "bottom", "x": 0},
        xaxis_title=x_title,
        yaxis_title=y_title,
    )
    place = {"xref": "paper", "yref": "paper", "x": 1, "y": 0, "xanchor": "right", "yanchor": "bottom"}
    figure.add_annotation(**place, text=RESEARCH_USE, showarrow=False, font={"size": 10, "color": GREY})
    return figure


def distribution_words(rows: Sequence[CohortRow], groups: Sequence[SmiGroup]) -> str:
    """The SMI chart in words."""
    shown = [row for row in rows if row.smi_cm2_m2 is not None and row.age_years is not None]
    told = f"Skeletal muscle index (cm²/m²) over age at the scan (years), by sex; {counted(len(shown), 'scan')}."
    medians = "; ".join(
        f"{sex_words(group.sex)}, {group.decade}: {group.median:.1f} (n = {group.n})" for group in groups
    )
    return f"{told} Medians: {medians}." if medians else told


def scatter_words(rows: Sequence[CohortRow]) -> str:
    """The scatter of area and density in words."""
    shown = [(row.person.sex, _sma(row), _smd(row)) for row in rows]
    pairs = [(sex, area, density) for sex, area, density in shown if area is not None and density is not None]
    told = f"SMD (HU) against SMA (cm²), by sex and contrast phase; {counted(len(pairs), 'scan')}."
    parts = []
    for sex in SEX_SYMBOLS:
        areas = [area for of_whom, area, _ in pairs if of_whom is sex]
        if areas:
            density = median(density for of_whom, _, density in pairs if of_whom is sex)
            middle = f"median SMA {median(areas):.1f} cm², median SMD {density:.1f} HU"
            parts.append(f"{sex_words(sex)}: {middle} (n = {len(areas)})")
    return " ".join([told, *([f"{'; '.join(parts)}."] if parts else [])])


def prevalence_words(found: Sequence[Prevalence]) -> str:
    """The bars in words."""
    bars = "; ".join(
        f"{each.label}: {each.percent.value:.0f} % ({each.percent.low:.0f} to {each.percent.high:.0f} %, "
        f"{each.below} of {each.applicable})"
        for each in found
        if each.percent is not None
    )
    return f"Share of people below each limit, with 95 % confidence interval. {bars or 'No profile applies'}."
