"""Several classes at once: what is read of them, what is learnt, what is answered."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from sklearn.metrics import f1_score

from tricue.config.load import load_config
from tricue.config.settings import Config
from tricue.data.corpus import Corpus
from tricue.data.labels import Labels
from tricue.data.manifest import read_manifest, write_manifest
from tricue.data.table import ManifestError
from tricue.tasks.multilabel import Multilabel, best_threshold
from tricue.tasks.task import make_task
from tricue.tasks.task_losses import label_focal_loss, label_intention_loss
from tricue.types import InputError, Prediction, Utterance

CLASSES = ("anger", "disgust", "joy")
TASK = Multilabel(CLASSES)


def settings(**more: Any) -> Config:
    given = {"task.name": "multilabel"} | {name.replace("__", "."): value for name, value in more.items()}
    return load_config(None, given)


def read(tmp_path: Path, cell: str, **more: Any) -> Any:
    path = tmp_path / "m.csv"
    path.write_text(f"id,text,emotions\nu1,hm,joy\nu2,hm,{cell}\n")
    columns = make_task(settings(data__emotions=list(CLASSES), **more)).columns(Labels(CLASSES))
    return read_manifest(path, target=columns, need_label=True)[1].label


@pytest.mark.parametrize(
    ("cell", "label"), [("anger;disgust", ("anger", "disgust")), (" Joy ; anger;joy", ("joy", "anger")), ("none", ())]
)
def test_cells_are_sets(tmp_path: Path, cell: str, label: tuple[str, ...]) -> None:
    assert read(tmp_path, cell) == label


@pytest.mark.parametrize(("cell", "kind"), [("anger;rage", "unknown"), ("anger;;joy", "empty"), ("", "missing")])
def test_a_cell_that_does_not_fit_is_named(tmp_path: Path, cell: str, kind: str) -> None:
    with pytest.raises(ManifestError) as raised:
        read(tmp_path, cell)
    (fault,) = raised.value.faults
    assert (fault.row, fault.column, fault.value) == (3, "emotions", cell) and kind in fault.kind


def test_a_manifest_comes_back(tmp_path: Path) -> None:
    columns = TASK.columns(Labels(CLASSES))
    labels = [("anger", "joy"), (), None, ("disgust",)]
    written = [Utterance(str(i), text="x", label=label) for i, label in enumerate(labels)]
    write_manifest(written, tmp_path / "m.csv", columns)
    assert read_manifest(tmp_path / "m.csv", target=columns) == written


def test_classes_are_those_of_training() -> None:
    rows = [Utterance("1", label=("joy", "anger")), Utterance("2", label=("disgust",)), Utterance("3")]
    config = settings()
    found = make_task(config).fitted(config, Corpus("c", rows), rows)
    assert make_task(found) == TASK and found.data.emotions == list(CLASSES)
    assert TASK.encode([("joy", "anger"), ()]).tolist() == [[1, 0, 1], [0, 0, 0]]


def test_focal_loss_with_gamma_0_is_weighted_binary_cross_entropy() -> None:
    torch.manual_seed(0)
    logits, labels = torch.randn(6, 3), (torch.rand(6, 3) < 0.5).float()
    weights = torch.tensor([0.5, 1.0, 1.5])
    want = torch.nn.functional.binary_cross_entropy_with_logits(logits, labels, weight=weights)
    torch.testing.assert_close(label_focal_loss(logits, labels, weights, 0.0), want / weights.mean())


def test_focal_loss_worked_by_hand() -> None:
    """p of the right answer: 0.8 and 0.6; (1 - p)^2 (-log p)."""
    logits = torch.log(torch.tensor([[4.0, 1.5]]))  # sigmoid 0.8, 0.6
    loss = label_focal_loss(logits, torch.tensor([[1.0, 1.0]]), torch.ones(2), 2.0)
    assert loss.item() == pytest.approx((0.04 * -np.log(0.8) + 0.16 * -np.log(0.6)) / 2, rel=1e-5)


def test_same_sets_by_their_jaccard_index() -> None:
    objective = TASK.objective(TASK.encode([CLASSES]), settings().training)
    sets = torch.from_numpy(TASK.encode([("anger", "joy"), ("anger",), ("anger", "joy", "disgust"), ()]))
    assert objective.same(sets, sets).tolist() == [
        [True, False, True, False], [False, True, False, False], [True, False, True, False], [False] * 3 + [True],
    ]  # fmt: skip


def test_intention_learns_from_classes_that_the_classifier_is_sure_of() -> None:
    logits = torch.tensor([[4.0, 0.1, -4.0]])
    asked, labels = torch.tensor([[0.0, 9.0, 0.0]]), torch.tensor([[1.0, 0.0, 1.0]])
    assert label_intention_loss(asked, logits, labels, 0.7, 0.0).item() == pytest.approx(np.log(2), rel=1e-5)
    assert label_intention_loss(asked, 0 * logits, labels, 0.7, 0.0).item() == 0.0


def test_the_threshold_of_a_class_has_its_best_f1() -> None:
    random = np.random.default_rng(0)
    for _ in range(5):
        positive = random.random(60) < 0.2
        positive[0] = True
        chances = np.round(0.3 * positive + 0.6 * random.random(60), 2)  # ties
        found = best_threshold(chances, positive)
        tried = [f1_score(positive, chances >= t) for t in np.unique(chances)]
        assert f1_score(positive, chances >= found) == pytest.approx(max(tried))
        assert not np.any(chances == found)


def test_calibration_chooses_per_class_and_leaves_unmet_ones_even() -> None:
    chances = np.array([[0.3, 0.1, 0.2], [0.2, 0.1, 0.9], [0.1, 0.1, 0.1]])
    targets = TASK.encode([("anger",), ("anger", "joy"), ()])
    found = TASK.calibrate(np.log(chances / (1 - chances)), targets)
    assert found["thresholds"] == pytest.approx([0.15, 0.5, 0.55])
    assert TASK.decide([0.2, 0.4, 0.5], found) == (("anger",), None)
    assert TASK.decide([0.2, 0.4, 0.5], None) == (("joy",), None)


def test_an_answer_in_words_and_cells() -> None:
    values = dict(zip(CLASSES, (0.7, 0.1, 0.6), strict=True))
    answer = Prediction("1", ("anger", "joy"), None, values, ("text",))
    assert str(answer) == "anger; joy" and answer.emotion is None
    assert TASK.answer_cells(answer) == ["anger;joy", "0.700000", "0.100000", "0.600000"]
    assert TASK.answer_json(answer)["emotions"] == ["anger", "joy"]
    nothing, failed = Prediction("2", (), None, values, ()), Prediction("3", None, None, {}, (), "no text")
    assert TASK.answer_cells(nothing)[0] == str(nothing) == "none" and TASK.answer_cells(failed) == [""] * 4


def test_one_set_in_all_training_rows_is_an_error() -> None:
    config = settings(data__emotions=list(CLASSES))
    rows = [
        Utterance(str(i), text="x", label=label) for i, label in enumerate([("joy", "anger"), ("anger", "joy"), None])
    ]
    with pytest.raises(InputError, match=r"emotions: all labelled training rows are anger; joy.*data\.mapping"):
        TASK.check_training({"train": rows, "val": []}, config)
    rows.append(Utterance("none", text="x", label=()))
    TASK.check_training({"train": rows, "val": rows}, config)
