"""Headers of every answer, pages of other sites, other names, metrics, OpenAPI."""

from typing import Any

import pytest
from starlette.testclient import TestClient

from tricue.serve.limits import Limits
from tricue.serve.service import make_app

HEADERS = {
    "content-security-policy": "default-src 'self'; media-src 'self' blob:; img-src 'self' data: blob:",
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cross-origin-resource-policy": "same-origin",
}


def test_headers_of_every_answer(asked: Any) -> None:
    answers = [asked.client.get(path) for path in ("/", "/v1/model", "/metrics", "/nothing", "/static/style.css")]
    answers += [asked.json({"text": "a"}), asked.raw(b"{"), asked.client.get("/", headers={"host": "evil.example"})]
    for response in answers:
        for name, value in HEADERS.items():
            assert response.headers[name].startswith(value), response.url
        assert "frame-ancestors 'none'" in response.headers["content-security-policy"]
        assert "server" not in response.headers
    assert asked.json({"text": "a"}).headers["cache-control"] == "no-store"


@pytest.mark.parametrize(
    "headers",
    [
        {"origin": "http://evil.example"},
        {"origin": "null"},
        {"origin": "http://["},
        {"origin": "http://127.0.0.1:9"},
        {"origin": "http://127.0.0.1:8000.evil.example"},
        {"sec-fetch-site": "cross-site"},
        {"sec-fetch-site": "same-site"},
    ],
)
def test_pages_of_other_sites_are_refused(asked: Any, refused: Any, headers: dict[str, str]) -> None:
    refused(asked.client.post("/v1/predict", json={"text": "a"}, headers=headers), 403, "cross_site")


def test_the_own_page_is_not(asked: Any) -> None:
    for headers in ({"origin": "http://127.0.0.1:8000"}, {"sec-fetch-site": "same-origin"}, {}):
        assert asked.client.post("/v1/predict", json={"text": "a"}, headers=headers).status_code == 200


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("127.0.0.1", 200), ("localhost:8000", 200), ("[::1]:8000", 200), ("LOCALHOST", 200), ("127.8.9.1", 200),
        ("evil.example", 403), ("127.0.0.1.evil.example", 403), ("10.0.0.1", 403), ("", 403), ("[::1", 403),
        ("[", 403), ("a:b:c", 403), ("\xff", 403),
    ],
)  # fmt: skip
def test_names_under_which_it_is_asked(asked: Any, host: str, status: int) -> None:
    """A name on the net that is made to point here (DNS rebinding) finds nothing."""
    response = asked.client.get("/v1/health", headers={"host": host.encode("latin-1")})
    assert response.status_code == status, response.text
    assert status == 200 or response.json()["error"]["code"] == "wrong_host"


def test_names_are_the_same_in_capitals(words_reader: Any) -> None:
    app = make_app(words_reader, "untrained", Limits(decoders=1), None, {"Emotions.Example.org"})
    client = TestClient(app, "http://127.0.0.1")  # not begun: it is asked nothing but its health
    for host in ("Emotions.Example.org", "emotions.example.ORG:443"):
        assert client.get("/v1/health", headers={"host": host}).status_code == 200
    assert client.get("/v1/health", headers={"host": "example.org"}).status_code == 403


def test_metrics(serve: Any, make_clip: Any) -> None:
    with serve() as asked:
        for path in ("/a", "/b", "/static/style.css", "/static/x"):
            asked.client.get(path)
        asked.json({"text": "a"})
        asked.json({"inputs": ["a", "b", "c"]})
        asked.raw(b"{")
        route = 'tricue_requests_total{{route="{}",status="{}"}}'
        assert asked.metric(route.format("other", 404)) == 2
        assert asked.metric(route.format("/static", 200)) == asked.metric(route.format("/static", 404)) == 1
        assert asked.metric(route.format("/v1/predict", 200)) == 2
        assert asked.metric(route.format("/v1/predict", 400)) == 1
        assert asked.metric('tricue_request_seconds_count{route="/v1/predict"}') == 3
        assert asked.metric("tricue_batch_size_sum") == 4 and asked.metric("tricue_batch_size_count") == 2
        assert asked.metric("tricue_texts_waiting") == 0
        assert asked.metric("process_resident_memory_bytes") > 1e7


def test_openapi_tells_the_fields(asked: Any) -> None:
    told = asked.client.get("/openapi.json").json()
    assert set(told["paths"]) == {"/v1/predict", "/v1/health", "/v1/model"}
    predict = told["paths"]["/v1/predict"]["post"]
    form = predict["requestBody"]["content"]["multipart/form-data"]["schema"]["properties"]
    assert set(form) == {"text", "file", "abstain", "transcribe", "subtitles", "windows"}
    assert set(predict["responses"]) == {"200", "400", "403", "408", "413", "415", "422", "500", "503", "504", "507"}
    answer = told["components"]["schemas"]["Answer"]["properties"]
    assert set(answer) == set(asked.json({"text": "a"}).json())
    assert all(field["description"] for field in answer.values())


def test_pages_are_files_of_the_package(asked: Any) -> None:
    page = asked.client.get("/")
    assert page.status_code == 200 and page.headers["content-type"].startswith("text/html")
    assert asked.client.get("/docs").status_code == 200
    assert "javascript" in asked.client.get("/static/app.js").headers["content-type"]
    assert asked.client.post("/").status_code == 405
