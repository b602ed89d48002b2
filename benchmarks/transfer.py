"""Does GoEmotions help on MELD? The network at width 128, MiniLM-L6 frozen; MELD's dev stands in for the test part.

Three ways: `alone`, MELD by itself (configs/meld.yaml); `after`, the same from a network that was trained on
GoEmotions for 5 epochs (`--init_from`); `joint`, both corpora together for 3 epochs. A tenth of the training dialogues
(GoEmotions: rows) is val and chooses the epochs. Each way is compared with `alone` over dev's dialogues.

    .venv/bin/python benchmarks/transfer.py --seeds 3
"""

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from common import goemotions, keep, shared

from tricue.config.load import load_config
from tricue.config.settings import Config
from tricue.corpora.catalogue import prepare_corpus
from tricue.evaluation.several_runs import evaluate_all
from tricue.studies.comparison import compare
from tricue.training.runs import train_all
from tricue.training.workspace import Workspace

GOEMOTIONS_EPOCHS, JOINT_EPOCHS = (2, 2, 1), (1, 1, 1)


def settings(name: str, epochs: Sequence[int] = (), **more: Any) -> Config:
    """The network, losses and rates of configs/meld.yaml on the corpus `name`."""
    encoder = {
        "modalities": ["text"], "features.text.encoder": str(shared("models/minilm-l6")),
        "features.text.layer": [-5, -3, -1], "model.width": 128,
    }  # fmt: skip
    training = load_config("meld").training.model_dump()
    training |= {f"phase{phase}_epochs": count for phase, count in enumerate(epochs, start=1)}
    return load_config(name, encoder | {f"training.{key}": value for key, value in training.items()} | more)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--joint_seeds", type=int, default=3)
    parser.add_argument("--work", type=Path, default=Path("runs/transfer"))
    args = parser.parse_args()
    work, store, data_dir = args.work, args.work / "features", shared("data/meld")
    comments = goemotions(work)
    scenes = Workspace(store=store, data_dir=data_dir)
    alone = settings("meld", **{"data.val_from_train": 0.1})
    (first,) = train_all(
        settings("goemotions", GOEMOTIONS_EPOCHS),
        seeds=1,
        save_dir=work / "goemotions",
        workspace=Workspace(store=store, manifest=comments),
    )
    train_all(alone, seeds=args.seeds, save_dir=work / "alone", workspace=scenes)
    train_all(alone, seeds=args.seeds, save_dir=work / "after", init_from=first.best_model, workspace=scenes)
    prepare_corpus("MELD", data_dir, work / "MELD")
    both = [work / "MELD" / "manifest.csv", comments]
    joint = settings("meld", JOINT_EPOCHS, **{"data.val_from_train": 0.1})
    train_all(joint, seeds=args.joint_seeds, save_dir=work / "joint", workspace=Workspace(store=store, manifest=both))
    result: dict[str, Any] = {
        "what": "MELD text, MiniLM-L6 frozen, configs/meld.yaml; GoEmotions before it or beside it",
        "split": "a tenth of the training dialogues (GoEmotions: rows) is val, chose the epochs; dev is the test part",
        "goemotions_val_weighted_f1": first.card.val_score,
    }
    folders = []
    for way in ("alone", "after", "joint"):
        folders.append(work / "results" / way)
        model = work / way if (work / way / "runs.json").is_file() else work / way / "best_model"
        measured = evaluate_all(
            model,
            out=folders[-1],
            dataset="MELD",
            split="dev",
            workspace=Workspace(store=store, data_dir=data_dir, quiet=True),
        )
        kept = ("weighted_f1", "accuracy", "macro_f1", "uar", "interval", "seeds")
        result[way] = {name: measured.metrics[name] for name in kept}
        result[way]["f1_per_class"] = {e: c["f1"]["value"] for e, c in measured.metrics["per_class"].items()}
    result["comparison"] = compare(folders, out=work / "results")
    keep("transfer", result)


if __name__ == "__main__":
    main()
