"""Media that lie inside a table, as `datasets` writes them: each becomes a file named by its content.

The files lie beside the stored features, never beside the table: a corpus's folder is its owner's.
"""

import hashlib
import re
from pathlib import Path, PureWindowsPath

from tricue.files.atomic import default_store, is_file, replaced_file
from tricue.types import InputError

FOLDER = "embedded"
ENDING = re.compile(r"\.[a-z0-9]{1,5}", re.ASCII)


def embedded_file(content: bytes, named: str | None) -> Path:
    """The file of `content`; one that is there already is not written again.

    named: what the table calls it, whose ending is kept. Raises InputError where the
    folder of stored features cannot be written.
    """
    ending = PureWindowsPath(named or "").suffix.lower()
    digest = hashlib.sha256(content).hexdigest()[:32]
    path = (default_store() / FOLDER / digest).with_suffix(ending if ENDING.fullmatch(ending) else "")
    try:
        if not (is_file(path) and path.stat().st_size == len(content)):
            with replaced_file(path) as part:
                part.write_bytes(content)
    except OSError as error:
        raise InputError(
            f"{path.parent}: the media inside the table cannot be written there ({error.strerror}). Free some room, or "
            "name another folder: TRICUE_STORE=FOLDER."
        ) from error
    return path.resolve()
