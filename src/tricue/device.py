"""Which device computes: `--device auto|cpu|cuda`."""

import os

from tricue.types import InputError


def cores() -> int:
    """CPU cores that this process may use."""
    usable = getattr(os, "sched_getaffinity", None)  # not everywhere
    return len(usable(0)) if usable else os.cpu_count() or 1


def choose_device(name: str) -> str:
    """`auto` is the first visible GPU, else the CPU; CUDA_VISIBLE_DEVICES is honoured by torch itself.

    Raises InputError where `cuda` is asked for and torch sees none.
    """
    import torch

    if name not in ("auto", "cpu", "cuda"):
        raise InputError(f"--device {name}: choose auto, cpu or cuda.")
    available = torch.cuda.is_available()
    if name == "cuda" and not available:
        raise InputError("--device cuda: torch sees no CUDA device (driver, CUDA_VISIBLE_DEVICES, or a CPU build).")
    return "cuda" if available and name != "cpu" else "cpu"
