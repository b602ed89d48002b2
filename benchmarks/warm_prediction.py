"""What one warm text prediction from Python costs beside its encoder's own forward pass.

The model that comes with the package, its encoder at ../shared/models/minilm-l6, one thread. In each round every side
runs once, in turn: the encoder's forward pass on the tokens of the text, as the model reads it; `predict(text)` with
the network in PyTorch, and with the network in ONNX Runtime; and the networks alone on the features of the text.
Medians over the rounds are compared, by the wall clock and by the thread's own CPU time, which other processes on the
machine lengthen less.

    .venv/bin/python benchmarks/warm_prediction.py
"""

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from common import keep, shared
from extraction.inputs import machine

from tricue import MultimodalEmotionRecognizer
from tricue.extractors import hub
from tricue.extractors.text_extractors import HubText, Spoken
from tricue.prediction.batches import collate
from tricue.recognizer import SHIPPED
from tricue.types import Utterance

TEXT = "I can't believe that you did this for me, of all people!"


def models(folder: Path) -> dict[str, MultimodalEmotionRecognizer]:
    """The shipped model, with either backend."""
    places = {"features.text.encoder": str(shared("models/minilm-l6"))}
    plain = MultimodalEmotionRecognizer.from_pretrained(SHIPPED, overrides=places, device="cpu")
    plain.save_pretrained(folder, encoders={"text": "sentence-transformers/all-MiniLM-L6-v2"})
    onnx = MultimodalEmotionRecognizer.from_pretrained(folder, overrides=places, device="cpu", backend="onnx")
    return {"torch": plain, "onnx": onnx}


def encoder_pass(text: HubText) -> Callable[[], Any]:
    """The encoder as the extractor calls it, on tensors that are there already."""
    model, tokens = hub.load_model(text.folder, "cpu"), text.prepare(Spoken(TEXT))
    ids = torch.from_numpy(tokens.ids).long()[None]
    types = torch.from_numpy(tokens.types).long()[None]
    inputs = {"input_ids": ids, "attention_mask": torch.ones_like(ids), "token_type_ids": types}

    def run() -> Any:
        with torch.inference_mode():
            return model(**inputs, output_hidden_states=text.config.layer is not None)

    return run


def network_pass(model: MultimodalEmotionRecognizer) -> Callable[[], Any]:
    row = Utterance("1", text=TEXT)
    batch = collate(["1"], model.pipeline(["text"])([row]).arrays, None)

    def run() -> Any:
        with torch.inference_mode():
            return model.answering(batch)

    return run


def measure(sides: dict[str, Callable[[], Any]], rounds: int) -> dict[str, dict[str, float]]:
    """Median milliseconds of each side, by each clock."""
    clocks = {"wall": time.perf_counter, "cpu": time.thread_time}
    spent: dict[str, dict[str, list[float]]] = {side: {clock: [] for clock in clocks} for side in sides}
    for round_ in range(-5, rounds):  # the first ones warm up
        for side, run in sides.items():
            begun = {clock: now() for clock, now in clocks.items()}
            run()
            for clock, now in clocks.items():
                if round_ >= 0:
                    spent[side][clock].append(1000 * (now() - begun[clock]))
    return {clock: {side: round(statistics.median(own[clock]), 3) for side, own in spent.items()} for clock in clocks}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=300)
    args = parser.parse_args()
    torch.set_num_threads(1)
    before = machine()
    with tempfile.TemporaryDirectory() as folder:
        made = models(Path(folder) / "model")
    text = made["torch"].pipeline(["text"]).extractors["text"]
    assert isinstance(text, HubText)
    sides: dict[str, Callable[[], Any]] = {"encoder": encoder_pass(text)}
    for backend, model in made.items():
        sides[f"predict, {backend}"] = lambda model=model: model.predict(TEXT)  # type: ignore[misc]
        sides[f"network, {backend}"] = network_pass(model)
    found = measure(sides, args.rounds)
    keep("warm_prediction", {
        "what": "milliseconds of one warm text prediction from Python and of its parts, medians, one thread",
        "machine": before,
        "rounds": args.rounds,
        "tokens": len(text.prepare(Spoken(TEXT)).ids),
        "milliseconds": found,
        "predict_to_encoder": {
            clock: {backend: round(own[f"predict, {backend}"] / own["encoder"], 2) for backend in made}
            for clock, own in found.items()
        },
        "beside_encoder_and_network": {
            clock: {
                backend: round(own[f"predict, {backend}"] - own["encoder"] - own[f"network, {backend}"], 2)
                for backend in made
            }
            for clock, own in found.items()
        },
    })  # fmt: skip


if __name__ == "__main__":
    main()
