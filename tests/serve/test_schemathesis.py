"""The service against its own OpenAPI schema, by an outside tester with all of its checks on."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

# 422: what only the content shows, e.g. that a file is no clip. 413: as the schema says, too long or too many.
STATUSES = """
[checks.positive_data_acceptance]
expected-statuses = [200, 422]
[checks.negative_data_rejection]
expected-statuses = [400, 413, 415, 422]
"""


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_the_service_against_its_own_schema(started: Any, tmp_path: Path) -> None:
    """Among others: `windows` below half a second, and rows without a text."""
    process, address = started()
    (tmp_path / "schemathesis.toml").write_text(STATUSES)
    tester = Path(sys.executable).with_name("schemathesis")
    asked = [
        tester, "--config-file", "schemathesis.toml", "run", f"{address}/openapi.json", "--checks", "all",
        "--seed", "7", "--max-examples", "100", "--continue-on-failure", "--no-color",
    ]  # fmt: skip
    told = subprocess.run(asked, cwd=tmp_path, capture_output=True, text=True, timeout=240)
    assert told.returncode == 0, told.stdout + told.stderr
    assert "No issues found" in told.stdout
    process.kill()
    assert "Traceback" not in process.stdout.read()
