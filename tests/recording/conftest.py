"""Real speech and the model that writes it down, where this machine has them; a timeline made up."""

import csv
from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from tricue.checkpoint.checkpoint import save_checkpoint
from tricue.media.sound import SAMPLE_RATE
from tricue.recording import speech
from tricue.recording.segments import Segment
from tricue.recording.timeline import Entry, Timeline
from tricue.tasks.categorical import Categorical
from tricue.tasks.dimensional import Dimensional
from tricue.tasks.multilabel import Multilabel
from tricue.types import UNCERTAIN, ModalityName, Prediction

SHARED = Path(__file__).resolve().parents[2] / "../shared"


@pytest.fixture
def shared_speech() -> Path:
    """An actor of RAVDESS who says "Kids are talking by the door"."""
    found = sorted((SHARED / "data/ravdess").rglob("03-01-01-01-01-01-*.*"))
    if not found:
        pytest.skip("needs ../shared/data/ravdess")
    return found[0]


@pytest.fixture
def meld_lines() -> list[tuple[str, str]]:
    """Who says what in MELD's training part, in order: a name of MELD's own, and an utterance."""
    table = SHARED / "data/meld/train_sent_emo.csv"
    if not table.is_file():
        pytest.skip("needs ../shared/data/meld")
    with table.open(encoding="utf-8", newline="") as file:
        return [(row["Speaker"], row["Utterance"]) for row in csv.DictReader(file)]


@pytest.fixture
def whisper() -> Path:
    folder = SHARED / "models/whisper-tiny-en"
    if not folder.is_dir():
        pytest.skip("needs ../shared/models/whisper-tiny-en")
    return folder


class LoudIsSpeech:
    """Stands for the detector: a loud chunk is speech."""

    def __call__(self, chunk, rate):
        assert chunk.shape == (512,) and rate == SAMPLE_RATE
        return float(chunk.abs().mean() > 0.1)

    def reset_states(self):
        pass


@pytest.fixture
def loud(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(speech, "_detector", LoudIsSpeech)


EMOTIONS = ["anger", "joy", "neutral"]
TOY = "toy: not for real use"


@pytest.fixture(scope="session")
def make_model(tmp_path_factory: pytest.TempPathFactory, untrained: Callable[..., Any]) -> Callable[..., Path]:
    """A checkpoint that was never trained: it answers, whatever it says. `settings` are of its config."""

    def make(modalities: list[ModalityName], settings: dict[str, Any] | None = None) -> Path:
        model = untrained({"modalities": modalities, "data.emotions": EMOTIONS} | (settings or {}))
        folder = tmp_path_factory.mktemp("model")
        save_checkpoint(folder, model.network, model.card)
        return folder

    return make


@pytest.fixture(scope="session")
def film(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """Write `seconds` of a grey picture that changes once a second, and of a tone that does: quick to make."""

    def make(seconds: int, *, fps: int = 2, width: int = 64, height: int = 64, pictures: bool = True) -> Path:
        path = tmp_path_factory.mktemp("film") / "film.mp4"
        with av.open(str(path), "w") as container:
            audio = container.add_stream("aac", rate=16_000, layout="mono")
            if pictures:
                video = container.add_stream("libx264", rate=fps, options={"preset": "ultrafast", "threads": "1"})
                video.width, video.height, video.pix_fmt = width, height, "yuv420p"
            for second in range(seconds):
                wave = 0.3 * np.sin(2 * np.pi * (200 + 40 * (second % 7)) * np.arange(16_000) / 16_000)
                sound = av.AudioFrame.from_ndarray(wave.astype(np.float32)[None], "fltp", "mono")
                sound.sample_rate, sound.time_base, sound.pts = 16_000, Fraction(1, 16_000), 16_000 * second
                container.mux(audio.encode(sound))
                grey = np.full((height, width, 3), 60 + 20 * (second % 8), np.uint8)
                grey[: height // 2, : width // 2] = 40 * (second % 5)
                for _ in range(fps if pictures else 0):
                    container.mux(video.encode(av.VideoFrame.from_ndarray(grey, "rgb24")))
            for stream in container.streams:
                container.mux(stream.encode(None))
        return path

    return make


@pytest.fixture
def told() -> Timeline:
    """A recording of 40 s that lies nowhere: an answer, one less sure than asked for, a failed one; the last two at
    once, and of words and names that are markup elsewhere."""
    sure = Prediction("1", "joy", 0.8234, dict(zip(EMOTIONS, (0.1, 0.8234, 0.0766), strict=True)), ("text",))
    unsure = Prediction(
        "2", UNCERTAIN, 0.4, dict(zip(EMOTIONS, (0.4, 0.35, 0.25), strict=True)), ("text",), "audio: cut", TOY
    )
    failed = Prediction("3", None, None, {}, (), "no text to go by", TOY)
    return Timeline(
        Path("/nowhere/talk #1: a & b.mp4"), 40.0, Categorical(tuple(EMOTIONS)), None, ["text", "audio"],
        [
            Entry(Segment(1.0, 2.5, "Well, how nice & good", "Ann"), sure),
            Entry(Segment(4.0, 8.0, "</script><b>a --> b</b>", "<v Bob>"), unsure),
            Entry(Segment(5.0, 9.0), failed),
        ],
        TOY,
    )  # fmt: skip


LABELS = Multilabel(tuple(EMOTIONS)), {"thresholds": [0.3, 0.5, 0.6]}
VALUES = (
    Dimensional(("valence", "arousal"), {"valence": (1.0, 5.0)}, ((3.0, 0.5, 1.2, 4.8), (0.1, 0.4, -1.0, 1.0))),
    None,
)
SAID: dict[str, tuple[Any, tuple[float, ...]]] = {
    "labels": (LABELS, (0.42, 0.5, 0.1)),
    "values": (VALUES, (3.25, -0.5)),
}


@pytest.fixture(params=list(SAID))
def told_otherwise(told: Timeline, request: pytest.FixtureRequest) -> Timeline:
    """The same recording by a model of several labels, and by one of values: two answers and a failed one."""
    (task, calibration), values = SAID[request.param]
    answer = Prediction("1", *task.decide(values, calibration), dict(zip(task.names, values, strict=True)), ("text",))
    answers = [answer, answer, told.entries[2].prediction]
    entries = [Entry(entry.segment, own) for entry, own in zip(told.entries, answers, strict=True)]
    return replace(told, task=task, calibration=calibration, entries=entries)
