"""The tensors of the served models, as the product expects them; a test holds `model_repository/*/config.pbtxt` to it.

Both networks see a fixed mm grid in a canonical orientation (`sarcopenia.assessment.model_grid` goes there and back).
HU travel as INT16, probabilities as UINT8 (255 = certain): half a level of 1/255 is far below the spread of members.
"""

from dataclasses import dataclass, replace
from typing import Final

SPINE_LEVEL: Final = "spine_level"
BODY_COMPARTMENTS: Final = "body_compartments"
BODY_COMPARTMENTS_TEACHER: Final = "body_compartments_teacher"
SCAN_QUALITY: Final = "scan_quality"
SARCOPENIA_CLASSIFIER: Final = "sarcopenia_classifier"

SPINE_GRID_MM: Final = 2.5
"""Pixel size of the spine projections, along z and across, in mm."""
SPINE_WIDTH: Final = 96
"""Pixels across a spine projection: 240 mm, centred on the spine's mid-line."""
SPINE_LENGTH_MULTIPLE: Final = 16
"""The number of rows of a spine projection is a multiple of this; surplus rows hold air."""

AXIAL_GRID_MM: Final = 1.5
"""Pixel size of an axial slice as the network sees it, in mm."""
AXIAL_SIZE_MULTIPLE: Final = 32
"""Rows and columns of an axial slice are multiples of this; surplus pixels hold air."""

AIR_HU: Final = -1024
COMPARTMENT_COUNT: Final = 5
DEGRADATION_COUNT: Final = 6
"""Kinds of `sarcopenia.domain.results.Degradation`, in their order."""


@dataclass(frozen=True)
class TensorSpec:
    """Name, Triton data type and dims (without the batch axis, -1 = any) of one tensor."""

    name: str
    data_type: str
    dims: tuple[int, ...]


@dataclass(frozen=True)
class ModelContract:
    """What a model takes and gives, and the version that this software was made for.

    Attributes
    ----------
    max_batch_size: largest batch of one call; clients send longer ones in pieces.
    canary_dims: dims of the smallest valid input, without the batch axis: what a health check sends.
    """

    name: str
    version: str
    max_batch_size: int
    canary_dims: tuple[int, ...]
    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]


SPINE_LEVEL_CONTRACT: Final = ModelContract(
    name=SPINE_LEVEL,
    version="2",
    max_batch_size=4,
    canary_dims=(2, SPINE_LENGTH_MULTIPLE, SPINE_WIDTH),
    # channel 0: sagittal thick slab (z, anterior-posterior); channel 1: coronal projection (z, right-left), or all air
    inputs=(TensorSpec("spine_projections_hu", "TYPE_INT16", (2, -1, SPINE_WIDTH)),),
    outputs=(
        TensorSpec("vertebral_coordinate", "TYPE_FP32", (-1,)),
        TensorSpec("coordinate_spread", "TYPE_FP32", (-1,)),
        TensorSpec("spine_probability", "TYPE_FP32", (-1,)),
        TensorSpec("rib_probability", "TYPE_FP32", (-1,)),
        TensorSpec("sacrum_probability", "TYPE_FP32", (-1,)),
    ),
)

BODY_COMPARTMENTS_CONTRACT: Final = ModelContract(
    name=BODY_COMPARTMENTS,
    version="2",
    max_batch_size=8,
    canary_dims=(1, AXIAL_SIZE_MULTIPLE, AXIAL_SIZE_MULTIPLE),
    inputs=(TensorSpec("ct_hu", "TYPE_INT16", (1, -1, -1)),),
    # members of the ensemble × compartments × rows × columns
    outputs=(TensorSpec("member_probability", "TYPE_UINT8", (-1, COMPARTMENT_COUNT, -1, -1)),),
)

BODY_COMPARTMENTS_TEACHER_CONTRACT: Final = replace(
    BODY_COMPARTMENTS_CONTRACT, name=BODY_COMPARTMENTS_TEACHER, version="1"
)
"""The ensemble that the student was distilled from: the same tensors, other weights, for servers with a GPU."""

SCAN_QUALITY_CONTRACT: Final = ModelContract(
    name=SCAN_QUALITY,
    version="1",
    max_batch_size=8,
    canary_dims=(1, AXIAL_SIZE_MULTIPLE, AXIAL_SIZE_MULTIPLE),
    inputs=(TensorSpec("ct_hu", "TYPE_INT16", (1, -1, -1)),),
    outputs=(
        TensorSpec("predicted_ssim", "TYPE_FP32", (1,)),
        TensorSpec("degradation_probability", "TYPE_FP32", (DEGRADATION_COUNT,)),
    ),
)

SARCOPENIA_CLASSIFIER_CONTRACT: Final = ModelContract(
    name=SARCOPENIA_CLASSIFIER,
    version="1",
    max_batch_size=4,
    canary_dims=(1, AXIAL_SIZE_MULTIPLE, AXIAL_SIZE_MULTIPLE),
    # slices of one slab, from feet to head
    inputs=(TensorSpec("slab_hu", "TYPE_INT16", (-1, -1, -1)),),
    outputs=(
        TensorSpec("low_muscle_probability", "TYPE_FP32", (1,)),
        TensorSpec("slice_attention", "TYPE_FP32", (-1,)),
    ),
)

COMPARTMENT_CONTRACTS: Final = (BODY_COMPARTMENTS_CONTRACT, BODY_COMPARTMENTS_TEACHER_CONTRACT)
"""The models that can outline the compartments; an installation uses one of them."""


@dataclass(frozen=True)
class ModelSet:
    """The models that an installation works with; nothing else is loaded, asked or shown.

    Attributes
    ----------
    compartments: one of `COMPARTMENT_CONTRACTS`.
    research: whether the experimental `sarcopenia_classifier` is.
    """

    compartments: ModelContract = BODY_COMPARTMENTS_CONTRACT
    research: bool = False

    @property
    def contracts(self) -> tuple[ModelContract, ...]:
        """Contracts of the set."""
        research = (SARCOPENIA_CLASSIFIER_CONTRACT,) if self.research else ()
        return (SPINE_LEVEL_CONTRACT, self.compartments, SCAN_QUALITY_CONTRACT, *research)


DEFAULT_MODELS: Final = ModelSet()
CONTRACTS: Final = DEFAULT_MODELS.contracts
"""What every assessment needs where nothing else is set."""
ALL_CONTRACTS: Final = (
    SPINE_LEVEL_CONTRACT,
    *COMPARTMENT_CONTRACTS,
    SCAN_QUALITY_CONTRACT,
    SARCOPENIA_CLASSIFIER_CONTRACT,
)
