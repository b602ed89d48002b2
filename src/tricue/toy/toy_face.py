"""The toy face: drawn with numpy, soft-edged shapes painted over one another, moved by three contours.

As in the voice, each pair of emotions moves one contour, and the second of a pair is the first one's pictures
exactly reversed in time.
"""

from dataclasses import dataclass

import numpy as np

from tricue.toy.toy_voice import ramp

# emotion -> (what moves, whether it rises); neutral moves nothing
FACE_PATTERNS: dict[str, tuple[str, bool]] = {
    "anger": ("frown", True),  # brows come down and together
    "sadness": ("frown", False),
    "joy": ("smile", True),  # corners of the mouth go up
    "disgust": ("smile", False),
    "surprise": ("opening", True),  # the mouth opens
    "fear": ("opening", False),
}
SIZE = 76.0  # of the picture, in the unit of all lengths below: a face of some 60 x 76 fills it

Color = np.ndarray  # (3,) float32, 0 to 255
Pair = tuple[float, float]


@dataclass(frozen=True)
class Look:
    """What stays the same over one speaker's clips; lengths in the unit of SIZE."""

    skin: Color
    hair: Color
    iris: Color
    lips: Color
    shirt: Color
    wall: Color
    head: Pair  # half axes
    hairline: float  # how far down the hair comes
    long_hair: bool
    eyes: Pair  # half distance, half width
    brow: float  # half thickness
    mouth: float  # half width
    nose: float  # length


@dataclass(frozen=True)
class FaceJitter:
    """What differs from clip to clip, drawn without looking at the emotion."""

    center: float  # share of the clip at which a moving contour is half way
    width: float  # share of the clip that the movement takes
    rest: np.ndarray  # (3,) small deviations of the three contours over the whole clip
    shift: np.ndarray  # (2,) x and y
    scale: float
    light: float  # factor of all colours, at most 1


def look_of_speaker(rng: np.random.Generator) -> Look:
    tone = rng.random()
    skin = (1.0 - tone) * np.array([246.0, 214.0, 190.0]) + tone * np.array([150.0, 98.0, 66.0])
    hairs = np.array([[28, 22, 20], [74, 44, 24], [120, 70, 34], [44, 40, 46], [150, 108, 52], [96, 92, 92]])
    irises = np.array([[70, 110, 160], [80, 120, 70], [90, 60, 34], [40, 30, 26]])
    return Look(
        skin=skin + rng.uniform(-6, 6, 3),
        hair=hairs[rng.integers(len(hairs))] + rng.uniform(-10, 10, 3),
        iris=irises[rng.integers(len(irises))].astype(float),
        lips=0.5 * skin + 0.5 * np.array([170.0, 40.0, 50.0]),
        shirt=rng.uniform(30, 220, 3),
        wall=rng.uniform(120, 220, 3),
        head=(rng.uniform(27, 32), rng.uniform(35, 40)),
        hairline=rng.uniform(10, 17),
        long_hair=bool(rng.random() < 0.5),
        eyes=(rng.uniform(11, 14), rng.uniform(4.5, 6.0)),
        brow=rng.uniform(1.4, 2.4),
        mouth=rng.uniform(12, 15.5),
        nose=rng.uniform(7, 11),
    )


def face_jitter(rng: np.random.Generator) -> FaceJitter:
    return FaceJitter(
        center=rng.uniform(0.42, 0.58),
        width=rng.uniform(0.2, 0.4),
        rest=rng.normal(0.0, 0.02, 3),
        shift=rng.uniform(-0.5, 0.5, 2),
        scale=rng.uniform(0.985, 1.015),
        light=rng.uniform(0.85, 1.0),
    )


def face_contours(shown: str, jitter: FaceJitter, points: int) -> dict[str, np.ndarray]:
    """Frown, smile and opening of the mouth, (points,) each, 0 to 1 with 0.5 at rest (0.2 for the opening).

    The contours of the falling emotion of a pair are those of the rising one, reversed.
    """
    contours = {"frown": np.full(points, 0.5), "smile": np.full(points, 0.5), "opening": np.full(points, 0.2)}
    rises = True
    if shown in FACE_PATTERNS:
        moves, rises = FACE_PATTERNS[shown]
        contours[moves] = ramp(points, jitter.center, jitter.width)
    for name, rest in zip(contours, jitter.rest, strict=True):
        moved = np.clip(contours[name] + rest, 0.0, 1.0)
        contours[name] = moved if rises else moved[::-1]
    return contours


def draw_face(shown: str, look: Look, jitter: FaceJitter, frames: int, size: int) -> np.ndarray:
    """(frames, size, size, 3) uint8 pictures."""
    contours = {name: own.astype(np.float32) for name, own in face_contours(shown, jitter, frames).items()}
    unit = SIZE / size / jitter.scale
    grid = (np.arange(size, dtype=np.float32) + 0.5 - size / 2) * unit
    shift = jitter.shift.astype(np.float32)
    x, y = grid[None, :] - shift[0], grid[:, None] - shift[1]
    still = _still_parts(look, x, y, unit)
    light = np.float32(jitter.light)
    pictures = np.repeat((still * light).astype(np.uint8)[None], frames, axis=0)

    window = _window(x, y, (-25.0, -26.0), (25.0, 2.0))  # moving parts cost only their own area
    brows = np.repeat(still[window][None], frames, axis=0)
    _paint_brows(brows, look, contours["frown"], x[:, window[1]], y[window[0]], unit)
    pictures[:, *window] = brows * light

    window = _window(x, y, (-20.0, 3.0), (20.0, 38.0))
    mouth = np.repeat(still[window][None], frames, axis=0)
    _paint_mouth(mouth, look, contours["smile"], contours["opening"], x[:, window[1]], y[window[0]], unit)
    pictures[:, *window] = mouth * light
    return pictures


def _inside(distance: np.ndarray, unit: float) -> np.ndarray:
    """Cover of each pixel by a shape, 0 to 1, from the signed distance to its edge: an edge one pixel soft."""
    return np.clip(0.5 - distance / unit, 0.0, 1.0)[..., None].astype(np.float32)


def _paint(picture: np.ndarray, cover: np.ndarray, color: Color) -> None:
    picture += cover * (np.asarray(color, dtype=np.float32) - picture)


def _ellipse(x: np.ndarray, y: np.ndarray, center: Pair, axes: Pair) -> np.ndarray:
    """Signed distance, about, to an ellipse's edge; negative inside."""
    radius = np.hypot((x - center[0]) / axes[0], (y - center[1]) / axes[1])
    return (radius - 1.0) * min(axes)


def _still_parts(look: Look, x: np.ndarray, y: np.ndarray, unit: float) -> np.ndarray:
    """(size, size, 3) float32: wall, shirt, hair, head, eyes and nose."""
    picture = np.empty((y.shape[0], x.shape[1], 3), dtype=np.float32)
    picture[:] = look.wall
    picture -= 0.25 * y[..., None]  # light from above
    width, height = look.head

    def paint(center: Pair, axes: Pair, color: Color) -> None:
        (u, v), (a, b) = center, (axes[0] + unit, axes[1] + unit)
        rows, columns = window = _window(x, y, (u - a, v - b), (u + a, v + b))
        _paint(picture[window], _inside(_ellipse(x[:, columns], y[rows], center, axes), unit), color)

    if look.long_hair:
        paint((0.0, 6.0), (width + 8.0, height + 5.0), look.hair)
    paint((0.0, height + 18.0), (width + 14.0, 24.0), look.shirt)
    paint((0.0, height - 2.0), (width * 0.42, 14.0), look.skin * 0.88)
    paint((0.0, -3.0), (width + 3.0, height + 3.0), look.hair)
    for side in (-1.0, 1.0):
        paint((side * (width - 0.5), 1.0), (4.0, 7.0), look.skin * 0.93)
    skull = _ellipse(x, y, (0.0, 0.0), look.head)
    brow_line = look.hairline - height - y - 4.0 * (x / width) ** 2  # below the hairline is face
    _paint(picture, _inside(np.maximum(skull, brow_line), unit), look.skin)

    distance, eye = look.eyes
    for side in (-1.0, 1.0):
        paint((side * distance, -3.0), (eye + 0.8, eye * 0.62 + 0.8), look.skin * 0.55)
        paint((side * distance, -3.0), (eye, eye * 0.62), np.full(3, 245.0))
        paint((side * distance, -3.0), (eye * 0.5, eye * 0.55), look.iris)
        paint((side * distance, -3.0), (eye * 0.24, eye * 0.27), np.full(3, 12.0))
    paint((0.0, 1.0 + look.nose / 2), (3.2, look.nose / 2), look.skin * 0.88)
    return picture


def _paint_brows(part: np.ndarray, look: Look, frown: np.ndarray, x: np.ndarray, y: np.ndarray,
                 unit: float) -> None:  # fmt: skip
    """High and lifted inside at 0, low and slanted down to the nose at 1. part: (T, h, w, 3)."""
    down = frown[:, None, None] - 0.5
    side = np.abs(x)  # both brows at once: the face is symmetrical
    across = (side - look.eyes[0]) / look.eyes[1]
    line = -12.0 + 9.0 * down - 8.0 * down * across + across**2
    above = np.abs(y - line) - look.brow
    ends = np.abs(side - look.eyes[0]) - look.eyes[1] * 1.35
    dark = np.minimum(look.hair * 0.6, look.skin * 0.3)  # seen on any skin
    _paint(part, _inside(np.maximum(above, ends), unit), dark)


def _paint_mouth(part: np.ndarray, look: Look, smile: np.ndarray, opening: np.ndarray, x: np.ndarray,
                 y: np.ndarray, unit: float) -> None:  # fmt: skip
    """Corners down at smile 0, up at 1; lips nearly closed at opening 0, wide apart at 1. part: (T, h, w, 3)."""
    curve, wide = smile[:, None, None] - 0.5, opening[:, None, None]
    across = x / (look.mouth * (1.0 - 0.2 * wide))
    bow = np.sqrt(np.clip(1.0 - across**2, 0.0, None))
    ends = (np.abs(across) - 1.0) * look.mouth
    height = y - (19.5 - 19.0 * curve * (across**2 - 0.4))
    gap = (0.6 + 11.5 * wide) * bow
    _paint(part, _inside(np.maximum(np.abs(height) - gap - 2.0 * bow, ends), unit), look.lips)
    _paint(part, _inside(np.maximum(np.abs(height) - gap, ends + 1.5), unit), np.array([48.0, 14.0, 18.0]))
    teeth = np.maximum(np.abs(height + 0.72 * gap) - 0.26 * gap, ends + 2.5)
    _paint(part, _inside(teeth, unit) * (wide > 0.12)[..., None], np.full(3, 240.0))


def _window(x: np.ndarray, y: np.ndarray, low: Pair, high: Pair) -> tuple[slice, slice]:
    """The rows and columns of the pixels that lie between two corners (x, y)."""
    columns = np.searchsorted(x[0], (low[0], high[0]))
    rows = np.searchsorted(y[:, 0], (low[1], high[1]))
    return slice(*rows), slice(*columns)
