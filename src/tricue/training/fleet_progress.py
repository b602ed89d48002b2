"""How far several computations are: a line per finished one, and on a terminal what is running and the time left."""

import logging
import time
from collections.abc import Sequence

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

logger = logging.getLogger(__name__)

_SHOWN = 3  # names of running calls


class FleetProgress:
    """Counts calls that begin and end. The bar appears where two calls run at once: a single one has its own."""

    def __init__(self, names: Sequence[str], quiet: bool) -> None:
        self.names = names
        self.running: list[int] = []
        self.done = 0
        self.began = time.monotonic()
        console = Console(stderr=True)
        self.bar = Progress(
            BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), TextColumn("{task.description}", markup=False),
            console=console, transient=True, disable=quiet or not console.is_terminal,
        )  # fmt: skip
        self.task = self.bar.add_task("", total=len(names))

    def __enter__(self) -> "FleetProgress":
        return self

    def __exit__(self, *_: object) -> None:
        self.bar.stop()

    def start(self, number: int) -> None:
        self.running.append(number)
        if len(self.running) > 1:
            self.bar.start()
        else:
            logger.info("%d of %d: %s", self.done + 1, len(self.names), self.names[number])
        self._describe()

    def finish(self, number: int, seconds: float, *, failed: bool) -> None:
        self.running.remove(number)
        self.done += 1
        word, left = ("failed", self.left()) if failed else ("finished", self.left())
        logger.info(
            "%d of %d %s: %s (%s)%s",
            self.done, len(self.names), word, self.names[number], _duration(seconds), f", {left}" if left else "",
        )  # fmt: skip
        self._describe()

    def left(self) -> str:
        """The time left, by the pace so far; empty before the first call has ended, and after the last."""
        rest = len(self.names) - self.done
        if not self.done or not rest:
            return ""
        return f"about {_duration((time.monotonic() - self.began) / self.done * rest)} left"

    def _describe(self) -> None:
        names = [self.names[number] for number in self.running]
        more = [f"{len(names) - _SHOWN} more"] if len(names) > _SHOWN else []
        parts = [self.left(), "; ".join([*names[:_SHOWN], *more])]
        self.bar.update(self.task, completed=self.done, description=": ".join(filter(None, parts)))


def _duration(seconds: float) -> str:
    if seconds < 100:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 100 else f"{minutes / 60:.1f} h"
