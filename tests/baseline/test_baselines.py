"""What is fitted for each task, what cannot be, and what is answered."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import f1_score

from tricue.baseline.baseline_file import read_baselines, write_baselines
from tricue.baseline.baselines import Baselines, fit_baselines
from tricue.baseline.pooled import LabelledRows
from tricue.files.tensors import read_tensors, write_tensors
from tricue.tasks.categorical import Categorical
from tricue.tasks.dimensional import Dimensional
from tricue.tasks.multilabel import Multilabel
from tricue.tasks.task import Task
from tricue.types import InvalidFileError, Utterance

CLASSES = ("anger", "joy", "neutral")
RANDOM = np.random.default_rng(0)
COUNT = 150
VALUES = RANDOM.standard_normal((COUNT, 4)).astype(np.float32)
ARRAYS = {"text": {f"u{i}": row[None] for i, row in enumerate(VALUES)}}
CLASS = np.argmax(VALUES[:, :3] + RANDOM.standard_normal((COUNT, 3)) / 2, axis=1)
SETS = VALUES[:, :3] + RANDOM.standard_normal((COUNT, 3)) / 2 > 0.5
POINTS = 3 + 2 * VALUES[:, :2] + RANDOM.standard_normal((COUNT, 2)) / 2
LABELS: dict[str, list[Any]] = {
    "categorical": [CLASSES[c] for c in CLASS],
    "votes": np.eye(3)[CLASS].tolist(),
    "multilabel": [tuple(name for name, named in zip(CLASSES, row, strict=True) if named) for row in SETS],
    "dimensional": [tuple(map(float, row)) for row in POINTS],
}
SCALES = tuple((float(c.mean()), float(c.std()), float(c.min()), float(c.max())) for c in POINTS[:100].T)
TASKS: dict[str, Task] = {
    "categorical": Categorical(CLASSES),
    "votes": Categorical(CLASSES, votes=tuple(f"votes_{name}" for name in CLASSES)),
    "multilabel": Multilabel(CLASSES),
    "dimensional": Dimensional(("valence", "arousal"), scales=SCALES),
}


def labelled(name: str, numbers: range, arrays: Any = ARRAYS) -> LabelledRows:
    rows = [Utterance(f"u{i}", dialogue=f"d{i // 5}") for i in numbers]
    return LabelledRows(rows, arrays, TASKS[name].encode([LABELS[name][i] for i in numbers]))


TRAIN, VAL, TEST = range(100), range(100, 125), range(125, 150)


def fitted(name: str, with_val: bool = True, arrays: Any = ARRAYS, modalities: tuple[str, ...] = ("text",)) -> Any:
    val = labelled(name, VAL, arrays) if with_val else None
    return fit_baselines(TASKS[name], labelled(name, TRAIN, arrays), val, modalities, seed=0)


def scores(name: str, found: Baselines) -> dict[str, float]:
    task, test = TASKS[name], labelled(name, TEST)
    answers = found.answers(task, test.rows, ARRAYS, task.prior(labelled(name, TRAIN).targets))
    return {
        model: task.score(test.targets, [own], None, "row")[task.headline()]["value"] for model, own in answers.items()
    }


@pytest.mark.parametrize("with_val", [True, False])
@pytest.mark.parametrize("name", TASKS)
def test_each_task_has_three_that_learn(name: str, with_val: bool) -> None:
    found = fitted(name, with_val)
    (_, least), (_, linear), (_, small) = scores(name, found).items()
    assert least < 0.5 < min(linear, small) and found.penalty and not found.notes
    assert all((model.calibration is not None) == with_val for model in found.models[1:])
    assert found.left_out.value == pytest.approx(linear, abs=0.15) and found.left_out.groups == 20


def test_the_linear_model_is_that_of_scikit_learn_on_standardised_rows() -> None:
    found = fitted("categorical")
    train, test = VALUES[:100], VALUES[125:]
    mean, deviation = train.mean(axis=0), train.std(axis=0)
    known = LogisticRegression(C=1 / found.penalty, tol=1e-3, max_iter=200).fit((train - mean) / deviation, CLASS[:100])
    expected = f1_score(CLASS[125:], known.predict((test - mean) / deviation), average="weighted")
    assert scores("categorical", found)["logistic regression"] == pytest.approx(expected)


def test_the_constant_answers_the_most_frequent_class_and_the_mean() -> None:
    most = np.bincount(CLASS[:100]).argmax()
    expected = f1_score(CLASS[125:], np.full(25, most), average="weighted")
    assert scores("categorical", fitted("categorical"))["most frequent class"] == pytest.approx(expected)
    task, test = TASKS["dimensional"], labelled("dimensional", TEST)
    answers = fitted("dimensional").answers(task, test.rows, ARRAYS, [0.0, 0.0])["mean"]
    np.testing.assert_allclose(answers, np.tile(POINTS[:100].mean(axis=0), (25, 1)), rtol=1e-5)


def test_left_out_rows_are_of_groups_that_the_model_has_not_met() -> None:
    """Features that name the dialogue, and labels that are the dialogue's: nothing is learnt of another one."""
    rows = [Utterance(f"u{i}", dialogue=f"d{i // 5}") for i in range(100)]
    named = {"text": {row.id: np.eye(20, dtype=np.float32)[[i // 5]] for i, row in enumerate(rows)}}
    targets = np.repeat(np.arange(20) % 2, 5)
    found = fit_baselines(Categorical(("a", "b")), LabelledRows(rows, named, targets), None, ["text"], 0)
    assert found is not None and found.left_out is not None and found.left_out.value < 0.6


def test_a_row_without_a_modality_gets_the_prior() -> None:
    found = fitted("categorical")
    rows = [Utterance("u125"), Utterance("nowhere")]
    for answers in found.answers(TASKS["categorical"], rows, ARRAYS, [0.2, 0.3, 0.5]).values():
        assert answers[1].tolist() == [0.2, 0.3, 0.5] and answers[0].tolist() != [0.2, 0.3, 0.5]


def test_one_class_alone_leaves_the_constant_with_the_reason(caplog: pytest.LogCaptureFixture) -> None:
    train = labelled("categorical", TRAIN)
    same = LabelledRows(train.rows, train.arrays, np.ones(100, dtype=np.int64))
    found = fit_baselines(TASKS["categorical"], same, None, ["text"], 0)
    assert found is not None and [model.name for model in found.models] == ["most frequent class"]
    assert "same label" in found.notes[0] and found.notes[0] in caplog.text


@pytest.mark.parametrize("number", [7, 107])  # of train, of val
def test_features_that_are_no_numbers_leave_the_constant_with_the_row(number: int) -> None:
    broken = {"text": ARRAYS["text"] | {f"u{number}": np.full((1, 4), np.nan, np.float32)}}
    found = fitted("categorical", arrays=broken)
    assert len(found.models) == 1 and "NaN" in found.notes[0] and f"u{number};" in found.notes[0]


def test_no_array_that_a_checkpoint_refuses_is_kept() -> None:
    huge = {"text": ARRAYS["text"] | {"u7": np.array([[3e38] * 4, [-3e38] * 4], np.float32)}}  # past float32, squared
    found = fitted("dimensional", arrays=huge)
    assert [model.name for model in found.models] == ["mean"] and "huge values" in found.notes[0]


def test_fine_tuned_encoders_have_no_features_to_pool() -> None:
    found = fitted("categorical", modalities=())
    assert len(found.models) == 1 and "fine-tuned" in found.notes[0]
    assert scores("categorical", found)


def test_a_task_that_names_no_targets_has_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Categorical, "baseline_targets", Task.baseline_targets)
    assert fitted("categorical") is None


@pytest.fixture
def stored(tmp_path: Path) -> tuple[Path, dict[str, Any]]:
    path = tmp_path / "baseline.safetensors"
    return path, write_baselines(path, fitted("categorical"))


def test_a_file_gives_the_same_answers(stored: tuple[Path, dict[str, Any]]) -> None:
    read = read_baselines(*stored, {"text": 4}, 3, "Train again.")
    rows = labelled("categorical", TEST).rows
    before, after = (
        own.answers(TASKS["categorical"], rows, ARRAYS, [0.2, 0.3, 0.5]) for own in (fitted("categorical"), read)
    )
    assert list(before) == list(after) == ["most frequent class", "logistic regression", "MLP"]
    for name in before:
        np.testing.assert_array_equal(before[name], after[name])
    assert (read.penalty, read.left_out) == (fitted("categorical").penalty, fitted("categorical").left_out)


@pytest.mark.parametrize("change", ["bytes", "shape", "type", "scalar", "missing", "width", "outputs"])
def test_a_damaged_file_is_one_error(stored: tuple[Path, dict[str, Any]], change: str) -> None:
    path, told = stored
    widths, outputs = {"text": 5 if change == "width" else 4}, 4 if change == "outputs" else 3
    tensors = read_tensors(path, None, "")
    if change == "shape":
        tensors["2.1.weights"] = tensors["2.1.weights"].T
    elif change == "type":
        tensors["mean"] = tensors["mean"].double()
    elif change == "scalar":
        tensors["2.0.bias"] = tensors["2.0.bias"].sum()
    elif change == "missing":
        del tensors["1.0.bias"]
    write_tensors(path, tensors)
    told = told | {"sha256": None if change != "bytes" else "0" * 64}
    with pytest.raises(InvalidFileError, match=r"baseline\.safetensors.*Train again"):
        read_baselines(path, told, widths, outputs, "Train again.")
