"""A text encoder trained with the network: from a table to a checkpoint that needs nothing else."""

import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from tests.small_runs import small, workspace

from tricue.config.load import change_config
from tricue.config.settings import Config
from tricue.data.manifest import read_manifest
from tricue.extractors import hub
from tricue.features.extract import extract
from tricue.prediction.batches import gather_examples
from tricue.recognizer import MultimodalEmotionRecognizer
from tricue.tasks.categorical import Categorical
from tricue.training.fresh_network import build_network
from tricue.training.train import train
from tricue.types import InputError, Utterance

SAID = {"joy": "I am so happy for you, really", "anger": "oh my god, he has lost it!"}


@pytest.fixture
def manifest(tmp_path: Path) -> Path:
    """Two dialogues of twelve turns each for training, one of four for val; words tell the emotion."""
    rows = [
        Utterance(
            f"{split}-{dialogue}-{turn}", f"{SAID[emotion]} {'you ' * (turn % 3)}", label=emotion,
            speaker="Ross" if turn % 2 else "Joey", dialogue=f"{split}{dialogue}", turn=turn, split=split,
        )
        for split, dialogues, turns in (("train", 2, 12), ("val", 1, 4))
        for dialogue in range(dialogues)
        for turn in range(turns)
        for emotion in [("joy", "anger")[(turn + turn // 3) % 2]]
    ]  # fmt: skip
    return Path(str(workspace(tmp_path, rows).manifest))


def settings(encoder: Path) -> Config:
    return small({
        "features.text.encoder": str(encoder), "features.text.context": 2, "features.text.layer": [-2, -1],
        "model.finetune": "all", "model.width": 32, "training.phase1_epochs": 2, "training.batch_size": 4,
        "training.accumulation": 1, "training.encoder_rate": 1e-3,
    })  # fmt: skip


def test_its_vectors_reach_the_network_scaled(manifest: Path, tiny_bert: Path, tmp_path: Path) -> None:
    config = settings(tiny_bert)
    rows = [u for u in read_manifest(manifest) if u.split == "train"]
    features = extract(rows, config.features, ["text"], tmp_path / "store", live={"text": "all"}, progress=False)
    config = config.model_copy(update={"data": config.data.model_copy(update={"emotions": list(SAID)})})
    examples = gather_examples(rows, features.arrays, Categorical(tuple(SAID)))
    network = build_network(config, features, examples).eval()
    with torch.no_grad():
        vectors, mask = network._vectors("text", examples.batch(range(len(examples))))
    np.testing.assert_allclose(vectors[mask].mean(dim=0), 0.0, atol=1e-4)
    np.testing.assert_allclose(vectors[mask].std(dim=0, correction=0), 1.0, atol=1e-3)


def test_another_encoder_than_the_one_it_was_trained_with(tiny_bert: Path, manifest: Path, tmp_path: Path) -> None:
    config = change_config(settings(tiny_bert), {"model.finetune": "none"}, "the test")
    done = train(config, save_dir=tmp_path / "run", workspace=workspace(tmp_path))

    def model_with(encoder: object) -> MultimodalEmotionRecognizer:
        other = {"features.text.encoder": str(encoder)}
        return MultimodalEmotionRecognizer.from_pretrained(done.best_model, overrides=other, device="cpu")

    model = model_with("light")
    with pytest.raises(InputError, match="256 numbers, but this model was trained on 16"):
        model.predict("hello")
    moved = tmp_path / "moved"
    shutil.copytree(tiny_bert, moved)
    model = model_with(moved)
    assert model.predict("hello").emotion in SAID
    vocabulary = moved / "vocab.txt"
    vocabulary.write_text(vocabulary.read_text() + "more\n")
    assert model.predict("hello").emotion in SAID  # other files, which say the same (extractors/likeness.py)
    changed = tmp_path / "changed"
    shutil.copytree(tiny_bert, changed)
    weights = load_file(changed / "model.safetensors")
    words = next(name for name in weights if name.endswith("word_embeddings.weight"))
    weights[words] = weights[words].flip(0).contiguous()
    save_file(weights, changed / "model.safetensors", metadata={"format": "pt"})
    model = model_with(changed)
    with pytest.raises(InputError, match="not those that this model was trained with"):
        model.predict("hello")


def test_the_checkpoint_answers_without_the_encoder_it_came_from(
    manifest: Path, tiny_bert: Path, tmp_path: Path
) -> None:
    encoder = tmp_path / "encoder"
    shutil.copytree(tiny_bert, encoder)
    done = train(settings(encoder), save_dir=tmp_path / "run", workspace=workspace(tmp_path))
    before = hub.load_model(encoder, "cpu").state_dict()
    shutil.rmtree(encoder)
    model = MultimodalEmotionRecognizer.from_pretrained(done.best_model, device="cpu")
    after = model.network.live["text"].encoder.state_dict()
    assert all(name in before for name in after)
    assert not torch.equal(after["encoder.layer.1.output.dense.weight"], before["encoder.layer.1.output.dense.weight"])
    first, again = (model.predict_batch(list(SAID.values())) for _ in range(2))
    assert [p.error for p in first] == [None, None]
    assert [p.probabilities for p in first] == [p.probabilities for p in again]
