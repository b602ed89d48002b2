"""Encoders that were tuned for emotion are named by every result."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from tricue.config import load_config
from tricue.data.manifest import write_manifest
from tricue.evaluation.evaluate import evaluate
from tricue.evaluation.table import as_text, metrics_table
from tricue.features import hub
from tricue.training.train import train
from tricue.tuned import PRESETS, TUNED_ON, tuned_on
from tricue.types import CUES, Utterance


def test_a_preset_is_a_hub_name_from_the_start() -> None:
    config = load_config(overrides={f"features.{cue}.encoder": "emotion" for cue in CUES})
    for cue in CUES:
        assert getattr(config.features, cue).encoder == PRESETS[cue]
    assert set(PRESETS.values()) <= set(TUNED_ON)
    assert load_config(overrides={"features.text.layer": 2}).features.text.encoder == "roberta-base"


@pytest.mark.parametrize(
    ("encoder", "architectures", "labels", "told"),
    [
        ("superb/wav2vec2-base-superb-er", [], {}, "IEMOCAP"),
        ("copy", ["BertForSequenceClassification"], {0: "Joy", 1: "sadness", 2: "x"}, "joy, sadness"),
        ("roberta-base", ["RobertaForMaskedLM"], {0: "LABEL_0", 1: "LABEL_1"}, None),
        ("microsoft/resnet-50", ["ResNetForImageClassification"], {0: "tench", 1: "joy"}, None),
        ("copy", ["BertModel"], {0: "joy", 1: "sadness"}, None),
    ],
)
def test_what_an_encoder_was_tuned_on(
    encoder: str, architectures: list[str], labels: dict[int, str], told: str | None
) -> None:
    found = tuned_on(encoder, architectures, labels)
    assert found is None if told is None else told in str(found)


def test_every_result_names_it(tiny_bert: Path, tmp_path: Path) -> None:
    from transformers import AutoTokenizer, BertConfig, BertForSequenceClassification

    torch.manual_seed(0)
    folder = tmp_path / "copy"
    shape = BertConfig.from_pretrained(tiny_bert, id2label={0: "joy", 1: "anger"})
    BertForSequenceClassification(shape).save_pretrained(folder)
    AutoTokenizer.from_pretrained(tiny_bert).save_pretrained(folder)
    words = {"joy": "you are fine", "anger": "what ?"}
    rows = [
        Utterance(f"{split}{i}", text=words[e], emotion=e, split=split)  # type: ignore[arg-type]
        for split in ("train", "val", "test")
        for i, e in enumerate(("joy", "anger") * 3)
    ]
    write_manifest(rows, tmp_path / "m.csv")
    config = load_config(overrides={
        "features.text.encoder": str(folder), "features.text.max_tokens": 16, "modalities": ["text"],
        "model.width": 16, "training.phase1_epochs": 1, "training.phase2_epochs": 1, "training.phase3_epochs": 1,
        "training.tensorboard": False,
    })  # fmt: skip
    place = {"store": tmp_path / "store", "manifest": tmp_path / "m.csv", "quiet": True}
    done = train(config, save_dir=tmp_path / "run", **place)  # type: ignore[arg-type]
    assert hub.emotion_tuned(config.features, ["text"]).keys() == {"text"}
    result = evaluate(done.best_model, out=tmp_path / "out", **place)
    metrics = json.loads((tmp_path / "out/metrics.json").read_text())
    assert "anger, joy" in metrics["tuned"]["text"] and metrics["encoders"]["text"] == str(folder)
    assert "was tuned for emotion" in as_text(metrics_table(metrics, result.title), 200)
