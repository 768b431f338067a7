"""Labels that say less than which compartment: "not the muscle wall" (`compartment_data.NOT_WALL`).

There the shares of a pixel sum to less than its known part. What is missing goes to the other compartments as the
network itself sees them: one step of expectation maximisation, whose gradient is that of −log(1 − p(wall)).
"""

import torch
from torch import Tensor

from sarcopenia.domain.results import Compartment


def completed_share(share: Tensor, known: Tensor, probability: Tensor) -> Tensor:
    """Shares (n, 5, y, x) that sum to the known part (n, 1, y, x), given the network's probabilities (n, 5, y, x).

    Shares that do so already stay as they are; no gradient flows through what is filled in.
    """
    missing = (known - share.sum(1, keepdim=True)).clamp(min=0)
    others = probability.detach().clone()
    others[:, Compartment.MUSCLE_WALL] = 0
    return share + missing * others / others.sum(1, keepdim=True).clamp(min=torch.finfo(others.dtype).tiny)
