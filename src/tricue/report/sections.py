"""The parts of the report's page, one function each, in the order of the page."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from tricue.calibration import BINS
from tricue.evaluation.cost import gflops, parameters
from tricue.evaluation.deletion import delete_moments
from tricue.evaluation.evaluate import Evaluation
from tricue.evaluation.explain import explain
from tricue.evaluation.info import SEED_GFLOPS, SEED_PARAMETERS, TYPICAL_SECONDS, typical_utterance
from tricue.evaluation.table import HEADLINE, MISSING, percent_with_interval
from tricue.features.media import MediaError
from tricue.report.calibration import draw_calibration, draw_coverage
from tricue.report.cases import choose_cases, draw_case, thumbnails
from tricue.report.classes import draw_confusion, draw_roc
from tricue.report.deletion import draw_deletion
from tricue.report.embedding import draw_embeddings, points_per_panel
from tricue.report.figure import Drawn, short
from tricue.report.learning import BORDERS, draw_counterfactual, draw_learning
from tricue.report.page import Group, Section, Table
from tricue.report.readings import CROSS, Answers, Reading
from tricue.report.studies import Study
from tricue.report.tsne import PERPLEXITY
from tricue.types import Utterance

logger = logging.getLogger(__name__)

ALIVE = (
    "a_m: how far a cue's counterfactual features lean to their transformation. In training, dropout draws anew for "
    "H_cf, which moves it far more than the counterfactual features do; the scored rows are read without dropout. In "
    "phase 1 the counterfactual part is not trained yet: what it moves is its start."
)

RELIABILITY = (
    f"Rows by their confidence, in {BINS} bins of equal width: on the line, probabilities mean what they say. ECE: the "
    "mean distance from it, weighted by rows (larger dots: more rows); it was what stands behind `was` before the "
    "temperature that training fitted on val. Below: how many rows have which confidence."
)
COLUMNS = 3  # pictures in a row of the page


def scores_section(readings: Sequence[Reading], shown: Reading) -> Section:
    rows = [
        [
            f"phase {r.phase}",
            *(percent_with_interval(r.evaluation.metrics[name]) for name in HEADLINE),
            *_moved(r),
        ]
        for r in readings
    ]
    headings = ["", *HEADLINE.values(), "|H_cf − H_org| / |H_org|", "flips under H_cf"]
    table = Table(headings, rows, "The phase of the model stands out.", strong=readings.index(shown))
    return Section("Phases side by side", tables=[table])


def _moved(reading: Reading) -> list[str]:
    """A dash where no scored row has a cue."""
    moved = (reading.change, reading.flips)
    return [f"{100 * values.mean():.1f}%" if len(values) else MISSING for values in moved]


def learning_section(history: Sequence[dict[str, Any]], readings: Sequence[Reading]) -> Section:
    return Section(
        "Learning curves",
        "Training and val over all phases; then what shows whether the counterfactual part is alive.",
        groups=[
            Group(draw_learning(history), caption=BORDERS if history else "", columns=2),
            Group(draw_counterfactual(history, readings), "The counterfactual part", ALIVE),
        ],
    )


def roc_section(readings: Sequence[Answers]) -> Section:
    return _side_by_side("ROC", "Each class against all others.", [draw_roc(r) for r in readings])


def confusion_section(readings: Sequence[Answers]) -> Section:
    intro = "Large: share of the true class, in %. Small: rows. In brackets: rows of each class."
    return _side_by_side("Confusion matrix", intro, [draw_confusion(r) for r in readings])


def _side_by_side(title: str, intro: str, pictures: Sequence[Drawn]) -> Section:
    """The first row of pictures to be seen, the others behind "show more"."""
    rows = [Group(pictures[i : i + COLUMNS]) for i in range(0, len(pictures), COLUMNS)]
    return Section(title, intro, groups=rows[:1], folded=rows[1:])


def maps_section(readings: Sequence[Reading], seed: int, points: int | None) -> Section:
    groups = draw_embeddings(readings, seed, points)
    most = points or points_per_panel(sum(map(len, groups)))
    rows = [Group(g, title=g[0].title.rsplit(", phase", 1)[0]) for g in groups]
    first = [row for row in rows if CROSS in row.title]
    return Section(
        "t-SNE",
        f"Mean over time of each row's vectors; one embedding per panel, {_perplexity(groups)}, seed {seed}, the "
        f"same rows in every phase, at most {most} of them. Distances between maps mean nothing; the silhouette under "
        "each is taken in the features' own space: higher means classes better apart, 0 means not apart.",
        tables=[_silhouettes(groups)],
        groups=first,
        folded=[row for row in rows if row not in first],
    )


def _perplexity(groups: Sequence[Sequence[Drawn]]) -> str:
    """What the maps were made with: of few rows less than of many."""
    used = sorted({drawn.data["perplexity"] for group in groups for drawn in group if drawn.data})
    if not used:
        return f"perplexity {PERPLEXITY}"
    few = (
        ""
        if used[0] == PERPLEXITY
        else f" (of few rows less than {PERPLEXITY}: a third of their number less one)"
    )
    return f"perplexity {used[0]:.3g}" + (f" to {used[-1]:.3g}" if len(used) > 1 else "") + few


def _silhouettes(groups: Sequence[Sequence[Drawn]]) -> Table:
    """Do the classes get clearer? The separation of each place, phase by phase."""
    phases = [drawn.title.rsplit(", ", 1)[1] for drawn in groups[0]] if groups else []
    rows = []
    for group in groups:
        scores = [d.data["silhouette"] if d.data else None for d in group]
        rows.append(
            [group[0].title.rsplit(", phase", 1)[0], *("–" if s is None else f"{s:+.3f}" for s in scores)]
        )
    return Table(["Silhouette", *phases], rows)


def reliability_section(answers: Sequence[Answers]) -> Section:
    return _side_by_side("Calibration", RELIABILITY, [draw_calibration(own) for own in answers])


def calibration_section(readings: Sequence[Reading]) -> Section:
    left_out = Group(
        [draw_coverage(readings)],
        "Score against coverage",
        "What `tricue predict --abstain P` gains: rows less sure than P are left unanswered, the others are scored.",
        columns=1,
    )
    pictures = Group([draw_calibration(r) for r in readings])
    return Section("Calibration", RELIABILITY + _held(readings), groups=[pictures, left_out])


def _held(readings: Sequence[Reading]) -> str:
    """Of which phases the temperature stayed 1, and why."""
    why = {r.phase: (r.evaluation.card.calibration or {}).get("held") for r in readings}
    return "".join(
        f" The temperature of phase {phase} stayed 1: {held}." for phase, held in why.items() if held
    )


def classes_section(metrics: Mapping[str, Any], of: str) -> Section:
    names = ("accuracy", "precision", "recall", "f1", "auc")
    rows = [
        [emotion, *(percent_with_interval(numbers[name]) for name in names), str(numbers["support"])]
        for emotion, numbers in metrics["per_class"].items()
    ]
    headings = ["Emotion", "Accuracy", "Precision", "Recall", "F1", "AUC", "Support"]
    return Section(f"Classes ({of})", tables=[Table(headings, rows)])


def cases_section(shown: Reading) -> Section:
    """Chosen by a rule, not by hand: rows said right and rows said wrong, taken apart."""
    e = shown.evaluation
    network, card = (
        shown.network,
        replace(e.card, config=e.config),
    )  # encoders may lie elsewhere than in training
    drawn, deletions = [], []
    for number, case in enumerate(choose_cases(shown.labels, shown.probabilities, shown.answered), start=1):
        row = e.utterances[case.row]
        explanation = explain(network, card, row, e.features, among=e.turns)
        said = "" if row.emotion == explanation.target else f" taken for {short(explanation.target)}"
        title = f"{case.why}: {short(row.id)}, {short(str(row.emotion))}{said}"
        pictures = _key_frames(row, e)
        drawn.append(draw_case(explanation, row, card.emotions, f"case-{number}", title, pictures))
        cues = [cue for cue, steps in explanation.steps.items() if len(steps) > 1]
        deletions += [delete_moments(network, explanation, e.features, cue) for cue in cues]
    intro = (
        "Of the rows said right and of those said wrong the surest, the median and the least sure. Each is taken "
        "apart: what every cue adds to the probability of the emotion that is said (Shapley values), what would be "
        "said without it, and which words, moments and frames carry it."
    )
    groups = [Group(drawn, columns=2, wide=True)]
    if deletions:
        checked = draw_deletion(deletions, "case-deletion", "Do the steps that are named carry the decision?")
        groups.append(Group([checked], checked.title, columns=1, wide=True))
    return Section(f"Cases (phase {shown.phase})", intro, groups=groups)


def _key_frames(row: Utterance, evaluation: Evaluation) -> list[np.ndarray] | None:
    """Small pictures, where the model looked at pictures and they are still to be had."""
    looked = row.id in evaluation.features.arrays.get("video", {})
    if not looked or row.video is None or evaluation.config.features.video.precomputed:
        return None
    try:
        return thumbnails(row, evaluation.config.features.video)
    except MediaError as error:  # stored features outlive their clips
        logger.warning("%s: no pictures for the report: %s", row.id, error)
        return None


def cost_section(shown: Reading) -> Section:
    network, card = shown.network, shown.evaluation.card
    counts, flops = parameters(network), gflops(network, typical_utterance(network, card.config, card.dims))
    rows = [
        [part, f"{c['total']:,}", f"{c['trainable']:,}", f"{flops.get(part, 0.0):.4f}"]
        for part, c in counts.items()
        if c["total"]  # scaling and dropouts learn nothing
    ]
    caption = (
        f"GFLOPs of one utterance of {TYPICAL_SECONDS:g} s; frozen encoders, which run once per clip in extraction, "
        f"are not counted. The seed states {SEED_PARAMETERS} and {SEED_GFLOPS} for its own."
    )
    table = Table(["Part", "Parameters", "Trainable", "GFLOPs"], rows, caption, strong=len(rows) - 1)
    return Section("Parameters and GFLOPs", tables=[table])


def study_sections(studies: Sequence[Study], metrics: Mapping[str, Any]) -> list[Section]:
    """What `tricue robustness` and `tricue ablate` have left beside the page; what is not of these rows and this model
    is not drawn. metrics: of the page's model."""
    return [
        Section(study.kind.title, groups=[Group([study.drawn(metrics)], columns=1, wide=True)])
        for study in studies
    ]
