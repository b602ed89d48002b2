"""The face in the key frames: found by YuNet, one person followed through the clip, cut out as a square.

YuNet is a small convolutional network (https://github.com/ShiqiYu/libfacedetection) that OpenCV runs, an extra
of ours. It finds faces and tells nobody from another: who is followed is who stands where the face before stood.
"""

import hashlib
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path
from threading import Lock
from typing import Any, Literal, NamedTuple

import numpy as np

from tricue.config.feature_settings import VideoFeatures
from tricue.extractors import hub
from tricue.types import InputError, InvalidFileError, first_line

Which = Literal["largest", "central"]

_VERSION = 1  # raised by hand when the same settings give other crops
MARGIN = 1.3  # side of the crop, in longer sides of the box: YuNet's box ends at the brow and at the chin
# Longer side, in pixels, that a frame is scaled down to before faces are sought. Measured on one core with 24 frames
# of 1280 x 720 for each size of a face: all are found from a face width (in that frame) of 45 pixels on at 640, which
# takes 52 ms a frame; of 60 at 480, 35 ms; of 100 at 320, 21 ms, too large for a scene that shows people whole. At 640,
# 23 of 24 are found at 40 pixels and 20 at 32. A face that fills the frame is found at each of the three.
_SIDE = 640
# In those frames the surest box that was no face had 0.66 (a cat elsewhere 0.39), faces from 45 pixels on had 0.83 and
# more, one turned by 60 degrees 0.75; of Labeled Faces in the Wild, 25 pixels wide and enlarged, 96 of 100 and none of
# 100 pictures of no face. OpenCV's own 0.9 finds 3 of 24 at 45 pixels.
_SCORE = 0.7
_SAME = 0.3  # share of overlap from which two boxes are one face, as OpenCV has it
# OpenCV 4.14 computes with memory that nobody wrote where a side is not above 32 pixels: other faces in each run
_LEAST_SIDE = 33
_REACH = 1.0  # face sizes that a centre moves at most between two of its frames; people side by side are further apart
_GROWTH = 2.0  # most that a face's size changes between two of its frames, as a factor

_LARGEST_BYTES = 16 * 2**20  # of the detector's file; YuNet has 0.3 MB
_TRIAL_SECONDS = 60.0  # that the first look at a file may take
# OpenCV's reader of ONNX is native code that some damaged files end: the first look is in a process of its own
_TRIAL = """
import sys, cv2, numpy
detector = cv2.FaceDetectorYN.create(sys.argv[1], "", (64, 64))
for width, height in ((64, 64), (640, 360), (360, 640)):
    detector.setInputSize((width, height))
    detector.detect(numpy.zeros((height, width, 3), numpy.uint8))
"""

_ONE_AT_A_TIME = Lock()  # the detector holds the size of its picture, and a service has several threads


class Box(NamedTuple):
    """A face in pixels of its frame; it may reach beyond the frame."""

    left: float
    top: float
    width: float
    height: float

    @property
    def middle(self) -> tuple[float, float]:
        return self.left + self.width / 2, self.top + self.height / 2

    @property
    def area(self) -> float:
        return self.width * self.height

    def inside(self, width: int, height: int) -> "Box | None":
        """What of it lies in a frame of this size; None where that is not a pixel."""
        left, top = max(self.left, 0.0), max(self.top, 0.0)
        right, bottom = min(self.left + self.width, width), min(self.top + self.height, height)
        seen = Box(left, top, right - left, bottom - top)
        return seen if seen.width >= 1.0 and seen.height >= 1.0 else None


Track = dict[int, Box]  # one face: number of the frame -> where it is there


@dataclass(frozen=True)
class FaceCrop:
    """Cuts the followed face out of a clip's key frames; small and picklable, the detector is made on first use."""

    model: Path  # the detector's .onnx file
    which: Which = "largest"

    @cached_property
    def settings(self) -> dict[str, Any]:
        """All that decides the crops, as JSON."""
        digest = hashlib.sha256(self.model.read_bytes()).hexdigest()[:16]
        return {"which": self.which, "margin": MARGIN, "detector": digest, "version": _VERSION}

    def crop(self, frames: Sequence[np.ndarray]) -> tuple[list[np.ndarray], int]:
        """(H, W, 3) uint8 RGB each, in time order -> as many squares around the face, and the frames without it.

        A frame in which the followed face is not found stays whole.
        """
        track = followed([_find(self.model, frame) for frame in frames], frames, self.which)
        crops = [square(frame, track[i]) if i in track else frame for i, frame in enumerate(frames)]
        return crops, len(frames) - len(track)


def face_crop(config: VideoFeatures) -> FaceCrop | None:
    """What `features.video.faces` asks for; None where frames stay whole.

    Raises InputError where OpenCV is not installed or the detector cannot be had, InvalidFileError where its file is
    none.
    """
    if config.faces == "none":
        return None
    try:
        import cv2  # noqa: F401
    except ImportError as error:
        raise InputError(
            f"features.video.faces={config.faces} needs OpenCV ({error}): pip install 'tricue[faces]', "
            "or leave the frames whole with --set features.video.faces=none."
        ) from error
    crop = FaceCrop(hub.find_detector(config.face_detector), config.faces)
    _try_detector(crop.model)
    _detector(crop.model)  # a file that is no detector is told now, not in the middle of the clips
    return crop


def _no_detector(model: Path, reason: str) -> InvalidFileError:
    return InvalidFileError(
        f"features.video.face_detector: {model} cannot be used as YuNet ({reason}); give the folder of "
        "opencv/face_detection_yunet, version 2023mar, or another copy of it."
    )


@lru_cache(maxsize=2)
def _try_detector(model: Path) -> None:
    """Raise InvalidFileError for a file that is no detector, whatever OpenCV does with it."""
    size = model.stat().st_size
    if size > _LARGEST_BYTES:
        raise _no_detector(model, f"{size:,} bytes, more than {_LARGEST_BYTES:,}")
    command, limit = [sys.executable, "-c", _TRIAL, str(model)], _TRIAL_SECONDS
    try:
        trial = subprocess.run(command, capture_output=True, text=True, errors="replace", timeout=limit)
    except subprocess.TimeoutExpired as error:
        raise _no_detector(model, f"OpenCV is not done with it in {_TRIAL_SECONDS:.0f} s") from error
    if trial.returncode != 0:
        lines = [line for line in trial.stderr.splitlines() if line.startswith("cv2.error")]
        raise _no_detector(model, (lines or ["OpenCV ends with it"])[-1][:200])


@lru_cache(maxsize=2)
def _detector(model: Path) -> Any:
    """YuNet, once per process. An ONNX file is data to OpenCV's own layers: no code of the model's is run."""
    import cv2

    cv2.setNumThreads(1)  # extraction spreads the clips over as many processes as there are cores
    try:
        detector = cv2.FaceDetectorYN.create(str(model), "", (_SIDE, _SIDE), _SCORE, _SAME)
        detector.setInputSize((64, 64))
        detector.detect(np.zeros((64, 64, 3), np.uint8))  # another network's outputs are missed only here
    except cv2.error as error:
        raise _no_detector(model, first_line(error)) from error
    return detector


def _find(model: Path, frame: np.ndarray) -> list[Box]:
    """The faces of a frame (H, W, 3) uint8 RGB, the surest first."""
    import cv2

    height, width = frame.shape[:2]
    scale = min(1.0, _SIDE / max(height, width, 1))
    small = (round(width * scale), round(height * scale))
    if min(small) < _LEAST_SIDE:
        return []
    picture = np.ascontiguousarray(frame)
    if scale < 1.0:
        picture = cv2.resize(picture, small, interpolation=cv2.INTER_AREA)
    detector = _detector(model)
    with _ONE_AT_A_TIME:
        detector.setInputSize(small)
        _, rows = detector.detect(cv2.cvtColor(picture, cv2.COLOR_RGB2BGR))
    across, down = width / small[0], height / small[1]
    found = [] if rows is None else rows[np.isfinite(rows).all(axis=1), :4].astype(float)
    boxes = [row * [across, down, across, down] for row in found]
    seen = [Box(*map(float, box)).inside(width, height) for box in boxes]
    return [box for box in seen if box is not None]


def followed(found: Sequence[Sequence[Box]], frames: Sequence[np.ndarray], which: Which) -> Track:
    """The one face to keep of those found in each frame; empty where there is none at all.

    largest: of greatest area, summed over its frames. central: nearest to the middle on average over all frames,
    where a frame without it counts like a face in the corner. Either way a passer-by loses to who stays.
    """

    def centrality(box: Box, height: int, width: int) -> float:  # 1 in the middle of the frame, 0 in its corners
        x, y = box.middle
        return 1.0 - float(np.hypot(x - width / 2, y - height / 2) / np.hypot(width / 2, height / 2))

    def weight(track: Track) -> float:
        if which == "largest":
            return sum(box.area for box in track.values())
        return sum(centrality(box, *frames[i].shape[:2]) for i, box in track.items())

    return max(tracks_of(found), key=weight, default={})  # of equals the first: earlier, then surer


def tracks_of(found: Sequence[Sequence[Box]]) -> list[Track]:
    """The faces of each frame, linked over time: the nearest pairs first, gaps allowed.

    A camera that cuts to another person's face at the same place and of the same size is not noticed.
    """
    tracks: list[Track] = []
    for i, boxes in enumerate(found):
        pairs = [(_distance(track[max(track)], box), t, b)
                 for t, track in enumerate(tracks) for b, box in enumerate(boxes)]  # fmt: skip
        linked: dict[int, int] = {}  # box -> track
        for distance, t, b in sorted(pairs):
            if distance <= _REACH and b not in linked and t not in linked.values():
                linked[b] = t
        for b, box in enumerate(boxes):
            if b in linked:
                tracks[linked[b]][i] = box
            else:
                tracks.append({i: box})
    return tracks


def _distance(one: Box, other: Box) -> float:
    """How far the centres are apart, in face sizes; infinite where the sizes are those of two faces."""
    size, others = np.sqrt(one.area), np.sqrt(other.area)
    if max(size, others) > _GROWTH * min(size, others):
        return float("inf")
    (x, y), (u, v) = one.middle, other.middle
    return float(np.hypot(x - u, y - v) / np.sqrt(size * others))


def square(frame: np.ndarray, box: Box) -> np.ndarray:
    """The square of MARGIN times the box's longer side around it, moved into the frame where it reaches beyond.

    Its side is at most the frame's shorter one, so that nothing is filled up or stretched.
    """
    height, width = frame.shape[:2]
    side = min(max(1, round(MARGIN * max(box.width, box.height))), height, width)
    x, y = box.middle
    left = min(max(0, round(x - side / 2)), width - side)
    top = min(max(0, round(y - side / 2)), height - side)
    return frame[top : top + side, left : left + side]
