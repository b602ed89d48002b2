"""What rows request, and what openers give of it."""

import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tricue.config.feature_settings import AudioFeatures, VideoFeatures
from tricue.extractors.audio_extractors import LightAudio
from tricue.extractors.text_extractors import LightText, Spoken
from tricue.extractors.video_extractors import LightVideo
from tricue.media.sound import SAMPLE_RATE
from tricue.modalities.reading import Frames, MediaBytes, MediaFile, Waveform, Words
from tricue.modalities.requests import Opener, Request, Wanted
from tricue.registry import MODALITIES
from tricue.types import Utterance

AUDIO, VIDEO = LightAudio(AudioFeatures(max_seconds=1.0)), LightVideo(VideoFeatures(frames=2))
CLIP = Path("clip.mp4")


def asked(modality: Any, row: Utterance) -> Request | None:
    extractor: Any = {"text": LightText(64), "audio": AUDIO, "video": VIDEO}[modality]
    return MODALITIES[modality].make_requests([row], extractor, None).get(row.id)


def test_sound_and_pictures_of_a_time_span_share_their_opener() -> None:
    row = Utterance("a", audio=CLIP, video=CLIP, start=1.0, end=2.0, crop="left")
    sound, picture = asked("audio", row), asked("video", row)
    assert sound == Request(MediaFile(CLIP, 1.0, 2.0)) and picture == Request(MediaFile(CLIP, 1.0, 2.0), "left")
    assert asked("text", row) is None and asked("video", Utterance("b", text="x")) is None


def test_a_file_that_is_cut_already_is_requested_whole() -> None:
    row = Utterance("a", audio=CLIP, video=CLIP, start=1.0, end=2.0, cut="audio")
    assert asked("audio", row) == Request(MediaFile(CLIP)) != asked("video", row)


@pytest.mark.parametrize("opener", [Words(Spoken("hi", "Ann: ", ("Bob: oh",))), MediaFile(CLIP, 0.5), MediaBytes(b"x")])
def test_equal_openers_are_equal_in_another_process(opener: Opener) -> None:
    request = Request(opener, "left")
    assert {pickle.loads(pickle.dumps(request)): 1}[request] == 1  # noqa: S301  # of our own


def test_bytes_have_the_key_of_their_file(tmp_path: Path) -> None:
    (tmp_path / "a.wav").write_bytes(b"content")
    assert MediaBytes(b"content").key_parts() == MediaFile(tmp_path / "a.wav").key_parts()


def test_signals_in_memory_have_the_keys_of_their_content() -> None:
    wave, frames = np.ones(9, np.float32), np.zeros((2, 4, 4, 3), np.uint8)
    keys = [Waveform(wave, 8_000), Waveform(wave.copy(), 8_000), Waveform(wave, 9_000), Waveform(wave[:8], 8_000)]
    assert len({opener.key_parts() for opener in keys}) == 3
    assert Frames(frames).key_parts() == Frames(list(frames)).key_parts() != Frames(frames[:1]).key_parts()
    assert Frames(frames).key_parts() != Frames(frames.reshape(2, 2, 8, 3)).key_parts()


def test_a_long_waveform_is_read_to_the_limit_with_a_note() -> None:
    wave = (0.1 * np.sin(np.arange(3 * SAMPLE_RATE) * 0.1)).astype(np.float32)
    (signal,) = Waveform(wave, SAMPLE_RATE).open({"audio": Wanted(AUDIO)}).values()
    np.testing.assert_allclose(signal.value, wave[:SAMPLE_RATE], atol=1e-6)
    assert signal.note == "longer than 1 s: only its beginning is read"
    (whole,) = Waveform(wave[:8_000], SAMPLE_RATE).open({"audio": Wanted(AUDIO)}).values()
    assert whole.note is None and whole.value.size == 8_000


def test_half_of_the_pictures() -> None:
    frames = np.zeros((2, 4, 6, 3), np.uint8)
    frames[:, :, 3:] = 200
    (signal,) = Frames(frames).open({"video": Wanted(VIDEO, "right")}).values()
    assert [frame.shape for frame in signal.value] == [(4, 3, 3)] * 2 and (signal.value[0] == 200).all()


def test_a_file_that_is_gone_is_told_when_it_is_located(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        MediaFile(tmp_path / "gone.wav").locate()
    with pytest.raises(OSError, match="not a regular file"):
        MediaFile(tmp_path).locate()
