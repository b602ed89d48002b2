"""Which rows a model is scored on: the split as its protocol deals it, the labels that it knows, what it has seen."""

import logging
from collections.abc import Mapping, Sequence

from tricue.checkpoint.checkpoint import KNOWN_SHARE, Card
from tricue.data.corpus import Corpus
from tricue.data.manifest import SPLIT_NAMES
from tricue.data.splits import as_given, row_keys, rows_digest, split_utterances
from tricue.spelling import listed
from tricue.types import InputError, Split, Utterance

logger = logging.getLogger(__name__)


def split_name(split: str) -> Split:
    if split.lower() not in SPLIT_NAMES:
        raise InputError(f"--split {split}: use one of {', '.join(SPLIT_NAMES)}.")
    return SPLIT_NAMES[split.lower()]


def labelled(parts: Mapping[str, Sequence[Utterance]], corpus: Corpus, card: Card, wanted: Split) -> list[Utterance]:
    """The rows to be scored. Raises InputError without one, and for emotions that the model does not know."""
    rows = with_label(parts, corpus, wanted)
    unknown = sorted({name for u in rows for name in u.classes} - set(card.emotions))
    if unknown:
        raise InputError(
            f"{corpus.name} has the emotions {listed(unknown)}, which this model does not know "
            f"({', '.join(card.emotions)}). Map them in the manifest, or train with data.mapping."
        )
    return rows


def with_label(parts: Mapping[str, Sequence[Utterance]], corpus: Corpus, wanted: Split) -> list[Utterance]:
    """The rows of a split that have a label. Raises InputError without one."""
    rows = [u for u in parts[wanted] if u.label is not None]
    if not rows:
        there = ", ".join(f"{name} {len(own)}" for name, own in parts.items() if own) or "no row"
        raise InputError(f"{corpus.name} has no labelled {wanted} rows (it has: {there}). Choose another --split.")
    return rows


def deal(corpus: Corpus, card: Card) -> tuple[Mapping[str, Sequence[Utterance]], bool]:
    """The splits of the corpus, and whether they are those of the model's own protocol: on the rows that it was trained
    on it deals them again; on any other corpus, and under `official`, the split column holds."""
    config = card.config
    if config.data.protocol == "official":
        return as_given(corpus.utterances), True
    try:
        need_val = config.training.select == "best"
        parts = split_utterances(corpus.utterances, config.data, config.seed, need_val)
    except InputError:  # another corpus, which has not what the protocol deals by
        return as_given(corpus.utterances), False
    if rows_digest(parts) == (card.trained_on or {}).get("digest"):
        return parts, True
    logger.warning(
        "%s is not the corpus that the model was trained on, or an earlier version dealt it: its split column holds.",
        corpus.name,
    )
    return as_given(corpus.utterances), False


def known_rows(rows: Sequence[Utterance], card: Card, split: Split) -> tuple[int, bool]:
    """How many of the rows the model knows from its training, and whether some of them chose its epochs.

    Raises InputError where over 1% of what is to be scored as val or test was trained on, or of a test part chose the
    epochs. The leaky protocol's own val is let through: it is marked.
    """
    if card.seen is None or split == "train" or (card.leaky and split == "val"):
        return 0, False
    keys = row_keys(rows)
    known = card.seen.knows(keys, chosen=split == "test")
    if known.sum() > KNOWN_SHARE * len(known):
        first = rows[int(known.argmax())].id
        raise InputError(
            f"The model knows {known.sum():,} of {len(rows):,} {split} rows from its training, e.g. {first}: their "
            "score would be recall. Give the corpus as it was in training, or rows that the model has not seen."
        )
    if known.any():
        logger.warning("The model may know %d of %d %s rows from its training.", known.sum(), len(rows), split)
    return int(known.sum()), bool(card.seen.knows(keys).sum() > known.sum())
