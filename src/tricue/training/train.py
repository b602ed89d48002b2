"""One training run: corpus, splits, features, network, phases, checkpoints."""

import logging
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from accelerate import Accelerator
from accelerate.state import AcceleratorState

from tricue.audit.audit import audit
from tricue.baseline.baselines import Baselines, fit_baselines
from tricue.baseline.pooled import LabelledRows
from tricue.checkpoint.checkpoint import KNOWN_SHARE, Card, Seen, best_model, load_matching, read_card
from tricue.config.settings import Config
from tricue.corpora.catalogue import report
from tricue.data.corpus import Corpus
from tricue.data.splits import Splits, row_keys, split_utterances
from tricue.device import choose_device
from tricue.extractors import hub
from tricue.extractors.likeness import sample
from tricue.extractors.precomputed import located
from tricue.extractors.vary_sound import VariedSound
from tricue.features.extract import extract
from tricue.features.feature_set import FeatureSet
from tricue.files.atomic import check_place
from tricue.files.json_files import write_json
from tricue.files.locks import locked
from tricue.modalities.modality import without_frozen_part
from tricue.prediction.batches import Examples, gather_examples
from tricue.tasks.task import Task, make_task
from tricue.training.fresh_network import build_network, check_encoder_training
from tricue.training.run_directory import RUN, describe, is_done
from tricue.training.sound_copies import SoundCopies
from tricue.training.speaker_removal import check_training_speakers
from tricue.training.trainer import Trainer
from tricue.training.workspace import Workspace
from tricue.types import InputError, ModalityName, Utterance

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class TrainResult:
    """Where a run left its best model, and what val said of it."""

    best_model: Path  # under the leaky protocol: leaky_model/
    card: Card
    already_done: bool = False


def train(
    config: Config,
    *,
    save_dir: Path,
    workspace: Workspace,
    corpus: Corpus | None = None,
    init_from: Path | None = None,
    restart: bool = False,
) -> TrainResult:
    """Train `config` on a corpus; the same call again goes on where a killed run stood.

    corpus: where it is read and reported already. The leakage audit of its splits goes into the checkpoint; whatever
    it finds, training goes on.
    Raises InputError where the corpus, the settings or `save_dir` do not fit together (OtherRun: another run lies
    there).
    """
    check_place(save_dir / RUN)
    with locked(save_dir):
        if corpus is None:
            corpus = workspace.read_corpus(config)
            report(corpus)
        config, splits = settle(config, corpus, init_from)
        reading = located(config.features, corpus.folder)
        run = describe(config, reading, corpus, splits, init_from)
        if is_done(save_dir, config, run, restart):
            best = best_model(save_dir, config)
            return TrainResult(best, read_card(best), already_done=True)
        seen = _seen(splits, config, init_from)
        write_json(save_dir / RUN, run)  # before the extraction: from here on the folder is this run's
        _fit(config, corpus, splits, run, seen, init_from, workspace, save_dir)
        best = best_model(save_dir, config)
        return TrainResult(best, read_card(best))


def settle(config: Config, corpus: Corpus, init_from: Path | None = None) -> tuple[Config, Splits]:
    """The settings of a run with the classes and modalities of its training rows, and its splits.

    init_from: the checkpoint that it starts from, whose sizes it then has.

    Raises InputError where a network can't be trained on those rows.
    """
    splits = split_utterances(corpus.utterances, config.data, config.seed, need_val=config.training.select == "best")
    config = with_modalities(make_task(config).fitted(config, corpus, splits["train"]), splits["train"])
    _check_rows(config, splits)
    make_task(config).check_training(splits, config)
    check_training_speakers(splits["train"], config)
    check_encoder_training(config)
    labelled = sum(row.label is not None for row in splits["train"])
    like = read_card(init_from).config.model if init_from is not None else None
    return config.model_copy(update={"model": config.model.settled(labelled, like)}), splits


def _fit(
    config: Config, corpus: Corpus, splits: Splits, run: dict[str, Any], seen: Seen, init_from: Path | None,
    workspace: Workspace, save_dir: Path,
) -> None:  # fmt: skip
    """Audit the rows, extract their features, train the phases. run: what run.json holds."""
    found = audit(splits, config.audit, corpus.name, config, progress=not workspace.quiet, folder=corpus.folder)
    found.report()
    features = read_features(config, corpus, splits, workspace)
    copies = read_copies(config, splits, workspace)
    train_rows = _examples("train", splits["train"], features, config)
    val_rows = _examples("val", splits["val"], features, config) if config.training.select == "best" else None
    accelerator = make_accelerator(config, workspace.device)
    torch.manual_seed(config.seed)
    logger.info("Network: width %d, %d layers of the progressive BiLSTM.", *config.model.sizes)
    network = build_network(config, features, train_rows)
    task = make_task(config)
    if init_from is not None:
        loaded, fresh = map(", ".join, load_matching(network, init_from, task.names))
        logger.info("From %s: loaded %s; made anew %s.", init_from, loaded, fresh)
    assert train_rows.labels is not None
    ours = without_frozen_part(config.live)  # all weights of these encoders
    frozen = [modality for modality in config.modalities if modality not in ours]
    pooled = [modality for modality in frozen if modality not in config.live]
    rows = _labelled(train_rows), None if val_rows is None else _labelled(val_rows)
    card = Card(
        config=config,
        emotions=task.names,
        dims=features.dims,
        prior=task.prior(train_rows.labels),
        trained_on=_trained_on(config, run, init_from),
        audit=found.summary(),
        seen=seen,
        encoders={modality: digest for modality, digest in run["encoders"].items() if modality in frozen},
        samples=sample(config.features, frozen),
        tuned=hub.emotion_tuned(config.features, config.modalities),
        baselines=_baselines(task, *rows, pooled, config) if config.evaluation.baseline else None,
    )
    Trainer(network, card, train_rows, val_rows, save_dir, accelerator, workspace.quiet, copies).fit()


def _baselines(
    task: Task, train: LabelledRows, val: LabelledRows | None, frozen: list[ModalityName], config: Config
) -> Baselines | None:
    """`fit_baselines` on the features of the frozen encoders, which says what they lack."""
    weights = task.objective(train.targets, config.training).weights
    found = fit_baselines(task, train, val, frozen, config.seed, None if weights is None else weights.numpy())
    if found is None or not frozen or not config.live:
        return found
    note = f"fitted without {', '.join(config.live)}: an encoder that is trained along gives no frozen features"
    return replace(found, notes=(*found.notes, note))


def _labelled(examples: Examples) -> LabelledRows:
    assert examples.labels is not None
    return LabelledRows(examples.utterances, examples.arrays, examples.labels)


def read_features(config: Config, corpus: Corpus, splits: Splits, workspace: Workspace) -> FeatureSet:
    """Those of the labelled rows that the run reads, extracted where the store lacks them.

    config, splits: as `settle` gives them.
    """
    read = splits["train"] + (splits["val"] if config.training.select == "best" else [])
    wanted = _once([row for row in read if row.label is not None])
    features = extract(
        wanted,
        located(config.features, corpus.folder),
        config.modalities,
        workspace.store,
        live=config.live,
        among=_once([*splits["train"], *splits["val"]]),  # of the test part no word is read
        device=choose_device(workspace.device),
        progress=not workspace.quiet,
    )
    missing = sum(len(wanted) - len(held) for held in features.arrays.values())
    if missing:
        logger.warning("%d modalities of %d train and val rows are missing; the rows stay.", missing, len(wanted))
    return features


def read_copies(config: Config, splits: Splits, workspace: Workspace) -> SoundCopies | None:
    """The training rows' varied sound, extracted where the store lacks it. None: there is to be none."""
    wanted = _once([row for row in splits["train"] if row.label is not None])
    numbers = range(1, config.training.audio_copies + 1)
    found = [
        extract(
            wanted, config.features, ["audio"], workspace.store, live=config.live, damage=VariedSound(number),
            device=choose_device(workspace.device), progress=not workspace.quiet,
        ).arrays["audio"]
        for number in numbers
    ]  # fmt: skip
    return SoundCopies(found) if found else None


def _once(rows: list[Utterance]) -> list[Utterance]:
    """Each row once: the leaky protocol copies them."""
    return list({row.id: row for row in rows}.values())


def make_accelerator(config: Config, device: str) -> Accelerator:
    """accelerate around our loop: device, mixed precision, gradient scaling.

    Raises InputError under a launcher of several processes, which this version does not share work between.
    """
    chosen, precision = choose_device(device), config.training.mixed_precision
    if precision == "auto":
        # bf16 where the card has it: emulated, it is slower than float32
        emulated = chosen != "cpu" and not torch.cuda.is_bf16_supported(including_emulation=False)
        precision = "fp32" if chosen == "cpu" else "fp16" if emulated else "bf16"
    named = "no" if precision == "fp32" else precision  # accelerate's word for it
    AcceleratorState._reset_state(reset_partial_state=True)  # a process may train twice, differently
    try:
        accelerator = Accelerator(cpu=chosen == "cpu", mixed_precision=named)
    except ValueError as error:
        raise InputError(f"training.mixed_precision={precision} on {chosen}: {error}") from error
    if accelerator.num_processes > 1:
        raise InputError(f"Started as {accelerator.num_processes} processes; training runs in one. Start it plainly.")
    return accelerator


def with_modalities(config: Config, train_rows: list[Utterance]) -> Config:
    """The modalities that the training rows have: nothing is built for one that nobody has."""
    given = config.features.precomputed_modalities()
    modalities = [c for c in config.modalities if c in given or any(u.source(c) is not None for u in train_rows)]
    absent = [modality for modality in config.modalities if modality not in modalities]
    if not modalities:
        raise InputError(f"No training row has {' or '.join(absent)}. Choose --modalities among what the corpus has.")
    if absent:
        logger.warning(
            "No training row has %s: the network is built for %s.", " or ".join(absent), ", ".join(modalities)
        )
    return config.model_copy(update={"modalities": modalities})


def _check_rows(config: Config, splits: Splits) -> None:
    """Raise InputError for labels that are no class and for splits without a row: before hours of extraction."""
    task = make_task(config)
    for split in ("train", "val") if config.training.select == "best" else ("train",):
        labelled = [u for u in splits[split] if u.label is not None]
        task.check_known(labelled, split)
        given = config.features.precomputed_modalities()
        if not any(c in given or u.source(c) is not None for u in labelled for c in config.modalities):
            raise InputError(_nothing_in(split, splits))


def _nothing_in(split: str, splits: Splits) -> str:
    if split == "val" and all(row.split is None for rows in splits.values() for row in rows):
        return (
            "The manifest has no column `split`, or an empty one: every row is for training and none for val. Fill the "
            "column with train, val and test; or let a protocol deal the rows: --protocol kfold-speaker (by the column "
            "`speaker`), --protocol kfold-dialogue (by `dialogue`); or take a share as val: --set "
            "data.val_from_train=0.1."
        )
    remedy = (
        "mark some rows `val` in the column `split`, deal the rows by --protocol, take a share of train as val with "
        "--set data.val_from_train=0.1, or train a fixed number of epochs with --set training.select=last"
        if split == "val"
        else "mark some rows `train` in the column `split`"
    )
    return f"The {split} split has no labelled row with a usable modality: {remedy}."


def _examples(split: str, rows: list[Utterance], features: FeatureSet, config: Config) -> Examples:
    examples = gather_examples(rows, features.arrays, make_task(config))
    if not len(examples):
        raise InputError(_nothing_in(split, {split: rows}))
    if len(examples) < len(rows):
        logger.warning(
            "%d of %d %s rows have no label or no usable modality.", len(rows) - len(examples), len(rows), split
        )
    return examples


def _seen(splits: Splits, config: Config, init_from: Path | None) -> Seen:
    """The rows that this run learns from and chooses by, with those of the weights it starts from.

    Raises InputError where those weights know the test part, or are leaky and this run is not.
    """

    def labelled(split: str) -> np.ndarray:
        return row_keys(u for u in splits[split] if u.label is not None)

    chosen = labelled("val") if config.training.select == "best" else row_keys([])
    own = Seen(np.unique(labelled("train")), np.unique(chosen))
    if init_from is None:
        return own
    before = read_card(init_from)
    if before.leaky and config.data.protocol != "leaky":
        raise InputError(
            f"{init_from} was trained under the leaky protocol, and what starts from it would be too. Start from "
            "another model, or give --protocol leaky."
        )
    if before.seen is not None:
        known = before.seen.knows(labelled("test"))
        if known.sum() > KNOWN_SHARE * len(known):
            raise InputError(
                f"{init_from} knows {known.sum():,} of {len(known):,} rows of this run's test part from its training: "
                "their scores would be recall. Start from a model that was trained on the same training part."
            )
    return own.united(before.seen)


def _trained_on(config: Config, run: dict[str, Any], init_from: Path | None) -> dict[str, Any]:
    """The rows, where the rows came from that chose the epochs, and the same of the model it started from."""
    own = config.data.protocol == "official" and not config.data.val_from_train
    chosen_on = None if config.training.select == "last" else "the corpus's val" if own else "a part of train"
    before = read_card(init_from).trained_on if init_from is not None else None
    return run["corpus"] | {"epochs_chosen_on": chosen_on, "started_from": before}
