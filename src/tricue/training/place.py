"""What lies in the folder of a run: which run it is, whether it is done, and what may be deleted."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tricue.checkpoint import best_model, read_card
from tricue.config import Config, FeaturesConfig
from tricue.data.corpus import Corpus
from tricue.data.splits import rows_digest
from tricue.features import hub
from tricue.features.extractors import precomputed_files
from tricue.features.precomputed import read_precomputed
from tricue.files import recover_folder, remove_folder
from tricue.json_files import read_json
from tricue.types import InputError, Utterance

RUN = "run.json"
PARTS = (
    RUN,  # deleted first: what a kill leaves of a deletion is no run
    "phase1",
    "phase2",
    "phase3",
    "best_model",
    "leaky_model",
    "state",
    "tensorboard",
    "history.json",
    "metrics.json",
    "leaky.json",
    "predictions.csv",
)


TRAINED = (
    "phase1",
    "phase2",
    "phase3",
    "best_model",
    "leaky_model",
    "state",
)  # of these a run has something to lose


class OtherRun(InputError):
    """The folder holds a run of other settings or rows."""


def describe(
    config: Config,
    reading: FeaturesConfig,
    corpus: Corpus,
    splits: Mapping[str, list[Utterance]],
    init_from: Path | None,
) -> dict[str, Any]:
    """What makes this run this run: settings, rows with all that is read of them, the starting weights.

    reading: the settings of the features with the places of their files. Raises InputError where one cannot be had.
    """
    files = precomputed_files(reading, config.modalities)
    return {
        "config": config.model_dump(mode="json", exclude={"audit"}),  # which changes no result
        "init_from": {"path": str(init_from), "weights": read_card(init_from).weights_sha256}
        if init_from
        else None,
        "encoders": hub.encoder_digests(config.features, config.modalities),
        "precomputed": {cue: read_precomputed(path, cue).sha256 for cue, path in files.items()},
        "corpus": {
            "name": corpus.name,
            "protocol": config.data.protocol,
            "rows": {split: len(splits[split]) for split in ("train", "val")},
            "missing_cues": len(corpus.faults),
            "digest": rows_digest(splits),
        },
    }


def is_done(save_dir: Path, config: Config, run: dict[str, Any], restart: bool) -> bool:
    """Whether `save_dir` already holds this very run, finished. An unfinished one is resumed.

    Another run that stopped before its first weights gives way. Raises OtherRun where another run has begun there, or
    weights lie there without the record of their run.
    """
    best = best_model(save_dir, config)
    recover_folder(best)
    if restart:
        clear(save_dir)
    path = save_dir / RUN
    if not has_begun(save_dir):
        return False
    if not path.is_file():
        raise OtherRun(
            f"{save_dir} holds weights, but no {RUN}, which says of what run. Choose another --save_dir, or --restart "
            "to delete the weights and begin anew."
        )
    earlier = read_json(path, "the record of a run", "--restart deletes the run and begins anew.")
    differences = _differences(earlier, run)
    if differences:
        raise OtherRun(
            f"{save_dir} holds another run ({'; '.join(differences[:5])}). "
            "Choose another --save_dir, or --restart to delete it and begin anew."
        )
    done = best.is_dir() and not (save_dir / "state").is_dir()
    if done:
        remove_folder(save_dir / "state")  # what a kill left of its deletion
    return done


def has_begun(save_dir: Path) -> bool:
    """Whether a run has left weights in `save_dir`: run.json is written before the features are extracted."""
    for part in TRAINED:
        recover_folder(save_dir / part)
    return any((save_dir / part).is_dir() for part in TRAINED)


def clear(save_dir: Path) -> None:
    """Delete what a run left in `save_dir`, and nothing else."""
    for part in PARTS:
        path = save_dir / part
        recover_folder(path)  # else a killed save of the old run would be put back by the new one
        remove_folder(path) if path.is_dir() else path.unlink(missing_ok=True)


def _differences(old: Any, new: Any, name: str = "") -> list[str]:
    if isinstance(old, dict) and isinstance(new, dict):
        keys = sorted(set(old) | set(new))
        return [d for k in keys for d in _differences(old.get(k), new.get(k), f"{name}.{k}".lstrip("."))]
    return [] if old == new else [f"{name.removeprefix('config.')} was {old!r}, now {new!r}"]
