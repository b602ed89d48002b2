"""Cross-modal attention against softmax(Q K^T / sqrt(256)) V, written in float64 numpy."""

from itertools import permutations
from typing import Any

import numpy as np
import pytest
import torch

from tricue.model.fusion import CrossModalAttention, FusionMLP
from tricue.registry import MODALITIES
from tricue.types import ModalityName

Tensors = dict[ModalityName, torch.Tensor]
STEPS: dict[ModalityName, int] = {"text": 4, "audio": 6, "video": 3}
LENGTHS: dict[ModalityName, list[int]] = {"text": [4, 2, 1], "audio": [3, 6, 5], "video": [3, 1, 2]}


def masks_of(lengths: dict[ModalityName, list[int]]) -> Tensors:
    return {
        modality: torch.arange(STEPS[modality])[None] < torch.tensor(lengths[modality])[:, None] for modality in lengths
    }


def random_features(width: int, modalities: tuple[ModalityName, ...] = MODALITIES) -> Tensors:
    return {modality: torch.randn(3, STEPS[modality], width, dtype=torch.float64) for modality in modalities}


def block(
    width: int, in_width: int = 12, modalities: tuple[ModalityName, ...] = MODALITIES, attends: bool = True
) -> CrossModalAttention:
    torch.manual_seed(0)
    made = CrossModalAttention(modalities, in_width, width, attends).double().eval()
    with torch.no_grad():
        for name, parameter in made.named_parameters():  # no neutral starts: a forgotten part must show
            if "absent" in name or "norm" in name:
                parameter.uniform_(-1.0, 1.0)
    return made


def affine(layer: Any, x: np.ndarray) -> np.ndarray:
    bias = 0.0 if layer.bias is None else layer.bias.detach().numpy()
    return x @ layer.weight.detach().numpy().T + bias


def attended(
    made: CrossModalAttention, query: ModalityName, key: ModalityName, own: np.ndarray, other: np.ndarray
) -> np.ndarray:
    """A(query -> key) of one row, valid steps only: softmax(Q K^T / sqrt(width)) V."""
    q, k, v = affine(made.query[query], own), affine(made.key[key], other), affine(made.value[key], other)
    scores = q @ k.T / np.sqrt(q.shape[-1])
    powers = np.exp(scores - scores.max(axis=1, keepdims=True))
    return powers / powers.sum(axis=1, keepdims=True) @ v


def naive_enhanced(
    made: CrossModalAttention,
    features: Tensors,
    lengths: dict[ModalityName, list[int]],
    modality: ModalityName,
    row: int,
    modalities: tuple[ModalityName, ...] = MODALITIES,
) -> np.ndarray:
    """Own projection, then each other modality's slot in the order text, audio, video; Linear; added; LayerNorm."""
    projected = {
        c: affine(made.project[c], features[c][row, : lengths[c][row]].numpy())
        for c in modalities
        if c in features and lengths[c][row]
    }
    own = projected[modality]
    slots = [own]
    for other in modalities:
        if other == modality:
            continue
        if other in projected:
            slots.append(attended(made, modality, other, own, projected[other]))
        else:
            vector = made.absent[f"{modality}_from_{other}"].detach().numpy()
            slots.append(np.tile(vector, (len(own), 1)))
    z = own + affine(made.standardise[modality], np.concatenate(slots, axis=1))
    norm: Any = made.norm[modality]
    z = (z - z.mean(1, keepdims=True)) / np.sqrt(z.var(1, keepdims=True) + norm.eps)
    return z * norm.weight.detach().numpy() + norm.bias.detach().numpy()


@pytest.mark.parametrize(("query", "key"), list(permutations(MODALITIES, 2)))
def test_one_head_at_width_256_is_the_seeds_formula(query: ModalityName, key: ModalityName) -> None:
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


def test_query_key_and_value_have_no_bias_and_belong_to_the_modality() -> None:
    made = block(16)
    for part in (made.query, made.key, made.value):
        assert set(part.keys()) == set(MODALITIES)  # one per modality, shared by its pairs
        assert all(part[modality].bias is None for modality in MODALITIES)
    assert {name for name, _ in made.absent.items()} == {f"{a}_from_{b}" for a, b in permutations(MODALITIES, 2)}


def test_enhanced_features_of_three_modalities() -> None:
    made = block(16)
    features = random_features(12)
    enhanced = made(features, masks_of(LENGTHS))
    for modality in MODALITIES:
        assert enhanced[modality].shape == (3, STEPS[modality], 16)
        for row in range(3):
            want = naive_enhanced(made, features, LENGTHS, modality, row)
            got = enhanced[modality][row, : LENGTHS[modality][row]].detach().numpy()
            np.testing.assert_allclose(got, want, atol=1e-6)


@pytest.mark.parametrize("absent", MODALITIES)
def test_an_absent_partner_leaves_its_learned_vector_in_the_slot(absent: ModalityName) -> None:
    """In one row only (mask all False), and in the whole batch (no key): the slot is the same."""
    made = block(16)
    features = random_features(12)
    lengths = {modality: list(steps) for modality, steps in LENGTHS.items()}
    lengths[absent][1] = 0
    enhanced = made(features, masks_of(lengths))
    left: Tensors = {modality: x for modality, x in features.items() if modality != absent}
    without = made(left, {modality: mask for modality, mask in masks_of(LENGTHS).items() if modality != absent})
    for modality in left:
        for row in range(3):
            steps = LENGTHS[modality][row]
            want = naive_enhanced(made, features, lengths, modality, row)
            np.testing.assert_allclose(enhanced[modality][row, :steps].detach().numpy(), want, atol=1e-6)
            want = naive_enhanced(made, left, LENGTHS, modality, row)
            np.testing.assert_allclose(without[modality][row, :steps].detach().numpy(), want, atol=1e-6)


def test_a_network_of_two_modalities_has_two_slots() -> None:
    modalities: tuple[ModalityName, ...] = ("text", "video")
    made = block(16, modalities=modalities)
    assert made.standardise["text"].in_features == 32
    features = random_features(12, modalities)
    enhanced = made(
        features, {modality: mask for modality, mask in masks_of(LENGTHS).items() if modality in modalities}
    )
    for modality in modalities:
        want = naive_enhanced(made, features, LENGTHS, modality, 0, modalities)
        np.testing.assert_allclose(enhanced[modality][0, : LENGTHS[modality][0]].detach().numpy(), want, atol=1e-6)


def test_without_attention_no_modality_depends_on_another() -> None:
    """Whatever another modality says, and whether it is there at all: H = norm(P + standardise(P)), P = project(x)."""
    made = block(16, attends=False)
    features, masks = random_features(12), masks_of(LENGTHS)
    enhanced = made(features, masks)
    for modality in MODALITIES:
        own = made.project[modality](features[modality])
        want = made.norm[modality](own + made.standardise[modality](own))
        assert torch.equal(enhanced[modality], want)
        others = {other: x if other == modality else torch.randn_like(x) for other, x in features.items()}
        assert torch.equal(made(others, masks)[modality], enhanced[modality])
        assert torch.equal(
            made({modality: features[modality]}, {modality: masks[modality]})[modality], enhanced[modality]
        )
        assert not torch.equal(block(16)(others, masks)[modality], block(16)(features, masks)[modality])


@pytest.mark.parametrize("modalities", [MODALITIES, ("text", "video"), ("audio",)])
def test_without_attention_what_it_needs_is_gone(modalities: tuple[ModalityName, ...]) -> None:
    attends, alone = (
        block(16, modalities=modalities).state_dict(),
        block(16, modalities=modalities, attends=False).state_dict(),
    )
    own = ("query.", "key.", "value.", "absent.")
    assert set(alone) == {name for name in attends if not name.startswith(own)}
    for modality in modalities:
        assert alone[f"standardise.{modality}.weight"].shape == (16, 16)
        assert attends[f"standardise.{modality}.weight"].shape == (16, 16 * len(modalities))


def test_a_single_modality_is_the_same_with_attention_and_without() -> None:
    features = random_features(12, ("audio",))
    masks = {"audio": masks_of(LENGTHS)["audio"]}
    attends, alone = block(16, modalities=("audio",)), block(16, modalities=("audio",), attends=False)
    alone.load_state_dict({name: attends.state_dict()[name] for name in alone.state_dict()})
    assert torch.equal(attends(features, masks)["audio"], alone(features, masks)["audio"])


def test_the_views_of_a_fusion_share_their_dropout() -> None:
    """H and H_cf of the same vectors are the same, in training too; the rows have their own draws."""
    torch.manual_seed(0)
    fusion = FusionMLP(12, 8, 0.5).train()
    rows = torch.randn(1, 1, 12).expand(2, 3, 12)
    h = fusion(rows)
    assert h.shape == (2, 3, 8) and torch.equal(h[0], h[1])
    assert not torch.equal(h[0, 0], h[0, 1])
