"""Where the time of one assessment goes: reading, projecting, locating, segmenting, measuring a 300-slice series.

    python benchmarks/assess_series.py

Prints seconds and the share of each step in one run on this machine; the embedded Triton is started before the clock.
"""

import itertools
import time
from dataclasses import replace

import numpy as np

from inference_server.serve import embedded_triton
from sarcopenia.assessment import AssessmentFinished, StageEvent, assess
from sarcopenia.domain.geometry import regular_geometry
from sarcopenia.domain.volume import CtVolume
from sarcopenia.exchange.ct_writer import ct_series_bytes
from sarcopenia.imaging import read_series
from sarcopenia.inference.triton import TritonModelClient
from sarcopenia.phantom import PhantomSpec, make_phantom
from sarcopenia.settings import Settings

SLICES, ROWS = 300, 512


def thin_series() -> CtVolume:
    """A phantom of 300 slices of 512 × 512 pixels, 1.25 mm apart, made from a coarser one by repetition."""
    spec = PhantomSpec(seed=1, pixel_spacing_mm=1.6, shape_yx=(256, 256), slice_spacing_mm=5.0, noise_sd_hu=15.0)
    phantom = make_phantom(spec).volume
    repeats = -(-SLICES // phantom.hu_zyx.shape[0])
    hu = phantom.hu_zyx.repeat(repeats, axis=0)[:SLICES].repeat(2, axis=1).repeat(2, axis=2)
    geometry = regular_geometry((SLICES, ROWS, ROWS), (5.0 / repeats, 0.8, 0.8))
    uids = tuple(f"2.25.{i + 1}" for i in range(SLICES))
    return replace(phantom, hu_zyx=np.ascontiguousarray(hu), geometry=geometry, sop_instance_uids=uids)


def main() -> None:
    """Run once and print the table."""
    files = ct_series_bytes(thin_series())
    marks: list[tuple[str, float]] = []
    settings = Settings.from_environment()
    with embedded_triton(settings) as url, TritonModelClient(url, settings.models) as models:
        marks.append(("read", time.perf_counter()))
        volume = read_series(files).chosen
        for event in assess(volume, models):
            if isinstance(event, StageEvent):
                marks.append((event.stage.value, time.perf_counter()))
            elif isinstance(event, AssessmentFinished):
                marks.append(("end", time.perf_counter()))
    total = marks[-1][1] - marks[0][1]
    for (name, start), (_, stop) in itertools.pairwise(marks):
        print(f"{name:10} {stop - start:6.2f} s  {100 * (stop - start) / total:5.1f} %")
    print(f"{'total':10} {total:6.2f} s")


if __name__ == "__main__":
    main()
