"""Baselines in a file of arrays, and what a checkpoint's config.json says of them."""

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch

from tricue.baseline.baselines import Baseline, Baselines
from tricue.baseline.group_score import GroupScore
from tricue.baseline.models import Layers
from tricue.baseline.pooled import Pooling, pooled_size
from tricue.files.atomic import file_digest
from tricue.files.tensors import read_tensors, write_tensors
from tricue.types import InvalidFileError, ModalityName

Arrays = Mapping[str, np.ndarray]


def write_baselines(path: Path, baselines: Baselines) -> dict[str, Any]:
    """Write the arrays; what config.json says of them, with the file's digest."""
    arrays = {"mean": baselines.pooling.mean, "factor": baselines.pooling.factor}
    for i, model in enumerate(baselines.models):
        for k, (weights, bias) in enumerate(model.layers):
            arrays |= {f"{i}.{k}.weights": weights, f"{i}.{k}.bias": bias}
    write_tensors(path, {name: torch.from_numpy(np.ascontiguousarray(array)) for name, array in arrays.items()})
    return {
        "deviations": baselines.pooling.deviations,
        "models": [
            {"name": model.name, "layers": len(model.layers), "calibration": model.calibration}
            for model in baselines.models
        ],
        "penalty": baselines.penalty,
        "left_out": asdict(baselines.left_out) if baselines.left_out else None,
        "notes": list(baselines.notes),
        "sha256": file_digest(path),
    }


def read_baselines(
    path: Path, told: Mapping[str, Any], widths: Mapping[ModalityName, int], outputs: int, remedy: str
) -> Baselines:
    """The baselines of a checkpoint.

    Args:
        path: File of the arrays.
        told: What config.json says of them, as its fields are checked.
        widths: Of each modality's features, in the order of the model's modalities.
        outputs: Of the task.
        remedy: Sentence that ends the error.

    Raises:
        InvalidFileError: The file is damaged, or its arrays are not those of such models.
    """
    arrays = {name: tensor.numpy() for name, tensor in read_tensors(path, told["sha256"], remedy).items()}
    own = {modality: width for modality, width in widths.items() if modality in told["deviations"]}
    deviations = {modality: told["deviations"][modality] for modality in own}
    size = pooled_size(own, deviations)
    try:
        models = tuple(
            Baseline(model["name"], _layers(arrays, i, model["layers"], size, outputs), model["calibration"])
            for i, model in enumerate(told["models"])
        )
        pooling = Pooling(own, deviations, _array(arrays, "mean", (size,)), _array(arrays, "factor", (size,)))
    except ValueError as error:
        raise InvalidFileError(f"{path}: {error}. {remedy}") from error
    left_out = GroupScore(**told["left_out"]) if told["left_out"] else None
    return Baselines(pooling, models, told["penalty"], left_out, tuple(told["notes"]))


def _layers(arrays: Arrays, model: int, count: int, size: int, outputs: int) -> Layers:
    """The layers of a model, one after another. Raises ValueError for arrays that do not follow one another."""
    names = [f"{model}.{k}" for k in range(count)]
    inner = [np.size(arrays.get(f"{name}.bias", ())) for name in names[:-1]]
    first = size if np.size(arrays.get(f"{names[0]}.weights", ())) else 0  # a constant reads nothing
    sizes = [first, *inner, outputs]
    return tuple(
        (_array(arrays, f"{name}.weights", (before, after)), _array(arrays, f"{name}.bias", (after,)))
        for name, before, after in zip(names, sizes[:-1], sizes[1:], strict=True)
    )


def _array(arrays: Arrays, name: str, shape: tuple[int, ...]) -> np.ndarray:
    found = arrays.get(name)
    if found is None or found.shape != shape or found.dtype != np.float32:
        there = "missing" if found is None else f"{found.shape} {found.dtype}"
        raise ValueError(f"{name} is {there}, not {shape} float32")
    return found
