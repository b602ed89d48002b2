"""Scores with missing and damaged modalities: `tricue robustness` on runs of `ablation.py` (the whole method).

meld      text: word errors; dev scored as the test part
ravdess   voice and action units, the first fold's four speakers, which that run never met: noise in the sound

OMP_NUM_THREADS=1 .venv/bin/python benchmarks/robustness.py meld
"""

import argparse
from pathlib import Path

from common import FIGURES, keep, shared

from tricue.studies.robustness import measure_robustness
from tricue.studies.robustness_figure import draw_robustness
from tricue.training.workspace import Workspace

RUNS = {"meld": "full/seed-0", "ravdess": "full/seed-0/fold-1"}
SPLITS = {"meld": "dev", "ravdess": None}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("corpus", choices=list(RUNS))
    parser.add_argument("--store", type=Path, help="where features lie; by default in WORK")
    parser.add_argument("--work", type=Path, default=Path("runs/ablation"), help="that of ablation.py")
    args = parser.parse_args()
    result = measure_robustness(
        args.work / args.corpus / RUNS[args.corpus] / "best_model",
        out=args.work / "robustness" / args.corpus,
        split=SPLITS[args.corpus],
        workspace=Workspace(store=args.store or args.work / "features", data_dir=shared(f"data/{args.corpus}")),
    )
    names = {
        modality: Path(encoder).name for modality, encoder in result["encoders"].items()
    }  # not where they lie here
    keep(f"robustness_{args.corpus}", {k: v for k, v in result.items() if k != "models"} | {"encoders": names})
    (FIGURES / f"robustness_{args.corpus}.svg").write_bytes(draw_robustness(result).svg)


if __name__ == "__main__":
    main()
