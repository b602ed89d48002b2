"""One prediction taken apart by its cues: against other formulas, and against predictions of fewer cues."""

from __future__ import annotations

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

from tricue.checkpoint import Card
from tricue.config import Config, load_config
from tricue.evaluation.attribution import TOLERANCE
from tricue.evaluation.explain import Explanation, explain, shapley
from tricue.evaluation.predictions import predict_utterances
from tricue.features import hub
from tricue.features.extract import FeatureSet, extract
from tricue.model.network import Network
from tricue.types import CUES, Cue, InputError, Prediction, Utterance

EMOTIONS = ["anger", "joy", "neutral", "sadness"]
SHARES = [0.4, 0.3, 0.2, 0.1]
DIMS: dict[Cue, tuple[int, ...]] = {"text": (24,), "audio": (16, 9), "video": (20,)}
STEPS: dict[Cue, int] = {"text": 5, "audio": 7, "video": 3}
NEAR = 1e-5  # float32 in batches of other sizes


def subsets(cues: Sequence[Cue]) -> list[tuple[Cue, ...]]:
    return list(chain.from_iterable(combinations(cues, n) for n in range(len(cues) + 1)))


def given_features(cues: Sequence[Cue] = CUES) -> Config:
    """Features of any width, whose steps have no names."""
    return load_config(
        None,
        {"modalities": list(cues), "model.width": 32, "model.linear_path": True}
        | {f"features.{cue}.precomputed": "any.npz" for cue in cues},
    )


@cache
def model(cues: tuple[Cue, ...] = CUES) -> tuple[Network, Card]:
    """A network whose every weight matters, and whose scaling is not the identity."""
    torch.manual_seed(0)
    dims = {cue: DIMS[cue] for cue in cues}
    network = Network.from_config(given_features(cues), dims, len(EMOTIONS)).eval()
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.add_(0.05 * torch.randn(parameter.shape))
        network.classifier.weight.mul_(4)  # so that decisions are not all alike
        for cue in cues:
            network.scaling[cue].mean.copy_(torch.randn(sum(dims[cue])))
            network.scaling[cue].std.copy_(0.5 + torch.rand(sum(dims[cue])))
    return network, Card(given_features(cues), EMOTIONS, dims, SHARES)


def draw(seed: int, cues: Sequence[Cue] = CUES) -> FeatureSet:
    """Features of the utterances u0 to u3, each with a drift of its own."""
    rng = np.random.default_rng(seed)
    arrays: dict[Cue, dict[str, np.ndarray]] = {}
    for cue in cues:
        shape = (STEPS[cue], sum(DIMS[cue]))
        arrays[cue] = {
            f"u{i}": (rng.normal(size=shape) + 1.5 * rng.normal(size=shape[1])).astype(np.float32)
            for i in range(4)
        }
    return FeatureSet(arrays, {cue: DIMS[cue] for cue in cues})


def only(features: FeatureSet, cues: Sequence[Cue], id_: str = "u0") -> FeatureSet:
    """`features` as if the utterance had these cues alone."""
    arrays = {cue: {id_: features.arrays[cue][id_]} if cue in cues else {} for cue in features.arrays}
    return replace(features, arrays=arrays)


def predicted(features: FeatureSet, id_: str = "u0") -> Prediction:
    network, card = model(tuple(features.arrays))
    (prediction,) = predict_utterances(network, card, [Utterance(id_)], features, 8, "cpu")
    return prediction


def explained(features: FeatureSet, id_: str = "u0") -> Explanation:
    network, card = model(tuple(features.arrays))
    return explain(network, card, Utterance(id_), features)


# Shapley values


def over_permutations(cues: Sequence[Cue], worth: dict[str, float]) -> dict[Cue, float]:
    """The other definition: what a cue adds when it joins, mean over the orders of joining."""
    added = dict.fromkeys(cues, 0.0)
    orders = list(permutations(cues))
    for order in orders:
        there: list[Cue] = []
        for cue in order:
            before = worth["+".join(c for c in cues if c in there)]
            there.append(cue)
            added[cue] += (worth["+".join(c for c in cues if c in there)] - before) / len(orders)
    return added


@pytest.mark.parametrize("cues", [CUES, ("text", "video"), ("audio",)])
@given(values=st.lists(st.floats(0, 1), min_size=8, max_size=8))
def test_shapley_is_the_mean_over_all_orders_and_adds_up(cues, values: list[float]) -> None:
    worth = {"+".join(subset): values[i] for i, subset in enumerate(subsets(cues))}
    shares = shapley(cues, worth)
    assert shares == pytest.approx(over_permutations(cues, worth), abs=1e-12)
    assert sum(shares.values()) == pytest.approx(worth["+".join(cues)] - worth[""], abs=1e-14)


def test_shapley_by_hand() -> None:
    worth = {"": 0.1, "text": 0.4, "audio": 0.2, "video": 0.1, "text+audio": 0.7, "text+video": 0.4,
             "audio+video": 0.2, "text+audio+video": 0.7}  # fmt: skip
    # text: alone 0.3, to audio 0.5, to video 0.3, last 0.5; weights 1/3, 1/6, 1/6, 1/3
    assert shapley(CUES, worth) == pytest.approx({"text": 0.4, "audio": 0.2, "video": 0.0}, abs=1e-15)


def test_a_cue_that_changes_nothing_gets_0_and_alike_cues_the_same() -> None:
    size = {0: 0.2, 1: 0.5, 2: 0.9}
    worth = {"+".join(s): size[len([c for c in s if c != "audio"])] for s in subsets(CUES)}
    shares = shapley(CUES, worth)
    assert shares["audio"] == 0.0
    assert shares["text"] == shares["video"] == pytest.approx(0.35)


# Cues


def test_every_subset_is_the_prediction_from_these_cues_alone() -> None:
    for seed in range(3):
        features = draw(seed)
        whole = explained(features)
        assert set(whole.subsets) == {"+".join(s) for s in subsets(CUES)}
        assert whole.prediction == predicted(features) and whole.target == whole.prediction.emotion
        for subset in subsets(CUES)[1:]:
            alone = predicted(only(features, subset))
            assert whole.subsets["+".join(subset)] == pytest.approx(
                alone.probabilities[whole.target], abs=NEAR
            )
        assert whole.subsets[""] == SHARES[EMOTIONS.index(whole.target)]
        gained = whole.subsets["text+audio+video"] - whole.subsets[""]
        assert sum(whole.shapley.values()) == pytest.approx(gained, abs=1e-14)


def test_flips_are_the_cues_without_which_another_emotion_is_said() -> None:
    met = set()
    for seed in range(12):
        features = draw(seed)
        whole = explained(features)
        for cue in CUES:
            rest = predicted(only(features, [other for other in CUES if other != cue]))
            assert whole.without[cue].emotion == rest.emotion
            assert whole.without[cue].probability == pytest.approx(rest.confidence, abs=NEAR)
            assert (cue in whole.flips) == (rest.emotion != whole.target)
            met.add(cue in whole.flips)
    assert met == {True, False}  # else nothing was tested


def test_cues_that_an_utterance_lacks_are_no_players() -> None:
    features = draw(0)
    two = explained(only(features, ["text", "video"]))
    assert list(two.shapley) == list(two.steps) == list(two.without) == ["text", "video"]
    assert list(two.subsets) == ["", "text", "video", "text+video"]
    assert two.prediction.cues == ("text", "video")
    gained = two.subsets["text+video"] - SHARES[EMOTIONS.index(two.target)]
    assert sum(two.shapley.values()) == pytest.approx(gained, abs=1e-14)


def test_with_one_cue_the_training_shares_stand_against_it() -> None:
    one = explained(only(draw(0), ["audio"]))
    assert one.shapley["audio"] == one.subsets["audio"] - one.subsets[""]
    assert (one.without["audio"].emotion, one.without["audio"].probability) == ("anger", 0.4)
    assert one.flips == ([] if one.target == "anger" else ["audio"])


def test_a_network_of_one_cue() -> None:
    features = draw(0, ["video"])
    one = explained(features)
    assert list(one.subsets) == ["", "video"] and one.target == predicted(features).emotion


def test_other_utterances_change_nothing() -> None:
    features = draw(0)
    assert explained(features) == explained(only(features, CUES))


def test_without_any_cue_there_is_nothing_to_explain() -> None:
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
        assert {cue: len(steps) for cue, steps in whole.steps.items()} == STEPS
        total = sum(step.weight for steps in whole.steps.values() for step in steps)
        reached = predicted(features).probabilities[whole.target]
        assert total == pytest.approx(reached - whole.baseline, abs=TOLERANCE)
        assert whole.residual == pytest.approx(reached - whole.baseline - total, abs=NEAR)
        network, _ = model()
        means = {
            cue: {"u0": network.scaling[cue].mean.numpy()[None].repeat(STEPS[cue], axis=0)} for cue in CUES
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
        "emotion": whole.without["text"].emotion,
        "probability": whole.without["text"].probability,
    }
    assert [step["weight"] for step in found["steps"]["audio"]] == [s.weight for s in whole.steps["audio"]]
    assert found["steps"]["audio"][0]["label"] == "step 1"
    first, *lines = str(whole).splitlines()
    assert first.startswith(f"{whole.target}: {100 * whole.prediction.confidence:.1f}%")
    for cue in CUES:
        (line,) = [line for line in lines if line.startswith(f"  {cue}: ")]
        assert f"{100 * whole.shapley[cue]:+.1f} points" in line and whole.without[cue].emotion in line


def live_model(encoder: Path) -> tuple[Network, Card]:
    config = load_config(None, {
        "modalities": ["text"], "features.text.encoder": str(encoder), "features.text.max_tokens": 64,
        "model.finetune": "all", "model.width": 32, "data.emotions": EMOTIONS,
    })  # fmt: skip
    torch.manual_seed(0)
    network = Network.from_config(
        config, {"text": (16,)}, len(EMOTIONS), hub.load_model(encoder, "cpu")
    ).eval()
    with torch.no_grad():
        for name, parameter in network.named_parameters():
            if not name.startswith("live_text"):
                parameter.add_(0.05 * torch.randn(parameter.shape))
        network.classifier.weight.mul_(4)
    return network, Card(config, EMOTIONS, {"text": (16,)}, SHARES)


def test_an_encoder_that_is_trained_along_is_explained_from_its_vectors_on(
    tiny_bert: Path, tmp_path: Path
) -> None:
    network, card = live_model(tiny_bert)
    rows = [
        Utterance("before", "you are fine.", speaker="Ross", dialogue="d", turn=0),
        Utterance("asked", "oh my god, unbelievably lost!", speaker="Joey", dialogue="d", turn=1),
    ]
    reading = card.config.features
    reading = reading.model_copy(update={"text": reading.text.model_copy(update={"context": 1})})
    card = replace(card, config=card.config.model_copy(update={"features": reading}))
    features = extract(rows, reading, ["text"], tmp_path, live_text=True, progress=False)
    whole = explain(network, card, rows[1], features, among=rows)
    words = [step.moment.label for step in whole.steps["text"]]
    assert words == ["oh", "my", "god", ",", "unbelievably", "lost", "!"]
    assert sum(s.moment.steps for s in whole.steps["text"]) == features.arrays["text"]["asked"][:, 1].sum()
    assert max(s.moment.steps for s in whole.steps["text"]) > 1
    total = sum(step.weight for step in whole.steps["text"])
    assert abs(whole.residual) < TOLERANCE
    assert abs(total) > 10 * TOLERANCE  # else it would hold of weights that are all 0
    assert whole.subsets["text"] - whole.baseline == pytest.approx(total, abs=TOLERANCE)
