"""How it looks."""

from dataclasses import replace
from typing import Any

from torch import nn

from tricue.config.feature_settings import VideoFeatures
from tricue.config.model_settings import Depth
from tricue.extractors.choice import Extractor
from tricue.extractors.video_extractors import HubVideo, PixelVideo, frame_moments, pooled, video_extractor
from tricue.modalities.modality import Modality, Rows
from tricue.modalities.reading import request_media
from tricue.modalities.requests import Request
from tricue.model.frontends import LiveVideo
from tricue.types import InputError, Moment, Utterance

_SIDE = 224  # pixels, of most image encoders


class Video(Modality[VideoFeatures]):
    name = "video"
    word = "picture"
    colour = "#117733"
    Settings = VideoFeatures
    panel = "frames"
    hub_task = "video-classification"
    example = 'video="clip.mp4"'

    def make_extractor(self, settings: VideoFeatures, device: str, weights: bool = True) -> Extractor:
        return video_extractor(settings, device)

    def make_live_extractor(self, settings: VideoFeatures, device: str, finetune: Depth) -> PixelVideo:
        extractor = video_extractor(settings, device, weights=False)
        if not isinstance(extractor, HubVideo):
            raise InputError("Video can be fine-tuned with a hub encoder only; features.video.encoder is light.")
        return PixelVideo(extractor.folder, settings, device, faces=extractor.faces)

    def make_live_encoder(self, encoder: Any, settings: VideoFeatures, finetune: Depth) -> nn.Module:
        own = getattr(encoder.config, "image_size", None)
        side = settings.side or (own if isinstance(own, int) else _SIDE)
        try:
            return LiveVideo(encoder, None if finetune == "all" else int(finetune), pooled, side)
        except ValueError as error:
            raise InputError(str(error)) from error

    def make_requests(self, rows: Rows, extractor: Extractor, among: Rows | None) -> dict[str, Request]:
        """Of a picture that shows two speakers, the half of the row's."""
        crops = {row.id: row.crop for row in rows}
        found = request_media(rows, self.name)
        return {id_: replace(request, view=crops[id_]) for id_, request in found.items()}

    def count_steps(self, settings: VideoFeatures, seconds: float) -> int:
        return settings.frames

    def _spans(self, row: Utterance, count: int, settings: VideoFeatures, *_: object) -> list[Moment]:
        return frame_moments(row, count, settings)


VIDEO = Video()
