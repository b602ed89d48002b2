"""The service under load on loopback: latency, throughput, errors, memory; and dynamic batching against one by one.

Starts `tricue serve` as anyone would. 8 clients ask without a pause, each on a connection of its own: `--seconds` of
texts, `--seconds` of clips (3 s, 320 x 240, with sound), then texts to two services in turn, one that batches and one
that reads one by one. Texts are answered by the model that comes with the package, its encoder a local folder; clips by
an untrained network of configs/demo.yaml with light encoders, which reads sound and pictures: weights change no speed.
Clients and service share the machine. Memory is that of the service and its decoders, a tenth of the way in, in the
middle and at the end.

    .venv/bin/python benchmarks/serve_load.py --seconds 60
"""

import argparse
import http.client
import json
import os
import re
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from threading import Thread
from typing import Any

import av
import numpy as np
import psutil
import torch
from common import keep, shared

from tricue.checkpoint.checkpoint import Card, save_checkpoint
from tricue.config.load import load_config
from tricue.extractors.choice import feature_dims
from tricue.model.network import Network
from tricue.recognizer import SHIPPED

CLIENTS = 8
ROUNDS = 3  # of each service, in turn
SAID = [
    "I am so happy to see you!", "What do you mean, he's gone?", "Well.", "Never do that again, do you hear me?",
    "I don't know what to say, it is just that nobody told me about it before today, and now it is too late.",
    "The meeting starts at nine.", "Oh, that's disgusting.", "Thank you so much, this means the world to me.",
]  # fmt: skip
SPEAKS = {"Content-Type": "application/json"}


@dataclass
class Service:
    """A running `tricue serve`."""

    process: psutil.Process
    port: int

    def memory(self) -> float:
        """MB, with the decoders'."""
        own = [self.process, *self.process.children(recursive=True)]
        return round(sum(p.memory_info().rss for p in own) / 1e6, 1)

    def metric(self, name: str) -> float:
        link = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        link.request("GET", "/metrics")
        for line in link.getresponse().read().decode().splitlines():
            if line.startswith(f"{name} "):
                return float(line.split()[1])
        return 0.0


@contextmanager
def serving(*options: str) -> Iterator[Service]:
    command = [sys.executable, "-m", "tricue.cli", "serve", "--port=0", *options]
    started = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=os.environ | {"COLUMNS": "200"})
    assert started.stdout is not None
    try:
        for line in started.stdout:
            if found := re.search(r"http://127\.0\.0\.1:(\d+)/", line):
                yield Service(psutil.Process(started.pid), int(found[1]))
                break
        else:
            raise SystemExit("tricue serve did not start: its words are above.")
    finally:
        started.terminate()
        started.wait()


@dataclass
class Load:
    """What one phase of load gave."""

    seconds: float
    milliseconds: list[float] = field(default_factory=list)
    statuses: Counter[str] = field(default_factory=Counter)
    megabytes: list[float] = field(default_factory=list)

    def told(self) -> dict[str, Any]:
        ordered = sorted(self.milliseconds)
        return {
            "requests": len(ordered),
            "errors": sum(count for status, count in self.statuses.items() if status != "200"),
            "statuses": dict(self.statuses),
            "per_second": round(len(ordered) / self.seconds, 1),
            "p50_ms": round(statistics.median(ordered), 1),
            "p95_ms": round(ordered[int(0.95 * (len(ordered) - 1))], 1),
            "most_ms": round(ordered[-1], 1),
            "rss_mb_start_mid_end": self.megabytes,
        }


def load(service: Service, requests: list[tuple[bytes, dict[str, str]]], seconds: float) -> Load:
    """CLIENTS threads that ask in turn what is in `requests`, until the time is over."""
    began, found = time.perf_counter(), Load(seconds)

    def ask(first: int) -> None:
        link, i = http.client.HTTPConnection("127.0.0.1", service.port, timeout=120), first
        while (sent := time.perf_counter()) - began < seconds:
            body, headers = requests[i % len(requests)]
            try:
                link.request("POST", "/v1/predict", body, headers)
                answer = link.getresponse()
                answer.read()
                status = str(answer.status)
            except (OSError, http.client.HTTPException) as error:
                status = type(error).__name__
                link.close()
            found.statuses[status] += 1
            found.milliseconds.append(1000 * (time.perf_counter() - sent))
            i += 1

    clients = [Thread(target=ask, args=(first,)) for first in range(CLIENTS)]
    for client in clients:
        client.start()
    for share in (0.1, 0.5, 1.0):
        time.sleep(max(0.0, share * seconds - (time.perf_counter() - began)))
        found.megabytes.append(service.memory())
    for client in clients:
        client.join()
    found.seconds = time.perf_counter() - began
    return found


def texts() -> list[tuple[bytes, dict[str, str]]]:
    return [(json.dumps({"text": said}).encode(), SPEAKS) for said in SAID]


def clips(folder: Path) -> list[tuple[bytes, dict[str, str]]]:
    """Forms with a clip of 3 s each, as a browser sends them."""
    asked = []
    for number in range(4):
        head = b'--x\r\nContent-Disposition: form-data; name="file"; filename="clip.mp4"\r\n\r\n'
        body = head + clip(folder / f"{number}.mp4", number) + b"\r\n--x--\r\n"
        asked.append((body, {"Content-Type": "multipart/form-data; boundary=x"}))
    return asked


def clip(path: Path, seed: int, seconds: int = 3, fps: int = 25) -> bytes:
    rng = np.random.default_rng(seed)
    ground = rng.integers(0, 255, (12, 16, 3), np.uint8).repeat(20, axis=0).repeat(20, axis=1)
    with av.open(str(path), "w") as container:
        picture: Any = container.add_stream("libx264", rate=fps)
        picture.width, picture.height, picture.pix_fmt = 320, 240, "yuv420p"
        sound: Any = container.add_stream("aac", rate=16_000, layout="mono")
        for i in range(seconds * fps):
            shot = np.roll(ground, 4 * i, axis=1)
            container.mux(picture.encode(av.VideoFrame.from_ndarray(shot, "rgb24")))
        wave = 0.3 * np.sin(np.cumsum(rng.uniform(0.05, 0.1, seconds * 16_000))).astype(np.float32)
        frame = av.AudioFrame.from_ndarray(wave[None].astype(np.float32), "fltp", "mono")
        frame.sample_rate, frame.time_base, frame.pts = 16_000, Fraction(1, 16_000), 0
        container.mux(sound.encode(frame))
        container.mux(sound.encode(None))
        container.mux(picture.encode(None))
    return path.read_bytes()


def untrained(folder: Path) -> Path:
    config = load_config("demo")
    dims = feature_dims(config.features, list(config.modalities))
    torch.manual_seed(0)
    emotions = ["anger", "disgust", "fear", "joy", "neutral", "sadness", "surprise"]
    network = Network.from_config(config, dims, len(emotions))
    save_checkpoint(folder, network, Card(config, emotions, dims, [1 / 7] * 7))
    return folder


def batching(options: list[str], seconds: float) -> dict[str, Any]:
    """Texts per second of a service that batches and of one that reads one by one, in turn."""
    with ExitStack() as stack:
        services = {
            name: stack.enter_context(serving(*options, f"--batch={size}"))
            for name, size in (("dynamic", 32), ("one_by_one", 1))
        }
        rates: dict[str, list[float]] = {name: [] for name in services}
        told: dict[str, Any] = {}
        for _ in range(ROUNDS):
            for name, service in services.items():
                told[name] = load(service, texts(), seconds).told()
                rates[name].append(told[name]["per_second"])
        batches = services["dynamic"]
        size = batches.metric("tricue_batch_size_sum") / batches.metric("tricue_batch_size_count")
    medians = {name: statistics.median(found) for name, found in rates.items()}
    return {
        "texts_per_second": rates,
        "times_faster": round(medians["dynamic"] / medians["one_by_one"], 2),
        "mean_batch": round(size, 2),
        "last_round": told,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=60.0, help="of texts, and of clips")
    parser.add_argument("--model_path", type=Path, default=SHIPPED, help="the model of the texts")
    parser.add_argument("--encoder", type=Path, help="its encoder [shared/models/minilm-l6]")
    args = parser.parse_args()
    encoder = args.encoder or shared("models/minilm-l6")
    options = [f"--model_path={args.model_path}", f"--encoder={encoder}"]
    with tempfile.TemporaryDirectory() as scratch:
        made = untrained(Path(scratch) / "untrained")
        with serving(*options) as service:
            of_texts = load(service, texts(), args.seconds).told()
        with serving(f"--model_path={made}") as service:
            of_clips = load(service, clips(Path(scratch)), args.seconds).told()
    keep("serve_load", {
        "clients": CLIENTS,
        "seconds": args.seconds,
        "cores": os.cpu_count(),
        "text_model": args.model_path.name,
        "clip_model": "untrained, configs/demo.yaml: light encoders of words, sound and pictures",
        "texts": of_texts,
        "clips": of_clips,
        "batching": batching(options, max(1.0, args.seconds / (2 * ROUNDS))),
    })  # fmt: skip


if __name__ == "__main__":
    main()
