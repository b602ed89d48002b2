"""What is answered: words, clips, both, batches; and that it is what the model itself says."""

import logging
import math
from dataclasses import replace
from pathlib import Path
from typing import Any
from wave import open as wave_file

import numpy as np
import pytest

from tricue.explain.explanation import explain
from tricue.extractors.text_extractors import Spoken
from tricue.features.worker import Job
from tricue.modalities.reading import MediaFile, Words
from tricue.modalities.requests import Request
from tricue.prediction.api_inputs import as_utterances
from tricue.recording.segments import windows
from tricue.recording.timeline import as_json, make_timeline
from tricue.serve import upload
from tricue.serve.reading import Reader, alike

SAID = "Oh my god, he's lost it!"
KEYS = {
    "id", "emotion", "confidence", "uncertainty", "probabilities", "modalities", "contributions", "text", "error",
    "note",     "timeline", "milliseconds",
}  # fmt: skip


def answered(response: Any) -> Any:
    assert response.status_code == 200, response.text
    return response.json()


def same(answer: Any, prediction: Any) -> None:
    assert answer["emotion"] == prediction.emotion
    assert answer["probabilities"] == pytest.approx(prediction.probabilities, abs=1e-6)
    assert answer["modalities"] == list(prediction.modalities)


def test_words_as_json_and_as_a_form(asked: Any, reader: Any) -> None:
    answer = answered(asked.json({"text": SAID}))
    assert set(answer) == KEYS
    same(answer, reader.recognizer.predict(SAID))
    assert answer["text"] == SAID and answer["timeline"] is None and answer["error"] is None
    assert answer["confidence"] == max(answer["probabilities"].values())
    entropy = -sum(p * math.log(p) for p in answer["probabilities"].values())
    assert answer["uncertainty"] == pytest.approx(entropy / math.log(3))
    told = answered(asked.form(text=SAID))
    assert told | {"milliseconds": 0} == answer | {"milliseconds": 0}


def test_a_clip_is_answered_as_predict_does(asked: Any, reader: Any, make_clip: Any) -> None:
    clip = make_clip()
    answer = answered(asked.form(clip))
    same(answer, reader.recognizer.predict(None, clip, clip))
    assert answer["modalities"] == ["audio", "video"] and answer["text"] is None and answer["error"] is None
    both = answered(asked.form(clip, text=SAID))
    why = reader.recognizer.explain(SAID, clip, clip)
    same(both, why.prediction)
    assert both["contributions"] == pytest.approx(why.shapley, abs=1e-5)


@pytest.mark.parametrize(
    ("made", "modalities"),
    [
        ({"name": "sound.m4a", "frames": 0}, ["audio"]),
        ({"name": "silent.mp4", "sound": None}, ["video"]),
        ({"name": "browser.webm", "options": {"live": "1"}}, ["audio", "video"]),
    ],
)
def test_modalities_that_a_clip_has(asked: Any, make_clip: Any, made: dict[str, Any], modalities: list[str]) -> None:
    answer = answered(asked.form(make_clip(**made)))
    assert (
        answer["modalities"] == modalities
        and set(answer["contributions"]) == set(modalities)
        and answer["error"] is None
    )


def test_abstaining(asked: Any) -> None:
    sure = answered(asked.json({"text": SAID, "abstain": 0.0}))
    unsure = answered(asked.json({"text": SAID, "abstain": 1.0}))
    assert sure["emotion"] != "uncertain" and unsure["emotion"] == "uncertain"
    assert unsure["probabilities"] == sure["probabilities"]


def test_a_batch_keeps_its_order_and_a_bad_row_to_itself(asked: Any, reader: Any) -> None:
    rows = ["a", {"id": "x", "text": SAID}, 7, {"id": 5, "text": "b"}, "  ", {"text": None}, {"id": [], "text": "c"}]
    answers = answered(asked.json({"inputs": rows}))["answers"]
    assert [a["id"] for a in answers] == ["1", "x", "3", "5", "5", "6", "7"]
    assert [a["emotion"] is None for a in answers] == [False, False, True, False, True, True, True]
    assert all(a["error"] for a in answers if a["emotion"] is None)
    same(answers[1], reader.recognizer.predict(SAID))


def test_windows_make_a_timeline(asked: Any, reader: Any, make_clip: Any) -> None:
    clip = make_clip(frames=72, sound=6.0)
    answer = answered(asked.form(clip, name="../a talk.mp4", windows=2.0))
    line = answer["timeline"]
    assert line["recording"] == "a talk.mp4" and line["emotions"] == ["anger", "joy", "neutral"]
    assert [e["start"] for e in line["entries"]] == [0, 2, 4] and line["entries"][-1]["end"] == line["seconds"]
    own = as_json(make_timeline(reader.recognizer, clip, windows(line["seconds"], 2.0)))
    for mine, theirs in zip(line["entries"], own["entries"], strict=True):
        assert mine["probabilities"] == pytest.approx(theirs["probabilities"], abs=1e-6)
    lengths = [e["end"] - e["start"] for e in line["entries"]]
    mean = np.average([e["probabilities"]["joy"] for e in line["entries"]], weights=lengths)
    assert answer["probabilities"]["joy"] == pytest.approx(mean, abs=1e-3)
    assert sum(answer["probabilities"].values()) == pytest.approx(1.0)
    assert "mean of 3 segments" in answer["note"] and set(answer["contributions"]) == {"audio", "video"}


def test_subtitles_make_a_timeline(asked: Any, make_clip: Any) -> None:
    srt = b"1\n00:00:00,000 --> 00:00:01,000\nAnn: Well, how nice\n\n2\n00:00:01,000 --> 00:00:01,900\nAnn: No!\n"
    answer = answered(asked.form(make_clip(), subtitles=srt))
    first, second = answer["timeline"]["entries"]
    assert (first["speaker"], first["text"], second["text"]) == ("Ann", "Well, how nice", "No!")
    assert first["modalities"] == ["text", "audio", "video"] == answer["modalities"]


@pytest.mark.parametrize("text", [None, SAID])
def test_modalities_outside_the_clip_are_counted_and_not_logged(
    asked: Any, make_clip: Any, caplog: pytest.LogCaptureFixture, text: str | None
) -> None:
    srt = b"00:00:00,000 --> 00:00:01,000\nIn it\n\n00:10:00,000 --> 00:10:01,000\nA secret\n"
    with caplog.at_level(logging.DEBUG):
        answer = answered(asked.form(make_clip(), subtitles=srt, **({} if text is None else {"text": text})))
    assert [entry["text"] for entry in answer["timeline"]["entries"]] == ["In it"]
    assert "1 of 2 segments left out" in answer["note"]
    assert "secret" not in caplog.text


def test_cues_that_cannot_be_read_are_named_and_not_logged(
    asked: Any, make_clip: Any, caplog: pytest.LogCaptureFixture
) -> None:
    srt = b"00:00:00,000 --> 00:00:01,000\nIn it\n\n00:00:01.-04 --> 00:00:01,900 A secret\nso\n"
    with caplog.at_level(logging.DEBUG):
        answer = answered(asked.form(make_clip(), subtitles=srt))
    assert [entry["text"] for entry in answer["timeline"]["entries"]] == ["In it"]
    assert "1 cue left out, whose times cannot be read: line 4 '00:00:01.-04 --> 00:00:01,900'" in answer["note"]
    assert "secret" not in answer["note"] and "00:00:01.-04" not in caplog.text


def test_long_clips_have_a_timeline_unasked(asked: Any, make_clip: Any) -> None:
    clip = make_clip("long.m4a", frames=0, sound=21.0)
    answer = answered(asked.form(clip))
    assert len(answer["timeline"]["entries"]) == 4
    whole = answered(asked.form(clip, text=SAID))
    assert whole["modalities"] == ["text", "audio"] and len(whole["timeline"]["entries"]) == 4


class Hears:
    """Stands for Whisper."""

    def words(self, wave: np.ndarray) -> str:
        return f"{wave.size / 16_000:.1f} seconds of words"


def test_words_of_clips_are_heard(serve: Any, words_reader: Any, make_clip: Any, refused: Any) -> None:
    clip = make_clip()
    with serve(words_reader, Hears()) as asked:
        answer = answered(asked.form(clip, transcribe="true"))
        assert answer["text"] == "2.0 seconds of words" and answer["modalities"] == ["text"]
        parts = answered(asked.form(clip, transcribe="true", windows=1.0))["timeline"]["entries"]
        assert [p["text"] for p in parts] == ["1.0 seconds of words"] * 2
        given = answered(asked.form(clip, transcribe="true", text=SAID))
        assert given["text"] == SAID
        assert "have them heard" in refused(asked.form(clip), 422, "nothing_to_go_by")
        silent = make_clip("silent.mp4", sound=None)
        assert "none are heard" in refused(asked.form(silent, transcribe="1"), 422, "nothing_to_go_by")
    with serve(words_reader) as asked:
        assert "--transcribe" in refused(asked.form(clip, transcribe="true"), 422, "nothing_to_go_by")


@pytest.mark.parametrize("text", ["/etc/passwd", "tests/x.wav", "file:///etc/passwd", "clip.mp4", "."])
def test_text_is_never_a_path(asked: Any, reader: Any, text: str, make_clip: Any) -> None:
    make_clip()
    answer = answered(asked.json({"text": text}))
    assert answer["modalities"] == ["text"] and answer["text"] == text
    (row,) = answered(asked.json({"inputs": [text]}))["answers"]
    assert row["modalities"] == ["text"]
    assert answered(asked.form(text=text))["modalities"] == ["text"]


def test_text_that_names_a_file_that_is_there(asked: Any, make_clip: Any) -> None:
    clip: Path = make_clip()
    assert answered(asked.json({"text": str(clip)}))["modalities"] == ["text"]


@pytest.mark.parametrize(
    "name", ["../../../tmp/evil.mp4", "/etc/cron.d/evil", "a\\..\\b.wav", "\u202ex.mp4", "x" * 900, "concat:a|b", "-i"]
)
def test_names_of_files_are_never_paths(asked: Any, make_clip: Any, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is opened lies in the request's own folder under names of ours."""
    opened: list[Path] = []
    original = upload.Upload.__init__

    def spied(self: Any, path: Path, *others: Any) -> None:
        opened.append(path)
        assert [p.name for p in path.parent.iterdir()] == ["file"]
        original(self, path, *others)

    monkeypatch.setattr(upload.Upload, "__init__", spied)
    answer = answered(asked.form(make_clip(), name=name, windows=1.0))
    assert [path.name for path in opened] == ["file"] and opened[0].parent.name.startswith("tricue-serve-")
    recording = answer["timeline"]["recording"]
    assert "/" not in recording and "\\" not in recording and len(recording) <= 100 and recording.isprintable()


def test_what_the_model_is(asked: Any) -> None:
    told = answered(asked.client.get("/v1/model"))
    assert told["modalities"] == ["text", "audio", "video"] and told["emotions"] == ["anger", "joy", "neutral"]
    assert told["shown"]["audio"] == {"word": "sound", "colour": "#CC6677"} and set(told["shown"]) == set(
        told["modalities"]
    )
    task = told["task"]
    assert (task["name"], task["kind"], task["columns"][:3]) == (
        "categorical",
        "classes",
        ["emotion", "confidence", "p_anger"],
    )
    assert task["axes"][1] == {"name": "joy", "low": 0.0, "high": 1.0, "mark": None, "colour": "#999933"}
    assert told["toy"] is False and told["transcribes"] is False
    assert set(told["limits"]) >= {"bytes", "seconds", "pixels", "decode_seconds", "texts"}
    assert answered(asked.client.get("/v1/health")) == {"status": "ok", "model": "untrained"}


def test_texts_of_different_lengths_are_answered_as_alone(asked: Any, reader: Any) -> None:
    texts = ["word " * count for count in (40, 1, 200, 2, 90, 1, 3)]
    for answer, text in zip(answered(asked.json({"inputs": texts}))["answers"], texts, strict=True):
        assert answer["text"] == text
        assert answer["probabilities"] == pytest.approx(reader.recognizer.predict(text).probabilities, abs=1e-5)


def words_of(characters: int) -> Job:
    return Job(str(characters), {"text": ""}, {"text": Request(Words(Spoken("x" * characters)))})


def test_what_is_padded_is_bounded() -> None:
    """A long text is not encoded with short ones, nor a crowd of short ones with slightly longer ones."""
    jobs = [words_of(n) for n in (300, 10, 12, 14, 290)]
    clip = Job("clip", {}, {"audio": Request(MediaFile(Path("x.wav")))})
    assert [[j.id for j in group] for group in alike([*jobs, clip])] == [["clip", "10", "12", "14"], ["290", "300"]]
    many = [words_of(n) for n in [5] * 60 + [7] * 60]
    assert [len(group) for group in alike(many)] == [60, 60]


@pytest.mark.slow
@pytest.mark.parametrize("speech", ["tiny_wav2vec2", "tiny_whisper"])
def test_encoders_of_the_hub_read_what_decoders_prepare(
    serve: Any,
    untrained: Any,
    make_clip: Any,
    request: pytest.FixtureRequest,
    speech: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Waves, MFCC and pictures as their processors make them, over the pipe: the same answer as `predict`'s."""
    monkeypatch.setenv("TORCHINDUCTOR_CACHE_DIR", str(tmp_path))  # else PyTorch's is in the temporary folder
    encoders = {
        "features.audio.encoder": str(request.getfixturevalue(speech)),
        "features.video.encoder": str(request.getfixturevalue("tiny_resnet")),
    }
    reader = Reader(untrained({"features.video.frames": 4} | encoders))
    with serve(reader) as asked:
        for clip in (make_clip(), make_clip("still.mp4", frames=3), make_clip("long.mp4", frames=400, sound=33.0)):
            answer = answered(asked.form(clip, text=SAID))
            same(answer, reader.recognizer.predict(SAID, clip, clip))
            assert answer["modalities"] == ["text", "audio", "video"] and answer["error"] is None


def test_a_clip_in_which_nobody_speaks(
    serve: Any, reader: Any, words_reader: Any, make_clip: Any, refused: Any
) -> None:
    """It is answered by what it looks and sounds like, with a note; where words alone are read there is no answer."""

    class Deaf:
        def words(self, wave: np.ndarray) -> str:
            return ""

    clip = make_clip()
    with serve(reader, Deaf()) as asked:
        for fields in ({}, {"windows": 1.0}):
            answer = answered(asked.form(clip, transcribe="true", **fields))
            assert answer["modalities"] == ["audio", "video"] and answer["text"] is None
            assert "no speech" in answer["note"] and answer["error"] is None
        assert "no speech" not in (answered(asked.form(clip))["note"] or "")
    with serve(words_reader, Deaf()) as asked:
        for fields in ({}, {"windows": 1.0}):
            refused(asked.form(clip, transcribe="true", **fields), 422, "nothing_to_go_by")


def cancelling(path: Path) -> Path:
    """Two channels of a hum, one the negative of the other."""
    hum = (9_000 * np.sin(np.arange(32_000) * 0.08)).astype("<i2")
    with wave_file(str(path), "wb") as file:
        file.setnchannels(2)
        file.setsampwidth(2)
        file.setframerate(16_000)
        file.writeframes(np.stack([hum, -hum], axis=1).tobytes())
    return path


def test_what_is_noted_of_segments_and_of_sound_that_is_listened_to(
    serve: Any, reader: Any, words_reader: Any, refused: Any, tmp_path: Path
) -> None:
    """As `predict` notes it; the whole has each note once."""

    class Hearing:
        said = "How nice"

        def words(self, wave: np.ndarray) -> str:
            return self.said

    clip, note = cancelling(tmp_path / "a.wav"), "audio: its channels cancel one another"
    with serve(reader, Hearing()) as asked:
        answer = answered(asked.form(clip, windows=1.0))
        assert [note in entry["note"] for entry in answer["timeline"]["entries"]] == [True, True]
        assert answer["note"].count(note) == 1
        assert answered(asked.form(clip, transcribe="true"))["note"].count(note) == 1
    with serve(words_reader, Hearing()) as asked:
        for fields in ({}, {"windows": 1.0}):
            answer = answered(asked.form(clip, transcribe="true", **fields))
            assert answer["modalities"] == ["text"] and answer["note"].count(note) == 1
        Hearing.said = ""
        assert "cancel" in refused(asked.form(clip, transcribe="true"), 422, "nothing_to_go_by")


FIELDS = {"labels": {"emotions", "probabilities"}, "values": {"values"}}


def test_answers_of_other_tasks(serve: Any, other_reader: Any, make_clip: Any, refused: Any) -> None:
    """As `predict` answers and `explain` explains; the schema names the task's fields."""
    clip, recognizer, kind = make_clip(frames=72, sound=6.0), other_reader.recognizer, other_reader.task.kind
    with serve(other_reader) as asked:
        told = answered(asked.client.get("/v1/model"))
        assert (
            told["task"]["kind"] == kind and [axis["name"] for axis in told["task"]["axes"]] == other_reader.task.names
        )
        for fields, given in ((asked.json({"text": SAID}), (SAID,)), (asked.form(clip, text=SAID), (SAID, clip, clip))):
            answer, prediction = answered(fields), recognizer.predict(*given)
            own = other_reader.task.answer_json(prediction)
            assert set(answer) == (KEYS - {"emotion", "confidence", "uncertainty", "probabilities"}) | FIELDS[kind]
            assert answer.get("emotions") == own.get("emotions")
            assert answer.get("values", answer.get("probabilities")) == pytest.approx(prediction.values, abs=1e-6)
            for name in other_reader.task.names:
                why = explain_value(recognizer, given, name)
                assert {m: added[name] for m, added in answer["contributions"].items()} == pytest.approx(why, abs=1e-5)
        line = answered(asked.form(clip, windows=2.0))
        entries = [entry.get("values", entry.get("probabilities")) for entry in line["timeline"]["entries"]]
        mean = {name: np.mean([entry[name] for entry in entries]) for name in other_reader.task.names}
        assert line.get("values", line.get("probabilities")) == pytest.approx(mean, abs=1e-2)
        (good, bad) = answered(asked.json({"inputs": ["a", 7]}))["answers"]
        assert set(good) == set(bad) and bad["error"] and not bad.get("values", bad.get("probabilities"))
        assert "no confidence" in refused(asked.json({"text": "a", "abstain": 0.5}), 400, "bad_request")
        schema = answered(asked.client.get("/openapi.json"))
        assert set(schema["components"]["schemas"]["Answer"]["properties"]) == set(good)
        assert "abstain" not in str(schema["paths"]["/v1/predict"]["post"]["requestBody"])


def explain_value(recognizer: Any, given: tuple[Any, ...], name: str) -> dict[str, float]:
    """The Shapley values of one value of the answer, as `tricue explain` has them."""
    rows = as_utterances([(*given, None, None)[:3]]).rows
    row = replace(rows[0], id="input")
    features = recognizer.pipeline(recognizer.clip_modalities())([row])
    return explain(recognizer.network, recognizer.card, row, features, target=name).shapley
