"""`tricue compare`: are models that were tested on the same rows different? From result folders to a verdict."""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from rich import box
from rich.console import Group
from rich.table import Table
from rich.text import Text

from tricue.checkpoint import LEAKY_MARK, TOY_MARK
from tricue.data.table import ManifestError, read_table
from tricue.evaluation.metrics import FEW_GROUPS, LEVEL, GroupKind
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
from tricue.evaluation.table import HEADLINE, MISSING
from tricue.files import check_place, write_json
from tricue.types import InputError

NEEDED = ("weighted_f1", "n", "protocol", "corpus", "split", "per_class", "seeds")  # of metrics.json
SHOWN = 3  # rows that a message names
TIE = 1e-6  # the step of probabilities in predictions.csv, where two classes can look alike
RULE = (
    f"better or worse: the p of the weighted F1 difference, after Holm's correction, is at most {ALPHA:g}, its "
    "95% interval leaves out 0, and both point the same way as the difference; else no difference shown"
)
ROW_LEVEL = "row-level, ignores dialogues"

Key = tuple[str, int]  # id, and which row of that id, from 0: the leaky protocol repeats rows


@dataclass(frozen=True)
class Rows:
    """One predictions.csv."""

    path: Path
    keys: list[Key]
    labels: list[str]
    groups: dict[GroupKind, list[str]]  # dialogue, speaker of each row; "": not named
    probabilities: np.ndarray  # (N, C)
    unanswered: int  # rows without a usable cue


@dataclass(frozen=True)
class Result:
    """One result folder: a model's scores and its rows, per seed."""

    folder: Path
    metrics: dict[str, Any]
    leaky: bool
    classes: list[str]
    runs: list[Rows]


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
    results = _aligned([read_result(folder) for folder in folders])
    first = results[0]
    kind, members = _grouping(results)
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


def read_result(folder: Path) -> Result:
    """A result folder, with its predictions checked against its metrics. Raises InputError."""
    folder = Path(folder)
    path = _metrics_path(folder)
    metrics = _read_metrics(path)
    classes, count = list(metrics["per_class"]), metrics["seeds"]["n"]
    shares = metrics.get("class_shares") or None
    runs = [read_rows(file, classes, shares) for file in _prediction_files(folder, count)]
    runs = [runs[0], *(_in_order(rows, runs[0]) for rows in runs[1:])]
    leaky = path.name == "leaky.json" or metrics["protocol"] == "leaky"
    result = Result(folder, metrics, leaky, classes, runs)
    _check_belongs(result, path)
    return result


def _metrics_path(folder: Path) -> Path:
    there = [folder / name for name in ("metrics.json", "leaky.json") if (folder / name).is_file()]
    if len(there) == 1:
        return there[0]
    if there:
        raise InputError(
            f"{folder} holds metrics.json and leaky.json, of two runs. Evaluate each into a folder of its own."
        )
    model = folder if (folder / "model.safetensors").is_file() else "CHECKPOINT"
    raise InputError(
        f"{folder} is no result folder: it holds no metrics.json. Make the results first: "
        f"tricue evaluate --model_path {model} --out DIR, then compare DIR."
    )


def _read_metrics(path: Path) -> dict[str, Any]:
    again = "Run tricue evaluate again with the same --out."
    try:
        metrics = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, OSError) as error:
        raise InputError(f"{path} is damaged ({error}). {again}") from error
    missing = [name for name in NEEDED if name not in metrics] if isinstance(metrics, dict) else list(NEEDED)
    if missing:
        raise InputError(f"{path} does not say {', '.join(missing)}. {again}")
    try:
        shares = np.array(metrics.get("class_shares") or [0.0] * len(metrics["per_class"]), dtype=float)
        stated = float(metrics["weighted_f1"]["value"])
        sound = (
            np.isfinite(stated)
            and metrics["seeds"]["n"] >= 1
            and len(shares) == len(dict(metrics["per_class"]))
        )
    except (TypeError, ValueError, KeyError):
        sound = False
    if not sound:
        raise InputError(f"{path} is damaged (weighted_f1, seeds, per_class or class_shares). {again}")
    return metrics


def _prediction_files(folder: Path, seeds: int) -> list[Path]:
    """predictions.csv of one run, or seed-<N>/predictions.csv of several; their order does not matter."""
    single, several = folder / "predictions.csv", list(folder.glob("seed-*/predictions.csv"))
    if seeds == 1 and single.is_file():
        return [single]
    if len(several) != seeds:
        need = "predictions.csv" if seeds == 1 else f"predictions of {seeds} seeds (seed-<N>/predictions.csv)"
        there = f", but of {len(several)}" if several else ""
        raise InputError(
            f"{folder} holds no {need}{there}. Run tricue evaluate again into an empty folder, "
            "which writes them beside the metrics."
        )
    return sorted(several)


def read_rows(path: Path, classes: Sequence[str], shares: Sequence[float] | None) -> Rows:
    """One predictions.csv; a row without a usable cue is given `shares`, else the most frequent label.

    Probabilities are those in the file, the named emotion lifted by 1e-6: rounding may have made a tie.
    Raises InputError for what does not hold together.
    """
    table = read_table(path)
    if table.faults:
        raise ManifestError(path, table.faults)
    columns = ["id", "emotion", *(f"p_{name}" for name in classes), "label"]
    missing = [name for name in columns if name not in table.columns]
    others = [n[2:] for n in table.columns if n.startswith("p_") and n[2:] not in classes]
    if missing or others or not table.rows:
        what = f"no column {', '.join(missing)}" if missing else f"the classes {', '.join(others)} besides"
        raise _damaged(path, "it has no row" if not table.rows else f"it has {what}")
    rows = [row for _, row in table.rows]
    common = Counter(row["label"] for row in rows).most_common(1)[0][0]
    nothing = shares if shares is not None else [float(name == common) for name in classes]
    chances = [_chances(path, number, row, classes) or nothing for number, row in table.rows]
    kinds: tuple[GroupKind, ...] = ("dialogue", "speaker")
    return Rows(
        path,
        _keys([row["id"] for row in rows]),
        [row["label"] for row in rows],
        {kind: [row.get(kind, "") for row in rows] for kind in kinds},
        np.array(chances, dtype=float),
        sum(not row["emotion"] for row in rows),
    )


def _keys(ids: Sequence[str]) -> list[Key]:
    seen: Counter[str] = Counter()
    keys = []
    for name in ids:
        keys.append((name, seen[name]))
        seen[name] += 1
    return keys


def _chances(path: Path, number: int, row: dict[str, str], classes: Sequence[str]) -> list[float] | None:
    """(C,) probabilities of a row; None: it was not answered."""
    if row["label"] not in classes:
        raise _damaged(path, f"row {number} has the label {row['label']!r}, not one of {', '.join(classes)}")
    if not row["emotion"]:
        return None
    try:
        chances = [float(row[f"p_{name}"]) + TIE * (name == row["emotion"]) for name in classes]
    except ValueError as error:
        raise _damaged(path, f"row {number}: {error}") from error
    if not np.isfinite(chances).all() or row["emotion"] != classes[int(np.argmax(chances))]:
        raise _damaged(path, f"row {number}: {row['emotion']!r} is not the class of the highest probability")
    return chances


def _damaged(path: Path, what: str) -> InputError:
    return InputError(f"{path}: {what}. Run tricue evaluate again with the same --out.")


def _check_belongs(result: Result, path: Path) -> None:
    """The predictions must be those that the metrics were made of."""
    first, again = result.runs[0], "The files are of different runs: evaluate again into an empty folder."
    if len(first.labels) != result.metrics["n"]:
        raise InputError(
            f"{first.path} has {len(first.labels)} rows, {path.name} says {result.metrics['n']}. {again}"
        )
    if any(rows.unanswered for rows in result.runs):
        return  # their class may be filled in otherwise than when it was scored
    labels = np.array([result.classes.index(label) for label in first.labels])
    value = float(seed_scores(labels, [rows.probabilities for rows in result.runs])[TESTED].mean())
    stated = result.metrics[TESTED]["value"]
    if abs(value - stated) > TIE:
        raise InputError(
            f"{path} says weighted F1 {stated:.4f}, but the predictions beside it come to {value:.4f}. {again}"
        )


def _aligned(results: list[Result]) -> list[Result]:
    """All with the rows and classes in the order of the first. Raises InputError where they differ."""
    first = results[0]
    for other in results[1:]:
        if first.leaky != other.leaky:
            leaky, clean = (first, other) if first.leaky else (other, first)
            raise InputError(
                f"{leaky.folder} has the protocol leaky, {clean.folder} {clean.metrics['protocol']}. {LEAKY_MARK}. "
                "Evaluate both by the same protocol."
            )
        for name in ("protocol", "corpus", "split"):
            one, two = first.metrics[name], other.metrics[name]
            if one != two:
                raise InputError(
                    f"{first.folder} has the {name} {one}, {other.folder} has {two}: scores from different "
                    f"{name}s say nothing of the models. Evaluate both on the same."
                )
        if set(first.classes) != set(other.classes):
            raise InputError(
                f"The classes differ: {first.folder} has {', '.join(first.classes)}; {other.folder} has "
                f"{', '.join(other.classes)}. Train and evaluate both with the same emotions."
            )
    return [_like_first(result, first) for result in results]


def _like_first(result: Result, first: Result) -> Result:
    columns = [result.classes.index(name) for name in first.classes]
    runs = [_in_order(rows, first.runs[0]) for rows in result.runs]
    runs = [replace(rows, probabilities=rows.probabilities[:, columns]) for rows in runs]
    return replace(result, classes=first.classes, runs=runs)


def _in_order(rows: Rows, like: Rows) -> Rows:
    """The rows in the order of `like`. Raises InputError where they are not the same rows."""
    place = {key: i for i, key in enumerate(rows.keys)}
    known = set(like.keys)
    without = [[k for k in like.keys if k not in place], [k for k in rows.keys if k not in known]]
    if any(without):
        only = "; ".join(
            f"{len(keys)} only in {path} ({_named(keys)})"
            for keys, path in zip(without, (like.path, rows.path), strict=True)
            if keys
        )
        raise InputError(f"The tested rows differ: {only}. Evaluate both on the same rows.")
    order = [place[key] for key in like.keys]
    labels = [rows.labels[i] for i in order]
    other = [i for i, label in enumerate(labels) if label != like.labels[i]]
    if other:
        i = other[0]
        raise InputError(
            f"{len(other)} rows have another label in {rows.path} than in {like.path}, first "
            f"{_named([like.keys[i]])}: {labels[i]}, not {like.labels[i]}. Evaluate both on the same labels."
        )
    groups = {kind: [names[i] for i in order] for kind, names in rows.groups.items()}
    return Rows(rows.path, like.keys, labels, groups, rows.probabilities[order], rows.unanswered)


def _named(keys: Sequence[Key]) -> str:
    names = [name if again == 0 else f"{name} (row {again + 1} of that id)" for name, again in keys[:SHOWN]]
    return ", ".join(names) + (", ..." if len(keys) > SHOWN else "")


def _grouping(results: Sequence[Result]) -> tuple[GroupKind, np.ndarray]:
    """What is resampled, and (N,) the group of each row: dialogues where all rows have one, else speakers, rows.

    From whichever files name them; raises InputError where two name them differently.
    """
    files = [rows for result in results for rows in result.runs]
    kinds: tuple[GroupKind, ...] = ("dialogue", "speaker")
    for kind in kinds:
        whole = [rows for rows in files if all(rows.groups[kind])]
        for rows in whole[1:]:
            if rows.groups[kind] != whole[0].groups[kind]:
                raise InputError(
                    f"{whole[0].path} and {rows.path} name other {kind}s for the same rows. "
                    "Evaluate both on the same manifest."
                )
        if whole:
            return kind, np.unique(whole[0].groups[kind], return_inverse=True)[1]
    return "row", np.arange(len(files[0].labels))


def _notes(results: Sequence[Result], kind: GroupKind) -> list[str]:
    """What a reader must know before the numbers are believed."""
    notes = []
    metrics = [result.metrics for result in results]
    if any(m.get("toy") for m in metrics):
        notes.append(TOY_MARK)
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
    few = groups < FEW_GROUPS
    return {
        "method": "paired t over per-group differences" if few else "percentile bootstrap of groups",
        "level": LEVEL,
        "unit": kind,
        "groups": groups,
        "draws": None if few else draws,
        "seed": None if few else seed,
        "mark": "few groups" if few else None,
    }


def _model(i: int, result: Result, labels: np.ndarray) -> dict[str, Any]:
    scores = seed_scores(labels, [rows.probabilities for rows in result.runs])
    several = len(result.runs) > 1
    return {
        "name": _name(i),
        "folder": str(result.folder),
        **{key: result.metrics.get(key) for key in ("modalities", "split_role", "toy")},
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
    headings = ["", "Weighted F1, points", "p", *(["p (Holm)"] if several else []), "Could show", "Verdict"]
    table = _numbers(headings)
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
    table = _numbers(["", *(HEADLINE[name] for name in DESCRIBED)])
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


def _numbers(headings: Sequence[str]) -> Table:
    """A table whose first column names the pair."""
    table = Table(box=box.SIMPLE, pad_edge=False)
    for i, heading in enumerate(headings):
        left = i == 0 or heading == "Verdict"
        table.add_column(heading, justify="left" if left else "right", no_wrap=True)
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
