"""The top of a speech encoder trained with the network: from clips to a checkpoint that has the rest from elsewhere."""

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from tests.clips import write_tones
from tests.small_runs import small, workspace

from tricue.checkpoint.checkpoint import load_checkpoint, load_matching
from tricue.config.settings import Config
from tricue.evaluation.evaluate import measure
from tricue.evaluation.info import cost_table
from tricue.export.model_folder import export_folder
from tricue.export.onnx import export_onnx
from tricue.export.onnx_network import open_onnx
from tricue.extractors import hub
from tricue.features.extract import extract, verify
from tricue.features.pipeline import FeaturePipeline
from tricue.model.cost import parameters
from tricue.prediction.batches import gather_examples
from tricue.recognizer import MultimodalEmotionRecognizer
from tricue.tasks.categorical import Categorical
from tricue.training.fresh_network import build_network
from tricue.training.train import train
from tricue.types import InputError, Utterance

CLASSES = ("low", "high")


@pytest.fixture(scope="module")
def sounds(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Of several lengths; pitch tells the class."""
    folder = tmp_path_factory.mktemp("sounds")
    write_tones(folder, 24, 12_000)
    return folder


def rows(sounds: Path) -> list[Utterance]:
    return [
        Utterance(f"u{i}", audio=sounds / f"{i}.wav", label=CLASSES[i % 2], split="train" if i < 16 else "val")
        for i in range(24)
    ]  # fmt: skip


def settings(encoder: Path, finetune: object = 1, **more: Any) -> Config:
    return small({
        "modalities": ["audio"], "features.audio.encoder": str(encoder), "model.finetune.audio": finetune,
        "data.emotions": list(CLASSES), "training.batch_size": 4, "training.encoder_rate": 1e-3, **more,
    })  # fmt: skip


@pytest.fixture(scope="module")
def run(sounds: Path, tiny_whisper: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path, Path]:
    """A run, its checkpoint, and the encoder that it needs."""
    folder = tmp_path_factory.mktemp("run")
    encoder = folder / "encoder"
    shutil.copytree(tiny_whisper, encoder)
    done = train(settings(encoder), save_dir=folder / "run", workspace=workspace(folder, rows(sounds)))
    return folder, done.best_model, encoder


def test_what_lies_below_is_stored_and_reaches_the_network_scaled(
    sounds: Path, tiny_wav2vec2: Path, tmp_path: Path
) -> None:
    config, own = settings(tiny_wav2vec2), rows(sounds)
    store = tmp_path / "store"
    features = extract(own, config.features, ["audio"], store, live=config.live, progress=False)
    pipeline = FeaturePipeline.from_settings(config.features, ["audio"], store, live=config.live, progress=False)
    counts = verify(pipeline, own)["audio"]
    assert counts == {"stored": 24, "without": 0, "lacking": 0, "wrong": 0, "broken": 0}
    frozen = extract(own, config.features, ["audio"], store, progress=False)
    assert len(list(store.iterdir())) == 2 and features.dims == frozen.dims
    examples = gather_examples(own, features.arrays, Categorical(CLASSES))
    network = build_network(config, features, examples).eval()
    plain = build_network(settings(tiny_wav2vec2, "none"), frozen, gather_examples(own, frozen.arrays, None))
    with torch.no_grad():
        vectors, mask = network._vectors("audio", examples.batch(range(24)))
    for name, scale in plain.scaling["audio"].state_dict().items():
        torch.testing.assert_close(network.scaling["audio"].state_dict()[name], scale, rtol=1e-2, atol=1e-2)
    np.testing.assert_allclose(vectors[mask].mean(dim=0), 0.0, atol=1e-3)


def test_the_checkpoint_holds_the_trained_layers_and_names_the_encoder(run: tuple[Path, Path, Path]) -> None:
    folder, model, encoder = run
    trained = MultimodalEmotionRecognizer.from_pretrained(model, device="cpu")
    before = hub.load_model(encoder, "cpu").encoder.state_dict()
    after = trained.network.live["audio"].state_dict()
    held = {name for name in before if name.startswith(("layers.1.", "layer_norm."))}
    assert after.keys() == {name.replace("layer_norm.", "norm.", 1) if name[:6] == "layer_" else name for name in held}
    assert not torch.equal(after["layers.1.fc2.weight"], before["layers.1.fc2.weight"])
    assert trained.card.encoders == {"audio": hub.encoder_digest(encoder)} and not trained.card.began_as
    assert str(trained.card.config.features.audio.encoder) == str(encoder)
    assert [path.name for path in (model / "audio_encoder").iterdir()] == ["config.json"]
    assert str(folder) not in (model / "audio_encoder" / "config.json").read_text()


def test_it_answers_where_the_encoder_is_and_nowhere_else(
    run: tuple[Path, Path, Path], sounds: Path, tiny_wav2vec2: Path, tmp_path: Path
) -> None:
    _, model, encoder = run
    copied, moved = tmp_path / "model", tmp_path / "encoder"
    shutil.copytree(model, copied)
    shutil.copytree(encoder, moved)
    asked = [{"audio": sounds / f"{i}.wav"} for i in range(6)]

    def answers(place: Path) -> list[Any]:
        elsewhere = {"features.audio.encoder": str(place)}
        model = MultimodalEmotionRecognizer.from_pretrained(copied, overrides=elsewhere, device="cpu")
        return model.predict_batch(asked)

    here, there = answers(encoder), answers(moved)
    assert [p.error for p in there] == [None] * 6
    assert [p.probabilities for p in here] == [p.probabilities for p in there]
    alone = MultimodalEmotionRecognizer.from_pretrained(copied, device="cpu").predict(**asked[3])
    assert alone.probabilities == pytest.approx(here[3].probabilities, abs=1e-5)
    with pytest.raises(InputError, match="not a folder here"):
        answers(tmp_path / "nowhere")
    config = json.loads((moved / "preprocessor_config.json").read_text())
    (moved / "preprocessor_config.json").write_text(json.dumps(config | {"padding_value": 0.1}))
    with pytest.raises(InputError, match="not those that this model was trained with"):
        answers(moved)


def test_evaluation_and_explanation_read_it(run: tuple[Path, Path, Path], sounds: Path) -> None:
    folder, model, _ = run
    measured = measure(model, workspace=workspace(folder), split="val")
    assert len(measured.predictions) == 8 and all(p.error is None for p in measured.predictions)
    trained = MultimodalEmotionRecognizer.from_pretrained(model, device="cpu")
    told = trained.explain(audio=sounds / "3.wav").steps["audio"]
    assert [step.moment.start for step in told] == pytest.approx([i / 10 for i in range(len(told))])


def test_an_exported_folder_names_the_encoder_on_the_hub(
    run: tuple[Path, Path, Path], sounds: Path, tmp_path: Path
) -> None:
    """Its shape comes from the checkpoint: nothing is fetched."""
    _, model, encoder = run
    network, card = load_checkpoint(model)
    export_folder(network, card, tmp_path / "out", name=None, results=[], half=True, onnx=False, rows=True,
                  with_encoders=False, encoders={"audio": "somebody/speech"}, modalities=None)  # fmt: skip
    assert load_checkpoint(tmp_path / "out")[1].config.features.audio.encoder == "somebody/speech"
    assert "somebody/speech" in (tmp_path / "out" / "README.md").read_text()
    here = {"features.audio.encoder": str(encoder)}
    one, other = (
        MultimodalEmotionRecognizer.from_pretrained(place, overrides=here, device="cpu").predict(audio=sounds / "1.wav")
        for place in (model, tmp_path / "out")
    )
    assert other.probabilities == pytest.approx(one.probabilities, abs=5e-3)  # of 16 bits


def test_its_cost_is_told(run: tuple[Path, Path, Path]) -> None:
    """One of two layers of width 16: attention 4 (256 + 16) - 16, two layers of 32, three norms."""
    _, model, _ = run
    network, card = load_checkpoint(model)
    live = parameters(network)["live_audio"]
    assert live["total"] == live["trainable"] == 1072 + 2 * 512 + 48 + 3 * 32
    table = cost_table(network, card.config, card.dims, "cost")
    assert float(next(iter(table.columns[3].cells))) > 0


@pytest.mark.slow
def test_the_onnx_file_goes_on_from_the_trained_layers(
    run: tuple[Path, Path, Path], sounds: Path, tmp_path: Path
) -> None:
    folder, model, _ = run
    network, card = load_checkpoint(model)
    export_onnx(network, card, ["audio"], tmp_path / "network.onnx")
    opened = open_onnx(tmp_path, network, card)
    features = extract(
        rows(sounds), card.config.features, ["audio"], folder / "store", live=card.config.live, progress=False
    )
    batch = gather_examples(rows(sounds), features.arrays, None).batch(range(24))
    with torch.no_grad():
        torch.testing.assert_close(opened(batch).logits, network(batch).logits, atol=1e-4, rtol=1e-4)


def test_a_damaged_shape_is_one_clear_error(run: tuple[Path, Path, Path], tmp_path: Path) -> None:
    shutil.copytree(run[1], tmp_path / "model")
    path = tmp_path / "model" / "audio_encoder" / "config.json"
    path.write_text(path.read_text().replace('"d_model": 16', '"d_model": 32'))
    with pytest.raises(InputError, match="audio_encoder has changed"):
        MultimodalEmotionRecognizer.from_pretrained(tmp_path / "model", device="cpu")


def test_what_cannot_be_trained_is_refused() -> None:
    with pytest.raises(InputError, match=r"needs a hub audio encoder; features.audio.encoder is light"):
        small({"modalities": ["audio"], "features.audio.encoder": "light", "model.finetune.audio": 2})
    with pytest.raises(InputError, match=r"trains the audio encoder; features.audio.precomputed has none"):
        small({"modalities": ["audio"], "features.audio.precomputed": "x.npz", "model.finetune.audio": "all"})


def test_a_deeper_run_starts_from_a_shallower_one(run: tuple[Path, Path, Path], sounds: Path) -> None:
    """Layers go by their numbers in the encoder."""
    folder, model, encoder = run
    deeper = settings(encoder, "all")
    features = extract(rows(sounds), deeper.features, ["audio"], folder / "store", live=deeper.live, progress=False)
    examples = gather_examples(rows(sounds), features.arrays, Categorical(CLASSES))
    network = build_network(deeper, features, examples)
    loaded, fresh = load_matching(network, model, list(CLASSES))
    assert {name.split(".")[2] for name in loaded if "live_audio.layers" in name} == {"1"}
    assert {name.split(".")[2] for name in fresh if "live_audio.layers" in name} == {"0"}


def test_an_exported_folder_may_carry_the_frozen_part(
    run: tuple[Path, Path, Path], sounds: Path, tmp_path: Path
) -> None:
    _, model, encoder = run
    export_folder(*load_checkpoint(model), tmp_path / "out", name=None, results=[], half=False, onnx=False, rows=True,
                  with_encoders=True, encoders={}, modalities=None)  # fmt: skip
    text = (tmp_path / "out" / "README.md").read_text()
    assert f"| audio | ./{encoder.name} | partly trained along, in this folder |" in text
    assert "the audio encoder, whose trained layers are among the weights." in text
    carried = MultimodalEmotionRecognizer.from_pretrained(tmp_path / "out", device="cpu")
    assert carried.card.config.features.audio.encoder == str(tmp_path / "out" / "audio_encoder")
    one, other = (
        own.predict(audio=sounds / "1.wav")
        for own in (MultimodalEmotionRecognizer.from_pretrained(model, device="cpu"), carried)
    )
    assert other.probabilities == one.probabilities
