"""The network after the encoders as one ONNX file, checked against PyTorch before it is put in place."""

from __future__ import annotations

import copy
import json
import logging
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from tricue import __version__
from tricue.checkpoint.checkpoint import Card
from tricue.export.onnx_network import (
    GRAPH_BYTES,
    LOGITS,
    MASK,
    NETWORK,
    TOLERANCE,
    AfterEncoders,
    OnnxNetwork,
    Shape,
    largest_difference,
    made_up,
)
from tricue.extras import check_extra
from tricue.files.atomic import replaced_file
from tricue.model.bilstm import BiLSTM
from tricue.model.network import Network
from tricue.registry import MODALITIES
from tricue.types import InputError, ModalityName

if TYPE_CHECKING:
    from onnx import ModelProto

TRACED: Shape = (2, 5)  # no length is 0 or 1, which the exporter takes for constants
CHECKED: tuple[Shape, ...] = ((1, 1), (1, 7), (2, 5), (5, 13), (3, 31))
_PROTOBUF_BYTES = 2**31  # more than that is no file of its own


def export_onnx(network: Network, card: Card, modalities: Sequence[ModalityName], path: Path) -> None:
    """Write the network, as it predicts from `modalities`, to `path`.

    Inputs `<modality>` (B, T_<modality>, D) float32, what the encoder gives, and `<modality>_mask` (B, T_<modality>)
    bool, valid steps first; output `logits` (B, C). B and each T are free, from 1. A modality that is not among
    `modalities` is absent in every row.
    Raises InputError where packages are missing, the network has no such modalities, or the file would say something
    else than PyTorch.
    """
    check_extra("onnx", NETWORK, "export without it: --no_onnx")
    chosen: list[ModalityName] = [modality for modality in MODALITIES if modality in modalities]
    unknown = [modality for modality in modalities if modality not in network.modalities]
    if unknown or not chosen:
        known = ", ".join(network.modalities)
        raise InputError(f"--modalities {','.join(modalities)}: this model reads {known}.")
    model = _in_onnx(network, chosen)
    _describe(model, card, chosen)
    with replaced_file(path) as part:
        part.write_bytes(model.SerializeToString())
        missed = largest_difference(OnnxNetwork(part, network), network, CHECKED)
        if not missed <= TOLERANCE:
            raise InputError(
                f"{path}: onnxruntime's logits differ from PyTorch's by {missed:.1e}, more than {TOLERANCE}. Export "
                "without the file: --no_onnx."
            )


class OnnxBiLSTM(nn.Module):
    """`BiLSTM` as the one operator that ONNX has for it, which reads lengths; (B, T, in_width) -> (B, T, 2 hidden)."""

    weight: torch.Tensor
    recurrence: torch.Tensor
    bias: torch.Tensor

    def __init__(self, lstm: BiLSTM) -> None:
        super().__init__()
        self.hidden = lstm.ahead.hidden_size

        def both(name: str) -> torch.Tensor:
            """(2, 4 hidden, ...). Gates are input, forget, cell, output in torch; ONNX wants output second."""
            ways = []
            for way in (lstm.ahead, lstm.back):
                i, f, c, o = way.get_parameter(name).detach().chunk(4)
                ways.append(torch.cat([i, o, f, c]))
            return torch.stack(ways)

        self.register_buffer("weight", both("weight_ih_l0"))
        self.register_buffer("recurrence", both("weight_hh_l0"))
        self.register_buffer("bias", torch.cat([both("bias_ih_l0"), both("bias_hh_l0")], dim=1))

    def forward(self, x: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        lengths = mask.sum(dim=1).to(torch.int32)
        inputs = [x.transpose(0, 1), self.weight, self.recurrence, self.bias, lengths]
        settings: dict[str, Any] = {"hidden_size": self.hidden, "direction": "bidirectional"}
        shape = (x.shape[1], 2, x.shape[0], self.hidden)  # (T, 2, B, hidden)
        states = torch.onnx.ops.symbolic("LSTM", inputs, settings, dtype=x.dtype, shape=shape)
        return states.permute(2, 0, 1, 3).flatten(2).masked_fill(~mask.unsqueeze(-1), 0.0)


def exportable(network: Network) -> Network:
    """A copy on the CPU whose BiLSTMs are ONNX's, without live encoders; it can be exported, not run."""
    made = copy.deepcopy(network, {id(live): None for live in network.live.values()}).cpu().eval()
    for module in list(made.modules()):
        for name, child in list(module.named_children()):
            if isinstance(child, BiLSTM):
                setattr(module, name, OnnxBiLSTM(child))
    return made


def _in_onnx(network: Network, modalities: Sequence[ModalityName]) -> ModelProto:
    made = exportable(network)
    weights = 4 * sum(tensor.numel() for tensor in made.state_dict().values())
    if weights + GRAPH_BYTES > _PROTOBUF_BYTES:
        fault = f"The network's {weights:,} bytes are more than an ONNX file can hold"
        raise InputError(f"{fault}; export without it: --no_onnx.")
    axes = [{0: "batch", 1: f"T_{modality}"} for modality in modalities for _ in (modality, MASK)]
    with torch.no_grad(), _silent_exporter():
        program: Any = torch.onnx.export(
            AfterEncoders(made, modalities).eval(),
            tuple(made_up(made, modalities, TRACED, 0)),
            dynamo=True,
            dynamic_shapes=(tuple(axes),),
            input_names=[name for modality in modalities for name in (modality, modality + MASK)],
            output_names=[LOGITS],
            optimize=False,  # onnxruntime does that when it opens the file
            verbose=False,
        )
    return program.model_proto


@contextmanager
def _silent_exporter() -> Iterator[None]:
    """Without what it tells its own developers; a fault of it is an exception all the same."""
    told = logging.getLogger("torch.onnx")
    level = told.level
    told.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings(action="ignore"):
            yield
    finally:
        told.setLevel(level)


def _describe(model: ModelProto, card: Card, modalities: Sequence[ModalityName]) -> None:
    """What the file says of itself; and out with the traces of this machine's folders that the exporter leaves."""
    import onnx

    for node in model.graph.node:
        node.ClearField("metadata_props")
        node.ClearField("doc_string")
    for named in (*model.graph.input, *model.graph.output, *model.graph.initializer):
        named.ClearField("metadata_props")
    model.graph.ClearField("value_info")
    model.graph.ClearField("metadata_props")
    said = {
        "task": card.task.name, "emotions": json.dumps(card.emotions), "modalities": json.dumps(list(modalities)),
        "tricue": __version__, "weights_sha256": card.weights_sha256 or "",
        **{name: json.dumps(own) for name, own in card.task.decoding(card.calibration).items()},
    }  # fmt: skip
    onnx.helper.set_model_props(model, said)
