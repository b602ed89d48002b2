"""Processes on one machine: what they give, what they survive, and that they end.

A process can only load an extractor that it can import, so those that die or dawdle live in a script of their own.
"""

import json
import os
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import psutil
import pytest

from tricue.extractors.text_extractors import LightText, Spoken
from tricue.features import engine
from tricue.features.engine import local_engine
from tricue.features.worker import Job, Worker
from tricue.modalities.reading import MediaFile, Words
from tricue.modalities.requests import Request

SCRIPT = """
import json, os, signal, sys, time
from contextlib import closing
from pathlib import Path

import psutil

from tricue.config.feature_settings import FeaturesConfig
from tricue.features import extract as room, pipeline
from tricue.features.engine import local_engine
from tricue.extractors.text_extractors import LightText, Spoken
from tricue.features.worker import Job, Worker
from tricue.modalities.reading import Words
from tricue.modalities.requests import Request
from tricue.types import Utterance

FOLDER = Path(sys.argv[1])
signal.signal(signal.SIGINT, signal.default_int_handler)  # ignored where the tests run in the background
Words.batch_size = 4


def log(what, words):
    with (FOLDER / "log").open("a") as file:
        file.write(f"{what} {os.getpid()} {' '.join(words)}\\n")


class Watched(LightText):
    def prepare(self, spoken):
        words = super().prepare(spoken)
        log("prepare", words)
        if words[0] in os.environ.get("POISON", "").split():
            os.kill(os.getpid(), signal.SIGKILL)
        if words[0] == "slow":
            time.sleep(60)
        return words

    def encode(self, prepared):
        log("encode", [words[0] for words in prepared])
        return super().encode(prepared)


def extracted(words, device):
    light = FeaturesConfig.model_validate({"text": {"encoder": "light"}})
    pipeline.make_extractors = lambda *given, **more: {"text": Watched(64)}
    rows = [Utterance(word, text=word) for word in words]
    found = room.extract(rows, light, ["text"], FOLDER / "store", workers=2, device=device, progress=False)
    faults = {fault.id: fault.reason for fault in found.faults}
    print(json.dumps({"pid": os.getpid(), "found": sorted(found.arrays["text"]), "faults": faults}))


def stopped(how):
    jobs = [
        [Job(str(i), {"text": str(i)}, {"text": Request(Words(Spoken("slow" if i else "quick")))})] for i in range(20)
    ]
    results = local_engine(2)(Worker({"text": Watched(64)}), jobs)
    with closing(results):  # as extract does
        next(results)
        print(json.dumps([child.pid for child in psutil.Process().children(recursive=True)]), flush=True)
        if how == "close":
            sys.stdin.readline()  # until the test has looked at its processes
        else:
            next(results)
    print("closed", flush=True)
    sys.stdin.read()
"""
GUARD = 'if __name__ == "__main__":\n    '


def script(folder: Path, call: str, **poison: str) -> subprocess.Popen[str]:
    path = folder / "script.py"
    path.write_text(SCRIPT + call)
    return subprocess.Popen(
        [sys.executable, str(path), str(folder)], text=True, start_new_session=True, env=os.environ | poison,
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip


def answer(folder: Path, call: str, **poison: str) -> dict[str, Any]:
    said, errors = script(folder, GUARD + call, **poison).communicate(timeout=120)
    assert said, errors
    return json.loads(said)


def logged(folder: Path) -> Iterator[tuple[str, int, list[str]]]:
    for line in (folder / "log").read_text().splitlines():
        what, pid, *words = line.split()
        yield what, int(pid), words


def texts(count: int) -> list[list[Job]]:
    return [[Job(str(i), {"text": f"k{i}"}, {"text": Request(Words(Spoken(f"word {i}")))})] for i in range(count)]


def test_each_batch_once_with_the_values_of_one_process() -> None:
    worker = Worker({"text": LightText(64)})
    here, there = ([r for batch in local_engine(n)(worker, texts(7)) for r in batch] for n in (1, 2))
    assert [r.key for r in here] == [f"k{i}" for i in range(7)] == sorted(r.key for r in there)
    for one, other in zip(here, sorted(there, key=lambda r: r.key), strict=True):
        assert one.row.values is not None and other.row.values is not None
        np.testing.assert_array_equal(one.row.values, other.row.values)


@pytest.mark.slow
@pytest.mark.parametrize("device", ["cpu", "cuda"])
def test_a_job_that_kills_its_process_is_named_and_all_others_are_done(tmp_path: Path, device: str) -> None:
    """On a GPU, too, which this process alone computes on: the others decode and prepare."""
    words = [f"w{i}" for i in range(30)]
    call = f"extracted({words}, {device!r})"
    first = answer(tmp_path, call, POISON="w13 w21")
    assert sorted(first["faults"]) == ["w13", "w21"] and "was killed" in first["faults"]["w13"]
    assert set(first["found"]) == set(words) - {"w13", "w21"}
    done = Counter(word for what, _, own in logged(tmp_path) if what == "encode" for word in own)
    assert done.keys() == set(first["found"]) and max(done.values()) <= 3  # of two deaths each may cost one
    for what, pid, _ in logged(tmp_path):
        assert (pid == first["pid"]) == (what == "encode" and device == "cuda")
    (tmp_path / "log").unlink()
    again = answer(tmp_path, call)
    assert not again["faults"] and set(again["found"]) == set(words)
    assert {word for what, _, own in logged(tmp_path) if what == "encode" for word in own} == {"w13", "w21"}


def test_a_script_without_its_guard_is_told_so(tmp_path: Path) -> None:
    """However few its jobs are: no clip is blamed for it."""
    process = script(tmp_path, 'extracted(["a", "b"], "cpu")')
    said, errors = process.communicate(timeout=60)
    assert process.returncode == 1 and not said
    # not always the last line: Python's own watch over semaphores may have a word after it
    (why,) = [line for line in errors.splitlines() if line.startswith("tricue.types.InputError: ")]
    assert "Processes that read clips die" in why and 'if __name__ == "__main__":' in why


@pytest.mark.parametrize("how", ["close", "interrupt", "kill"])
def test_no_process_is_left(tmp_path: Path, how: str) -> None:
    """Each is in the midst of a minute's work, and is not waited for."""
    process = script(tmp_path, GUARD + f"stopped({how!r})")
    assert process.stdout is not None and process.stdin is not None and process.stderr is not None
    children = [psutil.Process(pid) for pid in json.loads(process.stdout.readline())]
    workers = [child for child in children if "resource_tracker" not in " ".join(child.cmdline())]
    assert len(workers) == 2
    try:
        if how == "close":
            process.stdin.write("now\n")
            process.stdin.flush()
            assert process.stdout.readline() == "closed\n"
        elif how == "interrupt":
            os.killpg(process.pid, signal.SIGINT)  # as a terminal does
        else:
            process.kill()
        assert not psutil.wait_procs(workers, timeout=20)[1]
        _, errors = process.communicate(timeout=20)
        assert errors.count("Traceback") == (how == "interrupt")  # its own, and none of the workers'
    finally:
        process.kill()


@pytest.mark.parametrize(
    ("clips", "cores", "memory", "count"),
    [(48, 8, 64e9, 0), (49, 8, 64e9, 8), (49, 8, 6.6e9, 3), (49, 8, 1e9, 1), (49, 1, 64e9, 1)],
)
def test_as_many_processes_as_cores_and_memory_allow(
    clips: int, cores: int, memory: float, count: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine, "cores", lambda: cores)
    monkeypatch.setattr(engine.psutil, "virtual_memory", lambda: SimpleNamespace(available=memory))
    files = {"audio": Request(MediaFile(Path("x.wav")))}
    jobs = [[Job(str(i), {"audio": str(i)}, files)] for i in range(clips)]  # type: ignore[arg-type]
    assert engine._processes([*jobs, *texts(100)]) == count  # texts are no reason for another process
