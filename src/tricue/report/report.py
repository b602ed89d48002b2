"""`tricue report`: every figure of the seed for one run, on one split, as one page."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tricue import __version__
from tricue.checkpoint import checkpoint_folder, load_checkpoint, phase_folders, read_card
from tricue.device import choose_device
from tricue.evaluation.cost import TOTAL, gflops, parameters
from tricue.evaluation.info import SEED_GFLOPS, SEED_PARAMETERS, TYPICAL_SECONDS, typical_utterance
from tricue.evaluation.table import HEADLINE, percent, percent_with_interval
from tricue.features.progress import Bar
from tricue.files import check_place
from tricue.report.calibration import BINS, draw_calibration
from tricue.report.classes import draw_confusion, draw_roc
from tricue.report.embedding import draw_embeddings, points_per_panel
from tricue.report.figure import Drawn
from tricue.report.learning import BORDERS, draw_counterfactual, draw_learning
from tricue.report.page import Group, Section, Table, write_page
from tricue.report.published import comparison
from tricue.report.readings import CROSS, Reading, read_history, read_phase
from tricue.report.tsne import PERPLEXITY
from tricue.training.runs import RUNS
from tricue.types import InputError

logger = logging.getLogger(__name__)

PAGE, FIGURES = "report.html", "report"
ALIVE = (
    "a_m: how far a cue's counterfactual features lean to their transformation. In training, dropout draws anew for "
    "H_cf, which moves it far more than the counterfactual features do; the scored rows are read without dropout. In "
    "phase 1 the counterfactual part is not trained yet: what it moves is its start."
)


def make_report(
    model_path: Path,
    *,
    out: Path,
    points: int | None = None,
    device: str = "auto",
    quiet: bool = False,
    **choices: Any,
) -> Path:
    """The page of a run, report.html in `out`, and its figures in `out`/report; its path.

    points: of each t-SNE map, at most; None: as `points_per_panel` says. choices: as `measure` takes them.
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
        readings = [
            bar.passed(read_phase(phase, path, choose_device(device), {**choices, "quiet": True}))
            for phase, path in phases.items()
        ]
        shown = next((r for r in readings if r.phase == best.phase), readings[-1])
        bar.begin("Drawing", 5)
        sections = [_scores(readings, shown)]
        sections.append(bar.passed(_learning(history, readings)))
        sections.append(bar.passed(_roc(readings)))
        sections.append(bar.passed(_confusion(readings)))
        sections.append(bar.passed(_maps(readings, best.config.seed, points)))
        sections.append(bar.passed(_calibration(readings)))
        sections += [_classes(shown), *_published(shown), _cost(shown)]
    metrics = shown.evaluation.metrics
    (out / FIGURES).mkdir(parents=True, exist_ok=True)
    for drawn in _pictures(sections):
        drawn.write(out / FIGURES)
    title = f"{metrics['corpus']}, {metrics['split']}: weighted F1 {percent_with_interval(metrics['weighted_f1'])}"
    write_page(out / PAGE, title, metrics["mark"], _facts(shown, folder), sections)
    return out / PAGE


def _pictures(sections: Sequence[Section]) -> list[Drawn]:
    return [d for section in sections for group in (*section.groups, *section.folded) for d in group.pictures]


def _facts(shown: Reading, folder: Path) -> list[tuple[str, str]]:
    m = shown.evaluation.metrics
    card, interval = shown.evaluation.card, m["interval"]
    unit = f"{interval['groups']} {interval['unit']}s"
    how = interval["mark"] or f"{interval['draws']} bootstrap draws"
    audit = "not made" if not m["audit"] else m["audit"]["verdict"]
    return [
        ("Split", f"{m['split_role']}; protocol {m['protocol']}; n = {m['n']}"),
        ("Intervals", f"95%, over {unit} ({how})"),
        ("Cues", ", ".join(f"{cue}: {m['encoders'][cue]} ({m['coverage'][cue]} rows)" for cue in m["modalities"])),
        *[("Tuned encoder", f"{cue}: for emotion on {t}: may overlap this corpus") for cue, t in m["tuned"].items()],
        ("Model", f"{folder} (phase {shown.phase}, chosen on val; seed {card.config.seed})"),
        ("Leakage audit", audit),
        ("Version", f"tricue {__version__}"),
    ]  # fmt: skip


def _scores(readings: Sequence[Reading], shown: Reading) -> Section:
    rows = [
        [
            f"phase {r.phase}",
            *(percent_with_interval(r.evaluation.metrics[name]) for name in HEADLINE),
            *_moved(r),
        ]
        for r in readings
    ]
    headings = ["", *HEADLINE.values(), "|H_cf − H_org| / |H_org|", "flips under H_cf"]
    table = Table(headings, rows, "The best phase on val stands out.", strong=readings.index(shown))
    return Section("Phases side by side", tables=[table])


def _moved(reading: Reading) -> list[str]:
    return [f"{100 * values.mean():.1f}%" for values in (reading.change, reading.flips)]


def _learning(history: Sequence[dict[str, Any]], readings: Sequence[Reading]) -> Section:
    return Section(
        "Learning curves",
        "Training and val over all phases; then what shows whether the counterfactual part is alive.",
        groups=[
            Group(draw_learning(history), caption=BORDERS if history else "", columns=2),
            Group(draw_counterfactual(history, readings), "The counterfactual part", ALIVE),
        ],
    )


def _roc(readings: Sequence[Reading]) -> Section:
    return Section("ROC", "Each class against all others.", groups=[Group([draw_roc(r) for r in readings])])


def _confusion(readings: Sequence[Reading]) -> Section:
    intro = "Large: share of the true class, in %. Small: rows. In brackets: rows of each class."
    return Section("Confusion matrix", intro, groups=[Group([draw_confusion(r) for r in readings])])


def _maps(readings: Sequence[Reading], seed: int, points: int | None) -> Section:
    groups = draw_embeddings(readings, seed, points)
    most = points or points_per_panel(sum(map(len, groups)))
    rows = [Group(g, title=g[0].title.rsplit(", phase", 1)[0]) for g in groups]
    first = [row for row in rows if CROSS in row.title]
    return Section(
        "t-SNE",
        f"Mean over time of each row's vectors; one embedding per panel, perplexity {PERPLEXITY}, seed {seed}, the "
        f"same rows in every phase, at most {most} of them. Distances between maps mean nothing; the silhouette under "
        "each is taken in the features' own space: higher means classes better apart, 0 means not apart.",
        tables=[_silhouettes(groups)],
        groups=first,
        folded=[row for row in rows if row not in first],
    )


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


def _calibration(readings: Sequence[Reading]) -> Section:
    intro = (
        f"Rows by their confidence, in {BINS} bins of equal width: on the line, probabilities mean what they say. ECE: "
        "the mean distance from it, weighted by rows (larger dots: more rows). Below: how many rows have which "
        "confidence."
    )
    return Section("Calibration", intro, groups=[Group([draw_calibration(r) for r in readings])])


def _classes(shown: Reading) -> Section:
    names = ("accuracy", "precision", "recall", "f1", "auc")
    rows = [
        [emotion, *(percent_with_interval(numbers[name]) for name in names), str(numbers["support"])]
        for emotion, numbers in shown.evaluation.metrics["per_class"].items()
    ]
    headings = ["Emotion", "Accuracy", "Precision", "Recall", "F1", "AUC", "Support"]
    return Section(f"Classes (phase {shown.phase})", tables=[Table(headings, rows)])


def _published(shown: Reading) -> list[Section]:
    m = shown.evaluation.metrics
    others = comparison(m)
    if not others:
        return []
    own = f"{m['split_role']}; protocol {m['protocol']}; cues {'+'.join(m['modalities'])}"
    rows = [[p.method, f"{p.accuracy:.2f}", f"{p.weighted_f1:.2f}", p.protocol] for p in others]
    rows.append(["this model", percent(m["accuracy"]), percent(m["weighted_f1"]), own])
    table = Table(["Method", "Accuracy", "Weighted F1", "Measured on"], rows, strong=len(rows) - 1)
    intro = "The seed's own comparison. Figures measured on different rows say nothing of the methods."
    return [Section("Published figures", intro, [table])]


def _cost(shown: Reading) -> Section:
    network, card = load_checkpoint(shown.folder)
    counts, flops = parameters(network), gflops(network, typical_utterance(network, card.config, card.dims))
    rows = [
        [part, f"{c['total']:,}", f"{c['trainable']:,}", f"{flops.get(part, 0.0):.4f}"]
        for part, c in counts.items()
    ]
    caption = (
        f"GFLOPs of one utterance of {TYPICAL_SECONDS:g} s; frozen encoders, which run once per clip in extraction, "
        f"are not counted. The seed states {SEED_PARAMETERS} and {SEED_GFLOPS} for its own."
    )
    table = Table(
        ["Part", "Parameters", "Trainable", "GFLOPs"], rows, caption, strong=list(counts).index(TOTAL)
    )
    return Section("Parameters and GFLOPs", tables=[table])
