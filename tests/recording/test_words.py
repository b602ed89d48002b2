"""Words are heard where nobody has written them down."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest

from tricue.media.decoding import MediaError
from tricue.media.sound import SAMPLE_RATE
from tricue.recording import words
from tricue.recording.segments import Segment
from tricue.types import Utterance


class Scribe:
    """Says which stretches it was given."""

    settings: ClassVar[dict[str, Any]] = {"model": "scribe"}

    def __init__(self) -> None:
        self.given: list[tuple[Path, list[Segment]]] = []

    def transcribe(self, path: Path, stretches: list[Segment], progress: bool = True) -> list[Segment]:
        self.given.append((path, stretches))
        return [Segment(s.start, s.end, f"from {s.start:g}" if s.start else None) for s in stretches]

    def words(self, wave: np.ndarray) -> str:
        return str(wave.size / SAMPLE_RATE)


@pytest.fixture
def spoken(monkeypatch: pytest.MonkeyPatch) -> dict[str, list[Segment]]:
    """Stretches of speech by file name."""
    found: dict[str, list[Segment]] = {}

    def speech(path: Path, progress: bool = True) -> list[Segment]:
        if path.name not in found:
            raise MediaError("it has no sound", path)
        return found[path.name]

    monkeypatch.setattr(words, "speech_stretches", speech)
    return found


@pytest.fixture
def heard(tmp_path: Path) -> Callable[..., list[str | None]]:
    def texts(*utterances: Utterance) -> list[str | None]:
        scribe: Any = Scribe()
        found = words.with_words(utterances, scribe, tmp_path / "store", progress=False)
        return [u.text for u in found.utterances]

    return texts


def test_what_is_written_or_has_no_sound_stays(heard: Callable[..., list[str | None]]) -> None:
    assert heard(Utterance("a", text="Hi", audio=Path("a.wav")), Utterance("b", video=Path("b.mp4"))) == ["Hi", None]


def test_pictures_without_sound_have_no_speech(tmp_path: Path, make_clip: Any) -> None:
    rows = [
        Utterance("mute", video=make_clip("mute.mp4", sound=None)),
        Utterance("heard by its pictures", video=make_clip()),
        Utterance("broken", video=Path("broken.mp4")),
    ]
    scribe: Any = Scribe()
    assert words.with_words(rows, scribe, tmp_path / "store", progress=False).silent.keys() == {"mute"}


def test_stretches_are_joined_and_silence_has_no_words(
    spoken: dict[str, list[Segment]], heard: Callable[..., list[str | None]]
) -> None:
    spoken |= {"a.wav": [Segment(0, 1), Segment(2, 3), Segment(4, 5)], "silent.wav": []}
    told = heard(Utterance("a", audio=Path("a.wav")), Utterance("s", audio=Path("silent.wav")))
    assert told == ["from 2 from 4", None]


@pytest.mark.parametrize(("start", "end", "seconds"), [(0.5, 1.5, 1.0), (0.5, None, 1.5), (None, 0.5, 0.5)])
def test_a_row_with_a_time_is_heard_there_alone(
    start: float | None, end: float | None, seconds: float, make_clip: Any, heard: Callable[..., Any]
) -> None:
    clip = make_clip("long.m4a", frames=0, sound=2.0)
    (told,) = heard(Utterance("a", audio=clip, start=start, end=end))
    assert float(told or 0) == pytest.approx(seconds, abs=0.05)


def test_what_cannot_be_heard_is_named_and_stays(
    spoken: dict[str, list[Segment]], caplog: pytest.LogCaptureFixture, heard: Callable[..., Any]
) -> None:
    assert heard(Utterance("x", audio=Path("broken.wav"))) == [None]
    assert "x: no words can be transcribed: it has no sound" in caplog.text
