import os
import stat
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tricue.data.manifest import read_manifest, write_manifest
from tricue.data.table import ManifestError
from tricue.types import InputError, Utterance


def written(folder: Path, text: str, name: str = "m.csv") -> Path:
    path = folder / name
    path.write_text(text, encoding="utf-8", newline="")
    return path


def faults_of(path: Path, **options: object) -> list[tuple[int, str, str, str]]:
    with pytest.raises(ManifestError) as caught:
        read_manifest(path, **options)
    return [(fault.row, fault.column, fault.value, fault.kind) for fault in caught.value.faults]


def test_every_column_is_read(tmp_path: Path) -> None:
    (tmp_path / "clips").mkdir()
    for name in ("a.mp4", "a.wav"):
        (tmp_path / "clips" / name).touch()
    path = written(
        tmp_path,
        "id,text,audio,video,start,end,emotion,speaker,dialogue,turn,split,mood of the day\r\n"
        'u1,"Well, ""yes""",clips/a.wav,clips/a.mp4,0.5,2,joy,01,007,3,dev,fine\r\n',
    )
    assert read_manifest(path, emotions=["joy"]) == [
        Utterance(
            id="u1",
            text='Well, "yes"',
            audio=tmp_path / "clips/a.wav",
            video=tmp_path / "clips/a.mp4",
            start=0.5,
            end=2.0,
            label="joy",
            speaker="01",
            dialogue="007",
            turn=3,
            split="val",
        )
    ]


def test_words_that_tables_take_for_missing_survive(tmp_path: Path) -> None:
    words = ["NA", "None", "null", "nan", "N/A", "-", "0", "TRUE", " two  spaces "]
    rows = "".join(f"u{i},{word}\n" for i, word in enumerate(words))
    assert [row.text for row in read_manifest(written(tmp_path, "id,text\n" + rows))] == words


def test_blanks_are_missing(tmp_path: Path) -> None:
    (tmp_path / "a.wav").touch()
    path = written(tmp_path, "id,text,audio,emotion,speaker,start,turn,split\nu1,  ,a.wav, ,,,,\n")
    assert read_manifest(path) == [Utterance("u1", audio=tmp_path / "a.wav")]


@pytest.mark.parametrize(
    ("word", "split"),
    [("train", "train"), ("val", "val"), ("test", "test"), ("dev", "val"), ("valid", "val"), ("Validation", "val")],
)
def test_names_of_splits(tmp_path: Path, word: str, split: str) -> None:
    assert read_manifest(written(tmp_path, f"id,text,split\nu1,hm,{word}\n"))[0].split == split


FAULTY = """\
id,text,audio,start,end,emotion,turn,split
u1,fine,,,,joy,1,train
u1,again,,,,joy,,train
,no id,,,,joy,,train
u4,hm,,,,glee,,train
u5,hm,gone.wav,,,joy,,train
u6,hm,,2.5,2.5,joy,,train
u7,hm,,-1,2,joy,,train
u8,hm,,soon,2,joy,,train
u9,,,,,joy,,train
u10,hm,,,,joy,,trian
u11,hm,,,,joy,2.5,train
u12,hm,,,,,,train

u14,hm,,,nan,joy,3.0,train
"""

EXPECTED = [
    (3, "id", "u1", "duplicate id"),
    (4, "id", "", "missing id"),
    (5, "emotion", "glee", "unknown emotion"),
    (6, "audio", "gone.wav", "missing file"),
    (7, "end", "2.5", "end not after start"),
    (8, "start", "-1", "negative time"),
    (9, "start", "soon", "not a number"),
    (10, "text/audio/video", "", "no usable modality"),
    (11, "split", "trian", "unknown split"),
    (12, "turn", "2.5", "not a whole number"),
    (13, "emotion", "", "missing emotion"),
    (15, "end", "nan", "not a number"),  # row 14 is blank, and a spreadsheet counts it
]


def test_all_faults_at_once(tmp_path: Path) -> None:
    path = written(tmp_path, FAULTY)
    assert faults_of(path, emotions=["joy", "anger"], need_label=True) == EXPECTED


def test_a_sentence_in_the_column_of_a_file(tmp_path: Path) -> None:
    """A column shifted by one: no file name may be that long."""
    path = written(tmp_path, f"id,audio,emotion\nu1,{'word ' * 80},joy\n")
    assert faults_of(path) == [(2, "audio", ("word " * 80).strip(), "missing file")]
    (row,) = read_manifest(path, for_prediction=True)
    assert row.audio is not None


def test_the_message_names_row_value_and_remedy(tmp_path: Path) -> None:
    path = written(tmp_path, FAULTY)
    with pytest.raises(InputError) as caught:
        read_manifest(path, emotions=["joy", "anger"], need_label=True)
    lines = str(caught.value).splitlines()
    assert len(lines) == 1 + len(EXPECTED)
    assert str(path) in lines[0] and "12 faults" in lines[0]
    assert lines[1] == "  row 3, column id, 'u1': duplicate id; row 2 has it too; give each row its own"
    assert "known: joy, anger" in lines[3]
    assert str(tmp_path / "gone.wav") in lines[4]


def test_many_faults_are_counted_by_kind(tmp_path: Path) -> None:
    rows = "".join(f"u{i},hm,glee\n" for i in range(60)) + "".join(f"v{i},,joy\n" for i in range(7))
    with pytest.raises(ManifestError) as caught:
        read_manifest(written(tmp_path, "id,text,emotion\n" + rows), emotions=["joy"])
    lines = str(caught.value).splitlines()
    assert len(caught.value.faults) == 67
    assert len(lines) == 1 + 50 + 1
    assert "60 x unknown emotion, 7 x no usable modality" in lines[-1]


def test_a_missing_column_is_one_fault_and_does_not_hide_the_others(tmp_path: Path) -> None:
    assert faults_of(written(tmp_path, "text,emotion\nhm,glee\nhm,joy\n"), emotions=["joy"]) == [
        (1, "id", "text, emotion", "missing column"),
        (2, "emotion", "glee", "unknown emotion"),
    ]
    assert faults_of(written(tmp_path, "id,emotion\nu1,joy\n")) == [
        (1, "text/audio/video", "id, emotion", "missing column")
    ]
    assert faults_of(written(tmp_path, "id,text,text\nu1,a,b\n")) == [
        (1, "text", "id, text, text", "column stands twice")
    ]


@pytest.mark.parametrize("name", ["Emotion", "EMOTION", "emo_tion", "e-motion", "\uff25motion"])
def test_a_header_that_differs_by_case_or_blanks_is_named_once(tmp_path: Path, name: str) -> None:
    path = written(tmp_path, f"id,text,{name}\n" + "".join(f"u{i},hm,joy\n" for i in range(70)))
    assert [fault[:3] for fault in faults_of(path, need_label=True)] == [(1, "emotion", name)]
    with pytest.raises(InputError, match="rename it to emotion"):
        read_manifest(path)
    assert len(read_manifest(path, for_prediction=True)) == 70  # which reads no label


@pytest.mark.parametrize("name", ["Text", "TEXT", "Audio", "ID", "Split", "Start"])
def test_other_columns_are_named_too(tmp_path: Path, name: str) -> None:
    columns = {"id": "u1", "text": "hm"} | {name: "1"}
    if name.lower() in ("text", "id"):
        del columns[name.lower()]
    path = written(tmp_path, ",".join(columns) + "\n" + ",".join(columns.values()) + "\n")
    assert faults_of(path) == [(1, name.lower(), name, f"a column '{name}' is not read")]


def test_a_column_under_its_own_name_leaves_others_alone(tmp_path: Path) -> None:
    path = written(tmp_path, "id,text,emotion,Emotion\nu1,hm,joy,Sad\n")
    assert read_manifest(path, need_label=True)[0].label == "joy"


def test_a_missing_emotion_column_is_one_fault_with_the_likely_one(tmp_path: Path) -> None:
    path = written(tmp_path, "id,text,label\nu1,hm,joy\nu2,hm,joy\n")
    with pytest.raises(ManifestError, match="rename the column 'label'") as caught:
        read_manifest(path, need_label=True)
    assert len(caught.value.faults) == 1


LONG = "z" * 50_000
LONG_CELLS = [
    f"id,text,audio,{LONG}\nu1,hm,{LONG},x\n",
    f"id,text,start,split,emotion,turn\n{LONG},hm,{LONG},{LONG},{LONG},{LONG}\n",
    f"id;{LONG}\n1;2\n",
    f"{LONG}\n1\n",
    f"id,text\n{LONG},a\n{LONG},b\n",
    f"id,text\nu1,a,{LONG}\n",
    f'id,text\nu1,"a"{LONG}\n',
]


@pytest.mark.parametrize("content", LONG_CELLS, ids=range(len(LONG_CELLS)))
def test_no_message_quotes_more_than_200_characters_of_a_cell(tmp_path: Path, content: str) -> None:
    with pytest.raises(InputError) as caught:
        read_manifest(written(tmp_path, content), emotions=["joy"])
    assert "z" * 201 not in str(caught.value)


def test_a_nul_in_a_path_is_a_fault(tmp_path: Path) -> None:
    path = written(tmp_path, "id,audio\nu1,a\0.wav\n")
    for for_prediction in (False, True):
        found = [fault[1:] for fault in faults_of(path, for_prediction=for_prediction)]
        assert found == [("audio", "a\0.wav", "not a path")]


@pytest.mark.parametrize("content", ["id,text\n", "id,text\r\n,\r\n\r\n"])
def test_an_empty_manifest_is_a_fault(tmp_path: Path, content: str) -> None:
    assert faults_of(written(tmp_path, content)) == [(2, "id", "", "empty manifest")]


def test_an_empty_file_is_a_fault(tmp_path: Path) -> None:
    assert "empty manifest" in [kind for *_, kind in faults_of(written(tmp_path, ""))]


def test_missing_files_may_be_left_to_extraction(tmp_path: Path) -> None:
    path = written(tmp_path, "id,audio\nu1,gone.wav\n")
    assert read_manifest(path, for_prediction=True) == [Utterance("u1", audio=tmp_path / "gone.wav")]


def test_no_such_file_and_other_kinds(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no file"):
        read_manifest(tmp_path / "none.csv")
    with pytest.raises(InputError, match="Save it as one of them"):
        read_manifest(written(tmp_path, "{}", "m.json"))
    with pytest.raises(InputError, match="A manifest ends in"):
        write_manifest([], tmp_path / "m.xlsx")


def test_parquet_of_pandas_is_read_as_text(tmp_path: Path) -> None:
    # numbers with gaps become floats in pandas, and missing text becomes null
    frame = pd.DataFrame({"id": [1, 2], "text": ["NA", None], "audio": [None, "a.wav"], "turn": [4, None]})
    (tmp_path / "a.wav").touch()
    frame.to_parquet(tmp_path / "m.parquet")
    assert read_manifest(tmp_path / "m.parquet") == [
        Utterance("1", text="NA", turn=4),
        Utterance("2", audio=tmp_path / "a.wav"),
    ]


def test_paths_are_relative_to_the_manifest(tmp_path: Path) -> None:
    (tmp_path / "clips").mkdir()
    (tmp_path / "clips" / "a.mp4").touch()
    clip = tmp_path / "clips" / "a.mp4"
    path = tmp_path / "lists" / "m.csv"
    write_manifest([Utterance("u1", audio=clip, video=clip)], path)
    assert path.read_text(encoding="utf-8").count("../clips/a.mp4") == 2
    assert read_manifest(path) == [Utterance("u1", audio=clip, video=clip)]


def test_a_failed_write_leaves_the_old_manifest(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "m.csv"
    write_manifest([Utterance("old", text="hm")], path)

    def full_disk(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full_disk)
    with pytest.raises(OSError, match="No space"):
        write_manifest([Utterance("new", text="hm")], path)
    assert read_manifest(path)[0].id == "old"
    assert [entry.name for entry in tmp_path.iterdir()] == ["m.csv"]


def test_others_may_read_what_is_written(tmp_path: Path) -> None:
    (tmp_path / "plain").touch()
    write_manifest([Utterance("u1", text="hm")], tmp_path / "m.csv")
    modes = [stat.S_IMODE((tmp_path / name).stat().st_mode) for name in ("plain", "m.csv")]
    assert modes[0] == modes[1]


# surrogates have no UTF-8, so no text of a file can hold one
any_text = st.text(st.characters(exclude_categories=["Cs"]))
words = any_text.map(str.strip).filter(bool)
seconds = st.floats(0, 1e6)


@st.composite
def utterances(draw: st.DrawFn) -> list[Utterance]:
    ids = draw(st.lists(words, min_size=1, max_size=5, unique=True))
    rows = []
    for name in ids:
        start = draw(st.none() | seconds)
        length = draw(st.none() | st.floats(0.001, 1e6))
        rows.append(
            Utterance(
                id=name,
                text=draw(any_text.filter(lambda text: text.strip() != "")),
                start=start,
                end=None if length is None else (start or 0.0) + length,
                label=draw(st.none() | words),
                speaker=draw(st.none() | words),
                dialogue=draw(st.none() | words),
                turn=draw(st.none() | st.integers(0, 2**40)),
                split=draw(st.sampled_from([None, "train", "val", "test"])),
            )
        )
    return rows


@pytest.mark.parametrize("ending", ["csv", "parquet"])
@settings(deadline=None, max_examples=60)
@given(rows=utterances())
def test_what_is_written_is_read_back(
    tmp_path_factory: pytest.TempPathFactory, ending: str, rows: list[Utterance]
) -> None:
    path = tmp_path_factory.mktemp("round") / f"m.{ending}"
    write_manifest(rows, path)
    assert read_manifest(path) == rows


@pytest.mark.parametrize(
    ("start", "turn", "faults"),
    [
        ("1_0", "", ["start"]), ("\u0661", "", ["start"]), ("1,5", "", ["start"]), ("", "1_0", ["turn"]),
        ("", "\u0663", ["turn"]), ("", "2.50", ["turn"]), ("1e1", "3.00", []), (" .5 ", "+3", []),
    ],
)  # fmt: skip
def test_numbers_are_those_that_tables_write(tmp_path: Path, start: str, turn: str, faults: list[str]) -> None:
    path = written(tmp_path, f'id,text,start,turn\na,hm,"{start}",{turn}\n')
    if faults:
        with pytest.raises(ManifestError) as caught:
            read_manifest(path)
        assert [fault.column for fault in caught.value.faults] == faults
    else:
        assert read_manifest(path)[0].turn == 3


@pytest.mark.parametrize("name", ["Emotions", "\u00e9motion", "emotion_label", "Label", "emotoin"])
def test_a_column_that_is_called_nearly_so_is_named(tmp_path: Path, name: str) -> None:
    path = written(tmp_path, f"id,text,{name}\na,hm,joy\n")
    with pytest.raises(ManifestError, match=f"rename the column '{name}'"):
        read_manifest(path, need_label=True)
    path = written(tmp_path, "utterance id,txt\na,hm\n")
    with pytest.raises(ManifestError, match=r"'utterance id'[\s\S]*'txt'"):
        read_manifest(path)


def test_a_still_image_is_the_video_of_its_row(tmp_path: Path) -> None:
    for name in ("face.jpg", "clip.mp4"):
        (tmp_path / name).touch()
    path = written(tmp_path, "id,image,video\na,face.jpg,\nb,,clip.mp4\n")
    rows = read_manifest(path)
    assert [row.video for row in rows] == [tmp_path / "face.jpg", tmp_path / "clip.mp4"]
    write_manifest(rows, tmp_path / "again.csv")
    assert read_manifest(tmp_path / "again.csv") == rows
    both = written(tmp_path, "id,image,video\na,face.jpg,clip.mp4\nb,gone.png,\n")
    assert faults_of(both) == [
        (2, "image", "face.jpg", "an image beside a video"), (3, "image", "gone.png", "missing file"),
    ]  # fmt: skip
