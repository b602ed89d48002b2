"""Training that knows adapted rows."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from tests.prediction.test_adapted import CLASSES, save, spoken
from tests.small_runs import small, workspace

from tricue.checkpoint.checkpoint import load_checkpoint
from tricue.config.settings import Config
from tricue.features.feature_set import FeatureSet
from tricue.prediction.batches import Examples
from tricue.tasks.task import make_task
from tricue.training.fresh_network import build_network
from tricue.training.speaker_removal import Removal, check_training_speakers
from tricue.training.train import train
from tricue.types import InputError, Utterance

ROWS = 30


def settings(**more: object) -> Config:
    return small(modalities=["audio"], data__emotions=list(CLASSES), task__name="categorical", **more)


@pytest.fixture
def removal() -> tuple[Removal, Examples]:
    rows, arrays = spoken(8, ROWS, seed=0)
    rows[-1] = replace(rows[-1], speaker="met once")
    labels = np.array([CLASSES.index(str(row.label)) for row in rows])
    examples = Examples(rows, {"audio": arrays}, labels)
    config = settings(speaker__adaptation="all")
    network = build_network(config, FeatureSet({"audio": arrays}, {"audio": (4,)}), examples)
    return Removal.of(network, examples, make_task(config), config), examples


def test_what_is_taken_off_lies_between_nothing_and_the_offset(removal: tuple[Removal, Examples]) -> None:
    made, examples = removal
    torch.manual_seed(0)
    rows = list(range(len(examples)))
    taken = made.taken_off(examples.batch(rows), rows).offsets["audio"]
    whole = made.offsets["audio"][torch.from_numpy(made.speakers)]
    share = (taken * whole).sum(dim=1) / (whole * whole).sum(dim=1).clamp_min(1e-9)
    torch.testing.assert_close(taken, share[:, None] * whole, atol=1e-5, rtol=0)
    assert float((share == 0).float().mean()) == pytest.approx(1 / 3, abs=0.08)
    assert float(share.max()) < 1.0 and float(share.min()) == 0.0


def test_a_speaker_met_once_keeps_its_offset(removal: tuple[Removal, Examples]) -> None:
    made, examples = removal
    last = len(examples) - 1
    for _ in range(5):
        assert not made.taken_off(examples.batch([last]), [last]).offsets["audio"].any()


def test_the_offsets_are_those_of_the_speakers(removal: tuple[Removal, Examples]) -> None:
    """In the first number of the summary, against what the rows were drawn with."""
    made, _ = removal
    rng = np.random.default_rng(0)
    drawn = []
    for _ in range(8):
        drawn.append(rng.normal(0, 1.5, 4)[0])
        for _ in range(ROWS):
            rng.integers(2)
            rng.normal(0, 0.5, (6, 4))
            rng.normal(0, 0.3, 4)
    found = made.offsets["audio"][:8, 0].numpy()
    assert np.corrcoef(found, drawn)[0, 1] > 0.98


def test_without_speakers_it_is_refused_before_the_extraction() -> None:
    config = settings(speaker__adaptation="past")
    rows, _ = spoken(4, 3, seed=0)
    with pytest.raises(InputError, match="have 4 speakers with two rows or more, and 5 are the fewest"):
        check_training_speakers(rows, config)
    each_new = [replace(row, speaker=row.id) for row in rows]
    with pytest.raises(InputError, match="have 0 speakers"):
        check_training_speakers(each_new, config)
    with pytest.raises(InputError, match="have 1 speakers"):
        check_training_speakers([replace(row, speaker="one") for row in rows], config)
    words = small(speaker__adaptation="past")
    with pytest.raises(InputError, match=r"none of text is adapted. Name them in speaker.modalities"):
        check_training_speakers([Utterance("a", label="joy")], words)
    check_training_speakers(rows, settings())  # off


@pytest.mark.parametrize("form", ["off", "all"])
def test_speakers_with_one_row_of_a_modality_end_no_run(
    tmp_path: Path, form: str, caplog: pytest.LogCaptureFixture
) -> None:
    """Each has two rows, but one with sound alone."""
    rows, arrays = spoken(8, 2, seed=0)
    save(tmp_path / "voice.npz", {id_: own for id_, own in arrays.items() if id_.endswith("-0")})
    words = [replace(row, text=f"{row.label} {row.id}", split="train") for row in rows]
    config = small(
        modalities=["text", "audio"], features__audio__precomputed=str(tmp_path / "voice.npz"),
        training__select="last", data__emotions=list(CLASSES), speaker__adaptation=form,
    )  # fmt: skip
    found = train(config, save_dir=tmp_path / "run", workspace=workspace(tmp_path, words))
    assert load_checkpoint(found.best_model)[1].speakers is None
    assert ("nothing was learned of how speakers differ in audio" in caplog.text) == (form == "all")


def test_rows_that_are_all_alike_end_no_run(tmp_path: Path) -> None:
    rows, arrays = spoken(6, 4, seed=0)
    save(tmp_path / "voice.npz", {id_: np.full_like(own, 0.3) for id_, own in arrays.items()})
    config = settings(features__audio__precomputed=str(tmp_path / "voice.npz"), training__select="last")
    named = [replace(row, split="train") for row in rows]
    found = train(config, save_dir=tmp_path / "run", workspace=workspace(tmp_path, named))
    assert load_checkpoint(found.best_model)[1].speakers is None


def test_a_model_knows_its_speakers_whatever_it_was_trained_for(tmp_path: Path) -> None:
    """Where enough of them are named; without names it is as before."""
    rows, arrays = spoken(6, 6, seed=0)
    save(tmp_path / "voice.npz", arrays)
    config = settings(features__audio__precomputed=str(tmp_path / "voice.npz"), training__select="last")
    named = [replace(row, split="train") for row in rows]
    found = train(config, save_dir=tmp_path / "named", workspace=workspace(tmp_path, named))
    _, card = load_checkpoint(found.best_model)
    assert card.speakers is not None and card.speakers.count == 6
    assert {path.name for path in found.best_model.iterdir()} >= {"speakers.safetensors"}
    nameless = [replace(row, speaker=None) for row in named]
    found = train(config, save_dir=tmp_path / "nameless", workspace=workspace(tmp_path / "other", nameless))
    assert load_checkpoint(found.best_model)[1].speakers is None
