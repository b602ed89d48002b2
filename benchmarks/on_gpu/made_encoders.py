"""Encoders of random weights: no hub can be reached where there is a GPU, and weights change no speed."""

import json
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from common import shared_place
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import (
    PreTrainedTokenizerFast,
    RobertaConfig,
    RobertaModel,
    ViTConfig,
    ViTModel,
    Wav2Vec2Config,
    Wav2Vec2FeatureExtractor,
    Wav2Vec2Model,
)

from tricue.types import ModalityName

VOCABULARY = 50_265  # roberta-base's
Call = tuple[tuple[Any, ...], dict[str, Any]]  # arguments of a model's forward pass


@dataclass(frozen=True)
class EncoderSize:
    """All layers are as wide; the feed-forward part is four times as wide."""

    width: int
    layers: int
    heads: int
    picture: int  # side in pixels

    @property
    def shape(self) -> dict[str, int]:
        """As the settings of transformers name it."""
        return {
            "hidden_size": self.width,
            "num_hidden_layers": self.layers,
            "num_attention_heads": self.heads,
            "intermediate_size": 4 * self.width,
        }


BASE, TINY = EncoderSize(768, 12, 12, 224), EncoderSize(32, 4, 2, 32)


def make_text_encoder(size: EncoderSize) -> RobertaModel:
    """roberta-base in shape; its padding has the number that the tokenizers here give it."""
    torch.manual_seed(0)
    return RobertaModel(RobertaConfig(
        vocab_size=VOCABULARY, max_position_embeddings=514, type_vocab_size=1, pad_token_id=0, **size.shape
    ))  # fmt: skip


def save_encoders(folder: Path, size: EncoderSize, words: Sequence[str]) -> dict[ModalityName, Path]:
    """roberta-base, wav2vec2-base and vit-base in shape, each in a folder of its own, as a hub encoder lies there.

    words: All that the texts are made of.
    """
    shutil.rmtree(folder, ignore_errors=True)
    places = {modality: folder / modality for modality in ("text", "audio", "video")}
    make_text_encoder(size).save_pretrained(places["text"])
    _save_tokenizer(places["text"], words)
    sound = Wav2Vec2Config(num_conv_pos_embeddings=128, num_conv_pos_embedding_groups=16, **size.shape)
    Wav2Vec2Model(sound).save_pretrained(places["audio"])
    Wav2Vec2FeatureExtractor(do_normalize=True).save_pretrained(places["audio"])
    ViTModel(ViTConfig(image_size=size.picture, patch_size=16, **size.shape)).save_pretrained(places["video"])
    processor = {
        "image_processor_type": "ViTImageProcessor",
        "size": {"height": size.picture, "width": size.picture},
        "image_mean": [0.5] * 3,
        "image_std": [0.5] * 3,
    }
    (places["video"] / "preprocessor_config.json").write_text(json.dumps(processor), encoding="utf-8")
    return places


def _save_tokenizer(folder: Path, words: Sequence[str]) -> None:
    """That of MiniLM where it is there; else one to which each word is a token."""
    source = shared_place("models/minilm-l6")
    if source.is_dir():
        for path in source.glob("tokenizer*.json"):
            shutil.copy(path, folder)
        return
    special = ["[PAD]", "[UNK]"]
    vocabulary = {word: number for number, word in enumerate([*special, *words])}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, pad_token="[PAD]", unk_token="[UNK]", model_max_length=512
    ).save_pretrained(folder)


@contextmanager
def recorded(encoder: torch.nn.Module) -> Iterator[list[Call]]:
    """What the encoder is given in here, call by call: its floor runs on the very same tensors, on their device."""
    calls: list[Call] = []
    hook = encoder.register_forward_pre_hook(lambda _, args, kwargs: calls.append((args, kwargs)), with_kwargs=True)
    try:
        yield calls
    finally:
        hook.remove()
