"""Settings of the adaptation to a speaker."""

from collections.abc import Mapping
from typing import Any, Literal

from pydantic import model_validator

from tricue.config.section import Section
from tricue.types import ModalityName

Form = Literal["off", "past", "all"]
WORDS: ModalityName = "text"  # of which the speaker is no part


class SpeakerConfig(Section):
    """What is peculiar to a speaker is taken off, without labels (docs/speakers.md)."""

    adaptation: Form = "off"
    """What an answer may be adapted to: nothing, the earlier turns of the same speaker in its dialogue, or all other
    clips of the speaker that are there, which a result then calls transductive. Training with `past` or `all` takes
    part of each speaker's offset off, so that the network knows adapted rows. Wants the column `speaker`. A speaker who
    shows one emotion only loses a point or two."""
    modalities: list[ModalityName] | None = None
    """Those that are adapted; null: all but text."""

    @model_validator(mode="before")
    @classmethod
    def _off_is_a_word(cls, given: Any) -> Any:
        """YAML reads `off` as false."""
        is_off = isinstance(given, Mapping) and given.get("adaptation") is False
        return {**given, "adaptation": "off"} if is_off else given

    def adapted(self, modalities: list[ModalityName]) -> list[ModalityName]:
        """Those of a network's modalities that are adapted."""
        return [m for m in modalities if (m != WORDS if self.modalities is None else m in self.modalities)]
