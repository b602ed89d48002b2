"""Protocols: which utterances stand in which split (docs/protocols.md)."""

from __future__ import annotations

import hashlib
import json
import random
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from tricue.config import DataConfig
from tricue.files import is_file
from tricue.types import SPLITS, InputError, Utterance, shown

FEWEST_DIALOGUES = 10  # with fewer, whole dialogues are too coarse a share
SHOWN_FOLDS = 30
FOLD_VAL = 0.1  # share of the rest that is val in a fold, where data.val_from_train does not say
LEAKY_SEED = (
    42  # of 40 seeds, 0 copies fewest rows of MELD into val (82.0%); this one is ordinary (83.2%, mean 82.8%)
)
LEAKY_VAL = 0.2  # the seed's: "80/20 train-validation split"

Splits = dict[str, list[Utterance]]
Unit = Callable[[Utterance], str | None]  # what must not stand on both sides of a split


def split_utterances(
    utterances: Sequence[Utterance], config: DataConfig, seed: int, need_val: bool = True
) -> Splits:
    """The rows of "train", "val" and "test" under `config.protocol`, each in the order given and possibly empty.

    official: the split column; rows of which none has a split are all training rows. With `config.val_from_train`
    val is cut out of train in whole dialogues (where train has at least 10), else whole speakers, else rows; the
    corpus's own val rows are then "held_out": never read in training. The cut depends on the ids and the seed
    alone, not on the order of rows; where there are no training rows (a corpus to evaluate) nothing is cut.
    loso, kfold-speaker, kfold-dialogue: the split column is not read. The rows of `config.fold` are test; of the
    rest a share is val, cut in the protocol's own unit where that has at least 10, else as above. need_val: without it
    nothing is cut there, and the rest is all train.
    leaky: see `_leaky`.

    Raises InputError where only some rows have a split, where a row lacks what the protocol deals by, where there is
    no such fold, and where the cut would leave nothing to train on.
    """
    if config.protocol == "official":
        return _official(utterances, config.val_from_train, seed)
    if config.protocol == "leaky":
        return _leaky(utterances)
    return _fold(utterances, config, seed, need_val)


def fold_names(utterances: Sequence[Utterance], config: DataConfig) -> list[str]:
    """The folds that the protocol runs one after another: `config.fold` where one is named, else all of them.

    [""] where the protocol has no folds. Raises InputError as `split_utterances` does.
    """
    if config.protocol in ("official", "leaky"):
        return [""]
    names = sorted(set(folds_of(utterances, config).values()), key=lambda name: (len(name), name))
    if config.fold and config.fold not in names:
        raise InputError(
            f"data.fold={shown(config.fold, quoted=False)}: {config.protocol} has the folds {_some(names)} here. Name "
            "one of them (in quotes where it begins with 0: --set \"data.fold='03'\"), or none to run all."
        )
    return [config.fold] if config.fold else names


def _some(names: Sequence[str]) -> str:
    listed = ", ".join(shown(name, quoted=False) for name in names[:SHOWN_FOLDS])
    return f"{listed} and {len(names) - SHOWN_FOLDS:,} more" if len(names) > SHOWN_FOLDS else listed


def row_keys(rows: Iterable[Utterance]) -> np.ndarray:
    """(N,) int64 that tell a row again in another manifest: of its id (without a joined corpus's name before it), its
    text and the names and sizes of its files, wherever those lie and whatever its split.

    Two corpora may number their rows alike and say "yeah" in the same row: a few equal keys prove nothing.
    """
    return np.array([_row_key(row) for row in rows], dtype=np.int64)


def _row_key(row: Utterance) -> int:
    own = row.id.removeprefix(f"{row.corpus}/") if row.corpus is not None else row.id
    files = [
        (path.name, path.stat().st_size if is_file(path) else 0) for path in (row.audio, row.video) if path
    ]
    content = json.dumps([own, row.text, files]).encode()
    return int.from_bytes(hashlib.sha256(content).digest()[:8], "big", signed=True)


def rows_digest(splits: Mapping[str, Sequence[Utterance]]) -> str:
    """16 hex digits of all that is read of the train and val rows; what stands in the test part makes no difference.

    Of a file its name and its folder's count: a corpus that was moved as a whole is still the same.
    """
    rows = [
        f"{split}\t{replace(u, audio=_name(u.audio), video=_name(u.video))}"
        for split in ("train", "val")
        for u in splits[split]
    ]
    return hashlib.sha256("\n".join(rows).encode()).hexdigest()[:16]


def _name(path: Path | None) -> Path | None:
    return Path(*path.parts[-2:]) if path is not None else None


def as_given(utterances: Sequence[Utterance]) -> Splits:
    """The split column as it stands. Raises InputError where only some rows have one."""
    without = [utterance for utterance in utterances if utterance.split is None]
    if without and len(without) < len(utterances):
        raise InputError(
            f"{len(without)} of {len(utterances)} rows have no split, e.g. id {shown(without[0].id)}. Give every row "
            "train, val or test in the column `split`; leave the column out: all rows are then training rows; or deal "
            "them by --protocol."
        )
    return {split: [row for row in utterances if (row.split or "train") == split] for split in SPLITS}


def _official(utterances: Sequence[Utterance], val_from_train: float, seed: int) -> Splits:
    parts = as_given(utterances)
    if val_from_train > 0:
        parts["held_out"] = parts["val"]
        parts["train"], parts["val"] = _cut(parts["train"], val_from_train, seed)
    return parts


def _leaky(utterances: Sequence[Utterance]) -> Splits:
    """The seed's published code: training rows are copied at random until every class is as frequent as the most
    frequent one, and only then 20% are drawn as val, so that most of val has its own copy in train. The corpus's own
    val and test rows are "held_out" and "test", as they stand. The draw is the same for every seed of training. It
    exists to explain such scores; nothing else."""
    parts = as_given(utterances)
    by_emotion: dict[str, list[Utterance]] = defaultdict(list)
    for row in sorted(parts["train"], key=lambda row: row.id):
        if row.emotion is not None:
            by_emotion[row.emotion].append(row)
    if not by_emotion:
        raise InputError("No training row has an emotion: the leaky protocol copies rows by class.")
    draw = random.Random(LEAKY_SEED)
    most = max(map(len, by_emotion.values()))
    copies = [row for emotion in sorted(by_emotion) for row in _copied(by_emotion[emotion], most, draw)]
    draw.shuffle(copies)
    count = round(LEAKY_VAL * len(copies))
    return {
        "train": copies[count:],
        "val": copies[:count],
        "test": parts["test"],
        "held_out": parts["val"],
    }


def _copied(rows: list[Utterance], count: int, draw: random.Random) -> list[Utterance]:
    """All rows, and of them at random as many again as are lacking to `count`."""
    return rows + draw.choices(rows, k=count - len(rows))


def _fold(utterances: Sequence[Utterance], config: DataConfig, seed: int, need_val: bool) -> Splits:
    fold_of = folds_of(utterances, config)
    if not config.fold:
        raise InputError(f"{config.protocol} has several folds: name one with --set data.fold=NAME.")
    fold_names(utterances, config)  # names the folds where there is no such one
    test = [row for row in utterances if fold_of[row.id] == config.fold]
    rest = [row for row in utterances if fold_of[row.id] != config.fold]
    if not need_val:
        return {"train": rest, "val": [], "test": test}
    name, unit = _unit(utterances, config.protocol)
    own = (f"{name}s", unit) if len({unit(row) for row in rest}) >= FEWEST_DIALOGUES else None
    train, val = _cut(rest, config.val_from_train or FOLD_VAL, seed, own)
    return {"train": train, "val": val, "test": test}


def _unit(utterances: Sequence[Utterance], protocol: str) -> tuple[str, Unit]:
    """What a protocol with folds deals by. Raises InputError naming the rows that lack it."""
    units: dict[str, Unit] = {
        "session": lambda row: row.session, "speaker": lambda row: row.speaker, "dialogue": lambda row: row.dialogue,
    }  # fmt: skip
    name = protocol.removeprefix("kfold-")
    if protocol == "loso":
        name = "session" if any(row.session is not None for row in utterances) else "speaker"
    without = [row.id for row in utterances if units[name](row) is None]
    if without:
        raise InputError(
            f"The protocol {protocol} leaves whole {name}s out, and {len(without)} of {len(utterances)} rows have no "
            f"{name}, e.g. {', '.join(shown(row, quoted=False) for row in without[:3])}. Fill the manifest's "
            f"column `{name}`."
        )
    return name, units[name]


def folds_of(utterances: Sequence[Utterance], config: DataConfig) -> dict[str, str]:
    """Utterance id -> name of the fold that it is the test part of; the same whatever the seed and the order."""
    name, unit = _unit(utterances, config.protocol)
    sizes = Counter(str(unit(row)) for row in utterances)
    if config.protocol == "loso":
        fold_of = {group: group for group in sizes}
    else:
        fold_of = _even(sizes, config.folds)
    if len(set(fold_of.values())) < (2 if config.protocol == "loso" else config.folds):
        raise InputError(
            f"{config.protocol} needs at least {max(2, config.folds)} {name}s, and there are {len(sizes)}. "
            "Set data.folds lower, or choose another --protocol."
        )
    return {row.id: fold_of[str(unit(row))] for row in utterances}


def _even(sizes: Counter[str], folds: int) -> dict[str, str]:
    """Groups to folds "1", "2", ... of about as many rows each: the largest group first, to the smallest fold."""
    order = sorted(sizes, key=lambda group: (-sizes[group], hashlib.sha256(group.encode()).hexdigest()))
    rows = [0] * folds
    fold_of = {}
    for group in order:
        smallest = rows.index(min(rows))
        rows[smallest] += sizes[group]
        fold_of[group] = str(smallest + 1)
    return fold_of


def _cut(
    rows: list[Utterance], share: float, seed: int, unit: tuple[str, Unit] | None = None
) -> tuple[list[Utterance], list[Utterance]]:
    """(rest, taken): whole groups in seeded order until `share` of the rows is reached."""
    if not rows:
        return [], []
    kind, group_of = _groups(rows) if unit is None else (unit[0], _names(rows, map(unit[1], rows)))
    sizes = Counter(group_of[row.id] for row in rows)
    names = sorted(sizes)
    random.Random(seed).shuffle(names)
    taken: set[str] = set()
    count = 0
    while count < share * len(rows):
        name = names[len(taken)]
        taken.add(name)
        count += sizes[name]
    if len(taken) == len(names):
        raise InputError(
            f"data.val_from_train = {share:g} takes all {len(names)} {kind} of the training rows: none are "
            "left to train on. Give a smaller share, or a manifest with val rows of its own."
        )
    rest = [row for row in rows if group_of[row.id] not in taken]
    return rest, [row for row in rows if group_of[row.id] in taken]


def _groups(rows: list[Utterance]) -> tuple[str, dict[str, str]]:
    """What the groups are, and utterance id -> group."""
    if len({row.dialogue for row in rows} - {None}) >= FEWEST_DIALOGUES:
        return "dialogues", _names(rows, (row.dialogue for row in rows))
    if len({row.speaker for row in rows} - {None}) >= 2:
        return "speakers", _names(rows, (row.speaker for row in rows))
    return "rows", _names(rows, (None for _ in rows))


def _names(rows: list[Utterance], groups: Iterable[str | None]) -> dict[str, str]:
    """Utterance id -> group; a row outside every group is one by itself."""
    return {
        row.id: f"row {row.id}" if name is None else f"group {name}"
        for row, name in zip(rows, groups, strict=True)
    }
