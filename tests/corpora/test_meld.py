"""The reader of MELD on small corpora written by hand after the published description."""

from collections import Counter
from pathlib import Path

import pytest

from tricue.config.load import build_config
from tricue.config.settings import Config
from tricue.corpora.meld import read
from tricue.data.table import ManifestError
from tricue.types import Fault, InputError

REAL = Path(__file__).resolve().parents[2] / "../shared/data/meld"

HEADER = "Sr No.,Utterance,Speaker,Emotion,Sentiment,Dialogue_ID,Utterance_ID,Season,Episode,StartTime,EndTime\r\n"
# curly quotes, a comma in quotes, gaps in `Sr No.` and in Utterance_ID, a dialogue number of both splits,
# and a row that ends before it starts
TRAIN = HEADER + (
    '1,"Well, that’s “it”.",Chandler,neutral,neutral,0,0,8,21,"00:16:16,059","00:16:21,731"\r\n'
    '2,Oh no!,The Interviewer,fear,negative,0,1,8,21,"00:16:21,940","00:16:23,442"\r\n'
    '4,NA,Chandler,surprise,positive,0,3,8,21,"00:16:34,452","00:16:40,917"\r\n'
    '9,Go…,Joey,anger,negative,125,3,4,7,"00:20:57,256","00:20:57,256"\r\n'
)
DEV = HEADER + (
    '1,Hey!,Phoebe,joy,positive,0,0,4,7,"00:20:57,256","00:21:00,049"\r\n'
    '1153,Yuck.,Ross,disgust,negative,110,7,6,2,"0:12:43,012","0:12:44,074"\r\n'
)
TEST = HEADER + '1,I miss it.,Ross,sadness,negative,0,0,3,19,"00:14:38,127","00:14:40,378"\r\n'

# the places of the clips that are minutes long; the rest of these rows is made up
LONG_TEST = HEADER + (
    '1,Fine.,Rachel,neutral,neutral,220,0,3,19,"00:14:38,127","00:14:40,378"\r\n'
    '2,I miss it.,Ross,sadness,negative,38,4,3,19,"00:14:40,378","00:14:38,127"\r\n'
)


def named(**data: object) -> Config:
    return build_config({"data": {"name": "MELD", **data}}, {}, "test")


def write(folder: Path, name: str, text: str, encoding: str = "utf-8") -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_bytes(text.encode(encoding))


def touch(folder: Path, *names: str) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name in names:
        (folder / name).touch()


@pytest.fixture
def meld(tmp_path: Path) -> Path:
    write(tmp_path, "train_sent_emo.csv", TRAIN)
    write(tmp_path, "dev_sent_emo.csv", DEV)
    return tmp_path


def test_rows_carry_what_the_annotation_says(meld: Path) -> None:
    corpus = read(meld, Config())
    assert [(row.id, row.split, row.dialogue, row.turn) for row in corpus.utterances] == [
        ("train_dia0_utt0", "train", "train_0", 0),
        ("train_dia0_utt1", "train", "train_0", 1),
        ("train_dia0_utt3", "train", "train_0", 3),
        ("train_dia125_utt3", "train", "train_125", 3),
        ("dev_dia0_utt0", "val", "dev_0", 0),
        ("dev_dia110_utt7", "val", "dev_110", 7),
    ]
    first, _, third, *_ = corpus.utterances
    assert (first.text, first.speaker, first.label) == ("Well, that’s “it”.", "Chandler", "neutral")
    assert third.text == "NA"
    assert all(row.start is None and row.end is None for row in corpus.utterances)


def test_without_clips_it_is_text_alone_with_one_note(meld: Path) -> None:
    corpus = read(meld, Config())
    assert corpus.faults == []
    assert all(row.audio is None and row.video is None for row in corpus.utterances)
    assert sum("text only" in note for note in corpus.notes) == 1


def test_notes_name_what_differs_from_the_published_numbers(meld: Path) -> None:
    corpus = read(meld, Config())
    notes = "\n".join([*map(str, corpus.counts), *corpus.notes])
    assert "4 train rows; published are 9,989 (difference -9,985)" in notes
    assert "2 dev rows; published are 1,109" in notes
    assert "no test_sent_emo.csv" in notes


def test_the_test_rows_are_read_where_they_are(meld: Path) -> None:
    write(meld, "test_sent_emo.csv", TEST)
    last = read(meld, Config()).utterances[-1]
    assert (last.id, last.split, last.dialogue) == ("test_dia0_utt0", "test", "test_0")


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "cp1252"])
def test_encodings_in_circulation(meld: Path, encoding: str) -> None:
    write(meld, "train_sent_emo.csv", TRAIN, encoding)
    assert read(meld, Config()).utterances[0].text == "Well, that’s “it”."


def test_control_characters_that_were_curly_quotes(meld: Path) -> None:
    write(meld, "train_sent_emo.csv", TRAIN.replace("’", "\x92").replace("…", "\x85"))
    texts = [row.text for row in read(meld, Config()).utterances]
    assert texts[0] == "Well, that’s “it”." and texts[3] == "Go…"


LAYOUTS = {
    "flat": ("", "train_splits", "dev_splits_complete"),
    "MELD.Raw": ("MELD.Raw", "MELD.Raw/train_splits", "MELD.Raw/dev_splits_complete"),
    "unpacked": ("MELD.Raw/{}", "MELD.Raw/train/train_splits", "MELD.Raw/dev/dev_splits_complete"),
    "seed": ("{}", "train/train_splits", "dev/dev_splits_complete"),
    "clips apart": ("", "clips/train_splits", "clips/dev_splits_complete"),
}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_layouts(tmp_path: Path, layout: str) -> None:
    annotations, train_clips, dev_clips = LAYOUTS[layout]
    write(tmp_path / annotations.format("train"), "train_sent_emo.csv", TRAIN)
    write(tmp_path / annotations.format("dev"), "dev_sent_emo.csv", DEV)
    touch(tmp_path / train_clips, "dia0_utt0.mp4", "dia0_utt1.mp4", "dia0_utt3.mp4", "dia125_utt3.mp4")
    touch(tmp_path / dev_clips, "dia0_utt0.mp4")
    corpus = read(tmp_path, Config())
    clips = {row.id: row.video for row in corpus.utterances}
    assert all(row.audio == row.video for row in corpus.utterances)
    assert clips["train_dia0_utt3"] == tmp_path / train_clips / "dia0_utt3.mp4"
    assert clips["dev_dia0_utt0"] == tmp_path / dev_clips / "dia0_utt0.mp4"
    assert clips["dev_dia110_utt7"] is None


def test_a_missing_clip_is_a_fault_per_modality_and_the_row_stays(meld: Path) -> None:
    touch(meld / "train_splits", *(f"dia0_utt{i}.mp4" for i in (0, 1, 3)), "dia125_utt3.mp4")
    touch(meld / "dev_splits_complete", "dia0_utt0.mp4")
    corpus = read(meld, Config())
    reason = f"no clip dia110_utt7.mp4 in {meld / 'dev_splits_complete'}"
    assert corpus.faults == [Fault("dev_dia110_utt7", "audio", reason), Fault("dev_dia110_utt7", "video", reason)]
    assert len(corpus.utterances) == 6
    assert corpus.utterances[-1].text == "Yuck."


def test_a_missing_clip_folder_beside_others_is_named(meld: Path) -> None:
    touch(meld / "train_splits", "dia0_utt0.mp4")
    corpus = read(meld, Config())
    assert len(corpus.utterances) == 6
    assert Counter(fault.modality for fault in corpus.faults) == {"audio": 5, "video": 5}
    assert any("no clip folder dev_splits_complete" in note for note in corpus.notes)


def test_extras_are_left_out_and_counted(meld: Path) -> None:
    touch(
        meld / "train_splits",
        *("dia0_utt0.mp4", "dia0_utt1.mp4", "dia0_utt3.mp4", "dia125_utt3.mp4"),
        *("dia66_utt9.mp4", "._dia0_utt0.mp4", "final_videos_testdia0_utt0.mp4", "dia0_utt0.mp4.part"),
    )
    touch(meld / "dev_splits_complete", "dia0_utt0.mp4", "dia110_utt7.mp4")
    corpus = read(meld, Config())
    assert len(corpus.utterances) == 6 and corpus.faults == []
    assert corpus.utterances[0].audio == meld / "train_splits" / "dia0_utt0.mp4"
    extras = "2 (dia66_utt9.mp4, final_videos_testdia0_utt0.mp4)"
    assert f"MELD: clips of train without an annotation, left out: {extras}." in corpus.notes


def test_the_same_file_name_in_every_split_is_a_clip_of_its_own(meld: Path) -> None:
    write(meld, "test_sent_emo.csv", TEST)
    for folder in ("train_splits", "dev_splits_complete", "output_repeated_splits_test"):
        touch(meld / folder, "dia0_utt0.mp4")
    clips = {row.id: row.video for row in read(meld, Config()).utterances if row.video}
    assert clips == {
        "train_dia0_utt0": meld / "train_splits/dia0_utt0.mp4",
        "dev_dia0_utt0": meld / "dev_splits_complete/dia0_utt0.mp4",
        "test_dia0_utt0": meld / "output_repeated_splits_test/dia0_utt0.mp4",
    }


def test_clips_are_not_opened_so_corrupt_and_endless_ones_stay(meld: Path) -> None:
    (meld / "train_splits").mkdir()
    (meld / "train_splits/dia125_utt3.mp4").write_bytes(b"does not decode")
    write(meld, "test_sent_emo.csv", LONG_TEST)
    touch(meld / "output_repeated_splits_test", "dia38_utt4.mp4", "dia220_utt0.mp4")
    rows = {row.id: row for row in read(meld, Config()).utterances}
    for name in ("train_dia125_utt3", "test_dia38_utt4", "test_dia220_utt0"):
        assert rows[name].audio == rows[name].video and rows[name].video is not None


def test_a_test_row_is_never_dropped(meld: Path) -> None:
    write(meld, "test_sent_emo.csv", LONG_TEST.replace("Fine.", " "))
    touch(meld / "output_repeated_splits_test", "dia38_utt4.mp4", "final_videos_testdia38_utt4.mp4")
    corpus = read(meld, Config())
    test = [row for row in corpus.utterances if row.split == "test"]
    assert [row.id for row in test] == ["test_dia220_utt0", "test_dia38_utt4"]
    faults = {(fault.id, fault.modality) for fault in corpus.faults if fault.id.startswith("test")}
    assert faults == {("test_dia220_utt0", modality) for modality in ("text", "audio", "video")}


def test_the_sentiments_are_a_label_set(meld: Path) -> None:
    corpus = read(meld, named(labels="sentiments", emotions=["joy", "neutral"]))
    assert corpus.emotions == ["negative", "neutral", "positive"]
    assert [row.label for row in corpus.utterances] == [
        "neutral", "negative", "positive", "negative", "positive", "negative",
    ]  # fmt: skip


def test_a_label_set_that_is_named_wins_over_the_emotions(meld: Path) -> None:
    corpus = read(meld, named(labels="emotions", emotions=["joy", "neutral"]))
    assert corpus.emotions == ["anger", "disgust", "fear", "joy", "neutral", "sadness", "surprise"]


def test_faulty_sentiments_are_named(meld: Path) -> None:
    write(meld, "dev_sent_emo.csv", DEV.replace("joy,positive", "joy,good"))
    assert len(read(meld, Config()).utterances) == 6  # the column is not read
    with pytest.raises(ManifestError, match="row 2, column Sentiment, 'good': unknown sentiment"):
        read(meld, named(labels="sentiments"))
    write(meld, "dev_sent_emo.csv", DEV.replace("Sentiment", "Feeling"))
    with pytest.raises(ManifestError, match="column Sentiment"):
        read(meld, named(labels="sentiments"))


def test_a_row_without_words_stays_and_is_reported(meld: Path) -> None:
    write(meld, "dev_sent_emo.csv", DEV.replace("Yuck.", " "))
    corpus = read(meld, Config())
    assert corpus.utterances[-1].text is None
    assert corpus.faults == [Fault("dev_dia110_utt7", "text", "no words")]


def test_faulty_rows_are_all_named(meld: Path) -> None:
    faulty = DEV.replace("joy", "glee").replace(",110,7,", ",x,7,") + DEV.removeprefix(HEADER)
    write(meld, "dev_sent_emo.csv", faulty)
    with pytest.raises(ManifestError) as caught:
        read(meld, Config())
    assert [(fault.row, fault.column, fault.kind) for fault in caught.value.faults] == [
        (2, "Emotion", "unknown emotion"),
        (3, "Dialogue_ID", "not a whole number"),
        (4, "Utterance_ID", "duplicate utterance"),
    ]


def test_a_missing_column_is_named(meld: Path) -> None:
    write(meld, "dev_sent_emo.csv", DEV.replace("Speaker", "Who"))
    with pytest.raises(ManifestError, match="column Speaker"):
        read(meld, Config())


def test_the_config_may_narrow_the_emotions(meld: Path) -> None:
    with pytest.raises(ManifestError, match="'fear': unknown emotion; known: joy, neutral"):
        read(meld, named(emotions=["joy", "neutral"]))


def test_a_wrong_folder_says_what_was_expected_and_found(tmp_path: Path) -> None:
    touch(tmp_path, "holiday.mp4")
    with pytest.raises(InputError, match=r"expected train_sent_emo\.csv.*found holiday\.mp4.*--data_dir"):
        read(tmp_path, Config())
    with pytest.raises(InputError, match="no such folder"):
        read(tmp_path / "none", Config())


def test_two_copies_in_one_folder_are_not_guessed_between(tmp_path: Path) -> None:
    for copy in ("old", "new"):
        write(tmp_path / copy, "train_sent_emo.csv", TRAIN)
    with pytest.raises(InputError, match="more than once"):
        read(tmp_path, Config())


@pytest.mark.realdata
@pytest.mark.skipif(not REAL.is_dir(), reason="the real MELD annotations (../shared/data/meld) are not here")
def test_the_published_annotations() -> None:
    corpus = read(REAL, Config())
    labels = Counter((row.split, row.label) for row in corpus.utterances)
    # the label counts that the authors publish (affective-meld.github.io)
    train = {"anger": 1109, "disgust": 271, "fear": 268, "joy": 1743, "neutral": 4710, "sadness": 683}
    dev = {"anger": 153, "disgust": 22, "fear": 40, "joy": 163, "neutral": 470, "sadness": 111}
    assert {emotion: labels["train", emotion] for emotion in train} == train
    assert {emotion: labels["val", emotion] for emotion in dev} == dev
    rows = Counter(row.split for row in corpus.utterances)
    assert (rows["train"], rows["val"]) == (9989, 1109)
    assert len({row.dialogue for row in corpus.utterances}) == 1038 + 114
    assert len({row.id for row in corpus.utterances}) == len(corpus.utterances)
    assert corpus.faults == []
    rows_of = read(REAL, named(labels="sentiments")).utterances
    sentiments = Counter(row.label for row in rows_of if row.split == "train")
    assert sentiments == {"negative": 2945, "neutral": 4710, "positive": 2334}  # README of declare-lab/MELD
