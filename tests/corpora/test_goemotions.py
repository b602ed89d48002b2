"""The reader of GoEmotions on small files written by hand after the published description (goemotions/README.md,
emotions.txt and ekman_mapping.json in github.com/google-research/google-research; the comments are made up)."""

from pathlib import Path

import pytest

from tricue.config.load import build_config, load_config
from tricue.config.settings import Config
from tricue.corpora.goemotions import read
from tricue.types import Fault, InputError

# emotions.txt, one a line; the numbers below count its lines from 0
EMOTIONS = (
    "admiration amusement anger annoyance approval caring confusion curiosity desire disappointment disapproval "
    "disgust embarrassment excitement fear gratitude grief joy love nervousness optimism pride realization relief "
    "remorse sadness surprise neutral"
)
# quotes are not quoting; joy and admiration are one group, sadness and anger are not; [NAME] is published so
TRAIN = (
    'He said "no\t27\teaa0001\n'
    "Well done, [NAME]!\t0,17\teaa0002\n"
    "I’m sad and angry\t2,25\teaa0003\n"
    "What is this?\t7\teaa0004\n"
    '"Ugh\t11\teaa0005\n'
)
DEV = "Sorry for that\t24\teaa0006\nSo nervous\t14,19\teaa0007\n"
TEST = "A comment\t27\teaa0008\n"
# the grouped form: the numbers count labels.txt
LABELS = "anger\ndisgust\nfear\njoy\nneutral\nsadness\nsurprise"
GROUPED = "He said no\t4\teaa0001\nWell done!\t3\teaa0002\nSad and angry\t0,5\teaa0003\nWhat?\t6\teaa0004\n"


def write(path: Path, text: str, encoding: str = "utf-8") -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(text.encode(encoding))


def named(**data: object) -> Config:
    return build_config({"data": {"name": "GoEmotions", **data}}, {}, "test")


@pytest.fixture
def published(tmp_path: Path) -> Path:
    write(tmp_path / "train.tsv", TRAIN)
    write(tmp_path / "dev.tsv", DEV)
    write(tmp_path / "emotions.txt", EMOTIONS.replace(" ", "\n"))
    return tmp_path


def test_rows_of_one_class(published: Path) -> None:
    corpus = read(published, Config())
    assert [(row.id, row.text, row.label, row.split) for row in corpus.utterances] == [
        ("eaa0001", 'He said "no', "neutral", "train"),
        ("eaa0002", "Well done, [NAME]!", "joy", "train"),
        ("eaa0004", "What is this?", "surprise", "train"),
        ("eaa0005", '"Ugh', "disgust", "train"),
        ("eaa0006", "Sorry for that", "sadness", "val"),
        ("eaa0007", "So nervous", "fear", "val"),
    ]
    assert corpus.emotions == ["anger", "disgust", "fear", "joy", "neutral", "sadness", "surprise"]
    assert "GoEmotions: train comments of several classes, left out: 1." in corpus.notes
    assert corpus.faults == []


def test_every_published_label_has_its_class(tmp_path: Path) -> None:
    lines = [f"Text\t{number}\teaa{number:04d}\n" for number in range(28)]
    write(tmp_path / "train.tsv", "".join(lines))
    classes = {name: row.label for name, row in zip(EMOTIONS.split(), read(tmp_path, Config()).utterances, strict=True)}
    grouped: dict[str, set[str]] = {}
    for name, emotion in classes.items():
        grouped.setdefault(str(emotion), set()).add(name)
    assert grouped == {  # ekman_mapping.json
        "anger": {"anger", "annoyance", "disapproval"},
        "disgust": {"disgust"},
        "fear": {"fear", "nervousness"},
        "joy": {
            "joy", "amusement", "approval", "excitement", "gratitude", "love", "optimism", "relief", "pride",
            "admiration", "desire", "caring",
        },
        "neutral": {"neutral"},
        "sadness": {"sadness", "disappointment", "embarrassment", "grief", "remorse"},
        "surprise": {"surprise", "realization", "confusion", "curiosity"},
    }  # fmt: skip


def test_the_grouped_form_counts_its_own_names(tmp_path: Path) -> None:
    write(tmp_path / "train.tsv", GROUPED)
    write(tmp_path / "labels.txt", LABELS)
    rows = read(tmp_path, Config()).utterances
    assert [(row.id, row.label) for row in rows] == [
        ("eaa0001", "neutral"), ("eaa0002", "joy"), ("eaa0004", "surprise"),
    ]  # fmt: skip


def test_the_grouped_form_without_its_names_is_not_guessed(tmp_path: Path) -> None:
    write(tmp_path / "train.tsv", GROUPED)
    with pytest.raises(InputError, match=r"no label above 6: grouped files.*labels\.txt beside them"):
        read(tmp_path, Config())


def test_without_names_the_28_are_assumed(published: Path) -> None:
    corpus = read(published, Config())
    (published / "emotions.txt").unlink()
    assert read(published, Config()) == corpus


def test_counts(published: Path) -> None:
    write(published / "test.tsv", TEST)
    corpus = read(published, Config())
    assert list(map(str, corpus.counts)) == [
        "5 train lines; published are 43,410 (difference -43,405).",
        "4 train rows of one class; published are 39,555 (difference -39,551).",
        "2 dev lines; published are 5,426 (difference -5,424).",
        "2 dev rows of one class; published are 4,946 (difference -4,944).",
        "1 test lines; published are 5,427 (difference -5,426).",
    ]
    assert corpus.utterances[-1].split == "test"


def test_a_missing_split_is_a_note(published: Path) -> None:
    assert f"GoEmotions: no test.tsv in {published}: no test rows." in read(published, Config()).notes


@pytest.mark.parametrize("folder", ["data", "goemotions/data", "data/ekman"])
def test_deeper_folders(tmp_path: Path, folder: str) -> None:
    write(tmp_path / folder / "train.tsv", TRAIN)
    assert len(read(tmp_path, Config()).utterances) == 4


def test_two_groupings_are_not_guessed_between(tmp_path: Path) -> None:
    for folder in ("ekman", "original"):
        write(tmp_path / "data" / folder / "train.tsv", TRAIN)
    with pytest.raises(InputError, match="stands more than once"):
        read(tmp_path, Config())


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "cp1252"])
def test_encodings_and_line_ends(published: Path, encoding: str) -> None:
    write(published / "train.tsv", TRAIN.replace("2,25", "25").replace("\n", "\r\n"), encoding)
    texts = [row.text for row in read(published, Config()).utterances]
    assert texts[2] == "I’m sad and angry"


def test_other_line_separators_stay_in_the_text(published: Path) -> None:
    write(published / "dev.tsv", "Two\u2028lines\x85of text\t27\teaa0009\n")
    assert read(published, Config()).utterances[-1].text == "Two\u2028lines\x85of text"


def test_malformed_lines_are_counted(published: Path) -> None:
    write(published / "dev.tsv", DEV + "text\tlabels\tid\n\nno label\t\teaa0010\nno id\t3\t\na\tb\tc\td\n")
    corpus = read(published, Config())
    note = "lines of dev.tsv that are not text, labels and id, left out: 4 (line 3, 5, 6, ...)."
    assert f"GoEmotions: {note}" in corpus.notes
    assert len(corpus.utterances) == 6


def test_a_comment_without_words_stays_and_is_reported(published: Path) -> None:
    write(published / "dev.tsv", " \t27\teaa0010\n")
    corpus = read(published, Config())
    assert corpus.utterances[-1].text is None
    assert corpus.faults == [Fault("eaa0010", "text", "no words")]


def test_labels_that_would_be_wrong_are_errors(published: Path) -> None:
    write(published / "dev.tsv", "Text\t28\teaa0010\n")
    with pytest.raises(InputError, match=r"dev\.tsv, line 1: label 28, but there are 28 names"):
        read(published, Config())
    write(published / "emotions.txt", "ambiguous\nnegative\nneutral\npositive")
    with pytest.raises(InputError, match="not GoEmotions': ambiguous, negative, positive"):
        read(published, Config())
    write(published / "labels.txt", LABELS)
    with pytest.raises(InputError, match=r"emotions\.txt and labels\.txt in .* differ"):
        read(published, Config())


def test_a_comment_that_repeats_is_an_error(published: Path) -> None:
    write(published / "dev.tsv", DEV.replace("eaa0007", "eaa0002"))
    with pytest.raises(InputError, match=r"eaa0002 stands twice: train\.tsv, line 2 and dev\.tsv, line 2"):
        read(published, Config())


def test_settings(published: Path) -> None:
    shipped = load_config("goemotions")
    assert read(published, shipped).emotions == shipped.data.emotions
    with pytest.raises(InputError, match="GoEmotions has anger, disgust"):
        read(published, named(emotions=["joy"]))
    with pytest.raises(InputError, match=r"no label set '28'\. Known: ekman"):
        read(published, named(labels="28"))


def test_a_folder_that_is_not_the_corpus(tmp_path: Path) -> None:
    write(tmp_path / "train.csv", "id,text,emotion,split\n")
    with pytest.raises(InputError, match=r"No GoEmotions in .*expected train\.tsv.*found train\.csv.*Download"):
        read(tmp_path, Config())
    with pytest.raises(InputError, match="found no such folder"):
        read(tmp_path / "none", Config())


def test_half_of_the_corpus(tmp_path: Path) -> None:
    write(tmp_path / "emotions.txt", EMOTIONS)
    with pytest.raises(InputError, match=r"found emotions\.txt"):
        read(tmp_path, Config())
