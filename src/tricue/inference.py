"""Reading logits off a network, row by row of a set of examples."""

from __future__ import annotations

from typing import Any, Protocol

import torch

from tricue.training.batches import Examples, reading_plan, row_lengths
from tricue.types import Batch, Cue


class HasLogits(Protocol):
    @property
    def logits(self) -> torch.Tensor: ...  # (B, C)


class Predictor(Protocol):
    """What logits are read off: `Network`, or what stands in its place (export/onnx_network.py)."""

    cues: list[Cue]

    @property
    def classes(self) -> int: ...

    def eval(self) -> Any: ...

    def __call__(self, batch: Batch, /) -> HasLogits: ...


@torch.no_grad()
def read_logits(
    network: Predictor, examples: Examples, batch_size: int, device: str | torch.device
) -> torch.Tensor:
    """Logits (N, C) float32 on the CPU, in the order of the rows; the batch size changes speed, never results."""
    network.eval()
    logits = torch.empty(len(examples), network.classes)
    for rows in reading_plan(row_lengths(examples), batch_size):
        logits[rows] = network(examples.batch(rows).to(device)).logits.float().cpu()
    return logits
