"""Features of a list of utterances, with what there is to say of them."""

import logging
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from tricue.extractors.precomputed import Precomputed
from tricue.features.store import Row
from tricue.types import Fault, InputError, ModalityName, Utterance, shown

_LOG = logging.getLogger(__name__)


@dataclass(frozen=True)
class FeatureSet:
    """Features of a list of utterances, as training reads them."""

    arrays: dict[ModalityName, dict[str, np.ndarray]]  # id -> (T, D), T >= 1; no entry: modality missing
    dims: dict[ModalityName, tuple[int, ...]]  # of the streams side by side: (speech, acoustic) or (D,)
    faults: list[Fault] = field(default_factory=list)  # modalities that should be there and are not
    notes: list[Fault] = field(default_factory=list)  # of modalities that are there (cut, damaged, one of two)
    without_face: dict[tuple[ModalityName, str], int] = field(default_factory=dict)  # modality, id -> frames

    def add(self, id_: str, modality: ModalityName, row: Row) -> None:
        """The features of an utterance, or why there are none."""
        if row.values is not None:
            self.arrays[modality][id_] = row.values
            if row.missed:
                self.without_face[modality, id_] = row.missed
        if row.note is not None:
            (self.faults if row.values is None else self.notes).append(Fault(id_, modality, row.note))

    def add_precomputed(self, modality: ModalityName, file: Precomputed, rows: Sequence[Utterance]) -> None:
        """What a precomputed file has of some utterances."""
        for row in rows:
            if row.id in file.arrays:
                self.arrays[modality][row.id] = file.arrays[row.id]
            else:
                reason = "are zeros alone" if row.id in file.empty else "lack this id"
                self.faults.append(Fault(row.id, modality, f"the precomputed features {reason}"))

    def log(self) -> None:
        """Faults one by one; notes once with all whom they are of, for segments of a recording share them."""
        for fault in self.faults:
            _LOG.warning("%s: %s is missing: %s", shown(fault.id, quoted=False), fault.modality, fault.reason)
        told: dict[tuple[ModalityName, str], list[str]] = defaultdict(list)
        for note in self.notes:
            told[note.modality, note.reason].append(note.id)
        for (modality, reason), ids in told.items():
            more = f" and {len(ids) - 1:,} more" if len(ids) > 1 else ""
            _LOG.warning("%s%s: note on %s: %s", shown(ids[0], quoted=False), more, modality, reason)
        if self.without_face:
            missed = sum(self.without_face.values())
            searched = {modality for modality, _ in self.without_face}
            total = sum(len(frames) for modality in searched for frames in self.arrays[modality].values())
            _LOG.warning(
                "No face in %d of %d key frames (%.1f%%, in %d clips): the whole frame stands in.",
                missed, total, 100 * missed / total, len(self.without_face),
            )  # fmt: skip


def check_ids(modality: ModalityName, file: Precomputed, rows: Sequence[Utterance]) -> None:
    """Raises InputError where a precomputed file has none of the rows."""
    if rows and not any(row.id in file.arrays or row.id in file.empty for row in rows):
        raise InputError(
            f"features.{modality}.precomputed={file.path}: it has none of the {len(rows):,} ids, e.g. {rows[0].id} "
            f"(it has {next(iter(file.arrays), 'nothing')} and the like). Give the file of this corpus."
        )
