"""An unfinished run is resumed from what was saved, or refused with the way to begin anew."""

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from tests.mutations import COUNTS, DAMAGE, damaged, flip_bit, survived

from tricue.config.load import load_config
from tricue.model.network import Network
from tricue.training import training_state as state
from tricue.training.averaging import running_average
from tricue.training.phases import Schedule, parameter_groups
from tricue.types import Batch, InvalidFileError

CONFIG = load_config(
    None, {"modalities": ["text"], "model.width": 16, "model.bilstm_layers": 1, "model.bilstm_heads": 2}
)
PROGRESS: dict[str, Any] = {"phase": 1, "epoch": 2, "seconds": 1.5, "sums": {"loss": 0.5}, "history": [{"epoch": 0}]}


def parts(seed: int, steps: int = 0) -> state.Learner:
    torch.manual_seed(seed)
    network = Network.from_config(CONFIG, {"text": (6,)}, 3)
    optimizer = torch.optim.AdamW(parameter_groups(network, 1, CONFIG.training))
    schedule = Schedule(optimizer, 1, CONFIG.training, 4)
    average = running_average(network, 0.9)
    for _ in range(steps):
        batch = Batch(["a"], {"text": torch.randn(1, 3, 6)}, {"text": torch.ones(1, 3).bool()})
        network(batch).logits.square().sum().backward()
        optimizer.step()
        schedule.step()
        average.update_parameters(network)
    return state.Learner(network, average, optimizer, schedule, None)


@pytest.fixture(scope="module")
def made_once(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("run") / "state"
    state.save_state(folder, parts(0, steps=2), PROGRESS)
    return folder


@pytest.fixture
def saved(made_once: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(made_once, tmp_path / "state"))


def resumed(folder: Path) -> tuple[dict[str, Any], state.Learner]:
    made = parts(5)
    progress = state.read_progress(folder, PROGRESS)
    state.load_state(folder, made)
    return progress, made


def everything(folder: Path) -> list[Any]:
    """All that the next step depends on, as text and tensors."""
    progress, (network, average, optimizer, schedule, _) = resumed(folder)
    slots = optimizer.state_dict()
    moments = [t for own in slots["state"].values() for t in own.values()]
    told = repr((progress, slots["param_groups"], schedule.state_dict()))
    return [told, *network.state_dict().values(), *average.state_dict().values(), *moments, torch.get_rng_state()]


def same(one: list[Any], other: list[Any]) -> bool:
    return len(one) == len(other) and all(
        torch.equal(a, b) if isinstance(a, torch.Tensor) else a == b for a, b in zip(one, other, strict=True)
    )


def test_what_is_saved_comes_back(saved: Path) -> None:
    progress, (network, _average, optimizer, schedule, _) = resumed(saved)
    before = parts(0, steps=2)
    weights = before.network.state_dict()
    assert (
        progress == PROGRESS
        and schedule.state_dict() == before.schedule.state_dict()
        and schedule.by_step.last_epoch == 2
    )
    assert all(torch.equal(tensor, weights[name]) for name, tensor in network.state_dict().items())
    assert optimizer.param_groups[0]["lr"] == before.optimizer.param_groups[0]["lr"]


@pytest.mark.parametrize(
    "name", [state.NETWORK, state.AVERAGE, state.OPTIMIZER, state.RANDOM, state.PROGRESS, state.DIGESTS]
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
    for read in (lambda: state.read_progress(saved, PROGRESS), lambda: state.load_state(saved, made)):
        with pytest.raises(InvalidFileError, match=r"state.*damaged.*--restart"):
            read()


def test_digests_are_those_of_sha256sum(saved: Path) -> None:
    lines = (saved / state.DIGESTS).read_text().splitlines()
    names = (state.NETWORK, state.AVERAGE, state.OPTIMIZER, state.RANDOM, state.PROGRESS)
    assert [line[64:] for line in lines] == [f"  {name}" for name in names]


def test_the_state_of_another_network_is_refused(saved: Path) -> None:
    other = load_config(None, {"modalities": ["text"], "model.width": 32})
    network = Network.from_config(other, {"text": (6,)}, 3)
    with pytest.raises(InvalidFileError, match=r"is not the state of this run.*--restart"):
        state.load_state(saved, parts(5)._replace(network=network))


@pytest.mark.parametrize("files", COUNTS)
def test_fuzz(saved: Path, tmp_path: Path, files: int) -> None:
    """Damage is refused or changes nothing."""
    whole = {path.name: path.read_bytes() for path in saved.iterdir()}
    expected, names = everything(saved), sorted(whole)

    def refused(number: int) -> bool:
        rng = np.random.default_rng([18, number])
        folder = Path(shutil.copytree(saved, tmp_path / f"fuzz-{number}"))
        name = names[int(rng.integers(len(names)))]
        (folder / name).write_bytes(damaged(rng, whole[name], [*DAMAGE, flip_bit, flip_bit], most=2))
        try:
            assert same(everything(folder), expected)
        except InvalidFileError as error:
            assert "--restart" in str(error)
            return True
        finally:
            shutil.rmtree(folder)
        return False

    assert survived(files, refused) > files / 2
