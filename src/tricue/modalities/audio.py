"""How it sounds."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from tricue.config.feature_settings import AudioFeatures
from tricue.config.model_settings import Depth
from tricue.extractors import hub
from tricue.extractors.audio_extractors import HubAudio, audio_extractor, stretches
from tricue.extractors.choice import Extractor
from tricue.extractors.lower_audio import LowerAudio, lower_audio, lower_form
from tricue.media.decoding import SAMPLE_RATE
from tricue.modalities.modality import Modality, Rows, check_last_is_read, reads_mix
from tricue.modalities.reading import request_media
from tricue.modalities.requests import Request
from tricue.model.live_audio import LiveAudio
from tricue.types import InputError, Moment, Utterance, first_line

_RESUMED_NEAR = 1e-3  # of the features' deviation; rounding in another order moves them by 1e-5
# what a layer of transformers raises that wants more than frames and mask, such as relative positions
_ODD_LAYER = (AttributeError, LookupError, RuntimeError, TypeError, ValueError, AssertionError)


class Audio(Modality[AudioFeatures]):
    name = "audio"
    word = "sound"
    colour = "#CC6677"
    Settings = AudioFeatures
    hub_task = "audio-classification"
    example = 'audio="clip.mp4"'
    has_frozen_part = True

    def make_extractor(self, settings: AudioFeatures, device: str, weights: bool = True) -> Extractor:
        return audio_extractor(settings, device)

    def make_live_extractor(self, settings: AudioFeatures, device: str, finetune: Depth) -> LowerAudio:
        extractor = lower_audio(settings, device, finetune)
        check_last_is_read(settings.layer, self.name, extractor.form.layers)
        _check_resumed(extractor)
        return extractor

    def make_live_encoder(self, encoder: Any, settings: AudioFeatures, finetune: Depth) -> LiveAudio:
        try:
            return LiveAudio(encoder, lower_form(encoder.config, settings, finetune))
        except ValueError as error:
            raise InputError(str(error)) from error

    def make_requests(self, rows: Rows, extractor: Extractor, among: Rows | None) -> dict[str, Request]:
        return request_media(rows, self.name)

    def count_steps(self, settings: AudioFeatures, seconds: float) -> int:
        return round(seconds * settings.rate_hz)

    def count_mixed_layers(self, settings: AudioFeatures, dims: Sequence[int]) -> int:
        beside = settings.mfcc > 0 or settings.spectral
        layers = len(dims) - beside
        return layers if layers > 1 and reads_mix(settings, settings.layer) else 0

    def _spans(self, row: Utterance, count: int, settings: AudioFeatures, *_: object) -> list[Moment]:
        return stretches(count, settings.rate_hz, row.span(self.name)[0] or 0.0)


def _check_resumed(lower: LowerAudio) -> None:
    """Raise InputError where an encoder's layers, resumed from its frozen part, do not give what the encoder gives.

    Some read more than the frames: WavLM's later layers the relative positions that its first one computed. It is
    looked for on a sound that never changes, before hours of extraction.
    """
    folder, config = lower.folder, lower.config
    named = f"features.audio.encoder={config.encoder}: "
    remedy = "; set model.finetune.audio=none, or give an encoder of the kind of wav2vec2, HuBERT or Whisper."
    sound = 0.1 * np.random.default_rng(0).standard_normal(SAMPLE_RATE // 2).astype(np.float32)
    heard = [lower.prepare(sound)]
    (whole,) = HubAudio(folder, config).encode(heard)  # on the CPU, in float32
    (below,) = LowerAudio(folder, config, finetune=lower.finetune).encode(heard)
    live = AUDIO.make_live_encoder(hub.load_model(folder, "cpu"), config, lower.finetune)
    try:
        with torch.inference_mode():
            resumed, _ = live(torch.from_numpy(below)[None], torch.ones(1, len(below), dtype=torch.bool))
    except _ODD_LAYER as error:
        fault = f"its layers cannot be run by themselves ({first_line(error)})"
        raise InputError(named + fault + remedy) from error
    missed = np.abs(resumed[0].numpy() - whole).max() / whole[:, : -lower.form.acoustic or None].std()
    if not missed <= _RESUMED_NEAR:
        fault = f"its layers, run by themselves, give something else (by {missed:.2g} deviations)"
        raise InputError(named + fault + remedy)


AUDIO = Audio()
