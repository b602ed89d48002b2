"""The registry of corpora, and the two ways to one: a published layout through its reader, or a manifest."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path

from tricue.config import Config, build_config, load_config, shipped_configs
from tricue.data import meld
from tricue.data.corpus import Corpus
from tricue.data.manifest import read_manifest
from tricue.data.splits import split_utterances
from tricue.types import InputError, Utterance

logger = logging.getLogger(__name__)

Reader = Callable[[Path, Config], Corpus]


def _read_toy(source: Path, config: Config) -> Corpus:
    from tricue.data import toy  # drawing and encoding clips need libraries that reading others does not

    return toy.read(source, config)


CORPORA: dict[str, Reader] = {
    "MELD": meld.read,
    "toy": _read_toy,
}


def read_corpus(
    config: Config, *, data_dir: Path | None = None, manifest: Path | None = None, need_emotion: bool = True
) -> Corpus:
    """The utterances that a run is about: those of `manifest` where given, else of `config.data.name`.

    data_dir: the corpus in its published layout; by default `data/<NAME>` in the current folder.
    need_emotion: in a manifest, a row without a label is a fault (training, evaluation).
    Raises InputError for an unknown name or a corpus that has no reader yet, and what its reader raises.
    """
    if manifest is not None:
        emotions = config.data.emotions or None
        utterances = read_manifest(manifest, emotions=emotions, need_emotion=need_emotion)
        name = config.data.name or Path(manifest).stem
        return Corpus(name, utterances, notes=[f"{name}: {len(utterances):,} rows of {manifest}."])
    name, reader = _reader(config.data.name)
    return reader(Path(data_dir) if data_dir is not None else Path("data") / name, config)


def report(corpus: Corpus) -> None:
    """Log what was found, and every cue that should be there and is not."""
    for note in [*(f"{corpus.name}: {count}" for count in corpus.counts), *corpus.notes]:
        logger.info(note)
    for fault in corpus.faults:
        logger.warning("%s: %s is missing: %s", fault.id, fault.cue, fault.reason)
    if corpus.faults:
        logger.warning("%s: %d cues that should be there are missing.", corpus.name, len(corpus.faults))


def load_data(source: str | Path) -> dict[str, list[Utterance]]:
    """The splits of a corpus by name (`MELD`, in `data/MELD`) or of a manifest file.

    Returns "train", "val" and "test" (and "held_out", see `split_utterances`), possibly empty.
    Raises InputError as `read_corpus` does.
    """
    known = {name.lower() for name in [*CORPORA, *shipped_configs()]}
    if str(source).lower() in known:
        config = config_of(str(source))
        corpus = read_corpus(config, need_emotion=False)
    elif Path(source).suffix.lower() in (".csv", ".parquet"):
        config = Config()
        corpus = read_corpus(config, manifest=Path(source), need_emotion=False)
    else:
        raise InputError(
            f"load_data wants the name of a corpus ({', '.join(CORPORA)}) or a manifest (.csv or .parquet); "
            f"got {str(source)!r}."
        )
    return split_utterances(corpus.utterances, config.data, config.seed)


def config_of(name: str) -> Config:
    """The shipped settings of a corpus; where none are shipped, the defaults under its name."""
    if name.lower() in shipped_configs():
        return load_config(name)
    return build_config({"data": {"name": name}}, {}, f"the defaults for {name}")


def _reader(name: str) -> tuple[str, Reader]:
    """The registered spelling and the reader of a corpus, in any case of letters."""
    for registered, reader in CORPORA.items():
        if registered.lower() == name.lower():
            return registered, reader
    if not name:
        raise InputError("Which corpus? Give --dataset NAME or --manifest FILE.")
    if name.lower() in shipped_configs():
        raise InputError(f"{name}: there are settings, but no reader yet; give --manifest FILE.")
    raise InputError(f"Unknown corpus {name!r}. Known: {', '.join(CORPORA)}; else give --manifest FILE.")
