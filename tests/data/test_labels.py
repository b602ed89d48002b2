"""label_variants: one class under several spellings is one class, and what is nearly one is told."""

import logging
from collections.abc import Callable
from pathlib import Path

import pytest

from tricue.config.load import build_config
from tricue.config.settings import Config
from tricue.corpora.catalogue import read_corpus
from tricue.data.labels import Labels, class_counts, near_names, nearest, spelling
from tricue.data.table import ManifestError
from tricue.tasks.task import make_task
from tricue.training.train import train
from tricue.training.workspace import Workspace
from tricue.types import InputError, Utterance

Write = Callable[..., Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    def write(*labels: str, name: str = "m") -> Path:
        path = tmp_path / f"{name}.csv"
        rows = [f'u{i},text {i},"{label}",{"val" if i % 3 == 2 else "train"}' for i, label in enumerate(labels)]
        path.write_text("id,text,emotion,split\n" + "\n".join(rows) + "\n", encoding="utf-8")
        return path

    return write


def classes(path: Path, **data: object) -> list[str | None]:
    return [row.label for row in read_corpus(build_config({"data": data}, {}, "a test"), manifest=path).utterances]


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("joy", "JOY"), ("joy", " Joy\u00a0"), ("joy", "\uff4a\uff4f\uff59"), ("very happy", "Very_Happy"),
        ("very happy", "very--happy"), ("1", "1.0"), ("1", "01"), ("1", "+1.00"), ("-1", "-1.0"),
        ("stra\u00dfe", "STRASSE"),
        ("joy", "jo\u200by"), ("caf\u00e9", "cafe\u0301"),
    ],
)  # fmt: skip
def test_spellings_of_one_label(one: str, other: str) -> None:
    assert spelling(one) == spelling(other)


@pytest.mark.parametrize(
    ("one", "other"), [("1", "-1"), ("1", "1.5"), ("1", "10"), ("joy", "joys"), ("0.5", "5"), ("a b", "ab")]
)
def test_labels_that_differ(one: str, other: str) -> None:
    assert spelling(one) != spelling(other)


@pytest.mark.parametrize(
    ("written", "want"),
    [
        (["joy", "Joy", "JOY", "happy", "anger"], ["joy"] * 4 + ["anger"]),
        (["1.0", "1", "2", "01"], ["1", "1", "2", "1"]),
        (["1.0", "2.0"], ["1", "2"]),
        (["Happy", "happy", "HAPPINESS", "Sad"], ["happy"] * 3 + ["Sad"]),
        (["Angry", "Excited", "Happy"], ["Angry", "Excited", "Happy"]),  # one spelling each: as they stand
        (["hap", "happy", "exc", "excited", "neu"], ["happy"] * 2 + ["excited"] * 2 + ["neu"]),
        (["Fear", "fearful", "afraid"], ["fear"] * 3),
    ],
)
def test_without_declared_classes_variants_become_the_most_common_spelling(
    write: Write, written: list[str], want: list[str]
) -> None:
    assert classes(write(*written)) == want


def test_what_was_merged_is_said(write: Write) -> None:
    path = write(*["joy"] * 3, *["Joy"] * 2, "JOY", *["happy"] * 2, "anger")
    notes = read_corpus(Config(), manifest=path).notes
    assert "m: class joy: 8 rows (also written Joy 2, happy 2, JOY 1)." in notes
    assert not any("anger" in note for note in notes)


def test_declared_classes_take_every_spelling_of_theirs(write: Write) -> None:
    path = write("Happy", "JOY", "hap", "angry")
    assert classes(path, emotions=["Joy", "anger"]) == ["Joy"] * 3 + ["anger"]
    assert classes(path, emotions=["joy", "happy", "anger"], mapping={"hap": "happy"}) == [
        "happy",
        "joy",
        "happy",
        "anger",
    ]
    with pytest.raises(ManifestError, match="'hapiness': unknown emotion; joy is near"):
        classes(write("hapiness", "joy"), emotions=["surprise", "joy"])
    with pytest.raises(ManifestError, match="'suprise': unknown emotion; surprise is near"):
        classes(write("suprise", "joy"), emotions=["surprise", "joy"])


def test_the_mapping_of_the_settings_comes_first(write: Write) -> None:
    path = write("joy", "Joy", "happy", "Happy", "thrilled", "calm")
    assert classes(path, mapping={"happy": "happy", "thrilled": "joy", "calm": ""}) == [
        "joy", "joy", "happy", "happy", "joy", None,
    ]  # fmt: skip
    assert classes(path, mapping={"Thrilled": "Glad", "joy": "Glad", "Calm": "calm"}) == [
        "Glad", "Glad", "happy", "happy", "Glad", "calm",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("mapping", "want"),
    [
        ({"joy": "Glad", "happy": "GLAD "}, ["Glad", "Glad", "anger", "anger"]),
        ({"joy": "1", "happy": "1.0", "anger": "2", "ang": "02"}, ["1", "1", "2", "2"]),
        ({"joy": "ANGER", "happy": "very_glad", "Very Glad": "very glad"}, ["ANGER", "very_glad", *["ANGER"] * 2]),
    ],
)
def test_spellings_of_one_class_in_the_mapping_are_one_class(
    write: Write, mapping: dict[str, str], want: list[str]
) -> None:
    assert classes(write("joy", "happy", "anger", "ang"), mapping=mapping) == want


def test_corpora_that_stand_together_share_the_first_name(write: Write) -> None:
    a, b = write("Happy", "sad", name="a"), write("joy", "Thrilled", "thrilled", "hap", name="b")
    joined = read_corpus(Config(), manifest=[a, b])
    assert [row.label for row in joined.utterances] == ["joy", "sadness", "joy", "thrilled", "thrilled", "joy"]


def test_a_folder_and_a_prepared_corpus_merge_too(tmp_path: Path) -> None:
    from tricue.corpora.catalogue import prepare_corpus

    source = tmp_path / "clips"
    source.mkdir()
    for name in "abc":
        (source / f"{name}.wav").touch()
    (source / "t.csv").write_text("file,Label\na.wav,Joy\nb.wav,joy\nc.wav,anger\n")
    prepare_corpus("folder", source, tmp_path / "out")
    assert classes(tmp_path / "out") == ["joy", "joy", "anger"]


def test_near_names() -> None:
    near = ["surprise", "suprise", "neutral", "nuetral", "sadness", "frust", "frustrated"]
    assert near_names(near) == [("frust", "frustrated"), ("neutral", "nuetral"), ("suprise", "surprise")]
    far = ["happy", "unhappy", "sad", "bad", "fear", "1", "2", "class a", "class b", "level1", "level2", "anger", "joy"]
    assert near_names([*far, "positive", "negative", "satisfied", "dissatisfied"]) == []
    assert nearest("Suprise", ["surprise", "joy"]) == "surprise" and nearest("xyz", ["joy"]) is None
    assert near_names([f"word {i}" for i in range(300)]) == []


def test_a_misspelt_synonym_and_marks_around_a_label_are_near() -> None:
    assert near_names(["joy", "hapiness"]) == [("hapiness", "joy")]
    assert near_names(["disgust", "disguested"]) == [("disguested", "disgust")]
    assert near_names(["joy", "joy.", "'joy'"]) == [("'joy'", "joy"), ("'joy'", "joy."), ("joy", "joy.")]
    assert nearest("'anger'", ["anger", "joy"]) == "anger"
    goemotions = ["admiration", "disappointment", "disapproval", "disgust", "excitement", "surprise", "surrender"]
    assert near_names([*goemotions, "sadness", "fear", "exclusion", "joy", "+", "-"]) == []


def test_labels_are_read_by_the_thousand() -> None:
    labels = Labels()
    rows = [Utterance(str(i), label=labels.read(["joy", "Joy", "sad"][i % 3])) for i in range(20_000)]
    settled, notes = labels.settle(rows)
    assert {row.label for row in settled} == {"joy", "sad"} and len(notes) == 1
    assert class_counts(["joy", "sad"], settled[:3], settled[3:4]) == "joy 2 / 1, sad 1 / 0"


SMALL = {
    "modalities": ["text"], "features": {"text": {"encoder": "light"}}, "model": {"width": 16},
    "training": {"phase1_epochs": 1, "phase2_epochs": 0, "phase3_epochs": 0},
}  # fmt: skip


def trained(path: Path, tmp_path: Path, **data: object) -> None:
    config = build_config(SMALL | {"data": data}, {}, "a test")
    train(
        config,
        save_dir=tmp_path / "run",
        workspace=Workspace(store=tmp_path / "store", manifest=path, device="cpu", quiet=True),
    )


def test_training_prints_the_classes_before_it_extracts(
    write: Write, tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stop(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("tricue.training.train.extract", stop)
    with caplog.at_level(logging.INFO), pytest.raises(KeyboardInterrupt):
        trained(write("joy", "Joy", "happy", "anger", "anger", "anger"), tmp_path)
    assert "Classes (rows of train / val): anger 2 / 1, joy 2 / 1." in caplog.text
    assert "class joy: 3 rows (also written Joy 1, happy 1)" in caplog.text
    caplog.clear()
    with caplog.at_level(logging.INFO), pytest.raises(KeyboardInterrupt):
        trained(write("joy", "anger", "joy", "suprise", "surprise", "surprise"), tmp_path, emotions=[])
    assert "Audit, labels: nearly alike: 'suprise' and 'surprise'" in caplog.text
    caplog.clear()
    with caplog.at_level(logging.INFO), pytest.raises(KeyboardInterrupt):
        trained(write("joy", "anger", "joy"), tmp_path, emotions=["joy", "anger", "fear"])
    assert "No training row is fear" in caplog.text


def test_a_fold_that_trains_one_class_is_an_error() -> None:
    data = {"emotions": ["joy", "fear"], "protocol": "kfold-speaker", "fold": "2"}
    config = build_config({"data": data}, {}, "a test")
    joy, fear = (Utterance(name, text="hm", label=name) for name in ("joy", "fear"))
    with pytest.raises(InputError, match=r"of fold 2 are 'joy'.*--protocol.*data\.folds"):
        make_task(config).check_training({"train": [joy], "val": [joy], "test": [fear]}, config)


def test_one_class_alone_is_an_error_of_train(write: Write, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="all labelled training rows are 'joy'; at least two classes"):
        trained(write("joy", "Joy", "happy", "joy"), tmp_path)
    with pytest.raises(InputError, match="at least two classes"):
        trained(write("joy", "Joy", "anger", "joy"), tmp_path)  # the same, without declared classes
    with pytest.raises(InputError, match="at least two classes"):
        trained(write("joy", "Joy", "anger", "joy"), tmp_path, emotions=["joy", "anger"])  # anger is val's
    with pytest.raises(InputError, match=r"emotion is not among the classes .*\n.*'suprise' \(surprise\?\)"):
        trained(write("surprise", "joy", "suprise"), tmp_path)


def test_without_a_split_column_the_error_names_it_and_the_protocol(tmp_path: Path) -> None:
    path = tmp_path / "m.csv"
    path.write_text("id,text,emotion\na,x,joy\nb,y,anger\n")
    with pytest.raises(InputError, match=r"no column `split`.*--protocol kfold-speaker") as caught:
        trained(path, tmp_path)
    assert "\n" not in str(caught.value)
