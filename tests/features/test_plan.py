"""Which keys a run reads, and which jobs are left for it."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tricue.config.feature_settings import AudioFeatures, VideoFeatures
from tricue.extractors.audio_extractors import LightAudio
from tricue.extractors.text_extractors import LightText
from tricue.extractors.video_extractors import LightVideo
from tricue.features.pipeline import FeaturePipeline
from tricue.features.plan import Plan, size_line
from tricue.features.store import Row
from tricue.modalities.reading import MediaFile, Words
from tricue.progress import Bar
from tricue.types import Utterance

EXTRACTORS: dict[Any, Any] = {
    "text": LightText(64), "audio": LightAudio(AudioFeatures()), "video": LightVideo(VideoFeatures()),
}  # fmt: skip


@pytest.fixture
def rows(tmp_path: Path) -> list[Utterance]:
    """Files of which nobody looks at more than the bytes."""
    for name in "ab":
        (tmp_path / f"{name}.mp4").write_text(f"content of {name}")
    return [Utterance(n, text=f"says {n}", audio=tmp_path / f"{n}.mp4", video=tmp_path / f"{n}.mp4") for n in "ab"]


def planned(rows: list[Utterance], root: Path | None) -> Plan:
    pipeline = FeaturePipeline(EXTRACTORS, root)
    return pipeline.plan(pipeline.requests(rows), Bar(False))


def jobs_of(plan: Plan) -> list[tuple[str, list[str]]]:
    return [(job.id, list(job.keys)) for job in plan.jobs]


def test_one_job_per_clip_and_one_per_text(rows: list[Utterance], tmp_path: Path) -> None:
    plan = planned(rows, tmp_path / "store")
    assert jobs_of(plan) == [("a", ["text"]), ("a", ["audio", "video"]), ("b", ["text"]), ("b", ["audio", "video"])]
    assert all(plan.keys[modality].keys() == {"a", "b"} for modality in EXTRACTORS) and not plan.faults
    (opener,) = {request.opener for request in plan.jobs[1].requests.values()}
    assert isinstance(opener, MediaFile) and opener.state is not None


def test_without_a_store_the_same_is_asked_for_once(rows: list[Utterance]) -> None:
    """No file is read for its digest: it may be gone by then."""
    plan = planned([*rows, replace(rows[0], id="twin"), replace(rows[0], id="half", crop="left")], None)
    assert jobs_of(plan)[4:] == [("half", ["video"])]
    assert plan.keys["video"]["twin"] == plan.keys["video"]["a"] != plan.keys["video"]["half"]


def test_the_same_content_is_asked_for_once(rows: list[Utterance], tmp_path: Path) -> None:
    (tmp_path / "copy.mp4").write_bytes((tmp_path / "a.mp4").read_bytes())
    twin = replace(rows[0], id="twin", audio=tmp_path / "copy.mp4", video=None)
    half = replace(rows[0], id="half", crop="left")
    plan = planned([*rows, twin, half], tmp_path / "store")
    assert plan.keys["audio"]["twin"] == plan.keys["audio"]["half"] == plan.keys["audio"]["a"]
    assert plan.keys["text"]["twin"] == plan.keys["text"]["a"]
    assert plan.keys["video"]["half"] != plan.keys["video"]["a"]
    assert jobs_of(plan)[4:] == [("half", ["video"])]


def test_what_is_stored_is_no_job(rows: list[Utterance], tmp_path: Path) -> None:
    plan = planned(rows, tmp_path / "store")
    plan.held["audio"].add([(plan.keys["audio"]["a"], Row(None, "silent"))])
    plan.held["text"].add([(plan.keys["text"]["b"], Row(None, "no word"))])
    again = planned(rows, tmp_path / "store")
    assert jobs_of(again) == [("a", ["text"]), ("a", ["video"]), ("b", ["audio", "video"])]


def test_a_file_that_cannot_be_looked_at_is_a_fault_of_each_row(rows: list[Utterance], tmp_path: Path) -> None:
    gone = replace(rows[1], audio=tmp_path / "gone.mp4", video=Path("a\0b"))
    plan = planned([rows[0], gone], tmp_path / "store")
    assert [(fault.id, fault.modality) for fault in plan.faults] == [("b", "audio"), ("b", "video")]
    assert "gone.mp4: No such file" in plan.faults[0].reason
    assert "b" not in plan.keys["audio"] and "b" in plan.keys["text"]


def test_batches_are_small_and_hold_texts_of_like_length(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(Words, "batch_size", 2)
    monkeypatch.setattr(MediaFile, "batch_size", 3)
    rows = []
    for i, length in enumerate((5, 1, 4, 2)):
        (tmp_path / f"{i}.wav").write_text(str(i))
        rows.append(Utterance(f"u{i}", text="word " * length + str(i), audio=tmp_path / f"{i}.wav"))
    batches = planned(rows, tmp_path / "store").batches()
    assert [[job.id for job in batch] for batch in batches] == [
        ["u1", "u3"], ["u2", "u0"], ["u0", "u1", "u2"], ["u3"],
    ]  # fmt: skip


def test_the_size_is_told_before_the_work(rows: list[Utterance], tmp_path: Path, make_clip: Any) -> None:
    clip = make_clip()
    more = [*rows, Utterance("c", audio=clip, video=clip)]
    plan = planned(more, tmp_path / "store")
    plan.held["text"].add([(plan.keys["text"]["b"], Row(None, "no word"))])
    line = size_line(planned(more, tmp_path / "store"), EXTRACTORS)
    assert line.startswith("To extract: text 1, audio 3, video 3 (already there: text 1); ")
    assert "of media to read, about " in line and line.endswith(" of features.")
