"""Timing lines of subtitles as they are found: what can be read without a guess, and what only looks like one.

A time is up to four numbers (hours, minutes, seconds, a fraction) parted by `:`, `.`, `,` or `;`, with or without
blanks. A fraction is decimal, however long. Two digits after a third colon may be frames of an unknown rate, and one
number may be anything: such times are not read.
"""

import re
from dataclasses import dataclass

_LONGEST = 300  # characters of a line that are looked at for times
_QUOTED = 40  # characters of a line that a notice shows
# what stands for ASCII in other writing, and marks that nobody sees; digits of any writing are digits already
_PLAIN = str.maketrans("：∶，．；－−＞", "::,.;-->", "\ufeff\u200b\u200e\u200f\u202a\u202b\u202c\u202d\u202e")
_MAYBE = re.compile(r"[>＞;›→⟶➔➜⇒]|^\W*\d")  # most lines are text, and known by this
_DASH = "[-‐‑‒–—―=]"
_STRONG = re.compile(rf"{_DASH}(?: ?{_DASH}){{1,3}} {{0,2}}(?:>|&gt;){{1,2}}|[–—―] ?>")
_ARROW = re.compile(rf"{_DASH}(?: ?{_DASH}){{0,3}} {{0,2}}(?:>|&gt;|›){{1,2}}|[→⟶➔➜⇒]")
_MARK = r"\s{0,2}[:.,;']\s{0,2}"
_STAMP = rf"-?\d{{1,6}}(?:{_MARK}\d{{1,9}}){{0,3}}"
_START = re.compile(
    rf"\s*(?:\d{{1,6}}[.)]?\s+(?=\d+\s?:))?({_STAMP}(?: \d{{3}})?)\s*"
)  # after the cue's number, if any
_END = re.compile(rf"\s*({_STAMP}(?: \d{{3}}(?=\s*$))?)[,.;]?(?:\s+(.*))?", re.DOTALL)
_TWO_TIMES = re.compile(rf"\s*({_STAMP})(?:\s*(?:[^\w\s]{{1,4}}|to)\s*|\s+)({_STAMP})\s*")
_LIKE = re.compile(r"-?\s?\d[^:]{0,15}:|(?:nan|null|undefined):", re.IGNORECASE)
_SETTINGS = re.compile(
    r"(?:\s*(?:(?:[XY][12]|align|position|line|size|vertical|region)\s?[:=]\s?|\w+[:=])\S+)*", re.IGNORECASE
)


@dataclass(frozen=True)
class Timing:
    """A line that is a timing, or looks like one."""

    start: float  # seconds; may be negative
    end: float
    words: str = ""  # what follows the times and is no setting of the cue


@dataclass(frozen=True)
class UnreadableTiming:
    """A line that looks like a timing, and whose times cannot be read without a guess."""

    quoted: str


def read_timing(line: str, begins_block: bool, numbered: bool = False) -> Timing | UnreadableTiming | None:
    """The timing of a line; None where it is text.

    begins_block: it follows a blank line or a cue's number, as timings do: there, what could be a score or an hour
    (`10:30 -> 11:15`) is taken for one. numbered: it follows a cue's number: an arrow there is never text.
    """
    if not _MAYBE.search(line, 0, _LONGEST):
        return None
    head = line[:_LONGEST].translate(_PLAIN)
    arrow = _ARROW.search(head)
    if arrow is None:
        return _two_times(head)
    strong = _STRONG.match(head, arrow.start()) is not None
    before, after = head[: arrow.start()].strip(), head[arrow.end() :].strip()
    begin, end = _START.fullmatch(before), _END.fullmatch(after)
    if begin and end and not _ARROW.search(end[2] or ""):
        first, last = _seconds(begin[1]), _seconds(end[1])
        if first is not None and last is not None:
            sure = strong or (":" in begin[1] and ":" in end[1])
            if (begins_block and sure) or _is_clear(begin[1], end[1], strong):
                return Timing(first, last, _words((end[2] or "") + line[_LONGEST:]))
            return None
    named = strong and (numbered or (begins_block and begin is not None and end is not None))
    if named or _looks_timed(before, after, strong):
        return UnreadableTiming(_quoted(before, arrow[0], after))
    return None


def _two_times(head: str) -> Timing | None:
    """Times without an arrow, which nothing else looks like: `0:00:01.000,0:00:02.500`."""
    if not head[:20].lstrip()[:1].isdigit() or not (found := _TWO_TIMES.fullmatch(head)):
        return None
    start, end = _seconds(found[1]), _seconds(found[2])
    whole = all(len(_numbers(stamp)) >= 3 and re.search(r"[.,]\s*\d+$", stamp) for stamp in found.groups())
    return Timing(start, end) if start is not None and end is not None and whole else None


def _numbers(stamp: str) -> list[str]:
    return re.findall(r"\d+", stamp)


def _seconds(stamp: str) -> float | None:
    """A time in seconds; None where it could be several."""
    numbers, marks = _numbers(stamp), re.findall(r"[:.,;']|(?<=\d) (?=\d)", stamp)
    last = numbers[-1]
    if not marks or (len(numbers) == 2 and marks[0] == ":" and len(last) > 2):
        return None
    fraction = len(numbers) == 4 or marks[-1] in ".,'" or (len(numbers) == 3 and len(last) > 2)
    if fraction and marks[-1] in ":;" and len(last) < 3:  # frames
        return None
    clock, tail = (numbers[:-1], f"0.{last}") if fraction else (numbers, "0")
    if len(clock) > 1 and (len(clock[-1]) > 2 or (len(clock) == 3 and len(clock[1]) > 2)):
        return None
    if len(clock) in (2, 3) and len(numbers) < 4 and set(marks[: len(clock) - 1]) != {":"}:
        return None
    whole = sum(int(number) * 60.0**power for power, number in enumerate(reversed(clock)))
    return (-1 if stamp.startswith("-") else 1) * (whole + float(tail))


def _is_clear(begin: str, end: str, strong: bool) -> bool:
    """Whether two times can be nothing else, wherever the line is."""
    parts = min(len(_numbers(begin)), len(_numbers(end)))
    return parts > 2 or (strong and ":" in begin and ":" in end)


def _looks_timed(before: str, after: str, strong: bool) -> bool:
    """Whether something like a time is on both sides of the arrow, or more than that on one."""
    left, right = _like_a_time(before), _like_a_time(_first(after))
    enough = 2 if strong else 3
    both = left > 0 and right > 0 and (strong or left > 1)
    return both or left >= enough or (right >= enough and (strong or not before))


def _like_a_time(text: str) -> int:
    """How many marks part its numbers (or NaN), whatever else is between them; 0 where there are words."""
    if len(text) > _QUOTED or any(part.isalpha() for part in text.split()) or not _LIKE.match(text):
        return 0
    return sum(map(text.count, ":.,;"))


def _words(rest: str) -> str:
    """What follows the times on their line and the settings there (`align:start`, `X1:40`)."""
    settings = _SETTINGS.match(rest)
    left = rest[settings.end() if settings else 0 :].strip()
    return left if any(map(str.isalpha, left)) else ""


def _quoted(before: str, arrow: str, after: str) -> str:
    """Of the line as much as the times; what follows may be words."""
    told = f"{before} {arrow} {_first(after)}".strip()
    return f"{told[:_QUOTED]}…" if len(told) > _QUOTED else told


def _first(text: str) -> str:
    return next(iter(text.split()), "")
