"""Two models of any task on the same rows: the differences are those of outside references without each dialogue."""

import importlib.util
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy import stats
from sklearn.metrics import average_precision_score, f1_score
from tests.jackknife import error_and_degrees, t_interval

from tricue.data.labels import Labels
from tricue.evaluation.metrics_table import as_text
from tricue.evaluation.paired import Scores, compare_paired
from tricue.metrics.grouped_intervals import Grouping
from tricue.prediction.predictions import write_predictions
from tricue.studies.comparison import compare
from tricue.studies.comparison_table import comparison_table
from tricue.tasks.dimensional import Dimensional
from tricue.tasks.multilabel import Multilabel
from tricue.tasks.task import TASKS, Task, with_headline
from tricue.types import InputError, Label, Prediction

N, DIALOGUES = 120, [f"d{i // 8:02}" for i in range(120)]
LABELS = Multilabel(("anger", "joy", "fear"))
VALUES = Dimensional(("valence", "arousal"))


def sets(seed: int, chance: float = 0.4) -> list[Label]:
    drawn = np.random.default_rng(seed).random((N, 3)) < chance
    return [tuple(name for name, one in zip(LABELS.classes, row, strict=True) if one) for row in drawn]


def numbers(seed: int, scale: float = 1.0) -> list[Label]:
    return [tuple(row) for row in (scale * np.random.default_rng(seed).normal(3, 1, (N, 2))).tolist()]


def near(labels: Sequence[Any], error: float, seed: int) -> np.ndarray:
    truth = np.array(labels, dtype=float)
    return np.round(truth + error * np.random.default_rng(seed).normal(size=truth.shape), 6)


def chances(labels: Sequence[Label], skill: float, seed: int) -> np.ndarray:
    return np.round((1 - skill) * np.random.default_rng(seed).random((N, 3)) + skill * LABELS.encode(labels), 6)


def leave(
    folder: Path, task: Task, labels: Sequence[Label], runs: Sequence[np.ndarray], unanswered: int = 0,
    dialogues: Sequence[str] = DIALOGUES, **circumstances: Any,
) -> Path:  # fmt: skip
    """What `tricue evaluate --out` leaves of a task's values, (N, V) per seed; the first rows without a modality."""
    prior = task.prior(task.encode(labels))
    folder.mkdir()
    answers = []
    more = {name: [task.label_cells(label)[name] for label in labels] for name in task.label_cells(labels[0])}
    for s, run in enumerate(runs):
        given = [
            Prediction(f"u{i}", task.decide(row, None)[0], None, dict(zip(task.names, row, strict=True)), ("text",))
            if i >= unanswered
            else Prediction(f"u{i}", None, None, {}, (), "no text")
            for i, row in enumerate(run.tolist())
        ]  # fmt: skip
        place = folder / f"seed-{s}" if len(runs) > 1 else folder
        write_predictions(place / "predictions.csv", given, task, more | {"dialogue": dialogues})
        answers.append(task.answers(given, prior))
    scores = task.score(task.encode(labels), answers, dialogues, "dialogue")
    metrics = with_headline(task, scores) | {
        "protocol": "official", "corpus": "made up", "split": "test", "split_role": "test", "modalities": ["text"],
        "toy": False, "prior": prior, **circumstances,
    }  # fmt: skip
    (folder / "metrics.json").write_text(json.dumps(metrics))
    return folder


def contrast(*folders: Path) -> dict[str, Any]:
    return compare(folders, out=None)


def without_each(dialogues: Sequence[str] = DIALOGUES) -> list[np.ndarray]:
    """The rows without each dialogue."""
    return [np.flatnonzero(np.array(dialogues) != name) for name in sorted(set(dialogues))]


def ccc(truth: np.ndarray, values: np.ndarray) -> float:
    """Lin (1989), mean over the targets."""
    cov = ((truth - truth.mean(0)) * (values - values.mean(0))).mean(0)
    return float(np.mean(2 * cov / (truth.var(0) + values.var(0) + (truth.mean(0) - values.mean(0)) ** 2)))


def check(pair: dict[str, Any], name: str, reference: Sequence[float]) -> None:
    number = pair["differences"][name]
    assert [number["low"], number["high"]] == pytest.approx(t_interval(number["value"], reference), abs=1e-6)


def test_label_sets_equal_scikit_learn_without_each_dialogue(tmp_path: Path) -> None:
    labels = sets(0)
    first, second = chances(labels, 0.1, 1), chances(labels, 0.4, 2)
    truth = LABELS.encode(labels)
    folders = [leave(tmp_path / name, LABELS, labels, [run]) for name, run in (("a", first), ("b", second))]
    content = contrast(*folders)
    [pair] = content["comparisons"]

    def f1(average: str, rows: np.ndarray) -> float:
        one, two = (f1_score(truth[rows], run[rows] >= 0.5, average=average) for run in (first, second))
        return two - one

    for average in ("macro", "micro"):
        check(pair, f"{average}_f1", [f1(average, rows) for rows in without_each()])
        assert pair["differences"][f"{average}_f1"]["value"] == pytest.approx(f1(average, np.arange(N)))
    one, two = (average_precision_score(truth, run) for run in (first, second))
    assert pair["differences"]["map"]["value"] == pytest.approx(two - one)
    right = [((run >= 0.5) == truth).all(axis=1) for run in (first, second)]
    assert pair["mcnemar"]["only_second"] == int((~right[0] & right[1]).sum())
    assert (content["task"], content["metric"], pair["verdict"]) == ("multilabel", "macro_f1", "better")
    text = as_text(comparison_table(content))
    assert "Macro F1, points" in text and "McNemar" in text and "the p of the macro F1 difference" in text


def test_targets_equal_a_reference_without_each_dialogue(tmp_path: Path) -> None:
    labels = numbers(0)
    first, second = near(labels, 1.0, 1), near(labels, 0.6, 2)
    truth = np.array(labels)
    folders = [leave(tmp_path / name, VALUES, labels, [run]) for name, run in (("a", first), ("b", second))]
    content = contrast(*folders)
    [pair] = content["comparisons"]
    rows = without_each()
    check(pair, "ccc", [ccc(truth[own], second[own]) - ccc(truth[own], first[own]) for own in rows])
    errors = np.abs(second - truth).mean(axis=1) - np.abs(first - truth).mean(axis=1)
    check(pair, "mae", [errors[own].mean() for own in rows])
    r = [np.mean([stats.pearsonr(truth[:, k], run[:, k])[0] for k in (0, 1)]) for run in (first, second)]
    assert pair["differences"]["pearson"]["value"] == pytest.approx(r[1] - r[0], abs=1e-6)
    assert pair["mcnemar"] is None and pair["verdict"] == "better"
    text = as_text(comparison_table(content), width=80)
    number = pair["differences"]["ccc"]
    assert f"{number['value']:+.3f} [{number['low']:+.3f}, {number['high']:+.3f}]" in text
    assert "McNemar" not in text and "points" not in text and "…" not in text


def test_few_groups_with_errors_in_the_hundreds(tmp_path: Path) -> None:
    """A difference of errors is not cut to what a share can be."""
    labels = numbers(0, 300.0)
    first, second = near(labels, 300.0, 1), near(labels, 100.0, 2)
    dialogues = [f"d{i % 5}" for i in range(N)]
    folders = [
        leave(tmp_path / name, VALUES, labels, [run], dialogues=dialogues)
        for name, run in (("a", first), ("b", second))
    ]
    [pair] = contrast(*folders)["comparisons"]
    truth, rows = np.array(labels), without_each(dialogues)
    without = [ccc(truth[own], second[own]) - ccc(truth[own], first[own]) for own in rows]
    error, degrees = error_and_degrees(without)
    value = pair["differences"]["ccc"]["value"]
    assert pair["p"] == pytest.approx(2 * stats.t.sf(abs(value) / error, degrees), rel=1e-4)
    errors = [np.abs(second - truth)[own].mean() - np.abs(first - truth)[own].mean() for own in rows]
    number = pair["differences"]["mae"]
    assert [number["low"], number["high"]] == pytest.approx(t_interval(number["value"], errors), rel=1e-4)
    assert number["high"] < -50


def test_a_number_that_rests_on_one_group_cannot_be_tested() -> None:
    """The targets vary in one of 12 groups: without it there is no CCC. With a second group there is."""
    task = Dimensional(("valence",))
    grouping = Grouping.of(np.repeat(np.arange(12), 2).tolist(), "dialogue", 24)
    targets = np.zeros((24, 1))
    for row, testable in ((0, False), (2, True)):
        targets[row] = 1.0
        first, second = np.full((24, 1), 0.5), targets + 0.01
        one, two = (Scores.of(task.compared(targets, [run], grouping), grouping) for run in (first, second))
        paired = compare_paired(one, two, ["ccc"])
        assert paired.differences["ccc"]["value"] > 0.9
        assert (paired.p is not None) == (paired.differences["ccc"]["low"] is not None) == testable


def test_seeds_are_averaged_and_rows_without_a_modality_get_the_prior(tmp_path: Path) -> None:
    for task, labels, runs in (
        (VALUES, numbers(0), [near(numbers(0), 0.8, seed) for seed in (1, 2, 3)]),
        (LABELS, sets(0), [chances(sets(0), 0.2, seed) for seed in (1, 2, 3)]),
    ):
        place = tmp_path / task.name
        place.mkdir()
        a, b = leave(place / "a", task, labels, runs[:2]), leave(place / "b", task, labels, runs[2:], unanswered=30)
        stated = [json.loads((folder / "metrics.json").read_text()) for folder in (a, b)]
        content = contrast(a, b)
        for name in task.numbers:
            value = content["comparisons"][0]["differences"][name]["value"]
            assert value == pytest.approx(stated[1][name]["value"] - stated[0][name]["value"], abs=1e-6)
        assert any(f"30 in {b}; they count as answered with the prior" in note for note in content["notes"])
        assert content["models"][0]["seeds"]["n"] == 2


def test_order_of_targets_changes_nothing(tmp_path: Path) -> None:
    labels, other = numbers(0), Dimensional(("arousal", "valence"))
    a, b = (leave(tmp_path / name, VALUES, labels, [near(labels, 0.5, s)]) for s, name in enumerate("ab"))
    turned = [tuple(reversed(label)) for label in labels]
    c = leave(tmp_path / "c", other, turned, [near(labels, 0.5, 1)[:, ::-1]])
    plain, there = (contrast(a, folder)["comparisons"][0]["differences"]["ccc"] for folder in (b, c))
    assert there == pytest.approx(plain)


# --- refusals ----------------------------------------------------------------------------------


def refused(message: str, *folders: Path) -> None:
    with pytest.raises(InputError, match=f"(?s){message}"):
        contrast(*folders)


def test_other_tasks_and_other_targets_are_refused(tmp_path: Path) -> None:
    a = leave(tmp_path / "a", VALUES, numbers(0), [near(numbers(0), 0.5, 1)])
    b = leave(tmp_path / "b", LABELS, sets(0), [chances(sets(0), 0.5, 1)])
    refused("a is of the dimensional task, .*b of the multilabel task.*same --task", a, b)
    other = Dimensional(("valence", "dominance"))
    c = leave(tmp_path / "c", other, numbers(0), [near(numbers(0), 0.5, 1)])
    refused("targets differ: .*valence, arousal; .*valence, dominance", a, c)
    metrics = json.loads((b / "metrics.json").read_text())
    (b / "metrics.json").write_text(json.dumps(metrics | {"task": "ordinal"}))
    refused("task 'ordinal': not known", a, b)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("anger", "rage", "row .: the label 'rage.*': unknown emotion .known: anger, joy, fear"),
        ("p_fear", "p_calm", "it has no column p_fear"),
        ("emotions", "emotion", "it has no column emotions"),
    ],
)
def test_damaged_label_sets_are_refused(tmp_path: Path, old: str, new: str, message: str) -> None:
    a, b = (leave(tmp_path / name, LABELS, sets(0), [chances(sets(0), 0.5, s)]) for s, name in enumerate("ab"))
    head, rows = (b / "predictions.csv").read_text().split("\n", 1)
    head, rows = (head, rows.replace(old, new)) if old == "anger" else (head.replace(old, new, 1), rows)
    (b / "predictions.csv").write_text(f"{head}\n{rows}")
    refused(message, a, b)


@pytest.mark.parametrize(
    ("column", "cell", "message"),
    [
        ("valence", "x", "row 2: could not convert"),
        ("valence", "nan", "row 2: a value is not finite"),
        ("label_arousal", "much", "row 2: the label 'much': not a number"),
        ("label_arousal", "", "row 2: the label '': empty cell"),
        ("arousal", "99", "says CCC .*predictions beside it come to"),
    ],
)
def test_damaged_values_are_refused(tmp_path: Path, column: str, cell: str, message: str) -> None:
    a, b = (leave(tmp_path / name, VALUES, numbers(0), [near(numbers(0), 0.5, s)]) for s, name in enumerate("ab"))
    head, first, *rest = (b / "predictions.csv").read_text().splitlines()
    cells = first.split(",")
    cells[head.split(",").index(column)] = cell
    (b / "predictions.csv").write_text("\n".join([head, ",".join(cells), *rest]) + "\n")
    refused(message, a, b)


# --- a plugin's task ---------------------------------------------------------------------------


@pytest.fixture
def plugin(monkeypatch: pytest.MonkeyPatch) -> Task:
    path = Path(__file__).parents[1] / "tasks" / "plugin" / "tricue_ordinal.py"
    spec = importlib.util.spec_from_file_location("tricue_ordinal", path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(__import__("sys").modules, "tricue_ordinal", module)
    spec.loader.exec_module(module)
    monkeypatch.setitem(TASKS._loaded, "ordinal", module.Ordinal)
    return module.Ordinal()


def test_a_plugins_task_is_compared_by_scoring_drawn_rows_anew(tmp_path: Path, plugin: Task) -> None:
    labels: list[Label] = [(float(1 + i % 5),) for i in range(N)]
    first, second = (np.clip(near(labels, error, 1), 1, 5) for error in (1.5, 0.5))
    folders = [leave(tmp_path / name, plugin, labels, [run]) for name, run in (("a", first), ("b", second))]
    content = compare(folders, out=None)
    [pair] = content["comparisons"]
    truth = plugin.encode(labels)
    errors = np.abs(first[:, 0] - truth) - np.abs(second[:, 0] - truth)
    assert pair["differences"]["nearness"]["value"] == pytest.approx(errors.mean() / 4, abs=1e-6)
    assert pair["verdict"] == "better" and pair["mcnemar"] is None
    assert "Nearness, points" in as_text(comparison_table(content))
    assert plugin.columns(Labels()).columns == ("stars",)
