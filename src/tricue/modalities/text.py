"""What is said."""

from collections.abc import Sequence
from functools import partial
from typing import Any

from torch import nn

from tricue.config.feature_settings import TextFeatures
from tricue.config.model_settings import Depth
from tricue.extractors import hub
from tricue.extractors.choice import Extractor
from tricue.extractors.likeness import sample_text
from tricue.extractors.text_extractors import HubText, LightText, TokenText, text_extractor, with_context
from tricue.modalities.modality import Modality, Rows, check_last_is_read, reads_mix
from tricue.modalities.reading import request_words
from tricue.modalities.requests import Request
from tricue.model.frontends import LiveText
from tricue.types import InputError, Moment, Utterance

_TOKENS_PER_SECOND, _CONTEXT_TOKENS = 4, 45  # of a MELD utterance, and in the three turns before it


class Text(Modality[TextFeatures]):
    name = "text"
    word = "words"
    colour = "#332288"
    Settings = TextFeatures
    panel = "words"
    hub_task = "text-classification"
    example = '"You did this for me?"'

    def make_extractor(self, settings: TextFeatures, device: str, weights: bool = True) -> Extractor:
        return text_extractor(settings, device, weights)

    def make_live_extractor(self, settings: TextFeatures, device: str, finetune: Depth) -> TokenText:
        extractor = text_extractor(settings, device, weights=False)
        if not isinstance(extractor, HubText):
            raise InputError("Text can be fine-tuned with a hub encoder only; features.text.encoder is light.")
        return TokenText.of(extractor)

    def make_requests(self, rows: Rows, extractor: Extractor, among: Rows | None) -> dict[str, Request]:
        return request_words(rows, extractor, among)

    def count_steps(self, settings: TextFeatures, seconds: float) -> int:
        return round(_TOKENS_PER_SECOND * seconds)

    def count_context_steps(self, settings: TextFeatures) -> int:
        return _CONTEXT_TOKENS if settings.context else 0

    def count_mixed_layers(self, settings: TextFeatures, dims: Sequence[int]) -> int:
        return len(dims) if reads_mix(settings, settings.layer) else 0

    def make_live_encoder(self, encoder: Any, settings: TextFeatures, finetune: Depth) -> nn.Module:
        check_last_is_read(settings.layer, self.name, int(encoder.config.num_hidden_layers))
        read = partial(hub.choose_layer, layer=settings.layer, setting="features.text.layer")
        top = None if finetune == "all" else int(finetune)
        try:
            return LiveText(encoder, top, read)
        except ValueError as error:
            raise InputError(str(error)) from error

    def sample_encoder(self, settings: TextFeatures) -> list[float]:
        return sample_text(settings)

    def _spans(
        self, row: Utterance, count: int, settings: TextFeatures, among: Rows | None, live: bool, /
    ) -> list[Moment]:
        """Its words. Raises InputError where the tokenizer cannot be had."""
        extractor: LightText | HubText = (
            self.make_live_extractor(settings, "cpu", "all") if live else text_extractor(settings, weights=False)
        )
        (spoken,) = with_context([row], getattr(extractor, "turns", 0), among)
        return [] if spoken is None else extractor.moments(spoken)


TEXT = Text()
