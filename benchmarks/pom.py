"""POM: 17 traits of speakers at once, from two sequences of 20 steps (configs/pom.yaml); and the order of made-up ones.

traits   train to val. The epochs are fixed beforehand by five folds of train; val is scored once per seed. Beside
         the network stands ridge regression on the mean and deviation of each sequence, with its alpha by five
         folds of train.
order    made-up sequences of noise with two marks; the target is how long before the second mark the first stands.
         Mean and deviation over time hold nothing of that.

OMP_NUM_THREADS=1 .venv/bin/python benchmarks/pom.py traits --seeds 5
"""

import csv
from pathlib import Path
from typing import Any

import numpy as np
from common import keep, make_parser, shared, train_seeds
from ridge import ridge_scores

from tricue.config.load import load_config, parse_overrides
from tricue.training.workspace import Workspace

STEPS, DIMS, ROWS = 20, 4, {"train": 1000, "val": 400}
MARK = 5.0  # in deviations of the noise
ORDER = {  # without noise of the labels nothing need be dropped
    "modalities": ["audio"], "task.targets": ["order"], "features.video.precomputed": None,
    "model.width": 64, "model.dropout": 0.0, "model.fusion_dropout": 0.0, "model.feature_dropout": 0.0,
    "training.phase1_epochs": 14, "training.phase2_epochs": 4, "training.batch_size": 32, "training.rate": 2.0e-3,
}  # fmt: skip


def made_up(work: Path) -> tuple[Path, dict[str, Any]]:
    """A manifest of made-up sequences, and the settings that read them."""
    random = np.random.default_rng(0)
    splits = [split for split, count in ROWS.items() for _ in range(count)]
    values = random.normal(size=(len(splits), STEPS, DIMS)).astype(np.float32)
    places = np.array([random.choice(STEPS, size=2, replace=False) for _ in splits])
    for mark in range(2):
        values[np.arange(len(splits)), places[:, mark], mark] += MARK
    ids = [f"made-{number}" for number in range(len(splits))]
    work.mkdir(parents=True, exist_ok=True)
    np.savez(work / "order.npz", id=np.array(ids), values=values)
    with (work / "order.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["id", "order", "split"])
        writer.writerows(zip(ids, (places[:, 1] - places[:, 0]).tolist(), splits, strict=True))
    return work / "order.csv", ORDER | {"features.audio.precomputed": str(work / "order.npz")}


def traits() -> tuple[Path, dict[str, Any]]:
    """The manifest of POM, and the settings that read its sequences."""
    folder = shared("data/pom")
    files = {f"features.{modality}.precomputed": str(folder / f"{modality}.npz") for modality in ("audio", "video")}
    return folder / "manifest.csv", files


def main() -> None:
    parser = make_parser(__doc__, "runs/pom", 5)
    parser.add_argument("form", choices=["traits", "order"])
    args = parser.parse_args()
    manifest, settings = traits() if args.form == "traits" else made_up(args.work)
    overrides = settings | {"training.tensorboard": False} | parse_overrides(args.settings)
    config = load_config("pom", overrides)
    workspace = Workspace(store=args.work / "features", manifest=manifest, quiet=True)
    measured = train_seeds(config, seeds=args.seeds, work=args.work / args.form, workspace=workspace)
    sources = {"traits": "POM, 17 traits", "order": "made-up sequences whose target is the order of two marks"}
    keep(f"pom_{args.form}", {
        "what": f"{sources[args.form]}, configs/pom.yaml",
        "split": "train to val; the epochs are fixed, val is scored once per seed",
        **measured.summary(),
        **ridge_scores(config, workspace, measured, deviation=True),
    })  # fmt: skip


if __name__ == "__main__":
    main()
