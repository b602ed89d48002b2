"""The face crop: linking, choosing and cutting by themselves, the real detector on pasted faces."""

import pickle
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from tricue.config.feature_settings import VideoFeatures
from tricue.extractors import faces, hub
from tricue.extractors.faces import MARGIN, Box, FaceCrop, Track, face_crop, followed, square, tracks_of
from tricue.extractors.video_extractors import HubVideo, LightVideo, video_extractor
from tricue.toy.toy_face import draw_face, face_jitter, look_of_speaker
from tricue.types import InputError, InvalidFileError

WIDE = np.zeros((90, 160, 3), np.uint8)
sizes = st.integers(1, 60)


def at(x: float, y: float, side: float = 10.0) -> Box:
    """A face by its middle."""
    return Box(x - side / 2, y - side / 2, side, side)


def walk(*places: tuple[float, float] | None, side: float = 10.0) -> list[list[Box]]:
    """One face's boxes, frame by frame; None where it is not seen."""
    return [[] if place is None else [at(*place, side)] for place in places]


def together(*found: list[list[Box]]) -> list[list[Box]]:
    return [[box for boxes in frame for box in boxes] for frame in zip(*found, strict=True)]


def as_set(tracks: Sequence[Track]) -> set[tuple[tuple[int, Box], ...]]:
    return {tuple(sorted(track.items())) for track in tracks}


# the square


@given(sizes, sizes, st.floats(0, 1), st.floats(0, 1), st.floats(0.01, 1), st.floats(0.01, 1))
def test_the_square_lies_in_the_frame_and_holds_the_box_where_it_can(height, width, x, y, w, h):
    frame = np.moveaxis(np.indices((height, width)), 0, -1)  # each pixel says where it is
    box = Box(x * width * (1 - w), y * height * (1 - h), w * width, h * height)
    crop = square(frame, box)
    longer = max(box.width, box.height)
    assert crop.shape[:2] == (min(max(1, round(MARGIN * longer)), height, width),) * 2
    if longer <= min(height, width):
        (top, left), (bottom, right) = crop[0, 0], crop[-1, -1] + 1
        assert left <= box.left + 1 and top <= box.top + 1  # within the rounding to whole pixels
        assert right >= box.left + box.width - 1 and bottom >= box.top + box.height - 1


def test_the_square_is_moved_rather_than_cut():
    frame = np.moveaxis(np.indices((90, 160)), 0, -1)
    for x, y in ((5, 5), (155, 5), (5, 85), (155, 85), (80, 45)):
        crop = square(frame, at(x, y, 20))
        assert crop.shape == (26, 26, 2)
        np.testing.assert_array_equal(crop[0, 0], [np.clip(y - 13, 0, 64), np.clip(x - 13, 0, 134)])


@given(st.floats(-300, 300), st.floats(-300, 300), st.floats(0, 300), st.floats(0, 300))
def test_of_a_box_only_what_lies_in_the_frame_counts(left, top, width, height):
    box = Box(left, top, width, height).inside(160, 90)
    if box is not None:
        assert box.width >= 1 and box.height >= 1
        assert box.left >= 0 and box.top >= 0
        assert box.left + box.width <= 160 + 1e-9 and box.top + box.height <= 90 + 1e-9


# linking over time


def test_one_face_that_moves_is_one_track():
    found = walk((20, 20), (28, 22), (36, 24), (44, 22))
    assert tracks_of(found) == [{i: boxes[0] for i, boxes in enumerate(found)}]


def test_a_gap_does_not_end_a_track():
    found = walk((20, 20), None, None, (24, 20))
    assert tracks_of(found) == [{0: at(20, 20), 3: at(24, 20)}]


def test_a_jump_or_another_size_is_another_face():
    assert len(tracks_of(walk((20, 20), (31, 20)))) == 2
    assert len(tracks_of([[at(20, 20, 10)], [at(20, 20, 21)]])) == 2
    assert len(tracks_of([[at(20, 20, 10)], [at(20, 20, 19)]])) == 1


def test_two_faces_side_by_side_keep_apart():
    """The one on the left leaves: its neighbour, as near as that, must not take its place."""
    left, right = walk((20, 20), (22, 20), None), walk((34, 20), (34, 20), (32, 20))
    assert as_set(tracks_of(together(left, right))) == as_set(tracks_of(left) + tracks_of(right))


boxes = st.builds(at, st.floats(10, 150), st.floats(10, 80), st.floats(4, 30))
clips = st.lists(st.lists(boxes, max_size=4, unique=True), max_size=6)


@given(clips, st.randoms(use_true_random=False))
def test_tracks_share_out_all_boxes_in_whatever_order_they_are_found(found, random):
    tracks = tracks_of(found)
    assert sorted((i, box) for track in tracks for i, box in track.items()) == sorted(
        (i, box) for i, frame in enumerate(found) for box in frame
    )
    shuffled = [random.sample(frame, len(frame)) for frame in found]
    gaps = [faces._distance(a, b) for frame in found for a in frame for other in found for b in other]
    if len(set(gaps)) == len(gaps):  # else the order decides which of two equal pairs comes first
        assert as_set(tracks_of(shuffled)) == as_set(tracks)


# choosing one


def test_largest_and_central():
    large, small = walk(*[(20, 20)] * 4, side=30), walk(*[(80, 45)] * 4, side=12)
    frames = [WIDE] * 4
    for found in (together(large, small), together(small, large)):
        assert followed(found, frames, "largest") == {i: at(20, 20, 30) for i in range(4)}
        assert followed(found, frames, "central") == {i: at(80, 45, 12) for i in range(4)}


@pytest.mark.parametrize("which", ["largest", "central"])
def test_a_passer_by_does_not_take_over(which):
    stays = walk(*[(60, 45)] * 6, side=20)
    passes = walk(None, None, (82, 45), None, None, None, side=38)
    assert followed(together(passes, stays), [WIDE] * 6, which) == {i: at(60, 45, 20) for i in range(6)}


@given(clips, st.sampled_from(["largest", "central"]))
def test_a_mirrored_clip_gives_the_mirrored_choice(found, which):
    def mirrored(box: Box) -> Box:
        return box._replace(left=160 - box.left - box.width)

    frames = [WIDE] * len(found)
    mine = followed(found, frames, which)
    other = followed([[mirrored(box) for box in frame] for frame in found], frames, which)
    assert [round(box.area, 6) for box in mine.values()] == [round(box.area, 6) for box in other.values()]


def test_no_face_at_all():
    assert followed([[], []], [WIDE] * 2, "largest") == {}
    assert followed([], [], "central") == {}


# crop, with a detector that knows the answers


def test_frames_without_the_face_stay_whole_and_are_counted(monkeypatch):
    rng = np.random.default_rng(0)
    clip = [rng.integers(0, 255, (90, 160, 3)).astype(np.uint8) for _ in range(4)]
    answers = [[at(50, 40, 20)], [], [at(140, 80, 10)], [at(52, 40, 20)]]  # in the third another one alone
    pictures = {id(frame): answer for frame, answer in zip(clip, answers, strict=True)}
    monkeypatch.setattr(faces, "_find", lambda model, frame: pictures[id(frame)])
    crops, missed = FaceCrop(Path("unread.onnx")).crop(clip)
    assert missed == 2
    assert [crop.shape for crop in crops] == [(26, 26, 3), (90, 160, 3), (90, 160, 3), (26, 26, 3)]
    assert crops[1] is clip[1] and crops[2] is clip[2]
    np.testing.assert_array_equal(crops[0], clip[0][27:53, 37:63])


# the detector's file


def test_frames_stay_whole_unless_asked():
    assert face_crop(VideoFeatures()) is None
    light = video_extractor(VideoFeatures(encoder="light"))
    assert light.faces is None and light.settings == {"frames": 10}  # as stored before there was a choice


def test_without_opencv(monkeypatch):
    monkeypatch.setitem(sys.modules, "cv2", None)
    with pytest.raises(InputError, match=r"pip install 'tricue\[faces\]'"):
        face_crop(VideoFeatures(faces="largest"))


def test_neither_folder_nor_hub(monkeypatch):
    import huggingface_hub

    asked = {}

    def unreachable(name: str, **patterns: object) -> str:
        asked.update(patterns, name=name)
        raise OSError("cannot reach the hub")

    monkeypatch.setattr(huggingface_hub, "snapshot_download", unreachable)
    with pytest.raises(InputError) as caught:
        hub.find_detector("no/such-detector")
    assert "not a folder here, and the hub did not answer: cannot reach the hub" in str(caught.value)
    assert "--set features.video.face_detector=FOLDER" in str(caught.value)
    assert asked == {"name": "no/such-detector", "allow_patterns": ["*.onnx"], "ignore_patterns": ["*/*", "*int8*"]}


def test_float_weights_before_quantised_ones_and_late_before_early(tmp_path):
    with pytest.raises(InputError, match=r"holds no \.onnx file"):
        hub.find_detector(str(tmp_path))
    for name in ("2023mar_int8", "2022mar", "2023mar", "2023mar_int8bq"):  # those of the hub's repository
        (tmp_path / f"face_detection_yunet_{name}.onnx").write_bytes(b"")
    assert hub.find_detector(str(tmp_path)).name == "face_detection_yunet_2023mar.onnx"


@pytest.mark.parametrize("content", [b"", b"version https://git-lfs.github.com/spec/v1\n"])
def test_a_file_that_is_no_detector(tmp_path, content):
    pytest.importorskip("cv2")
    (tmp_path / "broken.onnx").write_bytes(content)
    with pytest.raises(InputError, match=r"features\.video\.face_detector: .* cannot be used as YuNet"):
        face_crop(VideoFeatures(faces="largest", face_detector=str(tmp_path)))


@pytest.mark.parametrize(
    ("trial", "reason"),
    [("import os; os.abort()", "OpenCV ends with it"), ("import time; time.sleep(60)", "is not done with it")],
)
def test_a_file_that_ends_or_holds_the_process_that_opens_it(tmp_path, monkeypatch, trial, reason):
    pytest.importorskip("cv2")
    monkeypatch.setattr(faces, "_TRIAL", trial)
    monkeypatch.setattr(faces, "_TRIAL_SECONDS", 1.0)
    (tmp_path / "odd.onnx").write_bytes(b"odd")
    with pytest.raises(InvalidFileError, match=reason):
        face_crop(VideoFeatures(faces="largest", face_detector=str(tmp_path)))


def test_a_file_that_is_too_large_is_not_opened(tmp_path, monkeypatch):
    pytest.importorskip("cv2")
    monkeypatch.setattr(faces, "_LARGEST_BYTES", 2)
    (tmp_path / "odd.onnx").write_bytes(b"odd")
    with pytest.raises(InvalidFileError, match="3 bytes, more than 2"):
        face_crop(VideoFeatures(faces="largest", face_detector=str(tmp_path)))


# the real one


@pytest.fixture
def yunet(shared_model) -> Path:
    pytest.importorskip("cv2")
    return shared_model("yunet")


def cropping(folder: Path, which: str = "largest") -> FaceCrop:
    crop = face_crop(VideoFeatures(faces=which, face_detector=str(folder)))
    assert crop is not None
    return crop


HEAD = (slice(0, 210), slice(120, 330))  # of skimage's astronaut; her face is FACE of it
FACE = Box(58 / 210, 65 / 210, 91 / 210, 111 / 210)


def scene(*heads: tuple[int, int, int], mirrored: bool = False, turned: float = 0.0) -> np.ndarray:
    """A table with a cup of coffee, (720, 1280, 3), and on it heads: (x, y, side) each."""
    from skimage import data

    picture = Image.fromarray(data.coffee()).resize((1280, 720))
    head = Image.fromarray(data.astronaut()[HEAD])
    head = head.transpose(Image.Transpose.FLIP_LEFT_RIGHT) if mirrored else head
    head = head.rotate(turned, Image.Resampling.BICUBIC)
    for x, y, side in heads:
        picture.paste(head.resize((side, side), Image.Resampling.BICUBIC), (x, y))
    return np.asarray(picture)


def face_of(head: tuple[int, int, int], mirrored: bool = False) -> Box:
    x, y, side = head
    left = 1.0 - FACE.left - FACE.width if mirrored else FACE.left
    return Box(x + left * side, y + FACE.top * side, FACE.width * side, FACE.height * side)


def assert_holds(crop: np.ndarray, frame: np.ndarray, face: Box) -> None:
    """The crop, a view of its frame, is a square about as large as it should be around the face."""
    top, left = divmod((crop.ctypes.data - frame.ctypes.data) // 3, frame.shape[1])
    height, width = crop.shape[:2]
    x, y = face.middle
    assert height == width and 0.8 <= width / (MARGIN * face.height) <= 1.25
    assert abs(left + width / 2 - x) < 0.15 * width and abs(top + height / 2 - y) < 0.15 * height


@pytest.mark.realdata
@pytest.mark.parametrize("mirrored", [False, True])
def test_the_larger_of_two_moving_faces_is_followed(yunet, mirrored):
    large = [(100 + 60 * i, 200 + 10 * i, 300) for i in range(5)]
    small = [(1000 - 40 * i, 350 - 8 * i, 130) for i in range(5)]
    clip = [scene(*pair, mirrored=mirrored) for pair in zip(large, small, strict=True)]
    crops, missed = cropping(yunet).crop(clip)
    assert missed == 0
    for crop, frame, head in zip(crops, clip, large, strict=True):
        assert_holds(crop, frame, face_of(head, mirrored))


@pytest.mark.realdata
def test_the_central_of_two_faces(yunet):
    middle = (560, 290, 150)
    clip = [scene((40 + 10 * i, 100, 300), middle) for i in range(3)]
    crops, missed = cropping(yunet, "central").crop(clip)
    assert missed == 0
    for crop, frame in zip(crops, clip, strict=True):
        assert_holds(crop, frame, face_of(middle))


@pytest.mark.realdata
def test_frames_without_a_face_are_whole(yunet):
    head = (700, 300, 250)
    clip = [scene(head), scene(), scene((60, 40, 250)), scene(head, turned=20.0), scene()]
    crops, missed = cropping(yunet).crop(clip)
    assert missed == 3  # nobody twice, and somebody elsewhere
    assert [crop.shape == (720, 1280, 3) for crop in crops] == [False, True, True, False, True]
    assert_holds(crops[0], clip[0], face_of(head))
    assert cropping(yunet).crop([scene()] * 2)[1] == 2


@pytest.mark.realdata
@pytest.mark.parametrize("side", [100, 200, 600])
def test_small_and_large_faces(yunet, side):
    head = (500, 60, side)
    clip = [scene(head)]
    (crop,), missed = cropping(yunet).crop(clip)
    assert missed == 0
    assert_holds(crop, clip[0], face_of(head))


@pytest.mark.realdata
def test_a_drawn_face_is_found(yunet):
    """The toy corpus at its own size: most of its speakers have a face to YuNet, too."""
    clips = []
    for seed in range(12):
        rng = np.random.default_rng(seed)
        clips.append(draw_face("joy", look_of_speaker(rng), face_jitter(rng), 4, 96))
    found = [4 - cropping(yunet).crop(list(clip))[1] for clip in clips]
    assert sum(found) >= 36


@pytest.mark.realdata
@pytest.mark.parametrize("shape", [(1, 1), (1, 5000), (5000, 1), (7, 9), (32, 640), (33, 640), (4000, 3000)])
def test_frames_of_any_shape(yunet, shape):
    frame = np.random.default_rng(0).integers(0, 255, (*shape, 3)).astype(np.uint8)
    (crop,), missed = cropping(yunet).crop([frame])
    assert missed == 1 and crop is frame


@pytest.mark.realdata
def test_turned_and_halved_frames_are_cropped_alike(yunet):
    """Frames come as views (turned as the file says, halves of a picture), not as memory in one piece."""
    frame = scene((700, 300, 250))
    for view in (np.rot90(np.rot90(frame, -1).copy()), frame[:, 640:]):
        (crop,), missed = cropping(yunet).crop([view])
        (copied,), _ = cropping(yunet).crop([view.copy()])
        assert missed == 0
        np.testing.assert_array_equal(crop, copied)


@pytest.mark.realdata
def test_what_came_before_changes_nothing(yunet):
    clips = [[scene((700, 300, 250))], [WIDE], [scene((60, 40, 250))[:360, :500]]]
    alone = [cropping(yunet).crop(clip) for clip in clips]
    for clip, (crops, missed) in list(zip(clips, alone, strict=True))[::-1]:
        again, still = cropping(yunet).crop(clip)
        assert still == missed
        np.testing.assert_array_equal(again[0], crops[0])


@pytest.mark.realdata
def test_the_extractors_carry_it(yunet, tiny_resnet):
    for encoder in ("light", str(tiny_resnet)):
        plain = video_extractor(VideoFeatures(encoder=encoder))
        settings = []
        for which in ("largest", "central"):
            config = VideoFeatures(encoder=encoder, faces=which, face_detector=str(yunet))
            extractor = pickle.loads(pickle.dumps(video_extractor(config)))  # noqa: S301
            assert isinstance(extractor, LightVideo | HubVideo) and extractor.faces is not None
            assert extractor.dims == plain.dims
            crops, missed = extractor.faces.crop([scene((700, 300, 250)), scene()])
            (vectors,) = extractor.encode([extractor.prepare(crops)])
            assert missed == 1 and vectors.shape == (2, *extractor.dims)
            settings.append(extractor.settings)
        one, other = settings
        assert {**one, "faces": None} == {**plain.settings, "faces": None} and one != other
        assert one["faces"]["which"] == "largest" and len(one["faces"]["detector"]) == 16
