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
from tricue.training.phases import COUNTERFACTUAL, Schedule, loss_terms, loss_weights, phases_of, ramp_epochs
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
    assert (ramp_epochs(2, training), ramp_epochs(3, training)) == (2, 2)


def test_ramps_do_not_stretch_with_longer_phases() -> None:
    training = TrainingConfig(phase2_epochs=60, phase3_epochs=60)
    assert loss_weights(2, 0, training)["alignment"] == pytest.approx(0.02)
    assert loss_weights(3, 0, training)["intention"] == pytest.approx(0.01)


def test_ramps_of_the_defaults_end_after_5_epochs() -> None:
    assert (ramp_epochs(2, TrainingConfig()), ramp_epochs(3, TrainingConfig())) == (5, 5)
    assert ramp_epochs(1, TrainingConfig()) <= 1


@pytest.mark.parametrize(
    ("second", "third", "want"), [(15, 10, [1, 2, 3]), (15, 0, [1, 2]), (0, 10, [1, 3]), (0, 0, [1])]
)
def test_phases_without_an_epoch_are_left_out(second: int, third: int, want: list[Phase]) -> None:
    assert phases_of(TrainingConfig(phase2_epochs=second, phase3_epochs=third)) == want


# --- rates -------------------------------------------------------------------------------------


def record(phase: Phase, training: TrainingConfig, epochs: int, steps: int = STEPS) -> list[list[float]]:
    """Rates of each group before every step, one list per step, and once more after the last."""
    groups: list[dict[str, Any]] = [{"params": [torch.nn.Parameter(torch.zeros(1))], "lr": rate} for rate in RATES]
    optimizer = torch.optim.AdamW(groups)
    schedule = Schedule(optimizer, phase, training, steps)
    rates = []
    for _ in range(epochs * steps):
        rates.append([group["lr"] for group in optimizer.param_groups])
        optimizer.step()
        schedule.step()
    rates.append([group["lr"] for group in optimizer.param_groups])
    return rates


def assert_rates(rates: list[list[float]], factor: Callable[[int], float], least: float = 1e-7) -> None:
    """Every group's rate at every step is the factor times its base, never below the least."""
    for step, row in enumerate(rates):
        for rate, base in zip(row, RATES, strict=True):
            assert rate == pytest.approx(max(least, factor(step) * base), rel=1e-6, abs=1.5 * least), f"step {step}"
            assert rate >= least * (1 - 1e-9)


def half_cosine(share: float) -> float:
    return (1 + math.cos(math.pi * share)) / 2


def test_phase_1_warms_up_over_one_epoch_and_falls_over_the_others() -> None:
    rates = record(1, TrainingConfig(phase1_epochs=4), 4)
    assert_rates(rates, lambda s: 0.1 + 0.9 * s / STEPS if s < STEPS else half_cosine((s - STEPS) / (3 * STEPS)))
    assert rates[0] == pytest.approx([5e-6, 5e-5])
    assert rates[STEPS] == pytest.approx(list(RATES)) and rates[-1] == pytest.approx([1e-7, 1e-7])


def test_warm_up_is_shortened_to_half_of_a_short_phase() -> None:
    half = STEPS // 2
    rates = record(1, TrainingConfig(phase1_epochs=1), 1)
    assert_rates(rates, lambda s: 0.1 + 0.9 * s / half if s < half else half_cosine((s - half) / (STEPS - half)))


def test_no_warm_up_where_none_is_asked_for() -> None:
    rates = record(1, TrainingConfig(phase1_epochs=2, warmup_epochs=0.0), 2)
    assert_rates(rates, lambda s: half_cosine(s / (2 * STEPS)))


def at_epochs(rates: list[list[float]]) -> list[float]:
    """Factor at the beginning of each epoch (and after the last)."""
    return [row[1] / RATES[1] for row in rates[::STEPS]]


def test_phase_2_is_a_cosine_with_restarts() -> None:
    """Periods of 5, then 10 epochs: (1 + cos(pi t / T)) / 2 of the rate, by the step."""

    def factor(step: int) -> float:
        epoch = step / STEPS
        done, period = (epoch, 5) if epoch < 5 else (epoch - 5, 10)
        return (1 + math.cos(math.pi * (done % period) / period)) / 2

    rates = record(2, TrainingConfig(), 15)
    assert_rates(rates[:-1], factor)
    assert rates[5 * STEPS] == pytest.approx(list(RATES))  # the restart
    assert rates[5 * STEPS - 1][1] < 0.01 * RATES[1]


def test_phase_2_reads_its_periods() -> None:
    rates = record(2, TrainingConfig(cosine_epochs=2), 6)
    # the second period is twice the first: (1 + cos(pi t / 4)) / 2
    assert at_epochs(rates)[:6] == pytest.approx([1, 0.5, 1, 0.8536, 0.5, 0.1464], abs=1e-3)


def test_phase_3_is_one_cycle() -> None:
    """Rises over 30% of the steps from 1/10, then falls to 1/1e4 of its start, both along a cosine.

    The n + 1 rates before, between and after n steps lie as torch.optim.lr_scheduler.OneCycleLR lays out
    n + 1: peak at 0.3 (n + 1) - 1, end at n.
    """
    total = 10 * STEPS
    peak, end = 0.3 * (total + 1) - 1, total

    def cosine(start: float, stop: float, share: float) -> float:
        return stop + (start - stop) * (1 + math.cos(math.pi * share)) / 2

    def factor(step: int) -> float:
        if step <= peak:
            return cosine(0.1, 1.0, step / peak)
        return cosine(1.0, 0.1 / 1e4, (step - peak) / (end - peak))

    rates = record(3, TrainingConfig(), 10)
    assert_rates(rates, factor)
    assert rates[0] == pytest.approx([0.1 * rate for rate in RATES])
    assert max(row[1] for row in rates) == pytest.approx(RATES[1], rel=1e-3)
    assert rates[-1] == pytest.approx([1e-7, 1e-7])  # 5e-10 and 5e-9 would be below the least rate


@pytest.mark.parametrize("phase", [1, 2, 3])
@pytest.mark.parametrize("steps", [1, 3])
def test_the_shortest_phase_has_rates_in_range(phase: Phase, steps: int) -> None:
    training = TrainingConfig(phase1_epochs=1, phase2_epochs=1, phase3_epochs=1)
    for row in record(phase, training, 1, steps=steps):
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
