"""The numbers against scikit-learn and scipy; the intervals against simulation and hand work."""

from __future__ import annotations

import json
import time
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from sklearn import metrics as sk

from tricue.evaluation.metrics import HEADLINE, PER_CLASS, score
from tricue.types import InputError

EMOTIONS = ["anger", "joy", "neutral", "sadness"]
C = len(EMOTIONS)


def sample(
    n: int = 400, seed: int = 0, ties: bool = False, classes: int = C
) -> tuple[np.ndarray, np.ndarray]:
    """Unequal classes and a predictor that is right more often than not."""
    random = np.random.default_rng(seed)
    labels = random.choice(classes, size=n, p=np.arange(1, classes + 1) / np.arange(1, classes + 1).sum())
    scores = random.dirichlet(np.ones(classes), size=n)
    scores[np.arange(n), labels] += 0.3
    return labels, np.round(scores, 1) if ties else scores


def run(labels: np.ndarray, scores: Any, groups: list[str] | None = None, **changes: Any) -> dict[str, Any]:
    kind = "row" if groups is None else "dialogue"
    return score(
        labels, scores, EMOTIONS, groups, **({"group_kind": kind, "draws": 200, "seed": 3} | changes)
    )


@pytest.mark.parametrize("ties", [False, True])
def test_values_equal_scikit_learn(ties: bool) -> None:
    labels, scores = sample(ties=ties)
    predicted = scores.argmax(axis=1)
    metrics = run(labels, scores)
    for average in ("weighted", "macro"):
        precision, recall, f1, _ = sk.precision_recall_fscore_support(labels, predicted, average=average)
        assert metrics[f"{average}_precision"]["value"] == pytest.approx(precision)
        assert metrics[f"{average}_recall"]["value"] == pytest.approx(recall)
        assert metrics[f"{average}_f1"]["value"] == pytest.approx(f1)
    assert metrics["accuracy"]["value"] == pytest.approx(sk.accuracy_score(labels, predicted))
    assert metrics["uar"]["value"] == pytest.approx(sk.balanced_accuracy_score(labels, predicted))
    assert metrics["confusion"] == sk.confusion_matrix(labels, predicted).tolist()
    columns = sk.precision_recall_fscore_support(labels, predicted)
    for c, emotion in enumerate(EMOTIONS):
        entry = metrics["per_class"][emotion]
        for name, column in zip(("precision", "recall", "f1"), columns, strict=False):
            assert entry[name]["value"] == pytest.approx(column[c])
        assert entry["accuracy"]["value"] == pytest.approx(sk.accuracy_score(labels == c, predicted == c))
        assert entry["auc"]["value"] == pytest.approx(sk.roc_auc_score(labels == c, scores[:, c]))
        assert entry["support"] == columns[3][c] == (labels == c).sum()


def test_interval_equals_scikit_learn_on_each_drawn_weighting() -> None:
    """Draw the same group weights here, hand them to scikit-learn as sample weights, take the percentiles."""
    labels, scores = sample(120, ties=True)
    members = np.arange(120) % 12
    metrics = run(labels, scores, [f"d{m:02}" for m in members])
    draws = np.random.default_rng(3).multinomial(12, np.full(12, 1 / 12), size=200)
    weights = [draw[members] for draw in draws]
    predicted = scores.argmax(axis=1)
    reference = {
        "f1": [sk.f1_score(labels, predicted, average="weighted", sample_weight=w) for w in weights],
        "auc": [sk.roc_auc_score(labels == 3, scores[:, 3], sample_weight=w) for w in weights],
    }
    for name, number in (("f1", metrics["weighted_f1"]), ("auc", metrics["per_class"]["sadness"]["auc"])):
        assert [number["low"], number["high"]] == pytest.approx(np.quantile(reference[name], [0.025, 0.975]))


def test_a_class_without_support_is_left_out_of_the_means() -> None:
    labels, scores = sample()
    keep = labels != 1
    labels, scores = labels[keep], scores[keep]
    predicted = scores.argmax(axis=1)
    assert (predicted == 1).any()
    metrics = run(labels, scores)
    present = [0, 2, 3]
    f1 = sk.f1_score(labels, predicted, labels=present, average="macro")
    assert metrics["macro_f1"]["value"] == pytest.approx(f1)
    assert metrics["macro_f1"]["value"] > sk.f1_score(labels, predicted, labels=range(C), average="macro")
    recall = sk.recall_score(labels, predicted, labels=present, average="macro")
    assert metrics["uar"]["value"] == pytest.approx(recall)
    weighted = sk.f1_score(labels, predicted, average="weighted", zero_division=0)
    assert metrics["weighted_f1"]["value"] == pytest.approx(weighted)
    joy = metrics["per_class"]["joy"]
    nothing = {"value": None, "low": None, "high": None}
    assert joy["recall"] == joy["auc"] == nothing
    assert joy["precision"]["value"] == joy["f1"]["value"] == joy["support"] == 0


@pytest.mark.parametrize("groups", [None, ["a", "b"] * 15])
def test_only_one_class_in_truth_and_prediction(groups: list[str] | None) -> None:
    scores = np.tile([0.1, 0.2, 0.6, 0.1], (30, 1))
    metrics = run(np.full(30, 2), scores, groups)
    for name in HEADLINE:
        assert metrics[name] == {"value": 1.0, "low": 1.0, "high": 1.0}
    assert all(entry["auc"]["value"] is None for entry in metrics["per_class"].values())
    # never predicted, never true: 0 by scikit-learn's convention, and no interval
    assert metrics["per_class"]["anger"]["precision"] == {"value": 0.0, "low": None, "high": None}


def test_few_groups_give_the_t_interval_of_the_groups_own_scores() -> None:
    labels, scores = sample(240)
    members = np.arange(240) % 4
    metrics = run(labels, scores, [f"s{m}" for m in members], group_kind="speaker")
    alone = [
        sk.f1_score(labels[members == g], scores[members == g].argmax(axis=1), average="weighted")
        for g in range(4)
    ]
    low, high = stats.t.interval(0.95, df=3, loc=np.mean(alone), scale=stats.sem(alone))
    assert metrics["weighted_f1"]["low"] == pytest.approx(low)
    assert metrics["weighted_f1"]["high"] == pytest.approx(high)
    assert metrics["groups"]["weighted_f1"] == pytest.approx({f"s{g}": alone[g] for g in range(4)})
    assert metrics["interval"]["mark"] == "few groups"
    assert metrics["interval"]["unit"] == "speaker" and metrics["interval"]["draws"] is None


def test_groups_where_a_score_is_undefined_are_left_out_of_its_t_interval() -> None:
    labels, scores = sample(240)
    members = np.arange(240) % 4
    keep = (members > 0) | (labels != 3)  # the first speaker is never sad
    labels, scores, members = labels[keep], scores[keep], members[keep]
    metrics = run(labels, scores, [str(m) for m in members], group_kind="speaker")
    alone = [sk.roc_auc_score((labels == 3)[members == g], scores[members == g, 3]) for g in (1, 2, 3)]
    low, high = stats.t.interval(0.95, df=2, loc=np.mean(alone), scale=stats.sem(alone))
    auc = metrics["per_class"]["sadness"]["auc"]
    assert [auc["low"], auc["high"]] == pytest.approx([max(low, 0), min(high, 1)])


def test_one_group_has_no_interval() -> None:
    labels, scores = sample(50)
    metrics = run(labels, scores, ["only"] * 50)
    assert metrics["accuracy"]["low"] is None and metrics["accuracy"]["value"] is not None


def test_intervals_cover_the_truth_when_whole_groups_vary() -> None:
    """40 dialogues of 10 rows share their luck: drawing dialogues covers about 95%, drawing rows far less."""
    random = np.random.default_rng(11)
    groups = [f"{d:02}" for d in np.repeat(np.arange(40), 10)]
    hits = {"dialogue": 0, "row": 0}
    simulations = 150
    for i in range(simulations):
        labels = random.integers(C, size=400)
        right = random.random(400) < np.repeat(random.beta(2, 1, size=40), 10)  # beta(2, 1) has mean 2/3
        scores = np.eye(C)[np.where(right, labels, (labels + 1) % C)]
        for kind, names in (("dialogue", groups), ("row", None)):
            accuracy = run(labels, scores, names, group_kind=kind, draws=100, seed=i)["accuracy"]
            hits[kind] += accuracy["low"] <= 2 / 3 <= accuracy["high"]
    assert 0.88 <= hits["dialogue"] / simulations <= 0.99
    assert hits["row"] / simulations <= 0.85


def test_several_seeds_are_averaged_within_each_draw() -> None:
    labels, first = sample(200, seed=1)
    second = np.roll(first, 1, axis=1) + first  # a worse model on the same rows
    both = run(labels, [first, second])
    alone = [run(labels, scores) for scores in (first, second)]
    for name in HEADLINE:
        values = [metrics[name]["value"] for metrics in alone]
        assert both[name]["value"] == pytest.approx(np.mean(values))
        assert both["seeds"]["std"][name] == pytest.approx(np.std(values, ddof=1))
    draws = np.random.default_rng(3).multinomial(200, np.full(200, 1 / 200), size=200)
    right = np.mean([scores.argmax(axis=1) == labels for scores in (first, second)], axis=0)
    bounds = np.quantile(draws @ right / 200, [0.025, 0.975])
    assert [both["accuracy"]["low"], both["accuracy"]["high"]] == pytest.approx(bounds)
    assert np.sum(both["confusion"], axis=1) == pytest.approx(np.bincount(labels))
    twice = run(labels, [first, first])  # seeds that agree change nothing
    assert twice["per_class"] == alone[0]["per_class"] and twice["seeds"]["std"]["uar"] == 0.0


def test_the_same_seed_gives_the_same_numbers_whatever_the_groups_are_called() -> None:
    labels, scores = sample(200)
    groups = [f"d{i // 10:02}" for i in range(200)]
    assert run(labels, scores, groups) == run(labels, scores, groups)
    renamed = run(labels, scores, [f"x{name}" for name in groups])
    assert renamed["weighted_f1"] == run(labels, scores, groups)["weighted_f1"]
    assert renamed["weighted_f1"] != run(labels, scores, groups, seed=4)["weighted_f1"]


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_any_input_gives_plain_json_and_ordered_bounds(data: st.DataObject) -> None:
    n, classes = data.draw(st.integers(1, 30)), data.draw(st.integers(1, 5))
    labels = np.array(data.draw(st.lists(st.integers(0, classes - 1), min_size=n, max_size=n)))
    levels = st.lists(st.integers(0, 3), min_size=n * classes, max_size=n * classes)
    scores = np.array(data.draw(levels)).reshape(n, classes) / 3
    groups = data.draw(st.none() | st.lists(st.sampled_from("abcdefghijklmno"), min_size=n, max_size=n))
    emotions = [f"e{c}" for c in range(classes)]
    metrics = score(labels, scores, emotions, groups, "speaker", 100, 0)
    assert json.loads(json.dumps(metrics, allow_nan=False)) == metrics
    assert np.shape(metrics["confusion"]) == (classes, classes) and np.sum(metrics["confusion"]) == n
    assert (
        metrics["interval"]["unit"] == metrics["groups"]["kind"] == ("row" if groups is None else "speaker")
    )
    entries = [metrics["per_class"][emotion] for emotion in emotions]
    assert sum(entry["support"] for entry in entries) == n
    numbers = [metrics[name] for name in HEADLINE] + [entry[name] for entry in entries for name in PER_CLASS]
    for number in numbers:
        assert (number["low"] is None) == (number["high"] is None)
        assert number["value"] is None or -1e-9 <= number["value"] <= 1 + 1e-9
        assert number["low"] is None or -1e-9 <= number["low"] <= number["high"] <= 1 + 1e-9


def test_bad_input_is_refused() -> None:
    labels, scores = sample(20)
    with pytest.raises(InputError, match="No row to score"):
        run(labels[:0], scores[:0])
    with pytest.raises(ValueError, match="not \\(rows, classes\\)"):
        run(labels, scores[:, :2])
    with pytest.raises(ValueError, match="groups are"):
        run(labels, scores, ["a"] * 19)
    with pytest.raises(ValueError, match="whole numbers from 0 to 3"):
        run(np.where(labels == 0, -1, labels), scores)
    scores[7, 1] = np.nan
    with pytest.raises(ValueError, match="first row 7"):
        run(labels, scores)


def test_melds_size_takes_seconds_at_most() -> None:
    labels, scores = sample(2610, classes=7)
    started = time.process_time()
    score(labels, scores, list("abcdefg"), None, "row", 1000, 0)
    assert time.process_time() - started < 6  # 0.4 s on one idle core; of processor time
