"""The service on a real socket: slow, broken and surplus clients; where it listens; how it ends."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest

from tricue.checkpoint.checkpoint import save_checkpoint
from tricue.serve import run
from tricue.serve.limits import Limits
from tricue.serve.service import make_app
from tricue.types import InputError

HEAD = b"POST /v1/predict HTTP/1.1\r\nHost: 127.0.0.1\r\n"
JSON = HEAD + b"Content-Type: application/json\r\n"
FORM = HEAD + b"Content-Type: multipart/form-data; boundary=x\r\n"
PART = b'--x\r\nContent-Disposition: form-data; name="file"; filename="a.mp4"\r\n\r\n'


def until(check: Callable[[], Any], seconds: float = 60.0) -> None:
    deadline = time.monotonic() + seconds
    while not check():
        assert time.monotonic() < deadline
        time.sleep(0.01)


class Place:
    """A service that runs."""

    def __init__(self, port: int, temporary: Path) -> None:
        self.port, self._temporary = port, temporary
        self.address = f"http://127.0.0.1:{port}"

    def connect(self, room: int | None = None) -> socket.socket:
        """room: bytes that the system keeps for the client before it reads."""
        made = socket.socket()
        made.settimeout(60)
        if room is not None:
            made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, room)
        made.connect(("127.0.0.1", self.port))
        return made

    def say(self, *parts: bytes) -> bytes:
        """Send the parts as they are; all that comes back until the service closes."""
        with self.connect() as made:
            for part in parts:
                made.sendall(part)
            return _read(made)

    @property
    def rest(self) -> list[Path]:
        return sorted(self._temporary.iterdir())

    def answers(self) -> bool:
        return httpx.post(f"{self.address}/v1/predict", json={"text": "a"}, timeout=60).status_code == 200


def _read(made: socket.socket) -> bytes:
    got = b""
    while part := made.recv(65_536):
        got += part
    return got


@pytest.fixture
def place(words_reader: Any, temporary: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Any]:
    """`with place(head_seconds=1.0) as made`: the service on a free port, in a thread."""

    class Stoppable(run._Announcing):
        def __init__(self, *arguments: Any) -> None:
            super().__init__(*arguments)
            servers.append(self)

    servers: list[Any] = []
    monkeypatch.setattr(run, "_Announcing", Stoppable)

    @contextmanager
    def start(**limits: Any) -> Iterator[Place]:
        told, ready = replace(Limits(decoders=1), **limits), threading.Event()
        app = make_app(words_reader, "untrained", told, None, {"127.0.0.1"})
        with run.listening("127.0.0.1", 0) as listening:
            # the system keeps little for those who do not read, so that small answers will do
            listening.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4_096)
            thread = threading.Thread(target=run.serve, args=(app, listening, told, ready.set))
            thread.start()
            try:
                assert ready.wait(60)
                made = Place(listening.getsockname()[1], temporary)
                yield made
                until(lambda: made.rest == [])
                assert made.answers()
            finally:
                servers[-1].should_exit = True
                thread.join(60)
        assert not thread.is_alive()

    return start


def refusal(got: bytes, status: int, code: str) -> None:
    head, _, body = got.partition(b"\r\n\r\n")
    assert head.startswith(f"HTTP/1.1 {status} ".encode()), got[:300]
    assert json.loads(body)["error"]["code"] == code


def test_a_head_that_does_not_come(place: Any) -> None:
    with place(head_seconds=0.3) as made:
        refusal(made.say(b""), 408, "slow_client")
        refusal(made.say(b"POST /v1/pre"), 408, "slow_client")
        refusal(made.say(b"nonsense\r\n\r\n"), 400, "bad_request")


def test_a_head_that_comes_drop_by_drop(place: Any) -> None:
    """What comes keeps nothing alive: the head as a whole has its time."""
    with place(head_seconds=0.5) as made, made.connect() as client:
        client.sendall(b"GET / HTTP/1.1\r\n")
        began = time.monotonic()
        with pytest.raises(OSError):
            while time.monotonic() - began < 30:
                client.sendall(b"a: b\r\n")
                time.sleep(0.02)
        assert time.monotonic() - began < 20


def test_an_answer_does_not_wait_for_the_receipt_of_its_head(place: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """40 ms on each request otherwise: asyncio sees to it only for sockets that it has made itself."""
    connected: list[Any] = []
    made_before = run.H11Protocol.connection_made

    def noted(self: Any, transport: Any) -> None:
        connected.append(transport)
        made_before(self, transport)

    monkeypatch.setattr(run.H11Protocol, "connection_made", noted)
    with place() as made, made.connect() as client:
        client.sendall(b"GET /v1/health HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
        assert client.recv(100).startswith(b"HTTP/1.1 200")
        answering = connected[0].get_extra_info("socket")
        assert answering.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)


@pytest.mark.parametrize("head", [JSON, FORM])
def test_a_body_that_does_not_come(place: Any, head: bytes) -> None:
    with place(body_seconds=0.3, head_seconds=0.5) as made:
        refusal(made.say(head + b"Content-Length: 100000\r\n\r\n" + PART), 408, "slow_client")


def test_a_body_that_comes_drop_by_drop(place: Any) -> None:
    with place(body_seconds=0.5, head_seconds=0.5) as made, made.connect() as client:
        client.sendall(FORM + b"Transfer-Encoding: chunked\r\n\r\n%x\r\n%s\r\n" % (len(PART), PART))
        client.settimeout(0.02)
        got, began = b"", time.monotonic()
        while not got and time.monotonic() - began < 30:
            client.sendall(b"1\r\na\r\n")
            try:
                got = client.recv(65_536)
            except TimeoutError:
                continue
        client.settimeout(60)
        if b"\r\n\r\n" in got and not got.endswith(b"}"):
            got += client.recv(65_536)  # the body of the answer may come after its head
        assert b" 408 " in got and b"slow_client" in got


def test_a_body_that_goes_on_after_its_answer(place: Any) -> None:
    """It is not read to its end, be it gigabytes."""
    with place(bytes=10_000, head_seconds=0.5) as made, made.connect() as client:
        client.sendall(FORM + b"Content-Length: 100000000000\r\n\r\n")
        began = time.monotonic()
        with pytest.raises(OSError):
            while time.monotonic() - began < 30:
                client.sendall(bytes(1_000))
                time.sleep(0.001)
        assert time.monotonic() - began < 20


@pytest.mark.parametrize("reset", [False, True])
def test_a_truncated_upload(place: Any, reset: bool) -> None:
    """The client goes away in the middle; nothing stays of it."""
    with place() as made:
        with made.connect() as client:
            client.sendall(FORM + b"Content-Length: 5000000\r\n\r\n" + PART + bytes(3_000_000))
            if reset:
                client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        metrics = f"{made.address}/metrics"
        until(lambda: "tricue_clips_in_hand 0.0" in httpx.get(metrics, timeout=60).text)


LARGE = json.dumps({"inputs": ["a " * 2_000] * 50}).encode()
ASKING = [
    b"GET /static/app.js HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n" * 9,
    JSON + b"Content-Length: %d\r\n\r\n%s" % (len(LARGE), LARGE),
    JSON + b"Connection: close\r\nContent-Length: %d\r\n\r\n%s" % (len(LARGE), LARGE),
]


@pytest.mark.parametrize("asking", ASKING)
def test_an_answer_that_is_not_fetched(place: Any, asking: bytes) -> None:
    """Its connection is given up, and another one's turn comes."""
    with place(connections=1, body_seconds=0.5, head_seconds=30.0) as made, made.connect(1_024) as client:
        client.sendall(asking)
        assert client.recv(100).startswith(b"HTTP/1.1 200")

        def turn() -> bool:
            try:
                return httpx.get(f"{made.address}/v1/health", timeout=60).status_code == 200
            except httpx.TransportError:  # it is closed before it has asked
                return False

        until(turn, 20.0)


def test_an_answer_that_is_fetched_slowly_is_whole(place: Any) -> None:
    """The time is counted for each answer anew."""
    with place(body_seconds=1.5, head_seconds=30.0) as made, made.connect(16_384) as client:
        for _ in range(3):
            client.sendall(ASKING[1])
            time.sleep(0.8)
            got = b""
            while not (found := re.search(rb"content-length: (\d+)\r\n.*\r\n\r\n", got, re.DOTALL)):
                got += client.recv(1_000)
            left = found.end() + int(found[1]) - len(got)
            assert left > 100_000
            while left:
                part = client.recv(left)
                assert part
                left -= len(part)


def test_many_slow_clients_do_not_keep_others_out(place: Any) -> None:
    with place(connections=300, head_seconds=30.0) as made:
        clients = [made.connect() for _ in range(200)]
        try:
            for client in clients:
                client.sendall(JSON + b"Content-Length: 100\r\n\r\n{")
            assert made.answers()
        finally:
            for client in clients:
                client.close()


def test_too_many_connections(place: Any) -> None:
    with place(connections=2, head_seconds=30.0) as made:
        first, second = made.connect(), made.connect()
        with first, second:
            until(lambda: b" 503 " in made.say(b""))


def test_keeping_a_connection(place: Any) -> None:
    """Several requests on one, with pauses shorter than a head may take."""
    with place(head_seconds=1.0) as made, httpx.Client(base_url=made.address, timeout=60) as client:
        for _ in range(4):
            assert client.post("/v1/predict", json={"text": "a"}).status_code == 200
            time.sleep(0.4)


def test_bodies_of_wrong_length(place: Any) -> None:
    with place(head_seconds=0.5) as made:
        for length in (b"abc", b"-1", b"9" * 30):
            got = made.say(JSON + b"Content-Length: " + length + b"\r\n\r\n{}")
            assert got.startswith((b"HTTP/1.1 400", b"HTTP/1.1 413")), got[:100]


@pytest.mark.parametrize("order", [1, -1])
def test_a_body_of_a_length_and_in_chunks(place: Any, order: int) -> None:
    """What a proxy reads otherwise than the service would begin another request: refused, and nothing more is read."""
    both = [b"Content-Length: 5\r\n", b"Transfer-Encoding: chunked\r\n"][::order]
    with place() as made:
        got = made.say(JSON + b"".join(both) + b"\r\n0\r\n\r\nGET /v1/health HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
        refusal(got, 400, "bad_request")
        assert b"connection: close" in got.lower() and got.count(b"HTTP/1.1") == 1


def test_a_client_that_goes_away_is_no_bad_request(place: Any) -> None:
    counted = 'tricue_requests_total{{route="/v1/predict",status="{}"}}'
    with place() as made:
        with made.connect() as client:
            client.sendall(JSON + b'Content-Length: 100\r\n\r\n{"text"')
        metrics = f"{made.address}/metrics"
        until(lambda: counted.format(499) in httpx.get(metrics, timeout=60).text)
        assert counted.format(400) not in httpx.get(metrics, timeout=60).text


def test_texts_whose_client_goes_away_are_not_read(
    place: Any, words_reader: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While they wait, or are read; both are counted as such."""
    counted = 'tricue_requests_total{{route="/v1/predict",status="{}"}}'
    read, reading, go_on, texts = words_reader.read, threading.Event(), threading.Event(), list[str]()

    def slowly(rows: Any, signals: Any = None) -> Any:
        if rows[0].text in ("y", "z"):
            texts.extend(row.text for row in rows)
            reading.set()
            assert go_on.wait(60)
        return read(rows, signals)

    monkeypatch.setattr(words_reader, "read", slowly)
    with place() as made:
        for letter in "yz":
            body = b'{"inputs": ["%b", "%b"]}' % (letter.encode(), letter.encode())
            with made.connect() as client:
                client.sendall(JSON + b"Content-Length: %d\r\n\r\n" % len(body) + body)
                assert reading.wait(60)
        metrics = f"{made.address}/metrics"
        until(lambda: f"{counted.format(499)} 2.0" in httpx.get(metrics, timeout=60).text)
        go_on.set()
        assert made.answers()
        told = httpx.get(metrics, timeout=60).text
        assert texts == ["y", "y"] and f"{counted.format(200)} 1.0" in told and counted.format(503) not in told


def test_chunks_of_a_byte_hold_nobody_up(place: Any) -> None:
    with place() as made, made.connect() as client, httpx.Client(base_url=made.address, timeout=60) as other:
        client.sendall(JSON + b"Transfer-Encoding: chunked\r\n\r\n" + b"1\r\na\r\n" * 60_000)
        slowest = 0.0
        for _ in range(20):
            began = time.monotonic()
            assert other.get("/v1/health").status_code == 200
            slowest = max(slowest, time.monotonic() - began)
    assert slowest < 3


def test_a_place_that_is_taken() -> None:
    with run.listening("127.0.0.1", 0) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(InputError, match=f"--port {port}: .*in use.*--port {port + 1}"):
            run.listening("127.0.0.1", port)
    for host, port in (("no.such.host.invalid", 0), ("127.0.0.1", 99_999)):
        with pytest.raises(InputError):
            run.listening(host, port)


@pytest.fixture
def command(words_reader: Any, tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    recognizer = words_reader.recognizer
    save_checkpoint(tmp_path / "model", recognizer.network, recognizer.card)
    (tmp_path / "scratch").mkdir()
    started = subprocess.Popen(
        [sys.executable, "-m", "tricue.cli", "serve", "--port=0", "--model_path=model", "--decoders=1"],
        cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True,
        env=os.environ | {"TMPDIR": str(tmp_path / "scratch")},
    )  # fmt: skip
    yield started
    if started.poll() is None:
        started.kill()
    started.wait(60)


def address_of(command: subprocess.Popen[str]) -> str:
    assert command.stdout is not None
    said = ""
    for line in command.stdout:
        said += line
        if found := re.search(r"Page: (http://\S+)/", line):
            return found[1]
    raise AssertionError(said)


@pytest.mark.slow
@pytest.mark.parametrize("sign", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_the_command(command: subprocess.Popen[str], sign: signal.Signals, tmp_path: Path) -> None:
    """Listens on 127.0.0.1 alone; where it ends, its decoders do."""
    address = address_of(command)
    assert httpx.post(f"{address}/v1/predict", json={"text": "a"}, timeout=60).status_code == 200
    process = psutil.Process(command.pid)
    listens = [c.laddr for c in process.net_connections() if c.status == psutil.CONN_LISTEN]
    assert [place.ip for place in listens] == ["127.0.0.1"] and address.endswith(str(listens[0].port))
    below = process.children(recursive=True)
    assert any("tricue.serve.decoder" in child.cmdline() for child in below)
    command.send_signal(sign)
    command.wait(60)
    gone, alive = psutil.wait_procs(below, 60)
    assert not alive and len(gone) == len(below)
    if sign != signal.SIGKILL:
        assert command.returncode in (0, 130, -sign) and not list((tmp_path / "scratch").glob("tricue*"))


SLOW = """
import time
from tricue.serve import run
from tricue.serve.reading import Reader
run._GRACE, read = 1, Reader.read
def slow(self, rows, *more, **told):
    time.sleep(60 * any(row.text == "slow" for row in rows))
    return read(self, rows, *more, **told)
Reader.read = slow
"""


@pytest.mark.slow
@pytest.mark.parametrize(("sign", "status"), [(signal.SIGTERM, -signal.SIGTERM), (signal.SIGINT, 130)])
def test_the_end_of_a_service_does_not_wait_for_what_takes_long(started: Any, sign: int, status: int) -> None:
    """Who still waits has JSON; the log has no trace; the process ends, though a thread of it is at work."""
    process, address = started(SLOW)
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(httpx.post, f"{address}/v1/predict", json={"text": "slow"}, timeout=60)
        until(lambda: "tricue_batch_size_count 1.0" in httpx.get(f"{address}/metrics", timeout=60).text)
        process.send_signal(sign)
        response = waiting.result(60)
    assert response.status_code == 503 and response.json()["error"]["code"] == "busy"
    assert process.wait(20) == status
    assert "Traceback" not in process.stdout.read()


@pytest.mark.slow
def test_no_descriptors_left(started: Any) -> None:
    """A line of the log in each second; once there are some again, the service answers."""
    process, address = started(limit=40)
    port = int(address.rpartition(":")[2])
    clients = [socket.create_connection(("127.0.0.1", port), 60) for _ in range(60)]
    time.sleep(3)
    for client in clients:
        client.close()
    assert httpx.post(f"{address}/v1/predict", json={"text": "a"}, timeout=60).status_code == 200
    process.kill()
    said = process.stdout.read()
    assert 1 <= said.count("Too many open files") <= 10 and "Traceback" not in said
