"""The model that comes with the package: trains it, measures it, puts it into src/tricue/models/english-text.

GoEmotions' train part trains it, a tenth of which chooses the epoch and the temperature; its val part and MELD's dev,
of which it has seen nothing, measure it. The encoder is frozen and stays on the hub.

    OMP_NUM_THREADS=1 .venv/bin/python benchmarks/english_text.py
"""

import argparse
import json
from pathlib import Path
from typing import Any

from common import goemotions, keep, shared

from tricue.config.load import load_config
from tricue.evaluation.evaluate import evaluate
from tricue.recognizer import SHIPPED, MultimodalEmotionRecognizer
from tricue.training.train import train
from tricue.training.workspace import Workspace

KEPT = ("weighted_f1", "accuracy", "macro_f1", "uar", "calibration", "n", "interval", "split_role", "known_rows")


def measure_on(model: Path, out: Path, workspace: Workspace, dataset: str, split: str) -> dict[str, Any]:
    """What `tricue evaluate` says, without its long parts."""
    metrics = evaluate(model, out=out, workspace=workspace, dataset=dataset, split=split).metrics
    per_class = {name: numbers["f1"] | {"rows": numbers["support"]} for name, numbers in metrics["per_class"].items()}
    return {name: metrics[name] for name in KEPT} | {"f1_per_class": per_class}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", type=Path, default=Path("runs/english_text"))
    parser.add_argument("--store", type=Path, help="where features lie; by default in WORK")
    args = parser.parse_args()
    store = args.store or args.work / "features"
    here = str(shared("models/minilm-l6"))
    hub_name = load_config("english-text").features.text.encoder
    config = load_config("english-text", {"features.text.encoder": here, "training.tensorboard": False})
    comments = goemotions(args.work)
    result = train(config, save_dir=args.work, workspace=Workspace(store=store, manifest=comments))
    on_comments = Workspace(store=store, manifest=comments, quiet=True), "GoEmotions", "val"
    on_scenes = Workspace(store=store, data_dir=shared("data/meld"), quiet=True), "MELD", "dev"
    scores = {
        name: measure_on(result.best_model, args.work / name, *rows)
        for name, rows in {"goemotions-val": on_comments, "meld-dev": on_scenes}.items()
    }
    model = MultimodalEmotionRecognizer.from_pretrained(result.best_model)
    model.save_pretrained(
        SHIPPED,
        results=[args.work / name for name in scores],
        name=SHIPPED.name,
        half=True,
        onnx=False,
        encoders={"text": hub_name},
    )
    card = model.card
    history = json.loads((args.work / "history.json").read_text())
    keep(
        "english_text",
        {
            "what": "the model that comes with the package: MiniLM-L6 frozen, configs/english-text.yaml, 1 seed",
            "split": "trained on GoEmotions train, a tenth of it chose epoch and temperature; measured on GoEmotions "
            "val and MELD dev, scored once each",
            "val_weighted_f1_of_that_tenth": card.val_score,
            "phase": card.phase,
            "epoch": card.epoch,
            "calibration": card.calibration,
            "epochs": [{name: row[name] for name in ("phase", "epoch", "val_weighted_f1")} for row in history],
            "scores": scores,
        },
    )


if __name__ == "__main__":
    main()
