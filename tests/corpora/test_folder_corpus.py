"""The reader of a plain folder of clips on tables written by hand."""

from pathlib import Path

import pytest

from tricue.config.load import build_config
from tricue.config.settings import Config
from tricue.config.task_settings import TaskConfig
from tricue.corpora.folder_corpus import read
from tricue.data.manifest import read_manifest, write_manifest
from tricue.data.table import ManifestError
from tricue.types import Fault, InputError

REAL = Path(__file__).resolve().parents[2] / "../shared/data/ravdess"

TABLE = (
    "file,label,transcript,actor,split,start,end\n"
    "anna.mp4,joy,Look at this!,Anna,train,,\n"
    "sound/ben.wav,neutral,Hm.,Ben,dev,0.5,1.5\n"
)


def write(path: Path, text: str, encoding: str = "utf-8") -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(text.encode(encoding))


def named(**data: object) -> Config:
    return build_config({"data": {"name": "folder", **data}}, {}, "test")


@pytest.fixture
def clips(tmp_path: Path) -> Path:
    folder = tmp_path / "mine"
    for name in ("anna.mp4", "sound/ben.wav", "sound/._ben.wav"):
        write(folder / name, "not decoded")
    write(folder / "table.csv", TABLE)
    return folder


def test_rows_and_their_clips(clips: Path) -> None:
    corpus = read(clips, Config())
    anna, ben = corpus.utterances
    assert (anna.id, anna.text, anna.label, anna.speaker, anna.split) == (
        "anna", "Look at this!", "joy", "Anna", "train",
    )  # fmt: skip
    assert anna.audio == anna.video == clips / "anna.mp4"
    assert (ben.id, ben.audio, ben.video) == ("ben", clips / "sound/ben.wav", None)
    assert (ben.split, ben.start, ben.end) == ("val", 0.5, 1.5)
    assert (corpus.name, corpus.faults, corpus.emotions) == ("mine", [], [])
    assert corpus.notes == ["mine: 2 rows of table.csv."]


@pytest.mark.parametrize("column", ["file", "filename", "path", "clip", "name", "File", "PATH"])
def test_columns_that_name_the_clip(clips: Path, column: str) -> None:
    write(clips / "table.csv", TABLE.replace("file", column, 1))
    assert [row.id for row in read(clips, Config()).utterances] == ["anna", "ben"]


@pytest.mark.parametrize(
    ("header", "row"),
    [
        ("file,emotion,text,speaker", "anna.mp4,joy,Look!,Anna"),
        ("File,Label,Sentence,Actor", "anna.mp4,joy,Look!,Anna"),
        ("id,file,emotion,label,text,sentence,speaker", "anna,anna.mp4,joy,glad,Look!,other,Anna"),
    ],
)
def test_names_of_columns(clips: Path, header: str, row: str) -> None:
    write(clips / "table.csv", f"{header}\n{row}\n")
    (anna,) = read(clips, Config()).utterances
    assert (anna.id, anna.label, anna.text, anna.speaker) == ("anna", "joy", "Look!", "Anna")
    assert anna.video == clips / "anna.mp4"


def test_a_clip_is_found_by_its_name_anywhere_below(clips: Path) -> None:
    write(clips / "table.csv", "path,emotion\nC:\\old\\place\\ben.wav,neutral\nelsewhere/anna.mp4,joy\n")
    ben, anna = read(clips, Config()).utterances
    assert (ben.audio, anna.audio) == (clips / "sound/ben.wav", clips / "anna.mp4")


def test_several_files_of_a_name_are_not_guessed_between(clips: Path) -> None:
    write(clips / "copy/ben.wav", "")
    assert read(clips, Config()).utterances[1].audio == clips / "sound/ben.wav"  # the table says which
    write(clips / "table.csv", "file,emotion\nben.wav,neutral\n")
    with pytest.raises(ManifestError, match=r"row 2, column file, 'ben\.wav': several files of that name") as caught:
        read(clips, Config())
    assert str(clips / "copy/ben.wav") in str(caught.value)
    assert str(clips / "sound/ben.wav") in str(caught.value)


def test_a_missing_clip_is_a_fault_per_modality_and_the_row_stays(clips: Path) -> None:
    write(clips / "table.csv", TABLE + "cleo.mkv,anger,No!,Cleo,test,,\ndora.mp3,joy,,Dora,test,,\n")
    corpus = read(clips, Config())
    assert corpus.faults == [
        Fault("cleo", "audio", f"no cleo.mkv in {clips}"),
        Fault("cleo", "video", f"no cleo.mkv in {clips}"),
        Fault("dora", "audio", f"no dora.mp3 in {clips}"),
    ]
    cleo = corpus.utterances[2]
    assert (cleo.text, cleo.audio, cleo.video, cleo.split) == ("No!", None, None, "test")
    assert len(corpus.utterances) == 4


def test_clips_without_a_row_are_counted(clips: Path) -> None:
    write(clips / "extra.wav", "")
    write(clips / "notes.txt", "")
    assert "mine: clips without a row, left out: 1 (extra.wav)." in read(clips, Config()).notes


def test_ids_that_repeat_name_both_rows(clips: Path) -> None:
    write(clips / "copy/anna.wav", "")
    write(clips / "table.csv", "file,emotion\nanna.mp4,joy\ncopy/anna.wav,joy\n")
    with pytest.raises(ManifestError, match="row 3, column id, 'anna': duplicate id; row 2 has it too"):
        read(clips, Config())
    write(clips / "table.csv", "id,file,emotion\na,anna.mp4,joy\nb,copy/anna.wav,joy\n")
    assert [row.id for row in read(clips, Config()).utterances] == ["a", "b"]


def test_every_fault_of_the_rows_is_named(clips: Path) -> None:
    write(clips / "table.csv", (
        "file,emotion,split,start,end\n"
        ",joy,,,\n"
        "anna.txt,joy,,,\n"
        "anna.mp4,joy,later,,\n"
        "ben.wav,joy,,2,1\n"
    ))  # fmt: skip
    with pytest.raises(ManifestError) as caught:
        read(clips, Config())
    assert [(fault.row, fault.column, fault.kind) for fault in caught.value.faults] == [
        (2, "file", "no clip named"),
        (3, "file", "not a sound, video or image file"),
        (4, "split", "unknown split"),
        (5, "end", "end not after start"),
    ]


@pytest.mark.parametrize(
    ("table", "kind"),
    [("file,File,emotion\nanna.mp4,anna.mp4,joy\n", "column stands twice"), ("file,emotion\n", "empty table")],
)
def test_tables_that_cannot_be_read(clips: Path, table: str, kind: str) -> None:
    write(clips / "table.csv", table)
    with pytest.raises(ManifestError, match=kind):
        read(clips, Config())


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "cp1252"])
def test_encodings_and_line_ends(clips: Path, encoding: str) -> None:
    write(clips / "table.csv", TABLE.replace("Hm.", "It’s…").replace("\n", "\r\n"), encoding)
    assert read(clips, Config()).utterances[1].text == "It’s…"


def test_a_parquet_table(clips: Path) -> None:
    import pyarrow
    import pyarrow.parquet

    (clips / "table.csv").unlink()
    pyarrow.parquet.write_table(
        pyarrow.table({"clip": ["anna.mp4"], "label": ["joy"], "actor": ["01"]}), clips / "table.parquet"
    )
    (anna,) = read(clips, Config()).utterances
    assert (anna.id, anna.label, anna.speaker, anna.video) == ("anna", "joy", "01", clips / "anna.mp4")


def test_a_manifest_is_read_as_one(clips: Path) -> None:
    rows = read(clips, Config()).utterances
    (clips / "table.csv").unlink()
    write_manifest(rows, clips / "manifest.csv")
    assert read(clips, Config()).utterances == rows
    write(clips / "manifest.csv", "id,text,emotion\na,Hm.,joy\n")
    corpus = read(clips, Config())
    assert corpus.utterances == read_manifest(clips / "manifest.csv")
    assert "mine: clips without a row, left out: 2 (anna.mp4, ben.wav)." in corpus.notes
    write(clips / "manifest.csv", "id,audio,emotion\na,none.wav,joy\n")
    with pytest.raises(ManifestError, match="missing file"):
        read(clips, Config())


def test_settings(clips: Path) -> None:
    corpus = read(clips, named(emotions=["neutral", "joy"]))
    assert corpus.emotions == ["neutral", "joy"]
    with pytest.raises(ManifestError, match="row 2, column emotion, 'joy': unknown emotion; known: anger, neutral"):
        read(clips, named(emotions=["anger", "neutral"]))
    mapped = read(clips, named(emotions=["delight", "neutral"], mapping={"joy": "delight"}))
    assert [row.label for row in mapped.utterances] == ["delight", "neutral"]
    with pytest.raises(InputError, match="has no label sets; got '8-way'"):
        read(clips, named(labels="8-way"))


def test_no_table(clips: Path) -> None:
    (clips / "table.csv").unlink()
    write(clips / "._table.csv", TABLE)
    wanted = r"No table of clips in .*expected one CSV or Parquet.*found \._table\.csv, anna\.mp4, sound\. Write one"
    with pytest.raises(InputError, match=wanted):
        read(clips, Config())
    with pytest.raises(InputError, match="found no such folder"):
        read(clips / "none", Config())


def test_several_tables(clips: Path) -> None:
    write(clips / "other.csv", TABLE)
    with pytest.raises(InputError, match=r"several tables: other\.csv, table\.csv\. Keep one"):
        read(clips, Config())


@pytest.mark.parametrize("header", ["emotion,text", "id,audio,label", "recording,emotion"])
def test_no_column_names_the_clips(clips: Path, header: str) -> None:
    write(clips / "table.csv", f"{header}\na,b,c\n")
    with pytest.raises(InputError, match=r"no column that names the clips \(file, filename, path, clip, name, image\)"):
        read(clips, Config())


@pytest.mark.realdata
@pytest.mark.skipif(not REAL.is_dir(), reason="the real recordings (../shared/data/ravdess) are not here")
def test_a_real_manifest() -> None:
    corpus = read(REAL, Config())
    assert corpus.utterances == read_manifest(REAL / "labels.csv")
    assert len(corpus.utterances) == 1200 and len(corpus.notes) == 1


def test_still_images_are_videos_named_by_a_column_image(tmp_path: Path) -> None:
    for name in ("faces/a.jpg", "faces/b.PNG", "faces/spare.webp"):
        write(tmp_path / name, "not decoded")
    write(tmp_path / "table.csv", "image,label\na.jpg,joy\nfaces/b.PNG,anger\ngone.png,joy\n")
    corpus = read(tmp_path, Config())
    assert [(row.id, row.audio, row.video) for row in corpus.utterances] == [
        ("a", None, tmp_path / "faces/a.jpg"), ("b", None, tmp_path / "faces/b.PNG"), ("gone", None, None),
    ]  # fmt: skip
    assert corpus.faults == [Fault("gone", "video", f"no gone.png in {tmp_path}")]
    assert "clips without a row, left out: 1 (spare.webp)" in corpus.notes[-1]


def test_columns_of_two_tasks_want_a_choice(clips: Path) -> None:
    write(clips / "table.csv", "file,emotion,valence\nanna.mp4,joy,3.5\n")
    with pytest.raises(ManifestError, match=r"emotion and valence; choose one: --task categorical"):
        read(clips, Config())
    config = named().model_copy(update={"task": TaskConfig(name="dimensional", targets=["valence"])})
    assert [row.label for row in read(clips, config).utterances] == [(3.5,)]


def test_the_choice_names_all_columns_of_a_task_at_once(clips: Path) -> None:
    write(clips / "table.csv", "file,emotion,emotions,valence,arousal\nanna.mp4,joy,joy,3.5,3\n")
    choices = "choose one: --task categorical, or --task multilabel, or --task dimensional --targets valence,arousal"
    with pytest.raises(ManifestError, match=rf"column emotion, .*two tasks.*{choices}$"):
        read(clips, Config())
    config = Config.model_validate({"task": {"targets": ["valence"]}})
    with pytest.raises(ManifestError, match=rf"column valence, .*a column of another task; {choices}$"):
        read(clips, config)
