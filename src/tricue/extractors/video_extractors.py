"""How it looks: key frames to one vector each."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cached_property, lru_cache
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from tricue.config.feature_settings import VideoFeatures
from tricue.extractors import hub, packed_frames, pretrained
from tricue.extractors.faces import FaceCrop, face_crop
from tricue.extractors.packed_frames import PackedFrames
from tricue.media.decoding import MediaError, decode, picture_span
from tricue.types import InputError, Moment, Utterance, first_line

_SIDE = 64  # pixels of the gray picture that HOG reads
_ORIENTATIONS, _CELL = 8, 8
_PACKED = 2  # values of a picture for a byte of its file
_OF_VALUES = ("do_rescale", "rescale_factor", "do_normalize", "image_mean", "image_std")  # what changes no picture
_BATCH, _BATCH_GPU = 10, 256  # frames per forward pass, changes no value; larger ones leave a CPU's caches


@dataclass(frozen=True)
class LightVideo:
    """Histograms of oriented gradients (HOG): 8 x 8 cells of 8 orientations; for trying the software out.

    Cells are normalised together, not by neighbourhoods: flat areas stay flat, and 512 values are enough.
    """

    config: VideoFeatures
    name: str = "light"
    version: int = 3
    dims: tuple[int, ...] = (_ORIENTATIONS * (_SIDE // _CELL) ** 2,)
    faces: FaceCrop | None = None  # to be cut out of the frames before `prepare`

    @property
    def settings(self) -> dict[str, Any]:
        return {"frames": self.config.frames, **_settings_of(self.faces)}

    def prepare(self, frames: Sequence[np.ndarray]) -> np.ndarray:
        """(H, W, 3) uint8 each -> (frames, 512) float32; skimage.feature.hog."""
        from PIL import Image
        from skimage.feature import hog

        side = (_SIDE, _SIDE)
        grays = [Image.fromarray(f).convert("L").resize(side, Image.Resampling.BILINEAR) for f in frames]
        form = {"orientations": _ORIENTATIONS, "pixels_per_cell": (_CELL, _CELL), "transform_sqrt": True}
        block = (_SIDE // _CELL, _SIDE // _CELL)
        vectors = [hog(np.asarray(gray), cells_per_block=block, **form) for gray in grays]
        return np.stack(vectors).astype(np.float32)

    def encode(self, prepared: Sequence[np.ndarray]) -> list[np.ndarray]:
        return list(prepared)


@dataclass(frozen=True)
class HubVideo:
    """The pooled output of a hub image model for each key frame."""

    folder: Path
    config: VideoFeatures
    device: str = "cpu"
    version: int = 3
    faces: FaceCrop | None = None  # to be cut out of the frames before `prepare`

    @property
    def name(self) -> str:
        return Path(self.config.encoder).name

    @cached_property
    def settings(self) -> dict[str, Any]:
        weights = hub.encoder_digest(self.folder)
        left_out = getattr(hub.load_model(self.folder, self.device), "pooler", ...) is None  # without weights
        averaged = {"pooled": "mean"} if left_out else {}
        side = {} if self.config.side is None else {"side": self.config.side}  # what was stored before stays valid
        return {"frames": self.config.frames, "weights": weights, **side, **averaged, **_settings_of(self.faces)}

    @cached_property
    def dims(self) -> tuple[int, ...]:
        """Measured on a black picture: no field of the models' configs says it for all of them."""
        black = self.prepare([np.zeros((_SIDE, _SIDE, 3), np.uint8)])
        with self.fitting():
            return (self.encode([black])[0].shape[1],)

    @contextmanager
    def fitting(self) -> Iterator[None]:
        """Raise InputError where the encoder does not take pictures of `side`."""
        try:
            yield
        except ValueError as error:
            if self.config.side is None:
                raise
            raise InputError(
                f"features.video.side={self.config.side}: {self.config.encoder} does not read such pictures "
                f"({first_line(error)}). Leave it out, or give what the encoder reads."
            ) from error

    def prepare(self, frames: Sequence[np.ndarray]) -> np.ndarray:
        """(H, W, 3) uint8 each -> (frames, 3, h, w) float32 as the model's image processor makes them."""
        if self.config.side is None:
            return self._processed(frames)
        return self._processed([_resized(frame, self.config.side) for frame in frames], **self._as_they_are)

    def _processed(self, frames: Sequence[np.ndarray], **choices: bool) -> np.ndarray:
        """(frames, 3, h, w) float32."""
        process = _image_processor(self.folder)
        pixels = process(images=list(frames), return_tensors="np", input_data_format="channels_last", **choices)
        return np.asarray(pixels["pixel_values"], np.float32)

    @property
    def _as_they_are(self) -> dict[str, bool]:
        """Choices of the processor for pictures that have their size already."""
        process = _image_processor(self.folder)
        return {"do_resize": False} | ({"do_center_crop": False} if hasattr(process, "do_center_crop") else {})

    def encode(self, prepared: Sequence[np.ndarray]) -> list[np.ndarray]:
        """(frames, D) float32 each."""
        import torch

        if not prepared:
            return []
        model = hub.load_model(self.folder, self.device)  # convolutions are quickest with channels last
        pictures = torch.from_numpy(np.concatenate(prepared))
        size = _BATCH if self.device == "cpu" else _BATCH_GPU

        def vectors(part: torch.Tensor) -> np.ndarray:
            shown = part.to(self.device).contiguous(memory_format=torch.channels_last)
            return hub.run_model(self.device, lambda: pooled(model(pixel_values=shown)))

        ends = np.cumsum([len(pixels) for pixels in prepared])
        return np.split(np.concatenate([vectors(part) for part in pictures.split(size)]), ends[:-1])


@dataclass(frozen=True)
class PixelVideo(HubVideo):
    """For an encoder that is trained with the network: its pictures in place of vectors."""

    @property
    def name(self) -> str:
        """Encoders that read the same pictures share them, as does what was trained with what it came from."""
        return "frames"

    @cached_property
    def settings(self) -> dict[str, Any]:
        """All that decides a picture: not the encoder's weights, nor how pixels are scaled when they are read."""
        decides: dict[str, Any] = {"side": self.config.side}
        if self.config.side is None:
            told = _image_processor(self.folder).to_dict()
            decides = {"processor": {name: own for name, own in told.items() if name not in _OF_VALUES}}
        return {"frames": self.config.frames, **decides, **_settings_of(self.faces)}

    def prepare(self, frames: Sequence[np.ndarray]) -> np.ndarray:
        """(H, W, 3) uint8 each -> (frames, h, w, 3) uint8, as large as the encoder reads them."""
        if self.config.side is not None:
            return np.stack([_resized(frame, self.config.side) for frame in frames])
        levels = self._processed(frames, do_rescale=False, do_normalize=False)
        return levels.round().clip(0, 255).astype(np.uint8).transpose(0, 2, 3, 1)

    def encode(self, prepared: Sequence[np.ndarray]) -> list[np.ndarray]:
        """(frames, bytes) each, the file of a picture in a row."""
        return [packed_frames.pack(pictures) for pictures in prepared]

    def unpacked(self, packed: np.ndarray) -> PackedFrames:
        """What `encode` gave as pixels to read."""
        height, width, _ = self._black.shape
        return PackedFrames(packed, 3 * height * width, self.pixels)

    def pixels(self, packed: np.ndarray) -> np.ndarray:
        """(frames, bytes) -> (frames, 3 h w) float32 as the model's image processor makes them.

        Raises InvalidFileError as `packed_frames.unpack`.
        """
        pictures = packed_frames.unpack(packed, self._black.shape[:2])
        return self._processed(pictures, **self._as_they_are).reshape(len(pictures), -1)

    @cached_property
    def _black(self) -> np.ndarray:
        """A picture of the size that the encoder reads, (h, w, 3)."""
        return self.prepare([np.zeros((_SIDE, _SIDE, 3), np.uint8)])[0]

    @cached_property
    def row_width(self) -> int:
        """About the bytes of a picture; rows differ."""
        return self._black.size // _PACKED

    @cached_property
    def dims(self) -> tuple[int, ...]:
        """Of the vectors that an encoder of this shape makes of them: a checkpoint has its weights elsewhere."""
        import torch

        black = torch.from_numpy(self._processed([self._black], **self._as_they_are))
        with torch.inference_mode(), self.fitting():
            return (pooled(hub.untrained_model(self.folder).eval()(pixel_values=black)).shape[1],)


def video_extractor(config: VideoFeatures, device: str = "cpu", weights: bool = True) -> LightVideo | HubVideo:
    """The extractor that `features.video` asks for, with the cropping that its frames go through before it.

    weights: False where the encoder's own are not run. Raises InputError where its encoder or the face detector cannot
    be had.
    """
    faces = face_crop(config)
    if config.encoder == hub.LIGHT:
        return LightVideo(config, faces=faces)
    folder = hub.find_encoder(config.encoder, "video", weights)
    _image_processor(folder)
    return HubVideo(folder, config, device, faces=faces)


def key_frames(utterance: Utterance, config: VideoFeatures) -> list[np.ndarray]:
    """The pictures that an extractor of these settings reads, (H, W, 3) uint8 RGB each; none where there are none.

    Raises MediaError where the file cannot be read, InputError where the face detector cannot be had.
    """
    if utterance.video is None:
        return []
    start, end = utterance.span("video")
    frames = config.frames
    clip = decode(utterance.video, start=start, end=end, audio=False, frames=frames, crop=utterance.crop)
    faces = face_crop(config)
    return faces.crop(clip.frames)[0] if faces and clip.frames else clip.frames or []


def frame_moments(utterance: Utterance, count: int, config: VideoFeatures) -> list[Moment]:
    """`count` key frames, each with the part of the clip that it was chosen from (KeyFrames), in seconds of the file.

    Without times where the file is gone or cannot be read, or has fewer pictures than there are parts.
    """
    names = [f"frame {i + 1} of {count}" for i in range(count)]
    start, end = utterance.span("video")
    low = high = 0.0
    if utterance.video is not None and count == config.frames:
        with suppress(MediaError):  # what is stored may outlive its clip
            low, high = picture_span(utterance.video, start, end)
    if not low < high:
        return [Moment(name) for name in names]
    edges = np.linspace(low, high, count + 1)
    return [Moment(name, float(a), float(b)) for name, (a, b) in zip(names, pairwise(edges), strict=True)]


def _settings_of(faces: FaceCrop | None) -> dict[str, Any]:
    """Nothing where frames stay whole, so that features stored before there was a choice stay valid."""
    return {} if faces is None else {"faces": faces.settings}


@lru_cache(maxsize=4)
def _image_processor(folder: Path) -> Any:
    """The model's own resizing and normalisation, on Pillow: torchvision is not among our dependencies."""
    from transformers import AutoImageProcessor

    return pretrained.read_part(AutoImageProcessor, folder, "preprocessor_config.json", backend="pil")


def _resized(frame: np.ndarray, side: int) -> np.ndarray:
    """(H, W, 3) uint8 -> (side, side, 3)."""
    from PIL import Image

    return np.asarray(Image.fromarray(frame).resize((side, side), Image.Resampling.BILINEAR))


def pooled(output: Any) -> Any:
    """(B, D) of the pooler; a model without one is averaged over its patches."""
    own = getattr(output, "pooler_output", None)
    if own is not None:
        return own.flatten(1)
    states = output.last_hidden_state  # (B, patches, D) or (B, D, height, width)
    return states.mean(dim=1) if states.dim() == 3 else states.mean(dim=(2, 3))
