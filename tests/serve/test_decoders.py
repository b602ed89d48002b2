"""Decoders that hang, die, are killed: the service goes on, and the next clip is read."""

from __future__ import annotations

import resource
import signal
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Event
from typing import Any

import pytest
from PIL import Image

from tricue.serve.asked import Question
from tricue.serve.clips import Clips
from tricue.serve.decoders import Decoders
from tricue.serve.errors import Refusal
from tricue.serve.limits import Limits
from tricue.serve.metrics import Metrics

KILLED = 'tricue_decoder_kills_total{{cause="{}"}}'


def until(check: Callable[[], Any]) -> None:
    """Wait for what another process does. Fails where it does not within a minute."""
    deadline = time.monotonic() + 60
    while not check():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_a_decoder_that_hangs_is_killed(serve: Any, refused: Any, decoders: Any, make_clip: Any) -> None:
    clip = make_clip(frames=0, name="a.m4a")
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


def test_a_decoder_that_is_killed_in_mid_work(
    serve: Any, refused: Any, decoders: Any, make_clip: Any
) -> None:
    """Words are answered meanwhile; the upload gets a reason; the next one an answer of a new decoder."""
    clip = make_clip(frames=0, name="a.m4a")
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
    clip = make_clip(frames=0, name="a.m4a")
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
    clip = make_clip(frames=0, name="a.m4a")
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

        def read(self, rows: Any, decode: Any = None) -> Any:
            calls.append(len(rows))
            gone.set()
            return reader.read(rows, decode)

    made = Decoders(limits, Metrics())
    made.start()
    try:
        question = Question(file=make_clip(frames=0, name="a.m4a", sound=10.0), windows=0.5)
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
        assert one.rlimit(resource.RLIMIT_AS) == (2_000_000_000,) * 2
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
