"""cf = a T(F) + (1 - a) F, by hand."""

from __future__ import annotations

import numpy as np
import torch
from torch import nn

from tricue.model.counterfactual import CounterfactualFeatures
from tricue.types import CUES


def test_counterfactual_is_the_mixture_of_the_seed() -> None:
    torch.manual_seed(0)
    block = CounterfactualFeatures(CUES, 6, 0.12, 0.3).double().eval()
    shares = {"text": 0.12, "audio": 0.5, "video": 0.9}
    with torch.no_grad():
        for cue in CUES:
            np.testing.assert_allclose(1 / (1 + np.exp(-block.logit[cue].item())), 0.12, atol=1e-6)
            block.logit[cue].fill_(np.log(shares[cue] / (1 - shares[cue])))
    features = {cue: torch.randn(2, 3, 6, dtype=torch.float64) for cue in CUES}
    got = block(features)
    for cue in CUES:
        f = features[cue]
        t = block.transform[cue](f)
        want = shares[cue] * t + (1 - shares[cue]) * f
        torch.testing.assert_close(got[cue], want, atol=1e-6, rtol=1e-6)


def test_only_the_cues_at_hand_are_returned() -> None:
    block = CounterfactualFeatures(CUES, 6, 0.12, 0.3).eval()
    assert set(block({"audio": torch.randn(1, 2, 6)})) == {"audio"}


def test_the_shares_are_learned() -> None:
    torch.manual_seed(0)
    block = CounterfactualFeatures(("text",), 6, 0.12, 0.0)
    assert isinstance(block.logit["text"], nn.Parameter) and block.logit["text"].numel() == 1
    block({"text": torch.randn(2, 3, 6)})["text"].square().sum().backward()
    grad = block.logit["text"].grad
    assert grad is not None and grad.abs().item() > 0
