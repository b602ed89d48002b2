"""What each part of the method gives, at the same training budget: `tricue ablate` on three corpora.

    meld      text, encoder frozen; nine tenths of train train, a tenth chooses the epochs, dev is the test part
    ravdess   voice and action units, 5 folds over 20 speakers: every speaker is scored by models that never met them
    toy       the synthetic clips of the demo, its own small network: shows that the parts work, says nothing of people

Runs and results of each variant lie in WORK/<corpus>: a killed call goes on.

    OMP_NUM_THREADS=1 .venv/bin/python benchmarks/ablation.py meld
"""

import argparse
import time
from pathlib import Path
from typing import Any

from common import FIGURES, keep, shared

from tricue.config.load import load_config
from tricue.studies.ablation import ablate
from tricue.studies.ablation_figure import draw_ablation
from tricue.toy.toy_corpus import make_toy
from tricue.toy.toy_settings import ToyConfig
from tricue.training.workspace import Workspace

PARTS = [
    "no-counterfactual", "no-intention", "no-statistics", "no-bilstm", "no-gating", "no-auxiliary",
    "no-cross-attention", "no-text", "no-audio", "no-video",
]  # fmt: skip
NAMES = {  # RAVDESS: no-counterfactual leaves the intention loss out as well, and no text is read
    "meld": ["no-counterfactual", "no-statistics", "no-bilstm"],
    "ravdess": [name for name in PARTS if name not in ("no-intention", "no-text")],
    "toy": PARTS,
}
SPLITS = {"meld": "dev", "ravdess": None, "toy": None}


def settings(corpus: str) -> tuple[str, dict[str, Any]]:
    """The shipped config, and what is set on top of it."""
    quiet = {"training.tensorboard": False, "evaluation.baseline": False}
    if corpus == "meld":
        text = {"modalities": ["text"], "features.text.encoder": str(shared("models/minilm-l6"))}
        return "meld", quiet | text | {"data.val_from_train": 0.1}
    if corpus == "ravdess":
        voice = {"features.audio.encoder": str(shared("models/whisper-tiny-en"))}
        return "ravdess", quiet | voice | {"data.protocol": "kfold-speaker", "training.select": "last"}
    return "demo", quiet


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("corpus", choices=list(NAMES))
    parser.add_argument("--seeds", type=int, default=3, help="runs of each variant (3)")
    parser.add_argument("--store", type=Path, help="where features lie; by default in WORK")
    parser.add_argument("--variants", help="some of them alone, e.g. phase-1,no-gating")
    parser.add_argument("--work", type=Path, default=Path("runs/ablation"))
    args = parser.parse_args()
    started = time.monotonic()
    name, more = settings(args.corpus)
    config = load_config(name, more)
    place = args.work / args.corpus
    if args.corpus == "toy":
        make_toy(place / "corpus", ToyConfig())
    data_dir = place / "corpus" if args.corpus == "toy" else shared(f"data/{args.corpus}")
    result, _ = ablate(
        config,
        save_dir=place,
        out=place / "results",
        seeds=args.seeds,
        names=args.variants.split(",") if args.variants else NAMES[args.corpus],
        split=SPLITS[args.corpus],
        jobs=None,
        workspace=Workspace(store=args.store or args.work / "features", data_dir=data_dir, quiet=True),
    )
    shipped = {"config": name, "settings": {k: v if "encoder" not in k else Path(v).name for k, v in more.items()}}
    keep(f"ablation_{args.corpus}", shipped | result | {"seconds_of_this_call": round(time.monotonic() - started)})
    (FIGURES / f"ablation_{args.corpus}.svg").write_bytes(draw_ablation(result).svg)


if __name__ == "__main__":
    main()
