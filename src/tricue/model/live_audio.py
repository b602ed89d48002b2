"""A speech encoder's top layers, trained with the network on what its frozen ones give."""

from typing import Any

import torch
from torch import nn

from tricue.config.section import LayerChoice
from tricue.extractors import hub
from tricue.extractors.lower_audio import LowerForm
from tricue.model.frontends import move_to_front

# added to the scores of frames that are not there: leaves them no weight, and is no infinity in 16 bits, for a row
# without a frame would give no numbers
_UNSEEN = -1e4


class LiveAudio(nn.Module):
    """The trained layers of a speech encoder: rows of `LowerAudio` in, vectors as of the frozen encoder out.

    values (B, T, row width) as `LowerForm` has them, mask (B, T). Returns (B, T, dim), [layers that are read | acoustic
    features], and the mask. It holds the layers from `form.start` on, and the norm behind the last, if there is one.
    """

    def __init__(self, encoder: Any, form: LowerForm) -> None:
        """encoder: all of it, of which the layers are taken. Raises ValueError where it has no list of them."""
        super().__init__()
        self.form = form
        self.settings = encoder.config
        stack: Any = getattr(encoder, "encoder", None)
        layers = getattr(stack, "layers", None)
        if not isinstance(layers, nn.ModuleList) or len(layers) != form.layers:
            raise ValueError(f"{type(encoder).__name__} has no list of layers; use model.finetune.audio=none.")
        self.layers = nn.ModuleDict({str(i): layers[i] for i in range(form.start, form.layers)})  # by their own numbers
        self.norm = stack.layer_norm if _ends_in_norm(encoder.config, form.layer) else None

    def forward(self, values: torch.Tensor, mask: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        means, acoustic, frames, held = values.split(self.form.sizes, dim=-1)
        held = held.squeeze(-1).long() * mask
        stacked = means.unflatten(-1, (len(self.form.below), self.form.width))
        below = dict(zip(self.form.below, stacked.unbind(-2), strict=True))
        sequence, valid = self._contiguous(frames, held)
        shares = _shares(held, mask, sequence.shape[1])
        computed = self._states(sequence, valid)
        states = below | {n: shares @ state for n, state in computed.items() if n in self.form.read}
        speech = hub.join_states([states[number] for number in self.form.read], self.form.layer)
        return torch.cat([speech, acoustic], dim=-1), mask

    def _contiguous(self, frames: torch.Tensor, held: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """The cells' frames (B, T, slots * D), of which each holds the first so many (B, T), as a sequence (B, N, D),
        N >= 1, and which of it are there (B, N)."""
        slots = frames.unflatten(-1, (self.form.slots, self.form.width)).flatten(1, 2)
        there = (torch.arange(self.form.slots, device=held.device) < held.unsqueeze(-1)).flatten(1)
        return move_to_front(slots, there)

    def _states(self, sequence: torch.Tensor, valid: torch.Tensor) -> dict[int, torch.Tensor]:
        """Hidden states (B, N, D) from the trained layers' input on, by their numbers; the last as its norm leaves
        it."""
        unseen = torch.where(valid, 0.0, _UNSEEN)[:, None, None, :]
        states = {self.form.start: sequence}
        for number, layer in self.layers.items():
            given = layer(sequence, attention_mask=unseen)
            sequence = given[0] if isinstance(given, tuple) else given
            states[int(number) + 1] = sequence
        if self.norm is not None:
            states[self.form.layers] = self.norm(sequence)
        return states

    def depths(self) -> dict[str, int]:
        numbers = {name: name.split(".")[1] for name, _ in self.layers.named_parameters(prefix="layers")}
        above = {name: self.form.layers - 1 - int(number) for name, number in numbers.items()}
        return {name: above.get(name, 0) for name, _ in self.named_parameters()}

    def example(self, steps: int, context: int = 0) -> torch.Tensor:
        """One row (1, steps, row width) of zeros, with as many frames as an ordinary cell holds."""
        row = torch.zeros(1, steps, sum(self.form.sizes))
        row[..., -1] = max(1, 2 * self.form.slots // 3)
        return row


def _ends_in_norm(settings: Any, layer: LayerChoice) -> bool:
    """Whether the last hidden state that is read comes out of the stack's norm.

    In models of wav2vec2's kind that norm stands before the first layer, or behind the last where transformers gives
    the last hidden state by itself, but not among all of them.
    """
    stable = bool(getattr(settings, "do_stable_layer_norm", False))
    return settings.model_type == "whisper" or (stable and layer is None)


def _shares(held: torch.Tensor, mask: torch.Tensor, frames: int) -> torch.Tensor:
    """(B, T, N): by how much each of N frames counts in the mean of each cell, of cells that hold `held` (B, T) of them
    in turn and are there where `mask` is.

    As `acoustic.average` has it: a cell without a frame takes the nearest after it, else the last, which then is the
    last cell's alone.
    """
    total = held.sum(dim=1, keepdim=True)
    first = (held.cumsum(dim=1) - held).minimum((total - 1).clamp(min=0))
    following = torch.where(mask[:, 1:], first[:, 1:], total)
    ends = torch.cat([following, total], dim=1).maximum(first + 1)
    numbers = torch.arange(frames, device=held.device)
    inside = (numbers >= first.unsqueeze(-1)) & (numbers < ends.unsqueeze(-1))
    return inside / (ends - first).unsqueeze(-1)
