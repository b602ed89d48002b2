"""data/IEMOCAP/{train,dev,test}/ and data/MELD/...: a corpus folder, or a manifest.csv, in each is a split."""

from pathlib import Path

import pytest

from tricue.audit.audit import audit_corpus
from tricue.config.load import load_config
from tricue.config.settings import Config
from tricue.corpora.catalogue import prepare_corpus, read_corpus
from tricue.types import InputError

PARTS = {"train": "train", "dev": "val", "test": "test"}


def session(folder: Path, number: int, lines: list[tuple[str, str, str]]) -> None:
    """Sessions of a few turns: (turn's number, label, words)."""
    dialogue = f"Ses0{number}F_impro01"
    for name, text in {
        "EmoEvaluation": "".join(
            f"[{i}.0 - {i + 1}.0]\t{dialogue}_{turn}\t{label}\t[2.5, 2.5, 2.5]\n"
            for i, (turn, label, _) in enumerate(lines)
        ),
        "transcriptions": "".join(f"{dialogue}_{turn} [0.0-1.0]: {words}\n" for turn, _, words in lines),
    }.items():
        path = folder / f"Session{number}" / "dialog" / name / f"{dialogue}.txt"
        path.parent.mkdir(parents=True)
        path.write_text(text)


def manifest(folder: Path, rows: list[str]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "manifest.csv").write_text("id,text,emotion,dialogue,split\n" + "\n".join(rows) + "\n")


def rows_of(source: Path, name: str = "IEMOCAP", **overrides: str) -> list[tuple[str, str | None, str | None]]:
    config = load_config(name, {f"data.{key}": value for key, value in overrides.items()})
    return [(row.id, row.split, row.label) for row in read_corpus(config, data_dir=source).utterances]


def test_a_corpus_folder_in_each_is_a_split(tmp_path: Path) -> None:
    for number, part in enumerate(PARTS, start=3):  # Session5, elsewhere the test part, is here what its folder says
        session(tmp_path / part / "IEMOCAP_full_release", number, [("F000", "hap", "Good."), ("M000", "xxx", "Hm.")])
    assert rows_of(tmp_path) == [
        ("Ses03F_impro01_F000", "train", "happy"), ("Ses03F_impro01_M000", "train", None),
        ("Ses04F_impro01_F000", "val", "happy"), ("Ses04F_impro01_M000", "val", None),
        ("Ses05F_impro01_F000", "test", "happy"), ("Ses05F_impro01_M000", "test", None),
    ]  # fmt: skip
    corpus = read_corpus(load_config("IEMOCAP"), data_dir=tmp_path)
    assert [count.found for count in corpus.counts] == [6, 3]  # of all parts together
    assert "IEMOCAP: split by its folders: train/ 2, dev/ 2, test/ 2 rows." in corpus.notes
    prepare_corpus("IEMOCAP", tmp_path, tmp_path / "out")
    assert [row.split for row in read_corpus(Config(), manifest=tmp_path / "out").utterances] == [
        "train", "train", "val", "val", "test", "test",
    ]  # fmt: skip


@pytest.mark.parametrize("name", ["IEMOCAP", "MELD"])
def test_a_manifest_in_each_is_a_split_whatever_its_own_column_says(tmp_path: Path, name: str) -> None:
    for part in PARTS:  # ids and dialogues begin anew in each
        manifest(tmp_path / part, [f"1,{part} one,Happy,7,train", f"2,{part} two,sadness,7,train"])
    happy, sad = ("happy", "sad") if name == "IEMOCAP" else ("joy", "sadness")
    assert rows_of(tmp_path, name) == [
        (f"{part}/{number}", split, emotion)
        for part, split in PARTS.items()
        for number, emotion in ((1, happy), (2, sad))
    ]
    corpus = read_corpus(load_config(name), data_dir=tmp_path)
    assert len({row.dialogue for row in corpus.utterances}) == 3


def test_a_label_set_holds_for_manifests_too(tmp_path: Path) -> None:
    manifest(tmp_path / "train", ["a,x,excited,,", "b,y,Fearful,,", "c,z,ang,,"])
    assert rows_of(tmp_path, labels="4-way") == [("a", "train", "happy"), ("b", "train", None), ("c", "train", "angry")]


def test_the_same_row_in_two_parts_is_still_found_as_a_leak(tmp_path: Path) -> None:
    manifest(tmp_path / "train", ["a,one two three four five,sad,,", "b,y,happy,,"])
    session(tmp_path / "valid", 1, [("F000", "hap", "Good.")])
    manifest(tmp_path / "test", ["a,one two three four five,sad,,"])
    corpus = read_corpus(load_config("IEMOCAP"), data_dir=tmp_path)
    found = {check.name: check.verdict for check in audit_corpus(corpus, load_config("IEMOCAP"), fast=True).checks}
    assert found["ids"] == "fail" and found["texts"] == "fail"


def test_capitals_of_the_folders_do_not_matter(tmp_path: Path) -> None:
    manifest(tmp_path / "Train", ["a,x,sad,,"])
    manifest(tmp_path / "DEV", ["b,y,happy,,"])
    assert rows_of(tmp_path) == [("a", "train", "sad"), ("b", "val", "happy")]


def test_two_folders_of_one_split_are_refused(tmp_path: Path) -> None:
    for part in ("train", "dev", "val"):
        manifest(tmp_path / part, ["a,x,sad,,"])
    with pytest.raises(InputError, match="are one split"):
        rows_of(tmp_path)
