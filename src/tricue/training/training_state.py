"""The state of an unfinished run on disk: network, optimizer, schedule, random numbers, history. No pickle.

A file of digests, in the form of `sha256sum`, tells damage: a changed bit of a weight would go on in every later one.
"""

from collections.abc import Iterable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch.optim.swa_utils import AveragedModel

from tricue.files.atomic import file_digest, replaced_folder
from tricue.files.json_files import read_json, write_json
from tricue.files.tensors import read_tensors, write_tensors
from tricue.model.network import Network
from tricue.training.phases import Schedule
from tricue.types import InvalidFileError, as_invalid

NETWORK, AVERAGE = "network.safetensors", "average.safetensors"
OPTIMIZER, RANDOM = "optimizer.safetensors", "random.safetensors"
PROGRESS = "progress.json"
DIGESTS = "SHA256SUMS"
REMEDY = "Begin the run anew: --restart."
_MISFITS = (RuntimeError, TypeError, ValueError, LookupError, ArithmeticError, AttributeError)


class Learner(NamedTuple):
    """What the steps of a training change."""

    network: Network
    average: AveragedModel
    optimizer: torch.optim.Optimizer
    schedule: Schedule
    scaler: torch.amp.GradScaler | None


def save_state(folder: Path, learner: Learner, progress: dict[str, Any]) -> None:
    """Write everything that the next step depends on to `folder`, in one step."""
    with replaced_folder(folder) as fresh:
        write_tensors(fresh / NETWORK, learner.network.state_dict())
        write_tensors(fresh / AVERAGE, learner.average.state_dict())
        moments = {
            f"{index}.{name}": tensor
            for index, slots in learner.optimizer.state_dict()["state"].items()
            for name, tensor in slots.items()
        }
        write_tensors(fresh / OPTIMIZER, moments)
        random = {"cpu": torch.get_rng_state()}
        if torch.cuda.is_available():
            random["cuda"] = torch.cuda.get_rng_state()
        write_tensors(fresh / RANDOM, random)
        rest = {
            "rates": [group["lr"] for group in learner.optimizer.param_groups],
            "schedule": learner.schedule.state_dict(),
            "scaler": learner.scaler.state_dict() if learner.scaler is not None else None,
        }
        write_json(fresh / PROGRESS, progress | rest)
        (fresh / DIGESTS).write_text(_digests(fresh), encoding="ascii")


def read_progress(folder: Path, names: Iterable[str]) -> dict[str, Any]:
    """Progress as `save_state` was given it, of these names.

    Raises:
        InvalidFileError: A file of the state is damaged or missing, or a name is not there.
    """
    _check_digests(folder)
    with _of_this_run(folder):
        progress = _read_progress(folder)
        return {name: progress[name] for name in names}


def _read_progress(folder: Path) -> dict[str, Any]:
    progress: dict[str, Any] = read_json(folder / PROGRESS, "the progress of a run", REMEDY, finite=False)
    return progress


def _digests(folder: Path) -> str:
    return "".join(
        f"{file_digest(folder / name)}  {name}\n" for name in (NETWORK, AVERAGE, OPTIMIZER, RANDOM, PROGRESS)
    )


def _check_digests(folder: Path) -> None:
    try:
        same = (folder / DIGESTS).read_bytes() == _digests(folder).encode()
    except OSError as error:
        raise InvalidFileError(f"{folder} is damaged ({error}). {REMEDY}") from error
    if not same:
        raise InvalidFileError(f"{folder} is damaged: {DIGESTS} is of other files. {REMEDY}")


def _of_this_run(folder: Path) -> AbstractContextManager[None]:
    """As InvalidFileError what a state of other names, types or shapes raises where it is put back."""
    return as_invalid(_MISFITS, f"{folder} is not the state of this run (", f"). {REMEDY}")


def load_state(folder: Path, learner: Learner) -> None:
    """Put the parts and the random numbers back as `save_state` found them.

    Raises:
        InvalidFileError: A file of the state is damaged or missing, or is of another network.
    """
    _check_digests(folder)
    with _of_this_run(folder):
        learner.network.load_state_dict(_tensors(folder, NETWORK))
        learner.average.load_state_dict(_tensors(folder, AVERAGE))
        _load_moments(_tensors(folder, OPTIMIZER), learner.optimizer)
        progress = _read_progress(folder)
        learner.schedule.load_state_dict(progress["schedule"])
        for group, rate in zip(learner.optimizer.param_groups, progress["rates"], strict=True):
            group["lr"] = float(rate)
        if learner.scaler is not None and progress["scaler"]:
            learner.scaler.load_state_dict(progress["scaler"])
        random = _tensors(folder, RANDOM)
        torch.set_rng_state(random["cpu"])
        if "cuda" in random and torch.cuda.is_available():
            torch.cuda.set_rng_state(random["cuda"])


def _tensors(folder: Path, name: str) -> dict[str, torch.Tensor]:
    return read_tensors(folder / name, None, REMEDY)


def _load_moments(moments: dict[str, torch.Tensor], optimizer: torch.optim.Optimizer) -> None:
    slots: dict[int, dict[str, torch.Tensor]] = {}
    for name, tensor in moments.items():
        index, slot = name.split(".", 1)
        slots.setdefault(int(index), {})[slot] = tensor
    optimizer.load_state_dict({"state": slots, "param_groups": optimizer.state_dict()["param_groups"]})
