"""A service of an untrained model with light encoders, asked in this process; and one that runs on a socket."""

import json
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import psutil
import pytest
from starlette.testclient import TestClient

from tricue.checkpoint.checkpoint import save_checkpoint
from tricue.serve.limits import Limits
from tricue.serve.reading import Reader
from tricue.serve.service import make_app

EMOTIONS = ["anger", "joy", "neutral"]
HERE = "http://127.0.0.1:8000"
QUICK = Limits(decoders=1, decode_seconds=30.0)


@pytest.fixture(scope="session")
def reader(untrained: Callable[..., Any]) -> Reader:
    """Of a model that takes all three modalities."""
    return Reader(untrained({"features.video.frames": 4}))


@pytest.fixture(scope="session")
def words_reader(untrained: Callable[..., Any]) -> Reader:
    """Of a model that reads words alone, as the one that comes with the package."""
    return Reader(untrained({"modalities": ["text"], "features.video.frames": 4}))


TARGETS = ["valence", "arousal", "dominance"]
OTHER_TASKS: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {  # settings and calibration
    "labels": ({"task.name": "multilabel"}, {"rows": 9, "thresholds": [0.2, 0.9, 0.4], "held": None}),
    "values": (
        {
            "task.name": "dimensional", "task.targets": TARGETS, "task.ranges": {name: [1.0, 5.0] for name in TARGETS},
            "task.scales": {name: [3.0, 0.5, 1.2, 4.8] for name in TARGETS},
        },
        {"rows": 200, "scale": [1.5, 1.0, 1.0], "shift": [-1.0, 0.0, 0.0], "held": None},
    ),
}  # fmt: skip


@pytest.fixture(scope="session", params=list(OTHER_TASKS))
def other_reader(untrained: Callable[..., Any], request: pytest.FixtureRequest) -> Reader:
    """Of a model of several labels, and of one of values."""
    settings, calibration = OTHER_TASKS[request.param]
    prior = [3.0] * 3 if request.param == "values" else [0.5, 0.3, 0.2]
    made = untrained({"features.video.frames": 4} | settings, calibration=calibration)
    made.card = replace(made.card, prior=prior)
    return Reader(made)


class Asked:
    """A client in this process. What the service leaves in the temporary folder can be seen in `rest`."""

    def __init__(self, client: TestClient, temporary: Path) -> None:
        self.client, self._temporary = client, temporary

    def json(self, content: Any) -> Any:
        return self.client.post("/v1/predict", json=content)

    def raw(self, body: bytes, kind: str = "application/json") -> Any:
        return self.client.post("/v1/predict", content=body, headers={"content-type": kind})

    def form(self, file: Path | bytes | None = None, name: str = "clip", **fields: Any) -> Any:
        """A form as a browser sends it."""
        parts: list[tuple[str, Any]] = []
        if file is not None:
            parts.append(("file", (name, file.read_bytes() if isinstance(file, Path) else file)))
        if (subtitles := fields.pop("subtitles", None)) is not None:
            parts.append(("subtitles", ("x.srt", subtitles)))
        parts += [(key, (None, str(value))) for key, value in fields.items()]
        return self.client.post("/v1/predict", files=parts)

    def metric(self, line: str) -> float:
        """The value of a line of /metrics; 0 where it is not there."""
        told = dict(
            row.rsplit(" ", 1) for row in self.client.get("/metrics").text.splitlines() if not row.startswith("#")
        )
        return float(told.get(line, 0.0))

    @property
    def rest(self) -> list[str]:
        return sorted(p.name for p in self._temporary.iterdir())


@pytest.fixture(scope="module")
def temporary(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The temporary folder of this process, empty at the beginning."""
    folder = tmp_path_factory.mktemp("temporary")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tempfile, "tempdir", str(folder))
        yield folder


Serve = Callable[..., Any]


@pytest.fixture(scope="module")
def serve(reader: Reader, temporary: Path) -> Serve:
    """`with serve(seconds=1.0) as asked`: a service with other limits, or another reader or transcriber.

    Whatever a test does, no upload may be left in the temporary folder."""

    @contextmanager
    def run(given: Reader = reader, transcriber: Any = None, **limits: Any) -> Iterator[Asked]:
        app = make_app(given, "untrained", replace(QUICK, **limits), transcriber, {"127.0.0.1"})
        with TestClient(app, HERE, raise_server_exceptions=False) as client:
            yield Asked(client, temporary)
        assert sorted(temporary.iterdir()) == []

    return run


@pytest.fixture(scope="module")
def _usual(serve: Serve) -> Iterator[Asked]:
    with serve() as made:
        yield made


@pytest.fixture
def asked(_usual: Asked) -> Iterator[Asked]:
    """The service with the usual limits, one for all tests of a file."""
    assert _usual.client.get("/v1/health").status_code == 200
    yield _usual
    assert _usual.rest == []


@pytest.fixture
def decoders() -> Callable[[], list[psutil.Process]]:
    """The decoders that run below this process."""
    return _decoders


def _decoders() -> list[psutil.Process]:
    found = []
    for child in psutil.Process().children(recursive=True):
        try:
            if "tricue.serve.decoder" in child.cmdline():
                found.append(child)
        except (psutil.NoSuchProcess, psutil.ZombieProcess):
            continue
    return found


@pytest.fixture
def started(reader: Reader, tmp_path: Path) -> Iterator[Callable[..., Any]]:
    """`started(program, before)`: `tricue serve` of the model of three modalities as a process, and its address.

    program: Python that runs before it. limit: descriptors that it may open. reader: of another model. Its temporary
    folder is `scratch`."""
    model, scratch = tmp_path / "model", tmp_path / "scratch"
    scratch.mkdir()
    running: list[subprocess.Popen[str]] = []

    def start(
        program: str = "", limit: int | None = None, reader: Reader = reader
    ) -> tuple[subprocess.Popen[str], str]:
        save_checkpoint(model, reader.recognizer.network, reader.recognizer.card)
        more = f"import resource; resource.setrlimit(resource.RLIMIT_NOFILE, ({limit}, {limit}))\n" if limit else ""
        called = [sys.executable, "-c", f"{more}{program}\nfrom tricue.cli import main; main()"]
        process = subprocess.Popen(
            [*called, "serve", "--port=0", f"--model_path={model}", "--decoders=1"], cwd=tmp_path, text=True,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, env=os.environ | {"TMPDIR": str(scratch)},
        )  # fmt: skip
        running.append(process)
        assert process.stdout is not None
        for line in process.stdout:
            if found := re.search(r"Page: (http://\S+)/", line):
                return process, found[1]
        raise AssertionError("it has not started")

    yield start
    for process in running:
        process.kill()
        process.wait(60)


@pytest.fixture
def refused() -> Callable[[Any, int, str], str]:
    """Checks that it is a refusal as the service makes them; why, in its words."""
    return _reason


def _reason(response: Any, status: int, code: str) -> str:
    assert response.status_code == status, response.text
    content = json.loads(response.content)
    assert set(content) == {"error"} and set(content["error"]) == {"code", "reason"}
    assert content["error"]["code"] == code
    assert "Traceback" not in response.text and "tricue-serve-" not in response.text
    return content["error"]["reason"]
