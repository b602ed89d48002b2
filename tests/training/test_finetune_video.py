"""An image encoder trained with the network: from pictures to a checkpoint that needs nothing else."""

import copy
import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from tests.small_runs import small, workspace

from tricue.config.settings import Config
from tricue.data.manifest import read_manifest
from tricue.extractors import hub
from tricue.extractors.video_extractors import HubVideo, video_extractor
from tricue.features.extract import extract
from tricue.modalities.video import VIDEO
from tricue.model.frontends import LiveVideo
from tricue.prediction.batches import gather_examples
from tricue.recognizer import MultimodalEmotionRecognizer
from tricue.tasks.categorical import Categorical
from tricue.training.fresh_network import build_network
from tricue.training.train import train
from tricue.types import InputError, Utterance

CLASSES = ("dark", "bright")
SIDE = 32


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Stills of 40 pixels; brightness tells the class."""
    folder, rng = tmp_path_factory.mktemp("stills"), np.random.default_rng(0)
    for i in range(24):
        level = 60 if i % 2 == 0 else 190
        image = np.clip(rng.normal(level, 25, (40, 40, 3)), 0, 255).astype(np.uint8)
        Image.fromarray(image).save(folder / f"{i}.png")
    return folder


def rows(pictures: Path) -> list[Utterance]:
    return [
        Utterance(f"u{i}", video=pictures / f"{i}.png", label=CLASSES[i % 2], split="train" if i < 16 else "val")
        for i in range(24)
    ]  # fmt: skip


def settings(encoder: Path, finetune: object = "all") -> Config:
    return small({
        "modalities": ["video"], "features.video.encoder": str(encoder), "features.video.frames": 1,
        "features.video.side": SIDE, "model.finetune.video": finetune, "data.emotions": list(CLASSES),
        "training.batch_size": 4, "training.encoder_rate": 1e-3,
    })  # fmt: skip


def fresh(encoder: Path) -> Any:
    """A copy: the loaded one is shared by all of a process."""
    return copy.deepcopy(hub.load_model(encoder, "cpu"))


def test_before_it_is_trained_it_gives_the_features_of_the_frozen_encoder(
    pictures: Path, tiny_resnet: Path, tmp_path: Path
) -> None:
    config, own = settings(tiny_resnet), rows(pictures)
    frozen = extract(own, config.features, ["video"], tmp_path / "store", progress=False)
    live = extract(own, config.features, ["video"], tmp_path / "store", live={"video": "all"}, progress=False)
    assert live.arrays["video"]["u0"].shape == (1, 3 * SIDE * SIDE) and live.dims == frozen.dims
    examples = gather_examples(own, live.arrays, Categorical(CLASSES))
    network = build_network(config, live, examples).eval()
    batch = examples.batch(range(4))
    with torch.no_grad():
        vectors, mask = network.live["video"](batch.values["video"], batch.masks["video"])
    assert bool(mask.all())
    for i in range(4):
        np.testing.assert_allclose(vectors[i].numpy(), frozen.arrays["video"][f"u{i}"], atol=2e-3)  # these in 16 bits


def test_each_row_alone_as_in_a_batch(tiny_resnet: Path) -> None:
    live = VIDEO.make_live_encoder(fresh(tiny_resnet), settings(tiny_resnet).features.video, "all")
    torch.manual_seed(0)
    values, mask = torch.randn(3, 2, 3 * SIDE * SIDE), torch.tensor([[True, True], [True, False], [True, True]])
    with torch.no_grad():
        together, _ = live.eval()(values, mask)
        alone, _ = live(values[1:2, :1], mask[1:2, :1])
    torch.testing.assert_close(together[1, :1], alone[0], rtol=1e-4, atol=1e-5)
    assert not together[1, 1].any()


def test_frames_are_varied_in_training_alone(tiny_resnet: Path) -> None:
    live = VIDEO.make_live_encoder(fresh(tiny_resnet), settings(tiny_resnet).features.video, 1)
    assert isinstance(live, LiveVideo)
    values, mask = torch.randn(2, 1, 3 * SIDE * SIDE), torch.ones(2, 1, dtype=torch.bool)
    with torch.no_grad():
        torch.manual_seed(0)
        first = live.train()(values, mask)[0]
        assert not torch.allclose(first, live(values, mask)[0])
        torch.testing.assert_close(live.eval()(values, mask)[0], live(values, mask)[0])


def test_only_the_top_is_trained_and_what_is_frozen_keeps_its_norms(tiny_resnet: Path) -> None:
    encoder = fresh(tiny_resnet)
    live = VIDEO.make_live_encoder(encoder, settings(tiny_resnet).features.video, 1).train()
    trained = {name.split(".")[3] for name, own in live.named_parameters() if own.requires_grad}
    stages = len(encoder.encoder.stages)
    assert trained == {str(stages - 1)}
    before = {name: own.clone() for name, own in live.named_buffers() if "running_mean" in name}
    live(torch.randn(4, 1, 3 * SIDE * SIDE), torch.ones(4, 1, dtype=torch.bool))
    moved = {name for name, own in live.named_buffers() if name in before and not torch.equal(own, before[name])}
    assert moved and all(f"stages.{stages - 1}." in name for name in moved)


def test_the_checkpoint_answers_without_the_encoder_it_came_from(
    pictures: Path, tiny_resnet: Path, tmp_path: Path
) -> None:
    encoder = tmp_path / "encoder"
    shutil.copytree(tiny_resnet, encoder)
    done = train(settings(encoder), save_dir=tmp_path / "run", workspace=workspace(tmp_path, rows(pictures)))
    before = {name: own.clone() for name, own in hub.load_model(encoder, "cpu").state_dict().items()}
    shutil.rmtree(encoder)
    model = MultimodalEmotionRecognizer.from_pretrained(done.best_model, device="cpu")
    after = model.network.live["video"].encoder.state_dict()
    weights = [name for name in after if name.endswith("convolution.weight")]
    assert weights and any(not torch.equal(after[name], before[name]) for name in weights)
    asked = [{"video": pictures / f"{i}.png"} for i in range(4)]
    first, again = (model.predict_batch(asked) for _ in range(2))
    assert [p.error for p in first] == [None] * 4
    assert [p.probabilities for p in first] == [p.probabilities for p in again]
    assert len(read_manifest(tmp_path / "rows.csv")) == 24


def test_more_layers_than_there_are(tiny_resnet: Path) -> None:
    with pytest.raises(InputError, match=r"model.finetune=99, but ResNetModel has \d+ layers"):
        VIDEO.make_live_encoder(fresh(tiny_resnet), settings(tiny_resnet).features.video, 99)


def test_what_cannot_be_trained_is_refused(tiny_resnet: Path) -> None:
    with pytest.raises(InputError, match=r"needs a hub video encoder; features.video.encoder is light"):
        small({"modalities": ["video"], "features.video.encoder": "light", "model.finetune.video": "all"})
    with pytest.raises(InputError, match=r"trains the video encoder; features.video.precomputed has none"):
        small({"modalities": ["video"], "features.video.precomputed": "x.npz", "model.finetune.video": "all"})


def test_a_side_makes_the_picture_smaller(tiny_resnet: Path) -> None:
    config = settings(tiny_resnet, "none").features.video
    extractor = video_extractor(config)
    assert isinstance(extractor, HubVideo) and extractor.settings["side"] == SIDE
    assert extractor.prepare([np.zeros((40, 60, 3), np.uint8)]).shape == (1, 3, SIDE, SIDE)
    plain = video_extractor(config.model_copy(update={"side": None}))
    assert "side" not in plain.settings  # features that were stored before stay valid


def test_batch_norms_wait_for_the_head_too(pictures: Path, tiny_resnet: Path, tmp_path: Path) -> None:
    """After an epoch of the head they are as they came; in the epoch behind it each of four batches moves them."""
    before = hub.load_model(tiny_resnet, "cpu").state_dict()
    for epochs in (1, 2):
        short = {"phase1_epochs": epochs, "phase2_epochs": 0, "phase3_epochs": 0, "head_first_epochs": 1}
        config = settings(tiny_resnet)
        training = config.training.model_copy(update=short | {"average": 0.0, "select": "last"})
        place = workspace(tmp_path, rows(pictures))
        done = train(
            config.model_copy(update={"training": training}), save_dir=tmp_path / f"run{epochs}", workspace=place
        )
        after = MultimodalEmotionRecognizer.from_pretrained(done.best_model).network.live["video"].encoder.state_dict()
        counts = {name: int(own - before[name]) for name, own in after.items() if "num_batches" in name}
        assert counts and set(counts.values()) == {4 * (epochs - 1)}
        assert any("running_mean" in name for name in after)
        assert all(torch.equal(own, before[name]) for name, own in after.items()) is (epochs == 1)


def test_stored_pictures_are_shared_by_what_reads_the_same(tiny_resnet: Path, tmp_path: Path) -> None:
    """Not by an encoder whose processor cuts otherwise; where `side` says how large, the processor does not matter."""
    other, copy_ = tmp_path / "other", tmp_path / "copy"
    for folder in (other, copy_):
        shutil.copytree(tiny_resnet, folder)
    told = json.loads((other / "preprocessor_config.json").read_text())
    (other / "preprocessor_config.json").write_text(json.dumps(told | {"crop_pct": 0.5}))

    def key(folder: Path, side: int | None) -> tuple[str, str]:
        features = settings(folder).features.video.model_copy(update={"side": side})
        extractor = VIDEO.make_live_extractor(features, "cpu", "all")
        return extractor.name, json.dumps(extractor.settings)

    assert key(tiny_resnet, None) == key(copy_, None) != key(other, None)
    assert key(tiny_resnet, SIDE) == key(other, SIDE)
