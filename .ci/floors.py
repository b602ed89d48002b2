"""Prints a pip constraints file: every dependency that `pyproject.toml` states, at the lowest version it admits.

What runs the tests comes at the versions of `requirements-dev.txt`; what the tests import beside it is as new as the
floors let it be. torch stays at its pin: which builds of it exist differs between package indexes.
"""

from __future__ import annotations

import re
import tomllib
from itertools import chain
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
TOOLS = ("pytest", "pytest-timeout", "pytest-xdist", "hypothesis")
_FLOOR = re.compile(r"(?P<name>[\w.-]+)(\[[\w,]+\])?>=(?P<version>[\d.]+)")


def floors() -> dict[str, str]:
    """Lowest version by name, of what the package and its extras need."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = [lines for extra, lines in project["optional-dependencies"].items() if extra != "dev"]
    found = map(_FLOOR.match, [*project["dependencies"], *chain.from_iterable(extras)])
    return {match["name"]: match["version"] for match in found if match and match["name"] != "torch"}


def tools() -> dict[str, str]:
    """Locked version by name, of what runs the tests."""
    locked = (ROOT / "requirements-dev.txt").read_text(encoding="utf-8")
    return {name: re.search(rf"(?m)^{name}==([\w.]+)", locked)[1] for name in TOOLS}


if __name__ == "__main__":
    print("\n".join(f"{name}=={version}" for name, version in (floors() | tools()).items()))
