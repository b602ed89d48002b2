"""Segments of a recording answered: in order, in batches, each by what it has, or with the reason why not."""

import json
from collections.abc import Callable, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import pytest

from tricue.media.decoding import MediaError
from tricue.recognizer import MultimodalEmotionRecognizer
from tricue.recording import timeline as module
from tricue.recording.segments import Segment, windows
from tricue.recording.timeline import Timeline, as_json, make_timeline, summary
from tricue.types import UNCERTAIN, InputError, Utterance

MakeModel = Callable[..., Path]
LINES = [
    "he has lost it!",
    "what? you are fine.",
    "I am so happy",
    "for you, really",
    "oh my god",
    "fine.",
    "Joey: what?",
]


def loaded(folder: Path) -> MultimodalEmotionRecognizer:
    return MultimodalEmotionRecognizer.from_pretrained(folder, device="cpu")


def talk(count: int, length: float = 0.25) -> list[Segment]:
    """Segments one after another; the words are their own."""
    said = [f"{LINES[i % len(LINES)]} {i}" for i in range(count)]
    return [Segment(i * length, (i + 1) * length, said[i], "AB"[i % 2]) for i in range(count)]


def probabilities(timeline: Timeline) -> list[list[float]]:
    return [list(e.prediction.probabilities.values()) for e in timeline.entries]


def test_each_segment_is_answered_as_it_would_be_alone(make_model: MakeModel, make_clip: Any) -> None:
    model, recording = loaded(make_model(["text", "audio", "video"])), make_clip(frames=48, sound=4.0)
    segments = [Segment(0.0, 1.5, "Good morning", "Ann"), Segment(1.0, 3.0, "Go away!"), Segment(2.5, 4.0)]
    timeline = make_timeline(model, recording, segments)
    assert [e.segment for e in timeline.entries] == segments
    assert timeline.seconds == pytest.approx(4.0, abs=0.1) and timeline.modalities == ["text", "audio", "video"]
    alone = [model.predict_batch([Utterance("x", s.text, recording, recording, s.start, s.end)])[0] for s in segments]
    for entry, expected in zip(timeline.entries, alone, strict=True):
        assert entry.prediction.probabilities == pytest.approx(expected.probabilities, abs=1e-5)
        assert (entry.prediction.modalities, entry.prediction.error) == (expected.modalities, expected.error)
    assert timeline.entries[2].prediction.modalities == ("audio", "video")


def test_batches_change_nothing_and_hold_few(
    make_model: MakeModel, make_clip: Any, tiny_bert: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With an encoder that reads two turns before: those of the batch before are given to it, for their words alone."""
    folder = make_model(["text"], {"features.text.encoder": str(tiny_bert), "features.text.context": 2})
    model, recording = loaded(folder), make_clip(frames=0, sound=4.0)
    whole = make_timeline(model, recording, talk(12))
    asked: list[tuple[int, int]] = []
    ask = model.predict_rows

    def spied(pipeline: Any, rows: Sequence[Utterance], among: Sequence[Utterance], **more: Any) -> Any:
        asked.append((len(rows), len(among)))
        return ask(pipeline, rows, among, **more)

    monkeypatch.setattr(model, "predict_rows", spied)
    monkeypatch.setattr(module, "_BATCH", 5)
    parted = make_timeline(model, recording, talk(12))
    assert asked == [(5, 5), (5, 7), (2, 4)]  # the turns before are read as context alone
    for one, other in zip(probabilities(whole), probabilities(parted), strict=True):
        assert one == pytest.approx(other, abs=1e-5)
    strangers = [make_timeline(model, recording, [segment]) for segment in talk(12)[5:7]]
    assert probabilities(strangers[0])[0] != pytest.approx(probabilities(whole)[5], abs=1e-4)  # context counts


def cut_sound(path: Path) -> Path:
    """4 s of pictures, of whose sound there are 2 s."""
    with av.open(str(path), "w") as container:
        video = container.add_stream("libx264", rate=10)
        video.width = video.height = 64
        video.pix_fmt = "yuv420p"
        audio = container.add_stream("aac", rate=16_000, layout="mono")
        for i in range(40):
            picture = av.VideoFrame(64, 64, "yuv420p")
            for plane in picture.planes:
                plane.update(bytes([(60 + 40 * (i // 4)) % 256]) * plane.buffer_size)
            container.mux(video.encode(picture))
        for i in range(20):
            frame = av.AudioFrame("fltp", "mono", 1600)
            frame.planes[0].update(bytes(6400))
            frame.sample_rate, frame.time_base, frame.pts = 16_000, Fraction(1, 16_000), 1600 * i
            container.mux(audio.encode(frame))
        for stream in (video, audio):
            container.mux(stream.encode(None))
    return path


def test_a_segment_without_an_answer_says_why_and_the_others_stand(make_model: MakeModel, tmp_path: Path) -> None:
    recording = cut_sound(tmp_path / "cut.mp4")
    timeline = make_timeline(loaded(make_model(["audio"])), recording, windows(4.0, 1.0))
    assert [e.prediction.emotion is None for e in timeline.entries] == [False, False, True, True]
    assert "audio" in str(timeline.entries[3].prediction.error)
    both = make_timeline(loaded(make_model(["audio", "video"])), recording, windows(4.0, 1.0))
    assert [e.prediction.modalities for e in both.entries] == [("audio", "video")] * 2 + [("video",)] * 2
    assert "audio" in str(both.entries[3].prediction.error) and both.entries[3].prediction.emotion


@pytest.mark.parametrize(
    ("kind", "modalities"), [({"frames": 0}, ("audio",)), ({"sound": None}, ("video",))], ids=["sound", "pictures"]
)
def test_sound_alone_and_pictures_alone(
    make_model: MakeModel, make_clip: Any, kind: dict[str, Any], modalities: tuple[str, ...]
) -> None:
    recording = make_clip("one.mp4", **kind)
    timeline = make_timeline(loaded(make_model(["audio", "video"])), recording, windows(2.0, 1.0))
    assert [(e.prediction.modalities, e.prediction.error) for e in timeline.entries] == [(modalities, None)] * 2


def test_modalities_and_confidence_are_as_asked_for(make_model: MakeModel, make_clip: Any) -> None:
    model, recording = loaded(make_model(["text", "audio"])), make_clip(frames=0)
    timeline = make_timeline(model, recording, talk(4), modalities=["text"], abstain=1.0)
    assert {e.prediction.modalities for e in timeline.entries} == {("text",)} and timeline.modalities == ["text"]
    assert {e.prediction.emotion for e in timeline.entries} == {UNCERTAIN}
    with pytest.raises(InputError, match="abstain"):
        make_timeline(model, recording, talk(4), abstain=3.0)


def test_segments_are_put_in_order_and_cut_to_the_recording(
    make_model: MakeModel, make_clip: Any, caplog: pytest.LogCaptureFixture
) -> None:
    model, recording = loaded(make_model(["text"])), make_clip(frames=0)
    segments = [Segment(1.0, 99.0, "late"), Segment(0.5, 0.75, "early"), Segment(50.0, 51.0, "beyond")]
    timeline = make_timeline(model, recording, segments)
    assert [e.segment.text for e in timeline.entries] == ["early", "late"]
    assert timeline.entries[1].segment.end == timeline.seconds
    assert "1 of 3 segments left out" in caplog.text and "'beyond'" in caplog.text
    assert len(timeline.notices) == 1 and as_json(timeline)["notices"] == list(timeline.notices)
    with pytest.raises(InputError, match="belong to this recording"):
        make_timeline(model, recording, segments[2:])


def test_what_is_no_recording_says_so(make_model: MakeModel, tmp_path: Path) -> None:
    (tmp_path / "talk.mp4").write_bytes(b"no film at all")
    model = loaded(make_model(["text"]))
    with pytest.raises(MediaError, match=r"talk\.mp4"):
        make_timeline(model, tmp_path / "talk.mp4", talk(1))
    with pytest.raises(MediaError, match="no such file"):
        make_timeline(model, tmp_path / "gone.mp4", talk(1))


def test_summary(told: Timeline, told_otherwise: Timeline) -> None:
    assert summary(told) == "joy 1, uncertain 1, unknown 1"
    said = {"labels": "anger 2, joy 2, unknown 1", "values": "valence 3.25 to 3.25, arousal -0.50 to -0.50"}
    assert summary(told_otherwise) == said[told_otherwise.task.kind]


def test_as_json(told: Timeline) -> None:
    content = json.loads(json.dumps(as_json(told), allow_nan=False))
    assert list(content) == ["recording", "seconds", "emotions", "task", "note", "notices", "entries"]
    assert content["recording"] == "talk #1: a & b.mp4" and content["note"] == "toy: not for real use"
    assert content["entries"][1] == {
        "start": 4.0, "end": 8.0, "speaker": "<v Bob>", "text": "</script><b>a --> b</b>", "emotion": "uncertain",
        "confidence": 0.4, "probabilities": {"anger": 0.4, "joy": 0.35, "neutral": 0.25}, "modalities": ["text"],
        "error": "audio: cut",
        "note": None,
    }  # fmt: skip
    assert content["entries"][2]["emotion"] is content["entries"][2]["text"] is None
    assert "nowhere" not in json.dumps(content)  # where it lay is nobody's business
