"""The linear path against its formula in numpy; from zero it changes nothing, and it is the same in H_cf as in H."""

from __future__ import annotations

import numpy as np
import torch

from tricue.config import load_config
from tricue.model.linear import LinearPath
from tricue.model.network import Network
from tricue.types import Batch


def batch() -> Batch:
    torch.manual_seed(1)
    steps = torch.tensor([[True, True, True], [True, False, False]])
    nobody = torch.tensor([[True], [False]])  # row 1 has no video
    values = {"audio": torch.randn(2, 3, 6), "video": torch.randn(2, 1, 4)}
    return Batch(["a", "b"], values, {"audio": steps, "video": nobody})  # type: ignore[arg-type]


def test_is_the_mean_over_valid_steps_times_a_matrix_summed_over_the_cues_at_hand() -> None:
    given = batch()
    path = LinearPath({"audio": 6, "video": 4}, 5)
    x = {cue: values * given.masks[cue].unsqueeze(-1) for cue, values in given.values.items()}
    heard, seen = (path.maps[cue].weight.detach().numpy().T for cue in ("audio", "video"))
    audio, video = x["audio"].numpy(), x["video"].numpy()
    expected = np.stack([audio[0].mean(0) @ heard + video[0, 0] @ seen, audio[1, 0] @ heard])
    np.testing.assert_allclose(path(x, given.masks).detach().numpy(), expected, atol=1e-6)


def test_starts_at_zero_and_adds_the_same_to_h_and_its_counterfactual() -> None:
    small = {"modalities": ["audio", "video"], "model.width": 16, "model.bilstm_layers": 1}
    made = []
    for linear in (False, True):
        torch.manual_seed(0)
        config = load_config(None, small | {"model.linear_path": linear})
        made.append(Network.from_config(config, {"audio": (6,), "video": (4,)}, 3).eval())
    plain, with_path = made
    with_path.load_state_dict(plain.state_dict(), strict=False)
    before = with_path(batch(), counterfactual=True)
    torch.testing.assert_close(before.h_org, plain(batch()).h_org)
    path = with_path.linear_path
    assert path is not None
    for mapping in path.maps.children():
        torch.nn.init.normal_(mapping.get_parameter("weight"))
    after = with_path(batch(), counterfactual=True)
    torch.testing.assert_close(after.h_org - before.h_org, after.h_cf - before.h_cf)
    assert (after.h_org - before.h_org).abs().min(dim=1).values.max() > 1e-3
