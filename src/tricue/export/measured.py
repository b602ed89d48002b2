"""What `tricue evaluate` measured of the very weights that are handed on."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tricue.checkpoint.checkpoint import Card
from tricue.evaluation.results import metrics_path, read_metrics
from tricue.types import InputError

NEEDED = ("interval", "model", "split_role", "modalities", "comparable", "known_rows", "without_any_modality")


def read_measured(paths: Sequence[Path], card: Card) -> list[dict[str, Any]]:
    """The metrics of each result folder (or metrics.json), in the order given.

    Raises InputError for what is no result, is of other weights, or does not say of which it is.
    """
    return [_checked(metrics_path(p) if (p := Path(path)).is_dir() else p, card) for path in paths]


def _checked(path: Path, card: Card) -> dict[str, Any]:
    if not path.is_file():
        raise InputError(f"There is no result at {path}. Make one: tricue evaluate --model_path MODEL --out DIR")
    metrics = read_metrics(path)
    missing = [name for name in (*card.task.numbers, card.task.items, *NEEDED) if name not in metrics]
    if missing:
        raise InputError(f"{path} does not say {', '.join(missing)}. Run tricue evaluate again.")
    measured = metrics["model"].get("weights_sha256")
    if metrics["model"].get("runs"):
        raise InputError(f"{path} is the mean of several runs; a card is of one model. Evaluate that one.")
    if measured is None:
        raise InputError(f"{path} does not say which weights were measured. Run tricue evaluate again.")
    if measured != card.weights_sha256:
        own = f"{measured[:12]}, not {str(card.weights_sha256)[:12]}"
        raise InputError(f"{path} was measured of other weights ({own}). Evaluate this model.")
    return metrics
