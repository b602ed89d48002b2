"""The commands that study a method or a model: ablate, report, robustness."""

from pathlib import Path
from typing import Annotated, Any

from typer import Option

from tricue.cli import app as cli
from tricue.cli.app import console
from tricue.cli.outputs import check_measured, check_outputs, check_store, result_outputs, run_outputs
from tricue.cli.setting_flags import parse_modalities, read_settings, task_flags, with_epochs, workspace
from tricue.config.load import parse_overrides


@cli.app.command(short_help="What each part of the method gives, trained as long.")
def ablate(
    dataset: cli.Dataset = None,
    data_dir: cli.DataDir = None,
    manifest: cli.Manifests = None,
    config: cli.ConfigFile = None,
    settings: cli.Set = None,
    modalities: cli.Modalities = None,
    task: cli.TaskName = None,
    targets: cli.Targets = None,
    protocol: cli.Protocol = None,
    variants: Annotated[
        str | None, Option("--variants", help="Some of them, e.g. phase-1,no-gating; full is always there. [all]")
    ] = None,
    epochs: Annotated[
        int | None, Option("--epochs", help="Epochs of every variant, shared out over its phases.")
    ] = None,
    seed: cli.Seed = None,
    seeds: Annotated[int, Option("--seeds", min=1, help="Runs of each variant, from --seed on.")] = 3,
    split: Annotated[
        str | None, Option("--split", help="What is scored: val (also called dev) or test. [test]")
    ] = None,
    save_dir: Annotated[Path, Option("--save_dir", help="Gets a folder of runs per variant.")] = Path("runs/ablate"),
    out: Annotated[
        Path | None, Option("--out", help="Gets ablation.json and a result folder per variant. [SAVE_DIR/results]")
    ] = None,
    restart: Annotated[
        bool, Option("--restart", help="Delete what --save_dir holds of earlier runs and begin anew.")
    ] = False,
    jobs: cli.Jobs = None,
    store: cli.Store = None,
    device: cli.Device = "auto",
    quiet: cli.Quiet = False,
) -> None:
    """What does each part give? The method without it, trained as long, on the same rows, compared with the whole.

    The same call resumes a killed one.
    """
    from tricue.studies.ablation import ablate as run
    from tricue.studies.ablation import variants as variants_of
    from tricue.studies.comparison_table import comparison_table

    flags = task_flags(task, targets) | {"data.protocol": protocol}
    chosen = read_settings(dataset, config, settings, modalities, seed, flags)
    chosen = with_epochs(chosen, epochs, (None, None, None))
    out = out or save_dir / "results"
    runs = [place for v in variants_of(chosen) for place in run_outputs(save_dir / v.name)]
    place: dict[str, Any] = {"config": chosen, "data_dir": data_dir, "manifest": manifest, "files": [config]}
    check_outputs("--save_dir", runs, **place)
    check_outputs("--out", [out / name for name in ("ablation.json", "ablation.svg", "compare.json")], **place)
    check_store(store, config=chosen, data_dir=data_dir)
    _, comparison = run(
        chosen,
        save_dir=save_dir,
        out=out,
        seeds=seeds,
        workspace=workspace(store, data_dir, manifest, device, quiet),
        names=parse_modalities(variants),
        split=split,
        restart=restart,
        jobs=jobs,
    )
    console.print(comparison_table(comparison))
    console.print(f"Results: {out / 'ablation.json'}, {out / 'ablation.svg'}")


@cli.app.command(short_help="The report alone: all figures on one page.")
def report(
    model_path: cli.ModelPath = Path("checkpoints/best_model"),
    dataset: cli.Dataset = None,
    data_dir: cli.DataDir = None,
    manifest: cli.Manifests = None,
    settings: cli.Set = None,
    modalities: cli.Modalities = None,
    split: cli.Split = None,
    out: Annotated[
        Path, Option("--out", help="Gets report.html, and report/ with every figure as SVG, PNG and JSON.")
    ] = Path("results/report"),
    points: Annotated[
        int | None, Option("--points", min=10, help="Rows in each t-SNE map. [2000 for up to 12 maps, else 500]")
    ] = None,
    seed: cli.Seed = None,
    store: cli.Store = None,
    device: cli.Device = "auto",
    quiet: cli.Quiet = False,
) -> None:
    """All figures of a run on one page: its phases side by side. `evaluate` makes the same page beside its numbers.

    Of a folder with several runs (seeds, folds): a page for each, and report.html as their summary.
    """
    from tricue.report.summary import make_pages

    check_measured(model_path, result_outputs(out), dataset, data_dir, manifest, store)
    page = make_pages(
        model_path,
        out=out,
        points=points,
        workspace=workspace(store, data_dir, manifest, device, quiet),
        dataset=dataset,
        split=split,
        modalities=parse_modalities(modalities),
        overrides=parse_overrides(settings or []),
        seed=seed,
    )
    console.print(f"Report: {page}")


@cli.app.command(short_help="What missing and damaged modalities cost.")
def robustness(
    model_path: cli.ModelPath = Path("checkpoints/best_model"),
    dataset: cli.Dataset = None,
    data_dir: cli.DataDir = None,
    manifest: cli.Manifests = None,
    settings: cli.Set = None,
    kinds: Annotated[
        str | None,
        Option(
            "--kinds",
            help="Some of subsets, noise, blur, occlusion, frame-loss, word-errors, e.g. subsets,noise. [all]",
        ),
    ] = None,
    split: cli.Split = None,
    out: Annotated[Path, Option("--out", help="Gets robustness.json and the curves as .svg and .png.")] = Path(
        "results/robustness"
    ),
    seed: cli.Seed = None,
    jobs: Annotated[int, Option("--jobs", min=1, help="Kinds measured at once, each in a process of its own.")] = 1,
    store: cli.Store = None,
    device: cli.Device = "auto",
    quiet: cli.Quiet = False,
) -> None:
    """What is left when modalities are missing or damaged? The score of every phase, by kind and level of damage.

    Damaged features are kept in the store: the same call goes on where a killed one stood.
    """
    from tricue.studies.robustness import RESULT, measure_robustness, robustness_table

    check_measured(model_path, [out / RESULT], dataset, data_dir, manifest, store)
    result = measure_robustness(
        model_path,
        out=out,
        workspace=workspace(store, data_dir, manifest, device, quiet),
        names=parse_modalities(kinds),
        dataset=dataset,
        split=split,
        overrides=parse_overrides(settings or []),
        seed=seed,
        jobs=jobs,
    )
    console.print(robustness_table(result))
    curves = out / "robustness.svg"
    console.print(f"Results: {out / RESULT}" + (f", {curves}" if curves.is_file() else ""))
