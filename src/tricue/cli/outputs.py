"""What a command would write over one of its inputs, or into a corpus, is refused before any work."""

from collections.abc import Iterable, Sequence
from pathlib import Path

from tricue.config.settings import Config
from tricue.data.manifest import COLUMNS
from tricue.data.prepared import MANIFEST, RECORD
from tricue.files.atomic import check_not_input
from tricue.types import InputError

_HEADER_CHARACTERS = 1000


def run_outputs(save_dir: Path) -> list[Path]:
    """What `train` leaves in a folder, and what `--restart` deletes there."""
    from tricue.training.run_directory import PARTS
    from tricue.training.runs import RUNS

    return [save_dir / name for name in (*PARTS, RUNS)]


def result_outputs(out: Path) -> list[Path]:
    """What `evaluate` and `report` leave in a folder."""
    return [out / name for name in ("metrics.json", "leaky.json", "predictions.csv", "report.html", "report")]


def check_outputs(
    flag: str, outputs: Iterable[Path], *, config: Config | None = None, data_dir: Path | None = None,
    manifest: Sequence[Path] | None = None, files: Iterable[Path | None] = (), folders: Iterable[Path] = (),
    model: str | Path | None = None,
) -> None:  # fmt: skip
    """Raise InputError where one of the outputs is an input, holds one, or lies in the folder of a corpus.

    Args:
        flag: Option that names the outputs.
        outputs: Files, and folders that are replaced as a whole.
        config: Settings that name a corpus, for its default folder.
        data_dir: Folder of a corpus in its published layout: all below it may be read.
        manifest: Tables, or folders that `tricue prepare` left. What lies beside a table is not read.
        files: Other inputs; None is passed over.
        folders: Other folders in which nothing may be written.
        model: Folder of a checkpoint.
    """
    inputs = [path for path in files if path is not None]
    inputs += [path / MANIFEST if path.is_dir() else path for path in manifest or ()]
    inputs += [] if model is None else _checkpoint_files(model)
    corpora = [data_dir] if data_dir is not None else []
    if config is not None and config.data.name and data_dir is None and not manifest:
        corpora.append(Path("data") / config.data.name)
    for output in outputs:
        check_not_input(flag, output, inputs, [*corpora, *folders])


def check_measured(
    model: Path, outputs: Iterable[Path], dataset: str | None, data_dir: Path | None,
    manifest: Sequence[Path] | None, store: Path | None,
) -> None:  # fmt: skip
    """`check_outputs` of a command that measures a model into --out. dataset: None is the model's own."""
    from tricue.checkpoint.checkpoint import SETTINGS, checkpoint_folder, read_card
    from tricue.corpora.catalogue import config_of

    config = None
    if dataset is not None:
        config = config_of(dataset)
    elif (checkpoint_folder(model) / SETTINGS).is_file():
        config = read_card(checkpoint_folder(model)).config
    check_outputs("--out", outputs, config=config, data_dir=data_dir, manifest=manifest, model=model)
    check_store(store, config=config, data_dir=data_dir)


def check_store(
    store: Path | None, *, data_dir: Path | None = None, config: Config | None = None, folders: Iterable[Path] = (),
) -> None:  # fmt: skip
    """Raise InputError where features would be kept in the folder of a corpus, or of clips."""
    if store is not None:
        check_outputs("--store", [store], config=config, data_dir=data_dir, folders=folders)


def check_not_own(manifest: Path) -> None:
    """Raise InputError where `tricue prepare` would replace a manifest that it has not written."""
    if manifest.is_file() and not manifest.with_name(RECORD).is_file():
        with manifest.open(encoding="utf-8", errors="replace") as file:
            header = file.readline(_HEADER_CHARACTERS).strip()
        if not header.startswith(",".join(COLUMNS)):  # else of a killed `prepare`, whose record comes last
            fault = f"its {MANIFEST} was not written by tricue prepare, and would be replaced"
            raise InputError(f"--out {manifest.parent}: {fault}. Choose another folder with --out.")


def _checkpoint_files(model: str | Path) -> list[Path]:
    from tricue.checkpoint.checkpoint import ENCODER_FOLDERS, ROWS, SETTINGS, WEIGHTS, checkpoint_folder

    folder = checkpoint_folder(model)
    own = [folder / name for name in (SETTINGS, WEIGHTS, ROWS, "network.onnx", "README.md")]
    return [*own, *folder.glob(f"{ENCODER_FOLDERS}/**/*")]
