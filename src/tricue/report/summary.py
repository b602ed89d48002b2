"""The page of a model, or of several runs (seeds, folds) with one of each run: what `evaluate` and `report` leave."""

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tricue.checkpoint.checkpoint import checkpoint_folder
from tricue.evaluation.evaluate import Evaluation
from tricue.evaluation.several_runs import measure_all, write_together
from tricue.figures.canvas import PHASE_COLOURS
from tricue.files.atomic import check_place
from tricue.files.locks import locked
from tricue.report.readings import Material, answers_of
from tricue.report.report import PAGE, make_report, report_run, write_report
from tricue.report.runs_section import all_runs
from tricue.report.sections import OF_SEVERAL_RUNS
from tricue.report.study_results import read_studies
from tricue.training.runs import read_runs

logger = logging.getLogger(__name__)


def make_pages(
    model_path: Path,
    *,
    out: Path,
    points: int | None = None,
    measured: Callable[[Evaluation], None] | None = None,
    **choices: Any,
) -> Path:
    """`make_report` of a checkpoint; of a folder that `train` filled with several runs, the page of each in a folder of
    its own in `out` and report.html as their summary. The path of report.html; arguments as `make_report` takes them.
    """
    folder = checkpoint_folder(model_path)
    runs = read_runs(folder)
    if not runs:
        return make_report(model_path, out=out, points=points, measured=measured, **choices)
    check_place(out / PAGE)
    pages = iter(runs)

    def report_next(model: Path, **given: Any) -> Evaluation:
        run = next(pages)
        logger.info("Report %d of %d: %s", runs.index(run) + 1, len(runs), run)
        return report_run(model, out=out / run.folder, points=points, **given)[0]

    with locked(out):
        studies = read_studies(out)
        together = measure_all(folder, report_next, **choices)
        if measured is not None:
            measured(write_together(out, together))
        of = ", all folds" if "folds" in together.metrics else ""
        answers = [
            answers_of(own, name.replace("-", " ").capitalize() + of, name, PHASE_COLOURS[3], is_shown=number == 0)
            for number, (name, own) in enumerate(together.pooled.items())
        ]
        page = Material(
            together.metrics, all_runs(together), together.first.card.task, answers, studies, together=together,
            pages=[f"{run.folder}/{PAGE}" for run in runs],
        )  # fmt: skip
        parts = [section for make in OF_SEVERAL_RUNS for section in make(page)]
        return write_report(out, page, f"{folder} ({len(runs)} runs, each with a page of its own)", parts)
