"""One GPU: training in mixed precision, extraction, and whether its answers are the CPU's. At most 10 minutes.

    training     steps per second of the trainer in mixed precision and in float32: text, audio and video of MELD's
                 shape; words with a live encoder of roberta-base's size, beside that encoder's own forward and backward
                 pass
    extraction   vectors per second of the extractors with encoders of base size, beside the encoders alone
    answers      logits of a network trained on the toy corpus, against those of the CPU

The sides of each claim run in turn in this process; medians are kept. Encoders have random weights, rows are made up.

    .venv/bin/python benchmarks/gpu.py
    .venv/bin/python benchmarks/gpu.py --device cpu --quick       that the script works; measures nothing, keeps nothing
"""

import argparse
import json
import sys
import time
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch
from common import keep
from extraction.inputs import machine
from on_gpu.encoder_vectors import measure_vectors
from on_gpu.equal_answers import measure_equality
from on_gpu.made_encoders import BASE, TINY, EncoderSize
from on_gpu.train_steps import frozen_case, live_case, measure_steps

from tricue.toy.toy_settings import ToyConfig
from tricue.types import ModalityName


@dataclass(frozen=True)
class Extent:
    """How much is measured."""

    size: EncoderSize
    rounds: int
    steps: dict[str, int]  # per epoch that is timed
    settings: dict[str, Any]  # of the networks that are trained
    utterances: dict[ModalityName, int]
    toy: ToyConfig


FULL = Extent(
    size=BASE, rounds=5, steps={"frozen": 8, "live": 40}, settings={},
    utterances={"text": 2048, "audio": 48, "video": 64},
    toy=ToyConfig(clips={"train": 700, "val": 70, "test": 720}),
)  # fmt: skip
QUICK = Extent(
    size=TINY, rounds=1, steps={"frozen": 2, "live": 2}, settings={"model.width": 16, "training.batch_size": 4},
    utterances={"text": 8, "audio": 2, "video": 2},
    toy=ToyConfig(clips={"train": 28, "val": 14, "test": 14}, speakers={"train": 2, "val": 2, "test": 2}),
)  # fmt: skip


def measure(extent: Extent, device: str, work: Path) -> dict[str, Any]:
    begun = time.monotonic()

    def say(part: str) -> None:
        print(f"{time.monotonic() - begun:5.0f} s: {part}", file=sys.stderr, flush=True)

    mixed = "bf16" if device == "cpu" else "auto"
    cases = {"frozen": frozen_case, "live": live_case}
    training = {}
    for name, make in cases.items():
        say(f"training, {name} encoders")
        case = make(extent.size, extent.steps[name], extent.settings)
        training[name] = measure_steps(case, mixed, extent.rounds, device, work / "trained")
    say("extraction")
    extraction = measure_vectors(extent.size, extent.utterances, extent.rounds, device, work)
    say("answers on the toy corpus")
    answers = measure_equality(extent.toy, device, work / "toy")
    say("done")
    return {
        "what": "training, extraction and answers on one GPU: sides in turn in one run, medians",
        "machine": describe_machine(device),
        "rounds": extent.rounds,
        "training": training,
        "extraction": extraction,
        "answers": answers,
        "seconds_in_all": round(time.monotonic() - begun),
    }


def describe_machine(device: str) -> dict[str, Any]:
    names = ("torch", "transformers", "accelerate")
    return {
        "device": "cpu" if device == "cpu" else torch.cuda.get_device_name(),
        "cuda": None if device == "cpu" else torch.version.cuda,
        **machine(),
        **{name: version(name) for name in names},
        "tf32_of_matmul": torch.backends.cuda.matmul.allow_tf32,
        "tf32_of_cudnn": torch.backends.cudnn.allow_tf32,
    }


def refusal(device: str, quick: bool) -> str | None:
    """Why nothing can be measured here."""
    if device == "cpu":
        return None if quick else "a CPU says nothing of a GPU; to try the script: --device cpu --quick"
    if torch.cuda.is_available():
        return None
    return f"torch {torch.__version__} sees no CUDA device; to try the script: --device cpu --quick"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", choices=["cuda", "cpu"], default="cuda")
    parser.add_argument("--quick", action="store_true", help="tiny sizes: whether the script works; nothing is kept")
    parser.add_argument("--work", type=Path, default=Path("runs/gpu"))
    args = parser.parse_args()
    if reason := refusal(args.device, args.quick):
        print(f"gpu.py: {reason}", file=sys.stderr)
        sys.exit(2)
    extent = QUICK if args.quick else FULL
    found = measure(extent, args.device, args.work / ("quick" if args.quick else "full"))
    if args.quick:
        print(json.dumps(found, indent=2))
    else:
        keep("gpu", found)


if __name__ == "__main__":
    main()
