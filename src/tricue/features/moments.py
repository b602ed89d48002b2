"""What the time steps of an utterance's features are: its words, stretches of its sound, its key frames."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from tricue.config import FeaturesConfig
from tricue.features.audio import stretches
from tricue.features.text import HubText, TokenText, text_extractor, with_context
from tricue.features.video import frame_moments
from tricue.types import Cue, Moment, Utterance


def moments_of(
    utterance: Utterance,
    steps: Mapping[Cue, int],
    config: FeaturesConfig,
    among: Sequence[Utterance] | None = None,
    live_text: bool = False,
) -> dict[Cue, list[Moment]]:
    """The moments of each cue in `steps`, in order; together they cover its time steps.

    steps: T of the cues that the utterance has; of a live text encoder its own tokens. among, live_text: as `extract`
    takes them.
    Of precomputed features only the number of a step is known. Raises InputError where the tokenizer cannot be had,
    ValueError where the features are not those of this utterance's words.
    """
    found: dict[Cue, list[Moment]] = {}
    for cue, count in steps.items():
        if cue in config.precomputed_cues():
            found[cue] = [Moment(f"step {i + 1}") for i in range(count)]
        elif cue == "text":
            found[cue] = _words(utterance, config, among, live_text)
        elif cue == "audio":
            found[cue] = stretches(count, config.audio.rate_hz, utterance.span("audio")[0] or 0.0)
        else:
            found[cue] = frame_moments(utterance, count, config.video)
        covered = sum(moment.steps for moment in found[cue])
        if covered != count:
            raise ValueError(
                f"{utterance.id}: its {cue} makes {covered} time steps; the features have {count}."
            )
    return found


def _words(
    utterance: Utterance, config: FeaturesConfig, among: Sequence[Utterance] | None, live: bool
) -> list[Moment]:
    extractor = text_extractor(config.text, weights=False)
    turns = config.text.context if isinstance(extractor, HubText) else 0
    (spoken,) = with_context([utterance], turns, among)
    if spoken is None:
        return []
    reader = TokenText(extractor) if live and isinstance(extractor, HubText) else extractor
    return reader.moments(spoken)
