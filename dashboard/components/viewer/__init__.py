"""The slice viewer: a canvas in the browser that windows, zooms, reads HU and paints without running the page again."""

from pathlib import Path
from typing import Final

import streamlit as st

from dashboard.viewer_payload import (
    ViewerAnswer,
    ViewerMasks,
    ViewerSlice,
    build_payload,
    parse_answer,
    shown_state,
)
from sarcopenia.domain.strokes import Stroke

__all__ = ["ViewerAnswer", "ViewerMasks", "ViewerSlice", "show_viewer"]

_HERE: Final = Path(__file__).parent


def _asset(name: str) -> str:
    return (_HERE / name).read_text(encoding="utf-8")


_mount: Final = st.components.v2.component(
    "sarcopenia_viewer", html=_asset("viewer.html"), css=_asset("viewer.css"), js=_asset("viewer.js")
)


def show_viewer(
    key: str,
    picture: ViewerSlice,
    masks: ViewerMasks | None,
    strokes: tuple[Stroke, ...] = (),
    *,
    editable: bool = False,
    height_px: int = 640,
    link: str | None = None,
) -> ViewerAnswer:
    """Show a slice, and tell what was painted on it and how far it was scrolled since the last run.

    Strokes that are answered are not yet in the mask: keep them, fold them into ``masks``, and run again. The viewer
    shows them as pending until it is given exactly this list.

    Parameters
    ----------
    key: names the viewer; window, zoom and layers are remembered under it as long as the browser's page lives.
    strokes: strokes that ``masks`` already holds.
    height_px: height of the picture on the screen.
    link: viewers with the same link share width and level of the window; without one each has its own.

    Raises
    ------
    InputError: the browser's answer is malformed, or was painted on another state than ``picture`` and ``strokes``.
    """
    state = shown_state(picture, strokes, editable=editable)
    payload = build_payload(key, picture, masks, state) | {"height_px": height_px, "link": link or key}
    answer = _mount(key=key, data=payload, on_strokes_change=_nothing, on_scroll_change=_nothing)
    return parse_answer(answer.get("strokes"), answer.get("scroll"), state)


def _nothing() -> None:
    """Streamlit only hands out values of events that have a callback."""
