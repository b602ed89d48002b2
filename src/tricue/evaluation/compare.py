"""`tricue compare`: are models that were tested on the same rows different? From result folders to a verdict."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from rich import box
from rich.console import Group
from rich.table import Table
from rich.text import Text

from tricue.checkpoint import LEAKY_MARK, TOY_MARK
from tricue.evaluation.metrics import GroupKind, how_drawn
from tricue.evaluation.paired import (
    ALPHA,
    DESCRIBED,
    POWER,
    TESTED,
    Paired,
    compare_paired,
    holm,
    judge,
    mcnemar,
    seed_scores,
    smallest_detectable,
)
from tricue.evaluation.results import Result, aligned, common_groups, read_result
from tricue.evaluation.table import HEADLINE, MISSING
from tricue.files import check_place, write_json
from tricue.types import InputError

RULE = (
    f"better or worse: the p of the weighted F1 difference, after Holm's correction, is at most {ALPHA:g}, its "
    "95% interval leaves out 0, and both point the same way as the difference; else no difference shown"
)
ROW_LEVEL = "row-level, ignores dialogues"
VERDICT = "Verdict"  # heading of the one column of words


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
    content = {
        "comparable": not first.leaky,
        "mark": LEAKY_MARK if first.leaky else None,
        "notes": _notes(results, kind),
        **{name: first.metrics[name] for name in ("protocol", "corpus", "split")},
        "n": len(labels),
        "classes": first.classes,
        "interval": _interval(kind, int(members.max()) + 1, draws, seed),
        "rule": RULE,
        "correction": {"method": "Holm", "comparisons": len(pairs), "alpha_strictest": ALPHA / len(pairs)},
        "models": [_model(i, result, labels) for i, result in enumerate(results)],
        "comparisons": _comparisons(pairs, tests),
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


def _comparisons(pairs: Sequence[Paired], tests: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Each model after the first against it, with p-values corrected over all of them."""
    corrected = holm([pair.p for pair in pairs])
    corrected_rows = holm([test["p"] for test in tests])
    alpha = ALPHA / len(pairs)
    comparisons = []
    for i, (pair, test) in enumerate(zip(pairs, tests, strict=True)):
        verdict, reason = judge(pair.differences[TESTED], corrected[i])
        comparisons.append({
            "model": _name(i + 1),
            "against": _name(0),
            "verdict": verdict,
            "reason": reason,
            "differences": pair.differences,
            "p": pair.p,
            "p_corrected": corrected[i],
            "standard_error": pair.standard_error,
            "detectable": {"value": smallest_detectable(pair, alpha), "alpha": alpha, "power": POWER},
            "mcnemar": {"mark": ROW_LEVEL, **test, "p_corrected": corrected_rows[i]},
        })  # fmt: skip
    return comparisons


def comparison_table(comparison: Comparison) -> Table:
    """Who was compared, the tested difference with its verdict, what stands beside it; 80 to 100 columns."""
    content = comparison.content
    where = f"{content['corpus']} {content['split']}, protocol {content['protocol']}, n = {content['n']}"
    mark = f"{content['mark']}\n" if content["mark"] else ""
    title = Text(f"{mark}Compared with A on {where}", style="bold")
    table = Table(title=title, caption=_caption(content), box=None, show_header=False, padding=0)
    for part in (_models(content), _tested(content), _described(content), _mcnemar(content)):
        table.add_row(part)
    return table


def _models(content: dict[str, Any]) -> Table:
    table = Table(box=box.SIMPLE, pad_edge=False)
    for heading in ("", "Result folder", "Cues", "Seeds", "Weighted F1 (std over seeds)"):
        table.add_column(heading, justify="right" if heading == "Seeds" else "left", overflow="fold")
    for model in content["models"]:
        std = model["seeds"]["std"][TESTED]
        spread = "" if std is None else f" (± {100 * std:.1f})"
        cues = "+".join(model["modalities"] or []) or MISSING
        score = f"{100 * model[TESTED]:.1f}{spread}"
        table.add_row(model["name"], Text(model["folder"]), Text(cues), str(model["seeds"]["n"]), score)
    return table


def _tested(content: dict[str, Any]) -> Table:
    several = len(content["comparisons"]) > 1
    headings = ["", "Weighted F1, points", "p", *(["p (Holm)"] if several else []), "Could show", VERDICT]
    table = _numbers(headings, folds=[VERDICT])
    for pair in content["comparisons"]:
        least = pair["detectable"]["value"]
        p_values = [pair["p"], *([pair["p_corrected"]] if several else [])]
        than = f" than {pair['against']}" if pair["verdict"] in ("better", "worse") else ""
        table.add_row(
            f"{pair['model']} - {pair['against']}",
            _points(pair["differences"][TESTED]),
            *map(_p_value, p_values),
            MISSING if least is None else f"± {100 * least:.1f}",
            f"{pair['verdict']}{than}",
        )
    return table


def _described(content: dict[str, Any]) -> Group:
    names = [HEADLINE[name] for name in DESCRIBED]
    table = _numbers(["", *names], folds=names)
    for pair in content["comparisons"]:
        numbers = [_points(pair["differences"][name]) for name in DESCRIBED]
        table.add_row(f"{pair['model']} - {pair['against']}", *numbers)
    return Group(Text("Beside it, in points (not tested)"), table)


def _mcnemar(content: dict[str, Any]) -> Group:
    several = len(content["comparisons"]) > 1
    table = _numbers(["", "Both right", "Only A", "Only other", "Neither", "p", *(["p (Holm)"] * several)])
    for pair in content["comparisons"]:
        test = pair["mcnemar"]
        counts = [str(test[name]) for name in ("both_right", "only_first", "only_second", "neither")]
        p_values = [test["p"], *([test["p_corrected"]] if several else [])]
        table.add_row(f"{pair['model']}, {pair['against']}", *counts, *map(_p_value, p_values))
    return Group(Text(f"McNemar's exact test ({ROW_LEVEL}; no part of the verdict)"), table)


def _numbers(headings: Sequence[str], folds: Sequence[str] = ()) -> Table:
    """A table whose first column names the pair. folds: the columns that may break into lines."""
    table = Table(box=box.SIMPLE, pad_edge=False)
    for i, heading in enumerate(headings):
        left = i == 0 or heading == VERDICT
        whole = (
            heading not in folds
        )  # a number is never cut: where there is no room for all, `folds` take more lines
        table.add_column(heading, justify="left" if left else "right", no_wrap=whole, overflow="fold")
    return table


def _points(number: dict[str, float | None]) -> str:
    """`+1.2 [-0.3, +2.7]`: percentage points, the 95% interval in brackets where there is one."""
    value, low, high = (number[name] for name in ("value", "low", "high"))
    if value is None:
        return MISSING
    bounds = "" if low is None or high is None else f" [{100 * low:+.1f}, {100 * high:+.1f}]"
    return f"{100 * value:+.1f}{bounds}"


def _p_value(p: float | None) -> str:
    if p is None:
        return MISSING
    return "< 0.001" if p < 0.001 else f"{p:.3f}"


def _caption(content: dict[str, Any]) -> Text:
    interval, correction = content["interval"], content["correction"]
    how = interval["mark"] or f"{interval['draws']} draws"
    alpha = f"{correction['alpha_strictest']:.2g}"
    lines = [
        f"95% intervals and p over {interval['groups']} {interval['unit']}s ({how}): other {interval['unit']}s of "
        "this kind, not other seeds, training data or corpora.",
        f"Could show: the least true difference found with {POWER:.0%} power, two-sided at {alpha}.",
        f"Verdict: {content['rule']}.",
        *(f"{p['model']}: {p['reason']}." for p in content["comparisons"] if p["reason"]),
        *(f"Note: {note}." for note in content["notes"]),
    ]
    return Text("\n".join(lines), justify="left")
