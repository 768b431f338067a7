"""CPU time of the networks in one assessment: each published file on the inputs that an assessment sends it.

    python benchmarks/network_times.py [--threads 2]

One spine of 400 mm; five slices of 336 × 432 mm (the slab) for the compartments; one slice for the quality. Prints the
median and the fastest of the rounds in ms, and each network against the student; the networks take turns, so that a
busy machine slows all alike. A teacher or classifier in the repository is shown, but not in the sum: an assessment on a
CPU does not ask it.
"""

import argparse
import time
from pathlib import Path
from typing import Final

import numpy as np
import onnxruntime

REPOSITORY: Final = Path(__file__).resolve().parents[1] / "model_repository"
STUDENT: Final = "body_compartments"
INPUTS: Final = {
    "spine_level": (1, 2, 160, 96),
    "scan_quality": (1, 1, 224, 288),
    STUDENT: (5, 1, 224, 288),
    "body_compartments_teacher": (5, 1, 224, 288),
    "sarcopenia_classifier": (1, 5, 224, 288),
}
IN_EVERY_ASSESSMENT: Final = ("spine_level", "scan_quality", STUDENT)
ROUNDS: Final = 7


def session_of(name: str, threads: int) -> onnxruntime.InferenceSession | None:
    """The published file of a model, with as many threads as its config asks for."""
    files = sorted((REPOSITORY / name).glob("*/model.onnx"))
    if not files:
        return None
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    return onnxruntime.InferenceSession(files[-1], options, providers=["CPUExecutionProvider"])


def main() -> None:
    """Time all published networks in turn and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--threads", type=int, default=2)
    threads = parser.parse_args().threads
    sessions = {name: found for name in INPUTS if (found := session_of(name, threads)) is not None}
    random = np.random.default_rng(0)
    inputs = {name: random.integers(-1000, 1000, shape).astype(np.int16) for name, shape in INPUTS.items()}
    taken: dict[str, list[float]] = {name: [] for name in sessions}
    for _ in range(ROUNDS):
        for name, session in sessions.items():
            start = time.perf_counter()
            session.run(None, {session.get_inputs()[0].name: inputs[name]})
            taken[name].append((time.perf_counter() - start) * 1000)
    student = float(np.median(taken[STUDENT]))
    print(f"{threads} threads, {ROUNDS} rounds; ms: median (fastest), and times the student")
    for name, times in taken.items():
        print(f"{name:28} {np.median(times):8.0f} ({min(times):6.0f})  x {np.median(times) / student:5.2f}")
    together = [sum(times) for times in zip(*(taken[n] for n in IN_EVERY_ASSESSMENT if n in taken), strict=True)]
    print(f"{'one assessment':28} {np.median(together):8.0f} ({min(together):6.0f})")


if __name__ == "__main__":
    main()
