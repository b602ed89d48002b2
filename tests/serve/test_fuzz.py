"""Files that are none: half of them random bytes, half real containers that were damaged. $TRICUE_FUZZ says how many.

Bounded in time: what is not sent within $TRICUE_FUZZ_SECONDS is not sent, and the count is told.
"""

import os
import time
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Lock
from typing import Any

import numpy as np
import pytest
from tests.mutations import FILES, damaged

SECONDS = float(os.environ.get("TRICUE_FUZZ_SECONDS", "1500"))
ENOUGH = min(FILES, 200)  # fewer say nothing, however slow the machine is
ALLOWED = {200, 413, 422, 504}


def random_file(number: int, real: Sequence[bytes]) -> bytes:
    """The file of that number, the same in every run."""
    rng = np.random.default_rng([7, number])
    if number % 2:
        return rng.bytes(int(2 ** rng.uniform(0, 17)))
    return damaged(rng, real[int(rng.integers(len(real)))])


@pytest.fixture
def real(make_clip: Any) -> list[bytes]:
    """Containers and codecs that people send."""
    still = {"frames": 6, "sound": 0.5}
    made: list[Path] = [
        make_clip("a.mp4", **still), make_clip("b.webm", **still), make_clip("c.mkv", **still),
        make_clip("d.mp4", options={"movflags": "frag_keyframe+empty_moov"}, **still),
        make_clip("e.webm", options={"live": "1"}, **still), make_clip("f.m4a", frames=0, sound=0.5),
        make_clip("g.ts", **still), make_clip("h.avi", **still), make_clip("i.mov", frames=6, sound=None),
    ]  # fmt: skip
    return [path.read_bytes() for path in made]


def form(rng: np.random.Generator) -> dict[str, Any]:
    """What is asked beside the file: nothing, mostly."""
    return [{}, {}, {}, {"windows": 0.5}, {"text": "a"}, {"subtitles": rng.bytes(200)}][int(rng.integers(6))]


@pytest.mark.slow
def test_fuzz(serve: Any, real: list[bytes], decoders: Any, capsys: pytest.CaptureFixture[str]) -> None:
    """Each has an answer or a reason; the service goes on; nothing is left."""
    told: Counter[int] = Counter()
    lock, began = Lock(), time.monotonic()

    with serve(decoders=2, decode_seconds=20.0) as asked, ThreadPoolExecutor(3) as pool:

        def send(number: int) -> None:
            if time.monotonic() - began > SECONDS:
                return
            content = random_file(number, real)
            response = asked.form(content, **form(np.random.default_rng([8, number])))
            assert response.status_code in ALLOWED, (number, response.status_code, response.text)
            if response.status_code != 200:
                assert set(response.json()["error"]) == {"code", "reason"}
                assert "tricue-serve-" not in response.text and "Traceback" not in response.text, number
            with lock:
                told[response.status_code] += 1

        list(pool.map(send, range(FILES)))
        assert asked.rest == [] and len(decoders()) == 2
        for clip in real:
            assert asked.form(clip).status_code == 200
        kills = {
            cause: asked.metric(f'tricue_decoder_kills_total{{cause="{cause}"}}')
            for cause in ("late", "died", "memory", "idle")
        }
    seconds = time.monotonic() - began
    with capsys.disabled():
        print(f"\nfuzz: {told.total():,} of {FILES:,} files in {seconds:.0f} s: {dict(told)}; decoders: {kills}")
    assert told.total() >= ENOUGH
    assert told[422] > told.total() / 3  # random bytes are no clips
    assert told[200] > 0  # and some damage is survived: files reach the codecs
