"""The locks name a hash for whatever `make install` installs, and the floors are those of pyproject.toml."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PIN = re.compile(r"(?m)^(?P<name>[\w.-]+)==(?P<version>\S+)(?P<hashes>(?: \\\n    --hash=sha256:[0-9a-f]{64})*)$")


@pytest.mark.parametrize("lock", ["requirements.txt", "requirements-dev.txt"])
def test_every_pin_but_that_of_torch_has_hashes(lock: str) -> None:
    text = (ROOT / lock).read_text(encoding="utf-8")
    pins = {match["name"]: match["hashes"] for match in PIN.finditer(text)}
    assert len(pins) == len(re.findall("(?m)^[^ #\n]", text)) > 50
    assert [name for name, hashes in pins.items() if not hashes] == ["torch"]


def test_both_locks_name_the_same_versions() -> None:
    users, ours = (
        {m["name"]: m["version"] for m in PIN.finditer((ROOT / lock).read_text(encoding="utf-8"))}
        for lock in ("requirements.txt", "requirements-dev.txt")
    )
    assert users.items() <= ours.items()


def test_floors_are_those_of_pyproject_and_torch_stays_at_its_pin() -> None:
    done = subprocess.run([sys.executable, str(ROOT / ".ci" / "floors.py")], capture_output=True, text=True, check=True)
    floors = dict(line.split("==") for line in done.stdout.splitlines())
    stated = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    assert "torch" not in floors and {"av", "starlette", "h11", "pytest"} <= floors.keys()
    assert all(f">={floors[name]}" in stated for name in ("av", "starlette", "h11", "transformers"))
