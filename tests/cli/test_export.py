"""`tricue export`: what it writes, what it says, its exit status."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import huggingface_hub
import pytest
import torch

from tricue.checkpoint import Card, save_checkpoint
from tricue.cli import main
from tricue.config import load_config
from tricue.features.extractors import feature_dims
from tricue.model.network import Network
from tricue.recognizer import MultimodalEmotionRecognizer

EMOTIONS = ["anger", "joy", "neutral"]


def saved(folder: Path, corpus: str) -> Path:
    settings = {"modalities": ["text", "audio"], "features.text.encoder": "light", "features.audio.encoder": "light",
                "model.width": 16, "data.name": corpus}  # fmt: skip
    config = load_config(None, settings)
    dims = feature_dims(config.features, config.modalities)
    torch.manual_seed(0)
    network = Network.from_config(config, dims, len(EMOTIONS))
    save_checkpoint(folder, network, Card(config, EMOTIONS, dims, [0.5, 0.3, 0.2]))
    return folder


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working folder with a model where it is looked for."""
    monkeypatch.chdir(tmp_path)
    saved(tmp_path / "checkpoints/best_model", "GoEmotions")
    return tmp_path


@pytest.fixture
def onnx_cues(monkeypatch: pytest.MonkeyPatch) -> list[Sequence[str]]:
    calls: list[Sequence[str]] = []

    def export_onnx(network: Network, card: Card, cues: Sequence[str], path: Path) -> None:
        calls.append(cues)
        path.write_bytes(b"onnx")

    monkeypatch.setitem(sys.modules, "tricue.export.onnx", SimpleNamespace(export_onnx=export_onnx))
    return calls


def export(*arguments: object) -> int:
    with pytest.raises(SystemExit) as stopped:
        main(["export", *[str(argument) for argument in arguments]])
    return int(stopped.value.code or 0)


def test_a_folder_to_hand_on(
    place: Path, onnx_cues: list[Sequence[str]], capsys: pytest.CaptureFixture[str]
) -> None:
    assert export() == 0
    out = Path("results/export/best_model")
    assert f"Model to hand on: {out} (its card: {out / 'README.md'})" in capsys.readouterr().out
    assert {p.name for p in out.iterdir()} == {
        "README.md",
        "config.json",
        "model.safetensors",
        "network.onnx",
    }
    assert onnx_cues == [["text", "audio"]]
    assert export("--out", "mine.v2", "--modalities", "audio", "--half") == 0
    assert onnx_cues[1:] == [["audio"]]
    assert "weights, in 16 bits" in Path("mine.v2/README.md").read_text()
    one = MultimodalEmotionRecognizer.from_pretrained("checkpoints/best_model", device="cpu").predict(
        "so what"
    )
    two = MultimodalEmotionRecognizer.from_pretrained("mine.v2", device="cpu").predict("so what")
    assert two.probabilities == pytest.approx(one.probabilities, abs=5e-3)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--model_path", "gone"], "No checkpoint at gone"),
        (["--metrics", "gone"], "There is no result at gone"),
        (["--modalities", "video"], "this model reads text, audio"),
        (["--modalities", "text", "--no_onnx"], "give one"),
        (["--private"], "give --push_to_hub OWNER/NAME"),
        (["--push_to_hub", "mine"], "'mine' is no place on the hub"),
        (["--encoder", "somewhere"], "--encoder wants text=OWNER/NAME"),
        (["--encoder", "text=me/mine"], "has an encoder of the hub for no cue"),
        (["--out", "checkpoints/best_model"], "destroy the input checkpoints/best_model"),
    ],
)
def test_a_wrong_call_writes_nothing(
    place: Path,
    onnx_cues: list[Sequence[str]],
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    message: str,
) -> None:
    assert export(*arguments) == 2
    said = capsys.readouterr()
    assert message in said.err and not said.out
    assert not (place / "results").exists() and not (place / "checkpoints/best_model/README.md").exists()


def test_iemocap_needs_a_word(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    saved(place / "mocap", "IEMOCAP")
    assert export("--model_path", "mocap", "--no_onnx") == 2
    assert "--rights_cleared" in capsys.readouterr().err and not (place / "results").exists()
    assert export("--model_path", "mocap", "--no_onnx", "--rights_cleared") == 0
    assert (place / "results/export/mocap/README.md").is_file()


def test_versions_of_a_model_lie_side_by_side(place: Path) -> None:
    for name in ("v1.1", "v1.2"):
        saved(place / name, "mine")
        assert export("--model_path", name, "--no_onnx") == 0
    assert {p.name for p in Path("results/export").iterdir()} == {"v1.1", "v1.2"}


def test_a_toy_model_says_so(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    saved(place / "toy_model", "toy")
    assert export("--model_path", "toy_model.pth", "--no_onnx") == 0  # the seed's spelling
    assert "toy: not for real use" in capsys.readouterr().out
    assert "> **Toy:" in (place / "results/export/toy_model/README.md").read_text()


def test_to_the_hub(place: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    told: list[Any] = []

    class Api:
        def create_repo(self, name: str, **choices: Any) -> Any:
            told.append((name, choices["private"]))
            return type("RepoUrl", (str,), {"repo_id": name})(f"https://huggingface.co/{name}")

        def model_info(self, name: str) -> Any:
            return SimpleNamespace(private=True)

        def upload_folder(self, **choices: Any) -> None:
            told.append(choices["folder_path"])

    monkeypatch.setattr(huggingface_hub, "HfApi", Api)
    assert export("--push_to_hub", "me/mine", "--private", "--no_onnx") == 0
    assert told == [("me/mine", True), Path("results/export/mine")]
    assert "On the hub: https://huggingface.co/me/mine" in capsys.readouterr().out
    assert "\n# me/mine\n" in (place / "results/export/mine/README.md").read_text()
