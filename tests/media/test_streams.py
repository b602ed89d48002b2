"""The stream that a player plays is read, and a note says which of several it is."""

from fractions import Fraction
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import av
import numpy as np
import pytest
from av.stream import Disposition

from tricue.media.container import opened, playing_time, probe, streams_of
from tricue.media.decoding import SAMPLE_RATE, decode
from tricue.media.sound_stream import sound_blocks
from tricue.media.streams import choose_stream, stream_note

DEFAULT, COMMENT = Disposition.default, Disposition.comment
NONE = Disposition(0)


def write_streams(
    path: Path, sounds: list[tuple[float, Disposition]], pictures: list[tuple[int, Disposition]], seconds: float = 2.0
) -> Path:
    """Tones (hertz, flags) and plain pictures with a noisy stripe (gray level, flags), each a stream of its own."""
    rate = 16_000
    with av.open(str(path), "w") as container:
        streams: list[tuple[Any, list[Any]]] = []
        for level, flags in pictures:
            video = container.add_stream("mjpeg", rate=10)
            video.width = video.height = 64
            video.pix_fmt, video.disposition = "yuvj420p", flags
            image = np.full((64, 64, 3), level, np.uint8)
            streams.append((video, [av.VideoFrame.from_ndarray(image, "rgb24") for _ in range(round(10 * seconds))]))
        for hertz, flags in sounds:
            audio = container.add_stream("pcm_s16le", rate=rate, layout="mono")
            audio.disposition = flags
            wave = 12_000 * np.sin(2 * np.pi * hertz * np.arange(round(seconds * rate)) / rate)
            frame = av.AudioFrame.from_ndarray(wave.astype(np.int16)[None], "s16", "mono")
            frame.sample_rate, frame.time_base, frame.pts = rate, Fraction(1, rate), 0
            streams.append((audio, [frame]))
        for stream, items in streams:
            for item in [*items, None]:
                container.mux(stream.encode(item))
    return path


def hertz_of(wave: np.ndarray) -> float:
    return float(np.count_nonzero(np.diff(np.signbit(wave)))) / 2 / wave.size * SAMPLE_RATE


@pytest.mark.parametrize(
    ("flags", "chosen", "why"),
    [
        ([NONE, DEFAULT], 1, "flagged as default"),
        ([DEFAULT, NONE], 0, "flagged as default"),
        ([NONE, NONE], 0, "none is flagged"),
        ([DEFAULT, DEFAULT], 0, "the first flagged as default"),
        ([COMMENT, NONE], 1, "none is flagged"),
        ([Disposition.visual_impaired, NONE], 1, "none is flagged"),
        ([Disposition.dub, Disposition.comment, Disposition.original], 2, "none is flagged"),
        ([COMMENT | DEFAULT, DEFAULT], 1, "flagged as default"),
    ],
)
def test_default_stream_of_several_is_read_by_all(
    flags: list[Disposition], chosen: int, why: str, tmp_path: Path
) -> None:
    sounds = [(300.0 * (i + 1), flag) for i, flag in enumerate(flags)]
    path = write_streams(tmp_path / "a.mkv", sounds, [(60 * (i + 1), flag) for i, flag in enumerate(flags)])
    clip = decode(path, frames=4)
    assert clip.audio is not None and clip.frames is not None and not clip.faults
    assert hertz_of(clip.audio) == pytest.approx(300.0 * (chosen + 1), abs=5)
    assert clip.frames[0].mean() == pytest.approx(60 * (chosen + 1), abs=8)
    ((_, block),) = sound_blocks(path)
    assert hertz_of(block) == pytest.approx(300.0 * (chosen + 1), abs=5)
    for modality, kind in (("audio", "audio"), ("video", "video")):
        note = clip.notes[modality]  # type: ignore[index]
        assert f"of its {len(flags)} {kind} streams number {chosen + 1} is read" in note and why in note


def test_default_stream_decides_size_rate_and_length(tmp_path: Path) -> None:
    path = write_streams(tmp_path / "a.mkv", [(300.0, NONE), (600.0, DEFAULT)], [(60, NONE), (120, DEFAULT)])
    with opened(path) as container:
        sound, picture = streams_of(container)
        assert (sound.index, picture.index) == (3, 1)
    assert probe(path).size == (64, 64) and playing_time(path) == pytest.approx(2.0, abs=0.11)


def test_default_stream_one_of_a_kind_needs_no_note(tmp_path: Path) -> None:
    assert not decode(write_streams(tmp_path / "a.mkv", [(300.0, NONE)], [(60, NONE)]), frames=4).notes


def test_default_stream_is_never_a_cover() -> None:
    cover, film = (
        SimpleNamespace(codec_context=1, disposition=flags, type="video", language=None)
        for flags in (Disposition.attached_pic | DEFAULT, NONE)
    )
    assert choose_stream([cover, film]) is film and stream_note([cover, film], film) is None
    assert choose_stream([cover]) is None


def test_the_last_pictures_of_a_stream_behind_others_are_read(tmp_path: Path) -> None:
    """A decoder that reorders pictures holds some back until the end."""
    path = tmp_path / "a.mkv"
    with av.open(str(path), "w") as container:
        sound = container.add_stream("pcm_s16le", rate=16_000, layout="mono")
        video = container.add_stream("libx264", rate=10)
        video.width = video.height = 64
        video.pix_fmt = "yuv420p"
        wave = av.AudioFrame.from_ndarray(np.zeros((1, 32_000), np.int16), "s16", "mono")
        wave.sample_rate, wave.time_base, wave.pts = 16_000, Fraction(1, 16_000), 0
        shots = [np.full((64, 64, 3), 10 * i, np.uint8) for i in range(20)]
        frames = [av.VideoFrame.from_ndarray(shot, "rgb24") for shot in shots]
        for stream, items in ((sound, [wave]), (video, frames)):
            for item in [*items, None]:
                container.mux(stream.encode(item))
    for audio in (True, False):
        found = decode(path, audio=audio, frames=20).frames
        assert found is not None and len(found) == 20
        assert found[-1].mean() == pytest.approx(190, abs=6)
