"""The two charts of the agreement page, without Streamlit, and what they show in words."""

from collections.abc import Sequence
from typing import Final

import plotly.graph_objects as go

from dashboard.agreement_view import PersonPoint
from sarcopenia.clinical.method_comparison import BlandAltman, Interval

POINTS: Final = "#0072B2"
LINES: Final = "#D55E00"
GREY: Final = "#888888"


def bland_altman_figure(points: Sequence[PersonPoint], limits: BlandAltman | None) -> go.Figure:
    """Difference against mean, one marker per person; bias and limits with their 95 % confidence where known."""
    figure = go.Figure(_markers(points, [p.mean_cm2 for p in points], [p.difference_cm2 for p in points]))
    figure.add_hline(y=0, line={"color": GREY, "width": 1})
    if limits is not None:
        for interval, dash in ((limits.bias, "solid"), (limits.lower, "dash"), (limits.upper, "dash")):
            figure.add_hrect(y0=interval.low, y1=interval.high, fillcolor=LINES, opacity=0.12, line_width=0)
            figure.add_hline(y=interval.value, line={"color": LINES, "dash": dash, "width": 2})
    return _laid_out(figure, "Mean of AI and reader, SMA (cm²)", "AI minus reader, SMA (cm²)")


def identity_figure(points: Sequence[PersonPoint]) -> go.Figure:
    """The AI's area against the reader's, one marker per person, with the line on which both are equal."""
    figure = go.Figure(_markers(points, [p.reader_cm2 for p in points], [p.ai_cm2 for p in points]))
    ends = [edge(value for p in points for value in (p.reader_cm2, p.ai_cm2)) for edge in (min, max)]
    line = {"color": GREY, "dash": "dash", "width": 1}
    figure.add_trace(go.Scatter(x=ends, y=ends, mode="lines", line=line, hoverinfo="skip", name="equal"))
    return _laid_out(figure, "Reader, SMA (cm²)", "AI, SMA (cm²)")


def _markers(points: Sequence[PersonPoint], x: list[float], y: list[float]) -> go.Scatter:
    return go.Scatter(
        x=x,
        y=y,
        mode="markers",
        marker={"color": POINTS, "size": 10},
        customdata=[point.patient_id for point in points],
        hovertemplate="patient %{customdata}<br>%{x:.1f}, %{y:.1f}<extra></extra>",
        name="persons",
    )


def _laid_out(figure: go.Figure, x_title: str, y_title: str) -> go.Figure:
    margin = {"l": 10, "r": 10, "t": 10, "b": 10}
    figure.update_layout(height=330, margin=margin, showlegend=False, xaxis_title=x_title, yaxis_title=y_title)
    return figure


def bland_altman_words(points: Sequence[PersonPoint], limits: BlandAltman | None) -> str:
    """The Bland–Altman chart in words."""
    told = f"Difference of SMA, AI minus reader, against their mean; {_persons(points)}."
    if limits is None:
        return f"{told} Too few for limits of agreement."
    return (
        f"{told} Bias {limits.bias.value:.2f} cm² ({interval_words(limits.bias)}), limits of agreement "
        f"{limits.lower.value:.2f} to {limits.upper.value:.2f} cm²."
    )


def _persons(points: Sequence[PersonPoint]) -> str:
    return "1 person" if len(points) == 1 else f"{len(points)} persons"


def identity_words(points: Sequence[PersonPoint]) -> str:
    """The scatter in words."""
    pairs = "; ".join(f"{point.reader_cm2:.1f} and {point.ai_cm2:.1f}" for point in points)
    return f"SMA (cm²) by the reader and by the AI, one point per person: {pairs}."


def interval_words(interval: Interval) -> str:
    """Confidence interval as words."""
    return f"{interval.low:.2f} to {interval.high:.2f}"
