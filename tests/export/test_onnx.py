"""The network as an ONNX file: it says what PyTorch says for any modalities, lengths and batches; nothing else
passes.
"""

import json
import shutil
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import cache
from importlib.util import find_spec
from itertools import chain, combinations
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from tests.mutations import COUNTS, DAMAGE, damaged, flip_bit, survived

from tricue import extras
from tricue.checkpoint.checkpoint import Card
from tricue.config.load import load_config
from tricue.export import onnx as writer
from tricue.export import onnx_network
from tricue.export.onnx import export_onnx
from tricue.export.onnx_network import NETWORK, OnnxNetwork, open_onnx
from tricue.model.network import Network
from tricue.registry import MODALITIES
from tricue.types import Batch, InputError, InvalidFileError, ModalityName

onnx = pytest.importorskip("onnx", reason="needs the extra onnx")
onnxruntime = pytest.importorskip("onnxruntime", reason="needs the extra onnx")

EMOTIONS = ["anger", "joy", "neutral"]
DIMS: dict[ModalityName, tuple[int, ...]] = {"text": (5, 5), "audio": (7, 5), "video": (9,)}
SUBSETS = list(chain.from_iterable(combinations(MODALITIES, n) for n in (1, 2, 3)))
SMALL = {"model.width": 16, "model.bilstm_heads": 2, "model.bilstm_layers": 1, "data.emotions": EMOTIONS}
# each writes a file of its own, seconds: of the pairs, too, `make test` reads the file of three modalities with a
# modality missing
WRITTEN = [pytest.param(modalities, marks=[pytest.mark.slow] if len(modalities) == 2 else []) for modalities in SUBSETS]
TOLERANCE = 1e-4
Lengths = dict[ModalityName, list[int]]
Exported = Callable[..., Path]


@cache
def network(modalities: tuple[ModalityName, ...] = MODALITIES, **more: Any) -> Network:
    settings = {name.replace("__", "."): value for name, value in more.items()}
    config = load_config(None, {"modalities": list(modalities)} | SMALL | settings)
    torch.manual_seed(0)
    made = Network.from_config(config, {modality: DIMS[modality] for modality in modalities}, len(EMOTIONS)).eval()
    with torch.no_grad():
        for tensor in made.state_dict().values():  # learned vectors and the scaling, too, are no zeros and ones
            tensor.add_(0.2 * torch.rand(tensor.shape))
    return made


def card_of(modalities: Sequence[ModalityName] = MODALITIES) -> Card:
    config = load_config(None, {"modalities": list(modalities)} | SMALL)
    calibration = {"temperature": 1.7, "rows": 9, "ece_before": 0.2, "ece_after": 0.1}
    return Card(config, EMOTIONS, DIMS, [0.5, 0.3, 0.2], calibration=calibration, weights_sha256="ab" * 32)


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Exported:
    """`network.onnx` of the network of three modalities, written once for each subset of them."""

    @cache
    def written(*modalities: ModalityName) -> Path:
        path = tmp_path_factory.mktemp("onnx") / NETWORK
        export_onnx(network(), card_of(), list(modalities), path)
        return path

    return written


def made_batch(lengths: Lengths, seed: int = 0, padding: float = 0.0) -> Batch:
    """Random vectors of these lengths, 0 where a row lacks the modality, padded to the longest."""
    draw = torch.Generator().manual_seed(seed)
    values: dict[ModalityName, torch.Tensor] = {}
    masks: dict[ModalityName, torch.Tensor] = {}
    for modality, rows in lengths.items():
        mask = torch.arange(max(rows)) < torch.tensor(rows)[:, None]
        drawn = torch.randn(len(rows), max(rows), sum(DIMS[modality]), generator=draw)
        values[modality], masks[modality] = torch.where(mask[..., None], drawn, padding), mask
    return Batch([str(row) for row in range(len(next(iter(lengths.values()))))], values, masks)


def assert_same(path: Path, batch: Batch, made: Network | None = None) -> None:
    made = made or network()
    with torch.no_grad():
        expected = made(batch).logits
    assert expected.isfinite().all() and float(expected.std()) > 0.01  # an answer that differs by row or class
    torch.testing.assert_close(OnnxNetwork(path, made)(batch).logits, expected, atol=TOLERANCE, rtol=0)


BATCHES: list[Lengths] = [
    {"text": [1], "audio": [1], "video": [1]},
    {"text": [11], "audio": [37], "video": [3]},
    {"text": [13, 2, 7, 1, 5], "audio": [3, 41, 1, 17, 2], "video": [5, 1, 2, 7, 3]},
    {"text": [13, 0, 7, 0, 5], "audio": [0, 41, 0, 0, 2], "video": [5, 1, 0, 7, 0]},  # each lacks something
]


@pytest.mark.parametrize("modalities", WRITTEN, ids="+".join)
def test_every_subset_of_modalities_equals_pytorch(exported: Exported, modalities: tuple[ModalityName, ...]) -> None:
    for seed, lengths in enumerate(BATCHES):
        assert_same(exported(*modalities), made_batch({modality: lengths[modality] for modality in modalities}, seed))


@pytest.mark.parametrize("modalities", SUBSETS, ids="+".join)
def test_a_modality_that_no_row_has_is_absent(exported: Exported, modalities: tuple[ModalityName, ...]) -> None:
    assert_same(exported(*MODALITIES), made_batch({modality: BATCHES[2][modality] for modality in modalities}))


def test_a_modality_without_a_time_step_is_absent(exported: Exported) -> None:
    batch = made_batch({"text": [3, 2]})
    batch.values["audio"] = torch.zeros(2, 0, sum(DIMS["audio"]))
    batch.masks["audio"] = torch.zeros(2, 0, dtype=torch.bool)
    assert_same(exported(*MODALITIES), batch)


def test_what_is_padded_with_is_never_read(exported: Exported) -> None:
    batches = [made_batch(BATCHES[3], padding=padding) for padding in (0.0, float("nan"))]
    opened = OnnxNetwork(exported(*MODALITIES), network())
    assert torch.equal(opened(batches[0]).logits, opened(batches[1]).logits)


@pytest.mark.slow
@pytest.mark.parametrize(
    "settings",
    [
        {"model__gating": False, "model__cross_attention": False, "model__statistics": False},
        {"model__bilstm_layers": 0, "features__text__layer": "mix"},
    ],
)
def test_other_forms_of_the_network(settings: dict[str, Any], tmp_path: Path) -> None:
    made = network(("text", "audio"), **settings)
    export_onnx(made, card_of(), ["audio", "text"], tmp_path / NETWORK)
    assert_same(tmp_path / NETWORK, made_batch({"text": [7, 0, 3], "audio": [2, 19, 1]}), made)


def test_a_text_encoder_that_was_trained_along_runs_before_the_file(tiny_bert: Path, tmp_path: Path) -> None:
    from transformers import AutoModel

    config = load_config(
        None, {"modalities": ["text"], "features.text.encoder": str(tiny_bert), "model.finetune": "all"} | SMALL
    )
    torch.manual_seed(0)
    made = Network.from_config(
        config, {"text": (16,)}, len(EMOTIONS), {"text": AutoModel.from_pretrained(tiny_bert)}
    ).eval()
    export_onnx(made, card_of(["text"]), ["text"], tmp_path / NETWORK)
    assert made.live["text"] is not None  # the exporter works on a copy
    mask = torch.arange(7) < torch.tensor([[7], [3], [5]])
    tokens = torch.stack([torch.randint(5, 30, (3, 7)), torch.ones(3, 7, dtype=torch.long)], dim=-1)
    assert_same(tmp_path / NETWORK, Batch(["a", "b", "c"], {"text": tokens}, {"text": mask}), made)


def test_the_file_stands_alone(exported: Exported) -> None:
    """As another program sees it: names, free axes, what it says of itself, and nothing but what a prediction needs."""
    path = exported(*MODALITIES)
    content = path.read_bytes()
    model = onnx.load_from_string(content)
    onnx.checker.check_model(model, full_check=True)
    shapes = {
        given.name: [axis.dim_param or axis.dim_value for axis in given.type.tensor_type.shape.dim]
        for given in (*model.graph.input, *model.graph.output)
    }
    assert shapes == {
        "text": ["batch", "T_text", 10], "text_mask": ["batch", "T_text"],
        "audio": ["batch", "T_audio", 12], "audio_mask": ["batch", "T_audio"],
        "video": ["batch", "T_video", 9], "video_mask": ["batch", "T_video"], "logits": ["batch", 3],
    }  # fmt: skip
    said = {entry.key: entry.value for entry in model.metadata_props}
    assert json.loads(said["emotions"]) == EMOTIONS and json.loads(said["modalities"]) == list(MODALITIES)
    assert float(said["temperature"]) == 1.7 and said["weights_sha256"] == "ab" * 32 and said["tricue"]
    weights = {initial.name for initial in model.graph.initializer}
    assert any("classifier" in name for name in weights)
    assert not any("counterfactual" in name or "intention" in name for name in weights)
    assert str(Path(writer.__file__).parents[2]).encode() not in content  # no folder of this machine
    batch = made_batch(BATCHES[1])
    feed: dict[str, np.ndarray] = {modality: batch.values[modality].numpy() for modality in MODALITIES}
    feed |= {f"{modality}_mask": batch.masks[modality].numpy() for modality in MODALITIES}
    (logits,) = onnxruntime.InferenceSession(content).run(["logits"], feed)
    with torch.no_grad():
        np.testing.assert_allclose(logits, network()(batch).logits.numpy(), atol=TOLERANCE)


@pytest.mark.parametrize("missed", [1.0, float("nan")])
def test_a_file_that_says_something_else_is_not_put_in_place(
    missed: float, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / NETWORK
    path.write_bytes(b"the one before")
    monkeypatch.setattr(writer, "largest_difference", lambda *_: missed)
    with pytest.raises(InputError, match="--no_onnx"):
        export_onnx(network(("text",)), card_of(["text"]), ["text"], path)
    assert path.read_bytes() == b"the one before" and [p.name for p in tmp_path.iterdir()] == [NETWORK]


def test_wrong_operators_are_found_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The check is on lengths that were not traced: a graph that holds those of the trace fails it."""
    real = writer.OnnxBiLSTM.forward

    def unmasked(self: Any, x: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        return real(self, x, torch.ones_like(mask))

    monkeypatch.setattr(writer.OnnxBiLSTM, "forward", unmasked)
    with pytest.raises(InputError, match="differ from PyTorch's"):
        export_onnx(network(("text",)), card_of(["text"]), ["text"], tmp_path / NETWORK)
    assert not list(tmp_path.iterdir())


def test_damaged_and_foreign_files(exported: Exported, tmp_path: Path) -> None:
    content = exported("text").read_bytes()
    path = tmp_path / NETWORK

    def refused(given: bytes, reason: str, card: Card | None = None, made: Network | None = None) -> None:
        path.write_bytes(given)
        with pytest.raises(InputError, match=reason) as told:
            open_onnx(tmp_path, made or network(), card or card_of())
        assert str(path) in str(told.value) and "\n" not in str(told.value)

    path.write_bytes(content)
    assert open_onnx(tmp_path, network(), card_of()).modalities == ["text"]
    for end in (0, 1, 100, len(content) // 2, len(content) - 7):
        refused(content[:end], "can't be read|another network")
    refused(np.random.default_rng(0).bytes(5000), "can't be read")
    refused(b'{"format": 1}', "can't be read")
    refused(content.replace(b"T_text", b"T_\xffext"), "can't be read")  # a name that is no UTF-8
    refused(content + bytes(2**25), "larger than")
    refused(content, "other weights", replace(card_of(), weights_sha256="cd" * 32))
    refused(content, "other weights", replace(card_of(), emotions=EMOTIONS[::-1]))
    refused(content, "another network", made=network(("audio",)))
    model = onnx.load_from_string(content)
    (last,) = (t for t in model.graph.initializer if t.name.endswith("classifier.bias"))
    last.CopyFrom(onnx.numpy_helper.from_array(onnx.numpy_helper.to_array(last) + 1e-2, last.name))
    refused(model.SerializeToString(), "damaged")
    path.unlink()
    with pytest.raises(InputError, match="tricue export"):
        open_onnx(tmp_path, network(), card_of())


@pytest.mark.parametrize("files", COUNTS)
def test_fuzz(exported: Exported, tmp_path: Path, files: int) -> None:
    """As above, with more kinds of damage, and in a child: onnxruntime is native code."""
    content = exported("text").read_bytes()

    def refused(number: int) -> bool:
        rng = np.random.default_rng([20, number])
        folder = tmp_path / str(number)
        folder.mkdir()
        (folder / NETWORK).write_bytes(damaged(rng, content, [*DAMAGE, flip_bit, flip_bit], most=2))
        try:
            opened = open_onnx(folder, network(), card_of())
            assert onnx_network.largest_difference(opened, network(), [(4, 3)]) <= TOLERANCE
        except InvalidFileError:
            return True
        finally:
            shutil.rmtree(folder)
        return False

    assert survived(files, refused) > files / 3


def test_a_modality_that_the_file_was_made_without(exported: Exported) -> None:
    opened = OnnxNetwork(exported("text", "video"), network())
    with pytest.raises(InputError, match=r"reads text, video, not audio"):
        opened(made_batch({"text": [2], "audio": [3]}))
    with pytest.raises(ValueError, match="none of the modalities"):
        opened(Batch(["a"], {}, {}))
    with pytest.raises(InputError, match="this model reads text"):
        export_onnx(network(("text",)), card_of(["text"]), ["audio"], Path("never"))


def test_without_the_extra(exported: Exported, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = exported("text")
    monkeypatch.setattr(extras, "find_spec", lambda name: None if name.startswith("onnx") else find_spec(name))
    with pytest.raises(InputError, match=r'onnx, onnxscript, .*pip install "tricue\[onnx\]".*--no_onnx'):
        export_onnx(network(), card_of(), ["text"], tmp_path / NETWORK)
    with pytest.raises(InputError, match=r'onnxruntime, .*pip install "tricue\[onnx\]".*--backend torch'):
        open_onnx(file.parent, network(), card_of())
