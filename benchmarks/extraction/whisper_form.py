"""A Whisper encoder at true length and in its 30 s form."""

import argparse
import statistics
import time
from pathlib import Path
from typing import Any

import numpy as np
from common import shared

from extraction.inputs import features_config, machine, named, settings
from extraction.processes import alone
from tricue.modalities.reading import MediaFile


def run_whisper_forms(clips: list[str], rounds: int) -> dict[str, Any]:
    """Seconds of both forms in turn on the same batches, one thread."""
    from tricue.extractors.choice import make_extractors
    from tricue.media.decoding import decode
    from tricue.processes import limit_threads

    limit_threads()
    forms = {
        form: make_extractors(features_config(settings(audio__whisper_form=form)), ["audio"], "cpu")["audio"]
        for form in ("true_length", "30s")
    }
    heard = [forms["30s"].prepare(decode(Path(clip), max_seconds=30.0).audio) for clip in clips]
    for extractor in forms.values():
        extractor.encode(heard[:1])
    spent: dict[str, list[float]] = {form: [] for form in forms}
    for _ in range(rounds):
        total = dict.fromkeys(forms, 0.0)
        for i in range(0, len(heard), MediaFile.batch_size):
            for form, extractor in forms.items():
                begun = time.perf_counter()
                extractor.encode(heard[i : i + MediaFile.batch_size])
                total[form] += time.perf_counter() - begun
        for form, seconds in total.items():
            spent[form].append(seconds / len(heard))
    return {
        "seconds_per_clip": {form: statistics.median(values) for form, values in spent.items()},
        "clip_seconds": statistics.mean(one.wave.size / 16_000 for one in heard),
    }


def whisper_form(args: argparse.Namespace) -> dict[str, Any]:
    sources = sorted(shared("data/ravdess/audio").glob("*.flac"))
    drawn = [str(sources[i]) for i in np.linspace(0, len(sources) - 1, args.clips).astype(int)]
    before = machine()
    found = alone(run_whisper_forms, clips=drawn, rounds=args.repeats)
    seconds = found["seconds_per_clip"]
    return {
        "what": "a Whisper encoder (log-mel frames, all that tricue runs of the model, pooling): seconds per clip",
        "machine": before,
        "clips": args.clips,
        "clip_seconds_mean": round(found["clip_seconds"], 2),
        "settings": named({n: value for n, value in settings().items() if n.startswith("audio")}),
        "threads": 1,
        "repeats": args.repeats,
        "seconds_per_clip": {form: round(value, 4) for form, value in seconds.items()},
        "30s_to_true_length": round(seconds["30s"] / seconds["true_length"], 2),
    }
