"""`tricue serve`: the model as a service with a page."""

from __future__ import annotations

import ipaddress
import logging
import os
import sys
import threading
from pathlib import Path
from typing import Annotated

import typer

from tricue.cli.app import Device, Encoder, Set, Whisper, app, console
from tricue.cli.predict import Hearing, open_model
from tricue.extras import check_extra
from tricue.serve.limits import LIMITS, Limits

_LOG = logging.getLogger(__name__)


@app.command(short_help="A page and an HTTP service on this machine.")
def serve(
    port: Annotated[int, typer.Option("--port", help="0: any that is free.")] = 8000,
    host: Annotated[
        str, typer.Option("--host", help="Where it listens; 0.0.0.0 lets other machines ask.")
    ] = "127.0.0.1",
    names: Annotated[
        list[str] | None,
        typer.Option("--name", help="A host name under which it is asked, e.g. behind a proxy. Repeatable."),
    ] = None,
    model_path: Annotated[
        str | None,
        typer.Option(
            "--model_path",
            help="Folder of a checkpoint, or its hub name. [checkpoints/best_model, else the text model that "
            "comes with tricue]",
        ),
    ] = None,
    encoder: Encoder = None,
    transcribe: Annotated[
        bool, typer.Option("--transcribe", help="Hear the words of clips where asked to (Whisper).")
    ] = False,
    whisper: Whisper = None,
    max_bytes: Annotated[int, typer.Option("--max_bytes", help="Of an upload.")] = LIMITS.bytes,
    max_seconds: Annotated[
        float, typer.Option("--max_seconds", help="That a recording lasts.")
    ] = LIMITS.seconds,
    max_pixels: Annotated[int, typer.Option("--max_pixels", help="Of a picture.")] = LIMITS.pixels,
    max_decode_seconds: Annotated[
        float, typer.Option("--max_decode_seconds", help="That an upload may be decoded.")
    ] = LIMITS.decode_seconds,
    max_body_seconds: Annotated[
        float,
        typer.Option(
            "--max_body_seconds", help="That a request may take to arrive, and its answer to be fetched."
        ),
    ] = LIMITS.body_seconds,
    max_texts: Annotated[int, typer.Option("--max_texts", help="Of one request.")] = LIMITS.texts,
    max_clips: Annotated[
        int, typer.Option("--max_clips", help="In hand at once; more are asked to wait.")
    ] = LIMITS.waiting_clips,
    decoders: Annotated[
        int, typer.Option("--decoders", help="Processes that decode clips.")
    ] = LIMITS.decoders,
    batch: Annotated[
        int, typer.Option("--batch", help="Texts that are read together; 1: one by one.")
    ] = LIMITS.batch,
    backend: Annotated[str, typer.Option("--backend", help="torch or onnx.")] = "torch",
    settings: Set = None,
    device: Device = "auto",
) -> None:
    """Answer over HTTP, with a page to try it on: clips, the microphone, the camera, words.

    \b
    tricue serve --port 8000
    curl -F text="I am so happy to see you" http://127.0.0.1:8000/v1/predict
    """
    check_extra("serve", "tricue serve")
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
        made = make_app(Reader(recognizer), _called(model_path), limits, transcriber, asked_as)
        address = f"http://{_shown(host)}:{place.getsockname()[1]}/"
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


def _called(model_path: str | None) -> str:
    from tricue.recognizer import find_model

    return Path(find_model(model_path)).name


def _shown(host: str) -> str:
    own = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)
    return f"[{own}]" if ":" in own else own
