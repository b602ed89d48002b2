"""What the benchmarks share: where the real data lies, and how results are kept."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from tricue.config import load_config
from tricue.data.corpora import read_corpus
from tricue.data.manifest import write_manifest

HERE = Path(__file__).resolve().parent
RESULTS = HERE / "results"
FIGURES = HERE.parent / "docs/figures"


def shared(name: str) -> Path:
    """A folder of the real data and models: $TRICUE_SHARED, else `shared` beside the repository."""
    root = Path(os.environ.get("TRICUE_SHARED", HERE.parents[1] / "shared"))
    path = root / name
    if not path.exists():
        raise SystemExit(
            f"{path} is not there; set TRICUE_SHARED to the folder that holds data/ and models/."
        )
    return path


def goemotions(work: Path) -> Path:
    """GoEmotions' train.csv and val.csv as one manifest in `work`."""
    config = load_config("goemotions")
    rows = [
        row
        for part in ("train", "val")
        for row in read_corpus(config, manifest=shared(f"data/goemotions/{part}.csv")).utterances
    ]
    work.mkdir(parents=True, exist_ok=True)
    write_manifest(rows, work / "goemotions.csv")
    return work / "goemotions.csv"


def keep(name: str, content: dict[str, Any]) -> None:
    """Write benchmarks/results/<name>.json and print it."""
    RESULTS.mkdir(exist_ok=True)
    text = json.dumps(content, indent=2, ensure_ascii=False)
    (RESULTS / f"{name}.json").write_text(text + "\n", encoding="utf-8")
    print(text)
