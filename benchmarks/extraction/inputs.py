"""What is extracted from, with which settings, and on what machine."""

from __future__ import annotations

import csv
import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from common import HERE, shared

from tricue.device import cores

# torch is imported by the processes that are timed: this one's memory would count as theirs
if TYPE_CHECKING:
    from tricue.config.feature_settings import FeaturesConfig

RUNS = HERE.parent / "runs" / "extraction"
MODALITIES = ("text", "audio", "video")


def manifest(name: str, rows: Sequence[dict[str, Any]]) -> Path:
    path = RUNS / f"{name}.csv"
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    return path


def settings(**more: Any) -> dict[str, Any]:
    """features.*: the shared encoders; all else as it is by default."""
    return {
        "text.encoder": str(shared("models/minilm-l6")),
        "audio.encoder": str(shared("models/whisper-tiny-en")),
        "audio.layer": 2,
        "video.encoder": str(shared("models/mobilenet-v2")),
        **{name.replace("__", "."): value for name, value in more.items()},
    }


def named(chosen: dict[str, Any]) -> dict[str, Any]:
    """For what is kept: encoders by their names, not by where they lie on this machine."""
    return {name: Path(value).name if name.endswith("encoder") else value for name, value in chosen.items()}


def features_config(chosen: dict[str, Any]) -> FeaturesConfig:
    from tricue.config.load import load_config

    return load_config(None, {f"features.{name}": value for name, value in chosen.items()}).features


def machine() -> dict[str, Any]:
    with Path("/proc/cpuinfo").open(encoding="utf-8") as file:
        names = [line.split(":", 1)[1].strip() for line in file if line.startswith("model name")]
    return {
        "cores": cores(),
        "processor": names[0] if names else "unknown",
        "load_before": round(os.getloadavg()[0], 2),
    }
