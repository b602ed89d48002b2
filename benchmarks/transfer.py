"""Does GoEmotions help MELD? The network at width 128, MiniLM-L6 frozen, dev scored once as the test part.

Three ways, three seeds each: MELD alone; MELD from a network that was trained on GoEmotions for 5 epochs
(`--init_from`); both corpora trained together. A tenth of MELD's training dialogues is val and chooses the epochs.

    .venv/bin/python benchmarks/transfer.py --seeds 3
"""

from __future__ import annotations

import argparse
from pathlib import Path

from common import shared

from tricue.config import Config, load_config
from tricue.data.corpora import read_corpus
from tricue.data.manifest import write_manifest
from tricue.training.train import train

ENCODER = {"modalities": ["text"], "features.text.encoder": "", "features.text.layer": [-5, -3, -1]}


def meld(seed: int) -> Config:
    """configs/meld-frozen.yaml, with a tenth of train's dialogues as val."""
    return load_config("meld-frozen", _encoder() | {"data.val_from_train": 0.1, "seed": seed})


def goemotions() -> Config:
    """The same network and losses on GoEmotions, five epochs."""
    training = meld(0).training.model_dump() | {"phase1_epochs": 2, "phase2_epochs": 2, "phase3_epochs": 1}
    return load_config(
        "goemotions", _encoder() | {"model.width": 128} | {f"training.{k}": v for k, v in training.items()}
    )


def _encoder() -> dict[str, object]:
    return ENCODER | {"features.text.encoder": str(shared("models/minilm-l6"))}


def goemotions_manifest(work: Path) -> Path:
    """train.csv and val.csv as one."""
    rows = [
        row
        for part in ("train", "val")
        for row in read_corpus(goemotions(), manifest=shared(f"data/goemotions/{part}.csv")).utterances
    ]
    write_manifest(rows, work / "goemotions.csv")
    return work / "goemotions.csv"


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--work", type=Path, default=Path("runs/transfer"))
    args = parser.parse_args()
    store, data_dir = args.work / "features", shared("data/meld")
    first = args.work / "goemotions"
    train(goemotions(), save_dir=first, store=store, manifest=goemotions_manifest(args.work))
    for seed in range(args.seeds):
        alone, after = args.work / f"alone-{seed}", args.work / f"after-{seed}"
        train(meld(seed), save_dir=alone, store=store, data_dir=data_dir)
        train(meld(seed), save_dir=after, store=store, data_dir=data_dir, init_from=first / "best_model")


if __name__ == "__main__":
    main()
