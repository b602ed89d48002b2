"""One training run: corpus, splits, features, network, phases, checkpoints."""

from __future__ import annotations

import copy
import logging
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from accelerate import Accelerator
from accelerate.state import AcceleratorState

from tricue.checkpoint import KNOWN_SHARE, Card, Seen, best_model, load_matching, read_card
from tricue.config import Config, FeaturesConfig
from tricue.data.audit import audit
from tricue.data.checks import listed
from tricue.data.corpora import Manifests, read_corpus, report
from tricue.data.corpus import Corpus
from tricue.data.labels import class_counts, nearest
from tricue.data.splits import row_keys, split_utterances
from tricue.device import choose_device
from tricue.features import hub
from tricue.features.extract import FeatureSet, extract
from tricue.features.likeness import sample
from tricue.features.precomputed import located
from tricue.files import check_place
from tricue.json_files import write_json
from tricue.locks import locked
from tricue.model.frontends import LiveText
from tricue.model.network import Network
from tricue.training.batches import (
    Examples,
    feature_statistics,
    gather_examples,
    row_lengths,
    training_plan,
)
from tricue.training.place import RUN, describe, is_done
from tricue.training.trainer import Trainer
from tricue.types import Cue, InputError, Utterance, shown

logger = logging.getLogger(__name__)

SHOWN_ROWS = 20
SCALING_BATCH, SCALING_BATCHES = 16, 64  # a thousand rows settle mean and deviation


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
    store: Path,
    corpus: Corpus | None = None,
    data_dir: Path | None = None,
    manifest: Manifests = None,
    init_from: Path | None = None,
    device: str = "auto",
    restart: bool = False,
    quiet: bool = False,
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
            corpus = read_corpus(config, data_dir=data_dir, manifest=manifest)
            report(corpus)
        splits = split_utterances(
            corpus.utterances, config.data, config.seed, need_val=config.training.select == "best"
        )
        config = with_cues(with_emotions(config, corpus, splits["train"]), splits["train"])
        _check_rows(config, splits)
        _check_classes(config, splits)
        reading = located(config.features, corpus.folder)
        run = describe(config, reading, corpus, splits, init_from)
        if is_done(save_dir, config, run, restart):
            best = best_model(save_dir, config)
            return TrainResult(best, read_card(best), already_done=True)
        seen = _seen(splits, config, init_from)
        write_json(save_dir / RUN, run)  # before the extraction: from here on the folder is this run's
        begun = _Begun(config, corpus.name, splits, reading, run, seen, init_from, store, device, quiet)
        _fit(begun, save_dir)
        best = best_model(save_dir, config)
        return TrainResult(best, read_card(best))


@dataclass(frozen=True)
class _Begun:
    """A run whose settings and rows are checked and written down."""

    config: Config
    corpus: str
    splits: Mapping[str, list[Utterance]]
    reading: FeaturesConfig  # with the places of precomputed files
    run: dict[str, Any]  # run.json
    seen: Seen
    init_from: Path | None
    store: Path
    device: str
    quiet: bool


def _fit(begun: _Begun, save_dir: Path) -> None:
    """Audit the rows, extract their features, train the phases."""
    config, splits, run = begun.config, begun.splits, begun.run
    found = audit(splits, config.audit, begun.corpus, config, progress=not begun.quiet)
    found.report()
    features = _features(begun)
    train_rows = _examples("train", splits["train"], features, config)
    val_rows = _examples("val", splits["val"], features, config) if config.training.select == "best" else None
    accelerator = make_accelerator(config, begun.device)
    torch.manual_seed(config.seed)
    network = build_network(config, features, train_rows)
    if begun.init_from is not None:
        _start_from(network, begun.init_from, config)
    card = Card(
        config=config,
        emotions=config.data.emotions,
        dims=features.dims,
        class_shares=_class_shares(train_rows, config),
        trained_on=_trained_on(config, run, begun.init_from),
        audit=found.summary(),
        seen=begun.seen,
        encoders=_frozen(run["encoders"], config),
        samples={} if config.finetunes_text else sample(config.features, config.modalities),
        tuned=hub.emotion_tuned(config.features, config.modalities),
    )
    Trainer(network, card, train_rows, val_rows, save_dir, accelerator, begun.quiet).fit()


def _features(begun: _Begun) -> FeatureSet:
    """Those of the labelled rows that the run reads."""
    config, splits = begun.config, begun.splits
    read = splits["train"] + (splits["val"] if config.training.select == "best" else [])
    wanted = _once([row for row in read if row.emotion is not None])
    features = extract(
        wanted,
        begun.reading,
        config.modalities,
        begun.store,
        live_text=config.finetunes_text,
        among=_once([*splits["train"], *splits["val"]]),  # of the test part no word is read
        device=choose_device(begun.device),
        progress=not begun.quiet,
    )
    missing = sum(len(wanted) - len(held) for held in features.arrays.values())
    if missing:
        logger.warning("%d cues of %d train and val rows are missing; the rows stay.", missing, len(wanted))
    return features


def _once(rows: list[Utterance]) -> list[Utterance]:
    """Each row once: the leaky protocol copies them."""
    return list({row.id: row for row in rows}.values())


def build_network(config: Config, features: FeatureSet, train_rows: Examples) -> Network:
    """A fresh network, its scaling taken from the training rows."""
    encoder = None
    if config.finetunes_text:
        folder = hub.find_encoder(config.features.text.encoder, "text")
        encoder = copy.deepcopy(hub.load_model(folder, "cpu"))  # the cached one stays as it came
    network = Network.from_config(config, features.dims, len(config.data.emotions), encoder)
    for cue, held in features.arrays.items():
        rows: Iterable[np.ndarray] = (held[u.id] for u in train_rows.utterances if u.id in held)
        if cue == "text" and network.live_text is not None:
            rows = _untrained_vectors(network.live_text, train_rows, config.seed)
        network.scaling[cue].load_state_dict(feature_statistics(rows, sum(features.dims[cue])))
    return network


@torch.no_grad()
def _untrained_vectors(live: LiveText, train_rows: Examples, seed: int) -> Iterator[np.ndarray]:
    """(tokens, dim) per batch: what the encoder gives before it is trained, for some of the training rows."""
    live.eval()
    for rows in training_plan(row_lengths(train_rows), SCALING_BATCH, (seed,))[:SCALING_BATCHES]:
        batch = train_rows.batch(rows)
        if "text" in batch.values:
            vectors, mask = live(batch.values["text"], batch.masks["text"])
            yield vectors[mask].numpy()


def make_accelerator(config: Config, device: str) -> Accelerator:
    """accelerate around our loop: device, mixed precision, gradient scaling.

    Raises InputError under a launcher of several processes, which this version does not share work between.
    """
    chosen, precision = choose_device(device), config.training.mixed_precision
    if precision == "auto":
        precision = "fp32" if chosen == "cpu" else _half_precision()
    named = "no" if precision == "fp32" else precision  # accelerate's word for it
    AcceleratorState._reset_state(reset_partial_state=True)  # a process may train twice, differently
    try:
        accelerator = Accelerator(cpu=chosen == "cpu", mixed_precision=named)
    except ValueError as error:
        raise InputError(f"training.mixed_precision={precision} on {chosen}: {error}") from error
    if accelerator.num_processes > 1:
        raise InputError(
            f"Started as {accelerator.num_processes} processes; training runs in one. Start it plainly."
        )
    return accelerator


def _half_precision() -> Literal["bf16", "fp16"]:
    """bf16 where the card has it: emulated, it is slower than float32."""
    return "bf16" if torch.cuda.is_bf16_supported(including_emulation=False) else "fp16"


def with_emotions(config: Config, corpus: Corpus, train_rows: Sequence[Utterance]) -> Config:
    """The classes: those of the label set that is named, else of the config, of the corpus, else those met in training,
    sorted. Raises InputError where no training row has one, or all have the same."""
    found = sorted({u.emotion for u in train_rows if u.emotion is not None})
    if not found:
        raise InputError("No training row has an emotion. Fill the manifest's `emotion` and `split` columns.")
    if config.data.emotions and not ((config.data.labels or corpus.labels) and corpus.emotions):
        return config
    found = corpus.emotions or found
    if len(found) == 1:
        raise InputError(_one_class(found[0]))
    return config.model_copy(update={"data": config.data.model_copy(update={"emotions": found})})


def with_cues(config: Config, train_rows: list[Utterance]) -> Config:
    """The cues that the training rows have: nothing is built for one that nobody has."""
    given = config.features.precomputed_cues()
    cues = [c for c in config.modalities if c in given or any(getattr(u, c) is not None for u in train_rows)]
    absent = [cue for cue in config.modalities if cue not in cues]
    if not cues:
        raise InputError(
            f"No training row has {' or '.join(absent)}. Choose --modalities among what the corpus has."
        )
    if absent:
        logger.warning(
            "No training row has %s: the network is built for %s.", " or ".join(absent), ", ".join(cues)
        )
    return config.model_copy(update={"modalities": cues})


def _check_rows(config: Config, splits: Mapping[str, list[Utterance]]) -> None:
    """Raise InputError for labels that are no class and for splits without a row: before hours of extraction."""
    for split in ("train", "val") if config.training.select == "best" else ("train",):
        labelled = [u for u in splits[split] if u.emotion is not None]
        if unknown := [u for u in labelled if u.emotion not in config.data.emotions]:
            raise InputError(_unknown_labels(split, unknown, config.data.emotions))
        given = config.features.precomputed_cues()
        if not any(c in given or getattr(u, c) is not None for u in labelled for c in config.modalities):
            raise InputError(_nothing_in(split, splits))


def _check_classes(config: Config, splits: Mapping[str, list[Utterance]]) -> None:
    """Say how many rows each class has. Raises InputError where only one has training rows: nothing can be learnt."""
    classes = config.data.emotions
    trained = {str(u.emotion) for u in splits["train"]} & set(classes)
    dealt = config.data.protocol not in ("official", "leaky")  # a small fold may lack what the corpus has
    labelled = {u.emotion for own in splits.values() for u in own} & set(classes)
    if len(labelled if dealt else trained) < 2:
        raise InputError(_one_class(next(iter(trained))))
    logger.info("Classes (rows of train / val): %s.", class_counts(classes, splits["train"], splits["val"]))
    if absent := [name for name in classes if name not in trained]:
        logger.warning(
            "No training row is %s: the model never learns to answer so (data.emotions).", listed(absent)
        )


def _one_class(name: str | None) -> str:
    return (
        f"emotion: all labelled training rows are {shown(name)}; at least two classes need training rows. Check the "
        "columns `emotion` and `split`, and data.mapping."
    )


def _unknown_labels(split: str, rows: Sequence[Utterance], classes: Sequence[str]) -> str:
    lines = []
    for row in rows[:SHOWN_ROWS]:
        meant = nearest(str(row.emotion), classes)
        lines.append(
            f"  {shown(row.id, quoted=False)}: {shown(row.emotion)}" + (f" ({meant}?)" if meant else "")
        )
    if len(rows) > SHOWN_ROWS:
        lines.append(f"  ... and {len(rows) - SHOWN_ROWS:,} rows more")
    return (
        f"Rows of the {split} split whose emotion is not among the classes ({listed(classes)}):\n"
        + "\n".join(lines)
        + "\nFix these labels, map them with --set 'data.mapping={WRITTEN: CLASS}', or name all classes with --set "
        "data.emotions=[...]."
    )


def _nothing_in(split: str, splits: Mapping[str, list[Utterance]]) -> str:
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
    return f"The {split} split has no labelled row with a usable cue: {remedy}."


def _examples(split: str, rows: list[Utterance], features: FeatureSet, config: Config) -> Examples:
    examples = gather_examples(rows, features.arrays, config.data.emotions)
    if not len(examples):
        raise InputError(_nothing_in(split, {split: rows}))
    if len(examples) < len(rows):
        logger.warning(
            "%d of %d %s rows have no label or no usable cue.", len(rows) - len(examples), len(rows), split
        )
    return examples


def _seen(splits: Mapping[str, list[Utterance]], config: Config, init_from: Path | None) -> Seen:
    """The rows that this run learns from and chooses by, with those of the weights it starts from.

    Raises InputError where those weights know the test part, or are leaky and this run is not.
    """

    def labelled(split: str) -> np.ndarray:
        return row_keys(u for u in splits[split] if u.emotion is not None)

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


def _frozen(digests: dict[Cue, str], config: Config) -> dict[Cue, str]:
    """Without a text encoder that is trained along: its weights travel with the network's."""
    return {cue: digest for cue, digest in digests.items() if cue != "text" or not config.finetunes_text}


def _class_shares(examples: Examples, config: Config) -> list[float]:
    assert examples.labels is not None
    counts = np.bincount(examples.labels, minlength=len(config.data.emotions))
    return (counts / counts.sum()).tolist()


def _start_from(network: Network, folder: Path, config: Config) -> None:
    loaded, fresh = load_matching(network, folder, config.data.emotions)
    logger.info(
        "From %s: %d tensors loaded (%s); %d made anew (%s).",
        folder,
        len(loaded),
        ", ".join(loaded),
        len(fresh),
        ", ".join(fresh),
    )
