"""Damage to a signal is what its level says, belongs to the signal alone, and never meets undamaged features."""

import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from tricue.config.feature_settings import AudioFeatures, FeaturesConfig, VideoFeatures
from tricue.extractors.audio_extractors import LightAudio
from tricue.extractors.corruption import GRAY, Blur, Corruption, Damaged, FrameLoss, Noise, Occlusion
from tricue.extractors.video_extractors import LightVideo
from tricue.features.extract import extract
from tricue.media.decoding import decode
from tricue.types import InputError, Utterance

LIGHT = FeaturesConfig.model_validate({modality: {"encoder": "light"} for modality in ("text", "audio", "video")})
WAVES = arrays.arrays(
    np.float32, st.integers(1, 400), elements=st.floats(-1, 1, width=32, allow_subnormal=False)
).filter(lambda wave: np.abs(wave).max() > 1e-3)
SIZES = st.tuples(st.integers(8, 90), st.integers(8, 90))
ALL: list[Corruption] = [Noise(5.0), Blur(0.04), Occlusion(0.25), FrameLoss(0.5)]


def pictures(count: int = 6, size: tuple[int, int] = (36, 64), seed: int = 0) -> list[np.ndarray]:
    """Noise without GRAY, so that every pixel that was covered is seen."""
    shots = np.random.default_rng(seed).integers(0, 256, (count, *size, 3), dtype=np.uint8)
    return list(np.where(shots == GRAY, GRAY + 1, shots).astype(np.uint8))


def wave(seed: int = 0, samples: int = 8000) -> np.ndarray:
    return np.random.default_rng(seed).normal(0, 0.1, samples).astype(np.float32)


def signal_for(corruption: Corruption) -> Any:
    return wave() if corruption.modality == "audio" else pictures()


# --- noise -------------------------------------------------------------------------------------


@given(WAVES, st.floats(-10, 40))
def test_the_noise_is_as_far_below_the_sound_as_asked(sound: np.ndarray, snr_db: float) -> None:
    added = Noise(snr_db).damage(sound).astype(np.float64) - sound
    power, noise = np.mean(sound.astype(np.float64) ** 2), np.mean(added**2)
    assert 10 * np.log10(power / noise) == pytest.approx(snr_db, abs=0.01)


def test_the_noise_is_white_and_has_nothing_of_the_sound() -> None:
    tone = np.sin(np.arange(32_000) * 0.05).astype(np.float32)
    added = Noise(0.0).damage(tone) - tone
    assert abs(np.corrcoef(added, tone)[0, 1]) < 0.03
    spectrum = np.abs(np.fft.rfft(added)) ** 2
    low, high = spectrum[:8000].mean(), spectrum[8000:].mean()
    assert low / high == pytest.approx(1.0, abs=0.1)


@pytest.mark.parametrize("fill", [0.0, np.nan, np.inf])
def test_silence_and_what_is_no_sound_stay_as_they_are(fill: float) -> None:
    sound = np.full(50, fill, np.float32)
    np.testing.assert_array_equal(Noise(0.0).damage(sound), sound)


def test_a_file_louder_than_its_numbers_can_hold_does_not_warn() -> None:
    assert Noise(0.0).damage(np.full(50, 3e38, np.float32)).dtype == np.float32


# --- blur --------------------------------------------------------------------------------------


@pytest.mark.parametrize(("height", "radius"), [(100, 0.02), (200, 0.02), (200, 0.05)])
def test_a_line_is_spread_by_the_radius(height: int, radius: float) -> None:
    """The standard deviation of what becomes of a bright line is the radius times the height."""
    frame = np.zeros((height, 300, 3), np.uint8)
    frame[:, 149:152] = 255
    (blurred,) = Blur(radius).damage([frame])
    weights = blurred[height // 2, :, 0].astype(float)
    columns = np.arange(300)
    mean = (weights * columns).sum() / weights.sum()
    spread = np.sqrt((weights * (columns - mean) ** 2).sum() / weights.sum())
    assert spread == pytest.approx(np.hypot(radius * height, np.sqrt(2 / 3)), rel=0.08)  # 3 columns: sd sqrt(2/3)


def test_a_mirrored_frame_can_be_blurred_and_written_to() -> None:
    frame = pictures(1)[0]
    (straight,), (mirrored,) = Blur(0.05).damage([frame]), Blur(0.05).damage([frame[:, ::-1]])
    np.testing.assert_array_equal(mirrored[:, ::-1], straight)
    mirrored[0, 0] = 0


# --- occlusion ---------------------------------------------------------------------------------


@given(SIZES, st.floats(0.05, 1.0), st.integers(0, 99))
def test_the_share_of_the_picture_is_hidden_at_one_place_of_all_frames(
    size: tuple[int, int], share: float, seed: int
) -> None:
    frames = pictures(3, size, seed)
    hidden = Occlusion(share, seed).damage(frames)
    masks = [(after == GRAY).all(axis=2) for after in hidden]
    for before, after, mask in zip(frames, hidden, masks, strict=True):
        np.testing.assert_array_equal(mask, masks[0])
        np.testing.assert_array_equal(after[~mask], before[~mask])
    rows, columns = (np.flatnonzero(masks[0].any(axis=axis)) for axis in (1, 0))
    assert masks[0].sum() == len(rows) * len(columns) == (np.ptp(rows) + 1) * (np.ptp(columns) + 1)  # no gaps
    height, width = size
    assert abs(len(rows) * len(columns) - share * height * width) <= 0.5 * (height + width) + 0.25
    side = np.sqrt(share * height * width)
    if side <= min(size) - 1:
        assert abs(len(rows) - len(columns)) <= 1  # a square
    else:
        assert min(len(rows), len(columns)) >= min(size) - 1


def test_the_place_differs_between_clips_and_reaches_every_corner() -> None:
    hit = np.zeros((6, 8), bool)
    for seed in range(300):  # of 24 places
        (after, *_) = Occlusion(0.25).damage(pictures(2, (6, 8), seed))
        hit |= (after == GRAY).all(axis=2)
    assert hit.all()


# --- frame loss --------------------------------------------------------------------------------


@given(st.integers(1, 12), st.floats(0.01, 1.0), st.integers(0, 99))
def test_frames_are_lost_and_never_all(count: int, chance: float, seed: int) -> None:
    frames = pictures(count, (4, 4), seed)
    kept = FrameLoss(chance, seed).damage(frames)
    places = [next(i for i, f in enumerate(frames) if f is own) for own in kept]
    assert places == sorted(set(places)) and len(places) >= 1


def test_as_many_frames_are_lost_as_the_chance_says() -> None:
    lost = [10 - len(FrameLoss(0.25).damage(pictures(10, (4, 4), seed))) for seed in range(300)]
    assert np.mean(lost) == pytest.approx(2.5, abs=0.25)


# --- what all have in common -------------------------------------------------------------------


def test_a_higher_level_damages_what_a_lower_one_does_and_more() -> None:
    frames = pictures(10)
    few, many = (FrameLoss(chance).damage(frames) for chance in (0.2, 0.6))
    assert {id(f) for f in many} < {id(f) for f in few}
    quiet, loud = (Noise(snr).damage(wave()) - wave() for snr in (20.0, 0.0))
    np.testing.assert_allclose(loud, 10 * quiet, atol=1e-5)


@pytest.mark.parametrize("corruption", ALL, ids=lambda c: c.name)
def test_the_damage_is_the_signals_own(corruption: Corruption) -> None:
    """The same whatever was damaged meanwhile; the signal itself is left alone."""
    signal = signal_for(corruption)
    before = copy.deepcopy(signal)
    first = corruption.damage(signal)
    corruption.damage(signal[:-1])
    again = corruption.damage(before)
    np.testing.assert_array_equal(np.stack(first), np.stack(again))
    np.testing.assert_array_equal(np.stack(signal), np.stack(before))


@pytest.mark.parametrize("make", [lambda s: Noise(5.0, s), lambda s: Occlusion(0.25, s), lambda s: FrameLoss(0.5, s)])
def test_another_seed_is_another_damage(make: Callable[[int], Corruption]) -> None:
    signal = signal_for(make(0))
    one, other = (make(seed).damage(signal) for seed in (0, 1))
    assert len(one) != len(other) or (np.stack(one) != np.stack(other)).any()


@pytest.mark.parametrize("share", [0.0, -0.1, 1.1, float("nan")])
def test_a_share_that_is_none_is_refused(share: float) -> None:
    for make in (Occlusion, FrameLoss):
        with pytest.raises(InputError, match="above 0 and at most 1"):
            make(share)


# --- the extractor that reads damaged signals --------------------------------------------------


@pytest.mark.parametrize("corruption", ALL, ids=lambda c: c.name)
def test_it_gives_what_the_inner_one_gives_for_the_damaged_signal(corruption: Corruption) -> None:
    inner: Any = LightAudio(AudioFeatures()) if corruption.modality == "audio" else LightVideo(VideoFeatures(frames=6))
    damaged, signal = Damaged(inner, corruption), signal_for(corruption)
    (expected,) = inner.encode([inner.prepare(corruption.damage(signal))])
    (undamaged,) = inner.encode([inner.prepare(signal)])
    (found,) = damaged.encode([damaged.prepare(signal)])
    np.testing.assert_array_equal(found, expected)
    assert found.shape != undamaged.shape or (found != undamaged).any()
    assert (damaged.dims, damaged.version, damaged.config) == (inner.dims, inner.version, inner.config)


def test_a_face_is_looked_for_in_the_damaged_picture() -> None:
    class LeftHalf:
        settings: dict[str, Any] = {}  # noqa: RUF012

        def crop(self, frames: list[np.ndarray]) -> tuple[list[np.ndarray], int]:
            return [frame[:, : frame.shape[1] // 2] for frame in frames], 0

    video: Any = LightVideo(VideoFeatures(frames=6), faces=LeftHalf())  # type: ignore[arg-type]
    hidden = Occlusion(0.25).damage(pictures())
    expected = video.prepare([frame[:, :32] for frame in hidden])
    np.testing.assert_array_equal(Damaged(video, Occlusion(0.25)).prepare(pictures()), expected)


def test_no_two_levels_share_a_store() -> None:
    audio = LightAudio(AudioFeatures())
    levels = [Noise(5.0), Noise(0.0), Noise(5.0, seed=1)]
    settings = [str(Damaged(audio, level).settings) for level in levels]
    assert len({str(audio.settings), *settings}) == 4
    video = LightVideo(VideoFeatures())
    kinds = [Occlusion(0.5), FrameLoss(0.5), Blur(0.5)]
    assert len({str(Damaged(video, kind).settings) for kind in kinds}) == 3


def test_extract_damages_one_modality_and_keeps_it_apart(make_clip: Any, tmp_path: Path) -> None:
    clips = [make_clip(f"{i}.mp4", seed=i, hertz=150.0 + 40 * i) for i in range(3)]
    rows = [Utterance(f"u{i}", audio=clip, video=clip) for i, clip in enumerate(clips)]
    store = tmp_path / "store"
    clean = extract(rows, LIGHT, ["audio", "video"], store, progress=False)
    noisy = extract(rows, LIGHT, ["audio", "video"], store, damage=Noise(0.0), progress=False)
    again = extract(rows, LIGHT, ["audio", "video"], store, progress=False)
    inner = LightAudio(LIGHT.audio)
    for row, clip in zip(rows, clips, strict=True):
        np.testing.assert_array_equal(noisy.arrays["video"][row.id], clean.arrays["video"][row.id])
        np.testing.assert_array_equal(again.arrays["audio"][row.id], clean.arrays["audio"][row.id])
        heard = decode(clip, max_seconds=30.0).audio
        assert heard is not None
        expected = inner.prepare(Noise(0.0).damage(heard)).astype(np.float16)
        np.testing.assert_array_equal(noisy.arrays["audio"][row.id], expected)
    folders = sorted(path.name.rsplit("-", 1)[0] for path in store.iterdir())
    assert folders == ["audio-light", "audio-light-noise", "video-light"]


def test_order_and_processes_change_nothing(make_clip: Any, tmp_path: Path) -> None:
    clips = [make_clip(f"{i}.mp4", seed=i) for i in range(3)]
    rows = [Utterance(f"u{i}", video=clip) for i, clip in enumerate(clips)]
    damage = Occlusion(0.25)
    here = extract(rows, LIGHT, ["video"], tmp_path / "a", damage=damage, workers=0, progress=False)
    there = extract(rows[::-1], LIGHT, ["video"], tmp_path / "b", damage=damage, workers=2, progress=False)
    for row in rows:
        np.testing.assert_array_equal(here.arrays["video"][row.id], there.arrays["video"][row.id])


def test_a_modality_that_nobody_extracts_cannot_be_damaged(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="blur damages video, which is not extracted"):
        extract([Utterance("a", audio=Path("a.wav"))], LIGHT, ["audio"], tmp_path, damage=Blur(0.1))


def test_faults_of_a_damaged_pass_are_told_and_not_logged_again(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    row = Utterance("gone", audio=tmp_path / "gone.wav")
    found = extract([row], LIGHT, ["audio"], tmp_path / "store", damage=Noise(0.0), progress=False)
    assert [fault.id for fault in found.faults] == ["gone"] and not caplog.messages
