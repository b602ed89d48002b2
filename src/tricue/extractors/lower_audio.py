"""How it sounds, as far as an encoder is frozen: what lies below the layers that are trained with the network.

It is computed once and stored on the time grid of ordinary audio features, so that rows keep their time steps;
`model.live_audio.LiveAudio` takes it from there.
"""

import math
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from tricue.config.feature_settings import AudioFeatures
from tricue.config.model_settings import Depth
from tricue.config.section import LayerChoice
from tricue.extractors import acoustic, hub, pretrained
from tricue.extractors.audio_extractors import SHORTEST, Heard, HubAudio, acoustic_width, audio_extractor
from tricue.media.decoding import SAMPLE_RATE
from tricue.types import InputError

if TYPE_CHECKING:
    import torch

_FASTEST = 25.0  # cells per second: fewer than two frames of 20 ms in a cell would be nothing to average
_STRIDE = 320  # samples per frame, of Whisper and of what does not say
_WIDEST = 2**24  # numbers of a cell's frames: hours of sound in one are a mistake
_LONGEST_CELL = 1.5  # the last one takes what is left, less than half a cell


@dataclass(frozen=True)
class LowerForm:
    """What a row's vectors hold, side by side, for the trained layers to go on from.

    means       hidden states below the trained layers' input that `features.audio.layer` reads, averaged over the cell
    acoustic    acoustic features of the cell
    frames      encoder frames (the trained layers' input) whose centres fall into the cell, `slots` x `width` numbers,
                zeros where it holds fewer
    count       how many it holds
    """

    width: int  # D of the encoder
    layers: int  # of the encoder
    start: int  # how many of them are frozen: hidden state number `start` is what the trained ones read
    read: tuple[int, ...]  # the hidden states that are asked for, counted from 0
    layer: LayerChoice  # as which they were asked for
    acoustic: int  # A
    slots: int

    @property
    def below(self) -> tuple[int, ...]:
        """Those of `read` that no trained layer changes, but the trained layers' input."""
        return tuple(i for i in self.read if i < self.start)

    @property
    def sizes(self) -> tuple[int, int, int, int]:
        """Widths of means, acoustic, frames and count."""
        return len(self.below) * self.width, self.acoustic, self.slots * self.width, 1


@dataclass(frozen=True)
class LowerAudio(HubAudio):
    """What a `LiveAudio` reads. It has the same `dims` as the frozen encoder's features, which `LiveAudio` makes of it;
    a row is `row_width` wide."""

    finetune: Depth = "all"

    @cached_property
    def form(self) -> LowerForm:
        return lower_form(hub.load_settings(self.folder), self.config, self.finetune)

    @cached_property
    def settings(self) -> dict[str, Any]:
        """Beside those of the frozen features: from which layer on the encoder is trained."""
        frozen = HubAudio(self.folder, self.config, self.device).settings
        return frozen | {"frozen_layers": self.form.start, "frames_per_cell": self.form.slots}

    @property
    def row_width(self) -> int:
        return sum(self.form.sizes)

    def _choose(self, output: Any) -> "torch.Tensor":
        """(B, frames, (means + 1) D): the hidden states that are read below, and the trained layers' input."""
        states = output.hidden_states
        return hub.join_states([states[i] for i in (*self.form.below, self.form.start)], "mix")

    def _row(self, heard: Heard, frames: np.ndarray, centres: np.ndarray) -> np.ndarray:
        """(T, row_width)."""
        count, rate = len(heard.acoustic), self.config.rate_hz
        below, own = frames[:, : -self.form.width], frames[:, -self.form.width :]
        first = acoustic.first_frames(centres, count, rate)
        held = np.diff(first, append=len(own))
        cell = np.repeat(np.arange(count), held)
        dealt = np.zeros((count, self.form.slots, self.form.width), np.float32)
        dealt[cell, np.arange(len(own)) - first[cell]] = own
        means = acoustic.average(below, centres, count, rate)
        return np.hstack([means, heard.acoustic, dealt.reshape(count, -1), held[:, None].astype(np.float32)])


def lower_audio(config: AudioFeatures, device: str, finetune: Depth) -> LowerAudio:
    """The extractor of what lies below the trained layers. Raises InputError where the encoder cannot be trained so."""
    extractor = audio_extractor(config, device)
    if not isinstance(extractor, HubAudio):
        raise InputError("Audio can be fine-tuned with a hub encoder only; features.audio.encoder is light.")
    with pretrained.foreign(extractor.folder, "config.json"):
        lower_form(hub.load_settings(extractor.folder), config, finetune)
    return LowerAudio(extractor.folder, config, device, finetune=finetune)


def lower_form(settings: Any, config: AudioFeatures, finetune: Depth) -> LowerForm:
    """The form of the rows. settings: the encoder's own.

    Raises InputError where `features.audio` or `model.finetune.audio` do not let the encoder be trained.
    """
    if config.rate_hz > _FASTEST:
        raise InputError(
            f"features.audio.rate_hz={config.rate_hz:g}: with model.finetune.audio a cell of the time grid must hold "
            f"two frames of the encoder; give {_FASTEST:g} or less, or model.finetune.audio=none."
        )
    if settings.model_type == "whisper" and config.whisper_form == "30s":
        raise InputError(
            "features.audio.whisper_form=30s: the frames of the padding are attended to, and are not stored for the "
            "layers that model.finetune.audio trains; give features.audio.whisper_form=true_length."
        )
    layers = int(settings.num_hidden_layers)
    trained = layers if finetune == "all" else int(finetune)
    if trained > layers:
        raise InputError(f"model.finetune.audio={finetune}, but {config.encoder} has {layers} layers; give fewer.")
    stride = math.prod(getattr(settings, "conv_stride", (_STRIDE,)))
    longest = max(min(_LONGEST_CELL / config.rate_hz, config.max_seconds), SHORTEST / SAMPLE_RATE)  # seconds in a cell
    slots, width = math.ceil(longest * SAMPLE_RATE / stride), int(settings.hidden_size)
    if slots * width > _WIDEST:
        raise InputError(
            f"features.audio.rate_hz={config.rate_hz:g}: with model.finetune.audio a cell of the time grid would hold "
            f"{slots:,} frames of the encoder; give more cells per second, or model.finetune.audio=none."
        )
    return LowerForm(
        width=width,
        layers=layers,
        start=layers - trained,
        read=tuple(hub.layer_numbers(config.layer, layers + 1, "features.audio.layer")),
        layer=config.layer,
        acoustic=acoustic_width(config),
        slots=slots,
    )
