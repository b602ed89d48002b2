"""What is to be read of an utterance for one modality, and what opens it."""

from abc import ABC, abstractmethod
from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple

from tricue.extractors.choice import Extractor
from tricue.types import ModalityName

KeyPart = str | float | None


class Wanted(NamedTuple):
    """What one modality takes of a source."""

    extractor: Extractor  # decides how much is read: its settings
    view: Hashable = None  # as `Request.view`


class Signal(NamedTuple):
    """What a source gives for one modality."""

    value: Any  # what the extractor prepares; None: there is nothing, and `note` says why
    note: str | None = None


class Prepared(NamedTuple):
    """A signal that is ready for the encoder."""

    value: Any
    note: str | None = None
    missed: int = 0  # frames without the face that was looked for


class Opener(ABC):
    """One source of signals: words with their context, a time span of a media file, a waveform in memory.

    Hashable and picklable; equal openers are opened once for all modalities that request them. A subclass must define
    `key_parts` and `open`.
    """

    is_media: ClassVar[bool] = False
    """Opening it decodes media: slow, and, where others sent them, done in a process of its own."""
    batch_size: ClassVar[int] = 8
    """Requests that are encoded and stored together: a kill loses at most these."""

    def locate(self) -> "Opener":
        """The same, with what is needed to notice a change of the source until it is opened.

        Raises:
            OSError, ValueError: There is no such source.
        """
        return self

    @abstractmethod
    def key_parts(self) -> tuple[KeyPart, ...]:
        """What of the store's key is the source's own: its content, and which part of it.

        Raises:
            OSError: The source cannot be read.
        """

    @abstractmethod
    def open(self, wanted: Mapping[ModalityName, Wanted]) -> Mapping[ModalityName, Signal]:
        """The signal of each modality that is wanted.

        Raises:
            MediaError: Nothing can be read.
            MemoryError: Memory does not suffice.
        """

    def prepare(self, extractor: Extractor, value: Any) -> Prepared:
        """Make a signal ready for the encoder. Raises MediaError where it is none."""
        return Prepared(extractor.prepare(value))

    @property
    def length(self) -> float:
        """Openers of like length share a batch; where all are equal, their order is kept."""
        return 0.0

    @property
    def size(self) -> tuple[Hashable, int]:
        """What is read, and its bytes, for the announcement of a long run; what is shared counts once."""
        return self, 0

    def estimate_steps(self, modality: ModalityName, extractor: Extractor) -> float:
        """Time steps that the features will about have."""
        return 1.0


@dataclass(frozen=True)
class Request:
    """What is to be read of one utterance for one modality.

    view: what of the source this modality takes, beyond what its extractor's settings say; part of the store's key.
    """

    opener: Opener
    view: KeyPart = None

    def key_parts(self) -> tuple[KeyPart, ...]:
        """All that decides the features beside the extractor. Raises OSError as `Opener.key_parts`."""
        return (*self.opener.key_parts(), *(() if self.view is None else (self.view,)))
