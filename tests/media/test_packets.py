"""A span of a file holds what is shown then, whatever the container."""

from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from tricue.media.container import playing_time
from tricue.media.decoding import SAMPLE_RATE, decode, picture_span

FPS, SECONDS, KEYS = 10, 8, 40  # a key frame every 4 s
CONTAINERS = {  # name -> muxer, codec of pictures, codec of sound
    "a.mp4": ("mp4", "libx264", "aac"),
    "fragmented.mp4": ("mp4", "libx264", "aac"),
    "a.ts": ("mpegts", "libx264", "aac"),
    "a.m2ts": ("mpegts", "mpeg2video", "ac3"),
    "a.mpg": ("mpeg", "mpeg2video", "mp2"),
    "a.vob": ("vob", "mpeg2video", "ac3"),
    "a.mkv": ("matroska", "libx264", "aac"),
    "a.webm": ("webm", "libvpx", "libopus"),
    "a.avi": ("avi", "mpeg4", "mp2"),
    "a.flv": ("flv", "libx264", "aac"),
    "a.asf": ("asf", "mpeg4", "mp2"),
    "a.mxf": ("mxf", "mpeg2video", "pcm_s16le"),
    "a.h264": ("h264", "libx264", None),
    "a.m2v": ("mpeg2video", "mpeg2video", None),
}
QUICK = {
    "libx264": {"sc_threshold": "0", "preset": "veryfast", "bf": "2"},
    "libvpx": {"deadline": "realtime", "cpu-used": "8"},
}
OPTIONS = {"fragmented.mp4": {"movflags": "frag_keyframe+delay_moov"}}


def shot(i: int) -> np.ndarray:
    """(64, 64, 3): no two are alike."""
    image = np.full((64, 64, 3), 40 + 2 * i % 200, np.uint8)
    image[: 4 + i % 50, : 60 - i % 50] = np.random.default_rng(i).integers(0, 255, (4 + i % 50, 60 - i % 50, 3))
    return image


def write_film(path: Path, muxer: str, codec: str, coder: str | None, options: dict[str, str] | None = None) -> Path:
    rate = 48_000
    with av.open(str(path), "w", format=muxer, options=options or {}) as container:
        fps = 25 if muxer in ("mxf", "mpeg", "vob") or codec == "mpeg2video" else FPS  # MPEG-2 knows no 10
        video = container.add_stream(codec, rate=fps, options=QUICK.get(codec, {}))
        video.width = video.height = 64
        video.pix_fmt, video.gop_size, video.bit_rate = "yuv420p", KEYS * fps // FPS, 400_000
        frames = [av.VideoFrame.from_ndarray(shot(i), "rgb24") for i in range(SECONDS * fps)]
        streams: list[tuple[Any, list[Any]]] = [(video, frames)]
        if coder is not None:
            audio = container.add_stream(coder, rate=rate, layout="mono")
            hertz = np.linspace(200, 1200, SECONDS * rate)  # a glide: each moment sounds otherwise
            wave = (0.4 * np.sin(2 * np.pi * np.cumsum(hertz) / rate)).astype(np.float32)
            frame = av.AudioFrame.from_ndarray(wave[None], "fltp", "mono")
            frame.sample_rate, frame.time_base, frame.pts = rate, Fraction(1, rate), 0
            streams.append((audio, av.AudioResampler(audio.codec_context.format.name, "mono", rate).resample(frame)))
        packets = [p for stream, items in streams for item in [*items, None] for p in stream.encode(item)]
        for packet in sorted(packets, key=lambda p: float(p.dts * p.time_base)):
            container.mux(packet)
    return path


@pytest.fixture(scope="module")
def film(tmp_path_factory: pytest.TempPathFactory) -> Any:
    folder = tmp_path_factory.mktemp("films")

    def make(name: str) -> Path:
        path = folder / name
        return path if path.exists() else write_film(path, *CONTAINERS[name], OPTIONS.get(name))

    return make


def all_frames(path: Path) -> list[tuple[float, np.ndarray]]:
    """Every picture of the file by plain PyAV, from its beginning: seconds of playback, RGB."""
    with av.open(str(path)) as container:
        video = container.streams.video[0]
        lasts = 1 / (
            FPS if path.suffix == ".h264" else float(video.average_rate or FPS)
        )  # FFmpeg calls all raw H.264 25 fps
        origin, time, found = (container.start_time or 0) / av.time_base, -lasts, []
        for frame in container.decode(video):
            ticks = frame.dts if path.suffix == ".avi" else frame.pts  # AVI holds no other
            time = time + lasts if ticks is None else float(ticks * frame.time_base) - origin
            found.append((time, frame.to_ndarray(format="rgb24")))
        return found


@pytest.mark.parametrize("name", CONTAINERS)
def test_ts_seek_a_span_has_the_same_pictures_as_read_from_the_beginning(name: str, film: Any) -> None:
    path = film(name)
    frames = all_frames(path)
    for start in (1.3, 2.9, 4.0, 4.7, 6.9):
        expected = [shown for time, shown in frames if start - 1e-4 <= time < start + 0.8 - 1e-4]
        found = decode(path, start=start, end=start + 0.8, audio=False, frames=200)
        assert found.frames is not None and not found.notes, (start, found)
        assert len(found.frames) == len(expected) >= 7
        for own, other in zip(found.frames, expected, strict=True):
            np.testing.assert_array_equal(own, other)


@pytest.mark.parametrize("name", [name for name, (_, _, coder) in CONTAINERS.items() if coder])
def test_ts_seek_a_span_has_the_sound_of_its_time(name: str, film: Any) -> None:
    """The pitch of a glide says what time it is."""
    path = film(name)
    whole = decode(path).audio
    assert whole is not None
    for start in (1.3, 4.0, 6.9):
        sound = decode(path, start=start, end=start + 0.5, frames=3).audio
        assert sound is not None and sound.size == SAMPLE_RATE // 2
        pitches = [pitch_of(wave) for wave in (sound, whole[round(start * SAMPLE_RATE) :][: sound.size])]
        assert pitches[0] == pytest.approx(pitches[1], abs=3.0)
        assert pitches[0] == pytest.approx(200 + 1000 * (start + 0.25) / SECONDS, abs=12.0)


def pitch_of(wave: np.ndarray) -> float:
    """Hertz by the zero crossings."""
    return float(np.count_nonzero(np.diff(np.signbit(wave)))) / 2 / wave.size * SAMPLE_RATE


@pytest.mark.parametrize("name", ["a.ts", "a.mpg"])
def test_ts_seek_every_window_of_a_recording_has_its_pictures(name: str, film: Any) -> None:
    path = film(name)
    seconds = playing_time(path)
    assert seconds == pytest.approx(SECONDS, abs=0.1)
    for start in range(SECONDS):
        clip = decode(path, start=float(start), end=min(start + 1.0, seconds), frames=10)
        assert clip.frames is not None and len(clip.frames) == 10 and clip.audio is not None


def test_ts_seek_where_no_key_frame_is_told_the_file_is_read_from_its_beginning(film: Any, monkeypatch) -> None:
    """As in a file that cannot be sought: exact, and slower."""
    path, opened = film("a.mkv"), []
    whole = av.open

    class Unseekable:
        def __init__(self, container: Any) -> None:
            self.container = container

        def __enter__(self) -> Any:
            return self

        def __exit__(self, *problem: object) -> None:
            self.container.close()

        def __getattr__(self, name: str) -> Any:
            return getattr(self.container, name)

        def seek(self, *_: Any) -> None:
            av.error.err_check(-1, "no seeking")

    def opens(*args: Any, **settings: Any) -> Any:
        opened.append(args)
        return Unseekable(whole(*args, **settings))

    expected = [shown for time, shown in all_frames(path) if 4.7 - 1e-4 <= time < 5.5 - 1e-4]
    monkeypatch.setattr(av, "open", opens)
    found = decode(path, start=4.7, end=5.5, frames=200)
    assert len(opened) == 2 and found.audio is not None
    for own, other in zip(found.frames, expected, strict=True):
        np.testing.assert_array_equal(own, other)


def trimmed(source: Path, path: Path, seconds: float) -> Path:
    """A lossless trim: the packets from the key frame on, those before `seconds` hidden by an edit list."""
    with av.open(str(source)) as old, av.open(str(path), "w") as new:
        streams = {stream.index: new.add_stream_from_template(stream) for stream in old.streams}
        for packet in old.demux():
            if packet.dts is None:
                continue
            shift = round(seconds / packet.time_base)
            packet.pts, packet.dts = packet.pts - shift, packet.dts - shift
            packet.stream = streams[packet.stream_index]
            new.mux(packet)
    return path


def test_edit_list_bins_span_what_is_shown(film: Any, tmp_path: Path) -> None:
    path = trimmed(film("a.mp4"), tmp_path / "cut.mp4", 3.0)
    with av.open(str(path)) as container:
        hidden = [packet for packet in container.demux(video=0) if packet.is_discard]
    assert len(hidden) == 30, "the lead-in is in the file"
    shown = decode(path, frames=10)
    assert shown.frames is not None and len(shown.frames) == 10
    whole = decode(film("a.mp4"), start=3.0, frames=10)
    assert not shown.notes and shown.audio is not None and whole.frames is not None
    for own, other in zip(shown.frames, whole.frames, strict=True):
        np.testing.assert_array_equal(own, other)
    assert shown.audio.size == pytest.approx(5 * SAMPLE_RATE, abs=800)
    assert playing_time(path) == pytest.approx(5.0, abs=0.05)
    assert picture_span(path, None, None) == pytest.approx((0.0, 5.0), abs=0.05)
