"""Words out of speech: what is asked of Whisper, what is dropped, and a real one."""

import json
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import soundfile

from tricue.extractors.text_extractors import LightText, with_context
from tricue.media.sound import SAMPLE_RATE
from tricue.recording import speech, transcribe
from tricue.recording.segments import Segment, windows
from tricue.recording.speech import speech_stretches
from tricue.recording.transcribe import Transcriber
from tricue.types import MAX_TEXT_CHARACTERS, InputError, Utterance


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


def test_segments_get_their_words_in_order(scribe: Transcriber, tmp_path: Path, loud: None) -> None:
    path = tmp_path / "talk.wav"
    soundfile.write(path, np.full(12 * SAMPLE_RATE, 0.5), SAMPLE_RATE)
    segments = [Segment(i, i + 0.5 + i / 20, speaker=str(i)) for i in range(10)]
    said = scribe.transcribe(path, segments)
    assert [(s.start, s.end, s.speaker) for s in said] == [(s.start, s.end, s.speaker) for s in segments]
    heard = [float(s.text.rstrip("s")) for s in said if s.text]
    assert heard == pytest.approx([s.end - s.start for s in segments], abs=0.04)


def test_windows_transcribe_the_speech_within_them_alone(scribe: Transcriber, tmp_path: Path, loud: None) -> None:
    """0.5 s margins aside: speech from 2 to 4.5 s and from 5.5 to 6 s, in windows of 3 s; silence has no words."""
    level = np.repeat([0.0, 0.5, 0.0, 0.5, 0.0], [2000, 2500, 1000, 500, 6000])  # by milliseconds
    soundfile.write(tmp_path / "talk.wav", np.repeat(level, SAMPLE_RATE // 1000), SAMPLE_RATE)
    said = scribe.transcribe(tmp_path / "talk.wav", windows(12.0, 3.0))
    told = [[float(t.rstrip("s")) for t in (s.text or "").split()] for s in said]
    assert told[2:] == [[], []] and [s.text for s in said][2:] == [None, None]
    assert told[0] == pytest.approx([1.1], abs=0.05)  # up to the window's edge
    assert told[1] == pytest.approx([1.6, 0.6], abs=0.05)  # and on from it


def test_a_neighbour_in_the_batch_adds_no_words(monkeypatch: pytest.MonkeyPatch, scribe: Transcriber) -> None:
    """The model would go on for ever; half a second holds 13 tokens whatever is transcribed beside it."""

    class Whisper:
        generation_config = SimpleNamespace(is_multilingual=False)

        def generate(self, max_new_tokens: int, **_: object) -> np.ndarray:
            return np.ones((2, max_new_tokens), int)

    class Extract(dict):
        def to(self, device: str) -> "Extract":
            return self

    monkeypatch.undo()
    scribe._model, scribe._extractor = Whisper(), lambda waves, **_: Extract()
    scribe._tokenizer = SimpleNamespace(batch_decode=lambda rows, **_: ["a" * len(row) for row in rows])
    told = scribe._generate([np.zeros(SAMPLE_RATE // 2), np.zeros(20 * SAMPLE_RATE)])
    assert [len(t) for t in told] == [13, 208]


def test_a_long_transcript_is_cut_with_a_word_of_it(
    scribe: Transcriber, loud: None, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(scribe, "_texts", lambda waves: ["word " * 3000 for _ in waves])
    said = scribe.words(np.full(SAMPLE_RATE, 0.5, np.float32))
    assert len(said) == MAX_TEXT_CHARACTERS + 2 and said.endswith(" word  …")
    assert "more than 10,000 characters" in caplog.text
    (spoken,) = with_context([Utterance("a", text=said)], 0)
    assert spoken is not None
    light = LightText(10_000, 8)
    assert light.note(spoken, light.prepare(spoken)) == "longer than 10,000 characters: only its beginning is read"


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
    said = scribe.transcribe(shared_speech, speech_stretches(shared_speech, progress=False))
    words = " ".join(s.text or "" for s in said).lower()
    assert "talking by the door" in words
    assert scribe.words(np.zeros(SAMPLE_RATE, np.float32)) == ""  # on silence it would make words up


@pytest.mark.realdata
def test_a_real_whisper_makes_up_no_words_for_windows_without_speech(whisper: Path, tmp_path: Path) -> None:
    rng, t = np.random.default_rng(0), np.arange(6 * SAMPLE_RATE) / SAMPLE_RATE
    sounds = {
        "silence": np.zeros(t.size),
        "noise": rng.normal(0, 0.05, t.size),
        "chord": sum(np.sin(2 * np.pi * f * t) for f in (440, 554, 659)) / 6,
        "hum": sum(np.sin(2 * np.pi * f * t) for f in (120, 240, 360, 480)) / 8,
    }
    scribe = Transcriber(str(whisper), device="cpu")
    for name, wave in sounds.items():
        soundfile.write(tmp_path / f"{name}.wav", wave, SAMPLE_RATE)
        for length in (0.5, 3.0):
            said = scribe.transcribe(tmp_path / f"{name}.wav", windows(6.0, length))
            assert [s.text for s in said] == [None] * len(said), name
