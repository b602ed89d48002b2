"""A speech encoder trained with the network, beside the frozen one, on speakers that neither has heard.

CREMA-D, voice only, configs/crema-d.yaml as in `speakers.py voice`: trained on speakers 1001-1063, scored on those of
val (1064-1076) and, carried over, on 20 speakers of RAVDESS in the six classes that CREMA-D has; clip by clip and
adapted to all other clips of the speaker. whisper-tiny-en frozen, and with its top two layers trained; more settings of
the second by --set.

    OMP_NUM_THREADS=1 .venv/bin/python benchmarks/voice_encoder.py --seeds 1
"""

import time
from dataclasses import replace
from pathlib import Path
from typing import Any

from common import Measured, keep, make_parser, shared
from speakers import write_corpora

from tricue.adaptation.contexts import Form
from tricue.config.load import change_config, load_config, parse_overrides
from tricue.config.settings import Config
from tricue.evaluation.evaluate import measure
from tricue.training.runs import train_all
from tricue.training.workspace import Workspace

FORMS: tuple[Form, ...] = ("off", "all")
ROWS = (("crema-d", "val"), ("ravdess", "test"))
Scored = dict[str, dict[Form, Measured]]  # corpus -> form of adaptation -> the runs


def score(config: Config, seeds: int, folder: Path, places: dict[str, Path], store: Path) -> Scored:
    workspace = Workspace(store=store, manifest=places["crema-d"], quiet=True)
    models = [result.best_model for result in train_all(config, save_dir=folder, workspace=workspace, seeds=seeds)]
    return {
        corpus: {
            form: Measured([measure(m, workspace=own, split=split, speaker_adaptation=form) for m in models])
            for form in FORMS
        }
        for corpus, split in ROWS
        for own in [replace(workspace, manifest=places[corpus])]
    }


def told(trained: Scored, frozen: Scored) -> dict[str, Any]:
    """The scores of both, and the differences of trained minus frozen."""
    return {
        corpus: {
            form: {
                "trained": own.summary(),
                "frozen": frozen[corpus][form].summary(),
                "trained_minus_frozen": own.difference(*(run.answers for run in frozen[corpus][form].runs)),
            }
            for form, own in forms.items()
        }
        for corpus, forms in trained.items()
    }


def main() -> None:
    parser = make_parser(__doc__, "runs/voice_encoder", 3)
    parser.add_argument("--store", type=Path, help="where features lie; by default in WORK")
    args = parser.parse_args()
    started = time.monotonic()
    config = load_config("crema-d", {
        "modalities": ["audio"], "features.audio.encoder": str(shared("models/whisper-tiny-en")),
        "training.tensorboard": False,
    })  # fmt: skip
    changed = {"model.finetune.audio": 2} | parse_overrides(args.settings)
    places, store = write_corpora(args.work, config), args.store or args.work / "features"
    frozen = score(config, args.seeds, args.work / "frozen", places, store)
    live = change_config(config, changed, "--set")
    trained = score(live, args.seeds, args.work / "trained", places, store)
    minutes = round((time.monotonic() - started) / 60, 1)
    keep("voice_encoder", {"set": changed, **told(trained, frozen), "minutes_of_this_call": minutes})


if __name__ == "__main__":
    main()
