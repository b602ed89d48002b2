"""The categorical task: one class per row; also trained on votes, and then scored on the class with most of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np
from sklearn.metrics import accuracy_score, f1_score

from tricue.config.data_settings import DataConfig
from tricue.config.settings import Config
from tricue.config.training_settings import TrainingConfig
from tricue.data.corpus import Corpus
from tricue.data.labels import Labels, nearest
from tricue.data.manifest import TARGET
from tricue.data.target_columns import EmotionColumn, Report, TargetColumns
from tricue.files.spreadsheet import guarded
from tricue.metrics.class_metrics import Confusions, group_confusions, score
from tricue.metrics.grouped_intervals import Grouping, GroupKind, Sample
from tricue.spelling import listed
from tricue.tasks.lacking_classes import report_classes
from tricue.tasks.task import (
    RIVALS,
    SHOWN_ROWS,
    Calibration,
    Objective,
    Part,
    Task,
    number_cells,
    read_number,
    values_of,
)
from tricue.types import InputError, Label, Prediction, Utterance, shown

if TYPE_CHECKING:
    import torch

    from tricue.figures.page_parts import Answers, Section


STEP = 1e-6  # of probabilities in a table, where two classes can look alike
VOTES = "votes_"  # before the name of a class, in the name of its column


@dataclass(frozen=True)
class Categorical(Task):
    """One class per row. classes: empty before they are known. votes: columns that count the votes of each class."""

    classes: tuple[str, ...] = ()
    votes: tuple[str, ...] = ()
    column: str = TARGET
    chosen: bool = True  # else a manifest may have no columns of other tasks
    is_calibrated: bool = True

    name, kind = "categorical", "classes"
    selected, selected_words = "weighted_f1", "weighted F1"
    priors_are_shares = True
    held_words = "The temperature stays 1, probabilities are not calibrated"
    answer_fields: ClassVar[Mapping[str, tuple[Any, str]]] = {
        "emotion": (str | None, 'null: nothing to go by; "uncertain": less sure than `abstain` asks for.'),
        "confidence": (float | None, "Probability of the likeliest emotion, calibrated."),
        "probabilities": (dict[str, float], "Of each emotion, calibrated."),
    }
    numbers: ClassVar[Mapping[str, str]] = {
        "weighted_f1": "Weighted F1",
        "accuracy": "Accuracy",
        "macro_f1": "Macro F1",
        "uar": "UAR",
    }
    items, item_heading = "per_class", "Emotion"
    item_numbers: ClassVar[Mapping[str, str]] = {
        "accuracy": "Accuracy", "precision": "Precision", "recall": "Recall", "f1": "F1", "auc": "AUC",
    }  # fmt: skip

    @classmethod
    def from_config(cls, config: Config) -> Self:
        settings = config.task
        if len(settings.targets) > 1:
            raise InputError(
                f"--targets {','.join(settings.targets)}: the categorical task has one column; choose one of them, or "
                "give --task dimensional."
            )
        classes = tuple(config.data.emotions)
        if settings.votes:
            named = tuple(column.removeprefix(VOTES) for column in settings.votes)
            if classes and classes != named:
                raise InputError(
                    f"data.emotions={list(classes)}: with task.votes the classes are those of its columns, "
                    f"{list(named)}. Leave data.emotions out."
                )
            classes = named
        return cls(
            classes,
            tuple(settings.votes),
            settings.targets[0] if settings.targets else TARGET,
            chosen=bool(settings.name),
            is_calibrated=settings.calibration == "val",
        )

    @classmethod
    def of_results(cls, names: Sequence[str]) -> Self:
        return cls(tuple(names))

    def fitted(self, config: Config, corpus: Corpus, rows: Sequence[Utterance]) -> Config:
        """The classes: those of the label set that is named, else of the config, of the corpus, else those met in
        training, sorted."""
        labelled = [row for row in rows if row.label is not None]
        if not labelled:
            raise InputError(
                f"No training row has an emotion. Fill the manifest's `{self.column}` and `split` columns."
            )
        classes = list(self.classes)
        if not self.votes and not (
            config.data.emotions and not ((config.data.labels or corpus.labels) and corpus.emotions)
        ):
            classes = corpus.emotions or sorted({name for row in labelled for name in row.classes})
        if len(classes) == 1:
            raise InputError(_one_class(classes[0], config.data))
        changes = {
            "data": config.data.model_copy(update={"emotions": classes}),
            "task": config.task.model_copy(update={"name": self.name}),
        }
        return config.model_copy(update=changes)

    def columns(self, labels: Labels) -> TargetColumns:
        if self.votes:
            return VoteColumns(self.votes)
        rivals = {} if self.chosen else RIVALS
        return EmotionColumn(self.classes or None, labels, rivals, self.column)

    def audited(self, label: Label) -> str:
        return self.label_cells(label)["label"]

    def takes(self, label: Label) -> bool:
        return isinstance(label, str) != bool(self.votes)

    def check_known(self, rows: Sequence[Utterance], where: str) -> None:
        unknown = [row for row in rows if set(row.classes) - set(self.classes)]
        if unknown:
            raise InputError(_unknown_labels(where, unknown, self.classes))

    def check_training(self, splits: Mapping[str, Sequence[Utterance]], config: Config) -> None:
        """Say how many rows each class has. Raises InputError where only one has training rows."""
        if self.votes:
            return
        trained = {name for row in splits["train"] for name in row.classes} & set(self.classes)
        if len(trained) < 2:
            raise InputError(_one_class(next(iter(trained), None), config.data))
        report_classes(self.classes, splits, config)

    @property
    def names(self) -> list[str]:
        return list(self.classes)

    def encode(self, labels: Sequence[Label]) -> np.ndarray:
        """(N,) int64 class numbers; of votes (N, C) float32 shares."""
        if self.votes:
            counts = np.array(labels, dtype=np.float32)
            return counts / counts.sum(axis=1, keepdims=True)
        number = {name: i for i, name in enumerate(self.classes)}
        unknown = sorted({str(label) for label in labels} - set(number))
        if unknown:
            raise InputError(
                f"Emotions {', '.join(unknown)} are not among the classes {', '.join(self.classes)}. "
                "Map them in the manifest, or name the classes with --set data.emotions=[...]."
            )
        return np.array([number[str(label)] for label in labels], dtype=np.int64)

    def prior(self, targets: np.ndarray) -> list[float]:
        counts = _counts(targets, self.outputs)
        return (counts / counts.sum()).tolist()

    def baseline_targets(self, targets: np.ndarray) -> np.ndarray:
        return self.strata(targets)

    def objective(self, targets: np.ndarray, training: TrainingConfig) -> Objective:
        from tricue.tasks.objectives import ClassObjective

        return ClassObjective(_counts(targets, self.outputs), training)

    def select(self, outputs: torch.Tensor, targets: np.ndarray) -> dict[str, float]:
        labels, guesses = (
            self.strata(targets),
            outputs.argmax(dim=1).numpy(),
        )  # of one library, as scikit-learn 1.7 asks
        return {
            "accuracy": float(accuracy_score(labels, guesses)),
            "weighted_f1": float(f1_score(labels, guesses, average="weighted", zero_division=0)),
        }

    def calibrate(self, outputs: np.ndarray, targets: np.ndarray) -> dict[str, Any]:
        from tricue.tasks.temperature import calibrate

        return calibrate(outputs, self.strata(targets), fit=self.is_calibrated)

    def values(self, outputs: torch.Tensor, calibration: Calibration | None) -> torch.Tensor:
        return (outputs.double() / _temperature(calibration)).softmax(dim=-1)

    def decoding(self, calibration: Calibration | None) -> dict[str, Any]:
        return {"temperature": _temperature(calibration)}

    def before_calibration(self, values: np.ndarray, calibration: Calibration | None) -> np.ndarray:
        from tricue.tasks.temperature import uncalibrated

        return uncalibrated(values, _temperature(calibration))

    def decide(self, values: Sequence[float], calibration: Calibration | None) -> tuple[Label, float | None]:
        best = max(range(len(values)), key=values.__getitem__)
        return self.classes[best], values[best]

    @property
    def answer_columns(self) -> list[str]:
        return ["emotion", "confidence", *self.value_columns]

    @property
    def value_columns(self) -> list[str]:
        return [f"p_{name}" for name in self.classes]

    def answer_cells(self, prediction: Prediction) -> list[str]:
        confidence = "" if prediction.confidence is None else f"{prediction.confidence:.6f}"
        return [guarded(prediction.emotion or ""), confidence, *number_cells(prediction, self.classes)]

    def read_answer(self, cells: Mapping[str, str]) -> Prediction:
        """With the class that is named lifted by STEP: rounding may have made a tie."""
        found = super().read_answer(cells)
        named = cells["emotion"]
        values = {name: value + STEP * (name == named) for name, value in found.values.items()}
        if values and max(values, key=values.__getitem__) != named:
            raise ValueError(f"{named!r} is not the class of the highest probability")
        return replace(found, label=named or None, values=values)

    def answer_json(self, prediction: Prediction) -> dict[str, Any]:
        return {"emotion": prediction.emotion, "confidence": prediction.confidence, "probabilities": prediction.values}

    def label_cells(self, label: Label | None) -> dict[str, str]:
        if self.votes and label is not None:
            label = self.classes[int(np.argmax(label))]
        return {"label": str(label)}

    def answers(self, predictions: Sequence[Prediction], prior: Sequence[float]) -> np.ndarray:
        return values_of(predictions, self.classes, prior)

    def score(
        self, targets: np.ndarray, runs: Sequence[np.ndarray], groups: Sequence[str] | None, kind: GroupKind
    ) -> dict[str, Any]:
        return score(self.strata(targets), runs, self.classes, groups, kind)

    def compared(self, targets: np.ndarray, runs: Sequence[np.ndarray], grouping: Grouping) -> Sequence[Sample]:
        labels, groups = self.strata(targets), len(grouping)
        return [Confusions(group_confusions(labels, run, grouping.members, groups)) for run in runs]

    def calibration_report(self, parts: Sequence[Part]) -> dict[str, Any]:
        """ECE with the models' temperatures and without them; None: ECE of no rows."""
        from tricue.tasks.temperature import expected_calibration_error, uncalibrated

        temperatures = [_temperature(part.calibration) for part in parts]
        truth = np.concatenate([self.strata(part.targets) for part in parts])

        def ece(probabilities: Sequence[np.ndarray]) -> float | None:
            return expected_calibration_error(np.concatenate(probabilities), truth) if len(truth) else None

        return {
            "temperature": float(np.mean(temperatures)),
            "rows": len(truth),
            "ece": ece([part.values for part in parts]),
            "ece_uncalibrated": ece([
                uncalibrated(part.values, own) for part, own in zip(parts, temperatures, strict=True)
            ]),
        }  # fmt: skip

    def sections(self, answers: Sequence[Answers]) -> list[Section]:
        from tricue.figures.class_figures import class_sections

        return class_sections([replace(own, targets=self.strata(own.targets)) for own in answers])


@dataclass(frozen=True)
class VoteColumns(TargetColumns):
    """A count of votes per class; a row's label is the counts."""

    columns: tuple[str, ...]

    def read(self, cells: Mapping[str, str], fault: Report) -> tuple[float, ...] | None:
        counts = []
        for column in self.columns:
            count = read_number(cells[column])
            if count is None or count < 0:
                empty = not cells[column]
                kind = "no votes" if empty else "not a number of votes"
                fault(column, kind, "give how many chose this class, 0 where nobody did")
            counts.append(count or 0.0)
        if not any(counts):
            fault(self.columns[0], "votes that are all zero", "give each row a vote, or leave the row out")
        return tuple(counts)

    def cells(self, label: Label | None) -> dict[str, str]:
        counts = label if label is not None else [""] * len(self.columns)
        return {column: str(count) for column, count in zip(self.columns, counts, strict=True)}


def _temperature(calibration: Calibration | None) -> float:
    """What logits are divided by before they become probabilities."""
    return calibration["temperature"] if calibration is not None else 1.0


def _counts(targets: np.ndarray, classes: int) -> np.ndarray:
    """(C,) rows of each class, or the sums of their shares."""
    return targets.sum(axis=0) if targets.ndim == 2 else np.bincount(targets, minlength=classes)


def _one_class(name: str | None, data: DataConfig) -> str:
    of_fold = f" of fold {shown(data.fold, quoted=False)}" if data.fold else ""
    remedy = "Choose another --protocol or data.folds" if data.fold else "Check the columns `emotion` and `split`"
    return (
        f"emotion: all labelled training rows{of_fold} are {shown(name)}; at least two classes need training rows. "
        f"{remedy}, and check data.mapping."
    )


def _unknown_labels(where: str, rows: Sequence[Utterance], classes: Sequence[str]) -> str:
    lines = []
    for row in rows[:SHOWN_ROWS]:
        unknown = [name for name in row.classes if name not in classes]
        meant = nearest(unknown[0], classes)
        lines.append(
            f"  {shown(row.id, quoted=False)}: {', '.join(map(shown, unknown))}" + (f" ({meant}?)" if meant else "")
        )
    if len(rows) > SHOWN_ROWS:
        lines.append(f"  ... and {len(rows) - SHOWN_ROWS:,} rows more")
    return (
        f"Rows of the {where} split whose emotion is not among the classes ({listed(classes)}):\n"
        + "\n".join(lines)
        + "\nFix these labels, map them with --set 'data.mapping={WRITTEN: CLASS}', or name all classes with --set "
        "data.emotions=[...]."
    )
