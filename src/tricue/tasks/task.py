"""What every task says, and the registry of tasks.

A task says what a row's target is and everything that follows from it; nothing else in the package knows what a label
is. It is made from the settings alone, which `fitted` completes from the training rows: a checkpoint's config describes
its task.

Legend: N rows, B rows of a batch, O outputs of the network, V values of an answer.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Self

import numpy as np

from tricue.config.load import build_config
from tricue.config.settings import Config
from tricue.config.training_settings import TrainingConfig
from tricue.data.corpus import Corpus
from tricue.data.labels import Labels
from tricue.data.manifest import PLAIN_NUMBER
from tricue.data.target_columns import TargetColumns
from tricue.metrics.grouped_intervals import Grouping, GroupKind, Rescored, Sample
from tricue.registry import Registry
from tricue.types import InputError, Label, Prediction, Utterance

if TYPE_CHECKING:  # who only reads a manifest waits neither for torch nor for matplotlib
    import torch

    from tricue.figures.page_parts import Answers, Colouring, Section

SHOWN_ROWS = 20
Calibration = Mapping[str, Any]  # what `calibrate` found, as a checkpoint keeps it


class Objective(ABC):
    """What training asks of the network's outputs. It is made once per run, from the training targets."""

    name: str  # of the loss of phase 1, in history.json
    measure: str  # what `progress` is called there
    weights: torch.Tensor | None = None  # (O,) by which `loss` counts the rows of each class; None: all alike

    @abstractmethod
    def loss(self, outputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        """The loss of phase 1: (B, O) and (B, ...) -> scalar."""

    @abstractmethod
    def intention(self, outputs_intention: torch.Tensor, outputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        """The loss of the intention predictor, on what the network is already sure of; 0 where that is nothing."""

    @abstractmethod
    def same(self, targets: torch.Tensor, others: torch.Tensor) -> torch.Tensor:
        """Which rows the alignment pulls together: (B, ...) and (B', ...) -> (B, B') bool, true of a row and itself."""

    @abstractmethod
    def differ(self, outputs: torch.Tensor, others: torch.Tensor) -> torch.Tensor:
        """Whether two outputs of a row are two answers: (B, O) twice -> (B,) bool."""

    @abstractmethod
    def progress(self, outputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        """The number that the line of an epoch shows beside the loss."""


@dataclass(frozen=True)
class Part:
    """The answers of one model to some rows that it could read, for the report of its calibration."""

    values: np.ndarray  # (N, V)
    targets: np.ndarray  # (N, ...)
    calibration: Calibration | None


class Task(ABC):
    """A task: its columns, targets, losses, answers and scores. Subclasses are frozen dataclasses."""

    name: ClassVar[str]
    kind: ClassVar[Literal["classes", "labels", "values"]] = "values"
    """What the values of an answer are: probabilities that come to 1, probabilities each by itself, numbers."""
    selected: ClassVar[str]  # the val score that chooses epochs and phases
    selected_words: ClassVar[str]  # it and the headline within a sentence
    held_words: ClassVar[str]  # that answers are not calibrated, as a message begins
    numbers: ClassVar[Mapping[str, str]]  # of metrics.json -> heading of a table; the first is the headline
    items: ClassVar[str]  # where metrics.json has the numbers of each class or target
    item_heading: ClassVar[str]
    item_numbers: ClassVar[Mapping[str, str]]
    share_numbers: ClassVar[Mapping[str, str]] = MappingProxyType({})  # of some items, shown in percent below them
    priors_are_shares: ClassVar[bool] = False  # whether `prior` are shares of the rows, which come to 1
    is_share: ClassVar[bool] = True  # whether tables show the numbers in percent
    answer_fields: ClassVar[Mapping[str, tuple[Any, str]]] = MappingProxyType(
        {"values": (dict[str, float], "Of each target; none where there is nothing to go by.")}
    )  # of `answer_json`: the type and the meaning of each; pages read those of a kind's built-in task

    @classmethod
    def headline(cls) -> str:
        """The name of the number that stands for all."""
        return next(iter(cls.numbers))

    @classmethod
    def item_headline(cls) -> str | None:
        """The one of `item_numbers` that the headline is made of, such as `f1` of `macro_f1`; None: its name ends with
        none of them."""
        return next((name for name in cls.item_numbers if cls.headline().endswith(name)), None)

    @classmethod
    def scale(cls) -> float:
        """What tables and figures multiply numbers by: they show shares in percent."""
        return 100 if cls.is_share else 1

    @classmethod
    def axis_label(cls) -> str:
        """Of the headline in figures."""
        return f"{cls.selected_words}, in %" if cls.is_share else cls.selected_words

    # --- made from settings ------------------------------------------------------------------------

    @classmethod
    @abstractmethod
    def from_config(cls, config: Config) -> Self:
        """Raises InputError for settings that do not fit the task."""

    @abstractmethod
    def fitted(self, config: Config, corpus: Corpus, rows: Sequence[Utterance]) -> Config:
        """The settings with what the training rows decide: classes, moments of the targets.

        Raises InputError where they decide nothing: no row is labelled, or all alike.
        """

    @classmethod
    def of_results(cls, names: Sequence[str]) -> Self:
        """The task of a result folder, whose metrics name its classes or targets, to read and compare its answers."""
        return cls.from_config(build_config({"task": {"name": cls.name, "targets": list(names)}}, {}, "a result"))

    # --- rows --------------------------------------------------------------------------------------

    @abstractmethod
    def columns(self, labels: Labels) -> TargetColumns:
        """What reads the target of a manifest's rows. labels: the corpus's reader of class names."""

    def audited(self, label: Label) -> Label:
        """What the audit takes a label for: a class, classes in one order, or a real value of each of `names`."""
        return label

    def takes(self, label: Label) -> bool:
        """Whether a label is of this task's kind: a corpus may have labels of another."""
        return True

    def check_known(self, rows: Sequence[Utterance], where: str) -> None:
        """Raise InputError for labels that the task cannot encode. where: of the rows, for the message."""
        return None

    def check_training(self, splits: Mapping[str, Sequence[Utterance]], config: Config) -> None:
        """Say what there is to learn from. Raises InputError where it is nothing."""
        return None

    # --- targets -----------------------------------------------------------------------------------

    @property
    @abstractmethod
    def names(self) -> list[str]:
        """Of the classes or targets, in the order of the outputs and of every table."""

    @property
    def outputs(self) -> int:
        """Width of the network's heads."""
        return len(self.names)

    @abstractmethod
    def encode(self, labels: Sequence[Label]) -> np.ndarray:
        """Labels as arrays: (N,) int64 or (N, ...) float32."""

    @abstractmethod
    def prior(self, targets: np.ndarray) -> list[float]:
        """(V,) what is said of a row of which nothing can be read: class shares, means."""

    def as_answers(self, targets: np.ndarray) -> np.ndarray:
        """(N, V) the values of the answers that are right: of classes 1 for the class, or the shares of the votes."""
        if self.kind == "classes" and targets.ndim == 1:
            return np.eye(self.outputs)[targets]
        return targets.reshape(len(targets), -1).astype(np.float64)

    def strata(self, targets: np.ndarray) -> np.ndarray:
        """(N,) class numbers, which `training.sampler: balanced` draws evenly: the targets, or of shares (N, C) the
        class with most. Raises InputError where answers are not one class."""
        if self.kind != "classes":
            told = f"the {self.name} task has no classes to draw evenly"
            raise InputError(f"training.sampler=balanced: {told}; use shuffle.")
        return targets.argmax(axis=1) if targets.ndim == 2 else targets

    def baseline_targets(self, targets: np.ndarray) -> np.ndarray | None:
        """What a baseline learns, so that its outputs are read as a network's: (N,) class numbers, (N, O) labels of 0
        and 1, or (N, O) values in the scale of the outputs, as `kind` says. None: the task has no baselines."""
        return None

    # --- training ----------------------------------------------------------------------------------

    @abstractmethod
    def objective(self, targets: np.ndarray, training: TrainingConfig) -> Objective: ...

    @abstractmethod
    def select(self, outputs: torch.Tensor, targets: np.ndarray) -> dict[str, float]:
        """Val scores of an epoch, calibrated on the same rows; the one called `selected` chooses (higher is better)."""

    # --- answers -----------------------------------------------------------------------------------

    @abstractmethod
    def calibrate(self, outputs: np.ndarray, targets: np.ndarray) -> dict[str, Any]:
        """What fits the answers to these rows (val), as JSON."""

    @abstractmethod
    def values(self, outputs: torch.Tensor, calibration: Calibration | None) -> torch.Tensor:
        """(N, O) -> (N, V) float64: a probability per class, or the value of each target; differentiable."""

    @abstractmethod
    def decide(self, values: Sequence[float], calibration: Calibration | None) -> tuple[Label, float | None]:
        """The answer of one row, and its confidence where the task has one."""

    def before_calibration(self, values: np.ndarray, calibration: Calibration | None) -> np.ndarray | None:
        """(N, V) what `values` were without the calibration; None: only the network can tell."""
        return None

    def range_of(self, name: str) -> tuple[float, float]:
        """Lowest and highest value that an answer can have."""
        return (-math.inf, math.inf) if self.kind == "values" else (0.0, 1.0)

    def marks(self, calibration: Calibration | None) -> list[float] | None:
        """Of each value what a page marks on its range: the threshold of a label, the mean of the training rows."""
        return None

    def explained(self, values: Mapping[str, float]) -> str:
        """Which value of an answer an explanation takes apart where none is named: the likeliest, of numbers the
        first."""
        return next(iter(values)) if self.kind == "values" else max(values, key=values.__getitem__)

    def decoding(self, calibration: Calibration | None) -> dict[str, Any]:
        """As JSON the numbers by which another program makes answers of logits (docs/onnx.md)."""
        return {}

    @property
    @abstractmethod
    def answer_columns(self) -> list[str]:
        """Of a table of predictions, between `id` and `modalities`."""

    @abstractmethod
    def answer_cells(self, prediction: Prediction) -> list[str]: ...

    @property
    def value_columns(self) -> list[str]:
        """Those of `answer_columns` that hold the values, in the order of `names`."""
        return self.names

    def read_answer(self, cells: Mapping[str, str]) -> Prediction:
        """The answer that a row of a table holds, without values where nothing could be read. Raises ValueError for
        cells that are none of `answer_cells`."""
        written = [cells[column] for column in self.value_columns]
        if not any(written):
            return Prediction(cells["id"], None, None, {}, ())
        values = [float(cell) for cell in written]
        if not np.isfinite(values).all():
            raise ValueError(f"a value is not finite: {', '.join(written)}")
        label, confidence = self.decide(values, None)
        return Prediction(cells["id"], label, confidence, dict(zip(self.names, values, strict=True)), ())

    @abstractmethod
    def answer_json(self, prediction: Prediction) -> dict[str, Any]:
        """The fields of an answer as JSON, between `id` and `modalities`."""

    def likeliest(self, prediction: Prediction) -> str:
        """What stands beside an answer on the terminal: its likeliest classes; nothing where `str()` of it says all."""
        likely = sorted(prediction.values.items(), key=lambda item: -item[1])[:3]
        return "  ".join(f"{name} {100 * chance:.0f}%" for name, chance in likely)

    def label_cells(self, label: Label | None) -> dict[str, str]:
        """What `evaluate` writes of the true label beside each prediction, for `compare` to read as `columns` does: the
        cell of the one column as `label`, those of several as `label_<column>`."""
        cells = self.columns(Labels()).cells(label)
        return {"label" if len(cells) == 1 else f"label_{column}": cell for column, cell in cells.items()}

    def misses(self, targets: np.ndarray, answers: np.ndarray) -> np.ndarray:
        """(N,) how far `answers` lie from the labels, to choose the rows that a report shows."""
        return np.abs(answers - targets.reshape(len(targets), -1)).mean(axis=1)

    # --- scores ------------------------------------------------------------------------------------

    @abstractmethod
    def answers(self, predictions: Sequence[Prediction], prior: Sequence[float]) -> np.ndarray:
        """(N, ...) what `score` reads of predictions; an unanswered row gets the prior."""

    @abstractmethod
    def score(
        self, targets: np.ndarray, runs: Sequence[np.ndarray], groups: Sequence[str] | None, kind: GroupKind
    ) -> dict[str, Any]:
        """All numbers of metrics.json, each with its interval. runs: `answers` per seed, on the same rows. groups:
        (N,) what intervals leave out; None: the rows."""

    def compared(self, targets: np.ndarray, runs: Sequence[np.ndarray], grouping: Grouping) -> Sequence[Sample]:
        """Per seed the `numbers` under any weighting of the groups, for the differences of two models; the first, for
        which higher is better, is tested. runs: as `score` takes them. By default the rows are scored anew."""

        def scored(run: np.ndarray, rows: np.ndarray) -> dict[str, float | None]:
            found = self.score(targets[rows], [run[rows]], None, "row")
            return {name: found[name]["value"] for name in self.numbers}

        return [Rescored(partial(scored, run), grouping.members) for run in runs]

    def right(self, targets: np.ndarray, runs: Sequence[np.ndarray]) -> np.ndarray | None:
        """(N,) bool, whether the answer of the seeds together is right, of classes that of the highest mean
        probability; None: answers are not right or wrong."""
        return np.mean(runs, axis=0).argmax(axis=1) == self.strata(targets) if self.kind == "classes" else None

    def calibration_report(self, parts: Sequence[Part]) -> dict[str, Any] | None:
        """Whether values mean what they say, over the rows of all parts; None: the task does not measure it."""
        return None

    # --- pages -------------------------------------------------------------------------------------

    def sections(self, answers: Sequence[Answers]) -> list[Section]:
        """The figures of a report: the answers of several models to the same rows."""
        return []

    def colouring(self, targets: np.ndarray) -> Colouring:
        """How rows are coloured on a map: by class, else by the first target."""
        from tricue.figures.page_parts import Colouring

        if self.kind == "classes":
            return Colouring("class", self.strata(targets), self.names)
        return Colouring(self.names[0], targets.reshape(len(targets), -1)[:, 0])


TASKS: Registry[type[Task]] = Registry(
    "tricue.tasks",
    "task",
    {
        "categorical": "tricue.tasks.categorical:Categorical",
        "multilabel": "tricue.tasks.multilabel:Multilabel",
        "dimensional": "tricue.tasks.dimensional:Dimensional",
    },
    is_named=True,
)
DEFAULT = "categorical"
RIVALS = {  # columns that tables of other tasks usually have -> how to choose theirs; after --targets come the columns
    "emotions": "--task multilabel",
    "valence": "--task dimensional --targets",
    "arousal": "--task dimensional --targets",
    "dominance": "--task dimensional --targets",
}


def make_task(config: Config) -> Task:
    """The task that the settings describe. Raises InputError where there is none of this name, or they do not fit."""
    return TASKS[config.task.name or DEFAULT].from_config(config)


def task_of(content: Mapping[str, Any]) -> type[Task]:
    """The task of what a command wrote. Earlier versions wrote of the categorical task, without its name."""
    return TASKS[str(content.get("task", DEFAULT))]


def read_number(cell: str) -> float | None:
    """A finite number as tables write it; None: it is none. Python also reads 1_0 and digits of other scripts."""
    try:
        number = float(cell) if PLAIN_NUMBER.fullmatch(cell) else math.nan
    except ValueError:
        return None
    return number if math.isfinite(number) else None


def number_cells(prediction: Prediction, names: Sequence[str]) -> list[str]:
    """The values of an answer for a table; empty where nothing could be read."""
    return [f"{prediction.values[name]:.6f}" if prediction.values else "" for name in names]


def values_of(predictions: Sequence[Prediction], names: Sequence[str], prior: Sequence[float]) -> np.ndarray:
    """(N, V) the values of predictions; an unanswered row gets the prior."""
    return np.array([[p.values[name] for name in names] if p.values else prior for p in predictions])


def with_headline(task: Task, numbers: dict[str, Any]) -> dict[str, Any]:
    """The numbers of a task with its name and the one number that stands for it."""
    name = task.headline()
    return {"task": task.name, "headline": {"name": name, **numbers[name]}, **numbers}
