"""Which extractor reads which cue: what the settings ask for, made ready."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from tricue.config import FeaturesConfig
from tricue.features import hub
from tricue.features.audio import HubAudio, audio_extractor
from tricue.features.precomputed import read_precomputed
from tricue.features.text import HubText, text_extractor
from tricue.features.video import HubVideo, video_extractor
from tricue.types import CUES, Cue


class Extractor(Protocol):
    """Frozen: a pure function of the signal and its settings, in two stages (docs/architecture.md)."""

    @property
    def name(self) -> str: ...
    @property
    def version(self) -> int: ...  # raised by hand when the values change
    @property
    def settings(self) -> dict[str, Any]: ...
    @property
    def dims(self) -> tuple[int, ...]: ...
    def prepare(self, signal: Any) -> Any: ...
    def encode(self, prepared: Sequence[Any]) -> list[np.ndarray]: ...


def make_extractors(
    config: FeaturesConfig, cues: Sequence[Cue], device: str, text_weights: bool = True
) -> dict[Cue, Extractor]:
    """The extractor of each cue that is not precomputed. Raises InputError where an encoder cannot be had.

    text_weights: False where the text encoder is only to cut words into tokens.
    """
    make: dict[Cue, Callable[[], Extractor]] = {
        "text": lambda: text_extractor(config.text, device, text_weights),
        "audio": lambda: audio_extractor(config.audio, device),
        "video": lambda: video_extractor(config.video, device),
    }
    return {cue: make[cue]() for cue in cues if cue not in config.precomputed_cues()}


def precomputed_files(config: FeaturesConfig, cues: Sequence[Cue]) -> dict[Cue, str]:
    """The file of each cue that has one."""
    return {cue: getattr(config, cue).precomputed for cue in config.precomputed_cues() if cue in cues}


def prefetch(config: FeaturesConfig, cues: Sequence[Cue] = CUES) -> dict[Cue, Path]:
    """Fetch the hub encoders of `cues` and load each once; gives their folders (`light` has none).

    Raises InputError where one cannot be had.
    """
    folders: dict[Cue, Path] = {}
    for cue, extractor in make_extractors(config, cues, "cpu").items():
        if isinstance(extractor, HubText | HubAudio | HubVideo):
            hub.load_model(extractor.folder, "cpu")
            folders[cue] = extractor.folder
    return folders


def feature_dims(config: FeaturesConfig, cues: Sequence[Cue]) -> dict[Cue, tuple[int, ...]]:
    """Widths of the streams that each cue's features would have; of a text encoder only the settings are read.

    Raises InputError where one cannot be had.
    """
    dims = {cue: e.dims for cue, e in make_extractors(config, cues, "cpu", text_weights=False).items()}
    given = {cue: (read_precomputed(path, cue).dim,) for cue, path in precomputed_files(config, cues).items()}
    return {cue: (dims | given)[cue] for cue in cues}
