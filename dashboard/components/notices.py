"""Sentences that stand on every page: research use, and the state of the inference server."""

import streamlit as st

from dashboard.result_view import RESEARCH_USE
from sarcopenia.domain.errors import SarcopeniaError
from sarcopenia.inference.port import ModelHealth

PRIMARY_BUTTONS = 'button[kind^="primary"]'


def mend_contrast() -> None:
    """Dark letters on primary buttons in the dark theme: Streamlit sets white ones on its light blue, 2.3:1."""
    st.html(f"<style>{PRIMARY_BUTTONS} p, {PRIMARY_BUTTONS} span {{ color: light-dark(#ffffff, #0b1015); }}</style>")


def show_research_use() -> None:
    """The line that no page may miss."""
    st.caption(
        f":material/science: **{RESEARCH_USE}.** Results must not change a person's care outside an approved study."
    )


def show_error(error: SarcopeniaError) -> None:
    """An error as title, sentence and next step."""
    st.error(f"**{error.title}.** {error.message}\n\n{error.next_step}", icon=":material/error:")


def show_server_trouble(health: tuple[ModelHealth, ...]) -> None:
    """A banner when a model does not answer; nothing when all do."""
    ill = [each for each in health if not each.healthy]
    if ill:
        words = " ".join(dict.fromkeys(each.message for each in ill))
        st.warning(
            f"**The inference server is not available.** {words} Uploads are kept and measured as soon as it is back.",
            icon=":material/cloud_off:",
        )
