"""Vectors per second of the package's extractors, beside their encoders alone on the same inputs."""

import functools
import time
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import numpy as np
import torch

from on_gpu.clock import Ready, as_rates, time_in_turn
from on_gpu.made_encoders import Call, EncoderSize, recorded, save_encoders
from on_gpu.made_rows import WORDS, draw_frames, draw_texts, draw_waves
from tricue.config.load import load_config
from tricue.extractors import hub
from tricue.extractors.choice import Extractor, make_extractors
from tricue.extractors.text_extractors import Spoken
from tricue.modalities.reading import MediaFile, Words
from tricue.types import ModalityName

BATCHES: dict[ModalityName, int] = {
    "text": Words.batch_size,
    "audio": MediaFile.batch_size,
    "video": MediaFile.batch_size,
}  # utterances that an engine hands to `encode` at once


def measure_vectors(
    size: EncoderSize, counts: dict[ModalityName, int], rounds: int, device: str, work: Path
) -> dict[str, Any]:
    """Per modality: `encode` of the extractor, from what `prepare` gives to float32 on the CPU; and the forward pass of
    its encoder alone, in the same precision, on the batches that the extractor formed, already on the device.

    counts: Utterances of each modality.
    """
    places = save_encoders(work / "encoders", size, WORDS)
    settings = {f"features.{modality}.encoder": str(folder) for modality, folder in places.items()}
    config = load_config(None, settings).features
    extractors = make_extractors(config, list(places), device)
    rng = np.random.default_rng(0)
    signals: dict[ModalityName, Sequence[Any]] = {
        "text": [Spoken(text) for text in draw_texts(counts["text"], rng)],
        "audio": draw_waves(counts["audio"], rng),
        "video": draw_frames(counts["video"], config.video.frames, rng),
    }
    return {
        modality: _measure(extractor, places[modality], signals[modality], BATCHES[modality], rounds, device)
        for modality, extractor in extractors.items()
    }


def _measure(
    extractor: Extractor, folder: Path, signals: Sequence[Any], batch: int, rounds: int, device: str
) -> dict[str, Any]:
    begun = time.perf_counter()
    prepared = [extractor.prepare(signal) for signal in signals]
    preparing = time.perf_counter() - begun
    parts = [prepared[at : at + batch] for at in range(0, len(prepared), batch)]
    encode = functools.partial(_encode, extractor, parts)
    model = hub.load_model(folder, device)
    with recorded(model) as calls:
        vectors = encode()
    alone = functools.partial(_run_alone, model, calls, device)
    sides: dict[str, Ready] = {"extractor": lambda: encode, "encoder alone": lambda: alone}
    found = as_rates(time_in_turn(sides, rounds, device), vectors, "vectors")
    rates = {side: own["vectors_per_second"] for side, own in found.items()}
    return {
        "utterances": len(signals),
        "vectors": vectors,
        "forward_passes": len(calls),
        "sides": found,
        "share_of_encoder_alone": round(rates["extractor"] / rates["encoder alone"], 3),
        # on one CPU core; where there is a GPU, several processes prepare beside the one that encodes
        "prepared_vectors_per_second": float(f"{vectors / preparing:.4g}"),
    }


def _encode(extractor: Extractor, parts: Sequence[Sequence[Any]]) -> int:
    """How many vectors came out."""
    return sum(len(row) for part in parts for row in extractor.encode(part))


def _run_alone(model: torch.nn.Module, calls: Sequence[Call], device: str) -> None:
    """As hub.run_model runs it."""
    precision: Callable[[], Any] = nullcontext if device == "cpu" else lambda: torch.autocast("cuda", torch.float16)
    with torch.inference_mode(), precision():
        for args, kwargs in calls:
            model(*args, **kwargs)
