"""A still image is a video of one frame, decoded as Pillow does, within bounds."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from tricue.config.feature_settings import VideoFeatures
from tricue.extractors.video_extractors import frame_moments
from tricue.media.decoding import MediaError, decode, picture_span, probe
from tricue.media.stills import to_rgb
from tricue.types import Utterance

PIXELS = np.random.default_rng(0).integers(0, 255, (6, 8, 3), np.uint8).repeat(8, 0).repeat(8, 1)
ORIENTATION = 0x0112  # of EXIF


def written(path: Path, image: Image.Image | None = None, **options: Any) -> Path:
    (image or Image.fromarray(PIXELS)).save(path, **options)
    return path


def only(path: Path, **options: Any) -> np.ndarray:
    clip = decode(path, audio=False, frames=10, **options)
    assert clip.frames is not None and len(clip.frames) == 1 and not clip.notes, clip
    return clip.frames[0]


@pytest.mark.parametrize(
    ("name", "options"), [("a.png", {}), ("a.webp", {"lossless": True}), ("a.dat", {"format": "PNG"})]
)
def test_a_lossless_image_is_its_pixels(tmp_path: Path, name: str, options: dict[str, Any]) -> None:
    path = written(tmp_path / name, **options)
    np.testing.assert_array_equal(only(path), PIXELS)
    assert probe(path).size == (64, 48) and probe(path).sample_rate is None


@pytest.mark.parametrize("mode", ["L", "1", "P", "LA", "RGBA", "CMYK"])
def test_images_of_all_modes_are_as_pillow_shows_them(tmp_path: Path, mode: str) -> None:
    image = Image.fromarray(PIXELS).convert(mode)
    path = written(tmp_path / ("a.jpg" if mode == "CMYK" else "a.png"), image)
    np.testing.assert_array_equal(only(path), np.asarray(Image.open(path).convert("RGB")))


def test_sixteen_bits_become_eight(tmp_path: Path) -> None:
    gray = PIXELS[..., 0]
    path = written(tmp_path / "a.png", Image.fromarray(gray.astype(np.uint16) * 257))
    np.testing.assert_array_equal(only(path), gray[..., None].repeat(3, 2))


def test_a_camera_held_upright(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[ORIENTATION] = 6  # its top is on the right: it is shown turned by a quarter to the right
    path = written(tmp_path / "a.png", exif=exif)
    np.testing.assert_array_equal(only(path), np.rot90(PIXELS, -1))
    np.testing.assert_array_equal(to_rgb(Image.open(path)), np.rot90(PIXELS, -1))


def test_a_still_has_halves_and_no_times(tmp_path: Path) -> None:
    path = written(tmp_path / "a.png")
    np.testing.assert_array_equal(only(path, start=5.0, end=9.0, crop="left"), PIXELS[:, :32])
    np.testing.assert_array_equal(only(path, crop="right"), PIXELS[:, 32:])
    assert picture_span(path, None, None) == (0.0, 0.0)
    (moment,) = frame_moments(Utterance("a", video=path), 1, VideoFeatures(frames=1))
    assert moment.label == "frame 1 of 1" and moment.start is None
    assert decode(path).faults["audio"] == "the file has no audio stream of a known codec"


@pytest.mark.parametrize("keep", [0.5, 0.9])
@pytest.mark.parametrize("name", ["a.png", "a.webp"])
def test_a_cut_image_is_a_fault(tmp_path: Path, name: str, keep: float) -> None:
    noise = np.random.default_rng(0).integers(0, 255, (64, 64, 3), np.uint8)
    path = written(tmp_path / name, Image.fromarray(noise))
    content = path.read_bytes()
    path.write_bytes(content[: int(keep * len(content))])
    clip = decode(path, audio=False, frames=3)
    assert clip.frames is None and clip.faults["video"].startswith("no picture can be decoded: ")


def test_a_cut_jpeg_is_no_image(tmp_path: Path) -> None:
    path = written(tmp_path / "a.jpg")
    path.write_bytes(path.read_bytes()[:-40])
    with pytest.raises(MediaError, match="not in a media format"):
        decode(path, audio=False, frames=3)


def test_an_image_that_is_too_large_or_too_thin_is_refused() -> None:
    with pytest.raises(ValueError, match="36,000,000 pixels"):
        to_rgb(Image.new("1", (6_001, 6_000)))
    with pytest.raises(ValueError, match="20 times"):
        to_rgb(Image.new("1", (2_001, 100)))


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> list[bytes]:
    folder, exif = tmp_path_factory.mktemp("images"), Image.Exif()
    exif[ORIENTATION] = 3
    return [written(folder / f"a{ending}", exif=exif).read_bytes() for ending in (".png", ".jpg", ".webp")]


@settings(max_examples=60)
@given(data=st.data())
def test_damaged_images_are_pictures_or_faults(data: Any, images: list[bytes], tmp_path_factory: Any) -> None:
    content = bytearray(data.draw(st.sampled_from(images)))
    for _ in range(data.draw(st.integers(1, 6))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    path = tmp_path_factory.mktemp("one") / "a.png"
    path.write_bytes(content[: data.draw(st.integers(1, len(content)))])
    try:
        clip = decode(path, audio=False, frames=3)
    except MediaError:  # it is no image any more
        return
    assert "video" in clip.faults if clip.frames is None else clip.frames[0].shape[2] == 3
