"""FER+: does it help to learn from the votes of ten annotators instead of the class with most of them?

The same network, seeds and rows (configs/ferplus.yaml), trained on the shares of the votes and on the majority. A
tenth of train chooses the epoch and the temperature; val is scored once per seed. Beside them stands a logistic
regression on the same vectors, with the C that the tenth of seed 0 chose. Scores are against the majority.
`cross_entropy` is against the shares of the votes, in nats; the votes' own entropy is the least that it can be.

    OMP_NUM_THREADS=1 .venv/bin/python benchmarks/ferplus.py --seeds 3
"""

import csv
from pathlib import Path
from typing import Any

import numpy as np
from common import Measured, keep, make_parser, shared, standardised, train_seeds
from PIL import Image
from scipy.special import xlogy
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import f1_score

from tricue.config.load import load_config, parse_overrides
from tricue.config.settings import Config
from tricue.extractors.video_extractors import video_extractor
from tricue.tasks.task import make_task
from tricue.training.train import settle
from tricue.training.workspace import Workspace

CS = (0.003, 0.01, 0.03)
BATCH = 50  # pictures that are encoded at once


def faces() -> list[dict[str, str]]:
    with (shared("data/ferplus") / "labels.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def write_manifest(path: Path) -> None:
    """labels.csv without the column of the pictures, whose features are read from a file."""
    rows = [{name: cell for name, cell in row.items() if name != "image"} for row in faces()]
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)


def write_features(config: Config, path: Path) -> None:
    """One vector per picture, by the package's own extractor."""
    extractor, rows, vectors = video_extractor(config.features.video), faces(), []
    for start in range(0, len(rows), BATCH):
        pictures = [
            np.asarray(Image.open(shared("data/ferplus") / row["image"]).convert("RGB"))
            for row in rows[start : start + BATCH]
        ]
        vectors += extractor.encode([extractor.prepare([picture]) for picture in pictures])
    np.savez(path, id=np.array([row["id"] for row in rows]), values=np.concatenate(vectors))


def regression(config: Config, workspace: Workspace, held_out: Measured) -> dict[str, Any]:
    """Probabilities (N, C) of a logistic regression on the majority."""
    config, splits = settle(config, workspace.read_corpus(config))
    task, scaled = make_task(config), standardised(splits, config, ["video"], workspace.store)
    labels = {name: task.encode([row.label or "" for row in splits[name]]) for name in ("train", "val")}
    models = {c: LogisticRegression(C=c, max_iter=300).fit(scaled["train"], labels["train"]) for c in CS}
    scores = {
        c: float(f1_score(labels["val"], model.predict(scaled["val"]), average="weighted"))
        for c, model in models.items()
    }
    best = max(CS, key=scores.__getitem__)
    assert [row.id for row in splits["held_out"]] == [row.id for row in held_out.rows]
    return {"C": best, "answers": models[best].predict_proba(scaled["held_out"])}


def cross_entropy(shares: np.ndarray, answers: np.ndarray) -> float:
    """Mean over the rows of -sum_c s_c log p_c; (N, C) both."""
    return float(-xlogy(shares, answers).sum(axis=1).mean())


def main() -> None:
    args = make_parser(__doc__, "runs/ferplus", 3).parse_args()
    args.work.mkdir(parents=True, exist_ok=True)
    overrides = {"data.val_from_train": 0.1, "training.tensorboard": False} | parse_overrides(args.settings)
    manifest, features = args.work / "ferplus.csv", args.work / "faces.npz"
    write_manifest(manifest)
    if not features.exists():
        write_features(load_config("ferplus", overrides), features)
    overrides["features.video.precomputed"] = str(features)
    workspace = Workspace(store=args.work / "features", manifest=manifest, quiet=True)
    configs = {
        "votes": load_config("ferplus", overrides),
        "majority": load_config("ferplus", overrides | {"task.votes": []}),
    }
    measured = {
        name: train_seeds(config, seeds=args.seeds, work=args.work / name, workspace=workspace)
        for name, config in configs.items()
    }
    votes, majority = measured["votes"], measured["majority"]
    rival = regression(configs["majority"], workspace, majority)
    shares = votes.task.encode([row.label for row in votes.rows if row.label is not None])
    keep("ferplus", {
        "what": "FER+ faces, histograms of oriented gradients, configs/ferplus.yaml",
        "split": "train less a tenth (val: chose epoch and temperature); the other val rows scored once per seed",
        **{
            name: {
                "cross_entropy_per_seed": [cross_entropy(shares, run.answers) for run in own.runs], **own.summary(),
            }
            for name, own in measured.items()
        },
        "logistic_regression": {
            "C": rival["C"], "cross_entropy": cross_entropy(shares, rival["answers"]),
            **majority.score_rival(rival["answers"]),
        },
        "entropy_of_the_votes": cross_entropy(shares, shares),
        "votes_minus_majority": votes.difference(*[run.answers for run in majority.runs]),
        "majority_minus_regression": majority.difference(rival["answers"]),
    })  # fmt: skip


if __name__ == "__main__":
    main()
