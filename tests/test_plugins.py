"""Plugins: packages whose entry points add an extractor, a modality or a corpus reader; and those that do not load."""

import json
from pathlib import Path

import pytest
from tests.plugins.installing import install, install_physiology, run, tricue

LOUDNESS = """
import numpy as np

class Loudness:
    modality = "audio"
    name, version, dims = "loudness", 1, (1,)

    def __init__(self, settings, device):
        self.config = settings

    @property
    def settings(self):
        return {"rate_hz": self.config.rate_hz}

    def prepare(self, wave):
        parts = np.array_split(wave, max(1, round(len(wave) / 16_000 * self.config.rate_hz)))
        return np.array([[np.abs(part).mean()] for part in parts], np.float32)

    def encode(self, prepared):
        return list(prepared)
"""

DIARY = '''
"""A diary: a line per day, the emotion before its colon."""
from tricue.data.corpus import Corpus
from tricue.types import Utterance

def read(source, config):
    lines = (source / "diary.txt").read_text().splitlines()
    days = [line.split(": ", 1) for line in lines]
    rows = [Utterance(f"day{i}", text, label=name, split="train") for i, (name, text) in enumerate(days)]
    return Corpus("Diary", rows, emotions=["anger", "joy"])
'''

USE_OF_LOUDNESS = """
import sys
from pathlib import Path
from tricue.config.load import load_config
from tricue.extractors.choice import feature_dims
from tricue.features.extract import extract
from tricue.registry import MODALITIES
from tricue.types import Utterance

config = load_config(None, {"features.audio.encoder": "myplugin-loudness", "features.audio.rate_hz": 5})
row = Utterance("a", audio=Path(sys.argv[1]))
found = extract([row], config.features, ["audio"], Path(sys.argv[2]), workers=0, progress=False)
spans = MODALITIES["audio"].find_time_spans(row, len(found.arrays["audio"]["a"]), config.features.audio)
print(feature_dims(config.features, ["audio"]), found.arrays["audio"]["a"].shape, spans[-1].label)
load_config(None, {"features.text.encoder": "myplugin-loudness"})
feature_dims(load_config(None, {"features.text.encoder": "myplugin-loudness"}).features, ["text"])
"""


def test_an_extractor_of_a_plugin_reads_sound(make_clip, tmp_path: Path) -> None:
    point = {"tricue.extractors": {"myplugin-loudness": "loudness:Loudness"}}
    site = install(tmp_path / "site", "my-plugin", {"loudness.py": LOUDNESS}, point)
    done = run(site, "-c", USE_OF_LOUDNESS, str(make_clip(frames=0, sound=2.0)), str(tmp_path / "store"))
    assert done.stdout.strip() == "{'audio': (1,)} (10, 1) step 10", done.stderr
    assert "features.text.encoder=myplugin-loudness: this extractor is one of audio" in done.stderr


def test_a_reader_of_a_plugin_prepares_its_corpus(tmp_path: Path) -> None:
    site = install(tmp_path / "site", "my-diary", {"diary.py": DIARY}, {"tricue.corpora": {"Diary": "diary:read"}})
    (tmp_path / "diary.txt").write_text("joy: sun\nanger: rain\n")
    done = tricue(site, ["prepare", "-h"], ["prepare", "diary", ".", "--out", "made"], folder=tmp_path)
    assert done.returncode == 0 and "Read by my-diary" in done.stdout, done.stderr
    assert json.loads((tmp_path / "made/corpus.json").read_text())["corpus"] == "Diary"
    assert "day1,rain" in (tmp_path / "made/manifest.csv").read_text()


def test_a_column_of_a_plugin_is_read_and_written(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("seconds,heart_rate,skin_conductance\n0,60,1\n")
    (tmp_path / "mine/body").mkdir(parents=True)
    for name in ("mine/a.wav", "mine/body/a.csv"):
        (tmp_path / name).touch()
    (tmp_path / "rows.csv").write_text("id,physiology,cut\nu,a.csv,physiology\n")
    code = """
from pathlib import Path
from tricue.config.settings import Config
from tricue.corpora.folder_corpus import read
from tricue.data.manifest import read_manifest, write_manifest
(row,) = read_manifest(Path("rows.csv"))
write_manifest([row], Path("again.csv"))
assert read_manifest(Path("again.csv")) == [row] and hash(row)
print(row.source("physiology").name, row.source("audio"), row.cut)
for table in ("file,label,physiology\\na.wav,joy,body/a.csv\\n", "id,physiology\\na,body/a.csv\\n"):
    Path("mine/table.csv").write_text(table)
    (row,) = read(Path("mine"), Config()).utterances
    assert row.source("physiology") == Path("mine/body/a.csv").resolve() and row.id == "a"
Path("rows.csv").write_text("id,physiology\\nu,gone.csv\\n")
read_manifest(Path("rows.csv"))
"""
    done = run(install_physiology(tmp_path / "site"), "-c", code, folder=tmp_path)
    assert done.stdout.strip() == "a.csv None physiology", done.stderr
    assert "row 2, column physiology, 'gone.csv': missing file" in done.stderr


BLEND = ["--set", "model.fusion=blend", "--set", "features.text.encoder=light"]


@pytest.mark.parametrize(
    ("group", "name", "arguments"),
    [
        ("tricue.modalities", "smell", ["info", "--modalities", "text,smell"]),
        ("tricue.extractors", "nose", ["info", "--modalities", "audio", "--set", "features.audio.encoder=nose"]),
        ("tricue.corpora", "Perfumes", ["prepare", "perfumes", "."]),
        ("tricue.fusions", "blend", ["info", "--modalities", "text", *BLEND]),
    ],
)
def test_a_plugin_that_does_not_load_is_one_line(group: str, name: str, arguments: list[str], tmp_path: Path) -> None:
    points = {group: {name: "broken:THING"}}
    site = install(tmp_path / "site", "broken-plugin", {"broken.py": "import nowhere_to_be_found\n"}, points)
    assert tricue(site, ["-h"], folder=tmp_path).returncode == 0  # nobody asked for it
    done = tricue(site, arguments, folder=tmp_path)
    assert done.returncode == 2 and "Traceback" not in done.stderr
    said = " ".join(done.stderr.split())
    assert f"broken-plugin (entry point {group}: {name} = broken:THING)" in said
    assert "No module named 'nowhere_to_be_found'" in said and "uninstall that package" in said


@pytest.mark.parametrize(
    ("group", "arguments"),
    [
        ("tricue.modalities", ["info", "--modalities", "smell"]),
        ("tricue.tasks", ["train", "--manifest", "m.csv", "--task", "smell"]),
    ],
)
def test_a_plugin_that_calls_itself_otherwise_is_refused(group: str, arguments: list[str], tmp_path: Path) -> None:
    """Its own name is what checkpoints and tables would keep, and nobody could find."""
    (tmp_path / "m.csv").write_text("id,text,smell\na,x,sweet\n")
    module = {"odour.py": "class Odour:\n    name = 'odour'\n"}
    site = install(tmp_path / "site", "my-odour", module, {group: {"smell": "odour:Odour"}})
    done = tricue(site, arguments, folder=tmp_path)
    said = " ".join(done.stderr.split())
    assert done.returncode == 2 and "my-odour" in said and "calls itself 'odour'" in said and "Rename" in said


def test_a_plugin_with_a_built_in_name_is_refused(tmp_path: Path) -> None:
    points = {"tricue.modalities": {"audio": "loudness:Loudness"}}
    site = install(tmp_path / "site", "my-plugin", {"loudness.py": LOUDNESS}, points)
    done = tricue(site, ["info", "--modalities", "text"], folder=tmp_path)
    assert done.returncode == 2 and "Traceback" not in done.stderr
    assert "my-plugin" in done.stderr and "audio is built in" in " ".join(done.stderr.split())


def test_no_extractor_takes_the_name_of_a_built_in_encoder(tmp_path: Path) -> None:
    points = {"tricue.extractors": {"light": "loudness:Loudness"}}
    site = install(tmp_path / "site", "my-plugin", {"loudness.py": LOUDNESS}, points)
    done = tricue(site, ["info", "--modalities", "text", "--set", "features.text.encoder=light"], folder=tmp_path)
    assert done.returncode == 2 and "extractor light is built in" in " ".join(done.stderr.split())
