"""A stand-in for the Hugging Face hub: what its client asks for, over HTTP on this machine, behind HF_ENDPOINT."""

import base64
import hashlib
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import unquote, urlsplit

COMMIT = "a" * 40


class HubServer(ThreadingHTTPServer):
    """Repositories as files by name; some are gated, some files break off halfway."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.repositories: dict[str, dict[str, bytes]] = {}
        self.gated: set[str] = set()
        self.cut: set[str] = set()  # names of files that end before their length
        self.asked: list[str] = []  # "METHOD path", in order
        self.pushed: dict[str, bytes] = {}

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


@contextmanager
def hub_server() -> Iterator[HubServer]:
    server = HubServer()
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class _Handler(BaseHTTPRequestHandler):
    server: HubServer
    protocol_version = "HTTP/1.1"

    def log_message(self, *args: Any) -> None:
        pass

    def do_HEAD(self) -> None:
        self._get(body=False)

    def do_GET(self) -> None:
        self._get(body=True)

    def do_POST(self) -> None:
        path = self._path()
        sent = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if path == "api/repos/create":
            name = "/".join(filter(None, (json.loads(sent).get("organization"), json.loads(sent)["name"])))
            self._json({"url": f"{self.server.address}/{name}", "name": name})
        elif path == "api/validate-yaml":
            self._json({"errors": [], "warnings": []})
        elif "/preupload/" in path:
            files = json.loads(sent)["files"]
            told = {"uploadMode": "regular", "shouldIgnore": False, "oid": None}
            self._json({"files": [{"path": file["path"], **told} for file in files]})
        elif "/commit/" in path:
            for line in map(json.loads, sent.splitlines()):
                if line["key"] == "file":
                    self.server.pushed[line["value"]["path"]] = base64.b64decode(line["value"]["content"])
            name = "/".join(path.removeprefix("api/models/").split("/")[:2])
            self._json({"commitUrl": f"{self.server.address}/{name}/commit/{COMMIT}", "commitOid": COMMIT})
        else:
            self._refuse(404, "NotFound")

    def _path(self) -> str:
        path = unquote(urlsplit(self.path).path).strip("/")
        self.server.asked.append(f"{self.command} {path}")
        return path

    def _get(self, body: bool) -> None:
        path = self._path()
        parts = path.removeprefix("api/models/").split("/")
        name, rest = "/".join(parts[:2]), parts[2:]
        files = self.server.repositories.get(name)
        if path == "api/whoami-v2":
            self._json({"type": "user", "name": "me", "auth": {"accessToken": {"role": "write"}}})
        elif files is None:
            self._refuse(401 if "Authorization" not in self.headers else 404, "RepoNotFound")
        elif name in self.server.gated:
            self._refuse(403, "GatedRepo")
        elif path.startswith("api/models/") and rest[:1] == ["tree"]:
            self._json([{"type": "file", "path": n, "size": len(c), "oid": _etag(c)} for n, c in files.items()])
        elif path.startswith("api/models/"):
            siblings = [{"rfilename": file, "size": len(content)} for file, content in files.items()]
            self._json({"id": name, "sha": COMMIT, "private": False, "gated": False, "tags": [],
                        "downloads": 0, "likes": 0, "siblings": siblings})  # fmt: skip
        elif rest[:1] == ["resolve"] and "/".join(rest[2:]) in files:
            self._file("/".join(rest[2:]), files["/".join(rest[2:])], body)
        else:
            self._refuse(404, "EntryNotFound")

    def _file(self, name: str, content: bytes, body: bool) -> None:
        begin = int(self.headers.get("Range", "bytes=0-").removeprefix("bytes=").split("-")[0])
        self.send_response(206 if begin else 200)
        self.send_header("Content-Length", str(len(content) - begin))
        if begin:
            self.send_header("Content-Range", f"bytes {begin}-{len(content) - 1}/{len(content)}")
        self.send_header("ETag", f'"{_etag(content)}"')
        self.send_header("X-Repo-Commit", COMMIT)
        self.end_headers()
        if body and name in self.server.cut:
            self.wfile.write(content[begin : begin + max(1, (len(content) - begin) // 2)])
            self.close_connection = True
        elif body:
            self.wfile.write(content[begin:])

    def _json(self, content: Any) -> None:
        sent = json.dumps(content).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(sent)))
        self.send_header("X-Repo-Commit", COMMIT)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(sent)

    def _refuse(self, status: int, code: str) -> None:
        self.send_response(status)
        self.send_header("X-Error-Code", code)
        self.send_header("X-Error-Message", code)
        self.send_header("Content-Length", "0")
        self.end_headers()


def _etag(content: bytes) -> str:
    return hashlib.sha1(content).hexdigest()
