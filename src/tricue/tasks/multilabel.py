"""The multilabel task: several classes at once, in cells like `anger;disgust`; `none` where a row has none."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np
from scipy.special import expit
from sklearn.metrics import f1_score

from tricue.config.settings import Config
from tricue.config.training_settings import TrainingConfig
from tricue.data.corpus import Corpus
from tricue.data.labels import Labels
from tricue.data.target_columns import Report, TargetColumns, read_class
from tricue.files.spreadsheet import guarded
from tricue.metrics.grouped_intervals import Grouping, GroupKind, Sample
from tricue.metrics.label_metrics import LabelRun, score_labels
from tricue.spelling import listed
from tricue.tasks.lacking_classes import report_classes
from tricue.tasks.task import Calibration, Objective, Task, number_cells, values_of
from tricue.types import InputError, Label, Prediction, Utterance, label_words

if TYPE_CHECKING:
    import torch

    from tricue.figures.page_parts import Answers, Colouring, Section


COLUMN, SEPARATOR, NONE = "emotions", ";", "none"
EVEN = 0.5  # the threshold of a class that val does not have


@dataclass(frozen=True)
class Multilabel(Task):
    """A set of classes per row. classes: empty before they are known."""

    classes: tuple[str, ...] = ()
    column: str = COLUMN
    same_jaccard: float = 0.5
    is_calibrated: bool = True

    name, kind = "multilabel", "labels"
    selected, selected_words = "macro_f1", "macro F1"
    held_words = f"The thresholds stay {EVEN:g}"
    answer_fields: ClassVar[Mapping[str, tuple[Any, str]]] = {
        "emotions": (list[str] | None, "Those whose probability reaches their threshold; null: nothing to go by."),
        "probabilities": (dict[str, float], "Of each emotion; they are independent, and do not come to 1."),
    }
    numbers: ClassVar[Mapping[str, str]] = {
        "macro_f1": "Macro F1", "micro_f1": "Micro F1", "weighted_f1": "Weighted F1", "map": "mAP",
        "ranking_loss": "Ranking loss",
    }  # fmt: skip
    items, item_heading = "per_class", "Emotion"
    item_numbers: ClassVar[Mapping[str, str]] = {
        "precision": "Precision", "recall": "Recall", "f1": "F1", "ap": "AP",
    }  # fmt: skip

    @classmethod
    def from_config(cls, config: Config) -> Self:
        settings = config.task
        if len(settings.targets) > 1:
            raise InputError(
                f"--targets {','.join(settings.targets)}: the multilabel task has one column; name it alone."
            )
        column = settings.targets[0] if settings.targets else COLUMN
        is_calibrated = settings.calibration == "val"
        return cls(tuple(config.data.emotions), column, settings.same_jaccard, is_calibrated)

    @classmethod
    def of_results(cls, names: Sequence[str]) -> Self:
        return cls(tuple(names))

    def fitted(self, config: Config, corpus: Corpus, rows: Sequence[Utterance]) -> Config:
        """The classes: those of the config, else those met in training, sorted."""
        classes = list(self.classes) or sorted({name for row in rows for name in row.classes})
        if not any(row.classes for row in rows):
            raise InputError(
                f"No training row has an emotion. Fill the manifest's `{self.column}` and `split` columns."
            )
        changes = {
            "data": config.data.model_copy(update={"emotions": classes}),
            "task": config.task.model_copy(update={"name": self.name}),
        }
        return config.model_copy(update=changes)

    def columns(self, labels: Labels) -> TargetColumns:
        return LabelSetColumn((self.column,), self.classes or None, labels)

    def audited(self, label: Label) -> Label:
        return tuple(sorted(map(str, label)))

    def takes(self, label: Label) -> bool:
        return isinstance(label, tuple) and all(isinstance(name, str) for name in label)

    def check_known(self, rows: Sequence[Utterance], where: str) -> None:
        for row in rows:
            if unknown := [name for name in row.classes if name not in self.classes]:
                raise InputError(
                    f"{row.id} of the {where} split: {unknown[0]!r} in {self.column} is not among the classes "
                    f"({listed(self.classes)}). Correct it, map it with --set 'data.mapping={{WRITTEN: CLASS}}', or "
                    "name all classes with --set data.emotions=[...]."
                )

    def check_training(self, splits: Mapping[str, Sequence[Utterance]], config: Config) -> None:
        """Say how many rows each class has. Raises InputError where all training rows have the same classes."""
        sets = {frozenset(row.classes) for row in splits["train"] if row.label is not None}
        if len(sets) == 1:
            same = label_words(tuple(sorted(*sets)))
            raise InputError(
                f"{self.column}: all labelled training rows are {same}; nothing can be learnt. Check "
                f"the columns `{self.column}` and `split`, and data.mapping, or choose another --protocol."
            )
        report_classes(self.classes, splits, config)

    @property
    def names(self) -> list[str]:
        return list(self.classes)

    def encode(self, labels: Sequence[Label]) -> np.ndarray:
        """(N, C) float32, 0 or 1."""
        number = {name: i for i, name in enumerate(self.classes)}
        encoded = np.zeros((len(labels), len(self.classes)), dtype=np.float32)
        for row, label in zip(encoded, labels, strict=True):
            row[[number[str(name)] for name in label]] = 1.0
        return encoded

    def prior(self, targets: np.ndarray) -> list[float]:
        return targets.astype(np.float64).mean(axis=0).tolist()

    def baseline_targets(self, targets: np.ndarray) -> np.ndarray:
        return (targets > EVEN).astype(np.int64)

    def objective(self, targets: np.ndarray, training: TrainingConfig) -> Objective:
        from tricue.tasks.objectives import LabelObjective

        return LabelObjective(targets.sum(axis=0), training, self.same_jaccard)

    def select(self, outputs: torch.Tensor, targets: np.ndarray) -> dict[str, float]:
        chances = expit(outputs.numpy().astype(np.float64))
        named = chances >= np.array(self.calibrate(outputs.numpy(), targets)["thresholds"])
        met = np.flatnonzero(targets.any(axis=0))
        return {
            name: float(f1_score(targets[:, met], named[:, met], average=average, zero_division=0))
            for name, average in (("macro_f1", "macro"), ("micro_f1", "micro"))
        }

    def calibrate(self, outputs: np.ndarray, targets: np.ndarray) -> dict[str, Any]:
        """Per class the threshold with the best F1 on these rows: together the best macro F1."""
        thresholds = np.full(self.outputs, EVEN)
        if self.is_calibrated:
            chances = expit(outputs.astype(np.float64))
            for c in np.flatnonzero(targets.any(axis=0)):
                thresholds[c] = best_threshold(chances[:, c], targets[:, c] > EVEN)
        held = None if self.is_calibrated else "task.calibration is none"
        return {"rows": len(targets), "thresholds": thresholds.tolist(), "held": held}

    def values(self, outputs: torch.Tensor, calibration: Calibration | None) -> torch.Tensor:
        return outputs.double().sigmoid()

    def decoding(self, calibration: Calibration | None) -> dict[str, Any]:
        return {"thresholds": self.marks(calibration)}

    def before_calibration(self, values: np.ndarray, calibration: Calibration | None) -> np.ndarray:
        return values  # thresholds decide, and change no probability

    def decide(self, values: Sequence[float], calibration: Calibration | None) -> tuple[Label, float | None]:
        above = zip(self.classes, values, self.marks(calibration), strict=True)
        return tuple(name for name, value, threshold in above if value >= threshold), None

    def marks(self, calibration: Calibration | None) -> list[float]:
        return list(calibration["thresholds"]) if calibration is not None else [EVEN] * self.outputs

    @property
    def answer_columns(self) -> list[str]:
        return [COLUMN, *self.value_columns]

    @property
    def value_columns(self) -> list[str]:
        return [f"p_{name}" for name in self.classes]

    def answer_cells(self, prediction: Prediction) -> list[str]:
        return [guarded(_joined(prediction.label)), *number_cells(prediction, self.classes)]

    def read_answer(self, cells: Mapping[str, str]) -> Prediction:
        """With the classes that are named: a table does not hold the thresholds."""
        found, written = super().read_answer(cells), cells[COLUMN]
        if not found.values:
            return found
        named = () if written == NONE and NONE not in self.classes else tuple(written.split(SEPARATOR))
        if unknown := set(named) - set(self.classes):
            raise ValueError(f"{COLUMN} names {listed(sorted(unknown))}, not one of {listed(self.classes)}")
        return replace(found, label=named)

    def answer_json(self, prediction: Prediction) -> dict[str, Any]:
        named = None if prediction.label is None else list(prediction.label)
        return {"emotions": named, "probabilities": prediction.values}

    def label_cells(self, label: Label | None) -> dict[str, str]:
        return {"label": _joined(label)}

    def answers(self, predictions: Sequence[Prediction], prior: Sequence[float]) -> np.ndarray:
        """(N, C, 2) of each class its probability and whether it is named."""
        named = self.encode([p.label if p.label is not None else () for p in predictions])
        return np.stack([values_of(predictions, self.classes, prior), named], axis=-1)

    def misses(self, targets: np.ndarray, answers: np.ndarray) -> np.ndarray:
        """By the probabilities."""
        return super().misses(targets, answers[..., 0])

    def score(
        self, targets: np.ndarray, runs: Sequence[np.ndarray], groups: Sequence[str] | None, kind: GroupKind
    ) -> dict[str, Any]:
        return score_labels(targets, runs, self.classes, groups, kind)

    def compared(self, targets: np.ndarray, runs: Sequence[np.ndarray], grouping: Grouping) -> Sequence[Sample]:
        return [LabelRun.of(targets > EVEN, run, grouping) for run in runs]

    def right(self, targets: np.ndarray, runs: Sequence[np.ndarray]) -> np.ndarray:
        """Of the classes that at least half of the seeds name, all and no other."""
        return ((np.mean(runs, axis=0)[..., 1] >= EVEN) == (targets > EVEN)).all(axis=1)

    def sections(self, answers: Sequence[Answers]) -> list[Section]:
        from tricue.figures.label_figures import label_sections

        return label_sections(answers)

    def colouring(self, targets: np.ndarray) -> Colouring:
        """By the first of a row's classes, in their order."""
        from tricue.figures.page_parts import Colouring

        first = np.where(targets.any(axis=1), targets.argmax(axis=1), self.outputs)
        return Colouring("first label", first, (*self.classes, NONE))


@dataclass(frozen=True)
class LabelSetColumn(TargetColumns):
    """A set of classes per row, with semicolons between them.

    classes: the known ones (None: any). labels: reads their names.
    """

    columns: tuple[str]
    classes: tuple[str, ...] | None
    labels: Labels

    def read(self, cells: Mapping[str, str], fault: Report) -> tuple[str, ...] | None:
        (column,) = self.columns
        written = cells[column]
        if written == NONE and NONE not in (self.classes or ()):
            return ()
        parts = [part.strip() for part in written.split(SEPARATOR)]
        if "" in parts:
            fault(column, "an empty name between semicolons", f"write a{SEPARATOR}b; {NONE} where there is none")
            return None
        if len(set(parts)) < len(parts):
            fault(column, "a name that stands twice", f"name each once, as in a{SEPARATOR}b")
            return None
        read = [read_class(part, column, self.classes, self.labels, fault) for part in parts]
        names = tuple(dict.fromkeys(name for name in read if name is not None))
        return names or None  # data.mapping leaves all of them out

    def cells(self, label: Label | None) -> dict[str, str]:
        return {self.columns[0]: _joined(label)}


def _joined(label: Label | None) -> str:
    return "" if label is None else SEPARATOR.join(map(str, label)) or NONE


def best_threshold(chances: np.ndarray, positive: np.ndarray) -> float:
    """The probability from which naming a class has the best F1: half way to the next lower one that rows have.

    Ties go to the highest. chances (N,), positive (N,) bool, with a positive row.
    """
    order = np.argsort(-chances, kind="stable")
    falling, right = chances[order], np.cumsum(positive[order])
    last = np.append(falling[1:] != falling[:-1], True)  # rows with the same probability are named together
    f1 = np.where(last, 2 * right / (np.arange(1, len(order) + 1) + positive.sum()), -1.0)
    place = int(f1.argmax())
    lower = falling[place + 1] if place + 1 < len(falling) else 0.0
    return float((falling[place] + lower) / 2)
