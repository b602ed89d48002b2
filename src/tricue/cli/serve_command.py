"""`tricue serve`: the model as a service with a page."""

import ipaddress
import logging
import os
import sys
import threading
from pathlib import Path
from typing import Annotated

from typer import Option

from tricue.cli.app import AnyModel, Backend, Device, Encoder, Set, Whisper, app, console
from tricue.cli.predict_command import Hearing, open_model
from tricue.extras import check_extra
from tricue.serve.limits import LIMITS, Limits

_LOG = logging.getLogger(__name__)


@app.command(short_help="A page and an HTTP service on this machine.")
def serve(
    port: Annotated[int, Option("--port", help="0: any free port.")] = 8000,
    host: Annotated[str, Option("--host", help="Address; 0.0.0.0: all networks.")] = "127.0.0.1",
    names: Annotated[
        list[str] | None, Option("--name", help="Host name of requests, e.g. behind a proxy. Repeatable.")
    ] = None,
    model_path: AnyModel = None,
    encoder: Encoder = None,
    transcribe: Annotated[bool, Option("--transcribe", help="Transcribe speech with Whisper.")] = False,
    whisper: Whisper = None,
    max_bytes: Annotated[int, Option("--max_bytes", help="Maximum upload size in bytes.")] = LIMITS.bytes,
    max_seconds: Annotated[
        float, Option("--max_seconds", help="Maximum recording duration in seconds.")
    ] = LIMITS.seconds,
    max_pixels: Annotated[int, Option("--max_pixels", help="Maximum pixels of a frame.")] = LIMITS.pixels,
    max_decode_seconds: Annotated[
        float, Option("--max_decode_seconds", help="Timeout in seconds for decoding one upload.")
    ] = LIMITS.decode_seconds,
    max_body_seconds: Annotated[
        float,
        Option(
            "--max_body_seconds", help="Timeout in seconds for receiving the body, and again for sending the response."
        ),
    ] = LIMITS.body_seconds,
    max_texts: Annotated[int, Option("--max_texts", help="Maximum texts of a request.")] = LIMITS.texts,
    max_clips: Annotated[
        int, Option("--max_clips", help="Maximum concurrent uploads; others get status 503.")
    ] = LIMITS.waiting_clips,
    decoders: Annotated[int, Option("--decoders", help="Processes that decode clips.")] = LIMITS.decoders,
    batch: Annotated[int, Option("--batch", help="Maximum texts of a batch; 1: no batching.")] = LIMITS.batch,
    backend: Backend = "torch",
    settings: Set = None,
    device: Device = "auto",
) -> None:
    """Answer over HTTP, with a page to try it on: clips, the microphone, the camera, words.

    \b
    tricue serve --port 8000
    curl -F text="I am so happy to see you" http://127.0.0.1:8000/v1/predict
    """
    check_extra("serve", "tricue serve")
    from tricue.recognizer import find_model
    from tricue.serve.reading import Reader
    from tricue.serve.run import listening
    from tricue.serve.run import serve as run
    from tricue.serve.service import make_app

    limits = Limits(
        bytes=max_bytes, seconds=max_seconds, pixels=max_pixels, decode_seconds=max_decode_seconds,
        body_seconds=max_body_seconds, texts=max_texts, waiting_clips=max_clips, decoders=decoders, batch=batch,
    )  # fmt: skip
    _leave_a_core()
    with listening(host, port) as place:
        recognizer = open_model(model_path, encoder, settings, device, backend)
        hearing = Hearing(whisper, device) if transcribe or whisper is not None else None
        transcriber = None if hearing is None else hearing.transcriber
        asked_as = None if _is_open(host) and not names else {host, *(names or ())}
        name = Path(find_model(model_path)).name
        made = make_app(Reader(recognizer), name, limits, transcriber, asked_as)
        own = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)
        address = f"http://{f'[{own}]' if ':' in own else own}:{place.getsockname()[1]}/"
        try:
            run(made, place, limits, lambda: console.print(f"Page: {address} (Ctrl-C ends it)"))
        except KeyboardInterrupt:
            _leave(130)
            raise
        _leave(0)


def _leave(status: int) -> None:
    """End the process at once where a thread is still at work for a request whose time is over: the interpreter would
    wait for it. (SIGTERM ends the process before this is reached.)"""
    others = [t for t in threading.enumerate() if not t.daemon and t is not threading.current_thread()]
    for thread in others:
        thread.join(0.2)
    if any(thread.is_alive() for thread in others):
        sys.stdout.flush()
        os._exit(status)


def _leave_a_core() -> None:
    """To receiving and decoding: threads of a model that wait for a core that is taken slow it down many times over.

    $OMP_NUM_THREADS says otherwise.
    """
    import torch

    from tricue.device import cores

    if "OMP_NUM_THREADS" not in os.environ:
        torch.set_num_threads(max(1, cores() - 1))


def _is_open(host: str) -> bool:
    """Whether other machines can ask; warns where they can."""
    try:
        loopback = ipaddress.ip_address(host).is_loopback
    except ValueError:
        loopback = host == "localhost"
    if not loopback:
        _LOG.warning(
            "--host %s: everyone who reaches this machine can use the service. It knows no users and no encryption: "
            "put a proxy before it that does (docs/serve.md).",
            host,
        )
    return not loopback
