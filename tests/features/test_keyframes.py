"""Gray values are counted on the brightness plane wherever that gives the numbers of the gray picture."""

import av
import numpy as np
import pytest

from tricue.features.keyframes import KeyFrames

BT709, UNSAID, BT601 = 1, 2, 5


@pytest.mark.parametrize("crop", [None, "left", "right"])
@pytest.mark.parametrize("size", [(64, 48), (71, 53)])
@pytest.mark.parametrize("colours", [BT709, UNSAID, BT601])
@pytest.mark.parametrize("limits", [0, 1, 2])
@pytest.mark.parametrize(
    "name", ["yuv420p", "yuvj420p", "yuv422p", "yuv444p", "nv12", "yuv420p10le", "rgb24", "gray"]
)
def test_counts_are_those_of_the_gray_picture(name, limits, colours, size, crop):
    rng, frame = np.random.default_rng(0), av.VideoFrame(*size, name)
    for plane in frame.planes:
        plane.update(rng.integers(0, 256, plane.buffer_size, np.uint8))
    frame.color_range, frame.colorspace = limits, colours
    gray = frame.reformat(format="gray", threads=1).to_ndarray()
    middle = size[0] // 2
    gray = {None: gray, "left": gray[:, :middle], "right": gray[:, middle:]}[crop]
    counts = KeyFrames(0.0, 1.0, 1, crop)._counts(frame)
    assert counts.tolist() == np.bincount(gray.ravel(), minlength=256).tolist()


def test_the_plane_itself_is_counted_where_no_colour_is_named():
    frame = av.VideoFrame(64, 48, "yuv420p")
    assert KeyFrames(0.0, 1.0, 1)._gray_of(frame) is not None
    frame.colorspace = BT709
    assert KeyFrames(0.0, 1.0, 1)._gray_of(frame) is None
