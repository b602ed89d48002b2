"""Phases without an epoch and loss terms without a weight: what is trained, what is kept, what is not made."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from tests.small_runs import small, workspace

from tricue.checkpoint.checkpoint import read_card
from tricue.config.settings import Config
from tricue.model.network import Network
from tricue.training.train import train
from tricue.training.trainer import Trainer
from tricue.types import Batch, Output, Phase, Utterance

Epochs = tuple[int, int, int]
LEFT_OUT: list[Epochs] = [(2, 1, 0), (1, 0, 2), (2, 0, 0)]


def settings(epochs: Epochs, **overrides: Any) -> Config:
    own = {f"phase{i}_epochs": count for i, count in enumerate(epochs, start=1)}
    own |= {"batch_size": 4, "accumulation": 2, "rate": 3e-3} | overrides
    return small({f"training.{name}": value for name, value in own.items()}, model__bilstm_heads=2)


def run(folder: Path, config: Config) -> Path:
    """The folder of the run: 4 batches, 2 optimizer steps an epoch."""
    rows = [
        Utterance(f"u{i}", f"{('you fool', 'how nice')[i % 2]} {i}", label=("anger", "joy")[i % 2], dialogue=f"d{i}",
                  split="val" if i > 15 else "train")
        for i in range(20)
    ]  # fmt: skip
    train(config, save_dir=folder / "run", workspace=workspace(folder, rows))
    return folder / "run"


def weights(model: Path) -> bytes:
    return (model / "model.safetensors").read_bytes()


def phases_in(place: Path) -> list[int]:
    return sorted(int(folder.name[-1]) for folder in place.glob("phase*"))


@pytest.fixture
def scores(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """What val is to say after each epoch."""
    said: list[float] = []
    monkeypatch.setattr(Trainer, "_score_val", lambda self, val, logits: {"val_weighted_f1": said.pop(0)})
    return said


@pytest.mark.parametrize("epochs", LEFT_OUT)
@pytest.mark.parametrize("rising", [True, False])
def test_only_the_phases_with_epochs_are_trained_and_the_best_of_them_kept(
    epochs: Epochs, rising: bool, scores: list[float], tmp_path: Path
) -> None:
    scores += [0.1 * i if rising else 0.9 - 0.1 * i for i in range(sum(epochs))]
    place = run(tmp_path, settings(epochs))
    trained = [phase for phase, count in enumerate(epochs, start=1) if count]
    assert phases_in(place) == trained
    history = json.loads((place / "history.json").read_text())
    assert [(row["phase"], row["epoch"]) for row in history] == [
        (phase, epoch) for phase, count in enumerate(epochs, start=1) for epoch in range(count)
    ]
    best = trained[-1] if rising else 1
    assert read_card(place / "best_model").phase == best
    assert weights(place / "best_model") == weights(place / f"phase{best}")


def test_phase_3_after_phase_1_starts_from_its_best_weights(
    scores: list[float], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    starts: dict[int, dict[str, torch.Tensor]] = {}
    make_optimizer = Trainer._make_optimizer

    def spy(self: Trainer) -> None:
        starts[self.standing.phase] = {k: v.clone() for k, v in self.network.state_dict().items()}
        make_optimizer(self)

    monkeypatch.setattr(Trainer, "_make_optimizer", spy)
    scores += [0.6, 0.5, 0.4]  # the first epoch of phase 1 is its best, and the second changes the weights
    place = run(tmp_path, settings((2, 0, 1)))
    best = load_file(place / "phase1" / "model.safetensors")
    assert set(starts) == {1, 3} and read_card(place / "phase1").epoch == 0
    assert all(torch.equal(starts[3][name], value) for name, value in best.items())


class Killed(Exception):
    pass


@pytest.mark.parametrize(
    ("epochs", "phase", "batch"), [((2, 2, 0), 2, 4), ((2, 0, 2), 3, 1), ((2, 0, 2), 3, 7), ((2, 0, 0), 1, 7)]
)
def test_killed_and_resumed_ends_as_unbroken_and_the_last_phase_is_kept(
    epochs: Epochs, phase: Phase, batch: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It dies at a batch of a phase, counted from 1; at the first, the state is that of the phase before."""
    config = settings(epochs, select="last", save_minutes=0.0)
    whole = run(tmp_path / "whole", config)
    train_batch, done = Trainer._train_batch, 0

    def dies(self: Trainer, *given: Any) -> None:
        nonlocal done
        done += self.standing.phase == phase
        if done == batch:
            raise Killed
        train_batch(self, *given)

    with monkeypatch.context() as patch:
        patch.setattr(Trainer, "_train_batch", dies)
        with pytest.raises(Killed):
            run(tmp_path / "broken", config)
    torch.manual_seed(999)  # a new process knows nothing of the old one's random state
    broken = run(tmp_path / "broken", config)
    assert weights(broken / "best_model") == weights(whole / "best_model") == weights(whole / f"phase{phase}")
    assert phases_in(broken) == phases_in(whole) and phases_in(whole)[-1] == phase
    assert read_card(broken / "best_model").phase == phase and not (broken / "state").exists()


NONE = {"alignment_weight": 0.0, "intention_weight": 0.0}


@pytest.mark.parametrize(
    ("given", "changed", "predicted"),
    [
        ({}, {2, 3}, {3}),
        ({"intention_weight": 0.0}, {2, 3}, set()),
        ({"alignment_weight": 0.0}, {3}, {3}),  # the intention loss reads it
        (NONE, set(), set()),
        (NONE | {"minimal_change": 0.1}, {2, 3}, set()),
    ],
)
def test_a_counterfactual_is_made_only_where_a_loss_reads_it(
    given: dict[str, float], changed: set[int], predicted: set[int], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[Output] = []
    forward = Network.forward

    def spy(self: Network, batch: Batch, **asked: bool) -> Output:
        output = forward(self, batch, **asked)
        if self.training:
            made.append(output)
        return output

    monkeypatch.setattr(Network, "forward", spy)
    place = run(tmp_path, settings((1, 1, 1), **given))
    assert len(made) == 12
    phases = {phase: made[4 * phase - 4 : 4 * phase] for phase in (1, 2, 3)}
    with_change = {phase for phase, outputs in phases.items() if outputs[0].h_cf is not None}
    with_intention = {phase for phase, outputs in phases.items() if outputs[0].logits_intention is not None}
    assert with_change == changed and with_intention == predicted
    history = json.loads((place / "history.json").read_text())
    assert {row["phase"] for row in history if "train_flips" in row} == changed
    assert {row["phase"] for row in history if "train_intention_loss" in row} == predicted
