"""What an ONNX file from elsewhere may hold, looked at before anything runs it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from tricue.types import InvalidFileError, first_line

if TYPE_CHECKING:
    from onnx import ModelProto, TensorProto

_ONNX = ("", "ai.onnx")  # the two spellings of the domain of ONNX's own operators


def check_graph(content: bytes, path: Path, remedy: str) -> None:
    """Refuse what our own export never writes and what could read files or run without end.

    Raises:
        InvalidFileError: The content is no ONNX model; tensors are kept in other files; an operator is none of
            ONNX's own, or holds a graph (Loop, Scan, If), which may be run any number of times.
    """
    import onnx
    from google.protobuf.message import DecodeError  # type: ignore[import-untyped]

    try:
        model = onnx.load_from_string(content)
    except (DecodeError, ValueError) as error:
        raise InvalidFileError(f"{path} can't be read ({first_line(error)}): {remedy}") from error
    for trouble in _troubles(model):
        raise InvalidFileError(f"{path}: {trouble}: {remedy}")


def _troubles(model: ModelProto) -> Iterator[str]:
    """In words, what an exported network does not hold."""
    import onnx

    if model.functions or model.training_info:
        yield "it defines functions or training steps of its own"
    for given in model.opset_import:
        if given.domain not in _ONNX:
            yield f"it needs operators of {given.domain[:100]!r}"
    for node in model.graph.node:
        if node.domain not in _ONNX:
            yield f"{node.op_type[:100]!r} is no operator of ONNX's own"
        if any(a.HasField("g") or a.graphs for a in node.attribute):
            yield f"{node.op_type[:100]!r} holds a graph, which may run without end"
    outside = onnx.TensorProto.EXTERNAL
    if any(tensor.data_location == outside or tensor.external_data for tensor in _tensors(model)):
        yield "its weights lie in another file"


def _tensors(model: ModelProto) -> Iterator[TensorProto]:
    """All tensors of a graph without subgraphs."""
    sparse = list(model.graph.sparse_initializer)
    yield from model.graph.initializer
    for node in model.graph.node:
        for attribute in node.attribute:
            yield attribute.t
            yield from attribute.tensors
            sparse += [attribute.sparse_tensor, *attribute.sparse_tensors]
    for tensor in sparse:
        yield tensor.values
        yield tensor.indices
