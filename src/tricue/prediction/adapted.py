"""Answers adapted to the speaker: what is peculiar to the speaker is estimated from other clips and taken off.

Labels are not known: the network's answers stand in for them, and change as the offset does (expectation and
maximisation, with the offset as a random effect; docs/speakers.md).
"""

import logging
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import torch

from tricue.adaptation.contexts import read_form, rows_of_speakers
from tricue.adaptation.speaker_offsets import FEWEST, Offsets, Speakers
from tricue.checkpoint.checkpoint import Card
from tricue.config.speaker_settings import Form
from tricue.model.network import Network
from tricue.prediction.batches import Examples, gather_examples, reading_plan, row_lengths
from tricue.tasks.task import Calibration, Task
from tricue.types import InputError, ModalityName, Utterance

_LOG = logging.getLogger(__name__)
ROUNDS = 5
SHARPNESS = 1.5
"""Power of the answers that stand in for labels. Soft ones, where all clips are of one emotion, give part of it to the
speaker."""
LONGEST_PAST = 256  # earlier rows that are looked at: what they cost grows with their square

Tensors = Mapping[ModalityName, torch.Tensor]


@dataclass(frozen=True)
class Wholes:
    """What the fusion reads of N rows."""

    values: Tensors  # (N, pooled + W): what its sequence gives, and its statistics
    present: Tensors  # (N,) which rows have the modality
    pooled: int

    def of(self, rows: Sequence[int]) -> "Wholes":
        index = list(rows)
        values = {modality: own[index] for modality, own in self.values.items()}
        return Wholes(values, {modality: own[index] for modality, own in self.present.items()}, self.pooled)

    def statistics(self, modality: ModalityName) -> torch.Tensor:
        """(N, W), of which offsets are taken off."""
        return self.values[modality][:, self.pooled :]

    def without(self, offsets: Tensors) -> Tensors:
        """The values with offsets, (W) or (N, W), taken off the statistics."""
        return {
            modality: torch.cat([own[:, : self.pooled], self.statistics(modality) - offsets[modality]], dim=1)
            if modality in offsets
            else own
            for modality, own in self.values.items()
        }


@torch.inference_mode()
def read_wholes(network: Network, examples: Examples, batch_size: int, device: str | torch.device) -> Wholes:
    """What the fusion reads of each row, on the device."""
    network.eval()
    count = len(examples)
    width = network.pooled_width + network.statistics_width
    values = {modality: torch.zeros(count, width, device=device) for modality in network.modalities}
    present = {modality: torch.zeros(count, dtype=torch.bool, device=device) for modality in network.modalities}
    for rows in reading_plan(row_lengths(examples), batch_size):
        output = network(examples.batch(rows).to(device))
        for modality, own in output.whole.items():
            values[modality][rows] = own.float()
            present[modality][rows] = output.masks[modality].any(dim=1)
    return Wholes(values, present, network.pooled_width)


@dataclass(frozen=True)
class Adaptation:
    """How a model's answers are adapted."""

    form: Form  # past or all
    task: Task
    calibration: Calibration | None
    speakers: Speakers
    among: Sequence[Utterance]  # the rows that there are, of which some may only tell of their speakers

    @torch.inference_mode()
    def adapt(
        self, network: Network, examples: Examples, logits: torch.Tensor, batch_size: int, device: str | torch.device
    ) -> tuple[torch.Tensor, list[int]]:
        """Logits (N, O) as they are with each row adapted, and to how many other rows of its speaker.

        logits: without; those of a row that has no other rows stay. Raises InputError as `rows_of_speakers`.
        """
        adapted, counts = logits.clone(), [0] * len(examples)
        asked = {row.id for row in examples.utterances}
        beside = gather_examples([row for row in self.among if row.id not in asked], examples.arrays, None)
        read = Examples([*examples.utterances, *beside.utterances], examples.arrays, None)
        several = rows_of_speakers(read.utterances, self.form)
        if not several:
            return adapted, counts
        wholes = read_wholes(network, read, batch_size, device)
        offsets = {modality: own.to(device) for modality, own in self.speakers.offsets.items()}
        for rows in several:
            speaker = SpeakerRows(network, self, offsets, wholes.of(rows))
            answers = speaker.each_from_others() if self.form == "all" else speaker.each_from_earlier()
            for row, (answer, count) in zip(rows, answers, strict=True):
                if count and row < len(examples):
                    adapted[row], counts[row] = answer.float().cpu(), count
        return adapted, counts

    def stand_in(self, logits: torch.Tensor) -> torch.Tensor:
        """(n, V) what stands in for labels: the answers, sharpened."""
        answers = self.task.values(logits, self.calibration)
        if self.task.kind == "classes":
            raised = answers**SHARPNESS
            answers = raised / raised.sum(dim=-1, keepdim=True)
        elif self.task.kind == "labels":
            raised = answers**SHARPNESS
            answers = raised / (raised + (1.0 - answers) ** SHARPNESS)
        return answers.to(logits.dtype)


def make_adaptation(card: Card, form: Form | None, rows: Sequence[Utterance]) -> Adaptation | None:
    """How answers to the rows are adapted; None: they are not.

    Args:
        card: Of the model.
        form: What was asked for. None: the model's own, where the rows name speakers.
        rows: To be answered.

    Raises:
        InputError: It was asked for, and the model knows nothing of speakers, or no row names its speaker.
    """
    asked = read_form(form) or card.config.speaker.adaptation
    if asked == "off":
        return None
    what, told = f"speaker adaptation {asked}", any(row.speaker is not None for row in rows)
    if form is not None and card.speakers is None:
        raise InputError(
            f"{what}: this model knows nothing of how speakers differ. Train it anew, on rows of {FEWEST} speakers "
            "and more, with their names in the column `speaker`; or choose off."
        )
    if form is not None and not told:
        raise InputError(
            f"{what}: no row names its speaker, so none has other clips to adapt to. Fill the column `speaker`, or "
            "choose off."
        )
    if card.speakers is None or not told:
        why = "it has learned nothing of how speakers differ" if card.speakers is None else "no row names one"
        if len(rows) > 1:
            _LOG.warning("This model is to adapt answers to the speaker (%s); %s: they stay as they are.", asked, why)
        return None
    if not rows_of_speakers(rows, asked) and len(rows) > 1:
        _LOG.warning("%s: no speaker has two rows; the answers are those without adaptation.", what.capitalize())
    return Adaptation(asked, card.task, card.calibration, card.speakers, rows)


class SpeakerRows:
    """The n rows of one speaker, in order. Their answers are pairs: logits (O,), and from how many rows they come."""

    def __init__(
        self, network: Network, adaptation: Adaptation, offsets: Mapping[ModalityName, Offsets], wholes: Wholes
    ) -> None:
        self.network, self.adaptation, self.offsets, self.wholes = network, adaptation, offsets, wholes
        self.present = {modality: wholes.present[modality].long() for modality in offsets}
        self.usable = torch.stack(list(self.present.values())).amax(dim=0)  # (n,)

    def each_from_others(self) -> Iterator[tuple[torch.Tensor, int]]:
        """The offset of all rows is found in rounds; of each row's own it is then freed."""
        rows = range(len(self.usable))
        offset: Tensors = {}
        residuals: Tensors = {}
        for _ in range(ROUNDS):
            residuals = self._residuals(rows, offset)
            offset = self._estimate(
                {modality: own.sum(dim=0) for modality, own in residuals.items()},
                {modality: own.sum() for modality, own in self.present.items()},
            )
        offset = self._estimate(
            {modality: own.sum(dim=0) - own for modality, own in residuals.items()},
            {modality: own.sum() - own for modality, own in self.present.items()},
        )
        return zip(self._logits(rows, offset), (self.usable.sum() - self.usable).tolist(), strict=True)

    def each_from_earlier(self) -> Iterator[tuple[torch.Tensor, int]]:
        """One round per row: the earlier rows are answered with the offset that the row before had."""
        offset: Tensors = {}
        for row in range(len(self.usable)):
            earlier = range(max(0, row - LONGEST_PAST), row)
            if earlier:
                found = self._residuals(earlier, offset)
                offset = self._estimate(
                    {modality: own.sum(dim=0) for modality, own in found.items()},
                    {modality: own[earlier.start : row].sum() for modality, own in self.present.items()},
                )
            yield self._logits([row], offset)[0], int(self.usable[earlier.start : row].sum())

    def _logits(self, rows: Sequence[int], offset: Tensors) -> torch.Tensor:
        own = self.wholes.of(rows)
        return self.network.conclude(own.without(offset), own.present)

    def _residuals(self, rows: Sequence[int], offset: Tensors) -> Tensors:
        """(n, W) what the rows have beyond their answers; nothing of a modality that a row lacks."""
        answers = self.adaptation.stand_in(self._logits(rows, offset))
        own = self.wholes.of(rows)
        return {
            modality: (own.statistics(modality) - known.expected(answers)) * own.present[modality].unsqueeze(1)
            for modality, known in self.offsets.items()
        }

    def _estimate(self, residuals: Tensors, counts: Tensors) -> Tensors:
        return {m: known.estimate(residuals[m], counts[m]) for m, known in self.offsets.items()}
