"""The measured slice with its overlay, and the scouts; pictures are made on the server, a fragment redraws them."""

import streamlit as st

from dashboard.images import (
    MUSCLE_LAYER,
    SCOUT_WINDOW,
    WINDOWS,
    ScoutLevels,
    SliceDisplay,
    scout_picture,
    slice_picture,
    tissue_layers,
)
from sarcopenia.assessment.composition import HuRange
from sarcopenia.records import ScoutImage, StoredSlice


@st.fragment
def show_slice(stored: StoredSlice, vat_range_hu: HuRange, caption: str, key: str) -> None:
    """Slice with controls for window, layers, opacity and outlines."""
    layers = tissue_layers(vat_range_hu)
    names = [layer.name for layer in layers]
    first, second = st.columns([3, 2])
    window_name = first.segmented_control(
        "Window (width/level, HU)",
        [w.name for w in WINDOWS],
        default=WINDOWS[0].name,
        key=f"{key}-window",
        required=True,
    )
    style = second.segmented_control(
        "Overlay", ["Areas", "Outlines"], default="Areas", key=f"{key}-style", required=True
    )
    chosen = st.pills("Tissues", names, selection_mode="multi", default=[MUSCLE_LAYER.name], key=f"{key}-layers")
    opacity = st.slider("Opacity", 0.0, 1.0, 0.45, 0.05, key=f"{key}-opacity", disabled=style == "Outlines")
    window = next(w for w in WINDOWS if w.name == window_name)
    display = SliceDisplay(window, frozenset(chosen), opacity, style == "Outlines")
    picture = slice_picture(stored.hu_yx, stored.compartments.compartments_yx, stored.plane, display, vat_range_hu)
    st.image(picture, caption=caption, width="stretch")
    legend = "  ".join(_swatch(layer.name, layer.colour) for layer in layers if layer.name in chosen)
    st.markdown(legend, unsafe_allow_html=True)


def _swatch(name: str, colour: tuple[int, int, int]) -> str:
    red, green, blue = colour
    return f"<span style='color:rgb({red},{green},{blue})'>■</span> {name}"


def show_scouts(sagittal: ScoutImage | None, coronal: ScoutImage | None, levels: ScoutLevels) -> None:
    """Both scouts side by side; a sentence where a single slice has none."""
    if sagittal is None or coronal is None:
        st.caption("A series this short has no overview.")
        return
    places = st.columns(2)
    named = levels.measured_name or "no level"
    for place, scout, letters, name in (
        (places[0], sagittal, ("A", "P"), "Sagittal"),
        (places[1], coronal, ("R", "L"), "Coronal"),
    ):
        picture = scout_picture(scout.hu_zx, scout.spacing_mm_zx, scout.z_mm, levels, letters)
        place.image(picture, caption=f"{name} along the spine, line at {named} ({SCOUT_WINDOW.width_hu:g} HU wide)")
