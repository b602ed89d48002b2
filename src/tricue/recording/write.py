"""A timeline as files: a page, a table, JSON, captions."""

from __future__ import annotations

import csv
import io
import json
from contextlib import ExitStack
from pathlib import Path

from tricue.files import check_place, replaced_file
from tricue.recording.captions import captions
from tricue.recording.page import page
from tricue.recording.timeline import Timeline, as_json

PAGE, TABLE, JSON, CAPTIONS = "timeline.html", "timeline.csv", "timeline.json", "captions.vtt"
_FORMULA = ("=", "+", "-", "@", "\t", "\r")  # what a spreadsheet takes for the beginning of one


def write_timeline(timeline: Timeline, folder: Path) -> dict[str, Path]:
    """timeline.html, timeline.csv, timeline.json and captions.vtt in `folder`, by their names (docs/timeline.md).

    They take the place of older ones once all of them are whole; what else lies in the folder stays. Raises InputError
    where nothing can be written there.
    """
    check_folder(folder)
    contents = {
        PAGE: page(timeline, folder),
        TABLE: _table(timeline),
        JSON: json.dumps(as_json(timeline), indent=2, ensure_ascii=False) + "\n",
        CAPTIONS: captions(timeline),
    }
    with ExitStack() as stack:
        parts = {name: stack.enter_context(replaced_file(folder / name)) for name in contents}
        for name, content in contents.items():
            parts[name].write_text(content, encoding="utf-8", newline="")
    return {name: folder / name for name in contents}


def check_folder(folder: Path) -> None:
    """Raise InputError where a timeline cannot be written to `folder`: to be known before the work, not after it."""
    for name in (PAGE, TABLE, JSON, CAPTIONS):
        check_place(folder / name)


def _table(timeline: Timeline) -> str:
    """CSV: start, end, speaker, text, emotion, confidence, p_<class>..., cues, error, and a note if there is one.

    Words come from whoever wrote the subtitles, and spreadsheets run what looks like a formula: such words have an
    apostrophe before them here. The JSON has them as they are.
    """
    more = {"note": timeline.note} if timeline.note else {}
    buffer = io.StringIO(newline="")
    writer = csv.writer(buffer)
    writer.writerow([
        "start", "end", "speaker", "text", "emotion", "confidence", *(f"p_{e}" for e in timeline.emotions),
        "cues", "error", *more,
    ])  # fmt: skip
    for entry in timeline.entries:
        segment, answer = entry.segment, entry.prediction
        chances = [
            f"{answer.probabilities[e]:.6f}" if answer.probabilities else "" for e in timeline.emotions
        ]
        confidence = "" if answer.confidence is None else f"{answer.confidence:.6f}"
        writer.writerow([
            f"{segment.start:.3f}", f"{segment.end:.3f}", _cell(segment.speaker), _cell(segment.text),
            answer.emotion or "", confidence, *chances, "+".join(answer.cues), _cell(answer.error), *more.values(),
        ])  # fmt: skip
    return buffer.getvalue()


def _cell(text: str | None) -> str:
    return f"'{text}" if text and text.startswith(_FORMULA) else text or ""
