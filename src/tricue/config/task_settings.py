"""Settings of the task: what a row's target is."""

from typing import Annotated, Literal

from pydantic import AfterValidator, Field, field_validator

from tricue.config.section import Rate, Section
from tricue.registry import LOSSES


class TaskConfig(Section):
    """What a row's target is, and how answers are fitted to it."""

    name: str = ""
    """`categorical` (one class per row), `multilabel` (several), `dimensional` (real-valued targets), or the name of an
    installed plugin's task; empty: categorical, as long as a manifest has no columns of another task too."""
    targets: list[str] = []
    """Columns of the manifest that hold the target; empty: `emotion` (categorical) or `emotions` (multilabel, with
    cells like anger;disgust). The dimensional task needs them named."""
    votes: list[str] = []
    """Categorical: columns that count the votes of each class, e.g. [votes_joy, votes_anger]; a class is its column
    without `votes_`. Rows are trained as distributions and scored on the class with most votes, ties on the first."""
    targets_file: str = ""
    """A CSV or Parquet table with a column `id` and those of the target, which takes the place of the labels that the
    corpus has: listeners' votes, ratings of somebody else. Rows that it does not name have no label. A relative path
    starts here, else in the corpus's folder."""
    ranges: dict[str, tuple[float, float]] = {}
    """Dimensional: lowest and highest value of a target, e.g. {valence: [1, 5]}. A value outside is an error, and
    answers keep to the range; by default it is that of the training rows."""
    loss: Annotated[str, AfterValidator(LOSSES.check)] = "ccc"
    """Dimensional: loss of phase 1, of values in deviations: `ccc` (1 - CCC over the batch), `mse`, `huber`, or one of
    an installed plugin."""
    calibration: Literal["val", "none"] = "val"
    """`val`: what fits answers to val is kept with the weights (temperature; threshold per label; affine map per
    target); `none`: temperature 1, thresholds 0.5, values as they are."""
    same_jaccard: Rate = 0.5
    """Multilabel: two rows count as the same for the alignment where the Jaccard index of their labels is above it."""
    same_distance: Annotated[float, Field(gt=0.0)] = 0.5
    """Dimensional: two rows count as the same for the alignment where their distance, the root mean square over the
    targets in training deviations, is at most this; and the intention predictor learns from rows whose error is
    smaller."""
    sentiment: Literal["auto", "always", "never"] = "auto"
    """Dimensional: whether targets are sentiment strengths, scored also as two classes (in both conventions) and seven;
    `auto`: those whose declared range is symmetric about 0."""
    scales: dict[str, tuple[float, float, float, float]] = {}
    """Dimensional: mean, deviation, lowest and highest value of each target in the training rows. Written by
    `train`."""

    @field_validator("targets", "votes")
    @classmethod
    def _named_once(cls, columns: list[str]) -> list[str]:
        if "" in columns or len(set(columns)) < len(columns):
            raise ValueError(f"columns must have names, each once; got {columns}")
        return columns

    @field_validator("ranges")
    @classmethod
    def _rising(cls, ranges: dict[str, tuple[float, float]]) -> dict[str, tuple[float, float]]:
        for name, (low, high) in ranges.items():
            if not low < high:
                raise ValueError(f"{name}: [{low:g}, {high:g}] is no range; the lower value comes first")
        return ranges
