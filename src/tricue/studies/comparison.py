"""`tricue compare`: are models that were tested on the same rows different? From result folders to a verdict."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np

from tricue.checkpoint.checkpoint import LEAKY_MARK, TOY_MARK
from tricue.evaluation.paired import (
    ALPHA,
    POWER,
    Paired,
    Scores,
    Verdict,
    compare_paired,
    holm,
    judge,
    mcnemar,
    smallest_detectable,
)
from tricue.evaluation.results import Result, aligned, common_groups, read_result
from tricue.files.atomic import check_place
from tricue.files.json_files import write_json
from tricue.metrics.grouped_intervals import Grouping, GroupKind, Sample, how_made
from tricue.types import InputError

RULE = (
    f"better or worse: the p of the {{words}} difference, after Holm's correction, is at most {ALPHA:g}; else no "
    "difference shown; the same weights: there is one model, and nothing to test"
)
ROW_LEVEL = "row-level, ignores dialogues"
SAME: Verdict = "the same weights"
ALIKE = 1e-3  # of probabilities: the same weights may be read on another device, not on other modalities


def compare(folders: Sequence[Path], *, out: Path | None) -> dict[str, Any]:
    """Compare B, C, ... with A, the first; each a folder that `tricue evaluate --out` has left. The content of
    compare.json.

    out: the folder for compare.json; None: it is not written.
    Differences are the model's number minus A's; shares are fractions. What intervals cover: `paired.compare_paired`.
    Raises InputError where the folders cannot be compared, with the difference and the remedy.
    """
    _check_call(folders)
    if out is not None:
        check_place(out / "compare.json")
    first = read_result(folders[0])
    results = aligned([first, *(read_result(folder, first.task.names) for folder in folders[1:])])
    grouping = common_groups(results)
    samples = [result.samples(grouping) for result in results]
    scores = [Scores.of(sample, grouping) for sample in samples]
    pairs = [compare_paired(scores[0], other, list(first.task.numbers)) for other in scores[1:]]
    right = [result.task.right(result.targets, result.answers) for result in results]
    tests = [None if one is None or right[0] is None else mcnemar(right[0], one) for one in right[1:]]
    shared = [shared_weights(first, other) for other in results[1:]]
    content = {
        "comparable": not first.leaky,
        "mark": LEAKY_MARK if first.leaky else None,
        "notes": [*_notes(results, grouping.kind, any(tests)), *_shared_notes(shared), *_twin_notes(results, shared)],
        **{name: first.metrics[name] for name in ("protocol", "corpus", "split")},
        "n": len(grouping.members),
        "task": first.task.name,
        "metric": first.task.headline(),
        "classes": first.task.names,
        "interval": how_made(grouping),
        "rule": RULE.format(words=first.task.selected_words),
        "correction": {"method": "Holm", "comparisons": len(pairs), "alpha_strictest": ALPHA / len(pairs)},
        "models": [_model(i, results[i], own, grouping) for i, own in enumerate(samples)],
        "comparisons": _comparisons(pairs, tests, shared),
    }
    if out is not None:
        write_json(out / "compare.json", content)
    return content


def _check_call(folders: Sequence[Path]) -> None:
    if len(folders) < 2:
        raise InputError("compare needs at least two result folders: tricue compare A B [C ...].")
    places = Counter(Path(folder).resolve() for folder in folders)
    twice = [str(place) for place, times in places.items() if times > 1]
    if twice:
        raise InputError(f"{twice[0]} is named twice: a model cannot be compared with itself.")


def _notes(results: Sequence[Result], kind: GroupKind, tested: bool) -> list[str]:
    """What a reader must know before the numbers are believed."""
    notes = []
    metrics = [result.metrics for result in results]
    if any(m.get("toy") for m in metrics):
        notes.append(TOY_MARK)
    for i, m in enumerate(metrics):
        tuned = m.get("tuned") or {}
        notes += [
            f"the {modality} encoder of {_name(i)} was tuned for emotion on {told}" for modality, told in tuned.items()
        ]
    roles = list(dict.fromkeys(str(m.get("split_role")) for m in metrics))
    if len(roles) > 1:
        notes.append(f"the split served differently: {' | '.join(roles)}")
    counts = {len(result.runs) for result in results}
    if len(counts) > 1 and tested:
        notes.append(
            "McNemar's test takes the seeds of a model as one vote, which beats a single seed: with different "
            "numbers of seeds it leans to the model with more; the verdict does not"
        )
    units = {m["interval"].get("unit") for m in metrics if isinstance(m.get("interval"), dict)} - {None, "row"}
    if kind == "row" and units:
        notes.append(
            f"predictions.csv does not name the {' or '.join(sorted(units))}s, so each row is a group of its own: the "
            "interval is too narrow and p too small; evaluate again to have them named"
        )
    unanswered = [f"{r.unanswered} in {r.folder}" for r in results if r.unanswered]
    if unanswered:
        how = "the prior of the training rows"
        if results[0].task.priors_are_shares:
            how = "the training shares, where metrics.json has no class_shares the most frequent label"
        notes.append(f"rows without a usable modality: {', '.join(unanswered)}; they count as answered with {how}")
    return notes


@dataclass(frozen=True)
class Shared:
    """How many runs of two models have the same weights."""

    same: int
    runs: int  # of the model with more
    alike: bool  # whether both answer alike, that is, were given the same modalities

    @property
    def all(self) -> bool:
        return self.same == self.runs and self.alike


def shared_weights(first: Result, other: Result) -> Shared | None:
    """The runs that two results share, by the digest of their weights; None where one does not say its weights."""
    one, two = first.weights, other.weights
    if not one or not two:
        return None
    alike = len(first.runs) == len(other.runs) and all(
        np.allclose(a, b, rtol=0, atol=ALIKE) for a, b in zip(first.answers, other.answers, strict=True)
    )
    return Shared(sum((Counter(one) & Counter(two)).values()), max(len(one), len(two)), alike)


def _shared_notes(shared: Sequence[Shared | None]) -> list[str]:
    return [
        f"{s.same} of {s.runs} runs of {_name(i)} and {_name(0)} have the same weights: "
        + ("the difference is that of the others" if s.same < s.runs else "they read other modalities or features")
        for i, s in enumerate(shared, start=1)
        if s is not None and s.same and not s.all
    ]


def _twin_notes(results: Sequence[Result], shared: Sequence[Shared | None]) -> list[str]:
    """Models that share all their weights with each other and not with the first: their two comparisons are one."""
    others = [i for i, s in enumerate(shared, start=1) if s is None or not s.all]
    pairs = [(i, j, shared_weights(results[i], results[j])) for i, j in combinations(others, 2)]
    return [f"{_name(j)} and {_name(i)} have the same weights" for i, j, s in pairs if s is not None and s.all]


def _model(i: int, result: Result, sample: Sequence[Sample], grouping: Grouping) -> dict[str, Any]:
    per_seed = [run.statistics(np.ones((1, len(grouping)))) for run in sample]
    scores = {name: np.array([own[name][0] for own in per_seed]) for name in result.task.numbers}
    several = len(result.runs) > 1
    return {
        "name": _name(i),
        "folder": str(result.folder),
        **{key: result.metrics.get(key) for key in ("modalities", "split_role", "toy", "tuned")},
        **{name: float(values.mean()) for name, values in scores.items()},
        "seeds": {
            "n": len(result.runs),
            "std": {name: float(values.std(ddof=1)) if several else None for name, values in scores.items()},
        },
    }


def _name(i: int) -> str:
    """A, B, ... Z, then numbers."""
    return chr(ord("A") + i) if i < 26 else str(i + 1)


def _comparisons(
    pairs: Sequence[Paired], tests: Sequence[dict[str, Any] | None], shared: Sequence[Shared | None]
) -> list[dict[str, Any]]:
    """Each model after the first against it, with p-values corrected over all of them."""
    corrected = holm([pair.p for pair in pairs])
    corrected_rows = holm([test["p"] if test else None for test in tests])
    alpha = ALPHA / len(pairs)
    comparisons = []
    for i, (pair, test, own) in enumerate(zip(pairs, tests, shared, strict=True)):
        verdict, reason = judge(pair, corrected[i])
        if own is not None and own.all:
            verdict, reason = SAME, "val kept the same weights in both trainings, byte for byte"
        comparisons.append({
            "model": _name(i + 1),
            "against": _name(0),
            "verdict": verdict,
            "reason": reason,
            "same_weights": None if own is None else own.all,
            "runs_of_same_weights": None if own is None else {"same": own.same, "of": own.runs},
            "differences": pair.differences,
            "p": pair.p,
            "p_corrected": corrected[i],
            "standard_error": pair.standard_error,
            "detectable": {"value": smallest_detectable(pair, alpha), "alpha": alpha, "power": POWER},
            "mcnemar": {"mark": ROW_LEVEL, **test, "p_corrected": corrected_rows[i]} if test else None,
        })  # fmt: skip
    return comparisons
