"""Errors in what was said, as a speech recogniser or a typist makes them: words changed, left out or put in."""

from collections.abc import Iterable, Sequence
from dataclasses import replace

from tricue.extractors.corruption import check_share, own_draws
from tricue.types import Utterance


def vocabulary(utterances: Iterable[Utterance]) -> list[str]:
    """The different words of the texts, sorted; a word is what stands between spaces, punctuation and all."""
    return sorted({word for utterance in utterances for word in (utterance.text or "").split()})


def with_word_errors(utterances: Sequence[Utterance], rate: float, words: Sequence[str], seed: int) -> list[Utterance]:
    """The utterances, an error at each word of their texts with the chance `rate`: a third of them each is another word
    in its place, no word in its place, a word more after it. Words are drawn from `words`, at least two different ones.

    The errors of an utterance are drawn by its id and the seed; a higher rate makes those of a lower one, and more. At
    least one word stays. Counted by edit distance the rate is a little lower: a word left out beside one put in is one
    changed. Raises InputError for a rate that is not above 0 and at most 1.
    """
    check_share("The word error rate", rate)
    return [
        replace(row, text=_misheard(row.id, row.text, rate, words, seed)) if row.text else row for row in utterances
    ]


def _misheard(id_: str, text: str, rate: float, words: Sequence[str], seed: int) -> str:
    own = text.split()
    draws = own_draws(seed, id_.encode())
    luck, third = draws.random(len(own)), draws.integers(3, size=len(own))
    drawn = draws.integers(len(words), size=len(own))
    if not (luck < rate).any():
        return text  # spaces and all: it is the text that is in the store already
    said: list[str] = []
    for i, word in enumerate(own):
        other = words[drawn[i]]
        if luck[i] >= rate:
            said.append(word)
        elif third[i] == 0:
            said.append(other if other != word else words[(drawn[i] + 1) % len(words)])
        elif third[i] == 1:
            said += [word, other]
    return " ".join(said or [own[int(luck.argmax())]])
