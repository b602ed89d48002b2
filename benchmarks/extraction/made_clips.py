"""Clips of 720p with a voice, each its own, and a sentence for each."""

from __future__ import annotations

import multiprocessing
import statistics
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from extraction.inputs import RUNS
from tricue.device import cores

if TYPE_CHECKING:
    from tricue.types import Utterance

WIDTH, HEIGHT, FPS, LOUD = 1280, 720, 25, 44_100
WORDS = """the a my your this that what when well really never always maybe people kids dogs doors train coffee talking
sitting waiting going looking want know think believe like love hate see hear say told left right home work morning
night again before after"""


def texture(rng: np.random.Generator, height: int, width: int) -> np.ndarray:
    """(height, width, 3) uint8: smooth noise of five scales, the fine ones weaker."""
    from PIL import Image

    total = np.zeros((height, width, 3), np.float32)
    for cells in (8, 24, 72, 216, 640):
        coarse = rng.integers(0, 256, (max(2, cells * height // width), cells, 3), dtype=np.uint8)
        smooth = Image.fromarray(coarse).resize((width, height), Image.Resampling.BICUBIC)
        total += np.asarray(smooth, np.float32) / cells**0.5
    total -= total.min()
    return (total * (255 / total.max())).astype(np.uint8)


def speech(rng: np.random.Generator, seconds: float) -> np.ndarray:
    """(2, samples) float32: a tone with overtones whose pitch glides, in syllables, and noise."""
    at = np.arange(round(seconds * LOUD)) / LOUD
    pitch = rng.uniform(90, 240) * (1 + 0.15 * np.sin(2 * np.pi * (at * rng.uniform(0.3, 1.0) + rng.random())))
    phase = 2 * np.pi * np.cumsum(pitch) / LOUD
    voice = sum(np.sin(k * phase) / k for k in range(1, 8))
    syllables = np.clip(np.sin(2 * np.pi * (at * rng.uniform(2, 4) + rng.random())), 0, 1)
    mono = 0.2 * voice * syllables + rng.normal(0, 0.01, at.size)
    return np.stack([mono, 0.8 * mono]).astype(np.float32)


def pictures(rng: np.random.Generator, count: int) -> Iterator[np.ndarray]:
    """A camera that pans over a textured ground, sensor noise, and a bright patch that grows and shrinks."""
    ground = texture(rng, HEIGHT + 120, WIDTH + 240) // 2 + 64
    patch, at = texture(rng, 480, 480), np.arange(count) / FPS
    noise = rng.normal(0, 2.0, (4, HEIGHT, WIDTH, 1)).round().astype(np.int16)
    sides = (240 + 200 * np.sin(2 * np.pi * (at * rng.uniform(0.3, 0.9) + rng.random()))).astype(int)
    for i, side in enumerate(sides):
        x, y = int(120 + 110 * np.sin(i / 20)), int(60 + 50 * np.sin(i / 33))
        picture = ground[y : y + HEIGHT, x : x + WIDTH].copy()
        picture[120 : 120 + side, 400 : 400 + side] = patch[:side, :side]
        yield np.clip(picture + noise[i % len(noise)], 0, 255).astype(np.uint8)


def write_clip(path: Path, seed: int) -> None:
    """3 to 4 s, 720p at 25 fps, x264 (its default key-frame interval: one for the clip) and AAC stereo."""
    import av

    rng = np.random.default_rng(seed)
    count = round(rng.uniform(3.0, 4.0) * FPS)
    part = path.with_name(f"part-{path.name}")
    with av.open(str(part), "w") as container:
        video = container.add_stream("libx264", rate=FPS, options={"preset": "veryfast"})
        video.width, video.height, video.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        video.codec_context.thread_count = 1  # clips are made in as many processes as there are cores
        audio = container.add_stream("aac", rate=LOUD, layout="stereo")
        for picture in pictures(rng, count):
            container.mux(video.encode(av.VideoFrame.from_ndarray(picture, "rgb24")))
        sound = av.AudioFrame.from_ndarray(speech(rng, count / FPS), "fltp", "stereo")
        sound.sample_rate, sound.time_base, sound.pts = LOUD, Fraction(1, LOUD), 0
        container.mux(audio.encode(sound))
        for stream in (video, audio):
            container.mux(stream.encode(None))
    part.replace(path)


def sentence(seed: int) -> str:
    """5 to 14 words, each sentence its own."""
    rng = np.random.default_rng([7, seed])
    return f"{' '.join(rng.choice(WORDS.split(), rng.integers(5, 14)))} {seed}."


def made_clips(count: int) -> list[Path]:
    """The first `count` clips; those that are not there yet are made."""
    folder = RUNS / "clips"
    folder.mkdir(parents=True, exist_ok=True)
    paths = [folder / f"{seed:04d}.mp4" for seed in range(count)]
    todo = [(path, seed) for seed, path in enumerate(paths) if not path.exists()]
    if todo:
        print(f"Making {len(todo)} clips in {folder}", flush=True)
        with ProcessPoolExecutor(cores(), multiprocessing.get_context("spawn")) as pool:
            list(pool.map(write_clip, *zip(*todo, strict=True)))
    return paths


def describe_clips(paths: Sequence[Path]) -> dict[str, Any]:
    """What the clips are, read from them."""
    import av

    seconds, keys = [], []
    for path in paths:
        with av.open(str(path)) as container:
            seconds.append(container.duration / av.time_base)
            keys.append(sum(packet.is_keyframe for packet in container.demux(video=0) if packet.size))
    megabits = sum(path.stat().st_size for path in paths) * 8 / sum(seconds) / 1e6
    return {
        "count": len(paths),
        "form": f"{WIDTH}x{HEIGHT}, {FPS} fps, H.264 (x264 veryfast, default key-frame interval) + AAC 44.1 kHz stereo",
        "seconds_mean": round(statistics.mean(seconds), 2),
        "key_frames_per_clip": sorted(set(keys)),
        "megabits_per_second": round(megabits, 2),
    }


def clip_rows(paths: Sequence[Path]) -> list[dict[str, Any]]:
    return [
        {"id": path.stem, "text": sentence(int(path.stem)), "audio": path, "video": path, "emotion": "neutral"}
        for path in paths
    ]


def utterances(paths: Sequence[Path]) -> list[Utterance]:
    from tricue.types import Utterance

    return [Utterance(p.stem, text=sentence(int(p.stem)), audio=p, video=p) for p in paths]
