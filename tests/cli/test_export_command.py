"""`tricue export`: what it writes, what it says, its exit status."""

import sys
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import huggingface_hub
import pytest
from tests.commands import tricue

from tricue.checkpoint.checkpoint import Card
from tricue.model.network import Network
from tricue.recognizer import MultimodalEmotionRecognizer

Saved = Callable[[str, str], Path]


@pytest.fixture
def saved(working_folder: Path, save_untrained: Callable[..., Path]) -> Saved:
    """Save a model of words and sound under a name, as if it was trained on a corpus."""
    return lambda name, corpus: save_untrained(
        working_folder / name, {"modalities": ["text", "audio"], "data.name": corpus}
    )


@pytest.fixture
def place(working_folder: Path, saved: Saved) -> Path:
    """A working folder with a model where it is looked for."""
    saved("checkpoints/best_model", "GoEmotions")
    return working_folder


@pytest.fixture
def onnx_modalities(monkeypatch: pytest.MonkeyPatch) -> list[Sequence[str]]:
    calls: list[Sequence[str]] = []

    def export_onnx(network: Network, card: Card, modalities: Sequence[str], path: Path) -> None:
        calls.append(modalities)
        path.write_bytes(b"onnx")

    monkeypatch.setitem(sys.modules, "tricue.export.onnx", SimpleNamespace(export_onnx=export_onnx))
    return calls


export = partial(tricue, "export")


def test_a_folder_to_hand_on(
    place: Path, onnx_modalities: list[Sequence[str]], capsys: pytest.CaptureFixture[str]
) -> None:
    assert export() == 0
    out = Path("results/export/best_model")
    assert f"Model to hand on: {out} (its card: {out / 'README.md'})" in capsys.readouterr().out
    assert {p.name for p in out.iterdir()} == {"README.md", "config.json", "model.safetensors", "network.onnx"}
    assert onnx_modalities == [["text", "audio"]]
    assert export("--out", "mine.v2", "--modalities", "audio", "--half") == 0
    assert onnx_modalities[1:] == [["audio"]]
    assert "weights, in 16 bits" in Path("mine.v2/README.md").read_text()
    one = MultimodalEmotionRecognizer.from_pretrained("checkpoints/best_model", device="cpu").predict("so what")
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
        (["--encoder", "text=me/mine"], "has an encoder of the hub for no modality"),
        (["--out", "checkpoints/best_model"], "destroy the input checkpoints/best_model"),
    ],
)
def test_a_wrong_call_writes_nothing(
    place: Path,
    onnx_modalities: list[Sequence[str]],
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    message: str,
) -> None:
    assert export(*arguments) == 2
    said = capsys.readouterr()
    assert message in said.err and not said.out
    assert not (place / "results").exists() and not (place / "checkpoints/best_model/README.md").exists()


def test_iemocap_needs_a_word(place: Path, saved: Saved, capsys: pytest.CaptureFixture[str]) -> None:
    saved("mocap", "IEMOCAP")
    assert export("--model_path", "mocap", "--no_onnx") == 2
    assert "--rights_cleared" in capsys.readouterr().err and not (place / "results").exists()
    assert export("--model_path", "mocap", "--no_onnx", "--rights_cleared") == 0
    assert (place / "results/export/mocap/README.md").is_file()


def test_versions_of_a_model_lie_side_by_side(saved: Saved) -> None:
    for name in ("v1.1", "v1.2"):
        saved(name, "mine")
        assert export("--model_path", name, "--no_onnx") == 0
    assert {p.name for p in Path("results/export").iterdir()} == {"v1.1", "v1.2"}


def test_a_toy_model_says_so(place: Path, saved: Saved, capsys: pytest.CaptureFixture[str]) -> None:
    saved("toy_model", "toy")
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
