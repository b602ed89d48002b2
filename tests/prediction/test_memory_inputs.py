"""Signals in memory are read as the same signals in files are; what is none is refused."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from PIL import Image

from tricue.features.pipeline import FeaturePipeline
from tricue.modalities import reading
from tricue.modalities.reading import Frames, MediaBytes, Waveform
from tricue.prediction.memory_inputs import MAX_FRAMES, read_source
from tricue.recognizer import MultimodalEmotionRecognizer
from tricue.types import InputError, Utterance

RATE = 22_050
WAVE = (0.4 * np.sin(np.arange(RATE) * 0.05)).astype(np.float32)


@pytest.fixture(scope="module")
def model(untrained: Callable[..., Any]) -> MultimodalEmotionRecognizer:
    return untrained({"features.video.frames": 3})


def pictures(count: int) -> np.ndarray:
    """(count, 48, 64, 3): the later the more gray levels."""
    found = np.full((count, 48, 64, 3), 90, np.uint8)
    for i, frame in enumerate(found):
        frame[: i + 1] = np.random.default_rng(i).integers(0, 255, (i + 1, 64, 3))
    return found


@pytest.mark.parametrize("kind", ["float32", "float64", "int16"])
def test_a_waveform_is_read_as_its_file(model: MultimodalEmotionRecognizer, tmp_path: Path, kind: str) -> None:
    wave = (WAVE * 32_767).astype(np.int16) if kind == "int16" else WAVE.astype(kind)
    subtype = "PCM_16" if kind == "int16" else "FLOAT"
    soundfile.write(tmp_path / "a.wav", wave, RATE, subtype=subtype)
    from_file = model.predict(audio=tmp_path / "a.wav")
    assert model.predict(audio=(wave, RATE)).probabilities == pytest.approx(from_file.probabilities, abs=1e-6)


def test_the_bytes_of_a_file_are_read_as_it_is_and_once(
    model: MultimodalEmotionRecognizer, make_clip: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    clip, decoded = make_clip(), []
    decode = reading.decode
    monkeypatch.setattr(reading, "decode", lambda path, **more: (decoded.append(path), decode(path, **more))[1])
    expected = model.predict("hello", clip, clip)
    content = clip.read_bytes()
    found = model.predict("hello", content, bytearray(content))
    assert found.probabilities == expected.probabilities and found.modalities == expected.modalities
    assert len(decoded) == 2 and not decoded[1].exists()
    assert model.predict_batch([content])[0].modalities == ("audio", "video")


def test_key_frames_are_chosen_as_of_a_video() -> None:
    """Of each third the picture with the most gray levels."""
    frames = pictures(9)
    clip = Frames(frames).decode(frames=3, crop=None)
    assert clip.frames is not None
    for found, expected in zip(clip.frames, frames[[2, 5, 8]], strict=True):
        np.testing.assert_array_equal(found, expected)


def test_frames_images_and_a_still(model: MultimodalEmotionRecognizer, tmp_path: Path) -> None:
    frames = pictures(4)
    images = [Image.fromarray(frame) for frame in frames]
    answers = [model.predict(video=given) for given in (frames, list(frames), images)]
    assert answers[0].probabilities == answers[1].probabilities == answers[2].probabilities
    still = model.predict(video=images[0])
    assert still.modalities == ("video",) and still.probabilities != answers[0].probabilities
    gray = Image.fromarray(frames[0]).convert("L")
    gray.save(tmp_path / "a.png")
    from_file = model.predict(video=tmp_path / "a.png")
    assert from_file.modalities == ("video",) and from_file.error is None
    assert model.predict(video=gray).probabilities == from_file.probabilities
    assert model.predict(video=(tmp_path / "a.png").read_bytes()).probabilities == from_file.probabilities


def test_signals_of_a_batch_belong_to_their_rows(model: MultimodalEmotionRecognizer) -> None:
    other = (WAVE[::2], RATE)
    batch = model.predict_batch([("a", (WAVE, RATE), None), "b", {"audio": other}, (None, (WAVE, 0), None)])
    assert [p.modalities for p in batch] == [("text", "audio"), ("text",), ("audio",), ()]
    assert batch[0].probabilities == pytest.approx(model.predict("a", (WAVE, RATE)).probabilities, abs=1e-6)
    assert batch[2].probabilities == pytest.approx(model.predict(audio=other).probabilities, abs=1e-6)
    assert "sample rate" in str(batch[3].error)


def test_explain_reads_signals_in_memory(model: MultimodalEmotionRecognizer) -> None:
    why = model.explain("so happy", (WAVE, RATE), pictures(3))
    assert list(why.shapley) == ["text", "audio", "video"]
    assert why.steps["audio"][-1].moment.end == pytest.approx(1.0) and len(why.steps["video"]) == 3


def test_a_store_gives_what_there_is_without_one(model: MultimodalEmotionRecognizer, tmp_path: Path) -> None:
    extractors = model.pipeline(model.modalities).extractors
    memory = {"a": {"audio": Waveform(WAVE, RATE), "video": Frames(pictures(4))}}
    rows = [Utterance("a", text="hello there")]
    found = [FeaturePipeline(extractors, store)(rows, memory=memory) for store in (None, tmp_path, tmp_path)]  # type: ignore[arg-type]
    for modality, arrays in found[0].arrays.items():
        for stored in found[1:]:
            np.testing.assert_array_equal(stored.arrays[modality]["a"], arrays["a"])
    assert not any(features.faults for features in found)


@pytest.mark.parametrize(
    ("modality", "value", "part"),
    [
        ("audio", (WAVE, 0), "sample rate 0"),
        ("audio", (WAVE, 16_000.0), "sample rate"),
        ("audio", (WAVE, True), "sample rate"),
        ("audio", (WAVE.reshape(2, -1), RATE), r"shape \(2, 11025\)"),
        ("audio", (np.zeros(0, np.float32), RATE), r"shape \(0,\)"),
        ("audio", (np.zeros(9, np.int64), RATE), "type int64"),
        ("audio", (np.broadcast_to(np.float32(0), (10**12,)), RATE), "s; give 86,400 s at most"),
        ("audio", ([[1.0], [1.0, 2.0]], RATE), "does not become an array"),
        ("audio", WAVE, "ndarray is no path"),
        ("audio", b"", "0 bytes"),
        ("audio", object(), "object is no path"),
        ("video", np.zeros((2, 8, 8, 3), np.float32), "type float32"),
        ("video", np.zeros((8, 8, 3), np.uint8), r"shape \(8, 3\)"),
        ("video", np.zeros((0, 8, 8, 3), np.uint8), "0 frames"),
        ("video", [], "0 frames"),
        ("video", np.broadcast_to(np.uint8(0), (MAX_FRAMES + 1, 8, 8, 3)), "100,001 frames"),
        ("video", np.broadcast_to(np.uint8(0), (1, 10_000, 10_000, 3)), "more than 36,000,000 pixels"),
        ("video", Image.new("1", (9_000, 9_000)), "more than 36,000,000 pixels"),
        ("video", np.zeros((1, 8, 800, 3), np.uint8), "20 times"),
        ("video", [np.zeros((8, 8), np.uint8)], r"shape \(8, 8\)"),
        ("video", 5, "int is no path"),
    ],
)
def test_what_is_no_signal_is_refused(modality: str, value: Any, part: str) -> None:
    with pytest.raises(InputError, match=part):
        read_source(modality, value)


def test_samples_that_are_no_numbers_are_a_reason(model: MultimodalEmotionRecognizer) -> None:
    (answer,) = model.predict_batch([(None, (np.full(RATE, np.nan, np.float32), RATE), None)])
    assert answer.emotion is None and "not finite" in str(answer.error)
    (answer,) = model.predict_batch([(None, b"no media file", None)])
    assert answer.emotion is None and "media" in str(answer.error) and "/tmp" not in str(answer.error)


def test_what_is_missing_and_what_is_a_file() -> None:
    assert read_source("audio", None) is read_source("video", float("nan")) is read_source("audio", "") is None
    assert read_source("audio", "a.wav") == Path("a.wav")
    assert read_source("video", b"x") == MediaBytes(b"x")
