"""What the models see on a slice that nobody measures: outlines to look at while scrolling, never a stored number."""

from dataclasses import dataclass

from sarcopenia.assessment.composition import VAT_HU, HuRange, body_composition
from sarcopenia.assessment.segmentation import segment_slices
from sarcopenia.assessment.slices import resolve_slice
from sarcopenia.domain.results import BodyComposition, CompartmentMap
from sarcopenia.domain.volume import CtVolume
from sarcopenia.inference.port import ModelClient


@dataclass(frozen=True)
class SlicePreview:
    """Compartments of one native slice and their areas (cm², HU)."""

    compartments: CompartmentMap
    composition: BodyComposition


def outline_slice(
    volume: CtVolume, models: ModelClient, slice_index: int, vat_range_hu: HuRange = VAT_HU
) -> SlicePreview:
    """Outline one slice (0-based, from the feet) as it is, without its neighbours: as if a person had chosen it.

    Raises
    ------
    SliceNotFoundError: there is no such slice. NoBodyError: it shows no body. InferenceError: the models could not be
    asked.
    """
    index = resolve_slice(volume, slice_index)
    hu_yx, plane = volume.hu_zyx[index], volume.geometry.plane(index)
    [found] = segment_slices([hu_yx], [plane], models)
    areas = body_composition(hu_yx, found.compartments.compartments_yx, plane.pixel_area_mm2, vat_range_hu)
    return SlicePreview(found.compartments, areas)
