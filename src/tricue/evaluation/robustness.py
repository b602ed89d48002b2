"""`tricue robustness`: what is left of the weighted F1 where cues are missing or damaged, phase by phase.

Every phase's model is scored on the same rows: with every subset of its cues, and with all of them while one is damaged
by more and more. Features of a level are extracted once, into a store of their own, and read by all phases.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from pathlib import Path
from typing import Any

from rich import box
from rich.table import Table
from rich.text import Text

from tricue.checkpoint import phase_folders
from tricue.data.corpora import report
from tricue.device import choose_device
from tricue.evaluation.evaluate import Trial, open_trial, score_trial, title
from tricue.evaluation.runs import single_model
from tricue.evaluation.table import MISSING, percent_with_interval
from tricue.features.corruption import Blur, Corruption, FrameLoss, Noise, Occlusion
from tricue.features.extract import FeatureSet
from tricue.features.progress import Bar
from tricue.features.word_errors import vocabulary, with_word_errors
from tricue.files import check_place
from tricue.json_files import write_json
from tricue.locks import locked
from tricue.types import Cue, InputError

logger = logging.getLogger(__name__)

RESULT = "robustness.json"
METRIC = "weighted_f1"
SUBSETS = "subsets"
CIRCUMSTANCES = (
    "mark", "comparable", "toy", "protocol", "corpus", "split", "split_role", "n", "interval", "audit", "encoders",
    "tuned",
)  # fmt: skip


@dataclass(frozen=True)
class Kind:
    """A kind of damage and its levels, from the mildest on."""

    name: str
    cue: Cue
    told: str
    unit: str
    levels: tuple[float, ...]  # in `unit`
    damage: Callable[[float, int], Corruption] | None  # of a level and a seed; None: the words are changed


# docs/robustness.md says why these levels
KINDS = (
    Kind("noise", "audio", "white noise in the sound", "signal-to-noise ratio, dB", (30, 20, 10, 5, 0), Noise),
    Kind("blur", "video", "blurred picture", "blur, % of the height", (1, 2, 4, 8),
         lambda level, _: Blur(level / 100)),
    Kind("occlusion", "video", "part of the picture hidden", "hidden, % of the area", (10, 25, 50),
         lambda level, seed: Occlusion(level / 100, seed)),
    Kind("frame-loss", "video", "lost key frames", "lost, % of the key frames", (25, 50, 75),
         lambda level, seed: FrameLoss(level / 100, seed)),
    Kind("word-errors", "text", "wrong words", "word error rate, %", (5, 10, 20, 40), None),
)  # fmt: skip


@dataclass(frozen=True)
class Bench:
    """The models of a run on the same rows, and what they read of them undamaged."""

    trials: dict[str, Trial]
    clean: FeatureSet
    store: Path
    device: str
    progress: bool

    @property
    def first(self) -> Trial:
        """The trial whose rows and settings of the features are those of all."""
        return next(iter(self.trials.values()))

    def damaged(self, kind: Kind, level: float) -> FeatureSet:
        """The features of all cues, that of the kind read damaged."""
        trial, damage, seed = self.first, None, self.first.config.seed
        if kind.damage is not None:
            damage = kind.damage(level, seed)
        else:
            turns = with_word_errors(trial.turns, level / 100, vocabulary(trial.rows), seed)
            trial = replace(trial, turns=turns, rows=[turn for turn in turns if turn.emotion is not None])
        read = trial.read_features([kind.cue], self.store, self.device, self.progress, damage)
        return replace(self.clean, arrays=self.clean.arrays | read.arrays)

    def alone(self, cues: Sequence[Cue]) -> FeatureSet:
        """The features of some cues, as if the rows had no other."""
        arrays, dims = self.clean.arrays, self.clean.dims
        return replace(self.clean, arrays={c: arrays[c] for c in cues}, dims={c: dims[c] for c in cues})

    def scores(self, told: str, sets: Sequence[FeatureSet]) -> dict[str, list[dict[str, Any]]]:
        """Per model its metrics on each of the sets."""
        with Bar(self.progress) as bar:
            bar.begin(f"Scoring: {told}", len(self.trials) * len(sets))
            return {
                name: [bar.passed(score_trial(trial, features, self.device).metrics) for features in sets]
                for name, trial in self.trials.items()
            }

    def count(self, cues: Sequence[Cue]) -> int:
        """Scored rows that have one of the cues."""
        return sum(any(row.id in self.clean.arrays[cue] for cue in cues) for row in self.first.rows)


def measure_robustness(
    model_path: Path,
    *,
    out: Path,
    store: Path,
    names: Sequence[str] | None = None,
    device: str = "auto",
    quiet: bool = False,
    **choices: Any,
) -> dict[str, Any]:
    """The content of robustness.json, which is written to `out`. A killed call, given again, extracts what is left.

    model_path: a checkpoint; the phases beside it are measured, too. names: kinds of damage and `subsets`; None: all.
    choices: of `open_trial`; its seed is that of the damage, too. What cannot be applied has the reason in its place.
    Raises InputError for a folder of several runs, and as `measure` does.
    """
    folder = single_model(model_path, "the measurement")
    check_place(out / RESULT)
    chosen = choose_kinds(names)
    with locked(out):
        trials = {f"phase {n}": open_trial(path, **choices) for n, path in phase_folders(folder).items()}
        first = next(iter(trials.values()))
        report(first.corpus)
        cues = list(first.network.cues)
        for trial in trials.values():
            trial.usable(cues)
        device = choose_device(device)
        bench = Bench(
            trials, first.read_features(cues, store, device, not quiet), store, device, progress=not quiet
        )
        whole = {name: own[0] for name, own in bench.scores("undamaged", [bench.clean]).items()}
        about = next(iter(whole.values()))
        result: dict[str, Any] = {
            **{key: about[key] for key in CIRCUMSTANCES},
            "title": title(about),
            "metric": METRIC,
            "seed": first.config.seed,
            "models": {name: metrics["model"] for name, metrics in whole.items()},
            "undamaged": {name: metrics[METRIC] for name, metrics in whole.items()},
        }
        if SUBSETS in chosen:
            result[SUBSETS] = _subsets(bench)
        result["kinds"] = {
            kind.name: _curves(bench, kind, result["undamaged"]) for kind in KINDS if kind.name in chosen
        }
        write_json(out / RESULT, result)
        return result


def choose_kinds(names: Sequence[str] | None) -> list[str]:
    """The names, or all. Raises InputError for an unknown one."""
    known = [SUBSETS, *(kind.name for kind in KINDS)]
    if names is None:
        return known
    unknown = [name for name in names if name not in known]
    if unknown or not names:
        raise InputError(f"--kinds {','.join(unknown)}: there are {', '.join(known)}.")
    return list(names)


def _subsets(bench: Bench) -> list[dict[str, Any]]:
    """A point per subset of the model's cues, single ones first."""
    cues = bench.first.network.cues
    points: list[dict[str, Any]] = []
    for subset in (s for size in range(1, len(cues) + 1) for s in combinations(cues, size)):
        name, rows = "+".join(subset), bench.count(subset)
        point: dict[str, Any] = {"cues": list(subset), "rows": rows}
        if rows:
            scored = bench.scores(name, [bench.alone(subset)])
            points.append(point | {METRIC: {model: own[0][METRIC] for model, own in scored.items()}})
        else:
            points.append(point | {"left_out": f"no row of the {bench.first.split} split has {name}"})
    return points


def _curves(bench: Bench, kind: Kind, undamaged: dict[str, Any]) -> dict[str, Any]:
    """Per model a number at each level, the undamaged one first; or why there is none."""
    about = {"cue": kind.cue, "told": kind.told, "unit": kind.unit}
    if reason := _why_not(bench, kind):
        return about | {"left_out": reason}
    logger.info("%s: %s at %s", kind.name, kind.unit, ", ".join(f"{level:g}" for level in kind.levels))
    scored = bench.scores(kind.told, [bench.damaged(kind, level) for level in kind.levels])
    return about | {
        "rows": bench.count([kind.cue]),
        "levels": [None, *kind.levels],  # None: undamaged
        METRIC: {
            model: [undamaged[model], *(metrics[METRIC] for metrics in own)] for model, own in scored.items()
        },
    }


def _why_not(bench: Bench, kind: Kind) -> str | None:
    """Why a kind of damage cannot be done to these rows; None where it can."""
    trial, cue = bench.first, kind.cue
    if cue not in trial.network.cues:
        return f"the model does not read {cue}"
    if given := getattr(trial.config.features, cue).precomputed:
        return f"its {cue} features come from a file ({Path(given).name}): there is no signal to damage"
    if not bench.count([cue]):
        return f"no row of the {trial.split} split has {cue}"
    if kind.damage is None and len(vocabulary(trial.rows)) < 2:
        return "the texts hold no two different words"
    return None


def robustness_table(result: dict[str, Any]) -> Table:
    """A row per subset of cues and per level of each kind of damage, a column per phase; fits 80 characters."""
    models = list(result["models"])
    title = Text(f"Weighted F1: {result['title']}", style="bold")
    caption = Text(_caption(result), justify="left")
    table = Table(title=title, caption=caption, box=box.SIMPLE, pad_edge=False)
    table.add_column("Only" if SUBSETS in result else "", overflow="fold")
    for model in models:
        table.add_column(model, justify="right", no_wrap=True)
    for point in result.get(SUBSETS, []):
        numbers = point.get(METRIC)
        cells = [percent_with_interval(numbers[m]) if numbers else MISSING for m in models]
        table.add_row("+".join(point["cues"]), *cells)
    for name, kind in result["kinds"].items():
        if "left_out" in kind:
            continue
        table.add_section()
        table.add_row(name, style="bold")
        for i, level in enumerate(kind["levels"]):
            cells = [percent_with_interval(kind[METRIC][m][i]) for m in models]
            table.add_row("  none" if level is None else f"  {level:g}", *cells)
    return table


def _caption(result: dict[str, Any]) -> str:
    """What the rows are, how many, and why some are missing."""
    interval, kinds = result["interval"], result["kinds"]
    lines = [f"n = {result['n']}; 95% intervals over {interval['groups']} {interval['unit']}s"]
    lines += [f"{name}: {kind['unit']}" for name, kind in kinds.items() if "left_out" not in kind]
    missing = {"+".join(point["cues"]): point for point in result.get(SUBSETS, [])} | kinds
    lines += [f"{name} left out: {part['left_out']}" for name, part in missing.items() if "left_out" in part]
    return "\n".join(lines)
