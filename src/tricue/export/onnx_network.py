"""The network as an ONNX file in onnxruntime: stands where `Network` stands when logits are read."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from threading import Timer
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import nn

from tricue.checkpoint.checkpoint import Card
from tricue.export.onnx_graph import check_graph
from tricue.extras import check_extra
from tricue.files.atomic import is_file
from tricue.model.network import Network
from tricue.registry import MODALITIES
from tricue.types import Batch, InputError, InvalidFileError, ModalityName, as_invalid

if TYPE_CHECKING:
    from onnxruntime import InferenceSession, SessionOptions

NETWORK = "network.onnx"  # beside config.json
TOLERANCE = 1e-4  # by which a logit may differ from PyTorch's
GRAPH_BYTES = 16 * 2**20  # more than the file holds beside the weights
MAX_MEMORY_BYTES = 8 * 2**30  # of all that onnxruntime computes: a small file may ask for any size
MAX_RUN_SECONDS = 300.0  # of one batch, which takes less than a second
MASK = "_mask"
LOGITS = "logits"

Tensors = Mapping[ModalityName, torch.Tensor]
Shape = tuple[int, int]  # rows, time steps


@dataclass(frozen=True)
class Logits:
    """What the file says of a batch."""

    logits: torch.Tensor  # (B, C)


class AfterEncoders(nn.Module):
    """The path of a prediction from what encoders give to the logits, by the network's own parts.

    Takes values (B, T, D) and mask (B, T) of each of `modalities` in turn, gives logits (B, C).
    """

    def __init__(self, network: Network, modalities: Sequence[ModalityName]) -> None:
        super().__init__()
        self.network = network
        self.modalities = list(modalities)

    def forward(self, *tensors: torch.Tensor) -> torch.Tensor:
        values: dict[ModalityName, torch.Tensor] = dict(zip(self.modalities, tensors[::2], strict=True))
        masks: dict[ModalityName, torch.Tensor] = dict(zip(self.modalities, tensors[1::2], strict=True))
        vectors = {m: self.network.scaled(m, values[m], masks[m]) for m in self.modalities}
        return self.network.decide(vectors, masks).logits


class OnnxNetwork:
    """`network.onnx` of a checkpoint. Encoders that were trained along run in PyTorch, before it.

    modalities: those of the file, in the order of `MODALITIES`. said: what it says of itself (docs/onnx.md).
    """

    def __init__(self, path: Path, network: Network) -> None:
        """network: that the file was made from. Raises InputError for a file that is missing, damaged or another's."""
        self.live = network.live
        self.outputs = network.outputs
        self.path = path
        self._session = open_session(path, network)
        with _readable(path):
            inputs = {given.name: given.shape for given in self._session.get_inputs()}
            outputs = [(given.name, given.shape[1:]) for given in self._session.get_outputs()]
            self.said: dict[str, str] = dict(self._session.get_modelmeta().custom_metadata_map)
        self.modalities: list[ModalityName] = [modality for modality in MODALITIES if modality in inputs]
        own = [modality for modality in self.modalities if modality in network.modalities]
        self.widths = {m: network.scaling[m].get_buffer("mean").numel() for m in own}
        names = {name for modality in own for name in (modality, modality + MASK)}
        fits = all(inputs[m][2:] == [wide] for m, wide in self.widths.items())
        if not names or set(inputs) != names or not fits or outputs != [(LOGITS, [self.outputs])]:
            raise InvalidFileError(f"{path} is of another network than {path.parent}: {_AGAIN}")

    def eval(self) -> OnnxNetwork:
        """It never trains."""
        return self

    def __call__(self, batch: Batch) -> Logits:
        """Raises InputError for a modality that the file was made without, ValueError where the batch has none."""
        held = [modality for modality, mask in batch.masks.items() if mask.shape[1] > 0]
        beyond = [modality for modality in held if modality not in self.modalities]
        if beyond:
            raise InputError(
                f"{self.path} reads {', '.join(self.modalities)}, not {', '.join(beyond)}: leave that out, or {_AGAIN}"
            )
        if not held:
            raise ValueError(f"The batch has none of the modalities {self.modalities}.")
        values, masks = dict(batch.values), dict(batch.masks)
        for modality in [modality for modality in held if modality in self.live]:
            with torch.no_grad():
                values[modality], masks[modality] = self.live[modality](values[modality], masks[modality])
        return Logits(self.run({c: values[c] for c in held}, {c: masks[c] for c in held}))

    def run(self, values: Tensors, masks: Tensors) -> torch.Tensor:
        """Logits (B, C) from what encoders give: values (B, T, D), masks (B, T). A modality that is not there is
        absent.

        Raises InvalidFileError where the file cannot be run, takes too long, or gives something else than logits.
        """
        rows = next(iter(masks.values())).shape[0]
        feed: dict[str, np.ndarray] = {}
        for modality, width in self.widths.items():
            if modality in masks:
                feed[modality] = values[modality].detach().float().cpu().numpy()
                feed[modality + MASK] = masks[modality].cpu().numpy()
            else:
                feed[modality] = np.zeros((rows, 1, width), np.float32)
                feed[modality + MASK] = np.zeros((rows, 1), bool)
        with _readable(self.path), _limited_time() as options:
            (logits,) = self._session.run([LOGITS], feed, options)
        if logits.dtype != np.float32 or logits.shape != (rows, self.outputs):
            raise InvalidFileError(f"{self.path} is damaged: its logits are {logits.shape}: {_AGAIN}")
        return torch.from_numpy(logits)


def open_onnx(folder: Path, network: Network, card: Card) -> OnnxNetwork:
    """`network.onnx` of a checkpoint folder, checked to be of these weights and to say what they say.

    Raises InputError where it is missing, damaged, of other weights, or onnxruntime is not installed.
    """
    path = folder / NETWORK
    opened = OnnxNetwork(path, network)
    said = opened.said.get("weights_sha256"), opened.said.get("emotions")
    if said != (card.weights_sha256, json.dumps(card.emotions)):
        raise InvalidFileError(f"{path} was made of other weights than those beside it: {_AGAIN}")
    with _readable(path):
        missed = largest_difference(opened, network, [(4, 3)])
    if not missed <= TOLERANCE:
        fault = f"it does not say what PyTorch says (logits differ by {missed:.1e})"
        raise InvalidFileError(f"{path} is damaged: {fault}: {_AGAIN}")
    return opened


def largest_difference(opened: OnnxNetwork, network: Network, shapes: Sequence[Shape]) -> float:
    """By how much a logit differs from PyTorch's at most, on random batches of these sizes; nan where one is none.

    Rows of a batch differ in length; all but the first may lack a modality. Lengths differ from modality to modality.
    """
    reference = AfterEncoders(network, opened.modalities).eval()
    device = next(network.parameters()).device
    worst = torch.zeros(())
    with torch.no_grad():
        for seed, shape in enumerate(shapes):
            tensors = made_up(network, opened.modalities, shape, seed)
            expected = reference(*(tensor.to(device) for tensor in tensors)).cpu()
            values = dict(zip(opened.modalities, tensors[::2], strict=True))
            masks = dict(zip(opened.modalities, tensors[1::2], strict=True))
            worst = torch.maximum(worst, (opened.run(values, masks) - expected).abs().max())  # keeps nan
    return float(worst)


def made_up(network: Network, modalities: Sequence[ModalityName], shape: Shape, seed: int) -> list[torch.Tensor]:
    """Values (B, T, D) and mask (B, T) of each modality in turn, as the training rows are spread; the first row
    is full.
    """
    draw = torch.Generator().manual_seed(seed)
    tensors: list[torch.Tensor] = []
    for at, modality in enumerate(modalities):
        rows, steps = shape[0], shape[1] + at
        mean, std = (network.scaling[modality].get_buffer(name).cpu() for name in ("mean", "std"))
        lengths = torch.randint(0, steps + 1, (rows,), generator=draw)
        lengths[0] = steps
        tensors.append(mean + std * torch.randn(rows, steps, len(mean), generator=draw))
        tensors.append(torch.arange(steps) < lengths[:, None])
    return tensors


def open_session(path: Path, network: Network) -> InferenceSession:
    """onnxruntime on the CPU, with as many threads as PyTorch has. Raises InputError as `OnnxNetwork` does."""
    for package in ("onnxruntime", "onnx"):
        check_extra("onnx", "--backend onnx", "--backend torch", only=package)
    if not is_file(path):
        raise InputError(f"There is no {path}, which --backend onnx runs: make it (tricue export), or use torch.")
    largest = GRAPH_BYTES + 4 * sum(parameter.numel() for parameter in network.parameters())
    if path.stat().st_size > largest:
        raise InvalidFileError(f"{path} is larger than its network can be ({largest:,} bytes): {_AGAIN}")
    import onnxruntime

    content = path.read_bytes()
    check_graph(content, path, _AGAIN)
    with _readable(path):
        return onnxruntime.InferenceSession(  # ConstantFolding would run operators here, where no time is bounded
            content, _session_options(), providers=["CPUExecutionProvider"], enable_fallback=False,
            disabled_optimizers=["ConstantFolding"],
        )  # fmt: skip


def _session_options() -> SessionOptions:
    import onnxruntime

    _limit_memory()
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    options.log_severity_level = 4  # what is wrong with the file is told once, by us
    options.add_session_config_entry("session.load_model_format", "ONNX")  # that was looked at
    options.add_session_config_entry("session.use_env_allocators", "1")
    return options


@cache  # a process has one
def _limit_memory() -> None:
    """Give onnxruntime an allocator that refuses to go beyond MAX_MEMORY_BYTES in all."""
    import onnxruntime as ort

    cpu = ort.OrtMemoryInfo("Cpu", ort.OrtAllocatorType.ORT_ARENA_ALLOCATOR, 0, ort.OrtMemType.DEFAULT)
    ort.create_and_register_allocator(cpu, ort.OrtArenaCfg({"max_mem": MAX_MEMORY_BYTES}))


@contextmanager
def _limited_time() -> Iterator[object]:
    """Options of a run that ends, between two operators, once it has lasted MAX_RUN_SECONDS."""
    import onnxruntime

    options = onnxruntime.RunOptions()
    timer = Timer(MAX_RUN_SECONDS, setattr, (options, "terminate", True))
    timer.daemon = True
    timer.start()
    try:
        yield options
    finally:
        timer.cancel()


def _readable(path: Path) -> AbstractContextManager[None]:
    """As InvalidFileError what onnxruntime raises for a file that it cannot take or run, names that are no UTF-8
    included."""
    from onnxruntime.capi import onnxruntime_pybind11_state as state

    own = (state.EPFail, state.Fail, state.InvalidArgument, state.InvalidGraph, state.InvalidProtobuf, state.NoModel,
           state.NoSuchFile, state.NotImplemented, state.RuntimeException)  # fmt: skip
    return as_invalid((*own, RuntimeError, ValueError), f"{path} can't be read (", f"): {_AGAIN}")


_AGAIN = "export the model again (tricue export)."
