"""The numbers against scikit-learn and scipy; the intervals against simulation and hand work."""

import json
import time
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics as sk
from tests.jackknife import share_interval

from tricue.metrics.class_metrics import HEADLINE, PER_CLASS, score
from tricue.types import InputError

EMOTIONS = ["anger", "joy", "neutral", "sadness"]
C = len(EMOTIONS)


def sample(n: int = 400, seed: int = 0, ties: bool = False, classes: int = C) -> tuple[np.ndarray, np.ndarray]:
    """Unequal classes and a predictor that is right more often than not."""
    random = np.random.default_rng(seed)
    labels = random.choice(classes, size=n, p=np.arange(1, classes + 1) / np.arange(1, classes + 1).sum())
    scores = random.dirichlet(np.ones(classes), size=n)
    scores[np.arange(n), labels] += 0.3
    return labels, np.round(scores, 1) if ties else scores


def run(labels: np.ndarray, scores: Any, groups: list[str] | None = None, **changes: Any) -> dict[str, Any]:
    kind = "row" if groups is None else "dialogue"
    return score(labels, scores, EMOTIONS, groups, **({"group_kind": kind} | changes))


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


def test_interval_equals_scikit_learn_without_each_group() -> None:
    labels, scores = sample(120, ties=True)
    members = np.arange(120) % 12
    metrics = run(labels, scores, [f"d{m:02}" for m in members])
    kept = [members != g for g in range(12)]
    predicted = scores.argmax(axis=1)
    reference = {
        "f1": [sk.f1_score(labels[rows], predicted[rows], average="weighted") for rows in kept],
        "auc": [sk.roc_auc_score(labels[rows] == 3, scores[rows, 3]) for rows in kept],
    }
    for name, number in (("f1", metrics["weighted_f1"]), ("auc", metrics["per_class"]["sadness"]["auc"])):
        expected = share_interval(number["value"], reference[name])
        assert [number["low"], number["high"]] == pytest.approx(expected)
        assert number["low"] < number["value"] < number["high"]


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


@pytest.mark.parametrize("count", [4, 5, 9])
def test_few_groups_have_intervals_that_hold_the_macro_number(count: int) -> None:
    """They were centred on the mean of the groups' own scores before, which is another number."""
    labels, scores = sample(60, seed=count)
    members = np.arange(60) % count
    metrics = run(labels, scores, [f"s{m}" for m in members], group_kind="speaker")
    number = metrics["macro_f1"]
    predicted = scores.argmax(axis=1)
    without = []
    for rows in (members != g for g in range(count)):
        present = np.unique(labels[rows])
        without.append(sk.f1_score(labels[rows], predicted[rows], labels=present, average="macro"))
    assert [number["low"], number["high"]] == pytest.approx(share_interval(number["value"], without))
    assert number["low"] < number["value"] < number["high"]
    alone = [
        sk.f1_score(labels[own], predicted[own], average="weighted") for own in (members == g for g in range(count))
    ]
    assert metrics["groups"]["weighted_f1"] == pytest.approx({f"s{g}": alone[g] for g in range(count)})
    assert metrics["interval"]["mark"] == "few groups"
    assert metrics["interval"]["unit"] == "speaker" and metrics["interval"]["draws"] is None


def test_a_class_of_one_group_has_no_interval() -> None:
    labels, scores = sample(240)
    members = np.arange(240) % 4
    keep = (members == 0) | (labels != 3)  # only the first speaker is ever sad
    metrics = run(labels[keep], scores[keep], [str(m) for m in members[keep]], group_kind="speaker")
    sad, happy = (metrics["per_class"][name]["recall"] for name in ("sadness", "joy"))
    assert sad["value"] is not None and sad["low"] is sad["high"] is None
    assert happy["low"] < happy["value"] < happy["high"]


def test_one_group_has_no_interval() -> None:
    labels, scores = sample(50)
    metrics = run(labels, scores, ["only"] * 50)
    assert metrics["accuracy"]["low"] is None and metrics["accuracy"]["value"] is not None


def test_intervals_cover_the_truth_when_whole_groups_vary() -> None:
    """40 dialogues of 10 rows share their luck: leaving out dialogues covers about 95%, leaving out rows far less."""
    random = np.random.default_rng(11)
    groups = [f"{d:02}" for d in np.repeat(np.arange(40), 10)]
    hits = {"dialogue": 0, "row": 0}
    simulations = 150
    for _ in range(simulations):
        labels = random.integers(C, size=400)
        right = random.random(400) < np.repeat(random.beta(2, 1, size=40), 10)  # beta(2, 1) has mean 2/3
        scores = np.eye(C)[np.where(right, labels, (labels + 1) % C)]
        for kind, names in (("dialogue", groups), ("row", None)):
            accuracy = run(labels, scores, names, group_kind=kind)["accuracy"]
            hits[kind] += accuracy["low"] <= 2 / 3 <= accuracy["high"]
    assert 0.88 <= hits["dialogue"] / simulations <= 0.99
    assert hits["row"] / simulations <= 0.85


def test_several_seeds_are_averaged_without_each_group() -> None:
    labels, first = sample(200, seed=1)
    second = np.roll(first, 1, axis=1) + first  # a worse model on the same rows
    both = run(labels, [first, second])
    alone = [run(labels, scores) for scores in (first, second)]
    for name in HEADLINE:
        values = [metrics[name]["value"] for metrics in alone]
        assert both[name]["value"] == pytest.approx(np.mean(values))
        assert both["seeds"]["std"][name] == pytest.approx(np.std(values, ddof=1))
    right = np.mean([scores.argmax(axis=1) == labels for scores in (first, second)], axis=0)
    bounds = share_interval(right.mean(), [np.delete(right, i).mean() for i in range(200)])
    assert [both["accuracy"]["low"], both["accuracy"]["high"]] == pytest.approx(bounds)
    assert np.sum(both["confusion"], axis=1) == pytest.approx(np.bincount(labels))
    twice = run(labels, [first, first])  # seeds that agree change nothing
    assert twice["per_class"] == alone[0]["per_class"] and twice["seeds"]["std"]["uar"] == 0.0


def test_the_names_and_the_order_of_the_groups_change_nothing() -> None:
    labels, scores = sample(200)
    groups = [f"d{i // 10:02}" for i in range(200)]
    order = np.random.default_rng(0).permutation(200)
    mixed = run(labels[order], scores[order], [f"{groups[i][:0:-1]}x" for i in order])
    assert mixed["weighted_f1"] == pytest.approx(run(labels, scores, groups)["weighted_f1"])


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_any_input_gives_plain_json_and_ordered_bounds(data: st.DataObject) -> None:
    n, classes = data.draw(st.integers(1, 30)), data.draw(st.integers(1, 5))
    labels = np.array(data.draw(st.lists(st.integers(0, classes - 1), min_size=n, max_size=n)))
    levels = st.lists(st.integers(0, 3), min_size=n * classes, max_size=n * classes)
    scores = np.array(data.draw(levels)).reshape(n, classes) / 3
    groups = data.draw(st.none() | st.lists(st.sampled_from("abcdefghijklmno"), min_size=n, max_size=n))
    emotions = [f"e{c}" for c in range(classes)]
    metrics = score(labels, scores, emotions, groups, "speaker")
    assert json.loads(json.dumps(metrics, allow_nan=False)) == metrics
    assert np.shape(metrics["confusion"]) == (classes, classes) and np.sum(metrics["confusion"]) == n
    assert metrics["interval"]["unit"] == metrics["groups"]["kind"] == ("row" if groups is None else "speaker")
    entries = [metrics["per_class"][emotion] for emotion in emotions]
    assert sum(entry["support"] for entry in entries) == n
    numbers = [metrics[name] for name in HEADLINE] + [entry[name] for entry in entries for name in PER_CLASS]
    for number in numbers:
        assert (number["low"] is None) == (number["high"] is None)
        assert number["value"] is None or -1e-9 <= number["value"] <= 1 + 1e-9
        assert number["low"] is None or -1e-9 <= number["low"] <= number["value"] + 1e-9
        assert number["low"] is None or number["value"] - 1e-9 <= number["high"] <= 1 + 1e-9


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
    score(labels, scores, list("abcdefg"), None, "row")
    assert time.process_time() - started < 6  # 0.4 s on one idle core; of processor time
