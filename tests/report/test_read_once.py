"""What a report costs: the corpus and the features once; per phase the weights, a pass over the rows, a bootstrap."""

import json
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tricue.evaluation import trial
from tricue.evaluation.evaluate import Evaluation, evaluate
from tricue.metrics import class_metrics
from tricue.model.network import Network
from tricue.report import report
from tricue.report.summary import make_pages
from tricue.training.workspace import Workspace

ROWS = 24  # of the split that is scored


def test_corpus_and_weights_are_read_once_and_each_phase_is_measured_once(
    run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    counts: Counter[str] = Counter()

    def counted(place: Any, name: str, which: Callable[..., bool] = lambda *_, **__: True) -> None:
        own = getattr(place, name)

        def call(*given: Any, **named: Any) -> Any:
            counts[name] += which(*given, **named)
            return own(*given, **named)

        monkeypatch.setattr(place, name, call)

    counted(Workspace, "read_corpus")
    counted(trial, "extract")
    counted(trial, "load_checkpoint")
    counted(class_metrics, "measure_grouped")
    counted(Network, "forward", lambda network, batch, *_, **__: len(batch.ids) == ROWS)
    monkeypatch.setattr(report, "OF_A_RUN", ())  # drawing takes long, and measures nothing
    place = Workspace(store=run / "store", manifest=run / "rows.csv", device="cpu", quiet=True)
    told: list[Evaluation] = []
    model = run / "checkpoints/best_model"
    page = make_pages(model, out=tmp_path / "one", points=10, measured=told.append, workspace=place)
    once_each = 3 + 3  # phases, and baselines
    assert counts == {"read_corpus": 1, "extract": 1, "load_checkpoint": 3, "forward": 3, "measure_grouped": once_each}
    assert page == tmp_path / "one" / "report.html" and len(told) == 1
    evaluate(model, out=tmp_path / "two", workspace=place)
    for name in ("metrics.json", "predictions.csv"):
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes()
    assert told[0].metrics == json.loads((tmp_path / "one" / "metrics.json").read_text())
