"""Which pixels a stroke touches.

A pixel belongs to a brush stroke when its middle lies within the radius of the line, to a polygon when its middle lies
inside (even-odd, so that a loop in the outline is a hole).
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np
import shapely
from numpy.typing import NDArray

from sarcopenia.domain.strokes import Stroke

Floats = NDArray[np.float64]
Integers = NDArray[np.int_]

FLAT_PX: Final = 1e-3
"""A segment that climbs less is looked at in its whole length in every row: dividing by its climb would be inexact."""
SLACK_PX: Final = 1e-3
"""Pixels so far outside of a row's span are looked at too; rounding moves a span by less."""
AT_ONCE: Final = 50_000
"""Pixels that are looked at together: few enough for the processor's cache."""


@dataclass(frozen=True)
class TouchedPixels:
    """Part of an image: rows and columns of a window, and which of its pixels (y, x) are touched."""

    window: tuple[slice, slice]
    mask_yx: NDArray[np.bool_]


@dataclass(frozen=True)
class _Segments:
    """Pieces of a brush stroke: start and end (n, 2) as (x, y), and the radius, all in pixels."""

    start_xy: Floats
    end_xy: Floats
    radius_px: float


@dataclass(frozen=True)
class _Spans:
    """Pixels that may lie near a segment, one row of them an item: segment, row, first column, number of columns."""

    segment: Integers
    y: Integers
    first_x: Integers
    count: Integers


def touched_pixels(stroke: Stroke, shape_yx: tuple[int, int]) -> TouchedPixels:
    """Pixels of an image of ``shape_yx`` that a stroke touches, whatever their HU."""
    path = np.asarray(stroke.path_xy, dtype=np.float64)
    reach = 0.0 if stroke.tool.is_polygon else stroke.radius_px
    first = np.maximum(np.ceil(path.min(axis=0) - reach), 0).astype(int)
    last = np.minimum(np.floor(path.max(axis=0) + reach), np.array(shape_yx)[::-1] - 1).astype(int)
    size_x, size_y = np.maximum(last - first + 1, 0)
    window = (slice(first[1], first[1] + size_y), slice(first[0], first[0] + size_x))
    if size_x == 0 or size_y == 0:
        return TouchedPixels(window, np.zeros((size_y, size_x), dtype=bool))
    if stroke.tool.is_polygon:
        return TouchedPixels(window, _inside_polygon(path, window))
    return TouchedPixels(window, _near_line(path, stroke.radius_px, window))


def _inside_polygon(path_xy: Floats, window: tuple[slice, slice]) -> NDArray[np.bool_]:
    # The linework method gives the even-odd area of an outline that crosses itself.
    parts = shapely.get_parts(shapely.make_valid(shapely.Polygon(path_xy), method="linework"))
    area = shapely.union_all(parts[shapely.area(parts) > 0])
    shapely.prepare(area)
    y, x = np.mgrid[window]
    return np.asarray(shapely.contains_xy(area, x, y))


def _near_line(path_xy: Floats, radius_px: float, window: tuple[slice, slice]) -> NDArray[np.bool_]:
    """Every segment by itself, row by row: looking at the whole window for every stroke takes ten times as long."""
    start, end = (path_xy[:-1], path_xy[1:]) if len(path_xy) > 1 else (path_xy, path_xy)
    segments = _Segments(start, end, radius_px)
    rows, columns = window
    mask = np.zeros((rows.stop - rows.start, columns.stop - columns.start), dtype=bool)
    for segment, y, x in _candidates(_spans(segments, window)):
        new = ~mask[y - rows.start, x - columns.start]
        segment, y, x = segment[new], y[new], x[new]  # noqa: PLW2901 – what is touched already needs no second look
        near = _distances(segments, segment, x, y) <= radius_px
        mask[y[near] - rows.start, x[near] - columns.start] = True
    return mask


def _spans(segments: _Segments, window: tuple[slice, slice]) -> _Spans:
    """Of every row near a segment the columns near the part of the segment that is near the row."""
    rows, columns = window
    radius, (ax, ay), (bx, by) = segments.radius_px, segments.start_xy.T, segments.end_xy.T
    first = np.maximum(np.ceil(np.minimum(ay, by) - radius), rows.start).astype(int)
    last = np.minimum(np.floor(np.maximum(ay, by) + radius), rows.stop - 1).astype(int)
    segment, step = _repeated(np.maximum(last - first + 1, 0))
    y = first[segment] + step
    climb = (by - ay)[segment]
    flat = np.abs(climb) < FLAT_PX
    share = (y - ay[segment] + np.array([[-radius], [radius]])) / np.where(flat, 1.0, climb)
    share = np.clip(np.where(flat, np.array([[0.0], [1.0]]), share), 0.0, 1.0)
    x = ax[segment] + share * (bx - ax)[segment]
    left = np.maximum(np.ceil(x.min(axis=0) - radius - SLACK_PX), columns.start).astype(int)
    right = np.minimum(np.floor(x.max(axis=0) + radius + SLACK_PX), columns.stop - 1).astype(int)
    return _Spans(segment, y, left, np.maximum(right - left + 1, 0))


def _candidates(spans: _Spans) -> Iterator[tuple[Integers, Integers, Integers]]:
    """Segment, row and column of every pixel of the spans, about `AT_ONCE` at a time."""
    total = np.cumsum(spans.count)
    edges = np.searchsorted(total, np.arange(AT_ONCE, total[-1], AT_ONCE)) if len(total) else np.empty(0, int)
    for part in np.split(np.arange(len(total)), edges):
        span, step = _repeated(spans.count[part])
        span = part[span]
        yield spans.segment[span], spans.y[span], spans.first_x[span] + step


def _repeated(counts: Integers) -> tuple[Integers, Integers]:
    """The number of every item as often as it counts, and beside it 0, 1, 2 … for every item anew."""
    item = np.repeat(np.arange(len(counts)), counts)
    return item, np.arange(len(item)) - np.repeat(np.cumsum(counts) - counts, counts)


def _distances(segments: _Segments, segment: Integers, x: Integers, y: Integers) -> Floats:
    """Distance of each pixel to its segment; every rounding as in GEOS, so that older corrections stay as they are."""
    (ax, ay), (bx, by) = segments.start_xy[segment].T, segments.end_xy[segment].T
    dx, dy = bx - ax, by - ay
    squared = dx * dx + dy * dy
    length = np.where(squared > 0, squared, 1.0)
    share = ((x - ax) * dx + (y - ay) * dy) / length
    beside = np.abs(((ay - y) * dx - (ax - x) * dy) / length) * np.sqrt(squared)
    to_start = np.sqrt((x - ax) * (x - ax) + (y - ay) * (y - ay))
    to_end = np.sqrt((x - bx) * (x - bx) + (y - by) * (y - by))
    return np.asarray(np.where((share <= 0) | (squared == 0), to_start, np.where(share >= 1, to_end, beside)))
