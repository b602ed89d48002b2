"""What a decoder gives back of a stretch of a clip: encoders' inputs, as bare arrays whose sizes are known before.

Both sides read this: the decoder takes apart what its extractors prepared, the service puts together what fits.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np

from tricue.extractors.audio_extractors import Heard
from tricue.features.worker import Job, Ready, Worker
from tricue.types import ModalityName

Shape = tuple[int, ...]


@dataclass(frozen=True)
class Preparing:
    """What a service asks its decoders to make ready: by which extractors, and how large it may become."""

    worker: Worker  # with the extractors of sound and pictures alone
    largest: Mapping[ModalityName, Sequence[Shape]]  # of each array, for the longest sound and all key frames

    @property
    def room(self) -> int:
        """Bytes of all arrays of one stretch at their largest."""
        return sum(4 * prod(shape) for shapes in self.largest.values() for shape in shapes)

    def fits(self, modality: ModalityName, arrays: Sequence[np.ndarray]) -> bool:
        """Whether they are of the widths that the modality's encoder reads, and no longer than the longest."""
        return [a.shape[1:] for a in arrays] == [shape[1:] for shape in self.largest[modality]] and all(
            len(a) <= shape[0] for a, shape in zip(arrays, self.largest[modality], strict=True)
        )


def parts_of(signal: Any) -> list[np.ndarray]:
    """The arrays of what an extractor prepared; none of None."""
    if signal is None:
        return []
    return [signal.wave, signal.acoustic] if isinstance(signal, Heard) else [signal]


def signal_of(arrays: Sequence[np.ndarray]) -> Any:
    """The reverse of `parts_of`."""
    if not arrays:
        return None
    return Heard(*arrays) if len(arrays) == 2 else arrays[0]


def as_ready(told: Mapping[str, Any], arrays: Sequence[np.ndarray], preparing: Preparing, job: Job) -> list[Ready]:
    """A decoder's answer as the job's modalities on their way to the encoder. Raises ValueError for what is no such
    answer."""
    rest, ready = list(arrays), []
    if sorted(modality for modality, *_ in told["ready"]) != sorted(job.keys):
        raise ValueError("other modalities than were asked for")
    for modality, note, count in told["ready"]:
        own, rest = rest[:count], rest[count:]
        if own and not (modality in preparing.largest and preparing.fits(modality, own)):
            raise ValueError(f"{modality}: arrays that its encoder does not read")
        ready.append(Ready(job.id, modality, job.keys[modality], signal_of(own), note))
    return ready
