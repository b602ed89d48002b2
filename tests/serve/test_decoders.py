"""Decoders that hang, die, are killed: the service goes on, and the next clip is read."""

import resource
import signal
import subprocess
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Event
from typing import Any

import psutil
import pytest
from PIL import Image

from tricue.serve import decoders as serving
from tricue.serve.asked import Question
from tricue.serve.clips import Clips
from tricue.serve.counters import Metrics
from tricue.serve.decoders import Decoders
from tricue.serve.errors import Refusal
from tricue.serve.limits import Limits
from tricue.serve.reading import Reader


@pytest.fixture(scope="module")
def reader(untrained: Any) -> Reader:
    """Of a model that reads no sound: its decoders start in half the time of others."""
    return Reader(untrained({"modalities": ["text", "video"], "features.video.frames": 4}))


KILLED = 'tricue_decoder_kills_total{{cause="{}"}}'


def until(check: Callable[[], Any]) -> None:
    """Wait for what another process does. Fails where it does not within a minute."""
    deadline = time.monotonic() + 60
    while not check():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_a_decoder_that_hangs_is_killed(serve: Any, refused: Any, decoders: Any, make_clip: Any) -> None:
    clip = make_clip(sound=None)
    with serve(decode_seconds=4.0) as asked:
        assert asked.form(clip).status_code == 200
        (first,) = decoders()
        first.suspend()
        assert "4 s" in refused(asked.form(clip), 504, "decode_time")
        assert asked.rest == []
        until(lambda: not first.is_running())
        assert asked.metric(KILLED.format("late")) == 1
        (second,) = decoders()
        assert second.pid != first.pid and asked.metric("tricue_decoders") == 1
    with serve() as asked:
        assert asked.form(clip).status_code == 200
    until(lambda: not decoders())


def test_a_decoder_that_is_killed_in_mid_work(serve: Any, refused: Any, decoders: Any, make_clip: Any) -> None:
    """Words are answered meanwhile; the upload gets a reason; the next one an answer of a new decoder."""
    clip = make_clip(sound=None)
    with serve() as asked, ThreadPoolExecutor(1) as pool:
        assert asked.form(clip).status_code == 200
        (first,) = decoders()
        first.suspend()  # so that the work is not done before it is killed
        waiting = pool.submit(asked.form, clip)
        until(lambda: asked.metric("tricue_clips_in_hand") == 1)
        assert asked.json({"text": "a"}).status_code == 200 and not waiting.done()
        first.send_signal(signal.SIGKILL)
        assert "breaks a codec" in refused(waiting.result(60), 422, "decoder_died")
        assert asked.form(clip).status_code == 200
        assert asked.metric(KILLED.format("died")) == 1 and asked.metric("tricue_clips_in_hand") == 0
        (second,) = decoders()
        assert second.pid != first.pid


def test_a_decoder_that_is_killed_idle_is_not_noticed(serve: Any, decoders: Any, make_clip: Any) -> None:
    clip = make_clip(sound=None)
    with serve() as asked:
        assert asked.form(clip).status_code == 200
        (first,) = decoders()
        first.kill()
        first.wait(60)
        assert asked.form(clip).status_code == 200
        assert asked.metric(KILLED.format("idle")) == 1


def test_uploads_beyond_those_in_hand_are_asked_to_wait(
    serve: Any, refused: Any, decoders: Any, make_clip: Any
) -> None:
    clip = make_clip(sound=None)
    with serve(waiting_clips=1) as asked, ThreadPoolExecutor(1) as pool:
        assert asked.form(clip).status_code == 200
        (one,) = decoders()
        one.suspend()
        waiting = pool.submit(asked.form, clip)
        until(lambda: asked.metric("tricue_clips_in_hand") == 1)
        for response in (asked.form(clip), asked.form(clip.read_bytes() + bytes(70_000))):  # small, and large
            refused(response, 503, "busy")
            assert int(response.headers["retry-after"]) > 0
        assert asked.form(text="a").status_code == 200  # words are no burden
        one.resume()
        assert waiting.result(60).status_code == 200


def test_a_clip_whose_client_leaves_is_given_up(serve: Any, reader: Any, make_clip: Any) -> None:
    """No further segment is read."""
    limits, gone, calls = Limits(decoders=1), Event(), []

    class Leaving:
        def __getattr__(self, name: str) -> Any:
            return getattr(reader, name)

        def read(self, rows: Any, *more: Any) -> Any:
            calls.append(len(rows))
            gone.set()
            return reader.read(rows, *more)

    made = Decoders(limits, Metrics())
    made.start(reader.warm_up(1))
    try:
        question = Question(file=make_clip(frames=60, sound=None), windows=0.5)
        with pytest.raises(Refusal, match="gone away"):
            Clips(Leaving(), made, limits).answer(question, gone)  # type: ignore[arg-type]
    finally:
        made.end()
    assert calls == [8]


def test_what_a_decoder_may_do(serve: Any, decoders: Any, make_clip: Any) -> None:
    with serve(decoder_bytes=2_000_000_000) as asked:
        assert asked.form(make_clip()).status_code == 200
        (one,) = decoders()
        assert one.rlimit(resource.RLIMIT_FSIZE) == (0, 0)  # writes nothing
        soft, hard = one.rlimit(resource.RLIMIT_AS)  # beside what its libraries take
        assert soft == hard and 2_000_000_000 < soft < 2_000_000_000 + one.memory_info().vms
        assert one.rlimit(resource.RLIMIT_CORE) == (0, 0)
        assert not one.net_connections()


def test_too_little_memory_is_a_reason(serve: Any, refused: Any, tmp_path: Path) -> None:
    """A picture within the limit of pixels that takes more than the decoder may have."""
    path = tmp_path / "large.png"
    Image.new("RGB", (5_900, 6_000)).save(path)
    with serve(decoder_bytes=420_000_000, pixels=36_000_000) as asked:
        response = asked.form(path)
        assert response.status_code == 422 and "tricue-serve" not in response.text
        assert asked.json({"text": "a"}).status_code == 200


def test_what_was_decoded_is_forgotten(make_clip: Any, reader: Reader) -> None:
    """Clips of large pictures one after the other: without a collection the process grows by 5 MB with each."""
    clip = make_clip(size=512, frames=16, sound=None)
    asks = {"do": "prepare", "path": str(clip), "modalities": ["video"], "start": None, "end": None}
    made, taken = Decoders(Limits(decoders=1), Metrics()), []
    others = psutil.Process().children()
    made.start(reader.warm_up(1))
    try:
        (process,) = [child for child in psutil.Process().children() if child not in others]
        for _ in range(24):
            told, (pictures,), _ = made.ask(asks, 30.0, 1_000_000)
            assert told["ready"] == [["video", None, 1]] and pictures.shape == (4, 512)
            made.ask({"do": "look", "path": str(clip)}, 30.0)  # the collection is over once it answers
            taken.append(process.memory_info().rss)
    finally:
        made.end()
    assert max(taken[3:]) < max(taken[:3]) + 30e6, [f"{rss / 1e6:.0f}" for rss in taken]


SHORT = {"error": "it needs more memory than a decoder may take", "worn": True}


@pytest.mark.parametrize("always", [False, True])
def test_a_decoder_that_is_worn_is_not_held_against_a_clip(
    serve: Any, refused: Any, make_clip: Any, monkeypatch: Any, always: bool
) -> None:
    """A new one is asked once; where the memory does not suffice that one either, it is the clip's fault."""
    original = serving.Decoder.ask

    def ask(self: Any, asked: dict[str, Any], seconds: float, room: int) -> Any:
        if asked["do"] == "prepare" and (always or self.worked):
            return SHORT, [], 0.1
        return original(self, asked, seconds, room)

    clip = make_clip(sound=None)
    monkeypatch.setattr(serving.Decoder, "ask", ask)
    with serve() as asked:
        response = asked.form(clip)  # the decoder has looked at it already
        if always:
            assert "more memory" in refused(response, 422, "nothing_to_go_by")
        else:
            assert response.status_code == 200 and response.json()["error"] is None
        assert asked.metric(KILLED.format("memory")) == 1 + always
        assert asked.metric("tricue_decoders") == 1


@pytest.mark.parametrize("cause", ["idle", "died"])
def test_a_machine_without_room_for_a_process(
    serve: Any, refused: Any, decoders: Any, make_clip: Any, monkeypatch: Any, cause: str
) -> None:
    """The place of a decoder outlives that none can be started for a while."""

    def full(*_: Any, **__: Any) -> Any:
        raise BlockingIOError(11, "Resource temporarily unavailable")

    def dies(self: Any, *_: Any) -> Any:
        self.kill()
        raise serving.Ended(late=False)

    clip = make_clip(sound=None)
    with serve() as asked:
        assert asked.form(clip).status_code == 200
        with monkeypatch.context() as patch:
            patch.setattr(subprocess, "Popen", full)
            if cause == "idle":
                (one,) = decoders()
                one.kill()
                one.wait(60)
            else:
                patch.setattr(serving.Decoder, "ask", dies)
                refused(asked.form(clip), 422, "decoder_died")
            for _ in range(2):
                response = asked.form(clip)
                assert "No decoder can be started" in refused(response, 503, "busy")
                assert int(response.headers["retry-after"]) > 0
            assert asked.metric("tricue_decoders") == 0
        assert asked.form(clip).status_code == 200
        assert asked.metric("tricue_decoders") == 1 and asked.metric(KILLED.format(cause)) == 1
        assert len(decoders()) == 1


def test_no_decoder_is_started_once_all_are_ended(decoders: Any, make_clip: Any) -> None:
    made = Decoders(Limits(decoders=1), Metrics())
    made.start(None)
    made.end()
    with pytest.raises(Refusal, match="being ended"):
        made.ask({"do": "look", "path": str(make_clip())}, 30.0)
    assert not decoders()
