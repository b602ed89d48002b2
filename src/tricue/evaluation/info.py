"""`tricue info`: what a network is made of and what it costs."""

from __future__ import annotations

from pathlib import Path

import torch
from rich.table import Table

from tricue.checkpoint import load_checkpoint
from tricue.config import Config
from tricue.evaluation.cost import TOTAL, gflops, parameters
from tricue.features import hub
from tricue.features.extractors import feature_dims
from tricue.model.network import Network
from tricue.types import Batch, Cue

TYPICAL_SECONDS, TYPICAL_TOKENS, TYPICAL_CONTEXT_TOKENS = (
    3.0,
    12,
    45,
)  # of a MELD utterance, three turns before it
SEED_PARAMETERS, SEED_GFLOPS = "105.3M", "23.31"  # seed.md, "Technical Specifications", of its own network


def describe_checkpoint(folder: Path) -> Table:
    """The table for a trained model. Raises InputError where there is none."""
    network, card = load_checkpoint(folder)
    score = f", val weighted F1 {card.val_weighted_f1:.4f}" if card.val_weighted_f1 is not None else ""
    mark = f"{card.note}; " if card.note else ""
    held = (card.calibration or {}).get("held")
    score += f", temperature {card.temperature:.3g}" + (f" ({held})" if held else "")
    title = f"{folder}: {mark}phase {card.phase}{score}; {len(card.emotions)} emotions: {', '.join(card.emotions)}"
    return cost_table(network, card.config, card.dims, title)


def describe_config(config: Config) -> Table:
    """The table for a network that is not trained yet; sizes of the encoders are read from where they lie."""
    dims = feature_dims(config.features, config.modalities)
    encoder = None
    if config.finetunes_text:
        encoder = hub.untrained_model(hub.find_encoder(config.features.text.encoder, "text", weights=False))
    classes = len(config.data.emotions) or 7
    network = Network.from_config(config, dims, classes, encoder)
    return cost_table(
        network, config, dims, f"Network of {config.data.name or 'these settings'}, {classes} emotions"
    )


def cost_table(network: Network, config: Config, dims: dict[Cue, tuple[int, ...]], title: str) -> Table:
    """Parameters, total and trainable, and GFLOPs per part for one typical utterance."""
    batch = typical_utterance(network, config, dims)
    counts, flops = parameters(network), gflops(network, batch)
    steps = ", ".join(f"{cue} {values.shape[1]}" for cue, values in batch.values.items())
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


def typical_utterance(network: Network, config: Config, dims: dict[Cue, tuple[int, ...]]) -> Batch:
    """A batch of one utterance of ordinary length, its values zero: cost does not depend on them."""
    steps: dict[Cue, int] = {
        "text": TYPICAL_TOKENS,
        "audio": round(TYPICAL_SECONDS * config.features.audio.rate_hz),
        "video": config.features.video.frames,
    }
    values = {cue: torch.zeros(1, steps[cue], sum(dims[cue])) for cue in network.cues}
    if network.live_text is not None:
        context = TYPICAL_CONTEXT_TOKENS if config.features.text.context else 0
        tokens = torch.zeros(1, context + TYPICAL_TOKENS, 2, dtype=torch.long)
        tokens[:, context:, 1] = 1
        values["text"] = tokens
    return Batch(
        ["typical"], values, {cue: torch.ones(x.shape[:2], dtype=torch.bool) for cue, x in values.items()}
    )
