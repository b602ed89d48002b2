"""Bodies, clips and folders that others have made to cost more than they weigh (issue: security 2, 4, 9)."""

import errno
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from fractions import Fraction
from pathlib import Path
from tempfile import SpooledTemporaryFile
from typing import Any

import av
import numpy as np
import pytest

from tricue.extractors.audio_extractors import Heard
from tricue.features.worker import Job, Worker
from tricue.serve import decoders as serving
from tricue.serve import scratch as folders
from tricue.serve import uploads
from tricue.serve.errors import Refusal
from tricue.serve.parsing import parse
from tricue.serve.signals import Preparing, as_ready

FORM = "multipart/form-data; boundary=x"
FIELD = b'--x\r\nContent-Disposition: form-data; name="text"\r\n'


def growing(path: Path, sizes: list[int]) -> Path:
    """A clip whose pictures change size: its header tells that of the first."""
    with av.open(str(path), "w") as container:
        stream = None
        for number, side in enumerate(sizes):
            coder = av.CodecContext.create("mjpeg", "w")
            coder.width = coder.height = side
            coder.pix_fmt, coder.time_base = "yuvj420p", Fraction(1, 10)
            shot = av.VideoFrame.from_ndarray(np.full((side, side, 3), 90, np.uint8), "rgb24")
            shot = shot.reformat(format=coder.pix_fmt)
            shot.pts, shot.time_base = number, coder.time_base
            if stream is None:
                stream = container.add_stream("mjpeg", rate=10)
                stream.width, stream.height, stream.pix_fmt = side, side, coder.pix_fmt
                container.start_encoding()
            for packet in [*coder.encode(shot), *coder.encode(None)]:
                packet.stream, packet.time_base = stream, coder.time_base
                packet.pts = packet.dts = number
                packet.duration = 1
                container.mux(packet)
    return path


# 2: what others sent is prepared in the decoder


def test_media_are_opened_and_prepared_in_decoders_alone(
    asked: Any, make_clip: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In the service's own process no picture is cropped or scaled, and no sound is analysed."""
    clip = make_clip()

    def here(*_: Any, **__: Any) -> Any:
        raise AssertionError("in the service's own process")

    monkeypatch.setattr("tricue.modalities.reading.decode", here)
    for kind in ("audio_extractors.LightAudio", "video_extractors.LightVideo"):
        monkeypatch.setattr(f"tricue.extractors.{kind}.prepare", here)
    answer = asked.form(clip).json()
    assert answer["modalities"] == ["audio", "video"] and answer["error"] is None


def test_pictures_that_grow_after_the_first(asked: Any, tmp_path: Path) -> None:
    """Words are answered meanwhile; the clip has an answer or a reason."""
    clip = growing(tmp_path / "grows.mkv", [32, 32, 2_000, 2_000])
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(asked.form, clip)
        while not waiting.done():
            began = time.monotonic()
            assert asked.json({"text": "a"}).status_code == 200
            assert time.monotonic() - began < 5
        assert waiting.result().status_code in (200, 413, 422)


HUM, PICTURES = (16_000,), (4, 512)
LARGEST = Preparing(Worker({}), {"audio": [HUM, (300, 7)], "video": [PICTURES]})


def zeros(*shapes: tuple[int, ...]) -> list[np.ndarray]:
    return [np.zeros(shape, np.float32) for shape in shapes]


def asking(*modalities: Any) -> Job:
    return Job("1", dict.fromkeys(modalities, "key"), {})


@pytest.mark.parametrize("told", [[], [["text", None, 0]], [["audio", None, 0], ["audio", None, 0]]])
def test_other_modalities_than_were_asked_for(told: list[Any]) -> None:
    with pytest.raises(ValueError, match="other modalities"):
        as_ready({"ready": told}, [], LARGEST, asking("audio"))


def test_what_decoders_give_back() -> None:
    assert LARGEST.room == 4 * (16_000 + 2_100 + 2_048)
    told = {"ready": [["audio", "partly damaged", 2], ["video", None, 1]]}
    sound, pictures = as_ready(told, zeros((9_000,), (3, 7), (2, 512)), LARGEST, asking("audio", "video"))
    assert isinstance(sound.signal, Heard) and sound.note == "partly damaged" and pictures.signal.shape == (2, 512)
    (nothing,) = as_ready({"ready": [["audio", "no sound", 0]]}, [], LARGEST, asking("audio"))
    assert nothing.signal is None and nothing.note == "no sound"


@pytest.mark.parametrize("shapes", [[(5, 512)], [(4, 513)], [(4,)], [(4, 512), (4, 512)], [(4, 3, 64, 64)]])
def test_arrays_of_other_sizes_are_not_read(shapes: list[tuple[int, ...]]) -> None:
    """Whoever has taken a decoder over sends what he likes."""
    with pytest.raises(ValueError, match="does not read"):
        as_ready({"ready": [["video", None, len(shapes)]]}, zeros(*shapes), LARGEST, asking("video"))


@pytest.mark.parametrize(
    "told",
    [
        None,
        [],
        {},
        {"arrays": 5},
        {"arrays": [[-1]]},
        {"arrays": [["a"]]},
        {"arrays": [[1]] * 9},
        {"arrays": [[10**9]]},
    ],
)
def test_answers_that_are_none(told: Any) -> None:
    with pytest.raises(ValueError):
        serving._checked(told, room=1_000)


# 4: limits that look at one field


def test_values_are_counted_before_they_are_made() -> None:
    for body in (b"[" + b"[]," * 1_000_000 + b"[]]", b"[" * 500_000 + b"]" * 500_000):
        began = time.monotonic()
        with pytest.raises(Refusal, match="more than 100 values"):
            parse(body, 100)
        assert time.monotonic() - began < 2
    quoted = json.dumps(["[,{" * 50_000, 'a"b\\', "\\"])
    assert parse(quoted.encode(), 10) == json.loads(quoted)  # within a string they are words


@pytest.mark.parametrize(
    ("body", "why"),
    [
        (b'{"text": "' + b"\\" * 3_000_001, "not valid JSON"),
        (b'"' + b'\\"' * 1_500_000, "not valid JSON"),
        (b"9" * 5_000, "not valid JSON"),
        (b"[" * 90 + b"9" * 5_000, "not valid JSON"),
        (b'{"text": "a", "text": "b"}', "'text' is there twice"),
        (b'{"inputs": [{"id": 1, "id": 2, "text": "a"}]}', "'id' is there twice"),
        ("{}".encode("utf-16"), "not valid JSON"),
    ],
)
def test_json_that_no_two_readers_agree_on(body: bytes, why: str) -> None:
    began = time.monotonic()
    with pytest.raises(Refusal, match=why) as refusal:
        parse(body, 100)
    assert refusal.value.status == 400 and time.monotonic() - began < 2


def test_numbers_that_are_long(asked: Any, refused: Any) -> None:
    assert "no probability" in refused(asked.raw(b'{"text": "a", "abstain": %s}' % (b"9" * 4_000)), 400, "bad_request")
    (row,) = asked.raw(b'{"inputs": [{"id": %s, "text": "a"}]}' % (b"9" * 4_000)).json()["answers"]
    assert "id" in row["error"]


def test_a_body_of_values_alone_holds_nobody_up(serve: Any, refused: Any) -> None:
    """It is refused, and the service answers others meanwhile."""
    with serve() as asked, ThreadPoolExecutor(2) as pool:
        body = b'{"inputs": [' + b"[]," * 1_200_000 + b"[]]}"
        waiting = [pool.submit(asked.raw, body) for _ in range(2)]
        slowest = 0.0
        while not all(each.done() for each in waiting):
            began = time.monotonic()
            assert asked.client.get("/v1/health").status_code == 200
            slowest = max(slowest, time.monotonic() - began)
        for each in waiting:
            assert "values" in refused(each.result(), 413, "too_many")
    assert slowest < 2


def test_texts_are_bounded_together(serve: Any, refused: Any) -> None:
    with serve(all_characters=100, texts=50) as asked:
        assert asked.json({"inputs": ["a" * 50] * 2}).status_code == 200
        why = refused(asked.json({"inputs": ["a" * 50, "b" * 51]}), 413, "too_long")
        assert "101 characters together" in why and "100 at most" in why
    with serve() as asked:
        assert asked.client.get("/v1/model").json()["limits"]["all_characters"] == 256_000
        assert "together" in refused(asked.json({"inputs": ["a" * 10_000] * 26}), 413, "too_long")


def test_subtitles_are_bounded_together(serve: Any, refused: Any, make_clip: Any, words_reader: Any) -> None:
    """Those within the recording; a file of a few megabytes is none of subtitles."""
    modality = "00:00:00,{}00 --> 00:00:01,900\n{}\n\n"
    srt = "".join(modality.format(i, "word " * 20) for i in range(5)) + "00:10:00,000 --> 00:10:01,000\n" + "w" * 400
    with serve(words_reader, all_characters=400) as asked:
        why = refused(asked.form(make_clip(), subtitles=srt.encode()), 413, "too_long")
        assert "495 characters" in why
        huge = srt.encode() + b"\n" * 2_000_000
        assert "1,000,000 bytes" in refused(asked.form(make_clip(), subtitles=huge), 413, "too_large")
    with serve(words_reader, all_characters=500) as asked:
        assert asked.form(make_clip(), subtitles=srt.encode()).status_code == 200


@pytest.mark.parametrize(
    "headers",
    [
        b"A: b\r\n" * 9,
        b"A: " + b"b" * 20_000 + b"\r\n",
        b"A" * 20_000 + b": b\r\n",
        (b"A: " + b"b" * 3_500 + b"\r\n") * 5,
    ],
)
def test_headers_of_a_part_are_bounded(asked: Any, refused: Any, headers: bytes) -> None:
    refused(asked.raw(FIELD + headers + b"\r\na\r\n--x--\r\n", FORM), 400, "bad_request")
    assert asked.raw(FIELD + b"A: b\r\n\r\na\r\n--x--\r\n", FORM).status_code == 200


def test_parts_of_a_form_are_bounded(asked: Any, refused: Any) -> None:
    parts = b"".join(b'--x\r\nContent-Disposition: form-data; name="%d"\r\n\r\na\r\n' % i for i in range(9))
    assert "Too many fields" in refused(asked.raw(parts + b"--x--\r\n", FORM), 400, "bad_request")


@pytest.mark.parametrize(
    "end",
    [b"", b"\r\n", b"\r\n--x", b"\r\n--x\r\n", b"\r\n--x-"],
    ids=["content", "line", "boundary", "next", "almost"],
)
@pytest.mark.parametrize("name", ['"abstain"', '"file"; filename="a.mp4"'])
def test_a_form_that_is_cut_short_is_not_answered(asked: Any, refused: Any, name: str, end: bytes) -> None:
    """The words alone would be answered, as if nothing else had been sent."""
    cut = FIELD + b"\r\na\r\n--x\r\nContent-Disposition: form-data; name=" + name.encode() + b"\r\n\r\n0.5" + end
    assert "last boundary" in refused(asked.raw(cut, FORM), 400, "bad_request")


@pytest.mark.parametrize("charset", ["idna", "IDNA", "punycode"])
def test_charsets_that_take_long_are_not_read(asked: Any, refused: Any, charset: str) -> None:
    body = FIELD + b"\r\nxn--" + b"9" * 39_000 + b"\r\n--x--\r\n"
    assert "send UTF-8" in refused(asked.raw(body, f"{FORM}; charset={charset}"), 400, "bad_request")


# 9: what the machine lacks


def raising(number: int) -> Callable[..., Any]:
    def fail(*_: Any, **__: Any) -> Any:
        raise OSError(number, os.strerror(number))

    return fail


@pytest.mark.parametrize("place", ["folder", "spool", "copy"])
@pytest.mark.parametrize(
    ("number", "status", "code"),
    [(errno.ENOSPC, 507, "no_room"), (errno.EDQUOT, 507, "no_room"), (errno.EMFILE, 503, "busy")],
)
def test_no_room_for_an_upload(
    serve: Any, refused: Any, monkeypatch: pytest.MonkeyPatch, place: str, number: int, status: int, code: str
) -> None:
    with serve() as asked:
        with monkeypatch.context() as patch:
            if place == "folder":
                patch.setattr(folders.tempfile, "mkdtemp", raising(number))
            elif place == "spool":
                patch.setattr(SpooledTemporaryFile, "write", raising(number))
            else:
                patch.setattr(uploads.shutil, "copyfileobj", raising(number))
            refused(asked.form(bytes(2_000_000)), status, code)
            assert asked.json({"text": "a"}).status_code == 200
        assert asked.form(text="a").status_code == 200 and asked.rest == []


def test_folders_that_a_killed_service_left_are_swept(serve: Any, temporary: Path) -> None:
    """Those of a service that lives stay, and whatever has another name."""
    program = (
        "import sys, time; from tricue.serve.scratch import scratch\n"
        "with scratch() as folder: (folder / 'file').write_bytes(b'x'); print(folder, flush=True); time.sleep(60)"
    )
    environment = os.environ | {"TMPDIR": str(temporary)}
    other = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True, env=environment)
    assert other.stdout is not None
    theirs, foreign = Path(other.stdout.readline().strip()), temporary / "tricue-other"
    foreign.mkdir()
    try:
        folders.sweep()
        assert (theirs / "file").is_file()
        other.kill()
        other.wait(60)
        with folders.scratch() as mine:
            folders.sweep()
            assert sorted(temporary.iterdir()) == sorted([mine, foreign])
    finally:
        other.kill()
        foreign.rmdir()


def test_a_service_sweeps_when_it_starts(serve: Any, temporary: Path) -> None:
    left = temporary / "tricue-serve-left"
    left.mkdir()
    with serve():
        assert not left.exists()
