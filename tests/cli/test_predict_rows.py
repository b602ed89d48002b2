"""Rows of `tricue predict`: written as they come, whole after a kill; what fails a row, and what is a note."""

import csv
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, ClassVar

import av
import numpy as np
import pytest
from av.stream import Disposition
from tests.commands import tricue

from tricue.cli import answering
from tricue.modalities import reading
from tricue.prediction.predictions import growing_table, unfinished
from tricue.recognizer import MultimodalEmotionRecognizer
from tricue.recording import speech, transcribe, words
from tricue.recording.segments import Segment
from tricue.tasks.categorical import Categorical
from tricue.types import Prediction, Utterance

EMOTIONS = ["anger", "joy", "neutral"]


@pytest.fixture
def place(working_folder: Path, save_untrained: Callable[..., Path]) -> Path:
    """A working folder with a model of words where it is looked for, and one of sound and pictures."""
    for name, modalities in (("checkpoints/best_model", ["text"]), ("av", ["video"]), ("both", ["text", "video"])):
        save_untrained(working_folder / name, {"modalities": modalities, "data.emotions": EMOTIONS})
    return working_folder


predict = partial(tricue, "predict", "--quiet")


def read(path: str) -> list[dict[str, Any]]:
    lines = Path(path).read_text(encoding="utf-8").splitlines()
    return list(csv.DictReader(lines)) if path.endswith(".csv") else [json.loads(line) for line in lines]


def answers(ids: str) -> list[Prediction]:
    return [Prediction(id_, "joy", 0.5, {"anger": 0.25, "joy": 0.5, "neutral": 0.25}, ("text",)) for id_ in ids]


@pytest.mark.parametrize(
    ("name", "part"), [("a.csv", "a.part.csv"), ("a.json", "a.part.jsonl"), ("a.jsonl", "a.part.jsonl")]
)
def test_rows_are_there_as_they_come(tmp_path: Path, name: str, part: str) -> None:
    path = tmp_path / name
    path.write_text("old")
    with growing_table(path, Categorical(tuple(EMOTIONS))) as add:
        for ids in ("ab", "c"):
            add(answers(ids), {"text": list(ids)})
            assert [row["id"] for row in read(str(tmp_path / part))] == list("abc"[: 2 if ids == "ab" else 3])
            assert path.read_text() == "old"
    assert not (tmp_path / part).exists()
    rows = json.loads(path.read_text()) if name == "a.json" else read(str(path))
    assert [(row["id"], row["text"]) for row in rows] == [(i, i) for i in "abc"]
    assert "note" not in rows[0] or name != "a.csv"


def test_an_error_leaves_the_rows_so_far(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = tmp_path / "a.csv"
    with pytest.raises(OSError, match="full"), growing_table(path, Categorical(tuple(EMOTIONS))) as add:
        add(answers("ab"), {})
        raise OSError("disk full")
    assert len(read(str(unfinished(path)))) == 2 and not path.exists()
    assert f"the first 2 rows are in {unfinished(path)}" in caplog.text


def test_parts_say_what_one_batch_says(place: Path, tiny_bert: Path, untrained: Callable[..., Any]) -> None:
    """The turns before are read across parts, too."""
    settings = {"modalities": ["text"], "features.text.encoder": str(tiny_bert), "features.text.context": 2}
    model = untrained(settings)
    rows = [
        Utterance(str(i), text=f"oh my god {i}, you are fine", dialogue=str(i % 2), turn=i, speaker="Ross")
        for i in range(11)
    ]
    whole = model.predict_batch(rows)
    parts = list(model.predict_in_parts(rows, store=place / "s"))
    assert [len(part) for part in parts] == [11]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(reading.Words, "batch_size", 3)
        parts = list(model.predict_in_parts(rows, store=place / "t", quiet=True))
    assert [len(part) for part in parts] == [3, 3, 3, 2]
    for answer, expected in zip([p for part in parts for p in part], whole, strict=True):
        assert answer.id == expected.id
        assert answer.probabilities == pytest.approx(expected.probabilities, abs=1e-6)
    alone = model.predict_batch(rows[3:4])[0]  # without its context it would say something else
    assert alone.probabilities != pytest.approx(whole[3].probabilities, abs=1e-6)


def test_the_first_part_is_answered_before_the_last_is_read(
    place: Path, make_clip: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    clips = [Utterance(str(i), video=make_clip(f"{i}.mp4", frames=2, sound=None, seed=i)) for i in range(3)]
    monkeypatch.setattr(reading.MediaFile, "batch_size", 1)
    decoded: list[str] = []
    decode = reading.decode
    monkeypatch.setattr(reading, "decode", lambda path, **more: (decoded.append(path.stem), decode(path, **more))[1])
    model = MultimodalEmotionRecognizer.from_pretrained("av", device="cpu")
    seen = [(part[0].id, list(decoded)) for part in model.predict_in_parts(clips, store=place / "s", quiet=True)]
    assert seen == [("0", ["0"]), ("1", ["0", "1"]), ("2", ["0", "1", "2"])]


@pytest.mark.slow
@pytest.mark.parametrize("ending", ["csv", "jsonl", "json"])
def test_a_kill_leaves_rows_and_the_same_call_ends_the_same(place: Path, make_clip: Any, ending: str) -> None:
    Path("clips").mkdir()
    for i in range(30):
        make_clip(f"clips/{i:02d}.mp4", frames=12, sound=None, seed=i)
    call = [sys.executable, "-m", "tricue.cli", "predict", "clips", "--model_path", "av", "--quiet",
            "--output_file", f"o.{ending}"]  # fmt: skip
    part = unfinished(Path(f"o.{ending}"))
    process = subprocess.Popen(call, env=os.environ | {"OMP_NUM_THREADS": "1"})
    while process.poll() is None and not (part.exists() and part.read_bytes().count(b"\n") > 1):
        time.sleep(0.001)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert not Path(f"o.{ending}").exists()
    so_far = read(str(part))
    assert 0 < len(so_far) < 30 and [row["id"] for row in so_far] == [f"{i:02d}.mp4" for i in range(len(so_far))]
    assert subprocess.run(call, check=False).returncode == 0
    rows = json.loads(Path("o.json").read_text()) if ending == "json" else read(f"o.{ending}")
    assert [row["id"] for row in rows] == [f"{i:02d}.mp4" for i in range(30)]
    assert [row["confidence"] for row in rows[: len(so_far)]] == [row["confidence"] for row in so_far]
    assert not part.exists()


def test_what_cannot_be_read_in_part_is_no_failure(
    place: Path, make_clip: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    make_clip("a.mp4", frames=2, sound=None)
    Path("broken.mp4").write_bytes(b"no film")
    Path("rows.csv").write_text("id,text,video\nwhole,Hello,a.mp4\npart,Hello,broken.mp4\n")
    assert predict("rows.csv", "--model_path", "both", "--output_file", "o.jsonl") == 0
    whole, part = read("o.jsonl")
    assert whole["error"] is None and whole["modalities"] == ["text", "video"]
    assert part["emotion"] and part["modalities"] == ["text"] and part["error"].startswith("video: ")
    Path("rows.csv").write_text("id,text,video\nwhole,Hello,a.mp4\nnothing,,broken.mp4\n")
    assert predict("rows.csv", "--model_path", "both", "--output_file", "o.jsonl") == 1
    assert read("o.jsonl")[1]["emotion"] is None
    assert "(1 rows failed" in capsys.readouterr().out


def test_notes_of_features_are_told(place: Path, make_clip: Any) -> None:
    whole = make_clip("a.mp4", frames=24, sound=None)
    Path("cut.mp4").write_bytes(whole.read_bytes())
    found = MultimodalEmotionRecognizer.from_pretrained("av", device="cpu")
    clip = reading.decode(whole, frames=2, audio=False)
    clip.notes["video"] = "the file is damaged"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(reading, "decode", lambda path, **more: clip)
        (answer,) = found.predict_batch([whole])
        assert answer.emotion and answer.error is None and answer.note == "video: the file is damaged"
        assert predict("cut.mp4", "a.mp4", "--model_path", "av", "--output_file", "o.csv") == 0
    assert [row["note"] for row in read("o.csv")] == ["video: the file is damaged"] * 2
    assert list(read("o.csv")[0])[-4:] == ["modalities", "error", "note", "text"]


def test_no_more_than_200_characters_of_a_cell_are_quoted(
    place: Path, capsys: pytest.CaptureFixture[str], caplog: Any
) -> None:
    Path("rows.csv").write_text(f"id,video\na,{'x' * 100_000}.mp4\n")
    assert predict("rows.csv", "--model_path", "av", "--output_file", "o.csv") == 1
    (row,) = read("o.csv")
    assert 0 < len(row["error"]) < 300
    said = capsys.readouterr()
    assert len(said.out + said.err + caplog.text) < 2000
    assert predict("x" * 100_000 + ".mp4") == 2
    assert len(capsys.readouterr().err) < 1000


class Scribe:
    """Transcribes by name, counts, and finds nobody who speaks in what is called silent."""

    settings: ClassVar[dict[str, Any]] = {"model": "scribe", "version": 1}
    asked: ClassVar[list[str]] = []

    def __init__(self, *_: object) -> None:
        pass

    def transcribe(self, path: Path, segments: list[Segment], progress: bool = True) -> list[Segment]:
        self.asked.append(path.name)
        said = None if path.name.startswith("silent") else "Good morning"
        return [Segment(s.start, s.end, said if s.start < 1 else None) for s in segments]

    def words(self, wave: np.ndarray) -> str:
        self.asked.append("wave")
        return "Go away" if wave.size else ""


@pytest.fixture
def scribe(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    monkeypatch.setattr(transcribe, "Transcriber", Scribe)
    monkeypatch.setattr(
        words, "speech_stretches", lambda path, progress: [] if path.name == "silent.m4a" else [Segment(0, 1)]
    )
    Scribe.asked.clear()
    return Scribe.asked


def test_a_clip_without_speech_is_read_and_has_a_note(place: Path, make_clip: Any, scribe: list[str]) -> None:
    for name in ("silent.m4a", "talk.m4a"):
        make_clip(name, frames=0, hertz=200.0 + len(name))
    call = ["silent.m4a", "talk.m4a", "--transcribe", "--output_file", "o.jsonl"]
    assert predict(*call) == 0
    silent, talk = read("o.jsonl")
    assert (silent["emotion"], silent["error"], silent["note"]) == (None, None, "text: no speech was found")
    assert talk["emotion"] in EMOTIONS and talk["text"] == "Good morning" and talk["note"] is None
    assert predict("silent.m4a", "--transcribe", "--output_file", "-") == 0


@pytest.mark.parametrize(("name", "sound"), [("silent.m4a", 2.0), ("mute.mp4", None)])
def test_a_recording_without_speech_is_a_timeline_without_words(
    place: Path, make_clip: Any, scribe: list[str], name: str, sound: float | None
) -> None:
    make_clip(name, frames=0 if sound else 24, sound=sound)
    assert predict(name, "--transcribe", "--out", "o") == 0
    told = json.loads(Path("o/timeline.json").read_text())
    (entry,) = told["entries"]
    assert (entry["text"], entry["error"], entry["note"]) == (None, None, "text: no speech was found")
    assert told["notices"] == ["no speech was found"] and scribe == []


def test_a_clip_without_an_audio_stream_is_no_failure(place: Path, make_clip: Any, scribe: list[str]) -> None:
    make_clip("mute.mp4", sound=None)
    Path("broken.mp4").write_bytes(b"no film")
    assert predict("mute.mp4", "--transcribe", "--output_file", "o.jsonl") == 0
    (row,) = read("o.jsonl")
    assert row["error"] is None and "no speech was found: the file has no audio stream" in row["note"]
    Path("rows.csv").write_text("id,video\nb,broken.mp4\n")  # which nobody has looked into
    assert predict("rows.csv", "--transcribe", "--output_file", "o.jsonl") == 1


def test_a_recording_without_speech_is_one_segment(
    place: Path, make_clip: Any, scribe: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(speech, "speech_stretches", lambda path, progress: [])
    make_clip("silent.mp4", frames=24)
    for model, emotions in (("checkpoints/best_model", [None]), ("av", EMOTIONS)):
        assert predict("silent.mp4", "--transcribe", "--out", "o", "--model_path", model) == 0
        told = json.loads(Path("o/timeline.json").read_text())
        (entry,) = told["entries"]
        assert entry["emotion"] in emotions and entry["error"] is None
        assert "no speech was found" in entry["note"] and "no speech was found" in told["notices"][0]
    assert scribe == []


def test_the_stream_that_is_transcribed_is_named(place: Path, scribe: list[str]) -> None:
    with av.open("two.mka", "w") as container:
        for default in (False, True):
            stream = container.add_stream("pcm_s16le", rate=16_000, layout="mono")
            stream.disposition = Disposition.default if default else Disposition(0)
        for stream in container.streams:
            frame = av.AudioFrame.from_ndarray(np.full((1, 16_000), 99, np.int16), layout="mono")
            frame.sample_rate = 16_000
            container.mux([*stream.encode(frame), *stream.encode(None)])
    assert predict("two.mka", "--transcribe", "--output_file", "o.jsonl") == 0
    named = "of its 2 audio streams number 2 is read (flagged as default)"
    assert read("o.jsonl")[0]["note"] == f"text: {named}"
    assert predict("two.mka", "--windows", 1, "--transcribe", "--out", "o") == 0
    assert json.loads(Path("o/timeline.json").read_text())["notices"] == [f"two.mka: {named}"]


def test_a_row_beyond_the_end_of_its_sound_is_a_failure(place: Path, make_clip: Any, scribe: list[str]) -> None:
    make_clip("talk.m4a", frames=0)
    Path("rows.csv").write_text("id,audio,start,end\na,talk.m4a,50,51\n")
    assert predict("rows.csv", "--transcribe", "--output_file", "o.jsonl") == 1
    (row,) = read("o.jsonl")
    assert row["error"] == "text: no words can be transcribed: there is no sound in its time span"


def test_a_second_run_transcribes_nothing(place: Path, make_clip: Any, scribe: list[str]) -> None:
    for i, name in enumerate(["a.m4a", "silent.m4a"]):
        make_clip(name, frames=0, hertz=200.0 + i)
    Path("rows.csv").write_text("id,audio,start,end\na,a.m4a,,\nb,a.m4a,0.5,1.5\nc,silent.m4a,,\n")
    call = ["rows.csv", "--transcribe", "--output_file", "o.jsonl"]
    assert predict(*call) == 0
    first, asked = read("o.jsonl"), list(scribe)
    assert sorted(asked) == ["a.m4a", "silent.m4a", "wave"]
    Path("a.m4a").rename("renamed.m4a")  # content counts, not the name
    Path("rows.csv").write_text(Path("rows.csv").read_text().replace(",a.m4a", ",renamed.m4a"))
    assert predict(*call) == 0
    assert scribe == asked and read("o.jsonl") == first
    assert predict(*call, "--store", "elsewhere") == 0
    assert len(scribe) == 2 * len(asked)


def test_what_cannot_be_transcribed_says_why(place: Path, scribe: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    monkeypatch.chdir(place)
    monkeypatch.setattr(transcribe, "Transcriber", Scribe)
    monkeypatch.setenv("TRICUE_STORE", str(place / "store"))
    Path("broken.mp4").write_bytes(b"no film")
    assert predict("broken.mp4", "--transcribe", "--output_file", "o.jsonl") == 1
    (row,) = read("o.jsonl")
    assert row["emotion"] is None and "text: no words can be transcribed: " in row["error"]


def test_segments_without_speech_are_no_failure(place: Path, make_clip: Any, scribe: list[str]) -> None:
    make_clip("talk.mp4", frames=24)
    assert predict("talk.mp4", "--windows", 1, "--transcribe", "--out", "o") == 0
    said, silent = json.loads(Path("o/timeline.json").read_text())["entries"]
    assert said["text"] == "Good morning" and said["emotion"] in EMOTIONS
    assert (silent["emotion"], silent["error"], silent["note"]) == (None, None, "text: no speech was found")
    assert [row["note"] for row in read("o/timeline.csv")] == ["", "text: no speech was found"]
    assert "no speech was found" in Path("o/timeline.html").read_text()
    assert predict("talk.mp4", "--windows", 1, "--transcribe", "--out", "o") == 0
    assert scribe == ["talk.mp4"]  # the second time nothing


def test_clips_are_answered_group_by_group(
    place: Path, make_clip: Any, scribe: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = [Utterance(str(i), audio=make_clip(f"{i}.m4a", frames=0, hertz=100.0 + i, sound=0.2)) for i in range(4)]
    monkeypatch.setattr(answering, "_GROUP", 1)
    model = MultimodalEmotionRecognizer.from_pretrained("checkpoints/best_model", device="cpu")
    answer = answering.Answering(model, None, None, answering.Hearing(None, "cpu"), True, Path("m"), [])
    seen = [([r.id for r in got], len(scribe)) for got, _ in answer._answers(rows, None, place / "s")]
    assert seen == [(["0"], 1), (["1", "2"], 3), (["3"], 4)]
