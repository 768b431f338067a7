"""Does another Triton give the same numbers? ``python benchmarks/compare_servers.py HOST:PORT``.

Assesses phantoms twice, with the embedded server (FP32 on the CPU) and with the given one, and prints a table. Ends
with 1 when an area or a level differs by more than rounding can: FP16 and another ONNX Runtime move borders of masks.
"""

import sys
import time
from dataclasses import replace

from inference_server.serve import embedded_triton, require_serving
from sarcopenia.assessment import run_assessment
from sarcopenia.domain.results import Measurement
from sarcopenia.domain.volume import CtVolume, Sex
from sarcopenia.inference.triton import TritonModelClient
from sarcopenia.phantom import PhantomSpec, make_phantom
from sarcopenia.settings import Settings

MAX_SMA_DIFFERENCE_PERCENT = 0.5
"""A fifth of the best published error of the area (2.48 %)."""
MAX_LEVEL_DIFFERENCE_MM = 3.0
"""One slice of the phantoms."""

SPECS = {
    "man, 60 years": PhantomSpec(seed=11, slice_spacing_mm=3, slice_thickness_mm=3),
    "woman, obese": PhantomSpec(seed=12, sex=Sex.FEMALE, height_m=1.63, subcutaneous_mm=35, visceral_fat=1.5),
    "man, wasted": PhantomSpec(seed=13, muscle_scale=0.7, fat_infiltration=0.2),
}


def measure(volume: CtVolume, models: TritonModelClient) -> tuple[Measurement, float]:
    """Return the measurement, and how long it took in seconds."""
    start = time.perf_counter()
    measurement = run_assessment(volume, models).measurement
    return measurement, time.perf_counter() - start


def compare(name: str, volume: CtVolume, reference: TritonModelClient, other: TritonModelClient) -> bool:
    """Print one line of the table; return whether both servers agree."""
    first, first_s = measure(volume, reference)
    second, second_s = measure(volume, other)
    if first.composition is None or second.composition is None or first.slice_z_mm is None or second.slice_z_mm is None:
        print(f"{name:16} no L3 found by one of the servers")
        return first.composition is second.composition
    sma = 100 * (second.composition.sma_cm2 / first.composition.sma_cm2 - 1)
    level_mm = second.slice_z_mm - first.slice_z_mm
    areas = f"{first.composition.sma_cm2:8.2f} {second.composition.sma_cm2:8.2f}"
    print(f"{name:16} {areas} {sma:+8.3f} {level_mm:+9.1f} {first_s:8.2f} {second_s:8.2f}")
    return abs(sma) <= MAX_SMA_DIFFERENCE_PERCENT and abs(level_mm) <= MAX_LEVEL_DIFFERENCE_MM


def main(url: str) -> int:
    """Compare the server at ``url`` with an embedded one; return the exit code."""
    settings = replace(Settings.from_environment(), triton_url=None)
    require_serving(url, settings.models)
    with (
        embedded_triton(settings) as own,
        TritonModelClient(own, settings.models) as reference,
        TritonModelClient(url, settings.models) as other,
    ):
        for client in (reference, other):
            print(
                f"{client.url}: "
                + ", ".join(f"{i.name} {i.precision} {i.onnx_sha256[:8]}" for i in client.identities())
            )
        print(f"\n{'phantom':16} {'SMA, cm²':>17} {'diff., %':>8} {'level, mm':>9} {'time, s':>17}")
        agree = [compare(name, make_phantom(spec).volume, reference, other) for name, spec in SPECS.items()]
    return 0 if all(agree) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
