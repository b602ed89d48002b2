from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tricue.config import DataConfig
from tricue.data.splits import split_utterances
from tricue.types import InputError, Utterance

OFFICIAL = DataConfig()
TENTH = DataConfig(val_from_train=0.1)


def rows(
    count: int, *, per_dialogue: int | None = None, speakers: int | None = None, split: str | None = "train"
) -> list[Utterance]:
    return [
        Utterance(
            f"u{i:03d}",
            text="hm",
            speaker=None if speakers is None else f"s{i % speakers}",
            dialogue=None if per_dialogue is None else f"d{i // per_dialogue}",
            split=split,
        )
        for i in range(count)
    ]


def ids(part: list[Utterance]) -> list[str]:
    return [row.id for row in part]


def test_official_keeps_the_split_column() -> None:
    mixed = [
        Utterance(name, text="hm", split=split)
        for name, split in zip("abcd", ["val", "train", "test", "val"], strict=True)
    ]
    parts = split_utterances(mixed, OFFICIAL, 0)
    assert {name: ids(part) for name, part in parts.items()} == {
        "train": ["b"],
        "val": ["a", "d"],
        "test": ["c"],
    }


def test_no_split_column_means_training_rows() -> None:
    parts = split_utterances(rows(3, split=None), OFFICIAL, 0)
    assert {name: len(part) for name, part in parts.items()} == {"train": 3, "val": 0, "test": 0}


def test_some_rows_without_a_split_are_refused() -> None:
    with pytest.raises(InputError, match="2 of 5 rows have no split"):
        split_utterances(
            [*rows(2, split=None), *(Utterance(f"v{i}", split="val") for i in range(3))], OFFICIAL, 0
        )


def test_whole_dialogues_are_cut_and_the_own_val_is_held_out() -> None:
    own_val = [Utterance("v", text="hm", dialogue="d0", split="val")]
    parts = split_utterances([*rows(200, per_dialogue=5, speakers=3), *own_val], TENTH, 0)
    assert parts["held_out"] == own_val
    assert len(parts["val"]) == 20 and len(parts["train"]) == 180
    assert not {row.dialogue for row in parts["val"]} & {row.dialogue for row in parts["train"]}
    assert ids(parts["train"]) == sorted(ids(parts["train"]))  # the order given


def test_with_few_dialogues_whole_speakers_are_cut() -> None:
    parts = split_utterances(rows(90, per_dialogue=10, speakers=6), DataConfig(val_from_train=0.3), 0)
    val, train = ({row.speaker for row in parts[name]} for name in ("val", "train"))
    assert len(val) == 2 and len(train) == 4 and not val & train


def test_without_either_rows_are_cut() -> None:
    parts = split_utterances(rows(50, per_dialogue=25), TENTH, 0)
    assert len(parts["val"]) == 5 and len(parts["train"]) == 45


def test_a_row_outside_every_dialogue_is_a_group_by_itself() -> None:
    loose = [Utterance(f"loose{i:02d}", split="train") for i in range(40)]
    parts = split_utterances([*rows(60, per_dialogue=5), *loose], DataConfig(val_from_train=0.5), 3)
    taken = sum(row.dialogue is None for row in parts["val"])
    assert 0 < taken < 40


def test_the_cut_is_the_same_everywhere() -> None:
    # d0 to d9 shuffled by random.Random(0) begin with d7, d8, d1, in every Python 3
    parts = split_utterances(rows(20, per_dialogue=2), DataConfig(val_from_train=0.2), 0)
    assert sorted({row.dialogue for row in parts["val"]}) == ["d7", "d8"]


def test_the_order_of_rows_changes_nothing_and_the_seed_does() -> None:
    given_rows = rows(300, per_dialogue=3)
    first = split_utterances(given_rows, TENTH, 1)["val"]
    assert set(ids(first)) == set(ids(split_utterances(given_rows[::-1], TENTH, 1)["val"]))
    assert set(ids(first)) != set(ids(split_utterances(given_rows, TENTH, 2)["val"]))


def test_nothing_left_to_train_on_is_refused() -> None:
    with pytest.raises(InputError, match="takes all 2 speakers"):
        split_utterances(rows(10, speakers=2), DataConfig(val_from_train=0.9), 0)
    with pytest.raises(InputError, match="takes all 1 rows"):
        split_utterances(rows(1), TENTH, 0)


def test_a_corpus_to_evaluate_has_nothing_to_cut() -> None:
    parts = split_utterances(rows(5, split="test"), TENTH, 0)
    assert {name: len(part) for name, part in parts.items()} == {
        "train": 0,
        "val": 0,
        "test": 5,
        "held_out": 0,
    }


@settings(deadline=None, max_examples=100)
@given(
    dialogues=st.lists(st.integers(0, 30), min_size=60, max_size=150),
    share=st.floats(0.01, 0.5),
    seed=st.integers(0, 10),
)
def test_no_dialogue_is_ever_cut_in_two(dialogues: list[int], share: float, seed: int) -> None:
    corpus = [Utterance(f"u{i}", dialogue=f"d{d}", split="train") for i, d in enumerate(dialogues)]
    if len(set(dialogues)) < 10:
        return
    parts = split_utterances(corpus, DataConfig(val_from_train=share), seed)
    assert not {row.dialogue for row in parts["val"]} & {row.dialogue for row in parts["train"]}
    assert sorted([*ids(parts["train"]), *ids(parts["val"])]) == sorted(ids(corpus))
    largest = max(dialogues.count(d) for d in dialogues)
    assert parts["train"]
    assert share * len(corpus) <= len(parts["val"]) < share * len(corpus) + largest
