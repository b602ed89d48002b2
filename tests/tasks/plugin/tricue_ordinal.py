"""A plugin's task in one file: a whole number from 1 to 5 per row, in the column `stars`."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F

from tricue.data.target_columns import TargetColumns
from tricue.metrics.grouped_intervals import Grouping, Statistics, measure_grouped
from tricue.tasks.task import Objective, Task, number_cells, read_number, values_of

COLUMN, LEAST, MOST = "stars", 1, 5


class StarObjective(Objective):
    name, measure = "mse", "error"

    def loss(self, outputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        return F.mse_loss(outputs[:, 0].float(), targets)

    def intention(self, outputs_intention: Any, outputs: Any, targets: torch.Tensor) -> torch.Tensor:
        return F.mse_loss(outputs_intention[:, 0].float(), targets)

    def same(self, targets: torch.Tensor, others: torch.Tensor) -> torch.Tensor:
        return targets[:, None] == others[None, :]

    def differ(self, outputs: torch.Tensor, others: torch.Tensor) -> torch.Tensor:
        return outputs[:, 0].round() != others[:, 0].round()

    def progress(self, outputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        return (outputs[:, 0] - targets).abs().mean()


@dataclass(frozen=True)
class StarColumn(TargetColumns):
    columns: tuple[str, ...] = (COLUMN,)

    def read(self, cells: Mapping[str, str], fault: Any) -> tuple[float, ...] | None:
        value = read_number(cells[COLUMN])
        if value is None or not LEAST <= value <= MOST:
            fault(COLUMN, "not a number of stars", f"give a whole number from {LEAST} to {MOST}")
        return (value or 0.0,)

    def cells(self, label: Any) -> dict[str, str]:
        return {COLUMN: "" if label is None else str(label[0])}


@dataclass(frozen=True)
class Run:
    sums: np.ndarray  # (G, 2) rows, sum of absolute errors

    def statistics(self, weights: np.ndarray) -> Statistics:
        rows, errors = (weights @ self.sums).T
        return {"nearness": 1 - errors / rows / (MOST - LEAST)}


@dataclass(frozen=True)
class Ordinal(Task):
    name = "ordinal"
    selected, selected_words, held_words = "nearness", "nearness", "Stars are not calibrated"
    numbers = {"nearness": "Nearness"}  # noqa: RUF012
    items, item_heading, item_numbers = "per_target", "Target", {"nearness": "Nearness"}

    @classmethod
    def from_config(cls, config: Any) -> "Ordinal":
        return cls()

    def fitted(self, config: Any, corpus: Any, rows: Any) -> Any:
        return config

    def columns(self, labels: Any) -> StarColumn:
        return StarColumn()

    @property
    def names(self) -> list[str]:
        return [COLUMN]

    def encode(self, labels: Sequence[Any]) -> np.ndarray:
        return np.array([label[0] for label in labels], dtype=np.float32)

    def prior(self, targets: np.ndarray) -> list[float]:
        return [float(targets.mean())]

    def objective(self, targets: np.ndarray, training: Any) -> StarObjective:
        return StarObjective()

    def select(self, outputs: torch.Tensor, targets: np.ndarray) -> dict[str, float]:
        return {"nearness": 1 - float(np.abs(outputs.numpy()[:, 0] - targets).mean()) / (MOST - LEAST)}

    def calibrate(self, outputs: np.ndarray, targets: np.ndarray) -> dict[str, Any]:
        return {"rows": len(targets)}

    def values(self, outputs: torch.Tensor, calibration: Any) -> torch.Tensor:
        return outputs.double().clamp(LEAST, MOST)

    def decide(self, values: Sequence[float], calibration: Any) -> tuple[Any, float | None]:
        return (float(round(values[0])),), None

    @property
    def answer_columns(self) -> list[str]:
        return [COLUMN]

    def answer_cells(self, prediction: Any) -> list[str]:
        return number_cells(prediction, [COLUMN])

    def answer_json(self, prediction: Any) -> dict[str, Any]:
        return {"values": prediction.values}

    def label_cells(self, label: Any) -> dict[str, str]:
        return {"label": str(label[0])}

    def answers(self, predictions: Any, prior: Sequence[float]) -> np.ndarray:
        return values_of(predictions, [COLUMN], prior)

    def score(self, targets: Any, runs: Any, groups: Any, kind: Any) -> dict[str, Any]:
        grouping = Grouping.of(groups, kind, len(targets))
        sample = []
        for run in runs:
            sums = np.zeros((len(grouping), 2))
            errors = np.abs(run[:, 0] - targets)
            np.add.at(sums, grouping.members, np.stack([np.ones(len(errors)), errors], axis=1))
            sample.append(Run(sums))
        found = measure_grouped(sample, grouping, headline=["nearness"])
        number = found.number("nearness")
        return {"nearness": number, "per_target": {COLUMN: {"nearness": number}}, **found.common}
