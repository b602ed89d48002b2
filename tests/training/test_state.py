"""An unfinished run is resumed from what was saved, or refused with the way to begin anew."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from tests.mutations import COUNTS, DAMAGE, changed_json, damaged, flip_bit, survived, written

from tricue.config import load_config
from tricue.model.network import Network
from tricue.tensors import read_tensors, write_tensors
from tricue.training import state
from tricue.training.losses import AlignmentQueue
from tricue.training.phases import Schedule, parameter_groups
from tricue.types import Batch, InvalidFileError

CONFIG = load_config(
    None, {"modalities": ["text"], "model.width": 16, "model.bilstm_layers": 1, "model.bilstm_heads": 2}
)
PROGRESS: dict[str, Any] = {
    "phase": 1,
    "epoch": 2,
    "seconds": 1.5,
    "sums": {"loss": 0.5},
    "history": [{"epoch": 0}],
}
Parts = tuple[Network, torch.optim.Optimizer, Schedule, AlignmentQueue]


def parts(seed: int, steps: int = 0) -> Parts:
    torch.manual_seed(seed)
    network = Network.from_config(CONFIG, {"text": (6,)}, 3)
    optimizer = torch.optim.AdamW(parameter_groups(network, 1, CONFIG.training))
    schedule = Schedule(optimizer, 1, CONFIG.training, 4)
    queue = AlignmentQueue(4, 16, torch.device("cpu"))
    for _ in range(steps):
        batch = Batch(["a"], {"text": torch.randn(1, 3, 6)}, {"text": torch.ones(1, 3).bool()})
        network(batch).logits.square().sum().backward()
        optimizer.step()
        schedule.step()
    if steps:
        schedule.epoch_end(0.5)
    return network, optimizer, schedule, queue


@pytest.fixture(scope="module")
def made_once(tmp_path_factory: pytest.TempPathFactory) -> Path:
    network, optimizer, schedule, queue = parts(0, steps=2)
    folder = tmp_path_factory.mktemp("run") / "state"
    state.save_state(folder, network, optimizer, schedule, queue, None, PROGRESS)
    return folder


@pytest.fixture
def saved(made_once: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(made_once, tmp_path / "state"))


def resumed(folder: Path) -> tuple[dict[str, Any], Parts]:
    made = parts(5)
    progress = state.read_progress(folder, like=PROGRESS)
    state.load_state(folder, *made, None)
    return progress, made


def everything(folder: Path) -> list[Any]:
    """All that the next step depends on, as text and tensors."""
    progress, (network, optimizer, schedule, queue) = resumed(folder)
    slots = optimizer.state_dict()
    moments = [t for own in slots["state"].values() for t in own.values()]
    told = repr((progress, slots["param_groups"], schedule.state_dict()))
    return [told, *network.state_dict().values(), *moments, torch.get_rng_state(), queue.h_cf, queue.labels]


def same(one: list[Any], other: list[Any]) -> bool:
    return len(one) == len(other) and all(
        torch.equal(a, b) if isinstance(a, torch.Tensor) else a == b for a, b in zip(one, other, strict=True)
    )


def test_what_is_saved_comes_back(saved: Path) -> None:
    progress, (network, optimizer, schedule, _) = resumed(saved)
    before = parts(0, steps=2)
    weights = before[0].state_dict()
    assert progress == PROGRESS and schedule.state_dict() == before[2].state_dict() and schedule.steps == 2
    assert all(torch.equal(tensor, weights[name]) for name, tensor in network.state_dict().items())
    assert optimizer.param_groups[0]["lr"] == before[1].param_groups[0]["lr"]


@pytest.mark.parametrize(
    "name", [state.NETWORK, state.OPTIMIZER, state.RANDOM, state.PROGRESS, state.DIGESTS]
)
@pytest.mark.parametrize("harm", ["flip", "cut", "gone"])
def test_a_changed_bit_is_noticed_and_the_way_on_is_named(saved: Path, name: str, harm: str) -> None:
    path = saved / name
    content = bytearray(path.read_bytes())
    path.unlink()
    if harm != "gone":
        content[len(content) // 2] ^= 1
        path.write_bytes(content if harm == "flip" else content[: len(content) // 2])
    made = parts(5)
    for read in (
        lambda: state.read_progress(saved, like=PROGRESS),
        lambda: state.load_state(saved, *made, None),
    ):
        with pytest.raises(InvalidFileError, match=r"state.*damaged.*--restart"):
            read()


def test_digests_are_those_of_sha256sum(saved: Path) -> None:
    lines = (saved / state.DIGESTS).read_text().splitlines()
    names = (state.NETWORK, state.OPTIMIZER, state.RANDOM, state.PROGRESS)
    assert [line[64:] for line in lines] == [f"  {name}" for name in names]


def sealed(folder: Path) -> None:
    """As somebody leaves it who knows the digests."""
    (folder / state.DIGESTS).write_text(state._digests(folder))


@pytest.mark.parametrize("change", [
    {"phase": "1"}, {"phase": None}, {"sums": []}, {"schedule": None}, {"schedule": {"steps": 1}}, {"rates": [1e-3]},
    {"rates": ["high", "low"]},
    {"schedule": {"steps": 1, "by_step": {"step": 3}, "plateau": None}},
])  # fmt: skip
def test_progress_of_another_form_is_refused(saved: Path, change: dict[str, Any]) -> None:
    path = saved / state.PROGRESS
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    sealed(saved)
    with pytest.raises(InvalidFileError, match="--restart"):
        resumed(saved)


@pytest.mark.parametrize("name", [state.NETWORK, state.OPTIMIZER])
def test_tensors_of_another_network_are_refused(saved: Path, name: str) -> None:
    tensors = {n: torch.cat([t, t]) if t.ndim else t for n, t in read_tensors(saved / name, None, "").items()}
    write_tensors(saved / name, tensors)
    sealed(saved)
    with pytest.raises(InvalidFileError, match=r"is not the state of this run.*--restart"):
        resumed(saved)


@pytest.mark.parametrize("files", COUNTS)
def test_fuzz(saved: Path, tmp_path: Path, files: int) -> None:
    """Damage is refused or changes nothing; what is made on purpose is refused or taken, and nothing else."""
    whole = {path.name: path.read_bytes() for path in saved.iterdir()}
    expected, progress = everything(saved), json.loads(whole[state.PROGRESS])
    names = sorted(whole)

    def refused(number: int) -> bool:
        rng = np.random.default_rng([18, number])
        folder = tmp_path / f"fuzz-{number}"
        shutil.copytree(saved, folder)
        on_purpose = number % 2 == 1
        name = names[int(rng.integers(len(names)))]
        if on_purpose and rng.random() < 0.6:
            (folder / state.PROGRESS).write_bytes(written(changed_json(rng, progress)))
        else:
            (folder / name).write_bytes(damaged(rng, whole[name], [*DAMAGE, flip_bit, flip_bit], most=2))
        if on_purpose:
            sealed(folder)
        try:
            found = everything(folder)
        except InvalidFileError as error:
            assert "--restart" in str(error)
            return True
        finally:
            shutil.rmtree(folder)
        assert on_purpose or same(found, expected)
        return False

    assert survived(files, refused) > files / 2
