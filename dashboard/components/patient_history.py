"""Height, weight and BMI of a patient over time, folded away."""

from collections.abc import Sequence

import pandas as pd
import streamlit as st

from dashboard.history_view import AgreedHeight, BodyAtScan, bmi_rows, height_words, history_rows
from sarcopenia.records import ContextEntry


def show_history(history: Sequence[ContextEntry], bodies: Sequence[BodyAtScan], agreed: AgreedHeight | None) -> None:
    """What was said of height and weight, with its source, and the BMI at each scan."""
    with st.expander("Height, weight and BMI over time"):
        st.caption(height_words(agreed))
        at_scans, said = st.columns(2)
        at_scans.markdown("**BMI at the scans** (height and weight that held on the day)")
        at_scans.dataframe(pd.DataFrame(bmi_rows(bodies)), hide_index=True, width="stretch")
        said.markdown("**Everything on record**; nothing is overwritten")
        said.dataframe(pd.DataFrame(history_rows(history)), hide_index=True, width="stretch")
