"""Reading logits off a network, row by row of a set of examples."""

from collections.abc import Callable
from typing import Any, Protocol

import torch

from tricue.prediction.batches import Examples, reading_plan, row_lengths
from tricue.types import Batch, ModalityName


class HasLogits(Protocol):
    @property
    def logits(self) -> torch.Tensor: ...  # (B, C)


class Predictor(Protocol):
    """What logits are read off: `Network`, or what stands in its place (export/onnx_network.py)."""

    modalities: list[ModalityName]

    @property
    def outputs(self) -> int: ...

    def eval(self) -> Any: ...

    def __call__(self, batch: Batch, /) -> HasLogits: ...


Reader = Callable[[Any, Examples, int, str | torch.device], torch.Tensor]  # as `read_logits`


@torch.inference_mode()
def read_logits(network: Predictor, examples: Examples, batch_size: int, device: str | torch.device) -> torch.Tensor:
    """Outputs (N, O) float32 on the CPU, in the order of the rows; the batch size changes speed, never results."""
    if getattr(network, "training", True):  # to go through all its modules takes longer than some of them
        network.eval()
    logits = torch.empty(len(examples), network.outputs)
    for rows in reading_plan(row_lengths(examples), batch_size):
        logits[rows] = network(examples.batch(rows).to(device)).logits.float().cpu()
    return logits
