"""Words out of speech: what is asked of Whisper, what is dropped, and a real one."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import soundfile

from tricue.features.sound import SAMPLE_RATE
from tricue.recording import speech, transcribe
from tricue.recording.segments import Segment
from tricue.recording.speech import speech_stretches
from tricue.recording.transcribe import Transcriber
from tricue.types import InputError


@pytest.fixture
def scribe(monkeypatch: pytest.MonkeyPatch) -> Transcriber:
    """Says how many seconds it heard."""
    monkeypatch.setattr(transcribe, "_find", Path)
    monkeypatch.setattr(transcribe, "_load", lambda folder, device: (None, None, None))
    own = Transcriber("some/whisper", device="cpu")
    monkeypatch.setattr(own, "_generate", lambda waves: [f"{w.size / SAMPLE_RATE:g}s" for w in waves])
    return own


def test_settings_are_json_and_follow_the_weights(scribe: Transcriber, tmp_path: Path) -> None:
    scribe._folder = tmp_path
    (tmp_path / "model.safetensors").write_bytes(b"weights")
    first = scribe.settings
    assert json.loads(json.dumps(first)) == first and first["model"] == "whisper" and first["version"] >= 1
    assert first["detector"]["pause"] == speech.PAUSE
    (tmp_path / "model.safetensors").write_bytes(b"other weights")
    del scribe.settings
    assert scribe.settings["weights"] != first["weights"]


def test_stretches_get_their_words_in_order(scribe: Transcriber, tmp_path: Path) -> None:
    path = tmp_path / "talk.wav"
    soundfile.write(path, np.zeros(5 * SAMPLE_RATE), SAMPLE_RATE)
    stretches = [Segment(i / 2, i / 2 + 0.25 + i / 100, speaker=str(i)) for i in range(9)]
    said = scribe.transcribe(path, stretches, progress=False)
    assert [(s.start, s.end, s.speaker) for s in said] == [(s.start, s.end, s.speaker) for s in stretches]
    heard = [float(s.text.rstrip("s")) for s in said if s.text]
    assert heard == pytest.approx([s.end - s.start for s in stretches], abs=0.01)


def test_what_is_longer_than_whisper_hears_is_given_in_parts(scribe: Transcriber) -> None:
    assert scribe._texts([np.zeros(70 * SAMPLE_RATE), np.zeros(0), np.zeros(SAMPLE_RATE)]) == [
        "30s 30s 10s", "", "1s",
    ]  # fmt: skip


def test_an_answer_in_circles_is_dropped(scribe: Transcriber, monkeypatch: pytest.MonkeyPatch) -> None:
    answers = ["Thanks for watching! " * 12, "I never said that she took the money."]
    monkeypatch.setattr(scribe, "_generate", lambda waves: answers)
    assert scribe._texts([np.zeros(100), np.zeros(100)]) == ["", answers[1]]


@pytest.mark.parametrize(
    "files, message",
    [
        ({}, "holds no config.json with"),
        ({"config.json": {"model_type": "bert"}}, "holds no config.json with"),
        ({"config.json": {"model_type": "bert"}, "model.safetensors": {}}, "is no Whisper model"),
        ({"config.json": {"model_type": "whisper"}, "model.safetensors": {}}, "cannot be loaded"),
    ],
)
def test_what_is_no_whisper_is_one_clear_error(tmp_path: Path, files: dict, message: str) -> None:
    for name, content in files.items():
        (tmp_path / name).write_text(json.dumps(content))
    with pytest.raises(InputError, match=message):
        Transcriber(str(tmp_path))


@pytest.mark.realdata
def test_a_real_whisper_writes_down_real_speech(whisper: Path, shared_speech: Path) -> None:
    scribe = Transcriber(str(whisper), device="cpu")
    said = scribe.transcribe(shared_speech, speech_stretches(shared_speech, progress=False), progress=False)
    words = " ".join(s.text or "" for s in said).lower()
    assert "talking by the door" in words
    assert scribe.words(np.zeros(SAMPLE_RATE, np.float32)) == ""  # on silence it would make words up
