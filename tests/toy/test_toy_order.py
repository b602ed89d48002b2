"""Pairs of toy emotions differ by order in time alone: averages cannot tell them apart, the network can.

On clips whose modalities all show the label, with the real `light` features, one modality at a time, held-out speakers.
"""

import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from torch.nn.functional import cross_entropy

from tricue.config.load import build_config
from tricue.config.settings import Config
from tricue.features.extract import extract
from tricue.model.network import Network
from tricue.toy.toy_corpus import make_toy, read
from tricue.toy.toy_settings import ToyConfig
from tricue.types import Batch, ModalityName

pytestmark = pytest.mark.slow

PAIRS = [("anger", "sadness"), ("joy", "disgust"), ("surprise", "fear")]
LIGHT = build_config(
    {"features": {modality: {"encoder": "light"} for modality in ("text", "audio", "video")},
     "model": {"width": 32, "feature_dropout": 0.0, "fusion_dropout": 0.2}}, {}, "test"
)  # fmt: skip
EPOCHS = 20
Clips = dict[str, tuple[np.ndarray, np.ndarray]]  # split -> (N, T, D) features, (N,) emotions


@pytest.fixture(scope="module")
def clips(tmp_path_factory: pytest.TempPathFactory) -> dict[ModalityName, Clips]:
    folder = tmp_path_factory.mktemp("toy")
    settings = ToyConfig(
        text_rate=1.0, voice_rate=1.0, face_rate=1.0, sarcasm_rate=0.0,
        clips={"train": 560, "val": 7, "test": 1120}, speakers={"train": 12, "val": 1, "test": 12},
    )  # fmt: skip
    make_toy(folder, settings, progress=False)
    rows = read(folder).utterances
    modalities: list[ModalityName] = ["audio", "video"]
    features = extract(rows, LIGHT.features, modalities, folder / "store", progress=False)
    assert not features.faults

    def part(modality: ModalityName, split: str) -> tuple[np.ndarray, np.ndarray]:
        chosen = [row for row in rows if row.split == split]
        values = np.stack([features.arrays[modality][row.id].astype(np.float32) for row in chosen])
        return values, np.array([row.label for row in chosen])

    return {modality: {split: part(modality, split) for split in ("train", "test")} for modality in modalities}


def of_pair(clips: Clips, split: str, pair: tuple[str, str]) -> tuple[np.ndarray, np.ndarray]:
    values, emotions = clips[split]
    kept = np.isin(emotions, pair)
    return values[kept], (emotions[kept] == pair[1]).astype(np.int64)


@pytest.mark.parametrize("modality", ["audio", "video"])
@pytest.mark.parametrize("pair", PAIRS, ids="-".join)
def test_averages_with_a_logistic_regression_stay_near_chance(
    clips: dict[ModalityName, Clips], modality: ModalityName, pair: tuple[str, str]
) -> None:
    (x, y), (x_test, y_test) = (of_pair(clips[modality], split, pair) for split in ("train", "test"))
    for strength in (0.01, 1.0):
        model = make_pipeline(StandardScaler(), LogisticRegression(C=strength, max_iter=1000))
        model.fit(x.mean(axis=1), y)
        assert model.score(x_test.mean(axis=1), y_test) < 0.62  # of 320 clips: chance is 0.5 +- 0.028


@pytest.mark.parametrize("modality", ["audio", "video"])
def test_the_network_tells_every_pair_apart(clips: dict[ModalityName, Clips], modality: ModalityName) -> None:
    """Among all seven emotions at once, by the network of the method in a narrow form."""
    emotions = sorted(set(clips[modality]["train"][1]))
    said = train_and_predict(modality, clips[modality], emotions)
    truth = np.searchsorted(emotions, clips[modality]["test"][1])
    for pair in PAIRS:
        first, second = (emotions.index(emotion) for emotion in pair)
        kept = np.isin(truth, (first, second))
        chosen = np.where(said[kept, first] > said[kept, second], first, second)
        assert (chosen == truth[kept]).mean() > 0.9, pair


def train_and_predict(modality: ModalityName, clips: Clips, emotions: list[str]) -> np.ndarray:
    """(N, C) logits on the test split after a short training with plain cross-entropy."""
    torch.manual_seed(0)
    (x, names), (x_test, _) = clips["train"], clips["test"]
    y = torch.from_numpy(np.searchsorted(emotions, names))
    widths = {"audio": (64, x.shape[2] - 64), "video": (x.shape[2],)}[modality]
    config: Config = LIGHT.model_copy(update={"modalities": [modality]})
    network = Network.from_config(config, {modality: widths}, len(emotions))
    network.scaling[modality].mean.copy_(torch.from_numpy(x.mean(axis=(0, 1))))
    network.scaling[modality].std.copy_(torch.from_numpy(x.std(axis=(0, 1)) + 1e-3))
    optimizer = torch.optim.AdamW(network.parameters(), lr=1e-3)

    def batch(values: np.ndarray) -> Batch:
        mask = torch.ones(values.shape[:2], dtype=torch.bool)
        return Batch([str(i) for i in range(len(values))], {modality: torch.from_numpy(values)}, {modality: mask})

    for _ in range(EPOCHS):
        for rows in torch.randperm(len(x)).split(32):
            optimizer.zero_grad()
            cross_entropy(network(batch(x[rows.numpy()])).logits, y[rows]).backward()
            optimizer.step()
    network.eval()
    with torch.no_grad():
        return network(batch(x_test)).logits.numpy()
