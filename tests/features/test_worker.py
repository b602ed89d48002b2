"""Jobs in, rows out: what is decoded together, and what becomes of what cannot be read."""

import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tricue.config.feature_settings import AudioFeatures, VideoFeatures
from tricue.extractors.audio_extractors import LightAudio
from tricue.extractors.text_extractors import NO_WORDS, LightText, Spoken
from tricue.extractors.video_extractors import LightVideo
from tricue.features.worker import KILLED, Job, Ready, Worker, as_row, killed
from tricue.media import decoding as media
from tricue.modalities import reading
from tricue.modalities.reading import MediaFile, Words, file_state
from tricue.modalities.requests import Opener, Request

LIGHT = Worker(
    {"text": LightText(64), "audio": LightAudio(AudioFeatures()), "video": LightVideo(VideoFeatures(frames=3))}
)


def job(id_: str, **openers: Opener) -> Job:
    """Its keys are the id and the modality."""
    keys: dict[Any, str] = {modality: f"{id_} {modality}" for modality in openers}
    return Job(id_, keys, {modality: Request(opener) for modality, opener in openers.items()})  # type: ignore[misc]


@pytest.fixture
def decodes(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    seen: list[dict[str, Any]] = []

    def decode(path: Path, **wanted: Any) -> media.Clip:
        seen.append({"path": path, **wanted})
        return media.decode(path, **wanted)

    monkeypatch.setattr(reading, "decode", decode)
    return seen


def test_modalities_of_the_same_stretch_are_decoded_together(make_clip: Any, decodes: list[dict[str, Any]]) -> None:
    clip = make_clip()
    results = LIGHT([job("a", audio=MediaFile(clip), video=MediaFile(clip))])
    assert {(r.modality, r.key) for r in results} == {("audio", "a audio"), ("video", "a video")} and len(decodes) == 1
    assert all(r.row.values is not None and r.row.values.dtype == np.float16 for r in results)
    decodes.clear()
    LIGHT([job("a", audio=MediaFile(clip), video=MediaFile(clip, 0.5, 1.0))])
    assert [(d["audio"], d["frames"], d["start"]) for d in decodes] == [(True, 0, None), (False, 3, 0.5)]


def test_a_stage_at_a_time_gives_the_same(make_clip: Any) -> None:
    """As on a GPU, where the two stages run in different processes."""
    clip = make_clip()
    jobs = [
        job("a", audio=MediaFile(clip)),
        job("b", text=Words(Spoken("hello there"))),
        job("c", text=Words(Spoken(""))),
        job("d", video=MediaFile(clip.with_name("gone.mp4"))),
    ]
    whole, staged = LIGHT(jobs), LIGHT.encode(LIGHT.prepare(jobs))
    assert [(r.id, r.modality, r.key, r.row.note, r.passing) for r in whole] == [
        (r.id, r.modality, r.key, r.row.note, r.passing) for r in staged
    ]
    notes = {r.id: r.row.note for r in whole}
    assert notes["a"] is notes["b"] is None and notes["c"] == NO_WORDS and "gone.mp4" not in (notes["d"] or "")
    assert {r.id for r in whole if r.row.values is None} == {"c", "d"}


@pytest.mark.parametrize("place", ["decode", "prepare"])
def test_too_little_memory_is_the_clips_reason(make_clip: Any, monkeypatch: pytest.MonkeyPatch, place: str) -> None:
    """Others are read; with more memory it may be read as well, so nothing is stored."""

    def short(*_: Any, **__: Any) -> Any:
        raise MemoryError

    if place == "decode":
        monkeypatch.setattr("tricue.modalities.reading.decode", short)
    else:
        monkeypatch.setattr("tricue.extractors.video_extractors.LightVideo.prepare", short)
    (result,) = LIGHT([job("a", video=MediaFile(make_clip()))])
    assert result.row.values is None and "memory" in (result.row.note or "") and result.passing


def test_a_file_that_has_changed_since_its_digest_is_not_for_the_store(make_clip: Any) -> None:
    clip = make_clip()
    asked = job("a", audio=MediaFile(clip).locate())
    (fine,) = LIGHT([asked])
    assert fine.row.values is not None
    os.utime(clip, ns=(1, 1))
    (changed,) = LIGHT([asked])
    assert changed.row.values is None and changed.passing and "changed since" in (changed.row.note or "")


def test_what_is_not_there_has_no_state() -> None:
    assert file_state(Path("no such file")) is None and file_state(Path("a\0b")) is None


@pytest.mark.parametrize(
    ("array", "part"),
    [(np.zeros((0, 4)), "no time step"), (np.full((2, 4), np.nan), "finite"), (np.full((2, 4), 7e4), "16 bits")],
)
def test_what_cannot_be_stored_is_a_reason(array: np.ndarray, part: str) -> None:
    row = as_row(array.astype(np.float32), Ready("a", "text", "k", None))
    assert row.values is None and part in (row.note or "")


def test_a_row_keeps_its_note_and_its_frames_without_a_face() -> None:
    row = as_row(np.ones((2, 4), np.float32), Ready("a", "video", "k", None, "cut", 1))
    assert row.values is not None and (row.note, row.missed) == ("cut", 1)


def test_a_killed_job_is_each_of_its_modalities_and_may_pass() -> None:
    results = killed(Job("a", {"audio": "ka", "video": "kv"}, {}))
    assert [(r.modality, r.key, r.row.note, r.passing) for r in results] == [
        ("audio", "ka", KILLED, True),
        ("video", "kv", KILLED, True),
    ]
