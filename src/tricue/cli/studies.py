"""The commands that study a method or a model: ablate."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from tricue.cli.app import (
    ConfigFile,
    DataDir,
    Dataset,
    Device,
    Manifests,
    Modalities,
    Protocol,
    Quiet,
    Seed,
    Set,
    Store,
    app,
    console,
)
from tricue.cli.settings import parse_cues, read_settings, with_epochs


@app.command()
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
    from tricue.evaluation.compare import comparison_table
    from tricue.features.extract import default_store

    chosen = read_settings(dataset, config, settings, modalities, seed, {"data.protocol": protocol})
    chosen = with_epochs(chosen, epochs, (None, None, None))
    out = out or save_dir / "results"
    _, comparison = run(
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
    console.print(comparison_table(comparison))
    console.print(f"Results: {out / 'ablation.json'}")
