"""`tricue predict`: words, a clip, a folder, a table; or a long recording as a timeline."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from typer import Argument, Option

from tricue.adaptation.contexts import read_form
from tricue.cli import app as cli
from tricue.cli.answering import DEFAULT_TABLE, STDOUT, Answering, Hearing
from tricue.cli.outputs import check_outputs
from tricue.cli.setting_flags import parse_modalities
from tricue.config.load import parse_overrides
from tricue.files.atomic import is_folder
from tricue.types import InputError

if TYPE_CHECKING:
    from tricue.recognizer import MultimodalEmotionRecognizer


@cli.app.command(short_help="Emotions of words, clips, folders, tables, recordings.")
def predict(
    inputs: Annotated[
        list[str] | None, Argument(help="Media files, folders of them, CSV or Parquet tables, or words.")
    ] = None,
    input_file: Annotated[
        Path | None, Option("--input_file", help="CSV or Parquet with any of the columns text, audio, video (and id).")
    ] = None,
    output_file: Annotated[
        Path | None,
        Option(
            "--output_file",
            help="Predictions as .csv, .json or .jsonl; - is JSON Lines on the terminal. "
            f"[{DEFAULT_TABLE}; for words and single clips the terminal only]",
        ),
    ] = None,
    model_path: cli.AnyModel = None,
    encoder: cli.Encoder = None,
    abstain: Annotated[
        float | None, Option("--abstain", help='Probability below which the answer is "uncertain".')
    ] = None,
    speaker_adaptation: cli.Adaptation = None,
    subtitles: Annotated[
        Path | None, Option("--subtitles", help="SRT or WebVTT of a recording: makes a timeline.")
    ] = None,
    transcribe: Annotated[
        bool,
        Option(
            "--transcribe",
            help="Transcribe speech with Whisper. One recording becomes a timeline (with --output_file: one answer).",
        ),
    ] = False,
    whisper: cli.Whisper = None,
    windows: Annotated[
        float | None, Option("--windows", help="Seconds of a window of a recording: makes a timeline.")
    ] = None,
    out: Annotated[Path | None, Option("--out", help="Folder of a timeline. [results/<recording>]")] = None,
    backend: cli.Backend = "torch",
    modalities: cli.Modalities = None,
    settings: cli.Set = None,
    store: cli.Store = None,
    device: cli.Device = "auto",
    quiet: cli.Quiet = False,
) -> None:
    """Emotions for anything: words, a clip, a folder of clips, the rows of a table (rows in = rows out).

    \b
    tricue predict "I am so happy to see you"
    tricue predict clips/ --transcribe --output_file answers.jsonl
    tricue predict talk.mp4 --subtitles talk.srt
    """
    items = [*(inputs or ()), *([str(input_file)] if input_file is not None else ())]
    if not items:
        raise InputError('Nothing to predict: give words, a file or a folder: tricue predict "Hi there!"')
    hearing = Hearing(whisper, device) if transcribe or whisper is not None else None
    cut = subtitles is not None or windows is not None
    timeline = cut or (hearing is not None and output_file is None and _is_recording(items))
    if subtitles is not None and (windows is not None or hearing is not None):
        raise InputError("--subtitles cut the recording and give its words: leave out --windows, --transcribe.")
    if timeline and speaker_adaptation is not None:
        raise InputError("--speaker_adaptation is for tables: a timeline is answered segment by segment.")
    _check_places(timeline, output_file, store if hearing is None else None, out)
    if output_file is not None:  # the rest is known once the model and the rows are
        check_outputs("--output_file", [output_file], files=map(Path, items))
    from tricue.recognizer import find_model

    recognizer = open_model(model_path, encoder, settings, device, backend)
    places = [Path(item.rpartition("=")[2]) for item in (*(encoder or ()), *([whisper] if whisper else ()))]
    folders = [place for place in places if is_folder(place)]
    answer = Answering(
        recognizer, parse_modalities(modalities), abstain, hearing, quiet, find_model(model_path), folders,
        read_form(speaker_adaptation),
    )  # fmt: skip
    if timeline:
        failed = answer.timeline(_one_recording(items), subtitles, windows, out, store)
    else:
        failed = answer.rows(items, input_file, output_file, store)
    if recognizer.card.note and output_file != STDOUT:  # each of its lines has the note
        cli.console.print(recognizer.card.note)
    raise typer.Exit(1 if failed else 0)


def open_model(
    model_path: str | None, encoder: list[str] | None, settings: list[str] | None, device: str, backend: str
) -> MultimodalEmotionRecognizer:
    """The model that `predict` and `serve` answer with."""
    from tricue.checkpoint.checkpoint import read_card
    from tricue.recognizer import MultimodalEmotionRecognizer, encoder_overrides, find_model, local_checkpoint

    folder = local_checkpoint(find_model(model_path))
    overrides = encoder_overrides(encoder, read_card(folder)) | parse_overrides(settings or [])
    return MultimodalEmotionRecognizer.from_pretrained(folder, overrides=overrides, device=device, backend=backend)


def _check_places(timeline: bool, output_file: Path | None, store: Path | None, out: Path | None) -> None:
    """Raise InputError for a place where nothing would be put."""
    if timeline and output_file is not None:
        raise InputError("A timeline is a folder: give --out FOLDER; --output_file: without --subtitles and --windows.")
    if timeline and store is not None:
        raise InputError("A timeline keeps no features: leave out --store.")
    if not timeline and out is not None:
        raise InputError(
            "--out is the folder of a timeline (--subtitles, --transcribe, --windows); answers: --output_file."
        )


def _is_recording(items: Sequence[str]) -> bool:
    from tricue.prediction.inputs import kind_of

    return len(items) == 1 and kind_of(items[0]) == "clip"


def _one_recording(items: Sequence[str]) -> Path:
    if not _is_recording(items):
        raise InputError(f"A timeline is made of one recording: give one media file, not {', '.join(items)}.")
    return Path(items[0])
