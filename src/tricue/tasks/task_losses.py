"""Losses of the tasks: plain tensors and numbers in, a scalar out.

Legend: B rows, C classes, K targets.
"""

import torch
import torch.nn.functional as F


def class_weights(counts: torch.Tensor, scheme: str) -> torch.Tensor:
    """Weights (C,) of mean 1 from the training counts (C,); a class without rows gets 1.

    `none`; `sqrt` and `inverse` of the frequency; `effective` number of samples with
    beta = 1 - 1/N (Cui et al., 2019, "Class-Balanced Loss", eq. 2).
    """
    counts = counts.double()
    if scheme == "none":
        weights = torch.ones_like(counts)
    elif scheme == "sqrt":
        weights = counts.rsqrt()
    elif scheme == "inverse":
        weights = counts.reciprocal()
    elif scheme == "effective":
        beta = 1 - 1 / counts.sum()
        weights = (1 - beta) / (1 - beta**counts)
    else:
        raise ValueError(f"No class weights called {scheme!r}; known: none, sqrt, inverse, effective.")
    met = counts > 0
    return torch.where(met, weights / weights[met].mean(), 1.0).float()


def focal_loss(
    logits: torch.Tensor, shares: torch.Tensor, weights: torch.Tensor, gamma: float, smoothing: float = 0.0
) -> torch.Tensor:
    """sum_ic s_ic w_c (1 - p_ic)^gamma (-log p_ic) / sum_ic s_ic w_c, p the unweighted probabilities.

    logits (B, C), class weights (C,); shares s (B, C) of a row's classes, one-hot where it has one. gamma 0 is weighted
    cross-entropy (Lin et al., 2017, "Focal Loss", eq. 4). smoothing: the part of each row's share that all classes
    get alike.
    """
    log_p = F.log_softmax(logits.float(), dim=-1)
    row_weights = torch.lerp(shares, torch.full_like(shares, 1 / shares.shape[1]), smoothing) * weights
    return -(row_weights * _miss(log_p) ** gamma * log_p).sum() / row_weights.sum()


def label_focal_loss(logits: torch.Tensor, labels: torch.Tensor, weights: torch.Tensor, gamma: float) -> torch.Tensor:
    """Focal binary cross-entropy, each class by itself; gamma 0 is weighted binary cross-entropy.

    logits and labels (B, C), class weights (C,). Divided by the sum of the weights.
    """
    log_p = F.logsigmoid(torch.where(labels > 0.5, logits, -logits).float())
    return -(weights * _miss(log_p) ** gamma * log_p).sum() / (weights.sum() * len(logits))


def _miss(log_p: torch.Tensor) -> torch.Tensor:
    """1 - p as -expm1(log p): exact where p is near 1, and the power's gradient stays finite at p = 1."""
    return (-torch.expm1(log_p)).clamp_min(torch.finfo(log_p.dtype).tiny)


def concordance_loss(values: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    """1 - CCC of each target over the rows of the batch (Lin, 1989), their mean; values and targets (B, K).

    A small constant in the denominator keeps the gradient finite where a batch has one row, or rows that are alike.
    """
    values, targets = values.float(), targets.float()
    mean_v, mean_t = values.mean(dim=0), targets.mean(dim=0)
    v, t = values - mean_v, targets - mean_t
    spread = (v * v).mean(dim=0) + (t * t).mean(dim=0) + (mean_v - mean_t) ** 2
    return (1 - 2 * (v * t).mean(dim=0) / (spread + 1e-4)).mean()


def weighted_mean(rows: torch.Tensor, weights: torch.Tensor) -> torch.Tensor:
    """sum(w x) / sum(w); 0 where no weight is above 0."""
    total = weights.sum()
    return (rows * weights).sum() / torch.where(total > 0, total, 1.0)


def intention_loss(
    logits_intention: torch.Tensor, logits: torch.Tensor, labels: torch.Tensor, confidence: float, smoothing: float
) -> torch.Tensor:
    """Cross-entropy with label smoothing of the intention predictor (B, C) against the true labels.

    labels: class numbers (B,), or shares (B, C). Only rows where the classifier's confidence (detached) is above
    `confidence`, each weighted by it and divided by the sum of the weights; 0 if there is none.
    """
    sure = logits.detach().float().softmax(dim=-1).amax(dim=-1)
    rows = F.cross_entropy(logits_intention.float(), labels, reduction="none", label_smoothing=smoothing)
    return weighted_mean(rows, torch.where(sure > confidence, sure, 0.0))


def label_intention_loss(
    logits_intention: torch.Tensor, logits: torch.Tensor, labels: torch.Tensor, confidence: float, smoothing: float
) -> torch.Tensor:
    """`intention_loss` with each class by itself: binary cross-entropy on the classes that the classifier is sure of.

    All (B, C). The confidence in a class is max(p, 1 - p).
    """
    p = logits.detach().float().sigmoid()
    sure = torch.maximum(p, 1 - p)
    smoothed = labels * (1 - smoothing) + smoothing / 2
    cells = F.binary_cross_entropy_with_logits(logits_intention.float(), smoothed, reduction="none")
    return weighted_mean(cells, torch.where(sure > confidence, sure, 0.0))


def value_intention_loss(
    values_intention: torch.Tensor, values: torch.Tensor, targets: torch.Tensor, nearest: float
) -> torch.Tensor:
    """Huber loss of the intention predictor on the rows whose value (detached) is already near the target.

    All (B, K), in deviations of the targets. Near: a mean absolute error below `nearest`; the nearer a row, the more it
    counts. 0 if there is none.
    """
    error = (values.detach().float() - targets).abs().mean(dim=1)
    rows = F.smooth_l1_loss(values_intention.float(), targets, reduction="none").mean(dim=1)
    return weighted_mean(rows, (1 - error / nearest).clamp_min(0.0))
