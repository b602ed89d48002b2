"""The toy voice: a pulse train through formants, moved by three contours over time.

Each pair of emotions moves one contour and rests the other two; the second of a pair is the first one's
contours exactly reversed in time, so that whatever forgets the order cannot tell them apart.
"""

from dataclasses import dataclass

import numpy as np
from scipy.signal import lfilter

SAMPLE_RATE = 16_000

# emotion -> (what moves, whether it rises); neutral moves nothing
VOICE_PATTERNS: dict[str, tuple[str, bool]] = {
    "anger": ("loudness", True),
    "sadness": ("loudness", False),
    "joy": ("pitch", True),
    "disgust": ("pitch", False),
    "surprise": ("brightness", True),
    "fear": ("brightness", False),
}
PITCH_OCTAVES = 1.6  # from one end of the pitch contour to the other
LOUDNESS_DB = 30.0  # from one end of the loudness contour to the other
DARK = ((320.0, 60.0), (760.0, 80.0), (2300.0, 150.0))  # formants (Hz, bandwidth) of an "oo"
BRIGHT = ((760.0, 90.0), (2000.0, 120.0), (2900.0, 180.0))  # and of an "ae"
SOURCE_HZ = 2600.0  # where the pulses' spectrum has fallen off
Contours = dict[str, np.ndarray]
SILENCE = 0.08  # share of the clip at each end without voice
NOISE_DB = -46.0  # of the steady background: AAC keeps so loud a one before and after a loud voice alike


@dataclass(frozen=True)
class Voice:
    """What stays the same over one speaker's clips."""

    pitch: float  # Hz
    tract: float  # factor of the formant frequencies
    breath: float  # share of noise in the source


@dataclass(frozen=True)
class VoiceJitter:
    """What differs from clip to clip, drawn without looking at the emotion."""

    center: float  # share of the clip at which a moving contour is half way
    width: float  # share of the clip that the movement takes
    wobble: np.ndarray  # (3, 6) small deviations of pitch, loudness and brightness
    gain_db: float
    pitch: float  # factor
    beat_hz: float  # of the mark of sarcasm
    beat_phase: float
    noise_seed: int


def voice_of_speaker(rng: np.random.Generator) -> Voice:
    return Voice(115.0 * (250.0 / 115.0) ** rng.random(), rng.uniform(0.92, 1.1), rng.uniform(0.02, 0.12))


def voice_jitter(rng: np.random.Generator) -> VoiceJitter:
    return VoiceJitter(
        center=rng.uniform(0.42, 0.58),
        width=rng.uniform(0.2, 0.4),
        wobble=rng.normal(0.0, 0.02, (3, 6)),
        gain_db=rng.uniform(-3.0, 3.0),
        pitch=2.0 ** rng.uniform(-0.1, 0.1),
        beat_hz=rng.uniform(2.4, 3.0),
        beat_phase=rng.uniform(0.0, 2.0 * np.pi),
        noise_seed=int(rng.integers(2**31)),
    )


def ramp(points: int, center: float, width: float) -> np.ndarray:
    """(points,) from 0 to 1: level, a smooth rise over `width` around `center` (shares of the whole), level."""
    time = (np.arange(points) + 0.5) / points
    share = np.clip((time - center) / width + 0.5, 0.0, 1.0)
    return share * share * (3.0 - 2.0 * share)


def voice_contours(shown: str | None, jitter: VoiceJitter, points: int, seconds: float) -> Contours:
    """Pitch, loudness and brightness, (points,) each, 0 to 1 with 0.5 at rest; None shows the mark of sarcasm.

    The contours of the falling emotion of a pair are those of the rising one, reversed.
    """
    rest = np.full(points, 0.5)
    contours = {"pitch": rest, "loudness": rest, "brightness": rest}
    rises = True
    if shown is None:  # a steady two-tone drawl, loud and high against soft and low, over and over
        beat = np.sin(2.0 * np.pi * jitter.beat_hz * seconds * np.arange(points) / points + jitter.beat_phase)
        drawl = 0.5 + 0.45 * np.tanh(2.5 * beat)
        contours |= {"pitch": drawl, "loudness": drawl}
    elif shown in VOICE_PATTERNS:
        moves, rises = VOICE_PATTERNS[shown]
        contours[moves] = ramp(points, jitter.center, jitter.width)
    time = np.linspace(0.0, 1.0, points)
    knots = np.linspace(0.0, 1.0, jitter.wobble.shape[1])
    for name, wobble in zip(contours, jitter.wobble, strict=True):
        moved = contours[name] + np.interp(time, knots, wobble)
        contours[name] = moved if rises else moved[::-1]
    return contours


def synthesise(shown: str | None, speaker: Voice, jitter: VoiceJitter, seconds: float) -> np.ndarray:
    """(N,) float32 waveform at 16 kHz, within -1 and 1."""
    samples = round(seconds * SAMPLE_RATE)
    contours = voice_contours(shown, jitter, samples, seconds)
    noise = np.random.default_rng(jitter.noise_seed).standard_normal((2, samples))

    pitch = speaker.pitch * jitter.pitch * 2.0 ** (PITCH_OCTAVES * (contours["pitch"] - 0.5))
    phase = 2.0 * np.pi * np.cumsum(pitch) / SAMPLE_RATE
    # exp(k (cos - 1)) is a pulse whose harmonics fall off smoothly near SOURCE_HZ: no aliasing to filter away
    pulses = np.exp((SOURCE_HZ / pitch) ** 2 * (np.cos(phase) - 1.0) / 2.0)
    source = (pulses - pulses.mean()) / pulses.std() + speaker.breath * noise[0]

    bright = np.clip(contours["brightness"], 0.0, 1.0)
    voice = (1.0 - bright) * _formants(source, DARK, speaker.tract)
    voice += bright * _formants(source, BRIGHT, speaker.tract)
    level_db = LOUDNESS_DB * (contours["loudness"] - 0.5) + jitter.gain_db
    voice *= 0.09 * 10.0 ** (level_db / 20.0) * _gate(samples)
    voice += 10.0 ** (NOISE_DB / 20.0) * noise[1]
    return np.tanh(voice).astype(np.float32)  # loudest peaks bend instead of breaking


def _formants(source: np.ndarray, formants: tuple[tuple[float, float], ...], tract: float) -> np.ndarray:
    """The source through resonators side by side, scaled to unit deviation."""
    filtered = np.zeros_like(source)
    for weight, (frequency, bandwidth) in zip((1.0, 0.6, 0.25), formants, strict=True):
        radius = np.exp(-np.pi * bandwidth / SAMPLE_RATE)
        angle = 2.0 * np.pi * frequency * tract / SAMPLE_RATE
        gain = (1.0 - radius) * np.sqrt(1.0 - 2.0 * radius * np.cos(2.0 * angle) + radius**2)  # 1 at the peak
        filtered += weight * lfilter([gain], [1.0, -2.0 * radius * np.cos(angle), radius**2], source)
    return filtered / filtered.std()


def _gate(samples: int) -> np.ndarray:
    """(samples,) 0 at both ends, 1 between, alike forwards and backwards.

    With silence at both ends the onsets of a reversed clip add up to the same sum: no onset feature, averaged,
    tells which way the clip runs.
    """
    edge = np.minimum(np.arange(samples), np.arange(samples)[::-1]) / samples
    return np.clip((edge - SILENCE) / 0.03, 0.0, 1.0)
