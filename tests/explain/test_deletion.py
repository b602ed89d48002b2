"""Moments taken away: against predictions from features that never had them; and on the toy corpus."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from tricue.checkpoint.checkpoint import Card, load_checkpoint
from tricue.config.load import load_config
from tricue.corpora.catalogue import read_corpus
from tricue.explain.deletion import SHARES, Deletion, delete_moments, mean_area
from tricue.explain.explanation import Explanation, Step, explain
from tricue.features.extract import extract
from tricue.features.feature_set import FeatureSet
from tricue.model.network import Network
from tricue.prediction.predictions import predict_utterances
from tricue.registry import MODALITIES
from tricue.toy.toy_corpus import make_toy
from tricue.toy.toy_settings import ToyConfig
from tricue.training.train import train
from tricue.training.workspace import Workspace
from tricue.types import ModalityName, Moment, Utterance

EMOTIONS = ["anger", "joy", "neutral"]
DIMS: dict[ModalityName, tuple[int, ...]] = {"text": (12,), "audio": (8, 4)}
STEPS: dict[ModalityName, int] = {"text": 10, "audio": 5}
ROW = Utterance("u0")


@pytest.fixture(scope="module")
def model() -> tuple[Network, Card]:
    torch.manual_seed(0)
    config = load_config(None, {
        "modalities": ["text", "audio"], "model.width": 16, "model.bilstm_heads": 2,
        "features.text.precomputed": "t.npz", "features.audio.precomputed": "a.npz",
    })  # fmt: skip
    network = Network.from_config(config, DIMS, len(EMOTIONS)).eval()
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.add_(0.1 * torch.randn(parameter.shape))
        network.classifier.weight.mul_(4)
    return network, Card(config, EMOTIONS, DIMS, [0.5, 0.3, 0.2])


@pytest.fixture
def features() -> FeatureSet:
    rng = np.random.default_rng(0)
    arrays = {modality: {ROW.id: rng.normal(size=(STEPS[modality], 12)).astype(np.float32)} for modality in STEPS}
    return FeatureSet(arrays, DIMS)


def chance(model: tuple[Network, Card], features: FeatureSet, target: str) -> float:
    (prediction,) = predict_utterances(*model, [ROW], features, 8, "cpu")
    return prediction.probabilities[target]


def shortened(features: FeatureSet, modality: ModalityName, gone: list[int]) -> FeatureSet:
    left = np.delete(features.arrays[modality][ROW.id], gone, axis=0)
    return replace(features, arrays=features.arrays | {modality: {ROW.id: left} if len(left) else {}})


def in_pieces(explanation: Explanation, sizes: list[int]) -> Explanation:
    """Its text in words of several time steps."""
    weights = np.array([step.weight for step in explanation.steps["text"]])
    words = [
        Step(Moment(f"w{i}", steps=n), float(part.sum()))
        for i, (n, part) in enumerate(zip(sizes, np.split(weights, np.cumsum(sizes)[:-1]), strict=True))
    ]
    return replace(explanation, steps=explanation.steps | {"text": words})


@pytest.mark.parametrize("modality", ["text", "audio"])
def test_each_point_is_the_prediction_without_the_weightiest(
    model: tuple[Network, Card], features: FeatureSet, modality: ModalityName
) -> None:
    whole = explain(*model, ROW, features)
    curve = delete_moments(model[0], whole, features, modality)
    order = sorted(range(STEPS[modality]), key=lambda i: -whole.steps[modality][i].weight)
    for share, found in zip(SHARES, curve.falling, strict=True):
        gone = order[: round(share * STEPS[modality])]
        assert found == pytest.approx(chance(model, shortened(features, modality, gone), whole.target), abs=1e-5)
    other = "audio" if modality == "text" else "text"
    assert curve.falling[0] == pytest.approx(whole.subsets["text+audio"], abs=1e-5)
    assert curve.falling[-1] == pytest.approx(whole.subsets[other], abs=1e-5)
    assert np.ptp(curve.falling) > 0.01  # else any order would do


def test_a_word_goes_with_all_its_tokens(model: tuple[Network, Card], features: FeatureSet) -> None:
    whole = in_pieces(explain(*model, ROW, features), [1, 4, 2, 3])
    curve = delete_moments(model[0], whole, features, "text")
    tokens = [[0], [1, 2, 3, 4], [5, 6], [7, 8, 9]]
    order = sorted(range(4), key=lambda i: -whole.steps["text"][i].weight)
    for words in range(5):
        gone = [token for i in order[:words] for token in tokens[i]]
        at = SHARES.index({0: 0.0, 1: 0.2, 2: 0.5, 3: 0.8, 4: 1.0}[words])
        wanted = chance(model, shortened(features, "text", gone), whole.target)
        assert curve.falling[at] == pytest.approx(wanted, abs=1e-5)


def test_random_orders_are_the_same_in_each_run(model: tuple[Network, Card], features: FeatureSet) -> None:
    whole = explain(*model, ROW, features)
    first, again, other = (delete_moments(model[0], whole, features, "text", orders=4, seed=seed) for seed in (0, 0, 1))
    assert first.random.shape == (4, len(SHARES))
    np.testing.assert_array_equal(first.random, again.random)
    assert not np.array_equal(first.random, other.random)
    assert len({tuple(row) for row in first.random.round(6)}) > 1
    np.testing.assert_allclose(first.random[:, 0], first.falling[0], atol=1e-6)
    np.testing.assert_allclose(first.random[:, -1], first.falling[-1], atol=1e-6)


def test_the_area_by_hand() -> None:
    falling = np.linspace(1, 0, 11)
    one = Deletion("text", falling, np.stack([falling + 0.1, falling + 0.3]))
    assert one.area == pytest.approx(0.2)
    two = Deletion("text", falling, np.stack([falling + 0.4]))
    mean, low, high = mean_area([one, two])
    assert mean == pytest.approx(0.3)
    half = 12.706204736 * np.sqrt(0.02) / np.sqrt(2)  # t of 1 degree of freedom; deviation of 0.2 and 0.4
    assert (low, high) == pytest.approx((0.3 - half, 0.3 + half))
    assert np.isnan(mean_area([one])[1:]).all()


@pytest.mark.slow
def test_what_is_said_to_carry_the_toys_emotions_carries_them(tmp_path: Path) -> None:
    """Taken away in the order of falling weight, each modality's moments cost more than in random orders."""
    config = load_config("demo", {
        "training.phase1_epochs": 8, "training.phase2_epochs": 1, "training.phase3_epochs": 1,
        "training.tensorboard": False,
    })  # fmt: skip
    toy = ToyConfig(clips={"train": 420, "val": 56, "test": 56}, speakers={"train": 6, "val": 2, "test": 2})
    make_toy(tmp_path / "corpus", toy, progress=False)
    store = tmp_path / "store"
    done = train(
        config, save_dir=tmp_path / "run", workspace=Workspace(store=store, data_dir=tmp_path / "corpus", quiet=True)
    )
    network, card = load_checkpoint(done.best_model)
    rows = read_corpus(config, data_dir=tmp_path / "corpus").utterances
    rows = [row for row in rows if row.split == "test"]
    features = extract(rows, card.config.features, MODALITIES, store, progress=False)
    explanations = [explain(network, card, row, features) for row in rows]
    for modality in MODALITIES:
        areas = [delete_moments(network, e, features, modality) for e in explanations]
        mean, low, _ = mean_area(areas)
        assert low > 0 and mean > 0.01, (modality, mean, low)
