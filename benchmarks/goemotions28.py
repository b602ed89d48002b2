"""GoEmotions with 27 emotions and neutral, several per comment: train to val, MiniLM-L6.

A tenth of train chooses the epoch and the thresholds; val is scored once per seed. Beside the network stands a logistic
regression per emotion on the mean-pooled vectors of the same frozen layers, fitted on the same rows; the tenth chooses
its C and its thresholds.

    frozen      configs/goemotions28-frozen.yaml
    finetuned   configs/goemotions28.yaml: the encoder's top layers are trained

    OMP_NUM_THREADS=1 .venv/bin/python benchmarks/goemotions28.py frozen --seeds 3
"""

from pathlib import Path
from typing import Any

import numpy as np
from common import keep, make_parser, shared, standardised, train_seeds
from joblib import Memory
from logistic import fit_each
from scipy.special import logit
from sklearn.metrics import f1_score

from tricue.config.load import load_config, parse_overrides
from tricue.config.settings import Config
from tricue.tasks.task import make_task
from tricue.training.train import settle
from tricue.training.workspace import Workspace

CONFIGS = {"frozen": "goemotions28-frozen", "finetuned": "goemotions28"}
REGULARISATION = (0.001, 0.003, 0.01, 0.1)


def regression(config: Config, workspace: Workspace) -> dict[str, Any]:
    """The answers (N, C, 2) of logistic regressions to the corpus's val, and the C that the tenth of train chose."""
    config, splits = settle(config, workspace.read_corpus(config))
    task, scaled = make_task(config), standardised(splits, config, ["text"], workspace.store)
    targets = {
        name: task.encode([row.label for row in splits[name] if row.label is not None]) for name in ("train", "val")
    }
    others, val = np.concatenate([scaled["val"], scaled["held_out"]]), len(targets["val"])
    fit = Memory(workspace.store / "regressions", verbose=0).cache(fit_each)  # minutes each, the same for both forms
    best: dict[str, Any] = {"val_macro_f1": -1.0}
    for c in REGULARISATION:
        chances = fit(scaled["train"], targets["train"], others, c)
        thresholds = np.array(task.calibrate(logit(chances[:val]), targets["val"])["thresholds"])
        named = chances >= thresholds
        score = f1_score(targets["val"], named[:val], average="macro", zero_division=0)
        if score > best["val_macro_f1"]:
            best = {"C": c, "val_macro_f1": float(score), "answers": np.stack([chances, named], axis=-1)[val:]}
    return best


def goemotions28(work: Path) -> Path:
    """train.csv and val.csv as one manifest in `work`."""
    train, val = (shared(f"data/goemotions28/{part}.csv").read_text(encoding="utf-8") for part in ("train", "val"))
    work.mkdir(parents=True, exist_ok=True)
    (work / "goemotions28.csv").write_text(train + val.split("\n", 1)[1], encoding="utf-8")
    return work / "goemotions28.csv"


def main() -> None:
    parser = make_parser(__doc__, "runs/goemotions28", 1)
    parser.add_argument("form", choices=list(CONFIGS))
    args = parser.parse_args()
    overrides = {
        "features.text.encoder": str(shared("models/minilm-l6")),
        "data.val_from_train": 0.1,
        "training.tensorboard": False,
    } | parse_overrides(args.settings)
    config = load_config(CONFIGS[args.form], overrides)
    workspace = Workspace(store=args.work / "features", manifest=goemotions28(args.work), quiet=True)
    measured = train_seeds(config, seeds=args.seeds, work=args.work / args.form, workspace=workspace)
    rival = regression(config, workspace)
    own = rival.pop("answers")
    keep(f"goemotions28_{args.form}", {
        "what": f"GoEmotions, 27 emotions and neutral, MiniLM-L6, configs/{CONFIGS[args.form]}.yaml",
        "split": "train less a tenth (val: chose epoch, thresholds and the rival's C); the corpus's val scored once",
        **measured.summary(),
        "logistic_regression": rival | measured.score_rival(own),
        "network_minus_regression": measured.difference(own),
    })  # fmt: skip


if __name__ == "__main__":
    main()
