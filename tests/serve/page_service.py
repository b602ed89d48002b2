"""The service as a person starts it, on a model that was never trained, for the tests of its page."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch

from tricue.checkpoint import Card, save_checkpoint
from tricue.config import load_config
from tricue.features.extractors import feature_dims
from tricue.model.network import Network
from tricue.types import CUES

EMOTIONS = ["anger", "disgust", "fear", "joy", "neutral", "sadness", "surprise"]
_START = "import sys; from tricue.cli import main; main(sys.argv[1:])"
_PATIENCE = 120.0  # seconds until the page answers, on a busy machine


def save_model(folder: Path) -> Path:
    """A checkpoint of three cues, called a toy; its answers differ by clip, whatever they say."""
    light = {f"features.{cue}.encoder": "light" for cue in CUES}
    config = load_config(
        None,
        {"data.name": "toy", "data.emotions": EMOTIONS, "model.width": 16, "features.video.frames": 4}
        | light,
    )
    dims = feature_dims(config.features, CUES)
    torch.manual_seed(1)
    network = Network.from_config(config, dims, len(EMOTIONS))
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.add_(0.15 * torch.randn(parameter.shape))
    shares = [0.1, 0.05, 0.1, 0.2, 0.35, 0.1, 0.1]
    save_checkpoint(folder, network, Card(config, EMOTIONS, dims, shares))
    return folder


@contextmanager
def served(model: Path, *options: str) -> Iterator[str]:
    """The page's address while `tricue serve` runs in a process of its own."""
    command = [sys.executable, "-c", _START, "serve", "--port", "0", "--model_path", str(model), *options]
    environment = os.environ | {"COLUMNS": "200", "OMP_NUM_THREADS": "1"}
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=environment
    )
    try:
        yield _address(process)
    finally:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _address(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    patience = threading.Timer(_PATIENCE, process.kill)
    patience.start()
    said = []
    for line in process.stdout:
        said.append(line)
        if found := re.search(r"http://\S+/", line):
            patience.cancel()
            threading.Thread(target=process.stdout.read, daemon=True).start()  # so that its pipe never fills
            return found[0]
    raise AssertionError("tricue serve ended: " + "".join(said))
