from contextlib import nullcontext
from pathlib import Path
from unittest.mock import Mock

import librosa
import numpy as np
import pytest
from filelock import FileLock, Timeout
from hypothesis import given
from hypothesis import strategies as st

from tricue.extractors import acoustic

HUM = np.sin(np.arange(1600, dtype=np.float32) / 10)

KW = {"sr": 16_000, "n_fft": 512, "hop_length": 320, "center": False}


@pytest.fixture(scope="module")
def sound() -> np.ndarray:
    rng = np.random.default_rng(1)
    time = np.arange(16_000) / 16_000
    return (0.3 * np.sin(2 * np.pi * (150 + 80 * time) * time) + 0.02 * rng.normal(size=16_000)).astype(np.float32)


def column(sound: np.ndarray, name: str) -> np.ndarray:
    return acoustic.signal_features(sound, mels=False, mfcc=0, spectral=True)[:, acoustic.SPECTRAL.index(name)]


def around(sound: np.ndarray, margin: int) -> np.ndarray:
    """The sound with `margin` zeros on both sides, so that librosa's uncentred frames start early."""
    return np.pad(sound, margin)


def test_mfcc_and_mel_are_librosas(sound):
    own = acoustic.signal_features(sound, mels=True, mfcc=25, spectral=False)
    padded = around(sound, 96)  # half of what a frame of 512 has over a hop of 320
    mel = librosa.power_to_db(librosa.feature.melspectrogram(y=padded, n_mels=64, **KW))
    assert own.shape == (50, 64 + 25)
    np.testing.assert_allclose(own[:, :64], mel.T, atol=2e-3)
    mfcc = librosa.feature.mfcc(y=padded, n_mfcc=25, n_mels=64, **KW)
    np.testing.assert_allclose(own[:, 64:], mfcc.T, atol=2e-2)


def test_spectral_features_are_librosas(sound):
    feature, plain = librosa.feature, {"hop_length": 320, "center": False}
    padded = around(sound, 96)
    pitch = librosa.yin(around(sound, 352), fmin=65, fmax=600, sr=16_000, frame_length=1024, **plain)
    mel = librosa.power_to_db(feature.melspectrogram(y=padded, n_mels=64, **KW))
    expected = {
        "centroid": feature.spectral_centroid(y=padded, **KW)[0],
        "bandwidth": feature.spectral_bandwidth(y=padded, **KW)[0],
        "rolloff": feature.spectral_rolloff(y=padded, **KW)[0],
        "flatness": np.log10(feature.spectral_flatness(y=padded, n_fft=512, **plain)[0]),
        "crossings": feature.zero_crossing_rate(padded, frame_length=512, **plain)[0],
        "pitch": np.log(pitch),
        "onset": librosa.onset.onset_strength(S=mel, sr=16_000, center=False),
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


def test_an_average_over_time_says_nothing_of_its_direction(sound):
    """Frames of a clip run backwards lie where those of the clip lie, but for half a sample of Hann's window."""
    ahead, back = (acoustic.signal_features(wave, mels=True, mfcc=25, spectral=True) for wave in (sound, sound[::-1]))
    difference = np.abs(ahead.mean(axis=0) - back.mean(axis=0)) / ahead.std(axis=0)
    onset = 64 + 25 + acoustic.SPECTRAL.index("onset")  # counts rises alone, so its sum differs by the ends
    assert np.delete(difference, onset).max() < 0.01


@pytest.mark.parametrize(("samples", "frames"), [(1600, 5), (1601, 6), (16_000, 50)])
def test_one_frame_per_hop(samples, frames):
    sound = np.random.default_rng(samples).normal(size=samples).astype(np.float32)
    assert len(acoustic.signal_features(sound, mels=True, mfcc=5, spectral=True)) == frames


def test_silence_is_finite():
    features = acoustic.signal_features(np.zeros(1600, np.float32), mels=True, mfcc=25, spectral=True)
    assert features.shape[1] == 64 + 25 + 9
    assert np.isfinite(features.astype(np.float16)).all()


def test_average_by_hand():
    frames = np.array([[1.0], [3.0], [5.0], [9.0]])
    centres = np.array([0.0, 0.05, 0.1, 0.35])
    # cells of 0.1 s: {1, 3}, {5}, none -> the next (9), {9}
    np.testing.assert_allclose(acoustic.average(frames, centres, 4, 10.0)[:, 0], [2, 5, 9, 9])


@given(frames=st.integers(1, 60), count=st.integers(1, 30), rate=st.floats(0.5, 50), step=st.floats(0.005, 0.1))
def test_average_stays_between_the_extremes(frames, count, rate, step):
    values = np.random.default_rng(frames).normal(size=(frames, 3))
    mean = acoustic.average(values, np.arange(frames) * step, count, rate)
    assert mean.shape == (count, 3)
    assert (mean <= values.max(0) + 1e-5).all() and (mean >= values.min(0) - 1e-5).all()


@pytest.mark.parametrize(("samples", "expected"), [(1, 1), (16_000, 10), (16_700, 10), (16_900, 11)])
def test_cells(samples, expected):
    assert acoustic.cells(samples, 10.0) == expected


@pytest.fixture
def first_use(tmp_path, monkeypatch):
    """As in a process that has not used librosa yet, with a cache of its own; the cache's folder."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    acoustic._compile.cache_clear()
    return tmp_path / "cache"


def test_librosa_is_first_used_under_a_lock_once_per_process(first_use, monkeypatch):
    """numba's cache, filled by several processes at once, made each later librosa.yin a segmentation fault."""
    lock, free, yin = first_use / "tricue" / acoustic.COMPILING, [], librosa.yin

    def watched(*args, **kwargs):
        try:
            with FileLock(lock, timeout=0):
                free.append(True)
        except Timeout:
            free.append(False)
        return yin(*args, **kwargs)

    monkeypatch.setattr(librosa, "yin", watched)
    for _ in range(2):
        acoustic.signal_features(HUM, mels=True, mfcc=0, spectral=True)
    assert free == [False, True, True]  # the first use is `_compile`'s own
    acoustic._compile.cache_clear()  # as in another process, which compiles nothing and waits for nobody
    with FileLock(lock):
        acoustic.signal_features(HUM, mels=True, mfcc=0, spectral=False)
    assert len(free) == 3


@pytest.mark.parametrize("reason", ["no folder", "no home", "held"])
def test_librosa_is_used_where_no_lock_can_be_had(first_use, monkeypatch, reason):
    if reason == "no folder":
        first_use.write_text("a file")
    elif reason == "no home":
        monkeypatch.delenv("XDG_CACHE_HOME")
        monkeypatch.setattr(Path, "home", Mock(side_effect=RuntimeError("Could not determine home directory.")))
    else:
        monkeypatch.setattr(acoustic, "_WAIT_S", 0.01)
        (first_use / "tricue").mkdir(parents=True)
    held = FileLock(first_use / "tricue" / acoustic.COMPILING) if reason == "held" else nullcontext()
    with held:
        assert len(acoustic.signal_features(HUM, mels=True, mfcc=0, spectral=True)) == 5
