"""What `tricue predict` does once its call is understood: rows that are answered as they come, or a timeline."""

from __future__ import annotations

import os
import sys
from collections import Counter
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
from tricue.types import CUES, InputError, Prediction, Utterance

if TYPE_CHECKING:  # `tricue -h` stays quick
    from tricue.evaluation.predictions import More
    from tricue.recognizer import MultimodalEmotionRecognizer
    from tricue.recording.segments import Segment
    from tricue.recording.transcribe import Transcriber
    from tricue.recording.words import Transcribed

DEFAULT_TABLE = Path("results/predictions.csv")
STDOUT = Path("-")
_SHOWN = 20  # answers on the terminal
_GROUP, _LARGEST_GROUP = (
    8,
    128,
)  # clips that are transcribed before they are answered; each time twice as many


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
    model: str | Path  # folder or hub name of the checkpoint
    folders: list[Path]  # of encoders: nothing may be written there

    def timeline(
        self,
        recording: Path,
        subtitles: Path | None,
        windows: float | None,
        out: Path | None,
        store: Path | None,
    ) -> int:
        """Segments of a recording, their emotions, the files that show them; how many failed."""
        from tricue.evaluation.predictions import is_failed
        from tricue.recording.timeline import make_timeline
        from tricue.recording.write import check_folder, free_folder, timeline_files, write_timeline

        folder = out or free_folder(Path("results"), recording)
        check_folder(folder)
        inputs = [recording, subtitles]
        check_outputs("--out", timeline_files(folder), files=inputs, model=self.model, folders=self.folders)
        segments, notices = self._segments(recording, subtitles, windows, store)
        timeline = make_timeline(
            self.recognizer,
            recording,
            segments,
            cues=self.cues,
            abstain=self.abstain,
            progress=not self.quiet,
            notices=notices,
            transcribed=self.hearing is not None,
        )
        files = write_timeline(timeline, folder)
        told = Counter(str(entry.prediction) for entry in timeline.entries)
        console.print(", ".join(f"{emotion} {count}" for emotion, count in told.most_common()))
        console.print(
            f"Timeline: {files['timeline.html']} (beside it {', '.join(sorted(files.keys() - {'timeline.html'}))})"
        )
        return sum(is_failed(entry.prediction) for entry in timeline.entries)

    def _segments(
        self, recording: Path, subtitles: Path | None, windows: float | None, store: Path | None
    ) -> tuple[list[Segment], Sequence[str]]:
        """The segments of a timeline, and what there is to know of them."""
        from tricue.features.container import playing_time
        from tricue.features.extract import default_store
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
        if self.hearing is not None:
            place = store or default_store()
            said = transcribe_segments(recording, cut, self.hearing.transcriber, place, not self.quiet)
            return said, self._sound_notices(recording)
        if self.recognizer.cues == ["text"]:
            raise InputError(
                "This model reads words alone: give --subtitles, or hear them with --transcribe."
            )
        return cut, ()

    def _sound_notices(self, recording: Path) -> list[str]:
        """Which of several audio streams is transcribed, where no segment says it of its sound."""
        from tricue.features.media import sound_note

        note = None if "audio" in (self.cues or self.recognizer.cues) else sound_note(recording)
        return [f"{recording.name}: {note}"] if note is not None else []

    def rows(self, items: list[str], table: Path | None, output: Path | None, store: Path | None) -> int:
        """One answer per file, row or text, shown or written as they come; how many failed."""
        from tricue.evaluation.predictions import check_table, is_failed
        from tricue.features.extract import default_store
        from tricue.inputs import kind_of, read_inputs

        few = table is None and all(kind_of(item) in ("words", "clip") for item in items)
        if output is None and not (few and len(items) <= _SHOWN):
            output = DEFAULT_TABLE
        if output is not None and output != STDOUT:
            check_table(output)
        check_store(store, folders=[Path(item) for item in items if kind_of(item) == "folder"])
        utterances = read_inputs(items, without_cues=self.recognizer.reads_precomputed)
        self._check_output(output, items, table, utterances)
        shown: list[Prediction] = []
        failed = unheard = 0
        with self._written(output) as add:
            for rows, predictions in self._answers(utterances, table, store or default_store()):
                add(predictions, {"text": [row.text or "" for row in rows]} if table is None else {})
                shown += predictions[: _SHOWN - len(shown)]
                failed += sum(map(is_failed, predictions))
                unheard += sum(row.audio is not None and not row.text for row in rows)
        if output == STDOUT:
            return failed
        if few:
            console.print(answers_table(shown))
        if output is not None:
            console.print(
                f"Predictions: {output}" + (f" ({failed} rows failed; see `error`)" if failed else "")
            )
        if self.hearing is None and self.recognizer.cues == ["text"] and unheard:
            console.print("This model reads words alone: --transcribe hears those of a clip.")
        return failed

    def _check_output(
        self, output: Path | None, items: list[str], table: Path | None, utterances: Sequence[Utterance]
    ) -> None:
        from tricue.evaluation.predictions import unfinished
        from tricue.features.extractors import precomputed_files
        from tricue.features.precomputed import located

        if output is None or output == STDOUT:
            return
        features = located(self.recognizer.card.config.features, table.parent if table is not None else None)
        read = [*map(Path, items), *map(Path, precomputed_files(features, CUES).values())]
        read += [path for u in utterances for path in (u.audio, u.video) if path is not None]
        files = dict.fromkeys(read)
        places = [output, unfinished(output)]
        check_outputs("--output_file", places, files=files, model=self.model, folders=self.folders)

    @contextmanager
    def _written(self, output: Path | None) -> Iterator[Callable[[Sequence[Prediction], More], None]]:
        """Gives what takes the next rows: to the terminal, to the file, or nowhere."""
        from tricue.evaluation.predictions import growing_table, json_lines

        emotions = self.recognizer.emotions
        if output == STDOUT:
            yield lambda predictions, more: print_lines(json_lines(predictions, emotions, more))
        elif output is None:
            yield lambda predictions, more: None
        else:
            with growing_table(output, emotions) as add:
                yield add

    def _answers(
        self, utterances: Sequence[Utterance], table: Path | None, store: Path
    ) -> Iterator[tuple[list[Utterance], list[Prediction]]]:
        """The next rows with their words, and their answers, in order."""
        from tricue.evaluation.predictions import with_notes
        from tricue.recording.words import told_silent

        given = self.recognizer.card.config.features.precomputed_cues()
        cues = [cue for cue in CUES if cue in (self.cues or self.recognizer.cues)]
        for group in self._transcribed(utterances, store):
            notes = [] if "audio" in cues else group.notes  # which are those of the sound
            row_of = {row.id: row for row in group.utterances}
            found = self.recognizer.predict_in_parts(
                group.utterances,
                store=store,
                cues=self.cues,
                abstain=self.abstain,
                quiet=self.quiet,
                folder=table.parent if table is not None else None,
                faults=group.faults,
            )
            for predictions in found:
                rows = [row_of[p.id] for p in predictions]
                yield (
                    rows,
                    [
                        told_silent(p, row, cues, group.silent[p.id])
                        if p.id in group.silent and not given
                        else p
                        for p, row in zip(with_notes(predictions, notes), rows, strict=True)
                    ],
                )

    def _transcribed(self, utterances: Sequence[Utterance], store: Path) -> Iterator[Transcribed]:
        """The utterances with their words, in groups that grow: the first answers come soon. Where a text is read with
        the turns before it, all are transcribed first."""
        from tricue.recording.words import Transcribed, with_words

        if self.hearing is None:
            yield Transcribed(list(utterances))
            return
        together = self.recognizer.card.config.features.text.context and any(u.dialogue for u in utterances)
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
        os.dup2(
            os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno()
        )  # what is left would fail at the end again
        raise typer.Exit(1) from None


def answers_table(predictions: Sequence[Prediction]) -> Table:
    """A line per answer: what was asked, the emotion, the likeliest classes, the cues that were used."""
    table = Table(box=None, pad_edge=False)
    for heading in ("", "emotion", "", "by"):
        table.add_column(heading, overflow="fold")
    for prediction in predictions:
        likely = sorted(prediction.probabilities.items(), key=lambda item: -item[1])[:3]
        chances = "  ".join(f"{emotion} {100 * chance:.0f}%" for emotion, chance in likely)
        remark = prediction.error or (prediction.note if prediction.emotion is None else None)
        told = f"{chances}  {remark}".strip() if remark else chances
        table.add_row(prediction.id, str(prediction), told, "+".join(prediction.cues))
    return table
