"""SIGKILL at any moment of `tricue extract`: nothing is lost, broken, or done twice beyond what was in hand."""

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pyarrow as pa
import pytest

from tricue.features.shard import read_batches

KILLS = 20
CLIPS, BATCH = 48, 4
IN_HAND = 2 * 2 * BATCH  # of two processes

SCRIPT = f"""
import os
from tricue.modalities import reading

reading.MediaFile.batch_size, decode = {BATCH}, reading.decode


def logged(path, **settings):
    with open(os.environ["DECODED"], "a") as file:
        file.write("decoded\\n")
    return decode(path, **settings)


reading.decode = logged
if __name__ == "__main__":
    from tricue.cli import main

    main()
"""


@pytest.fixture
def corpus(make_clip, tmp_path: Path) -> Path:
    """A few files, read in many stretches. Without sound: the first look at it costs each process seconds."""
    files = [make_clip(f"{i}.mp4", seed=i, frames=30, size=96, sound=2.5, hertz=150.0 + 30 * i) for i in range(4)]
    lines = [f"u{i},{'word ' * (1 + i % 3)}{i},{files[i % 4]},{0.01 * (i // 4):.2f},2.4" for i in range(CLIPS)]
    (tmp_path / "rows.csv").write_text("\n".join(["id,text,video,start,end", *lines]) + "\n")
    return tmp_path / "rows.csv"


def run(folder: Path, corpus: Path, name: str, workers: int) -> subprocess.Popen[bytes]:
    """`tricue extract` into the store `name`, each decoding written to `name`.log."""
    settings = [f"--set=features.{modality}.encoder=light" for modality in ("text", "video")]
    return subprocess.Popen(
        [sys.executable, "script.py", "extract", "--manifest", str(corpus), "--modalities", "text,video",
         *settings, "--store", name,
         "--workers", str(workers), "--quiet"],
        cwd=folder, env=os.environ | {"DECODED": str(folder / f"{name}.log")}, start_new_session=True,
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip


def decoded(folder: Path, name: str) -> int:
    return (folder / f"{name}.log").read_text().splitlines().count("decoded")


def rows_of(store: Path) -> dict[tuple[str, str], list[tuple[object, ...]]]:
    """Every row of every shard: (modality, key) -> what is said of it, once per place where it stands."""
    found: dict[tuple[str, str], list[tuple[object, ...]]] = {}
    for shard in sorted(store.glob("*/shard-*.arrow")):
        for batch in read_batches(shard):
            columns = [batch.column(name).to_pylist() for name in ("key", "width", "note", "missed")]
            for i, (key, *said) in enumerate(zip(*columns, strict=True)):
                values = pa.array(batch.column("values"))[i].values
                content = None if values is None else values.to_numpy().tobytes()
                found.setdefault((shard.parent.name, key), []).append((*said, content))
    return found


@pytest.mark.slow
def test_twenty_kills(corpus: Path, tmp_path: Path) -> None:
    """At moments drawn over a whole run's time; every third is of the parent alone, and its workers end by themselves.

    A run that ends before its kill is compared, its shards deleted, and begun again.
    """
    (tmp_path / "script.py").write_text(SCRIPT)
    begun = time.monotonic()
    run(tmp_path, corpus, "whole", 2).wait(120)
    usual = time.monotonic() - begun
    whole = rows_of(tmp_path / "whole")
    assert len(whole) == 2 * CLIPS and decoded(tmp_path, "whole") == CLIPS
    draw, store, log = random.Random(5), tmp_path / "killed", tmp_path / "killed.log"
    kills, before = 0, 0
    for turn in range(10 * KILLS):
        process = run(tmp_path, corpus, "killed", 1 if turn % 4 == 3 else 2)
        try:
            status = process.wait(draw.uniform(0.25, 0.9) * usual if kills < KILLS else 120)
        except subprocess.TimeoutExpired:
            kills += 1
            kill(process, alone=turn % 3 == 2)
            rows = rows_of(store)
            assert all(len(set(copies)) == 1 for copies in rows.values()) and len(rows) >= before
            before = len(rows)
            with log.open("a") as file:
                file.write("killed\n")
            continue
        assert status == 0
        assert {place: set(copies) for place, copies in rows_of(store).items()} == {
            place: set(copies) for place, copies in whole.items()
        }
        assert not list(store.glob("*/*.broken"))
        deaths = log.read_text().splitlines().count("killed")
        assert CLIPS <= decoded(tmp_path, "killed") <= CLIPS + deaths * IN_HAND
        if kills == KILLS:
            return
        log.unlink()
        before = 0
        for shard in store.glob("*/shard-*.arrow"):
            shard.unlink()
    raise AssertionError(f"only {kills} kills")


def kill(process: subprocess.Popen[bytes], alone: bool) -> None:
    family = psutil.Process(process.pid).children(recursive=True)
    if alone:
        process.kill()
    else:
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    assert not psutil.wait_procs(family, timeout=20)[1]
