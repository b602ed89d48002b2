"""A card takes numbers of its own weights alone."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tricue.checkpoint.checkpoint import Card
from tricue.export.measured import read_measured
from tricue.types import InputError

Change = Callable[[dict[str, Any]], Any]


def test_a_folder_or_its_file(run: Path, card: Card) -> None:
    found = read_measured([run / "test", run / "val/metrics.json"], card)
    assert [result["split"] for result in found] == ["test", "val"]
    assert found[0] == json.loads((run / "test/metrics.json").read_text())


def test_numbers_of_other_weights_are_refused(run: Path, card: Card) -> None:
    with pytest.raises(InputError, match=r"metrics\.json was measured of other weights \([0-9a-f]{12}, not f{12}\)"):
        read_measured([run / "test"], replace(card, weights_sha256="f" * 64))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda m: m["model"].pop("weights_sha256"), "does not say which weights"),
        (lambda m: m.pop("interval"), "does not say interval. Run tricue evaluate again"),
        (lambda m: m.pop("per_class"), "does not say per_class"),
        (lambda m: m["model"].update(runs=["a", "b"]), "the mean of several runs"),
    ],
)
def test_what_does_not_tell_enough_is_refused(
    run: Path, card: Card, tmp_path: Path, change: Change, message: str
) -> None:
    metrics = json.loads((run / "test/metrics.json").read_text())
    change(metrics)
    (tmp_path / "metrics.json").write_text(json.dumps(metrics))
    with pytest.raises(InputError, match=message):
        read_measured([tmp_path], card)


def test_no_result(card: Card, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"no result at .*gone\.json.*tricue evaluate --model_path"):
        read_measured([tmp_path / "gone.json"], card)
    with pytest.raises(InputError, match="is no result folder"):
        read_measured([tmp_path], card)
    (tmp_path / "metrics.json").write_text("{")
    with pytest.raises(InputError, match="damaged"):
        read_measured([tmp_path], card)
