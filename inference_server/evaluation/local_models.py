"""The published ONNX files without a server: the same port, for evaluation on many scans in one process."""

import hashlib
from pathlib import Path

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from sarcopenia.domain.results import ModelIdentity
from sarcopenia.inference.contract import BODY_COMPARTMENTS_CONTRACT, CONTRACTS, SPINE_LEVEL_CONTRACT, ModelContract
from sarcopenia.inference.port import ModelHealth, SpineProfile

BACKEND = "onnxruntime, in process"


class LocalModelClient:
    """`sarcopenia.inference.port.ModelClient` on the files of a model repository."""

    def __init__(self, repository: Path) -> None:
        self._files = {c.name: repository / c.name / c.version / "model.onnx" for c in CONTRACTS}
        self._sessions = {
            name: onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
            for name, path in self._files.items()
        }

    def _run(self, contract: ModelContract, tensor: NDArray[np.int16]) -> list[NDArray[np.generic]]:
        return self._sessions[contract.name].run(None, {contract.inputs[0].name: tensor})

    def locate_spine(self, projections_hu_czw: NDArray[np.int16]) -> SpineProfile:
        """See `ModelClient.locate_spine`."""
        return SpineProfile(*(output[0] for output in self._run(SPINE_LEVEL_CONTRACT, projections_hu_czw[None])))

    def segment_compartments(self, slices_hu_nyx: NDArray[np.int16]) -> NDArray[np.uint8]:
        """See `ModelClient.segment_compartments`."""
        return self._run(BODY_COMPARTMENTS_CONTRACT, slices_hu_nyx[:, None])[0]

    def identities(self) -> tuple[ModelIdentity, ...]:
        """See `ModelClient.identities`."""
        return tuple(
            ModelIdentity(
                c.name, c.version, hashlib.sha256(self._files[c.name].read_bytes()).hexdigest(), "FP32", BACKEND
            )
            for c in CONTRACTS
        )

    def check(self, deadline_s: float = 5.0) -> tuple[ModelHealth, ...]:  # part of the port
        """See `ModelClient.check`; files that were loaded answer."""
        return tuple(ModelHealth(c.name, c.version, True, None, None, "loaded") for c in CONTRACTS)
