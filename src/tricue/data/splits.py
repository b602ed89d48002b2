"""Which utterances stand in which split."""

from __future__ import annotations

import random
from collections.abc import Sequence

from tricue.config import DataConfig
from tricue.types import SPLITS, InputError, Utterance

FEWEST_DIALOGUES = 10  # with fewer, whole dialogues are too coarse a share


def split_utterances(
    utterances: Sequence[Utterance], config: DataConfig, seed: int
) -> dict[str, list[Utterance]]:
    """The rows of "train", "val" and "test", each in the order given and possibly empty.

    Rows of which none has a split are all training rows. With `config.val_from_train` val is cut out of train
    in whole dialogues (where train has at least 10), else whole speakers, else rows; the corpus's own val
    rows are then "held_out": never read in training. The cut depends on the ids and the seed alone, not on
    the order of rows; where there are no training rows (a corpus to evaluate) nothing is cut.
    Raises InputError where only some rows have a split, and where the cut would leave nothing to train on.
    """
    without = [utterance for utterance in utterances if utterance.split is None]
    if without and len(without) < len(utterances):
        raise InputError(
            f"{len(without)} of {len(utterances)} rows have no split, e.g. id {without[0].id!r}. Give every "
            "row train, val or test; or leave the column out: all rows are then training rows."
        )
    parts: dict[str, list[Utterance]] = {
        split: [row for row in utterances if (row.split or "train") == split] for split in SPLITS
    }
    if config.val_from_train > 0:
        parts["held_out"] = parts["val"]
        parts["train"], parts["val"] = _cut(parts["train"], config.val_from_train, seed)
    return parts


def _cut(rows: list[Utterance], share: float, seed: int) -> tuple[list[Utterance], list[Utterance]]:
    """(rest, taken): whole groups in seeded order until `share` of the rows is reached."""
    if not rows:
        return [], []
    kind, group_of = _groups(rows)
    sizes: dict[str, int] = {}
    for row in rows:
        sizes[group_of[row.id]] = sizes.get(group_of[row.id], 0) + 1
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
    """What the groups are, and utterance id -> group. A row outside every group is one by itself."""
    if len({row.dialogue for row in rows} - {None}) >= FEWEST_DIALOGUES:
        kind, names = "dialogues", [row.dialogue for row in rows]
    elif len({row.speaker for row in rows} - {None}) >= 2:
        kind, names = "speakers", [row.speaker for row in rows]
    else:
        kind, names = "rows", [None for _ in rows]
    return kind, {
        row.id: f"row {row.id}" if name is None else f"group {name}"
        for row, name in zip(rows, names, strict=True)
    }
