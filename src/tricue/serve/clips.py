"""A clip's answer: its words heard where that is asked for, the whole read, and a timeline of what is long."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from threading import Event, Lock
from typing import Any

import numpy as np

from tricue.checkpoint.checkpoint import Card
from tricue.media.decoding import SAMPLE_RATE
from tricue.prediction.predictions import abstained
from tricue.recording.segments import WINDOW, Segment, windows
from tricue.recording.speech import stretches_in
from tricue.recording.timeline import Entry, Timeline, as_json, own_note, segment_rows
from tricue.recording.transcribe import Transcriber
from tricue.registry import MODALITIES
from tricue.serve.answers import answer
from tricue.serve.asked import Question
from tricue.serve.decoders import Decoders
from tricue.serve.errors import Refusal, left
from tricue.serve.limits import Limits
from tricue.serve.reading import Reader, Reading
from tricue.serve.upload import Look, Upload, too_many
from tricue.types import InputError, ModalityName, Prediction, Utterance

LONG = 20.0  # seconds from which a clip has a timeline unasked
NO_SPEECH = "no speech was heard in it: it is read without words"
_GROUP = 8  # segments that are read together, so that texts need not wait long


@dataclass(frozen=True)
class Script:
    """How a clip is cut, and what is said in it."""

    parts: list[Segment] | None  # each with its own words; None: the clip is read as a whole
    text: str | None  # of the whole
    notes: tuple[str, ...] = ()  # what is left out, or not heard
    sound: str | None = None  # what to know of the sound in which words were listened for


@dataclass(frozen=True)
class Clips:
    """Answers clips with a reader; blocks, so it is called in threads."""

    reader: Reader
    decoders: Decoders
    limits: Limits
    transcriber: Transcriber | None = None
    _ears: Lock = field(default_factory=Lock)  # the detector of speech keeps what it heard: one at a time

    def answer(self, question: Question, gone: Event) -> dict[str, Any]:
        """An `answers.Answer`, but for its time. gone: set where nobody waits any more.

        Raises Refusal: 413, 422, 499 (gone), 503, 504.
        """
        assert question.file is not None
        _go_on(gone)
        upload = Upload(question.file, self.decoders, self.limits)
        look = upload.look()
        script = self._script(question, upload, look, gone)
        parts, text = script.parts, script.text
        self._check(look, script, question)
        whole = self._row(upload.path, look, text)
        if parts is None:
            reading = self.reader.read([whole], upload)[0]
            reading = replace(reading, notes=(*reading.notes, *self._notes(script)))
            return self._told(reading, question, text, None)
        card = self.reader.card
        readings = list(self._along(whole, parts, upload, gone))
        found = abstained([r.prediction for r in readings], question.abstain)
        timeline = Timeline(
            Path(question.name), look.seconds, card.task, card.calibration, list(self.reader.modalities),
            [Entry(s, p) for s, p in zip(parts, found, strict=True)], card.note,
        )  # fmt: skip
        if text is not None:  # what is said of the whole
            reading = self.reader.read([whole], upload)[0]
        else:
            reading = averaged(readings, parts, card)
        reading = replace(reading, notes=(*reading.notes, *self._notes(script)))
        return self._told(reading, question, text, as_json(timeline))

    def _script(self, question: Question, upload: Upload, look: Look, gone: Event) -> Script:
        """Cut first, and then heard segment by segment, where its words are to be heard."""
        hears = question.transcribe and question.text is None and question.subtitles is None
        if hears and self.transcriber is None:
            raise nothing("This service hears no words: it was started without --transcribe")
        wave, note = upload.sound() if hears and look.sound else (None, None)
        if question.subtitles is not None:
            found = upload.subtitles(question.subtitles, look.seconds)
            return Script(found.segments, question.text, found.notices)
        parts = self._cut(question, look, wave)
        if parts is None:
            text = question.text if wave is None else self._words(wave) or None
            return Script(None, text, (NO_SPEECH,) if hears and text is None else (), note)
        if len(parts) > self.limits.segments:
            raise too_many(len(parts), self.limits.segments)
        if wave is not None:
            parts = self._heard(parts, wave, gone)
        silent = hears and not any(part.text for part in parts)
        return Script(parts, question.text, (NO_SPEECH,) if silent else (), note)

    def _notes(self, script: Script) -> tuple[str, ...]:
        """Of its words. What there is to know of its sound is known already where the model reads that itself."""
        heard = script.sound is not None and "audio" not in self.reader.modalities
        return (*script.notes, f"audio: {script.sound}") if heard else script.notes

    def _cut(self, question: Question, look: Look, wave: np.ndarray | None) -> list[Segment] | None:
        """wave: its sound, where its words are to be heard. None: the clip is read as a whole."""
        if question.windows is not None:
            return _windows(look, question.windows)
        if look.seconds <= LONG:
            return None
        if wave is not None:
            with self._ears:
                return stretches_in([(0.0, wave)]) or _windows(look, WINDOW)
        readable = any(modality in self.reader.modalities for modality in _modalities(look))
        return _windows(look, WINDOW) if readable else None

    def _heard(self, parts: Sequence[Segment], wave: np.ndarray, gone: Event) -> list[Segment]:
        """The same with the words that are said in them."""
        said = []
        for part in parts:
            _go_on(gone)
            said.append(replace(part, text=self._words(_of(wave, part)) or None))
        return said

    def _words(self, wave: np.ndarray) -> str:
        assert self.transcriber is not None
        with self._ears:
            return self.transcriber.words(wave) if wave.size else ""

    def _check(self, look: Look, script: Script, question: Question) -> None:
        """Raises Refusal (422) where the model can read nothing of it."""
        read = [modality for modality in _modalities(look) if modality in self.reader.modalities]
        texts = [script.text, *(s.text for s in script.parts or ())]
        if read or ("text" in self.reader.modalities and any(texts)):
            return
        if "text" not in self.reader.modalities:
            raise nothing(f"This model reads {' and '.join(self.reader.modalities)}, and the clip has none of it")
        if question.transcribe:
            why = "" if script.sound is None else f" ({script.sound})"
            raise nothing(f"This model reads words alone, and none are heard in the clip{why}")
        raise nothing("This model reads words alone: give `text` or `subtitles`, or have them heard: `transcribe`")

    def _row(self, path: Path, look: Look, text: str | None) -> Utterance:
        """With the modalities that the model reads of those that there are."""
        given = dict.fromkeys((modality for modality in _modalities(look) if modality in self.reader.modalities), path)
        return Utterance("1", text=text if "text" in self.reader.modalities else None, **given)  # type: ignore[arg-type]

    def _along(self, whole: Utterance, parts: Sequence[Segment], upload: Upload, gone: Event) -> Iterator[Reading]:
        """A reading per segment."""
        rows = segment_rows(whole, parts, "1")
        if "text" not in self.reader.modalities:
            rows = [replace(row, text=None) for row in rows]
        for first in range(0, len(rows), _GROUP):
            _go_on(gone)
            among = rows[max(0, first - self.reader.turns) : first + _GROUP]
            yield from self.reader.read(rows[first : first + _GROUP], upload, among)

    def _told(
        self, reading: Reading, question: Question, text: str | None, timeline: dict[str, Any] | None
    ) -> dict[str, Any]:
        if reading.prediction.label is None:
            raise nothing(f"Nothing to go by: {reading.prediction.error}")
        return answer("1", reading, self.reader.task, text=text, abstain=question.abstain, timeline=timeline)


def averaged(readings: Sequence[Reading], parts: Sequence[Segment], card: Card) -> Reading:
    """The recording's own: the mean of its segments' answers by their length, with what is noted of them."""
    heard = [r for r in readings if r.prediction.values]
    if not heard:
        return replace(
            readings[0], prediction=Prediction("1", None, None, {}, (), readings[0].prediction.error, card.note)
        )
    seconds = np.array([s.end - s.start for r, s in zip(readings, parts, strict=True) if r.prediction.values])
    shares = seconds / seconds.sum()
    values = (shares @ np.array([list(r.prediction.values.values()) for r in heard])).tolist()
    modalities = tuple(m for m in MODALITIES if any(m in r.prediction.modalities for r in heard))
    nothing = np.zeros(len(values))
    added = {m: shares @ np.array([r.contributions.get(m, nothing) for r in heard]) for m in modalities}
    failed = len(readings) - len(heard)
    error = f"{failed} of {len(readings)} segments have no answer" if failed else None
    named = dict(zip(card.task.names, values, strict=True))
    return Reading(
        Prediction("1", *card.task.decide(values, card.calibration), named, modalities, error, card.note), added,
        (f"mean of {len(heard)} segment{'s' * (len(heard) > 1)}, by their length", *_noted(readings, card.note)),
    )  # fmt: skip


def _noted(readings: Sequence[Reading], note: str | None) -> list[str]:
    """That segments have notes, and the first of them; all stand in the timeline."""
    found = [own for r in readings if (own := own_note(r.prediction, note or ""))]
    return [f"{len(found)} of {len(readings)} segments have a note, e.g. {found[0]}"] if found else []


def _go_on(gone: Event) -> None:
    """Raises Refusal where nobody waits for the answer."""
    if gone.is_set():
        raise left()


def nothing(reason: str) -> Refusal:
    return Refusal(422, "nothing_to_go_by", f"{reason}.")


def _modalities(look: Look) -> list[ModalityName]:
    there: dict[ModalityName, bool] = {"audio": look.sound, "video": look.pixels > 0}
    return [modality for modality, is_there in there.items() if is_there]


def _windows(look: Look, length: float) -> list[Segment]:
    """Raises Refusal (422) for a clip without length."""
    try:
        return windows(look.seconds, length)
    except InputError as error:
        raise Refusal(422, "no_segments", str(error)) from error


def _of(wave: np.ndarray, part: Segment) -> np.ndarray:
    return wave[round(part.start * SAMPLE_RATE) : round(part.end * SAMPLE_RATE)]
