"""Where somebody speaks: the detector's stretches in sound of our own, and its chances whatever the blocks are."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile

from tricue.media.sound import SAMPLE_RATE
from tricue.recording.segments import Segment
from tricue.recording.speech import MARGIN, speech_stretches, stretches_in

THREADS = """
import numpy as np, torch
from tricue.recording.speech import stretches_in
torch.set_num_threads(3)
stretches_in([(0.0, np.zeros(3200, np.float32))])
print(torch.get_num_threads())
"""


def sound(*parts: tuple[float, float]) -> np.ndarray:
    """Seconds and loudness, one after the other."""
    return np.concatenate([np.full(round(s * SAMPLE_RATE), level, np.float32) for s, level in parts])


def near(found: list[Segment], *expected: tuple[float, float]) -> bool:
    return len(found) == len(expected) and all(
        abs(s.start - start) < 0.05 and abs(s.end - end) < 0.05 for s, (start, end) in zip(found, expected, strict=True)
    )


def test_stretches_by_hand(loud: None) -> None:
    wave = sound((1, 0), (2, 0.5), (0.3, 0), (1, 0.5), (1, 0), (0.1, 0.5), (1, 0))
    # the pause of 0.3 s parts nothing, the 0.1 s of sound are too short; a margin on both sides
    assert near(stretches_in([(0.0, wave)]), (1 - MARGIN, 4.3 + MARGIN))


@pytest.mark.parametrize("block", [100, 512, 5000, 16_000])
def test_blocks_of_any_size_give_the_same(loud: None, block: int) -> None:
    wave = sound((0.5, 0), (1, 0.5), (1, 0), (1, 0.5), (0.5, 0))
    blocks = [(at / SAMPLE_RATE, wave[at : at + block]) for at in range(0, wave.size, block)]
    assert stretches_in(blocks) == stretches_in([(0.0, wave)])
    assert len(stretches_in(blocks)) == 2


def test_a_gap_in_the_stream_moves_what_follows(loud: None) -> None:
    talk = sound((0.5, 0), (1, 0.5), (1, 0))
    found = stretches_in([(0.0, talk), (10.0, talk)])
    assert near(found, (0.5 - MARGIN, 1.5 + MARGIN), (10.5 - MARGIN, 11.5 + MARGIN))


def test_a_blip_before_the_end_is_no_speech(loud: None) -> None:
    """Less than SHORTEST, wherever the sound ends after it."""
    for pause in (0.1, 0.3, 0.45):
        assert stretches_in([(0.0, sound((1, 0), (0.15, 0.5), (pause, 0)))]) == []
    assert near(stretches_in([(0.0, sound((1, 0), (0.5, 0.5), (0.3, 0)))]), (1 - MARGIN, 1.5 + MARGIN))
    assert near(stretches_in([(0.0, sound((1, 0), (0.512, 0.5)))]), (1 - MARGIN, 1.536))


def test_the_real_detector_hears_no_speech_in_a_hum_of_half_a_second() -> None:
    t = np.arange(SAMPLE_RATE // 2) / SAMPLE_RATE
    hum = sum(np.sin(2 * np.pi * f * t) for f in (120, 240, 360, 480)) / 8
    assert stretches_in([(0.0, np.asarray(hum, np.float32))]) == []


def test_silence_and_nothing_at_all_hold_no_speech(loud: None) -> None:
    assert stretches_in([(0.0, sound((3, 0)))]) == []
    assert stretches_in([]) == []


def test_the_real_detector_hears_no_speech_in_noise_or_a_tone(tmp_path: Path) -> None:
    noise = np.random.default_rng(0).normal(0, 0.05, 3 * SAMPLE_RATE).astype(np.float32)
    assert stretches_in([(0.0, noise)]) == []
    tone = 0.4 * np.sin(2 * np.pi * 220 * np.arange(3 * SAMPLE_RATE) / SAMPLE_RATE)
    soundfile.write(tmp_path / "tone.wav", tone, SAMPLE_RATE)
    assert speech_stretches(tmp_path / "tone.wav", progress=False) == []


def test_the_real_detector_leaves_threads_as_they_are() -> None:
    """In a process of its own: it is the first import that sets them."""
    said = subprocess.run([sys.executable, "-c", THREADS], capture_output=True, text=True, check=True)
    assert said.stdout.split() == ["3"]


@pytest.mark.realdata
def test_real_speech_is_found(shared_speech) -> None:
    found = speech_stretches(shared_speech, progress=False)
    assert 1 <= len(found) <= 3
    assert sum(s.end - s.start for s in found) > 1.0  # "Kids are talking by the door", about 1.5 s
