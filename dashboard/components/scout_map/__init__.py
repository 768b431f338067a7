"""Scouts to click on: both pictures with their levels in the browser, and the wish to go to another slice back.

A component of its own, since the kept package for clicks (`streamlit-image-coordinates` 0.4) draws in a frame without
keyboard, name or text alternative, and keeps its last click as a state that comes back with every run.
"""

from pathlib import Path
from typing import Final

import numpy as np
import streamlit as st
from numpy.typing import NDArray

from dashboard.scout_payload import Json, ScoutWish, parse_wish

__all__ = ["show_scout_map"]

_HERE: Final = Path(__file__).parent


def _asset(name: str) -> str:
    return (_HERE / name).read_text(encoding="utf-8")


_mount: Final = st.components.v2.component(
    "sarcopenia_scouts", html=_asset("scout_map.html"), css=_asset("scout_map.css"), js=_asset("scout_map.js")
)


def show_scout_map(key: str, payload: Json, row_z_mm: NDArray[np.float64]) -> ScoutWish | None:
    """Show the scouts, and tell where a person wants to go; ``row_z_mm`` is the patient z of the pictures' rows.

    Raises
    ------
    InputError: the browser's answer is malformed.
    """
    answer = _mount(key=key, data=payload, on_click_change=_nothing, on_step_change=_nothing)
    return parse_wish(answer.get("click"), answer.get("step"), row_z_mm)


def _nothing() -> None:
    """Streamlit only hands out values of events that have a callback."""
