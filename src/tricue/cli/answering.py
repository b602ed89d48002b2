"""What `tricue predict` does once its call is understood: rows that are answered as they come, or a timeline."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import typer
from rich.table import Table

from tricue.cli.app import console
from tricue.cli.outputs import check_outputs, check_store
from tricue.registry import MODALITIES
from tricue.types import InputError, Prediction, Utterance

if TYPE_CHECKING:  # `tricue -h` stays quick
    from tricue.config.speaker_settings import Form
    from tricue.prediction.predictions import More
    from tricue.recognizer import MultimodalEmotionRecognizer
    from tricue.recording.segments import Segment
    from tricue.recording.transcribe import Transcriber
    from tricue.recording.words import Transcribed
    from tricue.tasks.task import Task

DEFAULT_TABLE = Path("results/predictions.csv")
STDOUT = Path("-")
_SHOWN = 20  # answers on the terminal
_GROUP, _LARGEST_GROUP = 8, 128  # clips transcribed before they are answered; each time twice as many


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
    modalities: list[str] | None
    abstain: float | None
    hearing: Hearing | None
    quiet: bool
    model: str | Path  # folder or hub name of the checkpoint
    folders: list[Path]  # of encoders: nothing may be written there
    speaker_adaptation: Form | None = None

    def timeline(
        self, recording: Path, subtitles: Path | None, windows: float | None, out: Path | None, store: Path | None
    ) -> int:  # fmt: skip
        """Write the timeline of a recording; return how many of its segments failed."""
        from tricue.prediction.predictions import is_failed
        from tricue.recording.timeline import make_timeline, summary
        from tricue.recording.timeline_files import check_folder, free_folder, timeline_files, write_timeline

        folder = out or free_folder(Path("results"), recording)
        check_folder(folder)
        inputs = [recording, subtitles]
        check_outputs("--out", timeline_files(folder), files=inputs, model=self.model, folders=self.folders)
        segments, notices = self._segments(recording, subtitles, windows, store)
        timeline = make_timeline(
            self.recognizer, recording, segments, modalities=self.modalities, abstain=self.abstain,
            progress=not self.quiet, notices=notices, transcribed=self.hearing is not None,
        )  # fmt: skip
        files = write_timeline(timeline, folder)
        console.print(summary(timeline))
        others = ", ".join(sorted(files.keys() - {"timeline.html"}))
        console.print(f"Timeline: {files['timeline.html']} (beside it {others})")
        return sum(is_failed(entry.prediction) for entry in timeline.entries)

    def _segments(
        self, recording: Path, subtitles: Path | None, windows: float | None, store: Path | None
    ) -> tuple[list[Segment], Sequence[str]]:
        """The segments of a timeline, and what there is to know of them."""
        from tricue.files.atomic import default_store
        from tricue.media.container import playing_time
        from tricue.media.decoding import sound_note
        from tricue.recording import segments, speech
        from tricue.recording.subtitles import read_subtitles
        from tricue.recording.words import NO_SPEECH, has_sound, transcribe_segments

        if subtitles is not None:
            told = read_subtitles(subtitles)
            return told.segments, told.notices
        if windows is not None:
            cut = segments.windows(playing_time(recording), windows)
        else:
            cut = speech.speech_stretches(recording, progress=not self.quiet) if has_sound(recording) else []
            if not cut:  # it is read without words
                return segments.windows(playing_time(recording), segments.WINDOW), (NO_SPEECH,)
        if self.hearing is None:
            if self.recognizer.modalities == ["text"]:
                raise InputError("This model reads text only: give --subtitles or --transcribe.")
            return cut, ()
        place = store or default_store()
        said = transcribe_segments(recording, cut, self.hearing.transcriber, place, not self.quiet)
        # which of several audio streams was transcribed, where no segment says it of its sound
        note = None if "audio" in (self.modalities or self.recognizer.modalities) else sound_note(recording)
        return said, [f"{recording.name}: {note}"] if note is not None else []

    def rows(self, items: list[str], table: Path | None, output: Path | None, store: Path | None) -> int:
        """One answer per file, row or text, shown or written as they come; how many failed."""
        from tricue.files.atomic import default_store
        from tricue.prediction.inputs import kind_of, read_inputs
        from tricue.prediction.predictions import check_table, is_failed

        tables = [Path(item) for item in items if kind_of(item) == "table"]
        told = table or (tables[0] if len(tables) == 1 else None)
        folder = told.parent if told is not None else None  # of files that settings name
        few = table is None and all(kind_of(item) in ("words", "clip") for item in items)
        if output is None and not (few and len(items) <= _SHOWN):
            output = DEFAULT_TABLE
        if output is not None and output != STDOUT:
            check_table(output)
        check_store(store, folders=[Path(item) for item in items if kind_of(item) == "folder"])
        utterances = read_inputs(items, without_modalities=self.recognizer.reads_precomputed)
        if output is not None and output != STDOUT:
            self._check_output(output, items, folder, utterances)
        shown: list[Prediction] = []
        failed = unheard = 0
        with self._written(output) as add:
            for rows, predictions in self._answers(utterances, folder, store or default_store()):
                add(predictions, {"text": [row.text or "" for row in rows]} if table is None else {})
                shown += predictions[: _SHOWN - len(shown)]
                failed += sum(map(is_failed, predictions))
                unheard += sum(row.audio is not None and not row.text for row in rows)
        if output == STDOUT:
            return failed
        if few:
            console.print(answers_table(shown, self.recognizer.card.task))
        if output is not None:
            console.print(f"Predictions: {output}" + f" ({failed} rows failed; see `error`)" * bool(failed))
        if self.hearing is None and self.recognizer.modalities == ["text"] and unheard:
            console.print("This model reads words alone: --transcribe hears those of a clip.")
        return failed

    def _check_output(
        self, output: Path, items: list[str], folder: Path | None, utterances: Sequence[Utterance]
    ) -> None:
        from tricue.extractors.choice import precomputed_files
        from tricue.extractors.precomputed import located
        from tricue.prediction.predictions import unfinished

        features = located(self.recognizer.card.config.features, folder)
        read = [*map(Path, items), *map(Path, precomputed_files(features, MODALITIES).values())]
        read += [path for u in utterances for path in (u.audio, u.video) if path is not None]
        places = [output, unfinished(output)]
        check_outputs("--output_file", places, files=dict.fromkeys(read), model=self.model, folders=self.folders)

    @contextmanager
    def _written(self, output: Path | None) -> Iterator[Callable[[Sequence[Prediction], More], None]]:
        """Gives what takes the next rows: to the terminal, to the file, or nowhere."""
        from tricue.prediction.predictions import growing_table, json_lines

        task = self.recognizer.card.task
        if output == STDOUT:
            yield lambda predictions, more: print_lines(json_lines(predictions, task, more))
        elif output is None:
            yield lambda predictions, more: None
        else:
            with growing_table(output, task) as add:
                yield add

    def _answers(
        self, utterances: Sequence[Utterance], folder: Path | None, store: Path
    ) -> Iterator[tuple[list[Utterance], list[Prediction]]]:
        """The next rows with their words, and their answers, in order."""
        from tricue.prediction.predictions import with_notes
        from tricue.recording.words import told_silent

        given = self.recognizer.card.config.features.precomputed_modalities()
        chosen = self.modalities or self.recognizer.modalities
        modalities = [modality for modality in MODALITIES if modality in chosen]
        for group in self._transcribed(utterances, store):
            notes = [] if "audio" in modalities else group.notes  # which are those of the sound
            row_of = {row.id: row for row in group.utterances}
            for predictions in self.recognizer.predict_in_parts(
                group.utterances, store=store, modalities=self.modalities, abstain=self.abstain, quiet=self.quiet,
                folder=folder, faults=group.faults, speaker_adaptation=self.speaker_adaptation,
            ):  # fmt: skip
                answers = with_notes(predictions, notes)
                for i, p in enumerate(answers):
                    if p.id in group.silent and not given:
                        answers[i] = told_silent(p, row_of[p.id], modalities, group.silent[p.id])
                yield [row_of[p.id] for p in answers], answers

    def _transcribed(self, utterances: Sequence[Utterance], store: Path) -> Iterator[Transcribed]:
        """The utterances with their words, in groups that grow: the first answers come soon. Where a text is read with
        the turns before it, or an answer adapted to the speaker, all are transcribed first."""
        from tricue.recording.words import Transcribed, with_words

        if self.hearing is None:
            yield Transcribed(list(utterances))
            return
        config = self.recognizer.card.config
        together = config.features.text.context > 0 and any(u.dialogue for u in utterances)
        together |= (self.speaker_adaptation or config.speaker.adaptation) != "off" and any(
            u.speaker for u in utterances
        )
        at, size = 0, len(utterances) if together else _GROUP
        while at < len(utterances):
            group = utterances[at : at + size]
            yield with_words(group, self.hearing.transcriber, store, progress=not self.quiet)
            at, size = at + size, min(2 * size, _LARGEST_GROUP)


def print_lines(lines: str) -> None:
    """Print at once, whatever half characters are in it; end quietly where nobody reads on (`| head`)."""
    try:
        sys.stdout.write(lines.encode("utf-8", "replace").decode())
        sys.stdout.flush()
    except BrokenPipeError:
        # what is left would fail at the end again
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise typer.Exit(1) from None


def answers_table(predictions: Sequence[Prediction], task: Task) -> Table:
    """A line per answer: what was asked, the answer, the likeliest classes, the modalities that were used."""
    table = Table(box=None, pad_edge=False)
    for heading in ("", "emotion" if task.is_share else "values", "", "by"):
        table.add_column(heading, overflow="fold")
    for prediction in predictions:
        chances = task.likeliest(prediction)
        remark = prediction.error or (prediction.note if prediction.label is None else None)
        told = f"{chances}  {remark}".strip() if remark else chances
        table.add_row(prediction.id, str(prediction), told, "+".join(prediction.modalities))
    return table
