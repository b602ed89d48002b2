from __future__ import annotations

import librosa
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tricue.features import acoustic

KW = {"sr": 16_000, "n_fft": 512, "hop_length": 320}


@pytest.fixture(scope="module")
def sound() -> np.ndarray:
    rng = np.random.default_rng(1)
    time = np.arange(16_000) / 16_000
    return (0.3 * np.sin(2 * np.pi * (150 + 80 * time) * time) + 0.02 * rng.normal(size=16_000)).astype(
        np.float32
    )


def column(sound: np.ndarray, name: str) -> np.ndarray:
    return acoustic.signal_features(sound, mels=False, mfcc=0, spectral=True)[
        :, acoustic.SPECTRAL.index(name)
    ]


def test_mfcc_and_mel_are_librosas(sound):
    own = acoustic.signal_features(sound, mels=True, mfcc=25, spectral=False)
    mel = librosa.power_to_db(librosa.feature.melspectrogram(y=sound, n_mels=64, **KW))
    np.testing.assert_allclose(own[:, :64], mel.T, atol=2e-3)
    np.testing.assert_allclose(
        own[:, 64:], librosa.feature.mfcc(y=sound, n_mfcc=25, n_mels=64, **KW).T, atol=2e-2
    )


def test_spectral_features_are_librosas(sound):
    feature, size = librosa.feature, {"frame_length": 512, "hop_length": 320}
    expected = {
        "centroid": feature.spectral_centroid(y=sound, **KW)[0],
        "bandwidth": feature.spectral_bandwidth(y=sound, **KW)[0],
        "rolloff": feature.spectral_rolloff(y=sound, **KW)[0],
        "flatness": np.log10(feature.spectral_flatness(y=sound, n_fft=512, hop_length=320)[0]),
        "crossings": feature.zero_crossing_rate(sound, **size)[0],
        "pitch": np.log(librosa.yin(sound, fmin=65, fmax=600, sr=16_000, frame_length=1024, hop_length=320)),
    }
    for name, values in expected.items():
        np.testing.assert_allclose(column(sound, name), values, rtol=1e-4, atol=1e-4, err_msg=name)


def test_pitch_and_voicing_of_a_tone_and_of_noise():
    time = np.arange(16_000) / 16_000
    tone = np.sin(2 * np.pi * 200 * time).astype(np.float32)
    noise = np.random.default_rng(0).normal(size=16_000).astype(np.float32)
    inner = slice(4, -4)
    np.testing.assert_allclose(np.exp(column(tone, "pitch")[inner]), 200, rtol=0.01)
    assert column(tone, "voicing")[inner].min() > 0.97
    assert column(noise, "voicing")[inner].mean() < 0.5


def test_louder_is_higher_by_its_logarithm(sound):
    np.testing.assert_allclose(column(sound, "rms") - column(sound / 10, "rms"), 1.0, atol=0.01)


def test_silence_is_finite():
    features = acoustic.signal_features(np.zeros(1600, np.float32), mels=True, mfcc=25, spectral=True)
    assert features.shape[1] == 64 + 25 + 9
    assert np.isfinite(features.astype(np.float16)).all()


def test_average_by_hand():
    frames = np.array([[1.0], [3.0], [5.0], [9.0]])
    centres = np.array([0.0, 0.05, 0.1, 0.35])
    # cells of 0.1 s: {1, 3}, {5}, none -> the next (9), {9}
    np.testing.assert_allclose(acoustic.average(frames, centres, 4, 10.0)[:, 0], [2, 5, 9, 9])


@given(
    frames=st.integers(1, 60), count=st.integers(1, 30), rate=st.floats(0.5, 50), step=st.floats(0.005, 0.1)
)
def test_average_stays_between_the_extremes(frames, count, rate, step):
    values = np.random.default_rng(frames).normal(size=(frames, 3))
    mean = acoustic.average(values, np.arange(frames) * step, count, rate)
    assert mean.shape == (count, 3)
    assert (mean <= values.max(0) + 1e-5).all() and (mean >= values.min(0) - 1e-5).all()


@pytest.mark.parametrize(("samples", "expected"), [(1, 1), (16_000, 10), (16_700, 10), (16_900, 11)])
def test_cells(samples, expected):
    assert acoustic.cells(samples, 10.0) == expected
