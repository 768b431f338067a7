"""The measured slice with its overlay, and the scouts; pictures are made on the server, a fragment redraws them."""

import streamlit as st

from dashboard.images import (
    MUSCLE_LAYER,
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
    place = st.container()
    display = _controls([layer.name for layer in layers], key)
    picture = slice_picture(stored.hu_yx, stored.compartments.compartments_yx, stored.plane, display, vat_range_hu)
    place.image(picture, caption=caption, width="stretch", alt=f"Axial CT slice with tissue overlay. {caption}")
    shown = [layer for layer in layers if layer.name in display.layers]
    place.markdown("  ".join(swatch(layer.name, layer.colour) for layer in shown), unsafe_allow_html=True)


def _controls(names: list[str], key: str) -> SliceDisplay:
    """Window, tissues, outlines and opacity, below the picture."""
    window_name = st.segmented_control(
        "Window (width/level, HU)",
        [w.name for w in WINDOWS],
        default=WINDOWS[0].name,
        key=f"{key}-window",
        required=True,
    )
    chosen = st.pills("Tissues", names, selection_mode="multi", default=[MUSCLE_LAYER.name], key=f"{key}-layers")
    first, second = st.columns([1, 2])
    style = first.segmented_control(
        "Overlay", ["Areas", "Outlines"], default="Areas", key=f"{key}-style", required=True
    )
    outlines = style == "Outlines"
    opacity = second.slider("Opacity", 0.0, 1.0, 0.45, 0.05, key=f"{key}-opacity", disabled=outlines)
    window = next(w for w in WINDOWS if w.name == window_name)
    return SliceDisplay(window, frozenset(chosen), opacity, outlines)


def swatch(name: str, colour: tuple[int, int, int]) -> str:
    """HTML of a name with a square of its colour, for the legend of a picture."""
    red, green, blue = colour
    # The edge makes white seen on white.
    style = f"color:rgb({red},{green},{blue});-webkit-text-stroke:0.5px gray"
    return f"<span style='{style}'>■</span> {name}"


def show_scouts(sagittal: ScoutImage | None, coronal: ScoutImage | None, levels: ScoutLevels) -> None:
    """Both scouts side by side; a sentence where a single slice has none."""
    if sagittal is None or coronal is None:
        st.caption("A series this short has no overview.")
        return
    line = f", line at {levels.measured_name}" if levels.measured_name else ""
    for place, scout, letters, name in zip(
        st.columns(2), (sagittal, coronal), (("A", "P"), ("R", "L")), ("Sagittal", "Coronal"), strict=True
    ):
        caption = f"{name} along the spine{line}"
        picture = scout_picture(scout.hu_zx, scout.spacing_mm_zx, scout.z_mm, levels, letters)
        place.image(picture, caption=caption, width="stretch", alt=f"{caption}; levels: {_level_words(levels)}")


def _level_words(levels: ScoutLevels) -> str:
    return ", ".join(vertebra.label for vertebra in levels.vertebrae) or "none found"
