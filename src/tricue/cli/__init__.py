"""The `tricue` command: parse, then one call into the package.

Exit status: 0 all done; 1 some inputs failed, each named in the output (of `extract` and `predict`; `train` and
`evaluate` go on with the modalities that are left, and say which are missing), or `audit` found a failure; 2 the call
was wrong.
"""

import errno
import logging
import sys

from rich.console import Console
from rich.logging import RichHandler

from tricue.cli import data_commands as data
from tricue.cli import export_command as export
from tricue.cli import model_commands as models
from tricue.cli import predict_command as predict
from tricue.cli import serve_command as serve
from tricue.cli import study_commands as studies
from tricue.cli.app import app
from tricue.types import InputError, TrainingError

# the rooms of commands register themselves
__all__ = ["app", "data", "export", "main", "models", "predict", "serve", "studies"]


def main(arguments: list[str] | None = None) -> None:
    """Run the command; one clear line for what the user can mend, a trace only for what is our fault."""
    logging.basicConfig(
        level=logging.WARNING,  # of other libraries
        format="%(message)s",
        handlers=[RichHandler(console=Console(stderr=True), show_time=False, show_path=False, markup=False)],
    )
    logging.getLogger("tricue").setLevel(logging.INFO)
    try:
        data.add_corpora()
        app(arguments)
    except InputError as error:
        _stop(str(error), 2)
    except TrainingError as error:
        _stop(str(error), 1)
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EACCES, errno.EROFS):
            raise
        _stop(f"{error.strerror}: {error.filename or 'while writing'}. What was complete before is intact.", 1)


def _stop(message: str, status: int) -> None:
    Console(stderr=True, soft_wrap=True, highlight=False, markup=False).print(f"error: {message}")
    sys.exit(status)
