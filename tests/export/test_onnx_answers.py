"""`--backend onnx`: the same answers as PyTorch's, from a folder that was handed on."""

import csv
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from tricue.cli import main
from tricue.export.onnx_network import NETWORK
from tricue.recognizer import MultimodalEmotionRecognizer
from tricue.registry import MODALITIES
from tricue.types import InputError

pytest.importorskip("onnx", reason="needs the extra onnx")
pytest.importorskip("onnxruntime", reason="needs the extra onnx")

TEMPERATURE = {"calibration": {"temperature": 2.5, "rows": 9, "ece_before": 0.2, "ece_after": 0.1}}
SMALL = {"modalities": list(MODALITIES), "model.bilstm_layers": 1, "model.bilstm_heads": 2}
Make = Callable[..., MultimodalEmotionRecognizer]


def load(folder: Path, backend: str) -> MultimodalEmotionRecognizer:
    return MultimodalEmotionRecognizer.from_pretrained(folder, device="cpu", backend=backend)


@pytest.fixture(scope="module")
def handed_on(make: Make, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model of three modalities in 16 bits: what the file says is what those weights say."""
    out = tmp_path_factory.mktemp("answers") / "mine"
    make(SMALL, TEMPERATURE).save_pretrained(out, half=True)
    return out


def predicted(place: Path, *arguments: object) -> list[dict[str, str]]:
    with pytest.raises(SystemExit) as stopped:
        main(["predict", *map(str, arguments), "--output_file", str(place), "--quiet", "--device", "cpu"])
    assert not stopped.value.code
    with place.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_predict_says_the_same(
    handed_on: Path, make_clip: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TRICUE_STORE", str(tmp_path / "store"))
    asked = ["You did what?", "Oh", make_clip(), "--model_path", handed_on]
    rows = {
        backend: predicted(tmp_path / f"{backend}.csv", *asked, "--backend", backend) for backend in ("torch", "onnx")
    }
    assert [row["modalities"] for row in rows["onnx"]] == ["text", "text", "audio+video"]
    for torchs, onnxs in zip(rows["torch"], rows["onnx"], strict=True):
        assert onnxs["emotion"] == torchs["emotion"] and onnxs["modalities"] == torchs["modalities"]
        chances = {name: float(value) for name, value in torchs.items() if name.startswith("p_")}
        assert {n: float(onnxs[n]) for n in chances} == pytest.approx(chances, abs=1e-4) and len(chances) == 3


def test_onnxruntime_is_what_answers(handed_on: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model = load(handed_on, "onnx")
    expected = model.predict("You did what?")
    monkeypatch.setattr(model.network, "decide", None)  # PyTorch's way to the logits
    assert model.predict("You did what?") == expected
    monkeypatch.setattr(model, "answering", model.network)
    with pytest.raises(TypeError):
        model.predict("You did what?")


def test_it_is_explained_by_pytorch(handed_on: Path, make_clip: Callable[..., Path]) -> None:
    asked = ("You did what?", make_clip(), None)
    onnxs, torchs = (load(handed_on, backend).explain(*asked) for backend in ("onnx", "torch"))
    assert onnxs.shapley == pytest.approx(torchs.shapley) and set(onnxs.shapley) == {"text", "audio"}


def test_a_file_of_fewer_modalities_is_a_model_of_fewer(make: Make, tmp_path: Path) -> None:
    make(SMALL).save_pretrained(tmp_path / "mine", modalities=["text"])
    model = load(tmp_path / "mine", "onnx")
    assert model.modalities == ["text"] and load(tmp_path / "mine", "torch").modalities == list(MODALITIES)
    torchs = load(tmp_path / "mine", "torch").predict("You did what?")
    assert model.predict("You did what?").probabilities == pytest.approx(torchs.probabilities, abs=1e-4)
    with pytest.raises(InputError, match="this model reads text"):
        model.predict_batch(["Oh"], modalities=["text", "audio"])


def test_what_cannot_be_run_is_said(handed_on: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def refused(*arguments: object) -> str:
        with pytest.raises(SystemExit) as stopped:
            main(["predict", "Oh", *map(str, arguments)])
        assert stopped.value.code == 2
        return " ".join(capsys.readouterr().err.split())

    said = refused("--model_path", handed_on, "--backend", "tensorflow")
    assert "tensorflow" in said and "torch and onnx" in said
    shutil.copytree(handed_on, tmp_path / "copy")
    (tmp_path / "copy" / NETWORK).write_bytes((handed_on / NETWORK).read_bytes()[:-100])
    assert "tricue export" in refused("--model_path", tmp_path / "copy", "--backend", "onnx")
    (tmp_path / "copy" / NETWORK).unlink()
    assert "There is no" in refused("--model_path", tmp_path / "copy", "--backend", "onnx")
