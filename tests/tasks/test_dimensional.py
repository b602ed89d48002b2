"""Real-valued targets: what is read of them, what is learnt, what is answered."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from tricue.config.load import load_config
from tricue.config.settings import Config
from tricue.data.corpus import Corpus
from tricue.data.labels import Labels
from tricue.data.manifest import read_manifest, write_manifest
from tricue.data.table import ManifestError
from tricue.metrics.target_metrics import concordance
from tricue.tasks.dimensional import Dimensional
from tricue.tasks.task import make_task
from tricue.tasks.task_losses import concordance_loss, value_intention_loss
from tricue.types import InputError, Prediction, Utterance

CORPUS = Corpus("c", [])


def settings(**more: Any) -> Config:
    given = {"task.name": "dimensional", "task.targets": ["valence", "arousal"]}
    return load_config(None, given | {name.replace("__", "."): value for name, value in more.items()})


def rows(values: np.ndarray) -> list[Utterance]:
    return [Utterance(str(i), text="x", label=tuple(own)) for i, own in enumerate(values.tolist())]


def fitted(values: np.ndarray, **more: Any) -> Dimensional:
    config = settings(**more)
    found = make_task(make_task(config).fitted(config, CORPUS, rows(values)))
    assert isinstance(found, Dimensional)
    return found


VALUES = np.random.default_rng(0).normal([3.0, 2.0], [1.0, 0.5], (200, 2))


def test_the_settings_describe_the_task_once_the_rows_are_known() -> None:
    config = settings()
    found = make_task(config).fitted(config, CORPUS, rows(VALUES))
    again = make_task(Config.model_validate_json(found.model_dump_json()))
    assert again == make_task(found) and isinstance(again, Dimensional)
    means, deviations, *_ = zip(*again.scales, strict=True)
    np.testing.assert_allclose(means, VALUES.mean(axis=0), rtol=1e-6)
    np.testing.assert_allclose(deviations, VALUES.std(axis=0), rtol=1e-6)
    assert again.range_of("valence") == pytest.approx((VALUES[:, 0].min(), VALUES[:, 0].max()))


@pytest.mark.parametrize(
    ("cells", "column", "kind"),
    [
        ("high,2", "valence", "not a number"), ("3,", "arousal", "empty cell"), ("7,2", "valence", "outside the range"),
        ("nan,2", "valence", "not a number"), ("1_0,2", "valence", "not a number"), (",", "valence", "missing valence"),
    ],
)  # fmt: skip
def test_a_cell_that_does_not_fit_is_named(tmp_path: Path, cells: str, column: str, kind: str) -> None:
    path = tmp_path / "m.csv"
    path.write_text(f"id,text,valence,arousal\nu1,hm,3,2\nu2,hm,{cells}\n")
    columns = make_task(settings(task__ranges={"valence": [1, 5]})).columns(Labels())
    with pytest.raises(ManifestError) as raised:
        read_manifest(path, target=columns, need_label=True)
    (fault,) = raised.value.faults
    assert (fault.row, fault.column) == (3, column) and kind in fault.kind and fault.remedy


def test_a_missing_column_is_one_fault(tmp_path: Path) -> None:
    path = tmp_path / "m.csv"
    path.write_text("id,text,valence\nu1,hm,3\nu2,hm,4\n")
    with pytest.raises(ManifestError) as raised:
        read_manifest(path, target=make_task(settings()).columns(Labels()), need_label=True)
    assert [(fault.row, fault.column) for fault in raised.value.faults] == [(1, "arousal")]


@pytest.mark.parametrize("ending", ["csv", "parquet"])
def test_a_manifest_comes_back(tmp_path: Path, ending: str) -> None:
    columns = make_task(settings()).columns(Labels())
    written = [*rows(VALUES[:3]), Utterance("unlabelled", text="x")]
    write_manifest(written, tmp_path / f"m.{ending}", columns)
    assert read_manifest(tmp_path / f"m.{ending}", target=columns) == written


def test_settings_that_do_not_fit_are_named() -> None:
    with pytest.raises(InputError, match="--targets"):
        make_task(settings(task__targets=[]))
    with pytest.raises(InputError, match="dominance"):
        make_task(settings(task__ranges={"dominance": [1, 5]}))
    constant = VALUES.copy()
    constant[:, 1] = 2.0
    with pytest.raises(InputError, match="arousal"):
        fitted(constant)
    with pytest.raises(InputError, match="balanced"):
        fitted(VALUES).strata(VALUES)


def test_the_loss_is_one_minus_the_concordance() -> None:
    random = np.random.default_rng(1)
    targets, values = random.normal(0, 1, (50, 2)), random.normal(0.3, 0.7, (50, 2))
    loss = concordance_loss(torch.from_numpy(values), torch.from_numpy(targets))
    assert loss.item() == pytest.approx(1 - concordance(targets, values).mean(), abs=1e-3)
    one = torch.zeros(1, 2, requires_grad=True)
    concordance_loss(one, torch.ones(1, 2)).backward()
    assert one.grad is not None and one.grad.isfinite().all()


def test_same_rows_are_near_in_deviations() -> None:
    """Of two targets, one apart by 0.6 deviations: the root mean square is 0.42."""
    task = fitted(VALUES)
    objective = task.objective(task.encode([(3.0, 2.0)]), settings().training)
    here = torch.tensor([[3.0, 2.0]])
    (_, valence, *_), (_, arousal, *_) = task.scales
    others = torch.tensor([[3.0, 2.0], [3.0 + 0.6 * valence, 2.0], [3.0, 2.0 + 0.8 * arousal]])
    assert objective.same(here, others).tolist() == [[True, True, False]]


def test_intention_learns_from_rows_that_are_already_near() -> None:
    values, targets = torch.tensor([[0.1], [2.0]]), torch.zeros(2, 1)
    asked = torch.tensor([[0.5], [9.0]])
    assert value_intention_loss(asked, values, targets, 0.5).item() == pytest.approx(0.5 * 0.5**2)
    assert value_intention_loss(asked, values + 5, targets, 0.5).item() == 0.0


def test_calibration_gives_val_its_mean_and_deviation_where_that_helps() -> None:
    task = fitted(VALUES)
    flat = (VALUES - VALUES.mean(axis=0)) / VALUES.std(axis=0) * 0.3 + 0.1  # right, but timid and off
    found = task.calibrate(flat, VALUES.astype(np.float32))
    values = task.values(torch.from_numpy(flat), found).numpy()
    np.testing.assert_allclose(values, VALUES, atol=1e-5)
    few = task.calibrate(flat[:50], VALUES[:50].astype(np.float32))
    assert few["scale"] == [1.0, 1.0] and "50 rows" in few["held"]
    noise = np.random.default_rng(2).normal(0, 1, (200, 2)) - 0.5 * flat
    assert task.calibrate(noise, VALUES.astype(np.float32))["scale"] == [1.0, 1.0]  # it would lower the CCC


def test_answers_keep_to_the_range() -> None:
    task = fitted(VALUES, task__ranges={"valence": [1, 5]})
    values = task.values(torch.tensor([[50.0, 50.0], [-50.0, 0.0]]), None)
    assert values[0].tolist() == pytest.approx([5.0, VALUES[:, 1].max()]) and values[1, 0] == 1.0


def test_an_answer_in_words_and_cells() -> None:
    label, confidence = fitted(VALUES).decide([3.214, 2.9], None)
    answer = Prediction("1", label, confidence, {"valence": 3.214, "arousal": 2.9}, ("text",))
    assert str(answer) == "valence 3.21, arousal 2.90" and answer.emotion is None and confidence is None
    assert fitted(VALUES).answer_cells(answer) == ["3.214000", "2.900000"]


def test_sentiment_strength_is_known_by_its_range() -> None:
    numbers = {}
    for low in (-5, 0):
        task = fitted(VALUES, task__ranges={"valence": [low, 5]})
        numbers[low] = task.score(VALUES, [VALUES], None, "row")["per_target"]
    assert "acc7" in numbers[-5]["valence"] and "acc7" not in numbers[0]["valence"]
    assert "acc7" not in numbers[-5]["arousal"]
