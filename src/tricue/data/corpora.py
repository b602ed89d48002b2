"""The registry of corpora, and the ways to one: a published layout through its reader, what `prepare` made of it, or
manifests."""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from tricue.config import Config, build_config, change_config, load_config, shipped_configs
from tricue.data import crema_d, folder, goemotions, iemocap, meld, ravdess
from tricue.data.corpus import Corpus, not_the_corpus
from tricue.data.joined import join
from tricue.data.labels import Labels
from tricue.data.manifest import read_manifest
from tricue.data.prepared import MANIFEST, Record, classes_of, read_prepared, record_beside, write_prepared
from tricue.data.splits import split_utterances
from tricue.files import check_place
from tricue.types import InputError, Utterance

logger = logging.getLogger(__name__)

Reader = Callable[[Path, Config], Corpus]
Manifests = Path | Sequence[Path] | None


def _read_toy(source: Path, config: Config) -> Corpus:
    from tricue.data import toy  # drawing and encoding clips need libraries that reading others does not

    return toy.read(source, config)


CORPORA: dict[str, Reader] = {
    "MELD": meld.read,
    "IEMOCAP": iemocap.read,
    "RAVDESS": ravdess.read,
    "CREMA-D": crema_d.read,
    "GoEmotions": goemotions.read,
    "folder": folder.read,
    "toy": _read_toy,
}


def read_corpus(
    config: Config, *, data_dir: Path | None = None, manifest: Manifests = None, need_emotion: bool = True
) -> Corpus:
    """The utterances that a run is about: those of `manifest` where given, else of `config.data.name`.

    data_dir: the corpus in its published layout, or the folder that `tricue prepare` left; by default `data/<NAME>`
    in the current folder. manifest: one file (or the folder that `tricue prepare` left), or several: their corpora
    stand together, see `join`.
    need_emotion: in a manifest, a row without a label is a fault (training, evaluation).
    Raises InputError for an unknown name or a corpus that has no reader, and what its reader raises.
    """
    if manifest is None:
        corpus = read_published(config, data_dir)
        return replace(corpus, folder=corpus.folder or _published(config.data.name, data_dir))
    given = [Path(manifest)] if isinstance(manifest, str | Path) else [Path(path) for path in manifest]
    paths = [path / MANIFEST if path.is_dir() else path for path in given]
    if len(paths) == 1:
        return _from_manifest(paths[0], config, config.data.name or _name(paths[0]), need_emotion)
    joined = join([_from_manifest(path, config, _name(path), need_emotion) for path in paths])
    return _settled(joined, Labels(config.data.emotions, config.data.mapping, several=True))


def _settled(corpus: Corpus, labels: Labels) -> Corpus:
    """The corpus with one name for each class; what was written otherwise is noted."""
    rows, notes = labels.settle(corpus.utterances)
    return replace(corpus, utterances=rows, notes=[*corpus.notes, *(f"{corpus.name}: {n}." for n in notes)])


def read_published(config: Config, data_dir: Path | None) -> Corpus:
    """The corpus `config.data.name` from its published layout, or from what `tricue prepare` left in its place."""
    name, reader = _reader(config.data.name)
    source = _published(name, data_dir)
    record = record_beside(source / MANIFEST)
    if record is not None and record.corpus == name != "toy":  # whose reader looks at how it was made, too
        return _prepared(source / MANIFEST, record, config)
    return reader(source, config)


def _published(name: str, data_dir: Path | None) -> Path:
    return Path(data_dir) if data_dir is not None else Path("data") / _reader(name)[0]


def prepare_corpus(
    name: str,
    source: Path,
    folder: Path,
    labels: str | None = None,
    overrides: Mapping[str, Any] | None = None,
) -> Record:
    """Read a corpus in its published layout and leave it in `folder` as manifest.csv and corpus.json.

    labels: its label set, by default the first. Raises InputError as its reader does, and where `folder` cannot be
    written.
    """
    check_place(folder / MANIFEST)
    changed = dict(overrides or {}) | ({"data.labels": labels} if labels else {})
    config = change_config(config_of(name), changed, "--set", flags=["data.labels"] if labels else [])
    registered, reader = _reader(name)
    if not source.is_dir():
        raise not_the_corpus(registered, source, "its folder", "Unpack the corpus, and give its folder")
    corpus = reader(source, config)
    report(corpus)
    return write_prepared(corpus, folder, str(source.resolve()), config.data.labels)


def about(name: str) -> str:
    """What a corpus is, in one line: the first of its reader's module."""
    return (sys.modules[CORPORA[name].__module__].__doc__ or "").strip().splitlines()[0]


def _prepared(path: Path, record: Record, config: Config) -> Corpus:
    labels = Labels(classes_of(record, config), config.data.mapping)
    return _settled(read_prepared(path, record, config, labels), labels)


def _from_manifest(path: Path, config: Config, name: str, need_emotion: bool) -> Corpus:
    record = record_beside(path)
    if record is not None:  # it may hold unlabelled rows, as context
        return _prepared(path, record, config)
    if config.data.labels:
        raise InputError(
            f"{path} has the labels that it has; a label set ({config.data.labels}) is chosen where a published corpus "
            "is read: tricue prepare NAME SOURCE --labels, or --dataset NAME --data_dir."
        )
    labels = Labels(config.data.emotions, config.data.mapping)
    utterances = read_manifest(
        path, emotions=config.data.emotions or None, need_emotion=need_emotion, labels=labels,
        without_cues=bool(config.features.precomputed_cues()),  # known by their ids
    )  # fmt: skip
    notes = [f"{name}: {len(utterances):,} rows of {path}."]
    return _settled(Corpus(name, utterances, notes=notes, folder=path.parent), labels)


def _name(manifest: Path) -> str:
    """What a corpus is called by its file: `manifest.csv` says less than its folder."""
    return manifest.resolve().parent.name if manifest.name == MANIFEST else manifest.stem


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
        raise InputError(f"{name}: there are settings, but no reader; give --manifest FILE.")
    raise InputError(f"Unknown corpus {name!r}. Known: {', '.join(CORPORA)}; else give --manifest FILE.")
