"""Training with part of each speaker's offset taken off, so that the network knows rows that are adapted."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast

import numpy as np
import torch

from tricue.adaptation.speaker_fit import fit_means, fit_offsets, number_speakers
from tricue.adaptation.speaker_offsets import FEWEST, Speakers
from tricue.config.settings import Config
from tricue.model.network import Network
from tricue.model.statistics import Statistics
from tricue.prediction.adapted import read_wholes
from tricue.prediction.batches import Examples, reading_plan, row_lengths
from tricue.tasks.task import Task
from tricue.types import Batch, InputError, ModalityName, Utterance

logger = logging.getLogger(__name__)
UNTOUCHED = 1 / 3  # share of the rows whose offset stays: an answer without other clips is as good as before


@dataclass(frozen=True)
class Removal:
    """The offset of each training row's speaker in the summaries that the network's statistics are made of."""

    speakers: np.ndarray  # (N,) numbers, -1 for a row without other rows of its speaker
    offsets: dict[ModalityName, torch.Tensor]  # (S + 1, 2 D); the last is zero

    @classmethod
    def of(cls, network: Network, train: Examples, task: Task, config: Config) -> "Removal":
        """From the training rows, whose labels are known. An encoder that is trained along has no lasting offsets."""
        speakers = number_speakers(train.utterances)
        assert train.labels is not None
        answers = task.as_answers(train.labels)
        found = {}
        modalities = [modality for modality in config.adapted if modality not in network.live]
        for modality, (rows, summaries) in _summaries(network, train, modalities).items():
            own = number_speakers([train.utterances[row] for row in rows])  # of the rows that have it
            met = own >= 0
            offsets = torch.zeros(speakers.max(initial=-1) + 2, summaries.shape[1])
            if met.any():
                fitted = fit_means(summaries[met].astype(np.float64), answers[rows[met]], own[met])[1]
                offsets[speakers[rows[met]]] = torch.from_numpy(fitted[own[met]]).float()
            found[modality] = offsets
        return cls(speakers, found)

    def taken_off(self, batch: Batch, rows: Sequence[int]) -> Batch:
        """The batch with what is taken off each row: nothing, or a share of its speaker's offset, evenly drawn from
        torch's CPU state."""
        trust = (torch.rand(len(rows)) - UNTOUCHED).clamp_min(0.0) / (1.0 - UNTOUCHED)
        numbers = torch.from_numpy(self.speakers[list(rows)])
        batch.offsets = {m: own[numbers] * trust[:, None] for m, own in self.offsets.items() if m in batch.values}
        return batch


@torch.no_grad()
def _summaries(
    network: Network, train: Examples, modalities: Sequence[ModalityName]
) -> dict[ModalityName, tuple[np.ndarray, np.ndarray]]:
    """Per modality the numbers of the rows that have it, and their scaled summaries (n, 2 D)."""
    if not modalities:
        return {}
    network.eval()
    found: dict[ModalityName, tuple[list[int], list[np.ndarray]]] = {modality: ([], []) for modality in modalities}
    for rows in reading_plan(row_lengths(train), 64):
        vectors, masks = network.vectors(train.batch(rows).to(next(network.parameters()).device))
        for modality in found.keys() & vectors.keys():
            present = masks[modality].any(dim=1).cpu().numpy()
            summary = cast(Statistics, network.statistics[modality]).summary(vectors[modality], masks[modality])
            found[modality][0].extend(np.array(rows)[present])
            found[modality][1].append(summary.cpu().numpy()[present])
    return {m: (np.array(rows), np.concatenate(own)) for m, (rows, own) in found.items() if rows}


def learn_speakers(
    network: Network, train: Examples, task: Task, config: Config, device: str | torch.device
) -> Speakers | None:
    """How the training speakers differ in what the fusion of the trained network reads, of `has_speakers`; None where
    too few of them have the modalities that are adapted."""
    assert train.labels is not None
    answers = task.as_answers(train.labels)
    wholes = read_wholes(network, train, config.evaluation.batch_size, device)
    found, counts = {}, []
    for modality in config.adapted:
        rows = np.flatnonzero(wholes.present[modality].cpu().numpy())
        own = number_speakers([train.utterances[row] for row in rows])
        met = own >= 0
        if own.max(initial=-1) + 1 >= FEWEST:
            vectors = wholes.statistics(modality).cpu().numpy()[rows[met]].astype(np.float64)
            offsets = fit_offsets(vectors, answers[rows[met]], own[met])
            if offsets is not None:
                found[modality] = offsets
                counts.append(int(own.max()) + 1)
    if not found and config.speaker.adaptation != "off":
        logger.warning(
            "speaker.adaptation=%s: nothing was learned of how speakers differ in %s: fewer than %d of them have two "
            "rows with it, or all rows are alike. The model answers without adaptation.",
            config.speaker.adaptation, ", ".join(config.adapted), FEWEST,
        )  # fmt: skip
    return Speakers(found, max(counts)) if found else None


def has_speakers(rows: Sequence[Utterance], config: Config) -> bool:
    """Whether there is anything to learn of how speakers differ, before a feature is looked at."""
    return bool(config.adapted) and _count(rows) >= FEWEST


def _count(rows: Sequence[Utterance]) -> int:
    """Speakers with two rows and more."""
    return int(number_speakers(rows).max(initial=-1)) + 1


def check_training_speakers(rows: Sequence[Utterance], config: Config) -> None:
    """Raise InputError where `speaker.adaptation` is asked for and nothing can be learned of speakers."""
    form, labelled = config.speaker.adaptation, [row for row in rows if row.label is not None]
    if form == "off" or has_speakers(labelled, config):
        return
    if not config.adapted:
        raise InputError(
            f"speaker.adaptation={form}: none of {', '.join(config.modalities)} is adapted. Name them in "
            "speaker.modalities, or choose off."
        )
    raise InputError(
        f"speaker.adaptation={form}: the training rows have {_count(labelled)} speakers with two rows or more, and "
        f"{FEWEST} are the fewest that tell how speakers differ. Fill the column `speaker` with a name for each "
        "person, or choose off."
    )
