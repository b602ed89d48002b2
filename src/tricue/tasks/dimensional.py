"""The dimensional task: one or more real-valued targets, such as valence, arousal, dominance or sentiment strength."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np

from tricue.config.settings import Config
from tricue.config.training_settings import TrainingConfig
from tricue.data.corpus import Corpus
from tricue.data.labels import Labels
from tricue.data.target_columns import Report, TargetColumns
from tricue.metrics.grouped_intervals import Grouping, GroupKind, Sample
from tricue.metrics.target_metrics import TargetRun, concordance, score_targets
from tricue.tasks.task import Calibration, Objective, Task, number_cells, read_number, values_of
from tricue.types import InputError, Label, Prediction, Utterance

if TYPE_CHECKING:
    import torch

    from tricue.figures.page_parts import Answers, Section

LEAST_ROWS = 100  # of val, for an affine map: as for a temperature


@dataclass(frozen=True)
class Dimensional(Task):
    """Real-valued targets. ranges: declared. scales: of the training rows, mean, deviation, lowest and highest value of
    each target; empty before they are known.

    The network's outputs are in deviations from the mean.
    """

    targets: tuple[str, ...]
    ranges: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    scales: tuple[tuple[float, float, float, float], ...] = ()
    form: str = "ccc"
    near: float = 0.5
    sentiment: str = "auto"
    is_calibrated: bool = True

    name = "dimensional"
    selected, selected_words = "ccc", "CCC"
    held_words = "Values are not calibrated"
    numbers: ClassVar[Mapping[str, str]] = {"ccc": "CCC", "pearson": "Pearson", "mae": "MAE", "rmse": "RMSE"}
    items, item_heading = "per_target", "Target"
    item_numbers: ClassVar[Mapping[str, str]] = numbers
    share_numbers: ClassVar[Mapping[str, str]] = {
        "acc2_negative_nonnegative": "Acc-2, negative or not",
        "f1_negative_nonnegative": "F1, negative or not",
        "acc2_negative_positive": "Acc-2, negative or positive",
        "f1_negative_positive": "F1, negative or positive",
        "acc7": "Acc-7",
    }
    is_share = False

    @classmethod
    def from_config(cls, config: Config) -> Self:
        settings = config.task
        if not settings.targets:
            raise InputError(
                "--task dimensional: no target is named; give the columns, e.g. --targets valence,arousal,dominance."
            )
        if unknown := sorted(set(settings.ranges) - set(settings.targets)):
            raise InputError(f"task.ranges: {', '.join(unknown)} is none of the targets {_named(settings.targets)}.")
        is_fitted = all(name in settings.scales for name in settings.targets)
        return cls(
            tuple(settings.targets),
            dict(settings.ranges),
            tuple(settings.scales[name] for name in settings.targets) if is_fitted else (),
            settings.loss,
            settings.same_distance,
            settings.sentiment,
            settings.calibration == "val",
        )

    def fitted(self, config: Config, corpus: Corpus, rows: Sequence[Utterance]) -> Config:
        labels = [row.label for row in rows if row.label is not None]
        if not labels:
            raise InputError(
                f"No training row has {_named(self.targets)}. Fill these columns of the manifest, and `split`."
            )
        values = self.encode(labels).astype(np.float64)
        scales: dict[str, tuple[float, ...]] = {}
        for name, own in zip(self.targets, values.T, strict=True):
            mean, deviation = float(own.mean()), float(own.std())
            scales[name] = (mean, deviation, float(own.min()), float(own.max()))
            if deviation <= 1e-9 * max(1.0, abs(mean)):
                raise InputError(
                    f"{name}: all {len(labels)} labelled training rows have {mean:g}; nothing can be learnt. Leave it "
                    "out of --targets, or check the column."
                )
        changes = {"name": self.name, "scales": scales}
        return config.model_copy(update={"task": config.task.model_copy(update=changes)})

    def columns(self, labels: Labels) -> TargetColumns:
        return NumberColumns(self.targets, self.ranges)

    def takes(self, label: Label) -> bool:
        return len(label) == len(self.targets) and all(isinstance(value, float) for value in label)

    @property
    def names(self) -> list[str]:
        return list(self.targets)

    def encode(self, labels: Sequence[Label]) -> np.ndarray:
        """(N, K) float32."""
        return np.array(labels, dtype=np.float32).reshape(len(labels), len(self.targets))

    def prior(self, targets: np.ndarray) -> list[float]:
        return targets.astype(np.float64).mean(axis=0).tolist()

    def baseline_targets(self, targets: np.ndarray) -> np.ndarray:
        means, deviations, *_ = np.array(self.scales).T
        return ((targets - means) / deviations).astype(np.float32)

    def objective(self, targets: np.ndarray, training: TrainingConfig) -> Objective:
        from tricue.tasks.objectives import ValueObjective

        means, deviations, *_ = zip(*self.scales, strict=True)
        return ValueObjective(means, deviations, self.form, self.near)

    def select(self, outputs: torch.Tensor, targets: np.ndarray) -> dict[str, float]:
        values = self.values(outputs, self.calibrate(outputs.numpy(), targets)).numpy()
        return {
            "ccc": float(np.mean(np.nan_to_num(concordance(targets.astype(np.float64), values)))),
            "mae": float(np.abs(values - targets).mean()),
        }

    def calibrate(self, outputs: np.ndarray, targets: np.ndarray) -> dict[str, Any]:
        """Per target the affine map of values that gives them the mean and deviation of the targets, where that raises
        the CCC of these rows: then it is Pearson's correlation."""
        means, deviations, *_ = np.array(self.scales).T
        values = outputs.astype(np.float64) * deviations + means
        truth = targets.astype(np.float64)
        scale, shift = np.ones(self.outputs), np.zeros(self.outputs)
        held = None
        if not self.is_calibrated:
            held = "task.calibration is none"
        elif len(truth) < LEAST_ROWS:
            held = f"val has {len(truth)} rows, and a map is fitted on {LEAST_ROWS} or more"
        else:
            spread = values.std(axis=0)
            fitted = truth.std(axis=0) / np.where(spread > 0, spread, 1.0)
            mapped = (values - values.mean(axis=0)) * fitted + truth.mean(axis=0)
            better = (spread > 0) & (concordance(truth, mapped) > concordance(truth, values))
            scale = np.where(better, fitted, 1.0)
            shift = np.where(better, truth.mean(axis=0) - fitted * values.mean(axis=0), 0.0)
        return {"rows": len(truth), "scale": scale.tolist(), "shift": shift.tolist(), "held": held}

    def range_of(self, name: str) -> tuple[float, float]:
        """Lowest and highest value of a target: declared, else met in training."""
        _, _, low, high = self.scales[self.targets.index(name)]
        return self.ranges.get(name, (low, high))

    def values(self, outputs: torch.Tensor, calibration: Calibration | None) -> torch.Tensor:
        outputs = outputs.double()
        scale, shift, low, high = map(outputs.new_tensor, self.decoding(calibration).values())
        return (outputs * scale + shift).clamp(low, high)

    def decoding(self, calibration: Calibration | None) -> dict[str, Any]:
        """Of each target: value = logit * scale + shift, from low to high."""
        means, deviations, *_ = np.array(self.scales).T
        found = {"scale": deviations, "shift": means}
        if calibration is not None:
            own = np.array(calibration["scale"])
            found = {"scale": deviations * own, "shift": means * own + np.array(calibration["shift"])}
        low, high = zip(*map(self.range_of, self.targets), strict=True)
        return {name: own.tolist() for name, own in found.items()} | {"low": list(low), "high": list(high)}

    def misses(self, targets: np.ndarray, answers: np.ndarray) -> np.ndarray:
        """In deviations of each target."""
        _, deviations, *_ = np.array(self.scales).T
        return (np.abs(answers - targets) / deviations).mean(axis=1)

    def decide(self, values: Sequence[float], calibration: Calibration | None) -> tuple[Label, float | None]:
        return tuple(values), None

    @property
    def answer_columns(self) -> list[str]:
        return list(self.targets)

    def answer_cells(self, prediction: Prediction) -> list[str]:
        return number_cells(prediction, self.targets)

    def answer_json(self, prediction: Prediction) -> dict[str, Any]:
        return {"values": prediction.values}

    def marks(self, calibration: Calibration | None) -> list[float]:
        return [mean for mean, *_ in self.scales]

    def likeliest(self, prediction: Prediction) -> str:
        return ""

    def label_cells(self, label: Label | None) -> dict[str, str]:
        values: Sequence[Any] = label if label is not None else [""] * len(self.targets)
        return {f"label_{name}": str(value) for name, value in zip(self.targets, values, strict=True)}

    def answers(self, predictions: Sequence[Prediction], prior: Sequence[float]) -> np.ndarray:
        return values_of(predictions, self.targets, prior)

    def score(
        self, targets: np.ndarray, runs: Sequence[np.ndarray], groups: Sequence[str] | None, kind: GroupKind
    ) -> dict[str, Any]:
        ends = [self._strength(name, targets[:, k]) for k, name in enumerate(self.targets)]
        truth = targets.astype(np.float64)
        return score_targets(truth, runs, self.targets, groups, kind, ends)

    def compared(self, targets: np.ndarray, runs: Sequence[np.ndarray], grouping: Grouping) -> Sequence[Sample]:
        return [TargetRun.of(targets.astype(np.float64), run, grouping) for run in runs]

    def _strength(self, name: str, values: np.ndarray) -> float | None:
        """The end of a target's range where it is a sentiment strength, from -end to end; None: it is none."""
        low, high = self.ranges.get(name, (0.0, 0.0))
        if self.sentiment == "never" or (self.sentiment == "auto" and not (high > 0 and low == -high)):
            return None
        return max(-low, high) or float(np.abs(values).max()) or None

    def sections(self, answers: Sequence[Answers]) -> list[Section]:
        from tricue.figures.target_figures import target_sections

        return target_sections(answers)


@dataclass(frozen=True)
class NumberColumns(TargetColumns):
    """A number per target."""

    columns: tuple[str, ...]
    ranges: Mapping[str, tuple[float, float]]

    def read(self, cells: Mapping[str, str], fault: Report) -> tuple[float, ...] | None:
        values = []
        for column in self.columns:
            value = read_number(cells[column])
            if not cells[column]:
                fault(column, "empty cell", f"give a number, or leave {_named(self.columns)} all empty")
            elif value is None:
                fault(column, "not a number", "give a number, e.g. 3.5")
            elif column in self.ranges and not self.ranges[column][0] <= value <= self.ranges[column][1]:
                low, high = self.ranges[column]
                remedy = f"correct it, or declare another range: --set 'task.ranges.{column}=[LOW, HIGH]'"
                fault(column, f"outside the range from {low:g} to {high:g}", remedy)
            values.append(value if value is not None else 0.0)
        return tuple(values)

    def cells(self, label: Label | None) -> dict[str, str]:
        values: Sequence[Any] = label if label is not None else [""] * len(self.columns)
        return {column: str(value) for column, value in zip(self.columns, values, strict=True)}


def _named(names: Sequence[str]) -> str:
    return ", ".join(names)
