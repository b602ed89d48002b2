"""How speakers differ in a file of arrays, and what a checkpoint's config.json says of it."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tricue.adaptation.speaker_offsets import Offsets, Speakers
from tricue.files.atomic import file_digest
from tricue.files.tensors import read_tensors, write_tensors
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
    arrays = read_tensors(path, told["sha256"], remedy)
    found = {}
    for modality in told["modalities"]:
        parts = [arrays.get(f"{modality}.{part}") for part in _PARTS]
        width, directions = widths.get(modality, 0), len(parts[3]) if parts[3] is not None and parts[3].ndim else 0
        shapes = [(outputs + 1, width), (width, directions), (directions, width), (directions,)]
        if [None if part is None else tuple(part.shape) for part in parts] != shapes:
            raise InvalidFileError(f"{path}: the offsets of {modality} do not fit the network. {remedy}")
        found[modality] = Offsets(*(part.float() for part in parts if part is not None))
    return Speakers(found, told["count"])
