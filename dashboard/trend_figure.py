"""The chart of a patient's trend as a plotly figure, without Streamlit.

Colour carries nothing alone: signed points are filled, post-operative ones are diamonds, events and breaks are named.
"""

from collections.abc import Sequence
from datetime import date, timedelta
from itertools import pairwise
from typing import Final

import plotly.graph_objects as go
from plotly.colors import hex_to_rgb

from dashboard.review_view import review_words, version_words
from dashboard.trend_view import POST_OPERATIVE, Trend, TrendPoint, protocol_words
from sarcopenia.clinical.trend import mdc95
from sarcopenia.records import StoredEvent

GREY: Final = "#888888"
HEIGHT_PX: Final = 380
MIN_SPAN_DAYS: Final = 60
HEADROOM: Final = 1.2
EVENT_ROWS: Final = (1.0, 1.07)
BREAK_ROWS: Final = (0.02, 0.24)
"""Heights of the names of events and of the reasons of breaks, in turn, so that those of two close ones stay apart."""


def trend_figure(trend: Trend, events: Sequence[StoredEvent], *, from_zero: bool = True) -> go.Figure:
    """Markers with error bars, joined where comparable; a band of the MDC95 around each baseline; events.

    ``events`` are those that hold. An axis that does not start at zero says so in its title.
    """
    figure = go.Figure()
    for run in trend.runs:
        if len(run) > 1 and trend.errors is not None:
            figure.add_trace(_band(trend, run))
    for run in trend.runs:
        figure.add_trace(_line(trend, run))
    breaks = [(before, point) for before, point in pairwise(trend.points) if point.broken_because]
    for number, (before, point) in enumerate(breaks):
        # The words of the last break stand left of their line, else the border would cut them.
        y, to_the_left = BREAK_ROWS[number % len(BREAK_ROWS)], point is trend.points[-1]
        _mark_break(figure, (before.scan.study_date, point.scan.study_date), point.broken_because, y, to_the_left)
    for number, event in enumerate(events):
        _mark_event(figure, event, EVENT_ROWS[number % len(EVENT_ROWS)])
    low, high = _value_range(trend, from_zero=from_zero)
    truncated = "" if low <= 0 else "<br>axis does not start at zero"
    figure.update_layout(
        height=HEIGHT_PX,
        margin={"l": 10, "r": 10, "t": 50, "b": 10},
        showlegend=False,
        xaxis={"title": "Study date", "range": _day_range(trend, events)},
        yaxis={"title": trend.measure.label + truncated, "range": [low, high]},
    )
    return figure


def _extent(trend: Trend) -> tuple[float, float]:
    """Lowest and highest value with its error bar and the band of its run."""
    ends = [0.0] if not trend.points else []
    for point in trend.points:
        ends += [point.value.value - (point.half_bar or 0.0), point.value.value + (point.half_bar or 0.0)]
    for run in trend.runs:
        if len(run) > 1 and trend.errors is not None:
            _, lower, upper = _band_edges(trend, run)
            ends += [*lower, *upper]
    return min(ends), max(ends)


def _value_range(trend: Trend, *, from_zero: bool) -> tuple[float, float]:
    low, high = _extent(trend)
    if from_zero or low <= 0:
        return min(low * HEADROOM, 0.0), max(high * HEADROOM, 1.0)
    room = max((high - low) * (HEADROOM - 1), 1.0)
    return max(low - room, 0.0), high + 2 * room


def _day_range(trend: Trend, events: Sequence[StoredEvent]) -> list[str] | None:
    days = [point.scan.study_date for point in trend.points]
    days += [day for event in events for day in (event.first_day, event.last_day) if day is not None]
    if not days:
        return None
    room = max((max(days) - min(days)) * 0.06, timedelta(days=MIN_SPAN_DAYS / 4))
    return [(min(days) - room).isoformat(), (max(days) + room).isoformat()]


def _band_edges(trend: Trend, run: Sequence[TrendPoint]) -> tuple[list[date], list[float], list[float]]:
    """Days, lower and upper edge: a point outside differs from the baseline by more than the MDC95 of that pair."""
    if trend.errors is None:
        raise ValueError("a band needs a known measurement error")
    baseline, *later = run
    halves = [mdc95(baseline.value, point.value, trend.errors).value for point in later]
    days = [point.scan.study_date for point in run]
    halves = [halves[0], *halves]
    centre = baseline.value.value
    return days, [centre - half for half in halves], [centre + half for half in halves]


def _band(trend: Trend, run: Sequence[TrendPoint]) -> go.Scatter:
    days, lower, upper = _band_edges(trend, run)
    red, green, blue = hex_to_rgb(trend.measure.colour)
    return go.Scatter(
        x=[*days, *reversed(days)],
        y=[*upper, *reversed(lower)],
        fill="toself",
        fillcolor=f"rgba({red},{green},{blue},0.15)",
        line={"width": 0},
        mode="lines",
        hoverinfo="skip",
        name="MDC95 around the baseline",
    )


def _line(trend: Trend, run: Sequence[TrendPoint]) -> go.Scatter:
    return go.Scatter(
        x=[point.scan.study_date for point in run],
        y=[point.value.value for point in run],
        error_y={"type": "data", "array": [point.half_bar or 0.0 for point in run], "thickness": 1.5},
        mode="lines+markers",
        line={"color": trend.measure.colour},
        marker={
            "size": 12,
            "color": trend.measure.colour,
            "symbol": [_symbol(point) for point in run],
            "line": {"width": 2, "color": trend.measure.colour},
        },
        customdata=[[point.scan.scan_id, _badges(point)] for point in run],
        hovertemplate="%{x|%Y-%m-%d}: %{y:.1f}<br>%{customdata[1]}<br>click to open<extra></extra>",
        name=trend.measure.name,
    )


def _symbol(point: TrendPoint) -> str:
    shape = "diamond" if point.post_operative else "circle"
    return shape if point.scan.signed else f"{shape}-open"


def _badges(point: TrendPoint) -> str:
    """Protocol, version and review of a point, for the hover."""
    stored = point.scan.stored
    lines = (protocol_words(point.scan.header), version_words(stored, point.scan.version), review_words(stored))
    return "<br>".join([*lines, POST_OPERATIVE] if point.post_operative else lines)


def _mark_break(
    figure: go.Figure, days: tuple[date, date], reasons: Sequence[str], y: float, to_the_left: bool
) -> None:
    """A dotted line between two scans that are not comparable, with the reasons beside it."""
    between = days[0] + (days[1] - days[0]) / 2
    figure.add_vline(x=between.isoformat(), line={"dash": "dot", "width": 1, "color": GREY})
    words = "not comparable:<br>" + "<br>".join(reasons)
    side = "right" if to_the_left else "left"
    figure.add_annotation(**_note(between, words), y=y, yanchor="bottom", xanchor=side, align=side)


def _mark_event(figure: go.Figure, event: StoredEvent, y: float) -> None:
    """A line, or a strip for an event of several days, with its kind above the values."""
    if event.last_day is not None:
        strip = {"fillcolor": GREY, "opacity": 0.15, "line_width": 0}
        figure.add_vrect(x0=event.first_day.isoformat(), x1=event.last_day.isoformat(), **strip)
    figure.add_vline(x=event.first_day.isoformat(), line={"width": 1.5, "color": GREY})
    words = event.kind.value
    figure.add_annotation(**_note(event.first_day, words), y=y, yanchor="bottom", xanchor="left", hovertext=event.note)


def _note(day: date, words: str) -> dict[str, object]:
    font = {"size": 11, "color": GREY}
    return {"x": day.isoformat(), "yref": "paper", "showarrow": False, "text": words, "font": font}
