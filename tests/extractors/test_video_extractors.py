import numpy as np
import pytest
from PIL import Image
from skimage.feature import hog

from tricue.config.feature_settings import VideoFeatures
from tricue.extractors.video_extractors import HubVideo, LightVideo, video_extractor


def pictures(count: int, size: tuple[int, int] = (72, 96), seed: int = 0) -> list[np.ndarray]:
    return list(np.random.default_rng(seed).integers(0, 255, (count, *size, 3)).astype(np.uint8))


def hub(folder) -> HubVideo:
    extractor = video_extractor(VideoFeatures(encoder=str(folder)))
    assert isinstance(extractor, HubVideo)
    return extractor


def reference(folder, frames: list[np.ndarray]) -> np.ndarray:
    import torch
    from transformers import AutoImageProcessor, AutoModel

    inputs = AutoImageProcessor.from_pretrained(str(folder), backend="pil")(images=frames, return_tensors="pt")
    with torch.no_grad():
        return AutoModel.from_pretrained(str(folder)).eval()(**inputs).pooler_output.flatten(1).numpy()


def test_light_is_skimages_hog_of_the_gray_picture():
    light = video_extractor(VideoFeatures(encoder="light"))
    assert isinstance(light, LightVideo)
    (frame,) = frames = pictures(1)
    (own,) = light.encode([light.prepare(frames)])
    gray = np.asarray(Image.fromarray(frame).convert("L").resize((64, 64), Image.Resampling.BILINEAR))
    expected = hog(gray, orientations=8, pixels_per_cell=(8, 8), cells_per_block=(8, 8), transform_sqrt=True)
    assert own.shape == (1, *light.dims) and 200 <= own.shape[1] <= 600
    np.testing.assert_allclose(own[0], expected, rtol=1e-5)


def test_light_of_a_flat_picture_is_finite():
    light = LightVideo(VideoFeatures(encoder="light"))
    assert np.isfinite(light.prepare([np.zeros((40, 40, 3), np.uint8)])).all()


def test_hub_equals_transformers(tiny_resnet):
    extractor = hub(tiny_resnet)
    frames = pictures(3)
    (own,) = extractor.encode([extractor.prepare(frames)])
    assert own.shape == (3, 16) and extractor.dims == (16,)
    np.testing.assert_allclose(own, reference(tiny_resnet, frames), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("height", [1, 3, 4])
def test_a_picture_as_high_as_it_has_channels(tiny_resnet, height):
    """Left to guess, an image processor would take its rows for its colours."""
    frames = [np.dstack([np.full((height, 8), value, np.uint8) for value in (10, 120, 250)])]
    wide = [np.dstack([np.full((80, 80), value, np.uint8) for value in (10, 120, 250)])]
    np.testing.assert_array_equal(hub(tiny_resnet).prepare(frames), hub(tiny_resnet).prepare(wide))


def test_neighbours_change_nothing(tiny_resnet):
    extractor = hub(tiny_resnet)
    clips = [pictures(n, seed=n) for n in (2, 40, 1)]
    prepared = [extractor.prepare(frames) for frames in clips]
    for one, among in zip(prepared, extractor.encode(prepared), strict=True):
        np.testing.assert_allclose(extractor.encode([one])[0], among, rtol=1e-4, atol=1e-5)


@pytest.mark.realdata
def test_mobilenet_equals_transformers(shared_model):
    folder = shared_model("mobilenet-v2")
    extractor = hub(folder)
    frames = pictures(2)
    (own,) = extractor.encode([extractor.prepare(frames)])
    assert own.shape == (2, 1280)
    np.testing.assert_allclose(own, reference(folder, frames), rtol=1e-3, atol=1e-4)
