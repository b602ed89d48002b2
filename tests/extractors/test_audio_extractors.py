import numpy as np
import pytest

from tricue.config.feature_settings import AudioFeatures
from tricue.extractors import acoustic
from tricue.extractors.audio_extractors import HubAudio, LightAudio, audio_extractor
from tricue.media.decoding import MediaError
from tricue.types import InputError


def wave(samples: int, seed: int = 0) -> np.ndarray:
    return (0.1 * np.random.default_rng(seed).normal(size=samples)).astype(np.float32)


def hub(folder, **settings) -> HubAudio:
    extractor = audio_extractor(AudioFeatures(encoder=str(folder), **settings))
    assert isinstance(extractor, HubAudio)
    return extractor


def on_grid(states: np.ndarray, samples: int, step: float = 0.02, rate: float = 10.0) -> np.ndarray:
    """Mean per tenth of a second, cell by cell."""
    count = max(1, round(samples / 16_000 * rate))
    cell = np.minimum(((np.arange(len(states)) + 0.5) * step * rate).astype(int), count - 1)
    return np.stack([states[cell == i].mean(0) for i in range(count)])


def test_light_is_mel_mfcc_and_spectral_side_by_side():
    light = audio_extractor(AudioFeatures(encoder="light"))
    assert isinstance(light, LightAudio) and light.dims == (64, 34)
    sound = wave(19_200)
    (own,) = light.encode([light.prepare(sound)])
    assert own.shape == (12, 98)
    frames = acoustic.signal_features(sound, mels=True, mfcc=25, spectral=True)
    np.testing.assert_allclose(own[1], frames[5:10].mean(0), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(("mfcc", "spectral", "dims"), [(0, True, (64, 9)), (13, False, (64, 13)), (0, False, (64,))])
def test_parts_can_be_left_out(mfcc, spectral, dims):
    light = audio_extractor(AudioFeatures(encoder="light", mfcc=mfcc, spectral=spectral))
    assert light.dims == dims
    assert light.prepare(wave(8000)).shape == (5, sum(dims))


@pytest.mark.parametrize("samples", [1, 300, 1700])
def test_short_sound_gives_one_cell(tiny_wav2vec2, samples):
    for extractor in (LightAudio(AudioFeatures(encoder="light")), hub(tiny_wav2vec2)):
        (own,) = extractor.encode([extractor.prepare(wave(samples))])
        assert own.shape == (1, sum(extractor.dims)) and np.isfinite(own).all()


def test_samples_that_are_no_numbers(tiny_wav2vec2):
    broken = wave(8000)
    broken[100] = np.nan
    for extractor in (LightAudio(AudioFeatures(encoder="light")), hub(tiny_wav2vec2)):
        with pytest.raises(MediaError, match="not finite"):
            extractor.prepare(broken)
        with pytest.raises(MediaError, match="full scale"):  # finite, but its square is not
            extractor.prepare(np.full(8000, 3e38, np.float32))


def wav2vec2_states(folder, sound: np.ndarray, layer: int = -1) -> np.ndarray:
    import torch
    from transformers import AutoFeatureExtractor, AutoModel

    inputs = AutoFeatureExtractor.from_pretrained(str(folder))(sound, sampling_rate=16_000, return_tensors="pt")
    with torch.no_grad():
        output = AutoModel.from_pretrained(str(folder)).eval()(inputs.input_values, output_hidden_states=True)
    return output.hidden_states[layer][0].numpy()


def whisper_states(folder, sound: np.ndarray, true_length: bool) -> np.ndarray:
    """Mel frames by transformers; the true length through the encoder's own parts, without its length check."""
    import torch
    from torch.nn.functional import gelu
    from transformers import AutoFeatureExtractor, AutoModel

    extractor = AutoFeatureExtractor.from_pretrained(str(folder))
    encoder = AutoModel.from_pretrained(str(folder), dtype=torch.float32).eval().get_encoder()
    with torch.no_grad():
        if not true_length:
            mel = extractor(sound, sampling_rate=16_000, return_tensors="pt").input_features
            return encoder(mel).last_hidden_state[0].numpy()
        whole = np.pad(sound, (0, -len(sound) % 320))
        mel = extractor(whole, sampling_rate=16_000, return_tensors="pt", padding=False).input_features
        state = gelu(encoder.conv2(gelu(encoder.conv1(mel)))).transpose(1, 2)
        state = state + encoder.embed_positions.weight[: state.shape[1]]
        for layer in encoder.layers:
            state = layer(state, None)
            state = state[0] if isinstance(state, tuple) else state
        return encoder.layer_norm(state)[0].numpy()


@pytest.mark.parametrize("layer", [None, 1])
def test_wav2vec2_equals_transformers(tiny_wav2vec2, layer):
    extractor, sound = hub(tiny_wav2vec2, layer=layer), wave(20_000)
    (own,) = extractor.encode([extractor.prepare(sound)])
    states = wav2vec2_states(tiny_wav2vec2, sound, -1 if layer is None else layer)
    step = 20_000 / 16_000 / len(states)
    np.testing.assert_allclose(own[:, :16], on_grid(states, 20_000, step), atol=1e-4)
    np.testing.assert_allclose(own[:, 16:], extractor.prepare(sound).acoustic)


@pytest.mark.parametrize("form", ["true_length", "30s"])
def test_whisper_equals_transformers(tiny_whisper, form):
    extractor, sound = hub(tiny_whisper, layer=None, whisper_form=form), wave(24_100)
    (own,) = extractor.encode([extractor.prepare(sound)])
    states = whisper_states(tiny_whisper, sound, form == "true_length")[: -(-24_100 // 320)]
    np.testing.assert_allclose(own[:, :16], on_grid(states, 24_100), atol=1e-4)
    np.testing.assert_array_equal(extractor.encode([extractor.prepare(sound)])[0], own)  # the table is back


@pytest.mark.parametrize("kind", ["tiny_wav2vec2", "tiny_whisper"])
def test_neighbours_change_nothing(kind, request):
    """Lengths are mixed, two of them equal: group norm over a padded batch would change every one."""
    extractor = hub(request.getfixturevalue(kind))
    prepared = [extractor.prepare(wave(n, seed)) for seed, n in enumerate((16_000, 24_000, 16_000, 9_000))]
    for one, among in zip(prepared, extractor.encode(prepared), strict=True):
        np.testing.assert_allclose(extractor.encode([one])[0], among, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("kind", ["tiny_wav2vec2", "tiny_whisper"])
@pytest.mark.parametrize(("mfcc", "spectral", "beside"), [(25, True, (34,)), (13, False, (13,)), (0, False, ())])
def test_a_mix_holds_every_layer_before_the_acoustic_features(kind, mfcc, spectral, beside, request):
    folder, sound = request.getfixturevalue(kind), wave(16_000)
    parts = {"mfcc": mfcc, "spectral": spectral}
    extractor = hub(folder, layer="mix", **parts)
    prepared = extractor.prepare(sound)
    (own,) = extractor.encode([prepared])
    assert extractor.dims == (16, 16, 16, *beside) and own.shape == (10, sum(extractor.dims))
    for layer in range(3):
        (alone,) = hub(folder, layer=layer, **parts).encode([prepared])
        np.testing.assert_allclose(own[:, 16 * layer : 16 * (layer + 1)], alone[:, :16], atol=1e-6)
    np.testing.assert_array_equal(own[:, 48:], prepared.acoustic)


def test_whisper_hears_no_more_than_its_positions(tiny_whisper):
    with pytest.raises(InputError, match="at most 30 s"):
        hub(tiny_whisper, max_seconds=40.0)


def test_whisper_form_decides_values_of_whisper_only(tiny_whisper, tiny_wav2vec2):
    assert hub(tiny_whisper).settings != hub(tiny_whisper, whisper_form="30s").settings
    assert hub(tiny_wav2vec2).settings == hub(tiny_wav2vec2, whisper_form="30s").settings


@pytest.mark.realdata
def test_whisper_tiny_equals_transformers(shared_model):
    folder = shared_model("whisper-tiny-en")
    extractor, sound = hub(folder, layer=None), wave(24_000)
    (own,) = extractor.encode([extractor.prepare(sound)])
    np.testing.assert_allclose(own[:, :384], on_grid(whisper_states(folder, sound, True), 24_000), atol=1e-3)
