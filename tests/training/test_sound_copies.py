"""Varied copies of the training sound: stored beside the true rows, drawn per epoch, never where answers are scored."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from tests.clips import write_tones
from tests.small_runs import killed_and_resumed, small, workspace

from tricue.config.settings import Config
from tricue.evaluation.evaluate import measure
from tricue.prediction.batches import Examples
from tricue.recognizer import MultimodalEmotionRecognizer
from tricue.training.sound_copies import SoundCopies
from tricue.training.train import train
from tricue.training.trainer import Trainer
from tricue.types import Batch, Utterance

CLASSES = ("low", "high")


@pytest.fixture(scope="module")
def rows(tmp_path_factory: pytest.TempPathFactory) -> list[Utterance]:
    folder = tmp_path_factory.mktemp("sounds")
    write_tones(folder, 18, 9_000)
    return [
        Utterance(f"u{i}", audio=folder / f"{i}.wav", label=CLASSES[i % 2], split=("train", "val")[i // 12])
        for i in range(18)
    ]  # fmt: skip


def settings(encoder: object = "light", **more: Any) -> Config:
    return small({
        "modalities": ["audio"], "features.audio.encoder": str(encoder), "data.emotions": list(CLASSES),
        "training.batch_size": 4, "training.audio_copies": 2,
    }, **more)  # fmt: skip


def test_each_epoch_draws_a_version_of_every_row() -> None:
    ids = [f"u{i}" for i in range(300)]
    true, one, two = ({id_: np.full((1, 1), version) for id_ in ids} for version in range(3))
    del two["u7"]  # its copy could not be read
    examples = Examples([Utterance(id_) for id_ in ids], {"audio": true, "text": {"u0": np.zeros((1, 1))}}, None)
    copies = SoundCopies([one, two])

    def versions(*key: int) -> np.ndarray:
        drawn = copies.drawn(examples, key)
        assert drawn.arrays["text"] is examples.arrays["text"] and drawn.utterances is examples.utterances
        return np.array([drawn.arrays["audio"][id_].item() for id_ in ids])

    first = versions(0, 1, 0)
    np.testing.assert_array_equal(first, versions(0, 1, 0))
    assert all(80 <= (first == version).sum() <= 120 for version in range(3))
    for key in ((0, 1, 1), (0, 2, 0), (1, 1, 0)):
        assert 0.2 < (versions(*key) == first).mean() < 0.47
    assert all(versions(0, 1, epoch)[7] in (0, 1) for epoch in range(20))


def test_copies_are_stored_and_no_score_reads_them(
    rows: list[Utterance], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[Any] = []
    train_batch = Trainer._train_batch

    def noticed(self: Trainer, batch: Batch, *rest: Any) -> None:
        values, masks = batch.values["audio"], batch.masks["audio"]
        read.extend((own, values[i][masks[i]]) for i, own in enumerate(batch.ids))
        train_batch(self, batch, *rest)

    monkeypatch.setattr(Trainer, "_train_batch", noticed)
    place = workspace(tmp_path, rows)
    done = train(settings(training__phase1_epochs=3), save_dir=tmp_path / "run", workspace=place)
    folders = sorted(path.name.rsplit("-", 1)[0] for path in (tmp_path / "store").iterdir())
    assert folders == ["audio-light", "audio-light-varied", "audio-light-varied"]
    different = {(id_, tuple(values.shape), round(float(values.sum()), 2)) for id_, values in read}
    assert {id_ for id_, _ in read} == {f"u{i}" for i in range(12)} and len(different) > 20
    measured = measure(done.best_model, workspace=place, split="val")
    plain = MultimodalEmotionRecognizer.from_pretrained(done.best_model, device="cpu")
    alone = plain.predict_batch([{"audio": row.audio} for row in rows[12:]])
    for one, other in zip(measured.predictions, alone, strict=True):
        assert one.probabilities == pytest.approx(other.probabilities, abs=1e-5)


def test_killed_and_resumed_ends_as_unbroken(
    rows: list[Utterance], tiny_whisper: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With a live encoder, of whose frozen part the copies are read, too."""
    config = settings(tiny_whisper, model__finetune__audio=1, training__save_minutes=0.0, training__select="last")
    place = workspace(tmp_path, rows)
    whole = train(config, save_dir=tmp_path / "whole", workspace=place)
    again = killed_and_resumed(config, tmp_path / "broken", place, 5, monkeypatch)  # in phase 2
    one, other = (MultimodalEmotionRecognizer.from_pretrained(run.best_model).network for run in (whole, again))
    weights = other.state_dict()
    assert all(torch.equal(own, weights[name]) for name, own in one.state_dict().items())
