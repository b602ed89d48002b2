"""The running average of the weights: what val scores and what a checkpoint holds."""

from collections.abc import Sequence

import torch
from torch.optim.swa_utils import AveragedModel

from tricue.model.network import Network


def running_average(network: Network, decay: float) -> AveragedModel:
    """A copy of the network whose weights follow its own: w <- d w + (1 - d) w_step, d at most `decay`.

    Over the first steps d is (1 + n) / (10 + n), n the steps so far, so that the first weights, which are drawn, are
    soon forgotten (Izmailov et al., 2018, "Averaging weights leads to wider optima"; the ramp is TensorFlow's
    ExponentialMovingAverage). decay 0 is the network itself.
    """

    def follow(averages: Sequence[torch.Tensor], weights: Sequence[torch.Tensor], done: torch.Tensor | int) -> None:
        steps = int(done)
        torch._foreach_lerp_(list(averages), list(weights), 1.0 - min(decay, (1 + steps) / (10 + steps)))

    return AveragedModel(network, multi_avg_fn=follow)
