"""Reading logits off a network, row by row of a set of examples."""

from __future__ import annotations

import torch

from tricue.model.network import Network
from tricue.training.batches import Examples, reading_plan, row_lengths


@torch.no_grad()
def read_logits(
    network: Network, examples: Examples, batch_size: int, device: str | torch.device
) -> torch.Tensor:
    """Logits (N, C) float32 on the CPU, in the order of the rows; the batch size changes speed, never results."""
    network.eval()
    logits = torch.empty(len(examples), network.classifier.out_features)
    for rows in reading_plan(row_lengths(examples), batch_size):
        logits[rows] = network(examples.batch(rows).to(device)).logits.float().cpu()
    return logits
