"""How it looks."""

from dataclasses import replace

from tricue.config.feature_settings import VideoFeatures
from tricue.extractors.choice import Extractor
from tricue.extractors.video_extractors import frame_moments, video_extractor
from tricue.modalities.modality import Modality, Rows
from tricue.modalities.reading import request_media
from tricue.modalities.requests import Request
from tricue.types import Moment, Utterance


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
