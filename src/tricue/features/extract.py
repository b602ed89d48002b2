"""Features of a corpus in one call, and what a store holds of it."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tricue.config.feature_settings import FeaturesConfig
from tricue.extractors.choice import is_row
from tricue.features.feature_set import FeatureSet
from tricue.features.pipeline import FeaturePipeline
from tricue.features.store import Store
from tricue.progress import Bar
from tricue.types import ModalityName, Utterance

AMISS = ("lacking", "wrong", "broken")  # of what `verify` counts


def extract(
    utterances: Sequence[Utterance],
    config: FeaturesConfig,
    modalities: Sequence[ModalityName],
    store: Path | None,
    *,
    among: Sequence[Utterance] | None = None,
    **settings: Any,
) -> FeatureSet:
    """Features of `modalities` for every utterance that has them; settings: as of `FeaturePipeline.from_settings`.

    among: the rows whose turns text may read as context (by default the utterances themselves).
    """
    return FeaturePipeline.from_settings(config, modalities, store, **settings)(utterances, among)


def verify(pipeline: FeaturePipeline, utterances: Sequence[Utterance]) -> dict[ModalityName, dict[str, int]]:
    """What the pipeline's store holds of the utterances, read through to the last value; nothing is extracted.

    Per modality: `stored`, `without` (their file gives nothing, as is stored, too), `lacking`, `wrong` (values that
    are no numbers, or of another width) and `broken` shards, which are set aside for the next run to make again.
    """
    counts: dict[ModalityName, dict[str, int]] = {}
    with Bar(pipeline.progress) as bar:
        plan = pipeline.plan(pipeline.requests(utterances), bar)
        for modality, keys in plan.keys.items():
            held = plan.held[modality]
            if not isinstance(held, Store):
                continue
            rows = [held[key] for key in keys.values() if key in held]
            extractor = pipeline.extractors[modality]
            bar.begin(f"Checking {modality}", len(rows))
            values = [bar.passed(row.values) for row in rows]
            counts[modality] = {
                "stored": sum(v is not None for v in values),
                "without": sum(v is None for v in values),
                "lacking": len(keys) - len(rows) + sum(fault.modality == modality for fault in plan.faults),
                "wrong": sum(v is not None and not is_row(extractor, v) for v in values),
                "broken": len(held.broken),
            }
    return counts
