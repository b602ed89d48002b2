"""Where somebody speaks: silero-vad (its weights come with the package) over a stream of sound."""

import math
import threading
from collections.abc import Iterable, Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from tricue.media.container import playing_time
from tricue.media.sound import SAMPLE_RATE
from tricue.media.sound_stream import sound_blocks
from tricue.progress import Bar
from tricue.recording.segments import Segment

PAUSE = 0.5  # seconds without speech that part two stretches
SHORTEST, LONGEST = 0.25, 20.0  # seconds of a stretch; a longer one is parted at its longest pause
MARGIN = 0.1  # seconds kept before and after the speech: the detector is late for soft sounds
_CHUNK = 512  # samples that the detector takes at once, the only number it knows
_SILENCE = [0.0] * (math.ceil(PAUSE * SAMPLE_RATE / _CHUNK) + 1)  # chances of speech in a pause, and one more
_JUMP = 0.05  # seconds from which a block does not follow the one before it
_OF_THREAD = threading.local()


def detector_settings() -> dict[str, Any]:
    """Everything that decides where speech is found, as JSON: for the key of what is stored."""
    return {
        "name": "silero-vad", "version": version("silero-vad"), "pause": PAUSE, "shortest": SHORTEST,
        "longest": LONGEST, "margin": MARGIN,
    }  # fmt: skip


def speech_stretches(path: Path, progress: bool = True) -> list[Segment]:
    """The stretches of a recording in which somebody speaks, about as long as utterances; an empty list where nobody
    does. Memory does not grow with the recording's length, but for a number per 32 ms.

    Raises MediaError where the file cannot be opened or gives no sound.
    """
    with Bar(progress) as bar:
        bar.begin("Listening for speech (seconds)", round(playing_time(path)))

        def counted() -> Iterator[tuple[float, np.ndarray]]:
            for begins, wave in sound_blocks(path):
                yield begins, wave
                bar.advance(round(wave.size / SAMPLE_RATE))

        return stretches_in(counted())


def stretches_in(blocks: Iterable[tuple[float, np.ndarray]]) -> list[Segment]:
    """The same of blocks of sound: seconds at which each begins, (samples,) float32 at 16 kHz, mono."""
    silero = _silero()
    found: list[Segment] = []
    for begins, chances in _runs(blocks):
        until = begins + len(chances) * _CHUNK / SAMPLE_RATE
        # a pause that the end cuts short would count as speech: a blip before it would be long enough
        stretches = silero.get_speech_timestamps_from_probs(
            chances + _SILENCE, sampling_rate=SAMPLE_RATE, min_silence_duration_ms=round(1000 * PAUSE),
            min_speech_duration_ms=round(1000 * SHORTEST), max_speech_duration_s=LONGEST,
            speech_pad_ms=round(1000 * MARGIN),
        )  # fmt: skip
        found += [
            Segment(begins + s["start"] / SAMPLE_RATE, min(begins + s["end"] / SAMPLE_RATE, until)) for s in stretches
        ]
    return found


def _runs(blocks: Iterable[tuple[float, np.ndarray]]) -> Iterator[tuple[float, list[float]]]:
    """Sound without a gap: when it begins, and the chance of speech in each chunk."""
    detector = _detector()
    detector.reset_states()
    begins, chances, rest = 0.0, list[float](), np.zeros(0, np.float32)
    for at, wave in blocks:
        reached = begins + (len(chances) * _CHUNK + rest.size) / SAMPLE_RATE
        if abs(at - reached) > _JUMP:
            yield begins, chances
            detector.reset_states()
            begins, chances, rest = at, [], rest[:0]
        rest = np.concatenate([rest, wave])
        whole = rest.size // _CHUNK * _CHUNK
        chances += _heard(detector, rest[:whole].reshape(-1, _CHUNK))
        rest = rest[whole:]
    if rest.size:
        chances += _heard(detector, np.pad(rest, (0, _CHUNK - rest.size))[None])
    yield begins, chances


def _heard(detector: Any, chunks: np.ndarray) -> list[float]:
    """The chance of speech in each of (N, 512) samples; the detector remembers those before."""
    import torch

    with torch.inference_mode():
        return [float(detector(chunk, SAMPLE_RATE)) for chunk in torch.from_numpy(chunks)]


def _detector() -> Any:
    """One for each thread, for it remembers what it has heard; loading takes longer than a short clip."""
    if not hasattr(_OF_THREAD, "detector"):
        _OF_THREAD.detector = _silero().load_silero_vad()
    return _OF_THREAD.detector


def _silero() -> Any:
    """The package, whose import sets PyTorch's threads to one for all that is done in this process."""
    import torch

    threads = torch.get_num_threads()
    import silero_vad

    torch.set_num_threads(threads)
    return silero_vad
