"""What a reader of a corpus gives, and what all readers share: counts against the published ones, one clear error."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from tricue.types import Fault, InputError, Utterance

ARCHIVES = (".zip", ".gz", ".tgz", ".tar", ".7z", ".rar", ".bz2", ".xz")
SHOWN_NAMES = 10


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
    """What a reader found: utterances, the cues they lack, the classes in the order of every table (empty: those of
    the training rows, sorted), counts against the published ones, and notes to be printed, one line each."""

    name: str
    utterances: list[Utterance]
    faults: list[Fault] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    emotions: list[str] = field(default_factory=list)
    counts: list[Count] = field(default_factory=list)
    labels: str = ""  # the label set, where it was chosen when the corpus was prepared
    folder: Path | None = None  # where it lies: files that settings name may lie there, too


def not_the_corpus(name: str, source: Path, expected: str, remedy: str) -> InputError:
    """The error for a folder that is not the corpus: what was expected, what was found, what to do.

    expected, remedy: parts of a sentence, without a full stop. An archive that was not unpacked is named as such.
    """
    return InputError(f"No {name} in {source}: expected {expected}; found {_found(source)}. {remedy}.")


def _found(source: Path) -> str:
    if source.is_file():
        kind = "an archive that is not unpacked yet" if _is_archive(source) else "a file, not a folder"
        return kind
    if not source.is_dir():
        return "no such folder"
    names = sorted(path.name for path in source.iterdir())
    if not names:
        return "an empty folder"
    if archives := [name for name in names if _is_archive(Path(name))]:
        return f"archives that are not unpacked yet ({_some(archives)}): unpack them there"
    return _some(names)


def _is_archive(path: Path) -> bool:
    return path.suffix.lower() in ARCHIVES


def _some(names: list[str]) -> str:
    return ", ".join(names[:SHOWN_NAMES]) + (" ..." if len(names) > SHOWN_NAMES else "")
