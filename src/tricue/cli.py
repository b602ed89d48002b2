"""The `tricue` command: parse, then one call into the package.

Exit status: 0 all done; 1 some inputs failed, each named in the output (of `extract` and `predict`; `train` and
`evaluate` go on with the cues that are left, and say which are missing); 2 the call was wrong.
"""

from __future__ import annotations

import errno
import logging
import os
import sys
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.logging import RichHandler

from tricue.config import Config, change_config, load_config, parse_overrides, share_epochs
from tricue.types import InputError, TrainingError

os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")  # seed.md, "Environment Setup"

app = typer.Typer(
    help="Emotions from what is said, how it sounds and how it looks. Start with: tricue demo",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)
prepare_app = typer.Typer(
    help="Make the toy corpus, or fetch pretrained encoders ahead.", no_args_is_help=True
)
app.add_typer(prepare_app, name="prepare")
console = Console(soft_wrap=True, highlight=False)
COMMAND_LINE = "the command line"  # where a wrong setting came from, as errors name it

Dataset = Annotated[
    str | None, typer.Option("--dataset", help="Corpus with shipped settings: MELD, RAVDESS, ...")
]
DataDir = Annotated[
    Path | None, typer.Option("--data_dir", help="The corpus in its published layout. [data/<NAME>]")
]
Manifest = Annotated[
    Path | None, typer.Option("--manifest", help="Your own corpus: a CSV or Parquet manifest.")
]
ConfigFile = Annotated[Path | None, typer.Option("--config", help="YAML file of settings.")]
Set = Annotated[
    list[str] | None, typer.Option("--set", help="Any setting, e.g. --set training.rate=1e-3. Repeatable.")
]
Modalities = Annotated[str | None, typer.Option("--modalities", help="Cues to use, e.g. text,audio.")]
Store = Annotated[
    Path | None,
    typer.Option("--store", help="Where features are kept. [$TRICUE_STORE or the user's cache folder]"),
]
Device = Annotated[str, typer.Option("--device", help="auto, cpu or cuda.")]
Seed = Annotated[int | None, typer.Option("--seed", help="Seed of everything random.")]
ModelPath = Annotated[Path, typer.Option("--model_path", help="Folder of a checkpoint.")]
Quiet = Annotated[bool, typer.Option("--quiet", help="No progress on the terminal.")]


@app.command()
def train(
    dataset: Dataset = None,
    data_dir: DataDir = None,
    manifest: Manifest = None,
    config: ConfigFile = None,
    settings: Set = None,
    modalities: Modalities = None,
    protocol: Annotated[str | None, typer.Option("--protocol", help="How rows are dealt to splits.")] = None,
    seed: Seed = None,
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
    """Train the three phases; prepares and extracts what is missing. The same call resumes a killed run."""
    from tricue.features.extract import default_store
    from tricue.training.train import train as run

    flags = {
        "data.protocol": protocol,
        "training.batch_size": batch_size,
        "training.weight_decay": weight_decay,
    }
    phases = (phase1_epochs, phase2_epochs, phase3_epochs)
    chosen = read_settings(dataset, manifest, config, settings, modalities, seed, flags)
    chosen = with_epochs(chosen, epochs, phases)
    chosen = with_learning_rate(chosen, learning_rate)
    result = run(
        chosen,
        save_dir=save_dir,
        store=store or default_store(),
        data_dir=data_dir,
        manifest=manifest,
        init_from=init_from,
        device=device,
        restart=restart,
        quiet=quiet,
    )
    if result.already_done:
        console.print(f"{save_dir} already holds this run, finished; --restart would train it again.")
    score = result.card.val_weighted_f1
    console.print(
        f"Best model: {result.best_model} (phase {result.card.phase}"
        + (f", val weighted F1 {score:.4f})" if score is not None else ", fixed epochs)")
    )


@app.command()
def evaluate(
    model_path: ModelPath = Path("checkpoints/best_model"),
    dataset: Dataset = None,
    data_dir: DataDir = None,
    manifest: Manifest = None,
    settings: Set = None,
    modalities: Modalities = None,
    split: Annotated[str, typer.Option("--split", help="train, val (also called dev) or test.")] = "test",
    out: Annotated[
        Path | None,
        typer.Option("--out", help="Gets metrics.json and predictions.csv. [results/<model>-<split>]"),
    ] = None,
    seed: Seed = None,
    store: Store = None,
    device: Device = "auto",
    quiet: Quiet = False,
) -> None:
    """Measure a checkpoint on one split: every number with its 95% interval."""
    from tricue.evaluation.evaluate import evaluate as run
    from tricue.evaluation.table import metrics_table
    from tricue.features.extract import default_store

    out = out or Path("results") / f"{model_path.stem}-{split}"
    result = run(
        model_path,
        out=out,
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
    console.print(metrics_table(result.metrics, result.title))
    console.print(f"Results: {out / 'metrics.json'}, {out / 'predictions.csv'}")


@app.command()
def predict(
    input_file: Annotated[
        Path,
        typer.Option(
            "--input_file", help="CSV or Parquet with any of the columns text, audio, video (and id)."
        ),
    ],
    output_file: Annotated[Path, typer.Option("--output_file", help="The CSV to write.")] = Path(
        "results/predictions.csv"
    ),
    model_path: Annotated[
        Path | None, typer.Option("--model_path", help="Folder of a checkpoint. [checkpoints/best_model]")
    ] = None,
    modalities: Modalities = None,
    settings: Set = None,
    store: Store = None,
    device: Device = "auto",
    quiet: Quiet = False,
) -> None:
    """Emotions for the rows of a table: rows in = rows out."""
    from tricue.features.extract import default_store
    from tricue.recognizer import MultimodalEmotionRecognizer, find_model

    recognizer = MultimodalEmotionRecognizer.from_pretrained(
        find_model(model_path), overrides=parse_overrides(settings or []), device=device
    )
    failed = recognizer.predict_file(
        input_file, output_file, cues=parse_cues(modalities), store=store or default_store(), quiet=quiet
    )
    console.print(f"Predictions: {output_file}" + (f" ({failed} rows failed; see `error`)" if failed else ""))
    if recognizer.card.note:
        console.print(recognizer.card.note)
    raise typer.Exit(1 if failed else 0)


@app.command()
def extract(
    dataset: Dataset = None,
    data_dir: DataDir = None,
    manifest: Manifest = None,
    config: ConfigFile = None,
    settings: Set = None,
    modalities: Modalities = None,
    store: Store = None,
    device: Device = "auto",
    quiet: Quiet = False,
) -> None:
    """Extract the features of a corpus into the store; what is there already is not done again."""
    from tricue.data.corpora import read_corpus, report
    from tricue.device import choose_device
    from tricue.features.extract import default_store
    from tricue.features.extract import extract as run

    chosen = read_settings(dataset, manifest, config, settings, modalities, None, {})
    corpus = read_corpus(chosen, data_dir=data_dir, manifest=manifest, need_emotion=False)
    report(corpus)
    where = store or default_store()
    features = run(
        corpus.utterances,
        chosen.features,
        chosen.modalities,
        where,
        live_text=chosen.finetunes_text,
        device=choose_device(device),
        progress=not quiet,
    )
    if chosen.finetunes_text:
        console.print("Text is encoded while it is trained (model.finetune): nothing of it is stored.")
    counts = ", ".join(f"{cue} {len(rows)}" for cue, rows in features.arrays.items())
    faults = [*corpus.faults, *features.faults]
    console.print(
        f"Features of {len(corpus.utterances)} utterances: {counts}; {len(faults)} missing cues. Store: {where}"
    )
    raise typer.Exit(1 if faults else 0)


@app.command()
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
        table = describe_config(read_settings(dataset, None, config, settings, modalities, None, {}))
    console.print(table)


@app.command()
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
    console.print(f"Toy corpus: {make_toy(folder, chosen.data.toy, progress=not quiet)}")


@prepare_app.command("models")
def prepare_models(
    dataset: Dataset = None,
    config: ConfigFile = None,
    settings: Set = None,
    modalities: Modalities = None,
) -> None:
    """Fetch the configured encoders ahead, as the seed's install does."""
    from tricue.features.extract import prefetch

    chosen = read_settings(dataset, None, config, settings, modalities, None, {})
    for name, place in prefetch(chosen.features, chosen.modalities).items():
        console.print(f"{name}: {place}")


# --- from flags to settings ----------------------------------------------------------------------------


def read_settings(
    dataset: str | None,
    manifest: Path | None,
    config: Path | None,
    settings: list[str] | None,
    modalities: str | None,
    seed: int | None,
    flags: dict[str, Any],
) -> Config:
    """One Config from --config or --dataset, then the named flags, then --set."""
    if config is not None and dataset is not None:
        raise InputError("Give --config or --dataset, not both (a config names its corpus in data.name).")
    overrides: dict[str, Any] = {name: value for name, value in flags.items() if value is not None}
    cues = parse_cues(modalities)
    if cues is not None:
        overrides["modalities"] = cues
    if seed is not None:
        overrides["seed"] = seed
    return load_config(config or dataset, overrides | parse_overrides(settings or []))


def parse_cues(modalities: str | None) -> list[str] | None:
    return None if modalities is None else [cue.strip() for cue in modalities.split(",") if cue.strip()]


def with_epochs(
    config: Config, total: int | None, phases: tuple[int | None, int | None, int | None]
) -> Config:
    """--epochs shared out over the phases; beside --phaseN_epochs the totals must agree."""
    names = ("phase1_epochs", "phase2_epochs", "phase3_epochs")
    named = {name: given for name, given in zip(names, phases, strict=True) if given is not None}
    shared = dict(zip(names, share_epochs(total), strict=True)) if total is not None else {}
    if total is not None and named:
        known = {name: getattr(config.training, name) for name in names} | named
        if sum(known.values()) != total:
            stated = " + ".join(str(known[name]) for name in names)
            raise InputError(
                f"--epochs {total} does not agree with the phases' epochs ({stated} = {sum(known.values())})."
            )
        shared = {}
    return change_config(
        config, {f"training.{name}": count for name, count in (shared | named).items()}, COMMAND_LINE
    )


def with_learning_rate(config: Config, rate: float | None) -> Config:
    """--learning_rate is the fine-tuned encoder's; with nothing fine-tuned it is the network's."""
    if rate is None:
        return config
    if config.finetunes_text:
        return change_config(config, {"training.encoder_rate": rate}, COMMAND_LINE)
    if rate < 2e-4:
        logging.getLogger("tricue").warning(
            "--learning_rate %g: no encoder is fine-tuned, so this is the whole network's rate; below 2e-4 it "
            "learns very slowly (the seed's 5e-5 is meant for a fine-tuned encoder).",
            rate,
        )
    return change_config(config, {"training.rate": rate}, COMMAND_LINE)


def main(arguments: list[str] | None = None) -> None:
    """Run the command; one clear line for what the user can mend, a trace only for what is our fault."""
    logging.basicConfig(
        level=logging.INFO,
        format="%(message)s",
        handlers=[RichHandler(console=Console(stderr=True), show_time=False, show_path=False, markup=False)],
    )
    for noisy in ("httpx", "httpcore", "numba", "transformers", "accelerate"):
        logging.getLogger(noisy).setLevel(logging.WARNING)
    try:
        app(arguments)
    except InputError as error:
        _stop(str(error), 2)
    except TrainingError as error:
        _stop(str(error), 1)
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EACCES, errno.EROFS):
            raise
        _stop(
            f"{error.strerror}: {error.filename or 'while writing'}. What was complete before is intact.", 1
        )


def _stop(message: str, status: int) -> None:
    Console(stderr=True, soft_wrap=True, highlight=False, markup=False).print(f"error: {message}")
    sys.exit(status)


if __name__ == "__main__":
    main()
