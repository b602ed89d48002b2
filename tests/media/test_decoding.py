import io
from pathlib import Path

import av
import numpy as np
import pytest
import soundfile
from tests.clips import entropy, shown

from tricue.media.container import playing_time
from tricue.media.decoding import SAMPLE_RATE, MediaError, decode, probe


def brute_force(frames: list, low: float, high: float, bins: int) -> list[np.ndarray]:
    chosen = []
    for part in range(bins):
        begin, end = (low + (high - low) * (part + i) / bins for i in (0, 1))
        inside = [f for f in frames if begin - 1e-6 <= f[0] < end - 1e-6]
        if inside:
            chosen.append(max(inside, key=lambda f: entropy(f[1]))[2])
    return chosen


def write_wav(path: Path, samples: np.ndarray, rate: int = SAMPLE_RATE) -> Path:
    soundfile.write(path, samples.astype(np.int16), rate)
    return path


@pytest.mark.parametrize("bins", [1, 5, 10])
def test_key_frames_equal_a_brute_force_pass(make_clip, bins):
    path = make_clip(frames=24, fps=12)
    clip = decode(path, audio=False, frames=bins)
    expected = brute_force(shown(path), 0.0, 2.0, bins)
    assert len(clip.frames) == len(expected) == bins
    for own, other in zip(clip.frames, expected, strict=True):
        np.testing.assert_array_equal(own, other)


def test_key_frames_of_a_span_need_no_frame_outside_it(make_clip):
    path = make_clip(frames=60, fps=12, sound=None)
    clip = decode(path, start=2.5, end=4.0, audio=False, frames=4)
    expected = brute_force(shown(path), 2.5, 4.0, 4)
    for own, other in zip(clip.frames, expected, strict=True):
        np.testing.assert_array_equal(own, other)


def test_fewer_frames_than_bins_gives_each_once(make_clip):
    clip = decode(make_clip(frames=3), audio=False, frames=10)
    assert len(clip.frames) == 3


def test_the_first_of_equal_frames_is_taken(tmp_path):
    from tricue.media.keyframes import KeyFrames

    keys = KeyFrames(0.0, 1.0, 1)
    for i, level in enumerate((10, 200, 90)):  # flat pictures: entropy 0 each
        frame = av.VideoFrame.from_ndarray(np.full((32, 32, 3), level, np.uint8), "rgb24")
        assert not keys.add(frame, i / 3)
    assert int(keys.pictures()[0].mean()) == 10
    assert keys.add(frame, 1.0)  # the end is outside


def test_sound_of_a_wav_is_exact(tmp_path):
    samples = np.random.default_rng(0).integers(-20_000, 20_000, 8_000)
    path = write_wav(tmp_path / "a.wav", samples)
    np.testing.assert_array_equal(decode(path).audio, (samples / 32768).astype(np.float32))
    part = decode(path, start=0.1, end=0.3).audio
    np.testing.assert_array_equal(part, (samples[1600:4800] / 32768).astype(np.float32))


def test_a_late_span_equals_the_same_stretch_of_the_whole(make_clip):
    path = make_clip(frames=60, fps=12, sound=5.0)
    whole = decode(path).audio
    part = decode(path, start=3.2, end=4.1).audio
    assert part.size == round(0.9 * SAMPLE_RATE)
    np.testing.assert_allclose(part, whole[51_200 : 51_200 + part.size], atol=1e-4)


def test_sound_is_resampled_to_16_khz(tmp_path):
    hertz, rate = 440.0, 44_100
    samples = 12_000 * np.sin(2 * np.pi * hertz * np.arange(rate) / rate)
    sound = decode(write_wav(tmp_path / "a.wav", samples, rate)).audio
    assert abs(sound.size - SAMPLE_RATE) <= 32
    spectrum = np.abs(np.fft.rfft(sound[:SAMPLE_RATE] * np.hanning(len(sound[:SAMPLE_RATE]))))
    assert abs(np.argmax(spectrum) * SAMPLE_RATE / len(sound[:SAMPLE_RATE]) - hertz) < 1.5


def test_what_fills_the_last_frame_of_a_codec_is_cut_off(make_clip):
    """One second at 16 kHz is 15 whole AAC frames of 1,024 samples and 640: the file says so, as players read it."""
    path = make_clip(frames=0, sound=1.0)
    with av.open(str(path)) as container:
        assert sum(frame.samples for frame in container.decode(audio=0)) == 16_384
    assert decode(path).audio.size == 16_000
    assert decode(path, start=0.5).audio.size == 8_000


def test_longer_than_max_seconds_is_cut_and_noted(tmp_path):
    path = write_wav(tmp_path / "a.wav", np.ones(4 * SAMPLE_RATE))
    clip = decode(path, max_seconds=1.5)
    assert clip.audio.size == 24_000
    assert "1.5 s" in clip.notes["audio"]
    assert not decode(path, max_seconds=4.0).notes


def test_probe(make_clip):
    found = probe(make_clip(frames=24, fps=12, size=64))
    assert found.seconds == pytest.approx(2.0, abs=0.1)
    assert (found.sample_rate, found.size, found.fps) == (16_000, (64, 64), 12.0)


# Bad input: always a MediaError or a named fault, never another exception.


@pytest.mark.parametrize(
    ("content", "why"), [(b"", "0 bytes"), (b"not a film\n" * 50, "cannot be opened"), (None, "no such file")]
)
def test_what_is_no_media_file(tmp_path, content, why):
    path = tmp_path / "a.mp4"
    if content is not None:
        path.write_bytes(content)
    for read in (decode, probe):
        with pytest.raises(MediaError, match=why):
            read(path)


def test_a_stream_of_an_unknown_codec_is_as_if_absent(make_clip):
    path = make_clip("odd.mkv")
    content = path.read_bytes()
    assert content.count(b"V_MPEG4/ISO/AVC") == 1
    path.write_bytes(content.replace(b"V_MPEG4/ISO/AVC", b"V_MPEG4/ISO/XYZ"))
    clip = decode(path, frames=4)
    assert clip.frames is None and "known codec" in clip.faults["video"] and clip.audio is not None


@pytest.mark.parametrize("share", [0.15, 0.3, 0.8, 0.95])
def test_cut_with_its_index_in_front(make_clip, share):
    """The header still promises 4 s: what is left counts from half of it on, and says so."""
    path = make_clip(frames=48, sound=4.0, options={"movflags": "faststart"})
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * share)])
    try:
        clip = decode(path, frames=8)
    except MediaError:
        assert share < 0.5
        return
    for modality, signal in (("audio", clip.audio), ("video", clip.frames)):
        assert (signal is None) == (modality in clip.faults)
        assert signal is None or share > 0.5
    assert clip.faults or clip.notes


def test_a_span_beyond_the_end_holds_nothing(make_clip):
    clip = decode(make_clip(), start=50.0, end=52.0, frames=4)
    assert set(clip.faults) == {"audio", "video"}


def test_a_half_of_the_picture_is_that_half(make_clip):
    clip = make_clip(size=64)
    whole, left, right = (decode(clip, audio=False, frames=24, crop=c).frames for c in (None, "left", "right"))
    for picture, one, other in zip(whole, left, right, strict=True):
        np.testing.assert_array_equal(np.concatenate([one, other], axis=1), picture)


def test_the_key_frame_of_a_half_is_the_one_most_eventful_there(make_clip):
    clip = make_clip(size=64)
    (chosen,) = decode(clip, audio=False, frames=1, crop="right").frames
    best = max(shown(clip), key=lambda frame: entropy(frame[1][:, 32:]))
    np.testing.assert_array_equal(chosen, best[2][:, 32:])


def test_an_avi_whose_header_was_never_finished_is_whole(tmp_path: Path) -> None:
    class Pipe(io.BytesIO):
        seek = tell = seekable = None  # type: ignore[assignment]  # PyAV asks which of them there are

    pipe = Pipe()
    with av.open(pipe, "w", format="avi") as container:
        stream = container.add_stream("mpeg4", rate=10)
        stream.width = stream.height = 64
        for i in range(20):
            shot = np.full((64, 64, 3), 10 * i, np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(shot, "rgb24")))
        container.mux(stream.encode(None))
    path = tmp_path / "piped.avi"
    path.write_bytes(pipe.getvalue())
    assert path.read_bytes()[4:8] == b"\xff" * 4  # the length of the file, unknown
    clip = decode(path, audio=False, frames=4)
    assert clip.frames is not None and len(clip.frames) == 4 and not clip.notes
    assert playing_time(path) == pytest.approx(2.0)
