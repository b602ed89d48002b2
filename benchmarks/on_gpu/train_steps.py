"""Steps per second of the package's own training, in mixed precision against float32."""

import copy
import functools
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from on_gpu.clock import Ready, as_rates, time_in_turn
from on_gpu.made_encoders import VOCABULARY, Call, EncoderSize, make_text_encoder, recorded
from on_gpu.made_rows import draw_seconds, draw_token_counts
from tricue.checkpoint.checkpoint import Card
from tricue.config.load import change_config, load_config
from tricue.config.settings import Config
from tricue.extractors import acoustic
from tricue.model.network import Network
from tricue.prediction.batches import Examples, gather_examples, hide_modalities, training_plan
from tricue.tasks.task import make_task
from tricue.training.train import make_accelerator
from tricue.training.trainer import Standing, Trainer
from tricue.types import ModalityName, Utterance

ROWS_OF_MELD = 9_989  # by which `model.width: auto` is settled
Arrays = dict[ModalityName, dict[str, np.ndarray]]


@dataclass(frozen=True)
class Case:
    """A network to train, and made-up rows for an epoch of it."""

    config: Config
    dims: dict[ModalityName, tuple[int, ...]]
    rows: list[Utterance]
    arrays: Arrays
    encoder: torch.nn.Module | None  # trained with the network

    @property
    def examples(self) -> Examples:
        return gather_examples(self.rows, self.arrays, make_task(self.config))

    @property
    def steps(self) -> int:
        return -(-len(self.rows) // self.config.training.batch_size)

    @functools.cached_property
    def network(self) -> Network:
        torch.manual_seed(0)
        encoders = {} if self.encoder is None else {"text": self.encoder}
        return Network.from_config(self.config, self.dims, len(self.config.data.emotions), encoders)


def frozen_case(size: EncoderSize, steps: int, overrides: dict[str, Any]) -> Case:
    """Text, audio and video of configs/meld.yaml: all layers of encoders of words and sound, pooled vectors of frames.

    overrides: Settings on top.
    """
    layers = (size.width,) * (size.layers + 1)
    config = _settled("meld", {"modalities": ["text", "audio", "video"]} | overrides)
    audio = config.features.audio
    dims = {
        "text": layers,
        "audio": (*layers, audio.mfcc + len(acoustic.SPECTRAL)),
        "video": (2048 if size.width == 768 else size.width,),  # resnet-50's, which is the default
    }
    rng = np.random.default_rng(0)
    rows = _rows(steps, config)
    lengths = {
        "text": draw_token_counts(len(rows), rng),
        "audio": np.ceil(draw_seconds(len(rows), rng) * audio.rate_hz).astype(int),
        "video": np.full(len(rows), config.features.video.frames),
    }
    arrays = {
        modality: {
            row.id: rng.standard_normal((length, sum(dims[modality])), np.float32).astype(np.float16)
            for row, length in zip(rows, own, strict=True)
        }
        for modality, own in lengths.items()
    }
    return Case(config, dims, rows, arrays, None)


def live_case(size: EncoderSize, steps: int, overrides: dict[str, Any]) -> Case:
    """Text of configs/meld-finetuned.yaml without context, all of the encoder trained; tokens in place of vectors.

    overrides: Settings on top.
    """
    text = {"modalities": ["text"], "model.finetune.text": "all", "features.text.context": 0}
    config = _settled("meld-finetuned", text | overrides)
    rng = np.random.default_rng(0)
    rows = _rows(steps, config)
    drawn = [rng.integers(1, VOCABULARY, length) for length in draw_token_counts(len(rows), rng)]
    tokens = [np.stack([ids, np.ones_like(ids)], axis=1).astype(np.int32) for ids in drawn]  # all are its own
    arrays = {"text": {row.id: own for row, own in zip(rows, tokens, strict=True)}}
    return Case(config, {"text": (size.width,)}, rows, arrays, make_text_encoder(size))


def measure_steps(case: Case, mixed: str, rounds: int, device: str, work: Path) -> dict[str, Any]:
    """An epoch of the last phase, with all terms of the loss: batches formed and moved, forward, backward, optimizer.

    Beside it, on the same batches, what no training can do without: forming and moving them, and of a live encoder its
    own forward and backward pass.

    Args:
        case: What is trained.
        mixed: Setting `training.mixed_precision` of the one side; the other is `fp32`.
        rounds: Counted rounds.
        device: cpu or cuda.
        work: Folder for what a run leaves.
    """
    sides: dict[str, Ready] = {"batches alone": functools.partial(_ready_batches, case, device, work)}
    configs = {
        name: change_config(case.config, {"training.mixed_precision": precision}, "the benchmark")
        for name, precision in {"float32": "fp32", "mixed": mixed}.items()
    }
    for name, config in configs.items():
        sides[name] = functools.partial(_ready_epoch, case, config, device, work)
        if case.encoder is not None:
            calls = _encoder_calls(case, config, device, work)
            sides[f"{name}, encoder alone"] = functools.partial(_ready_encoder, case, config, device, calls)
    found = as_rates(time_in_turn(sides, rounds, device), case.steps, "steps")
    rates = {side: own["steps_per_second"] for side, own in found.items()}
    result = {
        "batch_size": case.config.training.batch_size,
        "steps": case.steps,
        "width": case.config.model.sizes[0],
        "mixed_is": make_accelerator(configs["mixed"], device).mixed_precision,
        "sides": found,
        "mixed_to_float32": round(rates["mixed"] / rates["float32"], 3),
    }
    if case.encoder is None:
        return result
    shares = {name: round(rates[name] / rates[f"{name}, encoder alone"], 3) for name in configs}
    return result | {"share_of_encoder_alone": shares}


def _settled(name: str, overrides: dict[str, Any]) -> Config:
    quiet = {"training.tensorboard": False, "training.select": "last", "training.save_minutes": 1e6}
    config = load_config(name, quiet | overrides)
    return config.model_copy(update={"model": config.model.settled(ROWS_OF_MELD)})


def _rows(steps: int, config: Config) -> list[Utterance]:
    emotions = config.data.emotions
    return [Utterance(f"r{i}", label=emotions[i % len(emotions)]) for i in range(steps * config.training.batch_size)]


def _trainer(case: Case, config: Config, device: str, work: Path) -> Trainer:
    """At the beginning of its last phase. Accelerators share their state: each side makes its own anew."""
    emotions = config.data.emotions
    card = Card(config, emotions, case.dims, [1 / len(emotions)] * len(emotions))
    accelerator = make_accelerator(config, device)
    trainer = Trainer(copy.deepcopy(case.network), card, case.examples, None, work, accelerator, quiet=True)
    trainer.standing = Standing(phase=3)
    trainer._make_optimizer()
    return trainer


def _epoch(trainer: Trainer, after: int = 0) -> None:
    """The same batches each time, without the first few of them."""
    trainer.standing = Standing(phase=3, batches=after)
    trainer._train_epoch()


def _ready_epoch(case: Case, config: Config, device: str, work: Path) -> Callable[[], None]:
    trainer = _trainer(case, config, device, work)
    _epoch(trainer, after=case.steps - 1)  # the optimizer then has its state
    return functools.partial(_epoch, trainer)


def _ready_batches(case: Case, device: str, work: Path) -> Callable[[], None]:
    trainer = _trainer(case, case.config, device, work)
    training = case.config.training

    def run() -> None:
        for rows in training_plan(trainer.lengths, training.batch_size, (case.config.seed, 3, 0)):
            hide_modalities(trainer.train.batch(rows), training.modality_dropout, training.whole_view).to(device)

    return run


def _encoder_calls(case: Case, config: Config, device: str, work: Path) -> list[Call]:
    """What the encoder reads in an epoch, on the device."""
    trainer = _trainer(case, config, device, work)
    with recorded(trainer.network.live["text"].encoder) as calls:
        _epoch(trainer)
    return calls


def _ready_encoder(case: Case, config: Config, device: str, calls: list[Call]) -> Callable[[], None]:
    accelerator = make_accelerator(config, device)
    encoder = copy.deepcopy(case.network.live["text"].encoder).to(device).train()

    def run() -> None:
        for args, kwargs in calls:
            with accelerator.autocast():
                read = encoder(*args, **kwargs).last_hidden_state
            accelerator.backward(read.float().mean())
            encoder.zero_grad(set_to_none=True)

    run()
    return run
