"""From a feature set to batches: which rows stand together, how they are padded, which modalities are hidden."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch

from tricue.registry import MODALITIES
from tricue.tasks.task import Task
from tricue.types import Batch, ModalityName, Utterance

Arrays = Mapping[
    ModalityName, Mapping[str, np.ndarray]
]  # modality -> utterance id -> (T, D); no entry: the modality is missing

BUCKET_BATCHES = 32  # rows are sorted by length within this many batches: little padding, much of the shuffle kept


@dataclass(frozen=True)
class Examples:
    """Utterances of one split that have at least one modality, with their features and encoded targets."""

    utterances: list[Utterance]
    arrays: Arrays
    labels: np.ndarray | None  # (N, ...) as the task encodes them, or None where nothing is labelled

    def __len__(self) -> int:
        return len(self.utterances)

    def batch(self, rows: Sequence[int]) -> Batch:
        ids = [self.utterances[i].id for i in rows]
        labels = None if self.labels is None else torch.from_numpy(self.labels[list(rows)])
        return collate(ids, self.arrays, labels)


def gather_examples(utterances: Iterable[Utterance], arrays: Arrays, task: Task | None) -> Examples:
    """Those of the utterances that have a modality left; with `task`, those that are labelled, with encoded targets.

    Raises InputError for a label that the task does not know.
    """
    usable = [u for u in utterances if any(u.id in arrays[modality] for modality in arrays)]
    if task is None:
        return Examples(usable, arrays, None)
    labelled = [(u, u.label) for u in usable if u.label is not None]
    return Examples([u for u, _ in labelled], arrays, task.encode([label for _, label in labelled]))


def row_lengths(examples: Examples) -> np.ndarray:
    """Time steps of each row over all its modalities, (N,): what its place in a batch costs."""
    return np.array(
        [sum(len(rows[u.id]) for rows in examples.arrays.values() if u.id in rows) for u in examples.utterances]
    )


def training_plan(
    lengths: np.ndarray, batch_size: int, key: Sequence[int], labels: np.ndarray | None = None
) -> list[list[int]]:
    """Batches of row numbers for one epoch, rows of like length together; a function of its arguments alone.

    key: e.g. (seed, phase, epoch). labels: (N,) class numbers; with them the epoch is as many rows, drawn with
    replacement so that each class is as likely as any other (`training.sampler: balanced`).
    """
    rng = np.random.default_rng(list(key))
    order = rng.permutation(len(lengths)) if labels is None else _balanced(labels, rng)
    span = batch_size * BUCKET_BATCHES
    batches: list[list[int]] = []
    for start in range(0, len(order), span):
        bucket = order[start : start + span]
        bucket = bucket[np.argsort(lengths[bucket], kind="stable")]
        batches += [bucket[i : i + batch_size].tolist() for i in range(0, len(bucket), batch_size)]
    rng.shuffle(batches)
    return batches


def _balanced(labels: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """As many row numbers as there are rows, each class with the same chance, its rows alike."""
    counts = np.bincount(labels)
    chances = 1.0 / (counts[labels] * np.count_nonzero(counts))
    return rng.choice(len(labels), size=len(labels), p=chances)


def reading_plan(lengths: np.ndarray, batch_size: int) -> list[list[int]]:
    """All rows once, longest first, so that memory runs out at once or never."""
    order = np.argsort(-lengths, kind="stable")
    return [order[i : i + batch_size].tolist() for i in range(0, len(order), batch_size)]


def collate(ids: list[str], arrays: Arrays, labels: torch.Tensor | None) -> Batch:
    """Pad each modality to its longest row; a modality that no row has gets no key."""
    values: dict[ModalityName, torch.Tensor] = {}
    masks: dict[ModalityName, torch.Tensor] = {}
    for modality in MODALITIES:
        rows = [arrays[modality].get(id) if modality in arrays else None for id in ids]
        held = [row for row in rows if row is not None]
        if not held:
            continue
        longest = max(len(row) for row in held)
        whole = np.issubdtype(held[0].dtype, np.integer)  # token ids of a live text encoder
        padded = np.zeros((len(ids), longest, held[0].shape[1]), dtype=np.int64 if whole else np.float32)
        mask = np.zeros((len(ids), longest), dtype=bool)
        for i, row in enumerate(rows):
            if row is not None:
                padded[i, : len(row)] = row
                mask[i, : len(row)] = True
        values[modality], masks[modality] = torch.from_numpy(padded), torch.from_numpy(mask)
    return Batch(ids, values, masks, labels)


def hide_modalities(batch: Batch, chance: float, whole_too: bool = False) -> Batch:
    """Modality dropout: each modality of a row is hidden with `chance`, never its last one. Draws from torch's CPU
    state.

    whole_too: one batch of twice the size, all rows whole and then all as dropout leaves them.
    """
    modalities = list(batch.masks)
    if chance == 0 or len(modalities) < 2:
        return batch
    present = torch.stack([batch.masks[modality].any(dim=1) for modality in modalities])  # (modalities, B)
    draws = torch.rand(present.shape).masked_fill(~present, -1.0)
    kept = draws >= chance
    kept |= draws == draws.amax(dim=0)  # the luckiest modality of a row always stays
    kept &= present
    masks = {modality: batch.masks[modality] & kept[i][:, None] for i, modality in enumerate(modalities)}
    if whole_too:
        return Batch(
            batch.ids * 2,
            {modality: torch.cat([values, values]) for modality, values in batch.values.items()},
            {modality: torch.cat([batch.masks[modality], masks[modality]]) for modality in modalities},
            None if batch.labels is None else torch.cat([batch.labels, batch.labels]),
            {modality: torch.cat([offset, offset]) for modality, offset in batch.offsets.items()},
        )
    used = [modality for modality in modalities if bool(masks[modality].any())]
    return Batch(
        batch.ids,
        {modality: batch.values[modality] for modality in used},
        {modality: masks[modality] for modality in used},
        batch.labels,
        {modality: offset for modality, offset in batch.offsets.items() if modality in used},
    )


def feature_statistics(rows: Iterable[np.ndarray], dim: int) -> dict[str, torch.Tensor]:
    """`mean` and `std` (dim,) over all steps of rows (T, dim), in float64; a constant dimension gets deviation 1."""
    count, total, squares = 0, np.zeros(dim), np.zeros(dim)
    for row in rows:
        wide = row.astype(np.float64)
        count += len(wide)
        total += wide.sum(axis=0)
        squares += (wide**2).sum(axis=0)
    if count == 0:
        return {"mean": torch.zeros(dim), "std": torch.ones(dim)}
    mean = total / count
    std = np.sqrt(np.maximum(squares / count - mean**2, 0.0))
    std[std < 1e-4 * np.maximum(np.abs(mean), 1.0)] = 1.0
    return {"mean": torch.from_numpy(mean).float(), "std": torch.from_numpy(std).float()}
