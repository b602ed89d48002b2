"""The nouns everything else speaks: utterance, batch, output, prediction.

Legend of shapes, used in every docstring:
    B  utterances in a batch        T_m  time steps of modality m (tokens, audio frames, key frames)
    C  emotion classes              D_m  width of modality m's features
    d  the network's width (256)    h    hidden size of one LSTM direction (256)
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:  # `import tricue` stays light: torch is imported by those who compute
    import torch

ModalityName = str  # a name of `registry.MODALITIES`: text, audio, video, or one of a plugin

Phase = Literal[1, 2, 3]  # of training
PHASES: tuple[Phase, ...] = (1, 2, 3)

UNCERTAIN = "uncertain"  # the answer where the model is less sure than was asked for

Split = Literal["train", "val", "test"]
SPLITS: tuple[Split, ...] = ("train", "val", "test")


class InputError(ValueError):
    """Something the user gave is wrong. The message says what, where and the remedy; the exit status is 2."""


class InvalidFileError(InputError):
    """A file from outside is not what it should be: damaged, of another kind, beyond a limit, or contradicting itself.

    Every loader raises it at its boundary, and nothing else for content; the message names the file and the remedy.
    """


@contextmanager
def as_invalid(kinds: tuple[type[Exception], ...], before: str, after: str = "") -> Iterator[None]:
    """Raise InvalidFileError in place of errors of these kinds, their first line between `before` and `after`."""
    try:
        yield
    except kinds as error:
        if isinstance(error, InvalidFileError):
            raise
        raise InvalidFileError(f"{before}{first_line(error)}{after}") from error


def first_line(error: BaseException) -> str:
    """The first line of what an error says, cut to 200 characters; its class where it says nothing."""
    lines = str(error).strip().splitlines()
    return lines[0][:REASON_CHARACTERS] if lines else type(error).__name__


class TrainingError(RuntimeError):
    """Training can't go on; the message names phase, step and utterance ids. The exit status is 1."""


Side = Literal["left", "right"]
SIDES: tuple[Side, ...] = ("left", "right")

SHOWN_CHARACTERS = 60  # of a value in a message: a shifted column puts whole paragraphs where a label should be


REASON_CHARACTERS = 200  # of a reason or a name that somebody else wrote


def shown(value: object, limit: int = SHOWN_CHARACTERS, quoted: bool = True) -> str:
    """A value from outside as a message shows it: printable, of a long one `limit` characters of both its ends.

    quoted: with the quotes of `repr`; else a text as it is.
    """
    text = _ends(value if isinstance(value, str) else repr(value), limit)
    if isinstance(value, str) and quoted:
        return repr(text)
    return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text)


def _ends(text: str, limit: int) -> str:
    tail = limit // 2
    return text if len(text) <= limit else f"{text[: limit - tail - 3]}...{text[-tail:]}"


MAX_TEXT_CHARACTERS = 10_000  # of one utterance: ten minutes of speech; every source of text keeps to it


def whole_characters(text: str) -> str:
    """Text that can be encoded: two halves of a surrogate pair are one character, a lone half is U+FFFD."""
    return text if text.isascii() else text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


# One class; a set of classes; a value per target (or votes per class).
Label = str | tuple[str, ...] | tuple[float, ...]


@dataclass(frozen=True, slots=True)  # slots: a manifest may have a million rows
class Utterance:
    """One row of a manifest: what one speaker says in one go, with the files that hold it."""

    id: str
    text: str | None = None
    audio: Path | None = None  # any media file with an audio stream
    video: Path | None = None  # any media file with a picture; may be the same file as `audio`
    start: float | None = None  # seconds into the files; None: from their beginning
    end: float | None = None  # seconds into the files; None: to their end
    label: Label | None = None  # None: not labelled
    speaker: str | None = None
    dialogue: str | None = None
    turn: int | None = None  # position within the dialogue
    split: Split | None = None
    session: str | None = None  # recording session, as in IEMOCAP: what `loso` leaves out
    corpus: str | None = None  # where several corpora stand together
    crop: Side | None = None  # half of the picture that shows the speaker; None: all of it
    cut: ModalityName | None = None  # a file that holds this utterance alone: `start` and `end` are not of it
    files: tuple[tuple[ModalityName, Path], ...] = field(default=(), repr=False)  # of plugins' modalities

    @property
    def media(self) -> dict[ModalityName, Path]:
        """The file of each modality that the row has in one."""
        own = {"audio": self.audio, "video": self.video, **dict(self.files)}
        return {modality: path for modality, path in own.items() if path is not None}

    def source(self, modality: ModalityName) -> str | Path | None:
        """What the row has of a modality: its words, or the file that holds it; None where it has nothing."""
        return self.text if modality == "text" else self.media.get(modality)

    @property
    def classes(self) -> tuple[str, ...]:
        """The classes of the label: one, several, or none where it is made of numbers or missing."""
        names = (self.label,) if isinstance(self.label, str) else self.label or ()
        return tuple(name for name in names if isinstance(name, str))

    def span(self, modality: ModalityName) -> tuple[float | None, float | None]:
        """Start and end in the file of `modality`, in seconds; None: its beginning, its end."""
        return (None, None) if self.cut == modality else (self.start, self.end)


@dataclass(frozen=True)
class Fault:
    """A modality that an utterance should have had and has not, and why."""

    id: str
    modality: ModalityName
    reason: str

    def __post_init__(self) -> None:
        object.__setattr__(self, "reason", shown(self.reason, REASON_CHARACTERS, quoted=False))


@dataclass(frozen=True)
class Moment:
    """What successive time steps of a modality's features are: a word, a stretch of sound, a key frame."""

    label: str
    start: float | None = None  # seconds into the modality's file; None: not known, or not in a file
    end: float | None = None
    steps: int = 1  # time steps that it covers: a word may be several tokens


@dataclass
class Batch:
    """What the network reads. A modality that is not used at all has no key; one that a row lacks has mask False."""

    ids: list[str]
    values: dict[ModalityName, torch.Tensor]  # (B, T_m, D_m) float32; live text: (B, T_text, 2) int64, [token id, own?]
    masks: dict[ModalityName, torch.Tensor]  # (B, T_m) bool, True = valid, valid steps first
    labels: torch.Tensor | None = None  # (B,) int64 class numbers, or (B, ...) float32: as the task encodes them
    offsets: dict[ModalityName, torch.Tensor] = field(default_factory=dict)  # (B, 2 D_m) taken off its statistics

    def to(self, device: torch.device | str) -> Batch:
        return Batch(
            self.ids,
            {modality: value.to(device) for modality, value in self.values.items()},
            {modality: mask.to(device) for modality, mask in self.masks.items()},
            None if self.labels is None else self.labels.to(device),
            {modality: offset.to(device) for modality, offset in self.offsets.items()},
        )


@dataclass
class Output:
    """What the network says of a batch. The counterfactual half is None where it was not asked for."""

    logits: torch.Tensor  # (B, C), or (B, K) values: what the task reads
    h_org: torch.Tensor  # (B, d) fused features
    h_cf: torch.Tensor | None = None  # (B, d) the same, from the counterfactual features
    logits_cf: torch.Tensor | None = None  # (B, C) the classifier on h_cf
    logits_intention: torch.Tensor | None = None  # (B, C) the intention predictor
    layers: dict[ModalityName, list[torch.Tensor]] = field(
        default_factory=dict
    )  # progressive BiLSTM, (B, T_m, 2h) each
    enhanced: dict[ModalityName, torch.Tensor] = field(default_factory=dict)  # standardised, (B, T_m, d)
    masks: dict[ModalityName, torch.Tensor] = field(default_factory=dict)  # (B, T_m) bool, the valid steps of both
    auxiliary: dict[ModalityName, torch.Tensor] = field(default_factory=dict)  # (B, C) of each alone
    whole: dict[ModalityName, torch.Tensor] = field(default_factory=dict)  # all that the fusion reads, (B, W) each

    def change(self) -> torch.Tensor:
        """What the counterfactual does to each row: |H_cf - H_org| / |H_org| (B,).

        Raises ValueError where the counterfactual half was not asked for.
        """
        if self.h_cf is None:
            raise ValueError("This output has no counterfactual half.")
        return (self.h_cf - self.h_org).norm(dim=1) / self.h_org.norm(dim=1).clamp_min(1e-6)


def label_words(label: Label) -> str:
    """A class, or the classes of a set, in words."""
    return label if isinstance(label, str) else "; ".join(map(str, label)) or "none"


@dataclass(frozen=True)
class Prediction:
    """The answer for one utterance; `str()` of it is what it says: the emotion, the emotions, or the values."""

    id: str
    label: Label | None  # None where nothing could be used; "uncertain" where it is less sure than asked for
    confidence: float | None  # probability of the likeliest class; None where a task has none
    values: dict[str, float]  # calibrated: a probability per class, or the value of each target
    modalities: tuple[ModalityName, ...]  # those that took part
    error: str | None = None  # why a modality, or the whole row, is missing
    note: str | None = None  # what to know of the model: a toy, not for real use
    adapted_from: int | None = None  # other clips of the speaker that it was adapted to; None: it was not asked to

    @property
    def emotion(self) -> str | None:
        """The class, of a task that answers with one."""
        return self.label if isinstance(self.label, str) else None

    @property
    def probabilities(self) -> dict[str, float]:
        """`values`, of a task whose values are probabilities."""
        return self.values

    def __str__(self) -> str:
        if self.label is None:
            return "unknown"
        if not isinstance(self.label, str) and any(isinstance(part, float) for part in self.label):
            return ", ".join(f"{name} {value:.2f}" for name, value in self.values.items())
        return label_words(self.label)
