"""The research view of a scan: what the experimental classifier says. Drawn only where research is on."""

import pandas as pd
import streamlit as st

from dashboard.research_view import (
    EXPERIMENTAL,
    LABEL,
    NOT_ASKED,
    attention_rows,
    probability_words,
    weights_words,
)
from dashboard.result_view import RESEARCH_USE
from sarcopenia.domain.results import PatternFinding


def show_pattern(pattern: PatternFinding | None) -> None:
    """Probability and attention per slice, with the words that must stand beside them."""
    with st.expander(f"{EXPERIMENTAL}: {LABEL}"):
        st.warning(f"**{EXPERIMENTAL}** – {LABEL}. {RESEARCH_USE}.", icon=":material/science:")
        if pattern is None:
            st.caption(NOT_ASKED)
            return
        st.markdown(probability_words(pattern))
        st.dataframe(pd.DataFrame(attention_rows(pattern)), hide_index=True)
        st.caption(weights_words(pattern))
