"""`tricue report`: every figure of the seed for one run, on one split, as one page."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from tricue import __version__
from tricue.checkpoint.checkpoint import own_phase, phase_folders, read_card
from tricue.device import choose_device
from tricue.evaluation.evaluate import Evaluation, with_baselines, write_evaluation
from tricue.evaluation.metrics_table import in_prose, number_with_interval
from tricue.evaluation.several_runs import single_model
from tricue.evaluation.trial import open_trial
from tricue.figures.canvas import Drawn
from tricue.figures.page_parts import Section
from tricue.files.atomic import check_place, replaced_folder
from tricue.files.locks import locked
from tricue.progress import Bar
from tricue.report.readings import Material, read_history, read_phase
from tricue.report.report_page import write_page
from tricue.report.sections import OF_A_RUN
from tricue.report.study_results import read_studies
from tricue.studies import ablation, robustness
from tricue.training.workspace import Workspace

PAGE, FIGURES = "report.html", "report"


def make_report(model_path: Path, **choices: Any) -> Path:
    """The page of a run, report.html in `out`, and its figures in `out`/report; its path. choices: of `report_run`."""
    return report_run(model_path, **choices)[1]


def report_run(
    model_path: Path,
    *,
    out: Path,
    workspace: Workspace,
    modalities: Sequence[str] | None = None,
    points: int | None = None,
    measured: Callable[[Evaluation], None] | None = None,
    **choices: Any,
) -> tuple[Evaluation, Path]:
    """What the page of a run shows of its model, and the page.

    The corpus, the features and the weights of each phase are read once, and each phase makes one pass over the rows.
    What cannot be drawn says why in its place. Raises InputError for a folder of several runs, and as `measure` does.

    Args:
        model_path: A checkpoint; the phases beside it are shown, too.
        out: Gets report.html and report/.
        workspace: As `measure` takes it.
        modalities: As `measure` takes them.
        points: Of each t-SNE map, at most; None: as `points_per_panel` says.
        measured: Makes `out` hold the scores, as `evaluate` leaves them, too; called with them before the figures are
            drawn.
        choices: Of `open_trial`.
    """
    folder = single_model(model_path, "a report")
    check_place(out / PAGE)
    own = own_phase(read_card(folder))
    history = read_history(folder)
    studies = read_studies(out)  # a damaged one is to be known before the work
    with locked(out), Bar(not workspace.quiet) as bar:
        trial = open_trial(model_path, workspace=workspace, **choices)
        features = trial.read_features(trial.usable(modalities), workspace)
        device = choose_device(workspace.device)
        shown = read_phase(trial, features, device, is_shown=True)
        shown = replace(shown, evaluation=with_baselines(shown.evaluation))
        if measured is not None:
            measured(write_evaluation(out, shown.evaluation))
        phases = {phase: path for phase, path in phase_folders(folder).items() if phase != own}
        bar.begin("Reading the phases", len(phases))
        others = [bar.passed(read_phase(trial.of_phase(path), features, device, False)) for path in phases.values()]
        readings = sorted([shown, *others], key=lambda reading: reading.phase)
        page = Material(
            shown.evaluation.metrics, f"phase {shown.phase}", shown.evaluation.card.task,
            [reading.answers for reading in readings], studies, readings, history, points,
        )  # fmt: skip
        bar.begin("Drawing", len(OF_A_RUN))
        parts = [section for make in OF_A_RUN for section in bar.passed(make(page))]
        chosen_on = "fixed epochs" if shown.evaluation.config.training.select == "last" else "chosen on val"
        model = f"{folder} (phase {shown.phase}, {chosen_on}; seed {shown.evaluation.card.config.seed})"
        return shown.evaluation, write_report(out, page, model, parts)


def write_report(out: Path, page: Material, model: str, parts: Sequence[Section]) -> Path:
    """The page of these parts in `out`, and its figures; its path. model: which, in words."""
    _write_figures(out / FIGURES, [drawn for section in parts for drawn in section.pictures])
    metrics, task = page.metrics, page.task
    headline = metrics["headline"]
    words = f"{in_prose(task.numbers[headline['name']])} {number_with_interval(headline, task)}"
    title = f"{metrics['corpus']}, {metrics['split']}: {words}"
    write_page(out / PAGE, title, metrics["mark"], _facts(metrics, model), parts)
    return out / PAGE


def _write_figures(folder: Path, pictures: Sequence[Drawn]) -> None:
    """The figures of this page, and none of an earlier one. A folder that is not the figures' alone (say, that another
    page lies in) loses nothing: there they are written over what has their names."""
    if folder.is_dir() and not all(_is_figure(path) for path in folder.iterdir()):
        for drawn in pictures:
            drawn.write(folder)
        return
    with replaced_folder(folder) as fresh:
        for drawn in pictures:
            drawn.write(fresh)


def _is_figure(path: Path) -> bool:
    """Whether a file is one of a figure's three; not of a study, unless its numbers lie beside the page as well."""
    numbers = path.with_suffix(".json").name
    only = numbers in (ablation.RESULT, robustness.RESULT) and not (path.parent.parent / numbers).exists()
    return not only and all(path.with_suffix(kind).is_file() for kind in (".svg", ".png", ".json"))


def _facts(m: Mapping[str, Any], model: str) -> list[tuple[str, str]]:
    interval = m["interval"]
    unit = f"{interval['groups']} {interval['unit']}s"
    how = interval["mark"] or interval["method"]
    audit = "not made" if not m["audit"] else m["audit"]["verdict"]
    return [
        ("Split", f"{m['split_role']}; protocol {m['protocol']}; n = {m['n']}"),
        ("Intervals", f"95%, over {unit} ({how})"),
        ("Modalities", ", ".join(f"{name}: {m['encoders'][name]} ({m['coverage'][name]} rows)"
                                 for name in m["modalities"])),
        *[("Tuned encoder", f"{name}: for emotion on {t}: may overlap this corpus") for name, t in m["tuned"].items()],
        ("Model", model),
        ("Leakage audit", audit),
        ("Version", f"tricue {__version__}"),
    ]  # fmt: skip
