"""Signal features of a waveform, and the time grid that every audio stream shares.

MFCC and spectral features are librosa's (https://librosa.org/doc/latest/feature.html). `pyin` is left out: it
is too slow for what it adds to `yin`.
"""

import hashlib
import os
import sys
from contextlib import ExitStack, suppress
from functools import lru_cache
from importlib.metadata import version

import librosa
import numpy as np
from filelock import FileLock
from scipy import fft

from tricue.files.atomic import user_cache
from tricue.media.decoding import SAMPLE_RATE

N_FFT, HOP, MELS = 512, 320, 64  # 32 ms windows every 20 ms
PITCH_FRAME, PITCH_LOW, PITCH_HIGH = 1024, 65.0, 600.0  # samples; Hz
SPECTRAL = ("centroid", "bandwidth", "rolloff", "flatness", "crossings", "rms", "pitch", "voicing", "onset")
COMPILING = "librosa.lock"  # in the user's cache: held by the process that uses librosa for the first time
_WAIT_S = 300.0  # for that process; one that was stopped must not stop all others


def cells(samples: int, rate_hz: float) -> int:
    """T: cells of the time grid, at least one; a last part of half a cell or more counts."""
    return max(1, round(samples / SAMPLE_RATE * rate_hz))


def average(frames: np.ndarray, centres: np.ndarray, count: int, rate_hz: float) -> np.ndarray:
    """(N, D) frames with their centres in seconds, ascending, to the (count, D) mean of each grid cell.

    A cell without a frame takes the nearest after it, else the last; frames beyond the last cell join it.
    """
    starts = np.minimum(first_frames(centres, count, rate_hz), len(frames) - 1)
    ends = np.maximum(np.append(starts[1:], len(frames)), starts + 1)
    sums = np.cumsum(np.vstack([np.zeros_like(frames[:1]), frames]), axis=0, dtype=np.float64)
    return ((sums[ends] - sums[starts]) / (ends - starts)[:, None]).astype(np.float32)


def first_frames(centres: np.ndarray, count: int, rate_hz: float) -> np.ndarray:
    """(count,) number of the first frame at or after the beginning of each grid cell; the number of frames where there
    is none. centres: of the frames, in seconds, ascending."""
    return np.searchsorted(centres, np.arange(count) / rate_hz)


def signal_features(sound: np.ndarray, *, mels: bool, mfcc: int, spectral: bool) -> np.ndarray:
    """(ceil(samples / HOP), D) float32 of a waveform: [64 log-mel bands | `mfcc` | 9 spectral].

    Frame k is centred on the middle of its hop, (k + 1/2) HOP, as a speech encoder's frames are; so a clip run
    backwards has the same frames in reverse. (librosa's own `center` puts frame k at k HOP.)
    """
    _compile()
    return _features(sound, mels=mels, mfcc=mfcc, spectral=spectral)


@lru_cache(maxsize=1)
def _compile() -> None:
    """Let librosa's functions be compiled by one process at a time, once per installation.

    numba's cache on disk is not made for several writers: processes that compile at once can leave machine code there
    that crashes every later process. A file in the user's cache says that all is compiled: then nobody waits. Without
    a place for a lock, the functions are compiled without one.
    """
    with ExitStack() as held, suppress(OSError, RuntimeError):  # no folder, no locks in it, none in time
        folder = user_cache()
        installed = [sys.version, sys.prefix, os.environ.get("NUMBA_CACHE_DIR", "")]  # what numba's cache is of
        installed += map(version, ("librosa", "numba"))
        digest = hashlib.sha256(" ".join(installed).encode()).hexdigest()[:12]
        done = folder / f"librosa-{digest}.compiled"
        if done.is_file():
            return
        folder.mkdir(parents=True, exist_ok=True)
        held.enter_context(FileLock(folder / COMPILING, timeout=_WAIT_S))
        hum = np.sin(2 * np.pi * 120 / SAMPLE_RATE * np.arange(SAMPLE_RATE // 10)).astype(np.float32)
        _features(hum, mels=True, mfcc=1, spectral=True)
        done.touch()


def _features(sound: np.ndarray, *, mels: bool, mfcc: int, spectral: bool) -> np.ndarray:
    magnitude = np.abs(librosa.stft(_padded(sound, N_FFT), n_fft=N_FFT, hop_length=HOP, center=False))
    log_mel = librosa.power_to_db(_mel_filters() @ magnitude**2)  # dB, at most 80 below the loudest
    parts = [log_mel] if mels else []
    if mfcc:
        parts.append(librosa.feature.mfcc(S=log_mel, n_mfcc=mfcc))
    if spectral:
        parts.append(_spectral(sound, magnitude, log_mel))
    return np.concatenate(parts).T.astype(np.float32)


def _spectral(sound: np.ndarray, magnitude: np.ndarray, log_mel: np.ndarray) -> np.ndarray:
    """(9, frames) in the order of SPECTRAL. Energies, flatness and pitch are logarithms: safe in float16."""
    feature = librosa.feature
    pitch = librosa.yin(
        _padded(sound, PITCH_FRAME), fmin=PITCH_LOW, fmax=PITCH_HIGH, sr=SAMPLE_RATE,
        frame_length=PITCH_FRAME, hop_length=HOP, center=False,
    )  # fmt: skip
    return np.vstack((
        feature.spectral_centroid(S=magnitude, sr=SAMPLE_RATE),
        feature.spectral_bandwidth(S=magnitude, sr=SAMPLE_RATE),
        feature.spectral_rolloff(S=magnitude, sr=SAMPLE_RATE),
        np.log10(feature.spectral_flatness(S=magnitude)),
        feature.zero_crossing_rate(_padded(sound, N_FFT), frame_length=N_FFT, hop_length=HOP, center=False),
        np.log10(feature.rms(S=magnitude, frame_length=N_FFT) + 1e-6),
        np.log(pitch),
        _voicing(sound, pitch),
        librosa.onset.onset_strength(S=log_mel, sr=SAMPLE_RATE, hop_length=HOP, center=False),
    ))  # fmt: skip


def _voicing(sound: np.ndarray, pitch: np.ndarray) -> np.ndarray:
    """How periodic each frame is at its pitch: the normalised autocorrelation there, 1 for a steady tone."""
    frames = librosa.util.frame(_padded(sound, PITCH_FRAME), frame_length=PITCH_FRAME, hop_length=HOP, axis=0)
    spectrum = fft.rfft(np.ascontiguousarray(frames), n=2 * PITCH_FRAME)
    correlation = fft.irfft(spectrum.real**2 + spectrum.imag**2)
    lag = np.round(SAMPLE_RATE / pitch).astype(int)
    overlap = PITCH_FRAME / (PITCH_FRAME - lag)  # fewer products at a longer lag
    return correlation[np.arange(len(lag)), lag] * overlap / (correlation[:, 0] + 1e-8)


def _padded(sound: np.ndarray, frame: int) -> np.ndarray:
    """The waveform with zeros around it, so that frames of `frame` samples start half their overlap early."""
    margin = (frame - HOP) // 2
    return np.pad(sound, (margin, margin + -len(sound) % HOP))


@lru_cache(maxsize=1)
def _mel_filters() -> np.ndarray:
    return librosa.filters.mel(sr=SAMPLE_RATE, n_fft=N_FFT, n_mels=MELS)
