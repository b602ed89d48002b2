"""Several corpora as one: ids, speakers and dialogues prefixed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from tricue.data.corpus import Corpus
from tricue.data.splits import as_given
from tricue.types import Fault, InputError, Utterance


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
        as_given(
            corpus.utterances
        )  # where only some rows have a split, the others are not silently for training
    return Corpus(
        "+".join(names),
        [_prefixed(row, corpus.name) for corpus in corpora for row in corpus.utterances],
        [Fault(f"{c.name}/{fault.id}", fault.cue, fault.reason) for c in corpora for fault in c.faults],
        [note for corpus in corpora for note in corpus.notes],
        counts=[replace(count, what=f"{c.name} {count.what}") for c in corpora for count in c.counts],
    )


def _prefixed(row: Utterance, name: str) -> Utterance:
    def within(group: str | None) -> str | None:
        return None if group is None else f"{name}/{group}"

    return replace(
        row,
        id=f"{name}/{row.id}",
        speaker=within(row.speaker),
        dialogue=within(row.dialogue),
        session=within(row.session),
        split=row.split or "train",
        corpus=name,
    )
