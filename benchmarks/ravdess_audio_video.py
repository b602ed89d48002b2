"""RAVDESS, voice and face: whisper-tiny-en (layer 3) with MFCC and spectral features, and 35 facial action units.

The action units (OpenFace) are one vector per clip, given as a file (`features.video.precomputed`). Settings and epochs
were fixed on speakers 1-16 alone (configs/ravdess.yaml). Beside the network stands a logistic regression on the same
features pooled over time, by mean and deviation and by the mean alone; its C is chosen by speaker within its own
training rows.

    tune    speakers 1-12 train, 13-16 val, which also chooses the epochs
    final   speakers 1-16 train a fixed number of epochs (`training.select=last`), 17-20 are scored once per seed
    folds   kfold-speaker over all 20 in 5 folds: both modalities, each alone, and the regression in the same folds;
            compared speaker by speaker. Each finished fold lies in WORK/folds: a killed run goes on after it.

    OMP_NUM_THREADS=1 .venv/bin/python benchmarks/ravdess_audio_video.py --stage final --seeds 5
"""

import argparse
import csv
import json
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from common import keep, shared
from ravdess_audio import SPEAKERS, make_manifest, run_seeds
from scipy import stats
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import f1_score
from sklearn.model_selection import GridSearchCV, GroupKFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from tricue.config.load import load_config, parse_overrides
from tricue.data.manifest import read_manifest, write_manifest
from tricue.data.splits import fold_names, folds_of
from tricue.evaluation.evaluate import measure
from tricue.features.extract import extract
from tricue.files.atomic import remove_folder
from tricue.files.json_files import write_json
from tricue.training.train import train
from tricue.training.workspace import Workspace
from tricue.types import ModalityName, Utterance

MODALITY_SETS: tuple[tuple[ModalityName, ...], ...] = (("audio", "video"), ("audio",), ("video",))
POOLS = ("mean_and_deviation", "mean")
REGULARISATION = {"logisticregression__C": [0.003, 0.01, 0.03, 0.1, 0.3, 1.0]}
Vectors = Mapping[str, np.ndarray]  # utterance id -> (D,)
Guesses = Mapping[str, str]  # utterance id -> emotion


def base_settings() -> dict[str, Any]:
    """Where encoder and action units lie."""
    return {
        "features.audio.encoder": str(shared("models/whisper-tiny-en")),
        "features.video.precomputed": str(shared("data/ravdess") / "face_action_units.npz"),
        "training.tensorboard": False,
    }


def whole_manifest(work: Path) -> Path:
    """The corpus without text and splits: the protocol deals them."""
    source = shared("data/ravdess") / "labels.csv"
    with source.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    utterances = [
        Utterance(r["id"], audio=source.parent / r["audio"], label=r["emotion"], speaker=r["speaker"]) for r in rows
    ]
    write_manifest(utterances, work / "folds.csv")
    return work / "folds.csv"


def pooled(
    rows: Sequence[Utterance], settings: Mapping[str, Any], modalities: Sequence[ModalityName], pool: str, store: Path
) -> Vectors:
    """One vector per row: of each modality the mean over time, and the deviation where a modality has several steps."""
    features = extract(rows, load_config("ravdess", settings).features, modalities, store)

    def vector(id: str) -> Iterator[np.ndarray]:
        for modality in modalities:
            steps = features.arrays[modality][id].astype(np.float32)
            yield steps.mean(0)
            if modality == "audio" and pool == "mean_and_deviation":
                yield steps.std(0)

    return {u.id: np.concatenate(list(vector(u.id))) for u in rows}


def logistic(train_rows: Sequence[Utterance], test_rows: Sequence[Utterance], vectors: Vectors) -> Guesses:
    """Standardised, C by 4 folds of the training speakers."""
    search = GridSearchCV(
        make_pipeline(StandardScaler(), LogisticRegression(max_iter=3000)),
        REGULARISATION, scoring="f1_weighted", cv=GroupKFold(4),
    )  # fmt: skip
    search.fit(
        np.stack([vectors[u.id] for u in train_rows]),
        [u.label for u in train_rows],
        groups=[u.speaker for u in train_rows],
    )
    guesses = search.predict(np.stack([vectors[u.id] for u in test_rows]))
    return {u.id: str(guess) for u, guess in zip(test_rows, guesses, strict=True)}


def weighted_f1(rows: Sequence[Utterance], guesses: Guesses) -> float:
    return float(f1_score([u.label for u in rows], [guesses[u.id] for u in rows], average="weighted"))


# --- tune and final --------------------------------------------------------------------------------


def run_split(stage: str, settings: dict[str, Any], seeds: int, work: Path, store: Path) -> None:
    manifest, started = make_manifest(work, stage), time.monotonic()
    rows = read_manifest(manifest)
    modalities = load_config("ravdess", settings).modalities
    result = run_seeds(stage, settings, seeds, work / "+".join(modalities), manifest, store)
    held_out = [u for u in rows if u.split == result["scored_on"]]
    train_rows = [u for u in rows if u.split == "train"]
    regression = {
        pool: weighted_f1(held_out, logistic(train_rows, held_out, pooled(rows, settings, modalities, pool, store)))
        for pool in POOLS
    }
    keep(f"ravdess_{'_'.join(modalities)}_units_{stage}", {
        "what": "RAVDESS speech, whisper-tiny-en layer 3 + MFCC + spectral, facial action units",
        "modalities": modalities,
        **result,
        "logistic_regression_weighted_f1": regression,
        "minutes": round((time.monotonic() - started) / 60, 1),
    })  # fmt: skip


# --- folds -----------------------------------------------------------------------------------------


def kept(path: Path, made_with: Mapping[str, Any], make: Any) -> Guesses:
    """The guesses in `path`, made first where they are not there. Raises SystemExit where other settings made them."""
    if path.is_file():
        held = json.loads(path.read_text(encoding="utf-8"))
        if held["settings"] != made_with:
            raise SystemExit(f"{path} was made with other settings: delete its folder, or give another --work.")
        return held["guesses"]
    started = time.monotonic()
    guesses = make()
    write_json(path, {"settings": made_with, "guesses": guesses, "seconds": time.monotonic() - started})
    print(f"{path.stem}: {time.monotonic() - started:.0f} s", flush=True)
    return guesses


def network_fold(settings: dict[str, Any], fold: str, seed: int, work: Path, manifest: Path, store: Path) -> Guesses:
    """Train on the other folds, guess the rows of this one; the checkpoint is not kept."""
    config = load_config("ravdess", settings | {"data.fold": fold, "seed": seed})
    save_dir = work / "unfinished"
    train(config, save_dir=save_dir, restart=True, workspace=Workspace(store=store, manifest=manifest, quiet=True))
    result = measure(save_dir / "best_model", workspace=Workspace(store=store, manifest=manifest, quiet=True))
    remove_folder(save_dir)
    return {p.id: str(p.emotion) for p in result.predictions}


def run_folds(settings: dict[str, Any], seeds: int, work: Path, store: Path) -> None:
    manifest, started = whole_manifest(work), time.monotonic()
    rows = read_manifest(manifest)
    settings = settings | {"data.protocol": "kfold-speaker", "data.folds": 5, "training.select": "last"}
    config = load_config("ravdess", settings)
    fold_of = folds_of(rows, config.data)
    runs: dict[str, list[Guesses]] = {}  # what it is -> all rows' guesses, per seed
    folder = work / "folds"
    folder.mkdir(exist_ok=True)
    for modalities in MODALITY_SETS:
        name, own = "+".join(modalities), settings | {"modalities": list(modalities)}
        for pool in POOLS if "audio" in modalities else POOLS[1:]:
            vectors = pooled(rows, own, modalities, pool, store)
            runs[f"logistic regression, {name}, {pool}"] = [{
                id: guess
                for fold in fold_names(rows, config.data)
                for id, guess in kept(
                    folder / f"logistic-{name}-{pool}-fold-{fold}.json", {**own, "C": REGULARISATION},
                    lambda fold=fold, vectors=vectors: logistic(
                        [u for u in rows if fold_of[u.id] != fold], [u for u in rows if fold_of[u.id] == fold], vectors
                    ),
                ).items()
            }]  # fmt: skip
        runs[f"network, {name}"] = [{
            id: guess
            for fold in fold_names(rows, config.data)
            for id, guess in kept(
                folder / f"network-{name}-seed-{seed}-fold-{fold}.json",
                load_config("ravdess", own).model_dump(mode="json"),
                lambda fold=fold, seed=seed, own=own: network_fold(own, fold, seed, folder, manifest, store),
            ).items()
        } for seed in range(seeds)]  # fmt: skip
    network, folds = "network, audio+video", fold_names(rows, config.data)
    scores = {name: [weighted_f1(rows, guesses) for guesses in own] for name, own in runs.items()}
    others = [name for name in runs if name != network]
    keep("ravdess_audio_video_folds", {
        "what": "RAVDESS speech, kfold-speaker over speakers 1-20 in 5 folds; speakers 1-16 had fixed the settings",
        "folds": {fold: sorted({str(u.speaker) for u in rows if fold_of[u.id] == fold}) for fold in folds},
        "weighted_f1": {name: float(np.mean(own)) for name, own in scores.items()},
        "weighted_f1_per_seed": scores,
        "by_speaker": {name: by_speaker(rows, own) for name, own in runs.items()},
        "network_minus": {name: difference(rows, runs[network], runs[name]) for name in others},
        "minutes_of_this_call": round((time.monotonic() - started) / 60, 1),
        "training": config.training.model_dump(mode="json"),
        "model": config.model.model_dump(mode="json"),
    })  # fmt: skip


def by_speaker(rows: Sequence[Utterance], runs: Sequence[Guesses]) -> dict[str, float]:
    """Speaker -> weighted F1 on that speaker's rows, the mean over the seeds."""
    own = {s: [u for u in rows if u.speaker == s] for s in sorted({str(u.speaker) for u in rows})}
    return {s: float(np.mean([weighted_f1(of, guesses) for guesses in runs])) for s, of in own.items()}


def difference(rows: Sequence[Utterance], ours: Sequence[Guesses], theirs: Sequence[Guesses]) -> dict[str, Any]:
    """Weighted F1 of `ours` minus `theirs`: pooled, per speaker, and a paired t interval over the speakers.

    The folds share training rows, so that speakers are not quite independent: the interval is somewhat too narrow.
    """
    first, second = by_speaker(rows, ours), by_speaker(rows, theirs)
    each = {speaker: first[speaker] - second[speaker] for speaker in first}
    values = np.array(list(each.values()))
    error = values.std(ddof=1) / np.sqrt(len(values))
    mean, reach = float(values.mean()), float(stats.t.ppf(0.975, len(values) - 1) * error)
    every_seed = [np.mean([weighted_f1(rows, guesses) for guesses in side]) for side in (ours, theirs)]
    return {
        "pooled": float(every_seed[0] - every_seed[1]),
        "mean_over_speakers": {"value": mean, "low": mean - reach, "high": mean + reach},
        "p": float(2 * stats.t.sf(abs(mean) / error, len(values) - 1)),
        "speakers_better": int((values > 0).sum()),
        "by_speaker": each,
    }  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--stage", choices=[*SPEAKERS, "folds"], default="tune")
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--modalities", default="audio,video", help="tune and final: audio, video or both")
    parser.add_argument("--set", action="append", default=[], dest="settings")
    parser.add_argument("--work", type=Path, default=Path("runs/ravdess_audio_video"))
    args = parser.parse_args()
    args.work.mkdir(parents=True, exist_ok=True)
    settings = base_settings() | parse_overrides(args.settings)
    store = args.work / "features"
    if args.stage == "folds":
        run_folds(settings, args.seeds, args.work, store)
    else:
        settings["modalities"] = args.modalities.split(",")
        run_split(args.stage, settings, args.seeds, args.work, store)


if __name__ == "__main__":
    main()
