"""From flags to settings: one Config out of --dataset or --config, the named flags and --set."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tricue.config.load import PHASE_SHARES, change_config, load_config, parse_overrides, share_epochs, shipped_configs
from tricue.config.settings import Config
from tricue.files.atomic import is_file
from tricue.registry import CORPORA
from tricue.types import InputError

if TYPE_CHECKING:
    from tricue.training.workspace import Workspace


def read_settings(
    dataset: str | None,
    config: Path | None,
    settings: list[str] | None,
    modalities: str | None,
    seed: int | None,
    flags: dict[str, Any],
) -> Config:
    """One Config from --config or --dataset, then the named flags, then --set."""
    if config is not None and dataset is not None:
        raise InputError("Give --config or --dataset, not both (a config names its corpus in data.name).")
    overrides: dict[str, Any] = {name: value for name, value in flags.items() if value is not None}
    if dataset is not None and is_without_settings(dataset):
        overrides["data.name"], dataset = dataset, None
    if modalities is not None:
        overrides["modalities"] = parse_modalities(modalities)
    if seed is not None:
        overrides["seed"] = seed
    given = _from_here(parse_overrides(settings or []))
    return load_config(config or dataset, overrides | given, flags=overrides.keys() - given.keys())


def is_without_settings(dataset: str) -> bool:
    """Whether a corpus has a reader, as of a plugin, and no shipped settings: the defaults serve it."""
    return dataset.lower() in {name.lower() for name in CORPORA} - shipped_configs().keys()


def workspace(
    store: Path | None, data_dir: Path | None, manifest: list[Path] | None, device: str, quiet: bool
) -> Workspace:
    """What the flags of the same names say; features lie in the default store where none is named."""
    from tricue.files.atomic import default_store
    from tricue.training.workspace import Workspace

    return Workspace(store=store or default_store(), data_dir=data_dir, manifest=manifest, device=device, quiet=quiet)


def _from_here(overrides: dict[str, Any]) -> dict[str, Any]:
    """Files named on the command line by whole paths: a checkpoint is used from other folders, too."""
    return {
        name: str(Path(value).resolve()) if name.endswith(".precomputed") and is_file(Path(str(value))) else value
        for name, value in overrides.items()
    }


def parse_modalities(modalities: str | None) -> list[str] | None:
    return None if modalities is None else [modality.strip() for modality in modalities.split(",") if modality.strip()]


def task_flags(task: str | None, targets: str | None) -> dict[str, Any]:
    """--task and --targets as settings."""
    columns = None if targets is None else [column.strip() for column in targets.split(",") if column.strip()]
    return {name: value for name, value in {"task.name": task, "task.targets": columns}.items() if value is not None}


def with_epochs(config: Config, total: int | None, phases: tuple[int | None, int | None, int | None]) -> Config:
    """--epochs shared out over the phases that the settings have; beside --phaseN_epochs the totals must agree."""
    names = ("phase1_epochs", "phase2_epochs", "phase3_epochs")
    named = {name: given for name, given in zip(names, phases, strict=True) if given is not None}
    if total is not None and named:
        known = {name: getattr(config.training, name) for name in names} | named
        if sum(known.values()) != total:
            stated = " + ".join(str(known[name]) for name in names)
            raise InputError(
                f"--epochs {total} does not agree with the phases' epochs ({stated} = {sum(known.values())})."
            )
    elif total is not None:
        there = [share if own else 0 for share, own in zip(PHASE_SHARES, config.training.epochs, strict=True)]
        named = dict(zip(names, share_epochs(total, there), strict=True))
    changed = {f"training.{name}": count for name, count in named.items()}
    return change_config(config, changed, "the command line", flags=changed)


def with_learning_rate(config: Config, rate: float | None) -> Config:
    """--learning_rate is the fine-tuned encoder's; with nothing fine-tuned it is the network's."""
    if rate is None:
        return config
    if config.live:
        return change_config(config, {"training.encoder_rate": rate}, "--learning_rate")
    if rate < 2e-4:
        logging.getLogger("tricue").warning(
            "--learning_rate %g: no encoder is fine-tuned, so this is the whole network's rate; below 2e-4 it "
            "learns very slowly (the paper's 5e-5 is meant for a fine-tuned encoder).",
            rate,
        )
    return change_config(config, {"training.rate": rate}, "--learning_rate")
