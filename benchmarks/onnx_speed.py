"""The network behind the encoders in onnxruntime and in PyTorch: the same batches in one run, by 1 and by 32.

The network of configs/meld-finetuned.yaml (all three modalities, width 256, random weights) and its text part alone, on
random vectors with lengths as MELD's utterances have them: words 1 to 24, audio 10 to 60 steps, 10 key frames. Both
sides read the same batches in turn, with as many threads as torch takes; medians over rounds are compared, after one
round that warms up. Encoders and decoding are left out: they are the same code on both sides.

    OMP_NUM_THREADS=1 .venv/bin/python benchmarks/onnx_speed.py
"""

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch
from common import keep

from tricue.checkpoint.checkpoint import Card
from tricue.config.load import load_config
from tricue.export.onnx import CHECKED, export_onnx
from tricue.export.onnx_network import NETWORK, OnnxNetwork, largest_difference
from tricue.model.network import Network
from tricue.types import Batch, ModalityName

DIMS: dict[ModalityName, tuple[int, ...]] = {"text": (768,), "audio": (768, 35), "video": (2048,)}
STEPS: dict[ModalityName, tuple[int, int]] = {"text": (1, 24), "audio": (10, 60), "video": (10, 10)}
SIZES = (1, 32)


def made_batch(modalities: list[ModalityName], rows: int, seed: int) -> Batch:
    draw = torch.Generator().manual_seed(seed)
    values: dict[ModalityName, torch.Tensor] = {}
    masks: dict[ModalityName, torch.Tensor] = {}
    for modality in modalities:
        low, high = STEPS[modality]
        lengths = torch.randint(low, high + 1, (rows,), generator=draw)
        masks[modality] = torch.arange(int(lengths.max())) < lengths[:, None]
        values[modality] = (
            torch.randn(*masks[modality].shape, sum(DIMS[modality]), generator=draw) * masks[modality][..., None]
        )
    return Batch([str(row) for row in range(rows)], values, masks)


@torch.inference_mode()
def seconds(answers: Callable[[Batch], Any], batches: list[Batch]) -> float:
    started = time.perf_counter()
    for batch in batches:
        answers(batch)
    return time.perf_counter() - started


def compared(network: Network, opened: OnnxNetwork, rows: int, batches: int, rounds: int) -> dict[str, Any]:
    """Milliseconds per batch of both sides, by round; their medians and the ratio of these."""
    drawn = [made_batch(network.modalities, rows, seed) for seed in range(batches)]
    sides: dict[str, Callable[[Batch], Any]] = {"torch": network, "onnx": opened}
    times: dict[str, list[float]] = {side: [] for side in sides}
    for round_ in range(rounds + 1):
        for side in sides if round_ % 2 else reversed(sides):  # neither is always the first
            taken = 1000 * seconds(sides[side], drawn) / batches
            if round_:
                times[side].append(round(taken, 3))
    medians = {side: statistics.median(values) for side, values in times.items()}
    return {"median_ms": medians, "torch_over_onnx": medians["torch"] / medians["onnx"], "ms": times}


def measured(modalities: list[ModalityName], folder: Path, batches: int, rounds: int) -> dict[str, Any]:
    config = load_config("meld-finetuned", {"modalities": modalities, "model.finetune": "none", "model.width": 256})
    torch.manual_seed(0)
    network = Network.from_config(config, {modality: DIMS[modality] for modality in modalities}, 7).eval()
    path = folder / "+".join(modalities) / NETWORK
    started = time.perf_counter()
    export_onnx(network, Card(config, list(config.data.emotions), DIMS, [1 / 7] * 7), modalities, path)
    exporting = time.perf_counter() - started
    opened = OnnxNetwork(path, network)
    return {
        "parameters": sum(parameter.numel() for parameter in network.parameters()),
        "file_bytes": path.stat().st_size,
        "largest_difference": largest_difference(opened, network, CHECKED),
        "export_seconds": round(exporting, 1),
        "batch": {str(rows): compared(network, opened, rows, batches, rounds) for rows in SIZES},
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--batches", type=int, default=10, help="per round and side")
    parser.add_argument("--rounds", type=int, default=9)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as place:
        results = {
            "+".join(modalities): measured(modalities, Path(place), args.batches, args.rounds)
            for modalities in (["text"], ["text", "audio", "video"])
        }
    keep("onnx_speed", {
        "what": "milliseconds per batch of the network behind the encoders, width 256, random weights and vectors",
        "threads": torch.get_num_threads(),
        "versions": {name: version(name) for name in ("torch", "onnxruntime")},
        "networks": results,
    })  # fmt: skip


if __name__ == "__main__":
    main()
