"""MELD (Poria et al., 2019): multi-party dialogues from Friends, read in its published layout.

Published (github.com/declare-lab/MELD): `{train,dev,test}_sent_emo.csv` and three clip folders, one mp4 per
utterance named `dia{Dialogue_ID}_utt{Utterance_ID}.mp4`. Dialogue numbers start anew in each split, and
`Utterance_ID` has gaps. A clip is the whole utterance: `StartTime` and `EndTime` are places in the episode
(one row's duration is not even positive) and are not read. Known defects: the clip of dev dialogue 110,
utterance 7 was never published, the one of train dialogue 125, utterance 3 does not decode (found when it is
opened); those of test dialogue 38, utterance 4 and dialogue 220, utterance 0 are minutes long (cut to
`max_seconds` when they are opened); the clip folders hold unlabelled extras (`final_videos_test*`, train's
`dia66_utt9`, ...) and macOS `._*` files. Two label sets: `emotions`, `sentiments`.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from tricue.config.settings import Config
from tricue.corpora.parts import find_parts, read_parts
from tricue.corpora.reading import CURLY, ENCODINGS, choose_labels, find_once, not_the_corpus, some
from tricue.data.corpus import Corpus, Count
from tricue.data.labels import Labels
from tricue.data.manifest import MEDIA
from tricue.data.table import HEADER_ROW, ManifestError, RowFault, Table
from tricue.data.table_files import read_table
from tricue.types import Fault, Split, Utterance

LABEL_SETS = {
    "emotions": ("anger", "disgust", "fear", "joy", "neutral", "sadness", "surprise"),
    "sentiments": ("negative", "neutral", "positive"),
}
LABEL_COLUMNS = {"emotions": "Emotion", "sentiments": "Sentiment"}
NEEDED_COLUMNS = ("Utterance", "Speaker", "Dialogue_ID", "Utterance_ID")  # and that of the labels
NUMBER = re.compile(r"[0-9]{1,9}")


@dataclass(frozen=True)
class Part:
    """One published split: its name there, its clip folder, its number of rows."""

    name: str
    split: Split
    clips: str
    rows: int

    @property
    def annotation(self) -> str:
        return f"{self.name}_sent_emo.csv"


PARTS = (
    Part("train", "train", "train_splits", 9989),
    Part("dev", "val", "dev_splits_complete", 1109),
    Part("test", "test", "output_repeated_splits_test", 2610),
)


def read(source: Path, config: Config) -> Corpus:
    """The rows of the annotation files found in `source`, each with its clip where there is one.

    Rows are never dropped: one without its clip keeps its text and a Fault per modality names the clip.
    Raises InputError where `source` holds no annotation file and for an unknown label set, ManifestError for
    unknown emotions, repeated utterances and missing columns.
    """
    labels, emotions = choose_labels("MELD", LABEL_SETS, config)
    if parts := find_parts(source, holds=lambda folder: False):  # manifests in place of the annotation files
        return read_parts(parts, "MELD", lambda: Labels(emotions, config.data.mapping), config, read)
    annotations = {part: _find(source, part.annotation, part) for part in PARTS}
    if not any(annotations.values()):
        raise not_the_corpus(
            "MELD annotations",
            source,
            f"{PARTS[0].annotation} and {PARTS[1].annotation} (directly, in train/ and dev/, or in MELD.Raw/)",
            "Download MELD from https://affective-meld.github.io/, unpack it, give its folder (SOURCE or --data_dir)",
        )
    folders = {part: _find(source, part.clips, part) for part in PARTS}
    clip_names = ", ".join(part.clips for part in PARTS)
    corpus = Corpus("MELD", [], emotions=emotions)
    if not any(folders.values()):
        corpus.notes.append(f"MELD: no clip folder ({clip_names}) in {source}: text only.")
    for part, path in annotations.items():
        if path is None:
            corpus.notes.append(f"MELD: no {part.annotation} in {source}: no {part.split} rows.")
            continue
        utterances = _read_part(path, part, LABEL_COLUMNS[labels], emotions)
        corpus.counts.append(Count(f"{part.name} rows", len(utterances), part.rows))
        if any(folders.values()):
            utterances = _with_clips(utterances, folders[part], part, corpus)
        corpus.utterances.extend(utterances)
        corpus.faults.extend(Fault(u.id, "text", "no words") for u in utterances if u.text is None)
    return corpus


def _find(source: Path, name: str, part: Part) -> Path | None:
    """`name` in the folder itself, in its train/dev/test, or the same one folder deeper (MELD.Raw)."""
    places = [(name,), (f"{part.name}/{name}",), (f"*/{name}",), (f"*/{part.name}/{name}",)]
    return next(iter(find_once(name, source, places)), None)


def _read_part(path: Path, part: Part, label: str, emotions: list[str]) -> list[Utterance]:
    table = read_table(path, ENCODINGS, {column.lower() for column in (*NEEDED_COLUMNS, label)})
    needed, header = (*NEEDED_COLUMNS, label), ", ".join(table.columns)
    missing = [column for column in needed if column not in table.columns]
    restore = f"restore {part.annotation}"
    faults = [RowFault(HEADER_ROW, column, header, "missing column", restore) for column in missing]
    if faults := [*table.faults, *(faults or _row_faults(table, label, emotions))]:
        raise ManifestError(path, faults)
    return [_utterance(cells, part, label) for _, cells in table.rows]


def _row_faults(table: Table, label: str, emotions: list[str]) -> Iterator[RowFault]:
    row_of: dict[tuple[str, str], int] = {}
    restore = "restore the row as published"
    for number, cells in table.rows:
        written = cells[label].strip()
        if written not in emotions:
            known = f"known: {', '.join(emotions)}"
            yield RowFault(number, label, written, f"unknown {label.lower()}", known)
        dialogue, turn = key = cells["Dialogue_ID"].strip(), cells["Utterance_ID"].strip()
        for column, cell in (("Dialogue_ID", dialogue), ("Utterance_ID", turn)):
            if not NUMBER.fullmatch(cell):
                yield RowFault(number, column, cell, "not a whole number", restore)
        if (first := row_of.setdefault(key, number)) != number:
            remedy = f"row {first} has it too in dialogue {dialogue}; {restore}"
            yield RowFault(number, "Utterance_ID", turn, "duplicate utterance", remedy)


def _utterance(cells: dict[str, str], part: Part, label: str) -> Utterance:
    dialogue, turn = int(cells["Dialogue_ID"]), int(cells["Utterance_ID"])
    return Utterance(
        id=f"{part.name}_dia{dialogue}_utt{turn}",
        text=cells["Utterance"].translate(CURLY).strip() or None,
        label=cells[label].strip(),
        speaker=cells["Speaker"].strip() or None,
        dialogue=f"{part.name}_{dialogue}",
        turn=turn,
        split=part.split,
    )


def _with_clips(rows: list[Utterance], folder: Path | None, part: Part, corpus: Corpus) -> list[Utterance]:
    """The rows with their clips; a missing one becomes a fault per modality, an extra one is counted."""
    if folder is None:
        corpus.notes.append(f"MELD: no clip folder {part.clips} for {part.name}: its rows are text only.")
    paths = sorted(folder.resolve().glob("*.mp4")) if folder is not None else []
    clips = {path.name: path for path in paths if not path.name.startswith("._")}
    placed = []
    for row in rows:
        name = f"{row.id.removeprefix(part.name + '_')}.mp4"
        clip = clips.pop(name, None)
        if clip is None:
            reason = f"no clip {name} in {folder or part.clips}"
            corpus.faults.extend(Fault(row.id, modality, reason) for modality in MEDIA)
        placed.append(replace(row, audio=clip, video=clip))
    if clips:
        extras = f"{len(clips)} ({some(list(clips))})"
        corpus.notes.append(f"MELD: clips of {part.name} without an annotation, left out: {extras}.")
    return placed
