"""Made-up utterances with the lengths of MELD's: words, seconds of sound, frames."""

import numpy as np

WORDS = ("oh", "my", "god", "you", "did", "this", "for", "me", "what", "is", "it", "that", "we", "were", "never")
LONGEST = 65  # tokens of MELD's longest of 2,048 drawn utterances (results/live_text_speed.json)
RATE = 16_000  # samples per second


def draw_token_counts(count: int, rng: np.random.Generator) -> np.ndarray:
    """(count,) tokens: median 12 and mean 14, as in results/live_text_speed.json."""
    return np.clip(np.exp(rng.normal(np.log(12), 0.55, count)).round(), 1, LONGEST).astype(int)


def draw_seconds(count: int, rng: np.random.Generator) -> np.ndarray:
    """(count,) durations in seconds: median 2.4, mean about 3."""
    return np.clip(np.exp(rng.normal(np.log(2.4), 0.7, count)), 0.3, 30.0)


def draw_texts(count: int, rng: np.random.Generator) -> list[str]:
    """Each word is a token; the tokenizers may put special ones around them."""
    return [" ".join(rng.choice(WORDS, size=tokens)) for tokens in draw_token_counts(count, rng)]


def draw_waves(count: int, rng: np.random.Generator) -> list[np.ndarray]:
    """Noise, (samples,) float32 each."""
    samples = (draw_seconds(count, rng) * RATE).astype(int)
    return [(0.1 * rng.standard_normal(size)).astype(np.float32) for size in samples]


def draw_frames(count: int, frames: int, rng: np.random.Generator) -> list[list[np.ndarray]]:
    """Noise, `frames` pictures (240, 320, 3) uint8 each."""
    return [list(rng.integers(0, 256, (frames, 240, 320, 3), np.uint8)) for _ in range(count)]
