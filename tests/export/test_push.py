"""To the hub, through a stand-in for its client: nothing here reaches a network."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import huggingface_hub
import pytest
from huggingface_hub.errors import HfHubHTTPError, LocalTokenNotFoundError
from huggingface_hub.utils import filter_repo_objects, validate_repo_id

from tricue.recognizer import MultimodalEmotionRecognizer
from tricue.types import InputError

Make = Callable[..., MultimodalEmotionRecognizer]


class Hub:
    """What a client was told, and what the hub answers to it."""

    def __init__(self) -> None:
        self.uploaded: dict[str, bytes] = {}
        self.commit: dict[str, Any] = {}
        self.created: list[tuple[str, bool]] = []
        self.open_before = False
        self.error: Exception | None = None

    def create_repo(self, repo_id: str, *, private: bool, exist_ok: bool) -> Any:
        validate_repo_id(repo_id)
        if self.error is not None:
            raise self.error
        assert exist_ok
        self.created.append((repo_id, private))
        return type("RepoUrl", (str,), {"repo_id": repo_id})(f"https://huggingface.co/{repo_id}")

    def model_info(self, repo_id: str) -> Any:
        return SimpleNamespace(private=not self.open_before)

    def upload_folder(self, *, folder_path: Path, allow_patterns: list[str], **commit: Any) -> None:
        there = [str(p.relative_to(folder_path)) for p in Path(folder_path).rglob("*") if p.is_file()]
        for name in filter_repo_objects(there, allow_patterns=allow_patterns):
            self.uploaded[name] = (Path(folder_path) / name).read_bytes()
        self.commit = commit


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Hub:
    made = Hub()
    monkeypatch.setattr(huggingface_hub, "HfApi", lambda: made)
    return made


@pytest.fixture
def model(make: Make) -> MultimodalEmotionRecognizer:
    return make({"data.name": "GoEmotions"})


def test_what_is_written_is_uploaded(hub: Hub, model: MultimodalEmotionRecognizer, tmp_path: Path) -> None:
    address = model.push_to_hub("me/mine", folder=tmp_path / "kept", onnx=False)
    assert address == "https://huggingface.co/me/mine" and hub.created == [("me/mine", False)]
    kept = {path.name: path.read_bytes() for path in (tmp_path / "kept").iterdir()}
    assert hub.uploaded == kept and set(kept) == {"README.md", "config.json", "model.safetensors"}
    assert b"\n# me/mine\n" in kept["README.md"] and b'from_pretrained("me/mine")' in kept["README.md"]
    assert hub.commit["repo_id"] == "me/mine"
    assert set(hub.commit["delete_patterns"]) == {"rows.safetensors", "network.onnx", "*_encoder/*"}


def test_without_a_folder_nothing_stays(hub: Hub, model: MultimodalEmotionRecognizer, tmp_path: Path) -> None:
    model.push_to_hub("me/mine", private=True, onnx=False)
    assert hub.created == [("me/mine", True)] and "model.safetensors" in hub.uploaded
    assert not list(tmp_path.iterdir())


def test_private_never_goes_into_an_open_repository(hub: Hub, model: MultimodalEmotionRecognizer) -> None:
    hub.open_before = True
    with pytest.raises(InputError, match="me/mine is there already and open to all"):
        model.push_to_hub("me/mine", private=True, onnx=False)
    assert not hub.uploaded
    model.push_to_hub("me/mine", onnx=False)
    assert hub.uploaded


def refused(status: int) -> HfHubHTTPError:
    response: Any = SimpleNamespace(status_code=status, headers={}, request=SimpleNamespace(url="https://x"))
    return HfHubHTTPError(f"{status} Client Error\nmore lines", response=response)


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (refused(401), "401 Client Error; log in"),
        (refused(403), "403 Client Error; log in"),
        (LocalTokenNotFoundError("Token is required"), "Token is required; log in"),
        (ConnectionError("no route"), "no route; log in"),
        (OSError(), "OSError; log in"),
    ],
)
def test_what_the_hub_refuses_is_said_in_a_line(
    hub: Hub, model: MultimodalEmotionRecognizer, tmp_path: Path, error: Exception, reason: str
) -> None:
    hub.error = error
    with pytest.raises(InputError, match=f"me/mine: the hub did not take it: {reason}") as told:
        model.push_to_hub("me/mine", folder=tmp_path / "kept", onnx=False)
    assert "\n" not in str(told.value) and str(tmp_path / "kept") in str(told.value)
    assert (tmp_path / "kept/README.md").is_file() and not hub.uploaded


@pytest.mark.parametrize("name", ["mine", "me/mi ne", "a/b/c", "/mine", "me/"])
def test_a_name_that_is_none(hub: Hub, model: MultimodalEmotionRecognizer, name: str) -> None:
    with pytest.raises(InputError, match=r"is no (place on the hub|name for a model)"):
        model.push_to_hub(name, onnx=False)
    assert not hub.created


def test_rights_come_before_the_hub(hub: Hub, model: MultimodalEmotionRecognizer) -> None:
    card = replace(model.card, trained_on={"name": "IEMOCAP", "protocol": "official"})
    mocap = MultimodalEmotionRecognizer(model.network, card)
    with pytest.raises(InputError, match="--rights_cleared"):
        mocap.push_to_hub("me/mine", onnx=False)
    assert not hub.created
    mocap.push_to_hub("me/mine", onnx=False, rights_cleared=True)
    assert b"license: other" in hub.uploaded["README.md"]


def test_a_push_through_the_hubs_own_client(
    hub_server: Any, model: MultimodalEmotionRecognizer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Over HTTP, to a stand-in on this machine; it takes every file as a regular one."""
    hub_server.repositories["me/mine"] = {}
    monkeypatch.setattr(huggingface_hub.constants, "ENDPOINT", hub_server.address)
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(huggingface_hub.utils._headers, "get_token", lambda: "hf_stand_in")
    address = model.push_to_hub("me/mine", folder=tmp_path / "kept", onnx=False)
    assert address == f"{hub_server.address}/me/mine"
    assert hub_server.pushed == {path.name: path.read_bytes() for path in (tmp_path / "kept").iterdir()}
