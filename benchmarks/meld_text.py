"""MELD, text alone: trained on train, a tenth of its dialogues as val, dev scored once as the test part.

`frozen` uses configs/meld.yaml (three seeds by default) and puts beside it mean-pooled vectors of the same
encoder with a logistic regression; `finetuned` uses configs/meld-finetuned.yaml.

    .venv/bin/python benchmarks/meld_text.py frozen --seeds 3
    .venv/bin/python benchmarks/meld_text.py finetuned
"""

import time
from pathlib import Path

import numpy as np
from common import keep, make_parser, shared
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import f1_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from tricue.config.load import load_config, parse_overrides
from tricue.config.settings import Config
from tricue.corpora.catalogue import read_corpus
from tricue.evaluation.evaluate import grouping, measure
from tricue.features.extract import extract
from tricue.metrics.class_metrics import score
from tricue.training.train import train
from tricue.training.workspace import Workspace

CONFIGS = {"frozen": "meld", "finetuned": "meld-finetuned"}


def baseline(config: Config, data_dir: Path, store: Path) -> float:
    """Weighted F1 on dev of mean-pooled token vectors with a logistic regression trained on train."""
    utterances = read_corpus(config, data_dir=data_dir).utterances
    rows = extract(utterances, config.features, ["text"], store).arrays["text"]

    def pooled(split: str) -> tuple[np.ndarray, list[str]]:
        kept = [u for u in utterances if u.split == split and u.id in rows]
        return np.stack([rows[u.id].astype(np.float32).mean(axis=0) for u in kept]), [str(u.label) for u in kept]

    model = make_pipeline(StandardScaler(), LogisticRegression(C=0.1, max_iter=2000)).fit(*pooled("train"))
    values, labels = pooled("val")
    return float(f1_score(labels, model.predict(values), average="weighted"))


def main() -> None:
    parser = make_parser(__doc__, "runs/meld_text", 1)
    parser.add_argument("form", choices=list(CONFIGS))
    args = parser.parse_args()
    data_dir, store = shared("data/meld"), args.work / "features"
    overrides = {
        "modalities": ["text"],
        "features.text.encoder": str(shared("models/minilm-l6")),
        "data.val_from_train": 0.1,
    } | parse_overrides(args.settings)
    results, minutes = [], []
    for seed in range(args.seeds):  # each resumes or is skipped if it is done already
        started = time.monotonic()
        config = load_config(CONFIGS[args.form], overrides | {"seed": seed})
        save_dir = args.work / f"{args.form}-{seed}"
        train(config, save_dir=save_dir, workspace=Workspace(store=store, data_dir=data_dir))
        results.append(
            measure(
                save_dir / "best_model", split="dev", workspace=Workspace(store=store, data_dir=data_dir, quiet=True)
            )
        )
        minutes.append(round((time.monotonic() - started) / 60, 1))
    emotions = list(results[0].metrics["per_class"])
    labels = np.array([emotions.index(str(u.label)) for u in results[0].utterances])
    groups, kind = grouping(results[0].utterances)
    metrics = score(labels, [r.answers for r in results], emotions, groups, kind)
    per_class = {emotion: numbers["f1"]["value"] for emotion, numbers in metrics["per_class"].items()}
    keep(f"meld_text_{args.form}", {
        "what": f"MELD text, MiniLM-L6, configs/{CONFIGS[args.form]}.yaml",
        "split": "train less a tenth of its dialogues (val: chose the epochs); dev as the test part",
        "weighted_f1": metrics["weighted_f1"],
        "weighted_f1_per_seed": [r.metrics["weighted_f1"]["value"] for r in results],
        "accuracy": metrics["accuracy"],
        "macro_f1": metrics["macro_f1"],
        "uar": metrics["uar"],
        "f1_per_class": per_class,
        "interval": metrics["interval"],
        "seeds": metrics["seeds"],
        "phase_of_best_model_per_seed": [r.metrics["model"]["phase"] for r in results],
        "logistic_regression_weighted_f1": baseline(config, data_dir, store) if args.form == "frozen" else None,
        "minutes_per_seed": minutes,
    })  # fmt: skip


if __name__ == "__main__":
    main()
