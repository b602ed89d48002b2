"""Settings of the corpus and its splits."""

from collections import Counter
from typing import Annotated, Any

from pydantic import Field, field_validator, model_validator

from tricue.config.section import Protocol, Section
from tricue.spelling import spelling
from tricue.types import shown


def _as_name(label: Any) -> Any:
    return str(label) if isinstance(label, int | float) and not isinstance(label, bool) else label


class DataConfig(Section):
    """Which corpus, which labels, which rows stand in which split."""

    name: str = ""
    """Name of the corpus, as its reader is registered (MELD, toy); empty for a plain manifest."""
    emotions: list[str] = []
    """The classes, in the order of every table; empty: those found in the training rows, sorted."""
    labels: str = ""
    """Label set of a corpus that has several (MELD: emotions, sentiments; IEMOCAP: 8-way, 6-way, 4-way);
    empty: its first. Where it is named, its classes stand in place of `emotions`."""
    mapping: dict[str, str] = {}
    """Labels of manifests that have other names than the classes, e.g. {thrilled: joy}; "" leaves such rows
    unlabelled. Spellings and synonyms (JOY, happy for joy, ...) are known (docs/protocols.md); a label that is mapped
    to itself is kept apart from them."""
    protocol: Protocol = "official"
    """How rows are dealt to splits (docs/protocols.md): `official` keeps the split column as it is; `loso` leaves
    one session out (without sessions: one speaker), `kfold-speaker` and `kfold-dialogue` a share of the speakers or
    dialogues, each in turn; `leaky` copies rows before a random split, to reproduce and explain such figures."""
    folds: Annotated[int, Field(ge=2, le=1_000_000)] = 5
    """Folds of the kfold protocols."""
    fold: str = ""
    """The one fold to run, by its name (a session, a speaker, or 1 to `folds`); empty: all, one after another. Names
    that begin with 0 need quotes: --set "data.fold='03'"."""
    val_from_train: Annotated[float, Field(ge=0.0, lt=1.0)] = 0.0
    """Share of the training dialogues (without dialogues: speakers; without either: rows) taken as val.
    The manifest's own val rows are then never read in training and can stand in for a test part. Where a protocol
    leaves no val (loso, kfold), 0 means a tenth."""

    @field_validator("fold", mode="before")
    @classmethod
    def _name_of_a_fold(cls, fold: Any) -> Any:
        return _as_name(fold)  # kfold's are numbers, and YAML reads them so

    @model_validator(mode="after")
    def _only_folds_are_named(self) -> "DataConfig":
        if self.fold and self.protocol in ("official", "leaky"):
            raise ValueError(f"fold={self.fold}: the protocol {self.protocol} has no folds")
        return self

    @field_validator("emotions", "mapping", mode="before")
    @classmethod
    def _numbers_are_names(cls, labels: Any) -> Any:
        names = labels if isinstance(labels, list) else labels.values() if isinstance(labels, dict) else []
        if any(isinstance(name, bool) for name in names):
            raise ValueError("yes, no, on and off are read as true and false; put labels in quotes")
        if isinstance(labels, list):
            return [_as_name(label) for label in labels]
        return {name: _as_name(label) for name, label in labels.items()} if isinstance(labels, dict) else labels

    @field_validator("emotions")
    @classmethod
    def _distinct(cls, emotions: list[str]) -> list[str]:
        same = Counter(spelling(emotion) for emotion in emotions)
        if repeated := [emotion for emotion in emotions if same[spelling(emotion)] > 1]:
            raise ValueError(f"emotions repeat: {', '.join(shown(emotion) for emotion in repeated[:10])}")
        if "" in same:
            raise ValueError("an emotion without a name")
        return emotions
