"""The command itself: its name, its help, its console, and what its flags mean."""

import os
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from typer import Option
from typer.core import TyperGroup

os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")  # fast tokenizers warn after a fork

# as they are met on the way from clips to answers
ORDER = (
    "demo", "prepare", "audit", "extract", "train", "evaluate", "report", "compare", "ablate", "robustness", "info",
    "predict", "serve", "export",
)  # fmt: skip


class InOrder(TyperGroup):
    def list_commands(self, ctx: Any) -> list[str]:
        return sorted(super().list_commands(ctx), key=ORDER.index)


app = typer.Typer(
    cls=InOrder, help="Emotions from what is said, how it sounds and how it looks. Start with: tricue demo",
    no_args_is_help=True, pretty_exceptions_enable=False, add_completion=False, rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)  # fmt: skip
console = Console(soft_wrap=True, highlight=False, markup=False)  # names of files hold brackets

# flags that several commands have
Dataset = Annotated[str | None, Option("--dataset", help="Corpus with shipped settings: MELD, RAVDESS, ...")]
DataDir = Annotated[Path | None, Option("--data_dir", help="Corpus in its published layout. [data/<NAME>]")]
Manifests = Annotated[
    list[Path] | None,
    Option("--manifest", help="Your own corpus: a CSV or Parquet manifest. Repeat to combine corpora."),
]
Labels = Annotated[
    str | None, Option("--labels", help="Label set: sentiments (MELD), 8-way, 6-way or 4-way (IEMOCAP).")
]
TaskName = Annotated[
    str | None, Option("--task", help="What a row's target is: categorical, multilabel or dimensional. [categorical]")
]
Targets = Annotated[
    str | None,
    Option("--targets", help="Columns of the target, e.g. valence,arousal,dominance. [emotion; multilabel: emotions]"),
]
Protocol = Annotated[
    str | None,
    Option(
        "--protocol", help="Split protocol: official, loso, kfold-speaker, kfold-dialogue; leaky to explain figures."
    ),
]
ConfigFile = Annotated[Path | None, Option("--config", help="YAML file of settings.")]
Set = Annotated[list[str] | None, Option("--set", help="Any setting, e.g. --set training.rate=1e-3. Repeatable.")]
Modalities = Annotated[str | None, Option("--modalities", help="Modalities to use, e.g. text,audio.")]
Store = Annotated[Path | None, Option("--store", help="Feature store. [$TRICUE_STORE or the user's cache folder]")]
Device = Annotated[str, Option("--device", help="auto, cpu or cuda.")]
Seed = Annotated[int | None, Option("--seed", help="Random seed.")]
Split = Annotated[str | None, Option("--split", help="train, val (also called dev) or test. [test; leaky: val]")]
ModelPath = Annotated[Path, Option("--model_path", help="Folder of a checkpoint.")]
AnyModel = Annotated[
    str | None,
    Option(
        "--model_path",
        help="Folder of a checkpoint, or its hub name. [checkpoints/best_model, else the bundled text model]",
    ),
]
Encoder = Annotated[
    list[str] | None, Option("--encoder", help="Local folder of an encoder; of several: text=FOLDER. Repeatable.")
]
Whisper = Annotated[
    str | None,
    Option("--whisper", help="Whisper model: a hub name or local folder. Implies --transcribe. [a small English one]"),
]
Jobs = Annotated[
    int | None,
    Option(
        "--jobs",
        min=1,
        help="Runs trained at once, each in a process of its own. [one per core as memory allows; on a GPU 1]",
    ),
]
Backend = Annotated[str, Option("--backend", help="torch or onnx.")]
Adaptation = Annotated[
    str | None,
    Option(
        "--speaker_adaptation",
        help="off, past or all: adapt each answer to the earlier turns, or to all other clips, of its speaker (column "
        "`speaker`), without labels. A speaker who shows one emotion only may lose by it. [as in training]",
    ),
]
Quiet = Annotated[bool, Option("--quiet", help="No progress on the terminal.")]
