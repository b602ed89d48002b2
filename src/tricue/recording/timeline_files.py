"""A timeline as files: a page, a table, JSON, captions."""

import csv
import io
import itertools
import json
import os
from contextlib import ExitStack
from pathlib import Path

from tricue.files.atomic import check_not_input, check_place, replaced_file
from tricue.files.spreadsheet import guarded
from tricue.recording.captions import captions
from tricue.recording.timeline import Timeline, as_json
from tricue.recording.timeline_page import page

PAGE, TABLE, JSON, CAPTIONS = "timeline.html", "timeline.csv", "timeline.json", "captions.vtt"
PATH = "path"  # in timeline.json: where the recording lies, seen from the folder


def write_timeline(timeline: Timeline, folder: Path) -> dict[str, Path]:
    """timeline.html, timeline.csv, timeline.json and captions.vtt in `folder`, by their names (docs/timeline.md).

    They take the place of older ones once all of them are whole; what else lies in the folder stays. Raises InputError
    where nothing can be written there, or one of them is the recording.
    """
    check_folder(folder)
    for file in timeline_files(folder):
        check_not_input("folder", file, [timeline.recording])
    content = as_json(timeline) | {PATH: _path_from(folder, timeline.recording)}
    contents = {
        PAGE: page(timeline, folder), TABLE: _table(timeline), CAPTIONS: captions(timeline),
        JSON: json.dumps(content, indent=2, ensure_ascii=False) + "\n",
    }  # fmt: skip
    with ExitStack() as stack:
        parts = {name: stack.enter_context(replaced_file(folder / name)) for name in contents}
        for name, written in contents.items():
            parts[name].write_text(written, encoding="utf-8", errors="replace", newline="")
    return {name: folder / name for name in contents}


def check_folder(folder: Path) -> None:
    """Raise InputError where a timeline cannot be written to `folder`: to be known before the work, not after it."""
    for file in timeline_files(folder):
        check_place(file)


def timeline_files(folder: Path) -> list[Path]:
    return [folder / name for name in (PAGE, TABLE, JSON, CAPTIONS)]


def free_folder(parent: Path, recording: Path) -> Path:
    """The folder for a recording's timeline: `talk`, or the next of `talk.mp3`, `talk.mp3 (2)`, ... that does not hold
    the timeline of another recording."""
    numbered = (f"{recording.name} ({n})" for n in itertools.count(2))
    for name in itertools.chain([recording.stem, recording.name], numbered):
        if not _holds_another(parent / name, recording):
            return parent / name
    raise AssertionError("there is always another number")


def _holds_another(folder: Path, recording: Path) -> bool:
    """Whether the timeline of another recording lies in a folder; a file of another kind is told by `check_folder`."""
    path = folder / JSON
    if not path.is_file():
        return False
    try:
        told = json.loads(path.read_text(encoding="utf-8"))
        there = folder / told[PATH] if PATH in told else None  # None: earlier versions told the name alone
        if there is not None and there.exists():
            return not there.samefile(recording)
        return bool(told["recording"] != recording.name)  # the recording was moved
    except (ValueError, TypeError, KeyError, OSError, RecursionError):  # whose it is cannot be known
        return True


def _path_from(folder: Path, recording: Path) -> str:
    there, here = recording.resolve(), folder.resolve()
    try:
        return Path(os.path.relpath(there, here)).as_posix()
    except ValueError:  # Windows: another drive
        return there.as_posix()


def _table(timeline: Timeline) -> str:
    """CSV: start, end, speaker, text, the columns of the task, modalities, error, and a note if there is one.

    Words come from whoever wrote the subtitles, and spreadsheets run what looks like a formula: such words have an
    apostrophe before them here. The JSON has them as they are.
    """
    noted = timeline.note is not None or any(entry.prediction.note for entry in timeline.entries)
    task = timeline.task
    buffer = io.StringIO(newline="")
    writer = csv.writer(buffer)
    columns = ["start", "end", "speaker", "text", *task.answer_columns, "modalities", "error"]
    writer.writerow([*columns, *(["note"] if noted else [])])
    for entry in timeline.entries:
        segment, p = entry.segment, entry.prediction
        writer.writerow([
            f"{segment.start:.3f}", f"{segment.end:.3f}", guarded(segment.speaker or ""), guarded(segment.text or ""),
            *task.answer_cells(p), "+".join(p.modalities), guarded(p.error or ""),
            *([guarded(p.note or timeline.note or "")] if noted else []),
        ])  # fmt: skip
    return buffer.getvalue()
