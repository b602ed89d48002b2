"""The commands that study a method or a model: ablate, report, robustness."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from tricue.cli.app import (
    ConfigFile,
    DataDir,
    Dataset,
    Device,
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
from tricue.cli.settings import parse_cues, read_settings, with_epochs
from tricue.config import parse_overrides
from tricue.locks import locked


@app.command(short_help="What each part of the method gives, trained as long.")
def ablate(
    dataset: Dataset = None,
    data_dir: DataDir = None,
    manifest: Manifests = None,
    config: ConfigFile = None,
    settings: Set = None,
    modalities: Modalities = None,
    protocol: Protocol = None,
    variants: Annotated[
        str | None,
        typer.Option("--variants", help="Some of them, e.g. phase-1,no-gating; full is always there. [all]"),
    ] = None,
    epochs: Annotated[
        int | None, typer.Option("--epochs", help="Epochs of every variant, shared out over its phases.")
    ] = None,
    seed: Seed = None,
    seeds: Annotated[int, typer.Option("--seeds", min=1, help="Runs of each variant, from --seed on.")] = 3,
    split: Annotated[
        str | None, typer.Option("--split", help="What is scored: val (also called dev) or test. [test]")
    ] = None,
    save_dir: Annotated[Path, typer.Option("--save_dir", help="Gets a folder of runs per variant.")] = Path(
        "runs/ablate"
    ),
    out: Annotated[
        Path | None,
        typer.Option("--out", help="Gets ablation.json and a result folder per variant. [SAVE_DIR/results]"),
    ] = None,
    restart: Annotated[
        bool, typer.Option("--restart", help="Delete what --save_dir holds of earlier runs and begin anew.")
    ] = False,
    store: Store = None,
    device: Device = "auto",
    quiet: Quiet = False,
) -> None:
    """What does each part give? The method without it, trained as long, on the same rows, compared with the whole.

    The same call resumes a killed one.
    """
    from tricue.evaluation.ablation import ablate as run
    from tricue.evaluation.ablation import variants as variants_of
    from tricue.evaluation.compare_table import comparison_table
    from tricue.features.extract import default_store
    from tricue.report.ablation import draw_ablation

    chosen = read_settings(dataset, config, settings, modalities, seed, {"data.protocol": protocol})
    chosen = with_epochs(chosen, epochs, (None, None, None))
    out = out or save_dir / "results"
    runs = [place for v in variants_of(chosen) for place in run_outputs(save_dir / v.name)]
    place: dict[str, Any] = {"config": chosen, "data_dir": data_dir, "manifest": manifest, "files": [config]}
    check_outputs("--save_dir", runs, **place)
    check_outputs(
        "--out", [out / name for name in ("ablation.json", "ablation.svg", "compare.json")], **place
    )
    check_store(store, config=chosen, data_dir=data_dir)
    with locked(save_dir), locked(out):
        result, comparison = run(
            chosen,
            save_dir=save_dir,
            out=out,
            seeds=seeds,
            store=store or default_store(),
            names=parse_cues(variants),
            data_dir=data_dir,
            manifest=manifest,
            split=split,
            restart=restart,
            device=device,
            quiet=quiet,
        )
        draw_ablation(result).write(out)  # its JSON is ablation.json as it stands
    console.print(comparison_table(comparison))
    console.print(f"Results: {out / 'ablation.json'}, {out / 'ablation.svg'}")


@app.command(short_help="The report alone: all figures on one page.")
def report(
    model_path: ModelPath = Path("checkpoints/best_model"),
    dataset: Dataset = None,
    data_dir: DataDir = None,
    manifest: Manifests = None,
    settings: Set = None,
    modalities: Modalities = None,
    split: Split = None,
    out: Annotated[
        Path,
        typer.Option("--out", help="Gets report.html, and report/ with every figure as SVG, PNG and JSON."),
    ] = Path("results/report"),
    points: Annotated[
        int | None,
        typer.Option("--points", min=10, help="Rows in each t-SNE map. [2000 for up to 12 maps, else 500]"),
    ] = None,
    seed: Seed = None,
    store: Store = None,
    device: Device = "auto",
    quiet: Quiet = False,
) -> None:
    """All figures of a run on one page: its phases side by side. `evaluate` makes the same page beside its numbers.

    Of a folder with several runs (seeds, folds): a page for each, and report.html as their summary.
    """
    from tricue.features.extract import default_store
    from tricue.report.summary import make_pages

    check_measured(model_path, result_outputs(out), dataset, data_dir, manifest, store)
    page = make_pages(
        model_path,
        out=out,
        points=points,
        dataset=dataset,
        data_dir=data_dir,
        manifest=manifest,
        split=split,
        cues=parse_cues(modalities),
        overrides=parse_overrides(settings or []),
        seed=seed,
        store=store or default_store(),
        device=device,
        quiet=quiet,
    )
    console.print(f"Report: {page}")


@app.command(short_help="What missing and damaged cues cost.")
def robustness(
    model_path: ModelPath = Path("checkpoints/best_model"),
    dataset: Dataset = None,
    data_dir: DataDir = None,
    manifest: Manifests = None,
    settings: Set = None,
    kinds: Annotated[
        str | None,
        typer.Option(
            "--kinds",
            help="Some of subsets, noise, blur, occlusion, frame-loss, word-errors, e.g. subsets,noise. [all]",
        ),
    ] = None,
    split: Split = None,
    out: Annotated[
        Path, typer.Option("--out", help="Gets robustness.json and the curves as .svg and .png.")
    ] = Path("results/robustness"),
    seed: Seed = None,
    store: Store = None,
    device: Device = "auto",
    quiet: Quiet = False,
) -> None:
    """What is left when cues are missing or damaged? Weighted F1 of every phase, by kind and level of damage.

    Damaged features are kept in the store: the same call goes on where a killed one stood.
    """
    from tricue.evaluation.robustness import RESULT, measure_robustness, robustness_table
    from tricue.features.extract import default_store
    from tricue.report.robustness import draw_robustness

    check_measured(model_path, [out / RESULT], dataset, data_dir, manifest, store)
    with locked(out):
        result = measure_robustness(
            model_path,
            out=out,
            names=parse_cues(kinds),
            dataset=dataset,
            data_dir=data_dir,
            manifest=manifest,
            split=split,
            overrides=parse_overrides(settings or []),
            seed=seed,
            store=store or default_store(),
            device=device,
            quiet=quiet,
        )
        drawn = draw_robustness(result)
        drawn.write(out)  # its JSON is robustness.json as it stands
    console.print(robustness_table(result))
    curves = "" if drawn.figure is None else f", {out / drawn.name}.svg"
    console.print(f"Results: {out / RESULT}{curves}")
