"""Protocols: which utterances stand in which split (docs/protocols.md)."""

import hashlib
import json
import math
import random
import warnings
from bisect import bisect_right
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from operator import attrgetter
from pathlib import Path

import numpy as np

from tricue.config.data_settings import DataConfig
from tricue.files.atomic import is_file
from tricue.spelling import listed
from tricue.types import SPLITS, InputError, Utterance, shown

FEWEST_DIALOGUES = 10  # with fewer, whole dialogues are too coarse a share
FOLD_VAL = 0.1  # share of the rest that is val in a fold, where data.val_from_train does not say
FOLD_SEED = 0  # folds are those of every seed of training: each row is tested once
COARSEST = 10  # folds, about, that rows are dealt to before some are taken as val ...
TRIES = 3  # ... then twice and three times as many, where a class is left out: fewer folds are more alike
LEAST_SHARE = 0.001  # of val; smaller ones would need more folds than are dealt in a moment
LEVELS = 5  # strata of a number: fifths of its values
MOST_PLACED = 10_000  # groups times folds that StratifiedGroupKFold deals; 50 microseconds each
LEAKY_SEED = 42  # of 40 seeds, 0 copies fewest rows of MELD into val (82.0%); this one is ordinary (83.2%)
LEAKY_VAL = 0.2  # the paper's: "80/20 train-validation split"

Splits = dict[str, list[Utterance]]
Unit = Callable[[Utterance], str | None]  # what must not stand on both sides of a split


def split_utterances(utterances: Sequence[Utterance], config: DataConfig, seed: int, need_val: bool = True) -> Splits:
    """The rows of "train", "val" and "test" under `config.protocol`, each in the order given and possibly empty.

    official: the split column; rows of which none has a split are all training rows. With `config.val_from_train`
    val is cut out of train in whole dialogues (where train has at least 10), else whole speakers, else rows; the
    corpus's own val rows are then "held_out": never read in training. Where there are no training rows (a corpus to
    evaluate) nothing is cut.
    loso, kfold-speaker, kfold-dialogue: the split column is not read. The rows of `config.fold` are test; of the
    rest a share is val, cut in the protocol's own unit where that has at least 10, else as above. need_val: without it
    nothing is cut there, and the rest is all train.
    leaky: see `_leaky`.

    kfold's folds and every cut are stratified by `_strata`. They depend on the rows and, for the cut, on the seed, not
    on the order of the rows.

    Raises InputError where only some rows have a split, where a row lacks what the protocol deals by, where there is
    no such fold, and where the cut would leave nothing to train on.
    """
    if config.protocol == "leaky":
        return _leaky(utterances)
    if config.protocol != "official":
        return _fold(utterances, config, seed, need_val)
    parts = as_given(utterances)
    if config.val_from_train > 0:
        parts["held_out"] = parts["val"]
        parts["train"], parts["val"] = _cut(parts["train"], config.val_from_train, seed)
    return parts


def fold_names(utterances: Sequence[Utterance], config: DataConfig) -> list[str]:
    """The folds that the protocol runs one after another: `config.fold` where one is named, else all of them.

    [""] where the protocol has no folds. Raises InputError as `split_utterances` does.
    """
    if config.protocol in ("official", "leaky"):
        return [""]
    return _named_folds(folds_of(utterances, config), config)


def _named_folds(fold_of: Mapping[str, str], config: DataConfig) -> list[str]:
    names = sorted(set(fold_of.values()), key=lambda name: (len(name), name))
    if config.fold and config.fold not in names:
        there = listed([shown(name, quoted=False) for name in names])
        raise InputError(
            f"data.fold={shown(config.fold, quoted=False)}: {config.protocol} has the folds {there} here. Name "
            "one of them (in quotes where it begins with 0: --set \"data.fold='03'\"), or none to run all."
        )
    return [config.fold] if config.fold else names


def row_keys(rows: Iterable[Utterance]) -> np.ndarray:
    """(N,) int64 that tell a row again in another manifest: of its id (without a joined corpus's name before it), its
    text and the names and sizes of its files, wherever those lie and whatever its split.

    Two corpora may number their rows alike and say "yeah" in the same row: a few equal keys prove nothing.
    """
    return np.array([_row_key(row) for row in rows], dtype=np.int64)


def _row_key(row: Utterance) -> int:
    own = row.id.removeprefix(f"{row.corpus}/") if row.corpus is not None else row.id
    files = [(path.name, path.stat().st_size if is_file(path) else 0) for path in row.media.values()]
    content = json.dumps([own, row.text, files]).encode()
    return int.from_bytes(hashlib.sha256(content).digest()[:8], "big", signed=True)


def rows_digest(splits: Mapping[str, Sequence[Utterance]]) -> str:
    """16 hex digits of all that is read of the train and val rows; what stands in the test part makes no difference.

    Of a file its name and its folder's count: a corpus that was moved as a whole is still the same.
    """
    rows = [f"{split}\t{_described(u)}" for split in ("train", "val") for u in splits[split]]
    return hashlib.sha256("\n".join(rows).encode()).hexdigest()[:16]


def _described(row: Utterance) -> str:
    """All of a row, in the words of 0.1.0: the digests of its checkpoints are still compared with."""
    return (
        f"Utterance(id={row.id!r}, text={row.text!r}, audio={_name(row.audio)!r}, video={_name(row.video)!r}, "
        f"start={row.start!r}, end={row.end!r}, emotion={row.label!r}, speaker={row.speaker!r}, "
        f"dialogue={row.dialogue!r}, turn={row.turn!r}, split={row.split!r}, session={row.session!r}, "
        f"corpus={row.corpus!r}, crop={row.crop!r}, cut={row.cut!r})"
    )


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


def _leaky(utterances: Sequence[Utterance]) -> Splits:
    """The seed's published code: training rows are copied at random until every class is as frequent as the most
    frequent one, and only then 20% are drawn as val, so that most of val has its own copy in train. The corpus's own
    val and test rows are "held_out" and "test", as they stand. The draw is the same for every seed of training. It
    exists to explain such scores; nothing else."""
    parts = as_given(utterances)
    by_class: dict[str, list[Utterance]] = defaultdict(list)
    for row in sorted(parts["train"], key=lambda row: row.id):
        if isinstance(row.label, str):
            by_class[row.label].append(row)
    if not by_class:
        raise InputError("No training row has one class: the leaky protocol copies rows by class.")
    draw = random.Random(LEAKY_SEED)
    most = max(map(len, by_class.values()))
    copies = []
    for _, own in sorted(by_class.items()):
        copies += own + draw.choices(own, k=most - len(own))
    draw.shuffle(copies)
    count = round(LEAKY_VAL * len(copies))
    return parts | {"train": copies[count:], "val": copies[:count], "held_out": parts["val"]}


def _fold(utterances: Sequence[Utterance], config: DataConfig, seed: int, need_val: bool) -> Splits:
    fold_of = folds_of(utterances, config)
    if not config.fold:
        raise InputError(f"{config.protocol} has several folds: name one with --set data.fold=NAME.")
    _named_folds(fold_of, config)  # raises where there is no such one
    test = [row for row in utterances if fold_of[row.id] == config.fold]
    rest = [row for row in utterances if fold_of[row.id] != config.fold]
    if not need_val:
        return {"train": rest, "val": [], "test": test}
    name, unit = _unit(utterances, config.protocol)
    if len({unit(row) for row in rest}) < FEWEST_DIALOGUES:
        name, unit = _coarsest(rest)
    train, val = _cut(rest, config.val_from_train or FOLD_VAL, seed, name, unit)
    return {"train": train, "val": val, "test": test}


def _unit(utterances: Sequence[Utterance], protocol: str) -> tuple[str, Unit]:
    """What a protocol with folds deals by. Raises InputError naming the rows that lack it."""
    name = protocol.removeprefix("kfold-")
    if protocol == "loso":
        name = "session" if any(row.session is not None for row in utterances) else "speaker"
    unit = attrgetter(name)
    without = [row.id for row in utterances if unit(row) is None]
    if without:
        raise InputError(
            f"The protocol {protocol} leaves whole {name}s out, and {len(without)} of {len(utterances)} rows have no "
            f"{name}, e.g. {', '.join(shown(row, quoted=False) for row in without[:3])}. Fill the manifest's "
            f"column `{name}`."
        )
    return name, unit


def folds_of(utterances: Sequence[Utterance], config: DataConfig) -> dict[str, str]:
    """Utterance id -> name of the fold that it is the test part of; the same whatever the seed and the order.

    loso: a fold per group. kfold: folds "1", "2", ... of whole groups, of about as many rows of each stratum.
    Raises InputError where there are fewer groups than folds.
    """
    name, unit = _unit(utterances, config.protocol)
    groups = [str(unit(row)) for row in utterances]
    folds = 2 if config.protocol == "loso" else config.folds
    if len(set(groups)) < folds:
        raise InputError(_too_few(config.protocol, name, sorted(set(groups)), folds))
    if config.protocol == "loso":
        return {row.id: group for row, group in zip(utterances, groups, strict=True)}
    dealt = _deal(groups, _strata(utterances), folds, FOLD_SEED)
    return {row.id: str(fold + 1) for row, fold in zip(utterances, dealt.tolist(), strict=True)}


def _too_few(protocol: str, name: str, groups: list[str], folds: int) -> str:
    """The message where there are fewer groups than folds."""
    there = listed([shown(group, quoted=False) for group in groups])
    remedy = f"set data.folds to at most {len(groups)} with --set data.folds={len(groups)}"
    if len(groups) < 2:
        remedy = f"fill that column with the {name} of each row"
    return (
        f"--protocol {protocol}: {folds} folds need {folds} {name}s or more, and the column `{name}` has {len(groups)} "
        f"({there}). Remedies: {remedy}; choose another --protocol; or train once, without folds: --protocol official "
        "--set data.val_from_train=0.1."
    )


def classes_of_one_group(utterances: Sequence[Utterance], config: DataConfig) -> tuple[str, dict[str, str]]:
    """The unit that a protocol with folds deals by, and of each class that one group alone has, that group.

    Raises InputError where no class has two: every test row would be of a class that its model never met.
    """
    name, unit = _unit(utterances, config.protocol)
    groups: dict[str, set[str]] = defaultdict(set)
    for row in utterances:
        for own in row.classes:
            groups[own].add(str(unit(row)))
    single = {own: next(iter(there)) for own, there in sorted(groups.items()) if len(there) == 1}
    if groups and len(single) == len(groups):
        raise InputError(
            f"--protocol {config.protocol}: each of the classes {listed(list(single))} has one {name} only, so that no "
            f"model is tested on a class that it was trained on. Add clips of these classes by other {name}s, or "
            "choose another --protocol."
        )
    return name, single


def _strata(rows: Sequence[Utterance]) -> list[str]:
    """What each row counts as where every split should have its share of it.

    A class; of a set of classes the one that fewest of `rows` have; of numbers (values, or votes) the place of the
    largest and the fifth that the first lies in. Rows without a label are a stratum of their own.
    """
    counts = Counter(name for row in rows for name in row.classes)
    first = [float(row.label[0]) for row in rows if row.label and not row.classes]
    edges = np.quantile(first, np.arange(1, LEVELS) / LEVELS).tolist() if first else []

    def stratum(row: Utterance) -> str:
        if row.classes:
            return min(row.classes, key=lambda name: (counts[name], name))
        if not row.label:
            return ""
        numbers = [float(number) for number in row.label]
        return f"{numbers.index(max(numbers))} {bisect_right(edges, numbers[0])}"

    return [stratum(row) for row in rows]


def _deal(groups: Sequence[str], strata: Sequence[str], folds: int, seed: int) -> np.ndarray:
    """(N,) fold of each row, from 0: whole groups, with about as many rows of each stratum in every fold.

    groups: at least `folds`. scikit-learn gets them in seeded order: its own shuffling differs between versions. Many
    groups, of single rows too, are dealt faster, each as its rarest row.
    """
    from sklearn.model_selection import StratifiedGroupKFold, StratifiedKFold  # a second to import

    sizes = Counter(groups)
    order = sorted(sizes)
    random.Random(seed).shuffle(order)
    are_many = len(order) == len(groups) or len(order) * folds > MOST_PLACED
    if not are_many:
        order.sort(key=lambda group: -sizes[group])
    own, kinds = _numbers(groups, order), _numbers(strata, [name for name, _ in Counter(sorted(strata)).most_common()])
    if folds in (1, len(order)):
        return own % folds
    fold_of = np.zeros(len(order), dtype=int)
    with warnings.catch_warnings(action="ignore"):  # that a stratum has fewer rows than there are folds
        if not are_many:
            for fold, (_, there) in enumerate(StratifiedGroupKFold(folds).split(own, _divisible(kinds, folds), own)):
                fold_of[own[there]] = fold
            if np.bincount(fold_of, minlength=folds).all():  # groups without a class in common may leave one empty
                return fold_of[own]
        rarest = np.zeros_like(fold_of)
        np.maximum.at(rarest, own, kinds)
        for fold, (_, there) in enumerate(StratifiedKFold(folds).split(rarest, _divisible(rarest, folds))):
            fold_of[there] = fold
    return fold_of[own]


def _numbers(names: Sequence[str], order: Sequence[str]) -> np.ndarray:
    """(N,) the place of each name in `order`."""
    place = {name: i for i, name in enumerate(order)}
    return np.array([place[name] for name in names])


def _divisible(kinds: np.ndarray, folds: int) -> np.ndarray:
    """The strata (N,); all one where none has a member per fold, which scikit-learn refuses."""
    return kinds if np.bincount(kinds).max() >= folds else np.zeros_like(kinds)


def _cut(
    rows: list[Utterance], share: float, seed: int, name: str = "", unit: Unit | None = None
) -> tuple[list[Utterance], list[Utterance]]:
    """(rest, taken): about `share` of the rows in whole units (None: `_coarsest`), with every stratum on both sides
    where it has units enough."""
    if not rows:
        return [], []
    if unit is None:
        name, unit = _coarsest(rows)
    units = [unit(row) for row in rows]
    groups = [f"row {row.id}" if own is None else f"group {own}" for row, own in zip(rows, units, strict=True)]
    taken = _share_of(groups, _strata(rows), share, seed)
    if all(taken):
        raise InputError(
            f"data.val_from_train={share:g} takes all {len(set(groups))} {name}s of the training rows: none are left "
            "to train on. Give a smaller share, or a manifest with val rows of its own."
        )
    rest = [row for row, is_taken in zip(rows, taken, strict=True) if not is_taken]
    return rest, [row for row, is_taken in zip(rows, taken, strict=True) if is_taken]


def _share_of(groups: Sequence[str], strata: Sequence[str], share: float, seed: int) -> list[bool]:
    """(N,) whether a row is taken: the first of TRIES ways to deal the groups that leaves fewest strata on one side."""
    number, found, fewest = len(set(groups)), [True] * len(groups), math.inf
    lone = sum(n == 1 for n in Counter(stratum for stratum, _ in set(zip(strata, groups, strict=True))).values())
    for finer in range(1, TRIES + 1):
        count = finer * max(1, round(COARSEST * share))
        folds = min(number, round(count / max(share, LEAST_SHARE)))
        fold_of = _deal(groups, strata, folds, seed)
        taken = np.isin(fold_of, _choose(fold_of, strata, share, seed)).tolist()
        sides = set(zip(strata, taken, strict=True))
        on_one_side = 2 * len(set(strata)) - len(sides)
        if on_one_side < fewest:
            found, fewest = taken, on_one_side
        if fewest <= lone or folds == number:
            break
    return found


def _choose(fold_of: np.ndarray, strata: Sequence[str], share: float, seed: int) -> list[int]:
    """Folds that hold `share` of the rows, to half a fold: each time the one that takes fewest strata from the rest,
    of these the one that brings most new ones, where rare ones count for more, of these the first in seeded order."""
    held: list[Counter[str]] = [Counter() for _ in range(fold_of.max() + 1)]
    for fold, stratum in zip(fold_of.tolist(), strata, strict=True):
        held[fold][stratum] += 1
    every, taken = Counter(strata), Counter[str]()

    def cost(fold: int) -> tuple[int, float]:
        lost = sum(taken[stratum] + count == every[stratum] for stratum, count in held[fold].items())
        return lost, -math.fsum(1 / every[stratum] for stratum in held[fold].keys() - taken)

    left, chosen = list(range(len(held))), list[int]()
    random.Random(seed).shuffle(left)
    while left and (not chosen or taken.total() < (share - 0.5 / len(held)) * len(strata)):
        best = min(left, key=cost)
        left.remove(best)
        chosen.append(best)
        taken += held[best]
    return chosen


def _coarsest(rows: list[Utterance]) -> tuple[str, Unit]:
    """The largest unit of which there are enough: dialogues, speakers, else each row is one."""
    for name, enough in (("dialogue", FEWEST_DIALOGUES), ("speaker", 2)):
        unit = attrgetter(name)
        if len({unit(row) for row in rows} - {None}) >= enough:
            return name, unit
    return "row", lambda row: None
