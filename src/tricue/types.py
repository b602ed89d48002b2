"""The nouns everything else speaks: utterance, batch, output, prediction.

Legend of shapes, used in every docstring:
    B  utterances in a batch        T_m  time steps of cue m (tokens, audio frames, key frames)
    C  emotion classes              D_m  width of cue m's features
    d  the network's width (256)    h    hidden size of one LSTM direction (256)
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:  # `import tricue` stays light: torch is imported by those who compute
    import torch

Cue = Literal["text", "audio", "video"]
CUES: tuple[Cue, ...] = ("text", "audio", "video")

UNCERTAIN = "uncertain"  # the answer where the model is less sure than was asked for

Split = Literal["train", "val", "test"]
SPLITS: tuple[Split, ...] = ("train", "val", "test")


class InputError(ValueError):
    """Something the user gave is wrong. The message says what, where and the remedy; the exit status is 2."""


class InvalidFileError(InputError):
    """A file from outside is not what it should be: damaged, of another kind, beyond a limit, or contradicting itself.

    Every loader raises it at its boundary, and nothing else for content; the message names the file and the remedy.
    """


class TrainingError(RuntimeError):
    """Training can't go on; the message names phase, step and utterance ids. The exit status is 1."""


Side = Literal["left", "right"]
SIDES: tuple[Side, ...] = ("left", "right")

MAX_QUOTED_CHARACTERS = 200  # of what somebody else wrote, in a message or a reason
MAX_TEXT_CHARACTERS = 10_000  # of one utterance: ten minutes of speech; every source of text keeps to it


@dataclass(frozen=True, slots=True)  # slots: a manifest may have a million rows
class Utterance:
    """One row of a manifest: what one speaker says in one go, with the files that hold it."""

    id: str
    text: str | None = None
    audio: Path | None = None  # any media file with an audio stream
    video: Path | None = None  # any media file with a picture; may be the same file as `audio`
    start: float | None = None  # seconds into the files; None: from their beginning
    end: float | None = None  # seconds into the files; None: to their end
    emotion: str | None = None  # None: not labelled
    speaker: str | None = None
    dialogue: str | None = None
    turn: int | None = None  # position within the dialogue
    split: Split | None = None
    session: str | None = None  # recording session, as in IEMOCAP: what `loso` leaves out
    corpus: str | None = None  # where several corpora stand together
    crop: Side | None = None  # half of the picture that shows the speaker; None: all of it
    cut: Cue | None = None  # a file that holds this utterance alone: `start` and `end` are not of it

    def span(self, cue: Cue) -> tuple[float | None, float | None]:
        """Start and end in the file of `cue`, in seconds; None: its beginning, its end."""
        return (None, None) if self.cut == cue else (self.start, self.end)


@dataclass(frozen=True)
class Fault:
    """A cue that an utterance should have had and has not, and why."""

    id: str
    cue: Cue
    reason: str

    def __post_init__(self) -> None:
        object.__setattr__(self, "reason", quoted(self.reason))


def quoted(text: str) -> str:
    """The text as messages quote it: of a long one the beginning and the end, 200 characters in all."""
    if len(text) <= MAX_QUOTED_CHARACTERS:
        return text
    half = MAX_QUOTED_CHARACTERS // 2
    return f"{text[: half - 1]}…{text[-half:]}"


@dataclass(frozen=True)
class Moment:
    """What successive time steps of a cue's features are: a word, a stretch of sound, a key frame."""

    label: str
    start: float | None = None  # seconds into the cue's file; None: not known, or not in a file
    end: float | None = None
    steps: int = 1  # time steps that it covers: a word may be several tokens


@dataclass
class Batch:
    """What the network reads. A cue that is not used at all has no key; one that a row lacks has mask False."""

    ids: list[str]
    values: dict[
        Cue, torch.Tensor
    ]  # (B, T_m, D_m) float32; live text: (B, T_text, 2) int64, [token id, own?]
    masks: dict[Cue, torch.Tensor]  # (B, T_m) bool, True = valid, valid steps first
    labels: torch.Tensor | None = None  # (B,) int64

    def to(self, device: torch.device | str) -> Batch:
        return Batch(
            self.ids,
            {cue: value.to(device) for cue, value in self.values.items()},
            {cue: mask.to(device) for cue, mask in self.masks.items()},
            None if self.labels is None else self.labels.to(device),
        )


@dataclass
class Output:
    """What the network says of a batch. The counterfactual half is None where it was not asked for."""

    logits: torch.Tensor  # (B, C)
    h_org: torch.Tensor  # (B, d) fused features
    h_cf: torch.Tensor | None = None  # (B, d) the same, from the counterfactual features
    logits_cf: torch.Tensor | None = None  # (B, C) the classifier on h_cf
    logits_intention: torch.Tensor | None = None  # (B, C) the intention predictor
    layers: dict[Cue, list[torch.Tensor]] = field(
        default_factory=dict
    )  # progressive BiLSTM, (B, T_m, 2h) each
    enhanced: dict[Cue, torch.Tensor] = field(default_factory=dict)  # standardised, (B, T_m, d)
    masks: dict[Cue, torch.Tensor] = field(default_factory=dict)  # (B, T_m) bool, the valid steps of both

    def moved(self) -> tuple[torch.Tensor, torch.Tensor]:
        """What the counterfactual does to each row: |H_cf - H_org| / |H_org| (B,), and whether its class flips (B,).

        Raises ValueError where the counterfactual half was not asked for.
        """
        if self.h_cf is None or self.logits_cf is None:
            raise ValueError("This output has no counterfactual half.")
        change = (self.h_cf - self.h_org).norm(dim=1) / self.h_org.norm(dim=1).clamp_min(1e-6)
        return change, self.logits_cf.argmax(dim=1) != self.logits.argmax(dim=1)


@dataclass(frozen=True)
class Prediction:
    """The answer for one utterance; `str()` of it is the emotion."""

    id: str
    emotion: str | None  # None where nothing could be used; "uncertain" where it is less sure than asked for
    confidence: float | None  # probability of the likeliest class
    probabilities: dict[str, float]  # calibrated by the model's temperature
    cues: tuple[Cue, ...]  # those that took part
    error: str | None = None  # why a cue, or the whole row, is missing
    note: str | None = None  # what to know of the model: a toy, not for real use

    def __str__(self) -> str:
        return self.emotion or "unknown"
