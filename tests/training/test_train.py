"""What a run is told apart by, and what it refuses before it begins."""

import json
import threading
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from tests.small_runs import small, workspace

from tricue.checkpoint.checkpoint import read_card
from tricue.config.settings import Config
from tricue.files.locks import locked
from tricue.training import train as train_room
from tricue.training.train import make_accelerator, train
from tricue.types import InputError, Utterance

ROWS = [
    Utterance(f"{split}{i}", f"words {i}", label=("joy", "anger")[i % 2], dialogue=split, turn=i, split=split)
    for split in ("train", "val")
    for i in range(4)
]


def run(
    folder: Path, rows: list[Utterance], config: Config | None = None, manifest: Path | None = None, **more: Any
) -> bool:
    """Whether the run was done already."""
    place = workspace(folder, rows, manifest=manifest or folder / "rows.csv")
    given = {"save_dir": folder / "run", "workspace": place} | more
    return train(config or small(), **given).already_done


def test_a_finished_run_is_not_repeated_and_a_changed_row_is_another(tmp_path: Path) -> None:
    assert not run(tmp_path, ROWS)
    (tmp_path / "run" / ".state.gone").mkdir()  # a kill while the state was being deleted
    assert run(tmp_path, ROWS)
    assert not (tmp_path / "run" / ".state.gone").exists()
    changes = {"speaker": "Ross", "dialogue": "other", "turn": 9, "text": "other words"}
    for name, value in changes.items():
        with pytest.raises(InputError, match=r"corpus\.digest was"):
            run(tmp_path, [replace(ROWS[0], **{name: value}), *ROWS[1:]])
    (tmp_path / "run" / "run.json").write_text("{")
    with pytest.raises(InputError, match="--restart"):
        run(tmp_path, ROWS)
    assert not run(tmp_path, ROWS, restart=True)


def test_two_runs_one_folder_the_second_is_refused_before_its_corpus_is_read(tmp_path: Path) -> None:
    holder = Thread(tmp_path / "run")
    with holder, pytest.raises(InputError, match=r"run: another process .* is writing this folder"):
        run(tmp_path, ROWS, manifest=tmp_path / "nowhere.csv")
    with pytest.raises(InputError, match=r"nowhere\.csv"):
        run(tmp_path, ROWS, manifest=tmp_path / "nowhere.csv")


def test_two_runs_one_folder_run_json_comes_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Before the extraction; what stopped before its first weights gives way to another run."""

    class Stopped(Exception):
        pass

    def stops(*_: object, **__: object) -> None:
        raise Stopped

    with monkeypatch.context() as patch:
        patch.setattr(train_room, "extract", stops)
        with pytest.raises(Stopped):
            run(tmp_path, ROWS)
    described = json.loads((tmp_path / "run" / "run.json").read_text())
    assert described["config"]["seed"] == 0
    assert not run(tmp_path, ROWS, small(seed=5))
    assert json.loads((tmp_path / "run" / "run.json").read_text())["config"]["seed"] == 5
    assert read_card(tmp_path / "run" / "best_model").config.seed == 5
    with pytest.raises(InputError, match=r"holds another run \(seed was 5, now 0\)"):
        run(tmp_path, ROWS)


@pytest.mark.parametrize("part", ["best_model", "state"])
def test_two_runs_one_folder_weights_without_run_json_are_kept(tmp_path: Path, part: str) -> None:
    """They were taken for those of the run that began there: its own, or replaced."""
    (tmp_path / "run" / part).mkdir(parents=True)
    (tmp_path / "run" / part / "weights").write_text("of somebody")
    with pytest.raises(InputError, match=r"holds weights, but no run\.json.*--restart"):
        run(tmp_path, ROWS)
    assert (tmp_path / "run" / part / "weights").read_text() == "of somebody"
    assert not run(tmp_path, ROWS, restart=True)


class Thread:
    """Another thread that holds a folder: to the lock the same as another process."""

    def __init__(self, folder: Path) -> None:
        self.held, self.done = threading.Event(), threading.Event()
        self.thread = threading.Thread(target=self._hold, args=(folder,))

    def _hold(self, folder: Path) -> None:
        with locked(folder):
            self.held.set()
            self.done.wait(60)

    def __enter__(self) -> None:
        self.thread.start()
        assert self.held.wait(60)

    def __exit__(self, *_: object) -> None:
        self.done.set()
        self.thread.join()


def test_the_weights_it_starts_from_belong_to_a_run(tmp_path: Path) -> None:
    run(tmp_path / "a", ROWS)
    run(tmp_path / "b", ROWS, small(seed=1))
    start = tmp_path / "a" / "run" / "best_model"
    run(tmp_path / "c", ROWS, init_from=start)
    (tmp_path / "b" / "run" / "best_model").rename(start.with_name("other"))
    start.rename(start.with_name("first"))
    start.with_name("other").rename(start)
    with pytest.raises(InputError, match=r"init_from\.weights was"):
        run(tmp_path / "c", ROWS, init_from=start)


def test_labels_and_splits_are_judged_before_anything_is_extracted(tmp_path: Path) -> None:
    wrong = [*ROWS[:-1], replace(ROWS[-1], label="fearr")]
    with pytest.raises(InputError, match="val3: 'fearr'"):
        run(tmp_path, wrong)
    with pytest.raises(InputError, match="val_from_train"):
        run(tmp_path, ROWS[:4])
    assert {path.name for path in tmp_path.iterdir()} == {"rows.csv"}


def test_the_test_part_makes_no_difference(tmp_path: Path) -> None:
    run(tmp_path, ROWS)
    assert run(tmp_path, [*ROWS, Utterance("new", "more words", label="joy", split="test")])


def test_a_place_that_is_a_file_is_known_before_the_work(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="is a file"):
        run(tmp_path / "a", ROWS, save_dir=tmp_path / "file" / "run")


def test_one_process_may_train_in_two_precisions() -> None:
    for precision in ("fp32", "bf16", "fp32"):
        made = make_accelerator(small(training__mixed_precision=precision), "cpu")
        assert made.mixed_precision == {"fp32": "no", "bf16": "bf16"}[precision]
