"""The state of an unfinished run on disk: network, optimizer, schedule, random numbers, history. No pickle."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file

from tricue.checkpoint import write_tensors
from tricue.files import replaced_folder, write_json
from tricue.model.network import Network
from tricue.training.losses import AlignmentQueue
from tricue.training.phases import Schedule

NETWORK, OPTIMIZER, RANDOM, PROGRESS = (
    "network.safetensors",
    "optimizer.safetensors",
    "random.safetensors",
    "progress.json",
)


def save_state(
    folder: Path,
    network: Network,
    optimizer: torch.optim.Optimizer,
    schedule: Schedule,
    queue: AlignmentQueue | None,
    scaler: torch.amp.GradScaler | None,
    progress: dict[str, Any],
) -> None:
    """Write everything that the next step depends on to `folder`, in one step."""
    with replaced_folder(folder) as fresh:
        write_tensors(fresh / NETWORK, network.state_dict())
        moments = {
            f"{index}.{name}": tensor
            for index, slots in optimizer.state_dict()["state"].items()
            for name, tensor in slots.items()
        }
        write_tensors(fresh / OPTIMIZER, moments)
        random = {"cpu": torch.get_rng_state()}
        if torch.cuda.is_available():
            random["cuda"] = torch.cuda.get_rng_state()
        if queue is not None:
            random |= {"queue.h_cf": queue.h_cf, "queue.labels": queue.labels}
        write_tensors(fresh / RANDOM, random)
        write_json(
            fresh / PROGRESS,
            {
                **progress,
                "rates": [group["lr"] for group in optimizer.param_groups],
                "schedule": schedule.state_dict(),
                "scaler": scaler.state_dict() if scaler is not None else None,
            },
        )


def read_progress(folder: Path) -> dict[str, Any]:
    return json.loads((folder / PROGRESS).read_text(encoding="utf-8"))


def load_state(
    folder: Path,
    network: Network,
    optimizer: torch.optim.Optimizer,
    schedule: Schedule,
    queue: AlignmentQueue | None,
    scaler: torch.amp.GradScaler | None,
) -> None:
    """Put network, optimizer, schedule, queue and random numbers back as `save_state` found them."""
    network.load_state_dict(load_file(folder / NETWORK))
    progress = read_progress(folder)
    slots: dict[int, dict[str, torch.Tensor]] = {}
    for name, tensor in load_file(folder / OPTIMIZER).items():
        index, slot = name.split(".", 1)
        slots.setdefault(int(index), {})[slot] = tensor
    optimizer.load_state_dict({"state": slots, "param_groups": optimizer.state_dict()["param_groups"]})
    schedule.load_state_dict(progress["schedule"])
    for group, rate in zip(optimizer.param_groups, progress["rates"], strict=True):
        group["lr"] = rate
    if scaler is not None and progress["scaler"]:
        scaler.load_state_dict(progress["scaler"])
    random = load_file(folder / RANDOM)
    torch.set_rng_state(random["cpu"])
    if "cuda" in random and torch.cuda.is_available():
        torch.cuda.set_rng_state(random["cuda"])
    if queue is not None and "queue.h_cf" in random:
        device = queue.h_cf.device
        queue.h_cf, queue.labels = random["queue.h_cf"].to(device), random["queue.labels"].to(device)
