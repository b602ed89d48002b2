"""`tricue predict`: words, a clip, a folder, a table; or a long recording as a timeline."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tricue.cli.answering import DEFAULT_TABLE, STDOUT, Answering, Hearing
from tricue.cli.app import Device, Encoder, Modalities, Quiet, Set, Store, Whisper, app, console
from tricue.cli.outputs import check_outputs
from tricue.cli.settings import parse_cues
from tricue.config import parse_overrides
from tricue.files import is_folder
from tricue.types import InputError

if TYPE_CHECKING:
    from tricue.recognizer import MultimodalEmotionRecognizer


@app.command(short_help="Emotions of words, clips, folders, tables, recordings.")
def predict(
    inputs: Annotated[
        list[str] | None,
        typer.Argument(
            help="A media file, a folder of them, a CSV or Parquet table, or words; several, too."
        ),
    ] = None,
    input_file: Annotated[
        Path | None,
        typer.Option(
            "--input_file", help="CSV or Parquet with any of the columns text, audio, video (and id)."
        ),
    ] = None,
    output_file: Annotated[
        Path | None,
        typer.Option(
            "--output_file",
            help="Where answers are written, as .csv, .json or .jsonl; - is JSON Lines on the terminal. "
            f"[{DEFAULT_TABLE}, for words and single clips the terminal alone]",
        ),
    ] = None,
    model_path: Annotated[
        str | None,
        typer.Option(
            "--model_path",
            help="Folder of a checkpoint, or its hub name. [checkpoints/best_model, else the text model that "
            "comes with tricue]",
        ),
    ] = None,
    encoder: Encoder = None,
    abstain: Annotated[
        float | None, typer.Option("--abstain", help='Below this probability the answer is "uncertain".')
    ] = None,
    subtitles: Annotated[
        Path | None, typer.Option("--subtitles", help="SRT or WebVTT of a recording: makes a timeline.")
    ] = None,
    transcribe: Annotated[
        bool,
        typer.Option(
            "--transcribe",
            help="Hear the words (Whisper): of one recording as a timeline (with --output_file: as one answer), else "
            "of each clip.",
        ),
    ] = False,
    whisper: Whisper = None,
    windows: Annotated[
        float | None,
        typer.Option("--windows", help="Cut a recording every so many seconds: makes a timeline."),
    ] = None,
    out: Annotated[
        Path | None, typer.Option("--out", help="Folder of a timeline. [results/<recording>]")
    ] = None,
    backend: Annotated[str, typer.Option("--backend", help="torch or onnx.")] = "torch",
    modalities: Modalities = None,
    settings: Set = None,
    store: Store = None,
    device: Device = "auto",
    quiet: Quiet = False,
) -> None:
    """Emotions for anything: words, a clip, a folder of clips, the rows of a table (rows in = rows out).

    \b
    tricue predict "I am so happy to see you"
    tricue predict clips/ --transcribe --output_file answers.jsonl
    tricue predict talk.mp4 --subtitles talk.srt
    """
    items = [*(inputs or ()), *([str(input_file)] if input_file is not None else ())]
    if not items:
        raise InputError(
            'Nothing to predict: give words in quotes, a file or a folder: tricue predict "Hi there!"'
        )
    hearing = Hearing(whisper, device) if transcribe or whisper is not None else None
    cut = subtitles is not None or windows is not None
    timeline = cut or (hearing is not None and output_file is None and _is_recording(items))
    if subtitles is not None and (windows is not None or hearing is not None):
        raise InputError(
            "Subtitles cut the recording and give its words: leave out --windows, --transcribe and --whisper."
        )
    _check_places(timeline, output_file, store if hearing is None else None, out)
    if output_file is not None:  # the rest is known once the model and the rows are
        check_outputs("--output_file", [output_file], files=map(Path, items))
    from tricue.recognizer import find_model

    recognizer = open_model(model_path, encoder, settings, device, backend)
    places = [Path(item.rpartition("=")[2]) for item in (*(encoder or ()), *([whisper] if whisper else ()))]
    folders = [place for place in places if is_folder(place)]
    answer = Answering(
        recognizer, parse_cues(modalities), abstain, hearing, quiet, find_model(model_path), folders
    )
    if timeline:
        failed = answer.timeline(_one_recording(items), subtitles, windows, out, store)
    else:
        failed = answer.rows(items, input_file, output_file, store)
    if recognizer.card.note and output_file != STDOUT:  # each of its lines has the note
        console.print(recognizer.card.note)
    raise typer.Exit(1 if failed else 0)


def open_model(
    model_path: str | None,
    encoder: list[str] | None,
    settings: list[str] | None,
    device: str,
    backend: str = "torch",
) -> MultimodalEmotionRecognizer:
    """The model that `predict` and `serve` answer with."""
    from tricue.checkpoint import read_card
    from tricue.recognizer import MultimodalEmotionRecognizer, encoder_overrides, find_model, local_checkpoint

    folder = local_checkpoint(find_model(model_path))
    overrides = encoder_overrides(encoder, read_card(folder)) | parse_overrides(settings or [])
    return MultimodalEmotionRecognizer.from_pretrained(
        folder, overrides=overrides, device=device, backend=backend
    )


def _check_places(timeline: bool, output_file: Path | None, store: Path | None, out: Path | None) -> None:
    """Raise InputError for a place where nothing would be put."""
    if timeline and output_file is not None:
        raise InputError(
            "A timeline is a folder of files: give --out FOLDER. --output_file is for answers without "
            "--subtitles and --windows."
        )
    if timeline and store is not None:
        raise InputError("A timeline keeps no features: leave out --store.")
    if not timeline and out is not None:
        raise InputError(
            "--out is the folder of a timeline: give one recording with --subtitles, --transcribe or --windows. "
            "Answers go to --output_file."
        )


def _is_recording(items: Sequence[str]) -> bool:
    from tricue.inputs import kind_of

    return len(items) == 1 and kind_of(items[0]) == "clip"


def _one_recording(items: Sequence[str]) -> Path:
    if not _is_recording(items):
        raise InputError(
            f"A timeline is made of one recording; {', '.join(items)} is none. Give one media file."
        )
    return Path(items[0])
