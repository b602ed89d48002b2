"""The losses that phases 2 and 3 add whatever the task: plain tensors and numbers in, a scalar out."""

import torch
import torch.nn.functional as F


def alignment_loss(
    h_org: torch.Tensor, h_cf: torch.Tensor, positive: torch.Tensor, form: str, temperature: float, margin: float
) -> torch.Tensor:
    """Pull each row's H (B, d) to the counterfactual H of its class, push it from the others.

    S_ij = <H_i, Hcf_j> / tau on L2-normalised rows; Pos(i) the rows of i's class, its own counterfactual among
    them; Neg(i) the others. In log space the seed's formula is mean_i softplus(N_i - P_i), with P_i over S_ij and
    N_i over max(S_ik + m, 0):
        `seed`    literal sums; N_i = 0 where Neg(i) is empty
        `mean`    means instead of sums, so that the loss does not grow with the batch
        `supcon`  supervised contrastive (Khosla et al., 2020, eq. 2), without the margin
    In the last two a row with an empty Neg(i) is left out; with no row left the loss is 0. Always float32.
    positive: (B, B) bool, which rows are "of one class", a row with itself always.
    """
    similarity = F.normalize(h_org.float(), dim=-1) @ F.normalize(h_cf.float(), dim=-1).T / temperature
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


def change_penalty(h_org: torch.Tensor, h_cf: torch.Tensor) -> torch.Tensor:
    """Mean over the rows of |H_cf - H_org|_2: keeps the counterfactual change minimal."""
    return torch.linalg.vector_norm(h_cf.float() - h_org.float(), dim=-1).mean()
