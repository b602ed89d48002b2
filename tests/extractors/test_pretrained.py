"""Foreign model folders: nothing beside the weights runs, and what does not fit is named."""

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from safetensors.torch import load_file, save_file

import tricue
from tricue.config.feature_settings import AudioFeatures, TextFeatures, VideoFeatures
from tricue.extractors import hub
from tricue.extractors.audio_extractors import audio_extractor
from tricue.extractors.text_extractors import Spoken, text_extractor
from tricue.extractors.video_extractors import video_extractor
from tricue.recording.transcribe import Transcriber
from tricue.types import InputError, InvalidFileError

Tensors = dict[str, torch.Tensor]


@pytest.fixture
def copy(tmp_path: Path) -> Callable[[Path], Path]:
    def make(folder: Path) -> Path:
        return Path(shutil.copytree(folder, tmp_path / "model"))

    return make


def changed(folder: Path, file: str, **fields: Any) -> Path:
    content = json.loads((folder / file).read_text())
    (folder / file).write_text(json.dumps(content | fields))
    return folder


def reweighted(folder: Path, change: Callable[[Tensors], Tensors]) -> Path:
    weights = change(load_file(folder / "model.safetensors"))
    (folder / "model.safetensors").unlink()  # it is mapped
    save_file({n: t.clone() for n, t in weights.items()}, folder / "model.safetensors", metadata={"format": "pt"})
    return folder


def read(folder: Path, text: str = "oh my god, 😡 he has lost it!") -> Any:
    extractor = text_extractor(TextFeatures(encoder=str(folder)))
    return extractor.encode([extractor.prepare(Spoken(text))])


# Code beside a model


def code(marker: Path) -> str:
    base = "from transformers import BertConfig, BertModel, PreTrainedTokenizerFast\n"
    return base + f"open({str(marker)!r}, 'w')\nclass X(BertConfig): model_type = 'x'\nY = BertModel\n"


MAPS = {"AutoConfig": "own.X", "AutoModel": "own.Y", "AutoTokenizer": ["own.Y", "own.Y"],
        "AutoFeatureExtractor": "own.X", "AutoImageProcessor": "own.X"}  # fmt: skip
FILES = ("config.json", "tokenizer_config.json", "preprocessor_config.json")


@pytest.mark.parametrize("known", [True, False])
@pytest.mark.parametrize("kind", ["text", "audio", "video", "whisper"])
def test_code_beside_a_model_never_runs(
    kind: str, known: bool, copy: Any, tmp_path: Path, request: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever is asked would say yes."""
    monkeypatch.setattr("builtins.input", lambda *_: "y")
    sources = {"text": "tiny_bert", "audio": "tiny_wav2vec2", "video": "tiny_resnet", "whisper": "tiny_whisper"}
    folder, marker = copy(request.getfixturevalue(sources[kind])), tmp_path / "ran"
    (folder / "own.py").write_text(code(marker))
    for file in FILES:
        if (folder / file).is_file():
            changed(folder, file, auto_map=MAPS)
    if not known:
        changed(folder, "config.json", model_type="x")
    use: dict[str, Callable[[], Any]] = {
        "text": lambda: read(folder),
        "audio": lambda: (audio_extractor(AudioFeatures(encoder=str(folder))), hub.load_model(folder, "cpu")),
        "video": lambda: video_extractor(VideoFeatures(encoder=str(folder))).dims,
        "whisper": lambda: Transcriber(str(folder), "cpu"),
    }
    if not known:
        with pytest.raises(InvalidFileError, match=r"model_type 'x'.*code beside the model is never run"):
            use[kind]()
    elif kind == "whisper":  # the tiny one has no tokenizer, and none is made by its own code
        with pytest.raises(InvalidFileError, match="no tokenizer there"):
            use[kind]()
    else:
        use[kind]()
    assert not marker.exists()


@pytest.mark.slow
def test_code_beside_a_model_never_runs_from_the_command_line(copy: Any, tiny_bert: Path, tmp_path: Path) -> None:
    folder, marker = copy(tiny_bert), tmp_path / "ran"
    (folder / "own.py").write_text(code(marker))
    changed(folder, "config.json", auto_map=MAPS, model_type="x")
    table = tmp_path / "rows.csv"
    table.write_text("id,text\na,hello\n")
    command = [sys.executable, "-m", "tricue.cli", "extract", "--manifest", str(table), "--modalities", "text",
               "--set", f"features.text.encoder={folder}", "--store", str(tmp_path / "s")]  # fmt: skip
    done = subprocess.run(command, input="y\n" * 9, capture_output=True, text=True)
    assert done.returncode == 2 and "never run" in done.stderr and not marker.exists()


def test_every_from_pretrained_refuses_code() -> None:
    """They are all in one file, each with an explicit no."""
    for path in Path(tricue.__file__).parent.rglob("*.py"):
        source = path.read_text(encoding="utf-8")
        calls = re.findall(r"(\w+)\.(?:from_pretrained|from_config)\(", source)
        foreign = [name for name in calls if name not in ("MultimodalEmotionRecognizer", "Embedding", "Network", "cls")]
        assert not foreign or path.name == "pretrained.py", path
        assert source.count("trust_remote_code=False") == len(foreign), path


def test_kernels_and_other_packages_are_not_followed(copy: Any, tiny_bert: Path) -> None:
    folder = changed(copy(tiny_bert), "config.json", attn_implementation="kernels-community/flash-attn",
                     _attn_implementation="owner/kernel:x", use_kernels=True)  # fmt: skip
    read(folder)
    assert hub.load_model(folder, "cpu").config._attn_implementation == "sdpa"
    for field in ("quantization_config", "transformers_weights", "fusion_config"):
        for content in ({field: {"quant_method": "bitsandbytes"}}, {"text_config": {field: {"a": 1}}}):
            hub.load_settings.cache_clear()
            changed(folder, "config.json", **content)
            with pytest.raises(InvalidFileError, match=field):
                read(folder)
            shutil.copy(tiny_bert / "config.json", folder)


def test_an_adapter_names_another_model(copy: Any, tiny_bert: Path) -> None:
    folder = copy(tiny_bert)
    (folder / "adapter_config.json").write_text('{"base_model_name_or_path": "someone/else"}')
    with pytest.raises(InvalidFileError, match="adapter_config"):
        read(folder)


# Weights that do not match


def prefixed(weights: Tensors) -> Tensors:
    return {f"other.{name}": tensor for name, tensor in weights.items()}


def halved(weights: Tensors) -> Tensors:
    return dict(list(weights.items())[: len(weights) // 2])


def lacking_one(weights: Tensors) -> Tensors:
    return {n: t for n, t in weights.items() if n != "encoder.layer.1.output.LayerNorm.bias"}


def reshaped(weights: Tensors) -> Tensors:
    return weights | {"embeddings.LayerNorm.bias": torch.zeros(17)}


def not_a_number(weights: Tensors) -> Tensors:
    weights["embeddings.LayerNorm.bias"][3] = torch.nan
    return weights


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (prefixed, "weights are not in its files"),
        (halved, "weights are not in its files"),
        (lacking_one, r"1 weights are not in its files \(encoder\.layer\.1\.output\.LayerNorm\.bias"),
        (reshaped, r"1 weights have not the shape that config.json describes \("),
        (not_a_number, r"embeddings\.LayerNorm\.bias holds values that are not finite"),
        (lambda weights: {}, "weights"),
    ],
)
def test_weights_that_do_not_match_are_an_error(copy: Any, tiny_bert: Path, change: Any, reason: str) -> None:
    with pytest.raises(InvalidFileError, match=reason):
        read(reweighted(copy(tiny_bert), change))


def test_whisper_weights_that_do_not_match_are_an_error(copy: Any, tiny_whisper: Path) -> None:
    with pytest.raises(InvalidFileError, match="weights are not in its files"):
        Transcriber(str(reweighted(copy(tiny_whisper), halved)), "cpu")


def test_heads_are_no_news_and_more_layers_are(copy: Any, tiny_bert: Path, caplog: Any) -> None:
    """As in the hub's roberta-base: a head, no pooler, all under the base model's name."""

    def headed(weights: Tensors) -> Tensors:
        kept = {f"bert.{n}": t for n, t in weights.items() if not n.startswith("pooler.")}
        return kept | {"cls.predictions.bias": torch.zeros(5), "classifier.weight": torch.zeros(2, 16)}

    before = read(tiny_bert)[0]
    folder = reweighted(copy(tiny_bert), headed)
    assert (read(folder)[0] == before).all() and hub.load_model(folder, "cpu").pooler is None
    assert not caplog.records
    changed(folder, "config.json", num_hidden_layers=1)
    hub.load_model.cache_clear()
    hub.load_settings.cache_clear()
    read(folder)
    assert "16 weights in its files are not used (bert.encoder.layer.1." in caplog.text


def test_a_picture_model_without_a_pooler_averages_its_patches(tmp_path: Path) -> None:
    """transformers would put random numbers there: other vectors at every start."""
    from transformers import ViTConfig, ViTForImageClassification, ViTImageProcessor

    shape = ViTConfig(hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=16,
                      image_size=32, patch_size=16)  # fmt: skip
    torch.manual_seed(0)
    ViTForImageClassification(shape).save_pretrained(tmp_path)
    ViTImageProcessor(size={"height": 32, "width": 32}).save_pretrained(tmp_path)
    extractor = video_extractor(VideoFeatures(encoder=str(tmp_path)))
    pixels = torch.rand(2, 3, 32, 32)
    expected = hub.load_model(tmp_path, "cpu")(pixel_values=pixels).last_hidden_state.mean(1)
    torch.testing.assert_close(torch.from_numpy(extractor.encode([pixels.numpy()])[0]), expected)
    assert extractor.settings["pooled"] == "mean"  # what was stored of random poolers is not served


def test_earlier_names_of_wav2vec2s_weights_are_known(copy: Any, tiny_wav2vec2: Path) -> None:
    """facebook/wav2vec2-base-960h: weight norm as it was before PyTorch's parametrizations, a head, no mask vector."""

    def earlier(weights: Tensors) -> Tensors:
        names = {"parametrizations.weight.original0": "weight_g", "parametrizations.weight.original1": "weight_v"}
        kept = {n: t for n, t in weights.items() if n != "masked_spec_embed"}
        for new, old in names.items():
            kept = {f"wav2vec2.{n}".replace("wav2vec2.wav2vec2.", "wav2vec2.").replace(new, old): t
                    for n, t in kept.items()}  # fmt: skip
        return kept | {"lm_head.bias": torch.zeros(3)}

    folder = reweighted(copy(tiny_wav2vec2), earlier)
    ours, theirs = hub.load_model(folder, "cpu"), hub.load_model(tiny_wav2vec2, "cpu")
    wave = torch.randn(1, 4000)
    torch.testing.assert_close(ours(wave).last_hidden_state, theirs(wave).last_hidden_state)


# Settings and tokenizers that are none


@pytest.mark.parametrize(
    "fields",
    [
        {"hidden_size": "big"}, {"hidden_size": -1}, {"hidden_size": 10**12}, {"vocab_size": 10**12},
        {"hidden_size": 2.5}, {"hidden_size": None}, {"num_hidden_layers": 10**9}, {"num_hidden_layers": 3},
        {"num_attention_heads": 0}, {"num_attention_heads": 3}, {"intermediate_size": 10**7}, {"model_type": 7},
        {"max_position_embeddings": 10**11}, {"max_position_embeddings": 64}, {"hidden_act": "os.system"},
        {"layer_norm_eps": "x"}, {"vocab_size": 10}, {"id2label": 3}, {"pad_token_id": 10**6},
    ],
)  # fmt: skip
def test_settings_that_are_none_are_an_error_before_memory_is_taken(
    copy: Any, tiny_bert: Path, fields: dict[str, Any]
) -> None:
    with pytest.raises(InputError):
        read(changed(copy(tiny_bert), "config.json", **fields))


@pytest.mark.parametrize(
    "content", ["", "[]", "{", "\ufeff{}", '{"model": 1}', "[" * 100_000, '{"version": "1.0", "model": {"type": "X"}}']
)
@pytest.mark.parametrize("file", ["tokenizer.json", "config.json", "tokenizer_config.json"])
def test_json_that_is_none_is_one_error(copy: Any, tiny_bert: Path, file: str, content: str) -> None:
    folder = copy(tiny_bert)
    (folder / file).write_text(content)
    with pytest.raises(InvalidFileError, match="model"):
        read(folder)


def test_a_tokenizer_of_another_encoder(copy: Any, tiny_bert: Path) -> None:
    folder = copy(tiny_bert)
    content = json.loads((folder / "tokenizer.json").read_text())
    content["model"]["vocab"]["!"] = 5000
    (folder / "tokenizer.json").write_text(json.dumps(content))
    with pytest.raises(InvalidFileError, match=r"gives the number 5000, its encoder has \d+ .*vocab_size"):
        read(folder)


def test_more_token_types_than_the_encoder_has(copy: Any, tiny_bert: Path) -> None:
    folder = changed(copy(tiny_bert), "tokenizer_config.json", tokenizer_class="PreTrainedTokenizerFast",
                     model_input_names=["input_ids", "token_type_ids", "attention_mask"])  # fmt: skip
    content = json.loads((folder / "tokenizer.json").read_text())
    content["post_processor"]["single"][1]["Sequence"]["type_id"] = 2
    (folder / "tokenizer.json").write_text(json.dumps(content))
    with pytest.raises(InvalidFileError, match=r"gives the number 2, its encoder has 2 .*type_vocab_size"):
        read(folder)


@pytest.mark.parametrize("name", ["unk_token", "pad_token", "cls_token", "sep_token"])
@pytest.mark.parametrize("token", ["", "zzzz"])
def test_special_tokens_stand_in_the_vocabulary(copy: Any, tiny_bert: Path, name: str, token: str) -> None:
    """transformers looks for an unknown token that is missing without end, and reads another one as unknown."""
    folder = changed(copy(tiny_bert), "tokenizer_config.json", **{name: token})
    with pytest.raises(InvalidFileError, match=rf"tokenizer_config\.json: {name} '{token}' .*another copy"):
        read(folder)


def test_a_tokenizer_without_padding_reads_rows_together(copy: Any, tiny_bert: Path) -> None:
    folder = changed(copy(tiny_bert), "tokenizer_config.json", pad_token=None)
    extractor = text_extractor(TextFeatures(encoder=str(folder)))
    prepared = [extractor.prepare(Spoken(text)) for text in ("he has lost it", "fine")]
    for together, row in zip(extractor.encode(prepared), prepared, strict=True):
        np.testing.assert_allclose(together, extractor.encode([row])[0], atol=1e-5)


@pytest.mark.parametrize(
    "fields", [{"sampling_rate": "x"}, {"feature_size": 10**12}, {"sampling_rate": -5}, {"sampling_rate": []}]
)
def test_sound_processors_that_are_none(copy: Any, tiny_wav2vec2: Path, fields: dict[str, Any]) -> None:
    with pytest.raises(InputError):
        audio_extractor(AudioFeatures(encoder=str(changed(copy(tiny_wav2vec2), FILES[2], **fields))))


@pytest.mark.parametrize("fields", [{"size": {"shortest_edge": 10**6}}, {"size": "big"}])
def test_picture_processors_that_are_none(copy: Any, tiny_resnet: Path, fields: dict[str, Any]) -> None:
    with pytest.raises(InputError):
        folder = changed(copy(tiny_resnet), FILES[2], **fields)
        assert video_extractor(VideoFeatures(encoder=str(folder))).dims


ODD = st.one_of(
    st.none(), st.booleans(), st.integers(-3, 40), st.sampled_from([10**6, 10**12, -(10**12), 2**63, 1e308, -0.0]),
    st.floats(), st.text(max_size=6), st.lists(st.integers(0, 9), max_size=3),
    st.dictionaries(st.text(max_size=3), st.integers(0, 9), max_size=2),
)  # fmt: skip
PHASES = (Phase.generate,)  # shrinking loads hundreds of models
EXAMPLES = int(os.environ.get("TRICUE_FUZZ", "500"))


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [path, *(place for key, item in inner for place in places(item, (*path, key)))]


def put(value: Any, path: tuple[Any, ...], new: Any, delete: bool) -> Any:
    if not path:
        return new
    *way, last = path
    for key in way:
        value = value[key]
    if delete:
        del value[last]
    else:
        value[last] = new


def mutate(data: st.DataObject, folder: Path) -> None:
    """Odd values in a JSON file, or a part of a file's bytes lost, changed or doubled."""
    file = data.draw(st.sampled_from(["config.json", "tokenizer.json", "tokenizer_config.json", "model.safetensors"]))
    raw = (folder / file).read_bytes()
    if file == "model.safetensors" or data.draw(st.integers(0, 4)) == 0:
        end = min(len(raw), 6000) if data.draw(st.booleans()) else len(raw)
        at, length = data.draw(st.integers(0, end - 1)), data.draw(st.integers(0, 40))
        new = data.draw(st.sampled_from([b"", b"\xff", b"[", b"9" * 20, raw[at : at + length] * 2]))
        (folder / file).unlink()
        (folder / file).write_bytes(raw[:at] + new + raw[at + length :])
        return
    content = json.loads(raw)
    for _ in range(data.draw(st.integers(1, 3))):
        all_places = [place for place in places(content) if place]
        shallow = [place for place in all_places if "vocab" not in place] or all_places
        place = data.draw(st.sampled_from(shallow if data.draw(st.integers(0, 5)) else all_places))
        put(content, place, data.draw(ODD), data.draw(st.integers(0, 4)) == 0)
    (folder / file).write_text(json.dumps(content))


def fuzz(data: st.DataObject, source: Path, work: Path) -> None:
    folder = work / "fuzzed"
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(source, folder)
    mutate(data, folder)
    for cache in (hub.load_model, hub.load_settings):
        cache.cache_clear()
    text_extractor.__globals__["_tokenizer"].cache_clear()
    try:
        (vectors,) = read(folder)
    except InputError:
        return
    assert vectors.shape[0] == 0 or vectors.ndim == 2


@pytest.fixture(scope="module")
def work(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("fuzz")


@settings(max_examples=25, phases=PHASES)
@given(data=st.data())
def test_a_few_damaged_encoders_raise_one_error(data: Any, tiny_bert: Path, work: Path) -> None:
    fuzz(data, tiny_bert, work)


@pytest.mark.slow
@settings(max_examples=EXAMPLES, phases=PHASES, derandomize=False)
@given(data=st.data())
def test_fuzz_damaged_encoders_raise_one_error(data: Any, tiny_bert: Path, work: Path) -> None:
    """TRICUE_FUZZ: how many."""
    fuzz(data, tiny_bert, work)
