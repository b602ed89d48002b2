"""How encoders are trained with the network: rates by layer, the head first, less memory."""

from pathlib import Path
from typing import Any

import pytest
import torch
from tests.small_runs import killed_and_resumed, small, workspace
from transformers import MobileNetV2Config, MobileNetV2Model

from tricue.config.settings import Config
from tricue.extractors import hub
from tricue.features.extract import extract
from tricue.features.feature_set import FeatureSet
from tricue.model.frontends import count_depths
from tricue.model.network import Network
from tricue.prediction.batches import Examples, gather_examples
from tricue.recognizer import MultimodalEmotionRecognizer
from tricue.tasks.categorical import Categorical
from tricue.training.fresh_network import _keep_no_activations, build_network
from tricue.training.phases import parameter_groups
from tricue.training.train import train
from tricue.types import InputError, Utterance

CLASSES = ("anger", "joy")
SAID = ("oh my god, he has lost it!", "I am so happy for you, really")


def settings(encoder: Path, **more: Any) -> Config:
    return small({
        "features.text.encoder": str(encoder), "model.finetune.text": "all", "data.emotions": list(CLASSES),
        "training.batch_size": 4, "training.encoder_rate": 1e-3, "training.rate": 1e-2,
    }, **more)  # fmt: skip


def rows() -> list[Utterance]:
    return [
        Utterance(f"u{i}", f"{SAID[i % 2]} {'you ' * (i % 3)}", label=CLASSES[i % 2], split=("train", "val")[i // 12])
        for i in range(16)
    ]  # fmt: skip


def fresh(config: Config, place: Path) -> tuple[Network, Examples, FeatureSet]:
    features = extract(rows(), config.features, ["text"], place, live=config.live, progress=False)
    examples = gather_examples(rows(), features.arrays, Categorical(CLASSES))
    torch.manual_seed(0)
    return build_network(config, features, examples), examples, features


def test_each_layer_has_its_rate(tiny_bert: Path, tmp_path: Path) -> None:
    """Two layers and the embeddings below them, at half the rate from each to the next."""
    config = settings(tiny_bert, training__layer_decay=0.5)
    network, _, _ = fresh(config, tmp_path)
    names = {id(parameter): name for name, parameter in network.named_parameters()}
    found: dict[str, set[float]] = {"embeddings": set(), "layer.0": set(), "layer.1": set(), "": set()}
    for group in parameter_groups(network, 3, config.training):
        for parameter in group["params"]:
            name = names[id(parameter)]
            part = next(part for part in found if part in name) if "live_text" in name else ""
            found[part].add(group["lr"])
    assert found == {"embeddings": {2.5e-4}, "layer.0": {5e-4}, "layer.1": {1e-3}, "": {1e-2}}


def test_without_decay_there_are_four_groups(tiny_bert: Path, tmp_path: Path) -> None:
    config = settings(tiny_bert)
    groups = parameter_groups(fresh(config, tmp_path)[0], 1, config.training)
    assert [(group["lr"], group["weight_decay"] > 0) for group in groups] == [
        (1e-2, False), (1e-2, True), (1e-3, False), (1e-3, True),
    ]  # fmt: skip


def test_what_follows_the_top_layer_is_as_deep_as_it(tiny_resnet: Path) -> None:
    depths = count_depths(hub.load_model(tiny_resnet, "cpu"))
    assert {name.split(".")[0] + name.split(".")[2]: depth for name, depth in depths.items()} == {
        "embedderconvolution": 2, "embeddernormalization": 2, "encoder0": 1, "encoder1": 0,
    }  # fmt: skip


def test_the_encoder_waits_for_the_head(tiny_bert: Path, tmp_path: Path) -> None:
    once = {"training__phase2_epochs": 0, "training__phase3_epochs": 0, "training__average": 0.0}
    before = hub.load_model(tiny_bert, "cpu").state_dict()
    for epochs, waits in ((1, True), (0, False)):
        config = settings(tiny_bert, training__head_first_epochs=epochs, **once)
        done = train(config, save_dir=tmp_path / f"run{epochs}", workspace=workspace(tmp_path, rows()))
        after = MultimodalEmotionRecognizer.from_pretrained(done.best_model, device="cpu").network
        own = after.live["text"].encoder.state_dict()
        assert all(torch.equal(own[name], before[name]) for name in own) is waits
        assert not torch.equal(after.classifier.weight, fresh(config, tmp_path)[0].classifier.weight)


def test_killed_and_resumed_ends_as_unbroken(tiny_bert: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In the epoch of the head, with rates by layer and activations computed again."""
    config = settings(
        tiny_bert, training__head_first_epochs=1, training__layer_decay=0.5, training__checkpointing=True,
        training__save_minutes=0.0, training__phase1_epochs=2, training__select="last",
    )  # fmt: skip
    place = workspace(tmp_path, rows())
    whole = train(config, save_dir=tmp_path / "whole", workspace=place)
    again = killed_and_resumed(config, tmp_path / "broken", place, 3, monkeypatch)
    one, other = (MultimodalEmotionRecognizer.from_pretrained(run.best_model).network for run in (whole, again))
    weights = other.state_dict()
    assert all(torch.equal(own, weights[name]) for name, own in one.state_dict().items())


def test_activations_that_are_computed_again_give_the_same_gradients(tiny_bert: Path, tmp_path: Path) -> None:
    gradients = []
    for again in (False, True):
        network, examples, _ = fresh(settings(tiny_bert, training__checkpointing=again), tmp_path)
        kept = network.train().live["text"].encoder.encoder.layer[0]
        assert kept.gradient_checkpointing is again
        torch.manual_seed(1)
        batch = examples.batch(range(8))
        assert batch.labels is not None
        torch.nn.functional.cross_entropy(network(batch).logits, batch.labels).backward()
        gradients.append({name: own.grad for name, own in network.named_parameters() if own.grad is not None})
    assert gradients[0].keys() == gradients[1].keys() and any("live_text" in name for name in gradients[0])
    for name, own in gradients[0].items():
        torch.testing.assert_close(gradients[1][name], own, rtol=1e-5, atol=1e-7)


def test_an_encoder_that_cannot_compute_them_again_is_named() -> None:
    small_one = MobileNetV2Config(depth_multiplier=0.1, image_size=32)
    with pytest.raises(InputError, match=r"training.checkpointing: the video encoder .*=false"):
        _keep_no_activations(MobileNetV2Model(small_one), "video")


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({"model__finetune__text": 9}, r"model.finetune=9, but BertModel has 2 layers"),
        ({"training__audio_copies": 1}, r"training.audio_copies=1: no sound is read here"),
    ],
)
def test_what_cannot_be_trained_is_said_before_the_extraction(
    tiny_bert: Path, tmp_path: Path, more: dict[str, Any], said: str
) -> None:
    place = workspace(tmp_path, rows())
    with pytest.raises(InputError, match=said):
        train(settings(tiny_bert, **more), save_dir=tmp_path / "run", workspace=place)
    assert not place.store.exists() and not (tmp_path / "run").exists()
