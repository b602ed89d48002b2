"""The commands about data: prepare, audit, extract."""

import shlex
from pathlib import Path
from typing import Annotated, Any, Literal

import typer
from typer import Argument, Option

from tricue.cli import app as cli
from tricue.cli.outputs import check_not_own, check_outputs, check_store
from tricue.cli.setting_flags import read_settings, task_flags
from tricue.config.load import load_settings, parse_overrides
from tricue.corpora.catalogue import about, prepare_corpus
from tricue.data.prepared import MANIFEST
from tricue.files.atomic import default_store
from tricue.files.locks import locked
from tricue.registry import CORPORA
from tricue.types import InputError


@cli.app.command(short_help="Features of a corpus into the store, ahead of training.")
def extract(
    dataset: cli.Dataset = None,
    data_dir: cli.DataDir = None,
    manifest: cli.Manifests = None,
    config: cli.ConfigFile = None,
    settings: cli.Set = None,
    modalities: cli.Modalities = None,
    store: cli.Store = None,
    device: cli.Device = "auto",
    workers: Annotated[int | None, Option("--workers", min=1, help="Processes that read clips. [one per core]")] = None,
    engine: Annotated[
        Literal["local", "ray"], Option("--engine", help="This machine, or a Ray cluster of many.")
    ] = "local",
    ray_address: Annotated[
        str | None, Option("--ray-address", help="A running cluster, e.g. auto. [one is started for the run]")
    ] = None,
    verify: Annotated[
        bool, Option("--verify", help="Extract nothing: read through what the store holds, and say.")
    ] = False,
    quiet: cli.Quiet = False,
) -> None:
    """Extract the features of a corpus into the store; what is there already is not done again.

    A run that was killed goes on where it was when the same command is given again.
    """
    from tricue.corpora.catalogue import read_corpus, report
    from tricue.device import choose_device
    from tricue.extractors.precomputed import located
    from tricue.features import extract as room
    from tricue.features.pipeline import FeaturePipeline
    from tricue.scale import ray_engine

    if ray_address is not None and engine != "ray":
        raise InputError("--ray-address is for --engine ray.")
    chosen = read_settings(dataset, config, settings, modalities, None, {})
    check_store(store, config=chosen, data_dir=data_dir)
    corpus = read_corpus(chosen, data_dir=data_dir, manifest=manifest, need_label=False)
    report(corpus)
    reading, where = located(chosen.features, corpus.folder), store or default_store()
    pipeline = FeaturePipeline.from_settings(
        reading, chosen.modalities, where, live=chosen.live,
        device="cpu" if verify else choose_device(device), workers=workers,
        engine=ray_engine(ray_address, workers) if engine == "ray" else None, progress=not quiet,
    )  # fmt: skip
    for modality in pipeline.unstored:
        cli.console.print(f"{modality}: encoded while it is trained (model.finetune); nothing of it is stored.")
    if verify:
        checked = room.verify(pipeline, corpus.utterances)
        for modality, counts in checked.items():
            cli.console.print(f"{modality}: " + ", ".join(f"{what} {count:,}" for what, count in counts.items()))
        cli.console.print(f"Store: {where}")
        raise typer.Exit(1 if any(c[what] for c in checked.values() for what in room.AMISS) else 0)
    features = pipeline(corpus.utterances)
    found = ", ".join(f"{modality} {len(rows)}" for modality, rows in features.arrays.items())
    faults = [*corpus.faults, *features.faults]
    cli.console.print(
        f"Features of {len(corpus.utterances)} utterances: {found}; {len(faults)} missing modalities. Store: {where}"
    )
    raise typer.Exit(1 if faults else 0)


prepare_app = typer.Typer(
    help="Turn a corpus in its published layout into a manifest; make the toy corpus; fetch encoders ahead.",
    no_args_is_help=True,
    context_settings={"token_normalize_func": str.lower},  # a corpus's name in any case of letters
)
cli.app.add_typer(prepare_app, name="prepare", short_help="A manifest from a corpus as it was published; a toy corpus.")


def _prepare_command(name: str, about: str) -> None:
    """One subcommand per reader in the registry, with its module's first line as help."""

    @prepare_app.command(name.lower(), help=about)
    def prepare(
        source: Annotated[Path, Argument(help="The corpus as it was published, unpacked.")],
        out: Annotated[Path | None, Option("--out", help="Gets manifest.csv and corpus.json. [data/<NAME>]")] = None,
        labels: cli.Labels = None,
        task: cli.TaskName = None,
        targets: cli.Targets = None,
        settings: cli.Set = None,
    ) -> None:
        folder = out or Path("data") / name
        check_not_own(folder / MANIFEST)
        with locked(folder):
            record = prepare_corpus(
                name, source, folder, labels, parse_overrides(settings or []) | task_flags(task, targets)
            )
        counts = ", ".join(f"{split} {count:,}" for split, count in record.rows.items())
        unlabelled = f", {record.unlabelled:,} of them unlabelled" if record.unlabelled else ""
        cli.console.print(f"{record.corpus}: {counts} rows{unlabelled}. Manifest: {folder / MANIFEST}")
        again = [("--task", task), ("--targets", targets)]  # the manifest holds rows, not what is to be learnt of them
        again += [("--set", setting) for setting in settings or [] if setting.startswith("task.")]
        flags = "".join(f" {flag} {shlex.quote(given)}" for flag, given in again if given)
        cli.console.print(f"Next: tricue audit {folder / MANIFEST}{flags}", soft_wrap=True)


def add_corpora() -> None:
    """The subcommands of `prepare`: of plugins' readers, too, which are not loaded for it.

    Raises InputError for a plugin whose reader has a built-in name.
    """
    packages = CORPORA.packages()
    there = {command.name for command in prepare_app.registered_commands}
    for name in CORPORA:
        if name.lower() not in there:  # toy is made, not read
            _prepare_command(name, f"Read by {packages[name]}." if name in packages else about(name))


@cli.app.command(short_help="Leaks between splits, and what noise alone would score.")
def audit(
    manifest: Annotated[list[Path] | None, Argument(help="Manifests: CSV or Parquet. Or give --dataset.")] = None,
    dataset: cli.Dataset = None,
    data_dir: cli.DataDir = None,
    config: cli.ConfigFile = None,
    settings: cli.Set = None,
    modalities: cli.Modalities = None,
    task: cli.TaskName = None,
    targets: cli.Targets = None,
    protocol: cli.Protocol = None,
    seed: cli.Seed = None,
    fast: Annotated[
        bool, Option("--fast", help="Leave out near-duplicates, fingerprints and the noise probe.")
    ] = False,
    out: Annotated[Path, Option("--out", help="Gets audit.json.")] = Path("results/audit"),
    quiet: cli.Quiet = False,
) -> None:
    """Look for leaks between splits: the same items, recordings, texts, speakers, dialogues, and what noise scores.

    Exit status 1 if a check fails.
    """
    from tricue.audit.audit import audit_corpus
    from tricue.audit.audit_table import audit_table
    from tricue.corpora.catalogue import read_corpus, report
    from tricue.files.atomic import check_place
    from tricue.files.json_files import write_json

    check_place(out / "audit.json")
    chosen = read_settings(
        dataset, config, settings, modalities, seed, task_flags(task, targets) | {"data.protocol": protocol}
    )
    place: dict[str, Any] = {"config": chosen, "data_dir": data_dir, "manifest": manifest}
    check_outputs("--out", [out / "audit.json"], files=[config], **place)
    corpus = read_corpus(chosen, data_dir=data_dir, manifest=manifest, need_label=False)
    report(corpus)
    found = audit_corpus(corpus, chosen, fast=fast, progress=not quiet)
    out.mkdir(parents=True, exist_ok=True)
    write_json(out / "audit.json", found.as_json())
    cli.console.print(audit_table(found))
    cli.console.print(f"Results: {out / 'audit.json'}")
    raise typer.Exit(1 if found.verdict == "fail" else 0)


@prepare_app.command("toy")
def prepare_toy(
    folder: Annotated[Path, Argument(help="Where to put manifest.csv and clips/.")] = Path("data/toy"),
    config: cli.ConfigFile = None,
    settings: cli.Set = None,
    quiet: cli.Quiet = False,
) -> None:
    """Make the synthetic corpus: real mp4 files with a drawn face, a synthesised voice and a sentence."""
    from tricue.files.atomic import check_place
    from tricue.toy.toy_corpus import make_toy
    from tricue.toy.toy_settings import DemoConfig

    check_place(folder / "manifest.csv")
    chosen = load_settings(DemoConfig, config, parse_overrides(settings or []))
    with locked(folder):
        cli.console.print(f"Toy corpus: {make_toy(folder, chosen.toy, progress=not quiet)}")


@prepare_app.command("models")
def prepare_models(
    dataset: cli.Dataset = None,
    config: cli.ConfigFile = None,
    settings: cli.Set = None,
    modalities: cli.Modalities = None,
) -> None:
    """Fetch the configured encoders ahead, so that training needs no network."""
    from tricue.extractors.choice import prefetch

    chosen = read_settings(dataset, config, settings, modalities, None, {})
    for name, place in prefetch(chosen.features, chosen.modalities).items():
        cli.console.print(f"{name}: {place}")
