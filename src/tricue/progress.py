"""A progress bar for work that turns out to be long."""

import time
from typing import TypeVar

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    Task,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.text import Text

_PATIENCE = 2.0  # seconds before a bar is worth showing
Item = TypeVar("Item")


class RateColumn(ProgressColumn):
    """Items per second, lately."""

    def render(self, task: Task) -> Text:
        return Text(f"{task.speed:.3g}/s" if task.speed else "", style="progress.data.speed")


class Bar:
    """Shown on stderr after two seconds of work and gone at its end: how much of how much, rate, time left."""

    def __init__(self, enabled: bool) -> None:
        self.since = time.monotonic()
        self.progress = _columns() if enabled else None  # a call that shows none need not pay for one
        self.task = self.progress.add_task("", total=0) if self.progress else None

    def __enter__(self) -> "Bar":
        return self

    def __exit__(self, *_: object) -> None:
        if self.progress is not None:
            self.progress.stop()

    def begin(self, label: str, total: int) -> None:
        if self.progress is not None and self.task is not None:
            self.progress.reset(self.task, description=label, total=total)

    def advance(self, steps: int = 1) -> None:
        if self.progress is None or self.task is None:
            return
        if not self.progress.live.is_started and time.monotonic() - self.since > _PATIENCE:
            self.progress.start()
        self.progress.advance(self.task, steps)

    def passed(self, item: Item) -> Item:
        """The item, counted."""
        self.advance()
        return item


def _columns() -> Progress:
    console = Console(stderr=True)
    return Progress(
        TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), RateColumn(), TimeElapsedColumn(),
        TextColumn("left"), TimeRemainingColumn(), console=console, transient=True, disable=not console.is_terminal,
    )  # fmt: skip
