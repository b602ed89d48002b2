"""What tests of several rooms share: clips made by PyAV, and encoders of random weights small enough to run anywhere.

Every property test is deterministic and judged by what it finds, never by how long a busy machine takes.
"""

import importlib.util
import json
import os
import shutil
from collections.abc import Callable, Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from hypothesis import settings

settings.register_profile("tricue", deadline=None, derandomize=True)
settings.load_profile("tricue")

MakeClip = Callable[..., Path]


def picture(i: int, size: int, seed: int) -> np.ndarray:
    """(size, size, 3): a flat ground and a noisy square whose extent, and so the entropy, differs by frame."""
    rng = np.random.default_rng([seed, i])
    image = np.full((size, size, 3), 180, np.uint8)
    side = 8 + int(rng.integers(0, size - 10))
    image[:side, :side] = rng.integers(0, 255, (side, side, 3))
    return image


def tone(seconds: float, rate: int, hertz: float) -> np.ndarray:
    return (0.4 * np.sin(2 * np.pi * hertz * np.arange(round(seconds * rate)) / rate)).astype(np.float32)


SHARED = Path(__file__).resolve().parents[1] / "../shared"


@pytest.fixture
def shared_model() -> Callable[[str], Path]:
    """A real encoder's folder; the test is skipped where it is absent."""

    def find(name: str) -> Path:
        folder = SHARED / "models" / name
        if not folder.is_dir():
            pytest.skip(f"needs ../shared/models/{name}")
        return folder

    return find


@pytest.fixture
def working_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty one, for commands: paths are seen from it, and features lie in it."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TRICUE_STORE", str(tmp_path / "store"))
    return tmp_path


@pytest.fixture
def make_clip(tmp_path: Path) -> MakeClip:
    """Write a clip: `frames` pictures at `fps` and as long a tone; either may be left out."""

    def make(
        name: str = "clip.mp4", *, frames: int = 24, fps: int = 12, size: int = 64, seed: int = 0,
        length: int | None = None, sound: float | None = 2.0, hertz: float = 220.0,
        options: dict[str, str] | None = None,
    ) -> Path:  # fmt: skip
        path = tmp_path / name
        webm = path.suffix == ".webm"
        with av.open(str(path), "w", options=options or {}) as container:
            streams: list[tuple[Any, list[Any]]] = []
            if frames:
                stream = container.add_stream("libvpx" if webm else "libx264", rate=fps)
                stream.width, stream.height = length or size, size  # the encoder stretches the pictures
                stream.pix_fmt = "yuv420p"
                shots = [av.VideoFrame.from_ndarray(picture(i, size, seed), "rgb24") for i in range(frames)]
                streams.append((stream, shots))
            if sound:
                rate = 48_000 if webm else 16_000
                stream = container.add_stream("libopus" if webm else "aac", rate=rate, layout="mono")
                wave = av.AudioFrame.from_ndarray(tone(sound, rate, hertz)[None], "fltp", "mono")
                wave.sample_rate, wave.time_base = rate, Fraction(1, rate)
                wave.pts = 0  # so that the encoder's priming lies before 0, where decoders cut it off
                streams.append((stream, [wave]))
            for stream, items in streams:
                for item in [*items, None]:
                    container.mux(stream.encode(item))
        return path

    return make


@pytest.fixture(scope="session")
def untrained() -> Callable[..., Any]:
    """Make a recognizer of light encoders that was never trained: its answers differ by input, whatever they say.

    settings: of its config, on top; card: fields of its card, on top. Emotions are anger, joy, neutral, where the
    settings do not name three targets.
    """

    def make(settings: dict[str, Any] | None = None, **card: Any) -> Any:
        import torch

        from tricue.checkpoint.checkpoint import Card
        from tricue.config.load import load_config
        from tricue.extractors.choice import feature_dims
        from tricue.model.network import Network
        from tricue.recognizer import MultimodalEmotionRecognizer
        from tricue.registry import MODALITIES

        light = {f"features.{modality}.encoder": "light" for modality in MODALITIES}
        config = load_config(None, light | {"model.width": 16} | (settings or {}))
        given = config.features.precomputed_modalities()
        made = feature_dims(config.features, [modality for modality in config.modalities if modality not in given])
        dims = {modality: made.get(modality, (12,)) for modality in config.modalities}
        emotions = config.task.targets or ["anger", "joy", "neutral"]
        torch.manual_seed(0)
        network = Network.from_config(config, dims, len(emotions))
        with torch.no_grad():
            for parameter in network.parameters():
                parameter.add_(0.05 * torch.randn(parameter.shape))
        return MultimodalEmotionRecognizer(network, Card(config, emotions, dims, [0.5, 0.3, 0.2], **card))

    return make


@pytest.fixture
def make_answers() -> Callable[..., Any]:
    """Made-up answers: labels (N,) and probabilities (N, C). answered (N,): of rows that have a modality."""

    def make(
        labels: np.ndarray,
        probabilities: np.ndarray,
        phase: int = 1,
        answered: np.ndarray | None = None,
        temperature: float = 1.0,
        emotions: list[str] | None = None,
    ) -> Any:
        from tricue.figures.canvas import PHASE_COLOURS
        from tricue.figures.page_parts import Answers
        from tricue.tasks.temperature import expected_calibration_error, uncalibrated

        names = emotions or ["anger", "joy", "neutral", "fear", "calm", "odd"][: probabilities.shape[1]]
        has = np.ones(len(labels), bool) if answered is None else answered
        plain = uncalibrated(probabilities[has], temperature)  # `evaluate` leaves these rows out, too
        before = expected_calibration_error(plain, labels[has]) if has.any() else None
        return Answers(
            f"Phase {phase}", f"phase{phase}", PHASE_COLOURS[phase], names, labels, probabilities, has,
            calibration={"temperature": temperature, "ece_uncalibrated": before},
        )  # fmt: skip

    return make


@pytest.fixture(scope="session")
def save_untrained(untrained: Callable[..., Any]) -> Callable[..., Path]:
    """Save a checkpoint of `untrained` in a folder: it answers, whatever it says."""

    def save(folder: Path, settings: dict[str, Any] | None = None, **card: Any) -> Path:
        from tricue.checkpoint.checkpoint import save_checkpoint

        model = untrained(settings, **card)
        save_checkpoint(folder, model.network, model.card)
        return folder

    return save


@pytest.fixture(scope="session")
def tiny_bert(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A BERT of 2 layers, width 16, with a WordPiece tokenizer trained on a few sentences."""
    import torch
    from tokenizers import BertWordPieceTokenizer
    from transformers import BertConfig, BertModel, BertTokenizerFast

    folder = tmp_path_factory.mktemp("tiny-bert")
    words = ["oh my god, he has lost it!", "Ross: what? Joey: you are fine.", "I am so happy for you, really"]
    trained = BertWordPieceTokenizer()
    trained.train_from_iterator(words, vocab_size=120, show_progress=False)
    trained.save_model(str(folder))
    tokenizer = BertTokenizerFast(str(folder / "vocab.txt"))
    torch.manual_seed(0)
    shape = BertConfig(
        vocab_size=len(tokenizer), hidden_size=16, num_hidden_layers=2, num_attention_heads=2,
        intermediate_size=32, max_position_embeddings=128,
    )  # fmt: skip
    BertModel(shape).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def _saved(model: Any, folder: Path, processor: Any) -> Path:
    model.save_pretrained(folder)
    processor.save_pretrained(folder)
    return folder


@pytest.fixture(scope="session")
def tiny_distilbert(tmp_path_factory: pytest.TempPathFactory, tiny_bert: Path) -> Path:
    """Its settings have other names (`dim`, `n_layers`), and it has no token types."""
    import torch
    from transformers import AutoTokenizer, DistilBertConfig, DistilBertModel

    torch.manual_seed(0)
    tokenizer = AutoTokenizer.from_pretrained(str(tiny_bert))
    shape = DistilBertConfig(
        vocab_size=len(tokenizer), dim=16, n_layers=2, n_heads=2, hidden_dim=32, max_position_embeddings=128
    )
    return _saved(DistilBertModel(shape), tmp_path_factory.mktemp("tiny-distilbert"), tokenizer)


@pytest.fixture(scope="session")
def tiny_wav2vec2(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """wav2vec2-base's kind: group norm over time, 320 samples per frame."""
    import torch
    from transformers import Wav2Vec2Config, Wav2Vec2FeatureExtractor, Wav2Vec2Model

    torch.manual_seed(0)
    shape = Wav2Vec2Config(
        hidden_size=16, num_hidden_layers=2, num_attention_heads=2, intermediate_size=32,
        conv_dim=(8,) * 7, num_conv_pos_embeddings=8, num_conv_pos_embedding_groups=2,
    )  # fmt: skip
    folder = tmp_path_factory.mktemp("tiny-wav2vec2")
    return _saved(Wav2Vec2Model(shape), folder, Wav2Vec2FeatureExtractor(do_normalize=True))


@pytest.fixture(scope="session")
def tiny_whisper(tmp_path_factory: pytest.TempPathFactory) -> Path:
    import torch
    from transformers import WhisperConfig, WhisperFeatureExtractor, WhisperModel

    torch.manual_seed(0)
    shape = WhisperConfig(
        vocab_size=32, d_model=16, encoder_layers=2, decoder_layers=1, encoder_attention_heads=2,
        decoder_attention_heads=2, encoder_ffn_dim=32, decoder_ffn_dim=32, max_target_positions=8,
        pad_token_id=0, bos_token_id=1, eos_token_id=2, decoder_start_token_id=1,
    )  # fmt: skip
    folder = tmp_path_factory.mktemp("tiny-whisper")
    return _saved(WhisperModel(shape), folder, WhisperFeatureExtractor())


@pytest.fixture(scope="session")
def tiny_resnet(tmp_path_factory: pytest.TempPathFactory) -> Path:
    import torch
    from transformers import ResNetConfig, ResNetModel

    torch.manual_seed(0)
    shape = ResNetConfig(embedding_size=8, hidden_sizes=[8, 16], depths=[1, 1], layer_type="basic")
    folder = tmp_path_factory.mktemp("tiny-resnet")
    ResNetModel(shape).save_pretrained(folder)
    processor = {
        "image_processor_type": "ConvNextImageProcessor", "size": {"shortest_edge": 48}, "crop_pct": 0.875,
        "image_mean": [0.485, 0.456, 0.406], "image_std": [0.229, 0.224, 0.225],
    }  # fmt: skip
    (folder / "preprocessor_config.json").write_text(json.dumps(processor))
    return folder


@pytest.fixture
def hub_server() -> Iterator[Any]:
    """tests/hub_server.py, running: a stand-in for the hub behind HF_ENDPOINT, with no repositories yet."""
    file = Path(__file__).with_name("hub_server.py")
    spec = importlib.util.spec_from_file_location("hub_server", file)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    with module.hub_server() as server:
        yield server


@pytest.fixture(scope="session")
def browser() -> Iterator[Any]:
    """Debian's Chromium, driven by Playwright. Where TRICUE_BROWSER is set, as in CI, its absence is a failure."""
    program = shutil.which("chromium")
    if program is None:
        assert "TRICUE_BROWSER" not in os.environ, "no chromium here: apt-get install chromium"
        pytest.skip("no chromium here: apt-get install chromium")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=program, args=["--no-sandbox"])  # root in CI
        yield opened
        opened.close()
