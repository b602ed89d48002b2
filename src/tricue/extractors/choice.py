"""Which extractor reads which modality: what the settings ask for, made ready."""

from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from types import MappingProxyType
from typing import Any, Protocol

import numpy as np

from tricue.config.feature_settings import FeaturesConfig, ModalityFeatures
from tricue.config.model_settings import Depth
from tricue.extractors import hub
from tricue.extractors.precomputed import read_precomputed
from tricue.registry import EXTRACTORS, MODALITIES
from tricue.types import InputError, InvalidFileError, ModalityName


class Extractor(Protocol):
    """Frozen: a pure function of the signal and its settings, in two stages (docs/architecture.md).

    A plugin's is a class with an attribute `modality`, made from `features.<modality>` and a device, in the group
    `tricue.extractors`: `features.<modality>.encoder` names it. Of audio and video it keeps that section as `config`,
    which says how much of a file is decoded.

    Extractors of encoders that are trained along may have more: `is_stored` (default true), `row_width` (numbers per
    stored time step, default the sum of `dims`), `pixels` and `unpacked` (of rows that are files of pictures).
    """

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
    config: FeaturesConfig,
    modalities: Sequence[ModalityName],
    device: str,
    live: Mapping[ModalityName, Depth] = MappingProxyType({}),
) -> dict[ModalityName, Extractor]:
    """The extractor of each modality that is not precomputed. Raises InputError where an encoder cannot be had.

    live: Modalities whose encoder is trained with the network, and how much of it (`Config.live`): what is trained
        reads what is made, in place of the encoder's vectors.
    """
    return {
        modality: MODALITIES[modality].make_live_extractor(config[modality], device, live[modality])
        if modality in live
        else _make_extractor(modality, config[modality], device)
        for modality in modalities
        if modality not in config.precomputed_modalities()
    }


def _make_extractor(modality: ModalityName, settings: ModalityFeatures, device: str, weights: bool = True) -> Extractor:
    if settings.encoder not in EXTRACTORS:
        return MODALITIES[modality].make_extractor(settings, device, weights)
    plugin = EXTRACTORS[settings.encoder]
    if plugin.modality != modality:
        raise InputError(
            f"features.{modality}.encoder={settings.encoder}: this extractor is one of {plugin.modality}. Give another "
            f"encoder, or set features.{plugin.modality}.encoder."
        )
    return plugin(settings, device)


def row_width(extractor: Extractor) -> int:
    """Numbers per time step: of the streams side by side, or of what a live encoder makes them of."""
    return getattr(extractor, "row_width", None) or sum(extractor.dims)


def is_row(extractor: Extractor, values: np.ndarray) -> bool:
    """Whether stored values (T, D) are such as the extractor makes."""
    if not np.isfinite(values).all():
        return False
    if (pixels := getattr(extractor, "pixels", None)) is None:
        return values.shape[1] == row_width(extractor)
    with suppress(InvalidFileError):
        pixels(values)
        return True
    return False


def as_read(extractor: Extractor, values: np.ndarray) -> np.ndarray:
    """What a network is given of stored values (T, D): these, or what stands for them until they are unpacked."""
    unpacked = getattr(extractor, "unpacked", None)
    return values if unpacked is None else unpacked(values)


def precomputed_files(config: FeaturesConfig, modalities: Iterable[ModalityName]) -> dict[ModalityName, str]:
    """The file of each modality that has one."""
    return {
        modality: str(config[modality].precomputed)
        for modality in modalities
        if modality in config.precomputed_modalities()
    }


def prefetch(config: FeaturesConfig, modalities: Sequence[ModalityName]) -> dict[ModalityName, Path]:
    """Fetch the hub encoders of `modalities` and load each once; gives their folders (`light` has none).

    Raises InputError where one cannot be had.
    """
    make_extractors(config, modalities, "cpu")
    folders = hub.encoder_folders(config, modalities)
    for folder in folders.values():
        hub.load_model(folder, "cpu")
    return folders


def feature_dims(config: FeaturesConfig, modalities: Sequence[ModalityName]) -> dict[ModalityName, tuple[int, ...]]:
    """Widths of the streams that each modality's features would have; of a text encoder only the settings are read.

    Raises InputError where one cannot be had.
    """
    dims = {
        modality: _make_extractor(modality, config[modality], "cpu", weights=False).dims
        for modality in modalities
        if modality not in config.precomputed_modalities()
    }
    given = {
        modality: (read_precomputed(path, modality).dim,)
        for modality, path in precomputed_files(config, modalities).items()
    }
    return {modality: (dims | given)[modality] for modality in modalities}
