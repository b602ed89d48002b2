"""Subtitles as segments: SRT and WebVTT, as they are found in the wild (docs/timeline.md has the rules).

Both formats are blocks of lines. A cue is a timing line and the lines under it; what lies between cues in WebVTT
(NOTE, STYLE, REGION) is not said by anybody, and in SRT is more of the cue above, which a blank line has parted.
pysubs2, which the tests hold this against, takes the NOTE after a cue for its words, and drops a cue whose time has
one digit too few.
"""

from __future__ import annotations

import html
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

from tricue.files import is_file
from tricue.recording.segments import Segment
from tricue.types import InputError

MAX_BYTES = 20_000_000  # more than a hundred hours of talk
_TIME = r"(?:(\d{1,4}):)?(\d{1,2}):(\d{1,2}(?:[.,]\d{1,3})?)"
_TIMING = re.compile(rf"\s*{_TIME}\s*-->\s*{_TIME}(?:\s.*)?")
_VOICE = re.compile(r"<v(?:\.[^\s<>]*)?\s([^<>]*)>")
_TAG = re.compile(r"</?[a-zA-Z][^<>]*>|<[\d:.]+>|</?>|\{\\[^{}]*\}")  # <i>, karaoke's <00:01.000>, {\an8}
_WORD = r"[\w.'’#&-]"
_PREFIX = re.compile(
    rf"(?:[-–—]|>>)?\s*([^\W\d_]{_WORD}*(?: {_WORD}+){{0,2}})\s?:(?:\s+|$)"
)  # up to three words
_NO_NAMES = frozenset([
    "note", "notes", "warning", "caution", "attention", "example", "question", "answer", "remember", "hint", "tip",
    "ps", "chapter", "part", "scene", "step", "title", "subtitles", "captions", "translation", "music", "summary",
    "update",
])  # fmt: skip
_TWICE = 2  # cues that a name begins where its capitals say nothing: once it may be `My advice: wait`


def read_subtitles(path: Path) -> list[Segment]:
    """The cues that hold words, in the order of the file, with their speakers where they are named.

    Times are those of the file, unchecked: `segments.usable` knows the recording. Raises InputError where the file
    cannot be read, is no SRT or WebVTT, or has no cue with words.
    """
    text = _decoded(path)
    cues = list(_cues(text.splitlines(), webvtt=text.lstrip().startswith("WEBVTT")))
    if not cues:
        raise InputError(
            f"{path} holds no cue like `00:00:01,000 --> 00:00:02,500`: give subtitles in SRT or WebVTT."
        )
    names = _prefixes([lines for _, _, lines in cues])
    segments = [_segment(start, end, lines, names) for start, end, lines in cues]
    spoken = [segment for segment in segments if segment.text]
    if not spoken:
        raise InputError(f"{path}: none of its {len(cues)} cues holds a word.")
    return spoken


def _decoded(path: Path) -> str:
    """The file as text: by its byte order mark, else UTF-8, else Windows' Latin-1. Raises InputError."""
    if not is_file(path):
        raise InputError(f"There is no file {path}.")
    try:
        if path.stat().st_size > MAX_BYTES:
            raise InputError(f"{path} is larger than {MAX_BYTES:,} bytes: no subtitles are.")
        content = path.read_bytes()
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror}.") from error
    if content.startswith((b"\xff\xfe", b"\xfe\xff")):
        encodings = ["utf-16"]
    elif (
        content[1:2] == b"\0" or content[:1] == b"\0"
    ):  # UTF-16 without its mark: the first character is ASCII
        encodings = ["utf-16-le" if content[1:2] == b"\0" else "utf-16-be"]
    else:
        encodings = ["utf-8-sig", "cp1252", "latin-1"]  # the last one takes any bytes
    for encoding in encodings:
        try:
            return content.decode(encoding)
        except UnicodeDecodeError:
            continue
    raise InputError(f"{path} is not text in UTF-8, UTF-16 or Latin-1: save it anew in UTF-8.")


def _cues(lines: Sequence[str], webvtt: bool) -> Iterator[tuple[float, float, list[str]]]:
    """(start, end, lines) of each cue."""
    cue: tuple[float, float, list[str]] | None = None
    own = True  # whether the lines that come are of the cue
    for number, line in enumerate(lines):
        if timing := _TIMING.fullmatch(line):
            if cue:
                yield cue
            cue, own = (_seconds(*timing.groups()[:3]), _seconds(*timing.groups()[3:]), []), True
        elif not line.strip():
            own = not webvtt
        elif cue and own and not _is_number_of_next(lines, number):
            cue[2].append(line.strip())
    if cue:
        yield cue


def _is_number_of_next(lines: Sequence[str], number: int) -> bool:
    """Whether a line is the number that SRT puts over a cue: digits, and the next line is a timing.

    Below a blank line it is the next that is not blank: line ends that were converted twice part every line.
    """
    if not lines[number].strip().isdigit():
        return False
    after = number + 1
    while number and not lines[number - 1].strip() and after < len(lines) and not lines[after].strip():
        after += 1
    return after < len(lines) and _TIMING.fullmatch(lines[after]) is not None


def _seconds(hours: str | None, minutes: str, seconds: str) -> float:
    return 3600.0 * int(hours or 0) + 60.0 * int(minutes) + float(seconds.replace(",", "."))


def _prefixes(cues: Sequence[Sequence[str]]) -> set[str]:
    """The names that stand before a colon: in capitals where other words are not, else at the beginning of several
    lines; never with a word of _NO_NAMES."""
    plain = [_plain(line) for lines in cues for line in lines]
    begins = Counter(match[1] for line in plain if (match := _PREFIX.match(line)))
    letters = "".join(plain)
    loud = sum(map(str.isupper, letters)) > sum(map(str.islower, letters))
    return {
        name
        for name, times in begins.items()
        if name[0].isupper() and (times >= _TWICE or (name.isupper() and not loud))
        and not _NO_NAMES.intersection(name.lower().split())
    }  # fmt: skip


def _segment(start: float, end: float, lines: Sequence[str], names: set[str]) -> Segment:
    """A cue without its tags; several speakers in one cue are named together, for they share its time."""
    speakers: list[str] = []
    words: list[str] = []
    for line in lines:
        speakers += [html.unescape(voice).strip() for voice in _VOICE.findall(line)]
        plain = _plain(line)
        if (match := _PREFIX.match(plain)) and match[1] in names:
            speakers.append(match[1])
            plain = plain[match.end() :]
        words.append(plain)
    text = " ".join(" ".join(words).split())
    return Segment(start, end, text or None, ", ".join(dict.fromkeys(filter(None, speakers))) or None)


def _plain(line: str) -> str:
    return html.unescape(_TAG.sub("", line)).strip()
