"""The one tree of settings, and the one home of every default: what decides a result."""

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import Field, field_validator, model_validator

from tricue.config.data_settings import DataConfig
from tricue.config.feature_settings import FeaturesConfig
from tricue.config.model_settings import Depth, ModelConfig
from tricue.config.section import PositiveInt, Section
from tricue.config.speaker_settings import SpeakerConfig
from tricue.config.task_settings import TaskConfig
from tricue.config.training_settings import TrainingConfig
from tricue.registry import EXTRACTORS, MODALITIES
from tricue.types import ModalityName


class EvaluationConfig(Section):
    batch_size: PositiveInt = 64
    """Utterances per batch; changes speed, never results."""
    baseline: bool = True
    """`train` also fits a constant, a linear model and a small MLP on the pooled features; `evaluate` scores them
    beside the network."""


class AuditConfig(Section):
    """What the leakage audit of `train` looks at beside ids, media files, texts, speakers and dialogues. `tricue
    audit` looks at all of it."""

    near_duplicates: bool = True
    """Texts that are nearly the same in two splits."""
    fingerprints: bool = False
    """The same recording under another name or container, silent clips, clips without picture: all audio is decoded."""
    probe: bool = False
    """The noise probe: what score noise alone reaches under the protocol. The label probe of precomputed features:
    whether they have seen their labels."""


class Config(Section):
    """Everything that decides a result, saved beside the weights."""

    data: DataConfig = DataConfig()
    """Corpus, labels, splits."""
    task: TaskConfig = TaskConfig()
    """What a row's target is."""
    modalities: list[ModalityName] = ["text", "audio", "video"]
    """The modalities that the network is built for, in this order."""
    features: FeaturesConfig = FeaturesConfig()
    """Frozen encoders and signal features, per modality."""
    model: ModelConfig = ModelConfig()
    """The network."""
    training: TrainingConfig = TrainingConfig()
    """Phases, losses, rates."""
    speaker: SpeakerConfig = SpeakerConfig()
    """Adaptation to the speaker."""
    evaluation: EvaluationConfig = EvaluationConfig()
    """How quality is measured."""
    audit: AuditConfig = AuditConfig()
    """What is looked at for leaks; changes no result."""
    seed: Annotated[int, Field(ge=0, lt=2**32)] = 0
    """Seed of everything random in training and in the t-SNE maps."""

    @model_validator(mode="before")
    @classmethod
    def _section_of_each_modality(cls, given: Any) -> Any:
        """A plugin's modality that is used has its section: saved settings hold its defaults, too."""
        names = given.get("modalities") if isinstance(given, Mapping) else None
        features = given.get("features", {}) if isinstance(names, list) else None
        if not isinstance(names, list) or not isinstance(features, Mapping):
            return given
        others = [name for name in names if isinstance(name, str) and name not in FeaturesConfig.model_fields]
        lacking: dict[str, Any] = {name: {} for name in others if name in MODALITIES}
        return {**given, "features": lacking | dict(features)} if lacking else given

    @field_validator("modalities")
    @classmethod
    def _in_canonical_order(cls, modalities: list[ModalityName]) -> list[ModalityName]:
        known = MODALITIES.names()
        if not modalities or len(set(modalities)) != len(modalities) or not set(modalities) <= set(known):
            raise ValueError(f"modalities must be distinct and at least one of {', '.join(known)}; got {modalities}")
        return [modality for modality in known if modality in modalities]

    @model_validator(mode="after")
    def _finetune_needs_a_hub_encoder(self) -> "Config":
        for modality in self.live:
            own = self.features[modality]
            if own.precomputed:
                raise ValueError(
                    f"model.finetune trains the {modality} encoder; features.{modality}.precomputed has none"
                )
            if own.encoder == "light" or own.encoder in EXTRACTORS:
                raise ValueError(
                    f"model.finetune needs a hub {modality} encoder; features.{modality}.encoder is {own.encoder}"
                )
        return self

    @model_validator(mode="after")
    def _adaptation_has_something_to_adapt(self) -> "Config":
        named = [modality for modality in self.speaker.modalities or [] if modality not in MODALITIES]
        if named:
            raise ValueError(f"speaker.modalities: {', '.join(named)} is none of {', '.join(MODALITIES)}")
        if self.speaker.adaptation != "off" and not self.model.statistics:
            raise ValueError("speaker.adaptation takes offsets off the statistics; model.statistics is false")
        return self

    @property
    def adapted(self) -> list[ModalityName]:
        """The modalities that may be adapted to the speaker."""
        return self.speaker.adapted(self.modalities) if self.model.statistics else []

    @property
    def live(self) -> dict[ModalityName, Depth]:
        """The modalities that reach the network as its encoder reads them, for the encoder is trained with it; and how
        much of each encoder."""
        depths = {modality: self.model.finetune[modality] for modality in self.modalities}
        return {modality: depth for modality, depth in depths.items() if depth != "none"}
