"""Segments of a recording, each of which gets an emotion of its own."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

from tricue.spelling import listed
from tricue.types import InputError

_NAMED = 5  # segments that a notice names
SHORTEST_WINDOW = 0.5  # seconds; less holds no syllable
WINDOW = 5.0  # seconds of a stretch where nothing parts the recording


@dataclass(frozen=True)
class Segment:
    """A stretch of a recording: who says what from when to when."""

    start: float  # seconds from the beginning of playback
    end: float
    text: str | None = None  # None: not known, which is not silence
    speaker: str | None = None


def windows(seconds: float, length: float) -> list[Segment]:
    """A recording of `seconds` cut into stretches of `length`; what is left over at the end is a stretch of its own
    from half of that length on, and else belongs to the last one.

    Raises InputError for a length below SHORTEST_WINDOW, or a recording without length.
    """
    if not math.isfinite(length) or length < SHORTEST_WINDOW:
        raise InputError(f"Windows of {length:g} s: give {SHORTEST_WINDOW:g} s or more, e.g. 5.")
    if not seconds > 0:
        raise InputError(f"A recording of {seconds:g} s holds no window.")
    count = max(1, math.floor(seconds / length + 0.5))
    ends = [length * (i + 1) for i in range(count - 1)] + [seconds]
    return [Segment(start, end) for start, end in zip([0.0, *ends], ends, strict=False)]


def usable(segments: Sequence[Segment], seconds: float) -> tuple[list[Segment], str | None]:
    """The segments that lie in a recording of `seconds`, by their start; one that runs beyond the end is cut there.
    What begins after the end, or does not end after it begins, is left out; a notice names it, else None. The notice
    holds words that are said: it is for whoever gave them, and for no log of a service.

    Raises InputError where none is left.
    """
    if not segments:
        raise InputError("There are no segments: nothing in the recording could have an emotion.")
    whole = [replace(s, end=min(s.end, seconds)) for s in segments if 0 <= s.start < min(s.end, seconds)]
    odd = [s for s in segments if not 0 <= s.start < min(s.end, seconds)]
    if not whole:
        raise InputError(
            f"None of the {len(segments)} segments lies in the recording of {seconds:.1f} s: {named(odd)}. "
            "Do the subtitles belong to this recording?"
        )
    why = f"which end before they begin or lie outside the {seconds:.1f} s of the recording: {named(odd)}"
    notice = f"{len(odd)} of {len(segments)} segments left out, {why}" if odd else None
    return sorted(whole, key=lambda s: (s.start, s.end)), notice


def named(segments: Sequence[Segment]) -> str:
    """The first of them by their times and words, for a notice."""
    words = [f" {s.text[:30]!r}" if s.text else "" for s in segments]
    return listed([f"{s.start:.2f}-{s.end:.2f} s{w}" for s, w in zip(segments, words, strict=True)], _NAMED)
