import csv
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from scipy.signal import lfilter

from tricue.audit.audit import audit
from tricue.audit.fingerprints import MIN_FRAMES, SAME, SILENT, fingerprint, fingerprint_files, same_recordings
from tricue.config.settings import AuditConfig, Config
from tricue.media.decoding import SAMPLE_RATE, decode
from tricue.types import Utterance

RAVDESS = Path(__file__).resolve().parents[2] / "../shared/data/ravdess"
SAME_TAKE = {"03-01-03-01-02-01-07", "03-01-03-01-02-02-07"}
CODECS = {  # ending: encoder, sample rate, bits per second
    "flac": ("flac", 16_000, None),
    "m4a": ("aac", 16_000, 64_000),
    "mp4": ("aac", 44_100, 64_000),
    "webm": ("libopus", 48_000, 32_000),
    "mp3": ("libmp3lame", 16_000, 32_000),
}


def sentence(seed: int, take: int = 0, syllables: int = 9) -> np.ndarray:
    """Speech-like sound of about 2 s: gliding harmonics through formants that move from syllable to syllable.

    `seed` is the sentence (its formants), `take` how it is spoken (pitch, timing, breath).
    """
    said, spoken = np.random.default_rng([seed, 1]), np.random.default_rng([seed, 2, take])
    formants = said.uniform([300, 900, 2300], [800, 2200, 3200], (syllables, 3))
    formants *= spoken.uniform(0.96, 1.04, formants.shape)
    lengths = (said.uniform(0.16, 0.3, syllables) * spoken.uniform(0.8, 1.2, syllables) * SAMPLE_RATE).astype(int)
    pitches = spoken.uniform(100, 220, syllables + 1)
    pitch = np.concatenate([np.linspace(a, b, n) for a, b, n in zip(pitches, pitches[1:], lengths, strict=False)])
    source = np.diff(np.cumsum(pitch / SAMPLE_RATE) % 1, prepend=0) + 0.05 * spoken.normal(size=pitch.size)
    parts, state = [], [np.zeros(2)] * 3
    for part, centres in zip(np.split(source, np.cumsum(lengths)[:-1]), formants, strict=True):
        for k, centre in enumerate(centres):
            radius = np.exp(-np.pi * 90 / SAMPLE_RATE)
            poles = [1, -2 * radius * np.cos(2 * np.pi * centre / SAMPLE_RATE), radius**2]
            part, state[k] = lfilter([1 - radius], poles, part, zi=state[k])
        parts.append(part * np.hanning(part.size) ** 0.3)
    wave = np.pad(np.concatenate(parts), 3200)
    return (0.5 * wave / np.abs(wave).max() + 1e-4 * spoken.normal(size=wave.size)).astype(np.float32)


def write(wave: np.ndarray, path: Path) -> Path:
    name, rate, bits = CODECS[path.suffix[1:]]
    try:
        av.Codec(name, "w")
    except ValueError:  # av.codec.codec.UnknownCodecError
        pytest.skip(f"this PyAV has no {name}")
    with av.open(str(path), "w") as container:
        stream = container.add_stream(name, rate=rate, layout="mono")
        if bits:
            stream.bit_rate = bits
        frame = av.AudioFrame.from_ndarray(wave[None], "fltp", "mono")
        frame.sample_rate, frame.time_base, frame.pts = SAMPLE_RATE, Fraction(1, SAMPLE_RATE), 0
        into = av.AudioResampler(stream.codec_context.format.name, "mono", rate)
        for item in [*into.resample(frame), *into.resample(None), None]:
            container.mux(stream.encode(item))
    return path


def error(one: np.ndarray, other: np.ndarray) -> float | None:
    """Bit error where the two are found to be the same recording, among 20 other sentences."""
    others = [fingerprint(sentence(100 + k)) for k in range(20)]
    pairs = same_recordings([fingerprint(one), *others, fingerprint(other)])
    assert all((i, j) == (0, 21) for i, j, _ in pairs)
    return pairs[0][2] if pairs else None


@pytest.mark.parametrize("ending", list(CODECS))
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_a_copy_in_another_codec_is_found(tmp_path: Path, ending: str, seed: int) -> None:
    wave = sentence(seed)
    original = decode(write(wave, tmp_path / "a.flac")).audio
    copy = decode(write(wave, tmp_path / f"b.{ending}")).audio
    assert original is not None and copy is not None
    found = error(original, copy)
    assert found is not None and found <= 0.75 * SAME


@pytest.mark.parametrize("start", [100, 1600, 3072])  # samples: 6 ms, 0.1 s, 192 ms
@pytest.mark.parametrize("gain", [0.05, 1.0, 1.9])
def test_gain_and_a_later_begin_change_little(start: int, gain: float) -> None:
    wave = sentence(3)
    found = error(wave, gain * wave[start : wave.size - 1000])
    assert found is not None and found < 0.1
    assert error(gain * wave[start:], wave) is not None  # whichever is the longer one


@pytest.mark.parametrize("seed", range(5))
def test_the_same_sentence_said_again_is_another_recording(seed: int) -> None:
    takes = [fingerprint(sentence(seed, take)) for take in range(6)]
    assert min(marks.size for marks in takes) > 2 * MIN_FRAMES
    assert same_recordings(takes) == []


def test_silence_is_no_recording(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    zeros, dither = np.zeros(3 * SAMPLE_RATE), 3e-5 * rng.normal(size=(2, 3 * SAMPLE_RATE))
    silent = [fingerprint(wave.astype(np.float32)) for wave in (zeros, zeros, *dither, zeros[:0])]
    assert all(marks.size == 0 for marks in silent)
    assert same_recordings(silent) == []
    paths = [write(wave.astype(np.float32), tmp_path / f"{k}.flac") for k, wave in enumerate([zeros, dither[0]])]
    for recording in fingerprint_files([(path, None, None) for path in paths], progress=False):
        assert (recording.fingerprint, recording.silent, recording.reason) == (None, True, None)


def test_pauses_say_nothing() -> None:
    """Two sentences, each with 3 s of digital silence: the silence is not what is compared."""
    pause = np.zeros(3 * SAMPLE_RATE, np.float32)
    marks = [fingerprint(np.concatenate([sentence(seed), pause])) for seed in (0, 1)]
    assert all((m[-250:] == SILENT).all() for m in marks)
    assert same_recordings(marks) == []


def test_a_hum_says_nothing() -> None:
    times = np.arange(3 * SAMPLE_RATE) / SAMPLE_RATE
    hums = [np.sin(2 * np.pi * 440 * times + phase).astype(np.float32) for phase in (0, 0, 1)]
    assert same_recordings([fingerprint(hum) for hum in hums]) == []


def test_a_short_clip_is_left_out() -> None:
    marks = fingerprint(sentence(0)[4000 : 4000 + SAMPLE_RATE // 2])
    assert 0 < marks.size < MIN_FRAMES
    assert same_recordings([marks, marks]) == []
    assert same_recordings([]) == []
    assert same_recordings([None, None]) == []


def test_pairs_are_ordered_and_copies_connected() -> None:
    wave = sentence(4)
    clips = [sentence(5), wave[500:], wave, wave.copy(), sentence(6), wave[1000:]]
    marks = [fingerprint(clip) for clip in clips]
    pairs = same_recordings([*marks, None])
    assert [(i, j) for i, j, _ in pairs] == sorted({(i, j) for i, j, _ in pairs})
    assert all(i < j for i, j, _ in pairs)
    assert (2, 3, 0.0) in pairs
    linked, grown = {1}, True
    while grown:
        more = {k for i, j, _ in pairs for k in (i, j) if {i, j} & linked} - linked
        linked, grown = linked | more, bool(more)
    assert linked == {1, 2, 3, 5}


def test_hundreds_of_copies_are_connected() -> None:
    """Most frames' values stand more often in the index than a frame is paired with neighbours."""
    marks = fingerprint(sentence(7))
    rng = np.random.default_rng(0)
    flips = rng.integers(0, 32, (200, marks.size)).astype(np.uint32)
    copies = [marks ^ np.where(rng.random(marks.size) < 0.3, np.uint32(1) << flip, np.uint32(0)) for flip in flips]
    pairs = same_recordings(copies)
    assert {k for i, j, _ in pairs for k in (i, j)} == set(range(200))


def test_files_in_processes_give_the_same_and_faults_are_reasons(tmp_path: Path) -> None:
    spoken = write(sentence(8), tmp_path / "a.flac")
    (tmp_path / "text.wav").write_text("no sound")
    jobs = [(spoken, None, None), (tmp_path / "none.wav", None, None), (tmp_path / "text.wav", None, None)]
    jobs += [(spoken, 0.1, 1.5), (spoken, 90.0, 91.0)]
    here, there = (fingerprint_files(jobs, workers, progress=False) for workers in (0, 2))
    assert [r.reason for r in here] == [r.reason for r in there]
    assert [r.reason is None for r in here] == [True, False, False, True, False]
    assert "no such file" in str(here[1].reason)
    assert not any(r.silent for r in here)
    for one, other in zip(here, there, strict=True):
        np.testing.assert_array_equal(one.fingerprint, other.fingerprint)
    assert [(i, j) for i, j, _ in same_recordings([r.fingerprint for r in here])] == [(0, 3)]


def test_a_video_without_sound_has_a_reason(tmp_path: Path) -> None:
    path = tmp_path / "mute.mp4"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=10)
        stream.width = stream.height = 32
        stream.pix_fmt = "yuv420p"
        for _ in range(10):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(np.zeros((32, 32, 3), np.uint8), "rgb24")))
        container.mux(stream.encode(None))
    (recording,) = fingerprint_files([(path, None, None)], progress=False)
    assert recording.fingerprint is None and "no audio stream" in str(recording.reason)


@pytest.mark.parametrize("planted", [False, True])
def test_the_audit_fails_on_a_copy_in_another_codec_and_not_on_the_sentence_said_twice(
    planted: bool, tmp_path: Path
) -> None:
    rows = {
        split: [
            Utterance(
                f"{split}{seed}", audio=write(sentence(seed, take), tmp_path / f"{split}{seed}.flac"), label="joy",
                video=tmp_path / f"{split}{seed}.flac", speaker="s", split=split,
            )
            for seed in range(4)
        ]
        for split, take in (("train", 0), ("test", 1))  # all say the same four sentences
    }  # fmt: skip
    if planted:
        copy = write(sentence(2, 0), tmp_path / "copy.m4a")
        rows["test"][0] = replace(rows["test"][0], audio=copy)
    looks = AuditConfig(near_duplicates=False, fingerprints=True)
    found = audit(rows, looks, "generated", Config(), progress=False)
    verdicts = {check.name: check.verdict for check in found.checks}
    assert verdicts["recordings"] == ("fail" if planted else "pass")
    assert verdicts["media"] == verdicts["sound"] == "pass"
    assert verdicts["pictures"] == "warn"  # a FLAC shows nothing


@pytest.mark.realdata
@pytest.mark.skipif(not RAVDESS.is_dir(), reason="the real recordings (../shared/data/ravdess) are not here")
def test_ravdess_has_one_recording_twice_and_its_copies_are_found(tmp_path: Path) -> None:
    with (RAVDESS / "labels.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 1200
    jobs = [(RAVDESS / row["audio"], None, None) for row in rows]
    copied = list(range(5, 1200, 60))
    for k in copied:
        wave = decode(jobs[k][0]).audio
        assert wave is not None
        jobs.append((write(wave, tmp_path / f"{k}.m4a"), None, None))
    recordings = fingerprint_files(jobs, progress=False)
    assert all(r.reason is None and not r.silent for r in recordings)
    pairs = {(i, j) for i, j, _ in same_recordings([r.fingerprint for r in recordings])}
    twice = {(i, j) for i, j in pairs if j < 1200}
    assert [{rows[i]["id"], rows[j]["id"]} for i, j in twice] == [SAME_TAKE]
    assert pairs - twice == {(k, 1200 + n) for n, k in enumerate(copied)}
