"""Baselines beside the network: their scores on the same rows, and whether the network is better."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from tricue.evaluation.paired import Scores, compare_paired, holm, judge
from tricue.metrics.grouped_intervals import Grouping, GroupKind
from tricue.tasks.task import Task

NONE = (
    "this model has none: it was trained by an earlier version, with evaluation.baseline=false, or on a task without "
    "them; train again to have them"
)


def compare_with_baselines(
    task: Task, targets: np.ndarray, runs: Sequence[np.ndarray], baselines: Mapping[str, Sequence[np.ndarray]],
    groups: Sequence[str] | None, kind: GroupKind,
) -> list[dict[str, Any]]:  # fmt: skip
    """`baselines` of metrics.json: of each baseline its headline number, and the network's minus it.

    Args:
        task: Scores the answers.
        targets: Encoded labels, (N, ...).
        runs: The network's answers of each seed, as `Task.answers` gives them.
        baselines: The same of each baseline, by its name.
        groups: (N,) what is left out; None: the rows.
        kind: What a group is.
    """
    grouping, name = Grouping.of(groups, kind, len(targets)), task.headline()

    def scores(answers: Sequence[np.ndarray]) -> Scores:
        return Scores.of(task.compared(targets, answers, grouping), grouping)

    network = scores(runs)
    pairs = [compare_paired(scores(answers), network, [name]) for answers in baselines.values()]
    corrected = holm([pair.p for pair in pairs])
    found = []
    for (model, answers), pair, p_corrected in zip(baselines.items(), pairs, corrected, strict=True):
        number = task.score(targets, answers, groups, kind)[name]
        difference = pair.differences[name]
        verdict, _ = judge(pair, p_corrected)
        found.append({
            "name": model, "headline": {"name": name, **number}, "difference": difference, "p": pair.p,
            "p_corrected": p_corrected, "verdict": verdict,
        })  # fmt: skip
    return found


def best_above(metrics: Mapping[str, Any]) -> dict[str, Any] | None:
    """The best baseline, where it scores above the network."""
    known = [own for own in metrics.get("baselines", ()) if own["difference"]["value"] is not None]
    best = max(known, key=lambda own: own["headline"]["value"], default=None)
    return best if best is not None and best["difference"]["value"] < 0 else None
