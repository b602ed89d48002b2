"""The commands about models: train, evaluate, compare, info, demo."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from statistics import mean, stdev
from typing import TYPE_CHECKING, Annotated, Any

from typer import Argument, Option

from tricue.adaptation.contexts import read_form
from tricue.cli import app as cli
from tricue.cli.app import console
from tricue.cli.outputs import check_measured, check_outputs, check_store, result_outputs, run_outputs
from tricue.cli.setting_flags import (
    parse_modalities,
    read_settings,
    task_flags,
    with_epochs,
    with_learning_rate,
    workspace,
)
from tricue.config.load import load_settings, parse_overrides

if TYPE_CHECKING:  # `tricue -h` stays quick: torch is imported by the commands that compute
    from tricue.evaluation.evaluate import Evaluation
    from tricue.training.train import TrainResult


@cli.app.command(short_help="Train the three phases; prepares what is missing.")
def train(
    dataset: cli.Dataset = None,
    data_dir: cli.DataDir = None,
    manifest: cli.Manifests = None,
    config: cli.ConfigFile = None,
    settings: cli.Set = None,
    modalities: cli.Modalities = None,
    task: cli.TaskName = None,
    targets: cli.Targets = None,
    protocol: cli.Protocol = None,
    labels: cli.Labels = None,
    seed: cli.Seed = None,
    seeds: Annotated[int, Option("--seeds", min=1, help="Train with this many seeds, from --seed on.")] = 1,
    epochs: Annotated[
        int | None, Option("--epochs", help="Epochs in all, shared out 15:15:10 over the phases.")
    ] = None,
    phase1_epochs: Annotated[int | None, Option("--phase1_epochs", help="Epochs of phase 1.")] = None,
    phase2_epochs: Annotated[int | None, Option("--phase2_epochs", help="Epochs of phase 2.")] = None,
    phase3_epochs: Annotated[int | None, Option("--phase3_epochs", help="Epochs of phase 3.")] = None,
    batch_size: Annotated[int | None, Option("--batch_size", help="Utterances per batch.")] = None,
    learning_rate: Annotated[
        float | None, Option("--learning_rate", help="Rate of the fine-tuned encoder; without one, of the network.")
    ] = None,
    weight_decay: Annotated[float | None, Option("--weight_decay", help="AdamW's weight decay.")] = None,
    save_dir: Annotated[
        Path, Option("--save_dir", help="Gets best_model/, phase1/ .. phase3/, history.json, tensorboard/.")
    ] = Path("checkpoints"),
    init_from: Annotated[
        Path | None, Option("--init_from", help="Start from this checkpoint: what fits is loaded.")
    ] = None,
    restart: Annotated[
        bool, Option("--restart", help="Delete what --save_dir holds of an earlier run and begin anew.")
    ] = False,
    jobs: cli.Jobs = None,
    store: cli.Store = None,
    device: cli.Device = "auto",
    quiet: cli.Quiet = False,
) -> None:
    """Train the three phases; prepares and extracts what is missing. The same call resumes a killed run.

    Protocols with folds train one model per fold and score each on its own left-out part.
    """
    from tricue.checkpoint.checkpoint import best_model
    from tricue.evaluation.several_runs import train_and_evaluate

    flags = task_flags(task, targets) | {
        "data.protocol": protocol,
        "data.labels": labels,
        "training.batch_size": batch_size,
        "training.weight_decay": weight_decay,
    }
    phases = (phase1_epochs, phase2_epochs, phase3_epochs)
    chosen = read_settings(dataset, config, settings, modalities, seed, flags)
    chosen = with_epochs(chosen, epochs, phases)
    chosen = with_learning_rate(chosen, learning_rate)
    check_outputs(
        "--save_dir", run_outputs(save_dir), config=chosen, data_dir=data_dir, manifest=manifest,
        files=[config, init_from],
    )  # fmt: skip
    check_store(store, config=chosen, data_dir=data_dir)
    results, scores = train_and_evaluate(
        chosen,
        save_dir=save_dir,
        workspace=workspace(store, data_dir, manifest, device, quiet),
        dataset=dataset,
        seeds=seeds,
        init_from=init_from,
        restart=restart,
        jobs=jobs,
    )
    if all(result.already_done for result in results):
        console.print(f"{save_dir} already holds this run, finished; --restart would train it again.")
    console.print(_trained(results))
    if len(results) > 1 and results[0].card.val_score is not None:
        console.print(f"Best of them on its own val: {best_model(save_dir, chosen)}")
    if scores is not None:
        _show(scores)


def _trained(results: Sequence[TrainResult]) -> str:
    """What was trained, in one line: a model with its val score, or how several fared."""
    scores = [r.card.val_score for r in results if r.card.val_score is not None]
    words = results[0].card.task.selected_words
    if len(results) == 1:
        card, kind = results[0].card, "Leaky" if results[0].card.leaky else "Best"
        score = f"val {words} {scores[0]:.4f}" if scores else "fixed epochs"
        return f"{kind} model: {results[0].best_model} (phase {card.phase}, {score})"
    trained = f"{len(results)} {'LEAKY ' if results[0].card.leaky else ''}models trained"
    if len(scores) < 2:
        return f"{trained}."
    return f"{trained}; val {words} {mean(scores):.4f}, standard deviation {stdev(scores):.4f}."


@cli.app.command(short_help="Every number of a model on one split, and its report.")
def evaluate(
    model_path: cli.ModelPath = Path("checkpoints/best_model"),
    dataset: cli.Dataset = None,
    data_dir: cli.DataDir = None,
    manifest: cli.Manifests = None,
    settings: cli.Set = None,
    modalities: cli.Modalities = None,
    task: cli.TaskName = None,
    targets: cli.Targets = None,
    split: cli.Split = None,
    out: Annotated[
        Path | None,
        Option("--out", help="Gets metrics.json, predictions.csv and report.html. [results/<model>-<split>]"),
    ] = None,
    speaker_adaptation: cli.Adaptation = None,
    no_report: Annotated[bool, Option("--no_report", help="Numbers only: the figures take a minute or more.")] = False,
    seed: cli.Seed = None,
    store: cli.Store = None,
    device: cli.Device = "auto",
    quiet: cli.Quiet = False,
) -> None:
    """Measure a checkpoint on one split: every number with its 95% interval, and all figures on one page.

    A folder that `train` filled with several runs (seeds, folds) is measured as one: means, and their spread. Each run
    has a page in a folder of its own, and report.html is their summary.
    """
    from tricue.evaluation.several_runs import evaluate_all
    from tricue.report.summary import make_pages
    from tricue.training.log import said_once

    scored = split or ("val" if model_path.stem == "leaky_model" else "test")
    out = out or Path("results") / f"{model_path.stem}-{scored}"
    check_measured(model_path, result_outputs(out), dataset, data_dir, manifest, store)
    choices: dict[str, Any] = {
        "workspace": workspace(store, data_dir, manifest, device, quiet),
        "dataset": dataset,
        "split": split,
        "speaker_adaptation": read_form(speaker_adaptation),
        "modalities": parse_modalities(modalities),
        "overrides": parse_overrides(settings or []) | task_flags(task, targets),
        "seed": seed,
    }
    with said_once():
        if no_report:
            _show(evaluate_all(model_path, out=out, **choices))
        else:
            console.print(f"Report: {make_pages(model_path, out=out, measured=_show, **choices)}")


def _show(result: Evaluation) -> None:
    from tricue.evaluation.metrics_table import metrics_table

    console.print(metrics_table(result.metrics, result.title))
    console.print(f"Results: {result.scores}")


@cli.app.command(short_help="Is one model better than another, or is it chance?")
def compare(
    results: Annotated[
        list[Path],
        Argument(help="Two or more folders that `tricue evaluate --out` filled; the first is the reference."),
    ],
    out: Annotated[Path, Option("--out", help="Gets compare.json.")] = Path("results/compare"),
) -> None:
    """Is a model better than another on the same test items, or is it chance?"""
    from tricue.studies.comparison import compare as run
    from tricue.studies.comparison_table import comparison_table

    console.print(comparison_table(run(results, out=out)))
    console.print(f"Results: {out / 'compare.json'}")


@cli.app.command(short_help="Parameters and GFLOPs of a model or a config.")
def info(
    model_path: Annotated[Path | None, Option("--model_path", help="A checkpoint to describe.")] = None,
    dataset: cli.Dataset = None,
    config: cli.ConfigFile = None,
    settings: cli.Set = None,
    modalities: cli.Modalities = None,
) -> None:
    """Parameters per part and GFLOPs per utterance, of a checkpoint or of a config."""
    from tricue.evaluation.info import describe_checkpoint, describe_config

    if model_path is not None:
        table = describe_checkpoint(model_path)
    else:
        table = describe_config(read_settings(dataset, config, settings, modalities, None, {}))
    console.print(table)


@cli.app.command(short_help="Everything once, on synthetic clips: the first thing to run.")
def demo(
    out: Annotated[Path, Option("--out", help="Folder of corpus, features, models and results.")] = Path("runs/demo"),
    config: cli.ConfigFile = None,
    settings: cli.Set = None,
    quiet: cli.Quiet = False,
) -> None:
    """Everything once, on synthetic clips made here: corpus, features, training, evaluation, prediction."""
    from tricue.demo import run_demo
    from tricue.toy.toy_settings import DemoConfig

    chosen = load_settings(DemoConfig, config or "demo", parse_overrides(settings or []))
    console.print(run_demo(chosen, out, quiet))
