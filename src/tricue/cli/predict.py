"""`tricue predict`: words, a clip, a folder, a table; or a long recording as a timeline."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table

from tricue.cli.app import Device, Encoder, Modalities, Quiet, Set, Store, Whisper, app, console
from tricue.cli.settings import parse_cues
from tricue.config import parse_overrides
from tricue.types import InputError, Prediction, Utterance

if TYPE_CHECKING:
    from tricue.recognizer import MultimodalEmotionRecognizer
    from tricue.recording.segments import Segment
    from tricue.recording.transcribe import Transcriber

DEFAULT_TABLE = Path("results/predictions.csv")
_SHOWN = 20  # answers on the terminal
_STDOUT = Path("-")


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
    _check_places(timeline, output_file, store, out)
    recognizer = open_model(model_path, encoder, settings, device, backend)
    answer = Answering(recognizer, parse_cues(modalities), abstain, hearing, quiet)
    if timeline:
        failed = answer.timeline(_one_recording(items), subtitles, windows, out)
    else:
        failed = answer.rows(items, input_file, output_file, store)
    if recognizer.card.note and output_file != _STDOUT:  # each of its lines has the note
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


@dataclass(frozen=True)
class Hearing:
    """Words out of speech, by a Whisper model that is loaded when the first are wanted."""

    whisper: str | None  # None: the default
    device: str

    @cached_property
    def transcriber(self) -> Transcriber:
        from tricue.recording.transcribe import DEFAULT_MODEL, Transcriber

        return Transcriber(self.whisper or DEFAULT_MODEL, self.device)


@dataclass(frozen=True)
class Answering:
    """What is answered with, and how."""

    recognizer: MultimodalEmotionRecognizer
    cues: list[str] | None
    abstain: float | None
    hearing: Hearing | None
    quiet: bool

    def timeline(
        self, recording: Path, subtitles: Path | None, windows: float | None, out: Path | None
    ) -> int:
        """Segments of a recording, their emotions, the files that show them; how many failed."""
        from tricue.recording.timeline import make_timeline
        from tricue.recording.write import check_folder, write_timeline

        folder = out or Path("results") / recording.stem
        check_folder(folder)
        segments, notices = self._segments(recording, subtitles, windows)
        timeline = make_timeline(
            self.recognizer,
            recording,
            segments,
            cues=self.cues,
            abstain=self.abstain,
            progress=not self.quiet,
            notices=notices,
        )
        files = write_timeline(timeline, folder)
        told = Counter(str(entry.prediction) for entry in timeline.entries)
        console.print(", ".join(f"{emotion} {count}" for emotion, count in told.most_common()))
        console.print(
            f"Timeline: {files['timeline.html']} (beside it {', '.join(sorted(files.keys() - {'timeline.html'}))})"
        )
        return sum(entry.prediction.error is not None for entry in timeline.entries)

    def _segments(
        self, recording: Path, subtitles: Path | None, windows: float | None
    ) -> tuple[list[Segment], Sequence[str]]:
        """The segments of a timeline, and what there is to know of them."""
        from tricue.features.container import playing_time
        from tricue.recording import segments, speech
        from tricue.recording.subtitles import read_subtitles

        if subtitles is not None:
            told = read_subtitles(subtitles)
            return told.segments, told.notices
        if windows is not None:
            cut = segments.windows(playing_time(recording), windows)
        else:
            cut = speech.speech_stretches(recording, progress=not self.quiet)
        if self.hearing is not None:
            return self.hearing.transcriber.transcribe(recording, cut, progress=not self.quiet), ()
        if self.recognizer.cues == ["text"]:
            raise InputError(
                "This model reads words alone: give --subtitles, or hear them with --transcribe."
            )
        return cut, ()

    def rows(self, items: list[str], table: Path | None, output: Path | None, store: Path | None) -> int:
        """One answer per file, row or text, shown or written; how many failed."""
        from tricue.evaluation.predictions import check_table, json_lines, write_predictions
        from tricue.features.extract import default_store
        from tricue.inputs import kind_of, read_inputs

        few = table is None and all(kind_of(item) in ("words", "clip") for item in items)
        if output is None and not (few and len(items) <= _SHOWN):
            output = DEFAULT_TABLE
        if output not in (None, _STDOUT):
            check_table(output)
        utterances = read_inputs(items, without_cues=self.recognizer.reads_precomputed)
        if self.hearing is not None:
            from tricue.recording.words import with_words

            utterances = with_words(utterances, self.hearing.transcriber, progress=not self.quiet)
        predictions = self.recognizer.predict_stored(
            utterances,
            store=store or default_store(),
            cues=self.cues,
            abstain=self.abstain,
            quiet=self.quiet,
            folder=table.parent if table is not None else None,
        )
        failed = sum(p.error is not None for p in predictions)
        words = {"text": [u.text or "" for u in utterances]} if table is None else {}
        if output == _STDOUT:
            sys.stdout.write(json_lines(predictions, self.recognizer.emotions, words))
            return failed
        if few:
            console.print(answers_table(predictions[:_SHOWN], utterances))
        if output is not None:
            write_predictions(output, predictions, self.recognizer.emotions, words)
            console.print(
                f"Predictions: {output}" + (f" ({failed} rows failed; see `error`)" if failed else "")
            )
        if (
            self.hearing is None
            and self.recognizer.cues == ["text"]
            and any(u.audio and not u.text for u in utterances)
        ):
            console.print("This model reads words alone: --transcribe hears those of a clip.")
        return failed


def answers_table(predictions: Sequence[Prediction], utterances: Sequence[Utterance]) -> Table:
    """A line per answer: what was asked, the emotion, the likeliest classes, the cues that were used."""
    table = Table(box=None, pad_edge=False)
    for heading in ("", "emotion", "", "by"):
        table.add_column(heading, overflow="fold")
    for prediction in predictions:
        likely = sorted(prediction.probabilities.items(), key=lambda item: -item[1])[:3]
        chances = "  ".join(f"{emotion} {100 * chance:.0f}%" for emotion, chance in likely)
        told = chances if prediction.error is None else f"{chances}  {prediction.error}".strip()
        table.add_row(prediction.id, str(prediction), told, "+".join(prediction.cues))
    return table


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
