"""Frames are checked one by one, before any of them is converted."""

import io
import tracemalloc
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from PIL import Image

from tricue.config.feature_settings import FeaturesConfig
from tricue.features.extract import extract
from tricue.media import decoding as media
from tricue.media.decoding import decode
from tricue.media.keyframes import MAX_ASPECT, MAX_PIXELS, KeyFrames, UnreadableError, size_fault
from tricue.types import Utterance


def jpeg(width: int, height: int, seed: int = 0) -> bytes:
    noise = np.random.default_rng(seed).integers(0, 255, (min(height, 64), min(width, 64), 3), np.uint8)
    image = Image.new("RGB", (width, height))
    image.paste(Image.fromarray(noise))
    file = io.BytesIO()
    image.save(file, "JPEG", optimize=True)
    return file.getvalue()


def png(width: int, height: int) -> bytes:
    file = io.BytesIO()
    Image.new("1", (width, height)).save(file, "PNG", optimize=True)
    return file.getvalue()


def write_pictures(path: Path, codec: str, pictures: list[bytes]) -> Path:
    """Each a packet of a film whose header says 64 x 64."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=10)
        stream.width = stream.height = 64
        stream.pix_fmt = "yuvj420p" if codec == "mjpeg" else "rgb24"
        for i, content in enumerate(pictures):
            packet = av.Packet(content)
            packet.stream, packet.time_base, packet.is_keyframe = stream, Fraction(1, 10), True
            packet.pts = packet.dts = i
            packet.duration = 1
            container.mux(packet)
    return path


@pytest.mark.parametrize(("suffix", "codec"), [(".mkv", "mjpeg"), (".mov", "mjpeg"), (".mov", "png")])
@pytest.mark.parametrize(("width", "height"), [(60_000, 8), (8, 60_000), (60_000, 560)])
def test_frames_that_change_size_are_refused_one_by_one(
    suffix: str, codec: str, width: int, height: int, tmp_path: Path
) -> None:
    """Scaled to 224 pixels on its short side, a picture of 60,000 x 8 would be 1,680,000 pixels wide."""
    first, later = (jpeg(64, 64), jpeg(width, height)) if codec == "mjpeg" else (png(64, 64), png(width, height))
    clip = decode(write_pictures(tmp_path / f"a{suffix}", codec, [first] + [later] * 4), audio=False, frames=5)
    assert clip.frames is None and "20 times as long" in clip.faults["video"]


def test_a_frame_of_another_size_among_good_ones_is_noted(tmp_path: Path) -> None:
    shots = [jpeg(64, 64, i) for i in range(12)]
    path = write_pictures(tmp_path / "a.mkv", "mjpeg", [*shots[:6], jpeg(4000, 8), *shots[6:]])
    clip = decode(path, audio=False, frames=13)
    assert clip.frames is not None and {frame.shape for frame in clip.frames} == {(64, 64, 3)}
    assert "20 times" in clip.notes["video"]


def test_a_frame_beyond_the_decoders_limit_is_refused_by_it(tmp_path: Path) -> None:
    path = write_pictures(tmp_path / "a.mov", "png", [png(64, 64)] + [png(12_000, 12_000)] * 3)
    tracemalloc.start()
    clip = decode(path, audio=False, frames=4)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert clip.frames is None and "single picture" in clip.faults["video"] and peak < 50e6


def test_sizes_that_are_read() -> None:
    assert size_fault(8_000, 4_500) is None and size_fault(200, 10) is None and size_fault(1, 1) is None
    assert "pixels" in (size_fault(8_000, 4_501) or "") and MAX_PIXELS < 8_000 * 4_501
    assert "20 times" in (size_fault(10, 201) or "") and MAX_ASPECT == 20


def test_large_key_frames_are_held_smaller() -> None:
    """Ten of 8K would take a gigabyte as RGB."""
    keys = KeyFrames(0.0, 1.0, 2)
    for i, (width, height) in enumerate(((6_000, 5_000), (64, 48))):
        keys.add(av.VideoFrame(width, height, "yuv420p"), i / 2)
    large, small = keys.pictures()
    assert small.shape == (48, 64, 3)
    assert large.shape[0] * large.shape[1] <= 9_000_000 and large.shape[1] / large.shape[0] == pytest.approx(
        1.2, abs=0.01
    )


def test_deep_key_frames_are_held_as_rgb() -> None:
    """16 bits and transparency are 8 bytes a pixel."""
    keys = KeyFrames(0.0, 1.0, 1)
    deep = np.random.default_rng(0).integers(0, 2**16, (1_800, 2_000, 4)).astype(np.uint16)
    frame = av.VideoFrame.from_ndarray(deep, "rgba64le")
    keys.add(frame, 0.0)
    ((_, held, _),) = keys._best.values()
    assert held.format.name == "rgb24" and held.width == 2_000
    np.testing.assert_array_equal(keys.pictures()[0], frame.to_ndarray(format="rgb24"))


def test_too_many_frames_a_second_are_refused() -> None:
    keys, frame = KeyFrames(0.0, 10.0, 4), av.VideoFrame(16, 16, "gray")
    with pytest.raises(UnreadableError, match="1,000 pictures a second"):
        for i in range(5_000):
            keys.add(frame, i * 1e-5)
    usual = KeyFrames(0.0, 10.0, 4)
    for i in range(2_400):
        usual.add(frame, i / 240)


def test_a_clip_that_takes_too_much_memory_is_a_reason_of_its_row(tmp_path: Path, monkeypatch) -> None:
    """The others are read, and it is tried again in the next run."""
    paths = [
        write_pictures(tmp_path / f"{i}.mkv", "mjpeg", [jpeg(64, 64, 10 * i + k) for k in range(3)]) for i in range(3)
    ]
    rows = [Utterance(path.stem, video=path) for path in paths]
    config = FeaturesConfig.model_validate({modality: {"encoder": "light"} for modality in ("text", "audio", "video")})
    whole = media.KeyFrames.add

    def add(self: KeyFrames, frame: object, time: float) -> bool:
        raise MemoryError

    def run() -> dict[str, str]:
        found = extract(rows, config, ["video"], tmp_path / "store", workers=0, progress=False)
        return {fault.id: fault.reason for fault in found.faults}

    opened = media.opened

    def opens(path: Path) -> object:
        monkeypatch.setattr(media.KeyFrames, "add", add if path.stem == "1" else whole)
        return opened(path)

    with monkeypatch.context() as patch:
        patch.setattr(media, "opened", opens)
        assert run() == {"1": "it needs more memory than there is"}
    monkeypatch.setattr(media.KeyFrames, "add", whole)
    assert run() == {}


def test_a_picture_of_one_column_has_no_half(tmp_path: Path) -> None:
    path = write_pictures(tmp_path / "a.mov", "png", [png(1, 16)] * 4)
    clip = decode(path, audio=False, frames=2, crop="left")
    assert clip.frames is None and "no half" in clip.faults["video"]
