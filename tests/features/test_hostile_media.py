"""Bad and odd files, each through the whole run: a usable modality with the right values, or a named reason.

Every file goes through `extract` between two good ones. What `decode` does with a file is in test_media.py.
"""

import errno
import io
import json
import os
import resource
import socket
import struct
import subprocess
import sys
import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from functools import lru_cache
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from av.stream import Disposition
from PIL import Image

from tricue.config.feature_settings import FeaturesConfig, VideoFeatures
from tricue.extractors.video_extractors import LightVideo
from tricue.features.extract import extract
from tricue.features.feature_set import FeatureSet
from tricue.media import decoding as media
from tricue.types import ModalityName, Utterance

LIGHT = FeaturesConfig.model_validate({modality: {"encoder": "light"} for modality in ("text", "audio", "video")})
MODALITIES: tuple[ModalityName, ...] = ("audio", "video")
WIDTHS = {"audio": 98, "video": 512}
RMS, PITCH = 64 + 25 + 5, 64 + 25 + 6  # columns of audio features: mel bands, MFCC, then acoustic.SPECTRAL
NO_SOUND, NO_PICTURE = "no audio stream of a known codec", "no video stream of a known codec"


# How files are made.


def picture(i: int, width: int = 64, height: int = 64, seed: int = 0) -> np.ndarray:
    """(height, width, 3): a flat ground and a noisy corner whose extent, and so the entropy, differs by frame."""
    rng = np.random.default_rng([seed, i])
    image = np.full((height, width, 3), 180, np.uint8)
    tall, wide = (max(1, int(side * rng.uniform(0.2, 1.0))) for side in (height, width))
    image[:tall, :wide] = rng.integers(0, 255, (tall, wide, 3))
    return image


def tone(seconds: float, rate: int = 16_000, hertz: float = 220.0) -> np.ndarray:
    return 0.4 * np.sin(2 * np.pi * hertz * np.arange(round(seconds * rate)) / rate)


def write(
    path: Path, *, pictures: Sequence[np.ndarray] | int = 24, fps: int = 12, times: Sequence[int] | None = None,
    codec: str = "libx264", pixels: str = "yuv420p", quality: dict[str, str] | None = None,
    sound: np.ndarray | float | None = 2.0, rate: int = 16_000, layout: str = "mono", coder: str = "aac",
    coding: dict[str, str] | None = None, options: dict[str, str] | None = None, seed: int = 0,
) -> Path:  # fmt: skip
    """A media file. pictures: arrays, or how many; times: ms of each; sound: (channels, samples), or seconds."""
    shots = [picture(i, seed=seed) for i in range(pictures)] if isinstance(pictures, int) else pictures
    with av.open(str(path), "w", options=options or {}) as container:
        streams: list[tuple[Any, list[Any]]] = []
        if len(shots):
            stream = container.add_stream(codec, rate=fps, options=quality or {})
            stream.height, stream.width = shots[0].shape[:2]
            stream.pix_fmt = pixels
            frames = [av.VideoFrame.from_ndarray(np.ascontiguousarray(shot), "rgb24") for shot in shots]
            if times is not None:
                stream.codec_context.time_base = Fraction(1, 1000)
                for frame, time in zip(frames, times, strict=True):
                    frame.pts, frame.time_base = time, Fraction(1, 1000)
            streams.append((stream, frames))
        if sound is not None:
            hasty = {"aac_coder": "fast"} if coder == "aac" else {}
            stream = container.add_stream(coder, rate=rate, layout=layout, options=coding or hasty)
            wave = tone(sound, rate) if isinstance(sound, float) else sound
            wave = np.broadcast_to(wave, (stream.codec_context.layout.nb_channels, wave.shape[-1]))
            frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(wave, np.float32), "fltp", layout)
            frame.sample_rate, frame.time_base, frame.pts = rate, Fraction(1, rate), 0
            kind = stream.codec_context.format.name
            streams.append((stream, av.AudioResampler(kind, layout, rate).resample(frame)))
        for stream, items in streams:
            for item in [*items, None]:
                container.mux(stream.encode(item))
    return path


def write_wav(path: Path, data: bytes, *, channels: int = 1, rate: int = 16_000, bits: int = 16, code: int = 1,
              extra: bytes = b"") -> Path:  # fmt: skip
    """code: 1 for integers, 3 for floats; a header may say anything."""
    block = channels * bits // 8
    header = struct.pack("<HHIIHH", code, channels, rate, rate * block % 2**32, block, bits)
    body = b"WAVE" + riff(b"fmt ", header) + extra + riff(b"data", data)
    path.write_bytes(riff(b"RIFF", body))
    return path


def riff(name: bytes, content: bytes) -> bytes:
    return name + struct.pack("<I", len(content)) + content


def as_int16(wave: np.ndarray) -> bytes:
    return (wave * 32767).astype("<i2").tobytes()


def with_holes(path: Path, source: Path, later: Callable[[str, float], float]) -> Path:
    """A copy whose packets of (kind, seconds) come `later` seconds later."""
    with av.open(str(source)) as old, av.open(str(path), "w") as new:
        streams = {stream.index: new.add_stream_from_template(stream) for stream in old.streams}
        packets = [packet for packet in old.demux() if packet.dts is not None]
        for packet in packets:
            shift = later(packet.stream.type, float(packet.dts * packet.time_base)) / packet.time_base
            packet.pts, packet.dts = packet.pts + round(shift), packet.dts + round(shift)
            packet.stream = streams[packet.stream_index]
            new.mux(packet)
    return path


def garbled(path: Path, kind: str, share: float = 1.0) -> Path:
    """An mp4 whose packets of one stream are noise: all, or the last `share` of them."""
    content = bytearray(write(path).read_bytes())
    with av.open(str(path)) as container:
        packets = [(p.pos, p.size) for p in container.demux(container.streams.get({kind: 0})) if p.size]
    rng = np.random.default_rng(0)
    for place, size in packets[round(len(packets) * (1 - share)) :]:
        content[place : place + size] = rng.bytes(size)
    path.write_bytes(content)
    return path


def patched(path: Path, place: int, content: bytes) -> Path:
    whole = bytearray(path.read_bytes())
    whole[place : place + len(content)] = content
    path.write_bytes(whole)
    return path


def jpeg() -> bytes:
    file = io.BytesIO()
    Image.fromarray(picture(0)).save(file, "JPEG")
    return file.getvalue()


def swollen(content: bytes) -> bytes:
    """The same JPEGs, each declared to be 65,500 pixels wide and high: 12 GB as RGB."""
    parts = content.split(b"\xff\xc0\x00\x11\x08")
    return parts[0] + b"".join(b"\xff\xc0\x00\x11\x08" + struct.pack(">HH", 65_500, 65_500) + p[4:] for p in parts[1:])


def png(width: int, height: int) -> bytes:
    def chunk(name: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    rows = zlib.compress(bytes(100_000))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")


def subtitles() -> bytes:
    """A Matroska file with a text track alone."""

    def element(name: str, *content: bytes) -> bytes:
        body = b"".join(content)
        return bytes.fromhex(name) + (len(body) | 1 << 56).to_bytes(8, "big") + body

    head = element("1A45DFA3", element("4282", b"matroska"), element("4287", b"\4"), element("4285", b"\2"))
    track = element("AE", element("D7", b"\1"), element("73C5", b"\1"), element("83", b"\x11"),
                    element("86", b"S_TEXT/UTF8"))  # fmt: skip
    block = element("A0", element("A1", b"\x81\0\0\0", b"Good morning."), element("9B", b"\x07\xd0"))
    return head + element(
        "18538067",
        element("1549A966", element("2AD7B1", b"\x0f\x42\x40"), element("4D80", b"t"), element("5741", b"t")),
        element("1654AE6B", track),
        element("1F43B675", element("E7", b"\0"), block),
    )


def with_cover(path: Path) -> Path:
    """Sound with the picture of an album, which shows nobody speak."""
    with av.open(str(path), "w") as container:
        cover = container.add_stream("mjpeg", rate=1)
        cover.width = cover.height = 64
        cover.pix_fmt, cover.disposition = "yuvj420p", Disposition.attached_pic
        voice = container.add_stream("aac", rate=16_000, layout="mono")
        frame = av.AudioFrame.from_ndarray(tone(1.0)[None].astype(np.float32), "fltp", "mono")
        frame.sample_rate, frame.time_base, frame.pts = 16_000, Fraction(1, 16_000), 0
        for stream, item in ((cover, av.VideoFrame.from_ndarray(picture(0), "rgb24")), (voice, frame)):
            container.mux(stream.encode(item))
            container.mux(stream.encode(None))
    return path


# The run.


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    folder = tmp_path_factory.mktemp("good")
    first, last = (write(folder / f"{i}.mp4", pictures=6, sound=0.5, seed=i) for i in (1, 2))
    return first, last


Run = Callable[..., FeatureSet]


@pytest.fixture
def run(good: tuple[Path, Path], tmp_path: Path) -> Run:
    """Extract from files (name -> path, or a whole Utterance) between two good ones, which have to stay good."""

    def go(modalities: Sequence[ModalityName] = MODALITIES, **files: Path | Utterance) -> FeatureSet:
        rows = [
            item if isinstance(item, Utterance) else Utterance(name, audio=item, video=item)
            for name, item in {"first": good[0], **files, "last": good[1]}.items()
        ]
        found = extract(rows, LIGHT, modalities, tmp_path / "store", workers=0, progress=False)
        lacking = {(fault.id, fault.modality) for fault in found.faults}
        for row in rows:
            for modality in modalities:
                array = found.arrays[modality].get(row.id)
                assert (array is None) == ((row.id, modality) in lacking), "each modality is there or has its reason"
                assert array is None or (len(array) and array.shape[1] == WIDTHS[modality] and np.isfinite(array).all())
        touched = {fault.id for fault in (*found.faults, *found.notes)}
        assert not touched & {"first", "last"}
        return found

    return go


def reason(found: FeatureSet, modality: ModalityName, id_: str = "odd") -> str | None:
    """Why a modality is missing, or what is noted of it."""
    reasons = [fault.reason for fault in (*found.faults, *found.notes) if (fault.id, fault.modality) == (id_, modality)]
    assert len(reasons) <= 1
    return reasons[0] if reasons else None


@dataclass(frozen=True)
class Kind:
    """A kind of file, and per modality why it is missing; no entry: the modality is usable and whole."""

    id: str
    make: Callable[[Path], object]
    suffix: str = ".mp4"
    faults: dict[ModalityName, str] = field(default_factory=dict)
    notes: dict[ModalityName, str] = field(default_factory=dict)


def bad(id_: str, make: Callable[[Path], object], why: str, suffix: str = ".mp4") -> Kind:
    """Neither modality, for the same reason."""
    return Kind(id_, make, suffix, {"audio": why, "video": why})


def content(data: bytes | str) -> Callable[[Path], object]:
    return lambda path: path.write_bytes(data.encode() if isinstance(data, str) else data)


def cut(share: float, suffix: str = ".mp4", **form: Any) -> Callable[[Path], object]:
    def make(path: Path) -> None:
        whole = write(path, **form).read_bytes()
        path.write_bytes(whole[: int(len(whole) * share)])

    return make


def named_otherwise(suffix: str) -> Callable[[Path], object]:
    return lambda path: write(path.with_suffix(suffix)).rename(path)


def made(**form: Any) -> Callable[[Path], object]:
    return lambda path: write(path, **form)


def small(width: int, height: int) -> list[np.ndarray]:
    return [picture(i, width, height) for i in range(12)]


M3U = "#EXTM3U\n#EXT-X-TARGETDURATION:10\n#EXTINF:2,\n{}\n#EXT-X-ENDLIST\n"
LATIN_1 = riff(b"LIST", b"INFO" + riff(b"INAM", "Müller".encode("latin-1")))
NAN = np.where(np.arange(16_000) == 9_000, np.nan, tone(1.0)).astype("<f4").tobytes()
QUIET_THEN_LOUD = np.concatenate([np.zeros(96_000), np.random.default_rng(0).normal(0, 0.3, 48_000)])

KINDS = [
    bad("zero_bytes", content(b""), "0 bytes"),
    bad("text", content("this is no film\n" * 40), "it cannot be opened as media"),
    bad("noise", content(np.random.default_rng(0).bytes(30_000)), "it cannot be opened as media"),
    bad("header_only", cut(0.01), "it cannot be opened as media"),
    bad("cut_index_behind", cut(0.8), "it cannot be opened as media: Invalid data"),
    Kind("cut_index_in_front", cut(0.85, options={"movflags": "faststart"}),
         notes={"audio": "partly damaged", "video": "partly damaged"}),
    Kind("cut_webm", cut(0.7, codec="libvpx", coder="libopus", rate=48_000), ".webm"),
    Kind("wrong_extension", named_otherwise(".mkv"), ".wav"),
    Kind("no_extension", named_otherwise(".mp4"), ""),
    Kind("no_audio", made(sound=None), faults={"audio": NO_SOUND}),
    Kind("no_video", made(pictures=0), faults={"video": NO_PICTURE}),
    Kind("album_cover", with_cover, ".mp4", {"video": NO_PICTURE}),
    bad("subtitles_only", content(subtitles()), "of a known codec", ".mkv"),
    Kind("one_frame", made(pictures=1), faults={"video": "a single frame"}),
    Kind("still_jpeg", content(jpeg()), faults={"audio": NO_SOUND}),
    Kind("gif", made(codec="gif", pixels="rgb8", sound=None), ".gif", {"audio": NO_SOUND}),
    Kind("raw_h264", made(sound=None), ".h264", {"audio": NO_SOUND}),
    Kind("garbage_audio", lambda path: garbled(path, "audio"), faults={"audio": "no sound can be decoded: Invalid"}),
    Kind("garbage_video", lambda path: garbled(path, "video"), faults={"video": "no picture can be decoded: Invalid"}),
    Kind("garbage_after_a_third", lambda path: garbled(path, "audio", 0.66), faults={"audio": "s can be decoded"}),
    Kind("garbage_at_the_end", lambda path: garbled(path, "audio", 0.3), notes={"audio": "partly damaged"}),
    # Playlists: what they name must not be read.
    bad("concat", content("ffconcat version 1.0\nfile first.mp4\n"), "not in a media format that is read here"),
    bad("m3u8", content(M3U.format("first.mp4")), "not in a media format that is read here", ".m3u8"),
    bad("m3u8_as_mp4", content(M3U.format("last.mp4")), "it cannot be opened as media"),
    bad("m3u8_of_the_net", content(M3U.format("http://127.0.0.1:9/a.ts")), "not in a media format", ".m3u8"),
    bad("sdp", content("v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nt=0 0\nm=audio 5004 RTP/AVP 0\n"),
        "not in a media format", ".sdp"),
    # Bombs: a few bytes that declare a giant picture.
    Kind("bomb_png", content(png(16_000, 16_000)), ".png", {"audio": NO_SOUND, "video": "beyond 36,000,000 pixels"}),
    Kind("bomb_png_2_31", content(png(2**31 - 1, 2**31 - 1)), ".png", {"audio": NO_SOUND, "video": "beyond 36,0"}),
    Kind("bomb_jpeg", content(swollen(jpeg())), ".jpg", {"audio": NO_SOUND, "video": "no picture can be decoded"}),
    Kind("bomb_gif", lambda path: patched(write(path, codec="gif", pixels="rgb8", sound=None), 6, b"\xff" * 4), ".gif",
         {"audio": NO_SOUND, "video": "beyond 36,000,000 pixels"}),
    Kind("bomb_mp4", lambda path: path.write_bytes(swollen(write(path, codec="mjpeg", pixels="yuvj420p").read_bytes())),
         faults={"video": "no picture can be decoded"}),
    Kind("thin", content(png(65_535, 1)), ".png", {"audio": NO_SOUND, "video": "20 times as long"}),
    Kind("rate_of_1_hz", lambda path: write_wav(path, as_int16(tone(1.0)), rate=1), ".wav",
         {"audio": "it has 1 samples per second", "video": NO_PICTURE}),
    Kind("rate_of_2_ghz", lambda path: write_wav(path, as_int16(tone(1.0)), rate=2**31 - 1), ".wav",
         {"audio": "2,147,483,647 samples per second", "video": NO_PICTURE}),
    # Sound.
    Kind("silence", made(sound=np.zeros((1, 16_000)))),
    Kind("nan", lambda path: write_wav(path, NAN, bits=32, code=3), ".wav",
         {"audio": "not finite numbers", "video": NO_PICTURE}),
    Kind("nan_at_48_khz", lambda path: write_wav(path, NAN, rate=48_000, bits=32, code=3), ".wav",
         {"audio": "not finite numbers", "video": NO_PICTURE}),
    Kind("beyond_full_scale", lambda path: write_wav(path, np.full(9_000, 3e38, "<f4").tobytes(), bits=32, code=3),
         ".wav", {"audio": "times full scale", "video": NO_PICTURE}),
    Kind("no_samples", lambda path: write_wav(path, b""), ".wav", {"audio": "holds no sound", "video": NO_PICTURE}),
    Kind("one_sample_wav", lambda path: write_wav(path, b"\0\1"), ".wav", {"video": NO_PICTURE}),
    Kind("one_sample_aac", made(pictures=0, sound=np.full((1, 1), 0.1)), ".m4a", {"video": NO_PICTURE}),
    Kind("a_hundredth_of_a_second", made(pictures=0, sound=0.01), ".m4a", {"video": NO_PICTURE}),
    Kind("17_channels", lambda path: write_wav(path, bytes(34 * 8_000), channels=17), ".wav",
         {"audio": "its 17 channels at 16,000 Hz are not mixed", "video": NO_PICTURE}),
    Kind("255_channels", lambda path: write_wav(path, bytes(510 * 2_000), channels=255), ".wav",
         {"audio": "its 255 channels", "video": NO_PICTURE}),
    Kind("tags_in_latin_1", lambda path: write_wav(path, as_int16(tone(1.0)), extra=LATIN_1), ".wav",
         {"video": NO_PICTURE}),
    # Without a header, the length is guessed from the first bit rate, here of silence: many times too long.
    Kind("guessed_length_aac", made(pictures=0, sound=QUIET_THEN_LOUD, rate=48_000,
                                    coding={"flags": "+qscale", "global_quality": "236"}), ".aac",
         {"video": NO_PICTURE}),
    Kind("guessed_length_mp3", made(pictures=0, sound=QUIET_THEN_LOUD, rate=48_000, coder="libmp3lame",
                                    coding={"flags": "+qscale", "global_quality": "236"},
                                    options={"write_xing": "0"}), ".mp3", {"video": NO_PICTURE}),
    # Pictures.
    Kind("one_pixel_high", made(pictures=small(16, 1), pixels="yuv444p")),
    Kind("one_pixel", made(pictures=small(1, 1), codec="ffv1"), ".mkv"),
    Kind("odd_sides", made(pictures=small(63, 47), codec="ffv1"), ".mkv"),
    Kind("declared_65535_but_64", lambda path: patched(write(path), path.read_bytes().index(b"avc1", 64) + 28,
                                                       struct.pack(">HH", 65_535, 65_535))),
    Kind("huge_gap", made(times=[*range(0, 1200, 100), *range(10**6, 10**6 + 1200, 100)])),
    Kind("clock_starts_again", lambda path: path.write_bytes(write(path).read_bytes() * 2), ".ts"),
]  # fmt: skip
BY_ID = pytest.mark.parametrize("kind", KINDS, ids=[kind.id for kind in KINDS])


@pytest.fixture(scope="module")
def made_once(tmp_path_factory: pytest.TempPathFactory) -> Callable[[Kind], Path]:
    """The file of a kind, which is only read."""
    folder = tmp_path_factory.mktemp("kinds")

    @lru_cache
    def make(kind_id: str) -> Path:
        (kind,) = (kind for kind in KINDS if kind.id == kind_id)
        path = folder / f"{kind.id}{kind.suffix}"
        kind.make(path)
        return path

    return lambda kind: make(kind.id)


def check(kind: Kind, found: FeatureSet, id_: str = "odd") -> None:
    for modality in MODALITIES:
        array = found.arrays[modality].get(id_)
        expected = kind.faults.get(modality) or kind.notes.get(modality)
        assert (array is None) == (modality in kind.faults), reason(found, modality, id_)
        if expected is None:
            assert reason(found, modality, id_) is None
        else:
            assert expected in (reason(found, modality, id_) or "")


@BY_ID
def test_a_usable_modality_or_a_named_reason(kind: Kind, run: Run, made_once: Callable[[Kind], Path]) -> None:
    check(kind, run(odd=made_once(kind)))


def test_all_of_them_in_one_run_and_again_from_the_store(run: Run, made_once, monkeypatch) -> None:
    files = {kind.id: made_once(kind) for kind in KINDS}
    first = run(**files)
    for kind in KINDS:
        check(kind, first, kind.id)
    monkeypatch.setattr(av, "open", None)  # nothing of it passes: no file is opened again
    again = run(**files)
    assert set(again.faults) == set(first.faults) and set(again.notes) == set(first.notes)
    for modality in MODALITIES:
        for id_, array in first.arrays[modality].items():
            np.testing.assert_array_equal(again.arrays[modality][id_], array)


def test_a_bomb_takes_no_memory(run: Run, made_once) -> None:
    """A picture of the largest would take 12 GB."""
    bombs = {kind.id: made_once(kind) for kind in KINDS if kind.id.startswith(("bomb", "rate_of"))}
    run()
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    run(**bombs)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 200_000  # kB


# Values.


def shown(path: Path) -> list[tuple[float, np.ndarray, np.ndarray]]:
    """Every picture by plain PyAV: seconds, gray, RGB."""
    with av.open(str(path)) as container:
        return [
            (frame.time, frame.to_ndarray(format="gray"), frame.to_ndarray(format="rgb24"))
            for frame in container.decode(video=0)
        ]


def entropy(gray: np.ndarray) -> float:
    shares = np.histogram(gray, bins=256, range=(0, 256))[0] / gray.size
    return float(sum(-s * np.log2(s) for s in shares if s > 0))


def seen(pictures: Sequence[np.ndarray]) -> np.ndarray:
    return LightVideo(VideoFeatures(encoder="light")).prepare(pictures).astype(np.float16)


LOSSLESS: dict[str, Any] = {"pixels": "yuv444p", "quality": {"qp": "0"}, "sound": None}
ONE = 1 << 16
TURNS: dict[str, tuple[tuple[int, int, int, int], Callable[[np.ndarray], np.ndarray]]] = {
    "as_it_is": ((ONE, 0, 0, ONE), lambda p: p),
    "all_zero": ((0, 0, 0, 0), lambda p: p),  # as some files have it: no turn at all
    "clockwise": ((0, ONE, -ONE, 0), lambda p: np.rot90(p, -1)),
    "counter_clockwise": ((0, -ONE, ONE, 0), lambda p: np.rot90(p)),
    "upside_down": ((-ONE, 0, 0, -ONE), lambda p: np.rot90(p, 2)),
    "front_camera": ((-ONE, 0, 0, ONE), lambda p: p[:, ::-1]),
    "mirrored_upside_down": ((ONE, 0, 0, -ONE), lambda p: p[::-1]),
    "front_camera_clockwise": ((0, ONE, ONE, 0), lambda p: p.transpose(1, 0, 2)),
    "front_camera_counter_clockwise": ((0, -ONE, -ONE, 0), lambda p: np.rot90(p.transpose(1, 0, 2), 2)),
}


@pytest.mark.parametrize("turn", TURNS)
def test_a_phones_video_looks_as_the_upright_one(turn: str, run: Run, tmp_path: Path) -> None:
    (a, b, c, d), show = TURNS[turn]
    stored = [picture(i, 80, 48) for i in range(12)]
    phone = write(tmp_path / "phone.mp4", pictures=stored, **LOSSLESS)
    upright = write(tmp_path / "upright.mp4", pictures=[show(image) for image in stored], **LOSSLESS)
    identity = struct.pack(">9i", ONE, 0, 0, 0, ONE, 0, 0, 0, 1 << 30)
    content = phone.read_bytes()
    patched(phone, content.index(identity, content.index(b"tkhd")), struct.pack(">9i", a, b, 0, c, d, 0, 0, 0, 1 << 30))
    found = run(["video"], odd=phone, plain=upright).arrays["video"]
    np.testing.assert_allclose(found["odd"].astype(float), found["plain"], atol=0.005)
    half = run(["video"], **{
        id_: Utterance(id_, video=path, crop="left") for id_, path in (("odd", phone), ("plain", upright))
    }).arrays["video"]  # fmt: skip
    np.testing.assert_allclose(half["odd"].astype(float), half["plain"], atol=0.005)


@pytest.mark.parametrize("suffix", [".mp4", ".mkv"])
def test_variable_frame_rate_key_frames_lie_in_their_parts_of_time(suffix: str, run: Run, tmp_path: Path) -> None:
    """Half of the frames lie in the first tenth of a second, as if a phone had stuttered."""
    times = [*range(0, 120, 10), *range(400, 2800, 200)]
    path = write(tmp_path / f"odd{suffix}", times=times, sound=None)
    frames = shown(path)
    assert [round(frame[0] * 1000) for frame in frames] == times
    chosen = []
    for part in range(10):
        low, high = part * 0.26 - 1e-4, (part + 1) * 0.26 - 1e-4
        inside = [frame for frame in frames if low <= frame[0] < high]
        chosen += [max(inside, key=lambda f: entropy(f[1]))[2]] if inside else []
    found = run(["video"], odd=Utterance("odd", video=path, start=0.0, end=2.6)).arrays["video"]["odd"]
    assert len(found) == len(chosen) >= 9
    np.testing.assert_array_equal(found, seen(chosen))


def test_a_browsers_webm_without_duration_is_as_with(run: Run, tmp_path: Path) -> None:
    form: dict[str, Any] = {"codec": "libvpx", "coder": "libopus", "rate": 48_000}
    plain = write(tmp_path / "plain.webm", **form)
    live = write(tmp_path / "live.webm", **form, options={"live": "1"})
    with av.open(str(live)) as container:
        assert container.duration is None
    found = run(odd=live, plain=plain)
    assert not found.notes
    for modality, count in (("audio", 20), ("video", 10)):
        assert len(found.arrays[modality]["plain"]) == count
        np.testing.assert_array_equal(found.arrays[modality]["odd"], found.arrays[modality]["plain"])


PIXELS = {
    "10_bit": ("libx264", "yuv420p10le", ".mp4"),
    "10_bit_4:2:2": ("libx264", "yuv422p10le", ".mp4"),
    "4:4:4": ("libx264", "yuv444p", ".mp4"),
    "gray": ("libx264", "gray", ".mp4"),
    "16_bit_gray": ("ffv1", "gray16le", ".mkv"),
    "alpha": ("ffv1", "yuva420p", ".mkv"),
    "argb": ("qtrle", "argb", ".mov"),
    "rgb": ("libx264rgb", "rgb24", ".mp4"),
    "full_range": ("mjpeg", "yuvj420p", ".avi"),
}


@pytest.mark.parametrize("form", PIXELS)
def test_every_pixel_format_shows_the_same_pictures(form: str, run: Run, tmp_path: Path) -> None:
    codec, pixels, suffix = PIXELS[form]
    # gray, which all of them can hold; 20 a second, as Matroska counts whole milliseconds
    shots = [np.repeat(picture(i)[..., 1:2], 3, axis=2) for i in range(10)]
    quality = {"qp": "0"} if codec.startswith("libx264") else {"qmin": "1", "qmax": "1"}
    form_of = {"codec": codec, "pixels": pixels, "quality": quality, "sound": None, "fps": 20}
    path = write(tmp_path / f"odd{suffix}", pictures=shots, **form_of)
    found = run(["video"], odd=path).arrays["video"]["odd"]
    assert len(found) == len(shots)
    for own, other in zip(found.astype(float), seen(shots), strict=True):
        assert np.corrcoef(own, other)[0, 1] > 0.95  # two different pictures of these: at most 0.71


RATES = [8_000, 11_025, 16_000, 44_100, 48_000, 96_000]


def heard(array: np.ndarray) -> tuple[float, float]:
    """Pitch in Hz and loudness (RMS) in the middle of a sound."""
    middle = array[2:-2].astype(float)
    return float(np.exp(np.median(middle[:, PITCH]))), float(10 ** np.median(middle[:, RMS]))


def test_every_sample_rate_gives_the_same_pitch_and_loudness(run: Run, tmp_path: Path) -> None:
    files = {
        f"{coder}_{rate}": write(tmp_path / f"{rate}{suffix}", pictures=0, rate=rate, coder=coder)
        for rate in RATES
        for coder, suffix in (("pcm_s16le", ".wav"), ("aac", ".m4a"))
    }
    found = run(["audio"], **files)
    assert not found.notes
    pitch, loudness = heard(found.arrays["audio"]["pcm_s16le_16000"])
    assert pitch == pytest.approx(220.0, rel=0.01)
    for name in files:
        array = found.arrays["audio"][name]
        assert len(array) == 20, name
        assert heard(array) == (pytest.approx(pitch, rel=0.005), pytest.approx(loudness, rel=0.02)), name
        assert np.argmax(array[10, :64]) == np.argmax(found.arrays["audio"]["pcm_s16le_16000"][10, :64])


# The mean of the channels; a front centre counts as much as all others together, the bass channel not at all. So the
# same sound in all channels is as loud as a mono one. Channels that cancel one another give the louder one.
MIXES = {
    "mono": ("mono", [1], 1.0),
    "stereo_left_alone": ("stereo", [1, 0], 0.5),
    "stereo_both_the_same": ("stereo", [1, 1], 1.0),
    "stereo_right_is_minus_left": ("stereo", [1, -1], 1.0),
    "stereo_right_is_half_of_minus_left": ("stereo", [1, -0.5], 1.0),
    "stereo_left_is_half_of_minus_right": ("stereo", [-0.5, 1], 1.0),
    "stereo_right_is_half_of_left": ("stereo", [1, 0.5], 0.75),
    "surround_centre_alone": ("5.1", [0, 0, 1, 0, 0, 0], 0.5),
    "surround_left_alone": ("5.1", [1, 0, 0, 0, 0, 0], 0.125),
    "surround_all_the_same": ("5.1", [1, 1, 1, 1, 1, 1], 1.0),
    "surround_sides_cancel": ("5.1", [1, -1, 0, 0, 0, 0], 1.0),
    "surround_sides_cancel_around_a_voice": ("5.1", [1, -1, 1, 0, 0, 0], 0.5),
    "quad_all_the_same": ("quad", [1, 1, 1, 1], 1.0),
}


@pytest.mark.parametrize("mix", MIXES)
def test_what_the_down_mix_does(mix: str, run: Run, tmp_path: Path) -> None:
    layout, gains, gain = MIXES[mix]
    wave = np.outer(gains, tone(2.0))
    coders = {"wav": ("odd.wav", "pcm_s16le"), "flac": ("odd.flac", "flac")}
    files = {
        name: write(tmp_path / file, pictures=0, sound=wave, layout=layout, coder=coder)
        for name, (file, coder) in coders.items()
    }
    plain = write(tmp_path / "plain.wav", pictures=0, coder="pcm_s16le")
    result = run(["audio"], plain=plain, **files)
    found = result.arrays["audio"]
    pitch, loudness = heard(found["plain"])
    for name in files:
        cancelled = "cancel one another" in (reason(result, "audio", name) or "")
        assert cancelled == (mix.endswith("cancel") or "minus" in mix)
        assert heard(found[name]) == (pytest.approx(pitch, rel=0.002), pytest.approx(gain * loudness, rel=0.01))


def test_the_bass_channel_alone_is_silence(run: Run, tmp_path: Path) -> None:
    wave = np.outer([0, 0, 0, 1, 0, 0], tone(1.0))
    path = write(tmp_path / "odd.wav", pictures=0, sound=wave, layout="5.1", coder="pcm_s16le")
    assert (run(["audio"], odd=path).arrays["audio"]["odd"][:, RMS] == -6.0).all()  # the floor: log10 of 1e-6


@pytest.mark.parametrize("suffix", [".mp4", ".mkv"])
def test_where_a_sound_pauses_it_is_silent(suffix: str, run: Run, tmp_path: Path) -> None:
    """From 1 s on all sound comes 5 s later: closed up, a span of it would reach into what follows."""
    path = with_holes(tmp_path / f"odd{suffix}", write(tmp_path / "plain.mp4"), lambda kind, at: 5.0 * (at > 1.0))
    rows = {id_: Utterance(id_, audio=path, video=path, start=start, end=end)
            for id_, start, end in (("odd", None, None), ("early", 0.5, 5.5), ("late", 0.5, 6.5))}  # fmt: skip
    found = run(**rows)
    assert not found.notes
    whole = found.arrays["audio"]["odd"][:, RMS].astype(float)
    assert len(whole) == pytest.approx(70, abs=2)
    assert (whole[12:58] == -6.0).all() and (whole[2:9] > -1.0).all() and (whole[62:69] > -1.0).all()
    late = found.arrays["audio"]["late"][:, RMS].astype(float)
    assert len(late) == 60 and (late[8:53] == -6.0).all() and (late[57:] > -1.0).all()
    assert len(found.arrays["audio"]["early"]) <= 6  # nothing of what is heard from 6 s on


def test_a_sound_that_begins_late_is_no_damage(run: Run, tmp_path: Path) -> None:
    path = with_holes(tmp_path / "odd.mp4", write(tmp_path / "plain.mp4"), lambda kind, at: float(kind == "audio"))
    found = run(odd=Utterance("odd", audio=path, video=path, start=0.2, end=1.5))
    assert not found.notes and len(found.arrays["audio"]["odd"]) == pytest.approx(5, abs=1)


@pytest.mark.parametrize("suffix", [".mp4", ".mkv"])
def test_a_jump_of_the_clock_is_closed_up(suffix: str, run: Run, tmp_path: Path) -> None:
    """50,000 s of silence would be no sound of that clip, and gigabytes in a longer one."""
    path = with_holes(tmp_path / f"odd{suffix}", write(tmp_path / "plain.mp4"), lambda kind, at: 50_000.0 * (at > 1.0))
    found = run(odd=path)
    assert not found.notes and len(found.arrays["audio"]["odd"]) == pytest.approx(20, abs=1)


# Places.


def test_a_link_out_of_the_folder_is_read_as_the_file_it_means(run: Run, tmp_path: Path) -> None:
    outside = tmp_path / "elsewhere" / "take 1.mp4"
    outside.parent.mkdir()
    write(outside)
    link, second = tmp_path / "corpus" / "a.mp4", tmp_path / "corpus" / "b.mp4"
    link.parent.mkdir()
    link.symlink_to("../elsewhere/take 1.mp4")
    second.symlink_to(link)
    found = run(odd=link, second=second, plain=outside)
    for modality in MODALITIES:
        for id_ in ("odd", "second"):
            np.testing.assert_array_equal(found.arrays[modality][id_], found.arrays[modality]["plain"])


def places(folder: Path) -> Iterator[tuple[str, Path, str]]:
    """Things that are no readable file: id, path, reason."""
    file, pipe = folder / "a.mp4", folder / "pipe"
    write(file)
    os.mkfifo(pipe)
    (folder / "clip.mp4").mkdir()
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(folder / "s"))
    yield "missing", folder / "none.mp4", "No such file"
    yield "folder", folder / "clip.mp4", "not a regular file"
    yield "pipe", pipe, "not a regular file"
    yield "socket", folder / "s", "not a regular file"
    yield "device", Path("/dev/zero"), "not a regular file"
    yield "below_a_file", file / "b.mp4", "Not a directory"
    yield "name_of_300", folder / ("x" * 300 + ".mp4"), "File name too long"
    yield "path_of_5000", folder / ("y/" * 2500 + "a.mp4"), "File name too long"
    yield "name_with_nul", folder / "a\0b.mp4", "null byte"
    for name, target, why in (
        ("dangling", "nowhere.mp4", "No such file"),
        ("loop", "loop.mp4", "Too many levels of symbolic links"),
        ("to_folder", "clip.mp4", "not a regular file"),
        ("to_pipe", "pipe", "not a regular file"),
        ("to_device", "/dev/zero", "not a regular file"),
        ("to_memory", "/proc/self/mem", "not a regular file"),
    ):
        link = folder / f"{name}.mp4"
        link.symlink_to(target)
        if Path(target).parent.exists():  # no /proc elsewhere
            yield f"link_{name}", link, why


@pytest.mark.timeout(60)  # a pipe or a device that is opened would wait, or give bytes for ever
def test_no_regular_file_is_a_named_reason(run: Run, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)  # the path of a socket is short
    found = list(places(tmp_path))
    result = run(**{id_: path for id_, path, _ in found})
    for id_, path, why in found:
        for modality in MODALITIES:
            told = reason(result, modality, id_) or ""  # of a long one the beginning and the end
            assert str(path)[:90].replace("\0", "\\x00") in told and why in told
        with pytest.raises(media.MediaError) as caught:  # asked directly, as the audit does
            media.decode(path)
        assert caught.value.passing


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_without_permission(run: Run, tmp_path: Path) -> None:
    path = write(tmp_path / "odd.mp4")
    path.chmod(0)
    found = run(odd=path)
    assert all("Permission denied" in (reason(found, modality) or "") for modality in MODALITIES)
    path.chmod(0o600)
    assert not run(odd=path).faults


NAMES = [
    "with spaces.mp4", "кириллица 日本語 العربية 🎬.mp4", "e\u0301 decomposed.mp4", "q'uo\"te.mp4", "new\nline.mp4",
    "*?[a].mp4", "-i.mp4", "~.mp4", "100%.mp4", "%03d.mp4", "x" * 250 + ".mp4", "back\\slash.mp4", "none", ".mp4",
    "12:30 talk.mp4", "http:a.mp4", "concat:a|b.mp4", "pipe:0", "file:c.mp4", os.fsdecode(b"\xff\xfe not utf-8.mp4"),
]  # fmt: skip


@pytest.mark.parametrize("relative", [False, True], ids=["absolute", "relative"])
def test_every_name_of_a_file_is_only_a_name(relative: bool, run: Run, tmp_path: Path, monkeypatch) -> None:
    """FFmpeg takes what stands before a colon for a protocol: `http:a.mp4` would be asked of the net."""
    content = write(tmp_path / "plain.mp4").read_bytes()
    folder = tmp_path / "ein Ordner мой"
    folder.mkdir()
    monkeypatch.chdir(folder)
    for i, name in enumerate(NAMES):  # each its own content: the same would be decoded once
        (folder / name).write_bytes(content + struct.pack(">I", 12) + b"free" + struct.pack(">I", i))
    files = {f"name{i}": Path(name) if relative else folder / name for i, name in enumerate(NAMES)}
    found = run(**files, plain=tmp_path / "plain.mp4")
    for modality in MODALITIES:
        for i, name in enumerate(NAMES):
            assert reason(found, modality, f"name{i}") is None, name
            np.testing.assert_array_equal(found.arrays[modality][f"name{i}"], found.arrays[modality]["plain"])


# What goes wrong while a file is read: not of its content, so not to be stored.


class Failing:
    """A container whose packets after the first few are lost to `error`."""

    def __init__(self, container: Any, error: Exception) -> None:
        self.container, self.error = container, error

    def __enter__(self) -> "Failing":
        return self

    def __exit__(self, *problem: object) -> None:
        self.container.close()

    def __getattr__(self, name: str) -> Any:
        return getattr(self.container, name)

    def demux(self, streams: Any) -> Iterator[Any]:
        for count, packet in enumerate(self.container.demux(streams)):
            if count == 9:
                raise self.error
            yield packet


def av_error(number: int) -> Exception:
    """As PyAV raises it: an FFmpegError that is a built-in error too."""
    try:
        av.error.err_check(-number, "odd.mp4")
    except av.error.FFmpegError as error:
        return error
    raise AssertionError(number)


@pytest.mark.parametrize("pass_", [1, 2], ids=["finding_its_span", "decoding"])
@pytest.mark.parametrize("number", [errno.EIO, errno.ESTALE, errno.ETIMEDOUT], ids=errno.errorcode.get)
def test_a_failing_disk_is_no_damage_of_the_file(
    number: int, pass_: int, run: Run, tmp_path: Path, monkeypatch
) -> None:
    """Named, and read again in the next run; the good files are untouched."""
    path, opened = write(tmp_path / "odd.mp4"), []
    whole = av.open

    def opens(file: str, *args: Any, **settings: Any) -> Any:
        opened.append(file)
        container = whole(file, *args, **settings)
        fails = file.endswith("odd.mp4") and opened.count(file) == 3 - pass_  # the outer one decodes
        return Failing(container, av_error(number)) if fails else container

    with monkeypatch.context() as patch:
        patch.setattr(av, "open", opens)
        found = run(odd=path)
    for modality in MODALITIES:
        assert reason(found, modality) == f"it cannot be read to its end: {os.strerror(number)}"
    assert not run(odd=path).faults


def test_a_packet_that_breaks_the_demuxer_is_damage(run: Run, tmp_path: Path, monkeypatch) -> None:
    """Damaged sizes in a header make FFmpeg run out of memory: that is of the file, and stored."""
    path, whole = write(tmp_path / "odd.mp4"), av.open

    def opens(file: str, *args: Any, **settings: Any) -> Any:
        container = whole(file, *args, **settings)
        return Failing(container, av_error(errno.ENOMEM)) if file.endswith("odd.mp4") else container

    monkeypatch.setattr(av, "open", opens)
    found = run(odd=path)
    assert any("Cannot allocate memory" in (reason(found, modality) or "") for modality in MODALITIES)
    monkeypatch.undo()
    assert set(run(odd=path).faults) == set(found.faults)


@pytest.mark.parametrize("change", ["cut", "replaced", "gone"])
def test_a_file_that_changes_while_it_is_read_is_read_again(change: str, run: Run, tmp_path: Path, monkeypatch) -> None:
    """Its features would be stored under the digest of what it was."""
    path, other, whole = write(tmp_path / "odd.mp4"), write(tmp_path / "other.mp4", seed=9), av.open
    was, changed = path.read_bytes(), []

    def opens(file: str, *args: Any, **settings: Any) -> Any:
        container = whole(file, *args, **settings)
        if file.endswith("odd.mp4") and not changed:
            changed.append(change)
            if change == "cut":
                os.truncate(file, len(was) // 2)
            elif change == "replaced":
                other.replace(file)
            else:
                path.unlink()
        return container

    with monkeypatch.context() as patch:
        patch.setattr(av, "open", opens)
        found = run(odd=path)
    expected = "no such file" if change == "gone" else "changed while it was read"
    assert all(expected in (reason(found, modality) or "") for modality in MODALITIES)
    path.write_bytes(was)
    assert not run(odd=path).faults


# An hour.

MEASURED = """
import json, re, sys
from pathlib import Path
from tricue.config.feature_settings import FeaturesConfig
from tricue.features.extract import extract
from tricue.types import Utterance

path, store = map(Path, sys.argv[1:])
config = FeaturesConfig.model_validate({modality: {"encoder": "light"} for modality in ("text", "audio", "video")})
found = extract([Utterance("a", audio=path, video=path)], config, ["audio", "video"], store, workers=0, progress=False)
print(json.dumps({
    "steps": {modality: len(arrays["a"]) for modality, arrays in found.arrays.items() if "a" in arrays},
    "faults": [fault.reason for fault in found.faults],
    "notes": [note.reason for note in found.notes],
    # ru_maxrss would begin with what pytest held when it started this process
    "bytes": int(re.search(r"VmHWM:\\s+(\\d+) kB", Path("/proc/self/status").read_text())[1]) * 1024,
}))
"""


def write_long(path: Path, minutes: int, fps: int = 2) -> Path:
    """Minute by minute, as no memory holds it all."""
    with av.open(str(path), "w") as container:
        video = container.add_stream("libx264", rate=fps, options={"preset": "ultrafast"})
        video.width = video.height = 64
        video.pix_fmt = "yuv420p"
        audio = container.add_stream("aac", rate=8_000, layout="mono", options={"aac_coder": "fast"})
        for minute in range(minutes):
            for i in range(60 * fps):
                container.mux(video.encode(av.VideoFrame.from_ndarray(picture(minute * 60 * fps + i), "rgb24")))
            frame = av.AudioFrame.from_ndarray(tone(60.0, 8_000)[None].astype(np.float32), "fltp", "mono")
            frame.sample_rate, frame.time_base, frame.pts = 8_000, Fraction(1, 8_000), minute * 480_000
            container.mux(audio.encode(frame))
        for stream in (video, audio):
            container.mux(stream.encode(None))
    return path


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="the peak is read from Linux's /proc")
def test_an_hour_needs_less_than_a_gigabyte(tmp_path: Path) -> None:
    path = write_long(tmp_path / "hour.mp4", 60)
    done = subprocess.run(
        [sys.executable, "-c", MEASURED, path, tmp_path / "store"], check=True, capture_output=True, text=True
    )
    measured = json.loads(done.stdout.splitlines()[-1])
    assert measured["steps"] == {"audio": 300, "video": 10} and not measured["faults"]
    assert measured["notes"] == ["longer than 30 s: only its beginning is read"]
    assert measured["bytes"] < 10**9
