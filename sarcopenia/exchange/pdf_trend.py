"""The course over time in the report: markers with error bars, joined where neighbours may be compared."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from itertools import pairwise
from typing import Final, Literal

from reportlab.graphics.shapes import Circle, Drawing, Line, String
from reportlab.lib import colors
from reportlab.lib.units import mm

from sarcopenia.exchange.pdf_text import REGULAR

HEIGHT: Final = 52 * mm
LEFT, RIGHT, BOTTOM, TOP = 14 * mm, 6 * mm, 9 * mm, 4 * mm
INK: Final = colors.HexColor("#D55E00")
GREY: Final = colors.HexColor("#5F6B76")
LETTERS: Final = 7
Anchor = Literal["start", "middle", "end"]


@dataclass(frozen=True)
class TrendMark:
    """One scan: its day, value and half its error bar, whether it may be joined to the one before, whether signed."""

    day: date
    value: float
    error: float
    joined: bool
    signed: bool


@dataclass(frozen=True)
class ReportTrend:
    """Marks in the order of their days, the measure with its unit, and the course in words."""

    label: str
    marks: tuple[TrendMark, ...]
    words: str


def trend_drawing(trend: ReportTrend, width: float) -> Drawing:
    """The chart, ``width`` points wide; the axis starts at zero, open circles are not reviewed."""
    drawing = Drawing(width, HEIGHT)
    places = _places(trend.marks, width)
    top = _top(trend.marks)
    _draw_axes(drawing, trend, width, top)
    for (x, before), (after_x, after) in pairwise(zip(places, trend.marks, strict=True)):
        if after.joined:
            drawing.add(Line(x, _y(before.value, top), after_x, _y(after.value, top), strokeColor=INK))
    for x, mark in zip(places, trend.marks, strict=True):
        _draw_mark(drawing, x, mark, top)
    return drawing


def _places(marks: Sequence[TrendMark], width: float) -> list[float]:
    first, last = marks[0].day, marks[-1].day
    span = max((last - first).days, 1)
    inner = width - LEFT - RIGHT - 24 * mm
    return [LEFT + 12 * mm + inner * (mark.day - first).days / span for mark in marks]


def _top(marks: Sequence[TrendMark]) -> float:
    return 1.15 * max(1.0, *(mark.value + mark.error for mark in marks))


def _y(value: float, top: float) -> float:
    return BOTTOM + (HEIGHT - BOTTOM - TOP) * value / top


def _draw_axes(drawing: Drawing, trend: ReportTrend, width: float, top: float) -> None:
    drawing.add(Line(LEFT, BOTTOM, width - RIGHT, BOTTOM, strokeColor=GREY, strokeWidth=0.6))
    drawing.add(Line(LEFT, BOTTOM, LEFT, HEIGHT - TOP, strokeColor=GREY, strokeWidth=0.6))
    step = next(s for s in (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000) if top / s <= 6)
    for tick in range(0, int(top) + 1, step):
        _write(drawing, LEFT - 3, _y(tick, top) - 2, str(tick), "end")
        drawing.add(Line(LEFT - 2, _y(tick, top), LEFT, _y(tick, top), strokeColor=GREY, strokeWidth=0.6))
    _write(drawing, LEFT + 3, HEIGHT - TOP - 5, trend.label, "start")


def _draw_mark(drawing: Drawing, x: float, mark: TrendMark, top: float) -> None:
    low, high = _y(max(mark.value - mark.error, 0), top), _y(mark.value + mark.error, top)
    drawing.add(Line(x, low, x, high, strokeColor=INK, strokeWidth=0.7))
    fill = INK if mark.signed else colors.white
    drawing.add(Circle(x, _y(mark.value, top), 2.6, fillColor=fill, strokeColor=INK))
    _write(drawing, x + 5, _y(mark.value, top) + 3, f"{mark.value:.1f}", "start")
    _write(drawing, x, BOTTOM - 9, mark.day.isoformat(), "middle")


def _write(drawing: Drawing, x: float, y: float, text: str, anchor: Anchor) -> None:
    drawing.add(String(x, y, text, fontName=REGULAR, fontSize=LETTERS, textAnchor=anchor, fillColor=GREY))
