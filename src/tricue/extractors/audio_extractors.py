"""How it sounds: a 16 kHz waveform to speech vectors | MFCC and spectral features on one time grid.

The grid has `rate_hz` cells per second; every stream is averaged over each cell.
"""

import math
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property, lru_cache
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from tricue.config.feature_settings import AudioFeatures
from tricue.extractors import acoustic, hub, pretrained
from tricue.media.decoding import SAMPLE_RATE, MediaError
from tricue.types import InputError, Moment

if TYPE_CHECKING:
    import torch

SHORTEST = 1600  # samples; shorter sound is padded with silence to give one analysis window
_LOUDEST = 1e6  # times full scale: float files may hold anything, and their squares overflow
_BATCH_SECONDS = 60.0  # sound per forward pass; bounds memory, changes no value


@dataclass(frozen=True)
class Heard:
    """One utterance on its way to the encoder."""

    wave: np.ndarray  # (samples,) float32
    acoustic: np.ndarray  # (T, A) float32


@dataclass(frozen=True)
class LightAudio:
    """Log-mel bands in place of speech vectors; for trying the software out."""

    config: AudioFeatures
    name: str = "light"
    version: int = 4

    @property
    def settings(self) -> dict[str, Any]:
        return self.config.model_dump(include={"rate_hz", "mfcc", "spectral", "max_seconds"})

    @property
    def dims(self) -> tuple[int, ...]:
        return _dims((acoustic.MELS,), self.config)

    def prepare(self, wave: np.ndarray) -> np.ndarray:
        """(T, 64 + A) float32. Raises MediaError for samples that are no numbers."""
        return _on_grid(wave, self.config, mels=True)

    def encode(self, prepared: Sequence[np.ndarray]) -> list[np.ndarray]:
        return list(prepared)


@dataclass(frozen=True)
class HubAudio:
    """Frames of a wav2vec2-like model or of a Whisper encoder.

    Only equal lengths share a batch: group-norm encoders (wav2vec2-base) change valid frames when padded.
    """

    folder: Path
    config: AudioFeatures
    device: str = "cpu"
    version: int = 4

    @property
    def name(self) -> str:
        return Path(self.config.encoder).name

    @cached_property
    def settings(self) -> dict[str, Any]:
        kept = {"layer", "rate_hz", "mfcc", "spectral", "max_seconds"}
        kept |= {"whisper_form"} if self.is_whisper else set()
        return self.config.model_dump(include=kept) | {"weights": hub.encoder_digest(self.folder)}

    @cached_property
    def is_whisper(self) -> bool:
        return hub.load_settings(self.folder).model_type == "whisper"

    @cached_property
    def dims(self) -> tuple[int, ...]:
        return _dims(hub.layer_widths(self.folder, self.config.layer), self.config)

    def prepare(self, wave: np.ndarray) -> Heard:
        """Raises MediaError for samples that are no numbers."""
        return Heard(_checked(wave), _on_grid(wave, self.config, mels=False))

    def encode(self, prepared: Sequence[Heard]) -> list[np.ndarray]:
        """(T, D + A) float32 each."""
        rows: dict[int, np.ndarray] = {}
        for batch in _equal_lengths([heard.wave for heard in prepared]):
            inputs = [self._inputs(prepared[i].wave) for i in batch]
            for i, (frames, seconds) in zip(batch, self._frames(inputs), strict=True):
                heard = prepared[i]
                frames = frames[: math.ceil(heard.wave.size / SAMPLE_RATE / seconds - 1e-6)]  # those of padding go
                rows[i] = self._row(heard, frames, (np.arange(len(frames)) + 0.5) * seconds)
        return [rows[i] for i in range(len(prepared))]

    def _row(self, heard: Heard, frames: np.ndarray, centres: np.ndarray) -> np.ndarray:
        """(T, D + A): encoder frames (N, D), their centres in seconds, on the grid beside the acoustic features."""
        speech = acoustic.average(frames, centres, len(heard.acoustic), self.config.rate_hz)
        return np.hstack([speech, heard.acoustic])

    def _inputs(self, wave: np.ndarray) -> np.ndarray:
        """What the model reads: a normalised waveform (samples,), or log-mel frames (mels, frames)."""
        extractor = _feature_extractor(self.folder)
        padding: Any = False
        if self.is_whisper:
            wave = np.pad(wave, (0, -wave.size % (2 * extractor.hop_length)))  # whole frames of the encoder
            padding = "max_length" if self.config.whisper_form == "30s" else False
        coded = extractor(wave, sampling_rate=SAMPLE_RATE, padding=padding, return_tensors="np")
        return next(iter(coded.values()))[0]

    def _choose(self, output: Any) -> "torch.Tensor":
        """(B, frames, D) of what the encoder gives."""
        return hub.choose_layer(output, self.config.layer, "features.audio.layer")

    def _frames(self, inputs: list[np.ndarray]) -> list[tuple[np.ndarray, float]]:
        """(frames, D) of the chosen layer for each, and the seconds from one frame to the next."""
        import torch

        model = hub.load_model(self.folder, self.device)
        values = torch.from_numpy(np.stack(inputs)).to(self.device)

        def compute() -> torch.Tensor:
            read, frames = (model.get_encoder(), values.shape[-1] // 2) if self.is_whisper else (model, None)
            with _positions(read, frames):
                output = read(values, output_hidden_states=True)
            return self._choose(output)

        states = hub.run_model(self.device, compute)
        extractor = _feature_extractor(self.folder)
        samples = values.shape[-1] * (extractor.hop_length if self.is_whisper else 1)
        return [(state, samples / SAMPLE_RATE / len(state)) for state in states]


def audio_extractor(config: AudioFeatures, device: str = "cpu") -> LightAudio | HubAudio:
    """The extractor that `features.audio` asks for. Raises InputError where its encoder cannot be had."""
    if config.encoder == hub.LIGHT:
        return LightAudio(config)
    folder = hub.find_encoder(config.encoder, "audio")
    extractor = HubAudio(folder, config, device)
    _feature_extractor(folder)
    settings = hub.load_settings(folder)
    if extractor.is_whisper and config.max_seconds > settings.max_source_positions / 50:
        raise InputError(
            f"features.audio.max_seconds={config.max_seconds:g}: {config.encoder} hears at most "
            f"{settings.max_source_positions / 50:g} s."
        )
    return extractor


def stretches(count: int, rate_hz: float, begin: float = 0.0) -> list[Moment]:
    """The first `count` cells of the time grid, in seconds of the file; begin: where the utterance begins in it."""
    edges = begin + np.arange(count + 1) / rate_hz
    return [Moment(f"{low:.2f}-{high:.2f} s", float(low), float(high)) for low, high in pairwise(edges)]


@lru_cache(maxsize=4)
def _feature_extractor(folder: Path) -> Any:
    from transformers import AutoFeatureExtractor

    extractor = pretrained.read_part(AutoFeatureExtractor, folder, "preprocessor_config.json")
    if extractor.sampling_rate != SAMPLE_RATE:
        raise InputError(f"features.audio.encoder: {folder} wants {extractor.sampling_rate} Hz, not 16000 Hz.")
    return extractor


@contextmanager
def _positions(encoder: Any, frames: int | None) -> Iterator[None]:
    """Let a Whisper encoder run `frames` frames, on the first rows of its position table. None: it is another one."""
    import torch

    if frames is None:
        yield
        return
    table, limit = encoder.embed_positions, encoder.config.max_source_positions
    encoder.embed_positions = torch.nn.Embedding.from_pretrained(table.weight[:frames])
    encoder.config.max_source_positions = frames
    try:
        yield
    finally:
        encoder.embed_positions, encoder.config.max_source_positions = table, limit


def _equal_lengths(waves: Sequence[np.ndarray]) -> Iterator[list[int]]:
    """Rows in batches of exactly equal length."""
    by_length: dict[int, list[int]] = defaultdict(list)
    for i, wave in enumerate(waves):
        by_length[wave.size].append(i)
    for length, rows in sorted(by_length.items()):
        size = max(1, int(_BATCH_SECONDS * SAMPLE_RATE / length))
        for i in range(0, len(rows), size):
            yield rows[i : i + size]


def _checked(wave: np.ndarray) -> np.ndarray:
    """The waveform, at least one analysis window long. Raises MediaError for samples that are no sound."""
    if not np.isfinite(wave).all():
        raise MediaError("its sound holds samples that are not finite numbers")
    if np.abs(wave).max(initial=0.0) > _LOUDEST:
        raise MediaError(f"its sound holds samples beyond {_LOUDEST:g} times full scale")
    return np.pad(wave, (0, max(0, SHORTEST - wave.size)))


def _on_grid(wave: np.ndarray, config: AudioFeatures, *, mels: bool) -> np.ndarray:
    """(T, D): log-mel bands if `mels`, MFCC, spectral features, averaged over the cells of the grid."""
    count = acoustic.cells(wave.size, config.rate_hz)
    if not (mels or config.mfcc or config.spectral):
        return np.zeros((count, 0), np.float32)
    frames = acoustic.signal_features(_checked(wave), mels=mels, mfcc=config.mfcc, spectral=config.spectral)
    centres = (np.arange(len(frames)) + 0.5) * acoustic.HOP / SAMPLE_RATE
    return acoustic.average(frames, centres, count, config.rate_hz)


def _dims(speech: tuple[int, ...], config: AudioFeatures) -> tuple[int, ...]:
    beside = acoustic_width(config)
    return (*speech, beside) if beside else speech


def acoustic_width(config: AudioFeatures) -> int:
    """A: MFCC and spectral features."""
    return config.mfcc + len(acoustic.SPECTRAL) * config.spectral
