"""What is refused, with which status, and in which words. Nothing is left of it: the fixtures look."""

import encodings.aliases
import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Event
from typing import Any

import pytest
from PIL import Image

BOUNDARY = "multipart/form-data; boundary=x"


@pytest.mark.parametrize(
    ("body", "why"),
    [
        (b"", "not valid JSON"),
        (b"{", "not valid JSON"),
        (b'{"text": "\xff"}', "not valid JSON"),
        (b"[" * 100_000, "not valid JSON"),
        (b"1" * 5_000, "not valid JSON"),
        (b"[]", "no JSON object"),
        (b"{}", 'either "text" or "inputs"'),
        (b'{"text": "a", "inputs": ["a"]}', 'either "text" or "inputs"'),
        (b'{"text": 5}', "not a string"),
        (b'{"text": null}', "not a string"),
        (b'{"text": "a", "file": "/etc/passwd"}', "Unknown keys 'file'"),
        (b'{"text": "a", "abstain": 1.5}', "no probability"),
        (b'{"text": "a", "abstain": NaN}', "no probability"),
        (b'{"text": "a", "abstain": true}', "no probability"),
        (b'{"text": "a", "abstain": [1]}', "no probability"),
        (b'{"inputs": []}', "no list of texts"),
        (b'{"inputs": "a"}', "no list of texts"),
    ],
)
def test_json_that_asks_nothing(asked: Any, refused: Any, body: bytes, why: str) -> None:
    assert why in refused(asked.raw(body), 400, "bad_request")


@pytest.mark.parametrize(
    ("fields", "why"),
    [
        ([], "cannot be read"),  # httpx sends no form at all
        ([("text", (None, "a")), ("path", (None, "/etc/passwd"))], "Unknown field 'path'"),
        ([("text", (None, "a")), ("text", (None, "b"))], "there twice"),
        ([("text", ("a.txt", b"a"))], "`text` is a file"),
        ([("file", (None, "/etc/passwd"))], "`file` is no file"),
        ([("file", ("", b""))], "`file` is no file"),
        ([("text", (None, "a")), ("windows", (None, "5"))], "of a media file"),
        ([("file", ("a", b"a")), ("windows", (None, "0.1"))], "no length"),
        ([("file", ("a", b"a")), ("windows", (None, "nan"))], "no length"),
        ([("file", ("a", b"a")), ("transcribe", (None, "maybe"))], "true or false"),
        ([("file", ("a", b"a")), ("windows", (None, "5")), ("subtitles", ("a", b"a"))], "not both"),
        ([("file", ("a", b"a")), ("file", ("b", b"b")), ("file", ("c", b"c"))], "Too many files"),
        ([("text", (None, "a")), ("abstain", (None, "often"))], "no probability"),
    ],
)
def test_forms_that_ask_nothing(asked: Any, refused: Any, fields: list[Any], why: str) -> None:
    if not fields:
        response = asked.raw(b"--x--\r\n", BOUNDARY)
        assert "nothing to go by" in refused(response, 400, "bad_request")
        return
    assert why in refused(asked.client.post("/v1/predict", files=fields), 400, "bad_request")


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (b"whatever", BOUNDARY),
        (b"whatever", "multipart/form-data"),
        (b'--x\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\ncut', BOUNDARY),
        (b"--x\r\nContent-Disposition: form-data\r\n\r\na\r\n--x--\r\n", BOUNDARY),
        (b"--x\r\n" + b"a" * 100_000 + b": b\r\n\r\n", BOUNDARY),
        (b'--x\r\nContent-Disposition: form-data; name="text"\r\n\r\na\r\n--x--', BOUNDARY + "; charset=nope\xff"),
    ],
)
def test_bodies_that_are_no_forms(asked: Any, body: bytes, kind: str) -> None:
    """Also a truncated upload, whose form never ends."""
    response = asked.client.post("/v1/predict", content=body, headers={"content-type": kind.encode("latin-1")})
    assert response.status_code in (200, 400) and "Traceback" not in response.text
    assert response.status_code == 400 or "charset" in kind


@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", "video/mp4", "", "/;;"])
def test_other_types_of_content(asked: Any, refused: Any, kind: str) -> None:
    refused(asked.raw(b'{"text": "a"}', kind), 415, "unsupported_media")


def test_places_that_are_not_there(asked: Any, refused: Any) -> None:
    refused(asked.client.get("/v1/nothing"), 404, "not_found")
    refused(asked.client.get("/static/../service.py"), 404, "not_found")
    refused(asked.client.get("/static/%2e%2e/service.py"), 404, "not_found")
    refused(asked.client.get("/static/%2fetc/passwd"), 404, "not_found")
    refused(asked.client.get("/v1/predict"), 405, "method_not_allowed")


def test_sizes(serve: Any, refused: Any) -> None:
    with serve(bytes=20_000, characters=50, texts=3) as asked:
        assert "20,000 bytes" in refused(asked.form(bytes(30_000)), 413, "too_large")
        assert "larger than" in refused(asked.form(bytes(2_000_000)), 413, "too_large")
        assert "50 characters" in refused(asked.json({"text": "a" * 51}), 413, "too_long")
        assert "50 characters" in refused(asked.form(text="a" * 51), 413, "too_long")
        assert "50 characters" in refused(asked.form(text="a" * 5_000), 413, "too_long")
        assert "3 at most" in refused(asked.json({"inputs": ["a"] * 4}), 413, "too_many")
        assert "larger than 9,300 bytes" in refused(asked.raw(b" " * 9_301), 413, "too_large")
        assert asked.json({"text": "a" * 50}).status_code == 200
        assert asked.form(text="ä" * 50).status_code == 200
        (row,) = asked.json({"inputs": ["a" * 51]}).json()["answers"]
        assert "50 characters" in row["error"]


def test_bodies_of_untold_size(serve: Any, refused: Any) -> None:
    with serve(bytes=20_000, characters=50, texts=3) as asked:
        response = asked.client.post(
            "/v1/predict", content=(b" " * 1_000 for _ in range(10)), headers={"content-type": "application/json"}
        )
        refused(response, 413, "too_large")
        head = b'--x\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\n'
        parts = (head, *(bytes(100_000) for _ in range(20)))
        response = asked.client.post("/v1/predict", content=iter(parts), headers={"content-type": BOUNDARY})
        refused(response, 413, "too_large")


def test_lengths_and_pictures(serve: Any, refused: Any, make_clip: Any) -> None:
    with serve(seconds=1.5, pixels=5_000, segments=2) as asked:
        assert "1.5 s at most" in refused(asked.form(make_clip(frames=0, name="a.m4a")), 413, "too_long")
        unsaid = make_clip("live.webm", size=32, options={"live": "1"})  # its header does not say how long it is
        assert "1.5 s at most" in refused(asked.form(unsaid), 413, "too_long")
        large = make_clip("large.mp4", frames=3, sound=None, size=96)
        assert "96 x 96" in refused(asked.form(large), 413, "too_many_pixels")
        short = make_clip("short.mp4", frames=0, sound=1.4)
        assert "2 at most" in refused(asked.form(short, windows=0.5), 413, "too_many")
        assert asked.form(short).status_code == 200


def bomb(path: Path) -> bytes:
    """A picture of 30 MP in a few kilobytes."""
    Image.new("L", (6_000, 5_000)).save(path)
    return path.read_bytes()


def test_files_that_are_no_clips(asked: Any, refused: Any, make_clip: Any, tmp_path: Path) -> None:
    clip = make_clip().read_bytes()
    files = {
        "empty": b"", "text": b"a sentence", "zeros": bytes(10_000), "half": clip[: len(clip) // 2],
        "playlist": b"#EXTM3U\n#EXTINF:10,\n/etc/passwd\n#EXT-X-ENDLIST\n",
        "concat": b"ffconcat version 1.0\nfile /etc/passwd\n", "svg": b'<svg xmlns="http://www.w3.org/2000/svg"/>',
        "sdp": b"v=0\nc=IN IP4 127.0.0.1\nm=video 5000 RTP/AVP 96\n",
    }  # fmt: skip
    for name, content in files.items():
        assert "cannot be decoded" in refused(asked.form(content, name=f"{name}.mp4"), 422, "undecodable"), name
    refused(asked.form(bomb(tmp_path / "bomb.png")), 413, "too_many_pixels")
    assert asked.form(clip).status_code == 200


def test_subtitles_that_are_none(asked: Any, refused: Any, make_clip: Any) -> None:
    clip = make_clip()
    for content in (b"", b"no subtitles", bytes(100), b"00:00:01,000 --> 00:00:02,000\n"):
        why = refused(asked.form(clip, subtitles=content), 422, "bad_subtitles")
        assert "/" not in why
    late = b"00:10:00,000 --> 00:10:02,000\nlate\n"
    assert "belong to this recording" in refused(asked.form(clip, subtitles=late), 422, "no_segments")


def test_nothing_to_go_by(asked: Any, serve: Any, words_reader: Any, refused: Any) -> None:
    refused(asked.json({"text": " \n"}), 422, "nothing_to_go_by")
    refused(asked.form(text=" \n"), 422, "nothing_to_go_by")  # as JSON is
    with serve(words_reader) as words:
        refused(words.json({"text": ""}), 422, "nothing_to_go_by")


def test_texts_of_no_encoding(asked: Any) -> None:
    response = asked.raw(json.dumps({"text": "a \ud800 b\0"}).encode())
    assert response.status_code == 200 and response.json()["text"] == "a ? b\0"


def test_faults_of_ours_say_nothing(serve: Any, refused: Any, make_clip: Any, reader: Any, monkeypatch: Any) -> None:
    """500, without a word of the fault; the next request is answered."""

    def broken(*_: Any) -> Any:
        raise RuntimeError("secret")

    with serve() as asked:
        with monkeypatch.context() as patch:
            patch.setattr(reader.recognizer, "predict_features", broken)
            for response in (asked.json({"text": "a"}), asked.form(make_clip()), asked.json({"inputs": ["a", "b"]})):
                assert "secret" not in refused(response, 500, "internal")
                assert response.headers["x-content-type-options"] == "nosniff"
        assert asked.json({"text": "a"}).status_code == 200
        assert asked.metric('tricue_requests_total{route="/v1/predict",status="500"}') == 3


def test_too_many_texts_wait(serve: Any, refused: Any, reader: Any, monkeypatch: Any) -> None:
    opened, model = Event(), reader.recognizer
    original = model.predict_features

    def slow(rows: Any, features: Any) -> Any:
        assert opened.wait(30)
        return original(rows, features)

    with serve(waiting_texts=2, texts=2, batch=1) as asked, ThreadPoolExecutor(1) as pool:
        monkeypatch.setattr(model, "predict_features", slow)
        waiting = pool.submit(asked.json, {"inputs": ["a", "b"]})
        while asked.metric("tricue_texts_waiting") != 1:
            pass
        response = asked.json({"inputs": ["a", "b"]})
        opened.set()
        assert "1 texts wait" in refused(response, 503, "busy")
        assert int(response.headers["retry-after"]) > 0
        assert waiting.result(60).status_code == 200
        assert asked.json({"inputs": ["a", "b"]}).status_code == 200


@pytest.mark.parametrize("letter", ["\u0416", "\U0001f600", "\0"])
def test_texts_at_their_longest_are_within_the_size(serve: Any, letter: str) -> None:
    """However a client writes them, with the longest ids."""
    rows = [{"id": letter * 200, "text": letter * 2_000}] * 3
    with serve(characters=2_000, texts=3) as asked:
        answers = asked.raw(json.dumps({"inputs": rows, "abstain": 0.5}).encode()).json()["answers"]
        assert [(row["id"], row["text"]) for row in answers] == [(row["id"], row["text"]) for row in rows]


def test_forms_in_any_charset_that_python_knows(asked: Any, refused: Any) -> None:
    """Some of them raise what is no UnicodeDecodeError."""
    body = b'--x\r\nContent-Disposition: form-data; name="text"\r\n\r\nh\xff\xe9i\r\n--x--\r\n'
    for charset in {*encodings.aliases.aliases.values(), "undefined", "punycode", "idna", "unicode_escape", "a b"}:
        response = asked.raw(body, f"{BOUNDARY}; charset={charset}")
        assert response.status_code in (200, 400), charset
    for charset in ("undefined", "punycode"):
        response = asked.raw(body, f"{BOUNDARY}; charset={charset}")
        assert "charset" in refused(response, 400, "bad_request")
