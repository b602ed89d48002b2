"""Subtitles as segments: SRT and WebVTT, as they are found in the wild (docs/timeline.md has the rules).

Both formats are blocks of lines. A cue is a timing line and the lines under it; what lies between cues in WebVTT
(NOTE, STYLE, REGION) is not said by anybody, and in SRT is more of the cue above, which a blank line has parted.
pysubs2, which the tests hold this against, takes the NOTE after a cue for its words, and drops a cue whose time has
one digit too few.
"""

import html
import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from itertools import compress
from pathlib import Path

from tricue.files.atomic import is_file
from tricue.recording.rolling import Caption, unrolled
from tricue.recording.segments import Segment, named
from tricue.recording.speakers import Names, names_in
from tricue.recording.timing import Timing, UnreadableTiming, read_timing
from tricue.spelling import listed
from tricue.types import MAX_TEXT_CHARACTERS, InputError, InvalidFileError

MAX_BYTES = 20_000_000  # more than a hundred hours of talk
MAX_CUES, MAX_LINES = 100_000, 1_000_000
_RAW = 20 * MAX_TEXT_CHARACTERS  # characters of a cue with its tags; karaoke has a dozen for each of a word's
_NAMED = 5  # lines that a notice names
_LIKE = "`00:00:01,000 --> 00:00:02,500`"
_SPEAKERS = 200  # characters of a cue's speakers together
_VOICE = re.compile(r"<v(?:\.[^\s<>]*)?\s([^<>]*)>")
_KARAOKE = re.compile(r"<[\d:.]+>")
_TAG = re.compile(r"</?[a-zA-Z][^<>]*>|<[\d:.]+>|</?>|\{\\[^{}]*\}")  # <i>, karaoke's <00:01.000>, {\an8}
_NO_CHARACTER = re.compile(r"&(?=#\d{8}|#[xX][\da-fA-F]{7})")  # a number that none has, however long


@dataclass(frozen=True)
class Subtitles:
    """What is said when, and what of the file could not be taken as it is."""

    segments: list[Segment]  # in the order of the file
    notices: tuple[str, ...] = ()  # they quote the file: for whoever gave it, and for no log of a service


@dataclass
class _Cue:
    start: float
    end: float
    lines: list[str] = field(default_factory=list)
    size: int = 0  # characters of its lines in the file

    def add(self, line: str) -> None:
        if line and self.size < _RAW:
            self.lines.append(line[: _RAW - self.size])
        self.size += len(line)


def read_subtitles(path: Path) -> Subtitles:
    """The cues that hold words, with their speakers where they are named, each line once where captions roll.

    Times are those of the file (0 for a cue that begins before it), unchecked: `segments.usable` knows the recording.
    Raises InputError where there is no such file or it cannot be read; InvalidFileError where it is no SRT or WebVTT,
    has no cue with words or none whose times can be read, or is beyond MAX_BYTES, MAX_LINES or MAX_CUES.
    """
    text = _decoded(path)
    if text.count("\n") > MAX_LINES:
        raise InvalidFileError(f"{path} has more than {MAX_LINES:,} lines: give it in parts.")
    cues, unreadable = _cues(text.split("\n"), webvtt=text.lstrip().startswith("WEBVTT"))
    if len(cues) + len(unreadable) > MAX_CUES:
        raise InvalidFileError(f"{path} holds more than {MAX_CUES:,} cues: give it in parts.")
    lines = listed(unreadable, _NAMED)
    if not cues:
        raise InvalidFileError(
            f"{path}: none of its {len(unreadable)} cues has times that can be read: {lines}. Write them like {_LIKE}."
            if unreadable
            else f"{path} holds no cue like {_LIKE}: give subtitles in SRT or WebVTT."
        )
    told = _segments(cues)
    if not told.segments:
        raise InvalidFileError(f"{path}: none of its {len(cues)} cues holds a word.")
    if not unreadable:
        return told
    count = f"{len(unreadable)} cue{'s' * (len(unreadable) > 1)}"
    return Subtitles(told.segments, (f"{count} left out, whose times cannot be read: {lines}", *told.notices))


def _decoded(path: Path) -> str:
    """The file as text with `\\n` between lines: by its byte order mark, else UTF-8, else Windows' Latin-1."""
    if not is_file(path):
        raise InputError(f"There is no file {path}.")
    try:
        if path.stat().st_size > MAX_BYTES:
            raise InvalidFileError(f"{path} is larger than {MAX_BYTES:,} bytes: no subtitles are.")
        content = path.read_bytes()
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror}.") from error
    encodings = ["utf-8-sig", "cp1252", "latin-1"]  # the last one takes any bytes
    if content.startswith((b"\xff\xfe", b"\xfe\xff")):
        encodings = ["utf-16"]
    elif b"\0" in content[:2]:  # UTF-16 without its mark: the first character is ASCII
        encodings = ["utf-16-le" if content[1:2] == b"\0" else "utf-16-be"]
    for encoding in encodings:
        try:
            text = content.decode(encoding)
        except UnicodeDecodeError:
            continue
        text = text.replace("\r\r\n", "\n").replace("\r\n", "\n").replace("\r", "\n")
        return text.replace("\0", "\N{REPLACEMENT CHARACTER}")
    raise InvalidFileError(f"{path} is not text in UTF-8, UTF-16 or Latin-1: save it anew in UTF-8.")


def _cues(lines: Sequence[str], webvtt: bool) -> tuple[list[_Cue], list[str]]:
    """The cues, and those lines, with their numbers, that look like timings and cannot be read."""
    cues: list[_Cue] = []
    unreadable: list[str] = []
    cue: _Cue | None = None  # whose lines come; None: nobody's
    for number, line in enumerate(lines):
        timing = _timing(lines, number)
        if isinstance(timing, Timing):
            cue = _Cue(max(0.0, timing.start) if timing.end > 0 else timing.start, timing.end)
            cue.add(timing.words)
            cues.append(cue)
        elif isinstance(timing, UnreadableTiming):
            cue = None
            unreadable.append(f"line {number + 1} {timing.quoted!r}")
        elif not line:
            cue = None if webvtt else cue
        elif cue and not _is_number_of_next(lines, number):
            cue.add(line.strip())
    return cues, unreadable


def _timing(lines: Sequence[str], number: int) -> Timing | UnreadableTiming | None:
    before = lines[number - 1].strip() if number else ""
    numbered = before.isdigit() and (number == 1 or not lines[number - 2].strip())
    return read_timing(lines[number], not before or before.isdigit(), numbered)


def _is_number_of_next(lines: Sequence[str], number: int) -> bool:
    """Whether a line is the number that SRT puts over a cue: digits, and the next line is a timing.

    Below a blank line it is the next that is not blank: line ends that were converted twice part every line.
    """
    if not lines[number].strip().isdigit():
        return False
    after = number + 1
    while number and not lines[number - 1].strip() and after < len(lines) and not lines[after].strip():
        after += 1
    return after < len(lines) and _timing(lines, after) is not None


def _segments(cues: Sequence[_Cue]) -> Subtitles:
    """Those of the cues that hold words."""
    captions = []
    for cue in cues:
        karaoke = any(_KARAOKE.search(line) for line in cue.lines)
        captions.append(Caption(cue.start, cue.end, tuple(filter(None, map(_plain, cue.lines))), karaoke))
    once = unrolled(captions)
    repeated = sum(len(a.lines) - len(b.lines) for a, b in zip(captions, once, strict=True))
    names = names_in([caption.lines for caption in once])
    found = [
        _segment(_voices(cue.lines, len(whole.lines) - len(caption.lines)), caption, names)
        for cue, whole, caption in zip(cues, captions, once, strict=True)
    ]
    notices = []
    if repeated:
        lines = "1 line that repeats" if repeated == 1 else f"{repeated} lines that repeat"
        notices.append(f"rolling captions: {lines} the cue before, read once")
    long = [len(s.text or "") > MAX_TEXT_CHARACTERS or cue.size > _RAW for s, cue in zip(found, cues, strict=True)]
    if any(long):
        more = f"{sum(long)} of {len(found)} cues have more than {MAX_TEXT_CHARACTERS:,} characters"
        notices.append(f"{more}: only the beginning is read: {named(list(compress(found, long)))}")
    segments = [replace(s, text=s.text[:MAX_TEXT_CHARACTERS].rstrip()) for s in found if s.text]
    return Subtitles(segments, tuple(notices))


def _voices(lines: Sequence[str], carried: int) -> list[str]:
    """Whom the voice tags of a cue name, but for those of the lines that it carries over from the cue before. A tag
    holds on: lines without one have the last."""
    old: list[str] = []
    new: list[str] = []
    for line in lines:
        (old if carried else new).extend(_VOICE.findall(line))
        carried -= carried > 0 and bool(_plain(line))
    return [_unescaped(voice).strip() for voice in new or old[-1:]]


def _segment(voices: Sequence[str], caption: Caption, names: Names) -> Segment:
    """A cue's words; several speakers in one cue are named together, for they share its time."""
    speakers = list(voices)
    words: list[str] = []
    for i, line in enumerate(caption.lines):
        last = i + 1 == len(caption.lines)
        speaker, said = names.split(line, caption.lines[i - 1] if i else None, alone=last)
        speakers += [speaker] if speaker else []
        words.append(said)
    text = " ".join(" ".join(words).split())
    told = ", ".join(dict.fromkeys(filter(None, speakers)))[:_SPEAKERS]
    return Segment(caption.start, caption.end, text or None, told or None)


def _plain(line: str) -> str:
    return " ".join(_unescaped(_TAG.sub("", line)).split())


def _unescaped(text: str) -> str:
    return html.unescape(_NO_CHARACTER.sub("&amp;", text))
