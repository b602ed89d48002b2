"""How it sounds."""

from collections.abc import Sequence

from tricue.config.feature_settings import AudioFeatures
from tricue.extractors.audio_extractors import audio_extractor, stretches
from tricue.extractors.choice import Extractor
from tricue.modalities.modality import Modality, Rows, reads_mix
from tricue.modalities.reading import request_media
from tricue.modalities.requests import Request
from tricue.types import Moment, Utterance


class Audio(Modality[AudioFeatures]):
    name = "audio"
    word = "sound"
    colour = "#CC6677"
    Settings = AudioFeatures
    hub_task = "audio-classification"
    example = 'audio="clip.mp4"'

    def make_extractor(self, settings: AudioFeatures, device: str, weights: bool = True) -> Extractor:
        return audio_extractor(settings, device)

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


AUDIO = Audio()
