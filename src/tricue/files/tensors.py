"""Tensors by name in a safetensors file: written whole, read back checked."""

from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save

from tricue.files.atomic import file_digest
from tricue.types import InvalidFileError

Shapes = dict[str, tuple[int, ...]]


def write_tensors(path: Path, tensors: Mapping[str, torch.Tensor]) -> None:
    """Write tensors by name. A full disk is an OSError here, which safetensors' own writer hides."""
    path.write_bytes(save({name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}))


def tensor_shapes(path: Path, remedy: str) -> Shapes:
    """Shapes by name, from the file's header: no tensor is allocated.

    Raises:
        InvalidFileError: The file is missing, no safetensors file, or its header contradicts its size.
    """
    try:
        with safe_open(path, framework="pt") as file:
            return {name: tuple(file.get_slice(name).get_shape()) for name in file.keys()}  # noqa: SIM118
    except (OSError, SafetensorError) as error:
        raise _unreadable(path, error, remedy) from error


def read_tensors(path: Path, sha256: str | None, remedy: str) -> dict[str, torch.Tensor]:
    """Read tensors by name onto the CPU.

    Args:
        path: File to read.
        sha256: Digest that the file must have. None: not checked.
        remedy: Sentence that ends the error.

    Raises:
        InvalidFileError: The file is missing, damaged or another one, or holds a number that is not finite.
    """
    try:
        if sha256 is not None and file_digest(path) != sha256:
            raise InvalidFileError(f"{path} is not the file that was written (its SHA-256 differs); {remedy}")
        tensors = load_file(path)
    except (OSError, SafetensorError, KeyError) as error:  # KeyError: a type of numbers that torch lacks
        raise _unreadable(path, error, remedy) from error
    for name, tensor in tensors.items():
        if tensor.is_floating_point() and not bool(tensor.isfinite().all()):
            raise InvalidFileError(f"{path}: {name} holds NaN or infinity; {remedy}")
    return tensors


def _unreadable(path: Path, error: Exception, remedy: str) -> InvalidFileError:
    return InvalidFileError(f"{path} can't be read ({str(error)[:200]}); {remedy}")
