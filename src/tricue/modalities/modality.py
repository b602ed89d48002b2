"""What the package asks of a modality. A plugin's class derives from `Modality` (docs/plugins.md)."""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from typing import ClassVar, Generic, Literal, Protocol, TypeVar

import torch
from torch import nn

from tricue.config.feature_settings import ModalityFeatures
from tricue.config.model_settings import Depth
from tricue.config.section import LayerChoice
from tricue.extractors import hub
from tricue.extractors.choice import Extractor
from tricue.modalities.requests import Request
from tricue.model.frontends import Frontend
from tricue.registry import EXTRACTORS, MODALITIES
from tricue.types import InputError, ModalityName, Moment, Utterance

Settings_ = TypeVar("Settings_", bound=ModalityFeatures)
Rows = Sequence[Utterance]


class LiveEncoder(Protocol):
    """A module that encodes inside the network: its input and mask (B, T) to vectors (B, T', D) and their mask."""

    def __call__(self, values: torch.Tensor, mask: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]: ...
    def depths(self) -> dict[str, int]:
        """Parameter -> how many of the encoder's layers lie above it. Raises ValueError where it has no layers."""

    def example(self, steps: int, context: int = 0) -> torch.Tensor:
        """An input for one row, (1, T, ...), that gives `steps` vectors; `context`: steps that are read beside them."""


class Modality(ABC, Generic[Settings_]):
    """One modality: how its features are made, how they enter the network, and how figures name them.

    A row's source of it is `Utterance.source(name)`, its settings are `config.features[name]`.
    """

    name: ClassVar[ModalityName]  # column of a manifest, section of `features`, word of --modalities
    word: ClassVar[str]  # what a clip has of it, as the service's page names it: "words", "sound"
    colour: ClassVar[str]  # in figures and pages, "#rrggbb"
    Settings: ClassVar[type[ModalityFeatures]]  # the section `features.<name>`
    panel: ClassVar[Literal["words", "times", "frames"]] = "times"  # how an explanation draws its time spans
    hub_task: ClassVar[str] = "other"  # of a model that reads nothing else, as the hub names it
    example: ClassVar[str | None] = None  # the argument of `predict`, in a model card
    # whether a live encoder is its trained layers alone, behind an extractor that runs the frozen ones: a checkpoint
    # then holds no more of it, and the encoder is still needed
    has_frozen_part: ClassVar[bool] = False

    @abstractmethod
    def make_extractor(self, settings: Settings_, device: str, weights: bool = True) -> Extractor:
        """The extractor that the settings ask for, where its encoder is not a plugin's.

        Args:
            weights: False where only what comes before the encoder's weights is needed.

        Raises:
            InputError: The encoder cannot be had.
        """

    @abstractmethod
    def make_requests(self, rows: Rows, extractor: Extractor, among: Rows | None) -> dict[str, Request]:
        """Utterance id -> what is to be read of it, of the rows that have the modality.

        Args:
            among: Rows whose turns may be read as context. None: `rows`.
        """

    def make_frontend(self, dims: Sequence[int], width: int, dropout: float) -> nn.Module:
        """From feature vectors (B, T, D) and their mask (B, T) to the input (B, T, width) of the BiLSTM.

        dims: Widths of the streams that stand side by side in D.
        """
        return Frontend(sum(dims), width, dropout)

    @abstractmethod
    def count_steps(self, settings: Settings_, seconds: float) -> int:
        """Time steps of an ordinary utterance of this length."""

    def count_context_steps(self, settings: Settings_) -> int:
        """Steps that a live encoder usually reads beside them."""
        return 0

    def count_mixed_layers(self, settings: Settings_, dims: Sequence[int]) -> int:
        """Streams, the first of `dims`, that are layers of one encoder for the network to mix; 0: there is no mix."""
        return 0

    def make_live_extractor(self, settings: Settings_, device: str, finetune: Depth) -> Extractor:
        """Makes what the live encoder reads, in place of vectors. finetune: as `model.finetune`, not none.

        Raises:
            InputError: The encoder cannot be had, or not be trained so.
        """
        raise NotImplementedError(f"{self.name}: its encoder is not trainable.")

    def make_live_encoder(self, encoder: nn.Module, settings: Settings_, finetune: Depth) -> nn.Module:
        """A `LiveEncoder` around a hub encoder. finetune: as `model.finetune`, not none.

        Raises:
            InputError: The encoder cannot be trained so.
        """
        raise NotImplementedError(f"{self.name}: its encoder is not trainable.")

    def sample_encoder(self, settings: Settings_) -> list[float]:
        """What a hub encoder gives for an input that never changes, to know copies of it by; empty: digests must do."""
        return []

    def find_time_spans(
        self, row: Utterance, count: int, settings: Settings_, among: Rows | None = None, live: bool = False
    ) -> list[Moment]:
        """The time spans behind the `count` steps of a row's features, in order; together they cover the steps.

        Of precomputed features, and of a plugin's extractor, only the number of a step is known.

        Args:
            among: Rows whose turns may be read as context, as in extraction. None: this row.
            live: Whether the encoder is trained with the network, which then reads other steps.

        Raises:
            InputError: What the extractor cuts the source with cannot be had.
            ValueError: The features are not those of this row's source.
        """
        if settings.precomputed is not None or settings.encoder in EXTRACTORS:
            return number_steps(count)
        spans = self._spans(row, count, settings, among, live)
        covered = sum(span.steps for span in spans)
        if covered != count:
            raise ValueError(f"{row.id}: its {self.name} makes {covered} time steps; the features have {count}.")
        return spans

    def _spans(
        self, row: Utterance, count: int, settings: Settings_, among: Rows | None, live: bool, /
    ) -> list[Moment]:
        """`find_time_spans` of features that the extractor made."""
        return number_steps(count)


def number_steps(count: int) -> list[Moment]:
    return [Moment(f"step {i + 1}") for i in range(count)]


def without_frozen_part(live: Iterable[ModalityName]) -> list[ModalityName]:
    """Those of the live modalities whose encoder is all in the network, and in its checkpoints."""
    return [modality for modality in live if not MODALITIES[modality].has_frozen_part]


def check_last_is_read(layer: LayerChoice, modality: ModalityName, last: int) -> None:
    """Raise InputError where a layer choice leaves out the last layer, whose weights would then never be trained."""
    if layer not in (None, "mix") and not {-1, last} & set(layer if isinstance(layer, list) else [layer]):
        raise InputError(
            f"features.{modality}.layer={layer}: model.finetune trains the encoder up to its last layer, "
            f"which then must be read too (-1 or {last})."
        )


def reads_mix(settings: ModalityFeatures, layer: object) -> bool:
    """Whether the features hold all layers of a hub encoder, for the network to mix."""
    return layer == "mix" and settings.precomputed is None and hub.is_hub_encoder(settings.encoder)
