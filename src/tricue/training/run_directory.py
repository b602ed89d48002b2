"""What lies in the folder of a run: which run it is, whether it is done, and what may be deleted."""

from contextlib import suppress
from pathlib import Path
from typing import Any

from tricue.checkpoint.checkpoint import best_model, read_card
from tricue.config.feature_settings import FeaturesConfig
from tricue.config.load import build_config
from tricue.config.migrations import FORMAT, NETWORK_FORMAT, format_of
from tricue.config.settings import Config
from tricue.data.corpus import Corpus
from tricue.data.splits import Splits, rows_digest
from tricue.extractors import hub
from tricue.extractors.choice import precomputed_files
from tricue.extractors.precomputed import read_precomputed
from tricue.files.atomic import recover_folder, remove_folder
from tricue.files.json_files import read_json
from tricue.types import InputError, InvalidFileError

RUN = "run.json"
TRAINED = ("phase1", "phase2", "phase3", "best_model", "leaky_model", "state")  # a run has these to lose
# RUN is deleted first: what a kill leaves of a deletion is no run
PARTS = (RUN, *TRAINED, "tensorboard", "history.json", "metrics.json", "leaky.json", "predictions.csv")
# settings that decide no result: a run of other ones is the same run
NO_RESULT: dict[str, Any] = {
    "audit": True,
    "training": {"checkpointing", "save_minutes", "tensorboard"},
    "evaluation": {"baseline", "batch_size"},
}
REMEDY = "--restart deletes the run and begins anew."


class OtherRun(InputError):
    """The folder holds a run of other settings or rows."""


def describe(
    config: Config, reading: FeaturesConfig, corpus: Corpus, splits: Splits, init_from: Path | None
) -> dict[str, Any]:
    """What makes this run this run: settings, rows with all that is read of them, the starting weights.

    reading: the settings of the features with the places of their files. Raises InputError where one cannot be had.
    """
    files = precomputed_files(reading, config.modalities)
    return {
        "format": FORMAT,
        "config": _decisive(config),
        "init_from": init_from and {"path": str(init_from), "weights": read_card(init_from).weights_sha256},
        "encoders": hub.encoder_digests(config.features, config.modalities),
        "precomputed": {modality: read_precomputed(path, modality).sha256 for modality, path in files.items()},
        "corpus": {
            "name": corpus.name,
            "protocol": config.data.protocol,
            "rows": {split: len(splits[split]) for split in ("train", "val")},
            "missing_modalities": len(corpus.faults),
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
    if differences := _other_than(run, path):
        raise OtherRun(
            f"{save_dir} holds another run ({'; '.join(differences[:5])}). "
            "Choose another --save_dir, or --restart to delete it and begin anew."
        )
    done = is_complete(save_dir, config)
    if done:
        remove_folder(save_dir / "state")  # what a kill left of its deletion
    return done


def _decisive(config: Config) -> dict[str, Any]:
    """The settings that decide the result; of a modality that takes no part none does."""
    settings = config.model_dump(mode="json", exclude=NO_RESULT)
    used = {name: own for name, own in settings["features"].items() if name in config.modalities}
    return settings | {"features": used}


def _other_than(run: dict[str, Any], path: Path) -> list[str]:
    """How the run recorded at `path` differs from `run`: the record is read as this version would have written it,
    with settings that are new since then at their defaults.

    Raises InvalidFileError where the record is damaged or of a later format.
    """
    earlier = read_json(path, "the record of a run", REMEDY)
    if not isinstance(earlier.get("config"), dict):
        raise InvalidFileError(f"{path} is damaged: it holds no settings. {REMEDY}")
    written, settings = format_of(earlier, str(path), "a run"), earlier["config"]
    if written < NETWORK_FORMAT:
        return ["the network of an earlier version, which this version does not build"]
    with suppress(InputError):  # what is no config any more is compared as it is recorded
        settings = _decisive(build_config(settings | {"format": written}, {}, str(path)))
    return _differences(earlier | {"format": FORMAT, "config": settings}, run)


def is_complete(save_dir: Path, config: Config) -> bool:
    """Whether `save_dir` holds a finished run, of whatever settings."""
    return best_model(save_dir, config).is_dir() and not (save_dir / "state").is_dir()


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
