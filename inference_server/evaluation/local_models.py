"""The published ONNX files without a server: the same port, for evaluation on many scans in one process."""

import hashlib
from pathlib import Path

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from inference_server.evaluation.cards import PARAMETER
from sarcopenia.domain.results import AcceptanceRule, ModelIdentity
from sarcopenia.inference.acceptance import acceptance_rule
from sarcopenia.inference.contract import (
    DEFAULT_MODELS,
    SARCOPENIA_CLASSIFIER_CONTRACT,
    SCAN_QUALITY_CONTRACT,
    SPINE_LEVEL_CONTRACT,
    ModelContract,
    ModelSet,
)
from sarcopenia.inference.port import ModelHealth, QualityRating, SlabPattern, SpineProfile

BACKEND = "onnxruntime, in process"


class LocalModelClient:
    """`sarcopenia.inference.port.ModelClient` on the files of a model repository."""

    def __init__(self, repository: Path, models: ModelSet = DEFAULT_MODELS) -> None:
        self._repository = repository
        self._models = models
        self._files = {c.name: repository / c.name / c.version / "model.onnx" for c in models.contracts}
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
        return self._run(self._models.compartments, slices_hu_nyx[:, None])[0]

    def rate_quality(self, slices_hu_nyx: NDArray[np.int16]) -> QualityRating:
        """See `ModelClient.rate_quality`."""
        ssim, degradation = self._run(SCAN_QUALITY_CONTRACT, slices_hu_nyx[:, None])
        return QualityRating(ssim[:, 0], degradation)

    def classify_slab(self, slab_hu_nyx: NDArray[np.int16]) -> SlabPattern | None:
        """See `ModelClient.classify_slab`."""
        if not self._models.research:
            return None
        probability, attention = self._run(SARCOPENIA_CLASSIFIER_CONTRACT, slab_hu_nyx[None])
        return SlabPattern(float(probability[0, 0]), attention[0])

    def identities(self) -> tuple[ModelIdentity, ...]:
        """See `ModelClient.identities`."""
        return tuple(
            ModelIdentity(
                c.name, c.version, hashlib.sha256(self._files[c.name].read_bytes()).hexdigest(), "FP32", BACKEND
            )
            for c in self._models.contracts
        )

    def acceptance_rule(self) -> AcceptanceRule:
        """See `ModelClient.acceptance_rule`."""
        configs = {name: self._repository / name / "config.pbtxt" for name in self._files}
        parameters = {name: dict(PARAMETER.findall(path.read_text("utf-8"))) for name, path in configs.items()}
        return acceptance_rule(self._models, parameters)

    def check(self, deadline_s: float = 5.0) -> tuple[ModelHealth, ...]:  # part of the port
        """See `ModelClient.check`; files that were loaded answer."""
        return tuple(ModelHealth(c.name, c.version, True, None, None, "loaded") for c in self._models.contracts)
