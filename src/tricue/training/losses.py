"""The losses of the three phases: plain tensors and numbers in, a scalar out (design.md, section 5)."""

from __future__ import annotations

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
    logits: torch.Tensor, labels: torch.Tensor, weights: torch.Tensor, gamma: float
) -> torch.Tensor:
    """sum_i w_i (1 - p_i)^gamma (-log p_i) / sum_i w_i, p_i the unweighted probability of the true class.

    logits (B, C), labels (B,), class weights (C,). gamma 0 is exactly weighted cross-entropy
    (Lin et al., 2017, "Focal Loss", eq. 4).
    """
    log_p = F.log_softmax(logits.float(), dim=-1).gather(1, labels[:, None]).squeeze(1)
    row_weights = weights[labels]
    # 1 - p as -expm1(log p): exact where p is near 1, and the power's gradient stays finite at p = 1
    miss = (-torch.expm1(log_p)).clamp_min(torch.finfo(log_p.dtype).tiny)
    return -(row_weights * miss**gamma * log_p).sum() / row_weights.sum()


class AlignmentQueue:
    """The last `size` detached counterfactual rows with their labels: further partners, no gradient."""

    def __init__(self, size: int, width: int, device: torch.device | str = "cpu") -> None:
        self.size = size
        self.h_cf = torch.empty(0, width, device=device)
        self.labels = torch.empty(0, dtype=torch.long, device=device)

    def push(self, h_cf: torch.Tensor, labels: torch.Tensor) -> None:
        self.h_cf = torch.cat([self.h_cf, h_cf.detach().float()])[-self.size :]
        self.labels = torch.cat([self.labels, labels])[-self.size :]


def alignment_loss(
    h_org: torch.Tensor,
    h_cf: torch.Tensor,
    labels: torch.Tensor,
    form: str,
    temperature: float,
    margin: float,
    queue: AlignmentQueue | None = None,
) -> torch.Tensor:
    """Pull each row's H (B, d) to the counterfactual H of its class, push it from the others (seed.md, section 5).

    S_ij = <H_i, Hcf_j> / tau on L2-normalised rows; Pos(i) the rows of i's class, its own counterfactual among
    them; Neg(i) the others. In log space the seed's formula is mean_i softplus(N_i - P_i), with P_i over S_ij and
    N_i over max(S_ik + m, 0):
        `seed`    literal sums; N_i = 0 where Neg(i) is empty
        `mean`    means instead of sums, so that the loss does not grow with the batch
        `supcon`  supervised contrastive (Khosla et al., 2020, eq. 2), without the margin
    In the last two a row with an empty Neg(i) is left out; with no row left the loss is 0. Always float32.
    """
    keys, key_labels = h_cf.float(), labels
    if queue is not None and len(queue.labels):
        keys = torch.cat([keys, queue.h_cf])
        key_labels = torch.cat([labels, queue.labels])
    similarity = F.normalize(h_org.float(), dim=-1) @ F.normalize(keys, dim=-1).T / temperature
    positive = labels[:, None] == key_labels[None, :]
    negative = ~positive
    if form == "supcon":
        rows = (similarity.logsumexp(dim=1, keepdim=True) - similarity).mul(positive).sum(1) / positive.sum(1)
    else:
        p = similarity.mul(positive).sum(dim=1)
        n = (similarity + margin).clamp_min(0).mul(negative).sum(dim=1)
        if form == "mean":
            p, n = p / positive.sum(dim=1), n / negative.sum(dim=1).clamp_min(1)
        elif form != "seed":
            raise ValueError(f"No alignment loss called {form!r}; known: mean, seed, supcon.")
        rows = F.softplus(n - p)
    if form == "seed":
        return rows.mean()
    counted = negative.any(dim=1)
    return rows.mul(counted).sum() / counted.sum().clamp_min(1)


def intention_loss(
    logits_intention: torch.Tensor,
    logits: torch.Tensor,
    labels: torch.Tensor,
    confidence: float,
    smoothing: float,
) -> torch.Tensor:
    """Cross-entropy with label smoothing of the intention predictor (B, C) against the true labels (B,).

    Only rows where the classifier's confidence (detached) is above `confidence`, each weighted by it and
    divided by the sum of the weights; 0 if there is none.
    """
    sure = logits.detach().float().softmax(dim=-1).amax(dim=-1)
    weights = torch.where(sure > confidence, sure, 0.0)
    rows = F.cross_entropy(logits_intention.float(), labels, reduction="none", label_smoothing=smoothing)
    total = weights.sum()
    return (rows * weights).sum() / torch.where(total > 0, total, 1.0)


def change_penalty(h_org: torch.Tensor, h_cf: torch.Tensor) -> torch.Tensor:
    """Mean over the rows of |H_cf - H_org|_2: keeps the counterfactual change minimal."""
    return torch.linalg.vector_norm(h_cf.float() - h_org.float(), dim=-1).mean()
