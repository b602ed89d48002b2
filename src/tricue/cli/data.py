"""The commands about data: prepare, audit, extract."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from tricue.cli.app import (
    ConfigFile,
    DataDir,
    Dataset,
    Device,
    Labels,
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
from tricue.cli.outputs import check_not_own, check_outputs, check_store
from tricue.cli.settings import read_settings
from tricue.config import load_config, parse_overrides
from tricue.data.corpora import CORPORA, about, prepare_corpus
from tricue.data.prepared import MANIFEST
from tricue.locks import locked
from tricue.types import InputError

if TYPE_CHECKING:  # `tricue -h` stays quick
    from tricue.features.engine import Engine


@app.command(short_help="Features of a corpus into the store, ahead of training.")
def extract(
    dataset: Dataset = None,
    data_dir: DataDir = None,
    manifest: Manifests = None,
    config: ConfigFile = None,
    settings: Set = None,
    modalities: Modalities = None,
    store: Store = None,
    device: Device = "auto",
    workers: Annotated[
        int | None, typer.Option("--workers", min=1, help="Processes that read clips. [one per core]")
    ] = None,
    engine: Annotated[
        Literal["local", "ray"], typer.Option("--engine", help="This machine, or a Ray cluster of many.")
    ] = "local",
    ray_address: Annotated[
        str | None,
        typer.Option(
            "--ray-address", help="A running cluster, e.g. auto. [a local one is started for the run]"
        ),
    ] = None,
    verify: Annotated[
        bool, typer.Option("--verify", help="Extract nothing: read through what the store holds, and say.")
    ] = False,
    quiet: Quiet = False,
) -> None:
    """Extract the features of a corpus into the store; what is there already is not done again.

    A run that was killed goes on where it was when the same command is given again.
    """
    from tricue.data.corpora import read_corpus, report
    from tricue.device import choose_device
    from tricue.features import extract as room
    from tricue.features.precomputed import located

    if ray_address is not None and engine != "ray":
        raise InputError("--ray-address is for --engine ray.")
    chosen = read_settings(dataset, config, settings, modalities, None, {})
    check_store(store, config=chosen, data_dir=data_dir)
    corpus = read_corpus(chosen, data_dir=data_dir, manifest=manifest, need_emotion=False)
    report(corpus)
    reading, where = located(chosen.features, corpus.folder), store or room.default_store()
    if chosen.finetunes_text:
        console.print("Text is encoded while it is trained (model.finetune): nothing of it is stored.")
    if verify:
        cues = [cue for cue in chosen.modalities if cue != "text" or not chosen.finetunes_text]
        checked = room.verify(corpus.utterances, reading, cues, where, progress=not quiet)
        for cue, counts in checked.items():
            console.print(f"{cue}: " + ", ".join(f"{what} {count:,}" for what, count in counts.items()))
        console.print(f"Store: {where}")
        raise typer.Exit(1 if any(c[what] for c in checked.values() for what in room.AMISS) else 0)
    features = room.extract(
        corpus.utterances,
        reading,
        chosen.modalities,
        where,
        live_text=chosen.finetunes_text,
        device=choose_device(device),
        workers=workers,
        engine=_ray(ray_address, workers) if engine == "ray" else None,
        progress=not quiet,
    )
    found = ", ".join(f"{cue} {len(rows)}" for cue, rows in features.arrays.items())
    faults = [*corpus.faults, *features.faults]
    console.print(
        f"Features of {len(corpus.utterances)} utterances: {found}; {len(faults)} missing cues. Store: {where}"
    )
    raise typer.Exit(1 if faults else 0)


def _ray(address: str | None, workers: int | None) -> Engine:
    from tricue.scale import ray_engine

    return ray_engine(address, workers)


prepare_app = typer.Typer(
    help="Turn a corpus in its published layout into a manifest; make the toy corpus; fetch encoders ahead.",
    no_args_is_help=True,
    context_settings={"token_normalize_func": str.lower},  # a corpus's name in any case of letters
)
app.add_typer(
    prepare_app, name="prepare", short_help="A manifest from a corpus as it was published; a toy corpus."
)


def _prepare_command(name: str, about: str) -> None:
    """One subcommand per reader in the registry, with its module's first line as help."""

    @prepare_app.command(name.lower(), help=about)
    def prepare(
        source: Annotated[Path, typer.Argument(help="The corpus as it was published, unpacked.")],
        out: Annotated[
            Path | None, typer.Option("--out", help="Gets manifest.csv and corpus.json. [data/<NAME>]")
        ] = None,
        labels: Labels = None,
        settings: Set = None,
    ) -> None:
        folder = out or Path("data") / name
        check_not_own(folder / MANIFEST)
        with locked(folder):
            record = prepare_corpus(name, source, folder, labels, parse_overrides(settings or []))
        counts = ", ".join(f"{split} {count:,}" for split, count in record.rows.items())
        unlabelled = f", {record.unlabelled:,} of them unlabelled" if record.unlabelled else ""
        console.print(f"{record.corpus}: {counts} rows{unlabelled}. Manifest: {folder / MANIFEST}")
        console.print(f"Next: tricue audit {folder / MANIFEST}")


for _name in CORPORA:
    if _name != "toy":  # which is made, not read
        _prepare_command(_name, about(_name))


@app.command(short_help="Leaks between splits, and what noise alone would score.")
def audit(
    manifest: Annotated[
        list[Path] | None, typer.Argument(help="Manifests: CSV or Parquet. Or give --dataset.")
    ] = None,
    dataset: Dataset = None,
    data_dir: DataDir = None,
    config: ConfigFile = None,
    settings: Set = None,
    modalities: Modalities = None,
    protocol: Protocol = None,
    seed: Seed = None,
    fast: Annotated[
        bool, typer.Option("--fast", help="Leave out near-duplicates, fingerprints and the noise probe.")
    ] = False,
    out: Annotated[Path, typer.Option("--out", help="Gets audit.json.")] = Path("results/audit"),
    quiet: Quiet = False,
) -> None:
    """Look for leaks between splits: the same items, recordings, texts, speakers, dialogues, and what noise scores.

    Exit status 1 if a check fails.
    """
    from tricue.data.audit import audit_corpus
    from tricue.data.audit_table import audit_table
    from tricue.data.corpora import read_corpus, report
    from tricue.files import check_place
    from tricue.json_files import write_json

    check_place(out / "audit.json")
    chosen = read_settings(dataset, config, settings, modalities, seed, {"data.protocol": protocol})
    place: dict[str, Any] = {"config": chosen, "data_dir": data_dir, "manifest": manifest}
    check_outputs("--out", [out / "audit.json"], files=[config], **place)
    corpus = read_corpus(chosen, data_dir=data_dir, manifest=manifest, need_emotion=False)
    report(corpus)
    found = audit_corpus(corpus, chosen, fast=fast, progress=not quiet)
    out.mkdir(parents=True, exist_ok=True)
    write_json(out / "audit.json", found.as_json())
    console.print(audit_table(found))
    console.print(f"Results: {out / 'audit.json'}")
    raise typer.Exit(1 if found.verdict == "fail" else 0)


@prepare_app.command("toy")
def prepare_toy(
    folder: Annotated[Path, typer.Argument(help="Where to put manifest.csv and clips/.")] = Path("data/toy"),
    config: ConfigFile = None,
    settings: Set = None,
    quiet: Quiet = False,
) -> None:
    """Make the synthetic corpus: real mp4 files with a drawn face, a synthesised voice and a sentence."""
    from tricue.data.toy import make_toy
    from tricue.files import check_place

    check_place(folder / "manifest.csv")
    chosen = load_config(config or "demo", parse_overrides(settings or []))
    with locked(folder):
        console.print(f"Toy corpus: {make_toy(folder, chosen.data.toy, progress=not quiet)}")


@prepare_app.command("models")
def prepare_models(
    dataset: Dataset = None,
    config: ConfigFile = None,
    settings: Set = None,
    modalities: Modalities = None,
) -> None:
    """Fetch the configured encoders ahead, as the seed's install does."""
    from tricue.features.extractors import prefetch

    chosen = read_settings(dataset, config, settings, modalities, None, {})
    for name, place in prefetch(chosen.features, chosen.modalities).items():
        console.print(f"{name}: {place}")
