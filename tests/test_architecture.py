"""What docs/architecture.md says of additions: each toy addition needs the files that the table names and no other."""

import csv
import filecmp
import json
import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from tests.plugins.installing import PHYSIOLOGY, ROOT, install

SOURCE = ROOT / "src/tricue"
ORDINAL = ROOT / "tests/tasks/plugin/tricue_ordinal.py"

DIARY = '''"""A diary: a line per day, its stars and its words; beside each a file of samples."""
from tricue.data.corpus import Corpus
from tricue.types import Utterance

def read(source, config):
    rows = []
    for i, line in enumerate((source / "diary.txt").read_text().splitlines()):
        stars, text = line.split(" ", 1)
        split = "val" if i % 4 == 3 else "train"
        files = (("physiology", (source / f"{i}.csv").resolve()),)
        rows.append(Utterance(f"day{i}", text, label=(float(stars),), split=split, files=files))
    return Corpus("Diary", rows)
'''
LETTERS = '''"""Words as the shares of their letters."""
import numpy as np

class Letters:
    modality, name, version, dims, settings = "text", "letters", 1, (26,), {}

    def __init__(self, settings, device):
        pass

    def prepare(self, spoken):
        return spoken.text.lower().split()

    def note(self, spoken, prepared):
        return None

    def encode(self, prepared):
        letters = [chr(97 + i) for i in range(26)]
        return [np.array([[w.count(c) / len(w) for c in letters] for w in row], np.float32) for row in prepared]
'''
MEAN = '''"""The mean over the modalities."""
from torch import nn

class Mean(nn.Module):
    def __init__(self, in_width, width, dropout):
        super().__init__()
        self.width, self.norm = width, nn.LayerNorm(width)

    def forward(self, views):
        return self.norm(views.unflatten(-1, (-1, self.width)).mean(dim=-2))
'''
LOG_COSH = '''

def log_cosh_loss(values: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    """log cosh of the error."""
    return (values - targets).cosh().log().mean()
'''
LENGTHS = '''"""How many rows each page is of."""
from tricue.figures.page_parts import Section, Table

def length_sections(page):
    return [Section("Toy lengths", tables=[Table(["Rows"], [[str(len(page.answers[0].targets))]], "", strong=0)])]
'''


@dataclass(frozen=True)
class Addition:
    """A toy of one kind. new: file -> content; lines: file -> (what stands there, what stands there after)."""

    name: str  # in place of <name>
    new: dict[str, str] = field(default_factory=dict)
    lines: dict[str, tuple[str, str]] = field(default_factory=dict)
    points: dict[str, dict[str, str]] = field(default_factory=dict)  # group -> name -> object, of a package
    modules: dict[str, str] = field(default_factory=dict)  # of that package

    def add(self, package: Path) -> None:
        for file, content in self.new.items():
            (package / file).write_text(content)
        for file, (before, after) in self.lines.items():
            content = (package / file).read_text()
            assert content.count(before) == 1, f"{file}: {before!r}"
            (package / file).write_text(content.replace(before, after))


def first_in(registry: str, line: str) -> tuple[str, str]:
    """A line in front of the built-in ones."""
    return registry, f"{registry}\n        {line}"


REGISTERED = {
    "corpus": '    "corpus",\n    {', "modality": '    "modality",\n    {', "loss": '    "loss",\n    {',
    "task": '    "task",\n    {', "fusion": '"tricue.fusions", "fusion", {',
}  # fmt: skip
ADDITIONS = {
    "a corpus": Addition(
        "diary", {"corpora/diary.py": DIARY},
        {"registry.py": first_in(REGISTERED["corpus"], '"Diary": "tricue.corpora.diary:read",')},
    ),
    "an encoder": Addition(
        "letters", points={"tricue.extractors": {"letters": "letters:Letters"}}, modules={"letters.py": LETTERS}
    ),
    "a task": Addition(
        "ordinal", {"tasks/ordinal.py": ORDINAL.read_text()},
        {"tasks/task.py": first_in(REGISTERED["task"], '"ordinal": "tricue.tasks.ordinal:Ordinal",')},
    ),
    "a modality": Addition(
        "physiology", {"modalities/physiology.py": (PHYSIOLOGY / "tricue_physiology.py").read_text()},
        {"registry.py": (REGISTERED["modality"], REGISTERED["modality"]
                         + '"physiology": "tricue.modalities.physiology:PHYSIOLOGY",')},
    ),
    "a loss of phase 1": Addition(
        "log_cosh",
        lines={
            "tasks/task_losses.py": ("\n\ndef weighted_mean(", f"{LOG_COSH}\n\ndef weighted_mean("),
            "registry.py": first_in(REGISTERED["loss"], '"log_cosh": "tricue.tasks.task_losses:log_cosh_loss",'),
        },
    ),
    "a fusion": Addition(
        "mean", {"model/mean.py": MEAN},
        {"registry.py": first_in(REGISTERED["fusion"], '"mean": "tricue.model.mean:Mean",')},
    ),
    "a figure of the report": Addition(
        "lengths", {"report/lengths.py": LENGTHS},
        {"report/sections.py": (
            "OF_A_RUN: tuple[Sections, ...] = (",
            "from tricue.report.lengths import length_sections\n\nOF_A_RUN: tuple[Sections, ...] = (length_sections,",
        )},
    ),
}  # fmt: skip


def table() -> dict[str, str]:
    """The rows of the table "To add": what -> files."""
    section = (ROOT / "docs/architecture.md").read_text().partition("\n## To add\n")[2].partition("\n## ")[0]
    rows = re.findall(r"^\| (.+?) \| (.+) \|$", section, re.MULTILINE)
    return {what: files for what, files in rows if what not in ("what", "---")}


def named(files: str, name: str) -> set[str]:
    """The files of a cell, the toy's name in place of <name> and of "a file in"."""
    found = re.findall(r"(a file in )?`([\w/<>]+(?:\.py|/))`", files)
    return {f"{place}{name}.py" if new else place.replace("<name>", name) for new, place in found}


def changed(package: Path) -> set[str]:
    """The files below the copy that the source does not have, or has otherwise."""
    files = {path.relative_to(package).as_posix() for path in package.rglob("*.py")}
    same, _, _ = filecmp.cmpfiles(package, SOURCE, files, shallow=False)
    return files - set(same)


@pytest.fixture(scope="module")
def copied(tmp_path_factory: pytest.TempPathFactory) -> Path:
    package = tmp_path_factory.mktemp("src") / "tricue"
    return Path(shutil.copytree(SOURCE, package, ignore=shutil.ignore_patterns("__pycache__")))


@pytest.mark.parametrize("what", ADDITIONS)
def test_an_addition_needs_the_files_that_the_table_names(what: str, copied: Path, tmp_path: Path) -> None:
    package = Path(shutil.copytree(copied, tmp_path / "tricue"))
    ADDITIONS[what].add(package)
    cell = table()[what]
    assert changed(package) == named(cell, ADDITIONS[what].name)
    assert all(f"`{group}`" in cell for group in ADDITIONS[what].points)


def test_the_table_has_no_other_rows() -> None:
    assert set(table()) - set(ADDITIONS) == {"a loss of phases 2 and 3", "a setting"}


SETTINGS = """
data: {name: Diary}
modalities: [text, physiology]
task: {name: ordinal}
features: {text: {encoder: letters}, physiology: {rate_hz: 2}}
model: {width: 16, bilstm_layers: 1, fusion: mean}
training: {phase1_epochs: 1, phase2_epochs: 1, phase3_epochs: 1, batch_size: 8, tensorboard: false}
audit: {probe: false}
"""
USE = """
import torch
from tricue.cli import main
from tricue.config.load import load_config
from tricue.tasks.objectives import ValueObjective

form = load_config(None, {"task.name": "dimensional", "task.targets": ["a"], "task.loss": "log_cosh"}).task.loss
loss = ValueObjective((0.0,), (1.0,), form, 0.5).loss(torch.tensor([[1.0]]), torch.tensor([[0.0]]))
assert abs(loss.item() - 0.4337808) < 1e-6  # log cosh 1
for command in (
    ["train", "--config", "toy.yaml", "--data_dir", "diary", "--save_dir", "run", "--quiet"],
    ["evaluate", "--model_path", "run/best_model", "--dataset", "Diary", "--data_dir", "diary", "--split", "val",
     "--out", "out", "--quiet"],
):
    try:
        main(command)
    except SystemExit as end:
        if end.code:
            raise
"""


@pytest.mark.slow
def test_all_additions_work_together(copied: Path, tmp_path: Path) -> None:
    package = Path(shutil.copytree(copied, tmp_path / "src/tricue"))
    site = tmp_path / "site"
    for what, addition in ADDITIONS.items():
        addition.add(package)
        if addition.points:
            install(site, what.replace(" ", "-"), addition.modules, addition.points)
    diary = tmp_path / "diary"
    diary.mkdir()
    diary.joinpath("diary.txt").write_text("".join(f"{1 + i % 5} a day of {'fun' * (i % 5)}x\n" for i in range(32)))
    for i in range(32):
        lines = ["seconds,heart_rate,skin_conductance", *(f"{t / 2},{60 + i + t},1" for t in range(4))]
        diary.joinpath(f"{i}.csv").write_text("\n".join(lines))
    (tmp_path / "toy.yaml").write_text(SETTINGS)
    path = os.pathsep.join([str(package.parent), str(site)])
    given = os.environ | {"PYTHONPATH": path, "OMP_NUM_THREADS": "1", "TRICUE_STORE": str(tmp_path / "store")}
    done = subprocess.run([sys.executable, "-c", USE], cwd=tmp_path, env=given, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    card = json.loads((tmp_path / "run/best_model/config.json").read_text())
    assert card["dims"] == {"text": [26], "physiology": [2]} and card["config"]["model"]["fusion"] == "mean"
    assert json.loads((tmp_path / "out/metrics.json").read_text())["headline"]["name"] == "nearness"
    assert "Toy lengths" in (tmp_path / "out/report.html").read_text()
    with (tmp_path / "out/predictions.csv").open(newline="") as file:
        assert {row["modalities"] for row in csv.DictReader(file)} == {"physiology+text"}
