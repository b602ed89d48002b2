"""Stored transcripts: content-keyed, resumable, and made again where a line is damaged."""

import json
import os
from pathlib import Path
from typing import Any, ClassVar

import pytest

from tricue.recording.segments import Segment
from tricue.recording.transcripts import Transcripts, transcript_key
from tricue.recording.words import transcribe_segments
from tricue.types import InputError

SETTINGS = {"version": 1, "model": "whisper/tiny", "weights": "abc"}


def rows_file(store: Transcripts) -> Path:
    return store.folder / "rows.jsonl"


def test_what_is_written_is_read_back(tmp_path: Path) -> None:
    store = Transcripts(tmp_path, SETTINGS)
    store.add({"a": "Good morning\n\u2028 é 😡", "b": ""})
    store.add({"c": "half \ud83d surrogate"})
    again = Transcripts(tmp_path, SETTINGS)
    assert [again.get(key) for key in "abcd"] == ["Good morning\n\u2028 é 😡", "", "half \ud83d surrogate", None]
    assert json.loads((store.folder / "settings.json").read_text()) == {"format": 1} | SETTINGS
    assert Transcripts(tmp_path, SETTINGS | {"weights": "other"}).get("a") is None


def test_a_damaged_line_is_passed_over(tmp_path: Path) -> None:
    store = Transcripts(tmp_path, SETTINGS)
    store.add({"a": "one", "b": "two"})
    path = rows_file(store)
    content = path.read_bytes()
    for damage in (b"two", b'"key"', b'"b"', b'{"key": "b"'):
        path.write_bytes(content.replace(damage, b"\xff" * len(damage), 1) + b'{"key": []}\n[1]\n' + b"[" * 9999)
        again = Transcripts(tmp_path, SETTINGS)
        assert again.get("b") is None or again.get("a") is None
        assert set(again._texts.items()) <= {("a", "one"), ("b", "two")}
        again.add({"c": "three"})  # after a line that a kill has cut
        assert Transcripts(tmp_path, SETTINGS).get("c") == "three"


def test_the_key_follows_the_content(tmp_path: Path) -> None:
    for name, content in (("a", b"sound"), ("b", b"sound"), ("c", b"other")):
        (tmp_path / name).write_bytes(content)
    key = transcript_key(tmp_path / "a", None, 2.0)
    assert key == transcript_key(tmp_path / "b", None, 2.0)
    assert len({key, transcript_key(tmp_path / "c", None, 2.0), transcript_key(tmp_path / "a", None, 2.5)}) == 3


def test_where_nothing_can_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("mine")
    with pytest.raises(InputError, match="--store DIR"):
        Transcripts(tmp_path / "file", SETTINGS)
    store = Transcripts(tmp_path, SETTINGS)
    rows_file(store).symlink_to("/dev/full")
    with pytest.raises(InputError, match="No space left"):
        store.add({"a": "one"})


class Scribe:
    settings: ClassVar[dict[str, Any]] = SETTINGS

    def __init__(self, fails_after: int = 99) -> None:
        self.batches: list[list[float]] = []
        self.fails_after = fails_after

    def transcribe(self, path: Path, segments: list[Segment], progress: bool = True) -> list[Segment]:
        if len(self.batches) >= self.fails_after:
            raise KeyboardInterrupt
        self.batches.append([s.start for s in segments])
        return [Segment(s.start, s.end, f"at {s.start:g}" if s.start % 2 else None) for s in segments]


def test_a_stopped_recording_goes_on_in_the_same_batches(tmp_path: Path) -> None:
    path = tmp_path / "talk.wav"
    path.write_bytes(os.urandom(10))
    segments = [Segment(float(i), i + 1.0, speaker="Ann") for i in range(20)]
    stopped, resumed, third = Scribe(fails_after=2), Scribe(), Scribe()
    with pytest.raises(KeyboardInterrupt):
        transcribe_segments(path, segments, stopped, tmp_path / "s", progress=False)  # type: ignore[arg-type]
    said = transcribe_segments(path, segments, resumed, tmp_path / "s", progress=False)  # type: ignore[arg-type]
    assert [len(b) for b in stopped.batches] == [8, 8] and resumed.batches == [[16.0, 17.0, 18.0, 19.0]]
    assert [s.text for s in said] == [f"at {i}" if i % 2 else None for i in range(20)]
    assert {s.speaker for s in said} == {"Ann"}
    assert transcribe_segments(path, segments, third, tmp_path / "s", progress=False) == said  # type: ignore[arg-type]
    assert third.batches == []
