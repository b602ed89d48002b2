"""EmoBank: valence, arousal and dominance of sentences, train to val, MiniLM-L6 frozen (configs/emobank.yaml).

A tenth of train chooses the epoch and the affine map of the answers; val is scored once per seed. Beside the network
stands ridge regression on the mean-pooled vectors of the same layers, fitted on all of train; its alpha is chosen by
five folds of train.

    OMP_NUM_THREADS=1 .venv/bin/python benchmarks/emobank.py --seeds 3
"""

from common import keep, make_parser, shared, train_seeds
from ridge import ridge_scores

from tricue.config.load import load_config, parse_overrides
from tricue.training.workspace import Workspace


def main() -> None:
    args = make_parser(__doc__, "runs/emobank", 3).parse_args()
    overrides = {
        "features.text.encoder": str(shared("models/minilm-l6")),
        "data.val_from_train": 0.1,
        "training.tensorboard": False,
    } | parse_overrides(args.settings)
    config = load_config("emobank", overrides)
    manifest = shared("data/emobank") / "emobank.csv"
    workspace = Workspace(store=args.work / "features", manifest=manifest, quiet=True)
    measured = train_seeds(config, seeds=args.seeds, work=args.work / "frozen", workspace=workspace)
    keep("emobank", {
        "what": "EmoBank, MiniLM-L6 frozen, configs/emobank.yaml",
        "split": "train less a tenth (val: chose epoch and affine map); the corpus's val scored once per seed",
        **measured.summary(),
        **ridge_scores(config, workspace, measured),
    })  # fmt: skip


if __name__ == "__main__":
    main()
