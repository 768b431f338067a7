"""Parts of one result: what was measured, how sure, what to look at, how far it lies from each cut-off profile."""

import pandas as pd
import streamlit as st

from dashboard.components.slice_view import show_scouts, show_slice
from dashboard.images import ScoutLevels
from dashboard.result_view import (
    RESEARCH_USE,
    SEVERITY_WORDS,
    VERDICT_WORDS,
    PersonAtScan,
    certainty_words,
    comparison_rows,
    comparisons,
    figures,
    place_words,
    provenance_rows,
    sorted_flags,
)
from dashboard.review_view import minute_words, review_words, version_words
from sarcopenia.clinical import NOT_DETECTED, looked_for, not_asked
from sarcopenia.domain.results import Measurement, Severity, Verdict
from sarcopenia.records import ScanSummary, StoredArrays, StoredMeasurement

ICONS = {Severity.INFO: ":material/info:", Severity.REVIEW: ":material/visibility:", Severity.BLOCK: ":material/block:"}


def show_verdict(stored: StoredMeasurement) -> None:
    """What came of it, which slice, and whether a person has looked."""
    verdict = stored.measurement.verdict
    words = VERDICT_WORDS[verdict]
    text = f"**{words}** {place_words(stored.measurement)} — **{review_words(stored)}**"
    (st.info if verdict in (Verdict.ACCEPT, Verdict.NO_L3) else st.warning)(text)


def show_measured_slice(stored: StoredMeasurement, arrays: StoredArrays) -> None:
    """The measured slice with its overlay; nothing where nothing was measured."""
    if arrays.slice is None:
        return
    vat = stored.measurement.provenance.vat_range_hu
    caption = f"{place_words(stored.measurement)} {RESEARCH_USE}. {review_words(stored)}."
    show_slice(arrays.slice, vat, caption, key=f"slice-{stored.measurement_id}")


def show_overviews(stored: StoredMeasurement, arrays: StoredArrays) -> None:
    """The scouts with every level and a line at the measured slice."""
    measurement, level = stored.measurement, stored.level
    name = measurement.level or ("given slice" if measurement.slice_index is not None else "")
    vertebrae = level.vertebrae if level is not None else ()
    show_scouts(arrays.sagittal, arrays.coronal, ScoutLevels(vertebrae, measurement.slice_z_mm, name))


def show_figures(measurement: Measurement, person: PersonAtScan) -> None:
    """The numbers, muscle first."""
    rows = figures(measurement, person)
    if not rows:
        return
    main, rest = rows[:3], rows[3:]
    for place, figure in zip(st.columns(3), main, strict=True):
        place.metric(f"{figure.name} ({figure.unit})", figure.text, help=f"{figure.long_name}. {figure.hint}")
    for place, figure in zip(st.columns(len(rest)), rest, strict=True):
        place.metric(f"{figure.name} ({figure.unit})", figure.text, help=f"{figure.long_name}. {figure.hint}")
    st.caption(certainty_words(measurement))


def show_flags(measurement: Measurement, person: PersonAtScan) -> None:
    """Every flag in words, the gravest first; and what nobody has asked yet."""
    flags = sorted_flags(measurement, person)
    st.markdown("**Flags**" if flags else "**No flags.**")
    for flag in flags:
        st.markdown(f"{ICONS[flag.severity]} *{SEVERITY_WORDS[flag.severity]}* — {flag.text}")
    if found := looked_for(measurement):
        st.caption(f"Looked for in the image: {', '.join(found)}. Not looked for: {', '.join(NOT_DETECTED)}.")
    if open_questions := not_asked(dict(person.answers)):
        st.caption(f"Not asked: {' '.join(open_questions)}")


def show_comparisons(measurement: Measurement, person: PersonAtScan, scan: ScanSummary) -> None:
    """Distance to each cut-off profile, or why there is none."""
    found = comparisons(measurement, person, scan.header)
    if not found:
        return
    st.subheader("Distance to cut-off profiles")
    st.caption(
        "There is no global verdict: which cut-off is chosen decides the answer. CT measures quantity of muscle; a low "
        "value is not a diagnosis."
    )
    st.dataframe(pd.DataFrame(comparison_rows(found)), hide_index=True, width="stretch")


def show_provenance(stored: StoredMeasurement, version: int) -> None:
    """Where the number comes from; ``version`` is its number among all of the scan."""
    rows = [
        {"Fact": "Version", "Value": f"{version_words(stored, version)}, stored {minute_words(stored.stored_at)}"},
        {"Fact": "Review", "Value": review_words(stored)},
        *provenance_rows(stored.measurement),
    ]
    with st.expander("Where this number comes from"):
        st.dataframe(pd.DataFrame(rows), hide_index=True, width="stretch")
        st.caption(RESEARCH_USE)
