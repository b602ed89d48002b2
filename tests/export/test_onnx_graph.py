"""An ONNX file from elsewhere: what could read files, run without end or ask for any memory is refused."""

import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from tricue.config.load import load_config
from tricue.export import onnx_network
from tricue.export.onnx_network import NETWORK, OnnxNetwork
from tricue.model.network import Network
from tricue.types import Batch, InvalidFileError

onnx = pytest.importorskip("onnx", reason="needs the extra onnx")
pytest.importorskip("onnxruntime", reason="needs the extra onnx")
from onnx import TensorProto, helper  # noqa: E402  it may not be installed

CONFIG = load_config(
    None, {"modalities": ["text"], "model.width": 16, "model.bilstm_layers": 1, "model.bilstm_heads": 2}
)
WIDTH, CLASSES = 5, 3


def network() -> Network:
    torch.manual_seed(0)
    return Network.from_config(CONFIG, {"text": (WIDTH,)}, CLASSES).eval()


def model(nodes: Sequence[Any] = (), initializers: Sequence[Any] = (), **more: Any) -> bytes:
    """A model with the names of an exported one: logits are the mean of the text times a matrix, plus `extra`.

    nodes: that make `extra`, one number, from `initializers`.
    """
    weight = helper.make_tensor("weight", TensorProto.FLOAT, [WIDTH, CLASSES], np.ones(WIDTH * CLASSES))
    axes = helper.make_tensor("axes", TensorProto.INT64, [1], [1])
    extra = [] if nodes else [helper.make_tensor("extra", TensorProto.FLOAT, [1], [0.0])]
    last = [
        helper.make_node("ReduceMean", ["text", "axes"], ["mean"], keepdims=0),
        helper.make_node("MatMul", ["mean", "weight"], ["product"]),
        helper.make_node("Add", ["product", "extra"], ["logits"]),
    ]
    inputs = [
        helper.make_tensor_value_info("text", TensorProto.FLOAT, ["batch", "T", WIDTH]),
        helper.make_tensor_value_info("text_mask", TensorProto.BOOL, ["batch", "T"]),
    ]
    output = helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["batch", CLASSES])
    graph = helper.make_graph([*nodes, *last], "g", inputs, [output], [weight, axes, *extra, *initializers])
    domains = [helper.make_opsetid("", 20), *(helper.make_opsetid(d, 1) for d in more.pop("domains", ()))]
    made = helper.make_model(graph, opset_imports=domains, ir_version=10, **more)
    content: bytes = made.SerializeToString()
    return content


def outside(name: str) -> Any:
    """A tensor that says that it lies in a file."""
    tensor = TensorProto(name=name, data_type=TensorProto.FLOAT, dims=[1], data_location=TensorProto.EXTERNAL)
    for key, value in (("location", "secret.bin"), ("offset", "0"), ("length", "4")):
        tensor.external_data.add(key=key, value=value)
    return tensor


def ints(name: str, *values: int) -> Any:
    return helper.make_tensor(name, TensorProto.INT64, [len(values)], values)


def number(name: str, value: float = 0.0) -> Any:
    return helper.make_tensor(name, TensorProto.FLOAT, [1], [value])


def endless() -> bytes:
    body = helper.make_graph(
        [helper.make_node("Identity", ["on"], ["again"]), helper.make_node("Identity", ["v"], ["w"])], "body",
        [helper.make_tensor_value_info(n, t, s) for n, t, s in (
            ("i", TensorProto.INT64, []), ("on", TensorProto.BOOL, []), ("v", TensorProto.FLOAT, [1]))],
        [helper.make_tensor_value_info(n, t, s) for n, t, s in (
            ("again", TensorProto.BOOL, []), ("w", TensorProto.FLOAT, [1]))],
    )  # fmt: skip
    node = helper.make_node("Loop", ["times", "yes", "start"], ["extra"], body=body)
    times = helper.make_tensor("times", TensorProto.INT64, [], [10**15])
    return model([node], [times, helper.make_tensor("yes", TensorProto.BOOL, [], [True]), number("start")])


def function() -> bytes:
    own = helper.make_function(
        "mine", "F", ["a"], ["b"], [helper.make_node("Identity", ["a"], ["b"])], [helper.make_opsetid("", 20)]
    )
    node = helper.make_node("F", ["one"], ["extra"], domain="mine")
    return model([node], [number("one", 1.0)], functions=[own], domains=["mine"])


REFUSED: dict[str, tuple[Callable[[], bytes], str]] = {
    "weights in another file": (
        lambda: model([helper.make_node("Identity", ["o"], ["extra"])], [outside("o")]), "another file"
    ),
    "a constant in another file": (
        lambda: model([helper.make_node("Constant", [], ["extra"], value=outside("o"))]), "another file"
    ),
    "a loop without end": (endless, "holds a graph"),
    "functions": (function, "functions"),
    "operators of others": (
        lambda: model([helper.make_node("Gelu", ["one"], ["extra"], domain="com.microsoft")],
                      [number("one", 1.0)], domains=["com.microsoft"]),
        "com.microsoft",
    ),
    "no model": (lambda: b"\xff" * 100, "can't be read"),
    "an onnxruntime file": (lambda: b"\x20\0\0\0ORTM" + bytes(100), "can't be read"),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_what_an_export_never_writes_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    make, reason = REFUSED[name]
    monkeypatch.chdir(tmp_path)
    (tmp_path / "secret.bin").write_bytes(bytes(4))
    (tmp_path / NETWORK).write_bytes(make())
    with pytest.raises(InvalidFileError, match=reason) as told:
        OnnxNetwork(tmp_path / NETWORK, network())
    assert "tricue export" in str(told.value) and "\n" not in str(told.value)


def opened(folder: Path, content: bytes) -> OnnxNetwork:
    (folder / NETWORK).write_bytes(content)
    return OnnxNetwork(folder / NETWORK, network())


def batch(rows: int = 2) -> Batch:
    return Batch(["a"] * rows, {"text": torch.ones(rows, 3, WIDTH)}, {"text": torch.ones(rows, 3).bool()})


def test_the_model_of_these_tests_runs(tmp_path: Path) -> None:
    assert opened(tmp_path, model())(batch()).logits.tolist() == [[5.0] * 3] * 2


def test_memory_is_bounded(tmp_path: Path) -> None:
    """A kilobyte that asks for 400 GB, when it is opened or when it is run."""
    shape, one = (ints("shape", 10_000, 10_000, 1_000), number("one", 1.0))
    nodes = [
        helper.make_node("Expand", ["one", "shape"], ["large"]),
        helper.make_node("ReduceSum", ["large"], ["extra"], keepdims=0),
    ]
    with pytest.raises(InvalidFileError, match="can't be read"):
        opened(tmp_path, model(nodes, [shape, one]))(batch())


def test_time_is_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(onnx_network, "MAX_RUN_SECONDS", 0.05)
    nodes = [helper.make_node("Expand", ["one", "shape"], ["s0"])]
    nodes += [helper.make_node("Softmax", [f"s{i}"], [f"s{i + 1}"], axis=0) for i in range(300)]
    nodes.append(helper.make_node("ReduceSum", ["s300"], ["extra"], keepdims=0))
    text_one = [helper.make_node("ReduceSum", ["text"], ["one"], keepdims=0)]  # else it is computed when it is opened
    made = opened(tmp_path, model([*text_one, *nodes], [ints("shape", 1_000, 1_000)]))
    began = time.monotonic()
    with pytest.raises(InvalidFileError, match="can't be read"):
        made(batch())
    assert time.monotonic() - began < 30


def test_logits_of_another_shape_are_refused(tmp_path: Path) -> None:
    node = helper.make_node("Expand", ["one", "shape"], ["extra"])
    made = opened(tmp_path, model([node], [ints("shape", 4, 3), number("one")]))
    with pytest.raises(InvalidFileError):
        made(batch(1))
