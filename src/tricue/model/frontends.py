"""From a modality's feature vectors to the input of its progressive BiLSTM."""

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import nn

from tricue.model.transform import FeatureTransformation
from tricue.model.vary_frames import vary


class Frontend(nn.Module):
    """Feature vectors (B, T, dim) -> FTB -> (B, T, width)."""

    def __init__(self, dim: int, width: int, dropout: float) -> None:
        super().__init__()
        self.transform = FeatureTransformation(dim, width, dropout)

    def forward(self, x: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        return self.transform(x)


def _last_layer(output: Any) -> torch.Tensor:
    return output.last_hidden_state


class WholeEncoder(nn.Module):
    """A hub encoder that is all in the network, whatever part of it is trained."""

    def __init__(self, encoder: nn.Module) -> None:
        super().__init__()
        self.encoder = encoder

    def depths(self) -> dict[str, int]:
        return {f"encoder.{name}": depth for name, depth in count_depths(self.encoder).items()}


class LiveText(WholeEncoder):
    """A text encoder that is trained with the network: token ids in, vectors of the utterance's own tokens out.

    tokens (B, T, 2) int64: [token id, 1 where the token is the utterance's own and not context or special].
    mask (B, T). Returns vectors (B, T_own, dim), own tokens first, and their mask (B, T_own), T_own >= 1.
    """

    def __init__(
        self, encoder: nn.Module, finetune: int | None, read: Callable[[Any], torch.Tensor] = _last_layer
    ) -> None:
        """finetune: number of top layers that are trained; None trains all.
        read: (B, T, dim) of the encoder's output, hidden states included.
        """
        super().__init__(encoder)
        self.read = read
        if getattr(encoder, "pooler", None) is not None:  # unused: left in, its weights would never be trained
            encoder.register_module("pooler", None)
        if finetune is not None:
            freeze_below(encoder, finetune)

    def forward(self, tokens: torch.Tensor, mask: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        ids, own = tokens[..., 0], tokens[..., 1].bool() & mask
        hidden = self.read(self.encoder(input_ids=ids, attention_mask=mask.long(), output_hidden_states=True))
        return move_to_front(hidden, own)

    def example(self, steps: int, context: int = 0) -> torch.Tensor:
        """One row (1, context + steps, 2) with as many tokens of its own, after those of the context."""
        tokens = torch.zeros(1, context + steps, 2, dtype=torch.long)
        tokens[:, context:, 1] = 1
        return tokens


class LiveVideo(WholeEncoder):
    """An image encoder that is trained with the network: pixels of frames in, a vector each out.

    pixels (B, T, 3 S S) normalised, mask (B, T). Returns (B, T, dim) and the mask. In training frames are varied.
    """

    def __init__(
        self, encoder: nn.Module, finetune: int | None, read: Callable[[Any], torch.Tensor], side: int
    ) -> None:
        """finetune: number of top layers that are trained; None trains all.
        read: (N, dim) of the encoder's output. side: S, of an ordinary picture.
        """
        super().__init__(encoder)
        self.read = read
        self.side = side
        if finetune is not None:
            freeze_below(encoder, finetune, after=True)

    def train(self, mode: bool = True) -> "LiveVideo":
        """What is frozen normalises by what it has learned, not by the batch."""
        super().train(mode)
        for module in self.encoder.modules():
            own = list(module.parameters(recurse=False))
            if own and not any(parameter.requires_grad for parameter in own):
                module.training = False
        return self

    def forward(self, pixels: torch.Tensor, mask: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        side = math.isqrt(pixels.shape[-1] // 3)
        pictures = pixels[mask].view(-1, 3, side, side)
        if self.training:
            pictures = vary(pictures)
        shown = pictures.contiguous(memory_format=torch.channels_last)
        alone = self.training and len(shown) == 1  # of which a batch norm learns nothing
        vectors = self.read((self.encoder.eval() if alone else self.encoder)(pixel_values=shown))
        if alone:
            self.train()
        spread = vectors.new_zeros(*mask.shape, vectors.shape[-1])
        spread[mask] = vectors
        return spread, mask

    def example(self, steps: int, context: int = 0) -> torch.Tensor:
        """Gray frames of one row, (1, steps, 3 S S)."""
        return torch.zeros(1, steps, 3 * self.side**2)


def move_to_front(vectors: torch.Tensor, wanted: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Of (B, N, D) the vectors that are `wanted` (B, N), in order and without those between them, (B, M, D), M >= 1;
    and which of M there are (B, M)."""
    most = max(int(wanted.sum(dim=1).max()), 1)
    order = wanted.long().argsort(dim=1, descending=True, stable=True)[:, :most]
    return vectors.gather(1, order.unsqueeze(-1).expand(-1, -1, vectors.shape[-1])), wanted.gather(1, order)


def freeze_below(encoder: nn.Module, top: int, after: bool = False) -> None:
    """Freeze all of a hub encoder but its top layers, and with `after` what is registered after them. Raises ValueError
    where its layers are not found."""
    name, count = _find_layers(encoder)
    if top > count:
        raise ValueError(f"model.finetune={top}, but {type(encoder).__name__} has {count} layers.")
    depths = count_depths(encoder)
    for parameter, weight in encoder.named_parameters():
        weight.requires_grad_(depths[parameter] < top and (after or parameter.startswith(f"{name}.")))


def count_depths(encoder: nn.Module) -> dict[str, int]:
    """Layers of a hub encoder above each of its parameters: none above those of the top layer and of what is registered
    after it, all of them above what is registered before the lowest. Raises ValueError where they are not found."""
    name, count = _find_layers(encoder)
    depths, depth = {}, count
    for parameter, _ in encoder.named_parameters():
        if parameter.startswith(f"{name}."):
            depth = count - 1 - int(parameter.removeprefix(f"{name}.").split(".")[0])
        depths[parameter] = depth
    return depths


def _find_layers(encoder: nn.Module) -> tuple[str, int]:
    """Name of a hub encoder's list of layers, and how many there are. Raises ValueError where there is none."""
    stacks = {
        name: module
        for name, module in encoder.named_modules()
        if isinstance(module, nn.ModuleList) and name.split(".")[-1] in ("layer", "layers", "h", "stages")
    }
    if not stacks:
        raise ValueError(
            f"{type(encoder).__name__} has no list of layers; use model.finetune=all or none, without "
            "training.layer_decay."
        )
    name = max(stacks, key=lambda stack: len(stacks[stack]))
    return name, len(stacks[name])
