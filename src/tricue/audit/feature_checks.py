"""The check of the leakage audit that looks at precomputed features: whether they have seen their labels."""

from collections.abc import Mapping, Sequence

import numpy as np

from tricue.audit.checks import Check, Splits, Verdict
from tricue.baseline.baselines import fit_baselines
from tricue.baseline.group_score import group_score
from tricue.baseline.label_probe import MEANING, LabelProbe, probe_words
from tricue.baseline.pooled import LabelledRows
from tricue.config.settings import Config
from tricue.data.corpus import Corpus
from tricue.tasks.task import Task, make_task
from tricue.types import InputError, ModalityName, Utterance


def check_features(
    modality: ModalityName, arrays: Mapping[str, np.ndarray], splits: Splits, scored: str, config: Config
) -> Check | None:
    """None where the task has no baselines, and where too few rows are labelled.

    Args:
        modality: Whose features they are.
        arrays: Utterance id -> (T, D).
        splits: Rows by split.
        scored: The split outside the training part.
        config: Names the task; its seed draws the rows that take part.
    """
    known = [row for row in splits["train"] if row.label is not None and row.id in arrays]
    try:
        task = make_task(make_task(config).fitted(config, Corpus("", []), known))
    except InputError:  # nothing to learn: `train` says so
        return None
    others = [
        row for row in splits[scored]
        if row.label is not None and row.id in arrays and set(row.classes) <= set(task.names)
    ]  # fmt: skip
    probe = _probe(task, known, others, {modality: arrays}, config.seed) if others else None
    if probe is None:
        return None
    verdict: Verdict = "warn" if probe.is_suspect else "pass"
    return Check(f"features: {modality}", verdict, probe_words(probe, task, scored), MEANING, probe.as_json())


def _probe(
    task: Task, known: Sequence[Utterance], others: Sequence[Utterance],
    arrays: Mapping[ModalityName, Mapping[str, np.ndarray]], seed: int,
) -> LabelProbe | None:  # fmt: skip
    def labelled(rows: Sequence[Utterance]) -> LabelledRows:
        return LabelledRows(rows, arrays, task.encode([row.label for row in rows if row.label is not None]))

    train, scored = labelled(known), labelled(others)
    found = fit_baselines(task, train, None, list(arrays), seed)
    if found is None or found.left_out is None:
        return None
    answers = found.answers(task, others, arrays, task.prior(train.targets))[found.models[1].name]
    score = group_score(task, others, scored.targets, answers)
    return None if score is None else LabelProbe(found.left_out, score)
