"""How long a recording lasts, and packets that hold nothing."""

import os
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from tests.clips import write_sound

from tricue.media import container as opening
from tricue.media.container import MediaError, playing_time
from tricue.media.decoding import content_digest, decode
from tricue.recording.segments import windows

RATE = 48_000
REPEATED = Path(__file__).with_name("repeated_pictures.ogv")
LOUD = np.random.default_rng(0).normal(0, 0.3, 6 * RATE)
QUIET = 0.002 * np.sin(np.arange(18 * RATE) * 0.04)
VARYING = {"flags": "+qscale", "global_quality": "236"}
BARE = {  # name -> muxer, codec, options of either
    "a.mp3": ("mp3", "libmp3lame", {"write_xing": "0", "id3v2_version": "0"}, VARYING),
    "a.aac": ("adts", "aac", {}, VARYING),
    "a.ac3": ("ac3", "ac3", {}, {}),
    "a.mp2": ("mp2", "mp2", {}, {}),
}


def write_bare(path: Path, wave: np.ndarray) -> Path:
    muxer, codec, options, coding = BARE[path.name]
    return write_sound(path, wave, codec, rate=RATE, muxer=muxer, options=options, coding=coding)


@pytest.mark.parametrize("first", ["loud", "quiet"])
@pytest.mark.parametrize("name", BARE)
def test_guessed_length_is_counted(name: str, first: str, tmp_path: Path) -> None:
    """Of a varying bit rate: FFmpeg takes that of the beginning for all, so too little or too much."""
    path = write_bare(tmp_path / name, np.concatenate([LOUD, QUIET] if first == "loud" else [QUIET, LOUD]))
    assert playing_time(path) == pytest.approx(24.0, abs=0.1)
    cut = windows(playing_time(path), 8.0)
    assert len(cut) == 3
    for segment in cut:
        audio = decode(path, start=segment.start, end=segment.end).audio
        assert audio is not None and audio.size == pytest.approx(8 * 16_000, abs=1600)


def test_guessed_length_of_what_is_guessed_wrong_by_the_container(tmp_path: Path) -> None:
    """The case is what it is meant to be."""
    path = write_bare(tmp_path / "a.mp3", np.concatenate([LOUD, QUIET]))
    with av.open(str(path)) as file:
        assert file.duration is not None and abs(file.duration / av.time_base - 24.0) > 5


@pytest.mark.parametrize("name", ["a.mp4", "a.mkv", "a.wav", "a.ts", "a.flac", "a.ogg", "a.au"])
def test_guessed_length_of_a_file_that_is_cut_is_what_is_left(name: str, tmp_path: Path) -> None:
    """Its header promises all of it; windows behind its end would fail one by one."""
    codecs = {".mp4": "aac", ".mkv": "aac", ".ts": "aac", ".wav": "pcm_s16le", ".flac": "flac", ".ogg": "libopus"}
    codec = codecs.get(Path(name).suffix, "pcm_s16be")
    options, coding = {"movflags": "faststart"} if name == "a.mp4" else {}, VARYING if codec == "aac" else {}
    path = write_sound(tmp_path / name, 0.3 * LOUD.repeat(2), codec, rate=RATE, options=options, coding=coding)
    assert playing_time(path) == pytest.approx(12.0, abs=0.1)
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    with av.open(str(path)) as file:
        frames = [frame for frame in read_on(file) if frame.time is not None]
    ends = frames[-1].time + frames[-1].samples / frames[-1].sample_rate
    assert 3.0 < ends < 9.0
    assert playing_time(path) == pytest.approx(ends, abs=0.3)


def read_on(file: Any) -> Any:
    try:
        yield from file.decode(audio=0)
    except av.error.FFmpegError:
        return


def test_guessed_length_is_taken_from_the_header_where_packets_come_until_then(
    make_clip: Any, monkeypatch: Any
) -> None:
    """Hours of video are not read through: a few packets at the end are looked at."""
    path, read = make_clip(frames=240, sound=20.0), []
    whole = opening.Extent.add
    monkeypatch.setattr(opening.Extent, "add", lambda self, packet: (read.append(packet), whole(self, packet)))
    assert playing_time(path) == pytest.approx(20.0, abs=0.1)
    with av.open(str(path)) as file:
        assert len(read) < 0.2 * sum(1 for _ in file.demux())
    playing_time(path)
    once = len(read)
    playing_time(path)
    assert len(read) == once, "known from the first time"


def test_an_absurd_length_is_refused(tmp_path: Path) -> None:
    """A window of each second of it would take all memory."""
    path = tmp_path / "a.mkv"
    with av.open(str(path), "w") as file:
        stream = file.add_stream("pcm_s16le", rate=16_000, layout="mono")
        for at in (0, 10**9):
            frame = av.AudioFrame.from_ndarray(np.zeros((1, 16_000), np.int16), "s16", "mono")
            frame.sample_rate, frame.time_base, frame.pts = 16_000, Fraction(1, 16_000), at * 16_000
            file.mux(stream.encode(frame))
    with pytest.raises(MediaError, match="more than a week"):
        playing_time(path)


def test_repeated_pictures_are_no_damage() -> None:
    """Theora writes a picture that stays as a packet of no bytes: 5 packets of 24 hold any. Made by
    ffmpeg -f lavfi -i testsrc=s=32x32:r=2:d=2 -f lavfi -i sine=330:d=2:r=8000 -r 12 -c:v libtheora -c:a libvorbis.
    """
    with av.open(str(REPEATED)) as file:
        packets = [packet for packet in file.demux(video=0) if packet.pts is not None]
    assert (len(packets), sum(not packet.size for packet in packets)) == (24, 19)
    clip = decode(REPEATED, frames=8)
    assert clip.audio is not None and not clip.faults and not clip.notes
    assert clip.frames is not None and len(clip.frames) == 8, "a picture is shown for as long as it stays"
    assert len({frame.tobytes() for frame in clip.frames}) <= 5


def test_bytes_that_are_named_over_and_over_are_refused(make_clip: Any, monkeypatch: Any) -> None:
    """An index may point a million samples at the same picture."""
    path = make_clip(sound=None)
    monkeypatch.setattr(opening, "_REPEATS", 0.5)
    with pytest.raises(MediaError, match="over and over"):
        decode(path, frames=4)


@pytest.mark.timeout(20)
def test_what_is_no_regular_file_is_refused_unread(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.wav")
    (tmp_path / "folder.wav").mkdir()
    links = {"link.wav": "pipe.wav", "zero.wav": "/dev/zero", "kernel.wav": "/proc/self/mem", "stdin.wav": "/dev/stdin"}
    for name, target in links.items():
        (tmp_path / name).symlink_to(target)
    for name in ("pipe.wav", "folder.wav", *links):
        path = tmp_path / name
        for read in (decode, playing_time):
            with pytest.raises(MediaError, match="not a regular file"):
                read(path)
        with pytest.raises(OSError, match="not a regular file"):
            content_digest(path)
