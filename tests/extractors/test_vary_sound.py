"""Varied copies of a sound: each change against what it says of itself."""

import numpy as np
import pytest

from tricue.extractors.vary_sound import VariedSound, change_speed, mask_band, mask_time

RATE = 16_000


def tone(hertz: float, seconds: float = 1.0) -> np.ndarray:
    return np.sin(2 * np.pi * hertz * np.arange(round(seconds * RATE)) / RATE).astype(np.float32)


def loudest(wave: np.ndarray) -> float:
    """The strongest frequency, in Hz."""
    return float(np.abs(np.fft.rfft(wave)).argmax() * RATE / len(wave))


@pytest.mark.parametrize("percent", [90, 100, 110])
def test_speed_moves_length_and_pitch_together(percent: int) -> None:
    faster = change_speed(tone(440).astype(np.float64), percent)
    assert len(faster) == -(-RATE * 100 // percent)
    assert loudest(faster) == pytest.approx(440 * percent / 100, abs=2)


def test_a_band_is_taken_out_and_the_rest_stays() -> None:
    low, high = tone(500).astype(np.float64), tone(3_000).astype(np.float64)
    masked = mask_band(low + high, 2_900 / 8_000, 3_100 / 8_000)
    np.testing.assert_allclose(masked, low, atol=1e-3)


def test_a_stretch_falls_silent() -> None:
    wave = np.arange(1.0, 11.0)
    np.testing.assert_array_equal(mask_time(wave, 0.2, 0.5), [1, 2, 0, 0, 0, 6, 7, 8, 9, 10])
    assert wave[3] == 4  # the original stays


def test_a_copy_is_drawn_from_the_sound_and_its_number_alone() -> None:
    wave = tone(300) * np.random.default_rng(0).normal(size=RATE).astype(np.float32)
    one, again, two = (VariedSound(number).damage(wave) for number in (1, 1, 2))
    other = VariedSound(1).damage(wave[::-1].copy())
    np.testing.assert_array_equal(one, again)
    assert one.dtype == np.float32
    assert len(one) != len(two) or not np.allclose(one, two)
    assert len(one) != len(other) or not np.allclose(one, other)


def test_what_is_drawn_stays_within_its_bounds() -> None:
    """Length by speed, loudness by gain: at most 6 dB beside a tenth of gaps and noise 10 dB below."""
    wave = (0.1 * np.random.default_rng(1).normal(size=RATE)).astype(np.float32)
    lengths, loudness = set(), []
    for number in range(1, 60):
        varied = VariedSound(number).damage(wave)
        lengths.add(len(varied))
        loudness.append(20 * np.log10(varied.std() / wave.std()))
    assert RATE / 1.1 - 1 <= min(lengths) < 0.93 * RATE and 1.07 * RATE < max(lengths) <= RATE / 0.9 + 1
    assert -7.5 < min(loudness) < -4 and 4 < max(loudness) < 6.5


@pytest.mark.parametrize("wave", [np.zeros(0), np.zeros(100), np.ones(1), np.array([0.1, np.nan]), np.full(9, 3e38)])
def test_what_is_no_sound_is_left_to_the_extractor(wave: np.ndarray) -> None:
    varied = VariedSound(3).damage(wave.astype(np.float32))
    assert varied.dtype == np.float32
    if not np.isfinite(wave).all():
        np.testing.assert_array_equal(varied, wave.astype(np.float32))
    if not wave.any():
        assert not varied.any()
