"""The ways to a corpus: its published layout through its reader, what `prepare` made of it, or manifests."""

import logging
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from tricue.config.load import build_config, change_config, load_config, shipped_configs
from tricue.config.settings import Config
from tricue.corpora.reading import not_the_corpus
from tricue.data.corpus import Corpus, join
from tricue.data.labels import Labels
from tricue.data.manifest import read_manifest
from tricue.data.prepared import MANIFEST, Record, classes_of, read_prepared, record_beside, write_prepared
from tricue.data.splits import split_utterances
from tricue.files.atomic import check_place
from tricue.registry import CORPORA
from tricue.tasks.task import make_task
from tricue.types import InputError, Utterance, shown

logger = logging.getLogger(__name__)

Reader = Callable[[Path, Config], Corpus]
Manifests = Path | Sequence[Path] | None


def read_corpus(
    config: Config, *, data_dir: Path | None = None, manifest: Manifests = None, need_label: bool = True
) -> Corpus:
    """The utterances that a run is about: those of `manifest` where given, else of `config.data.name`.

    data_dir: the corpus in its published layout, or the folder that `tricue prepare` left; by default `data/<NAME>`
    in the current folder. manifest: one file (or the folder that `tricue prepare` left), or several: their corpora
    stand together, see `join`.
    need_label: in a manifest, a row without a label is a fault (training, evaluation).
    Raises InputError for an unknown name, a corpus that has no reader or labels of another task, and what its reader
    raises.
    """
    if config.task.targets_file:
        return _with_targets(_read(config, data_dir, manifest, need_label=False), config)
    corpus, task = _read(config, data_dir, manifest, need_label), make_task(config)
    if other := next((row for row in corpus.utterances if row.label is not None and not task.takes(row.label)), None):
        raise InputError(
            f"{corpus.name}: {other.id} has the label {shown(other.label)}, which is none of the {task.name} task. "
            "Give a table with its targets (--set task.targets_file=FILE), or train another task (--task)."
        )
    return corpus


def _read(config: Config, data_dir: Path | None, manifest: Manifests, need_label: bool) -> Corpus:
    if manifest is None:
        corpus = read_published(config, data_dir)
        return replace(corpus, folder=corpus.folder or _published(config.data.name, data_dir))
    given = [Path(manifest)] if isinstance(manifest, str | Path) else [Path(path) for path in manifest]
    paths = [path / MANIFEST if path.is_dir() else path for path in given]
    if len(paths) == 1:
        return _from_manifest(paths[0], config, config.data.name or _name(paths[0]), need_label)
    joined = join([_from_manifest(path, config, _name(path), need_label) for path in paths])
    return _settled(joined, Labels(config.data.emotions, config.data.mapping, several=True))


def _with_targets(corpus: Corpus, config: Config) -> Corpus:
    """The corpus with the labels of `task.targets_file`. Raises InputError where it names none of the rows."""
    path = Path(config.task.targets_file).expanduser()
    if not path.exists() and corpus.folder is not None:
        path = corpus.folder / path
    labels = Labels(config.data.emotions, config.data.mapping)
    table = read_manifest(path, target=make_task(config).columns(labels), need_label=True, without_modalities=True)
    label_of = {row.id: row.label for row in table}
    rows = [replace(row, label=label_of.get(row.id)) for row in corpus.utterances]
    met = sum(row.id in label_of for row in rows)
    if not met:
        ids = ", ".join(shown(own[0].id) if own else "none" for own in (table, rows))
        raise InputError(
            f"task.targets_file={path}: its column id names no row of {corpus.name} (the first of each: {ids}). Give "
            "the table of this corpus, with its ids."
        )
    note = f"{corpus.name}: {met:,} of {len(rows):,} rows have a target in {path}."
    joined = replace(corpus, utterances=rows, notes=[*corpus.notes, note], emotions=list(config.data.emotions))
    return _settled(joined, labels)


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
    name: str, source: Path, folder: Path, labels: str | None = None, overrides: Mapping[str, Any] | None = None
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
    target = make_task(config).columns(Labels())
    return write_prepared(corpus, folder, str(source.resolve()), config.data.labels, target)


def about(name: str) -> str:
    """What a corpus is, in one line: the first of its reader's module."""
    return (sys.modules[CORPORA[name].__module__].__doc__ or name).strip().partition("\n")[0]


def _prepared(path: Path, record: Record, config: Config) -> Corpus:
    labels = Labels(classes_of(record, config), config.data.mapping)
    # a label set that was named has classes of its own
    own = config.data.model_copy(update={"emotions": record.emotions}) if record.labels else config.data
    target = make_task(config.model_copy(update={"data": own})).columns(labels)
    return _settled(read_prepared(path, record, config, target), labels)


def _from_manifest(path: Path, config: Config, name: str, need_label: bool) -> Corpus:
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
        path, target=make_task(config).columns(labels), need_label=need_label,
        without_modalities=bool(config.features.precomputed_modalities()),  # known by their ids
    )  # fmt: skip
    notes = [f"{name}: {len(utterances):,} rows of {path}."]
    return _settled(Corpus(name, utterances, notes=notes, folder=path.parent), labels)


def _name(manifest: Path) -> str:
    """What a corpus is called by its file: `manifest.csv` says less than its folder."""
    return manifest.resolve().parent.name if manifest.name == MANIFEST else manifest.stem


def report(corpus: Corpus) -> None:
    """Log what was found, and every modality that should be there and is not."""
    for note in [*(f"{corpus.name}: {count}" for count in corpus.counts), *corpus.notes]:
        logger.info(note)
    for fault in corpus.faults:
        logger.warning("%s: %s is missing: %s", fault.id, fault.modality, fault.reason)
    if corpus.faults:
        logger.warning("%s: %d modalities that should be there are missing.", corpus.name, len(corpus.faults))


def load_data(source: str | Path) -> dict[str, list[Utterance]]:
    """The splits of a corpus by name (`MELD`, in `data/MELD`) or of a manifest file.

    Returns "train", "val" and "test" (and "held_out", see `split_utterances`), possibly empty.
    Raises InputError as `read_corpus` does.
    """
    known = {name.lower() for name in [*CORPORA, *shipped_configs()]}
    if str(source).lower() in known:
        config = config_of(str(source))
        corpus = read_corpus(config, need_label=False)
    elif Path(source).suffix.lower() in (".csv", ".parquet"):
        config = Config()
        corpus = read_corpus(config, manifest=Path(source), need_label=False)
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
    for registered in CORPORA:
        if registered.lower() == name.lower():
            return registered, CORPORA[registered]
    if not name:
        raise InputError("Which corpus? Give --dataset NAME or --manifest FILE.")
    if name.lower() in shipped_configs():
        raise InputError(f"{name}: there are settings, but no reader; give --manifest FILE.")
    raise InputError(f"Unknown corpus {name!r}. Known: {', '.join(CORPORA)}; else give --manifest FILE.")
