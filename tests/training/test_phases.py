"""Loss weights and rates by epoch against the formulas of design.md, section 5, written by hand."""

from __future__ import annotations

import math
from collections.abc import Callable
from fractions import Fraction
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from tricue.config import TrainingConfig, share_epochs
from tricue.training.phases import Phase, Schedule, loss_weights, phases_of, ramp_epochs
from tricue.types import InputError

RATES = (5e-5, 5e-4)  # a fine-tuned encoder and the rest
STEPS = 10


# --- weights of the losses ---------------------------------------------------------------------


def test_phase_1_is_focal_alone() -> None:
    training = TrainingConfig(minimal_change=0.3)
    for epoch in range(15):
        assert loss_weights(1, epoch, training) == {"alignment": 0.0, "intention": 0.0, "minimal_change": 0.0}


def test_phase_2_by_epoch() -> None:
    weights = [loss_weights(2, epoch, TrainingConfig()) for epoch in range(15)]
    assert [w["alignment"] for w in weights] == pytest.approx([0.02, 0.04, 0.06, 0.08] + [0.1] * 11)
    assert all(w["intention"] == 0.0 for w in weights)


def test_phase_3_by_epoch() -> None:
    weights = [loss_weights(3, epoch, TrainingConfig()) for epoch in range(10)]
    assert [w["intention"] for w in weights] == pytest.approx([0.01, 0.02, 0.03, 0.04] + [0.05] * 6)
    assert [w["alignment"] for w in weights] == pytest.approx([0.1] * 10)


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


@pytest.mark.parametrize("phase", [2, 3])
@pytest.mark.parametrize("epochs", range(1, 31))
def test_the_ramp_ends_where_the_weight_reaches_its_cap(phase: Phase, epochs: int) -> None:
    training = TrainingConfig(phase2_epochs=epochs, phase3_epochs=epochs)
    name, cap, step, usual = {2: ("alignment", 0.1, 0.02, 15), 3: ("intention", 0.05, 0.01, 10)}[phase]
    steepness = max(Fraction(1), Fraction(usual, epochs))
    for epoch in range(epochs):
        want = min(cap, step * (epoch + 1) * float(steepness))
        assert loss_weights(phase, epoch, training)[name] == pytest.approx(want)
    assert ramp_epochs(phase, training) == math.ceil(5 / steepness)  # cap / step = 5 in both


@pytest.mark.parametrize(
    ("second", "third", "want"), [(15, 10, [1, 2, 3]), (15, 0, [1, 2]), (0, 10, [1, 3]), (0, 0, [1])]
)
def test_phases_without_an_epoch_are_left_out(second: int, third: int, want: list[Phase]) -> None:
    assert phases_of(TrainingConfig(phase2_epochs=second, phase3_epochs=third)) == want


# --- rates -------------------------------------------------------------------------------------


def record(
    phase: Phase, training: TrainingConfig, epochs: int, scores: list[float] | None = None, steps: int = STEPS
) -> list[list[float]]:
    """Rates of each group before every step, one list per step, and once more after the last."""
    groups: list[dict[str, Any]] = [
        {"params": [torch.nn.Parameter(torch.zeros(1))], "lr": rate} for rate in RATES
    ]
    optimizer = torch.optim.AdamW(groups)
    schedule = Schedule(optimizer, phase, training, steps)
    rates = []
    for epoch in range(epochs):
        for _ in range(steps):
            rates.append([group["lr"] for group in optimizer.param_groups])
            optimizer.step()
            schedule.step()
        schedule.epoch_end(scores[epoch] if scores else 0.1 * epoch)
    rates.append([group["lr"] for group in optimizer.param_groups])
    return rates


def assert_rates(rates: list[list[float]], factor: Callable[[int], float], least: float = 1e-7) -> None:
    """Every group's rate at every step is the factor times its base, never below the least."""
    for step, row in enumerate(rates):
        for rate, base in zip(row, RATES, strict=True):
            assert rate == pytest.approx(max(least, factor(step) * base), rel=1e-6, abs=1.5 * least), (
                f"step {step}"
            )
            assert rate >= least * (1 - 1e-9)


def test_phase_1_warms_up_over_one_epoch() -> None:
    rates = record(1, TrainingConfig(), 2)
    assert_rates(rates, lambda s: 0.1 + 0.9 * min(1.0, s / STEPS))
    assert rates[0] == pytest.approx([5e-6, 5e-5])


def test_warm_up_is_shortened_to_half_of_a_short_phase() -> None:
    rates = record(1, TrainingConfig(phase1_epochs=1), 1)
    assert_rates(rates, lambda s: 0.1 + 0.9 * min(1.0, s / (0.5 * STEPS)))


def test_no_warm_up_where_none_is_asked_for() -> None:
    assert_rates(record(1, TrainingConfig(warmup_epochs=0.0), 1), lambda s: 1.0)


def at_epochs(rates: list[list[float]]) -> list[float]:
    """Factor at the beginning of each epoch (and after the last)."""
    return [row[1] / RATES[1] for row in rates[::STEPS]]


def test_phase_1_halves_after_more_than_two_epochs_without_improvement() -> None:
    rates = record(1, TrainingConfig(), 8, [0.5] * 8)
    # epoch 0 sets the best; 1, 2, 3 do not better it: halved for 4; 4, 5, 6 neither: halved for 7
    assert at_epochs(rates) == pytest.approx([0.1, 1, 1, 1, 0.5, 0.5, 0.5, 0.25, 0.25])


def test_an_improvement_starts_the_count_again() -> None:
    rates = record(1, TrainingConfig(), 7, [0.5, 0.4, 0.4, 0.6, 0.5, 0.5, 0.5])
    assert at_epochs(rates) == pytest.approx([0.1, 1, 1, 1, 1, 1, 1, 0.5])


def test_plateau_settings_are_read() -> None:
    training = TrainingConfig(plateau_factor=0.1, plateau_patience=0, warmup_epochs=0.0)
    assert at_epochs(record(1, training, 3, [0.5] * 3)) == pytest.approx([1, 1, 0.1, 0.01])


def test_the_plateau_stops_at_the_least_rate() -> None:
    training = TrainingConfig(plateau_patience=0, plateau_factor=0.1, least_rate=1e-6)
    rates = record(1, training, 8, [0.5] * 8)
    assert rates[-1] == pytest.approx([1e-6, 1e-6], rel=0.2)
    assert min(min(row) for row in rates) >= 1e-6 * (1 - 1e-9)


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
    rates = record(2, TrainingConfig(cosine_epochs=2, cosine_growth=1), 4)
    assert at_epochs(rates)[:4] == pytest.approx([1, 0.5, 1, 0.5], abs=1e-3)


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


@pytest.mark.parametrize(("rise", "steps"), [(0.5, 1), (0.25, 3), (0.2, 4)])
def test_a_rise_of_a_single_step_is_no_division_by_zero(rise: float, steps: int) -> None:
    training = TrainingConfig(phase3_epochs=1, onecycle_rise=rise)
    assert all(math.isfinite(rate) for row in record(3, training, 1, steps=steps) for rate in row)


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


@given(total=st.integers(3, 1000))
def test_shares_are_largest_remainders(total: int) -> None:
    got = share_epochs(total)
    exact = [Fraction(total * share, 40) for share in (15, 15, 10)]
    assert sum(got) == total and min(got) >= 1
    assert all(abs(part - share) < 1 for part, share in zip(got, exact, strict=True))
    assert got[0] >= got[1] >= got[2]


@pytest.mark.parametrize("total", [2, 1, 0, -5])
def test_fewer_than_three_epochs_are_an_error(total: int) -> None:
    with pytest.raises(InputError, match="3"):
        share_epochs(total)
