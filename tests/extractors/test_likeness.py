"""The same encoder is known again in other files; another of the same shape is not."""

import shutil
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from tricue.checkpoint.checkpoint import Card, check_encoders
from tricue.config.feature_settings import FeaturesConfig
from tricue.config.load import load_config
from tricue.extractors import hub
from tricue.extractors.likeness import alike, sample
from tricue.types import InputError


def settings(folder: Path | str) -> FeaturesConfig:
    return load_config(None, {"features.text.encoder": str(folder), "features.text.layer": [-2, -1]}).features


def changed(source: Path, target: Path, change) -> Path:  # type: ignore[no-untyped-def]
    shutil.copytree(source, target)
    weights = {name: change(tensor).contiguous() for name, tensor in load_file(source / "model.safetensors").items()}
    save_file(weights, target / "model.safetensors", metadata={"format": "pt"})
    return target


@pytest.fixture
def card(tiny_bert: Path) -> Card:
    config = load_config(None, {"modalities": ["text"], "features.text.encoder": str(tiny_bert)})
    return Card(
        config, ["a", "b"], {"text": (16,)}, [0.5, 0.5],
        encoders=hub.encoder_digests(config.features, ["text"]), samples=sample(config.features, ["text"]),
    )  # fmt: skip


def test_sixteen_bits_are_the_same_encoder(tiny_bert: Path, tmp_path: Path, card: Card) -> None:
    half = changed(tiny_bert, tmp_path / "half", lambda t: t.half() if t.is_floating_point() else t)
    assert sample(settings(half), ["text"]) != sample(settings(tiny_bert), ["text"])
    check_encoders(card, load_config(None, {"features.text.encoder": str(half)}), ["text"])


def test_another_file_beside_it_changes_nothing(tiny_bert: Path, tmp_path: Path, card: Card) -> None:
    more = Path(shutil.copytree(tiny_bert, tmp_path / "more"))
    (more / "modules.json").write_text("[]")
    check_encoders(card, load_config(None, {"features.text.encoder": str(more)}), ["text"])


def test_other_weights_of_the_same_shape_are_refused(tiny_bert: Path, tmp_path: Path, card: Card) -> None:
    torch.manual_seed(0)

    def moved(tensor: torch.Tensor) -> torch.Tensor:
        return tensor + 0.1 * torch.randn(tensor.shape) if tensor.is_floating_point() else tensor

    other = changed(tiny_bert, tmp_path / "other", moved)
    with pytest.raises(InputError, match="not those that this model was trained with"):
        check_encoders(card, load_config(None, {"features.text.encoder": str(other)}), ["text"])


def test_what_has_no_hub_text_encoder_has_no_sample(tiny_bert: Path) -> None:
    assert sample(settings("light"), ["text"]) == {} and sample(settings(tiny_bert), ["audio"]) == {}
    assert alike([1.0, 0.0], [1.01, 0.0]) and not alike([1.0, 0.0], [1.03, 0.0])
    assert not alike([1.0], [1.0, 0.0])
