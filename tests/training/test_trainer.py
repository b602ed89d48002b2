"""The trainer on a few made-up rows: it learns, resumes to the same weights, hands phases on, stops loudly."""

import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from accelerate import Accelerator
from safetensors.torch import load_file
from torch.nn.functional import cross_entropy

from tricue.checkpoint.checkpoint import Card
from tricue.config.load import load_config
from tricue.config.settings import Config
from tricue.model.network import Network
from tricue.prediction.batches import Examples, feature_statistics, hide_modalities
from tricue.tasks.objectives import ClassObjective
from tricue.training import trainer as trainer_module
from tricue.training.phases import PHASES, parameter_groups
from tricue.training.trainer import Trainer
from tricue.types import Batch, InvalidFileError, TrainingError, Utterance

DIMS = {"text": (12,), "audio": (8, 5), "video": (10,)}
EMOTIONS = ["anger", "joy", "neutral"]


def config(**overrides: object) -> Config:
    small = {
        "model.width": 16,
        "model.bilstm_layers": 2,
        "model.bilstm_heads": 2,
        "training.phase1_epochs": 2,
        "training.phase2_epochs": 2,
        "training.phase3_epochs": 2,
        "training.batch_size": 4,
        "training.accumulation": 2,
        "training.rate": 3e-3,
        "training.tensorboard": False,
        "training.modality_dropout": 0.2,
        "data.emotions": EMOTIONS,
    }
    return load_config(None, small | {k.replace("__", "."): v for k, v in overrides.items()})


def examples(rows: int, seed: int = 0) -> Examples:
    """Rows of random length whose class shifts the mean of every modality."""
    rng = np.random.default_rng(seed)
    labels = np.arange(rows) % len(EMOTIONS)
    arrays = {
        modality: {
            f"u{i}": (rng.normal(size=(rng.integers(2, 7), sum(widths))) + labels[i]).astype(np.float16)
            for i in range(rows)
        }
        for modality, widths in DIMS.items()
    }
    del arrays["audio"]["u1"], arrays["video"]["u2"], arrays["text"]["u4"]
    utterances = [Utterance(id=f"u{i}", text="x", label=EMOTIONS[labels[i]]) for i in range(rows)]
    return Examples(utterances, arrays, labels.astype(np.int64))


def make(folder: Path, settings: Config, rows: int = 22, val: bool = True, seed: int = 0) -> Trainer:
    torch.manual_seed(seed)
    network = Network.from_config(settings, DIMS, len(EMOTIONS))
    card = Card(settings, EMOTIONS, DIMS, [1 / 3] * 3)
    held_out = examples(9, seed=1) if val else None
    return Trainer(network, card, examples(rows), held_out, folder, Accelerator(cpu=True), quiet=True)


def test_sixteen_rows_are_learnt_to_the_last(tmp_path: Path) -> None:
    settings = config(
        training__phase1_epochs=20,
        training__phase2_epochs=5,
        training__phase3_epochs=5,
        training__modality_dropout=0.0,
        training__select="last",
        model__dropout=0.0,
        model__fusion_dropout=0.0,
    )
    standing = make(tmp_path, settings, rows=16, val=False).fit()
    assert standing.history[-1]["train_accuracy"] == 1.0


def test_same_seed_same_weights_other_seed_others(tmp_path: Path) -> None:
    weights = []
    for name, seed in (("a", 0), ("b", 0), ("c", 1)):
        make(tmp_path / name, config(seed=seed), seed=seed).fit()
        weights.append(load_file(tmp_path / name / "best_model" / "model.safetensors"))
    assert all(torch.equal(weights[0][k], weights[1][k]) for k in weights[0])
    assert not torch.equal(weights[0]["classifier.weight"], weights[2]["classifier.weight"])


class Killed(Exception):
    pass


@pytest.mark.parametrize("stop_after", [4, 7])  # 6 batches an epoch, steps of 2
def test_killed_in_phase_2_and_resumed_ends_as_unbroken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, stop_after: int
) -> None:
    settings = config(training__select="last", training__save_minutes=0.0)
    make(tmp_path / "whole", settings, val=False).fit()

    broken = make(tmp_path / "broken", settings, val=False)
    done = 0
    train_batch = Trainer._train_batch

    def dies(self: Trainer, batch: Batch, weights: dict[str, float], window: int) -> None:
        nonlocal done
        if self.standing.phase == 2:
            done += 1
            if done == stop_after:
                raise Killed
        train_batch(self, batch, weights, window)

    with monkeypatch.context() as patch:
        patch.setattr(Trainer, "_train_batch", dies)
        with pytest.raises(Killed):
            broken.fit()
    torch.manual_seed(999)  # a new process knows nothing of the old one's random state
    resumed = make(tmp_path / "broken", settings, val=False, seed=5)
    resumed.fit()
    whole = load_file(tmp_path / "whole" / "best_model" / "model.safetensors")
    again = load_file(tmp_path / "broken" / "best_model" / "model.safetensors")
    assert all(torch.equal(whole[name], again[name]) for name in whole)
    assert not (tmp_path / "broken" / "state").exists()


def phase_1_by_hand(trainer: Trainer, batch: Batch) -> torch.Tensor:
    """Cross-entropy of all modalities together, and 0.3 of its mean over what each says of the rows that have it."""
    output, labels, weights = trainer.network(batch), batch.labels, trainer.objective.weights
    assert labels is not None
    alone = [
        cross_entropy(own[rows], labels[rows], weight=weights)
        for modality, own in output.auxiliary.items()
        for rows in [batch.masks[modality].any(dim=1)]
    ]
    return cross_entropy(output.logits, labels, weight=weights) + 0.3 * torch.stack(alone).mean()


def test_two_accumulated_batches_make_one_clipped_step(tmp_path: Path) -> None:
    """The step that AdamW takes after `_train_batch` twice is that of the mean gradient, its norm cut by hand."""
    still = {f"model__{name}": 0.0 for name in ("dropout", "feature_dropout", "fusion_dropout")}
    still |= {"training__modality_dropout": 0.0, "training__label_smoothing": 0.0}
    settings = config(training__clip_norm=0.05, **still)
    trainer = make(tmp_path, settings, rows=8)
    trainer._start_phase(1)
    halves = [trainer.train.batch(range(4)), trainer.train.batch(range(4, 8))]
    trainer.network.train()
    losses = [phase_1_by_hand(trainer, half) for half in halves]
    trained = [p for group in trainer.optimizer.param_groups for p in group["params"]]
    expected = torch.autograd.grad(sum(losses) / 2, trained, allow_unused=True)
    whole = torch.cat([g.flatten() for g in expected if g is not None]).norm()
    assert whole > 0.05
    for half in halves:
        trainer._train_batch(half, trainer_module.loss_weights(1, 0, settings.training), 2)
    taken: list[torch.Tensor | None] = []
    trainer.optimizer.step = lambda: taken.extend(None if p.grad is None else p.grad.clone() for p in trained)
    trainer._step()
    for own, by_hand in zip(taken, expected, strict=True):
        if own is not None and by_hand is not None:
            torch.testing.assert_close(own, by_hand * 0.05 / whole, rtol=1e-3, atol=1e-7)


def test_one_optimizer_at_a_time(tmp_path: Path) -> None:
    """accelerate unscales fp16 gradients once for every optimizer it holds; those of earlier phases must go."""
    trainer = make(tmp_path, config())
    trainer.fit()
    assert trainer.accelerator._optimizers == [trainer.optimizer]


def test_each_phase_starts_from_the_best_of_the_one_before(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    starts: dict[int, dict[str, torch.Tensor]] = {}
    original = Trainer._make_optimizer

    def spy(self: Trainer) -> None:
        starts[self.standing.phase] = {k: v.clone() for k, v in self.network.state_dict().items()}
        original(self)

    scores = iter([0.6, 0.5, 0.4, 0.7, 0.6, 0.6])  # best epochs: the first, the second, the first
    monkeypatch.setattr(Trainer, "_make_optimizer", spy)
    monkeypatch.setattr(Trainer, "_score_val", lambda self, val, logits: {"val_weighted_f1": next(scores)})
    standing = make(tmp_path, config()).fit()
    for phase in (2, 3):
        best = load_file(tmp_path / f"phase{phase - 1}" / "model.safetensors")
        assert all(torch.equal(starts[phase][name], best[name]) for name in best)
    assert standing.phase_scores == {"1": 0.6, "2": 0.7, "3": 0.6}
    assert [row["epoch"] for row in standing.history if row.get("best")] == [0, 0, 1, 0]
    best = load_file(tmp_path / "best_model" / "model.safetensors")
    phase2 = load_file(tmp_path / "phase2" / "model.safetensors")
    assert all(torch.equal(best[name], phase2[name]) for name in best)


def test_a_changed_bit_in_the_phase_before_is_noticed(tmp_path: Path) -> None:
    """Else the next phase would start from other weights, in silence."""
    trainer = make(tmp_path, config())
    trainer._start_phase(1)
    trainer._save_phase(0.5, None)
    path = tmp_path / "phase1" / "model.safetensors"
    content = bytearray(path.read_bytes())
    content[-5] ^= 1
    path.write_bytes(content)
    with pytest.raises(InvalidFileError, match=r"phase1.*--restart"):
        trainer._start_phase(2)


@pytest.mark.parametrize("harm", ["gone", "changed"])
def test_a_resumed_run_has_the_weights_that_it_ends_with(tmp_path: Path, harm: str) -> None:
    """Else it ended with a traceback, after all its work, or with other weights."""
    trainer = make(tmp_path, config(training__phase1_epochs=1))
    trainer._start_phase(1)
    trainer._train_epoch()
    trainer._end_epoch()
    make(tmp_path, config())._resume()
    path = tmp_path / "phase1" / "model.safetensors"
    if harm == "gone":
        shutil.rmtree(path.parent)
    else:
        path.write_bytes(path.read_bytes()[:-4] + bytes(4))
    with pytest.raises(InvalidFileError, match=r"phase1.*--restart"):
        make(tmp_path, config())._resume()


def test_best_model_ties_go_to_the_earlier_phase(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Trainer, "_score_val", lambda self, val, logits: {"val_weighted_f1": 0.5})
    make(tmp_path, config()).fit()
    assert '"phase": 1' in (tmp_path / "best_model" / "config.json").read_text()


@pytest.mark.parametrize("phase", PHASES)
def test_every_parameter_of_a_phase_gets_a_gradient(phase: int) -> None:
    settings = config(training__minimal_change=0.01, training__intention_confidence=0.0)
    torch.manual_seed(0)
    network = Network.from_config(settings, DIMS, 3)
    batch = examples(12).batch(range(12))  # rows 1, 2 and 4 lack a modality, so the vectors for absent ones take part
    output = network(batch, counterfactual=phase > 1, intention=phase > 2)
    weights = {"auxiliary": 0.3, "alignment": 0.1, "intention": 0.05, "minimal_change": 0.01}
    even = ClassObjective(np.ones(3), settings.training)
    terms = trainer_module.loss_terms(output, batch, weights, settings.training, even)
    sum(terms.values()).backward()  # type: ignore[union-attr]
    names = {id(p): name for name, p in network.named_parameters()}
    trained = [p for group in parameter_groups(network, phase, settings.training) for p in group["params"]]
    without = [names[id(p)] for p in trained if p.grad is None or not p.grad.abs().sum() > 0]
    # a key's bias shifts all scores of a query alike: softmax takes its gradient to zero; a pooling's bias too
    assert [n for n in without if not n.endswith(("key.bias", "score.bias"))] == []
    later = {1: ("counterfactual", "intention"), 2: ("intention",), 3: ()}[phase]
    assert {names[id(p)] for p in trained} == {name for name in names.values() if not name.startswith(later or ("-",))}


def test_non_finite_loss_names_phase_step_and_ids(tmp_path: Path) -> None:
    trainer = make(tmp_path, config())
    trainer.train.arrays["text"]["u3"][0, 0] = np.nan  # type: ignore[index]
    with pytest.raises(TrainingError, match=r"phase 1, epoch 1, step \d+ .*u3") as stop:
        trainer.fit()
    assert "lower training.rate" in str(stop.value) and "features" in str(stop.value)


def test_all_epochs_are_trained_whatever_val_says_and_the_rate_ends_at_its_least(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """22 rows in batches of 4, two batches a step: 3 steps an epoch, the last of a single batch."""
    monkeypatch.setattr(Trainer, "_score_val", lambda *_: {"val_weighted_f1": 0.5})
    standing = make(tmp_path, config(training__phase1_epochs=9)).fit()
    assert [(row["phase"], row["epoch"]) for row in standing.history] == [
        *((1, epoch) for epoch in range(9)), (2, 0), (2, 1), (3, 0), (3, 1)
    ]  # fmt: skip
    assert standing.steps == 3 * 13 and standing.history[-1]["rate"] == pytest.approx(1e-7)


def test_modality_dropout_never_takes_the_last_modality_nor_brings_one_back() -> None:
    batch = examples(22).batch(range(22))
    torch.manual_seed(0)
    for _ in range(20):
        hidden = hide_modalities(batch, 0.9)
        left = torch.stack([mask.any(dim=1) for mask in hidden.masks.values()]).sum(dim=0)
        assert left.min() == 1
        for modality, mask in hidden.masks.items():
            assert not (mask & ~batch.masks[modality]).any()
    assert hide_modalities(batch, 0.0) is batch


def test_whole_view_sets_the_hidden_rows_behind_the_whole_ones() -> None:
    batch = examples(22).batch(range(22))
    torch.manual_seed(0)
    hidden = hide_modalities(batch, 0.6)
    torch.manual_seed(0)
    both = hide_modalities(batch, 0.6, whole_too=True)
    assert both.ids == batch.ids * 2
    assert batch.labels is not None and torch.equal(both.labels, batch.labels.repeat(2))
    for modality in batch.masks:
        assert torch.equal(both.masks[modality][:22], batch.masks[modality])
        assert torch.equal(both.masks[modality][22:], hidden.masks[modality])
        assert torch.equal(both.values[modality][22:], batch.values[modality])
    assert hide_modalities(batch, 0.0, whole_too=True) is batch  # nothing hidden: no second copy


def test_modality_dropout_rate() -> None:
    batch = Batch(
        ["x"] * 4000,
        {modality: torch.zeros(4000, 1, 2) for modality in DIMS},
        {modality: torch.ones(4000, 1, dtype=torch.bool) for modality in DIMS},
    )
    torch.manual_seed(0)
    hidden = hide_modalities(batch, 0.3)
    shares = [float((~mask.any(dim=1)).float().mean()) for mask in hidden.masks.values()]
    expected = 0.3 - 0.3**3 / 3  # all three drawn hidden (0.027): one of them stays
    assert shares == pytest.approx([expected] * 3, abs=0.025)


def test_feature_statistics_against_numpy() -> None:
    rng = np.random.default_rng(0)
    rows = [rng.normal(3, 2, size=(n, 4)).astype(np.float16) for n in (3, 5, 9)]
    for row in rows:
        row[:, 2] = 7.0  # a constant dimension is shifted, not blown up
    stacked = np.concatenate(rows).astype(np.float64)
    statistics = feature_statistics(rows, 4)
    expected = stacked.std(axis=0)
    expected[2] = 1.0
    np.testing.assert_allclose(statistics["mean"], stacked.mean(axis=0), rtol=1e-5)
    np.testing.assert_allclose(statistics["std"], expected, rtol=1e-4)
