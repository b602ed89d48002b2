"""What is timed runs in a process of its own: its wall time, its memory."""

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

from common import HERE

from extraction.inputs import RUNS

ALONE = "alone"  # the word by which the command knows that it is such a process
COMMAND = HERE / "extraction_speed.py"
Task = Callable[..., dict[str, Any]]


def alone(task: Task, **arguments: Any) -> dict[str, Any]:
    """Run a function of a module in a fresh process: {"wall": seconds with its start, ...what it gives}."""
    RUNS.mkdir(parents=True, exist_ok=True)
    answer = RUNS / f"answer-{os.getpid()}.json"
    names = [ALONE, task.__module__, task.__name__]
    command = [sys.executable, str(COMMAND), *names, json.dumps(arguments, default=str), str(answer)]
    started = time.perf_counter()
    subprocess.run(command, check=True)
    wall = time.perf_counter() - started
    found = json.loads(answer.read_text(encoding="utf-8"))
    answer.unlink()
    return {"wall": wall, **found}


def answer_alone(module: str, name: str, arguments: str, answer: str) -> None:
    """The other end: what the fresh process does with the words that follow `alone`."""
    task: Task = getattr(import_module(module), name)
    Path(answer).write_text(json.dumps(task(**json.loads(arguments))), encoding="utf-8")


def run_tricue(arguments: list[str]) -> dict[str, Any]:
    """`tricue` with these arguments, and the memory that it needed."""
    import resource

    from tricue.cli import main

    status: Any = 0
    try:
        main(arguments)
    except SystemExit as end:
        status = end.code
    children = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * 1024
    return {"status": status or 0, "peak_parent": _peak(), "peak_largest_child": children}


def _peak() -> int:
    """Bytes. ru_maxrss of this process would begin with what the one that started it held."""
    for line in Path("/proc/self/status").read_text(encoding="utf-8").splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * 1024
    return 0


def extract_alone(
    table: Path, store: Path, chosen: dict[str, Any], modalities: Sequence[str], fresh: bool = True
) -> dict[str, Any]:
    """`tricue extract` of a manifest as a user calls it, into an empty store unless `fresh` is False."""
    if fresh:
        shutil.rmtree(store, ignore_errors=True)
    arguments = ["extract", "--manifest", str(table), "--store", str(store), "--modalities", ",".join(modalities)]
    for name, value in chosen.items():
        arguments += ["--set", f"features.{name}={value}"]
    found = alone(run_tricue, arguments=[*arguments, "--device", "cpu", "--quiet"])
    if found["status"]:
        raise SystemExit(f"tricue extract ended with {found['status']}: {table}")
    return found
