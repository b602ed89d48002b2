"""Installing a plugin without pip: a folder for sys.path that holds its modules and its dist-info."""

import json
import os
import subprocess
import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PHYSIOLOGY = Path(__file__).with_name("physiology")


def install(site: Path, package: str, modules: dict[str, str], points: dict[str, dict[str, str]]) -> Path:
    """`site`, with a package as pip would leave it. modules: file name -> content. points: group -> name -> object."""
    info = site / f"{package.replace('-', '_')}-1.0.dist-info"
    info.mkdir(parents=True)
    info.joinpath("METADATA").write_text(f"Metadata-Version: 2.1\nName: {package}\nVersion: 1.0\n")
    lines = [f"[{group}]\n" + "".join(f"{k} = {v}\n" for k, v in own.items()) for group, own in points.items()]
    info.joinpath("entry_points.txt").write_text("\n".join(lines))
    for name, content in modules.items():
        site.joinpath(name).write_text(content)
    return site


def install_physiology(site: Path) -> Path:
    project = tomllib.loads((PHYSIOLOGY / "pyproject.toml").read_text())["project"]
    modules = {path.name: path.read_text() for path in PHYSIOLOGY.glob("*.py")}
    return install(site, project["name"], modules, project["entry-points"])


def run(site: Path, *arguments: str, folder: Path | None = None) -> subprocess.CompletedProcess[str]:
    """Python in a child process that finds the plugins in `site`."""
    path = os.pathsep.join([str(site), str(ROOT / "src")])
    return subprocess.run(
        [sys.executable, *arguments], capture_output=True, text=True, cwd=folder,
        env=os.environ | {"PYTHONPATH": path, "OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1"},
    )  # fmt: skip


COMMANDS = """
import json, sys
from tricue.cli import main
for arguments in json.loads(sys.argv[1]):
    try:
        main(arguments)
    except SystemExit as end:
        if end.code:
            raise
"""


def tricue(site: Path, *commands: list[str], folder: Path | None = None) -> subprocess.CompletedProcess[str]:
    """Commands of `tricue`, one after another, as far as they succeed, in one child process."""
    return run(site, "-c", COMMANDS, json.dumps(commands), folder=folder)
