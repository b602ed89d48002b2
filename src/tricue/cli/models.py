"""The commands about models: train, evaluate, compare, info, demo."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from statistics import mean, stdev
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tricue.cli.app import (
    ConfigFile,
    DataDir,
    Dataset,
    Device,
    Labels,
    Manifests,
    Modalities,
    ModelPath,
    Protocol,
    Quiet,
    Seed,
    Set,
    Split,
    Store,
    app,
    console,
)
from tricue.cli.outputs import check_measured, check_outputs, check_store, result_outputs, run_outputs
from tricue.cli.settings import parse_cues, read_settings, with_epochs, with_learning_rate
from tricue.config import load_config, parse_overrides
from tricue.locks import locked

if TYPE_CHECKING:  # `tricue -h` stays quick: torch is imported by the commands that compute
    from tricue.training.train import TrainResult


@app.command(short_help="Train the three phases; prepares what is missing.")
def train(
    dataset: Dataset = None,
    data_dir: DataDir = None,
    manifest: Manifests = None,
    config: ConfigFile = None,
    settings: Set = None,
    modalities: Modalities = None,
    protocol: Protocol = None,
    labels: Labels = None,
    seed: Seed = None,
    seeds: Annotated[
        int, typer.Option("--seeds", min=1, help="Train with this many seeds, from --seed on.")
    ] = 1,
    epochs: Annotated[
        int | None, typer.Option("--epochs", help="Epochs in all, shared out 15:15:10 over the phases.")
    ] = None,
    phase1_epochs: Annotated[int | None, typer.Option("--phase1_epochs", help="Epochs of phase 1.")] = None,
    phase2_epochs: Annotated[int | None, typer.Option("--phase2_epochs", help="Epochs of phase 2.")] = None,
    phase3_epochs: Annotated[int | None, typer.Option("--phase3_epochs", help="Epochs of phase 3.")] = None,
    batch_size: Annotated[int | None, typer.Option("--batch_size", help="Utterances per batch.")] = None,
    learning_rate: Annotated[
        float | None,
        typer.Option("--learning_rate", help="Rate of the fine-tuned encoder; without one, of the network."),
    ] = None,
    weight_decay: Annotated[
        float | None, typer.Option("--weight_decay", help="AdamW's weight decay.")
    ] = None,
    save_dir: Annotated[
        Path,
        typer.Option("--save_dir", help="Gets best_model/, phase1/ .. phase3/, history.json, tensorboard/."),
    ] = Path("checkpoints"),
    init_from: Annotated[
        Path | None, typer.Option("--init_from", help="Start from this checkpoint: what fits is loaded.")
    ] = None,
    restart: Annotated[
        bool, typer.Option("--restart", help="Delete what --save_dir holds of an earlier run and begin anew.")
    ] = False,
    store: Store = None,
    device: Device = "auto",
    quiet: Quiet = False,
) -> None:
    """Train the three phases; prepares and extracts what is missing. The same call resumes a killed run.

    Protocols with folds train one model per fold and score each on its own left-out part.
    """
    from tricue.checkpoint import best_model
    from tricue.features.extract import default_store
    from tricue.training.runs import train_all

    flags = {
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
    with locked(save_dir):  # until its scores are written, too
        results = train_all(
            chosen,
            seeds=seeds,
            save_dir=save_dir,
            store=store or default_store(),
            data_dir=data_dir,
            manifest=manifest,
            init_from=init_from,
            device=device,
            restart=restart,
            quiet=quiet,
        )
        if all(result.already_done for result in results):
            console.print(f"{save_dir} already holds this run, finished; --restart would train it again.")
        console.print(_trained(results))
        if len(results) > 1 and results[0].card.val_weighted_f1 is not None:
            console.print(f"Best of them on its own val: {best_model(save_dir, chosen)}")
        if chosen.data.protocol != "official":  # their test part is made here, and it is what they are for
            place = {"dataset": dataset, "data_dir": data_dir, "manifest": manifest}
            model = save_dir if len(results) > 1 else results[0].best_model
            _evaluate(model, save_dir, **place, store=store or default_store(), device=device, quiet=quiet)


def _trained(results: Sequence[TrainResult]) -> str:
    """What was trained, in one line: a model with its val score, or how several fared."""
    scores = [r.card.val_weighted_f1 for r in results if r.card.val_weighted_f1 is not None]
    if len(results) == 1:
        card, kind = results[0].card, "Leaky" if results[0].card.leaky else "Best"
        score = f"val weighted F1 {scores[0]:.4f}" if scores else "fixed epochs"
        return f"{kind} model: {results[0].best_model} (phase {card.phase}, {score})"
    trained = f"{len(results)} {'LEAKY ' if results[0].card.leaky else ''}models trained"
    if len(scores) < 2:
        return f"{trained}."
    return f"{trained}; val weighted F1 {mean(scores):.4f}, standard deviation {stdev(scores):.4f}."


@app.command(short_help="Every number of a model on one split, and its report.")
def evaluate(
    model_path: ModelPath = Path("checkpoints/best_model"),
    dataset: Dataset = None,
    data_dir: DataDir = None,
    manifest: Manifests = None,
    settings: Set = None,
    modalities: Modalities = None,
    split: Split = None,
    out: Annotated[
        Path | None,
        typer.Option(
            "--out", help="Gets metrics.json, predictions.csv and report.html. [results/<model>-<split>]"
        ),
    ] = None,
    no_report: Annotated[
        bool, typer.Option("--no_report", help="Numbers only: the figures take a minute or more.")
    ] = False,
    seed: Seed = None,
    store: Store = None,
    device: Device = "auto",
    quiet: Quiet = False,
) -> None:
    """Measure a checkpoint on one split: every number with its 95% interval, and all figures on one page.

    A folder that `train` filled with several runs (seeds, folds) is measured as one: means, and their spread. Each run
    has a page in a folder of its own, and report.html is their summary.
    """
    from tricue.features.extract import default_store
    from tricue.report.summary import make_pages
    from tricue.training.log import said_once

    scored = split or ("val" if model_path.stem == "leaky_model" else "test")
    out = out or Path("results") / f"{model_path.stem}-{scored}"
    check_measured(model_path, result_outputs(out), dataset, data_dir, manifest, store)
    choices: dict[str, Any] = {
        "dataset": dataset,
        "data_dir": data_dir,
        "manifest": manifest,
        "split": split,
        "cues": parse_cues(modalities),
        "overrides": parse_overrides(settings or []),
        "seed": seed,
        "store": store or default_store(),
        "device": device,
        "quiet": quiet,
    }
    with locked(out), said_once():
        _evaluate(model_path, out, **choices)
        if not no_report:
            console.print(f"Report: {make_pages(model_path, out=out, **choices)}")


def _evaluate(model_path: Path, out: Path, **choices: Any) -> None:
    """Score, show and keep."""
    from tricue.evaluation.runs import evaluate_all
    from tricue.evaluation.table import metrics_table

    result = evaluate_all(model_path, out=out, **choices)
    console.print(metrics_table(result.metrics, result.title))
    console.print(f"Results: {result.scores}")


@app.command(short_help="Is one model better than another, or is it chance?")
def compare(
    results: Annotated[
        list[Path],
        typer.Argument(
            help="Two or more folders that `tricue evaluate --out` filled; the first is the reference."
        ),
    ],
    out: Annotated[Path, typer.Option("--out", help="Gets compare.json.")] = Path("results/compare"),
    draws: Annotated[int, typer.Option("--draws", min=100, help="Bootstrap draws.")] = 10_000,
    seed: Annotated[int, typer.Option("--seed", help="Seed of the draws.")] = 0,
) -> None:
    """Is a model better than another on the same test items, or is it chance?"""
    from tricue.evaluation.compare import compare as run
    from tricue.evaluation.compare_table import comparison_table

    console.print(comparison_table(run(results, draws=draws, seed=seed, out=out)))
    console.print(f"Results: {out / 'compare.json'}")


@app.command(short_help="Parameters and GFLOPs of a model or a config.")
def info(
    model_path: Annotated[Path | None, typer.Option("--model_path", help="A checkpoint to describe.")] = None,
    dataset: Dataset = None,
    config: ConfigFile = None,
    settings: Set = None,
    modalities: Modalities = None,
) -> None:
    """Parameters per part and GFLOPs per utterance, of a checkpoint or of a config."""
    from tricue.evaluation.info import describe_checkpoint, describe_config

    if model_path is not None:
        table = describe_checkpoint(model_path)
    else:
        table = describe_config(read_settings(dataset, config, settings, modalities, None, {}))
    console.print(table)


@app.command(short_help="Everything once, on synthetic clips: the first thing to run.")
def demo(
    out: Annotated[
        Path, typer.Option("--out", help="Folder of corpus, features, models and results.")
    ] = Path("runs/demo"),
    config: ConfigFile = None,
    settings: Set = None,
    quiet: Quiet = False,
) -> None:
    """Everything once, on synthetic clips made here: corpus, features, training, evaluation, prediction."""
    from tricue.demo import run_demo

    console.print(run_demo(load_config(config or "demo", parse_overrides(settings or [])), out, quiet))
