"""`tricue compare`: are models that were tested on the same rows different? From result folders to a verdict."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np

from tricue.checkpoint import LEAKY_MARK, TOY_MARK
from tricue.evaluation.metrics import GroupKind, how_drawn
from tricue.evaluation.paired import (
    ALPHA,
    POWER,
    TESTED,
    Paired,
    Verdict,
    compare_paired,
    holm,
    judge,
    mcnemar,
    seed_scores,
    smallest_detectable,
)
from tricue.evaluation.results import Result, aligned, common_groups, read_result
from tricue.files import check_place
from tricue.json_files import write_json
from tricue.types import InputError

RULE = (
    f"better or worse: the p of the weighted F1 difference, after Holm's correction, is at most {ALPHA:g}, its "
    "95% interval leaves out 0, and both point the same way as the difference; else no difference shown; the same "
    "weights: there is one model, and nothing to test"
)
ROW_LEVEL = "row-level, ignores dialogues"
SAME: Verdict = "the same weights"
ALIKE = 1e-3  # of probabilities: the same weights may be read on another device, not on other cues


@dataclass(frozen=True)
class Comparison:
    """What compare.json holds: each model after the first against the first."""

    content: dict[str, Any]


def compare(folders: Sequence[Path], *, draws: int, seed: int, out: Path | None) -> Comparison:
    """Compare B, C, ... with A, the first; each a folder that `tricue evaluate --out` has left.

    draws, seed: of the bootstrap. out: the folder for compare.json; None: it is not written.
    Differences are fractions, the model's minus A's. What the intervals cover: `paired.compare_paired`.
    Raises InputError where the folders cannot be compared, with the difference and the remedy.
    """
    _check_call(folders, draws)
    if out is not None:
        check_place(out / "compare.json")
    results = aligned([read_result(folder) for folder in folders])
    first = results[0]
    kind, members = common_groups(results)
    labels = np.array([first.classes.index(label) for label in first.runs[0].labels])
    samples = [[rows.probabilities for rows in result.runs] for result in results]
    pairs = [compare_paired(labels, samples[0], other, members, draws, seed) for other in samples[1:]]
    tests = [mcnemar(labels, samples[0], other) for other in samples[1:]]
    shared = [shared_weights(first, other) for other in results[1:]]
    content = {
        "comparable": not first.leaky,
        "mark": LEAKY_MARK if first.leaky else None,
        "notes": [*_notes(results, kind), *_shared_notes(shared), *_twin_notes(results, shared)],
        **{name: first.metrics[name] for name in ("protocol", "corpus", "split")},
        "n": len(labels),
        "classes": first.classes,
        "interval": _interval(kind, int(members.max()) + 1, draws, seed),
        "rule": RULE,
        "correction": {"method": "Holm", "comparisons": len(pairs), "alpha_strictest": ALPHA / len(pairs)},
        "models": [_model(i, result, labels) for i, result in enumerate(results)],
        "comparisons": _comparisons(pairs, tests, shared),
    }
    if out is not None:
        write_json(out / "compare.json", content)
    return Comparison(content)


def _check_call(folders: Sequence[Path], draws: int) -> None:
    if len(folders) < 2:
        raise InputError("compare needs at least two result folders: tricue compare A B [C ...].")
    places = Counter(Path(folder).resolve() for folder in folders)
    twice = [str(place) for place, times in places.items() if times > 1]
    if twice:
        raise InputError(f"{twice[0]} is named twice: a model cannot be compared with itself.")
    least = math.ceil(2 * (len(folders) - 1) / ALPHA) - 1  # below, even the smallest p is above ALPHA / m
    if draws < least:
        raise InputError(
            f"{draws} draws are too few for {len(folders) - 1} comparisons: no p could reach {ALPHA:g}. "
            f"Draw at least {least}, better 1000 or more."
        )


def _notes(results: Sequence[Result], kind: GroupKind) -> list[str]:
    """What a reader must know before the numbers are believed."""
    notes = []
    metrics = [result.metrics for result in results]
    if any(m.get("toy") for m in metrics):
        notes.append(TOY_MARK)
    for i, m in enumerate(metrics):
        tuned = m.get("tuned") or {}
        notes += [
            f"the {cue} encoder of {_name(i)} was tuned for emotion on {told}" for cue, told in tuned.items()
        ]
    roles = list(dict.fromkeys(str(m.get("split_role")) for m in metrics))
    if len(roles) > 1:
        notes.append(f"the split served differently: {' | '.join(roles)}")
    counts = {len(result.runs) for result in results}
    if len(counts) > 1:
        notes.append(
            "McNemar's test takes the seeds of a model as one vote, which beats a single seed: with different "
            "numbers of seeds it leans to the model with more; the verdict does not"
        )
    units = {m["interval"].get("unit") for m in metrics if isinstance(m.get("interval"), dict)} - {
        None,
        "row",
    }
    if kind == "row" and units:
        notes.append(
            f"predictions.csv does not name the {' or '.join(sorted(units))}s, so rows were resampled: the "
            "interval is too narrow and p too small; evaluate again to have them named"
        )
    unanswered = [f"{r.runs[0].unanswered} in {r.folder}" for r in results if r.runs[0].unanswered]
    if unanswered:
        how = "the training shares, where metrics.json has no class_shares the most frequent label"
        notes.append(f"rows without a usable cue: {', '.join(unanswered)}; they count as answered with {how}")
    return notes


@dataclass(frozen=True)
class Shared:
    """How many runs of two models have the same weights."""

    same: int
    runs: int  # of the model with more
    alike: bool  # whether both answer alike, that is, were given the same cues

    @property
    def all(self) -> bool:
        return self.same == self.runs and self.alike


def shared_weights(first: Result, other: Result) -> Shared | None:
    """The runs that two results share, by the digest of their weights; None where one does not say its weights."""
    one, two = first.weights, other.weights
    if not one or not two:
        return None
    alike = len(first.runs) == len(other.runs) and all(
        np.allclose(a.probabilities, b.probabilities, rtol=0, atol=ALIKE)
        for a, b in zip(first.runs, other.runs, strict=True)
    )
    return Shared(sum((Counter(one) & Counter(two)).values()), max(len(one), len(two)), alike)


def _shared_notes(shared: Sequence[Shared | None]) -> list[str]:
    return [
        f"{s.same} of {s.runs} runs of {_name(i)} and {_name(0)} have the same weights: "
        + ("the difference is that of the others" if s.same < s.runs else "they read other cues or features")
        for i, s in enumerate(shared, start=1)
        if s is not None and s.same and not s.all
    ]


def _twin_notes(results: Sequence[Result], shared: Sequence[Shared | None]) -> list[str]:
    """Models that share all their weights with each other and not with the first: their two comparisons are one."""
    others = [i for i, s in enumerate(shared, start=1) if s is None or not s.all]
    pairs = [(i, j, shared_weights(results[i], results[j])) for i, j in combinations(others, 2)]
    return [
        f"{_name(j)} and {_name(i)} have the same weights" for i, j, s in pairs if s is not None and s.all
    ]


def _interval(kind: GroupKind, groups: int, draws: int, seed: int) -> dict[str, Any]:
    drawn = how_drawn(kind, groups, draws, seed)
    return drawn | ({"method": "paired t over per-group differences"} if drawn["mark"] else {})


def _model(i: int, result: Result, labels: np.ndarray) -> dict[str, Any]:
    scores = seed_scores(labels, [rows.probabilities for rows in result.runs])
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
    pairs: Sequence[Paired], tests: Sequence[dict[str, Any]], shared: Sequence[Shared | None]
) -> list[dict[str, Any]]:
    """Each model after the first against it, with p-values corrected over all of them."""
    corrected = holm([pair.p for pair in pairs])
    corrected_rows = holm([test["p"] for test in tests])
    alpha = ALPHA / len(pairs)
    comparisons = []
    for i, (pair, test, own) in enumerate(zip(pairs, tests, shared, strict=True)):
        verdict, reason = judge(pair.differences[TESTED], corrected[i])
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
            "mcnemar": {"mark": ROW_LEVEL, **test, "p_corrected": corrected_rows[i]},
        })  # fmt: skip
    return comparisons
