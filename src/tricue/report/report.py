"""`tricue report`: every figure of the seed for one run, on one split, as one page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tricue import __version__
from tricue.checkpoint import own_phase, phase_folders, read_card
from tricue.device import choose_device
from tricue.evaluation import ablation, robustness
from tricue.evaluation.evaluate import open_trial
from tricue.evaluation.runs import single_model
from tricue.evaluation.table import percent_with_interval
from tricue.features.progress import Bar
from tricue.files import check_place, replaced_folder
from tricue.locks import locked
from tricue.report.figure import Drawn
from tricue.report.page import Section, write_page
from tricue.report.published import published_section
from tricue.report.readings import read_history, read_phase
from tricue.report.sections import (
    calibration_section,
    cases_section,
    classes_section,
    confusion_section,
    cost_section,
    learning_section,
    maps_section,
    roc_section,
    scores_section,
    study_sections,
)
from tricue.report.studies import read_studies

PAGE, FIGURES = "report.html", "report"


def make_report(
    model_path: Path,
    *,
    out: Path,
    store: Path,
    cues: Sequence[str] | None = None,
    points: int | None = None,
    device: str = "auto",
    quiet: bool = False,
    **choices: Any,
) -> Path:
    """The page of a run, report.html in `out`, and its figures in `out`/report; its path.

    points: of each t-SNE map, at most; None: as `points_per_panel` says. store, cues: as `measure` takes
    them; choices: as `open_trial` does.
    What cannot be drawn says why in its place. Raises InputError for a folder of several runs, and as `measure` does.
    """
    folder = single_model(model_path, "a report")
    check_place(out / PAGE)
    own = own_phase(read_card(folder))
    phases = phase_folders(folder)
    history = read_history(folder)
    studies = read_studies(out)  # a damaged one is to be known before the work
    with locked(out), Bar(not quiet) as bar:
        bar.begin("Reading the phases", len(phases))
        trials = {phase: open_trial(path, **choices) for phase, path in phases.items()}
        used = [trial.usable(cues) for trial in trials.values()]  # alike, as the phases are of one run
        chosen = choose_device(device)
        features = next(iter(trials.values())).read_features(used[0], store, chosen, progress=False)
        readings = [bar.passed(read_phase(phase, trial, features, chosen)) for phase, trial in trials.items()]
        shown = next(r for r in readings if r.phase == own)
        bar.begin("Drawing", 8)
        parts = [
            bar.passed(scores_section(readings, shown)),
            bar.passed(learning_section(history, readings)),
            bar.passed(roc_section(readings)),
            bar.passed(confusion_section(readings)),
            bar.passed(maps_section(readings, shown.evaluation.config.seed, points)),
            bar.passed(calibration_section(readings)),
            bar.passed(classes_section(shown.evaluation.metrics, f"phase {shown.phase}")),
            bar.passed(cases_section(shown)),
            *study_sections(studies, shown.evaluation.metrics),
            *published_section(shown.evaluation.metrics),
            cost_section(shown),
        ]
        chosen_on = "fixed epochs" if shown.evaluation.config.training.select == "last" else "chosen on val"
        model = f"{folder} (phase {shown.phase}, {chosen_on}; seed {shown.evaluation.card.config.seed})"
        return write_report(out, shown.evaluation.metrics, model, parts)


def write_report(out: Path, metrics: Mapping[str, Any], model: str, parts: Sequence[Section]) -> Path:
    """The page of these parts in `out`, and its figures; its path. model: which, in words."""
    _write_figures(out / FIGURES, _pictures(parts))
    title = f"{metrics['corpus']}, {metrics['split']}: weighted F1 {percent_with_interval(metrics['weighted_f1'])}"
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


def _pictures(parts: Sequence[Section]) -> list[Drawn]:
    return [d for section in parts for group in (*section.groups, *section.folded) for d in group.pictures]


def _facts(m: Mapping[str, Any], model: str) -> list[tuple[str, str]]:
    interval = m["interval"]
    unit = f"{interval['groups']} {interval['unit']}s"
    how = interval["mark"] or f"{interval['draws']} bootstrap draws"
    audit = "not made" if not m["audit"] else m["audit"]["verdict"]
    return [
        ("Split", f"{m['split_role']}; protocol {m['protocol']}; n = {m['n']}"),
        ("Intervals", f"95%, over {unit} ({how})"),
        ("Cues", ", ".join(f"{cue}: {m['encoders'][cue]} ({m['coverage'][cue]} rows)" for cue in m["modalities"])),
        *[("Tuned encoder", f"{cue}: for emotion on {t}: may overlap this corpus") for cue, t in m["tuned"].items()],
        ("Model", model),
        ("Leakage audit", audit),
        ("Version", f"tricue {__version__}"),
    ]  # fmt: skip
