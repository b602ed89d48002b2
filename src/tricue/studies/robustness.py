"""`tricue robustness`: what is left of the score where modalities are missing or damaged, phase by phase.

Every phase's model is scored on the same rows: with every subset of its modalities, and with all of them while one is
damaged by more and more. Features of a level are extracted once, into a store of their own, and read by all phases.
"""

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, partial
from itertools import combinations
from pathlib import Path
from typing import Any

from rich import box
from rich.table import Table
from rich.text import Text

from tricue.checkpoint.checkpoint import phase_folders
from tricue.corpora.catalogue import report
from tricue.device import choose_device
from tricue.evaluation.evaluate import score_trial, title
from tricue.evaluation.metrics_table import MISSING, number_with_interval
from tricue.evaluation.several_runs import single_model
from tricue.evaluation.trial import Trial, open_trial
from tricue.extractors.corruption import Blur, Corruption, FrameLoss, Noise, Occlusion
from tricue.extractors.word_errors import vocabulary, with_word_errors
from tricue.features.feature_set import FeatureSet
from tricue.files.atomic import check_place
from tricue.files.json_files import write_json
from tricue.files.locks import locked
from tricue.progress import Bar
from tricue.studies.robustness_figure import draw_robustness
from tricue.tasks.task import task_of
from tricue.training.fleet import Call, choose_jobs, run_fleet, threads_each
from tricue.training.workspace import Workspace
from tricue.types import InputError, ModalityName

logger = logging.getLogger(__name__)

RESULT = "robustness.json"
SUBSETS = "subsets"
CIRCUMSTANCES = (
    "task", "mark", "comparable", "toy", "protocol", "corpus", "split", "split_role", "n", "interval", "audit",
    "encoders", "tuned",
)  # fmt: skip


@dataclass(frozen=True)
class Kind:
    """A kind of damage and its levels, from the mildest on."""

    name: str
    modality: ModalityName
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
    """The models of a run on the same rows. Another process is given it without what was read of them."""

    trials: dict[str, Trial]
    workspace: Workspace

    def __getstate__(self) -> dict[str, Any]:
        return {"trials": self.trials, "workspace": self.workspace}

    @property
    def first(self) -> Trial:
        """The trial whose rows and settings of the features are those of all."""
        return next(iter(self.trials.values()))

    @property
    def metric(self) -> str:
        """The number that is measured: the headline of the models' task."""
        return self.first.card.task.headline()

    @cached_property
    def clean(self) -> FeatureSet:
        """What the models read of the rows, undamaged."""
        return self.first.read_features(list(self.first.network.modalities), self.workspace)

    def damaged(self, kind: Kind, level: float) -> FeatureSet:
        """The features of all modalities, that of the kind read damaged."""
        trial, damage, seed = self.first, None, self.first.config.seed
        if kind.damage is not None:
            damage = kind.damage(level, seed)
        else:
            turns = with_word_errors(trial.turns, level / 100, vocabulary(trial.rows), seed)
            trial = replace(trial, turns=turns, rows=[turn for turn in turns if turn.label is not None])
        read = trial.read_features([kind.modality], self.workspace, damage)
        return replace(self.clean, arrays=self.clean.arrays | read.arrays)

    def alone(self, modalities: Sequence[ModalityName]) -> FeatureSet:
        """The features of some modalities, as if the rows had no other."""
        arrays, dims = self.clean.arrays, self.clean.dims
        return replace(self.clean, arrays={c: arrays[c] for c in modalities}, dims={c: dims[c] for c in modalities})

    def scores(self, told: str, sets: Sequence[FeatureSet]) -> dict[str, list[dict[str, Any]]]:
        """Per model its metrics on each of the sets."""
        device = choose_device(self.workspace.device)
        with Bar(not self.workspace.quiet) as bar:
            bar.begin(f"Scoring: {told}", len(self.trials) * len(sets))
            return {
                name: [bar.passed(score_trial(trial, features, device).metrics) for features in sets]
                for name, trial in self.trials.items()
            }

    def count(self, modalities: Sequence[ModalityName]) -> int:
        """Scored rows that have one of the modalities."""
        return sum(any(row.id in self.clean.arrays[modality] for modality in modalities) for row in self.first.rows)


def measure_robustness(
    model_path: Path,
    *,
    out: Path,
    workspace: Workspace,
    names: Sequence[str] | None = None,
    jobs: int | None = 1,
    **choices: Any,
) -> dict[str, Any]:
    """Write robustness.json and its figure to `out`; return the content. The call given again extracts what is left.

    model_path: a checkpoint; the phases beside it are measured, too. names: kinds of damage and `subsets`; None: all.
    jobs: parts measured at once, as `run_fleet` takes them. choices: of `open_trial`; its seed is that of the damage,
    too. What cannot be applied has the reason in its place.
    Raises InputError for a folder of several runs, and as `measure` does.
    """
    folder = single_model(model_path, "the measurement")
    check_place(out / RESULT)
    chosen = choose_kinds(names)
    with locked(out):
        (number, path), *others = phase_folders(folder).items()
        first = open_trial(path, workspace=workspace, **choices)
        trials = {f"phase {number}": first, **{f"phase {n}": first.of_phase(path) for n, path in others}}
        bench = Bench(trials, workspace)
        report(bench.first.corpus)
        for trial in trials.values():
            trial.usable(bench.first.network.modalities)
        whole = {name: own[0] for name, own in bench.scores("undamaged", [bench.clean]).items()}
        about = next(iter(whole.values()))
        result: dict[str, Any] = {
            **{key: about[key] for key in CIRCUMSTANCES},
            "title": title(about),
            "metric": bench.metric,
            "seed": bench.first.config.seed,
            "models": {name: metrics["model"] for name, metrics in whole.items()},
            "undamaged": {name: metrics[bench.metric] for name, metrics in whole.items()},
        }
        parts = _measure_parts(bench, chosen, result["undamaged"], jobs)
        if SUBSETS in parts:
            result[SUBSETS] = parts.pop(SUBSETS)
        result["kinds"] = parts
        write_json(out / RESULT, result)
        draw_robustness(result).write(out)
        return result


def _measure_parts(bench: Bench, chosen: Sequence[str], undamaged: dict[str, Any], jobs: int | None) -> dict[str, Any]:
    """What is measured of the subsets and of each kind, by name."""
    place = bench.workspace
    names = [name for name in (SUBSETS, *(kind.name for kind in KINDS)) if name in chosen]
    count = choose_jobs(jobs, len(names), place.device)
    if count > 1:
        bench = Bench(bench.trials, replace(place, quiet=True))
    calls = [Call(name, partial(_measure_part, bench, name, undamaged)) for name in names]
    found = run_fleet(calls, jobs=count, threads=threads_each(count), quiet=place.quiet)
    return dict(zip(names, found, strict=True))


def _measure_part(bench: Bench, name: str, undamaged: dict[str, Any]) -> Any:
    if name == SUBSETS:
        return _subsets(bench)
    return _curves(bench, next(kind for kind in KINDS if kind.name == name), undamaged)


def choose_kinds(names: Sequence[str] | None) -> list[str]:
    """The names, or all. Raises InputError for an unknown one."""
    known = [SUBSETS, *(kind.name for kind in KINDS)]
    if names is None:
        return known
    unknown = [name for name in names if name not in known]
    if unknown or not names:
        raise InputError(f"--kinds {','.join(unknown)}: there are {', '.join(known)}.")
    return list(names)


def all_subsets(modalities: Sequence[ModalityName]) -> list[tuple[ModalityName, ...]]:
    """Every subset of the modalities but the empty one, single ones first."""
    return [s for size in range(1, len(modalities) + 1) for s in combinations(modalities, size)]


def _subsets(bench: Bench) -> list[dict[str, Any]]:
    """A point per subset of the model's modalities, single ones first."""
    points: list[dict[str, Any]] = []
    for subset in all_subsets(bench.first.network.modalities):
        name, rows = "+".join(subset), bench.count(subset)
        point: dict[str, Any] = {"modalities": list(subset), "rows": rows}
        if rows:
            scored = bench.scores(name, [bench.alone(subset)])
            points.append(point | {bench.metric: {model: own[0][bench.metric] for model, own in scored.items()}})
        else:
            points.append(point | {"left_out": f"no row of the {bench.first.split} split has {name}"})
    return points


def _curves(bench: Bench, kind: Kind, undamaged: dict[str, Any]) -> dict[str, Any]:
    """Per model a number at each level, the undamaged one first; or why there is none."""
    about = {"modality": kind.modality, "told": kind.told, "unit": kind.unit}
    if reason := _why_not(bench, kind):
        return about | {"left_out": reason}
    logger.info("%s: %s at %s", kind.name, kind.unit, ", ".join(f"{level:g}" for level in kind.levels))
    scored = bench.scores(kind.told, [bench.damaged(kind, level) for level in kind.levels])
    return about | {
        "rows": bench.count([kind.modality]),
        "levels": [None, *kind.levels],  # None: undamaged
        bench.metric: {
            model: [undamaged[model], *(metrics[bench.metric] for metrics in own)] for model, own in scored.items()
        },
    }


def _why_not(bench: Bench, kind: Kind) -> str | None:
    """Why a kind of damage cannot be done to these rows; None where it can."""
    trial, modality = bench.first, kind.modality
    if modality not in trial.network.modalities:
        return f"the model does not read {modality}"
    if given := trial.config.features[modality].precomputed:
        return f"its {modality} features come from a file ({Path(given).name}): there is no signal to damage"
    if not bench.count([modality]):
        return f"no row of the {trial.split} split has {modality}"
    if kind.damage is None and len(vocabulary(trial.rows)) < 2:
        return "the texts hold no two different words"
    return None


def robustness_table(result: dict[str, Any]) -> Table:
    """A row per subset of modalities and per level of each kind of damage, a column per phase; fits 80 characters."""
    models, task = list(result["models"]), task_of(result)
    metric = task.headline()
    title = Text(f"{task.numbers[metric]}: {result['title']}", style="bold")
    caption = Text(_caption(result), justify="left")
    table = Table(title=title, caption=caption, box=box.SIMPLE, pad_edge=False)
    table.add_column("Only" if SUBSETS in result else "", overflow="fold", min_width=10)
    for model in models:
        table.add_column(model, justify="right", no_wrap=task.is_share)  # others are longer, and take two lines
    for point in result.get(SUBSETS, []):
        numbers = point.get(metric)
        cells = [number_with_interval(numbers[m], task) if numbers else MISSING for m in models]
        table.add_row("+".join(point["modalities"]), *cells)
    for name, kind in result["kinds"].items():
        if "left_out" in kind:
            continue
        table.add_section()
        table.add_row(name, style="bold")
        for i, level in enumerate(kind["levels"]):
            cells = [number_with_interval(kind[metric][m][i], task) for m in models]
            table.add_row("  none" if level is None else f"  {level:g}", *cells)
    return table


def _caption(result: dict[str, Any]) -> str:
    """What the rows are, how many, and why some are missing."""
    interval, kinds = result["interval"], result["kinds"]
    lines = [f"n = {result['n']}; 95% intervals over {interval['groups']} {interval['unit']}s"]
    lines += [f"{name}: {kind['unit']}" for name, kind in kinds.items() if "left_out" not in kind]
    missing = {"+".join(point["modalities"]): point for point in result.get(SUBSETS, [])} | kinds
    lines += [f"{name} left out: {part['left_out']}" for name, part in missing.items() if "left_out" in part]
    return "\n".join(lines)
