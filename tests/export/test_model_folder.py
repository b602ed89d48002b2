"""The folder of a model to hand on: what lies in it, that it answers the same, and that nothing half-made is left."""

import shutil
import socket
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from tricue import recognizer
from tricue.checkpoint.checkpoint import Card, read_card
from tricue.export import model_folder as room
from tricue.recognizer import MultimodalEmotionRecognizer
from tricue.types import InputError, InvalidFileError

Make = Callable[..., MultimodalEmotionRecognizer]
SAID = ("you fool, go away", "how nice of you 7", "what a day")
HALF = 5e-3  # of a probability: float16 keeps 11 bits of each weight


def answers(model: MultimodalEmotionRecognizer) -> list[list[float]]:
    return [list(p.probabilities.values()) for p in model.predict_batch(list(SAID))]


def names(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}


def test_the_folder_answers_the_same(
    trained: MultimodalEmotionRecognizer, tmp_path: Path, onnx_calls: list[Sequence[str]]
) -> None:
    out = trained.save_pretrained(tmp_path / "made/mine")
    assert names(out) == {"README.md", "config.json", "model.safetensors", "network.onnx", "rows.safetensors"}
    assert onnx_calls == [["text"]]
    again = MultimodalEmotionRecognizer.from_pretrained(out, device="cpu")
    assert answers(again) == answers(trained)
    assert again.card == trained.card  # weights_sha256 too: what was measured are these very bytes
    assert [path.name for path in out.parent.iterdir()] == ["mine"]
    assert (out / "README.md").read_text().count("\n# mine\n") == 1


def test_half_keeps_answers_and_scaling(trained: MultimodalEmotionRecognizer, tmp_path: Path) -> None:
    out = trained.save_pretrained(tmp_path / "mine", half=True, onnx=False, rows=False)
    assert names(out) == {"README.md", "config.json", "model.safetensors"}
    kept = load_file(out / "model.safetensors")
    scaling = {name for name in kept if name.startswith("scaling.") or ".scaling." in name}
    floats = {name for name, tensor in kept.items() if tensor.is_floating_point()}
    assert {"scaling.text.std", "statistics.text.scaling.std"} <= scaling < floats
    assert {kept[name].dtype for name in scaling & floats} == {torch.float32}
    assert {kept[name].dtype for name in floats - scaling} == {torch.float16}
    whole = trained.network.state_dict()
    assert all(torch.equal(kept[name], whole[name]) for name in scaling)
    again = MultimodalEmotionRecognizer.from_pretrained(out, device="cpu")
    assert {p.dtype for p in again.network.parameters()} == {torch.float32}
    difference = torch.tensor(answers(again)) - torch.tensor(answers(trained))
    assert 0 < difference.abs().max() < HALF


def test_a_weight_past_the_range_of_16_bits(make: Make, tmp_path: Path) -> None:
    model = make({})
    with torch.no_grad():
        next(p for n, p in model.network.named_parameters() if n.startswith("classifier.")).fill_(1e6)
    with pytest.raises(InputError, match=r"classifier\..*without --half"):
        model.save_pretrained(tmp_path / "mine", half=True, onnx=False)
    assert not list(tmp_path.iterdir())


def test_results_stand_in_its_card(run: Path, trained: MultimodalEmotionRecognizer, tmp_path: Path) -> None:
    out = trained.save_pretrained(tmp_path / "mine", results=[run / "test"], onnx=False, half=True)
    assert "### GoEmotions, test" in (text := (out / "README.md").read_text())
    assert "Measured before the weights were rounded to 16 bits." in text and str(run) not in text
    rounded = MultimodalEmotionRecognizer.from_pretrained(out, device="cpu")
    with pytest.raises(InputError, match="was measured of other weights"):
        rounded.save_pretrained(tmp_path / "again", results=[run / "test"], onnx=False)
    assert not (tmp_path / "again").exists()


def test_an_earlier_export_is_replaced_and_nothing_else(
    trained: MultimodalEmotionRecognizer, tmp_path: Path, onnx_calls: list[Sequence[str]]
) -> None:
    out = trained.save_pretrained(tmp_path / "mine")
    trained.save_pretrained(out, onnx=False)
    assert "network.onnx" not in names(out)
    (out / "notes.txt").write_text("my own")
    with pytest.raises(InputError, match="holds something that is no earlier export"):
        trained.save_pretrained(out, onnx=False)
    assert (out / "notes.txt").read_text() == "my own"
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="is a file"):
        trained.save_pretrained(tmp_path / "file", onnx=False)
    with pytest.raises(InputError, match="cannot lie in it"):
        trained.save_pretrained(tmp_path / "file/mine", onnx=False)
    (tmp_path / "empty").mkdir()
    trained.save_pretrained(tmp_path / "empty", onnx=False)
    assert "README.md" in names(tmp_path / "empty")


def test_a_checkpoint_is_not_written_over(run: Path, trained: MultimodalEmotionRecognizer) -> None:
    before = names(run / "checkpoints/best_model")
    with pytest.raises(InputError, match="no earlier export"):
        trained.save_pretrained(run / "checkpoints/best_model", onnx=False)
    assert names(run / "checkpoints/best_model") == before


def test_the_current_folder_will_do(
    trained: MultimodalEmotionRecognizer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "mine").mkdir()
    monkeypatch.chdir(tmp_path / "mine")
    trained.save_pretrained(".", onnx=False)
    assert "\n# mine\n" in (tmp_path / "mine/README.md").read_text()


def test_a_failure_leaves_the_old_folder(
    trained: MultimodalEmotionRecognizer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = trained.save_pretrained(tmp_path / "mine", onnx=False)
    before = {name: (out / name).read_bytes() for name in names(out)}

    def full(*_: object) -> str:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(room, "model_card", full)
    with pytest.raises(OSError, match="No space left"):
        trained.save_pretrained(out, half=True, onnx=False)
    assert {name: (out / name).read_bytes() for name in names(out)} == before
    assert [path.name for path in tmp_path.iterdir()] == ["mine"]


@pytest.mark.parametrize("name", ["my model", "../up", "a/b/c", "", "-x"])
def test_a_name_that_is_none(trained: MultimodalEmotionRecognizer, tmp_path: Path, name: str) -> None:
    if name:
        with pytest.raises(InputError, match="is no name for a model"):
            trained.save_pretrained(tmp_path / "mine", name=name, onnx=False)
    with pytest.raises(InputError, match="is no name for a model"):
        trained.save_pretrained(tmp_path / "my model", onnx=False)
    assert not list(tmp_path.iterdir())


def test_modalities_of_the_onnx_file(make: Make, tmp_path: Path, onnx_calls: list[Sequence[str]]) -> None:
    model = make({"modalities": ["text", "audio", "video"]})
    model.save_pretrained(tmp_path / "mine", modalities=["video", "text"])
    assert onnx_calls == [["text", "video"]]
    with pytest.raises(InputError, match="this model reads text, audio, video"):
        model.save_pretrained(tmp_path / "mine", modalities=["smell"])
    assert len(onnx_calls) == 1


def test_encoders_of_this_machine_need_their_hub_names(make: Make, tiny_bert: Path, tmp_path: Path) -> None:
    model = make({"features.text.encoder": str(tiny_bert)})
    with pytest.raises(InputError, match=r"is a place on this machine.*--encoder text=OWNER/NAME"):
        model.save_pretrained(tmp_path / "mine", onnx=False)
    out = model.save_pretrained(tmp_path / "mine", onnx=False, encoders={"text": "me/tiny-bert"})
    assert read_card(out).config.features.text.encoder == "me/tiny-bert"
    assert str(tiny_bert) not in (out / "config.json").read_text() + (out / "README.md").read_text()
    assert "| text | me/tiny-bert | frozen | see its page on the hub |" in (out / "README.md").read_text()
    again = MultimodalEmotionRecognizer.from_pretrained(
        out, overrides={"features.text.encoder": str(tiny_bert)}, device="cpu"
    )
    assert answers(again) == answers(model)


def test_only_encoders_of_the_hub_are_renamed(make: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "light").mkdir()  # no encoder, whatever lies here
    model = make({"modalities": ["text", "audio"], "features.audio.precomputed": str(tmp_path / "sound.npz")})
    for modality in ("text", "audio", "video"):
        with pytest.raises(
            InputError, match=f"--encoder {modality}=: this model has an encoder of the hub for no modality"
        ):
            model.save_pretrained("mine", onnx=False, encoders={modality: "me/mine"})
    out = model.save_pretrained("mine", onnx=False)
    features = read_card(out).config.features
    assert features.text.encoder == "light" and features.audio.precomputed == "sound.npz"
    assert str(tmp_path) not in (out / "config.json").read_text()


def test_a_folder_with_its_encoders_needs_nothing_else(make: Make, tiny_bert: Path, tmp_path: Path) -> None:
    there = tmp_path / "my-bert"
    shutil.copytree(tiny_bert, there)
    (there / "LICENSE.md").write_text("as you like")
    model = make({"features.text.encoder": str(there)})
    expected = answers(model)
    out = model.save_pretrained(tmp_path / "mine", onnx=False, with_encoders=True)
    shutil.rmtree(there)
    assert names(out / "text_encoder") == names(tiny_bert) | {"LICENSE.md"}
    assert str(tmp_path) not in (out / "config.json").read_text() + (out / "README.md").read_text()
    assert "| text | ./my-bert | frozen, in this folder |" in (text := (out / "README.md").read_text())
    assert "fetched from the hub" not in text and "base_model" not in text
    assert "- `text_encoder/`: the text encoder." in text
    moved = (tmp_path / "mine").rename(tmp_path / "elsewhere")
    again = MultimodalEmotionRecognizer.from_pretrained(moved, device="cpu")
    assert answers(again) == expected
    with pytest.raises(InputError, match=r"encoder=./my-bert is a place on this machine.*--with_encoders"):
        again.save_pretrained(tmp_path / "named", onnx=False)
    named = again.save_pretrained(tmp_path / "named", onnx=False, encoders={"text": "me/my-bert"})
    assert not (named / "text_encoder").exists() and read_card(named).config.features.text.encoder == "me/my-bert"
    carried = again.save_pretrained(moved, onnx=False, with_encoders=True)  # in its own place
    assert answers(MultimodalEmotionRecognizer.from_pretrained(carried, device="cpu")) == expected
    with (moved / "text_encoder/config.json").open("a") as file:
        file.write(" ")
    with pytest.raises(InvalidFileError, match="text_encoder has changed since it was written"):
        read_card(moved)


def test_an_encoder_that_was_trained_along_travels(make: Make, tiny_bert: Path, tmp_path: Path) -> None:
    model = fine_tuned(tiny_bert, tmp_path / "best_model")
    with pytest.raises(InputError, match="is a place on this machine"):
        model.save_pretrained(tmp_path / "mine", onnx=False)
    out = model.save_pretrained(tmp_path / "mine", onnx=False, encoders={"text": "me/tiny-bert"})
    assert {Path(name).suffix for name in names(out / "text_encoder")} <= {".json", ".txt"}
    assert str(tiny_bert) not in (out / "config.json").read_text() + (out / "README.md").read_text()
    assert read_card(out).began_as == {"text": "me/tiny-bert"}
    assert "| text | me/tiny-bert | trained along |" in (out / "README.md").read_text()
    assert answers(MultimodalEmotionRecognizer.from_pretrained(out, device="cpu")) == answers(model)
    again = MultimodalEmotionRecognizer.from_pretrained(out, device="cpu")
    again.save_pretrained(out, onnx=False)  # in its own place
    assert answers(MultimodalEmotionRecognizer.from_pretrained(out, device="cpu")) == answers(model)


def fine_tuned(encoder: Path, folder: Path) -> MultimodalEmotionRecognizer:
    """As training leaves it: its own copy of the encoder's shape, and the name of what it began as."""
    from tricue.checkpoint.checkpoint import save_checkpoint
    from tricue.config.load import load_config
    from tricue.extractors import hub
    from tricue.model.network import Network

    settings = {"modalities": ["text"], "features.text.encoder": str(encoder), "model.finetune": "all",
                "model.width": 16}  # fmt: skip
    config = load_config(None, settings)
    dims: dict[Any, tuple[int, ...]] = {"text": (16,)}
    torch.manual_seed(0)
    network = Network.from_config(config, dims, 3, {"text": hub.load_model(encoder, "cpu")})
    save_checkpoint(folder, network, Card(config, ["anger", "joy", "neutral"], dims, [0.5, 0.3, 0.2]))
    return MultimodalEmotionRecognizer.from_pretrained(folder, device="cpu")


def test_the_hub_gives_all_that_was_put_there(
    trained: MultimodalEmotionRecognizer,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    onnx_calls: list[Sequence[str]],
) -> None:
    """By a stand-in for the hub's download that heeds its patterns."""
    import huggingface_hub
    from huggingface_hub.utils import filter_repo_objects

    out = trained.save_pretrained(tmp_path / "mine", name="me/mine")
    asked: list[str] = []

    def snapshot_download(name: str, allow_patterns: list[str], ignore_patterns: list[str]) -> str:
        asked.append(name)
        wanted = filter_repo_objects(names(out), allow_patterns=allow_patterns, ignore_patterns=ignore_patterns)
        for item in wanted:
            (tmp_path / "cache" / item).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(out / item, tmp_path / "cache" / item)
        return str(tmp_path / "cache")

    monkeypatch.setattr(huggingface_hub, "snapshot_download", snapshot_download)
    monkeypatch.setattr(socket, "socket", None)
    fetched = recognizer.local_checkpoint("me/mine")
    assert asked == ["me/mine"] and names(fetched) == names(out) - {"README.md"}
    assert answers(MultimodalEmotionRecognizer.from_pretrained("me/mine", device="cpu")) == answers(trained)
