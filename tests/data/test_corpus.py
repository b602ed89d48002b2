"""Several manifests together, prepared corpora, and labels on a shared set."""

import json
from pathlib import Path

import pytest

from tricue.config.load import build_config
from tricue.config.settings import Config
from tricue.corpora.catalogue import prepare_corpus, read_corpus
from tricue.data.manifest import write_manifest
from tricue.tasks.task import make_task
from tricue.types import InputError, Utterance


def manifest(folder: Path, name: str, emotions: list[str], **more: object) -> Path:
    rows = [
        Utterance(f"u{i}", text=f"row {i}", label=emotion, **more)  # type: ignore[arg-type]
        for i, emotion in enumerate(emotions)
    ]
    path = folder / f"{name}.csv"
    path.parent.mkdir(parents=True, exist_ok=True)
    write_manifest(rows, path)
    return path


def settings(**data: object) -> Config:
    return build_config({"data": data}, {}, "a test")


def test_corpora_stand_together_under_their_names(tmp_path: Path) -> None:
    a = manifest(tmp_path, "a", ["anger", "joy"], speaker="01", dialogue="d", split="train")
    b = manifest(tmp_path, "b", ["happy", "sad"], speaker="01")
    joined = read_corpus(Config(), manifest=[a, b])
    assert joined.name == "a+b"
    assert [(u.id, u.corpus, u.speaker, u.dialogue, u.label, u.split) for u in joined.utterances] == [
        ("a/u0", "a", "a/01", "a/d", "anger", "train"),
        ("a/u1", "a", "a/01", "a/d", "joy", "train"),
        ("b/u0", "b", "b/01", None, "joy", "train"),
        ("b/u1", "b", "b/01", None, "sadness", "train"),
    ]


def test_labels_go_to_the_classes_that_are_set(tmp_path: Path) -> None:
    a = manifest(tmp_path, "a", ["anger", "joy"])
    b = manifest(tmp_path, "b", ["thrilled", "calm"])
    classes = ["angry", "happy"]
    with pytest.raises(InputError, match=r"(?s)'thrilled': unknown emotion.*'calm': unknown emotion"):
        read_corpus(settings(emotions=classes), manifest=[a, b])
    config = settings(emotions=classes, mapping={"thrilled": "happy", "calm": ""})
    labels = [u.label for u in read_corpus(config, manifest=[a, b]).utterances]
    assert labels == ["angry", "happy", "happy", None]
    assert [u.label for u in read_corpus(config, manifest=b).utterances] == ["happy", None]


def test_blank_splits_of_one_corpus_do_not_become_training_rows(tmp_path: Path) -> None:
    a, b = manifest(tmp_path, "a", ["joy"]), manifest(tmp_path, "b", ["joy", "joy"], split="test")
    b.write_text(b.read_text().replace("test", "", 1))
    with pytest.raises(InputError, match="1 of 2 rows have no split"):
        read_corpus(Config(), manifest=[a, b])


def test_a_label_set_is_no_setting_of_a_plain_manifest(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="is chosen where a published corpus is read"):
        read_corpus(settings(labels="sentiments"), manifest=manifest(tmp_path, "a", ["joy"]))


def test_two_corpora_of_one_name_are_refused(tmp_path: Path) -> None:
    one, two = manifest(tmp_path / "x", "a", ["joy"]), manifest(tmp_path / "y", "a", ["joy"])
    with pytest.raises(InputError, match="Several manifests are called a"):
        read_corpus(Config(), manifest=[one, two])


SOURCE = """Sr No.,Utterance,Speaker,Emotion,Sentiment,Dialogue_ID,Utterance_ID,Season,Episode,StartTime,EndTime
1,Hi.,Joey,joy,positive,0,0,1,1,"00:00:01,0","00:00:02,0"
2,No!,Ross,anger,negative,0,1,1,1,"00:00:03,0","00:00:04,0"
"""


@pytest.fixture
def meld(tmp_path: Path) -> Path:
    """One row per split, and a clip folder that lacks the second clip."""
    for part in ("train", "dev"):
        (tmp_path / f"{part}_sent_emo.csv").write_text(SOURCE)
    (tmp_path / "train_splits").mkdir()
    (tmp_path / "train_splits" / "dia0_utt0.mp4").write_bytes(b"clip")
    return tmp_path


def test_a_prepared_corpus_is_the_corpus_again(meld: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    record = prepare_corpus("MELD", meld, out)
    config = settings(name="MELD")
    read, prepared = read_corpus(config, data_dir=meld), read_corpus(config, data_dir=out)
    assert prepared.utterances == read.utterances
    assert prepared.faults == read.faults
    assert prepared.counts == read.counts and prepared.emotions == read.emotions
    for manifest in (out / "manifest.csv", out):
        assert read_corpus(Config(), manifest=manifest).name == "MELD"
    assert record.rows == {"train": 2, "val": 2} and record.protocol == "official"
    written = json.loads((out / "corpus.json").read_text())
    assert written["corpus"] == "MELD" and {"what": "train rows", "found": 2, "published": 9989} in written["counts"]


def test_a_label_set_is_chosen_when_preparing(meld: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    prepare_corpus("meld", meld, out, labels="sentiments")
    corpus = read_corpus(settings(name="MELD", labels="sentiments"), data_dir=out)
    assert corpus.emotions == ["negative", "neutral", "positive"]
    named = build_config({"data": {"name": "MELD", "emotions": ["anger", "joy"]}}, {}, "shipped settings")
    again = read_corpus(named, data_dir=out)  # without --labels the set of the prepared corpus holds
    assert again.labels == "sentiments" and again.emotions == corpus.emotions
    assert make_task(named).fitted(named, again, again.utterances).data.emotions == corpus.emotions
    with pytest.raises(InputError, match=r"labels 'sentiments'; for 'emotions' run tricue prepare MELD"):
        read_corpus(settings(name="MELD", labels="emotions"), data_dir=out)


def test_a_row_that_lost_its_only_modality_is_prepared_and_read(tmp_path: Path) -> None:
    source = tmp_path / "clips"
    source.mkdir()
    (source / "a.wav").write_bytes(b"sound")
    (source / "labels.csv").write_text("file,emotion,split\na.wav,joy,train\nb.wav,joy,test\n")
    prepare_corpus("folder", source, tmp_path / "out")
    corpus = read_corpus(Config(), manifest=tmp_path / "out" / "manifest.csv")
    assert [u.id for u in corpus.utterances] == ["a", "b"] and [fault.id for fault in corpus.faults] == ["b"]


def test_a_changed_manifest_says_so_and_a_damaged_record_is_one_error(meld: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    prepare_corpus("MELD", meld, out)
    path = out / "manifest.csv"
    path.write_text(path.read_text().replace("Hi.", "Hello."))
    notes = read_corpus(settings(name="MELD"), data_dir=out).notes
    assert any("has changed since it was prepared" in note for note in notes)
    (out / "corpus.json").write_text("{")
    with pytest.raises(InputError, match=r"corpus\.json is damaged.*prepare again"):
        read_corpus(settings(name="MELD"), data_dir=out)


@pytest.mark.parametrize("name", ["MELD", "IEMOCAP", "RAVDESS", "CREMA-D", "GoEmotions", "folder"])
def test_what_is_not_the_corpus_is_one_message(name: str, tmp_path: Path) -> None:
    source = tmp_path / "source"
    with pytest.raises(InputError, match="no such folder"):
        prepare_corpus(name, source, tmp_path / "out")
    source.mkdir()
    (source / "corpus.zip").write_bytes(b"PK")
    with pytest.raises(InputError, match=r"expected .*found .*not unpacked yet \(corpus\.zip\)"):
        prepare_corpus(name, source, tmp_path / "out")
    with pytest.raises(InputError, match="an archive that is not unpacked yet"):
        prepare_corpus(name, source / "corpus.zip", tmp_path / "out")
    assert not (tmp_path / "out").exists()
