"""A network before its first step: weights drawn, scaling taken from the training rows."""

import copy
from collections.abc import Iterable, Iterator
from typing import Any, cast

import numpy as np
import torch

from tricue.config.settings import Config
from tricue.extractors import hub
from tricue.features.feature_set import FeatureSet
from tricue.model.network import Network
from tricue.model.statistics import Statistics, summarise
from tricue.prediction.batches import Examples, feature_statistics, row_lengths, training_plan
from tricue.registry import MODALITIES
from tricue.tasks.task import make_task
from tricue.types import InputError, ModalityName, first_line

SCALING_BATCH, SCALING_BATCHES = 16, 64  # a thousand rows settle mean and deviation


def check_encoder_training(config: Config) -> None:
    """Raise InputError, before anything is extracted, where encoders cannot be trained as the settings ask."""
    training = config.training
    if training.audio_copies and ("audio" not in config.modalities or config.features.audio.precomputed is not None):
        raise InputError(
            f"training.audio_copies={training.audio_copies}: no sound is read here to make copies of (modalities, "
            "features.audio.precomputed); set it to 0."
        )
    for modality, folder in hub.encoder_folders(config.features, config.live, weights=False).items():
        with torch.device("meta"):  # shapes without numbers
            encoder = hub.untrained_model(folder)
        if training.checkpointing:
            _keep_no_activations(encoder, modality)
        live: Any = MODALITIES[modality].make_live_encoder(encoder, config.features[modality], config.live[modality])
        if training.layer_decay < 1.0:
            try:
                live.depths()
            except ValueError as error:
                raise InputError(str(error)) from error


def build_network(config: Config, features: FeatureSet, train_rows: Examples) -> Network:
    """A fresh network, its scaling taken from the training rows."""
    encoders = {
        modality: copy.deepcopy(hub.load_model(folder, "cpu"))  # the cached one stays as it came
        for modality, folder in hub.encoder_folders(config.features, config.live).items()
    }
    if config.training.checkpointing:
        for modality, encoder in encoders.items():
            _keep_no_activations(encoder, modality)
    network = Network.from_config(config, features.dims, make_task(config).outputs, encoders)
    for modality, held in features.arrays.items():
        rows: Iterable[np.ndarray] = (held[u.id] for u in train_rows.utterances if u.id in held)
        if modality in network.live:
            rows = _untrained_vectors(network, modality, train_rows, config.seed)
        network.scaling[modality].load_state_dict(feature_statistics(rows, sum(features.dims[modality])))
    if network.statistics:
        _scale_statistics(network, train_rows, config)
    return network


def _keep_no_activations(encoder: Any, modality: ModalityName) -> None:
    """Compute an encoder's activations again in the backward pass. Raises InputError where transformers cannot."""
    try:
        encoder.activation_checkpointing_enable({"use_reentrant": False})
    except ValueError as error:
        raise InputError(
            f"training.checkpointing: the {modality} encoder cannot compute its activations again "
            f"({first_line(error)}); set training.checkpointing=false."
        ) from error


@torch.no_grad()
def _scale_statistics(network: Network, train_rows: Examples, config: Config) -> None:
    """The scaling of what each modality's features are on the whole; of live encoders from some of the rows."""
    network.eval()
    plan = training_plan(row_lengths(train_rows), SCALING_BATCH, (config.seed,))
    plan = plan[:SCALING_BATCHES] if network.live else plan
    found: dict[ModalityName, list[np.ndarray]] = {str(modality): [] for modality in network.statistics}
    for rows in plan:
        vectors, masks = network.vectors(train_rows.batch(rows))
        for modality, own in vectors.items():
            found[modality].append(summarise(own, masks[modality])[masks[modality].any(dim=1)].numpy())
    for modality, rows_of in found.items():
        scaling = cast(Statistics, network.statistics[modality]).scaling
        scaling.load_state_dict(feature_statistics(rows_of, len(scaling.mean)))


@torch.no_grad()
def _untrained_vectors(
    network: Network, modality: ModalityName, train_rows: Examples, seed: int
) -> Iterator[np.ndarray]:
    """(steps, dim) per batch: what the encoder gives before it is trained, for some of the training rows."""
    live = network.live[modality].eval()
    for rows in training_plan(row_lengths(train_rows), SCALING_BATCH, (seed,))[:SCALING_BATCHES]:
        batch = train_rows.batch(rows)
        if modality in batch.values:
            vectors, mask = live(batch.values[modality], batch.masks[modality])
            yield vectors[mask].numpy()
