"""A progress bar for work that turns out to be long."""

from __future__ import annotations

import time
from types import TracebackType

from rich.console import Console
from rich.progress import Progress

_PATIENCE = 2.0  # seconds before a bar is worth showing


class Bar:
    """Shown on stderr after two seconds of work and gone at its end."""

    def __init__(self, enabled: bool) -> None:
        console = Console(stderr=True)
        self.progress = Progress(
            console=console, transient=True, disable=not (enabled and console.is_terminal)
        )
        self.task = self.progress.add_task("", total=0)
        self.since = time.monotonic()

    def __enter__(self) -> Bar:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.progress.stop()

    def begin(self, label: str, total: int) -> None:
        self.progress.reset(self.task, description=label, total=total)

    def advance(self) -> None:
        if not self.progress.live.is_started and time.monotonic() - self.since > _PATIENCE:
            self.progress.start()
        self.progress.advance(self.task)
