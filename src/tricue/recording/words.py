"""The words of clips and of segments, transcribed where nobody has written them down, and kept for the next run."""

import logging
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path

from tricue.media.decoding import MediaError, decode, probe, sound_note
from tricue.progress import Bar
from tricue.recording.segments import Segment
from tricue.recording.speech import speech_stretches
from tricue.recording.transcribe import Transcriber
from tricue.recording.transcripts import Transcripts, transcript_key
from tricue.types import Fault, ModalityName, Prediction, Utterance

NO_SPEECH = "no speech was found"
_NO_SOUND = f"{NO_SPEECH}: the file has no audio stream of a known codec"
_LOG = logging.getLogger(__name__)
_BATCH = 8  # segments that are transcribed and written together: a kill loses at most these


@dataclass(frozen=True)
class Transcribed:
    """Utterances with the words that were transcribed for them."""

    utterances: list[Utterance]
    silent: dict[str, str] = field(default_factory=dict)  # why there are no words, by the id of who has none
    faults: list[Fault] = field(default_factory=list)  # files that could not be transcribed
    notes: list[Fault] = field(default_factory=list)  # what to know of the sound that was transcribed


def with_words(
    utterances: Sequence[Utterance], transcriber: Transcriber, store: Path, progress: bool = True
) -> Transcribed:
    """Each utterance that has sound and no text, with what is said in it; one without speech stays without.

    store: transcripts are kept there, and not made again. A file that cannot be read stays as it is, with a warning
    and a fault. Raises InputError where the store cannot be written.
    """
    kept, done = Transcripts(store, transcriber.settings), Transcribed([])
    with Bar(progress) as bar:
        bar.begin("Transcribing clips", len(utterances))
        for utterance in utterances:
            done.utterances.append(_with_words(utterance, transcriber, kept, done))
            bar.advance()
    return done


def _with_words(utterance: Utterance, transcriber: Transcriber, kept: Transcripts, done: Transcribed) -> Utterance:
    if utterance.text is not None:
        return utterance
    if utterance.audio is None:
        if utterance.video is not None and not has_sound(utterance.video):
            done.silent[utterance.id] = _NO_SOUND
        return utterance
    key = _key(utterance.audio, *utterance.span("audio"))
    text = kept.get(key) if key is not None else None
    if text is None:
        try:
            text = _words(utterance, transcriber)
        except MediaError as error:
            _LOG.warning("%s: no words can be transcribed: %s", utterance.id, error.reason)
            done.faults.append(Fault(utterance.id, "text", f"no words can be transcribed: {error.reason}"))
            return utterance
        if key is not None:
            kept.add({key: text})
    if not text:
        done.silent[utterance.id] = NO_SPEECH
    with suppress(MediaError):  # gone since it was transcribed
        if (note := sound_note(utterance.audio)) is not None:
            done.notes.append(Fault(utterance.id, "text", note))
    return replace(utterance, text=text or None)


def has_sound(path: Path) -> bool:
    """Whether a file has a stream of sound. True where it cannot be opened: the reason is told where it is read."""
    try:
        return bool(probe(path).sample_rate)
    except MediaError:
        return True


def _words(utterance: Utterance, transcriber: Transcriber) -> str:
    assert utterance.audio is not None
    start, end = utterance.span("audio")
    if start is None and end is None:  # however long the file is
        stretches = speech_stretches(utterance.audio, progress=False)
        said = transcriber.transcribe(utterance.audio, stretches)
        return " ".join(s.text for s in said if s.text)
    clip = decode(utterance.audio, start=start, end=end)
    if clip.audio is None:
        raise MediaError(clip.faults["audio"])
    return transcriber.words(clip.audio)


def _key(path: Path, *span: float | None) -> str | None:
    """None: the file cannot be looked at; the reason is told where it is read."""
    try:
        return transcript_key(path, *span)
    except (OSError, ValueError):
        return None


def transcribe_segments(
    recording: Path, segments: Sequence[Segment], transcriber: Transcriber, store: Path, progress: bool = True
) -> list[Segment]:
    """The segments of a recording with their words; text stays None where nobody speaks.

    store: as for `with_words`. Batches are the same in every run, so that a resumed one says the same: a neighbour may
    change what is transcribed. Raises MediaError where the file cannot be read.
    """
    kept, said = Transcripts(store, transcriber.settings), list[Segment]()
    with Bar(progress) as bar:
        bar.begin("Transcribing segments", len(segments))
        for first in range(0, len(segments), _BATCH):
            batch = segments[first : first + _BATCH]
            spans = [number for segment in batch for number in (segment.start, segment.end)]
            keys = [_key(recording, segment.start, segment.end, *spans) for segment in batch]
            known = [None if key is None else kept.get(key) for key in keys]
            texts = [text for text in known if text is not None]
            if len(texts) < len(batch):
                texts = [s.text or "" for s in transcriber.transcribe(recording, batch)]
                kept.add({key: text for key, text in zip(keys, texts, strict=True) if key is not None})
            said += [replace(s, text=text or None) for s, text in zip(batch, texts, strict=True)]
            bar.advance(len(batch))
    return said


def told_silent(
    prediction: Prediction, utterance: Utterance, modalities: Sequence[ModalityName], reason: str = NO_SPEECH
) -> Prediction:
    """The prediction of an utterance in which nobody speaks, with a note: where it has no other modality, there is no
    answer and no fault.

    modalities: those that are read. reason: why it has no words.
    """
    note = "; ".join(filter(None, [prediction.note, f"text: {reason}"]))
    others = any(utterance.source(modality) is not None for modality in modalities)
    nothing = prediction.label is None and not others
    return replace(prediction, note=note, error=None if nothing else prediction.error)
