"""A recording of an hour: peak memory and time."""

import argparse
import multiprocessing
import statistics
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np

from extraction.inputs import RUNS, machine, manifest, named, settings
from extraction.processes import extract_alone


def write_hour(path: Path, seconds: int, height: int, fps: int) -> None:
    """A recording as long as that: noise of its own in every picture, minute by minute as no memory holds it all."""
    import av

    rng = np.random.default_rng(0)
    width, rate = height * 16 // 9 // 2 * 2, 16_000
    part = path.with_name(f"part-{path.name}")
    with av.open(str(part), "w") as container:
        video = container.add_stream("libx264", rate=fps, options={"preset": "ultrafast", "crf": "35"})
        video.width, video.height, video.pix_fmt = width, height, "yuv420p"
        audio = container.add_stream("aac", rate=rate, layout="mono", options={"aac_coder": "fast"})
        ground = rng.integers(60, 200, (height, width, 3), dtype=np.uint8)
        for minute in range(-(-seconds // 60)):
            length = min(60, seconds - 60 * minute)
            for i in range(length * fps):
                side = int(rng.integers(8, height // 2))
                picture = np.full_like(ground, 128)
                picture[:side, :side] = ground[:side, :side]
                picture[side:, i % width] = 255
                container.mux(video.encode(av.VideoFrame.from_ndarray(picture, "rgb24")))
            wave = 0.1 * rng.standard_normal((1, length * rate), np.float32)
            frame = av.AudioFrame.from_ndarray(wave, "fltp", "mono")
            frame.sample_rate, frame.time_base, frame.pts = rate, Fraction(1, rate), minute * 60 * rate
            container.mux(audio.encode(frame))
        for stream in (video, audio):
            container.mux(stream.encode(None))
    part.replace(path)


def hour(args: argparse.Namespace) -> dict[str, Any]:
    RUNS.mkdir(parents=True, exist_ok=True)
    path = RUNS / f"long-{args.seconds}-{args.height}-{args.fps}.mp4"
    if not path.exists():
        print(f"Making {path}", flush=True)
        context = multiprocessing.get_context("spawn")
        writer = context.Process(target=write_hour, args=(path, args.seconds, args.height, args.fps))
        writer.start()
        writer.join()
    before = machine()
    table = manifest("hour", [{"id": "long", "audio": path, "video": path, "emotion": "neutral"}])
    chosen = {name: value for name, value in settings().items() if not name.startswith("text")}
    found = [extract_alone(table, RUNS / "store-hour", chosen, ["audio", "video"]) for _ in range(args.repeats)]
    peak = max(one["peak_parent"] for one in found)
    return {
        "what": "tricue extract of one long recording, audio + video, as one utterance (sound beyond 30 s is cut)",
        "machine": before,
        "recording": f"{args.seconds} s, {args.height * 16 // 9 // 2 * 2}x{args.height}, {args.fps} fps, H.264 + AAC",
        "megabytes": round(path.stat().st_size / 1e6, 1),
        "settings": named(chosen),
        "seconds": round(statistics.median(one["wall"] for one in found), 1),
        "peak_megabytes": round(peak / 1e6),
        "under_a_gigabyte": peak < 1e9,
        "note": "one process; the models are in it; ten frames are held, 1.4 MB each were they of 720p",
    }
