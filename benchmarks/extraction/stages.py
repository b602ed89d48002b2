"""Where the time goes: seconds of each stage, and what decoding or the models' arithmetic alone would take."""

import multiprocessing
import shutil
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from extraction.inputs import MODALITIES, features_config
from extraction.made_clips import sentence
from tricue.modalities.reading import MediaFile


def run_stages(clips: list[str], chosen: dict[str, Any], store: str) -> dict[str, Any]:
    """Seconds per clip of each stage, one process with one thread, batches as the engine makes them."""
    from tricue.extractors.choice import make_extractors
    from tricue.extractors.text_extractors import Spoken
    from tricue.features.store import Store
    from tricue.features.worker import Ready, as_row
    from tricue.media.decoding import decode
    from tricue.processes import limit_threads

    limit_threads()
    shutil.rmtree(store, ignore_errors=True)
    extractors = make_extractors(features_config(chosen), MODALITIES, "cpu")
    stores = {modality: Store(Path(store), modality, e.name, e.settings) for modality, e in extractors.items()}
    spent: dict[str, float] = {}

    @contextmanager
    def stage(name: str) -> Iterator[None]:
        begun = time.perf_counter()
        yield
        spent[name] = spent.get(name, 0.0) + time.perf_counter() - begun

    def prepare(modality: str, signals: Sequence[Any]) -> list[Any]:
        with stage(f"prepare {modality}"):
            return [extractors[modality].prepare(signal) for signal in signals]

    def finish(modality: str, names: Sequence[str], ready: list[Any]) -> None:
        with stage(f"encode {modality}"):
            arrays = extractors[modality].encode(ready)
        with stage("write"):
            stores[modality].add(
                [(n, as_row(a, Ready(n, modality, n, None))) for n, a in zip(names, arrays, strict=True)]
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
    for i in range(0, len(paths), MediaFile.batch_size):
        batch(paths[i : i + MediaFile.batch_size])
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
    from tricue.extractors.choice import make_extractors
    from tricue.extractors.text_extractors import Spoken
    from tricue.media.decoding import decode
    from tricue.processes import limit_threads

    limit_threads()
    text, audio, video = make_extractors(features_config(chosen), MODALITIES, "cpu").values()
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
        for i in range(0, len(paths), MediaFile.batch_size):
            audio.encode(sounds[i : i + MediaFile.batch_size])
            video.encode(shots[i : i + MediaFile.batch_size])
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
