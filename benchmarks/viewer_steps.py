"""Server time of one step of the viewer: another slice, and another stroke on top of 1, 20 and 100.

    python benchmarks/viewer_steps.py

A slice of 512 × 512 pixels. Prints median and 95th percentile in ms, and the 95th percentile against the aim of 100 ms.
What the browser does with the answer is not in it.
"""

import time
from collections.abc import Callable
from functools import partial
from typing import Final

import numpy as np

from dashboard.images import tissue_layers
from dashboard.viewer_payload import ViewerMasks, ViewerSlice, build_payload, shown_state
from sarcopenia.assessment.composition import VAT_HU, body_composition, muscle_mask
from sarcopenia.assessment.correction import fold
from sarcopenia.domain.results import CompartmentMap
from sarcopenia.domain.strokes import Stroke, StrokeTool
from sarcopenia.phantom import PhantomSpec, make_phantom

AIM_MS: Final = 100.0
ROUNDS: Final = 60
SPEC: Final = PhantomSpec(
    seed=1, pixel_spacing_mm=0.8, shape_yx=(512, 512), bottom_coordinate=15.2, top_coordinate=14.8
)


def random_strokes(count: int) -> tuple[Stroke, ...]:
    """Brush strokes of 60 points across the slice."""
    random = np.random.default_rng(0)
    tools = (StrokeTool.BRUSH, StrokeTool.ERASER)
    walks = [random.uniform(100, 400, 2) + random.normal(0, 2, (60, 2)).cumsum(axis=0) for _ in range(count)]
    return tuple(
        Stroke(tools[k % 2], tuple((float(x), float(y)) for x, y in walk), 4.0, within_muscle_hu=False)
        for k, walk in enumerate(walks)
    )


def milliseconds(step: Callable[[], object]) -> np.ndarray:
    """Times of the rounds."""
    taken = []
    for _ in range(ROUNDS):
        start = time.perf_counter()
        step()
        taken.append(1000 * (time.perf_counter() - start))
    return np.array(taken)


def main() -> None:
    """Time the steps and print the table."""
    phantom = make_phantom(SPEC)
    hu_yx, compartments_yx = phantom.volume.hu_zyx[0], phantom.compartments_zyx[0]
    plane = phantom.volume.geometry.plane(0)
    model = CompartmentMap(compartments_yx, muscle_mask(hu_yx, compartments_yx), np.zeros(hu_yx.shape, np.float32))
    picture, layers = ViewerSlice(hu_yx, plane, "", 0, 100), tissue_layers(VAT_HU)

    def scroll() -> None:
        build_payload("viewer", picture, None, shown_state(picture, (), editable=False))

    def stroke(strokes: tuple[Stroke, ...]) -> None:
        mended = fold(model, hu_yx, strokes)
        body_composition(hu_yx, mended.compartments_yx, plane.pixel_area_mm2, VAT_HU, mended.muscle_yx)
        state = shown_state(picture, strokes, editable=True)
        build_payload("viewer", picture, ViewerMasks(mended, layers, model.muscle_yx), state)

    steps = {"another slice": scroll}
    steps |= {f"a stroke, {n} in all": partial(stroke, random_strokes(n)) for n in (1, 20, 100)}
    print(f"{hu_yx.shape[0]} × {hu_yx.shape[1]} pixels, {ROUNDS} rounds; ms: median, 95th percentile, share of 100 ms")
    for name, step in steps.items():
        taken = milliseconds(step)
        high = np.percentile(taken, 95)
        print(f"{name:24} {np.median(taken):8.1f} {high:8.1f}   x {high / AIM_MS:5.2f}")


if __name__ == "__main__":
    main()
