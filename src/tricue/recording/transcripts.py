"""Transcripts between runs: what was transcribed once, by the content of its file, its time span and the transcriber.

    <root>/transcript-<model>-<digest of the transcriber's settings>/settings.json
                                                                   rows.jsonl

A row is one line, written in one go, with a digest of its own: a line that a kill has cut or that has changed is passed
over, and its transcript is made again.
"""

import hashlib
import json
import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tricue.files.json_files import write_json
from tricue.media.decoding import content_digest
from tricue.types import InputError

_FORMAT = 1
_ROWS, _SETTINGS = "rows.jsonl", "settings.json"


class Transcripts:
    """The transcripts of one transcriber. `settings` is everything that decides them.

    Raises InputError where the folder cannot be written.
    """

    def __init__(self, root: Path, settings: Mapping[str, Any]) -> None:
        settings = {"format": _FORMAT, **settings}
        name = re.sub(r"[^A-Za-z0-9.-]+", "-", str(settings.get("model", "")))[:60]
        self.folder = root / f"transcript-{name}-{_digest(settings)[:12]}"
        try:
            if not (self.folder / _SETTINGS).is_file():
                write_json(self.folder / _SETTINGS, settings)
            self._texts = dict(_read(self.folder / _ROWS))
        except OSError as error:
            raise _unwritable(self.folder, error) from error

    def get(self, key: str) -> str | None:
        """The transcript; empty where nobody speaks, None where there is none yet."""
        return self._texts.get(key)

    def add(self, rows: Mapping[str, str]) -> None:
        """Write transcripts by key. Raises InputError where they cannot be written."""
        told = [{"key": k, "text": text, "digest": _digest([k, text])[:16]} for k, text in rows.items()]
        lines = "".join(f"\n{json.dumps(row)}" for row in told)  # ends what a kill has cut
        try:
            handle = os.open(self.folder / _ROWS, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
            try:
                os.write(handle, f"{lines}\n".encode())
            finally:
                os.close(handle)
        except OSError as error:
            raise _unwritable(self.folder, error) from error
        self._texts.update(rows)


def transcript_key(path: Path, *span: float | None) -> str:
    """The key of the seconds `span` of a file: by its content, wherever it lies. Raises OSError, ValueError where it
    cannot be read."""
    return _digest([content_digest(path), *span])[:32]


def _read(path: Path) -> Sequence[tuple[str, str]]:
    """Keys and texts of the lines that are as they were written."""
    if not path.is_file():
        return []
    rows = []
    for line in path.read_bytes().splitlines():
        try:
            row = json.loads(line)
            if row["digest"] == _digest([row["key"], row["text"]])[:16]:
                rows.append((row["key"], row["text"]))
        except (ValueError, TypeError, KeyError, RecursionError):  # cut, or changed
            continue
    return rows


def _digest(content: Any) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def _unwritable(folder: Path, error: OSError) -> InputError:
    return InputError(
        f"Transcripts cannot be written to {folder}: {error.strerror or error}. "
        "Free some space, or name another folder with --store DIR or TRICUE_STORE."
    )
