"""Cross-modal attention against softmax(Q K^T / sqrt(256)) V, written in float64 numpy."""

from __future__ import annotations

from itertools import permutations
from typing import Any

import numpy as np
import pytest
import torch

from tricue.model.fusion import CrossModalAttention
from tricue.types import CUES, Cue

Tensors = dict[Cue, torch.Tensor]
STEPS: dict[Cue, int] = {"text": 4, "audio": 6, "video": 3}
LENGTHS: dict[Cue, list[int]] = {"text": [4, 2, 1], "audio": [3, 6, 5], "video": [3, 1, 2]}


def masks_of(lengths: dict[Cue, list[int]]) -> Tensors:
    return {cue: torch.arange(STEPS[cue])[None] < torch.tensor(lengths[cue])[:, None] for cue in lengths}


def random_features(width: int, cues: tuple[Cue, ...] = CUES) -> Tensors:
    return {cue: torch.randn(3, STEPS[cue], width, dtype=torch.float64) for cue in cues}


def block(
    width: int, in_width: int = 12, cues: tuple[Cue, ...] = CUES, heads: int = 1, attends: bool = True
) -> CrossModalAttention:
    torch.manual_seed(0)
    made = CrossModalAttention(cues, in_width, width, heads, attends).double().eval()
    with torch.no_grad():
        for name, parameter in made.named_parameters():  # no neutral starts: a forgotten part must show
            if "absent" in name or "norm" in name:
                parameter.uniform_(-1.0, 1.0)
    return made


def affine(layer: Any, x: np.ndarray) -> np.ndarray:
    bias = 0.0 if layer.bias is None else layer.bias.detach().numpy()
    return x @ layer.weight.detach().numpy().T + bias


def attended(
    made: CrossModalAttention, query: Cue, key: Cue, own: np.ndarray, other: np.ndarray
) -> np.ndarray:
    """A(query -> key) of one row, valid steps only: softmax(Q K^T / sqrt(width)) V."""
    q, k, v = affine(made.query[query], own), affine(made.key[key], other), affine(made.value[key], other)
    scores = q @ k.T / np.sqrt(q.shape[-1])
    powers = np.exp(scores - scores.max(axis=1, keepdims=True))
    return powers / powers.sum(axis=1, keepdims=True) @ v


def naive_enhanced(
    made: CrossModalAttention,
    features: Tensors,
    lengths: dict[Cue, list[int]],
    cue: Cue,
    row: int,
    cues: tuple[Cue, ...] = CUES,
) -> np.ndarray:
    """Own projection, then each other cue's slot in the order text, audio, video; Linear; LayerNorm."""
    projected = {
        c: affine(made.project[c], features[c][row, : lengths[c][row]].numpy())
        for c in cues
        if c in features and lengths[c][row]
    }
    own = projected[cue]
    slots = [own]
    for other in cues:
        if other == cue:
            continue
        if other in projected:
            slots.append(attended(made, cue, other, own, projected[other]))
        else:
            vector = made.absent[f"{cue}_from_{other}"].detach().numpy()
            slots.append(np.tile(vector, (len(own), 1)))
    z = affine(made.standardise[cue], np.concatenate(slots, axis=1))
    norm: Any = made.norm[cue]
    z = (z - z.mean(1, keepdims=True)) / np.sqrt(z.var(1, keepdims=True) + norm.eps)
    return z * norm.weight.detach().numpy() + norm.bias.detach().numpy()


@pytest.mark.parametrize(("query", "key"), list(permutations(CUES, 2)))
def test_one_head_at_width_256_is_the_seeds_formula(query: Cue, key: Cue) -> None:
    made = block(256)
    projected = random_features(256)
    got = made.attend(query, key, projected, masks_of(LENGTHS)).detach().numpy()
    assert got.shape == (3, STEPS[query], 256)
    for row in range(3):
        own = projected[query][row, : LENGTHS[query][row]].numpy()
        other = projected[key][row, : LENGTHS[key][row]].numpy()
        q, k, v = affine(made.query[query], own), affine(made.key[key], other), affine(made.value[key], other)
        powers = np.exp(q @ k.T / np.sqrt(256))
        want = powers / powers.sum(axis=1, keepdims=True) @ v
        np.testing.assert_allclose(got[row, : len(own)], want, atol=1e-6)


def test_query_key_and_value_have_no_bias_and_belong_to_the_cue() -> None:
    made = block(16)
    for part in (made.query, made.key, made.value):
        assert set(part.keys()) == set(CUES)  # one per modality, shared by its pairs
        assert all(part[cue].bias is None for cue in CUES)
    assert {name for name, _ in made.absent.items()} == {f"{a}_from_{b}" for a, b in permutations(CUES, 2)}


def test_enhanced_features_of_three_cues() -> None:
    made = block(16)
    features = random_features(12)
    enhanced = made(features, masks_of(LENGTHS))
    for cue in CUES:
        assert enhanced[cue].shape == (3, STEPS[cue], 16)
        for row in range(3):
            want = naive_enhanced(made, features, LENGTHS, cue, row)
            got = enhanced[cue][row, : LENGTHS[cue][row]].detach().numpy()
            np.testing.assert_allclose(got, want, atol=1e-6)


@pytest.mark.parametrize("absent", CUES)
def test_an_absent_partner_leaves_its_learned_vector_in_the_slot(absent: Cue) -> None:
    """In one row only (mask all False), and in the whole batch (no key): the slot is the same."""
    made = block(16)
    features = random_features(12)
    lengths = {cue: list(steps) for cue, steps in LENGTHS.items()}
    lengths[absent][1] = 0
    enhanced = made(features, masks_of(lengths))
    left: Tensors = {cue: x for cue, x in features.items() if cue != absent}
    without = made(left, {cue: mask for cue, mask in masks_of(LENGTHS).items() if cue != absent})
    for cue in left:
        for row in range(3):
            steps = LENGTHS[cue][row]
            want = naive_enhanced(made, features, lengths, cue, row)
            np.testing.assert_allclose(enhanced[cue][row, :steps].detach().numpy(), want, atol=1e-6)
            want = naive_enhanced(made, left, LENGTHS, cue, row)
            np.testing.assert_allclose(without[cue][row, :steps].detach().numpy(), want, atol=1e-6)


def test_a_network_of_two_cues_has_two_slots() -> None:
    cues: tuple[Cue, ...] = ("text", "video")
    made = block(16, cues=cues)
    assert made.standardise["text"].in_features == 32
    features = random_features(12, cues)
    enhanced = made(features, {cue: mask for cue, mask in masks_of(LENGTHS).items() if cue in cues})
    for cue in cues:
        want = naive_enhanced(made, features, LENGTHS, cue, 0, cues)
        np.testing.assert_allclose(enhanced[cue][0, : LENGTHS[cue][0]].detach().numpy(), want, atol=1e-6)


def test_several_heads_split_the_width() -> None:
    """Each head is the one-head formula on its slice of the width, scaled by the slice's size."""
    made = block(16, heads=2)
    projected = random_features(16)
    got = made.attend("text", "audio", projected, masks_of(LENGTHS)).detach().numpy()
    own = projected["text"][0, : LENGTHS["text"][0]].numpy()
    other = projected["audio"][0, : LENGTHS["audio"][0]].numpy()
    q, k, v = (
        affine(made.query["text"], own),
        affine(made.key["audio"], other),
        affine(made.value["audio"], other),
    )
    want = []
    for head in (slice(0, 8), slice(8, 16)):
        powers = np.exp(q[:, head] @ k[:, head].T / np.sqrt(8))
        want.append(powers / powers.sum(axis=1, keepdims=True) @ v[:, head])
    np.testing.assert_allclose(got[0, : len(own)], np.concatenate(want, axis=1), atol=1e-6)


def test_without_attention_no_cue_depends_on_another() -> None:
    """Whatever another cue says, and whether it is there at all: H = norm(standardise(project(x)))."""
    made = block(16, attends=False)
    features, masks = random_features(12), masks_of(LENGTHS)
    enhanced = made(features, masks)
    for cue in CUES:
        want = made.norm[cue](made.standardise[cue](made.project[cue](features[cue])))
        assert torch.equal(enhanced[cue], want)
        others = {other: x if other == cue else torch.randn_like(x) for other, x in features.items()}
        assert torch.equal(made(others, masks)[cue], enhanced[cue])
        assert torch.equal(made({cue: features[cue]}, {cue: masks[cue]})[cue], enhanced[cue])
        assert not torch.equal(block(16)(others, masks)[cue], block(16)(features, masks)[cue])


@pytest.mark.parametrize("cues", [CUES, ("text", "video"), ("audio",)])
def test_without_attention_what_it_needs_is_gone(cues: tuple[Cue, ...]) -> None:
    attends, alone = block(16, cues=cues).state_dict(), block(16, cues=cues, attends=False).state_dict()
    own = ("query.", "key.", "value.", "absent.")
    assert set(alone) == {name for name in attends if not name.startswith(own)}
    for cue in cues:
        assert alone[f"standardise.{cue}.weight"].shape == (16, 16)
        assert attends[f"standardise.{cue}.weight"].shape == (16, 16 * len(cues))


def test_a_single_cue_is_the_same_with_attention_and_without() -> None:
    features = random_features(12, ("audio",))
    masks = {"audio": masks_of(LENGTHS)["audio"]}
    attends, alone = block(16, cues=("audio",)), block(16, cues=("audio",), attends=False)
    alone.load_state_dict({name: attends.state_dict()[name] for name in alone.state_dict()})
    assert torch.equal(attends(features, masks)["audio"], alone(features, masks)["audio"])
