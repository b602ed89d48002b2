"""`tricue info`: what a network is made of and what it costs."""

from pathlib import Path

import torch
from rich.table import Table

from tricue.checkpoint.checkpoint import load_checkpoint
from tricue.config.model_settings import ROWS
from tricue.config.settings import Config
from tricue.extractors import hub
from tricue.extractors.choice import feature_dims
from tricue.model.cost import TOTAL, gflops, parameters
from tricue.model.network import Network
from tricue.registry import MODALITIES
from tricue.tasks.task import make_task
from tricue.types import Batch, ModalityName

TYPICAL_SECONDS = 3.0  # of a MELD utterance
SEED_PARAMETERS, SEED_GFLOPS = "105.3M", "23.31"  # seed.md, "Technical Specifications", of its own network


def describe_checkpoint(folder: Path) -> Table:
    """The table for a trained model. Raises InputError where there is none."""
    network, card = load_checkpoint(folder)
    words = card.task.selected_words
    score = f", val {words} {card.val_score:.4f}" if card.val_score is not None else ""
    mark = f"{card.note}; " if card.note else ""
    held = (card.calibration or {}).get("held")
    if card.task.priors_are_shares:
        score += f", temperature {card.temperature:.3g}" + (f" ({held})" if held else "")
    title = (
        f"{folder}: {mark}phase {card.phase}{score}; {len(card.emotions)} {card.task.item_heading.lower()}s: "
        f"{', '.join(card.emotions)}"
    )
    return cost_table(network, card.config, card.dims, title)


def describe_config(config: Config) -> Table:
    """The table for a network that is not trained yet; sizes of the encoders are read from where they lie."""
    dims = feature_dims(config.features, config.modalities)
    folders = hub.encoder_folders(config.features, config.live, weights=False)
    encoders = {modality: hub.untrained_model(folder) for modality, folder in folders.items()}
    task = make_task(config)
    outputs = task.outputs or 7
    small = config.model_copy(update={"model": config.model.settled(rows=1)})
    network = Network.from_config(small, dims, outputs, encoders)
    title = f"Network of {config.data.name or 'these settings'}, {outputs} {task.item_heading.lower()}s"
    if config.model.width == "auto":
        title += f"; width {small.model.width}, as for up to {ROWS[0]:,} training rows"
    return cost_table(network, small, dims, title)


def cost_table(network: Network, config: Config, dims: dict[ModalityName, tuple[int, ...]], title: str) -> Table:
    """Parameters, total and trainable, and GFLOPs per part for one typical utterance."""
    batch = typical_utterance(network, config, dims)
    counts, flops = parameters(network), gflops(network, batch)
    steps = ", ".join(f"{modality} {values.shape[1]}" for modality, values in batch.values.items())
    table = Table(title=title, caption=(
        f"GFLOPs of one utterance of {TYPICAL_SECONDS:g} s (time steps: {steps}); frozen encoders, which run once "
        f"per clip in extraction, not counted. The seed states {SEED_PARAMETERS} and {SEED_GFLOPS} for its own."
    ))  # fmt: skip
    for name in ("part", "parameters", "trainable", "GFLOPs"):
        table.add_column(name, justify="left" if name == "part" else "right")
    for part, count in counts.items():
        table.add_row(
            part, f"{count['total']:,}", f"{count['trainable']:,}", f"{flops.get(part, 0.0):.4f}",
            end_section=part != TOTAL and list(counts)[-2:-1] == [part],
        )  # fmt: skip
    return table


def typical_utterance(network: Network, config: Config, dims: dict[ModalityName, tuple[int, ...]]) -> Batch:
    """A batch of one utterance of ordinary length, its values zero: cost does not depend on them."""
    values: dict[ModalityName, torch.Tensor] = {}
    for name in network.modalities:
        modality, settings = MODALITIES[name], config.features[name]
        steps = modality.count_steps(settings, TYPICAL_SECONDS)
        if name in network.live:
            values[name] = network.live[name].example(steps, modality.count_context_steps(settings))
        else:
            values[name] = torch.zeros(1, steps, sum(dims[name]))
    return Batch(
        ["typical"], values, {modality: torch.ones(x.shape[:2], dtype=torch.bool) for modality, x in values.items()}
    )
