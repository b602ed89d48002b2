"""Loss weights and rates by epoch against the formulas of docs/method.md, written by hand."""

import math
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch.nn.functional import cross_entropy

from tricue.config.load import share_epochs
from tricue.config.training_settings import TrainingConfig
from tricue.tasks.objectives import ClassObjective
from tricue.training.phases import COUNTERFACTUAL, Schedule, loss_terms, loss_weights, phases_of
from tricue.types import Batch, Output, Phase

RATES = (5e-5, 5e-4)  # a fine-tuned encoder and the rest
STEPS = 10


# --- weights of the losses ---------------------------------------------------------------------


def test_phase_1_reads_no_counterfactual() -> None:
    training = TrainingConfig(minimal_change=0.3)
    for epoch in range(15):
        assert loss_weights(1, epoch, training) == {"auxiliary": 0.3} | dict.fromkeys(COUNTERFACTUAL, 0.0)


def test_phase_2_by_epoch() -> None:
    weights = [loss_weights(2, epoch, TrainingConfig()) for epoch in range(15)]
    assert [w["alignment"] for w in weights] == pytest.approx([0.02, 0.04, 0.06, 0.08] + [0.1] * 11)
    assert all(w["intention"] == 0.0 for w in weights)


def test_phase_3_by_epoch() -> None:
    weights = [loss_weights(3, epoch, TrainingConfig()) for epoch in range(10)]
    assert [w["intention"] for w in weights] == pytest.approx([0.01, 0.02, 0.03, 0.04] + [0.05] * 6)
    assert [w["alignment"] for w in weights] == pytest.approx([0.1] * 10)


def test_a_modality_alone_is_judged_by_the_rows_that_have_it() -> None:
    """The mean of each modality's cross-entropy, by torch, over its own rows."""
    torch.manual_seed(0)
    present = {"text": torch.tensor([True, True, True, False]), "audio": torch.tensor([False, True, False, True])}
    masks = {name: torch.stack([own, torch.zeros(4, dtype=torch.bool)], dim=1) for name, own in present.items()}
    auxiliary = {name: torch.randn(4, 3) for name in present}
    labels = torch.tensor([0, 2, 1, 0])
    training = TrainingConfig(class_weights="none", label_smoothing=0.0)
    batch = Batch(list("abcd"), {}, masks, labels)
    output = Output(torch.randn(4, 3), torch.randn(4, 8), masks=masks, auxiliary=auxiliary)
    objective = ClassObjective(torch.bincount(labels).double().numpy(), training)

    def auxiliary_term(weights: dict[str, float]) -> torch.Tensor | None:
        return loss_terms(output, batch, weights, training, objective).get("auxiliary")

    own = [cross_entropy(auxiliary[name][rows], labels[rows]) for name, rows in present.items()]
    found = auxiliary_term(loss_weights(1, 0, training))
    assert found is not None
    torch.testing.assert_close(found, (own[0] + own[1]) / 2)
    auxiliary["audio"][[0, 2]] = float("nan")  # of rows without audio
    torch.testing.assert_close(auxiliary_term(loss_weights(1, 0, training)), found)
    assert auxiliary_term(loss_weights(1, 0, training.model_copy(update={"auxiliary_weight": 0.0}))) is None


@pytest.mark.parametrize("phase", [2, 3])
def test_minimal_change_counts_in_phases_2_and_3(phase: Phase) -> None:
    assert loss_weights(phase, 0, TrainingConfig())["minimal_change"] == 0.0
    assert loss_weights(phase, 0, TrainingConfig(minimal_change=0.3))["minimal_change"] == 0.3


def test_ramps_shrink_with_shorter_phases() -> None:
    """5 of 15 epochs: three times as steep; 4 of 10: two and a half times."""
    training = TrainingConfig(phase2_epochs=5, phase3_epochs=4)
    assert [loss_weights(2, e, training)["alignment"] for e in range(3)] == pytest.approx([0.06, 0.1, 0.1])
    assert [loss_weights(3, e, training)["intention"] for e in range(3)] == pytest.approx([0.025, 0.05, 0.05])


def test_ramps_do_not_stretch_with_longer_phases() -> None:
    training = TrainingConfig(phase2_epochs=60, phase3_epochs=60)
    assert loss_weights(2, 0, training)["alignment"] == pytest.approx(0.02)
    assert loss_weights(3, 0, training)["intention"] == pytest.approx(0.01)


@pytest.mark.parametrize(
    ("second", "third", "want"), [(15, 10, [1, 2, 3]), (15, 0, [1, 2]), (0, 10, [1, 3]), (0, 0, [1])]
)
def test_phases_without_an_epoch_are_left_out(second: int, third: int, want: list[Phase]) -> None:
    assert phases_of(TrainingConfig(phase2_epochs=second, phase3_epochs=third)) == want


# --- rates -------------------------------------------------------------------------------------


def record(training: TrainingConfig, steps: int = STEPS) -> list[list[float]]:
    """Rates of each group before every step of all phases, one list per step, and once more after the last."""
    rates = []
    for phase in phases_of(training):
        groups: list[dict[str, Any]] = [{"params": [torch.nn.Parameter(torch.zeros(1))], "lr": rate} for rate in RATES]
        optimizer = torch.optim.AdamW(groups)
        schedule = Schedule(optimizer, phase, training, steps)
        for _ in range(training.epochs[phase - 1] * steps):
            rates.append([group["lr"] for group in optimizer.param_groups])
            optimizer.step()
            schedule.step()
    return [*rates, [group["lr"] for group in optimizer.param_groups]]


def settings(epochs: tuple[int, int, int], **more: Any) -> TrainingConfig:
    first, second, third = epochs
    return TrainingConfig(phase1_epochs=first, phase2_epochs=second, phase3_epochs=third, **more)


def assert_rates(rates: list[list[float]], factor: Callable[[int], float], least: float = 1e-7) -> None:
    """Every group's rate at every step is the factor times its base, never below the least."""
    for step, row in enumerate(rates):
        for rate, base in zip(row, RATES, strict=True):
            assert rate == pytest.approx(max(least, factor(step) * base), rel=1e-6), f"step {step}"


def half_cosine(share: float) -> float:
    return (1 + math.cos(math.pi * share)) / 2


@pytest.mark.parametrize("epochs", [(4, 0, 0), (2, 1, 1), (1, 2, 1), (1, 0, 3)])
def test_the_rate_warms_up_over_one_epoch_and_falls_over_all_phases(epochs: tuple[int, int, int]) -> None:
    """However four epochs are dealt to the phases."""
    rates = record(settings(epochs))
    assert_rates(rates, lambda s: 0.1 + 0.9 * s / STEPS if s < STEPS else half_cosine((s - STEPS) / (3 * STEPS)))
    assert rates[0] == pytest.approx([5e-6, 5e-5])
    assert rates[STEPS] == pytest.approx(list(RATES)) and rates[-1] == pytest.approx([1e-7, 1e-7])


def test_warm_up_is_shortened_to_half_of_a_short_training() -> None:
    half = STEPS // 2
    rates = record(settings((1, 0, 0)))
    assert_rates(rates, lambda s: 0.1 + 0.9 * s / half if s < half else half_cosine((s - half) / (STEPS - half)))


def test_warm_up_may_reach_into_the_next_phase() -> None:
    rates = record(settings((1, 3, 0), warmup_epochs=2.0))
    assert_rates(rates, lambda s: 0.1 + 0.45 * s / STEPS if s < 20 else half_cosine((s - 20) / 20))


def test_no_warm_up_where_none_is_asked_for() -> None:
    rates = record(settings((1, 1, 0), warmup_epochs=0.0))
    assert_rates(rates, lambda s: half_cosine(s / (2 * STEPS)))


@pytest.mark.parametrize("steps", [1, 3])
def test_the_shortest_training_has_rates_in_range(steps: int) -> None:
    for row in record(settings((1, 1, 1)), steps):
        for rate, base in zip(row, RATES, strict=True):
            assert 1e-7 * (1 - 1e-9) <= rate <= base * (1 + 1e-9)


# --- epochs per phase --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("total", "want"),
    [
        (3, (1, 1, 1)),
        (4, (2, 1, 1)),  # 1.5 1.5 1.0: a tie, the earlier phase first
        (5, (2, 2, 1)),  # 1.875 1.875 1.25
        (6, (2, 2, 2)),  # 2.25 2.25 1.5: the largest remainder is the third
        (7, (3, 2, 2)),  # 2.625 2.625 1.75
        (8, (3, 3, 2)),
        (10, (4, 4, 2)),  # 3.75 3.75 2.5
        (12, (5, 4, 3)),  # 4.5 4.5 3.0
        (40, (15, 15, 10)),
        (41, (16, 15, 10)),  # 15.375 15.375 10.25
    ],
)
def test_epochs_are_shared_15_15_10(total: int, want: tuple[int, int, int]) -> None:
    assert share_epochs(total) == want
