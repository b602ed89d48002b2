"""JSON that is read back may be damaged, or made by somebody else: it is refused by one error."""

import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.mutations import COUNTS, DAMAGE, changed_json, damaged, flip_bit, survived, written

from tricue.files import json_files
from tricue.files.json_files import json_digest, read_json
from tricue.types import InvalidFileError

WHOLE = {"a": 1, "b": [1.5, None, True, {"c": "d"}], "e": {"f": "\u00e9", "g": -1}}


def test_what_is_written_is_read(tmp_path: Path) -> None:
    json_files.write_json(tmp_path / "x.json", WHOLE)
    assert read_json(tmp_path / "x.json", "an x", "Again.") == WHOLE


def test_the_digest_is_of_the_values() -> None:
    assert json_digest(json.loads(json.dumps(WHOLE, indent=9))) == json_digest(dict(reversed(WHOLE.items())))
    assert json_digest(WHOLE) != json_digest(WHOLE | {"a": 1.0})


DAMAGED: dict[str, tuple[bytes, str]] = {
    "nothing": (b"", "not valid JSON"),
    "half": (b'{"a": [1, 2', "not valid JSON"),
    "no UTF-8": (b'{"a": "\xff"}', "not valid JSON"),
    "deep": (b"[" * 200_000, "nested too deeply"),
    "as deep as parses": (b"[" * 70 + b"]" * 70, "nested more than 64"),
    "a deep object": (b'{"a":' * 70 + b"1" + b"}" * 70, "nested more than 64"),
    "NaN": (b'{"a": NaN}', "no finite number"),
    "infinity": (b'{"a": [1, -Infinity]}', "no finite number"),
    "beyond the range": (b'{"a": 1e999}', "no finite number"),
    "a number of 5,000 digits": (b'{"a": ' + b"9" * 5_000 + b"}", "not valid JSON"),
    "half a surrogate": (b'{"a": "\\ud83d"}', "surrogates"),
    "half a surrogate as a name": (b'{"\\ud83d": 1}', "surrogates"),
    "a name twice": (b'{"a": {"b": 1, "b": 2}}', "stands twice"),
    "a list": (b"[1]", "is not an x"),
    "two values": (b"{} {}", "not valid JSON"),
    "a byte order mark twice": (b"\xef\xbb\xbf\xef\xbb\xbf{}", "not valid JSON"),
}


@pytest.mark.parametrize("name", DAMAGED)
def test_json_that_is_refused(tmp_path: Path, name: str) -> None:
    content, reason = DAMAGED[name]
    path = tmp_path / "x.json"
    path.write_bytes(content)
    with pytest.raises(InvalidFileError, match=reason) as told:
        read_json(path, "an x", "Make it again.")
    assert str(told.value).startswith(str(path)) and str(told.value).endswith("Make it again.")
    assert len(str(told.value)) < 500


def test_numbers_that_are_not_finite_where_they_may_be(tmp_path: Path) -> None:
    (tmp_path / "x.json").write_text('{"a": -Infinity}')
    assert read_json(tmp_path / "x.json", "an x", "Again.", finite=False) == {"a": float("-inf")}


def test_too_many_bytes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(json_files, "MAX_JSON_BYTES", 10)
    (tmp_path / "x.json").write_text('{"a": "bcdef"}')
    with pytest.raises(InvalidFileError, match="more than 10 bytes"):
        read_json(tmp_path / "x.json", "an x", "Again.")


def test_what_is_no_file(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for name in ("none", "pipe", "."):
        with pytest.raises(InvalidFileError, match="no regular file"):
            read_json(tmp_path / name, "an x", "Again.")


@pytest.mark.parametrize("count", COUNTS)
def test_fuzz(tmp_path: Path, count: int) -> None:
    """One error or a tree that can be written again."""
    whole = json.dumps(WHOLE).encode()

    def refused(number: int) -> bool:
        rng = np.random.default_rng([22, number])
        path = tmp_path / f"{number}.json"
        odd: Any = written(changed_json(rng, WHOLE)) if number % 2 else damaged(rng, whole, [*DAMAGE, flip_bit], most=2)
        path.write_bytes(odd)
        try:
            json_digest(read_json(path, "an x", "Again."))
        except InvalidFileError:
            return True
        finally:
            path.unlink()
        return False

    assert 0 < survived(count, refused) < count
