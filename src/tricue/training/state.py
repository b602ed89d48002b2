"""The state of an unfinished run on disk: network, optimizer, schedule, random numbers, history. No pickle.

A file of digests, in the form of `sha256sum`, tells damage: a changed bit of a weight would go on in every later one.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch

from tricue.files import file_digest, replaced_folder
from tricue.json_files import read_json, write_json
from tricue.model.network import Network
from tricue.tensors import read_tensors, write_tensors
from tricue.training.losses import AlignmentQueue
from tricue.training.phases import Schedule
from tricue.types import InvalidFileError

NETWORK, OPTIMIZER, RANDOM, PROGRESS = (
    "network.safetensors",
    "optimizer.safetensors",
    "random.safetensors",
    "progress.json",
)
DIGESTS = "SHA256SUMS"
REMEDY = "Begin the run anew: --restart."


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
        (fresh / DIGESTS).write_text(_digests(fresh), encoding="ascii")


def read_progress(folder: Path, like: dict[str, Any]) -> dict[str, Any]:
    """Progress as `save_state` was given it. like: the names and types that it has.

    Raises:
        InvalidFileError: A file of the state is damaged or missing, or names or types differ.
    """
    _check_digests(folder)
    with _of_this_run(folder):
        progress = _read_progress(folder)
        for name, value in like.items():
            given = progress[name]
            number = isinstance(value, float) and type(given) is int  # a whole number of seconds
            if type(given) is not type(value) and not number:
                raise TypeError(f"{name} is {given!r}")
        return {name: progress[name] for name in like}


def _read_progress(folder: Path) -> dict[str, Any]:
    progress: dict[str, Any] = read_json(folder / PROGRESS, "the progress of a run", REMEDY, finite=False)
    return progress


def _digests(folder: Path) -> str:
    return "".join(
        f"{file_digest(folder / name)}  {name}\n" for name in (NETWORK, OPTIMIZER, RANDOM, PROGRESS)
    )


def _check_digests(folder: Path) -> None:
    try:
        same = (folder / DIGESTS).read_bytes() == _digests(folder).encode()
    except OSError as error:
        raise InvalidFileError(f"{folder} is damaged ({error}). {REMEDY}") from error
    if not same:
        raise InvalidFileError(f"{folder} is damaged: {DIGESTS} is of other files. {REMEDY}")


@contextmanager
def _of_this_run(folder: Path) -> Iterator[None]:
    """As InvalidFileError what a state of other names, types or shapes raises where it is put back."""
    try:
        yield
    except (RuntimeError, TypeError, ValueError, LookupError, ArithmeticError, AttributeError) as error:
        if isinstance(error, InvalidFileError):
            raise
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0][:200]
        raise InvalidFileError(f"{folder} is not the state of this run ({reason}). {REMEDY}") from error


def load_state(
    folder: Path,
    network: Network,
    optimizer: torch.optim.Optimizer,
    schedule: Schedule,
    queue: AlignmentQueue | None,
    scaler: torch.amp.GradScaler | None,
) -> None:
    """Put network, optimizer, schedule, queue and random numbers back as `save_state` found them.

    Raises:
        InvalidFileError: A file of the state is damaged or missing, or is of another network or schedule.
    """
    _check_digests(folder)
    with _of_this_run(folder):
        network.load_state_dict(_tensors(folder, NETWORK))
        _load_moments(_tensors(folder, OPTIMIZER), optimizer)
        progress = _read_progress(folder)
        schedule.load_state_dict(progress["schedule"])
        for group, rate in zip(optimizer.param_groups, progress["rates"], strict=True):
            group["lr"] = float(rate)
        if scaler is not None and progress["scaler"]:
            scaler.load_state_dict(progress["scaler"])
        random = _tensors(folder, RANDOM)
        torch.set_rng_state(random["cpu"])
        if "cuda" in random and torch.cuda.is_available():
            torch.cuda.set_rng_state(random["cuda"])
        if queue is not None and "queue.h_cf" in random:
            device = queue.h_cf.device
            queue.h_cf, queue.labels = random["queue.h_cf"].to(device), random["queue.labels"].to(device)


def _tensors(folder: Path, name: str) -> dict[str, torch.Tensor]:
    return read_tensors(folder / name, None, REMEDY)


def _load_moments(moments: dict[str, torch.Tensor], optimizer: torch.optim.Optimizer) -> None:
    """Raises ValueError where a moment has not the shape of its parameter, which torch would notice a step later."""
    slots: dict[int, dict[str, torch.Tensor]] = {}
    for name, tensor in moments.items():
        index, slot = name.split(".", 1)
        slots.setdefault(int(index), {})[slot] = tensor
    parameters = [parameter for group in optimizer.param_groups for parameter in group["params"]]
    for number, own in slots.items():
        shape = parameters[number].shape
        if any(tensor.ndim > 0 and tensor.shape != shape for tensor in own.values()):
            raise ValueError(f"{OPTIMIZER} holds other shapes than parameter {number}, {tuple(shape)}")
    optimizer.load_state_dict({"state": slots, "param_groups": optimizer.state_dict()["param_groups"]})
