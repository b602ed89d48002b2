"""Independent computations: in any order and number, with failures named, and nothing left behind.

A process can only call what it can import, so what it is given here comes from the standard library and the package.
"""

import logging
import operator
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Generator, Sequence
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import psutil
import pytest
import torch
from tests.small_runs import SMALL, small, workspace

from tricue.checkpoint.checkpoint import read_card
from tricue.config.load import load_config
from tricue.config.settings import Config
from tricue.corpora.catalogue import read_corpus
from tricue.training import fleet, fleet_progress, runs
from tricue.training.fleet import Call, FleetError, Outcome, choose_jobs, run_fleet, threads_each
from tricue.training.fleet_progress import FleetProgress
from tricue.training.runs import read_runs, train_all
from tricue.training.train import settle
from tricue.training.workspace import Workspace
from tricue.types import InputError, TrainingError, Utterance

FOLDS = {"data.protocol": "kfold-speaker", "data.folds": 2}


def calls(*functions: Callable[[], Any]) -> list[Call]:
    return [Call(f"call {i}", function) for i, function in enumerate(functions)]


def run(given: Sequence[Call], jobs: int, threads: int = 1) -> list[Any]:
    return run_fleet(given, jobs=jobs, threads=threads, quiet=True)


# --- what they give, and what fails --------------------------------------------------------------


def raise_(error: Exception) -> None:
    raise error


@pytest.mark.parametrize("error", [TrainingError("the loss is not finite"), InputError("no such corpus")])
def test_a_run_that_fails_by_itself_stops_no_other_and_a_wrong_call_stops_all(error: Exception) -> None:
    done: list[int] = []
    given = calls(partial(done.append, 0), partial(raise_, error), partial(done.append, 2))
    with pytest.raises(type(error)) as stopped:
        run(given, jobs=1)
    alone = isinstance(error, TrainingError)
    assert done == ([0, 2] if alone else [0])
    assert str(stopped.value).endswith(f"call 1: {error}" if alone else str(error))
    assert isinstance(stopped.value, FleetError) == alone


def test_values_are_in_the_order_of_the_calls_whatever_ends_first() -> None:
    def backwards(
        given: Sequence[Call], started: Callable[[int], None]
    ) -> Generator[Outcome]:  # as another scheduler may
        for number in reversed(range(len(given))):
            started(number)
            yield Outcome(number, given[number].function())

    given = calls(*(partial(operator.mul, i, 10) for i in range(4)))
    assert run_fleet(given, jobs=1, threads=1, quiet=True, scheduler=backwards) == [0, 10, 20, 30]


def test_processes_give_what_this_one_gives_and_a_killed_one_is_named(caplog: pytest.LogCaptureFixture) -> None:
    """One of them kills itself; the next call gets a fresh process. What they log is logged here, under their names."""
    caplog.set_level("INFO")
    logger = logging.getLogger("tricue.somewhere")
    given = calls(
        os.getpid,
        partial(logger.info, "%d rows", 5),
        partial(signal.raise_signal, signal.SIGKILL),
        torch.get_num_threads,
        partial(operator.mul, 6, 7),
    )
    values: dict[int, Any] = {}
    for outcome in fleet.in_processes(2, threads=1)(given, lambda _: None):
        values[outcome.number] = outcome.failure or outcome.value
    assert values[0] != os.getpid() and values[3] == 1 and values[4] == 42
    assert isinstance(values[2], TrainingError) and "killed by signal 9 (out of memory?)" in str(values[2])
    assert [r.getMessage() for r in caplog.records if r.name == logger.name] == ["call 1: 5 rows"]


def test_an_error_of_a_process_ends_the_others() -> None:
    """The second would sleep for a minute; this process waits for none."""
    began = time.monotonic()
    with pytest.raises(InputError, match="nope"):
        run(calls(partial(load_config, "nope"), partial(time.sleep, 60)), jobs=2)
    assert time.monotonic() - began < 50
    assert not psutil.Process().children(recursive=True) or all(
        "resource_tracker" in " ".join(child.cmdline()) for child in psutil.Process().children(recursive=True)
    )


# --- how many, and how long ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("jobs", "count", "memory", "expected"),
    [(None, 9, 64e9, 8), (None, 3, 64e9, 3), (None, 9, 6.6e9, 3), (None, 9, 1e9, 1), (5, 9, 1e9, 5), (5, 2, 64e9, 2)],
)  # fmt: skip
def test_as_many_at_once_as_asked_for_or_as_cores_and_memory_allow(
    jobs: int | None, count: int, memory: float, expected: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fleet, "cores", lambda: 8)
    monkeypatch.setattr(fleet.psutil, "virtual_memory", lambda: SimpleNamespace(available=memory))
    assert choose_jobs(jobs, count, "cpu") == expected
    monkeypatch.setattr(fleet, "choose_device", lambda _: "cuda")
    assert choose_jobs(None, count, "auto") == 1


@pytest.mark.parametrize(("count", "threads"), [(1, 6), (2, 4), (3, 2), (9, 1)])
def test_threads_are_shared_out_over_all_calls(count: int, threads: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fleet, "cores", lambda: 8)
    monkeypatch.setattr(fleet.torch, "get_num_threads", lambda: 6)
    assert threads_each(count) == threads


def test_the_time_left_is_told_by_the_pace_so_far(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    caplog.set_level("INFO")
    clock = SimpleNamespace(now=100.0)
    monkeypatch.setattr(fleet_progress.time, "monotonic", lambda: clock.now)
    progress = FleetProgress([f"seed {i}" for i in range(4)], quiet=True)
    assert progress.left() == ""
    for number in (0, 1):
        progress.start(number)
    clock.now += 120
    progress.finish(1, 119, failed=False)
    assert progress.left() == "about 6 min left"
    progress.finish(0, 120, failed=True)
    said = [record.getMessage() for record in caplog.records]
    assert said == [
        "1 of 4: seed 0",
        "1 of 4 finished: seed 1 (2 min), about 6 min left",
        "2 of 4 failed: seed 0 (2 min), about 2 min left",
    ]


# --- trainings -----------------------------------------------------------------------------------


def settings(**more: Any) -> Config:
    return small(FOLDS | more)


def made(place: Path) -> Workspace:
    rows = [
        Utterance(f"u{i}", f"{('you fool', 'how nice', 'oh')[i % 3]} {i}", label=("anger", "joy")[i % 3 % 2],
                  speaker=f"s{i // 6}", dialogue=f"d{i // 3}")
        for i in range(36)
    ]  # fmt: skip
    return workspace(place, rows)


def digests(folder: Path) -> list[str]:
    found = [read_card(folder / run.folder / "best_model").weights_sha256 for run in read_runs(folder)]
    return [*map(str, found), str(read_card(folder / "best_model").weights_sha256)]


def test_one_process_and_two_train_the_same_weights(tmp_path: Path) -> None:
    for jobs in (1, 2):
        place = tmp_path / str(jobs)
        results = train_all(settings(), seeds=1, save_dir=place / "run", workspace=made(place), jobs=jobs)
        assert [r.best_model.parent.name for r in results] == ["fold-1", "fold-2"]
    assert digests(tmp_path / "1" / "run") == digests(tmp_path / "2" / "run")
    assert len(set(digests(tmp_path / "1" / "run"))) == 2  # the folds differ


def test_what_several_runs_read_is_extracted_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each fold for all seeds; the test part of none."""
    place = made(tmp_path)
    corpus = read_corpus(settings(), manifest=place.manifest)
    read: list[set[str]] = []
    monkeypatch.setattr(
        runs,
        "read_features",
        lambda config, corpus, splits, _: read.append({u.id for u in splits["train"] + splits["val"]}),
    )
    settled = [settle(settings(**{"data.fold": fold, "seed": s}), corpus) for s in (0, 1) for fold in (1, 2)]
    runs._extract_ahead(settled, corpus, place)
    tested = [{u.id for u in splits["test"]} for _, splits in settled]
    assert all(not own & test for own, test in zip(read, tested, strict=False))
    assert len(read) == len({frozenset(own) for own in read}) >= 2


@pytest.mark.slow
def test_a_killed_fleet_leaves_no_process_and_goes_on(tmp_path: Path) -> None:
    """In the middle of both runs, by the key or by a kill."""
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    more = {"training.phase1_epochs": 40}
    train_all(settings(**more), seeds=1, save_dir=whole / "run", workspace=made(whole))
    made(broken)
    flags = [f"--set={name}={value}" for name, value in (SMALL | FOLDS | more).items() if name != "modalities"]
    command = [sys.executable, "-m", "tricue.cli", "train", "--manifest", broken / "rows.csv", "--modalities", "text",
               "--store", broken / "store", "--save_dir", broken / "run", "--jobs", "2", "--device", "cpu",
               "--quiet", *flags]  # fmt: skip
    for stop in (signal.SIGINT, signal.SIGKILL):
        process = subprocess.Popen([str(word) for word in command], start_new_session=True, stderr=subprocess.DEVNULL)
        try:
            states = [broken / "run" / f"fold-{number}" / "state" for number in (1, 2)]
            before = [_time(state) for state in states]
            while process.poll() is None and [_time(s) for s in states] == before:
                time.sleep(0.02)
            children = psutil.Process(process.pid).children(recursive=True)
            os.killpg(process.pid, stop) if stop == signal.SIGINT else process.kill()
            process.wait(60)
            assert not psutil.wait_procs(children, timeout=20)[1]
        finally:
            process.kill()
        assert not (broken / "run" / "best_model").exists()
    results = train_all(settings(**more), seeds=1, save_dir=broken / "run", workspace=made(broken), jobs=1)
    assert not all(result.already_done for result in results)
    assert digests(broken / "run") == digests(whole / "run")


def _time(state: Path) -> int:
    """When a run saved its state last."""
    try:
        return state.stat().st_ctime_ns
    except FileNotFoundError:
        return 0
