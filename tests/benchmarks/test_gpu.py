"""benchmarks/gpu.py works, with tiny sizes on a CPU, and keeps nothing that no GPU has measured."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
KEPT = ROOT / "benchmarks/results/gpu.json"

pytestmark = pytest.mark.slow


def run(*flags: str) -> subprocess.CompletedProcess[str]:
    """As on a machine without a GPU and without ../shared, whose tokenizer it would take."""
    command = [sys.executable, str(ROOT / "benchmarks/gpu.py"), *flags]
    environment = os.environ | {"CUDA_VISIBLE_DEVICES": "", "TRICUE_SHARED": "not there", "OMP_NUM_THREADS": "1"}
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)


def kept() -> bytes | None:
    return KEPT.read_bytes() if KEPT.exists() else None


@pytest.mark.parametrize("flags", [(), ("--quick",), ("--device", "cpu")])
def test_without_a_gpu_one_line_says_so(flags: tuple[str, ...], tmp_path: Path) -> None:
    before = kept()
    done = run(*flags, "--work", str(tmp_path / "work"))
    assert (done.returncode, done.stdout) == (2, "")
    assert len(done.stderr.splitlines()) == 1
    assert "--device cpu --quick" in done.stderr
    assert (kept(), list(tmp_path.iterdir())) == (before, [])


def test_the_quick_form_measures_every_part_and_keeps_nothing(tmp_path: Path) -> None:
    before = kept()
    done = run("--device", "cpu", "--quick", "--work", str(tmp_path))
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert kept() == before
    assert found["machine"]["device"] == "cpu"
    steps = {name: set(part["sides"]) for name, part in found["training"].items()}
    both = {"batches alone", "float32", "mixed"}
    assert steps == {"frozen": both, "live": both | {"float32, encoder alone", "mixed, encoder alone"}}
    assert found["extraction"].keys() == {"text", "audio", "video"}
    assert found["extraction"]["video"]["vectors"] == 2 * 10  # a vector per key frame
    assert all(rate > 0 for rate in rates(found))
    exact = {"largest_difference": 0.0, "answers_that_agree": 14, "share_that_agrees": 1.0}
    assert found["answers"]["sides"]["float32"] == exact  # the CPU against itself
    assert found["answers"]["sides"]["mixed (bfloat16)"]["largest_difference"] > 0


def rates(value: Any) -> list[float]:
    """All `..._per_second`."""
    if not isinstance(value, dict):
        return []
    own = [rate for name, rate in value.items() if name.endswith("_per_second")]
    return own + [rate for inner in value.values() for rate in rates(inner)]
