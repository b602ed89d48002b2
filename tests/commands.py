"""The command line as a user types it, in this process."""

import pytest

from tricue.cli import main


def tricue(*arguments: object) -> int:
    """The exit status of a call."""
    with pytest.raises(SystemExit) as stopped:
        main([str(argument) for argument in arguments])
    return int(stopped.value.code or 0)
