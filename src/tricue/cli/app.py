"""The command itself: its name, its help, its console, and what its flags mean."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from typer.core import TyperGroup

os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")  # seed.md, "Environment Setup"

# as they are met on the way from clips to answers
ORDER = (
    "demo", "prepare", "audit", "extract", "train", "evaluate", "report", "compare", "ablate", "robustness", "info",
    "predict", "serve", "export",
)  # fmt: skip


class InOrder(TyperGroup):
    def list_commands(self, ctx: Any) -> list[str]:
        return sorted(super().list_commands(ctx), key=ORDER.index)


app = typer.Typer(
    cls=InOrder,
    help="Emotions from what is said, how it sounds and how it looks. Start with: tricue demo",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)
console = Console(soft_wrap=True, highlight=False, markup=False)  # names of files hold brackets

Dataset = Annotated[
    str | None, typer.Option("--dataset", help="Corpus with shipped settings: MELD, RAVDESS, ...")
]
DataDir = Annotated[
    Path | None, typer.Option("--data_dir", help="The corpus in its published layout. [data/<NAME>]")
]
Manifests = Annotated[
    list[Path] | None,
    typer.Option(
        "--manifest", help="Your own corpus: a CSV or Parquet manifest. Repeatable: corpora stand together."
    ),
]
Labels = Annotated[
    str | None,
    typer.Option("--labels", help="Label set, e.g. sentiments (MELD), 8-way, 6-way or 4-way (IEMOCAP)."),
]
Protocol = Annotated[
    str | None,
    typer.Option(
        "--protocol",
        help="How rows are dealt to splits: official, loso, kfold-speaker, kfold-dialogue; leaky to explain figures.",
    ),
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
Split = Annotated[
    str | None, typer.Option("--split", help="train, val (also called dev) or test. [test; leaky: val]")
]
ModelPath = Annotated[Path, typer.Option("--model_path", help="Folder of a checkpoint.")]
Encoder = Annotated[
    list[str] | None,
    typer.Option(
        "--encoder",
        help="Local folder of the model's encoder in place of its hub name; of several: text=FOLDER. Repeatable.",
    ),
]
Whisper = Annotated[
    str | None,
    typer.Option(
        "--whisper",
        help="The Whisper model of --transcribe, which it implies: a hub name or a local folder. [a small English one]",
    ),
]
Quiet = Annotated[bool, typer.Option("--quiet", help="No progress on the terminal.")]
