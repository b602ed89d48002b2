"""The trained layers of a speech encoder, resumed from what is stored below them."""

import copy
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from transformers import Wav2Vec2Config, Wav2Vec2FeatureExtractor, Wav2Vec2Model, WavLMConfig, WavLMModel

from tricue.config.feature_settings import AudioFeatures
from tricue.extractors import acoustic, hub
from tricue.extractors.audio_extractors import HubAudio
from tricue.extractors.lower_audio import LowerAudio
from tricue.modalities.audio import AUDIO
from tricue.model.live_audio import LiveAudio, _shares
from tricue.types import InputError

KINDS = ("tiny_whisper", "tiny_wav2vec2", "stable_wav2vec2")
SAMPLES = (20_000, 900, 11_000)  # not whole cells; less than one cell; another length
SMALL = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 32,
         "conv_dim": (8,) * 7, "num_conv_pos_embeddings": 8, "num_conv_pos_embedding_groups": 2}  # fmt: skip


def saved(model: Any, folder: Path) -> Path:
    model.save_pretrained(folder)
    Wav2Vec2FeatureExtractor(do_normalize=True).save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def stable_wav2vec2(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """wav2vec2-large's kind: norms before attention, and one behind the last layer."""
    torch.manual_seed(1)
    shape = Wav2Vec2Config(**SMALL, do_stable_layer_norm=True, feat_extract_norm="layer")
    return saved(Wav2Vec2Model(shape), tmp_path_factory.mktemp("stable-wav2vec2"))


@pytest.fixture(scope="module")
def tiny_wavlm(tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.manual_seed(0)
    return saved(WavLMModel(WavLMConfig(**SMALL)), tmp_path_factory.mktemp("tiny-wavlm"))


def wave(samples: int, seed: int = 0) -> np.ndarray:
    return (0.1 * np.random.default_rng(seed).normal(size=samples)).astype(np.float32)


def made(folder: Path, finetune: Any, **settings: Any) -> tuple[HubAudio, LowerAudio, LiveAudio]:
    config = AudioFeatures(encoder=str(folder), **settings)
    live = AUDIO.make_live_encoder(copy.deepcopy(hub.load_model(folder, "cpu")), config, finetune)
    return HubAudio(folder, config), AUDIO.make_live_extractor(config, "cpu", finetune), live.eval()


def stored(extractor: HubAudio, sounds: list[np.ndarray]) -> list[torch.Tensor]:
    """What the store would hold of them."""
    rows = extractor.encode([extractor.prepare(sound) for sound in sounds])
    return [torch.from_numpy(row.astype(np.float16).astype(np.float32)) for row in rows]


def batch(rows: list[torch.Tensor], junk: float = 0.0) -> tuple[torch.Tensor, torch.Tensor]:
    values = torch.nn.utils.rnn.pad_sequence(rows, True, junk)
    mask = torch.arange(values.shape[1]) < torch.tensor([len(row) for row in rows])[:, None]
    return values, mask


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    ("finetune", "layer", "rate"), [(1, "mix", 10.0), ("all", None, 25.0), (2, [-2, -1], 3.0), (1, [0, -1], 7.0)]
)
def test_before_it_is_trained_it_gives_the_features_of_the_frozen_encoder(
    kind: str, finetune: Any, layer: Any, rate: float, request: pytest.FixtureRequest
) -> None:
    folder = request.getfixturevalue(kind)
    frozen, lower, live = made(folder, finetune, layer=layer, rate_hz=rate)
    sounds = [wave(n, seed) for seed, n in enumerate(SAMPLES)]
    assert lower.dims == frozen.dims
    with torch.no_grad():
        values, mask = batch(stored(lower, sounds))
        vectors, same = live(values, mask)
    assert same is mask and vectors.shape == (3, values.shape[1], sum(frozen.dims))
    for own, given, row in zip(vectors, mask, stored(frozen, sounds), strict=True):
        assert int(given.sum()) == len(row)  # the time steps are the frozen encoder's
        torch.testing.assert_close(own[given], row, rtol=2e-3, atol=5e-3)  # both in 16 bits


@pytest.mark.parametrize("kind", KINDS)
def test_each_row_alone_as_in_a_padded_batch(kind: str, request: pytest.FixtureRequest) -> None:
    _, lower, live = made(request.getfixturevalue(kind), "all")
    rows = stored(lower, [wave(n, seed) for seed, n in enumerate(SAMPLES)])
    values, mask = batch(rows, junk=3.0)
    with torch.no_grad():
        together, _ = live(values, mask)
        for own, given, row in zip(together, mask, rows, strict=True):
            alone, _ = live(row[None], torch.ones(1, len(row), dtype=torch.bool))
            torch.testing.assert_close(own[given], alone[0], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("bits", [16, 32])
def test_a_row_that_is_hidden_gives_finite_numbers_and_gradients(bits: int, tiny_whisper: Path) -> None:
    _, lower, live = made(tiny_whisper, "all")
    values, mask = batch(stored(lower, [wave(8000), wave(8000, 1)]))
    mask[1] = False
    with torch.autocast("cpu", torch.bfloat16, enabled=bits == 16):
        vectors, _ = live.train()(values, mask)
    torch.where(mask[..., None], vectors, 0.0).square().sum().backward()
    assert bool(vectors.isfinite().all())
    assert all(bool(own.grad.isfinite().all()) for own in live.parameters() if own.grad is not None)


@pytest.mark.parametrize("kind", KINDS)
def test_activations_that_are_computed_again_give_the_same_gradients(kind: str, request: pytest.FixtureRequest) -> None:
    """The layers keep what transformers set on the encoder that they come from; dropout is drawn alike."""
    folder, config, gradients = request.getfixturevalue(kind), AudioFeatures(encoder="x"), []
    values, mask = batch(stored(made(folder, "all")[1], [wave(9_000), wave(5_000, 1)]))
    for again in (False, True):
        encoder = copy.deepcopy(hub.load_model(folder, "cpu"))
        if again:
            encoder.activation_checkpointing_enable({"use_reentrant": False})
        live = AUDIO.make_live_encoder(encoder, config, "all").train()
        torch.manual_seed(0)
        live(values, mask)[0][mask].square().sum().backward()
        gradients.append([own.grad for own in live.parameters()])
    for one, other in zip(*gradients, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-5, atol=1e-6)


def test_depths_are_counted_from_the_top(tiny_whisper: Path) -> None:
    depths = made(tiny_whisper, "all")[2].depths()
    parts = {".".join(name.split(".")[:2]): depth for name, depth in depths.items()}
    assert parts == {"layers.0": 1, "layers.1": 0, "norm.weight": 0, "norm.bias": 0}


def test_only_the_top_layers_are_held_by_their_own_numbers(tiny_whisper: Path, tiny_wav2vec2: Path) -> None:
    names = {name.split(".")[1] for name, _ in made(tiny_whisper, 1)[2].named_parameters() if "layers" in name}
    assert names == {"1"}
    assert {name.split(".")[0] for name, _ in made(tiny_whisper, 1)[2].named_parameters()} == {"layers", "norm"}
    assert {name.split(".")[0] for name, _ in made(tiny_wav2vec2, 1)[2].named_parameters()} == {"layers"}


def test_a_cell_takes_the_frames_that_it_holds() -> None:
    """As `acoustic.average` counts them: by hand for cells of 2, 0 and 3 frames, then for many grids."""
    there = torch.tensor([[True, True, True, False], [False] * 4])
    shares = _shares(torch.tensor([[2, 0, 3, 0], [0, 0, 0, 0]]), there, 5)
    third = 1 / 3
    by_hand = [[0.5, 0.5, 0, 0, 0], [0, 0, 1, 0, 0], [0, 0, third, third, third]]
    torch.testing.assert_close(shares[0, :3], torch.tensor(by_hand))
    assert bool(shares.isfinite().all())
    random = np.random.default_rng(0)
    for _ in range(50):
        frames, count, rate = int(random.integers(1, 40)), int(random.integers(1, 12)), random.uniform(2, 60)
        centres = (np.arange(frames) + 0.5) * 0.02
        values = random.normal(size=(frames, 3)).astype(np.float32)
        held = np.diff(acoustic.first_frames(centres, count, rate), append=frames)
        shares = _shares(torch.from_numpy(held)[None], torch.ones(1, count, dtype=torch.bool), frames)
        np.testing.assert_allclose(
            shares[0].numpy() @ values, acoustic.average(values, centres, count, rate), atol=1e-5
        )


@pytest.mark.parametrize("rate", [0.1, 3.0, 10.0, 12.5, 16.0, 25.0])
def test_every_length_of_sound_fits_the_cells(rate: float, tiny_whisper: Path, tiny_wav2vec2: Path) -> None:
    for folder in (tiny_whisper, tiny_wav2vec2):
        _, lower, _ = made(folder, 1, rate_hz=rate, mfcc=0, spectral=False)
        for samples in (1, 400, 1000, 1601, 3_199, 5_000, 7_999, 8_001, 17_777):
            (row,) = lower.encode([lower.prepare(wave(samples))])
            assert row.shape[1] == lower.row_width and row[:, -1].sum() >= 4
            assert row[:, -1].max() <= lower.form.slots


def test_settings_tell_the_rows_apart(tiny_whisper: Path) -> None:
    frozen, one, _ = made(tiny_whisper, 1)
    two = made(tiny_whisper, 2)[1]
    assert two.settings == made(tiny_whisper, "all")[1].settings  # the same values
    assert len({str(own.settings) for own in (frozen, one, two)}) == 3
    assert one.settings.items() > frozen.settings.items()


def test_an_encoder_that_cannot_be_resumed_is_refused(tiny_wavlm: Path) -> None:
    """WavLM's layers read relative positions that the first of them computes."""
    config = AudioFeatures(encoder=str(tiny_wavlm))
    for finetune in (1, "all"):
        with pytest.raises(InputError, match=r"features.audio.encoder=.*tiny-wavlm.*model.finetune.audio=none"):
            AUDIO.make_live_extractor(config, "cpu", finetune)


def test_layers_that_give_something_else_are_refused(tiny_wav2vec2: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tricue.model.live_audio._ends_in_norm", lambda *_: False)
    AUDIO.make_live_extractor(AudioFeatures(encoder=str(tiny_wav2vec2)), "cpu", 1)
    monkeypatch.setattr("tricue.model.live_audio._shares", lambda *given: _shares(*given) * 1.01)
    with pytest.raises(InputError, match="give something else"):
        AUDIO.make_live_extractor(AudioFeatures(encoder=str(tiny_wav2vec2)), "cpu", 1)


def test_a_cell_of_hours_is_refused(tiny_wav2vec2: Path) -> None:
    config = AudioFeatures(encoder=str(tiny_wav2vec2), rate_hz=1e-6, max_seconds=1e6)
    with pytest.raises(InputError, match=r"features.audio.rate_hz=1e-06: .* give more cells per second"):
        AUDIO.make_live_extractor(config, "cpu", 1)


@pytest.mark.parametrize(
    ("settings", "finetune", "message"),
    [
        ({"rate_hz": 26.0}, 1, "features.audio.rate_hz=26.*give 25 or less"),
        ({"whisper_form": "30s"}, 1, "features.audio.whisper_form=true_length"),
        ({}, 3, r"model.finetune.audio=3, but .* has 2 layers"),
        ({"layer": 1}, 1, r"features.audio.layer=1: .* must be read too \(-1 or 2\)"),
        ({"layer": 9}, 1, "features.audio.layer=9: the encoder has layers 0 to 2"),
        ({"encoder": "light"}, 1, "features.audio.encoder is light"),
    ],
)
def test_settings_that_cannot_be_trained(settings: Any, finetune: Any, message: str, tiny_whisper: Path) -> None:
    with pytest.raises(InputError, match=message):
        AUDIO.make_live_extractor(AudioFeatures(**{"encoder": str(tiny_whisper)} | settings), "cpu", finetune)
