"""What a training run keeps on disk: checkpoint to resume from, averaged weights, a CSV log."""

import csv
import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import torch
from rich.progress import track
from torch import nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

Network = TypeVar("Network", bound=nn.Module)
EMA_DECAY = 0.995
CHECKPOINT_STEPS = 250
LOG_STEPS = 50
WARM_UP_STEPS = 60


@dataclass(frozen=True)
class RunFiles:
    """Files of one run in its folder."""

    folder: Path

    @property
    def checkpoint(self) -> Path:
        """Weights, optimiser and step, to go on from."""
        return self.folder / "checkpoint.pt"

    @property
    def weights(self) -> Path:
        """Averaged weights, the result."""
        return self.folder / "weights.pt"

    def member(self, cycle: int) -> Path:
        """Averaged weights at the end of a cycle, a member of the ensemble."""
        return self.folder / f"cycle{cycle}.pt"

    @property
    def log(self) -> Path:
        """One CSV row per logged step."""
        return self.folder / "log.csv"

    def append_log(self, row: dict[str, float]) -> None:
        """Add a row; the first row writes the header."""
        new = not self.log.exists()
        with self.log.open("a", newline="") as stream:
            writer = csv.DictWriter(stream, fieldnames=list(row))
            if new:
                writer.writeheader()
            writer.writerow({key: f"{value:.5g}" for key, value in row.items()})


def cosine_cycles(ends: tuple[int, ...]) -> Callable[[int], float]:
    """Factor of the learning rate: a short warm-up and a cosine to zero in each cycle (SGDR, Loshchilov 2017).

    ``ends`` are the steps at which the cycles end; the weights there are a snapshot ensemble (Huang 2017).
    """

    def factor(step: int) -> float:
        cycle = min(sum(step >= end for end in ends), len(ends) - 1)
        start = ends[cycle - 1] if cycle else 0
        done = min((step - start) / (ends[cycle] - start), 1.0)
        return min((step - start + 1) / WARM_UP_STEPS, 1.0) * 0.5 * (1 + math.cos(math.pi * done))

    return factor


def warming_average(average: list[torch.Tensor], current: list[torch.Tensor], updates: torch.Tensor | int) -> None:
    """Exponential moving average whose memory grows with the run, so that a short one is not held back by its start."""
    count = int(updates)
    get_ema_multi_avg_fn(min(EMA_DECAY, (1 + count) / (10 + count)))(average, current, updates)


def on_device(network: Network) -> tuple[torch.device, Network]:
    """The network where it trains fastest: on the GPU, compiled, when there is one; channels last on both."""
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    placed = network.to(device, memory_format=torch.channels_last)
    if device.type == "cuda":
        placed.compile()
    return device, placed


class TrainingState:
    """Network, optimiser, learning-rate schedule and weight average of one run, resumable from its folder.

    ``cycle_ends`` are the steps at which the learning rate has come down to zero; the last is the end of the run.
    """

    def __init__(self, network: nn.Module, learning_rate: float, cycle_ends: tuple[int, ...], folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.files = RunFiles(folder)
        self.network = network
        self.average = AveragedModel(network, multi_avg_fn=warming_average, use_buffers=True)
        self.optimizer = torch.optim.AdamW(network.parameters(), lr=learning_rate, weight_decay=1e-2)
        self.schedule = torch.optim.lr_scheduler.LambdaLR(self.optimizer, cosine_cycles(cycle_ends))
        self.cycle_ends = cycle_ends
        self.step = 0
        if self.files.checkpoint.exists():
            self._resume()

    @property
    def cycle(self) -> int:
        """Number of the cycle that the next step belongs to."""
        return sum(self.step >= end for end in self.cycle_ends)

    def run(self, loss_of_step: Callable[[], torch.Tensor], description: str) -> Path:
        """Train to the end with a progress bar and a log; returns the file of the averaged weights."""
        self.network.train()
        for step in track(range(self.step, self.cycle_ends[-1]), description=description):
            rate = self.schedule.get_last_lr()[0]
            loss = loss_of_step()
            self.advance(loss)
            if step % LOG_STEPS == 0:
                self.files.append_log({"step": step, "loss": float(loss.detach()), "rate": rate})
        self.save()
        return self.files.weights

    def _parts(self) -> dict[str, object]:
        return {
            "network": self.network,
            "average": self.average,
            "optimizer": self.optimizer,
            "schedule": self.schedule,
        }

    def _resume(self) -> None:
        saved = torch.load(self.files.checkpoint, weights_only=True)
        for name, part in self._parts().items():
            part.load_state_dict(saved[name])
        self.step = saved["step"]

    def advance(self, loss: torch.Tensor) -> None:
        """One optimiser step on a loss."""
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(self.network.parameters(), 5.0)
        self.optimizer.step()
        self.schedule.step()
        self.average.update_parameters(self.network)
        self.step += 1
        if self.step in self.cycle_ends:
            _save(self.average.module.state_dict(), self.files.member(self.cycle - 1))
        if self.step % CHECKPOINT_STEPS == 0:
            self.save()

    def save(self) -> None:
        """Write the checkpoint and the averaged weights."""
        state = {name: part.state_dict() for name, part in self._parts().items()} | {"step": self.step}
        _save(state, self.files.checkpoint)
        _save(self.average.module.state_dict(), self.files.weights)


def _save(content: object, path: Path) -> None:
    """Write a file whole or not at all."""
    temporary = path.with_suffix(".tmp")
    torch.save(content, temporary)
    temporary.replace(path)
