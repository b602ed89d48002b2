"""Which rows an answer may be adapted to."""

from pathlib import Path

import pytest

from tricue.adaptation.contexts import read_form, rows_of_speakers
from tricue.types import InputError, Utterance


def test_all_rows_of_a_speaker_whatever_the_dialogue() -> None:
    rows = [Utterance("a", speaker="Ann", dialogue="1"), Utterance("b", speaker="Bo"),
            Utterance("c", speaker="Ann", dialogue="2"), Utterance("d")]  # fmt: skip
    assert rows_of_speakers(rows, "all") == [[0, 2]]


def test_the_past_is_that_of_the_dialogue_in_the_order_of_its_turns() -> None:
    rows = [
        Utterance("a", speaker="Ann", dialogue="1", turn=4), Utterance("b", speaker="Ann", dialogue="1", turn=0),
        Utterance("c", speaker="Ann", dialogue="2", turn=1), Utterance("d", speaker="Ann", dialogue="1", turn=2),
    ]  # fmt: skip
    assert rows_of_speakers(rows, "past") == [[1, 3, 0]]


def test_the_past_by_the_start_in_the_recording() -> None:
    rows = [Utterance("a", speaker="Ann", start=9.0), Utterance("b", speaker="Ann", start=2.5)]
    assert rows_of_speakers(rows, "past") == [[1, 0]]


def test_without_an_order_there_is_no_past() -> None:
    rows = [Utterance("a", speaker="Ann"), Utterance("b", speaker="Ann")]
    with pytest.raises(InputError, match=r"'a' has no place among the rows of speaker 'Ann'.*column `turn`"):
        rows_of_speakers(rows, "past")


def test_the_row_without_a_turn_is_named() -> None:
    rows = [Utterance(f"{i}", speaker="Ann", turn=None if i == 2 else i, start=float(i)) for i in range(4)]
    with pytest.raises(InputError, match=r"'2' has no place"):
        rows_of_speakers(rows, "past")


def test_two_rows_of_one_turn_have_no_order() -> None:
    rows = [Utterance("a", speaker="Ann", turn=3), Utterance("b", speaker="Ann", turn=3)]
    with pytest.raises(InputError, match=r"'a' shares its place \(turn 3\)"):
        rows_of_speakers(rows, "past")


def test_starts_in_two_recordings_are_no_order() -> None:
    rows = [Utterance(name, speaker="Ann", audio=Path(f"{name}.wav"), start=1.0 + i) for i, name in enumerate("ab")]
    with pytest.raises(InputError, match=r"'a' has no place"):
        rows_of_speakers(rows, "past")


def test_the_same_name_in_two_corpora_is_two_speakers() -> None:
    rows = [Utterance(f"{i}", speaker="01", corpus=name) for i, name in enumerate(["one", "two", "one"])]
    assert rows_of_speakers(rows, "all") == [[0, 2]]


def test_the_words_of_the_flag() -> None:
    assert read_form(None) is None and read_form("past") == "past"
    with pytest.raises(InputError, match="--speaker_adaptation future: use one of off, past, all"):
        read_form("future")
