"""Training speed with a live text encoder: length buckets and dynamic padding against padding to 128 tokens.

A roberta-base-sized encoder with random weights, the text network of configs/meld-finetuned.yaml, MELD's real length
distribution (train, no context; words split into pieces by the tokenizer of ../shared/models/minilm-l6). Both
sides train the same network on the same batches in one run, in turn; medians of rounds are compared. The batches
are the first of an epoch over the drawn utterances, as the trainer would form them.

    .venv/bin/python benchmarks/live_text_speed.py
"""

import argparse
import statistics
import time

import numpy as np
import torch
from common import keep, shared
from transformers import RobertaConfig, RobertaModel

from tricue.config.load import load_config
from tricue.config.settings import Config
from tricue.corpora.catalogue import read_corpus
from tricue.features.extract import extract
from tricue.model.network import Network
from tricue.prediction.batches import Examples, gather_examples, row_lengths, training_plan
from tricue.tasks.task import make_task
from tricue.tasks.task_losses import focal_loss
from tricue.types import Batch

PADDED = 128  # tokens, as the published code pads every text


def utterances(count: int, config: Config) -> Examples:
    """`count` training utterances of MELD as token arrays (T, 2), drawn at random."""
    corpus = read_corpus(config, data_dir=shared("data/meld"))
    train = [u for u in corpus.utterances if u.split == "train"]
    drawn = [train[i] for i in np.random.default_rng(0).choice(len(train), count, replace=False)]
    features = extract(drawn, config.features, ["text"], shared("data"), live={"text": "all"})  # nothing is stored
    return gather_examples(drawn, features.arrays, make_task(config))


def pad(batch: Batch) -> Batch:
    """The same batch, its text padded to 128 tokens."""
    more = PADDED - batch.values["text"].shape[1]
    values = torch.nn.functional.pad(batch.values["text"], (0, 0, 0, more))
    masks = torch.nn.functional.pad(batch.masks["text"], (0, more))
    return Batch(batch.ids, {"text": values}, {"text": masks}, batch.labels)


def seconds(network: Network, batches: list[Batch], optimizer: torch.optim.Optimizer) -> float:
    started = time.perf_counter()
    for batch in batches:
        assert batch.labels is not None
        loss = focal_loss(network(batch).logits, batch.labels, torch.ones(7), 2.0)
        loss.backward()
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
    return time.perf_counter() - started


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--utterances", type=int, default=2048, help="drawn to form batches from")
    parser.add_argument("--batches", type=int, default=4, help="trained per round and side")
    parser.add_argument("--rounds", type=int, default=3)
    args = parser.parse_args()
    config = load_config("meld-finetuned", {
        "modalities": ["text"], "model.finetune": "all", "model.width": 256, "features.text.context": 0,
        "features.text.encoder": str(shared("models/minilm-l6")),
    })  # fmt: skip
    torch.manual_seed(0)
    encoder = RobertaModel(RobertaConfig(vocab_size=50265, max_position_embeddings=514, type_vocab_size=1))
    network = Network.from_config(config, {"text": (768,)}, 7, {"text": encoder}).train()
    optimizer = torch.optim.AdamW(network.parameters(), lr=1e-5, fused=True)  # as the trainer's
    examples = utterances(args.utterances, config)
    lengths = row_lengths(examples)
    times: dict[str, list[float]] = {"dynamic": [], "padded to 128": []}
    for round_ in range(args.rounds + 1):  # the first warms up and is not counted
        plan = training_plan(lengths, config.training.batch_size, (0, 1, round_))[: args.batches]
        dynamic = [examples.batch(rows) for rows in plan]
        sides = {"dynamic": dynamic, "padded to 128": [pad(batch) for batch in dynamic]}
        for side, batches in sides.items():
            print(f"round {round_}: {side}", flush=True)
            taken = seconds(network, batches, optimizer)
            if round_:
                times[side].append(taken)
    rows = args.batches * config.training.batch_size
    rates = {side: rows / statistics.median(values) for side, values in times.items()}
    keep("live_text_speed", {
        "what": "training samples per second, live roberta-base-sized encoder with random weights, batch 16",
        "lengths": {"mean": float(lengths.mean()), "median": float(np.median(lengths)), "longest": int(lengths.max())},
        "samples_per_second": rates,
        "ratio": rates["dynamic"] / rates["padded to 128"],
        "seconds": times,
        "threads": torch.get_num_threads(),
    })  # fmt: skip


if __name__ == "__main__":
    main()
