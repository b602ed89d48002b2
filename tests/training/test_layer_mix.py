"""`layer: mix` from the clips to the scores."""

from pathlib import Path
from typing import Any

import torch
from tests.small_runs import small, workspace

from tricue.checkpoint.checkpoint import load_checkpoint
from tricue.config.settings import Config
from tricue.evaluation.evaluate import evaluate
from tricue.recognizer import MultimodalEmotionRecognizer
from tricue.training.train import train
from tricue.types import Utterance

QUICK = {"training.batch_size": 4, "training.accumulation": 1, "training.rate": 1e-2}


def trained(config: Config, rows: list[Utterance], folder: Path) -> Path:
    return train(config, save_dir=folder / "run", workspace=workspace(folder, rows)).best_model


def learned(model: Path, modality: str) -> torch.Tensor:
    network, _ = load_checkpoint(model)
    return network.mixes[modality].weights.detach()


def test_audio_from_clips_to_scores(make_clip: Any, tiny_wav2vec2: Path, tmp_path: Path) -> None:
    sounds = [make_clip(f"{i}.m4a", frames=0, sound=0.8, hertz=(150.0, 900.0)[i % 2] + 5 * i) for i in range(12)]
    rows = [
        Utterance(f"u{i}", audio=sound, label=("joy", "anger")[i % 2],
                  split=("train", "train", "train", "train", "val", "test")[i // 2])
        for i, sound in enumerate(sounds)
    ]  # fmt: skip
    given = {"modalities": ["audio"], "features.audio.encoder": str(tiny_wav2vec2), "features.audio.layer": "mix"}
    best = trained(small(QUICK | given), rows, tmp_path)
    weights = learned(best, "audio")
    assert weights.shape == (3,) and weights.any()
    evaluate(best, split="test", out=tmp_path / "out", workspace=workspace(tmp_path))
    assert (tmp_path / "out" / "metrics.json").is_file()
    (folder,) = (tmp_path / "store").iterdir()
    assert folder.name.startswith("audio-")
    said = MultimodalEmotionRecognizer.from_pretrained(best, device="cpu").predict(audio=sounds[0])
    assert said.modalities == ("audio",)


def test_text_that_is_trained_along(tiny_bert: Path, tmp_path: Path) -> None:
    words = {"joy": "I am so happy for you", "anger": "oh my god, he has lost it!"}
    rows = [
        Utterance(f"u{i}", f"{words[emotion]} {'you ' * (i % 3)}", label=emotion, split="val" if i > 11 else "train")
        for i in range(16)
        for emotion in [("joy", "anger")[i % 2]]
    ]
    given = {
        "modalities": ["text"], "features.text.encoder": str(tiny_bert), "features.text.layer": "mix",
        "features.text.max_tokens": 64, "model.finetune": 1, "training.encoder_rate": 1e-3,
    }  # fmt: skip
    best = trained(small(QUICK | given), rows, tmp_path)
    assert learned(best, "text").any() and not (tmp_path / "store").exists()
    said = MultimodalEmotionRecognizer.from_pretrained(best, device="cpu").predict(words["joy"])
    assert said.emotion in words
