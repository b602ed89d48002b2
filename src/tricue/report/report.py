"""`tricue report`: every figure of the seed for one run, on one split, as one page."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tricue import __version__
from tricue.checkpoint import checkpoint_folder, phase_folders, read_card
from tricue.device import choose_device
from tricue.evaluation.evaluate import open_trial
from tricue.evaluation.table import percent_with_interval
from tricue.features.progress import Bar
from tricue.files import check_place
from tricue.report.figure import Drawn
from tricue.report.page import Section, write_page
from tricue.report.readings import Reading, read_history, read_phase
from tricue.report.sections import (
    calibration_section,
    cases_section,
    classes_section,
    confusion_section,
    cost_section,
    learning_section,
    maps_section,
    published_section,
    roc_section,
    scores_section,
    study_sections,
)
from tricue.training.runs import RUNS
from tricue.types import InputError

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
    folder = checkpoint_folder(model_path)
    if (folder / RUNS).is_file():
        raise InputError(
            f"{folder} holds several runs, and a report is of one: give e.g. {folder}/seed-0/best_model."
        )
    check_place(out / PAGE)
    best = read_card(folder)
    phases = phase_folders(folder)
    history = read_history(folder)
    with Bar(not quiet) as bar:
        bar.begin("Reading the phases", len(phases))
        trials = {phase: open_trial(path, **choices) for phase, path in phases.items()}
        used = [trial.usable(cues) for trial in trials.values()]  # alike, as the phases are of one run
        chosen = choose_device(device)
        features = next(iter(trials.values())).read_features(used[0], store, chosen, progress=False)
        readings = [bar.passed(read_phase(phase, trial, features, chosen)) for phase, trial in trials.items()]
        shown = next((r for r in readings if r.phase == best.phase), readings[-1])
        bar.begin("Drawing", 8)
        parts = [
            bar.passed(scores_section(readings, shown)),
            bar.passed(learning_section(history, readings)),
            bar.passed(roc_section(readings)),
            bar.passed(confusion_section(readings)),
            bar.passed(maps_section(readings, best.config.seed, points)),
            bar.passed(calibration_section(readings)),
            bar.passed(classes_section(shown)),
            bar.passed(cases_section(shown)),
            *study_sections(out),
            *published_section(shown),
            cost_section(shown),
        ]
    metrics = shown.evaluation.metrics
    (out / FIGURES).mkdir(parents=True, exist_ok=True)
    for drawn in _pictures(parts):
        drawn.write(out / FIGURES)
    title = f"{metrics['corpus']}, {metrics['split']}: weighted F1 {percent_with_interval(metrics['weighted_f1'])}"
    write_page(out / PAGE, title, metrics["mark"], _facts(shown, folder), parts)
    return out / PAGE


def _pictures(parts: Sequence[Section]) -> list[Drawn]:
    return [d for section in parts for group in (*section.groups, *section.folded) for d in group.pictures]


def _facts(shown: Reading, folder: Path) -> list[tuple[str, str]]:
    m = shown.evaluation.metrics
    card, interval = shown.evaluation.card, m["interval"]
    unit = f"{interval['groups']} {interval['unit']}s"
    how = interval["mark"] or f"{interval['draws']} bootstrap draws"
    chosen = "fixed epochs" if card.config.training.select == "last" else "chosen on val"
    audit = "not made" if not m["audit"] else m["audit"]["verdict"]
    return [
        ("Split", f"{m['split_role']}; protocol {m['protocol']}; n = {m['n']}"),
        ("Intervals", f"95%, over {unit} ({how})"),
        ("Cues", ", ".join(f"{cue}: {m['encoders'][cue]} ({m['coverage'][cue]} rows)" for cue in m["modalities"])),
        *[("Tuned encoder", f"{cue}: for emotion on {t}: may overlap this corpus") for cue, t in m["tuned"].items()],
        ("Model", f"{folder} (phase {shown.phase}, {chosen}; seed {card.config.seed})"),
        ("Leakage audit", audit),
        ("Version", f"tricue {__version__}"),
    ]  # fmt: skip
