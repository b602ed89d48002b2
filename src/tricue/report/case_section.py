"""Single rows of the page, chosen by a rule and taken apart."""

import logging
from dataclasses import replace

import numpy as np

from tricue.evaluation.evaluate import Evaluation
from tricue.explain.deletion import delete_moments
from tricue.explain.explanation import explain
from tricue.figures.page_parts import Group, Section
from tricue.media.decoding import MediaError
from tricue.report.cases import case_title, choose_cases, draw_case, how_chosen, thumbnails
from tricue.report.deletion_figure import draw_deletion
from tricue.report.readings import Material
from tricue.types import Utterance

logger = logging.getLogger(__name__)


def cases_sections(page: Material) -> list[Section]:
    """Rows said right and rows said wrong, each taken apart."""
    shown, task = page.shown, page.task
    e, answers = shown.evaluation, shown.answers
    network, card = shown.network, replace(e.card, config=e.config)  # encoders may have moved since training
    drawn, deletions = [], []
    cases = choose_cases(task, answers.targets, answers.values, answers.answered)
    for number, case in enumerate(cases, start=1):
        row = e.utterances[case.row]
        explanation = explain(network, card, row, e.features, among=e.turns)
        title = case_title(case, row, explanation)
        drawn.append(draw_case(explanation, row, f"case-{number}", title, _key_frames(row, e)))
        modalities = [modality for modality, steps in explanation.steps.items() if len(steps) > 1]
        deletions += [delete_moments(network, explanation, e.features, modality) for modality in modalities]
    groups = [Group(drawn, columns=2, wide=True)]
    if deletions:
        checked = draw_deletion(deletions, "case-deletion", "Do the steps that are named carry the decision?")
        groups.append(Group([checked], checked.title, columns=1, wide=True))
    return [Section(f"Cases ({page.of})", how_chosen(task, card.config), groups=groups)]


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
