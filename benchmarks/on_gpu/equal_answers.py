"""Whether a GPU answers as a CPU does: one network, trained on the toy corpus, the same features."""

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from typing import Any

import torch

from tricue.config.load import load_config
from tricue.evaluation.trial import open_trial
from tricue.prediction.batches import gather_examples
from tricue.prediction.inference import read_logits
from tricue.toy.toy_corpus import make_toy
from tricue.toy.toy_settings import ToyConfig
from tricue.training.train import train
from tricue.training.workspace import Workspace


def measure_equality(toy: ToyConfig, device: str, work: Path) -> dict[str, Any]:
    """Logits of the test clips against those of the CPU in float32: the largest difference, and how many of the
    answers agree.

    The network is trained on the CPU with configs/demo.yaml. float32 is computed twice: as torch comes, where cuDNN may
    round to TF32, and without TF32. Mixed precision is bfloat16 for the network, which prediction never uses: training
    does.
    """
    config = load_config("demo", {"training.tensorboard": False})
    make_toy(work / "corpus", toy, progress=False)
    workspace = Workspace(store=work / "features", data_dir=work / "corpus", device="cpu", quiet=True)
    best = train(config, save_dir=work / "run", workspace=workspace).best_model
    trial = open_trial(best, workspace=workspace)
    features = trial.read_features(trial.usable(None), workspace)
    examples = gather_examples(trial.rows, features.arrays, None)

    def logits(where: str, precision: AbstractContextManager[Any]) -> torch.Tensor:
        with precision:
            return read_logits(trial.network.to(where), examples, config.evaluation.batch_size, where)

    expected = logits("cpu", nullcontext())
    sides = {
        "float32": nullcontext(),
        "float32 without TF32": _without_tf32(),
        "mixed (bfloat16)": torch.autocast(device, torch.bfloat16),
    }
    return {
        "clips": len(examples),
        "largest_logit": round(float(expected.abs().max()), 3),
        "sides": {side: _compare(logits(device, precision), expected) for side, precision in sides.items()},
    }


@contextmanager
def _without_tf32() -> Iterator[None]:
    before = torch.backends.cudnn.allow_tf32, torch.backends.cuda.matmul.allow_tf32
    torch.backends.cudnn.allow_tf32 = torch.backends.cuda.matmul.allow_tf32 = False
    try:
        yield
    finally:
        torch.backends.cudnn.allow_tf32, torch.backends.cuda.matmul.allow_tf32 = before


def _compare(logits: torch.Tensor, expected: torch.Tensor) -> dict[str, float]:
    agree = logits.argmax(dim=1) == expected.argmax(dim=1)
    return {
        "largest_difference": float(f"{float((logits - expected).abs().max()):.3g}"),
        "answers_that_agree": int(agree.sum()),
        "share_that_agrees": round(float(agree.float().mean()), 4),
    }
