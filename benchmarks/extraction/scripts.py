"""The two scripts that tricue is timed against, the obvious one and one sequential decode per clip, and how far the
obvious one's values are from tricue's."""

import os
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from extraction.inputs import MODALITIES, RUNS, features_config
from extraction.made_clips import sentence
from extraction.obvious import load_models, obvious_audio, obvious_frames, obvious_text, obvious_times, obvious_video


def timed_clips(one: Callable[[Path], list[np.ndarray]], clips: Sequence[str], out: Path) -> dict[str, Any]:
    """Each clip after the other, all saved at the end. The first has gone through before: models are warm."""
    started = time.perf_counter()
    one(Path(clips[0]))
    begun = time.perf_counter()
    done = [one(Path(clip)) for clip in clips]
    named = {f"{c}-{i}": a for i, row in enumerate(done) for c, a in zip(MODALITIES, row, strict=True)}
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
    """Tricue's decoding in one pass and its extractors, a call per clip and modality, one process, nothing batched."""
    import torch

    from tricue.extractors.choice import make_extractors
    from tricue.extractors.text_extractors import Spoken
    from tricue.media.decoding import decode

    text, audio, video = make_extractors(features_config(chosen), MODALITIES, "cpu").values()

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

    from tricue.extractors.choice import make_extractors
    from tricue.extractors.text_extractors import Spoken
    from tricue.media.decoding import decode

    text, audio, video = make_extractors(features_config(chosen), MODALITIES, "cpu").values()
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
