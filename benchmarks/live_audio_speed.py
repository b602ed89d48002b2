"""What a training step costs beside the speech layers that it trains.

The top two layers of ../shared/models/whisper-tiny-en on rows of CREMA-D's training part, voice only, the network of
configs/crema-d.yaml. One side is the trainer's step: batch, network with its two live layers, losses, backward,
clipping, AdamW, average of the weights. The other is what no way of training these layers can do without: their own
forward and backward pass on the same frames under the same mask. Both in one run, batch by batch in turn; medians.

    OMP_NUM_THREADS=1 .venv/bin/python benchmarks/live_audio_speed.py
"""

import argparse
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import torch
from common import keep, shared
from speakers import voice_only

from tricue.checkpoint.checkpoint import Card
from tricue.config.load import load_config
from tricue.config.settings import Config
from tricue.features.extract import extract
from tricue.prediction.batches import gather_examples, training_plan
from tricue.tasks.task import make_task
from tricue.training.fresh_network import build_network
from tricue.training.phases import loss_weights
from tricue.training.train import make_accelerator
from tricue.training.trainer import Trainer
from tricue.types import Batch


def make_trainer(config: Config, rows: int, store: Path, place: Path) -> Trainer:
    """At the beginning of phase 1, on `rows` training rows drawn at random."""
    train = [row for row in voice_only("crema_d", config) if row.split == "train"]
    drawn = [train[i] for i in np.random.default_rng(0).choice(len(train), rows, replace=False)]
    features = extract(drawn, config.features, ["audio"], store, live=config.live)
    task = make_task(config)
    examples = gather_examples(drawn, features.arrays, task)
    torch.manual_seed(0)
    network = build_network(config, features, examples)
    card = Card(config, task.names, features.dims, task.prior(examples.labels))
    trainer = Trainer(network, card, examples, None, place, make_accelerator(config, "cpu"), quiet=True)
    trainer._start_phase(1)
    network.train()
    return trainer


def layers_alone(trainer: Trainer, batch: Batch) -> Callable[[], None]:
    """Forward and backward of the live layers on the frames of a batch, which are laid out before."""
    live = trainer.network.live["audio"]
    *_, frames, held = batch.values["audio"].split(live.form.sizes, dim=-1)
    sequence, valid = live._contiguous(frames, held.squeeze(-1).long() * batch.masks["audio"])

    def run() -> None:
        states = live._states(sequence, valid)
        states[live.form.layers].sum().backward()
        for parameter in live.parameters():
            parameter.grad = None

    return run


def seconds(run: Callable[[], None]) -> float:
    started = time.perf_counter()
    run()
    return time.perf_counter() - started


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=256, help="drawn to form batches from")
    parser.add_argument("--batches", type=int, default=16, help="timed of each side")
    parser.add_argument("--store", type=Path, default=Path("runs/live_audio_speed"), help="where features lie")
    args = parser.parse_args()
    config = load_config("crema-d", {
        "modalities": ["audio"], "features.audio.encoder": str(shared("models/whisper-tiny-en")),
        "model.finetune.audio": 2, "model.width": 64, "training.tensorboard": False,
    })  # fmt: skip
    config = config.model_copy(update={"model": config.model.settled(args.rows)})
    with TemporaryDirectory() as place:
        trainer = make_trainer(config, args.rows, args.store, Path(place))
        weights = loss_weights(1, 0, config.training)
        times: dict[str, list[float]] = {"step": [], "layers": []}
        frames = []
        for round_ in range(args.batches + 2):  # the first two warm up and are not counted
            plan = training_plan(trainer.lengths, config.training.batch_size, (0, 1, round_))
            rows = max(plan, key=len)
            batch = trainer.train.batch(rows)

            def step(rows: list[int] = rows) -> None:
                trainer._train_batch(trainer.train.batch(rows), weights, 1)
                trainer._step()

            sides = {"step": step, "layers": layers_alone(trainer, batch)}
            for side in sorted(sides, reverse=bool(round_ % 2)):  # each goes first as often
                taken = seconds(sides[side])
                if round_ >= 2:
                    times[side].append(taken)
            frames.append(int(batch.values["audio"][..., -1].sum()))
    medians = {side: statistics.median(values) for side, values in times.items()}
    keep("live_audio_speed", {
        "what": "seconds per batch: a whole training step, and its two speech layers' own forward and backward pass",
        "batch_size": config.training.batch_size,
        "frames_per_batch": statistics.mean(frames),
        "seconds_per_batch": medians,
        "ratio": medians["step"] / medians["layers"],
        "seconds": times,
        "threads": torch.get_num_threads(),
    })  # fmt: skip


if __name__ == "__main__":
    main()
