"""Which rows are of one speaker, and in which order: what each of them may be adapted to."""

from collections import defaultdict
from collections.abc import Sequence
from typing import get_args

from tricue.config.speaker_settings import Form
from tricue.types import InputError, Utterance, shown

FORMS: tuple[Form, ...] = get_args(Form)
MARKS = {
    "all": "each row adapted to all other clips of its speaker (transductive: they were there before it was answered)",
    "past": "each row adapted to the earlier turns of its speaker",
}


def read_form(word: str | None) -> Form | None:
    """`--speaker_adaptation`. Raises InputError for another word."""
    if word is None:
        return None
    for form in FORMS:
        if form == word:
            return form
    raise InputError(f"--speaker_adaptation {shown(word, quoted=False)}: use one of {', '.join(FORMS)}.")


def rows_of_speakers(rows: Sequence[Utterance], form: Form) -> list[list[int]]:
    """The numbers of the rows of each speaker who has several; with `past` by dialogue, in the order of its turns.

    Raises:
        InputError: With `past`, a row of a speaker has no place among the others.
    """
    found: dict[tuple[str | None, ...], list[int]] = defaultdict(list)
    for i, row in enumerate(rows):
        if row.speaker is not None:
            found[row.corpus, row.dialogue if form == "past" else None, row.speaker].append(i)
    several = [own for own in found.values() if len(own) > 1]
    return several if form == "all" else [_in_order(rows, own) for own in several]


def _in_order(rows: Sequence[Utterance], own: Sequence[int]) -> list[int]:
    """By turn; where no row has one, by start in their common recording. Raises InputError for a row without a place,
    and for two in the same."""
    turns = {i: rows[i].turn for i in own}
    recorded = len({tuple(rows[i].media.items()) for i in own}) == 1
    timed = recorded and all(turn is None for turn in turns.values())
    places = {i: rows[i].start for i in own} if timed else turns
    for i, place in places.items():
        if place is None:
            raise InputError(_without_order(rows[i], "has no place"))
        if sum(other == place for other in places.values()) > 1:
            raise InputError(_without_order(rows[i], f"shares its place ({'start' if timed else 'turn'} {place:g})"))
    return sorted(own, key=lambda i: places[i] or 0.0)


def _without_order(row: Utterance, what: str) -> str:
    return (
        f"speaker adaptation past: {shown(row.id)} {what} among the rows of speaker {shown(row.speaker)}. Number them "
        "in the column `turn` (in each `dialogue`), or choose all or off."
    )
