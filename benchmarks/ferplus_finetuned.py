"""FER+ faces by an image encoder that is trained along (configs/ferplus-finetuned.yaml), on the votes.

A tenth of train is held out and fits the temperature alone: the epochs are fixed. val is scored once per seed, against
the emotion with most votes.

    OMP_NUM_THREADS=1 .venv/bin/python benchmarks/ferplus_finetuned.py --seeds 1
"""

from common import keep, make_parser, shared, train_seeds

from tricue.config.load import load_config, parse_overrides
from tricue.training.workspace import Workspace


def main() -> None:
    args = make_parser(__doc__, "runs/ferplus-finetuned", 1).parse_args()
    given = {
        "features.video.encoder": str(shared("models/mobilenet-v2")),
        "data.val_from_train": 0.1,
        "training.tensorboard": False,
    }
    config = load_config("ferplus-finetuned", given | parse_overrides(args.settings))
    workspace = Workspace(store=args.work / "features", manifest=shared("data/ferplus/labels.csv"), quiet=True)
    measured = train_seeds(config, seeds=args.seeds, work=args.work / "finetuned", workspace=workspace)
    keep("ferplus_finetuned", {
        "what": "FER+ faces, mobilenet-v2 trained along, configs/ferplus-finetuned.yaml",
        "split": "train less a tenth, which fits the temperature alone; val scored once per seed",
        **measured.summary(),
    })  # fmt: skip


if __name__ == "__main__":
    main()
