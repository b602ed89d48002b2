"""Word errors come at the rate asked for, counted by edit distance, and belong to the utterance."""

import random
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tricue.extractors.word_errors import vocabulary, with_word_errors
from tricue.types import InputError, Utterance

WORDS = [f"w{i}" for i in range(400)]


def rows(count: int, length: int, seed: int = 0) -> list[Utterance]:
    draw = random.Random(seed)
    return [Utterance(f"u{i}", text=" ".join(draw.choices(WORDS, k=length))) for i in range(count)]


def distance(said: list[str], heard: list[str]) -> int:
    """Levenshtein's, over whole words: the fewest words changed, left out and put in."""
    above = list(range(len(heard) + 1))
    for i, word in enumerate(said, start=1):
        row = [i]
        for j, other in enumerate(heard, start=1):
            row.append(min(above[j - 1] + (word != other), above[j] + 1, row[-1] + 1))
        above = row
    return above[-1]


@pytest.mark.parametrize("rate", [0.05, 0.1, 0.2, 0.4])
def test_the_rate_by_edit_distance_in_equal_shares(rate: float) -> None:
    original = rows(250, 20)
    heard = with_word_errors(original, rate, [f"new{i}" for i in range(50)], seed=0)
    pairs = [(str(a.text).split(), str(b.text).split()) for a, b in zip(original, heard, strict=True)]
    words = sum(len(said) for said, _ in pairs)
    # a word left out beside one put in counts as one changed: (rate / 3)^2 per word
    assert sum(distance(*pair) for pair in pairs) / words == pytest.approx(rate - rate**2 / 9, abs=0.012)
    fresh = sum(word.startswith("new") for _, heard in pairs for word in heard)  # changed or put in
    gone = words - sum(len(heard) for _, heard in pairs) + fresh  # changed or left out
    assert fresh / words == pytest.approx(2 / 3 * rate, abs=0.012)
    assert gone / words == pytest.approx(2 / 3 * rate, abs=0.012)


@given(st.text(max_size=60), st.floats(0.01, 1.0), st.integers(0, 50))
def test_at_least_one_word_stays_and_all_words_are_known(text: str, rate: float, seed: int) -> None:
    (heard,) = with_word_errors([Utterance("a", text=text)], rate, WORDS, seed)
    if text.split():
        assert heard.text is not None and heard.text.split()
        assert set(heard.text.split()) <= {*text.split(), *WORDS}
    else:
        assert heard.text == text


def test_the_errors_are_the_utterances_own() -> None:
    some = rows(30, 12)
    whole = {row.id: row.text for row in with_word_errors(some, 0.3, WORDS, 0)}
    part = with_word_errors(some[::-3], 0.3, WORDS, 0)
    assert part and all(whole[row.id] == row.text for row in part)
    other = [row.text for row in with_word_errors(some, 0.3, WORDS, 1)]
    assert other != list(whole.values())


def test_a_higher_rate_makes_the_errors_of_a_lower_one_and_more() -> None:
    some = rows(200, 12)
    few, many = (with_word_errors(some, rate, WORDS, 0) for rate in (0.05, 0.2))
    for clean, mild, strong in zip(some, few, many, strict=True):
        assert mild.text == clean.text or strong.text != clean.text
    wrong = [sum(a.text != b.text for a, b in zip(some, own, strict=True)) for own in (few, many)]
    assert 0 < wrong[0] < wrong[1]


def test_what_is_not_damaged_is_untouched() -> None:
    spaced = Utterance("a", text="  well,   I see \n it ", speaker="Ann", turn=3)
    silent = Utterance("b")
    for seed in range(40):
        one, none = with_word_errors([spaced, silent], 0.1, WORDS, seed)
        assert none is silent and replace(one, text=spaced.text) == spaced
        if len(str(one.text).split()) == 4 and not set(str(one.text).split()) & set(WORDS):
            assert one.text == spaced.text  # no error: the very text whose features are in the store


def test_a_changed_word_is_another_word() -> None:
    two = ["yes", "no"]
    heard = with_word_errors([Utterance(f"u{i}", text="yes") for i in range(300)], 1.0, two, 0)
    alone = [row.text for row in heard if len(str(row.text).split()) == 1]
    # left out would leave nothing, so that the word stays; in its place there is the other one
    assert set(alone) == {"yes", "no"} and 70 < alone.count("no") < 130


def test_vocabulary_is_the_words_as_they_stand_between_spaces() -> None:
    given = [Utterance("a", text="Oh, no! Oh no"), Utterance("b"), Utterance("c", text="no")]
    assert vocabulary(given) == ["Oh", "Oh,", "no", "no!"]


@pytest.mark.parametrize("rate", [0.0, -0.1, 1.2])
def test_a_rate_that_is_none_is_refused(rate: float) -> None:
    with pytest.raises(InputError, match="word error rate"):
        with_word_errors(rows(1, 3), rate, WORDS, 0)
