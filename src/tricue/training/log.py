"""What a run tells while it runs: a progress bar, a line per epoch, TensorBoard, history.json."""

import logging
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from rich.console import Console
from tensorboardX import SummaryWriter

from tricue.files.json_files import read_json, write_json
from tricue.progress import Bar
from tricue.types import InvalidFileError

HISTORY = "history.json"

OF_ROWS = (
    "tricue.corpora.catalogue",
    "tricue.tasks.lacking_classes",
    "tricue.audit.audit",
    "tricue.training.train",
    "tricue.features.extract",
)  # what they log is of the rows


@contextmanager
def said_once() -> Iterator[None]:
    """Let each message about the rows pass once, where several runs read the same rows."""
    said: set[str] = set()

    def is_new(record: logging.LogRecord) -> bool:
        message = record.getMessage()
        new = message not in said
        said.add(message)
        return new

    loggers = [logging.getLogger(name) for name in OF_ROWS]
    for logger in loggers:
        logger.addFilter(is_new)
    try:
        yield
    finally:
        for logger in loggers:
            logger.removeFilter(is_new)


class RunLog:
    """The voice of one training run; `folder` gets history.json and, if wanted, tensorboard/.

    mark: a word that stands at every line, number and row, where the run is not to be taken for another.
    """

    def __init__(self, folder: Path, tensorboard: bool, quiet: bool, mark: str = "") -> None:
        self.folder = folder
        self.mark = mark
        self.quiet = quiet
        self.console = Console(stderr=True, markup=False)
        self.writer = SummaryWriter(str(folder / "tensorboard")) if tensorboard else None

    def line(self, text: str) -> None:
        if not self.quiet:
            self.console.print(f"{self.mark} {text}".lstrip(), highlight=False, soft_wrap=True)

    def bar(self, batches: Iterable[list[int]], total: int, done: int, title: str) -> Iterator[list[int]]:
        """The batches, with a bar that vanishes when they are through."""
        with Bar(not self.quiet) as bar:
            bar.begin(title, total)
            bar.advance(done)
            for batch in batches:
                yield batch
                bar.advance()

    def scalars(self, values: dict[str, float], step: int) -> None:
        if self.writer is not None:
            for name, value in values.items():
                self.writer.add_scalar(f"{self.mark}/{name}".lstrip("/"), value, step)

    def epoch(
        self, history: list[dict[str, Any]], row: dict[str, Any], step: int, selected: str, words: str, measure: str
    ) -> None:
        """A line for people, the scalars of the epoch, and the whole history on disk.

        selected, words: the val score that chooses, and what it is called. measure: the number beside the train loss.
        """
        val = f"val {words} {row[f'val_{selected}']:.4f}, " if f"val_{selected}" in row else ""
        best = " *" if row.get("best") else ""
        self.line(
            f"phase {row['phase']} epoch {row['epoch'] + 1:>2}: {val}"
            f"train loss {row['train_loss']:.4f}, {measure} {row[f'train_{measure}']:.4f}, {row['seconds']:.0f} s{best}"
        )
        self.scalars({f"epoch/{k}": v for k, v in row.items() if isinstance(v, float)}, step)
        marked = {"mark": self.mark} if self.mark else {}
        write_json(self.folder / HISTORY, [marked | row for row in history])

    def close(self) -> None:
        if self.writer is not None:
            self.writer.close()


def read_history(folder: Path) -> list[dict[str, Any]]:
    """One row per epoch of a run, oldest first. Raises InvalidFileError where the file is damaged."""
    path, remedy = folder / HISTORY, "The report can be made without it: move it away."
    history: list[dict[str, Any]] = read_json(path, "the history of a run", remedy, expected=list)
    for row in history:
        numbers = row.items() if isinstance(row, dict) else ()
        whole = {"phase", "epoch", "seconds"} <= dict(numbers).keys()
        if not whole or any(not isinstance(value, int | float) for name, value in numbers if name != "mark"):
            raise InvalidFileError(f"{path} is not the history of a run. {remedy}")
    return history
