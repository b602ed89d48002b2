"""One prediction taken apart by its modalities: against other formulas, and against predictions of fewer modalities."""

import json
from collections.abc import Sequence
from dataclasses import replace
from functools import cache
from itertools import chain, combinations, permutations
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from tricue.checkpoint.checkpoint import Card
from tricue.config.load import load_config
from tricue.config.settings import Config
from tricue.explain.attribution import TOLERANCE
from tricue.explain.explanation import Explanation, explain, shapley
from tricue.extractors import hub
from tricue.features.extract import extract
from tricue.features.feature_set import FeatureSet
from tricue.model.network import Network
from tricue.prediction.predictions import predict_utterances
from tricue.registry import MODALITIES
from tricue.types import InputError, ModalityName, Prediction, Utterance

EMOTIONS = ["anger", "joy", "neutral", "sadness"]
SHARES = [0.4, 0.3, 0.2, 0.1]
DIMS: dict[ModalityName, tuple[int, ...]] = {"text": (24,), "audio": (16, 9), "video": (20,)}
STEPS: dict[ModalityName, int] = {"text": 5, "audio": 7, "video": 3}
NEAR = 1e-5  # float32 in batches of other sizes


def subsets(modalities: Sequence[ModalityName]) -> list[tuple[ModalityName, ...]]:
    return list(chain.from_iterable(combinations(modalities, n) for n in range(len(modalities) + 1)))


def given_features(modalities: Sequence[ModalityName] = MODALITIES) -> Config:
    """Features of any width, whose steps have no names."""
    return load_config(
        None,
        {"modalities": list(modalities), "model.width": 32}
        | {f"features.{modality}.precomputed": "any.npz" for modality in modalities},
    )


@cache
def model(modalities: tuple[ModalityName, ...] = MODALITIES) -> tuple[Network, Card]:
    """A network whose every weight matters, and whose scaling is not the identity."""
    torch.manual_seed(0)
    dims = {modality: DIMS[modality] for modality in modalities}
    network = Network.from_config(given_features(modalities), dims, len(EMOTIONS)).eval()
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.add_(0.05 * torch.randn(parameter.shape))
        network.classifier.weight.mul_(4)  # so that decisions are not all alike
        for modality in modalities:
            network.scaling[modality].mean.copy_(torch.randn(sum(dims[modality])))
            network.scaling[modality].std.copy_(0.5 + torch.rand(sum(dims[modality])))
    return network, Card(given_features(modalities), EMOTIONS, dims, SHARES)


def draw(seed: int, modalities: Sequence[ModalityName] = MODALITIES) -> FeatureSet:
    """Features of the utterances u0 to u3, each with a drift of its own."""
    rng = np.random.default_rng(seed)
    arrays: dict[ModalityName, dict[str, np.ndarray]] = {}
    for modality in modalities:
        shape = (STEPS[modality], sum(DIMS[modality]))
        arrays[modality] = {
            f"u{i}": (rng.normal(size=shape) + 1.5 * rng.normal(size=shape[1])).astype(np.float32) for i in range(4)
        }
    return FeatureSet(arrays, {modality: DIMS[modality] for modality in modalities})


def only(features: FeatureSet, modalities: Sequence[ModalityName], id_: str = "u0") -> FeatureSet:
    """`features` as if the utterance had these modalities alone."""
    arrays = {
        modality: {id_: features.arrays[modality][id_]} if modality in modalities else {}
        for modality in features.arrays
    }
    return replace(features, arrays=arrays)


def predicted(features: FeatureSet, id_: str = "u0") -> Prediction:
    network, card = model(tuple(features.arrays))
    (prediction,) = predict_utterances(network, card, [Utterance(id_)], features, 8, "cpu")
    return prediction


def explained(features: FeatureSet, id_: str = "u0") -> Explanation:
    network, card = model(tuple(features.arrays))
    return explain(network, card, Utterance(id_), features)


# Shapley values


def over_permutations(modalities: Sequence[ModalityName], worth: dict[str, float]) -> dict[ModalityName, float]:
    """The other definition: what a modality adds when it joins, mean over the orders of joining."""
    added = dict.fromkeys(modalities, 0.0)
    orders = list(permutations(modalities))
    for order in orders:
        there: list[ModalityName] = []
        for modality in order:
            before = worth["+".join(c for c in modalities if c in there)]
            there.append(modality)
            added[modality] += (worth["+".join(c for c in modalities if c in there)] - before) / len(orders)
    return added


@pytest.mark.parametrize("modalities", [MODALITIES, ("text", "video"), ("audio",)])
@given(values=st.lists(st.floats(0, 1), min_size=8, max_size=8))
def test_shapley_is_the_mean_over_all_orders_and_adds_up(modalities, values: list[float]) -> None:
    worth = {"+".join(subset): values[i] for i, subset in enumerate(subsets(modalities))}
    shares = shapley(modalities, worth)
    assert shares == pytest.approx(over_permutations(modalities, worth), abs=1e-12)
    assert sum(shares.values()) == pytest.approx(worth["+".join(modalities)] - worth[""], abs=1e-14)


def test_shapley_by_hand() -> None:
    worth = {"": 0.1, "text": 0.4, "audio": 0.2, "video": 0.1, "text+audio": 0.7, "text+video": 0.4,
             "audio+video": 0.2, "text+audio+video": 0.7}  # fmt: skip
    # text: alone 0.3, to audio 0.5, to video 0.3, last 0.5; weights 1/3, 1/6, 1/6, 1/3
    assert shapley(MODALITIES, worth) == pytest.approx({"text": 0.4, "audio": 0.2, "video": 0.0}, abs=1e-15)


# Modalities


def test_every_subset_is_the_prediction_from_these_modalities_alone() -> None:
    for seed in range(3):
        features = draw(seed)
        whole = explained(features)
        assert set(whole.subsets) == {"+".join(s) for s in subsets(MODALITIES)}
        assert whole.prediction == predicted(features) and whole.target == whole.prediction.emotion
        for subset in subsets(MODALITIES)[1:]:
            alone = predicted(only(features, subset))
            assert whole.subsets["+".join(subset)] == pytest.approx(alone.probabilities[whole.target], abs=NEAR)
        assert whole.subsets[""] == SHARES[EMOTIONS.index(whole.target)]
        gained = whole.subsets["text+audio+video"] - whole.subsets[""]
        assert sum(whole.shapley.values()) == pytest.approx(gained, abs=1e-14)


def test_flips_are_the_modalities_without_which_another_emotion_is_said() -> None:
    met = set()
    for seed in range(12):
        features = draw(seed)
        whole = explained(features)
        for modality in MODALITIES:
            rest = predicted(only(features, [other for other in MODALITIES if other != modality]))
            assert whole.without[modality].label == rest.emotion
            assert whole.without[modality].value == pytest.approx(rest.confidence, abs=NEAR)
            assert (modality in whole.flips) == (rest.emotion != whole.target)
            met.add(modality in whole.flips)
    assert met == {True, False}  # else nothing was tested


def test_modalities_that_an_utterance_lacks_are_no_players() -> None:
    features = draw(0)
    two = explained(only(features, ["text", "video"]))
    assert list(two.shapley) == list(two.steps) == list(two.without) == ["text", "video"]
    assert list(two.subsets) == ["", "text", "video", "text+video"]
    assert two.prediction.modalities == ("text", "video")
    gained = two.subsets["text+video"] - SHARES[EMOTIONS.index(two.target)]
    assert sum(two.shapley.values()) == pytest.approx(gained, abs=1e-14)


def test_with_one_modality_the_training_shares_stand_against_it() -> None:
    one = explained(only(draw(0), ["audio"]))
    assert one.shapley["audio"] == one.subsets["audio"] - one.subsets[""]
    assert (one.without["audio"].label, one.without["audio"].value) == ("anger", 0.4)
    assert one.flips == ([] if one.target == "anger" else ["audio"])


def test_a_network_of_one_modality() -> None:
    features = draw(0, ["video"])
    one = explained(features)
    assert list(one.subsets) == ["", "video"] and one.target == predicted(features).emotion


def test_other_utterances_change_nothing() -> None:
    features = draw(0)
    assert explained(features) == explained(only(features, MODALITIES))


def test_without_any_modality_there_is_nothing_to_explain() -> None:
    with pytest.raises(InputError, match="u9: there is nothing to explain: no text, audio, video to go by"):
        explained(draw(0), "u9")


def test_features_of_another_width_are_refused() -> None:
    network, card = model()
    features = replace(draw(0), dims=DIMS | {"video": (21,)})
    with pytest.raises(InputError, match=r"features\.video\.precomputed gives vectors of 21 numbers"):
        explain(network, card, Utterance("u0"), features)


# Time steps


def test_steps_add_up_from_the_mean_of_the_training_rows() -> None:
    for seed in range(3):
        features = draw(seed)
        whole = explained(features)
        assert {modality: len(steps) for modality, steps in whole.steps.items()} == STEPS
        total = sum(step.weight for steps in whole.steps.values() for step in steps)
        reached = predicted(features).probabilities[whole.target]
        assert total == pytest.approx(reached - whole.baseline, abs=TOLERANCE)
        assert whole.residual == pytest.approx(reached - whole.baseline - total, abs=NEAR)
        network, _ = model()
        means = {
            modality: {"u0": network.scaling[modality].mean.numpy()[None].repeat(STEPS[modality], axis=0)}
            for modality in MODALITIES
        }
        at_the_mean = predicted(replace(features, arrays=means))
        assert whole.baseline == pytest.approx(at_the_mean.probabilities[whole.target], abs=NEAR)


def test_precomputed_steps_are_numbered() -> None:
    whole = explained(draw(0))
    assert [step.moment.label for step in whole.steps["video"]] == ["step 1", "step 2", "step 3"]


def test_it_can_be_written_and_read() -> None:
    whole = explained(draw(0))
    found = json.loads(json.dumps(whole.to_json()))
    assert found["subsets"] == whole.subsets and found["shapley"] == whole.shapley
    assert found["flips"] == whole.flips
    assert found["without"]["text"] == {
        "emotion": whole.without["text"].label,
        "probability": whole.without["text"].value,
    }
    assert [step["weight"] for step in found["steps"]["audio"]] == [s.weight for s in whole.steps["audio"]]
    assert found["steps"]["audio"][0]["label"] == "step 1"
    first, *lines = str(whole).splitlines()
    assert first.startswith(f"{whole.target}: {100 * whole.prediction.confidence:.1f}%")
    for modality in MODALITIES:
        (line,) = [line for line in lines if line.startswith(f"  {modality}: ")]
        assert f"{100 * whole.shapley[modality]:+.1f} points" in line and whole.without[modality].label in line


@pytest.mark.parametrize(
    ("modalities", "dropout", "is_told"),
    [(("text", "audio"), 0.0, True), (("text", "audio"), 0.2, False), (("text",), 0.0, False)],
)
def test_a_model_that_never_missed_a_modality_is_told(
    modalities: tuple[ModalityName, ...], dropout: float, is_told: bool
) -> None:
    network, card = model(modalities)
    training = card.config.training.model_copy(update={"modality_dropout": dropout})
    card = replace(card, config=card.config.model_copy(update={"training": training}))
    whole = explain(network, card, Utterance("u0"), draw(0, modalities))
    note = whole.to_json()["note"]
    assert ("training.modality_dropout" in (note or "")) == is_told == (note is not None)
    assert (str(whole).splitlines()[-1] == f"Note: {note}") == is_told


def live_model(encoder: Path) -> tuple[Network, Card]:
    config = load_config(None, {
        "modalities": ["text"], "features.text.encoder": str(encoder), "features.text.max_tokens": 64,
        "model.finetune": "all", "model.width": 32, "data.emotions": EMOTIONS,
    })  # fmt: skip
    torch.manual_seed(0)
    network = Network.from_config(
        config, {"text": (16,)}, len(EMOTIONS), {"text": hub.load_model(encoder, "cpu")}
    ).eval()
    with torch.no_grad():
        for name, parameter in network.named_parameters():
            if not name.startswith("live_text"):
                parameter.add_(0.05 * torch.randn(parameter.shape))
        network.classifier.weight.mul_(4)
    return network, Card(config, EMOTIONS, {"text": (16,)}, SHARES)


def test_an_encoder_that_is_trained_along_is_explained_from_its_vectors_on(tiny_bert: Path, tmp_path: Path) -> None:
    network, card = live_model(tiny_bert)
    rows = [
        Utterance("before", "you are fine.", speaker="Ross", dialogue="d", turn=0),
        Utterance("asked", "oh my god, unbelievably lost!", speaker="Joey", dialogue="d", turn=1),
    ]
    reading = card.config.features
    reading = reading.model_copy(update={"text": reading.text.model_copy(update={"context": 1})})
    card = replace(card, config=card.config.model_copy(update={"features": reading}))
    features = extract(rows, reading, ["text"], tmp_path, live={"text": "all"}, progress=False)
    whole = explain(network, card, rows[1], features, among=rows)
    words = [step.moment.label for step in whole.steps["text"]]
    assert words == ["oh", "my", "god", ",", "unbelievably", "lost", "!"]
    assert sum(s.moment.steps for s in whole.steps["text"]) == features.arrays["text"]["asked"][:, 1].sum()
    assert max(s.moment.steps for s in whole.steps["text"]) > 1
    total = sum(step.weight for step in whole.steps["text"])
    assert abs(whole.residual) < TOLERANCE
    assert abs(total) > 10 * TOLERANCE  # else it would hold of weights that are all 0
    assert whole.subsets["text"] - whole.baseline == pytest.approx(total, abs=TOLERANCE)
