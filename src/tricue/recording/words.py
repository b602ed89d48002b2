"""The words of clips, heard where nobody has written them down."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import replace

from tricue.features.media import MediaError, decode
from tricue.features.progress import Bar
from tricue.recording.speech import speech_stretches
from tricue.recording.transcribe import Transcriber
from tricue.types import Utterance

_LOG = logging.getLogger(__name__)


def with_words(
    utterances: Sequence[Utterance], transcriber: Transcriber, progress: bool = True
) -> list[Utterance]:
    """Each utterance that has sound and no text, with what is said in it; one without speech stays without.

    A file that cannot be heard stays as it is, with a warning: where it is read the reason is told again.
    """
    heard = []
    with Bar(progress) as bar:
        bar.begin("Hearing words", len(utterances))
        for utterance in utterances:
            heard.append(_with_words(utterance, transcriber))
            bar.advance()
    return heard


def _with_words(utterance: Utterance, transcriber: Transcriber) -> Utterance:
    if utterance.text is not None or utterance.audio is None:
        return utterance
    start, end = utterance.span("audio")
    try:
        if start is None and end is None:  # however long the file is
            stretches = speech_stretches(utterance.audio, progress=False)
            said = transcriber.transcribe(utterance.audio, stretches, progress=False)
            words = " ".join(s.text for s in said if s.text)
        else:
            wave = decode(utterance.audio, start=start, end=end).audio
            words = "" if wave is None else transcriber.words(wave)
    except MediaError as error:
        _LOG.warning("%s: no words can be heard: %s", utterance.id, error.reason)
        return utterance
    return replace(utterance, text=words or None)
