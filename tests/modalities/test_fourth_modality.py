"""A fourth modality, of a plugin (tests/plugins/physiology): trained, evaluated, explained, predicted, served.

The label is in the order of the heart rate's samples alone; words are the same for all.
"""

import csv
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.plugins.installing import install_physiology, run, tricue

EMOTIONS = ["anger", "joy"]
ROWS = {"train": 48, "val": 12, "test": 12}
SETTINGS = """
data: {name: body, emotions: [anger, joy]}
modalities: [text, physiology]
features:
  text: {encoder: light}
  physiology: {rate_hz: 2}
model: {width: 32, bilstm_layers: 1, dropout: 0.0, fusion_dropout: 0.0}
training: {phase1_epochs: 8, phase2_epochs: 1, phase3_epochs: 1, batch_size: 8, accumulation: 1, rate: 2e-3}
"""

EXPLAINED = """
import json
from pathlib import Path
from starlette.testclient import TestClient
from tricue.data.manifest import read_manifest
from tricue.explain.explanation import explain
from tricue.recognizer import MultimodalEmotionRecognizer
from tricue.serve.limits import Limits
from tricue.serve.reading import Reader
from tricue.serve.service import make_app

model = MultimodalEmotionRecognizer.from_pretrained("run/best_model", device="cpu")
row = read_manifest(Path("rows.csv"))[-1]
features = model.pipeline(model.modalities)([row])
whole = explain(model.network, model.card, row, features)
path = str(row.source("physiology"))
asked = {"text": row.text, "physiology": path}
said = {
    "row": model.predict_features([row], features)[0].values,
    "call": model.predict(row.text, physiology=path).values,
    "mapping": model.predict_batch([asked, {"physiology": path}])[0].values,
    "explained": model.explain(row.text, physiology=path).subsets["text+physiology"],
    "target": model.explain(physiology=path, target="anger").target,
    "onnx": MultimodalEmotionRecognizer.from_pretrained("hand", device="cpu", backend="onnx").predict(**asked).values,
}
with TestClient(make_app(Reader(model), "body", Limits(decoders=1)), base_url="http://127.0.0.1:8000") as client:
    answer = client.post("/v1/predict", json={"text": "we are here"}).json()
    told = client.get("/v1/model").json()
print(json.dumps({"explained": whole.to_json(), "answer": answer, "model": told, "said": said}))
"""


def heart_rate(row: int, steps: int) -> np.ndarray:
    """(steps, 2): rises for joy, falls for anger, the skin conductance is noise."""
    rng = np.random.default_rng(row)
    course = np.linspace(-1, 1, steps) * (1 if row % 2 else -1)
    return np.stack([course + 0.1 * rng.standard_normal(steps), rng.standard_normal(steps)], axis=1)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return install_physiology(tmp_path_factory.mktemp("site") / "packages")


def write_corpus(folder: Path) -> None:
    """rows.csv with a file of samples per row, every half second from 0; body.npz with the same as sequences."""
    splits = [split for split, count in ROWS.items() for _ in range(count)]
    padded = np.zeros((len(splits), 12, 2), np.float32)
    with (folder / "rows.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["id", "text", "physiology", "emotion", "split"])
        for i, split in enumerate(splits):
            samples = heart_rate(i, steps_of(i))
            padded[i, : len(samples)] = samples
            lines = [f"{t / 2},{rate:.6f},{skin:.6f}" for t, (rate, skin) in enumerate(samples)]
            content = "\n".join(["seconds,heart_rate,skin_conductance", *lines])
            (folder / f"u{i}.csv").write_text(content)
            writer.writerow([f"u{i}", "we are here", f"u{i}.csv", EMOTIONS[i % 2], split])
    np.savez(folder / "body.npz", id=[f"u{i}" for i in range(len(splits))], features=padded)
    (folder / "body.yaml").write_text(SETTINGS)


def steps_of(row: int) -> int:
    return 6 + row % 7


TRAIN = ["train", "--config", "body.yaml", "--manifest", "rows.csv", "--store", "store", "--quiet"]


def evaluate(run: str) -> list[str]:
    place = ["--model_path", f"{run}/best_model", "--manifest", "rows.csv", "--store", "store", "--quiet"]
    return ["evaluate", *place, "--out", f"{run}-out"]


@pytest.fixture(scope="module")
def trained(site: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A corpus, and what `train`, `evaluate`, `predict` and `export` make of it."""
    folder = tmp_path_factory.mktemp("body")
    write_corpus(folder)
    table = ["--input_file", "rows.csv", "--output_file", "said.csv", "--store", "store", "--quiet"]
    done = tricue(
        site,
        [*TRAIN, "--save_dir", "run"],
        evaluate("run"),
        ["predict", "--model_path", "run/best_model", *table],
        ["export", "--model_path", "run/best_model", "--out", "hand"],
        folder=folder,
    )
    assert done.returncode == 0, done.stderr
    return folder


def test_it_is_trained_and_evaluated_beside_the_others(trained: Path) -> None:
    card = json.loads((trained / "run/best_model/config.json").read_text())
    assert card["modalities"] == ["text", "physiology"] and card["dims"]["physiology"] == [2]
    assert card["config"]["features"]["physiology"]["max_seconds"] == 60.0  # a default of the plugin's
    metrics = json.loads((trained / "run-out/metrics.json").read_text())
    assert metrics["modalities"] == ["text", "physiology"]
    assert metrics["weighted_f1"]["value"] > 0.9  # words alone cannot tell: 0.33
    assert "physiology, cross-attention" in (trained / "run-out/report.html").read_text()


def test_its_rows_are_predicted(trained: Path) -> None:
    said = list(csv.DictReader((trained / "said.csv").open(newline="")))
    assert {row["modalities"] for row in said} == {"text+physiology"}
    assert np.mean([row["emotion"] == EMOTIONS[i % 2] for i, row in enumerate(said)]) > 0.9


def test_its_network_is_exported(trained: Path) -> None:
    assert (trained / "hand/network.onnx").is_file()
    assert "physiology" in (trained / "hand/README.md").read_text()


@pytest.fixture(scope="module")
def told(site: Path, trained: Path) -> dict[str, Any]:
    """What Python and the service say of the last row."""
    done = run(site, "-c", EXPLAINED, folder=trained)
    assert done.returncode == 0, done.stderr
    return dict(json.loads(done.stdout.strip().splitlines()[-1]))


def test_its_source_is_given_by_its_name(told: dict[str, Any]) -> None:
    said, reached = told["said"], told["explained"]["subsets"]["text+physiology"]
    for way in ("call", "mapping"):
        assert said[way] == pytest.approx(said["row"], abs=1e-6)
    assert said["onnx"] == pytest.approx(said["row"], abs=1e-4)
    assert said["explained"] == pytest.approx(reached, abs=1e-6)
    assert said["target"] == "anger"


def test_it_is_explained_and_its_model_served(told: dict[str, Any]) -> None:
    explained, answer, model = told["explained"], told["answer"], told["model"]
    assert explained["shapley"]["physiology"] > 0.3 > abs(explained["shapley"]["text"])
    steps = explained["steps"]["physiology"]
    assert [step["label"] for step in steps[:2]] == ["0.00-0.50 s", "0.50-1.00 s"]
    assert len(steps) == steps_of(sum(ROWS.values()) - 1)
    assert answer["emotion"] in EMOTIONS and answer["modalities"] == ["text"]
    assert model["modalities"] == ["text", "physiology"]
    assert model["shown"]["physiology"] == {"word": "body signals", "colour": "#999933"}


@pytest.mark.slow
def test_sequences_of_others_give_the_same_scores(site: Path, trained: Path) -> None:
    """The file holds what the extractor makes: samples every half second, on a grid of 2 Hz."""
    given = ["--set", "features.physiology.precomputed=body.npz", "--save_dir", "given"]
    done = tricue(site, [*TRAIN, *given], evaluate("given"), folder=trained)
    assert done.returncode == 0, done.stderr
    (own, others) = (json.loads((trained / f"{run}-out/metrics.json").read_text()) for run in ("run", "given"))
    assert others["encoders"]["physiology"] == "precomputed: body.npz"
    assert others["weighted_f1"]["value"] == pytest.approx(own["weighted_f1"]["value"], abs=0.1)


def test_files_that_hold_no_samples_are_named(site: Path, tmp_path: Path) -> None:
    write_corpus(tmp_path)
    (tmp_path / "u0.csv").write_text("seconds,heart_rate\n0,60\n")
    (tmp_path / "u1.csv").write_text("seconds,heart_rate,skin_conductance\n0,60,fast\n")
    extract = ["extract", "--config", "body.yaml", "--manifest", "rows.csv", "--store", "store", "--quiet"]
    done = tricue(site, extract, folder=tmp_path)
    said = " ".join(done.stderr.split())
    assert done.returncode == 1 and "Traceback" not in said
    assert "u0: physiology is missing" in said and "column skin_conductance not found" in said
    assert "u1: physiology is missing" in said and "a cell is no number" in said


def test_without_the_plugin_its_model_names_what_is_missing(trained: Path, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    done = tricue(tmp_path / "empty", ["info", "--model_path", "run/best_model"], folder=trained)
    assert done.returncode == 2 and "physiology" in done.stderr and "Traceback" not in done.stderr
