"""Features that others made, from a table without text or files to predictions."""

import csv
import json
from pathlib import Path

import numpy as np
import pytest
import yaml
from tests.commands import tricue

from tricue.recognizer import MultimodalEmotionRecognizer
from tricue.types import InputError

EMOTIONS = ("anger", "joy")


def write_features(folder: Path, seed: int = 0) -> None:
    """What tells the emotion: the sign of the first number of each modality. The last id has no video."""
    rng, ids = np.random.default_rng(seed), np.array([f"u{i}" for i in range(24)])
    sign = np.where(np.arange(24) % 2, 1.0, -1.0)
    sound = rng.normal(size=(24, 5, 6)).astype(np.float32)
    sound[:, :, 0] += 3 * sign[:, None]
    np.savez(folder / "sound.npz", id=ids, sound=sound)
    look = rng.normal(size=(24, 4))
    look[:, 0] += 3 * sign
    np.savez(folder / "look.npz", id=ids[:-1], look=look[:-1], names=np.array(list("abcd")))


@pytest.fixture
def corpus(tmp_path: Path, working_folder: Path) -> Path:
    """A corpus's folder; the settings name its files by what they are called there."""
    folder = working_folder / "corpus"
    folder.mkdir()
    lines = [f"u{i},{EMOTIONS[i % 2]},{('train', 'train', 'val', 'test')[i // 2 % 4]},s{i // 2 % 6}" for i in range(24)]
    (folder / "rows.csv").write_text("\n".join(["id,emotion,split,speaker", *lines]) + "\n")
    write_features(folder)
    settings = {
        "modalities": ["audio", "video"],
        "features": {"audio": {"precomputed": "sound.npz", "layer": "mix"}, "video": {"precomputed": "look.npz"}},
        "model": {"width": 16},
        "training": {"tensorboard": False, "rate": 5e-3, "batch_size": 4, "accumulation": 1},
    }
    (tmp_path / "given.yaml").write_text(yaml.safe_dump(settings))
    return folder


def test_train_evaluate_predict(corpus: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    train = ["train", "--config", "given.yaml", "--manifest", "corpus/rows.csv", "--epochs", 3, "--quiet"]
    assert tricue(*train, "--save_dir", "run") == 0
    card = json.loads((tmp_path / "run/best_model/config.json").read_text())
    assert card["config"]["features"]["video"]["precomputed"] == "look.npz"  # not where it lay here
    model = ["--model_path", "run/best_model", "--quiet"]
    assert tricue("evaluate", *model, "--manifest", "corpus/rows.csv", "--out", "out", "--no_report") == 0
    metrics = json.loads((tmp_path / "out/metrics.json").read_text())
    assert metrics["n"] == 6 and metrics["modalities"] == ["audio", "video"]
    assert not list(tmp_path.glob("store/*/shard-*"))

    moved = tmp_path / "elsewhere"
    corpus.rename(moved)
    (moved / "new.csv").write_text("id\nu0\nu23\nunknown\n")
    assert tricue("predict", *model, "--input_file", moved / "new.csv", "--output_file", "said.csv") == 1
    first, last, unknown = csv.DictReader((tmp_path / "said.csv").open(newline=""))
    assert first["emotion"] in EMOTIONS and not first["error"]
    assert last["emotion"] in EMOTIONS and "video" in last["error"]
    assert not unknown["emotion"] and "lack this id" in unknown["error"]
    assert tricue("predict", *model, moved / "new.csv", "--output_file", "again.csv") == 1
    assert next(csv.DictReader((tmp_path / "again.csv").open(newline="")))["emotion"] == first["emotion"]

    (moved / "look.npz").unlink()
    assert tricue("predict", *model, "--input_file", moved / "new.csv", "--output_file", "said.csv") == 2
    assert "features.video.precomputed=look.npz: there is no such file" in capsys.readouterr().err


def test_a_changed_file_is_another_run(
    corpus: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    train = ["train", "--config", "given.yaml", "--manifest", "corpus/rows.csv", "--epochs", 3, "--quiet"]
    assert tricue(*train, "--save_dir", "run") == 0
    assert tricue(*train, "--save_dir", "run") == 0
    assert "already holds this run" in capsys.readouterr().out
    write_features(corpus, seed=1)
    assert tricue(*train, "--save_dir", "run") == 2
    assert "precomputed.audio was" in capsys.readouterr().err.replace("\n", "")


@pytest.mark.slow
def test_folds_of_speakers(corpus: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    more = ["--protocol", "kfold-speaker", "--set", "data.folds=3", "--epochs", 12, "--save_dir", "folds"]
    more += ["--set", "model.feature_dropout=0", "--set", "model.fusion_dropout=0"]  # one number of four tells
    assert tricue("train", "--config", "given.yaml", "--manifest", "corpus/rows.csv", *more, "--quiet") == 0
    assert "3 models trained" in capsys.readouterr().out
    metrics = json.loads((tmp_path / "folds/metrics.json").read_text())
    assert metrics["protocol"] == "kfold-speaker" and metrics["n"] == 24
    assert metrics["weighted_f1"]["value"] > 0.8  # the features tell


def test_a_model_of_given_features_is_asked_about_a_clip(corpus: Path, tmp_path: Path, make_clip) -> None:
    lines = (corpus / "rows.csv").read_text().splitlines()
    clip = make_clip("clip.mp4", frames=12, sound=1.0)
    (corpus / "rows.csv").write_text(
        "\n".join([lines[0] + ",text", *[line + f",you are {EMOTIONS[i % 2]}" for i, line in enumerate(lines[1:])]])
    )
    run = ["--config", "given.yaml", "--manifest", "corpus/rows.csv", "--epochs", 3, "--quiet"]
    light = ["--set", "features.text.encoder=light", "--modalities", "text,video"]
    assert tricue("train", *run, *light, "--save_dir", "both") == 0
    model = MultimodalEmotionRecognizer.from_pretrained(tmp_path / "both/best_model", device="cpu")
    said = model.predict("you are joy", video=clip)
    assert said.modalities == ("text",) and said.emotion in EMOTIONS
    with pytest.raises(InputError, match="Nothing to go by"):
        model.predict(video=clip)
    assert tricue("train", *run, "--modalities", "video", "--save_dir", "look") == 0
    model = MultimodalEmotionRecognizer.from_pretrained(tmp_path / "look/best_model", device="cpu")
    with pytest.raises(InputError, match=r"reads precomputed features alone \(audio, video\)|\(video\)"):
        model.predict(video=clip)
