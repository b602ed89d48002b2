"""`import tricue` and `tricue --help` stay light: nobody waits for torch to read a help text."""

import subprocess
import sys

import pytest

import tricue

HEAVY = {"torch", "transformers", "librosa", "sklearn", "pyarrow", "accelerate"}


@pytest.mark.parametrize(
    "code",
    ["import tricue", "import tricue.config.settings", "import tricue.cli.setting_flags as c; c.load_config('meld')"],
)
def test_nothing_heavy_is_imported(code: str) -> None:
    check = f"{code}; import sys; print(sorted({HEAVY!r} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", check], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_public_names_are_there() -> None:
    for name in tricue.__all__:
        assert getattr(tricue, name)
    with pytest.raises(AttributeError, match="nonsense"):
        _ = tricue.nonsense
