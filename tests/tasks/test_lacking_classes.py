"""Classes that train or val has no row of are named before training, with what can be done."""

import logging

import pytest

from tricue.config.load import build_config
from tricue.tasks.task import make_task
from tricue.types import Utterance


@pytest.mark.parametrize(
    ("protocol", "remedies"),
    [
        ({}, ["mark some of its rows `val`", "--set data.val_from_train=0.1"]),
        ({"val_from_train": 0.25}, ["data.val_from_train=0.25"]),
        ({"protocol": "kfold-dialogue", "fold": "2"}, ["data.folds", "--protocol"]),
        ({"protocol": "loso", "fold": "s1"}, ["--protocol"]),
    ],
)
def test_a_class_without_val_rows_is_named_with_its_remedies(
    protocol: dict[str, object], remedies: list[str], caplog: pytest.LogCaptureFixture
) -> None:
    config = build_config({"data": protocol | {"emotions": ["joy", "fear", "calm"]}}, {}, "a test")
    rows = {name: Utterance(name, text="hm", label=name) for name in ("joy", "fear")}
    splits = {"train": list(rows.values()), "val": [rows["joy"]], "test": [rows["fear"]]}
    make_task(config).check_training(splits, config)
    train, val = [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]
    where = f" in fold {protocol['fold']}" if "fold" in protocol else ""
    assert train.startswith(f"No training row is calm{where}: ") and "data.emotions" in train
    assert val.startswith(f"No val row is fear{where}: ") and """'data.mapping={fear: ""}'""" in val
    assert all(remedy in val for remedy in remedies)


def test_val_is_not_missed_where_it_is_not_read(caplog: pytest.LogCaptureFixture) -> None:
    config = build_config({"data": {"emotions": ["joy", "fear"]}, "training": {"select": "last"}}, {}, "a test")
    rows = [Utterance(name, text="hm", label=name) for name in ("joy", "fear")]
    make_task(config).check_training({"train": rows, "val": [], "test": []}, config)
    assert [record for record in caplog.records if record.levelno == logging.WARNING] == []
