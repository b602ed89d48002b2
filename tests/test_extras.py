"""What is not installed is named with how to get it; the table of extras is that of pyproject.toml."""

import re
import tomllib
from pathlib import Path

import pytest

from tricue import extras
from tricue.extras import EXTRAS, check_extra
from tricue.types import InputError

PROJECT = Path(__file__).resolve().parents[1] / "pyproject.toml"


def test_what_is_missing_and_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    check_extra("serve", "tricue serve")
    monkeypatch.setattr(extras, "find_spec", lambda name: None if name == "uvicorn" else object())
    check_extra("serve", "tricue serve", only="fastapi")
    with pytest.raises(InputError, match=r'^tricue serve needs uvicorn, an extra .*pip install "tricue\[serve\]"\.$'):
        check_extra("serve", "tricue serve")
    with pytest.raises(InputError, match=r'"tricue\[serve\]", or nothing at all\.$'):
        check_extra("serve", "tricue serve", "nothing at all")


@pytest.mark.parametrize("extra", EXTRAS)
def test_the_extra_installs_what_is_asked_for(extra: str) -> None:
    project = tomllib.loads(PROJECT.read_text(encoding="utf-8"))["project"]
    installed = [re.split(r"[<>=\[]", line)[0] for line in project["optional-dependencies"][extra]]
    assert [name.replace("-", "_") for name in installed] == list(EXTRAS[extra])
