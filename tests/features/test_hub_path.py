"""The way of an encoder from the hub: against a stand-in on this machine, behind the client's own code."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from huggingface_hub import constants

from tricue.extractors import hub
from tricue.recognizer import MultimodalEmotionRecognizer, local_checkpoint
from tricue.types import InputError

NAME = "me/tiny"


@pytest.fixture
def server(hub_server: Any, tiny_bert: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    hub_server.repositories[NAME] = {path.name: path.read_bytes() for path in tiny_bert.iterdir()}
    point_at(hub_server.address, monkeypatch)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    yield hub_server
    hub._fetch.cache_clear()


def point_at(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """As HF_ENDPOINT does where it is set before the client is imported."""
    monkeypatch.setattr(constants, "ENDPOINT", address)
    template = f"{address}/{{repo_id}}/resolve/{{revision}}/{{filename}}"
    monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", template)


def fetch(name: str = NAME) -> Path:
    hub._fetch.cache_clear()
    return hub.find_encoder(name, "text")


def test_download_second_use_offline(server: Any, tiny_bert: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    server.repositories[NAME]["pytorch_model.bin"] = b"pickled"
    folder = fetch()
    assert hub.encoder_digest(folder) == hub.encoder_digest(tiny_bert)
    assert not (folder / "pytorch_model.bin").exists()
    server.asked.clear()
    assert fetch() == folder
    assert not [line for line in server.asked if "/resolve/" in line]  # nothing is loaded twice
    server.asked.clear()
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    assert fetch() == folder and not server.asked


def test_no_hub_at_all(server: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was fetched before is used; else one line says so, at once."""
    folder = fetch()
    point_at("http://127.0.0.1:9", monkeypatch)
    assert fetch() == folder
    with pytest.raises(InputError, match=r"me/other: not a folder here, and the hub did not answer: .*refused"):
        fetch("me/other")


def test_names_that_the_hub_does_not_have_or_give(server: Any) -> None:
    with pytest.raises(InputError, match=r"the hub has no me/none .*log in with hf auth login"):
        fetch("me/none")
    server.repositories["me/gated"] = server.repositories[NAME]
    server.gated.add("me/gated")
    with pytest.raises(InputError, match=r"accepted its terms.*log in \(hf auth login\)"):
        fetch("me/gated")


def test_a_file_cut_short_is_never_used(server: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("time.sleep", lambda _: None)  # between the client's tries
    server.cut.add("model.safetensors")
    with pytest.raises(InputError, match=r"the hub did not answer: .*without sending complete"):
        fetch()
    with monkeypatch.context() as offline:
        offline.setattr(constants, "HF_HUB_OFFLINE", True)
        with pytest.raises(InputError, match=r"features\.text\.encoder=me/tiny"):
            fetch()
    server.cut.clear()
    assert (fetch() / "model.safetensors").read_bytes() == server.repositories[NAME]["model.safetensors"]


def test_an_encoder_that_was_fetched_in_part_is_no_encoder(server: Any) -> None:
    del server.repositories[NAME]["model.safetensors"]
    with pytest.raises(InputError, match=r"holds no config\.json with"):
        fetch()


@pytest.mark.parametrize(
    "name",
    ["./tiny", "../me/tiny", "/me/tiny", "~/tiny", "~me/tiny", "me\\tiny", "me/tiny/", "a/me/tiny", "models/tiny",
     "checkpoints/best", "runs/x", "me/tiny.pth", "me/tiny.safetensors", "C:/tiny", "here/tiny", "file", "."],
)  # fmt: skip
def test_what_looks_like_a_place_here_is_never_looked_up(
    server: Any, name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    work = tmp_path / "work"
    (work / "here").mkdir(parents=True)
    (work / "file").write_text("")
    monkeypatch.chdir(work)
    model = MultimodalEmotionRecognizer.from_pretrained
    for use in (fetch, hub.find_detector, model):
        with pytest.raises(InputError, match=re.escape(Path(name).name.removesuffix(".pth"))):
            use(name)
    assert not server.asked


def test_names_are_looked_up(server: Any) -> None:
    with pytest.raises(InputError, match="the hub has no me/model"):
        local_checkpoint("me/model-v1.0")
    assert any("me/model-v1.0" in line for line in server.asked)
    server.asked.clear()
    assert local_checkpoint(Path("me/model")) == Path("me/model") and not server.asked


def run(folder: Path, server: str, *command: str, **more: str) -> subprocess.CompletedProcess[str]:
    env = os.environ | {"HF_HUB_OFFLINE": "0", "HF_ENDPOINT": server, "HF_HOME": str(folder / "hf")} | more
    return subprocess.run([sys.executable, "-m", "tricue.cli", *command], capture_output=True, text=True, env=env)


@pytest.mark.slow
def test_the_command_line_from_the_first_download_on(server: Any, tmp_path: Path) -> None:
    """Other libraries' log lines stay out of the terminal."""
    table = tmp_path / "rows.csv"
    table.write_text("id,text\na,oh my god\n")
    extract = ["extract", "--manifest", str(table), "--modalities", "text", "--set",
               f"features.text.encoder={NAME}", "--store"]  # fmt: skip
    first = run(tmp_path, server.address, *extract, str(tmp_path / "one"))
    assert first.returncode == 0, first.stderr
    assert "HTTP Request" not in first.stdout + first.stderr
    for number, more in enumerate(({}, {"HF_HUB_OFFLINE": "1"})):
        server.asked.clear()
        again = run(tmp_path, server.address, *extract, str(tmp_path / f"store{number}"), **more)
        assert again.returncode == 0 and not any("/resolve/" in line for line in server.asked)
    assert not server.asked
    gone = run(tmp_path, "http://127.0.0.1:9", *extract[:-2], "features.text.encoder=me/none", "--store", "s")
    assert gone.returncode == 2 and gone.stderr.count("error:") == 1 and "Traceback" not in gone.stderr
