from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tricue.config.data_settings import DataConfig
from tricue.data import splits
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
    assert {name: ids(part) for name, part in parts.items()} == {"train": ["b"], "val": ["a", "d"], "test": ["c"]}


def test_no_split_column_means_training_rows() -> None:
    parts = split_utterances(rows(3, split=None), OFFICIAL, 0)
    assert {name: len(part) for name, part in parts.items()} == {"train": 3, "val": 0, "test": 0}


def test_some_rows_without_a_split_are_refused() -> None:
    with pytest.raises(InputError, match="2 of 5 rows have no split"):
        split_utterances([*rows(2, split=None), *(Utterance(f"v{i}", split="val") for i in range(3))], OFFICIAL, 0)


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
    # random.Random(0) makes 7 8 1 5 3 4 2 0 9 6 of 0 to 9, in every Python 3: fold 0 is d7, ... fold 7 d0, fold 8 d9,
    # and the first folds in the same order are 7 and 8
    parts = split_utterances(rows(20, per_dialogue=2), DataConfig(val_from_train=0.2), 0)
    assert sorted({row.dialogue for row in parts["val"]}) == ["d0", "d9"]


def test_the_order_of_rows_changes_nothing_and_the_seed_does() -> None:
    given_rows = rows(300, per_dialogue=3)
    first = split_utterances(given_rows, TENTH, 1)["val"]
    assert set(ids(first)) == set(ids(split_utterances(given_rows[::-1], TENTH, 1)["val"]))
    assert set(ids(first)) != set(ids(split_utterances(given_rows, TENTH, 2)["val"]))
    single = labelled("aab" * 50)
    assert set(ids(split_utterances(single, TENTH, 1)["val"])) == set(
        ids(split_utterances(single[::-1], TENTH, 1)["val"])
    )


def test_nothing_left_to_train_on_is_refused() -> None:
    with pytest.raises(InputError, match="takes all 2 speakers"):
        split_utterances(rows(10, speakers=2), DataConfig(val_from_train=0.9), 0)
    with pytest.raises(InputError, match="takes all 1 rows"):
        split_utterances(rows(1), TENTH, 0)


def test_a_corpus_to_evaluate_has_nothing_to_cut() -> None:
    parts = split_utterances(rows(5, split="test"), TENTH, 0)
    assert {name: len(part) for name, part in parts.items()} == {"train": 0, "val": 0, "test": 5, "held_out": 0}


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
    assert parts["train"] and parts["val"]


def labelled(labels: str, *, dialogues: str | None = None) -> list[Utterance]:
    """A row per letter of `labels`, its class; its dialogue is the letter of `dialogues` at the same place."""
    return [
        Utterance(
            f"u{i:03d}", text="hm", label=label, dialogue=None if dialogues is None else dialogues[i], split="train"
        )
        for i, label in enumerate(labels)
    ]


def classes(part: list[Utterance]) -> dict[str, int]:
    return dict(Counter(str(row.label) for row in part))


@pytest.mark.parametrize("seed", range(5))
def test_val_has_its_share_of_every_class(seed: int) -> None:
    parts = split_utterances(labelled("a" * 60 + "b" * 30 + "c" * 10), TENTH, seed)
    assert classes(parts["val"]) == {"a": 6, "b": 3, "c": 1}
    assert classes(parts["train"]) == {"a": 54, "b": 27, "c": 9}


@pytest.mark.parametrize("seed", range(5))
def test_val_takes_the_dialogues_that_leave_every_class_on_both_sides(seed: int) -> None:
    # ten dialogues of four rows: c is in A and B alone, b in J alone. A tenth is one dialogue: only A and B hold c
    # and leave some of it, and J has to stay in train
    dialogues = "".join(name * 4 for name in "ABCDEFGHIJ")
    labels = "aaac" * 2 + "aaaa" * 7 + "aaab"
    parts = split_utterances(labelled(labels, dialogues=dialogues), TENTH, seed)
    assert {row.dialogue for row in parts["val"]} in ({"A"}, {"B"})
    assert classes(parts["train"]) == {"a": 34, "c": 1, "b": 1}


def test_where_ten_folds_leave_a_class_out_more_are_tried() -> None:
    # a tenth of 20 dialogues is one of ten folds of two, or two of twenty folds of one; ten keep b and c apart
    dialogues = "".join(name * 3 for name in "ABCDEFGHIJKLMNOPQRST")
    labels = "aab" * 2 + "aac" * 2 + "aaa" * 16
    for seed in range(8):
        parts = split_utterances(labelled(labels, dialogues=dialogues), TENTH, seed)
        assert set(classes(parts["val"])) == set(classes(parts["train"])) == set("abc")


def test_a_single_row_of_a_class_stays_in_train() -> None:
    for seed in range(8):
        assert (
            classes(split_utterances(labelled("a" * 19 + "b"), DataConfig(val_from_train=0.5), seed)["train"])["b"] == 1
        )


def test_rows_of_several_classes_count_as_the_rarest() -> None:
    # "joy" stands in every row, so that "fear" decides: 3 of its 30 rows are a tenth
    sets = [("joy", "fear") if i < 30 else ("joy",) if i < 90 else () for i in range(100)]
    corpus = [Utterance(f"u{i:03d}", text="hm", label=own, split="train") for i, own in enumerate(sets)]
    val = split_utterances(corpus, TENTH, 0)["val"]
    assert Counter(row.label for row in val) == {("joy", "fear"): 3, ("joy",): 6, (): 1}


def test_numbers_are_dealt_by_the_fifth_of_the_first() -> None:
    corpus = [Utterance(f"u{i:03d}", text="hm", label=(float(i),), split="train") for i in range(100)]
    for seed in range(3):
        val = split_utterances(corpus, TENTH, seed)["val"]
        assert Counter(int(row.label[0]) // 20 for row in val) == dict.fromkeys(range(5), 2)


def test_votes_are_dealt_by_the_class_with_most() -> None:
    votes = [(3.0, 7.0, 0.0) if i < 20 else (3.0, 1.0, 6.0) for i in range(100)]
    corpus = [Utterance(f"u{i:03d}", text="hm", label=own, split="train") for i, own in enumerate(votes)]
    val = split_utterances(corpus, TENTH, 0)["val"]
    assert Counter(row.label for row in val) == {votes[0]: 2, votes[-1]: 8}


def test_unlabelled_rows_are_dealt_like_a_class() -> None:
    corpus = [*labelled("ab" * 20), *(Utterance(f"n{i:02d}", text="hm", split="train") for i in range(20))]
    val = split_utterances(corpus, TENTH, 0)["val"]
    assert classes(val) == {"a": 2, "b": 2, "None": 2}


def test_many_dialogues_are_dealt_as_their_rarest_row(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(splits, "MOST_PLACED", 0)
    corpus = labelled("aab" * 20 + "aaa" * 80, dialogues="".join(chr(200 + i) * 3 for i in range(100)))
    parts = split_utterances(corpus, TENTH, 0)
    assert classes(parts["val"]) == {"a": 28, "b": 2} and len(parts["train"]) == 270
    assert not {row.dialogue for row in parts["val"]} & {row.dialogue for row in parts["train"]}
