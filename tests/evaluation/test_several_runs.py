"""What is measured over several runs at once: calibration over folds and seeds; which one may be asked for alone."""

from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from tests.small_runs import small, workspace

from tricue.checkpoint.checkpoint import read_card
from tricue.evaluation.evaluate import Evaluation, calibration
from tricue.evaluation.several_runs import evaluate_all, single_model
from tricue.tasks.categorical import Categorical
from tricue.tasks.temperature import expected_calibration_error
from tricue.training.runs import train_all
from tricue.types import InputError, Utterance

EMOTIONS = ["anger", "joy"]


def part(joys: Sequence[float], labels: Sequence[str], temperature: float = 1.0, unanswered: int = 0) -> Evaluation:
    """Rows with these probabilities of joy; the last `unanswered` without a modality."""
    answered = [i < len(joys) - unanswered for i in range(len(joys))]
    return SimpleNamespace(
        card=SimpleNamespace(task=Categorical(tuple(EMOTIONS)), calibration={"temperature": temperature}),
        answers=np.array([[1 - p, p] for p in joys]),
        utterances=[SimpleNamespace(label=label) for label in labels],
        predictions=[SimpleNamespace(label="joy" if said else None) for said in answered],
    )  # type: ignore[return-value]


def test_parts_are_measured_as_one() -> None:
    """Each row alone is far off; together the rows of one confidence are right as often as they say."""
    found = calibration([part([0.75], ["joy"]), part([0.75] * 3, ["anger", "joy", "joy"])])["calibration"]
    assert found["rows"] == 4
    assert [found["ece"], found["ece_uncalibrated"]] == pytest.approx([0.0, 0.0], abs=1e-9)


def test_each_part_is_uncalibrated_by_its_own_temperature() -> None:
    found = calibration([part([0.75], ["joy"], temperature=2.0), part([0.75], ["joy"], temperature=1.0)])["calibration"]
    assert found["ece"] == pytest.approx(0.25) and found["temperature"] == 1.5
    assert found["ece_uncalibrated"] == pytest.approx((0.1 + 0.25) / 2)  # odds of 3 to 1, squared: 0.9


def test_a_row_without_an_answer_is_no_prediction() -> None:
    answers = part([0.75] * 4, ["anger", "joy", "joy", "joy"])
    more = part([0.75] * 4 + [0.99], ["anger", "joy", "joy", "joy", "anger"], unanswered=1)
    assert calibration([more]) == calibration([answers]) and calibration([more])["calibration"]["rows"] == 4
    none = calibration([part([0.9], ["joy"], unanswered=1)])["calibration"]
    assert none == {"temperature": 1.0, "rows": 0, "ece": None, "ece_uncalibrated": None}


@pytest.fixture(scope="module")
def folds(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with rows.csv, store/ and two folds in run/."""
    place = tmp_path_factory.mktemp("folds")
    rows = [
        Utterance(f"u{i}", f"{('you fool', 'how nice')[i % 2]} {i}", label=EMOTIONS[i % 2], speaker=f"s{i // 4}")
        for i in range(48)
    ]  # fmt: skip
    config = small({
        "model.bilstm_heads": 2, "model.bilstm_layers": 2, "data.protocol": "kfold-speaker", "data.folds": 2,
    })  # fmt: skip
    train_all(config, seeds=1, save_dir=place / "run", workspace=workspace(place, rows))
    return place


def given(place: Path) -> dict[str, Any]:
    return {"workspace": workspace(place)}


def test_the_calibration_of_folds_is_that_of_their_rows_together(folds: Path, tmp_path: Path) -> None:
    result = evaluate_all(folds / "run", out=tmp_path, **given(folds))
    labels = np.array([result.card.emotions.index(str(u.label)) for u in result.utterances])
    found = result.metrics["calibration"]
    assert found["ece"] == pytest.approx(expected_calibration_error(result.answers, labels))
    assert found["rows"] == 48 and result.metrics["predictions"] == ["predictions.csv"]


def test_the_copy_of_the_best_run_is_known_by_its_weights(folds: Path) -> None:
    copy = folds / "run" / "best_model"
    found = single_model(copy, "a report")
    assert found in [folds / "run" / f"fold-{number}" / "best_model" for number in (1, 2)]
    assert read_card(found).weights_sha256 == read_card(copy).weights_sha256
    assert (found.parent / "history.json").is_file() and (found.parent / "phase1").is_dir()


def test_the_weights_of_each_run_are_told(folds: Path, tmp_path: Path) -> None:
    model = evaluate_all(folds / "run", out=tmp_path, **given(folds)).metrics["model"]
    own = [read_card(folds / "run" / f"fold-{number}" / "best_model").weights_sha256 for number in (1, 2)]
    assert model["weights_sha256"] is None and model["runs_sha256"] == own


def test_a_message_names_a_model_that_is_there(folds: Path, tmp_path: Path) -> None:
    model = folds / "run" / "fold-1" / "best_model"
    assert model.is_dir() and single_model(model, "a report") == model
    with pytest.raises(InputError, match=f"several runs, and a report is of one: give e.g. {model}"):
        single_model(folds / "run", "a report")
    with pytest.raises(InputError, match=f"--model_path {model}"):
        evaluate_all(folds / "run", out=tmp_path, split="val", **given(folds))
