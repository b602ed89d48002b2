from pathlib import Path

import pytest

from tricue.config.load import build_config, load_config
from tricue.config.settings import Config
from tricue.config.task_settings import TaskConfig
from tricue.corpora.catalogue import load_data, read_corpus
from tricue.data.manifest import read_manifest
from tricue.data.table import ManifestError
from tricue.types import InputError

ROOT = Path(__file__).resolve().parents[2]
SHARED = ROOT / "../shared/data"

MELD_TRAIN = "Sr No.,Utterance,Speaker,Emotion,Sentiment,Dialogue_ID,Utterance_ID\n1,Hey!,Joey,joy,positive,0,0\n"


def named(name: str, **data: object) -> Config:
    return build_config({"data": {"name": name, **data}}, {}, "test")


@pytest.fixture
def manifest(tmp_path: Path) -> Path:
    path = tmp_path / "mine.csv"
    path.write_text("id,text,emotion,split\na,hm,joy,train\nb,oh,glee,dev\n", encoding="utf-8")
    return path


@pytest.fixture
def working_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "data" / "MELD").mkdir(parents=True)
    (tmp_path / "data" / "MELD" / "train_sent_emo.csv").write_text(MELD_TRAIN, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize("spelling", ["MELD", "meld", "Meld"])
def test_a_name_in_any_case_reads_from_its_default_folder(working_folder: Path, spelling: str) -> None:
    assert [row.id for row in read_corpus(named(spelling)).utterances] == ["train_dia0_utt0"]


def test_data_dir_wins_over_the_default(working_folder: Path) -> None:
    with pytest.raises(InputError, match="No MELD annotations in elsewhere"):
        read_corpus(named("MELD"), data_dir=Path("elsewhere"))


def test_a_manifest_wins_over_the_name(working_folder: Path, manifest: Path) -> None:
    corpus = read_corpus(named("MELD"), data_dir=Path("elsewhere"), manifest=manifest)
    assert [row.id for row in corpus.utterances] == ["a", "b"]
    assert corpus.name == "MELD"
    assert read_corpus(Config(), manifest=manifest).name == "mine"


def test_a_row_to_learn_from_needs_a_label(tmp_path: Path) -> None:
    path = tmp_path / "m.csv"
    path.write_text("id,text\na,hm\n", encoding="utf-8")
    with pytest.raises(ManifestError, match="missing emotion"):
        read_corpus(Config(), manifest=path)
    assert len(read_corpus(Config(), manifest=path, need_label=False).utterances) == 1


def test_names_without_a_reader() -> None:
    with pytest.raises(InputError, match=r"demo: there are settings, but no reader; give --manifest FILE"):
        read_corpus(named("demo"))
    with pytest.raises(InputError, match=r"Unknown corpus .Enterface.\. Known: MELD, IEMOCAP, RAVDESS"):
        read_corpus(named("Enterface"))
    with pytest.raises(InputError, match="--dataset NAME or --manifest FILE"):
        read_corpus(Config())


def test_load_data_by_name_and_by_manifest(working_folder: Path, manifest: Path) -> None:
    assert {split: len(rows) for split, rows in load_data("meld").items()} == {"train": 1, "val": 0, "test": 0}
    assert [row.id for row in load_data(manifest)["val"]] == ["b"]
    assert [row.id for row in load_data(str(manifest))["train"]] == ["a"]


def test_load_data_of_something_else_names_the_choices() -> None:
    with pytest.raises(InputError, match="MELD, IEMOCAP"):
        load_data("somewhere/else")


@pytest.mark.parametrize(
    ("name", "emotions"),
    [
        ("meld", ["anger", "disgust", "fear", "joy", "neutral", "sadness", "surprise"]),
        ("iemocap", ["angry", "excited", "fear", "frustrated", "happy", "neutral", "sad", "surprised"]),
        ("ravdess", ["neutral", "calm", "joy", "sadness", "anger", "fear", "disgust", "surprise"]),
        ("goemotions", ["anger", "disgust", "fear", "joy", "neutral", "sadness", "surprise"]),
    ],
)
def test_shipped_settings(name: str, emotions: list[str]) -> None:
    config = load_config(name)
    assert config.data.name.lower() == name
    assert config.data.emotions == emotions


def test_the_sample_that_ships() -> None:
    rows = read_manifest(ROOT / "data" / "sample.csv")
    assert 8 <= len(rows) <= 10
    assert all(row.text and row.audio is None and row.video is None for row in rows)


@pytest.mark.realdata
@pytest.mark.skipif(not SHARED.is_dir(), reason="the real corpora (../shared/data) are not here")
@pytest.mark.parametrize(
    ("name", "manifest", "train", "val"),
    [
        ("goemotions", "goemotions/train.csv", 39555, 0),
        ("goemotions", "goemotions/val.csv", 0, 4946),
        ("ravdess", "ravdess/labels.csv", 960, 240),
    ],
)
def test_real_manifests_fit_their_settings(name: str, manifest: str, train: int, val: int) -> None:
    corpus = read_corpus(load_config(name), manifest=SHARED / manifest)
    splits = [row.split for row in corpus.utterances]
    assert (splits.count("train"), splits.count("val")) == (train, val)
    if name == "ravdess":
        assert "01" in {row.speaker for row in corpus.utterances}


def with_targets(path: Path | str, **task: object) -> Config:
    return Config(task=TaskConfig.model_validate({"targets_file": str(path), **task}))


def test_labels_of_a_table_take_the_place_of_the_corpus_own(manifest: Path) -> None:
    """Found here, else beside the corpus; rows that it does not name have no label."""
    (manifest.parent / "votes.csv").write_text("id,votes_joy,votes_anger,more\nb,0,3,x\nother,1,1,x\n")
    corpus = read_corpus(with_targets("votes.csv", votes=["votes_joy", "votes_anger"]), manifest=manifest)
    assert [row.label for row in corpus.utterances] == [None, (0.0, 3.0)] and corpus.utterances[1].text == "oh"
    assert corpus.notes[-1].startswith("mine: 1 of 2 rows have a target in ")
    (manifest.parent / "feelings.csv").write_text("id,emotion\na,Fear\nb,fear\n")
    corpus = read_corpus(with_targets(manifest.parent / "feelings.csv"), manifest=manifest)
    assert [row.label for row in corpus.utterances] == ["fear", "fear"]


def test_published_corpora_have_targets_of_a_table(working_folder: Path) -> None:
    (working_folder / "vad.csv").write_text("id,valence\ntrain_dia0_utt0,4.5\n")
    config = with_targets("vad.csv", name="dimensional", targets=["valence"])
    corpus = read_corpus(config.model_copy(update={"data": named("MELD").data}))
    assert [row.label for row in corpus.utterances] == [(4.5,)]


def test_a_table_of_targets_that_does_not_fit(manifest: Path) -> None:
    table = manifest.parent / "votes.csv"
    config = with_targets(table, votes=["votes_joy", "votes_anger"])
    for content, fault in (
        ("id,votes_joy\na,1\n", "column votes_anger, 'id, votes_joy': missing column"),
        ("id,votes_joy,votes_anger\na,0,0\n", "row 2, column votes_joy, '0': votes that are all zero"),
        ("id,votes_joy,votes_anger\na,1,0\na,1,2\n", "row 3, column id, 'a': duplicate id"),
        ("id,votes_joy,votes_anger\na,,\n", "row 2, column votes_joy, '': missing votes_joy"),
        ("id,votes_joy,votes_anger\nu1,1,0\n", "names no row of mine (the first of each: 'u1', 'a')"),
    ):
        table.write_text(content)
        with pytest.raises(InputError) as caught:
            read_corpus(config, manifest=manifest)
        assert fault in str(caught.value) and str(table) in str(caught.value)
    with pytest.raises(InputError, match=r"no file .*gone\.csv"):
        read_corpus(with_targets("gone.csv", votes=["votes_joy", "votes_anger"]), manifest=manifest)
