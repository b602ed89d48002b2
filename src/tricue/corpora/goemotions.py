"""GoEmotions (Demszky et al., 2020, arxiv.org/abs/2005.00547): Reddit comments, in Ekman's six emotions and neutral.

Published (github.com/google-research/google-research, goemotions/data): `train.tsv`, `dev.tsv`, `test.tsv` without a
header and without quoting, each line text, label numbers with commas between, comment id; the numbers count the
lines of `emotions.txt`, 27 emotions and neutral. `ekman_mapping.json` groups them. In circulation, too, is the form
grouped already (github.com/monologg/GoEmotions-pytorch, data/ekman) with seven names in `labels.txt`. Which names the
numbers count is read from `emotions.txt` or `labels.txt` beside the tsv files; without either they are the 28.

A row here has one class; comments with labels of several groups are left out and counted.
"""

import re
from dataclasses import dataclass
from pathlib import Path

from tricue.config.settings import Config
from tricue.corpora.reading import choose_labels, find_once, not_the_corpus, read_text, some
from tricue.data.corpus import Corpus, Count
from tricue.types import Fault, InputError, Split, Utterance

EKMAN = {  # ekman_mapping.json, and neutral
    "anger": ("anger", "annoyance", "disapproval"),
    "disgust": ("disgust",),
    "fear": ("fear", "nervousness"),
    "joy": (
        "joy", "amusement", "approval", "excitement", "gratitude", "love", "optimism", "relief", "pride",
        "admiration", "desire", "caring",
    ),
    "neutral": ("neutral",),
    "sadness": ("sadness", "disappointment", "embarrassment", "grief", "remorse"),
    "surprise": ("surprise", "realization", "confusion", "curiosity"),
}  # fmt: skip
CLASS_OF = {name: emotion for emotion, names in EKMAN.items() for name in names}
NAMES = (*sorted(set(CLASS_OF) - {"neutral"}), "neutral")  # the order of emotions.txt
LABEL_SETS = {"ekman": tuple(EKMAN)}
NUMBER = re.compile(r"[0-9]{1,9}")
NAME_FILES = ("emotions.txt", "labels.txt")


@dataclass(frozen=True)
class Part:
    """One published split: its name there, its lines, and those of one class where that is known."""

    name: str
    split: Split
    lines: int
    single: int | None

    @property
    def file(self) -> str:
        return f"{self.name}.tsv"


PARTS = (Part("train", "train", 43_410, 39_555), Part("dev", "val", 5_426, 4_946), Part("test", "test", 5_427, None))


@dataclass(frozen=True)
class Line:
    """One comment: where it stands, what it says, the numbers of its labels."""

    place: str
    id: str
    text: str
    numbers: tuple[int, ...]


def read(source: Path, config: Config) -> Corpus:
    """The comments of one class in the tsv files of `source` (or its data/, or up to two folders deeper).

    Raises InputError where there is none of them, where several folders hold them, for label numbers and names that
    have no meaning, for comments that repeat, for an unknown label set and for emotions that leave out a class.
    """
    _, emotions = choose_labels("GoEmotions", LABEL_SETS, config, whole=True)
    places = [[f"{depth}{part.file}" for part in PARTS] for depth in ("", "data/", "*/", "*/*/")]
    found = find_once("GoEmotions", source.resolve(), places)
    if not found:
        raise not_the_corpus(
            "GoEmotions",
            source,
            f"{', '.join(part.file for part in PARTS)} (directly, or in data/)",
            "Download goemotions/data from https://github.com/google-research/google-research and give its folder "
            "(SOURCE or --data_dir)",
        )
    folder, corpus = found[0].parent, Corpus("GoEmotions", [], emotions=emotions)
    lines = {part: _lines(folder / part.file, corpus) for part in PARTS if (folder / part.file).is_file()}
    every = [line for own in lines.values() for line in own]
    names = _names(folder, every)
    place_of: dict[str, str] = {}
    for line in every:
        if (first := place_of.setdefault(line.id, line.place)) != line.place:
            raise InputError(
                f"The comment {line.id} stands twice: {first} and {line.place}. Restore the files as published."
            )
    for part in PARTS:
        if part not in lines:
            corpus.notes.append(f"GoEmotions: no {part.file} in {source}: no {part.split} rows.")
            continue
        corpus.counts.append(Count(f"{part.name} lines", len(lines[part]), part.lines))
        _add_rows(lines[part], part, names, corpus)
    return corpus


def _lines(path: Path, corpus: Corpus) -> list[Line]:
    """The comments of a file; lines of another form are counted in a note."""
    lines, others = [], []
    for number, line in enumerate(read_text(path).split("\n"), start=1):
        cells = line.removesuffix("\r").split("\t")
        numbers = cells[1].split(",") if len(cells) == 3 else []
        if numbers and all(NUMBER.fullmatch(label.strip()) for label in numbers) and cells[2].strip():
            place = f"{path.name}, line {number}"
            lines.append(Line(place, cells[2].strip(), cells[0].strip(), tuple(map(int, numbers))))
        elif line.strip():
            others.append(str(number))
    if others:
        corpus.notes.append(
            f"GoEmotions: lines of {path.name} that are not text, labels and id, left out: {len(others)} "
            f"(line {some(others)})."
        )
    return lines


def _names(folder: Path, lines: list[Line]) -> list[str]:
    """The names that the numbers count.

    Raises InputError where they are not of the 28, where both files stand there and differ, where a number is too
    high, and where the 28 are assumed of files that look as if they were grouped.
    """
    said = {name: read_text(folder / name).split() for name in NAME_FILES if (folder / name).is_file()}
    names = next(iter(said.values()), list(NAMES))
    if any(other != names for other in said.values()):
        files = " and ".join(said)
        raise InputError(f"{files} in {folder} differ. Keep the one that the tsv files belong to.")
    if unknown := [name for name in names if name not in CLASS_OF]:
        raise InputError(
            f"The names in {folder / next(iter(said))} are not GoEmotions': {some(unknown)}. "
            f"Known: {', '.join(NAMES)}. Give the folder of the published form or of the one grouped after Ekman."
        )
    for line in lines:
        if max(line.numbers) >= len(names):
            raise InputError(
                f"{folder}: {line.place}: label {max(line.numbers)}, but there are {len(names)} names. "
                f"Put the {' or '.join(NAME_FILES)} of these files beside them."
            )
    if not said and lines and all(max(line.numbers) < len(EKMAN) for line in lines):
        raise InputError(
            f"{folder} has no {' or '.join(NAME_FILES)} and no label above {len(EKMAN) - 1}: grouped files, it seems, "
            "whose numbers do not count the 28 names. Put their labels.txt beside them."
        )
    return names


def _add_rows(lines: list[Line], part: Part, names: list[str], corpus: Corpus) -> None:
    kept = 0
    for line in lines:
        classes = {CLASS_OF[names[number]] for number in line.numbers}
        if len(classes) > 1:
            continue
        kept += 1
        corpus.utterances.append(Utterance(id=line.id, text=line.text or None, label=classes.pop(), split=part.split))
        if not line.text:
            corpus.faults.append(Fault(line.id, "text", "no words"))
    if part.single is not None:
        corpus.counts.append(Count(f"{part.name} rows of one class", kept, part.single))
    if dropped := len(lines) - kept:
        corpus.notes.append(f"GoEmotions: {part.name} comments of several classes, left out: {dropped:,}.")
