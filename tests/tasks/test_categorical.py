"""One class per row, and votes for several."""

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
from tricue.tasks.categorical import Categorical
from tricue.tasks.task import make_task
from tricue.tasks.task_losses import focal_loss, intention_loss
from tricue.types import InputError, Utterance

VOTES = Categorical(("joy", "anger", "fear"), ("votes_joy", "votes_anger", "votes_fear"))


def settings(**more: Any) -> Config:
    return load_config(None, {name.replace("__", "."): value for name, value in more.items()})


def read(tmp_path: Path, content: str, config: Config | None = None) -> list[Utterance]:
    path = tmp_path / "m.csv"
    path.write_text(content)
    return read_manifest(path, target=make_task(config or settings()).columns(Labels()), need_label=True)


def test_two_tasks_columns_at_once_want_a_choice(tmp_path: Path) -> None:
    content = "id,text,emotion,valence,emotions\nu1,hm,joy,3.5,joy;fear\n"
    with pytest.raises(ManifestError, match=r"--task categorical") as raised:
        read(tmp_path, content)
    (fault,) = raised.value.faults
    assert fault.row == 1 and "valence" in fault.kind and "--task dimensional" in fault.remedy
    assert read(tmp_path, content, settings(task__name="categorical"))[0].label == "joy"
    several = settings(task__name="multilabel")
    assert read(tmp_path, content, several)[0].label == ("joy", "fear")


def test_settings_that_do_not_fit_are_named() -> None:
    with pytest.raises(InputError, match="valence,arousal"):
        make_task(settings(task__targets=["valence", "arousal"]))
    with pytest.raises(InputError, match="regression"):
        make_task(settings(task__name="regression"))
    with pytest.raises(InputError, match="votes"):
        make_task(settings(task__votes=["votes_joy", "votes_fear"], data__emotions=["joy", "anger"]))


def test_another_column_holds_the_class(tmp_path: Path) -> None:
    config = settings(task__name="categorical", task__targets=["mood"])
    assert read(tmp_path, "id,text,mood\nu1,hm,joy\n", config)[0].label == "joy"


def test_votes_are_read_and_come_back(tmp_path: Path) -> None:
    config = settings(task__votes=list(VOTES.votes))
    rows = read(tmp_path, "id,text,votes_joy,votes_anger,votes_fear\nu1,hm,3,1,0\nu2,hm,2,2,0\n", config)
    assert [row.label for row in rows] == [(3.0, 1.0, 0.0), (2.0, 2.0, 0.0)]
    columns = make_task(config).columns(Labels())
    write_manifest(rows, tmp_path / "again.csv", columns)
    assert read_manifest(tmp_path / "again.csv", target=columns) == rows
    fitted = make_task(config).fitted(config, Corpus("c", rows), rows)
    assert make_task(fitted) == VOTES and fitted.data.emotions == ["joy", "anger", "fear"]


@pytest.mark.parametrize(
    ("cells", "column", "kind"),
    [("0,0,0", "votes_joy", "all zero"), ("1,-1,0", "votes_anger", "number"), ("1,,0", "votes_anger", "no votes")],
)
def test_votes_that_say_nothing_are_named(tmp_path: Path, cells: str, column: str, kind: str) -> None:
    with pytest.raises(ManifestError) as raised:
        read(tmp_path, f"id,text,votes_joy,votes_anger,votes_fear\nu1,hm,{cells}\n", settings(task__votes=list(VOTES.votes)))  # fmt: skip # noqa: E501
    (fault,) = raised.value.faults
    assert (fault.row, fault.column) == (2, column) and kind in fault.kind


def test_votes_are_shares_scored_on_the_first_of_the_most() -> None:
    targets = VOTES.encode([(3.0, 1.0, 0.0), (2.0, 2.0, 0.0), (0.0, 0.0, 5.0)])
    np.testing.assert_allclose(targets, [[0.75, 0.25, 0], [0.5, 0.5, 0], [0, 0, 1]])
    assert VOTES.strata(targets).tolist() == [0, 0, 2]
    assert VOTES.prior(targets) == pytest.approx([1.25 / 3, 0.75 / 3, 1 / 3])
    assert VOTES.label_cells((2.0, 2.0, 0.0)) == {"label": "joy"}
    objective = VOTES.objective(targets, settings().training)
    assert objective.name == "cross_entropy" and settings().training.focal_gamma == 0
    own = torch.from_numpy(targets)
    assert objective.same(own, own).tolist() == [[True, True, False], [True, True, False], [False, False, True]]
    guesses = torch.tensor([[2.0, 0, 0], [0, 2.0, 0], [0, 0, 2.0]])
    assert VOTES.select(guesses, targets)["accuracy"] == pytest.approx(2 / 3)


@pytest.mark.parametrize("gamma", [0.0, 2.0])
def test_shares_that_are_one_class_are_trained_as_that_class(gamma: float) -> None:
    torch.manual_seed(0)
    logits, labels = torch.randn(5, 3), torch.tensor([0, 2, 1, 1, 0])
    shares = torch.nn.functional.one_hot(labels, 3).float()
    objective = VOTES.objective(shares.numpy(), settings(training__focal_gamma=gamma).training)
    assert objective.name == ("focal" if gamma else "cross_entropy")
    torch.testing.assert_close(objective.loss(logits, shares), objective.loss(logits, labels))
    args = (torch.randn(5, 3), 3 * logits)
    torch.testing.assert_close(intention_loss(*args, shares, 0.5, 0.1), intention_loss(*args, labels, 0.5, 0.1))


def test_shares_are_trained_as_a_distribution() -> None:
    """Cross-entropy against 3/4 and 1/4, by hand; least where the network says just that."""
    logits = torch.log(torch.tensor([[0.5, 0.25, 0.25]]))
    shares = torch.tensor([[0.75, 0.25, 0.0]])
    want = -(0.75 * np.log(0.5) + 0.25 * np.log(0.25))
    assert focal_loss(logits, shares, torch.ones(3), 0.0).item() == pytest.approx(want, rel=1e-5)
