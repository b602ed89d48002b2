"""loso, kfold-*, leaky: what stands where, by hand and by property."""

from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tricue.config.data_settings import DataConfig
from tricue.data.splits import classes_of_one_group, fold_names, rows_digest, split_utterances
from tricue.types import InputError, Utterance


def corpus(count: int, *, speakers: int = 4, sessions: int | None = None) -> list[Utterance]:
    """Row i is of speaker i mod `speakers`, of dialogue i div 3."""
    return [
        Utterance(
            f"u{i:03d}", text=f"row {i}", label="ab"[i % 5 == 0], speaker=f"s{i % speakers}", dialogue=f"d{i // 3}",
            session=None if sessions is None else f"S{i % sessions}", split="train",
        )
        for i in range(count)
    ]  # fmt: skip


def folds(rows: list[Utterance], config: DataConfig, seed: int = 0) -> dict[str, dict[str, list[Utterance]]]:
    return {
        fold: split_utterances(rows, config.model_copy(update={"fold": fold}), seed)
        for fold in fold_names(rows, config)
    }


def test_loso_leaves_sessions_out_where_there_are_any_and_speakers_otherwise() -> None:
    loso = DataConfig(protocol="loso")
    assert fold_names(corpus(40), loso) == ["s0", "s1", "s2", "s3"]
    assert fold_names(corpus(40, sessions=2), loso) == ["S0", "S1"]
    parts = folds(corpus(40, sessions=2), loso)["S1"]
    assert {row.session for row in parts["test"]} == {"S1"}
    assert {row.session for row in parts["train"] + parts["val"]} == {"S0"}


@settings(max_examples=30)
@given(
    st.integers(30, 90),
    st.integers(3, 7),
    st.sampled_from(["loso", "kfold-speaker", "kfold-dialogue"]),
    st.integers(0, 3),
)
def test_every_row_is_test_once_and_no_group_stands_on_both_sides(
    count: int, speakers: int, protocol: str, seed: int
) -> None:
    rows = corpus(count, speakers=speakers)
    config = DataConfig(protocol=protocol, folds=3)
    tested: Counter[str] = Counter()
    for parts in folds(rows, config, seed).values():
        assert sorted(row.id for part in parts.values() for row in part) == [row.id for row in rows]
        assert parts["train"] and parts["val"] and parts["test"]
        tested.update(row.id for row in parts["test"])
        group = "dialogue" if protocol == "kfold-dialogue" else "speaker"
        left_out = {getattr(row, group) for row in parts["test"]}
        assert not left_out & {getattr(row, group) for row in parts["train"] + parts["val"]}
    assert set(tested.values()) == {1}


def test_folds_are_the_same_for_every_seed_and_order_and_about_even() -> None:
    rows, config = corpus(300, speakers=13), DataConfig(protocol="kfold-speaker", folds=4)
    one, other = folds(rows, config, 0), folds(rows[::-1], config, 5)
    sizes = [len(parts["test"]) for parts in one.values()]
    assert [{row.id for row in p["test"]} for p in one.values()] == [
        {row.id for row in p["test"]} for p in other.values()
    ]
    assert max(sizes) - min(sizes) <= 24  # a speaker has 23 or 24 rows


def spoken(labels: dict[str, str]) -> list[Utterance]:
    """For each speaker a row per letter, which is its class."""
    return [
        Utterance(f"{speaker}{i}", text="hm", label=label, speaker=speaker)
        for speaker, own in labels.items()
        for i, label in enumerate(own)
    ]


def test_each_fold_has_its_share_of_every_class() -> None:
    """By hand: of the speakers of a and of those of b one each; s5, who says both, where there are fewer rows."""
    rows = spoken({"s1": "aaaa", "s2": "aaaa", "s3": "bbbb", "s4": "bbbb", "s5": "ab"})
    parts = folds(rows, DataConfig(protocol="kfold-speaker", folds=2))
    found = sorted(sorted({row.speaker for row in part["test"]} - {"s5"}) for part in parts.values())
    assert found in ([["s1", "s3"], ["s2", "s4"]], [["s1", "s4"], ["s2", "s3"]])
    counts = [Counter(row.label for row in part["test"]) for part in parts.values()]
    assert sorted((own["a"], own["b"]) for own in counts) == [(4, 4), (5, 5)]


def test_no_fold_is_empty_where_speakers_share_no_class() -> None:
    """scikit-learn compares folds by sums whose rounding may prefer a full one to an empty one; here it does."""
    rows = spoken({"g0": "aaaaaa", "g1": "bbbb", "g2": "ccccc", "g3": "dd", "g4": "e", "g5": "b", "g6": "f"})
    assert fold_names(rows, DataConfig(protocol="kfold-speaker", folds=6)) == ["1", "2", "3", "4", "5", "6"]


def test_classes_of_one_speaker_are_named() -> None:
    config = DataConfig(protocol="kfold-speaker")
    rows = spoken({"s1": "aab", "s2": "ab", "s3": "ac"})
    assert classes_of_one_group(rows, config) == ("speaker", {"c": "s3"})
    sets = [Utterance("x", label=("a", "d"), speaker="s2"), Utterance("y", label=(), speaker="s3")]
    assert classes_of_one_group([*rows, *sets], config) == ("speaker", {"c": "s3", "d": "s2"})
    assert classes_of_one_group([Utterance("x", label=(0.5,), speaker="s2")], config) == ("speaker", {})
    with pytest.raises(InputError, match=r"kfold-speaker: each of the classes a, b has one speaker only"):
        classes_of_one_group(spoken({"s1": "aa", "s2": "bb"}), config)


def test_val_of_a_fold_is_a_tenth_and_none_where_it_is_not_read() -> None:
    rows = corpus(300, speakers=4)
    config = DataConfig(protocol="kfold-dialogue", folds=5, fold="2")
    parts = split_utterances(rows, config, 0)
    assert len(parts["test"]) == 60 and len(parts["val"]) == 24
    assert not {row.dialogue for row in parts["val"]} & {row.dialogue for row in parts["train"]}
    assert split_utterances(rows, config, 0, need_val=False)["val"] == []


def test_what_the_protocol_needs_is_named() -> None:
    nameless = [*corpus(5), Utterance("x", text="hm", split="train")]
    with pytest.raises(InputError, match=r"1 of 6 rows have no speaker, e\.g\. x.*column `speaker`"):
        fold_names(nameless, DataConfig(protocol="loso"))
    with pytest.raises(InputError, match=r"kfold-speaker: 5 .*has 4 \(s0, s1, s2, s3\).*--set data\.folds=4"):
        fold_names(corpus(40), DataConfig(protocol="kfold-speaker"))
    for protocol in ("kfold-speaker", "loso"):
        with pytest.raises(InputError, match=r"column `speaker` has 1 \(s0\).*fill.*--set data\.val_from_train=0\.1"):
            fold_names(corpus(40, speakers=1), DataConfig(protocol=protocol))
    with pytest.raises(InputError, match=r"data\.fold=s9: loso has the folds s0, s1, s2, s3"):
        split_utterances(corpus(40), DataConfig(protocol="loso", fold="s9"), 0)
    with pytest.raises(InputError, match="has several folds: name one"):
        split_utterances(corpus(40), DataConfig(protocol="loso"), 0)


def test_leaky_copies_before_it_splits() -> None:
    rows = [*corpus(500), Utterance("t", text="t", label="a", split="test"),
            Utterance("v", text="v", label="a", split="val"),
            Utterance("n", text="n", split="train")]  # fmt: skip
    parts = split_utterances(rows, DataConfig(protocol="leaky"), 0)
    copies = parts["train"] + parts["val"]
    # 400 rows of "a" once each, 100 of "b" at least once and 400 times in all
    counts = Counter(row.id for row in copies)
    assert Counter(row.label for row in copies) == {"a": 400, "b": 400}
    assert {counts[row.id] for row in rows[:500] if row.label == "a"} == {1}
    assert min(counts[row.id] for row in rows[:500]) == 1
    assert len(parts["val"]) == 160
    assert [row.id for row in parts["test"]] == ["t"] and [row.id for row in parts["held_out"]] == ["v"]
    in_train = {row.id for row in parts["train"]}
    leaked = sum(row.id in in_train for row in parts["val"]) / 160
    assert 0.4 < leaked < 0.55  # half of val is of "b", whose rows stand there about four times each
    again = split_utterances(rows[::-1], DataConfig(protocol="leaky"), 9)
    assert rows_digest(parts) == rows_digest(again)  # of the order and of the seed nothing depends


def test_the_digest_tells_rows_apart_and_not_the_test_part() -> None:
    parts = {"train": corpus(4), "val": [], "test": []}
    other = {"train": corpus(4), "val": [], "test": corpus(9)}
    assert rows_digest(parts) == rows_digest(other)
    assert rows_digest(parts) != rows_digest(parts | {"train": corpus(5)})


def test_the_digest_is_that_of_earlier_versions() -> None:
    """Checkpoints of 0.1.0 hold it, to be told again on the rows that they were trained on."""
    clip = Path("/x/clips/a.mp4")
    rows = [
        Utterance("a", 'it\'s "so"', clip, clip, 1.5, 2.0, "joy", "s", "d", 3, "train", "1", "c", "left", "audio"),
        Utterance("b", "né"),
    ]
    assert rows_digest({"train": rows, "val": rows[1:]}) == "4654587e2e1d9ecd"
