"""The toy corpus: real mp4 files with a drawn face and a synthetic voice, sentences, and a known best score.

In its folder: `manifest.csv`, `clips/<id>.mp4` (H.264, AAC), `draws.csv` (what each clip truly shows) and
`toy.json` (the settings that all of it follows from).
"""

import csv
import hashlib
import io
import json
import multiprocessing
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass, fields
from fractions import Fraction
from functools import lru_cache
from pathlib import Path
from typing import Any

import av
import numpy as np
from pydantic import ValidationError

from tricue.config.settings import Config
from tricue.data.corpus import Corpus
from tricue.data.manifest import read_manifest
from tricue.data.prepared import MANIFEST, record_beside, write_prepared
from tricue.device import cores
from tricue.files.atomic import replaced_file
from tricue.files.json_files import write_json
from tricue.progress import Bar
from tricue.toy.toy_draws import EMOTIONS, STREAMS, Clip, Draw, draw_clips
from tricue.toy.toy_face import Look, draw_face, face_jitter, look_of_speaker
from tricue.toy.toy_settings import ToyConfig
from tricue.toy.toy_voice import SAMPLE_RATE, Voice, synthesise, voice_jitter, voice_of_speaker
from tricue.toy.toy_words import Wording, sentence, wording
from tricue.types import InputError, Utterance

FORMAT = 3  # raised by hand when the same settings give other clips
DRAWS, SETTINGS, CLIPS = "draws.csv", "toy.json", "clips"
FEW = 64  # clips that one process is done with before another has started
# Encoders that look back leave traces of what came before: predicted pictures keep a rim of where the mouth has
# been, and noise substitution and bit reservoirs colour the high bands. Averaged over a clip, those traces tell
# which way it runs. So every picture stands by itself, and the sound has bits to spare.
H264 = {"preset": "ultrafast", "qp": "28", "g": "1"}
AAC = {"b": "96k", "aac_coder": "fast", "aac_pns": "0", "aac_tns": "0"}


@dataclass(frozen=True)
class Speaker:
    look: Look
    voice: Voice
    wording: Wording


def make_toy(folder: Path, config: ToyConfig, *, workers: int | None = None, progress: bool = True) -> Path:
    """The corpus of `config` in `folder`; returns its manifest.

    What is there already is kept, so a killed run is taken up again and a complete one costs nothing; the
    manifest and its record are written last. workers: processes (None: one per core).
    Raises InputError where the folder holds a corpus of other settings or of another kind.
    """
    folder = Path(folder)
    _claim(folder, config)
    clips = draw_clips(config)
    missing = [clip for clip in clips if not _path(folder, clip).exists()]
    manifest = folder / MANIFEST
    if not missing and record_beside(manifest) is not None and (folder / DRAWS).exists():
        return manifest
    _write_clips(missing, folder, config, workers or cores(), progress)
    _write_draws([clip.draw for clip in clips], folder / DRAWS)
    utterances = [_utterance(clip, folder, config) for clip in clips]
    corpus = Corpus("toy", utterances, notes=[_note(config)], emotions=list(EMOTIONS))
    write_prepared(corpus, folder, "synthetic")
    return manifest


def read(source: Path, _config: Config | None = None) -> Corpus:
    """The toy corpus in a folder (or by its manifest) as `make_toy` left it. `_config`: every reader is given one.

    Raises InputError where there is none.
    """
    folder = source.parent if source.name == MANIFEST else source
    made_with = read_settings(folder)
    if not (folder / MANIFEST).is_file():
        raise InputError(f"The toy corpus in {folder} is unfinished: run `tricue prepare toy` on it again.")
    utterances = read_manifest(folder / MANIFEST, emotions=EMOTIONS, need_label=True)
    return Corpus("toy", utterances, notes=[_note(made_with)])


def _note(made_with: ToyConfig) -> str:
    return f"toy corpus: synthetic, made with seed {made_with.seed}; not for real use"


def read_draws(folder: Path) -> list[Draw]:
    """What each clip truly shows, in the manifest's order. Raises InputError where there is no toy corpus."""
    path = Path(folder) / DRAWS
    if not path.is_file():
        raise InputError(f"No {DRAWS} in {folder}: make the corpus with `tricue prepare toy`.")
    with path.open(encoding="utf-8", newline="") as file:
        rows = [(row, row["voice_shows"] or None) for row in csv.DictReader(file)]
        return [Draw(**row | {"sarcastic": row["sarcastic"] == "1", "voice_shows": voice}) for row, voice in rows]


def read_settings(folder: Path) -> ToyConfig:
    """The settings that the corpus in `folder` was made with. Raises InputError where there is none."""
    path = Path(folder) / SETTINGS
    if not path.is_file():
        raise InputError(f"No toy corpus in {folder} (no {SETTINGS} there): make one with `tricue prepare toy`.")
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        config = ToyConfig.model_validate(content["toy"])
        intact = content == _settings(config)
    except (json.JSONDecodeError, KeyError, TypeError, ValidationError):
        intact = False
    if not intact:
        raise InputError(
            f"{path} is damaged, or of another version of the toy corpus (this one is {FORMAT}): "
            "delete the folder and make it again with `tricue prepare toy`."
        )
    return config


def _settings(config: ToyConfig) -> dict[str, Any]:
    content = {"format": FORMAT, "toy": config.model_dump(mode="json")}
    return content | {"digest": hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()}


def _differences(there: ToyConfig, asked: ToyConfig) -> list[str]:
    return [
        f"toy.{name} is {getattr(there, name)} there, {getattr(asked, name)} here"
        for name in ToyConfig.model_fields
        if getattr(there, name) != getattr(asked, name)
    ]


def _claim(folder: Path, config: ToyConfig) -> None:
    """Marks the folder as this corpus's, before anything else is written; refuses one that is another's."""
    if (folder / SETTINGS).exists():
        if other := _differences(read_settings(folder), config):
            raise InputError(
                f"{folder} holds a toy corpus of other settings ({'; '.join(other)}): "
                "choose another folder, or delete this one."
            )
        return
    if (folder / MANIFEST).exists():
        raise InputError(f"{folder} holds another corpus ({MANIFEST}): choose another folder.")
    folder.mkdir(parents=True, exist_ok=True)
    write_json(folder / SETTINGS, _settings(config))


def _write_draws(draws: list[Draw], path: Path) -> None:
    table = io.StringIO()
    writer = csv.DictWriter(table, [column.name for column in fields(Draw)], lineterminator="\n")
    writer.writeheader()
    writer.writerows(asdict(draw) | {"sarcastic": int(draw.sarcastic)} for draw in draws)  # None is empty
    with replaced_file(path) as part:
        part.write_text(table.getvalue(), encoding="utf-8")


def _path(folder: Path, clip: Clip) -> Path:
    return folder / CLIPS / f"{clip.draw.id}.mp4"


def _utterance(clip: Clip, folder: Path, config: ToyConfig) -> Utterance:
    media, words = _path(folder, clip).resolve(), _speaker(config.seed, clip.speaker).wording
    return Utterance(
        id=clip.draw.id,
        text=sentence(clip.draw.text_shows, words, np.random.default_rng((*clip.seed, 0))),
        audio=media,
        video=media,
        label=clip.draw.emotion,
        speaker=f"s{clip.speaker:02d}",
        dialogue=clip.dialogue,
        turn=clip.turn,
        split=clip.split,
    )


@lru_cache(maxsize=256)
def _speaker(seed: int, index: int) -> Speaker:
    rng = np.random.default_rng((seed, STREAMS["speakers"], index))
    return Speaker(look_of_speaker(rng), voice_of_speaker(rng), wording(rng))


def _write_clips(clips: list[Clip], folder: Path, config: ToyConfig, workers: int, progress: bool) -> None:
    (folder / CLIPS).mkdir(exist_ok=True)
    jobs = [(clip, _path(folder, clip), config) for clip in clips]
    with Bar(progress) as bar:
        bar.begin("Drawing toy clips", len(jobs))
        if workers == 1 or len(jobs) < FEW:
            for job in jobs:
                _write_clip(job)
                bar.advance()
            return
        with ProcessPoolExecutor(workers, multiprocessing.get_context("spawn")) as pool:
            for _ in pool.map(_write_clip, jobs, chunksize=16):
                bar.advance()


def _write_clip(job: tuple[Clip, Path, ToyConfig]) -> None:
    clip, path, config = job
    speaker = _speaker(config.seed, clip.speaker)
    rng = np.random.default_rng((*clip.seed, 1))
    sound = synthesise(clip.draw.voice_shows, speaker.voice, voice_jitter(rng), config.seconds)
    frames = max(2, round(config.seconds * config.fps))
    pictures = draw_face(clip.draw.face_shows, speaker.look, face_jitter(rng), frames, config.size)
    with replaced_file(path) as part:
        _encode(part, pictures, sound, config.fps)


def _encode(path: Path, pictures: np.ndarray, sound: np.ndarray, fps: int) -> None:
    """An mp4 of (T, H, W, 3) uint8 pictures (H.264) and a 16 kHz mono waveform (AAC)."""
    # bitexact: no version stamps, so that the same settings give the same bytes
    with av.open(str(path), "w", format="mp4", options={"fflags": "+bitexact"}) as file:
        video = file.add_stream("libx264", rate=fps, options=H264)
        video.height, video.width = pictures.shape[1:3]
        video.pix_fmt, video.thread_count = "yuv420p", 1
        audio = file.add_stream("aac", rate=SAMPLE_RATE, layout="mono", options=AAC)
        for picture in pictures:
            file.mux(video.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        file.mux(video.encode())
        frame = av.AudioFrame.from_ndarray(sound[None], format="fltp", layout="mono")
        frame.sample_rate, frame.time_base = SAMPLE_RATE, Fraction(1, SAMPLE_RATE)
        frame.pts = 0  # so that the encoder's priming lies before 0, where players and decoders cut it off
        file.mux(audio.encode(frame))
        file.mux(audio.encode())
