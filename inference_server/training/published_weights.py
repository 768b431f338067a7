"""Weights to start a training from: a published ONNX file, or the ``.pt`` file of a run.

Published files keep the names of the torch module (`inference_server.publish`), so they are read by name. A student
holds one encoder and a decoder for each head; a member starts from the encoder and one of the decoders.
"""

from pathlib import Path
from typing import Final

import torch
from torch import Tensor, nn

from inference_server.publish import published_state
from inference_server.training.networks import CompartmentNet, SpineNet
from sarcopenia.domain.errors import SettingsError

SERVED_PREFIX: Final = "network."
"""Every served module holds the trained network under this name."""
_HEAD_PARTS: Final = {"upcat_2.": "body.upcat_2.", "upcat_1.": "body.upcat_1.", "answer.": "body.final_conv."}
"""Parts of a student's head and where a member has them."""


def write_member_start(source: Path, target: Path) -> Path:
    """Write the start of a member of `body_compartments`, from a teacher, a student or a member.

    Raises
    ------
    SettingsError: the file holds another network, or was published without the names of its weights.
    """
    return _write(CompartmentNet(), _as_member(_read(source)), source, target)


def write_spine_start(source: Path, target: Path) -> Path:
    """Write the start of `spine_level`.

    Raises
    ------
    SettingsError: the file holds another network, or was published without the names of its weights.
    """
    return _write(SpineNet(), _read(source), source, target)


def _read(source: Path) -> dict[str, Tensor]:
    if source.suffix == ".onnx":
        return {key.removeprefix(SERVED_PREFIX): value for key, value in published_state(source).items()}
    try:
        state = torch.load(source, weights_only=True, map_location="cpu")
    except Exception as error:  # torch raises many things on files of another kind
        raise SettingsError(f"{source} cannot be read as weights.") from error
    return dict(state)


def _as_member(state: dict[str, Tensor]) -> dict[str, Tensor]:
    first_member = {
        key.removeprefix("members.0."): value for key, value in state.items() if key.startswith("members.0.")
    }
    if first_member:
        return first_member
    member = {key: value for key, value in state.items() if not key.startswith("heads.")}
    for part, place in _HEAD_PARTS.items():
        head = f"heads.0.{part}"
        member |= {place + key.removeprefix(head): value for key, value in state.items() if key.startswith(head)}
    return member


def _write(network: nn.Module, state: dict[str, Tensor], source: Path, target: Path) -> Path:
    """Counters of batch norms are not published and start anew; everything else must be there."""
    own = network.state_dict()
    needed = {key for key in own if not key.endswith("num_batches_tracked")}
    missing = {key for key in needed if key not in state or state[key].shape != own[key].shape}
    if missing:
        raise SettingsError(
            f"{source} does not hold this network by name: {len(missing)} of {len(needed)} weights are missing.",
            "Start from weights that this version has trained or published.",
        )
    target.parent.mkdir(parents=True, exist_ok=True)
    torch.save(own | {key: state[key] for key in needed}, target)
    return target
