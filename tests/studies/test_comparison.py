"""Two models on the same rows: hand-worked numbers, simulations of the error rate, and every refusal."""

import csv
import json
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy import stats
from sklearn.metrics import f1_score
from tests.jackknife import error_and_degrees, t_interval
from tests.mutations import COUNTS, changed_json, damaged, survived, written

from tricue.checkpoint.checkpoint import LEAKY_MARK, TOY_MARK
from tricue.evaluation.metrics_table import as_text
from tricue.evaluation.paired import Paired, Scores, compare_paired, holm, judge, mcnemar, smallest_detectable
from tricue.metrics.class_metrics import score
from tricue.metrics.grouped_intervals import Grouping
from tricue.prediction.predictions import write_predictions
from tricue.studies.comparison import compare
from tricue.studies.comparison_table import comparison_table
from tricue.tasks.categorical import Categorical
from tricue.types import InputError, Prediction

EMOTIONS = ["anger", "joy", "neutral", "sadness"]
C, N = len(EMOTIONS), 200
NAMES = list(Categorical.numbers)


def truth(n: int = N, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).choice(C, size=n, p=[0.1, 0.2, 0.4, 0.3])


def model(labels: np.ndarray, skill: float, seed: int) -> np.ndarray:
    """(N, C) probabilities, right more often the greater `skill`."""
    chances = np.random.default_rng(seed).dirichlet(np.ones(C), size=len(labels))
    chances[np.arange(len(labels)), labels] += skill
    return chances / chances.sum(axis=1, keepdims=True)


def leave(
    folder: Path,
    runs: Sequence[np.ndarray],
    labels: np.ndarray | None = None,
    emotions: Sequence[str] = EMOTIONS,
    ids: Sequence[str] | None = None,
    dialogues: Sequence[str] | None = None,
    speakers: Sequence[str] | None = None,
    unanswered: int = 0,
    name: str = "metrics.json",
    **circumstances: Any,
) -> Path:
    """What `tricue evaluate --out` leaves: metrics and predictions, the first `unanswered` rows without a modality."""
    labels = truth() if labels is None else labels
    ids = [f"u{i}" for i in range(len(labels))] if ids is None else ids
    nowhere = [""] * len(labels)
    metrics = score(labels, runs, emotions, dialogues, "dialogue") | {
        "protocol": "official", "corpus": "toy", "split": "test", "split_role": "test",
        "modalities": ["text", "audio"], "toy": False, **circumstances,
    }  # fmt: skip
    folder.mkdir(parents=True)
    (folder / name).write_text(json.dumps(metrics))
    more = {"label": [emotions[c] for c in labels], "dialogue": dialogues or nowhere, "speaker": speakers or nowhere}
    for s, run in enumerate(runs):
        place = folder / f"seed-{s}" if len(runs) > 1 else folder
        answers = [
            Prediction(ids[i], emotions[row.argmax()], row.max(), dict(zip(emotions, row, strict=True)), ("text",))
            if i >= unanswered
            else Prediction(ids[i], None, None, {}, (), "no text to go by")
            for i, row in enumerate(run)
        ]  # fmt: skip
        write_predictions(place / "predictions.csv", answers, Categorical(tuple(emotions)), more)
    return folder


def contrast(*folders: Path) -> dict[str, Any]:
    return compare(folders, out=None)


def paired(
    labels: np.ndarray, first: Sequence[np.ndarray], second: Sequence[np.ndarray], members: np.ndarray
) -> Paired:
    task, grouping = Categorical(tuple(EMOTIONS)), Grouping.of(members, "dialogue", len(members))
    one, two = (Scores.of(task.compared(labels, runs, grouping), grouping) for runs in (first, second))
    return compare_paired(one, two, NAMES)


def mcnemar_of(labels: np.ndarray, first: Sequence[np.ndarray], second: Sequence[np.ndarray]) -> dict[str, Any]:
    task = Categorical(tuple(EMOTIONS))
    return mcnemar(task.right(labels, first), task.right(labels, second))


def two(place: Path, **of_both: Any) -> tuple[Path, Path]:
    return (
        leave(place / "a", [model(truth(), 0.1, 1)], **of_both),
        leave(place / "b", [model(truth(), 0.6, 2)], **of_both),
    )


def dialogues(size: int = 10) -> list[str]:
    return [f"d{i // size:03}" for i in range(N)]


# --- hand-worked -----------------------------------------------------------------------------------------------


def test_holm_by_hand() -> None:
    assert holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])  # 3 x .01, max(2 x .03, 1 x .04), 2 x .03
    assert holm([0.6, 0.5]) == [1.0, 1.0]
    assert holm([0.02]) == [0.02]
    assert holm([None, 0.01]) == [None, pytest.approx(0.02)]  # untestable, still one of two looks


def answers(right: Sequence[int]) -> np.ndarray:
    """Rows of class 0 in two classes, right or wrong as given."""
    return np.eye(2)[1 - np.array(right)]


def test_mcnemar_by_hand() -> None:
    one = [1] * 5 + [1] * 2 + [0] * 8 + [0] * 3
    two = [1] * 5 + [0] * 2 + [1] * 8 + [0] * 3
    test = mcnemar_of(np.zeros(18, dtype=int), [answers(one)], [answers(two)])
    assert (test["both_right"], test["only_first"], test["only_second"], test["neither"]) == (5, 2, 8, 3)
    assert test["p"] == pytest.approx(2 * (1 + 10 + 45) / 2**10)  # both tails of binomial(10, 1/2) up to 2
    same = mcnemar_of(np.zeros(18, dtype=int), [answers(one)], [answers(one)])
    assert same["p"] == 1.0 and same["only_first"] == 0


def test_mcnemar_takes_seeds_as_one_vote_by_mean_probability() -> None:
    labels = np.zeros(1, dtype=int)
    sure, unsure = np.array([[0.9, 0.1]]), np.array([[0.4, 0.6]])
    test = mcnemar_of(labels, [unsure, sure, unsure], [unsure])
    assert test["only_first"] == 1  # 0.57 on average, though two of three seeds are wrong


def test_verdict_by_hand() -> None:
    def tested(value: float, low: float | None, high: float | None, p: float | None) -> Paired:
        return Paired({"f1": {"value": value, "low": low, "high": high}}, p, 0.01, 4)

    assert judge(tested(0.03, 0.01, 0.05, 0.01), 0.01) == ("better", None)
    assert judge(tested(-0.03, -0.05, -0.01, 0.01), 0.01) == ("worse", None)
    assert judge(tested(0.03, -0.01, 0.05, 0.2), 0.2) == ("no difference shown", None)
    for case, reason in [
        ((tested(0.03, 0.01, 0.05, 0.02), 0.06), "the corrected p is above"),
        ((tested(0.03, None, None, None), None), "cannot be tested"),
    ]:
        verdict, why = judge(*case)
        assert verdict == "no difference shown" and why is not None and reason in why


def test_smallest_detectable_by_hand() -> None:
    many = Paired({}, 0.5, 0.01, 1e9)
    assert smallest_detectable(many, 0.05) == pytest.approx(0.028016, abs=1e-6)  # normal: 1.959964 + 0.841621
    assert smallest_detectable(many, 0.05 / 3) == pytest.approx(0.032356, abs=1e-6)  # 2.393980 + 0.841621
    few = Paired({}, 0.5, 0.01, 3)
    assert smallest_detectable(few, 0.05) == pytest.approx(0.041609, abs=1e-6)  # t(3): 3.182446 + 0.978472
    assert smallest_detectable(Paired({}, 1.0, 0.0, 3), 0.05) is None


# --- the statistics --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("count", [5, 15])
def test_difference_interval_and_p_equal_scikit_learn_without_each_group(count: int) -> None:
    labels, members = truth(120), np.arange(120) % count
    first, second = model(labels, 0.1, 1), model(labels, 0.2, 2)
    found = paired(labels, [first], [second], members)

    def difference(kept: np.ndarray) -> float:
        one, two = (
            f1_score(labels[kept], run[kept].argmax(axis=1), average="weighted", zero_division=0)
            for run in (first, second)
        )  # fmt: skip
        return two - one

    without = [difference(members != g) for g in range(count)]
    number = found.differences["weighted_f1"]
    assert number["value"] == pytest.approx(difference(members >= 0))
    assert [number["low"], number["high"]] == pytest.approx(t_interval(number["value"], without))
    error, degrees = error_and_degrees(without)
    assert (found.standard_error, found.degrees) == pytest.approx((error, degrees))
    assert found.p == pytest.approx(2 * stats.t.sf(abs(number["value"]) / error, degrees))


def test_over_groups_of_one_size_a_difference_of_accuracies_gives_the_paired_t_test() -> None:
    labels, members = truth(), np.arange(N) % 10
    runs = [model(labels, skill, seed) for seed, skill in enumerate((0.1, 0.2))]
    task, grouping = Categorical(tuple(EMOTIONS)), Grouping.of(members, "dialogue", N)
    one, two = (Scores.of(task.compared(labels, [run], grouping), grouping) for run in runs)
    found = compare_paired(one, two, ["accuracy"])
    alone = [[(run.argmax(axis=1) == labels)[members == g].mean() for g in range(10)] for run in runs]
    test = stats.ttest_rel(alone[1], alone[0])
    interval, number = test.confidence_interval(0.95), found.differences["accuracy"]
    assert found.degrees == 9 and found.p == pytest.approx(test.pvalue)
    assert [number["low"], number["high"]] == pytest.approx([interval.low, interval.high])


@pytest.mark.parametrize("count", [3, 5, 12, 40])
def test_p_is_at_most_5_percent_where_the_interval_leaves_out_0(count: int) -> None:
    shown = set()
    for seed in range(40):
        labels, members = truth(seed=seed), np.arange(N) % count
        found = paired(labels, [model(labels, 0.1, seed)], [model(labels, 0.2, seed + 100)], members)
        number = found.differences["weighted_f1"]
        assert number["low"] < number["value"] < number["high"]
        shown.add(found.p <= 0.05)
        assert (found.p <= 0.05) == (number["low"] > 0 or number["high"] < 0)
    assert shown == {True, False}


def test_equal_models_have_p_1() -> None:
    labels, members = truth(), np.arange(N) // 10
    seeds = [model(labels, 0.1 * s, s) for s in range(5)]
    same = paired(labels, seeds, seeds[::-1], members)  # sums in another order
    assert same.p == 1.0 and same.differences["weighted_f1"] == {"value": 0.0, "low": 0.0, "high": 0.0}


def test_swapping_the_models_flips_the_sign() -> None:
    labels, members = truth(), np.arange(N) // 10
    first, second = [model(labels, 0.1, 1)], [model(labels, 0.3, 2), model(labels, 0.3, 3)]
    for groups in (members, members // 5):  # 20 and 4 groups
        there = paired(labels, first, second, groups)
        back = paired(labels, second, first, groups)
        assert there.p == pytest.approx(back.p) and there.standard_error == pytest.approx(back.standard_error)
        for name in NAMES:
            one, other = there.differences[name], back.differences[name]
            assert [one["value"], one["low"], one["high"]] == pytest.approx(
                [-other["value"], -other["high"], -other["low"]]
            )


def test_too_few_groups_and_no_spread_cannot_be_tested() -> None:
    labels = np.zeros(40, dtype=int)
    good, bad = np.tile([1.0, 0.0], (40, 1)), np.tile([0.0, 1.0], (40, 1))
    one = paired(labels, [bad], [good], np.zeros(40, dtype=int))
    assert one.p is None and one.differences["accuracy"] == {"value": 1.0, "low": None, "high": None}
    alike = paired(labels, [bad], [good], np.arange(40) % 4)
    assert alike.p is None and alike.standard_error == 0
    assert paired(labels, [good], [good], np.arange(40) % 4).p == 1.0


def test_equal_models_differ_in_5_percent_by_dialogues_and_in_far_more_by_rows() -> None:
    """40 dialogues of 10 rows; each model has its own luck with a whole dialogue, none is better."""
    random = np.random.default_rng(7)
    members, simulations = np.repeat(np.arange(40), 10), 200
    false = {"dialogues": 0, "mcnemar": 0}
    for i in range(simulations):
        labels = random.integers(C, size=400)
        right = [random.random(400) < random.beta(1, 1, size=40)[members] for _ in range(2)]
        one, two = (np.eye(C)[np.where(r, labels, (labels + 1) % C)] for r in right)
        by_dialogue = paired(labels, [one], [two], members)
        false["dialogues"] += by_dialogue.p <= 0.05
        false["mcnemar"] += mcnemar_of(labels, [one], [two])["p"] <= 0.05
        if i < 20:
            by_row = paired(labels, [one], [two], np.arange(400))
            assert by_dialogue.standard_error > 1.2 * by_row.standard_error
    assert 0.02 <= false["dialogues"] / simulations <= 0.08  # benchmarks/interval_coverage.py: near 0.05
    assert false["mcnemar"] / simulations > 0.2


def test_a_difference_of_the_detectable_size_is_shown_about_4_times_in_5() -> None:
    """Independent rows of two equal classes: the truth is an accuracy of 0.6 against 0.6 + the detectable."""
    random = np.random.default_rng(3)

    def simulate(gain: float) -> Paired:
        labels = np.arange(300) % 2
        right = [random.random(300) < chance for chance in (0.6, 0.6 + gain)]
        one, two = (np.eye(2)[np.where(r, labels, 1 - labels)] for r in right)
        return paired(labels, [one], [two], np.arange(300))

    least = np.mean([smallest_detectable(simulate(0.1), 0.05) for _ in range(20)])
    shown = np.mean([simulate(float(least)).p <= 0.05 for _ in range(150)])
    assert 0.7 <= shown <= 0.9


# --- from folders to the verdict -------------------------------------------------------------------------------


def test_folders_give_the_difference_of_their_metrics_and_a_verdict(tmp_path: Path) -> None:
    a, b = two(tmp_path, dialogues=dialogues())
    comparison = compare([a, b], out=tmp_path / "out")
    content = json.loads((tmp_path / "out" / "compare.json").read_text())
    assert content == comparison and content["comparable"] is True and content["mark"] is None
    stated = [json.loads((folder / "metrics.json").read_text()) for folder in (a, b)]
    [pair] = content["comparisons"]
    for name in NAMES:
        assert pair["differences"][name]["value"] == pytest.approx(stated[1][name]["value"] - stated[0][name]["value"])
    assert pair["verdict"] == "better" and pair["reason"] is None
    assert pair["p"] == pair["p_corrected"] < 0.001
    assert content["interval"]["method"] == "jackknife over groups, Student's t"
    assert (content["interval"]["unit"], content["interval"]["groups"]) == ("dialogue", 20)
    assert pair["detectable"]["alpha"] == 0.05 and pair["mcnemar"]["mark"] == "row-level, ignores dialogues"
    counts = pair["mcnemar"]
    assert sum(counts[k] for k in ("both_right", "only_first", "only_second", "neither")) == N
    assert [m["folder"] for m in content["models"]] == [str(a), str(b)]
    assert contrast(b, a)["comparisons"][0]["verdict"] == "worse"


def weights(*digests: str) -> dict[str, Any]:
    """What metrics.json says of one model's weights, or of several runs'."""
    one = digests[0] if len(digests) == 1 else None
    return {"weights_sha256": one, **({} if one else {"runs": list(digests), "runs_sha256": list(digests)})}


def test_ablate_the_same_weights_are_told_as_such(tmp_path: Path) -> None:
    """They have no difference that could be shown or not."""
    labels = truth()
    runs = [model(labels, 0.3, s) for s in (1, 2)]
    a = leave(tmp_path / "a", runs, model=weights("aa", "bb"))
    b = leave(tmp_path / "no-counterfactual", runs, model=weights("aa", "bb"))
    c = leave(tmp_path / "c", [runs[0], model(labels, 0.1, 3)], model=weights("aa", "cc"))
    comparison = compare([a, b, c], out=None)
    same, some = comparison["comparisons"]
    assert (same["verdict"], same["same_weights"]) == ("the same weights", True)
    assert same["runs_of_same_weights"] == {"same": 2, "of": 2}
    assert some["same_weights"] is False and some["runs_of_same_weights"] == {"same": 1, "of": 2}
    assert some["verdict"] != "the same weights"
    assert [n for n in comparison["notes"] if "1 of 2 runs of C and A have the same weights" in n]
    lines = as_text(comparison_table(comparison), width=80).splitlines()
    told = [line for line in lines if "the same" in line and "B = A" in line]
    assert told and "0.0" not in told[0] and not any("B - A" in line or "B, A" in line for line in lines)
    assert [line for line in lines if " no-counterfactual " in line]  # whole, without the folder they share
    assert str(tmp_path) in "".join(line.strip() for line in lines)


def test_ablate_variants_that_share_weights_among_themselves_are_named(tmp_path: Path) -> None:
    labels = truth()
    other = model(labels, 0.5, 2)
    a = leave(tmp_path / "a", [model(labels, 0.3, 1)], model=weights("aa"))
    b, c = (leave(tmp_path / name, [other], model=weights("bb")) for name in ("b", "c"))
    content = contrast(a, b, c)
    assert "C and B have the same weights" in content["notes"]
    assert [pair["same_weights"] for pair in content["comparisons"]] == [False, False]


def test_ablate_the_same_weights_with_other_modalities_are_compared(tmp_path: Path) -> None:
    labels = truth()
    a = leave(tmp_path / "a", [model(labels, 0.9, 1)], model=weights("aa"))
    b = leave(tmp_path / "b", [model(labels, 0.1, 2)], model=weights("aa"), modalities=["text"])
    content = contrast(a, b)
    assert content["comparisons"][0]["verdict"] in ("worse", "no difference shown")
    assert content["comparisons"][0]["same_weights"] is False
    assert any("they read other modalities" in note for note in content["notes"])
    unknown = leave(tmp_path / "c", [model(labels, 0.9, 1)])  # as an earlier version wrote it
    assert contrast(a, unknown)["comparisons"][0]["same_weights"] is None


def test_seeds_are_averaged_and_their_numbers_may_differ(tmp_path: Path) -> None:
    labels = truth()
    runs = [model(labels, 0.3, s) for s in range(3)]
    a, b = leave(tmp_path / "a", runs), leave(tmp_path / "b", [model(labels, 0.3, 20)])
    content = contrast(a, b)
    stated = [json.loads((folder / "metrics.json").read_text()) for folder in (a, b)]
    assert "it leans to the model with more" in content["notes"][0]
    one, other = content["models"]
    assert one["seeds"]["n"] == 3 and other["seeds"] == {"n": 1, "std": dict.fromkeys(NAMES)}
    for name in NAMES:
        assert one["seeds"]["std"][name] == pytest.approx(stated[0]["seeds"]["std"][name])
        value = content["comparisons"][0]["differences"][name]["value"]
        assert value == pytest.approx(stated[1][name]["value"] - stated[0][name]["value"])


def test_groups_are_dialogues_else_speakers_else_rows(tmp_path: Path) -> None:
    def unit(name: str, **of_both: Any) -> tuple[str, int, str | None]:
        interval = contrast(*two(tmp_path / name, **of_both))["interval"]
        return interval["unit"], interval["groups"], interval["mark"]

    speakers = [f"s{i % 4}" for i in range(N)]
    assert unit("d", dialogues=dialogues(), speakers=speakers) == ("dialogue", 20, None)
    assert unit("s", speakers=speakers) == ("speaker", 4, "few groups")
    assert unit("gap", dialogues=["", *dialogues()[1:]], speakers=speakers)[0] == "speaker"
    assert unit("r") == ("row", N, None)


def test_order_of_rows_and_classes_changes_nothing(tmp_path: Path) -> None:
    labels, runs = truth(), [model(truth(), 0.3, 2)]
    a = leave(tmp_path / "a", [model(labels, 0.3, 1)], dialogues=dialogues())
    b = leave(tmp_path / "b", runs, dialogues=dialogues())
    order, columns = np.random.default_rng(1).permutation(N), [2, 0, 3, 1]
    shuffled = leave(
        tmp_path / "c", [runs[0][order][:, columns]], np.argsort(columns)[labels[order]],
        [EMOTIONS[c] for c in columns], [f"u{i}" for i in order], [dialogues()[i] for i in order],
    )  # fmt: skip
    plain, other = contrast(a, b), contrast(a, shuffled)
    assert plain["comparisons"] == other["comparisons"]


def test_repeated_ids_are_aligned_by_occurrence(tmp_path: Path) -> None:
    ids = [f"u{i // 2}" for i in range(N)]
    labels = np.repeat(truth(N // 2), 2)
    a = leave(tmp_path / "a", [model(labels, 0.3, 1)], labels, ids=ids)
    b = leave(tmp_path / "b", [model(labels, 0.3, 2)], labels, ids=ids)
    assert contrast(a, b)["n"] == N
    c = leave(tmp_path / "c", [model(labels, 0.3, 2)], labels, ids=[*ids[:-1], "u0"])
    with pytest.raises(InputError, match=r"1 only in .*\(u99 \(row 2 of that id\)\); 1 only in .*\(u0 \(row 3"):
        contrast(a, c)


def test_an_older_file_without_the_columns_takes_the_other_ones_dialogues(tmp_path: Path) -> None:
    a, b = two(tmp_path, dialogues=dialogues())
    drop_columns(b / "predictions.csv", "dialogue", "speaker")
    assert contrast(a, b)["interval"]["unit"] == "dialogue"
    drop_columns(a / "predictions.csv", "dialogue", "speaker")
    content = contrast(a, b)
    assert content["interval"]["unit"] == "row" and "the interval is too narrow" in content["notes"][0]


def test_rows_without_a_modality_count_as_the_training_shares_or_the_most_frequent_label(tmp_path: Path) -> None:
    labels = truth()
    run, blank = model(labels, 0.3, 1), model(labels, 0.3, 1)
    shares = [0.1, 0.2, 0.3, 0.4]
    blank[:30] = shares  # what evaluate scores them with
    a = leave(tmp_path / "a", [run])
    b = leave(tmp_path / "b", [blank], unanswered=30, class_shares=shares)
    stated = [json.loads((folder / "metrics.json").read_text())["weighted_f1"]["value"] for folder in (a, b)]
    content = contrast(a, b)
    value = content["comparisons"][0]["differences"]["weighted_f1"]["value"]
    assert value == pytest.approx(stated[1] - stated[0])
    assert f"30 in {b}" in content["notes"][0]
    c = leave(tmp_path / "c", [blank], unanswered=30)
    blank[:30] = np.eye(C)[np.bincount(labels).argmax()]
    expected = f1_score(labels, blank.argmax(axis=1), average="weighted")
    assert contrast(a, c)["models"][1]["weighted_f1"] == pytest.approx(expected)


def test_a_tie_made_by_rounding_keeps_the_models_choice(tmp_path: Path) -> None:
    labels = truth()
    runs = [np.tile([0.3, 0.3000001, 0.2, 0.1999999], (N, 1))]
    a, b = leave(tmp_path / "a", runs), leave(tmp_path / "b", [model(labels, 0.3, 1)])
    assert contrast(a, b)["models"][0]["accuracy"] == pytest.approx((labels == 1).mean())


def test_several_models_are_corrected_by_holm(tmp_path: Path) -> None:
    labels = truth()
    folders = [
        leave(tmp_path / name, [model(labels, skill, seed)], dialogues=dialogues())
        for seed, (name, skill) in enumerate({"a": 0.1, "b": 0.9, "c": 0.22, "d": 0.1}.items())
    ]
    content = contrast(*folders)
    pairs = content["comparisons"]
    assert content["correction"] == {"method": "Holm", "comparisons": 3, "alpha_strictest": 0.05 / 3}
    assert [p["p_corrected"] for p in pairs] == holm([p["p"] for p in pairs])
    rows = [p["mcnemar"] for p in pairs]
    assert [p["p_corrected"] for p in rows] == holm([p["p"] for p in rows])
    assert pairs[0]["verdict"] == "better" and all(p["against"] == "A" for p in pairs)
    assert pairs[0]["detectable"]["alpha"] == 0.05 / 3
    text = as_text(comparison_table(compare(folders, out=None)), width=100)
    assert "p (Holm)" in text and "better than A" in text and "D - A" in text


@pytest.mark.parametrize("width", [80, 100])
def test_the_table_says_it_all_in_its_width(tmp_path: Path, width: int) -> None:
    a, b = two(tmp_path, dialogues=dialogues(), toy=True)
    comparison = compare([a, b], out=None)
    text = as_text(comparison_table(comparison), width=width)
    number = comparison["comparisons"][0]["differences"]["weighted_f1"]
    low, value, high = (100 * number[k] for k in ("low", "value", "high"))
    assert f"{value:+.1f} [{low:+.1f}, {high:+.1f}]" in text and max(map(len, text.splitlines())) <= width
    words = " ".join(text.split())
    assert "…" not in text
    for part in ("Compared with A on toy test, protocol official, n = 200", "better than A", "20 dialogues",
                 "row-level, ignores dialogues", "text+audio", TOY_MARK, "Could show", "at 0.05", "Holm"):  # fmt: skip
        assert part in words
    assert "p (Holm)" not in text and "LEAKY" not in text


def test_many_comparisons_are_not_cut_off_at_80_columns(tmp_path: Path) -> None:
    """What a pipe and most terminals have; with several comparisons there is one more column."""
    labels = truth()
    runs = {
        "a": np.eye(C)[(labels + 1) % C], "b": np.eye(C)[labels],
        "c": model(labels, 0.3, 1), "d": model(labels, 0.2, 2),
    }  # fmt: skip
    folders = [leave(tmp_path / name, [run], dialogues=dialogues()) for name, run in runs.items()]
    for order in (folders, folders[2:]):  # differences of 100 points; none shown
        text = as_text(comparison_table(compare(order, out=None)), width=80)
        assert "…" not in text and max(map(len, text.splitlines())) <= 80
        for pair in contrast(*order)["comparisons"]:
            for name in NAMES:
                value, low, high = (100 * pair["differences"][name][k] for k in ("value", "low", "high"))
                assert f"{value:+.1f}" in text and f"{low:+.1f}" in text and f"{high:+.1f}]" in text
        words = " ".join(text.split())
        assert ("better than A" in words) == (order is folders)
    few = as_text(comparison_table(compare(folders[2:] + folders[:1], out=None)), width=80)
    assert "no difference" in few and "shown" in few


def test_leaky_results_compare_with_each_other_and_carry_the_mark(tmp_path: Path) -> None:
    a, b = two(tmp_path, name="leaky.json", protocol="leaky")
    comparison = compare([a, b], out=None)
    assert comparison["comparable"] is False and comparison["mark"] == LEAKY_MARK
    assert LEAKY_MARK in " ".join(as_text(comparison_table(comparison)).split())
    clean = leave(tmp_path / "clean", [model(truth(), 0.1, 1)])
    for pair in ((a, clean), (clean, a)):
        with pytest.raises(InputError, match=r"a has the protocol leaky, .*clean official.*same protocol"):
            contrast(*pair)


def test_a_split_that_served_differently_is_noted(tmp_path: Path) -> None:
    a = leave(tmp_path / "a", [model(truth(), 0.1, 1)], split_role="val: chose the epochs")
    b = leave(tmp_path / "b", [model(truth(), 0.1, 2)], split_role="val standing in for test")
    assert contrast(a, b)["notes"] == ["the split served differently: val: chose the epochs | val standing in for test"]


# --- refusals --------------------------------------------------------------------------------------------------


def drop_columns(path: Path, *columns: str) -> None:
    with path.open(newline="") as file:
        rows = list(csv.DictReader(file))
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, [name for name in rows[0] if name not in columns], extrasaction="ignore")
        writer.writeheader()
        writer.writerows(rows)


def refused(message: str, *folders: Path) -> None:
    with pytest.raises(InputError, match=f"(?s){message}"):
        contrast(*folders)


def test_wrong_calls_are_refused(tmp_path: Path) -> None:
    a, b = two(tmp_path)
    refused("at least two result folders", a)
    refused(r"a is named twice", a, b, tmp_path / "b" / ".." / "a")
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match="choose another place"):
        compare([a, b], out=tmp_path / "file")


@pytest.mark.parametrize(
    ("circumstances", "message"),
    [
        ({"protocol": "loso"}, "a has the protocol official, .*b has loso.*different protocols"),
        ({"split": "val"}, "a has the split test, .*b has val.*different splits.*Evaluate both on the same"),
        ({"corpus": "MELD"}, "a has the corpus toy, .*b has MELD"),
        ({"emotions": ["anger", "joy", "neutral", "fear"]}, "classes or targets differ: .*sadness; .*neutral, fear"),
        ({"ids": [f"u{i}" for i in range(5, N + 5)]},
         r"5 only in .*a.predictions.csv \(u0, u1, u2, ...\); 5 only in .*b.predictions.csv \(u200"),
        ({"labels": np.r_[(truth()[0] + 1) % C, truth()[1:]]}, r"1 rows have another label in .*b.*first u0: "),
        ({"dialogues": dialogues(5)}, "name other dialogues for the same rows"),
    ],
)  # fmt: skip
def test_different_tests_are_refused(tmp_path: Path, circumstances: dict[str, Any], message: str) -> None:
    a = leave(tmp_path / "a", [model(truth(), 0.1, 1)], dialogues=dialogues())
    b = leave(tmp_path / "b", [model(truth(), 0.1, 2)], **({"dialogues": dialogues()} | circumstances))
    refused(message, a, b)


def test_what_is_not_there_is_named_with_the_command(tmp_path: Path) -> None:
    a, b = two(tmp_path)
    refused("holds no metrics.json.*tricue evaluate --model_path CHECKPOINT --out DIR", a, tmp_path / "no")
    checkpoint = tmp_path / "best_model"
    checkpoint.mkdir()
    (checkpoint / "model.safetensors").touch()
    refused("tricue evaluate --model_path .*best_model --out DIR", a, checkpoint)
    (b / "predictions.csv").unlink()
    refused("b holds no predictions.csv. Run tricue evaluate again", a, b)


def test_leftovers_of_another_run_are_refused(tmp_path: Path) -> None:
    labels = truth()
    a = leave(tmp_path / "a", [model(labels, 0.1, s) for s in range(3)])
    b = leave(tmp_path / "b", [model(labels, 0.1, 7)])
    (b / "leaky.json").write_text((b / "metrics.json").read_text())
    refused("metrics.json and leaky.json", a, b)
    (b / "leaky.json").unlink()
    metrics = json.loads((a / "metrics.json").read_text())
    (a / "metrics.json").write_text(json.dumps(metrics | {"seeds": {"n": 2}}))
    refused(r"no predictions of 2 seeds \(seed-<N>/predictions.csv\), but of 3", a, b)
    (a / "metrics.json").write_text(json.dumps(metrics | {"weighted_f1": {"value": 0.9}}))
    refused("says weighted F1 0.9000, but the predictions beside it come to", a, b)
    (a / "metrics.json").write_text(json.dumps(metrics | {"n": 7}))
    refused("has 200 rows, metrics.json says 7", a, b)


def test_metrics_name_their_predictions_whatever_else_lies_there(tmp_path: Path) -> None:
    """An earlier call may have measured more seeds into the same folder."""
    labels = truth()
    runs = [model(labels, 0.1, s) for s in range(3)]
    leave(tmp_path / "a", runs)
    b = leave(tmp_path / "b", [model(labels, 0.1, 7)])
    two_seeds = leave(tmp_path / "two", runs[:2])
    named = ["seed-0/predictions.csv", "seed-1/predictions.csv"]
    metrics = json.loads((two_seeds / "metrics.json").read_text()) | {"predictions": named}
    (tmp_path / "a" / "metrics.json").write_text(json.dumps(metrics))
    content = contrast(tmp_path / "a", b)
    assert content["models"][0]["seeds"]["n"] == 2
    assert content["comparisons"] == contrast(two_seeds, b)["comparisons"]
    (tmp_path / "a" / named[1]).unlink()
    refused(r"holds no seed-1/predictions\.csv\. Run tricue evaluate again", tmp_path / "a", b)
    for wrong in (named[:1], "seed-0", [1, 2], ["../b/predictions.csv", named[0]]):
        (tmp_path / "a" / "metrics.json").write_text(json.dumps(metrics | {"predictions": wrong}))
        refused(r"metrics\.json is damaged \(predictions\)", tmp_path / "a", b)


def test_seeds_on_different_rows_are_refused(tmp_path: Path) -> None:
    a = leave(tmp_path / "a", [model(truth(), 0.1, s) for s in range(2)])
    b = leave(tmp_path / "b", [model(truth(), 0.1, 7)])
    path = a / "seed-1" / "predictions.csv"
    path.write_text(path.read_text().replace("u7,", "v7,"))
    refused(r"1 only in .*seed-0.predictions.csv \(u7\); 1 only in .*seed-1.predictions.csv \(v7\)", a, b)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "metrics.json is damaged"),
        ("[]", "does not say weighted_f1, n, protocol"),
        ('{"n": 3}', "does not say weighted_f1, protocol"),
        (b"\xff\xfe{", "metrics.json is damaged"),
    ],
)
def test_damaged_metrics_are_refused(tmp_path: Path, text: str | bytes, message: str) -> None:
    a, b = two(tmp_path)
    (b / "metrics.json").write_bytes(text if isinstance(text, bytes) else text.encode())
    refused(message, a, b)


@pytest.mark.parametrize(
    "change", [{"per_class": 3}, {"weighted_f1": 0.5}, {"weighted_f1": {"value": None}}, {"seeds": {"n": 0}},
               {"seeds": None}, {"class_shares": [0.5]}, {"class_shares": "abcd"}],
)  # fmt: skip
def test_metrics_of_another_form_are_refused(tmp_path: Path, change: dict[str, Any]) -> None:
    a, b = two(tmp_path)
    metrics = json.loads((b / "metrics.json").read_text())
    (b / "metrics.json").write_text(json.dumps(metrics | change))
    refused("is damaged", a, b)


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda text: text[: text.index("\n") + 1], "it has no row"),
        (lambda text: "", "it has no"),
        (lambda text: text.replace("label", "truth", 1), "it has no column label"),
        (lambda text: text.replace("p_joy", "p_fun", 1), "it has no column p_joy"),
        (lambda text: text.rsplit(",", 3)[0][:-2], "row 201 has no label"),
        (lambda text: text.replace("\nu0,", "\nu0,a,b,c,", 1), "nothing was read.*more cells than columns"),
        (lambda text: text.replace(",0.", ",x.", 4), "row 2: could not convert"),
        (lambda text: text + '"open', "not valid CSV"),
        (lambda text: text.replace("u3,", "\udcff,"), "wrong encoding"),
    ],
)
def test_damaged_predictions_are_refused(tmp_path: Path, damage: Any, message: str) -> None:
    a, b = two(tmp_path)
    path = b / "predictions.csv"
    path.write_bytes(damage(path.read_text()).encode("utf-8", "surrogateescape"))
    refused(message, a, b)


def test_an_emotion_that_is_not_the_most_probable_is_refused(tmp_path: Path) -> None:
    a, b = two(tmp_path)
    path = b / "predictions.csv"
    first, second, *rest = path.read_text().splitlines()
    cells = second.split(",")
    cells[1] = next(e for e in EMOTIONS if e != cells[1])
    path.write_text("\n".join([first, ",".join(cells), *rest]) + "\n")
    refused(f"row 2: '{cells[1]}' is not the class of the highest probability", a, b)


@pytest.mark.parametrize("files", COUNTS)
def test_fuzz(tmp_path: Path, files: int) -> None:
    """Results from elsewhere: one error, or a comparison; damage to what was scored changes no number in silence."""
    a, b = two(tmp_path)
    whole = {name: (b / name).read_bytes() for name in ("metrics.json", "predictions.csv")}
    plain = json.loads(whole["metrics.json"])

    def refused(number: int) -> bool:
        rng = np.random.default_rng([23, number])
        folder = tmp_path / f"fuzz-{number}"
        shutil.copytree(b, folder)
        name = "predictions.csv" if number % 3 == 0 else "metrics.json"
        harmed = written(changed_json(rng, plain)) if number % 3 == 1 else damaged(rng, whole[name], most=1)
        (folder / name).write_bytes(harmed)
        try:
            comparison_table(compare([a, folder], out=None))
        except InputError:
            return True
        finally:
            shutil.rmtree(folder)
        return False

    assert 0 < survived(files, refused) < files
