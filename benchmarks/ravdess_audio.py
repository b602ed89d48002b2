"""RAVDESS, audio alone: whisper-tiny-en (a middle layer), through the three phases.

Settings and epochs were fixed with speakers 1-12 as train and 13-16 as val (`--stage tune`). `--stage final`
trains a fixed number of epochs on speakers 1-16 (`training.select=last`: val is never read) and scores 17-20
once per seed. Beside it: mean and spread of the same layer with a logistic regression.

    .venv/bin/python benchmarks/ravdess_audio.py --stage final --seeds 5
"""

import argparse
import csv
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from common import keep, shared
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import f1_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from tricue.config.load import load_config, parse_overrides
from tricue.config.settings import Config
from tricue.data.manifest import read_manifest, write_manifest
from tricue.evaluation.evaluate import grouping, measure
from tricue.features.extract import extract
from tricue.metrics.class_metrics import score
from tricue.training.train import train
from tricue.training.workspace import Workspace
from tricue.types import Utterance

SPEAKERS = {
    "tune": {"train": range(1, 13), "val": range(13, 17)},
    "final": {"train": range(1, 17), "test": range(17, 21)},
}
SETTINGS = {
    "modalities": ["audio"], "features.audio.layer": 2, "features.audio.mfcc": 0, "features.audio.spectral": False,
    "model.width": 128, "model.bilstm_layers": 1, "model.dropout": 0.4, "model.feature_dropout": 0.0,
    "training.phase1_epochs": 10, "training.phase2_epochs": 5, "training.phase3_epochs": 5,
    "training.batch_size": 16, "training.accumulation": 1, "training.rate": 5.0e-4, "training.class_weights": "none",
}  # fmt: skip
"""Those of configs/ravdess.yaml when this was measured; it has learnt of the face since (ravdess_audio_video.py)."""


def make_manifest(work: Path, stage: str) -> Path:
    """The corpus with speakers dealt to splits; text is left out, for its two sentences tell nothing."""
    source = shared("data/ravdess") / "labels.csv"
    with source.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    utterances = []
    for row in rows:
        for split, speakers in SPEAKERS[stage].items():
            if int(row["speaker"]) in speakers:
                utterances.append(Utterance(
                    row["id"], audio=source.parent / row["audio"], label=row["emotion"], speaker=row["speaker"],
                    split=split,  # type: ignore[arg-type]
                ))  # fmt: skip
    path = work / f"{stage}.csv"
    write_manifest(utterances, path)
    return path


def baseline(manifest: Path, config: Config, store: Path, held_out: str) -> float:
    """Weighted F1 of mean and deviation over time with a logistic regression, on the speech stream alone."""
    utterances = read_manifest(manifest)
    features = extract(utterances, config.features, ["audio"], store)
    speech = features.dims["audio"][0]

    def pooled(split: str) -> tuple[np.ndarray, list[str]]:
        rows = [u for u in utterances if u.split == split and u.id in features.arrays["audio"]]
        arrays = [features.arrays["audio"][u.id][:, :speech].astype(np.float32) for u in rows]
        return np.stack([np.concatenate([a.mean(0), a.std(0)]) for a in arrays]), [str(u.label) for u in rows]

    model = make_pipeline(StandardScaler(), LogisticRegression(C=0.01, max_iter=2000)).fit(*pooled("train"))
    values, labels = pooled(held_out)
    return float(f1_score(labels, model.predict(values), average="weighted"))


def run_seeds(
    stage: str, overrides: Mapping[str, Any], seeds: int, work: Path, manifest: Path, store: Path
) -> dict[str, Any]:
    """Train on the stage's training speakers once per seed and score its held-out ones: numbers and circumstances."""
    held_out = "val" if stage == "tune" else "test"
    overrides = {
        "features.audio.encoder": str(shared("models/whisper-tiny-en")),
        "training.select": "best" if stage == "tune" else "last",
        **overrides,
    }
    config, results = load_config("ravdess", overrides), []
    for seed in range(seeds):
        save_dir = work / f"{stage}-{seed}"
        train(
            load_config("ravdess", overrides | {"seed": seed}),
            save_dir=save_dir,
            restart=stage == "tune",
            workspace=Workspace(store=store, manifest=manifest, quiet=stage == "final"),
        )
        results.append(
            measure(
                save_dir / "best_model", split=held_out, workspace=Workspace(store=store, manifest=manifest, quiet=True)
            )
        )
    emotions = list(results[0].metrics["per_class"])
    labels = np.array([emotions.index(str(u.label)) for u in results[0].utterances])
    groups, kind = grouping(results[0].utterances)
    metrics = score(labels, [r.answers for r in results], emotions, groups, kind)
    return {
        "split": {name: f"speakers {s[0]}-{s[-1]}" for name, s in SPEAKERS[stage].items()},
        "scored_on": held_out,
        "selection": config.training.select,
        "weighted_f1": metrics["weighted_f1"],
        "weighted_f1_per_seed": [r.metrics["weighted_f1"]["value"] for r in results],
        "uar": metrics["uar"],
        "by_speaker": metrics["groups"],
        "interval": metrics["interval"],
        "seeds": metrics["seeds"],
        "training": config.training.model_dump(mode="json"),
        "model": config.model.model_dump(mode="json"),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--stage", choices=list(SPEAKERS), default="tune")
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--set", action="append", default=[], dest="settings")
    parser.add_argument("--work", type=Path, default=Path("runs/ravdess"))
    args = parser.parse_args()
    args.work.mkdir(parents=True, exist_ok=True)
    manifest, store = make_manifest(args.work, args.stage), args.work / "features"
    overrides = SETTINGS | parse_overrides(args.settings)
    started = time.monotonic()
    result = run_seeds(args.stage, overrides, args.seeds, args.work, manifest, store)
    encoder = {"features.audio.encoder": str(shared("models/whisper-tiny-en"))}
    config = load_config("ravdess", encoder | overrides)
    keep(f"ravdess_audio_{args.stage}", {
        "what": "RAVDESS speech, audio alone, whisper-tiny-en layer 2",
        **result,
        "logistic_regression_weighted_f1": baseline(manifest, config, store, result["scored_on"]),
        "minutes": round((time.monotonic() - started) / 60, 1),
    })  # fmt: skip


if __name__ == "__main__":
    main()
