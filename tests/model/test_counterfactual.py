"""cf = a T(F) + (1 - a) F, by hand."""

import numpy as np
import torch
from torch import nn

from tricue.model.counterfactual import CounterfactualFeatures
from tricue.registry import MODALITIES


def test_counterfactual_is_the_mixture_of_the_seed() -> None:
    torch.manual_seed(0)
    block = CounterfactualFeatures(MODALITIES, 6, 0.12).double().eval()
    shares = {"text": 0.12, "audio": 0.5, "video": 0.9}
    with torch.no_grad():
        for modality in MODALITIES:
            np.testing.assert_allclose(1 / (1 + np.exp(-block.logit[modality].item())), 0.12, atol=1e-6)
            block.logit[modality].fill_(np.log(shares[modality] / (1 - shares[modality])))
    features = {modality: torch.randn(2, 6, dtype=torch.float64) for modality in MODALITIES}
    got = block(features)
    for modality in MODALITIES:
        f = features[modality]
        t = block.transform[modality](f)
        want = shares[modality] * t + (1 - shares[modality]) * f
        torch.testing.assert_close(got[modality], want, atol=1e-6, rtol=1e-6)


def test_only_the_modalities_at_hand_are_returned() -> None:
    block = CounterfactualFeatures(MODALITIES, 6, 0.12).eval()
    assert set(block({"audio": torch.randn(1, 6)})) == {"audio"}


def test_the_shares_are_learned() -> None:
    torch.manual_seed(0)
    block = CounterfactualFeatures(("text",), 6, 0.12)
    assert isinstance(block.logit["text"], nn.Parameter) and block.logit["text"].numel() == 1
    block({"text": torch.randn(2, 6)})["text"].square().sum().backward()
    grad = block.logit["text"].grad
    assert grad is not None and grad.abs().item() > 0
