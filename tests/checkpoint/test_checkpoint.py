"""A checkpoint: whole or not at all, found by the seed's spelling, refused when damaged."""

import hashlib
import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from tricue.checkpoint import checkpoint
from tricue.checkpoint.checkpoint import Card, load_checkpoint, load_matching, phase_folders, save_checkpoint
from tricue.config.load import load_config
from tricue.files.atomic import check_place, remove_folder, replaced_file
from tricue.model.network import Network
from tricue.types import Batch, InputError

DIMS = {"text": (12,), "audio": (8, 5)}
CONFIG = load_config(
    None, {"modalities": ["text", "audio"], "model.width": 16, "model.bilstm_layers": 1, "model.bilstm_heads": 2}
)


def network(classes: int = 3, seed: int = 0) -> Network:
    torch.manual_seed(seed)
    return Network.from_config(CONFIG, DIMS, classes).eval()


def card(emotions: list[str]) -> Card:
    return Card(CONFIG, emotions, DIMS, [1 / len(emotions)] * len(emotions), phase=2, val_score=0.5)


def batch() -> Batch:
    torch.manual_seed(1)
    return Batch(
        ["a", "b"],
        {"text": torch.randn(2, 5, 12), "audio": torch.randn(2, 4, 13)},
        {"text": torch.ones(2, 5, dtype=torch.bool), "audio": torch.ones(2, 4, dtype=torch.bool)},
    )


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    save_checkpoint(tmp_path / "best_model", network(), card(["a", "b", "c"]))
    return tmp_path / "best_model"


def test_what_is_saved_answers_the_same(saved: Path) -> None:
    again, read = load_checkpoint(saved)
    with torch.no_grad():
        assert torch.equal(again(batch()).logits, network()(batch()).logits)
    digest = hashlib.sha256((saved / "model.safetensors").read_bytes()).hexdigest()
    assert read == replace(card(["a", "b", "c"]), weights_sha256=digest)


def test_the_seeds_spelling_means_the_folder(saved: Path) -> None:
    assert load_checkpoint(f"{saved}.pth")[1].phase == 2


def test_no_checkpoint_says_how_to_make_one(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="tricue train"):
        load_checkpoint(tmp_path / "none")


def test_a_model_stands_for_its_own_phase_whatever_lies_beside_it(saved: Path) -> None:
    assert phase_folders(saved) == {2: saved}
    others = {phase: saved.with_name(f"phase{phase}") for phase in (3, 1)}
    for phase, folder in others.items():
        save_checkpoint(folder, network(), replace(card(["a", "b", "c"]), phase=phase))
    assert list(phase_folders(saved).items()) == [(1, others[1]), (2, saved), (3, others[3])]


@pytest.mark.parametrize("damage", ["cut", "flip", "gone"])
def test_damaged_weights_are_refused(saved: Path, damage: str) -> None:
    path = saved / "model.safetensors"
    content = bytearray(path.read_bytes())
    if damage == "gone":
        path.unlink()
    else:
        if damage == "flip":
            content[-5] ^= 1
        path.write_bytes(content[:-100] if damage == "cut" else content)
    with pytest.raises(InputError, match=r"model\.safetensors"):
        load_checkpoint(saved)


def test_another_format_is_refused(saved: Path) -> None:
    settings = json.loads((saved / "config.json").read_text())
    (saved / "config.json").write_text(json.dumps(settings | {"format": 99}))
    with pytest.raises(InputError, match="format 99"):
        load_checkpoint(saved)


def test_a_kill_between_the_renames_is_mended(saved: Path) -> None:
    saved.rename(saved.with_name(".best_model.old"))
    assert load_checkpoint(saved)[1].phase == 2


def test_a_failed_file_write_leaves_the_old_one(tmp_path: Path) -> None:
    path = tmp_path / "metrics.json"
    path.write_text("old")
    with pytest.raises(OSError, match="full"), replaced_file(path) as part:
        part.write_text("ne")
        raise OSError("disk full")
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b'{"format": 3}', "lacks class_shares, config"),
        (b"[1]", "not the description"),
        (b'{"format": "\xff"}', "not valid JSON"),
    ],
)
def test_a_damaged_card_is_named(saved: Path, content: bytes, words: str) -> None:
    (saved / "config.json").write_bytes(content)
    with pytest.raises(InputError, match=words):
        load_checkpoint(saved)


def test_a_full_disk_under_the_weights_leaves_the_old_checkpoint(saved: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = (saved / "model.safetensors").read_bytes()
    monkeypatch.setattr(checkpoint, "WEIGHTS", "/dev/full")  # every write fails there as on a full disk
    with pytest.raises(OSError, match="No space left"):
        save_checkpoint(saved, network(seed=7), card(["a", "b", "c"]))
    assert (saved / "model.safetensors").read_bytes() == before
    assert [path.name for path in saved.parent.iterdir()] == ["best_model"]


def test_what_is_left_of_a_removal_goes_with_the_next(tmp_path: Path) -> None:
    folder, gone = tmp_path / "state", tmp_path / ".state.gone"
    for path in (folder, gone):  # a kill in the middle of the removal, then another state
        path.mkdir()
        (path / "progress.json").write_text("{}")
    remove_folder(folder)
    assert list(tmp_path.iterdir()) == []
    gone.mkdir()
    remove_folder(folder)
    assert list(tmp_path.iterdir()) == []


def test_a_place_where_nothing_can_be_written_is_known_before(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    check_place(tmp_path / "new" / "deeper" / "out.csv")
    for wrong in (tmp_path, tmp_path / "file" / "out.csv"):
        with pytest.raises(InputError, match=r"name a file|is a file"):
            check_place(wrong)


def test_init_from_same_classes_takes_all_but_the_scaling(saved: Path) -> None:
    fresh = network(seed=7)
    loaded, anew = load_matching(fresh, saved, ["a", "b", "c"])
    scaled = [name for name in fresh.state_dict() if name.startswith("scaling.") or ".scaling." in name]
    assert anew == sorted(scaled) and {"scaling.text.mean", "statistics.audio.scaling.std"} <= set(anew)
    assert len(loaded) == len(fresh.state_dict()) - len(anew)
    assert torch.equal(fresh.classifier.weight, network().classifier.weight)


def last_layer(module: torch.nn.Module, name: str) -> str:
    return [path for path, part in module.named_modules(prefix=name) if isinstance(part, torch.nn.Linear)][-1]


@pytest.mark.parametrize("emotions", [["a", "b", "x"], ["a", "b", "c", "d"]])
def test_init_from_other_classes_makes_the_outputs_anew(saved: Path, emotions: list[str]) -> None:
    fresh = network(len(emotions), seed=7)
    before = fresh.classifier.weight.clone()
    loaded, anew = load_matching(fresh, saved, emotions)
    outputs = {name.rsplit(".", 1)[0] for name in anew if "scaling" not in name.split(".")}
    assert outputs == {"classifier", "auxiliary.text", "auxiliary.audio", last_layer(fresh.intention, "intention")}
    assert torch.equal(fresh.classifier.weight, before)
    assert torch.equal(fresh.fusion.layers[2].weight, network().fusion.layers[2].weight)
    assert not set(loaded) & set(anew)
