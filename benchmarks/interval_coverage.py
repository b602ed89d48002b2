"""Do 95% intervals hold the truth in 95% of cases, and are equal models called different in 5%?

Made-up corpora with known truth: groups of 5 to 40 rows, an effect of each group on the difficulty of its rows, seven
unequal classes (the shares of MELD's train) or one real value per row. Two models answer the same rows; each has an
effect of its own in each group, neither is better in truth. What is measured is the package's own code, beside the
percentile bootstrap that it replaced.

- `dialogues`: classes differ much between groups, difficulty little. The concentration of the class shares is that of
  MELD's dialogues.
- `speakers`: classes differ little, difficulty much (log odds with a deviation of 0.8, as over RAVDESS's speakers).
- `values`: real values and their correlation.

Legend: N rows, G groups, C classes, D draws.
"""

import argparse
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from common import keep
from scipy.special import expit

from tricue.evaluation.paired import ALPHA, Scores, compare_paired
from tricue.metrics.class_metrics import Confusions, group_confusions
from tricue.metrics.grouped_intervals import UNIT, Grouping, Sample, interval, jackknife
from tricue.metrics.target_metrics import LIMITS, TargetRun

GROUPS = (5, 10, 20, 40, 114)  # 114: the dialogues of MELD's dev
SIZES = (5, 40)  # rows per group
SHARES = np.array([0.47, 0.17, 0.12, 0.11, 0.07, 0.03, 0.03])
SKILL = np.array([1.4, 0.6, 0.4, 0.2, 0.0, -0.4, -0.8])  # log odds of a right answer, by class
COMMON = 0.5  # rows on which the two models have the same luck
MODELS = 2
POPULATION = 100_000  # groups behind the truth
DRAWS = 200  # of the percentile bootstrap
PERCENTILES = [(ALPHA / 2), 1 - ALPHA / 2]

Draw = Callable[[int, np.random.Generator], tuple[list[Sample], Grouping]]  # G, random numbers -> two models' answers


@dataclass(frozen=True)
class Effects:
    """How groups differ."""

    concentration: float  # of the Dirichlet distribution of class shares
    shared: float  # deviation of the log odds that both models have in common
    own: float  # deviation of each model's own part


def draw_groups(groups: int, rng: np.random.Generator) -> Grouping:
    members = np.repeat(np.arange(groups), rng.integers(SIZES[0], SIZES[1] + 1, groups))
    return Grouping("speaker", np.arange(groups), members)


def draw_classes(effects: Effects, groups: int, rng: np.random.Generator) -> tuple[list[Sample], Grouping]:
    """Labels, and what two models answer: right with the odds of class and group, else any class by its share."""
    grouping = draw_groups(groups, rng)
    members = grouping.members
    rows = len(members)
    limits = rng.dirichlet(effects.concentration * SHARES, groups).cumsum(axis=1)[members, :-1]
    labels = (rng.random(rows)[:, None] > limits).sum(axis=1)
    difficulty = rng.normal(0, effects.shared, groups)
    common, luck, guess = rng.random(rows) < COMMON, rng.random(rows), rng.choice(len(SHARES), rows, p=SHARES)
    models: list[Sample] = []
    for _ in range(MODELS):
        chance = expit(SKILL[labels] + (difficulty + rng.normal(0, effects.own, groups))[members])
        right = np.where(common, luck, rng.random(rows)) < chance
        wrong = np.where(common, guess, rng.choice(len(SHARES), rows, p=SHARES))
        answers = np.eye(len(SHARES))[np.where(right, labels, wrong)]
        models.append(Confusions(group_confusions(labels, answers, members, groups)))
    return models, grouping


def draw_values(groups: int, rng: np.random.Generator) -> tuple[list[Sample], Grouping]:
    """Targets with a mean of each group, and what two models answer: noise as large as the group is difficult."""
    grouping = draw_groups(groups, rng)
    members = grouping.members
    rows = len(members)
    targets = rng.normal(0, 0.5, groups)[members] + rng.normal(0, 0.9, rows)
    noise = np.exp(rng.normal(0, 0.3, groups))[members]
    common = rng.normal(0, math.sqrt(COMMON), rows)
    models: list[Sample] = []
    for _ in range(MODELS):
        error = 0.4 * rng.normal(0, 1, groups)[members] + 0.7 * (common + rng.normal(0, math.sqrt(1 - COMMON), rows))
        values = 0.6 * targets + noise * error
        models.append(TargetRun.of(targets[:, None], values[:, None], grouping))
    return models, grouping


WORLDS: dict[str, tuple[Draw, tuple[str, ...]]] = {
    "dialogues": (partial(draw_classes, Effects(10, 0.2, 0.2)), ("weighted_f1", "macro_f1", "accuracy")),
    "speakers": (partial(draw_classes, Effects(100, 0.7, 0.4)), ("weighted_f1", "macro_f1", "accuracy")),
    "values": (draw_values, ("pearson", "ccc")),
}


def find_truth(draw: Draw, names: tuple[str, ...], seed: int) -> dict[str, float]:
    """The numbers of a population: the mean of both models, which are equal in truth."""
    models, grouping = draw(POPULATION, np.random.default_rng([seed, 0]))
    found = [model.statistics(np.ones((1, len(grouping)))) for model in models]
    return {name: float(np.mean([own[name] for own in found])) for name in names}


def measure_once(
    draw: Draw, truth: Mapping[str, float], groups: int, rng: np.random.Generator
) -> dict[str, dict[str, bool]]:
    """Of each number whether its interval holds the truth, and whether the two models are called different."""
    models, grouping = draw(groups, rng)
    first, second = (Scores.of([model], grouping) for model in models)
    weights = rng.multinomial(groups, np.full(groups, 1 / groups), size=DRAWS).astype(float)
    drawn = [model.statistics(weights) for model in models]
    events = {}
    for name, value in truth.items():
        low, high = interval(first.values[name][0], jackknife(first.without[name]), LIMITS.get(name, UNIT))
        p = compare_paired(first, second, [name]).p
        before = np.nanquantile(drawn[0][name], PERCENTILES)
        change = np.nanquantile(drawn[1][name] - drawn[0][name], PERCENTILES)
        events[name] = {
            "covered": bool(low <= value <= high),
            "called_different": p is not None and p <= ALPHA,
            "percentile_covered": bool(before[0] <= value <= before[1]),
            "percentile_called_different": bool(change[0] > 0 or change[1] < 0),
        }
    return events


def measure(world: str, groups: int, repetitions: int, seed: int, truth: Mapping[str, float]) -> dict[str, Any]:
    """Per number the share of each event, in percent."""
    draw, names = WORLDS[world]
    rng = np.random.default_rng([seed, groups, list(WORLDS).index(world)])
    events = [measure_once(draw, truth, groups, rng) for _ in range(repetitions)]
    return {
        name: {event: round(100 * float(np.mean([own[name][event] for own in events])), 2) for event in events[0][name]}
        for name in names
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repetitions", type=int, default=4000)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    worlds = {}
    for world, (draw, names) in WORLDS.items():
        truth = find_truth(draw, names, args.seed)
        percent = {groups: measure(world, groups, args.repetitions, args.seed, truth) for groups in GROUPS}
        worlds[world] = {"truth": {name: round(value, 4) for name, value in truth.items()}, "percent": percent}
    keep("interval_coverage", {
        "what": "made-up corpora: share of 95% intervals that hold the truth, and of equal models called different",
        "repetitions": args.repetitions,
        "seed": args.seed,
        "standard_error_of_95_percent": round(100 * math.sqrt(0.95 * 0.05 / args.repetitions), 2),
        "rows_per_group": SIZES,
        "worlds": worlds,
    })  # fmt: skip


if __name__ == "__main__":
    main()
