"""Damage to a decoded signal, to measure what a model makes of it: noise in the sound; blur, occlusion and lost key
frames in the picture.

The values depend on the signal, the level and the seed alone, never on order, batch or process; and a higher level
damages what a lower one damages, and more.
"""

import hashlib
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from PIL import Image, ImageFilter

from tricue.extractors.choice import Extractor, as_read, row_width
from tricue.types import InputError, ModalityName

if TYPE_CHECKING:
    from tricue.extractors.vary_sound import VariedSound

GRAY = 128  # of 0 to 255: what stands in front of the picture
Frames = Sequence[np.ndarray]  # (H, W, 3) uint8 RGB each


@dataclass(frozen=True)
class Noise:
    """White (Gaussian) noise, `snr_db` below the sound: both as power over the whole clip."""

    snr_db: float
    seed: int = 0
    modality: ClassVar[ModalityName] = "audio"
    name: ClassVar[str] = "noise"
    version: ClassVar[int] = 1  # raised by hand when the values change

    def damage(self, wave: np.ndarray) -> np.ndarray:
        """(samples,) float32 -> the same, not clipped. A silent clip stays as it is, and so does what is no sound."""
        energy = float(np.square(wave, dtype=np.float64).sum())
        if energy == 0.0 or not math.isfinite(energy):
            return wave
        noise = own_draws(self.seed, wave.tobytes()).standard_normal(wave.size)
        loudness = math.sqrt(energy / float(np.square(noise).sum())) * 10 ** (-self.snr_db / 20)
        with np.errstate(over="ignore"):  # near the end of float32; extractors refuse what is not finite
            return (wave + loudness * noise).astype(np.float32)


@dataclass(frozen=True)
class Blur:
    """Gaussian blur (Pillow's) of every frame. radius: its standard deviation as a share of the frame's height."""

    radius: float
    modality: ClassVar[ModalityName] = "video"
    name: ClassVar[str] = "blur"
    version: ClassVar[int] = 1

    def damage(self, frames: Frames) -> list[np.ndarray]:
        blurs = [ImageFilter.GaussianBlur(self.radius * frame.shape[0]) for frame in frames]
        return [np.array(Image.fromarray(own).filter(blur)) for own, blur in zip(frames, blurs, strict=True)]


@dataclass(frozen=True)
class Occlusion:
    """One gray square over `share` of the picture, at a random place that is the same in all frames of a clip.

    Where a square of that area is larger than the frame's short side, it is a rectangle over all of that side.
    """

    share: float
    seed: int = 0
    modality: ClassVar[ModalityName] = "video"
    name: ClassVar[str] = "occlusion"
    version: ClassVar[int] = 1

    def __post_init__(self) -> None:
        check_share("The occluded share of the picture", self.share)

    def damage(self, frames: Frames) -> list[np.ndarray]:
        place = own_draws(self.seed, *(frame.tobytes() for frame in frames)).random(
            2
        )  # 0 the upper left end, 1 the lower right
        return [self._covered(frame, place) for frame in frames]

    def _covered(self, frame: np.ndarray, place: np.ndarray) -> np.ndarray:
        size = np.array(frame.shape[:2])
        area = self.share * size[0] * size[1]
        shorter = min(math.sqrt(area), *size)
        sides = np.full(2, area / shorter)
        sides[int(size.argmin())] = shorter
        down, across = np.maximum(1, np.round(sides)).astype(int)
        top, left = (place * (size - (down, across) + 1)).astype(int)
        covered = frame.copy()
        covered[top : top + down, left : left + across] = GRAY
        return covered


@dataclass(frozen=True)
class FrameLoss:
    """Each key frame is lost with the same chance; at least one stays."""

    chance: float
    seed: int = 0
    modality: ClassVar[ModalityName] = "video"
    name: ClassVar[str] = "frame-loss"
    version: ClassVar[int] = 1

    def __post_init__(self) -> None:
        check_share("The chance that a key frame is lost", self.chance)

    def damage(self, frames: Frames) -> list[np.ndarray]:
        luck = own_draws(self.seed, *(frame.tobytes() for frame in frames)).random(len(frames))
        kept = [frame for frame, own in zip(frames, luck, strict=True) if own >= self.chance]
        return kept or [frames[int(luck.argmax())]]


Corruption = Noise | Blur | Occlusion | FrameLoss


@dataclass(frozen=True)
class Damaged:
    """An extractor that reads its signal damaged; its store is another one, all else is the inner extractor's."""

    inner: Extractor
    corruption: "Corruption | VariedSound"

    @property
    def name(self) -> str:
        return f"{self.inner.name}-{self.corruption.name}"

    @property
    def version(self) -> int:
        return self.inner.version

    @property
    def settings(self) -> dict[str, Any]:
        own = {"name": self.corruption.name, "version": self.corruption.version, **asdict(self.corruption)}
        return {**self.inner.settings, "corruption": own}

    @property
    def dims(self) -> tuple[int, ...]:
        return self.inner.dims

    @property
    def config(self) -> Any:
        """By which the worker decodes."""
        return self.inner.config  # type: ignore[attr-defined]

    def prepare(self, signal: Any) -> Any:
        """The picture is damaged whole, and a face is looked for in what is left of it, as it would be in use."""
        damaged = self.corruption.damage(signal)
        if faces := getattr(self.inner, "faces", None):
            damaged, _ = faces.crop(damaged)
        return self.inner.prepare(damaged)

    def encode(self, prepared: Sequence[Any]) -> list[np.ndarray]:
        return self.inner.encode(prepared)

    @property
    def row_width(self) -> int:
        return row_width(self.inner)

    def unpacked(self, values: np.ndarray) -> np.ndarray:
        return as_read(self.inner, values)


def with_damage(
    extractors: Mapping[ModalityName, Extractor], corruption: "Corruption | VariedSound"
) -> dict[ModalityName, Extractor]:
    """The extractors, one of them reading damaged signals. Raises InputError where none reads that modality."""
    if corruption.modality not in extractors:
        raise InputError(
            f"{corruption.name} damages {corruption.modality}, which is not extracted here: name the modality, and no "
            "precomputed features for it."
        )
    return {**extractors, corruption.modality: Damaged(extractors[corruption.modality], corruption)}


def own_draws(seed: int, *content: bytes) -> np.random.Generator:
    """Random numbers that belong to this content alone."""
    digest = hashlib.sha256()
    for part in content:
        digest.update(part)
    return np.random.default_rng([seed, int.from_bytes(digest.digest()[:8], "big")])


def check_share(what: str, share: float) -> None:
    """Raise InputError for what is not above 0 and at most 1."""
    if not 0.0 < share <= 1.0:
        raise InputError(f"{what} is {share:g}; give one above 0 and at most 1.")
