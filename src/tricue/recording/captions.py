"""A timeline as captions: WebVTT, which browsers and players show over the picture."""

import html

from tricue.recording.timeline import Entry, Timeline
from tricue.types import UNCERTAIN

_HEAD = "Answers in brackets are guesses of a model (tricue)"


def captions(timeline: Timeline) -> str:
    """The timeline as a WebVTT file: a cue per segment, `[joy 82%] words` or `[valence 3.20] words`, with the speaker
    as its voice.

    A segment without words and without an answer has none. Source: W3C, WebVTT: The Web Video Text Tracks Format.
    """
    remarks = [_HEAD, *([_one_line(timeline.note)] if timeline.note else [])]
    blocks = ["WEBVTT", "NOTE\n" + "\n".join(remark.replace("-->", "->") for remark in remarks)]
    for entry in sorted(timeline.entries, key=lambda e: (e.segment.start, e.segment.end)):
        if words := _words(entry):
            start = round(1000 * entry.segment.start)
            end = max(round(1000 * entry.segment.end), start + 1)  # a cue has to end after it begins
            blocks.append(f"{_clock(start)} --> {_clock(end)}\n{words}")
    return "\n\n".join(blocks) + "\n"


def _words(entry: Entry) -> str:
    """The cue's one line. An ampersand, `<` and `>` are markup there; an empty line would end it."""
    said, confidence = entry.prediction, entry.prediction.confidence
    sure = "" if said.label == UNCERTAIN or confidence is None else f" {100 * confidence:.0f}%"
    answer = "" if said.label is None else f"[{_one_line(str(said))}{sure}]"
    line = html.escape(f"{answer} {_one_line(entry.segment.text or '')}".strip(), quote=False)
    speaker = html.escape(_one_line(entry.segment.speaker or ""), quote=False)
    return f"<v {speaker}>{line}" if line and speaker else line


def _one_line(text: str) -> str:
    return " ".join(text.replace("\0", "\N{REPLACEMENT CHARACTER}").split())


def _clock(milliseconds: int) -> str:
    seconds, rest = divmod(milliseconds, 1000)
    return f"{seconds // 3600:02d}:{seconds // 60 % 60:02d}:{seconds % 60:02d}.{rest:03d}"
