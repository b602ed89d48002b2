"""Encoders that were tuned for emotion are named by every result."""

import json
from pathlib import Path

import pytest
import torch
from tests.small_runs import small, workspace

from tricue.config.load import load_config
from tricue.config.tuned import TUNED_ON, tuned_on
from tricue.evaluation.evaluate import evaluate
from tricue.evaluation.metrics_table import as_text, metrics_table
from tricue.extractors import hub
from tricue.registry import MODALITIES
from tricue.training.train import train
from tricue.types import Utterance


def test_a_preset_is_a_hub_name_from_the_start() -> None:
    config = load_config(overrides={f"features.{modality}.encoder": "emotion" for modality in MODALITIES})
    for modality in MODALITIES:
        preset = MODALITIES[modality].Settings.preset
        assert config.features[modality].encoder == preset and preset in TUNED_ON
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
        Utterance(f"{split}{i}", text=words[e], label=e, split=split)  # type: ignore[arg-type]
        for split in ("train", "val", "test")
        for i, e in enumerate(("joy", "anger") * 3)
    ]
    config = small({"features.text.encoder": str(folder), "features.text.max_tokens": 16})
    place = workspace(tmp_path, rows)
    done = train(config, save_dir=tmp_path / "run", workspace=place)
    assert hub.emotion_tuned(config.features, ["text"]).keys() == {"text"}
    result = evaluate(done.best_model, out=tmp_path / "out", workspace=place)
    metrics = json.loads((tmp_path / "out/metrics.json").read_text())
    assert "anger, joy" in metrics["tuned"]["text"] and metrics["encoders"]["text"] == str(folder)
    assert "was tuned for emotion" in as_text(metrics_table(metrics, result.title), 200)
