"""How fast features are extracted: against the obvious way, over many clips, on Ray, through an hour of video.

.venv/bin/python benchmarks/extraction_speed.py clips          clips of 720p: tricue, the obvious script, one by one
.venv/bin/python benchmarks/extraction_speed.py linear         100, 1,000 and 10,000 utterances; memory at each
.venv/bin/python benchmarks/extraction_speed.py ray            two Ray workers against one, and the local engine
.venv/bin/python benchmarks/extraction_speed.py hour           peak memory on a video of one hour
.venv/bin/python benchmarks/extraction_speed.py whisper-form   a Whisper encoder at true length and in its 30 s form

What is timed runs in processes of its own; this one waits. Clips are made before, under runs/extraction.
"""

from __future__ import annotations

import argparse
import csv
import json
import multiprocessing
import os
import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from common import HERE, keep, shared

from tricue.device import cores
from tricue.features.plan import MEDIA_BATCH

if (
    TYPE_CHECKING
):  # torch is imported by the processes that are timed: this one's memory would count as theirs
    from tricue.config import FeaturesConfig
    from tricue.features.worker import Job, Result, Worker
    from tricue.types import Utterance

RUNS = HERE.parent / "runs" / "extraction"
CUES = ("text", "audio", "video")
WIDTH, HEIGHT, FPS, LOUD = 1280, 720, 25, 44_100
WORDS = """the a my your this that what when well really never always maybe people kids dogs doors train coffee talking
sitting waiting going looking want know think believe like love hate see hear say told left right home work morning
night again before after"""


# ---- clips and manifests


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
    pitch = rng.uniform(90, 240) * (
        1 + 0.15 * np.sin(2 * np.pi * (at * rng.uniform(0.3, 1.0) + rng.random()))
    )
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


def manifest(name: str, rows: Sequence[dict[str, Any]]) -> Path:
    path = RUNS / f"{name}.csv"
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    return path


def clip_rows(paths: Sequence[Path]) -> list[dict[str, Any]]:
    return [
        {
            "id": path.stem,
            "text": sentence(int(path.stem)),
            "audio": path,
            "video": path,
            "emotion": "neutral",
        }
        for path in paths
    ]


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
    from tricue.config import load_config

    return load_config(None, {f"features.{name}": value for name, value in chosen.items()}).features


def utterances(paths: Sequence[Path]) -> list[Utterance]:
    from tricue.types import Utterance

    return [Utterance(p.stem, text=sentence(int(p.stem)), audio=p, video=p) for p in paths]


def machine() -> dict[str, Any]:
    with Path("/proc/cpuinfo").open(encoding="utf-8") as file:
        names = [line.split(":", 1)[1].strip() for line in file if line.startswith("model name")]
    return {
        "cores": cores(),
        "processor": names[0] if names else "unknown",
        "load_before": round(os.getloadavg()[0], 2),
    }


# ---- processes of their own


def alone(task: str, **arguments: Any) -> dict[str, Any]:
    """Run TASKS[task] in a fresh process: {"wall": seconds with its start, ...what it gives}."""
    RUNS.mkdir(parents=True, exist_ok=True)
    answer = RUNS / f"answer-{os.getpid()}.json"
    command = [sys.executable, __file__, "alone", task, json.dumps(arguments, default=str), str(answer)]
    started = time.perf_counter()
    subprocess.run(command, check=True)
    wall = time.perf_counter() - started
    found = json.loads(answer.read_text(encoding="utf-8"))
    answer.unlink()
    return {"wall": wall, **found}


def run_tricue(arguments: list[str]) -> dict[str, Any]:
    """`tricue` with these arguments, and the memory that it needed."""
    import resource

    from tricue.cli import main

    status: Any = 0
    try:
        main(arguments)
    except SystemExit as end:
        status = end.code
    children = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * 1024
    return {"status": status or 0, "peak_parent": _peak(), "peak_largest_child": children}


def _peak() -> int:
    """Bytes. ru_maxrss of this process would begin with what the one that started it held."""
    for line in Path("/proc/self/status").read_text(encoding="utf-8").splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * 1024
    return 0


def extract_alone(
    table: Path, store: Path, chosen: dict[str, Any], cues: Sequence[str], fresh: bool = True
) -> dict[str, Any]:
    """`tricue extract` of a manifest as a user calls it, into an empty store unless `fresh` is False."""
    if fresh:
        shutil.rmtree(store, ignore_errors=True)
    arguments = ["extract", "--manifest", str(table), "--store", str(store), "--modalities", ",".join(cues)]
    for name, value in chosen.items():
        arguments += ["--set", f"features.{name}={value}"]
    found = alone("run_tricue", arguments=[*arguments, "--device", "cpu", "--quiet"])
    if found["status"]:
        raise SystemExit(f"tricue extract ended with {found['status']}: {table}")
    return found


# ---- the obvious way, and one sequential decode per clip


@dataclass
class Models:
    """What a script loads once."""

    tokenizer: Any
    text: Any
    hearing: Any
    speech: Any
    images: Any
    seeing: Any


def load_models(chosen: dict[str, Any]) -> Models:
    import torch
    from transformers import AutoFeatureExtractor, AutoImageProcessor, AutoModel, AutoTokenizer
    from transformers.utils import logging

    logging.set_verbosity_error()
    logging.disable_progress_bar()

    def model(cue: str) -> Any:
        return AutoModel.from_pretrained(chosen[f"{cue}.encoder"], dtype=torch.float32).eval()

    return Models(
        AutoTokenizer.from_pretrained(chosen["text.encoder"]),
        model("text"),
        AutoFeatureExtractor.from_pretrained(chosen["audio.encoder"]),
        model("audio").get_encoder(),
        AutoImageProcessor.from_pretrained(chosen["video.encoder"]),
        model("video"),
    )


def obvious_text(models: Models, text: str) -> np.ndarray:
    coded = models.tokenizer(text, return_tensors="pt")
    return models.text(**coded).last_hidden_state[0, 1:-1].numpy()


def obvious_wav(path: Path, wav: Path) -> None:
    """As `ffmpeg -i PATH -ar 16000 -ac 1 WAV` does."""
    import av
    import soundfile

    resampler = av.AudioResampler(format="s16", layout="mono", rate=16_000)
    parts = []
    with av.open(str(path)) as container:
        for frame in container.decode(audio=0):
            parts += resampler.resample(frame)
    parts += resampler.resample(None)
    soundfile.write(wav, np.concatenate([part.to_ndarray()[0] for part in parts]), 16_000, subtype="PCM_16")


def obvious_speech(models: Models, wav: Path, layer: int, form: str) -> tuple[np.ndarray, float]:
    """(frames, 384) of the layer, padding left out, and the seconds of the sound."""
    import librosa
    import torch

    wave, rate = librosa.load(wav, sr=16_000)
    coded = models.hearing(wave, sampling_rate=rate, return_tensors="pt", padding="max_length")
    values, encoder = coded.input_features, models.speech
    frames = -(-wave.size // 320)
    if form == "30s":
        states = encoder(values, output_hidden_states=True).hidden_states[layer][0]
        return states[:frames].numpy(), wave.size / rate
    table, limit = encoder.embed_positions, encoder.config.max_source_positions
    encoder.embed_positions = torch.nn.Embedding.from_pretrained(table.weight[:frames])
    encoder.config.max_source_positions = frames
    values = models.hearing(
        np.pad(wave, (0, -wave.size % 320)), sampling_rate=rate, return_tensors="pt", padding=False
    )
    states = encoder(values.input_features, output_hidden_states=True).hidden_states[layer][0]
    encoder.embed_positions, encoder.config.max_source_positions = table, limit
    return states.numpy(), wave.size / rate


def obvious_acoustic(wav: Path) -> list[np.ndarray]:
    """MFCC, spectral features, pitch with voicing: each from the file, with tricue's parameters."""
    import librosa

    feature, window = librosa.feature, {"n_fft": 512, "hop_length": 320, "center": False}

    def around(wave: np.ndarray, frame: int) -> np.ndarray:
        margin = (frame - 320) // 2
        return np.pad(wave, (margin, margin + -len(wave) % 320))

    wave, rate = librosa.load(wav, sr=16_000)
    mfcc = feature.mfcc(y=around(wave, 512), sr=rate, n_mfcc=25, n_mels=64, **window)

    wave, rate = librosa.load(wav, sr=16_000)
    padded = around(wave, 512)
    magnitude = np.abs(librosa.stft(padded, **window))
    mel = librosa.power_to_db(feature.melspectrogram(S=magnitude**2, sr=rate, n_mels=64))
    spectral = [
        feature.spectral_centroid(S=magnitude, sr=rate),
        feature.spectral_bandwidth(S=magnitude, sr=rate),
        feature.spectral_rolloff(S=magnitude, sr=rate),
        np.log10(feature.spectral_flatness(S=magnitude)),
        feature.zero_crossing_rate(padded, frame_length=512, hop_length=320, center=False),
        np.log10(feature.rms(S=magnitude, frame_length=512) + 1e-6),
    ]
    onset = librosa.onset.onset_strength(S=mel, sr=rate, hop_length=320, center=False)

    wave, rate = librosa.load(wav, sr=16_000)
    padded = around(wave, 1024)
    pitch = librosa.yin(padded, fmin=65, fmax=600, sr=rate, frame_length=1024, hop_length=320, center=False)
    frames = librosa.util.frame(padded, frame_length=1024, hop_length=320, axis=0)
    power = np.abs(np.fft.rfft(frames, 2048)) ** 2
    correlation, lag = np.fft.irfft(power), np.round(rate / pitch).astype(int)
    voicing = correlation[np.arange(len(lag)), lag] * (1024 / (1024 - lag)) / (correlation[:, 0] + 1e-8)
    return [mfcc, *spectral, np.log(pitch)[None], voicing[None], onset[None]]


def obvious_audio(models: Models, path: Path, wav: Path, layer: int, form: str) -> np.ndarray:
    """(T, 384 + 34): every stream averaged over a tenth of a second."""
    from tricue.features.acoustic import average, cells

    obvious_wav(path, wav)
    states, seconds = obvious_speech(models, wav, layer, form)
    beside = np.vstack(obvious_acoustic(wav)).T
    count = cells(round(seconds * 16_000), 10.0)
    grids = [
        average(frames, (np.arange(len(frames)) + 0.5) * 0.02, count, 10.0) for frames in (states, beside)
    ]
    return np.hstack(grids)


def obvious_times(path: Path, count: int) -> list[float]:
    """One pass over the file: in each equal part of it the time of the frame of highest gray-level entropy."""
    import av
    from av.video.reformatter import VideoReformatter

    gray, found = VideoReformatter(), []  # one for all frames: cheaper than frame.to_ndarray(format="gray")
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        stream.thread_type = "AUTO"
        for frame in container.decode(stream):
            shares = np.bincount(gray.reformat(frame, format="gray").to_ndarray().ravel(), minlength=256)
            shares = shares[shares > 0] / shares.sum()
            found.append((frame.time, -(shares * np.log2(shares)).sum()))
        ends = float((stream.start_time + stream.duration) * stream.time_base)
    times, entropies = np.array(found).T
    low = times.min() - 1e-4
    parts = np.minimum(count - 1, (times - low) * count / (ends - 1e-4 - low)).astype(int)
    return [float(times[parts == k][np.argmax(entropies[parts == k])]) for k in np.unique(parts)]


def obvious_frames(path: Path, times: Sequence[float]) -> Iterator[np.ndarray]:
    """A seek per frame: to the key frame before it, and decode up to it."""
    import av

    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        stream.thread_type = "AUTO"
        for wanted in times:
            container.seek(round(wanted / stream.time_base), stream=stream)
            frame = next(f for f in container.decode(stream) if f.time >= wanted - 1e-4)
            yield frame.to_ndarray(format="rgb24")


def obvious_video(models: Models, path: Path, count: int = 10) -> np.ndarray:
    vectors = []
    for picture in obvious_frames(path, obvious_times(path, count)):
        coded = models.images(images=picture, return_tensors="pt", input_data_format="channels_last")
        vectors.append(models.seeing(**coded).pooler_output.flatten().numpy())
    return np.stack(vectors)


def timed_clips(one: Callable[[Path], list[np.ndarray]], clips: Sequence[str], out: Path) -> dict[str, Any]:
    """Each clip after the other, all saved at the end. The first has gone through before: models are warm."""
    started = time.perf_counter()
    one(Path(clips[0]))
    begun = time.perf_counter()
    done = [one(Path(clip)) for clip in clips]
    named = {f"{c}-{i}": a for i, row in enumerate(done) for c, a in zip(CUES, row, strict=True)}
    np.savez(out, **{name: array.astype(np.float16) for name, array in named.items()})
    return {"seconds": time.perf_counter() - begun, "warming": begun - started}


def run_obvious(clips: list[str], chosen: dict[str, Any], out: str, form: str = "30s") -> dict[str, Any]:
    import torch

    models, wav = load_models(chosen), RUNS / f"obvious-{os.getpid()}.wav"

    def one(path: Path) -> list[np.ndarray]:
        return [
            obvious_text(models, sentence(int(path.stem))),
            obvious_audio(models, path, wav, chosen["audio.layer"], form),
            obvious_video(models, path),
        ]

    with torch.inference_mode():
        found = timed_clips(one, clips, Path(out))
    wav.unlink()
    return {**found, "threads": torch.get_num_threads()}


def run_sequential(clips: list[str], chosen: dict[str, Any], out: str) -> dict[str, Any]:
    """Tricue's decoding in one pass and its extractors, a call per clip and cue, one process, nothing batched."""
    import torch

    from tricue.features.extractors import make_extractors
    from tricue.features.media import decode
    from tricue.features.text import Spoken

    text, audio, video = make_extractors(features_config(chosen), CUES, "cpu").values()

    def one(path: Path) -> list[np.ndarray]:
        clip = decode(path, frames=10, max_seconds=30.0)
        return [
            text.encode([text.prepare(Spoken(sentence(int(path.stem))))])[0],
            audio.encode([audio.prepare(clip.audio)])[0],
            video.encode([video.prepare(clip.frames)])[0],
        ]

    return {**timed_clips(one, clips, Path(out)), "threads": torch.get_num_threads()}


def run_agreement(clips: list[str], chosen: dict[str, Any]) -> dict[str, Any]:
    """How far the obvious script's values are from tricue's, before they are rounded to 16 bits.

    Both hear the wav file: its sound is not tricue's, as it is half as loud (FFmpeg mixes stereo to mono by halves in
    16 bits, by the root of a half in floating point) and holds what the codec added to fill its last frame.
    """
    import soundfile
    import torch

    from tricue.features.extractors import make_extractors
    from tricue.features.media import decode
    from tricue.features.text import Spoken

    text, audio, video = make_extractors(features_config(chosen), CUES, "cpu").values()
    models, wav = load_models(chosen), RUNS / f"agreement-{os.getpid()}.wav"
    worst: dict[str, float] = {}
    same_frames, longer = 0, []

    def note(name: str, ours: np.ndarray, theirs: np.ndarray, each: bool = False) -> None:
        if ours.shape != theirs.shape:
            raise SystemExit(f"{name}: {ours.shape} against {theirs.shape}")
        largest = np.abs(ours).max(axis=0 if each else None) + 1e-9
        worst[name] = max(worst.get(name, 0.0), float((np.abs(ours - theirs) / largest).max()))

    with torch.inference_mode():
        for path in map(Path, clips):
            clip = decode(path, frames=10, max_seconds=30.0)
            shown = list(obvious_frames(path, obvious_times(path, 10)))
            same_frames += len(shown) == len(clip.frames) and all(map(np.array_equal, shown, clip.frames))
            said = sentence(int(path.stem))
            note("text", text.encode([text.prepare(Spoken(said))])[0], obvious_text(models, said))
            note("video", video.encode([video.prepare(clip.frames)])[0], obvious_video(models, path))
            for form in ("true length", "30s"):
                theirs = obvious_audio(models, path, wav, chosen["audio.layer"], form)
                wave, _ = soundfile.read(wav, dtype="float32")
                ours = audio.encode([audio.prepare(wave)])[0]
                note(f"speech vectors, {form}", ours[:, :-34], theirs[:, :-34])
                note("MFCC and spectral", ours[:, -34:], theirs[:, -34:], each=True)
            longer.append(wave.size - clip.audio.size)
    wav.unlink()
    return {
        "clips": len(clips),
        "clips_with_the_same_key_frames": same_frames,
        "largest_difference": worst,
        "relative_to": "the largest value of the clip; MFCC and spectral: of the feature in the clip",
        "samples_by_which_the_wav_is_longer": [min(longer), max(longer)],
    }


# ---- where the time goes


def run_stages(clips: list[str], chosen: dict[str, Any], store: str) -> dict[str, Any]:
    """Seconds per clip of each stage, one process with one thread, batches as the engine makes them."""
    from tricue.features.engine import one_thread
    from tricue.features.extractors import make_extractors
    from tricue.features.media import decode
    from tricue.features.store import Store
    from tricue.features.text import Spoken
    from tricue.features.worker import Ready, as_row

    one_thread()
    shutil.rmtree(store, ignore_errors=True)
    extractors = make_extractors(features_config(chosen), CUES, "cpu")
    stores = {cue: Store(Path(store), cue, e.name, e.settings) for cue, e in extractors.items()}
    spent: dict[str, float] = {}

    @contextmanager
    def stage(name: str) -> Iterator[None]:
        begun = time.perf_counter()
        yield
        spent[name] = spent.get(name, 0.0) + time.perf_counter() - begun

    def prepare(cue: str, signals: Sequence[Any]) -> list[Any]:
        with stage(f"prepare {cue}"):
            return [extractors[cue].prepare(signal) for signal in signals]

    def finish(cue: str, names: Sequence[str], ready: list[Any]) -> None:
        with stage(f"encode {cue}"):
            arrays = extractors[cue].encode(ready)
        with stage("write"):
            stores[cue].add(
                [(n, as_row(a, Ready(n, cue, n, None))) for n, a in zip(names, arrays, strict=True)]
            )

    def batch(paths: Sequence[Path]) -> None:
        with stage("decode"):
            decoded = [decode(path, frames=10, max_seconds=30.0) for path in paths]
        names = [path.stem for path in paths]
        finish("audio", names, prepare("audio", [clip.audio for clip in decoded]))
        finish("video", names, prepare("video", [clip.frames for clip in decoded]))

    paths = [Path(clip) for clip in clips]
    batch(paths[:2])  # warms up
    finish("text", ["warm"], prepare("text", [Spoken("warm")]))
    spent.clear()
    begun = time.perf_counter()
    finish("text", [p.stem for p in paths], prepare("text", [Spoken(sentence(int(p.stem))) for p in paths]))
    for i in range(0, len(paths), MEDIA_BATCH):
        batch(paths[i : i + MEDIA_BATCH])
    with stage("write"):
        for own in stores.values():
            own.merge()
    total = time.perf_counter() - begun
    with stage("decode, sound alone"):
        for path in paths:
            decode(path, max_seconds=30.0)
    return {"total": total, "stages": spent}


def floor_process(what: str, clips: list[str], chosen: dict[str, Any], barrier: Any, answers: Any) -> None:
    """Half of the clips, decoded alone or encoded alone; both processes begin at once."""
    from tricue.features.engine import one_thread
    from tricue.features.extractors import make_extractors
    from tricue.features.media import decode
    from tricue.features.text import Spoken

    one_thread()
    text, audio, video = make_extractors(features_config(chosen), CUES, "cpu").values()
    paths = [Path(clip) for clip in clips]
    if what == "decode":
        decode(paths[0], frames=10, max_seconds=30.0)
    else:
        decoded = [decode(path, frames=10, max_seconds=30.0) for path in paths]
        texts = [text.prepare(Spoken(sentence(int(path.stem)))) for path in paths]
        sounds = [audio.prepare(clip.audio) for clip in decoded]
        shots = [video.prepare(clip.frames) for clip in decoded]
        del decoded
        text.encode(texts[:1]), audio.encode(sounds[:1]), video.encode(shots[:1])  # warms up
    barrier.wait()
    begun = time.perf_counter()
    if what == "decode":
        for path in paths:
            decode(path, frames=10, max_seconds=30.0)
    else:
        text.encode(texts)
        for i in range(0, len(paths), MEDIA_BATCH):
            audio.encode(sounds[i : i + MEDIA_BATCH])
            video.encode(shots[i : i + MEDIA_BATCH])
    answers.put(time.perf_counter() - begun)


def floor(what: str, clips: list[str], chosen: dict[str, Any], processes: int = 2) -> float:
    """Clips per second of `what` alone over the processes."""
    context = multiprocessing.get_context("spawn")
    barrier, answers = context.Barrier(processes), context.Queue()
    parts = [clips[i::processes] for i in range(processes)]
    crew = [context.Process(target=floor_process, args=(what, p, chosen, barrier, answers)) for p in parts]
    for process in crew:
        process.start()
    slowest = max(answers.get(timeout=3600) for _ in crew)
    for process in crew:
        process.join()
    return len(clips) / slowest


def clips(args: argparse.Namespace) -> dict[str, Any]:
    """The three sides in blocks, tricue's whole run between the halves of the others."""
    paths = [str(path) for path in made_clips(args.clips)]
    chosen, few = settings(), paths[: args.obvious_clips or len(paths)]
    halves = [few[: len(few) // 2], few[len(few) // 2 :]] if len(few) > 1 else [few]
    whole = manifest("clips", clip_rows([Path(path) for path in paths]))
    half = manifest("clips-half", clip_rows([Path(path) for path in paths[: len(paths) // 2]]))
    store, blocks = RUNS / "store-clips", []

    def block(side: str, count: int, run: Callable[[], dict[str, Any]]) -> None:
        found = run()
        print(f"{side}: {count} clips, {found['wall']:.1f} s", file=sys.stderr, flush=True)
        blocks.append(
            {"side": side, "clips": count, **{k: round(v, 3) for k, v in found.items() if k != "status"}}
        )

    def script(task: str, part: list[str]) -> None:
        out = RUNS / "script.npz"
        block(task, len(part), partial(alone, f"run_{task}", clips=part, chosen=chosen, out=out))

    before = machine()
    for _ in range(args.repeats):
        script("obvious", halves[0])
        script("sequential", halves[0])
        block("this", len(paths), partial(extract_alone, whole, store, chosen, CUES))
        for part in halves[1:]:
            script("obvious", part)
        block("this, half", len(paths) // 2, partial(extract_alone, half, store, chosen, CUES))
        for part in halves[1:]:
            script("sequential", part)
    agreement = alone("run_agreement", clips=few[:8], chosen=chosen)
    stages = alone("run_stages", clips=few, chosen=chosen, store=RUNS / "store-stages")
    floors = {what: floor(what, few, chosen) for what in ("decode", "encode")}

    def per_clip(side: str, seconds: Callable[[dict[str, Any]], float]) -> float:
        return statistics.median(seconds(b) / b["clips"] for b in blocks if b["side"] == side)

    # scripts: seconds of their start (imports, models) once for as many clips as tricue had
    started = {
        side: statistics.median(b["wall"] - b["seconds"] for b in blocks if b["side"] == side)
        for side in ("obvious", "sequential")
    }
    steady = {side: 1 / per_clip(side, lambda b: b["seconds"]) for side in started}
    called = {side: len(paths) / (started[side] + len(paths) / steady[side]) for side in started}
    called["this"] = 1 / per_clip("this", lambda b: b["wall"])
    seconds = [statistics.median(b["wall"] for b in blocks if b["side"] == s) for s in ("this", "this, half")]
    steady["this"] = (len(paths) - len(paths) // 2) / (seconds[0] - seconds[1])
    sides = ("this", "obvious", "sequential")
    return {
        "what": "clips per second, text + audio + video, from the call to the features on disk",
        "machine": before,
        "clips": describe_clips([Path(path) for path in paths]),
        "clips_of_the_scripts": len(few),
        "repeats": args.repeats,
        "settings": named(chosen),
        "clips_per_second": {
            "whole calls, with start-up": {side: round(called[side], 3) for side in sides},
            "without start-up": {side: round(steady[side], 3) for side in sides},
        },
        "ratios": {
            "this / obvious, whole calls": round(called["this"] / called["obvious"], 2),
            "this / obvious, without start-up": round(steady["this"] / steady["obvious"], 2),
            "this / sequential, whole calls": round(called["this"] / called["sequential"], 2),
            "this / sequential, without start-up": round(steady["this"] / steady["sequential"], 2),
        },
        "how": "this: wall time of `tricue extract` with an empty store; without start-up: the second half of the "
        "clips, as the whole run less a run of the first half. obvious, sequential: their clips after models are "
        "loaded and one clip has gone through; whole calls add that start once for as many clips as this had.",
        "seconds_per_clip_one_thread": {
            "all": round(stages["total"] / len(few), 4),
            **{name: round(value / len(few), 4) for name, value in stages["stages"].items()},
        },
        "floors_clips_per_second_two_processes": {
            "decode alone": round(floors["decode"], 3),
            "model arithmetic alone": round(floors["encode"], 3),
        },
        "agreement": {k: v for k, v in agreement.items() if k != "wall"},
        "blocks": blocks,
    }  # fmt: skip


# ---- many utterances


def write_dithered(source: Path, repeats: int, folder: Path, limit: int, first: int, of: int) -> None:
    """Copies of one recording, each with the last bit of its samples moved at random."""
    import soundfile

    samples, rate = soundfile.read(source, dtype="int16")
    for repeat in range(repeats):
        number = repeat * of + first
        path = folder / f"{number:05d}.flac"
        if number >= limit or path.exists():
            continue
        dither = np.random.default_rng([first, repeat]).integers(-1, 2, samples.shape)
        part = folder / f"part-{number:05d}.flac"
        soundfile.write(
            part, np.clip(samples + dither, -32768, 32767).astype(np.int16), rate, subtype="PCM_16"
        )
        part.replace(path)


def dithered(count: int) -> list[Path]:
    sources = sorted(shared("data/ravdess/audio").glob("*.flac"))
    repeats = -(-count // len(sources))
    folder = RUNS / "dither"
    folder.mkdir(parents=True, exist_ok=True)
    paths = [folder / f"{number:05d}.flac" for number in range(count)]
    if any(not path.exists() for path in paths):
        print(f"Making {count} recordings in {folder}", flush=True)
        with ProcessPoolExecutor(cores(), multiprocessing.get_context("spawn")) as pool:
            jobs = [
                pool.submit(write_dithered, source, repeats, folder, count, first, len(sources))
                for first, source in enumerate(sources)
            ]
            for job in jobs:
                job.result()
    return paths


def linear(args: argparse.Namespace) -> dict[str, Any]:
    sizes = [int(size) for size in args.sizes.split(",")]
    paths = dithered(max(sizes))
    encoder = args.encoder if args.encoder == "light" else str(shared(f"models/{args.encoder}"))
    chosen = {"audio.encoder": encoder} | ({} if args.encoder == "light" else {"audio.layer": 2})
    before, measured, answered = machine(), [], []

    def run(name: str, rows: list[dict[str, Any]], fresh: bool = True) -> dict[str, Any]:
        table = manifest(f"linear-{name}", rows)
        found = [extract_alone(table, store, chosen, ["audio"], fresh) for _ in range(args.repeats)]
        seconds = statistics.median(one["wall"] for one in found)
        print(f"{name}: {seconds:.1f} s", file=sys.stderr, flush=True)
        return {
            "utterances": len(rows),
            "seconds": round(seconds, 2),
            "milliseconds_per_utterance": round(1000 * seconds / len(rows), 2),
            "utterances_per_second": round(len(rows) / seconds, 1),
            "peak_megabytes_parent": round(max(one["peak_parent"] for one in found) / 1e6),
            "peak_megabytes_largest_child": round(max(one["peak_largest_child"] for one in found) / 1e6),
            "store_megabytes": round(sum(p.stat().st_size for p in store.rglob("*.arrow")) / 1e6, 1),
        }

    for size in sizes:
        store = RUNS / f"store-linear-{size}"
        own = [{"id": path.stem, "audio": path, "emotion": "neutral"} for path in paths[:size]]
        measured.append(run(f"{size}", own))
    sources = sorted(shared("data/ravdess/audio").glob("*.flac"))
    store = RUNS / "store-linear-repeats"
    plain = [
        {"id": f"{i:05d}", "audio": sources[i % len(sources)], "emotion": "neutral"}
        for i in range(max(sizes))
    ]
    first = run("repeats", plain[: len(sources)])
    answered.append(run("repeats-stored", plain, fresh=False))
    small, large = measured[0], measured[-1]
    marginal = {  # start-up falls out between two sizes
        f"{a['utterances']} to {b['utterances']}": round(
            1000 * (b["seconds"] - a["seconds"]) / (b["utterances"] - a["utterances"]), 2
        )
        for a, b in pairwise(measured)
    }
    each = [one["milliseconds_per_utterance"] for one in measured]
    return {
        "what": "tricue extract, audio alone, an empty store; wall time with the start of the process",
        "machine": before,
        "recordings": "RAVDESS (FLAC, 16 kHz), each repeat with its own dither of the last bit",
        "settings": named(chosen),
        "repeats": args.repeats,
        "sizes": measured,
        "milliseconds_per_utterance": " : ".join(f"{ms:g}" for ms in each),
        "relative_to_the_largest": [round(ms / each[-1], 2) for ms in each],
        "milliseconds_per_further_utterance": marginal,
        "start_seconds": round(
            small["seconds"] - small["utterances"] * next(iter(marginal.values()), 0) / 1000, 2
        ),
        "memory_largest_to_smallest": {
            side: round(large[f"peak_megabytes_{side}"] / max(1, small[f"peak_megabytes_{side}"]), 2)
            for side in ("parent", "largest_child")
        },
        "repeats_answered_from_the_store": {"first_run": first, "all_known": answered[0]},
        "note": "largest child: ru_maxrss of the largest process, which begins with what its parent held at its start",
    }


# ---- Ray


@dataclass(frozen=True)
class Noted:
    """A worker that writes down when it did which batch."""

    worker: Worker
    log: Path

    @property
    def device(self) -> str:
        return self.worker.device

    def __call__(self, jobs: Sequence[Job]) -> list[Result]:
        begun = time.time()
        results = self.worker(jobs)
        line = json.dumps([os.getpid(), begun, time.time(), sum(job.files is not None for job in jobs)])
        with self.log.open("a", encoding="utf-8") as file:
            file.write(line + "\n")
        return results

    def prepare(self, jobs: Sequence[Job]) -> Any:
        return self.worker.prepare(jobs)

    def encode(self, ready: Sequence[Any]) -> list[Result]:
        return self.worker.encode(ready)


def run_mapped(
    clips: list[str], chosen: dict[str, Any], engine: str, workers: int, batch: int, store: str
) -> dict[str, Any]:
    """Extraction through an engine, the time of its mapping told apart from its start.

    Mapping: from when every worker has done its first batch of clips (models are loaded) to when the first runs out of
    work, so that all of them are busy; a batch counts with the share of it that lies inside.
    """
    from tricue.features import plan
    from tricue.features.engine import local_engine
    from tricue.features.extract import extract

    plan.MEDIA_BATCH = batch
    log = RUNS / f"mapped-{os.getpid()}.log"
    log.unlink(missing_ok=True)
    if engine == "ray":
        from tricue.scale import ray_engine

        inner = ray_engine(None, workers)
    else:
        inner = local_engine(workers)
    begun = time.time()

    def noted(worker: Worker, batches: Any) -> Any:
        return inner(Noted(worker, log), batches)  # type: ignore[arg-type]

    shutil.rmtree(store, ignore_errors=True)
    paths = [Path(clip) for clip in clips]
    extract(utterances(paths), features_config(chosen), CUES, Path(store), engine=noted, progress=False)
    ended = time.time()
    spans = [json.loads(line) for line in log.read_text(encoding="utf-8").splitlines()]
    log.unlink()
    crew = {pid for pid, *_ in spans}
    warm = max(min(end for p, _, end, count in spans if p == pid and count) for pid in crew)
    idle = min(max(end for p, _, end, _ in spans if p == pid) for pid in crew)
    inside = sum(
        count * max(0.0, min(end, idle) - max(start, warm)) / (end - start) for _, start, end, count in spans
    )
    return {
        "processes": len(crew),
        "extract_seconds": ended - begun,
        "first_batch_begins_after": min(start for _, start, _, _ in spans) - begun,
        "mapping_seconds": idle - warm,
        "clips_mapped": inside,
        "clips_per_second": inside / (idle - warm),
    }


def ray(args: argparse.Namespace) -> dict[str, Any]:
    paths = [str(path) for path in made_clips(args.clips)]
    before, found = machine(), {}
    sides = [("ray", 1), ("ray", 2), ("local", 2)]
    for _ in range(args.repeats):
        for engine, workers in sides:
            one = alone(
                "run_mapped", clips=paths, chosen=settings(), engine=engine, workers=workers,
                batch=args.batch, store=RUNS / "store-ray",
            )  # fmt: skip
            found.setdefault(f"{engine}, {workers}", []).append({k: round(v, 2) for k, v in one.items()})
            print(engine, workers, one, file=sys.stderr, flush=True)
    rates = {side: statistics.median(one["clips_per_second"] for one in runs) for side, runs in found.items()}
    return {
        "what": "text + audio + video of the clips over Ray actors on this machine; mapping told apart from start-up",
        "machine": before,
        "clips": args.clips,
        "clips_per_batch": args.batch,
        "settings": named(settings()),
        "repeats": args.repeats,
        "clips_per_second_while_mapping": rates,
        "two_ray_workers_to_one": round(rates["ray, 2"] / rates["ray, 1"], 2),
        "two_ray_workers_to_local_engine_with_two": round(rates["ray, 2"] / rates["local, 2"], 2),
        "start_seconds": {
            side: statistics.median(one["first_batch_begins_after"] for one in runs)
            for side, runs in found.items()
        },
        "runs": found,
    }


# ---- an hour


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
    found = [
        extract_alone(table, RUNS / "store-hour", chosen, ["audio", "video"]) for _ in range(args.repeats)
    ]
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


# ---- Whisper's form


def run_whisper_forms(clips: list[str], rounds: int) -> dict[str, Any]:
    """Seconds of both forms in turn on the same batches, one thread."""
    from tricue.features.engine import one_thread
    from tricue.features.extractors import make_extractors
    from tricue.features.media import decode

    one_thread()
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
        for i in range(0, len(heard), MEDIA_BATCH):
            for form, extractor in forms.items():
                begun = time.perf_counter()
                extractor.encode(heard[i : i + MEDIA_BATCH])
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
    found = alone("run_whisper_forms", clips=drawn, rounds=args.repeats)
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


TASKS: dict[str, Callable[..., dict[str, Any]]] = {
    task.__name__: task
    for task in (
        run_tricue,
        run_obvious,
        run_sequential,
        run_agreement,
        run_stages,
        run_mapped,
        run_whisper_forms,
    )
}


def main() -> None:
    if sys.argv[1:2] == ["alone"]:
        task, arguments, answer = sys.argv[2:]
        Path(answer).write_text(json.dumps(TASKS[task](**json.loads(arguments))), encoding="utf-8")
        return
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parts = parser.add_subparsers(dest="part", required=True)

    def part(run: Callable[[argparse.Namespace], dict[str, Any]], repeats: int) -> argparse.ArgumentParser:
        found = parts.add_parser(run.__name__.replace("_", "-"), help=run.__doc__)
        found.add_argument("--repeats", type=int, default=repeats, help="medians are kept")
        found.set_defaults(run=run)
        return found

    found = part(clips, 1)
    found.add_argument("--clips", type=int, default=200)
    found.add_argument("--obvious-clips", type=int, help="of the two scripts; by default all")
    found = part(linear, 1)
    found.add_argument("--sizes", default="100,1000,10000", help="ascending")
    found.add_argument("--encoder", default="light", help="light, or a folder of ../shared/models")
    found = part(ray, 1)
    found.add_argument("--clips", type=int, default=60)
    found.add_argument("--batch", type=int, default=4, help="clips that are mapped together")
    found = part(hour, 1)
    found.add_argument("--seconds", type=int, default=3600)
    found.add_argument("--height", type=int, default=180)
    found.add_argument("--fps", type=int, default=5)
    found = part(whisper_form, 3)
    found.add_argument("--clips", type=int, default=60)
    args = parser.parse_args()
    keep(f"extraction_speed_{args.part.replace('-', '_')}", args.run(args))


if __name__ == "__main__":
    main()
