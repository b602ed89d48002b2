"""The checks of the leakage audit that compare rows with rows: what stands in two splits, twice in one, or nowhere.

Legend: "train/val" names a pair of splits; its rows are those of the second that also stand in the first.
"""

from collections import Counter, defaultdict
from collections.abc import Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import combinations
from typing import Any, Literal

import numpy as np

from tricue.data.labels import MOST_COMPARED, near_names
from tricue.registry import MODALITIES
from tricue.spelling import listed
from tricue.types import Label, ModalityName, Utterance, shown

Verdict = Literal["pass", "warn", "fail"]
Splits = Mapping[str, Sequence[Utterance]]
Labels = Mapping[str, Sequence[Label | None]]  # split -> `Task.audited` of each row; None: not labelled
Pair = tuple[str, str]

LONG_TEXT = 5  # words from which a repeated text is more than a common phrase
LONG_SHARE = 0.01  # of a split's rows: from here repeated long texts fail
BALANCE = 0.1  # total variation distance of class shares that is worth a warning
SHIFT = 0.25  # deviations between the means of a target: of normal targets that distance
EXAMPLES = 5
ORDER = ("train", "val", "held_out", "test")


@dataclass(frozen=True)
class Check:
    """What one check found, and what it means for a score measured on these splits."""

    name: str
    verdict: Verdict
    found: str
    meaning: str = ""
    details: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Overlap:
    """Rows of a split that also stand in another."""

    rows: int
    share: float  # of the second split's rows
    examples: list[tuple[str, str]]  # ids: in the second split, in the first


def pairs(splits: Splits) -> list[Pair]:
    """The pairs of splits that have rows, the earlier in the order of use first."""
    return list(combinations([name for name in ORDER if splits.get(name)], 2))


def overlap(splits: Splits, pair: Pair, keys: Mapping[str, Sequence[Hashable | None]]) -> Overlap:
    """keys: split -> a key per row; None matches nothing."""
    a, b = pair
    first: dict[Hashable, str] = {}
    for row, key in zip(splits[a], keys[a], strict=True):
        if key is not None:
            first.setdefault(key, row.id)
    shared = [(row.id, first[key]) for row, key in zip(splits[b], keys[b], strict=True) if key in first]
    return Overlap(len(shared), len(shared) / len(splits[b]), shared[:EXAMPLES])


def check_ids(splits: Splits) -> Check:
    """The same utterance in two splits."""
    keys = {name: [row.id for row in rows] for name, rows in splits.items()}
    meaning = "The model is scored on utterances that it was trained on: the score is recall of them, not recognition."
    found = {pair: overlap(splits, pair, keys) for pair in pairs(splits)}
    return check_none("ids", found, "no id stands in two splits", meaning)


def check_none(name: str, found: Mapping[Pair, Overlap], nothing: str, meaning: str) -> Check:
    """A check that any overlap fails."""
    verdict: Verdict = "fail" if any(o.rows for o in found.values()) else "pass"
    return Check(name, verdict, shares(found, nothing), meaning, as_details(found))


def check_texts(splits: Splits, texts: Mapping[str, Sequence[str]], used: bool) -> Check:
    """The same text in two splits.

    texts: split -> normalised text per row, empty where there is none. used: whether text is a modality of the run;
    where it is not, as with two sentences that all actors say, nothing can leak by it.
    """
    long = {name: [text if is_long(text) else None for text in rows] for name, rows in texts.items()}
    short = {name: [text if text and not is_long(text) else None for text in rows] for name, rows in texts.items()}
    found = {pair: overlap(splits, pair, long) for pair in pairs(splits)}
    phrases = {pair: overlap(splits, pair, short) for pair in pairs(splits)}
    verdict: Verdict = "pass"
    if any(o.rows for o in [*found.values(), *phrases.values()]):
        verdict = "fail" if used and any(o.share > LONG_SHARE for o in found.values()) else "warn"
    both = {pair: found[pair].share + phrases[pair].share for pair in found}
    sentence = "; ".join(
        f"{100 * both[pair]:.1f}% of {pair[1]} stand in {pair[0]} ({100 * o.share:.1f}% with {LONG_TEXT} words or more)"
        for pair, o in found.items()
        if both[pair]
    )
    meaning = {
        "fail": f"Whole sentences are known from training: more than {100 * LONG_SHARE:g}% of a split's rows. If "
        "everyone says the same few sentences, leave text out: --modalities audio,video.",
        "warn": "Common phrases repeat in any corpus of speech; a model may know their usual label."
        if used
        else "Text is no modality of this run, so that its repeats tell the model nothing.",
        "pass": "",
    }[verdict]
    details = {"long": as_details(found), "short": as_details(phrases)}
    return Check("texts", verdict, sentence or "no text stands in two splits", meaning, details)


def check_groups(name: Literal["speakers", "dialogues", "sessions"], splits: Splits, forbidden: bool) -> Check | None:
    """The same speaker, dialogue or session in two splits; None where no row names one.

    forbidden: the protocol keeps them out of the test part, so that one there is a failure.
    """
    column = name.removesuffix("s")
    keys = {part: [getattr(row, column) for row in rows] for part, rows in splits.items()}
    if not any(key is not None for rows in keys.values() for key in rows):
        return None
    found = {pair: overlap(splits, pair, keys) for pair in pairs(splits)}
    broken = forbidden and any(o.rows for pair, o in found.items() if pair[1] == "test")
    verdict: Verdict = "fail" if broken else "warn" if any(o.rows for o in found.values()) else "pass"
    meaning = {
        "speakers": "The score is of known voices and faces; of new people it says less.",
        "dialogues": "Turns of one dialogue share its mood and topic; the score is of dialogues half known.",
        "sessions": "One recording situation on both sides: the score is of a known room and microphone.",
    }[name]
    if broken:
        meaning = f"The protocol promises {name} that training has not met. " + meaning
    listed = shares(found, f"no {column} stands in two splits")
    return Check(name, verdict, listed, meaning, as_details(found))


def check_repeats(
    splits: Splits, texts: Mapping[str, Sequence[str]], media: Mapping[str, Sequence[Sequence[Hashable]]]
) -> Check:
    """What stands twice inside one split."""
    details: dict[str, dict[str, int]] = {}
    for name, rows in splits.items():
        counts = {
            "ids": _repeated([row.id for row in rows]),
            "media": _repeated([tuple(row) or None for row in media[name]]),
            "long texts": _repeated([text if is_long(text) else None for text in texts[name]]),
        }
        if any(counts.values()):
            details[name] = counts
    listed = "; ".join(
        f"{name}: " + ", ".join(f"{count:,} by {kind}" for kind, count in counts.items() if count)
        for name, counts in details.items()
    )
    return Check(
        "repeats",
        "warn" if details else "pass",
        listed or "nothing stands twice in a split",
        "Repeated rows count several times in training, and in the score of their split.",
        details,
    )


def check_conflicts(
    labels: Labels, texts: Mapping[str, Sequence[str]], media: Mapping[str, Sequence[Sequence[Hashable]]]
) -> Check:
    """Identical items under different labels."""
    by_text: dict[Hashable, set[Label]] = defaultdict(set)
    by_media: dict[Hashable, set[Label]] = defaultdict(set)
    for name, own in labels.items():
        for label, text, stretch in zip(own, texts[name], media[name], strict=True):
            if label is not None and is_long(text) and not stretch:
                by_text[text].add(label)
            if label is not None and stretch:
                by_media[tuple(stretch)].add(label)
    counts = {
        "texts": sum(len(labels) > 1 for labels in by_text.values()),
        "media": sum(len(labels) > 1 for labels in by_media.values()),
    }
    listed = ", ".join(f"{count:,} {kind}" for kind, count in counts.items() if count)
    return Check(
        "conflicts",
        "warn" if listed else "pass",
        f"{listed} with several labels" if listed else "identical items have one label each",
        "Nothing that sees these modalities alone can be right on all of them.",
        counts,
    )


def is_number(label: Label | None) -> bool:
    """Whether it is real values, not classes."""
    return isinstance(label, tuple) and bool(label) and not isinstance(label[0], str)


def check_classes(labels: Labels) -> Check | None:
    """How the classes are spread over the splits; None where no row has one."""
    counts = {
        name: Counter(
            part
            for label in own
            if label is not None and not is_number(label)
            for part in ([label] if isinstance(label, str) else map(str, label))
        )
        for name, own in labels.items()
    }
    if not any(counts.values()):
        return None
    train = counts.get("train", Counter())
    found = []
    for name, own in counts.items():
        if name == "train" or not own or not train:
            continue
        missing = [shown(emotion, quoted=False) for emotion in sorted(set(train) - set(own))]
        unknown = [shown(emotion, quoted=False) for emotion in sorted(set(own) - set(train))]
        distance = 0.5 * sum(abs(train[e] / train.total() - own[e] / own.total()) for e in set(train) | set(own))
        found += [f"{name} has no {listed(missing)}"] if missing else []
        found += [f"{name} has {listed(unknown)}, which train has not"] if unknown else []
        found += [f"{name} differs from train by {100 * distance:.0f} points"] if distance > BALANCE else []
    return Check(
        "classes",
        "warn" if found else "pass",
        "; ".join(found) or "the splits hold the classes in like shares",
        "Weighted F1 and accuracy follow the class shares of the split; compare macro F1 too.",
        {name: dict(sorted(own.items())) for name, own in counts.items()},
    )


def check_targets(labels: Labels, names: Sequence[str]) -> Check | None:
    """How real-valued targets are spread over the splits; None where no row has one."""
    rows = {name: [label for label in own if is_number(label)] for name, own in labels.items()}
    values = {name: np.array(own, dtype=float) for name, own in rows.items() if own}
    if not values:
        return None
    found: list[str] = []
    for name, own in values.items():
        if name != "train" and len(rows.get("train", ())) > 1:
            found += _shifts(name, own, values["train"], names)
    return Check(
        "targets",
        "warn" if found else "pass",
        "; ".join(found) or "the targets have like means and ranges in the splits",
        "Correlations follow how much the targets of a split vary; a value that training lacks is never answered.",
        {name: {target: _summary(own[:, k]) for k, target in enumerate(names)} for name, own in values.items()},
    )


def _shifts(split: str, values: np.ndarray, train: np.ndarray, names: Sequence[str]) -> Iterator[str]:
    """How the targets of a split differ from those of train, (N, K) both, where they do."""
    spread = train.std(axis=0)
    shifts = (values.mean(axis=0) - train.mean(axis=0)) / np.where(spread > 0, spread, 1.0)
    beyond = ((values < train.min(axis=0)) | (values > train.max(axis=0))).mean(axis=0)
    for name, shift, outside in zip(names, shifts.tolist(), beyond.tolist(), strict=True):
        if abs(shift) > SHIFT:
            yield f"the mean {name} of {split} is {shift:+.1f} deviations from that of train"
        if outside > LONG_SHARE:
            yield f"{100 * outside:.1f}% of {split} have a {name} outside the range of train"


def _summary(values: np.ndarray) -> dict[str, float]:
    numbers = values.mean(), values.std(), values.min(), values.max()
    return dict(zip(("mean", "deviation", "lowest", "highest"), map(float, numbers), strict=True))


def check_labels(splits: Splits) -> Check | None:
    """Classes whose names are nearly alike: probably one, misspelt; None where no row is labelled."""
    names = {label for rows in splits.values() for row in rows for label in row.classes}
    if not names:
        return None
    near = near_names(names)
    found = "; ".join(f"{shown(a)} and {shown(b)}" for a, b in near[:EXAMPLES])
    more = f"; and {len(near) - EXAMPLES} pairs more" if len(near) > EXAMPLES else ""
    many = f"{len(names):,} different labels" if len(names) > MOST_COMPARED else ""
    return Check(
        "labels",
        "warn" if near or many else "pass",
        many or (f"nearly alike: {found}{more}" if near else "no two classes have nearly the same name"),
        "Each is a class of its own, and most look like none. Is emotion the right column?"
        if many
        else "Each is a class of its own. If two are one, name it: --set 'data.mapping={WRITTEN: CLASS}'.",
        {"near": [list(pair) for pair in near]},
    )


def check_modalities(splits: Splits) -> Check | None:
    """Rows without one of the modalities that the corpus has; None where all are precomputed."""
    has: dict[ModalityName, bool] = {
        modality: any(row.source(modality) is not None for rows in splits.values() for row in rows)
        for modality in MODALITIES
    }
    if not any(has.values()):
        return None
    lacking = {
        name: {
            modality: count
            for modality in MODALITIES
            if has[modality] and (count := sum(row.source(modality) is None for row in rows))
        }
        for name, rows in splits.items()
    }  # fmt: skip
    listed = "; ".join(
        f"{name}: " + ", ".join(f"{count:,} without {modality}" for modality, count in own.items())
        for name, own in lacking.items()
        if own
    )
    modalities = ", ".join(modality for modality in MODALITIES if has[modality])
    return Check(
        "modalities",
        "warn" if listed else "pass",
        listed or f"every row has {modalities}",
        "Such rows stay and are scored by what is left; a score that drops them is another score.",
        lacking,
    )


def is_long(text: str) -> bool:
    """Whether a normalised text has 5 words or more."""
    return text.count(" ") >= LONG_TEXT - 1


def _repeated(keys: Sequence[Hashable | None]) -> int:
    """Rows beyond the first of each key."""
    counts = Counter(key for key in keys if key is not None)
    return counts.total() - len(counts)


def shares(found: Mapping[Pair, Overlap], nothing: str, sentence: str = "{rows} stand in {first}") -> str:
    """What the overlaps are, in words; `nothing` where there are none."""
    listed = [
        sentence.format(rows=f"{o.rows:,} rows of {b} ({100 * o.share:.1f}%)", first=a)
        for (a, b), o in found.items()
        if o.rows
    ]
    return "; ".join(listed) or nothing


def as_details(found: Mapping[Pair, Overlap]) -> dict[str, Any]:
    return {
        f"{a}/{b}": {"rows": o.rows, "share": o.share, "examples": [list(e) for e in o.examples]}
        for (a, b), o in found.items()
    }
