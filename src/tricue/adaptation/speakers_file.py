"""How speakers differ in a file of arrays, and what a checkpoint's config.json says of it."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from tricue.adaptation.speaker_offsets import Offsets, Speakers
from tricue.files.atomic import file_digest
from tricue.files.tensors import read_tensors, tensor_shapes, write_tensors
from tricue.types import InvalidFileError, ModalityName

_PARTS = ("means", "into", "out", "ratio")


def write_speakers(path: Path, speakers: Speakers) -> dict[str, Any]:
    """Write the arrays; what config.json says of them, with the file's digest."""
    write_tensors(
        path,
        {f"{modality}.{part}": getattr(own, part) for modality, own in speakers.offsets.items() for part in _PARTS},
    )
    return {"count": speakers.count, "modalities": list(speakers.offsets), "sha256": file_digest(path)}


def read_speakers(
    path: Path, told: Mapping[str, Any], widths: Mapping[ModalityName, int], outputs: int, remedy: str
) -> Speakers:
    """What a checkpoint knows of speakers.

    Args:
        path: File of the arrays.
        told: What config.json says of them, as its fields are checked.
        widths: Of what the network reads of each modality.
        outputs: Of the task.
        remedy: Sentence that ends the error.

    Raises:
        InvalidFileError: The file is damaged, or its arrays do not fit the network.
    """
    shapes = tensor_shapes(path, remedy)  # before any of it is read
    for modality in told["modalities"]:
        width = widths.get(modality, -1)
        directions = next(iter(shapes.get(f"{modality}.ratio", ())), -1)
        wanted = [(outputs + 1, width), (width, directions), (directions, width), (directions,)]
        if [shapes.get(f"{modality}.{part}") for part in _PARTS] != wanted or not 0 <= directions <= width:
            raise InvalidFileError(f"{path}: the offsets of {modality} do not fit the network. {remedy}")
    arrays = read_tensors(path, told["sha256"], remedy)
    found = {m: Offsets(*(arrays[f"{m}.{part}"] for part in _PARTS)) for m in told["modalities"]}
    for modality, own in found.items():
        if any(getattr(own, part).dtype != torch.float32 for part in _PARTS) or bool((own.ratio <= 0).any()):
            raise InvalidFileError(f"{path}: the offsets of {modality} are no such numbers. {remedy}")
    return Speakers(found, told["count"])
