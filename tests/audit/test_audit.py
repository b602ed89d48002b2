"""The leakage audit: planted leaks of every kind are found, clean splits raise no failure."""

import random
import shutil
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tricue.audit.audit import EVERYTHING, NOTHING_LONG, Audit, audit, audit_corpus
from tricue.audit.audit_table import audit_table
from tricue.audit.media_checks import Stretch
from tricue.audit.noise_probe import LARGEST, drawn_items, noise_probe
from tricue.config.load import build_config
from tricue.config.settings import AuditConfig, Config
from tricue.corpora.catalogue import read_corpus
from tricue.data.corpus import Corpus
from tricue.data.splits import split_utterances
from tricue.evaluation.metrics_table import as_text
from tricue.registry import MODALITIES
from tricue.types import Utterance

EMOTIONS = ("anger", "joy", "neutral", "sadness")
WORDS = [f"word{i}" for i in range(3000)]
SHARED = Path(__file__).resolve().parents[3] / "shared" / "data"


def rows(split: str, count: int, draw: random.Random) -> list[Utterance]:
    """Rows of speakers, dialogues and sentences of their own; one in seven says "yeah"."""
    return [
        Utterance(
            f"{split}{i}",
            text="Yeah!" if draw.random() < 1 / 7 else " ".join(draw.choices(WORDS, k=draw.randint(5, 12))),
            label=draw.choice(EMOTIONS), speaker=f"{split}-s{i % 5}", dialogue=f"{split}-d{i // 8}", turn=i % 8,
            split=split,  # type: ignore[arg-type]
        )
        for i in range(count)
    ]  # fmt: skip


def clean(seed: int = 0, train: int = 400, other: int = 120) -> dict[str, list[Utterance]]:
    draw = random.Random(seed)
    return {"train": rows("train", train, draw), "val": rows("val", other, draw), "test": rows("test", other, draw)}


def audited(
    splits: dict[str, list[Utterance]],
    protocol: str = "official",
    looks: AuditConfig = NOTHING_LONG,
    modalities: Sequence[str] = MODALITIES,
) -> Audit:
    config = build_config({"data": {"protocol": protocol}, "modalities": modalities}, {}, "a test")
    return audit(splits, looks, "generated", config, progress=False)


def verdicts(found: Audit) -> dict[str, str]:
    return {check.name: check.verdict for check in found.checks}


def of(found: Audit, name: str) -> str:
    return next(check.found for check in found.checks if check.name == name)


@pytest.mark.parametrize("seed", range(20))
def test_clean_splits_raise_no_failure(seed: int) -> None:
    looks = replace_probe(seed < 2)  # the probe takes seconds
    found = audited(clean(seed), looks=looks)
    assert found.verdict == "warn" and verdicts(found)["texts"] == "warn"  # "yeah" is said everywhere
    assert not [check for check in found.checks if check.verdict == "fail"]
    assert verdicts(found)["speakers"] == verdicts(found)["dialogues"] == verdicts(found)["ids"] == "pass"


def replace_probe(probe: bool) -> AuditConfig:
    return AuditConfig(near_duplicates=True, fingerprints=False, probe=probe)


def test_the_same_id_in_two_splits_fails() -> None:
    splits = clean()
    splits["val"].append(splits["train"][7])
    found = audited(splits)
    assert verdicts(found)["ids"] == "fail"
    assert of(found, "ids") == "1 rows of val (0.8%) stand in train"
    assert next(c for c in found.checks if c.name == "ids").details["train/val"]["examples"] == [["train7", "train7"]]


@pytest.mark.parametrize(("copies", "verdict"), [(1, "warn"), (2, "fail")])
def test_long_texts_fail_above_one_percent(copies: int, verdict: str) -> None:
    splits = clean()  # 120 test rows: 1 is 0.8%, 2 are 1.7%
    long = [row for row in splits["train"] if row.text != "Yeah!"]
    for i in range(copies):
        splits["test"][i] = replace(splits["test"][i], text=f"  {str(long[i].text).upper()}!! ")
    found = audited(splits)
    assert verdicts(found)["texts"] == verdict
    assert f"({100 * copies / 120:.1f}% with 5 words or more)" in of(found, "texts")


def test_a_script_that_all_say_is_no_leak_where_text_is_no_modality() -> None:
    said = {
        split: [replace(row, text="Kids are talking by the door.") for row in own] for split, own in clean().items()
    }
    assert verdicts(audited(said))["texts"] == "fail"
    assert verdicts(audited(said, modalities=["audio"]))["texts"] == "warn"


def test_nearly_the_same_text_warns() -> None:
    splits = clean()
    sentence = "I really can not believe that you did this to me again"
    splits["train"][0] = replace(splits["train"][0], text=sentence)
    splits["test"][0] = replace(splits["test"][0], text=sentence.replace("can not", "cannot"))
    found = audited(splits, looks=replace_probe(False))
    assert verdicts(found)["near texts"] == "warn"
    assert of(found, "near texts").startswith("1 rows of test (0.8%)")


def test_the_same_bytes_under_another_name_fail(tmp_path: Path) -> None:
    splits = clean()
    for split, own in splits.items():
        for i, row in enumerate(own):
            path = tmp_path / f"{split}{i}.wav"
            path.write_bytes(f"{split} {i:04d}".encode())  # of few sizes: bytes decide
            own[i] = replace(row, audio=path)
    assert verdicts(audited(splits))["media"] == "pass"
    shutil.copy(tmp_path / "train3.wav", tmp_path / "other.wav")
    splits["test"][5] = replace(splits["test"][5], audio=tmp_path / "other.wav")
    found = audited(splits)
    assert verdicts(found)["media"] == "fail" and of(found, "media") == "1 rows of test (0.8%) stand in train"


def test_stretches_of_one_recording_are_the_same_only_where_they_overlap(tmp_path: Path) -> None:
    path = tmp_path / "hour.wav"
    path.write_bytes(b"sound")
    splits = clean()
    for split, first in (("train", 0.0), ("test", 2000.0)):
        splits[split] = [
            replace(row, audio=path, start=first + 4.0 * i, end=first + 4.0 * i + 4.0)
            for i, row in enumerate(splits[split])
        ]
    assert verdicts(audited(splits))["media"] == "pass"
    splits["test"][0] = replace(splits["test"][0], start=11.0, end=14.5)  # most of it is train's 8 to 12, 12 to 16
    assert of(audited(splits), "media") == "1 rows of test (0.8%) stand in train"
    del splits["val"]
    halves = {
        split: [replace(row, video=path, audio=None, crop=side) for row in splits[split]]
        for split, side in (("train", "right"), ("test", "left"))
    }
    assert verdicts(audited(halves))["media"] == "pass"  # the other actor in the same picture


def test_one_file_as_sound_here_and_picture_there_is_the_same_media(tmp_path: Path) -> None:
    path = tmp_path / "clip.mp4"
    path.write_bytes(b"clip")
    splits = clean()
    splits["train"][0] = replace(splits["train"][0], audio=path)
    splits["test"][0] = replace(splits["test"][0], video=path)
    assert verdicts(audited(splits))["media"] == "fail"


def test_stretches_by_hand() -> None:
    ten = Stretch("a", 0.0, 10.0)
    assert ten.same(Stretch("a", 4.0, 20.0)) and not ten.same(Stretch("a", 6.0, 20.0))
    assert ten.same(Stretch("a", 2.0, 3.0)) and not ten.same(Stretch("a", 10.0, 20.0))
    assert Stretch("a").same(Stretch("a"))


@pytest.mark.parametrize(
    ("protocol", "name", "verdict"),
    [
        ("official", "speaker", "warn"),
        ("kfold-speaker", "speaker", "fail"),
        ("loso", "speaker", "fail"),
        ("kfold-dialogue", "speaker", "warn"),
        ("official", "dialogue", "warn"),
        ("kfold-dialogue", "dialogue", "fail"),
    ],
)
def test_a_shared_group_fails_where_the_protocol_forbids_it(protocol: str, name: str, verdict: str) -> None:
    splits = clean()
    splits["test"][3] = replace(splits["test"][3], **{name: getattr(splits["train"][0], name)})
    assert verdicts(audited(splits, protocol))[f"{name}s"] == verdict


def test_val_may_share_what_only_the_test_part_must_not() -> None:
    splits = clean()
    splits["val"][3] = replace(splits["val"][3], speaker=splits["train"][0].speaker)
    assert verdicts(audited(splits, "kfold-speaker"))["speakers"] == "warn"


def test_repeats_conflicts_classes_and_missing_modalities_warn() -> None:
    splits = clean()
    splits["train"][1] = replace(splits["train"][1], text="the same five words here", label="joy")
    splits["train"][2] = replace(splits["train"][2], text="The same five words, here.", label="anger")
    splits["test"] = [replace(row, label="joy") for row in splits["test"]]
    splits["val"][0] = replace(splits["val"][0], text=None)
    found = audited(splits)
    named = verdicts(found)
    assert named["repeats"] == named["conflicts"] == named["classes"] == named["modalities"] == "warn"
    assert of(found, "repeats") == "train: 1 by long texts"
    assert of(found, "conflicts") == "1 texts with several labels"
    assert "test has no anger, neutral, sadness" in of(found, "classes")
    assert of(found, "modalities") == "val: 1 without text"


def test_what_nobody_names_is_not_checked() -> None:
    splits = {split: [replace(row, speaker=None, dialogue=None) for row in own] for split, own in clean().items()}
    found = audited(splits)
    assert found.not_checked["speakers"] == "no row names a speaker"
    assert "speakers" not in verdicts(found)


def test_leaky_is_caught_by_ids_texts_and_noise() -> None:
    draw = random.Random(0)
    own = [
        replace(row, label="joy" if i % 3 else draw.choice(EMOTIONS)) for i, row in enumerate(rows("train", 400, draw))
    ]
    config = build_config({"data": {"protocol": "leaky"}}, {}, "a test")
    found = audit_corpus(Corpus("generated", own), config, progress=False)
    named = verdicts(found)
    assert named["ids"] == named["texts"] == named["noise: items"] == "fail"
    assert found.verdict == "fail"
    assert "LEAKY" in as_text(audit_table(found))


def test_folds_are_audited_one_by_one_and_the_worst_is_kept() -> None:
    own = rows("train", 200, random.Random(1))
    own[150] = replace(own[150], dialogue=own[0].dialogue)  # a dialogue of two speakers
    config = build_config({"data": {"protocol": "kfold-speaker", "folds": 4}}, {}, "a test")
    found = audit_corpus(Corpus("generated", own), config, fast=True, progress=False)
    assert verdicts(found)["speakers"] != "fail" and found.fold == "worst of 4"
    assert found.as_json()["corpus"] == "generated"


def test_noise_recognises_copies_and_only_them() -> None:
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 4, 600)
    in_train = np.arange(600) < 480
    own = np.arange(600)
    assert not any(score.exceeds for score in noise_probe(own, labels, in_train, 0))
    copied = own.copy()
    copied[480:540], labels[480:540] = own[:60], labels[:60]  # half of the others have a copy in train
    neighbour = noise_probe(copied, labels, in_train, 0)[0]
    assert neighbour.exceeds and 0.55 < neighbour.score < 0.7  # 1/2 + 1/2 x 1/4


def test_of_large_splits_whole_items_take_part() -> None:
    items = np.repeat(np.arange(15_000), 3)
    scored = np.arange(45_000) >= 40_500
    kept = drawn_items(items, scored, 0)
    assert LARGEST - 6 <= kept.sum() <= LARGEST
    assert set(np.unique(items[kept], return_counts=True)[1]) == {3}
    assert LARGEST // 5 - 3 <= kept[scored].sum() <= LARGEST // 5
    few = np.arange(100_000) >= 99_998
    assert drawn_items(np.arange(100_000), few, 0)[few].all()  # a small test part is not lost


def test_without_labels_or_other_splits_nothing_is_claimed() -> None:
    looks = replace_probe(True)
    splits = clean()
    splits["train"] = [replace(row, label=None) for row in splits["train"]]
    found = audited(splits, looks=looks)
    assert found.not_checked["noise"] == "there are no labelled rows to train on, or none to score"
    alone = audited({"train": clean()["train"]}, looks=looks)
    assert "nothing to compare" in alone.not_checked["splits"] and "noise" in alone.not_checked


@pytest.mark.realdata
def test_the_audit_of_meld_and_of_its_leaky_split() -> None:
    if not (SHARED / "meld").is_dir():
        pytest.skip(f"no {SHARED / 'meld'}")
    config = Config()
    corpus = read_corpus(build_config({"data": {"name": "MELD"}}, {}, "a test"), data_dir=SHARED / "meld")
    found = audit_corpus(corpus, config, progress=False)
    assert found.verdict == "warn" and verdicts(found)["noise: items"] == "pass"
    texts = next(check for check in found.checks if check.name == "texts").details
    assert 0.14 < texts["long"]["train/val"]["share"] + texts["short"]["train/val"]["share"] < 0.16
    assert texts["long"]["train/val"]["share"] < 0.006
    leaky = build_config({"data": {"protocol": "leaky"}}, {}, "a test")
    splits = split_utterances(corpus.utterances, leaky.data, 0)
    found = audited(splits, "leaky")
    ids = next(check for check in found.checks if check.name == "ids").details["train/val"]["share"]
    texts = next(check for check in found.checks if check.name == "texts").details
    both = texts["long"]["train/val"]["share"] + texts["short"]["train/val"]["share"]
    assert 0.82 <= ids <= 0.84 and 0.84 <= both <= 0.88
    assert found.verdict == "fail"


@pytest.mark.realdata
def test_the_audit_finds_the_one_recording_of_ravdess_that_stands_twice() -> None:
    manifest = SHARED / "ravdess" / "labels.csv"
    if not manifest.is_file():
        pytest.skip(f"no {manifest}")
    splits = split_utterances(read_corpus(Config(), manifest=manifest).utterances, Config().data, 0)
    found = audited(splits, looks=EVERYTHING.model_copy(update={"probe": False}))
    twice = next(check for check in found.checks if check.name == "recordings")
    assert twice.verdict == "warn"
    assert twice.details["train"] == [["03-01-03-01-02-01-07", "03-01-03-01-02-02-07"]]
