"""Rolling captions: each cue repeats lines of the one before and adds one, so that words would be read two or three
times. What is carried over is taken out, in files that roll; elsewhere a repeated line was said again.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

_TOUCH = 0.1  # seconds from the end of a cue to the start of the next that are no pause
_FLASH = 0.05  # seconds: a cue of which nobody reads a word; YouTube's last 10 ms
_SOON = 5.0  # seconds within which a file that rolls carries a line over
_ROLLS = 2  # cues that add a line, or words to one, from which a file may roll
_SAID = 2  # words of a line that may be said twice in a row: `No!` `No!`


@dataclass(frozen=True)
class Caption:
    """A cue's lines without tags and without empty ones."""

    start: float
    end: float
    lines: tuple[str, ...]
    karaoke: bool = False  # times within its words


def unrolled(cues: Sequence[Caption]) -> list[Caption]:
    """The cues with each line where it is new, as many and in the same order; one that only repeats has no line left,
    and of a line that grows word by word the last stage has all of it. The same cues where the file does not roll."""
    if not _rolls(cues):
        return list(cues)
    found = list(cues[:1])
    carried = 0
    for before, cue in pairwise(cues):
        grows = _grows(before, cue)
        carried = min(carried, len(cue.lines) - 1) if grows else _new_from(before, cue)
        start = cue.start
        if grows:
            start = found[-1].start
            found[-1] = replace(found[-1], lines=())
        found.append(replace(cue, start=start, lines=cue.lines[carried:]))
    return found


def _rolls(cues: Sequence[Caption]) -> bool:
    """Whether cues that follow without a pause keep whole lines and add others: once, where times within words or cues
    too short to read show where they come from, else most of the time."""
    touching = [(a, b) for a, b in pairwise(cues) if a.lines and b.lines and _follows(a, b, _TOUCH)]
    adding = sum(0 < _carried(a, b) < len(b.lines) for a, b in touching)
    growing = sum(_grows(a, b) for a, b in touching)
    flashes = any(b.end - b.start <= _FLASH and _carried(a, b) == len(b.lines) for a, b in touching)
    if adding and (flashes or any(cue.karaoke for cue in cues)):
        return True
    return adding > 0 and adding + growing >= _ROLLS and 2 * (adding + growing) >= len(touching)


def _new_from(before: Caption, cue: Caption) -> int:
    """How many lines a cue of a file that rolls begins with that are not new."""
    carried = _carried(before, cue) if _follows(before, cue, _SOON) else 0
    again = carried == len(cue.lines) == len(before.lines) == 1 and cue.end - cue.start > _FLASH
    return 0 if again and len(cue.lines[0].split()) <= _SAID else carried


def _carried(before: Caption, cue: Caption) -> int:
    """How many lines a cue begins with that the one before ends with."""
    most = min(len(before.lines), len(cue.lines))
    return next((n for n in range(most, 0, -1) if before.lines[-n:] == cue.lines[:n]), 0)


def _grows(before: Caption, cue: Caption) -> bool:
    """Whether a cue is the one before with more on its last line."""
    if not before.lines or len(before.lines) != len(cue.lines) or not _follows(before, cue, _TOUCH):
        return False
    *above, last = before.lines
    grown = cue.lines[-1] != last and cue.lines[-1].startswith(last if above else f"{last} ")
    return cue.lines[:-1] == tuple(above) and grown


def _follows(before: Caption, cue: Caption, seconds: float) -> bool:
    return before.start <= cue.start <= before.end + seconds
