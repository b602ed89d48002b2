"""Features that have seen their labels are found; features that have not are let be."""

import os
import random
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tricue.audit import audit as audit_room
from tricue.audit.audit import audit_corpus
from tricue.audit.checks import Check
from tricue.audit.feature_checks import check_features
from tricue.config.load import load_config
from tricue.config.settings import Config
from tricue.corpora.catalogue import read_corpus
from tricue.data.corpus import Corpus
from tricue.data.manifest import read_manifest
from tricue.features.extract import extract
from tricue.types import InputError, Utterance

SHARED = Path(os.environ.get("TRICUE_SHARED", Path(__file__).resolve().parents[3] / "shared"))
COUNT = 400
Splits = dict[str, list[Utterance]]


def made_up(task: str, seen: float, seed: int = 0) -> tuple[Splits, dict[str, np.ndarray]]:
    """Labels that four of sixteen numbers tell in part. seen: deviations by which the training rows' labels moved their
    vectors."""
    draw = np.random.default_rng(seed)
    values = draw.standard_normal((COUNT, 16)).astype(np.float32)
    target = values[:, :4].sum(axis=1) + 3 * draw.standard_normal(COUNT)
    is_train = np.arange(COUNT) < 250
    values[:, 5] += seen * is_train * np.sign(target) + seen * is_train * target / target.std()
    labels: dict[str, Sequence[Any]] = {
        "categorical": [("sad", "glad")[int(value > 0)] for value in target],
        "multilabel": [("glad",) if value > 0 else ("sad", "calm") for value in target],
        "dimensional": [(float(value),) for value in target],
    }
    rows = [
        Utterance(f"u{i}", label=label, speaker=f"s{i // 10}", split="train" if is_train[i] else "test")
        for i, label in enumerate(labels[task])
    ]
    splits = {split: [row for row in rows if row.split == split] for split in ("train", "test")}
    return splits, {row.id: value[None] for row, value in zip(rows, values, strict=True)}


def settings(task: str) -> Config:
    return load_config(None, {"task.name": task, "task.targets": ["valence"] if task == "dimensional" else []})


@pytest.mark.parametrize("task", ["categorical", "multilabel", "dimensional"])
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_labels_in_the_vectors_of_train_are_found(task: str, seed: int) -> None:
    splits, arrays = made_up(task, 1.5, seed)
    found = check_features("text", arrays, splits, "test", settings(task))
    assert found is not None and found.verdict == "warn" and found.name == "features: text"
    assert found.details["difference"]["low"] > 0.1 and found.details["left_out"]["unit"] == "speaker"
    splits, arrays = made_up(task, 0.0, seed)
    found = check_features("text", arrays, splits, "test", settings(task))
    assert found is not None and found.verdict == "pass"


def test_rows_that_cannot_be_scored_are_left_out() -> None:
    splits, arrays = made_up("categorical", 0.0)
    expected = check_features("text", arrays, splits, "test", settings("categorical"))
    odd = [replace(splits["test"][0], label="unheard of"), replace(splits["test"][1], label=None)]
    more = {"train": splits["train"], "test": [*splits["test"], *odd, replace(splits["test"][2], id="no features")]}
    assert check_features("text", arrays, more, "test", settings("categorical")) == expected


def test_without_labels_to_learn_nothing_is_claimed() -> None:
    splits, arrays = made_up("categorical", 0.0)
    same = {name: [replace(row, label="sad") for row in rows] for name, rows in splits.items()}
    assert check_features("text", arrays, same, "test", settings("categorical")) is None
    nobody = splits | {"test": [replace(row, label=None) for row in splits["test"]]}
    assert check_features("text", arrays, nobody, "test", settings("categorical")) is None


def test_the_audit_reads_precomputed_features(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(audit_room, "KINDS", ())  # no noise, which takes seconds
    splits, arrays = made_up("categorical", 1.5)
    np.savez(tmp_path / "text.npz", id=list(arrays), values=np.concatenate(list(arrays.values())))
    corpus = Corpus("generated", [*splits["train"], *splits["test"]], folder=tmp_path)
    config = load_config(None, {"modalities": ["text"], "features.text.precomputed": "text.npz"})
    found = audit_corpus(corpus, config, progress=False)
    assert [check.verdict for check in found.checks if check.name == "features: text"] == ["warn"]
    assert "features" not in found.not_checked and found.verdict == "warn"
    assert not any("features" in check.name for check in audit_corpus(corpus, config, fast=True, progress=False).checks)
    assert "precomputed" in audit_corpus(corpus, Config(), progress=False).not_checked["features"]
    others = Corpus("other", [replace(row, id=f"x{row.id}") for row in corpus.utterances], folder=tmp_path)
    with pytest.raises(InputError, match=r"features\.text\.precomputed=.*none of the 400 ids"):
        audit_corpus(others, config, progress=False)


def real(name: str) -> Path:
    if not (SHARED / name).exists():
        pytest.skip(f"no {SHARED / name}")
    return SHARED / name


def archive(path: Path) -> dict[str, np.ndarray]:
    with np.load(path) as held:
        values = next(held[key] for key in held.files if held[key].dtype.kind == "f")
        return {name: row[None] for name, row in zip(held["id"].tolist(), values, strict=True)}


def extracted(rows: Sequence[Utterance], modality: str, encoder: Path, store: Path) -> dict[str, np.ndarray]:
    config = load_config(None, {f"features.{modality}.encoder": str(encoder)})
    return extract(rows, config.features, [modality], store, device="cpu", progress=False, workers=1).arrays[modality]


def checked(modality: str, arrays: dict[str, np.ndarray], splits: Splits, scored: str) -> Check:
    found = check_features(modality, arrays, splits, scored, Config())
    assert found is not None
    return found


@pytest.mark.realdata
@pytest.mark.parametrize(("modality", "verdict"), [("text", "warn"), ("video", "warn"), ("audio", "pass")])
def test_published_vectors_of_mosi(modality: str, verdict: str) -> None:
    folder = real("data/mosi")
    splits = {split: read_manifest(folder / f"{split}.csv") for split in ("train", "test")}
    arrays = {k: v for split in splits for k, v in archive(folder / f"{modality}_{split}.npz").items()}
    assert checked(modality, arrays, splits, "test").verdict == verdict


@pytest.mark.realdata
def test_action_units_of_ravdess_pass() -> None:
    folder = real("data/ravdess")
    rows = read_manifest(folder / "labels.csv")
    splits = {split: [row for row in rows if row.split == split] for split in ("train", "val")}
    assert checked("video", archive(folder / "face_action_units.npz"), splits, "val").verdict == "pass"


@pytest.mark.slow
@pytest.mark.realdata
def test_sentences_of_meld_pass(tmp_path: Path) -> None:
    config = load_config(None, {"data.name": "MELD"})
    rows = read_corpus(config, data_dir=real("data/meld")).utterances
    splits = {"train": [r for r in rows if r.split == "train"][:2000], "val": [r for r in rows if r.split == "val"]}
    arrays = extracted([*splits["train"], *splits["val"]], "text", real("models/minilm-l6"), tmp_path)
    assert checked("text", arrays, splits, "val").verdict == "pass"


@pytest.mark.slow
@pytest.mark.realdata
def test_voices_of_crema_d_pass(tmp_path: Path) -> None:
    """Ten clips of each of 20 actors of train and of 10 of val, drawn: in their order a sentence tells the emotion."""
    draw = random.Random(0)
    rows = read_manifest(real("data/crema_d") / "labels.csv")
    splits: Splits = {}
    for split, count in (("train", 20), ("val", 10)):
        by_actor: dict[str | None, list[Utterance]] = {}
        for row in rows:
            if row.split == split:
                by_actor.setdefault(row.speaker, []).append(row)
        splits[split] = [row for own in list(by_actor.values())[:count] for row in draw.sample(own, 10)]
    arrays = extracted([*splits["train"], *splits["val"]], "audio", real("models/whisper-tiny-en"), tmp_path)
    assert checked("audio", arrays, splits, "val").verdict == "pass"
