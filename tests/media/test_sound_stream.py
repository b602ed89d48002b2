"""The sound of a recording in blocks: nothing lost, nothing twice, at its time."""

from pathlib import Path

import numpy as np
import pytest
import soundfile

from tricue.media import sound_stream
from tricue.media.container import MediaError, playing_time
from tricue.media.decoding import decode
from tricue.media.sound import SAMPLE_RATE
from tricue.media.sound_stream import sound_blocks


@pytest.fixture
def make_sound(make_clip, tmp_path: Path):
    """A file of so many seconds of a tone, in the form that its name says."""

    def make(name: str, seconds: float) -> Path:
        if not name.endswith("wav"):
            return make_clip(name, frames=0, sound=seconds)
        wave = 0.4 * np.sin(2 * np.pi * 220 * np.arange(round(seconds * 44_100)) / 44_100)
        soundfile.write(tmp_path / name, wave, 44_100)
        return tmp_path / name

    return make


@pytest.mark.parametrize("name", ["clip.wav", "clip.mp4", "clip.webm"])
def test_blocks_are_what_decoding_at_once_gives(make_sound, monkeypatch, name):
    path = make_sound(name, 3.0)
    at_once = decode(path).audio
    monkeypatch.setattr(sound_stream, "_BLOCK", 0.7)
    blocks = list(sound_blocks(path))
    assert len(blocks) >= 4
    reached = 0
    for begins, wave in blocks:
        assert abs(begins * SAMPLE_RATE - reached) < 0.05 * SAMPLE_RATE
        reached += wave.size
    joined = np.concatenate([wave for _, wave in blocks])
    assert abs(joined.size - at_once.size) < 0.05 * SAMPLE_RATE
    size = min(joined.size, at_once.size)
    # the resampler begins anew at each block: the sound is the same but for its first milliseconds
    assert np.median(np.abs(joined[:size] - at_once[:size])) < 0.02


def test_what_has_no_sound_says_so(make_clip, tmp_path: Path):
    with pytest.raises(MediaError, match="no audio stream"):
        list(sound_blocks(make_clip(frames=5, sound=None)))
    with pytest.raises(MediaError, match="no such file"):
        list(sound_blocks(tmp_path / "none.wav"))


def test_playing_time_of_what_a_browser_records(make_clip):
    """`live` webm has no duration in its header, as MediaRecorder writes it."""
    path = make_clip("live.webm", options={"live": "1"})
    assert playing_time(path) == pytest.approx(2.0, abs=0.1)
