from __future__ import annotations

import shutil

import pytest

from tricue.features import hub
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
    assert "--set features.text.encoder=FOLDER, or `light`" in message


@pytest.mark.parametrize("name", ["", "not a name", "a/b/c"])
def test_what_cannot_be_a_name(name):
    with pytest.raises(InputError, match=r"features\.video\.encoder"):
        hub.find_encoder(name, "video")


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
