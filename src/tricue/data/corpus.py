"""A corpus as its reader gives it, and several as one."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from tricue.data.splits import as_given
from tricue.types import Fault, InputError, Utterance


@dataclass(frozen=True)
class Count:
    """How many of something were found, and how many were published."""

    what: str  # in the plural: "train rows"
    found: int
    published: int

    def __str__(self) -> str:
        if self.found == self.published:
            return f"{self.found:,} {self.what}, as published."
        difference = self.found - self.published
        return f"{self.found:,} {self.what}; published are {self.published:,} (difference {difference:+,})."


@dataclass(frozen=True)
class Corpus:
    """What a reader found: utterances, the modalities they lack, the classes in the order of every table (empty:
    those of the training rows, sorted), counts against the published ones, and notes to be printed, one line each."""

    name: str
    utterances: list[Utterance]
    faults: list[Fault] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    emotions: list[str] = field(default_factory=list)
    counts: list[Count] = field(default_factory=list)
    labels: str = ""  # the label set, where it was chosen when the corpus was prepared
    folder: Path | None = None  # where it lies: files that settings name may lie there, too


def join(corpora: Sequence[Corpus]) -> Corpus:
    """One corpus of all: each row's id, speaker, dialogue and session get the corpus's name before them.

    The rows of a corpus without splits are training rows. Raises InputError where two corpora have one name and where
    only some rows of one have a split.
    """
    names = [corpus.name for corpus in corpora]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise InputError(
            f"Several manifests are called {', '.join(twice)}, and the name tells their ids apart: give each once, "
            "or rename one of the files or folders."
        )
    for corpus in corpora:
        as_given(corpus.utterances)  # rows without a split beside rows with one are not silently for training
    return Corpus(
        "+".join(names),
        [_prefixed(row, corpus.name) for corpus in corpora for row in corpus.utterances],
        [replace(fault, id=f"{corpus.name}/{fault.id}") for corpus in corpora for fault in corpus.faults],
        [note for corpus in corpora for note in corpus.notes],
        counts=[replace(count, what=f"{c.name} {count.what}") for c in corpora for count in c.counts],
    )


def _prefixed(row: Utterance, name: str) -> Utterance:
    groups = {group: getattr(row, group) for group in ("speaker", "dialogue", "session")}
    within = {group: f"{name}/{own}" for group, own in groups.items() if own is not None}
    return replace(row, id=f"{name}/{row.id}", split=row.split or "train", corpus=name, **within)  # type: ignore[arg-type]
