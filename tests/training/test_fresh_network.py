"""A network before its first step."""

from typing import cast

import numpy as np
import pytest
import torch
from tests.small_runs import sentences, small

from tricue.data.corpus import Corpus
from tricue.features.feature_set import FeatureSet
from tricue.model.statistics import FARTHEST, Statistics, summarise
from tricue.prediction.batches import Examples
from tricue.training.fresh_network import build_network
from tricue.training.train import settle
from tricue.types import Utterance

DIMS = {"text": (6,), "audio": (4, 3)}
ROWS = 40


def drawn() -> tuple[FeatureSet, Examples]:
    """Rows whose features have a level and a spread of their own; every fourth lacks audio."""
    rng = np.random.default_rng(0)
    arrays = {
        modality: {
            f"u{i}": (rng.normal(5, 3) + rng.uniform(0.5, 2) * rng.normal(size=(rng.integers(2, 9), sum(dims))))
            .astype(np.float32)
            for i in range(ROWS)
            if modality == "text" or i % 4
        }
        for modality, dims in DIMS.items()
    }  # fmt: skip
    rows = [Utterance(f"u{i}", "x", label="joy") for i in range(ROWS)]
    return FeatureSet(arrays, DIMS), Examples(rows, arrays, np.arange(ROWS) % 2)


def test_the_statistics_of_the_training_rows_have_mean_0_and_deviation_1() -> None:
    features, examples = drawn()
    network = build_network(small(modalities=list(DIMS), data__emotions=["anger", "joy"]), features, examples)
    with torch.no_grad():
        vectors, masks = network.vectors(examples.batch(range(ROWS)))
        for modality in DIMS:
            present = masks[modality].any(dim=1)
            assert int(present.sum()) == len(features.arrays[modality])
            scaling = cast(Statistics, network.statistics[modality]).scaling
            scaled = scaling(summarise(vectors[modality], masks[modality]))[present].numpy()
            np.testing.assert_allclose(scaled.mean(axis=0), 0.0, atol=1e-4)
            np.testing.assert_allclose(scaled.std(axis=0), 1.0, atol=1e-3)


def test_a_clip_of_one_step_is_answered() -> None:
    """Its deviation is far from that of all training rows, and cut."""
    features, examples = drawn()
    network = build_network(small(modalities=list(DIMS), data__emotions=["anger", "joy"]), features, examples).eval()
    short = Examples(examples.utterances[:1], {"text": {"u0": features.arrays["text"]["u0"][:1]}}, np.zeros(1, int))
    read: list[torch.Tensor] = []
    statistics = cast(Statistics, network.statistics["text"])
    statistics.dropout.register_forward_hook(lambda *given: read.append(given[2]))
    with torch.no_grad():
        assert network(short.batch([0])).logits.isfinite().all()
    (summary,) = read
    assert summary.abs().max() <= FARTHEST


@pytest.mark.parametrize(("width", "layers", "sizes"), [("auto", "auto", (64, 1)), (32, 2, (32, 2))])
def test_automatic_sizes_are_numbers_before_the_first_step(width: object, layers: object, sizes: object) -> None:
    config = small(model__width=width, model__bilstm_layers=layers)
    settled, splits = settle(config, Corpus("own", sentences()))
    assert settled.model.sizes == (settled.model.width, settled.model.bilstm_layers) == sizes
    assert len(splits["train"]) == 48
