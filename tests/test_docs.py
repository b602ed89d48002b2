"""The pages in docs/ say what is there: paths, names, settings, flags, dependencies, and the seed whole."""

import ast
import json
import re
import runpy
import shlex
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest
import torch
from typer.main import get_command

from tricue.cli import app, data
from tricue.config.settings import Config
from tricue.extractors.acoustic import SPECTRAL
from tricue.model.cost import TOTAL, gflops, parameters
from tricue.model.network import Network
from tricue.types import Batch, ModalityName

ROOT = Path(__file__).resolve().parents[1]
SEED = ROOT / "../shared/seed.md"
PAGE = (ROOT / "docs/from-the-seed.md").read_text(encoding="utf-8")
METHOD = (ROOT / "docs/method.md").read_text(encoding="utf-8")
SPANS = sorted(set(re.findall(r"(?<!`)`([^`\n]+)`(?!`)", PAGE + METHOD)))
# a path begins with a folder of the repository, or is a file of its root
PATH = re.compile(
    r"((?:src|tests|docs|benchmarks|data|\.ci)/[\w./-]+|[\w-]+\.(?:py|md|toml|txt)|LICENSE|Makefile)(?:::([\w.]+))?"
)
SETTING = re.compile(r"(?:data|features|model|training|evaluation)\.[a-z][\w.]*")
COMMANDS = re.findall(r"^python (\w+)\.py (.+)$", PAGE, flags=re.MULTILINE)
data.add_corpora()
TRICUE = get_command(app).commands  # type: ignore[attr-defined]


def names_in(path: Path) -> set[str]:
    """Classes, functions, `Class.method` and constants of a module."""
    found: set[str] = set()
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.ClassDef | ast.FunctionDef):
            found.add(node.name)
        if isinstance(node, ast.ClassDef):
            found |= {f"{node.name}.{inner.name}" for inner in node.body if isinstance(inner, ast.FunctionDef)}
        if isinstance(node, ast.Assign):
            found |= {target.id for target in node.targets if isinstance(target, ast.Name)}
    return found


@pytest.mark.parametrize("span", [span for span in SPANS if PATH.fullmatch(span)])
def test_paths_and_names_are_there(span: str) -> None:
    match = PATH.fullmatch(span)
    assert match is not None
    path, name = match.groups()
    assert (ROOT / path).exists()
    assert name is None or name in names_in(ROOT / path)


@pytest.mark.parametrize("span", [span for span in SPANS if SETTING.fullmatch(span)])
def test_settings_are_there(span: str) -> None:
    value: object = Config()
    for part in span.split("."):
        assert part in type(value).model_fields  # type: ignore[attr-defined]
        value = getattr(value, part)


@pytest.mark.parametrize(("script", "line"), COMMANDS)
def test_command_lines_of_the_seed_are_accepted(script: str, line: str) -> None:
    assert (ROOT / f"{script}.py").is_file()
    TRICUE[script].make_context(script, shlex.split(line))  # raises for an unknown flag or a value of another type


def test_the_table_of_flags_names_every_flag_of_the_command_lines() -> None:
    used = {flag for _, line in COMMANDS for flag in re.findall(r"--\w+", line)}
    assert used == set(re.findall(r"^\| `(--\w+)` \|", PAGE, flags=re.MULTILINE))
    known = {opt for name in ("train", "evaluate", "predict") for p in TRICUE[name].params for opt in p.opts}
    assert used <= known


def test_the_cost_stated_is_the_network_of_the_defaults_for_a_large_corpus() -> None:
    config = Config()
    config = config.model_copy(update={"model": config.model.settled(50_000)})
    dims: dict[ModalityName, tuple[int, ...]] = {
        "text": (768,),  # roberta-base, wav2vec2-base, ResNet-50
        "audio": (768, config.features.audio.mfcc + len(SPECTRAL)),
        "video": (2048,),
    }
    steps: dict[ModalityName, int] = {"text": 12, "audio": 30, "video": config.features.video.frames}
    network = Network.from_config(config, dims, outputs=7)
    batch = Batch(
        ["one"],
        {modality: torch.zeros(1, steps[modality], sum(dims[modality])) for modality in dims},
        {modality: torch.ones(1, steps[modality], dtype=torch.bool) for modality in dims},
    )
    assert f"{parameters(network)[TOTAL]['trainable'] / 1e6:.1f}M beside the encoders" in PAGE
    assert f"{gflops(network, batch)[TOTAL]:.2f} beside the encoders" in PAGE


@pytest.mark.realdata
@pytest.mark.skipif(not SEED.is_file(), reason="../shared/seed.md is not here")
def test_nothing_of_the_seed_is_forgotten() -> None:
    seed = SEED.read_text(encoding="utf-8")
    joined = seed.replace("\\\n", " ")
    lines = {" ".join(line.split()) for line in re.findall(r"^python \w+\.py .+$", joined, flags=re.MULTILINE)}
    figures = {
        re.sub(r"(phase|layer)[123]", r"\1{1,2,3}", unquote(f)) for f in re.findall(r"images/([^\"/)]+\.png)", seed)
    }
    files = set(re.findall(r"[├└]── ([\w.]+\.\w+)", seed))
    variables = set(re.findall(r"export (\S+)", seed))
    numbers = set(re.findall(r"(?<![\w.])\d+\.\d+[\d.]*(?!\w)", seed))
    assert (len(lines), len(figures), len(files), len(variables)) == (4, 14, 22, 2)
    assert sorted(item for item in lines | figures | files | variables | numbers if item not in PAGE) == []


def test_dependencies_are_those_of_pyproject() -> None:
    page = (ROOT / "docs/dependencies.md").read_text(encoding="utf-8")
    for_users, rest = page.split("## For development")
    for_us = rest.split("\n## ")[0]
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = project["optional-dependencies"]
    wanted = [
        *project["dependencies"],
        *(dependency for name, of in extras.items() if name != "dev" for dependency in of),
    ]
    assert _listed(for_users) == _names(wanted)
    assert set(_listed(for_us)) == set(_names(extras["dev"])) - set(_names(wanted))


def _listed(table: str) -> list[str]:
    """Packages in the first column, without the head."""
    rows = re.findall(r"^\| ([\w-]+(?:, [\w-]+)*) \|", table, flags=re.MULTILINE)[1:]
    return [name for row in rows for name in row.split(", ")]


def _names(dependencies: list[str]) -> list[str]:
    return [re.split(r"[<>=!~;\[ ]", dependency)[0] for dependency in dependencies]


def test_settings_page_is_current() -> None:
    page = (ROOT / "docs/settings.md").read_text(encoding="utf-8")
    assert page == runpy.run_path(str(ROOT / "docs/make_settings.py"))["page"](), "run python docs/make_settings.py"


MEASURED = [
    row
    for page in ("README.md", "docs/measured.md")
    for row in re.findall(r"^\| .*`benchmarks/.*$", (ROOT / page).read_text(encoding="utf-8"), flags=re.MULTILINE)
]


@pytest.mark.parametrize("row", MEASURED)
def test_a_figure_is_what_its_command_has_left(row: str) -> None:
    """Every score with three digits in a row, in the results of the row's commands."""
    scripts = [re.sub("_(audio|video)$", "", name) for name in re.findall(r"benchmarks/(\w+)\.py", row)]
    files = [path for name in scripts for path in (ROOT / "benchmarks/results").glob(f"{name}*.json")]
    assert files
    left = [value for path in files for value in _numbers(json.loads(path.read_text(encoding="utf-8")))]
    stated = re.findall(r"(?<![\d.])0\.\d{3}\b", row)
    assert [own for own in stated if not any(abs(abs(v) - float(own)) <= 0.00051 for v in left)] == []


def _numbers(value: Any) -> Iterator[float]:
    if isinstance(value, dict | list):
        for inner in value.values() if isinstance(value, dict) else value:
            yield from _numbers(inner)
    elif isinstance(value, int | float):
        yield value
