"""A down-mix that neither cancels nor amplifies. Levels are checked in test_hostile_media.py, too."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.clips import write_sound

from tricue.media.decoding import SAMPLE_RATE, decode
from tricue.media.downmix import DownMix, channel_weights
from tricue.media.sound_stream import sound_blocks

VOICE = np.random.default_rng(0).normal(0, 0.1, 25 * SAMPLE_RATE).astype(np.float32)
OTHER = np.random.default_rng(1).normal(0, 0.1, 25 * SAMPLE_RATE).astype(np.float32)
STEREO: dict[str, Any] = {"codec": "pcm_f32le", "rate": SAMPLE_RATE, "layout": "stereo"}


def mixed(sound: np.ndarray, channels: str, chunk: int = 1024) -> tuple[np.ndarray, int]:
    mix = DownMix(channels.split())
    parts = [part for at in range(0, sound.shape[1], chunk) for part in mix.add(sound[:, at : at + chunk])]
    return np.concatenate([*parts, *mix.flush()]), mix.cancelled


def test_stereo_of_one_voice_is_that_voice() -> None:
    found, cancelled = mixed(np.stack([VOICE, VOICE]), "FL FR")
    np.testing.assert_array_equal(found, VOICE)
    assert not cancelled


@pytest.mark.parametrize("gain", [1.0, 0.9, 0.5])
@pytest.mark.parametrize("louder", [0, 1])
def test_stereo_that_cancels_is_the_louder_channel(gain: float, louder: int) -> None:
    channels = [VOICE, -gain * VOICE][:: -1 if louder else 1]
    found, cancelled = mixed(np.stack(channels), "FL FR")
    np.testing.assert_array_equal(found, channels[louder if gain < 0.99 else 0])
    assert cancelled == VOICE.size


def test_stereo_of_unrelated_sounds_is_their_mean() -> None:
    found, cancelled = mixed(np.stack([VOICE, OTHER]), "FL FR")
    np.testing.assert_allclose(found, (VOICE + OTHER) / 2, atol=1e-6)
    assert not cancelled


def test_stereo_is_judged_by_blocks_of_ten_seconds() -> None:
    turned = np.where(np.arange(VOICE.size) < 10.5 * SAMPLE_RATE, VOICE, -VOICE)
    found, cancelled = mixed(np.stack([VOICE, turned]), "FL FR")
    np.testing.assert_array_equal(found[: 10 * SAMPLE_RATE], VOICE[: 10 * SAMPLE_RATE])
    np.testing.assert_array_equal(found[21 * SAMPLE_RATE :], VOICE[21 * SAMPLE_RATE :])
    assert 14 * SAMPLE_RATE < cancelled < 16 * SAMPLE_RATE


def test_stereo_silence_does_not_cancel() -> None:
    found, cancelled = mixed(np.zeros((2, 1000), np.float32), "FL FR")
    assert found.size == 1000 and not found.any() and not cancelled


@pytest.mark.parametrize(
    ("channels", "weights"),
    [
        ("FC", [1]),
        ("FL FR", [0.5, 0.5]),
        ("FL FR LFE", [0.5, 0.5, 0]),
        ("FL FR FC", [0.25, 0.25, 0.5]),
        ("FL FR FC LFE SL SR", [0.125, 0.125, 0.5, 0, 0.125, 0.125]),
        ("FC LFE", [1, 0]),
        ("LFE", [1]),
        ("NONE NONE", [0.5, 0.5]),
    ],
)
def test_stereo_and_surround_weights(channels: str, weights: list[float]) -> None:
    found = channel_weights(channels.split())
    assert found.tolist() == pytest.approx(weights) and found.sum() == pytest.approx(1)


@pytest.mark.parametrize("coder", ["pcm_s16le", "pcm_s24le", "pcm_f32le", "pcm_u8"])
@pytest.mark.parametrize("rate", [16_000, 44_100])
def test_stereo_opposites_are_heard_and_noted_in_every_form(coder: str, rate: int, tmp_path: Path) -> None:
    wave = 0.4 * np.sin(np.arange(rate) * 2 * np.pi * 300 / rate)
    mono = decode(write_sound(tmp_path / "mono.wav", wave, coder, rate=rate)).audio
    clip = decode(write_sound(tmp_path / "a.wav", np.stack([wave, -wave]), coder, rate=rate, layout="stereo"))
    assert clip.audio is not None and mono is not None
    np.testing.assert_allclose(clip.audio, mono, atol=1e-6)
    assert clip.notes["audio"] == "its channels cancel one another for 1.0 s: the louder one is read"


def test_stereo_blocks_are_as_decoded(tmp_path: Path) -> None:
    path = write_sound(tmp_path / "a.wav", np.stack([VOICE, -VOICE]), **STEREO)
    whole = decode(path).audio
    blocks = list(sound_blocks(path))
    assert len(blocks) == 3
    np.testing.assert_allclose(np.concatenate([wave for _, wave in blocks]), whole, atol=1e-6)
    np.testing.assert_allclose(whole, VOICE, atol=1e-6)


def test_stereo_note_is_only_of_what_is_read(tmp_path: Path) -> None:
    turned = np.where(np.arange(VOICE.size) < 12 * SAMPLE_RATE, VOICE, -VOICE)
    path = write_sound(tmp_path / "a.wav", np.stack([VOICE, turned]), **STEREO)
    assert not decode(path, start=2.0, end=5.0).notes
    assert "cancel" in decode(path, start=15.0, end=18.0).notes["audio"]
