import shutil

import numpy as np
import pytest
import torch

from tricue.extractors import hub
from tricue.recognizer import MultimodalEmotionRecognizer
from tricue.recording.transcribe import Transcriber
from tricue.types import InputError


def test_neither_folder_nor_hub(monkeypatch):
    import huggingface_hub

    def unreachable(*args: object, **kwargs: object) -> str:
        raise OSError("cannot reach the hub")

    monkeypatch.setattr(huggingface_hub, "snapshot_download", unreachable)
    with pytest.raises(InputError) as caught:
        hub.find_encoder("no/such-encoder", "text")
    message = str(caught.value)
    assert "not a folder here, and the hub did not answer: cannot reach the hub" in message
    assert "--set features.text.encoder=FOLDER (or `light`)" in message and "hf download no/such-encoder" in message


@pytest.mark.parametrize("name", ["", "not a name", "a/b/c"])
def test_what_cannot_be_a_name(name):
    with pytest.raises(InputError, match=r"features\.video\.encoder"):
        hub.find_encoder(name, "video")


@pytest.mark.parametrize("name", ["x" * 300, "x/" + "y" * 300, "my models/x", "x/", "x@main", "h\xe9/x", "C:\\x"])
def test_what_cannot_be_a_name_is_no_question_for_the_hub(name, monkeypatch):
    monkeypatch.setattr("huggingface_hub.snapshot_download", None)
    for find in (lambda: hub.find_encoder(name, "text"), lambda: Transcriber(name)):
        with pytest.raises(InputError) as caught:
            find()
        assert "hub did not answer" not in str(caught.value)
    with pytest.raises(InputError, match="No checkpoint at"):
        MultimodalEmotionRecognizer.from_pretrained(name)


def test_pickled_weights_are_not_read(tmp_path):
    (tmp_path / "config.json").write_text("{}")
    (tmp_path / "pytorch_model.bin").write_bytes(b"")
    with pytest.raises(InputError, match="safetensors"):
        hub.find_encoder(str(tmp_path), "text")


def test_the_digest_follows_weights_and_vocabulary(tiny_bert, tmp_path):
    copy = tmp_path / "copy"
    shutil.copytree(tiny_bert, copy)
    assert hub.encoder_digest(copy) == hub.encoder_digest(tiny_bert)
    seen = {hub.encoder_digest(copy)}
    for name in ("model.safetensors", "tokenizer.json"):
        content = (copy / name).read_bytes()
        (copy / name).write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
        seen.add(hub.encoder_digest(copy))
    assert len(seen) == 3


def on_half_a_gpu(monkeypatch, dtype: torch.dtype) -> list[torch.dtype]:
    """Autocast of this machine's CPU in place of a GPU's; the types that were asked for."""
    asked, autocast = [], torch.autocast

    def here(device: str, dtype_: torch.dtype | None = None, **more: object):
        asked.append(more.get("dtype", dtype_))
        return autocast("cpu", dtype=dtype)

    monkeypatch.setattr(torch, "autocast", here)
    return asked


@pytest.mark.parametrize(("dtype", "step"), [(torch.float16, 2e-3), (torch.bfloat16, 2e-2)])
def test_on_a_gpu_a_model_computes_in_mixed_precision(tiny_bert, monkeypatch, dtype, step):
    model, ids = hub.load_model(tiny_bert, "cpu"), torch.arange(5, 25)[None]
    full = hub.run_model("cpu", lambda: model(ids).last_hidden_state)
    asked = on_half_a_gpu(monkeypatch, dtype)
    half = hub.run_model("cuda", lambda: model(ids).last_hidden_state)
    assert asked == [torch.float16]
    assert half.dtype == full.dtype == np.float32
    assert 0 < np.abs(half - full).max() < step * np.abs(full).max()


def test_what_exceeds_half_precision_is_computed_again_in_full(monkeypatch):
    on_half_a_gpu(monkeypatch, torch.float16)
    large, layer = torch.full((2, 8), 300.0), torch.nn.Linear(8, 4)
    with torch.no_grad():
        layer.weight.fill_(100.0)
        layer.bias.zero_()
    types = []

    def compute() -> torch.Tensor:
        types.append(layer(large).dtype)
        return layer(large) / 10.0

    values = hub.run_model("cuda:0", compute)
    assert types == [torch.float16, torch.float32]
    np.testing.assert_allclose(values, 24_000.0)
