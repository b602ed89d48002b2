"""`tricue ablate`: what does each part of the method give, at the same training budget?

All variants are trained with every seed on the same rows as one fleet (`train_groups`), scored on the same split
(`evaluate_all`), and compared with the whole method (`compare`): one table, ablation.json, and its figure.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import mean
from typing import Any

from tricue.checkpoint.checkpoint import best_model
from tricue.config.load import change_config, share_epochs
from tricue.config.settings import Config
from tricue.corpora.catalogue import report
from tricue.data.corpus import Corpus
from tricue.data.splits import as_given, fold_names, split_utterances
from tricue.evaluation.rows import split_name, with_label
from tricue.evaluation.several_runs import evaluate_all
from tricue.files.atomic import check_place
from tricue.files.locks import locked
from tricue.studies.ablation_figure import draw_ablation
from tricue.studies.comparison import compare
from tricue.tasks.task import task_of
from tricue.training.log import read_history, said_once
from tricue.training.runs import read_runs, train_groups
from tricue.training.train import with_modalities
from tricue.training.workspace import Workspace
from tricue.types import InputError

FULL = "full"
RESULT = "ablation.json"


@dataclass(frozen=True)
class Variant:
    """The whole method, or the method without one of its parts: the settings that make it."""

    name: str
    told: str  # what it is, in the reader's words
    settings: Mapping[str, Any]


def variants(config: Config) -> list[Variant]:
    """All variants that `config` has, the whole method first; each trains as many epochs as `config` does in all.

    The epochs of phases that are left out go to the others in proportion. `no-counterfactual` keeps the three phases,
    so that only the losses differ from the whole method; `phase-1` is one long phase, which hands nothing on.
    """

    def epochs(*phases: int) -> dict[str, Any]:
        own = config.training.epochs
        shared = share_epochs(sum(own), [n if i in phases else 0 for i, n in enumerate(own, start=1)])
        return {f"training.phase{i}_epochs": n for i, n in enumerate(shared, start=1)}

    no_losses = {f"training.{name}": 0.0 for name in ("alignment_weight", "intention_weight", "minimal_change")}
    found = [
        Variant(FULL, "phases 1, 2 and 3", {}),
        Variant("phases-1+2", "phases 1 and 2, for as many epochs", epochs(1, 2)),
        Variant("phase-1", "phase 1 alone, for as many epochs", epochs(1)),
        Variant("no-counterfactual", "three phases, the loss of phase 1 alone", no_losses),
        Variant("no-intention", "without the intention loss", {"training.intention_weight": 0.0}),
        Variant("no-statistics", "without the statistics of the features", {"model.statistics": False}),
        Variant("no-bilstm", "without the progressive BiLSTM", {"model.bilstm_layers": 0}),
        Variant("no-gating", "without the adaptive gates", {"model.gating": False}),
        Variant("no-auxiliary", "without the heads of single modalities", {"training.auxiliary_weight": 0.0}),
    ]
    if len(config.modalities) > 1:
        alone = {"model.cross_attention": False}
        found.append(Variant("no-cross-attention", "without cross-modal attention", alone))
        for modality in config.modalities:
            others = [other for other in config.modalities if other != modality]
            found.append(Variant(f"no-{modality}", f"without {modality}", {"modalities": others}))
    return found


def choose_variants(config: Config, names: Sequence[str] | None) -> list[Variant]:
    """The variants named, the whole method always first; all without names. Raises InputError for unknown ones."""
    if 0 in config.training.epochs:
        raise InputError("ablate takes phases away: give settings with an epoch in each of the three.")
    known = variants(config)
    if names is None:
        return known
    unknown = [name for name in names if name not in [variant.name for variant in known]]
    if unknown:
        raise InputError(f"--variants {','.join(unknown)}: there are {', '.join(variant.name for variant in known)}.")
    return [variant for variant in known if variant.name == FULL or variant.name in names]


def ablate(
    config: Config,
    *,
    save_dir: Path,
    out: Path,
    seeds: int,
    workspace: Workspace,
    names: Sequence[str] | None = None,
    split: str | None = None,
    restart: bool = False,
    jobs: int | None = 1,
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Train, score and compare the variants; a killed call goes on where it stood.

    save_dir gets a folder of runs per variant; out a result folder per variant, compare.json, ablation.json and its
    figure. names: of the variants; None: all. split: that is scored; None: test. jobs: runs at once, as `choose_jobs`
    takes them. Raises InputError and FleetError as `train_groups`, `evaluate_all` and `compare` do.
    """
    check_place(out / RESULT)
    with locked(save_dir), locked(out), said_once():
        corpus = workspace.read_corpus(config)
        report(corpus)
        # a modality that nobody has is no part to take away
        config = with_modalities(config, corpus.utterances)
        chosen = choose_variants(config, names)
        if len(chosen) < 2:
            raise InputError("ablate needs a variant beside the whole method.")
        _check_split(config, corpus, split, seeds)
        configs = {v.name: change_config(config, dict(v.settings), f"the variant {v.name}") for v in chosen}
        train_groups(configs, corpus, seeds=seeds, save_dir=save_dir, workspace=workspace, restart=restart, jobs=jobs)
        measured = []
        for name, own in configs.items():
            folder = save_dir / name
            model = folder if read_runs(folder) else best_model(folder, own)
            scored = evaluate_all(model, out=out / name, workspace=workspace, split=split, seed=config.seed)
            measured.append(scored.metrics)
        comparison = compare([out / name for name in configs], out=out)
        result = _summary(config, chosen, measured, save_dir, seeds, comparison)
        draw_ablation(result).write(out)  # ablation.json too
        return result, comparison


def _check_split(config: Config, corpus: Corpus, split: str | None, seeds: int) -> None:
    """Raise InputError where `evaluate_all` could not score the split: to be known before the training."""
    leaky = config.data.protocol == "leaky"
    wanted = split_name(split or ("val" if leaky else "test"))
    folds = fold_names(corpus.utterances, config.data)
    if folds == [""]:
        dealt = split_utterances(corpus.utterances, config.data, config.seed) if leaky else None
        with_label(dealt or as_given(corpus.utterances), corpus, wanted)
    elif wanted != "test" and len(folds) * seeds > 1:
        raise InputError(
            f"--split {wanted}: the {wanted} rows of one fold are test rows of another, so all folds together have "
            "only the test part to score. Leave --split out, or give one seed and one fold (--set data.fold=NAME)."
        )


def _summary(
    config: Config,
    chosen: Sequence[Variant],
    measured: Sequence[Mapping[str, Any]],
    save_dir: Path,
    seeds: int,
    comparison: Mapping[str, Any],
) -> dict[str, Any]:
    """One row per variant: its score, and what `compare` says of its difference from the whole method."""
    pairs, task = [None, *comparison["comparisons"]], task_of(comparison)
    rows = []
    for variant, metrics, pair, model in zip(chosen, measured, pairs, comparison["models"], strict=True):
        rows.append({
            "name": variant.name,
            "told": variant.told,
            "settings": dict(variant.settings),
            **{name: metrics[name] for name in task.numbers},
            "std_over_seeds": model["seeds"]["std"][task.headline()],
            "minutes_per_run": _minutes(save_dir / variant.name),
            "difference": pair,
        })  # fmt: skip
    keys = ("mark", "notes", "protocol", "corpus", "split", "n", "task", "metric", "interval", "rule", "correction")
    return {
        **{key: comparison[key] for key in keys},
        "seeds": seeds,
        "epochs": sum(config.training.epochs),
        "reference": FULL,
        "variants": rows,
    }


def _minutes(folder: Path) -> float:
    """Mean training time of a variant's runs."""
    runs = [folder / run.folder for run in read_runs(folder)] or [folder]
    return round(mean(sum(row["seconds"] for row in read_history(run)) for run in runs) / 60, 2)
