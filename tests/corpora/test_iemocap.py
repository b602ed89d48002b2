"""The reader of IEMOCAP on a small release written by hand after the published description: the layout and the lines
of README.txt in IEMOCAP_full_release (Busso et al., 2008); the odd lines after what its users report."""

from pathlib import Path

import pytest

from tricue.config.load import build_config, load_config
from tricue.config.settings import Config
from tricue.corpora.iemocap import read
from tricue.data.table import ManifestError
from tricue.types import Fault, InputError

HEADER = "% [START_TIME - END_TIME] TURN_NAME EMOTION [V, A, D]\n\n"
# turns in the order of the file, not of time; after each the annotators' single votes
IMPRO = HEADER + (
    "[6.2901 - 8.2357]\tSes01F_impro01_F000\tneu\t[2.5000, 2.5000, 2.5000]\n"
    "C-E2:\tNeutral;\t()\n"
    "C-F1:\tNeutral;\t(curious)\n"
    "A-E3:\tval 3; act 2; dom  2;\t()\n\n"
    "[14.8872 - 18.0175]\tSes01F_impro01_M001\texc\t[2.5000, 3.0000, 3.0000]\n"
    "C-E2:\tExcited;\t()\n\n"
    "[10.0100 - 11.3925]\tSes01F_impro01_M000\txxx\t[2.5000, 3.0000, 2.5000]\n"
    "C-E2:\tNeutral;\t()\n"
    "C-E3:\tAnger;\t()\n\n"
    "[19.2900 - 20.7875]\tSes01F_impro01_F001\tfea\t[2.5000, 3.0000, 3.0000]\n"
)
IMPRO_WORDS = (
    "Ses01F_impro01_F000 [006.2901-008.2357]: Excuse me.\n"
    "Ses01F_impro01_M000 [010.0100-011.3925]: Yeah.\n"
    "Ses01F_impro01_M001 [014.8872-018.0175]: There’s a — problem?\n"
    "M: [LAUGHTER]\n"
    "Ses01F_impro01_FXX0 [018.5000-019.0000]: Uh.\n"
    "Ses01F_impro01_F001 [019.2900-020.7875]: Well what’s the problem?\n"
)
SCRIPT = HEADER + (
    "[1.0000 - 2.5000]\tSes05M_script01_1b_M000\tsad\t[2.5000, 2.5000, 2.5000]\n"
    "[3.0000 - 4.0000]\tSes05M_script01_1b_F000\thap\t[4.0000, 2.5000, 2.5000]\n"
)
SCRIPT_WORDS = (
    "Ses05M_script01_1b_M000 [001.0000-002.5000]: What happened?\n"
    "Ses05M_script01_1b_F000 [003.0000-004.0000]: Nothing.\n"
)


def write(path: Path, text: str, encoding: str = "utf-8") -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(text.encode(encoding))


def touch(folder: Path, *names: str) -> None:
    for name in names:
        write(folder / name, "not decoded")


def named(**data: object) -> Config:
    return build_config({"data": {"name": "IEMOCAP", **data}}, {}, "test")


@pytest.fixture
def release(tmp_path: Path) -> Path:
    root = tmp_path / "IEMOCAP_full_release"
    write(root / "Session1/dialog/EmoEvaluation/Ses01F_impro01.txt", IMPRO)
    write(root / "Session1/dialog/EmoEvaluation/Categorical/Ses01F_impro01_e1_cat.txt", "not read")
    write(root / "Session1/dialog/transcriptions/Ses01F_impro01.txt", IMPRO_WORDS)
    write(root / "Session5/dialog/EmoEvaluation/Ses05M_script01_1b.txt", SCRIPT)
    write(root / "Session5/dialog/transcriptions/Ses05M_script01_1b.txt", SCRIPT_WORDS)
    return root


@pytest.fixture
def with_media(release: Path) -> Path:
    touch(
        release / "Session1/sentences/wav/Ses01F_impro01",
        *(f"Ses01F_impro01_{turn}.wav" for turn in ("F000", "F001", "M000", "M001")),
        "._Ses01F_impro01_F000.wav",
    )
    touch(release / "Session5/dialog/wav", "Ses05M_script01_1b.wav")
    touch(release / "Session1/dialog/avi/DivX", "Ses01F_impro01.avi", "._Ses01F_impro01.avi")
    touch(release / "Session5/dialog/avi/DivX", "Ses05M_script01_1b.avi")
    return release


def test_turns_stand_in_the_order_of_time(release: Path) -> None:
    corpus = read(release, Config())
    assert [(row.id, row.dialogue, row.turn, row.session, row.split) for row in corpus.utterances] == [
        ("Ses01F_impro01_F000", "Ses01F_impro01", 0, "Session1", "train"),
        ("Ses01F_impro01_M000", "Ses01F_impro01", 1, "Session1", "train"),
        ("Ses01F_impro01_M001", "Ses01F_impro01", 2, "Session1", "train"),
        ("Ses01F_impro01_F001", "Ses01F_impro01", 3, "Session1", "train"),
        ("Ses05M_script01_1b_M000", "Ses05M_script01_1b", 0, "Session5", "test"),
        ("Ses05M_script01_1b_F000", "Ses05M_script01_1b", 1, "Session5", "test"),
    ]
    first = corpus.utterances[0]
    assert (first.text, first.label, first.start, first.end) == ("Excuse me.", "neutral", 6.2901, 8.2357)


def test_the_letter_of_the_turn_speaks_not_that_of_the_prefix(with_media: Path) -> None:
    rows = {row.id: row for row in read(with_media, Config()).utterances}
    assert {name: (row.speaker, row.crop) for name, row in rows.items()} == {
        "Ses01F_impro01_F000": ("Ses01_F", "left"),
        "Ses01F_impro01_M000": ("Ses01_M", "right"),
        "Ses01F_impro01_M001": ("Ses01_M", "right"),
        "Ses01F_impro01_F001": ("Ses01_F", "left"),
        "Ses05M_script01_1b_M000": ("Ses05_M", "left"),
        "Ses05M_script01_1b_F000": ("Ses05_F", "right"),
    }


def test_media(with_media: Path) -> None:
    corpus = read(with_media.parent, Config())  # the folder that holds the release
    rows = {row.id: row for row in corpus.utterances}
    sentence, stretch = rows["Ses01F_impro01_M001"], rows["Ses05M_script01_1b_F000"]
    assert sentence.audio == with_media / "Session1/sentences/wav/Ses01F_impro01/Ses01F_impro01_M001.wav"
    assert sentence.video == with_media / "Session1/dialog/avi/DivX/Ses01F_impro01.avi"
    assert (sentence.cut, sentence.start, sentence.end) == ("audio", 14.8872, 18.0175)
    assert stretch.audio == with_media / "Session5/dialog/wav/Ses05M_script01_1b.wav"
    assert (stretch.cut, stretch.start, stretch.end) == (None, 3.0, 4.0)
    assert corpus.faults == []


def test_text_alone_is_a_note_and_no_fault(release: Path) -> None:
    corpus = read(release, Config())
    assert corpus.faults == []
    assert all(row.audio is None and row.video is None and row.crop is None for row in corpus.utterances)
    assert "IEMOCAP: neither sentences/wav nor dialog/wav in any session: no audio." in corpus.notes
    assert "IEMOCAP: no dialog/avi/DivX in any session: no video." in corpus.notes
    assert "IEMOCAP: no annotations of Session2, Session3, Session4: no rows of theirs." in corpus.notes


def test_a_missing_file_is_a_fault_and_the_row_stays(with_media: Path) -> None:
    (with_media / "Session1/sentences/wav/Ses01F_impro01/Ses01F_impro01_M001.wav").unlink()
    (with_media / "Session5/dialog/avi/DivX/Ses05M_script01_1b.avi").unlink()
    corpus = read(with_media, Config())
    assert corpus.faults == [
        Fault("Ses01F_impro01_M001", "audio", "neither Ses01F_impro01_M001.wav nor Ses01F_impro01.wav"),
        Fault("Ses05M_script01_1b_M000", "video", "no Ses05M_script01_1b.avi"),
        Fault("Ses05M_script01_1b_F000", "video", "no Ses05M_script01_1b.avi"),
    ]
    assert len(corpus.utterances) == 6


def test_a_missing_sentence_file_is_read_from_the_dialogue(with_media: Path) -> None:
    (with_media / "Session1/sentences/wav/Ses01F_impro01/Ses01F_impro01_M001.wav").unlink()
    touch(with_media / "Session1/dialog/wav", "Ses01F_impro01.wav")
    corpus = read(with_media, Config())
    row = next(row for row in corpus.utterances if row.id == "Ses01F_impro01_M001")
    assert (row.audio, row.cut) == (with_media / "Session1/dialog/wav/Ses01F_impro01.wav", None)
    assert corpus.faults == []
    notes = [note for note in corpus.notes if "without a sentence file" in note]
    assert notes and "3 (Ses01F_impro01_M001, Ses05M_script01_1b_M000, Ses05M_script01_1b_F000)" in notes[0]


def test_missing_words_are_a_fault(release: Path) -> None:
    (release / "Session5/dialog/transcriptions/Ses05M_script01_1b.txt").unlink()
    corpus = read(release, Config())
    reason = "no words in the transcription of Ses05M_script01_1b"
    assert [(fault.modality, fault.reason) for fault in corpus.faults] == [("text", reason)] * 2
    (release / "Session1/dialog/transcriptions/Ses01F_impro01.txt").unlink()
    corpus = read(release, Config())
    assert corpus.faults == []
    assert "IEMOCAP: no transcriptions in any session: no text." in corpus.notes


def test_odd_lines_are_counted_and_named(release: Path) -> None:
    write(release / "Session1/dialog/EmoEvaluation/notes.txt", "[1 - 2]\tof someone\n")
    write(release / "Session1/dialog/EmoEvaluation/._Ses01F_impro01.txt", "\0")
    damaged = SCRIPT + "[5.0000 - \n"
    write(release / "Session5/dialog/EmoEvaluation/Ses05M_script01_1b.txt", damaged)
    write(release / "Session5/dialog/transcriptions/Ses05M_script01_1b.txt", SCRIPT_WORDS * 2)
    corpus = read(release, Config())
    assert len(corpus.utterances) == 6
    assert [note for note in corpus.notes if "any session" not in note and "no rows" not in note] == [
        "IEMOCAP: lines of transcriptions without a turn: 1 (Ses01F_impro01.txt, line 4).",
        "IEMOCAP: transcribed turns that are not annotated, left out: 1 (Ses01F_impro01_FXX0).",
        "IEMOCAP: files in EmoEvaluation that are not of a dialogue: 1 (notes.txt).",
        "IEMOCAP: lines of EmoEvaluation that are not understood: 1 (Ses05M_script01_1b.txt, line 5).",
        "IEMOCAP: turns that are transcribed twice, the first is read: 2 "
        "(Ses05M_script01_1b_M000, Ses05M_script01_1b_F000).",
    ]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "cp1252"])
def test_encodings_and_line_ends(release: Path, encoding: str) -> None:
    write(release / "Session1/dialog/transcriptions/Ses01F_impro01.txt", IMPRO_WORDS.replace("\n", "\r\n"), encoding)
    write(release / "Session1/dialog/EmoEvaluation/Ses01F_impro01.txt", IMPRO.replace("\n", "\r\n"), encoding)
    texts = [row.text for row in read(release, Config()).utterances]
    assert texts[2:4] == ["There’s a — problem?", "Well what’s the problem?"]


@pytest.mark.parametrize(
    ("labels", "classes", "emotions"),
    [
        (
            "8-way",
            ["angry", "excited", "fear", "frustrated", "happy", "neutral", "sad", "surprised"],
            ["neutral", None, "excited", "fear", "sad", "happy"],
        ),
        (
            "6-way",
            ["angry", "excited", "frustrated", "happy", "neutral", "sad"],
            ["neutral", None, "excited", None, "sad", "happy"],
        ),
        ("4-way", ["angry", "happy", "neutral", "sad"], ["neutral", None, "happy", None, "sad", "happy"]),
    ],
)
def test_label_sets(release: Path, labels: str, classes: list[str], emotions: list[str | None]) -> None:
    corpus = read(release, named(labels=labels, emotions=["joy"]))
    assert corpus.emotions == classes
    assert [row.label for row in corpus.utterances] == emotions


def test_the_default_is_8_way_and_the_shipped_settings_are_it(release: Path) -> None:
    shipped = load_config("iemocap")
    assert shipped.data.labels == ""
    assert read(release, shipped) == read(release, Config()) == read(release, named(labels="8-way"))


def test_found_and_published_counts(release: Path) -> None:
    assert list(map(str, read(release, Config()).counts)) == [
        "6 turns; published are 10,039 (difference -10,033).",
        "5 turns in 8 emotions; published are 7,527 (difference -7,522).",
    ]
    published = {labels: read(release, named(labels=labels)).counts[1].published for labels in ("6-way", "4-way")}
    assert published == {"6-way": 7380, "4-way": 5531}


def test_the_settings_may_narrow_the_emotions(release: Path) -> None:
    corpus = read(release, named(emotions=["sad", "neutral"]))
    assert corpus.emotions == ["sad", "neutral"]
    assert [row.label for row in corpus.utterances] == ["neutral", None, None, None, "sad", None]
    with pytest.raises(InputError, match="the label set 8-way has no joy"):
        read(release, named(emotions=["sad", "joy"]))


def test_both_recordings_of_a_scene_stand_in_one_split(release: Path) -> None:
    names = ["Ses02F_impro06", "Ses02M_impro06", "Ses02M_impro06a", "Ses03F_impro05", "Ses03M_impro05b"]
    for name in names:
        path = release / f"Session{name[4]}/dialog/EmoEvaluation/{name}.txt"
        write(path, f"[1.0000 - 2.0000]\t{name}_F000\tneu\t[2.5, 2.5, 2.5]\n")
    splits = {row.dialogue: row.split for row in read(release, Config()).utterances}
    assert [splits[name] for name in names] == ["val", "val", "val", "train", "train"]


def test_labels_that_would_be_wrong_are_errors(release: Path) -> None:
    path = release / "Session5/dialog/EmoEvaluation/Ses05M_script01_1b.txt"
    write(path, SCRIPT + (
        "[5.0000 - 6.0000]\tSes05M_script01_1b_M001\tjoy\t[2.5, 2.5, 2.5]\n"
        "[6.0000 - 7.0000]\tSes05M_script01_1b_M000\tneu\t[2.5, 2.5, 2.5]\n"
        "[8.0000 - 8.0000]\tSes05M_script01_1b_F009\tneu\t[2.5, 2.5, 2.5]\n"
        "[8.0000 - 9.0000]\tSes05M_script01_1_F010\tneu\t[2.5, 2.5, 2.5]\n"
    ))  # fmt: skip
    with pytest.raises(ManifestError) as caught:
        read(release, Config())
    assert [(fault.row, fault.column, fault.kind) for fault in caught.value.faults] == [
        (5, "emotion", "unknown label"),
        (6, "turn", "duplicate turn"),
        (7, "end", "end not after start"),
        (8, "turn", "not a turn of Ses05M_script01_1b"),
    ]


def test_a_dialogue_in_the_wrong_session_is_an_error(release: Path) -> None:
    write(release / "Session2/dialog/EmoEvaluation/Ses05M_script01_1b.txt", SCRIPT)
    (release / "Session5/dialog/EmoEvaluation/Ses05M_script01_1b.txt").unlink()
    with pytest.raises(InputError, match="is of Session5"):
        read(release, Config())


def test_a_folder_that_is_not_the_corpus(tmp_path: Path) -> None:
    touch(tmp_path, "holiday.avi")
    wanted = r"No IEMOCAP annotations in .*: expected Session1 to Session5.*EmoEvaluation"
    with pytest.raises(InputError, match=wanted + r".*found holiday\.avi.*sail\.usc\.edu/iemocap"):
        read(tmp_path, Config())
    with pytest.raises(InputError, match="found no such folder"):
        read(tmp_path / "none", Config())


def test_half_of_the_corpus(tmp_path: Path) -> None:
    touch(tmp_path / "Session1/sentences/wav/Ses01F_impro01", "Ses01F_impro01_F000.wav")
    with pytest.raises(InputError, match=r"each with dialog/EmoEvaluation.*found Session1"):
        read(tmp_path, Config())


def test_two_copies_are_not_guessed_between(release: Path) -> None:
    write(release.parent / "copy/Session1/dialog/EmoEvaluation/Ses01F_impro01.txt", IMPRO)
    with pytest.raises(InputError, match="stands more than once"):
        read(release.parent, Config())
