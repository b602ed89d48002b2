"""Wall time of a reduced RAVDESS ablation in one process with two threads or one, and in two with one thread each.

Voice and action units, the whole method and `no-gating`, one seed, two folds, few epochs: four trainings, then their
scores. Features are extracted before the clock starts. The ways take turns, so that other load on the machine meets
all of them; run it on an idle machine. With one thread each the weights should be the same in one process and in two,
byte for byte; two threads may add in another order.

    .venv/bin/python benchmarks/fleet_speed.py
"""

import argparse
import os
import shutil
import time
from pathlib import Path
from typing import Any

import torch
from ablation import settings
from common import keep, shared

from tricue.checkpoint.checkpoint import read_card
from tricue.config.load import load_config
from tricue.device import cores
from tricue.studies.ablation import ablate
from tricue.training import runs
from tricue.training.workspace import Workspace

VARIANTS = ["full", "no-gating"]
WAYS = {  # processes, threads of each training
    "one process, two threads": (1, 2),
    "one process, one thread": (1, 1),
    "two processes, one thread each": (2, 1),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--epochs", type=int, default=2, help="of phase 1; phases 2 and 3 have one each")
    parser.add_argument("--fold", default="", help="this fold alone, for a busy machine")
    parser.add_argument("--work", type=Path, default=Path("runs/fleet_speed"))
    parser.add_argument("--store", type=Path, help="where features lie; by default in WORK")
    args = parser.parse_args()
    name, more = settings("ravdess")
    epochs = {"training.phase1_epochs": args.epochs, "training.phase2_epochs": 1, "training.phase3_epochs": 1}
    config = load_config(name, more | epochs | {"data.folds": 2, "data.fold": args.fold})
    place = Workspace(
        store=args.store or args.work / "features", data_dir=shared("data/ravdess"), device="cpu", quiet=True
    )
    corpus = place.read_corpus(config)
    data = config.data
    folds = [config.model_copy(update={"data": data.model_copy(update={"fold": n})}) for n in ("1", "2")]
    runs._extract_ahead([runs.settle(fold, corpus) for fold in folds], corpus, place)
    found: dict[str, list[dict[str, Any]]] = {way: [] for way in WAYS}
    for turn in range(args.rounds):
        for way in list(WAYS)[turn % 3 :] + list(WAYS)[: turn % 3]:
            jobs, threads = WAYS[way]
            torch.set_num_threads(threads)
            runs.threads_each = lambda _, share=threads: share  # by itself it gives each its share
            found[way].append(measure_once(config, place, args.work / "runs", jobs))
    of_one_thread = {turn["weights"] for way, turns in found.items() if WAYS[way][1] == 1 for turn in turns}
    of_all = {turn["weights"] for turns in found.values() for turn in turns}
    seconds = {
        way: {"seconds": [t["seconds"] for t in turns], "load": [t["load"] for t in turns]}
        for way, turns in found.items()
    }
    best = {way: min(numbers["seconds"]) for way, numbers in seconds.items()}
    keep(
        "fleet_speed",
        {
            "what": f"ablation of RAVDESS: {', '.join(VARIANTS)}; "
            f"{f'fold {args.fold} of 2' if args.fold else '2 folds'}, 1 seed, {args.epochs}+1+1 epochs",
            "cores": cores(),
            "ways": seconds,
            "best_seconds": best,
            "times_as_fast_as_one_process_with_two_threads": {
                way: round(best["one process, two threads"] / value, 2) for way, value in best.items()
            },
            "same_weights": {
                "in one process and in two, one thread each": len(of_one_thread) == 1,
                "with two threads, too": len(of_all) == 1,
            },
        },
    )


def measure_once(config: Any, place: Workspace, work: Path, jobs: int) -> dict[str, Any]:
    """Seconds of the ablation from nothing, the load of the machine before it, and the weights that it left."""
    shutil.rmtree(work, ignore_errors=True)
    load = round(os.getloadavg()[0], 1)
    began = time.monotonic()
    ablate(config, save_dir=work, out=work / "results", seeds=1, workspace=place, names=VARIANTS[1:], jobs=jobs)
    seconds = round(time.monotonic() - began, 1)
    models = sorted(path for path in work.rglob("best_model") if (path.parent / "run.json").is_file())
    return {
        "seconds": seconds,
        "load": load,
        "weights": " ".join(str(read_card(model).weights_sha256) for model in models),
    }


if __name__ == "__main__":
    main()
