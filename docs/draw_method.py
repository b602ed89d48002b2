"""Draws the method as docs/figures/*.svg: `python docs/draw_method.py`.

Every number in a picture is read from the default settings, or from the network that they build for a large corpus,
on the features of the seed's encoders.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import matplotlib
import torch
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.patches import FancyArrowPatch, FancyBboxPatch, Rectangle
from matplotlib.path import Path as Line
from torch import nn

from tricue.config.settings import Config
from tricue.config.training_settings import TrainingConfig
from tricue.extractors.acoustic import SPECTRAL
from tricue.figures.canvas import FAINT, INK, PHASE_COLOURS, STYLE
from tricue.model.network import Network
from tricue.registry import MODALITIES
from tricue.training.phases import ALIGNMENT_STEP, INTENTION_STEP, PHASES, Phase, Schedule, loss_weights
from tricue.types import ModalityName

FIGURES = Path(__file__).with_name("figures")
GREY = "#5A5A5A"  # what belongs to no modality and no phase
TITLE, TEXT = 19, 16.5  # pixels of a picture that is shown 1,000 pixels wide
LOOK: Any = STYLE | {
    "font.family": "DejaVu Sans",  # comes with matplotlib: the same everywhere
    "text.parse_math": True,
}

Point = tuple[float, float]

# --- the pen ---------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Box:
    """Where a box lies; arrows begin and end on its edge. y grows downwards."""

    x: float
    y: float
    width: float
    height: float

    def top(self, share: float = 0.5) -> Point:
        return self.x + share * self.width, self.y

    def bottom(self, share: float = 0.5) -> Point:
        return self.x + share * self.width, self.y + self.height

    def left(self, share: float = 0.5) -> Point:
        return self.x, self.y + share * self.height

    def right(self, share: float = 0.5) -> Point:
        return self.x + self.width, self.y + share * self.height


class Sheet:
    """A white page of `width` x `height` pixels to draw on."""

    def __init__(self, width: float, height: float) -> None:
        self.figure = Figure(figsize=(width / 96, height / 96), facecolor="white")  # 96 CSS pixels an inch
        self.axes = self.figure.add_axes((0, 0, 1, 1))
        self.axes.set_axis_off()
        self.axes.set_xlim(0, width)
        self.axes.set_ylim(height, 0)

    def box(
        self,
        at: Box,
        title: str,
        lines: Sequence[str] = (),
        colour: str = GREY,
        *,
        dashed: bool = False,
        tint: float = 0.1,
    ) -> Box:
        """A bold title over plain lines, in the middle of a tinted box. dashed: not there from the beginning."""
        self.axes.add_patch(
            FancyBboxPatch(
                (at.x, at.y),
                at.width,
                at.height,
                boxstyle="round,pad=0,rounding_size=8",
                facecolor=tinted(colour, tint),
                edgecolor=colour,
                linewidth=1.3,
                linestyle=(0, (4, 2.5)) if dashed else "-",
            )
        )
        step, first = TEXT * 1.45, TITLE * 1.36
        tall = (first if title else 0) + step * len(lines)
        x, y = at.x + at.width / 2, at.y + (at.height - tall) / 2
        if title:
            self.label((x, y + first / 2), title, size=TITLE, bold=True)
            y += first
        for i, line in enumerate(lines):
            self.label((x, y + step * (i + 0.5)), line)
        return at

    def label(
        self, at: Point, text: str, *, size: float = TEXT, bold: bool = False, colour: str = INK, align: str = "center"
    ) -> None:
        self.axes.text(
            *at,
            text,
            fontsize=size * 0.75,  # points
            fontweight="bold" if bold else "normal",
            color=colour,
            ha=align,
            va="center_baseline",
        )

    def line(self, points: Sequence[Point], colour: str = GREY) -> None:
        """An arrow through `points`; its head ends at the last one."""
        self.axes.add_patch(
            FancyArrowPatch(
                path=Line(points),
                arrowstyle="-|>,head_length=5,head_width=2.6",
                mutation_scale=1.3,
                linewidth=1.4,
                color=colour,
                joinstyle="round",
                capstyle="butt",
            )
        )

    def down(self, start: Point, end: Point, text: str = "", colour: str = GREY) -> None:
        """A straight arrow with its tensor's shape at its side."""
        self.line([start, end], colour)
        if text:
            self.label((start[0] + 12, (start[1] + end[1]) / 2), text, colour=GREY, align="left")

    def bar(self, at: Box, parts: Sequence[tuple[str, str]]) -> Box:
        """Vectors side by side: (text, colour) of each."""
        wide = at.width / len(parts)
        for i, (text, colour) in enumerate(parts):
            self.axes.add_patch(
                Rectangle(
                    (at.x + i * wide, at.y), wide, at.height, facecolor=tinted(colour, 0.1), edgecolor=colour, lw=1.3
                )
            )
            self.label((at.x + (i + 0.5) * wide, at.y + at.height / 2), text)
        return at

    def curve(self, at: Box, values: Sequence[float], colour: str, highest: float = 1.0) -> None:
        """Values from 0 to `highest`, evenly spaced, over the lower edge of `at`."""
        xs = [at.x + at.width * i / (len(values) - 1) for i in range(len(values))]
        ys = [at.y + at.height * (1 - value / highest) for value in values]
        self.axes.plot(xs, ys, color=colour, linewidth=1.8, solid_joinstyle="round", zorder=3)

    def scale(self, at: Box) -> None:
        """The edges of a chart at zero and at its highest value."""
        for y, colour in ((at.y, FAINT), (at.y + at.height, GREY)):
            self.axes.plot([at.x, at.x + at.width], [y, y], color=colour, linewidth=0.9, zorder=2)


def tinted(colour: str, share: float) -> tuple[float, ...]:
    return tuple(1 - share * (1 - part) for part in to_rgb(colour))


def shape(*parts: object) -> str:
    """A tensor's shape, for B utterances."""
    return f"({', '.join(['$B$', *map(str, parts)])})"


def named(letter: str, below: str) -> str:
    return f"${letter}_\\mathrm{{{below}}}$"


# --- the numbers -----------------------------------------------------------------------------------


def example() -> Config:
    """The default settings, with the sizes that they take for a large corpus: the seed's width and layers."""
    config = Config()
    return config.model_copy(update={"model": config.model.settled(50_000)})


def default_network(config: Config, classes: int = 7) -> Network:
    """The network on the features of the seed's encoders."""
    dims: dict[ModalityName, tuple[int, ...]] = {
        "text": (768,),  # roberta-base
        "audio": (768, config.features.audio.mfcc + len(SPECTRAL)),  # beside wav2vec2-base
        "video": (2048,),  # ResNet-50
    }
    with torch.random.fork_rng():
        return Network.from_config(config, dims, classes)


def widths(part: nn.Module) -> list[int]:
    """Of a chain of layers: what goes in, then what each matrix gives."""
    matrices = [module for module in part.modules() if isinstance(module, nn.Linear)]
    return [matrices[0].in_features, *(matrix.out_features for matrix in matrices)]


def chain(numbers: Sequence[object]) -> str:
    return " – ".join(map(str, numbers))


# --- the pictures ----------------------------------------------------------------------------------

GAP, SHORT = 52, 36  # between boxes: an arrow with a shape at its side, an arrow alone
LANE = 290
LANES = {modality: 20 + 335 * i for i, modality in enumerate(MODALITIES)}  # left edges


def below(box: Box, height: float, gap: float = GAP) -> Box:
    return Box(box.x, box.y + box.height + gap, box.width, height)


NARROW, STATISTICS = 212, Box(744, 0, 236, 0)  # the lanes of the sequences, and the way beside them
SEQUENCES = {modality: 20 + 228 * i for i, modality in enumerate(MODALITIES)}  # left edges
ENCODERS = {"text": ["RoBERTa"], "audio": ["wav2vec 2.0,", "MFCC, spectral"], "video": ["ResNet-50,"]}


def draw_network(config: Config, network: Network) -> Figure:
    """All of it, from the features of three modalities to the two outputs."""
    sheet = Sheet(1000, 1366)
    features = draw_features(sheet, config, network)
    pooled = draw_sequences(sheet, features, network)
    statistics = draw_statistics(sheet, features, pooled, network)
    whole = sheet.box(
        Box(20, pooled.bottom()[1] + GAP, 960, 68),
        "All that the fusion reads of a modality",
        [f"$v_m$ = [mean; deviation; statistics]  {shape(width_of_all(network))}"],
    )
    for modality, x in SEQUENCES.items():
        middle, size = x + NARROW / 2, shape(2 * network.classifier.in_features)
        sheet.down((middle, pooled.bottom()[1]), (middle, whole.y), size, MODALITIES[modality].colour)
    middle, out = statistics.bottom()[0], network.statistics["text"].linear.out_features
    sheet.down(statistics.bottom(), (middle, whole.y), shape(out))
    draw_halves(sheet, whole, config, network)
    return sheet.figure


def width_of_all(network: Network) -> int:
    return len(network.absent["text"])


def draw_features(sheet: Sheet, config: Config, network: Network) -> dict[ModalityName, Box]:
    """What the encoders give, a box per modality."""
    frames = [f"{config.features.video.frames} key frames"]
    return {
        modality: sheet.box(
            Box(x, 52, NARROW, 94),
            modality.capitalize(),
            [*ENCODERS[modality], *(frames if modality == "video" else [])],
            MODALITIES[modality].colour,
        )
        for modality, x in SEQUENCES.items()
    }


def draw_sequences(sheet: Sheet, features: dict[ModalityName, Box], network: Network) -> Box:
    """Frontend and progressive BiLSTM of each modality, a lane each; attention between them, and pooling."""
    d = network.classifier.in_features
    states = {}
    for modality, above in features.items():
        colour, steps = MODALITIES[modality].colour, named("T", modality)
        wide = network.frontends[modality].transform.linear.out_features
        frontend = sheet.box(below(above, 68), "Frontend", [f"FTB {wide}"], colour)
        layers = f"{len(network.bilstms[modality].layers)} gated layers"
        states[modality] = sheet.box(below(frontend, 68), "BiLSTM", [layers], colour)
        sheet.down(above.bottom(), frontend.top(), shape(steps, len(network.scaling[modality].mean)), colour)
        sheet.down(frontend.bottom(), states[modality].top(), shape(steps, wide), colour)
    across = SEQUENCES["video"] + NARROW - 20
    attention = sheet.box(
        Box(20, states["text"].bottom()[1] + GAP, across, 94),
        "Cross-modal attention",
        [
            f"each modality, projected to {d}, attends to both others:",
            f"{len(network.cross_attention.absent)} directed pairs; what it finds is added, LayerNorm",
        ],
    )
    pooling = sheet.box(below(attention, 68), "Attentive pooling", ["mean and deviation over time, by learned weights"])
    for modality, state in states.items():
        colour, steps, middle = MODALITIES[modality].colour, named("T", modality), state.bottom()[0]
        size = shape(steps, network.cross_attention.project[modality].in_features)
        sheet.down(state.bottom(), (middle, attention.y), size, colour)
        sheet.down((middle, attention.bottom()[1]), (middle, pooling.y), shape(steps, d), colour)
    return pooling


def draw_statistics(sheet: Sheet, features: dict[ModalityName, Box], pooled: Box, network: Network) -> Box:
    """The second way of each modality into the fusion, beside its sequence."""
    top = features["video"].y
    at = Box(STATISTICS.x, top, STATISTICS.width, pooled.bottom()[1] - top)
    sizes = [f"{modality}  {chain(widths(network.statistics[modality]))}" for modality in MODALITIES]
    lines = ["mean and deviation", "over time, scaled;", "dropout, Linear", "", *sizes]
    box = sheet.box(at, "Statistics", lines)
    for own in features.values():
        sheet.line([own.top(), (own.top()[0], 20), (box.top()[0], 20), box.top()])
    return box


def draw_halves(sheet: Sheet, whole: Box, config: Config, network: Network) -> None:
    """From the modalities' vectors to both H and what reads them; the right half joins in phases 2 and 3."""
    d, sizes = network.classifier.in_features, widths(network.fusion)
    left, right = 440, 790  # the middles of the two halves
    second, size = PHASE_COLOURS[2], shape(width_of_all(network))
    draw_auxiliary(sheet, Box(20, whole.bottom()[1] + GAP, 236, 94), network)
    changed = sheet.box(
        Box(right - 190, whole.bottom()[1] + GAP, 380, 94),
        "Counterfactual features",
        [f"$a$ FTB$(v)+(1-a)\\,v$,  $a$ = {config.model.counterfactual_start:g} at first", "from phase 2 on"],
        second,
        dashed=True,
    )
    fusion = sheet.box(
        Box(290, changed.bottom()[1] + GAP, 690, 94),
        "Fusion MLP",
        [
            "all $v_m$ side by side; a learned vector where a modality is absent",
            f"{chain(sizes)}; the same for both halves",
        ],
    )
    sheet.down((left, whole.bottom()[1]), (left, fusion.y), size)
    sheet.down((right, whole.bottom()[1]), changed.top(), size, second)
    sheet.down(changed.bottom(), (right, fusion.y), size, second)
    fused = {}
    for x, name, colour in ((left, "org", GREY), (right, "cf", second)):
        at = Box(x - 90, fusion.bottom()[1] + SHORT, 180, 44)
        fused[name] = sheet.box(at, "", [f"{named('H', name)}  {shape(d)}"], colour, dashed=name == "cf")
        sheet.down((x, fusion.bottom()[1]), at.top(), "", colour)
    draw_heads(sheet, fused["org"], fused["cf"], network)


def draw_auxiliary(sheet: Sheet, at: Box, network: Network) -> None:
    """The heads that each modality has in training."""
    box = sheet.box(at, "Auxiliary heads", [classes_last(network.auxiliary["text"]), "in training only"])
    x, y = box.top()[0], box.bottom()[1]
    sheet.down((x, at.y - GAP), box.top(), shape(width_of_all(network)))
    sheet.down((x, y), (x, y + SHORT))
    sheet.label((x, y + SHORT + 16), f"logits  {shape('$C$')} of each")


def draw_heads(sheet: Sheet, h_org: Box, h_cf: Box, network: Network) -> None:
    """The classifier on H_org, the intention predictor on both."""
    third, y = PHASE_COLOURS[3], h_org.bottom()[1] + SHORT
    classifier = sheet.box(Box(h_org.top()[0] - 120, y, 240, 94), "Classifier", [classes_last(network.classifier)])
    predictor = sheet.box(
        Box(h_cf.top()[0] - 190, y, 380, 94),
        "Intention predictor",
        [classes_last(network.intention), "from phase 3 on"],
        third,
        dashed=True,
    )
    sheet.down(h_org.bottom(), classifier.top())
    sheet.down(h_cf.bottom(), (h_cf.bottom()[0], y), "", third)
    bend = predictor.top(0.08)
    sheet.line([h_org.right(), (bend[0], h_org.right()[1]), bend], third)
    for box, name, colour in ((classifier, "emotion", GREY), (predictor, "intention", third)):
        x, y = box.bottom()
        sheet.down((x, y), (x, y + SHORT), "", colour)
        sheet.label((x, y + SHORT + 16), f"{name} logits  {shape('$C$')}")
    for i, text in enumerate(("FTB: Linear, LayerNorm,", "ReLU, dropout")):
        sheet.label((20, classifier.y + 60 + i * 1.45 * TEXT), text, colour=GREY, align="left")


def classes_last(part: nn.Module) -> str:
    """A chain of widths that ends at the classes."""
    return chain([*widths(part)[:-1], "$C$"])


def draw_progressive(config: Config, network: Network) -> Figure:
    """One layer of a progressive BiLSTM, from F(i-1) to F(i)."""
    sheet = Sheet(1000, 370)
    layers = network.bilstms["text"].layers
    wide = layers[0].transform.linear.out_features
    before = sheet.box(Box(20, 110, 82, 44), "", ["$F^{(i-1)}$"])
    lstm = sheet.box(Box(128, 98, 112, 68), "BiLSTM", [f"2 × {layers[0].lstm.ahead.hidden_size}"])
    attention = sheet.box(Box(266, 98, 168, 68), "Self-attention", [f"{layers[0].attention.heads} heads"])
    added = sheet.box(Box(460, 98, 124, 68), "Add", ["LayerNorm"])
    refined = sheet.box(Box(610, 98, 104, 68), "FTB", ["gives $T$"])
    mix = sheet.box(Box(740, 98, 148, 68), "Mix", [r"$G\,T + (1-G)\,F$"])
    after = sheet.box(Box(914, 110, 66, 44), "", ["$F^{(i)}$"])
    start = f"{config.model.gate_start:g} at first"
    gate = sheet.box(Box(547, 256, 230, 94), "Gate $G$", [r"$\sigma$(Linear [$T$; $F$])", start])
    row = (before, lstm, attention, added, refined, mix, after)
    for one, next_one in pairwise(row):
        sheet.line([one.right(), next_one.left()])
    sheet.line([before.top(), (before.top()[0], 60), (mix.top()[0], 60), mix.top()])
    sheet.line([lstm.bottom(), (lstm.bottom()[0], 210), (added.bottom()[0], 210), added.bottom()])
    sheet.line([before.bottom(), (before.bottom()[0], gate.left()[1]), gate.left()])
    sheet.line([refined.bottom(), gate.top()])
    sheet.line([gate.right(), (mix.bottom()[0], gate.right()[1]), mix.bottom()])
    text = f"One of {len(layers)} layers; each arrow carries {shape('$T_m$', wide)}"
    sheet.label((20, 28), text, colour=GREY, align="left")
    return sheet.figure


def draw_cross_attention(config: Config, network: Network) -> Figure:
    """How text looks at audio and video, and the six pairs."""
    sheet = Sheet(1000, 840)
    looks = {modality: draw_look(sheet, modality, network) for modality in MODALITIES if modality != "text"}
    cross, colour = network.cross_attention, MODALITIES["text"].colour
    x, d = LANES["text"], widths(cross.query["text"])[1]
    projected = draw_projection(sheet, "text", network)
    query = sheet.box(
        Box(x + 110, 196, LANE - 110, 68), "Query", [f"$W_Q$  {chain(widths(cross.query['text']))}"], colour
    )
    sheet.down((query.top()[0], projected.bottom()[1]), query.top(), "", colour)
    bus = 296  # where the query turns to both partners
    for box in looks.values():
        sheet.line([query.bottom(), (query.bottom()[0], bus), (box.top(0.2)[0], bus), box.top(0.2)], colour)
    parts = [("own", colour), *((f"from {modality}", MODALITIES[modality].colour) for modality in looks)]
    joined = sheet.bar(
        Box(20, looks["audio"].bottom()[1] + GAP, 960, 44), [(f"{name}  {d}", shade) for name, shade in parts]
    )
    sheet.down((x + 50, projected.bottom()[1]), (x + 50, joined.y), shape(named("T", "text"), d), colour)
    for modality, box in looks.items():
        sheet.down(box.bottom(), (box.bottom()[0], joined.y), shape(named("T", "text"), d), MODALITIES[modality].colour)
    draw_standardised(sheet, joined, network)
    draw_pairs(sheet, Box(540, joined.bottom()[1] + GAP, 440, 238), len(cross.absent))
    return sheet.figure


def draw_projection(sheet: Sheet, modality: ModalityName, network: Network) -> Box:
    project, colour = network.cross_attention.project[modality], MODALITIES[modality].colour
    state = Box(LANES[modality], 20, LANE, 44)
    sheet.box(state, "", [f"{named('F', modality)}  {shape(named('T', modality), project.in_features)}"], colour)
    projected = sheet.box(below(state, 44, SHORT), "", [f"Linear  {chain(widths(project))}"], colour)
    sheet.down(state.bottom(), projected.top(), "", colour)
    return projected


def draw_look(sheet: Sheet, modality: ModalityName, network: Network) -> Box:
    """Keys and values of `modality`, and what text takes from them."""
    cross, colour = network.cross_attention, MODALITIES[modality].colour
    projected = draw_projection(sheet, modality, network)
    scale = widths(cross.query[modality])[1]
    held = sheet.box(
        Box(LANES[modality], 196, LANE, 68),
        "Key, value",
        [f"$W_K$, $W_V$  {chain(widths(cross.key[modality]))}"],
        colour,
    )
    look = sheet.box(
        below(held, 106, 64),
        f"Text looks at {modality}",
        [f"softmax( $Q K^\\top / \\sqrt{{{scale}}}$ ) $V$", f"no {modality}: a learned vector"],
        colour,
    )
    sheet.down(projected.bottom(), held.top(), "", colour)
    sheet.down(held.bottom(), look.top(), "", colour)
    return look


def draw_standardised(sheet: Sheet, joined: Box, network: Network) -> None:
    colour, cross = MODALITIES["text"].colour, network.cross_attention
    sizes = widths(cross.standardise["text"])
    lines = [f"Linear  {chain(sizes)}", "added to its own, LayerNorm"]
    box = sheet.box(Box(20, joined.bottom()[1] + GAP, 400, 94), "Standardise", lines, colour)
    x = box.top()[0]
    sheet.down((x, joined.bottom()[1]), box.top(), shape(named("T", "text"), sizes[0]), colour)
    end = sheet.box(below(box, 44), "", [f"enhanced text  {shape(named('T', 'text'), sizes[1])}"], colour)
    sheet.down(box.bottom(), end.top(), "", colour)


def draw_pairs(sheet: Sheet, at: Box, count: int) -> None:
    """A triangle of the modalities; each arrow has the colour of the modality that is looked at."""
    sheet.label(
        (at.x + at.width / 2, at.y + 14), f"All {count} pairs; an arrow leads to the modality that looks", colour=GREY
    )
    left, top, foot = at.x + at.width / 2 - 70, at.y + 50, at.y + at.height - 44
    places = {"text": (left, top), "audio": (left - 140, foot), "video": (left + 140, foot)}
    text, audio, video = (
        sheet.box(Box(x, y, 140, 44), modality.capitalize(), (), MODALITIES[modality].colour)
        for modality, (x, y) in places.items()
    )
    for here, there, modality, other in (
        ((text.bottom(0.20), text.bottom(0.35)), (audio.top(0.35), audio.top(0.50)), "text", "audio"),
        ((text.bottom(0.65), text.bottom(0.80)), (video.top(0.50), video.top(0.65)), "text", "video"),
        ((audio.right(0.33), audio.right(0.67)), (video.left(0.33), video.left(0.67)), "audio", "video"),
    ):
        sheet.line([here[0], there[0]], MODALITIES[modality].colour)
        sheet.line([there[1], here[1]], MODALITIES[other].colour)


def draw_phases(config: Config, network: Network) -> Figure:
    """A column per phase: what is trained, by which losses, at which rate, and what is handed on."""
    sheet = Sheet(1000, 978)
    kept: list[Box] = []
    for phase, x in zip(PHASES, LANES.values(), strict=True):
        header, best = draw_phase(sheet, phase, x, config)
        if kept:  # the best weights go from the foot of a phase to the head of the next
            (start, end), middle = (kept[-1].right(), header.left()), (kept[-1].right()[0] + x) / 2
            sheet.line([start, (middle, start[1]), (middle, end[1]), end], PHASE_COLOURS[PHASES[len(kept) - 1]])
        kept.append(best)
    final = sheet.box(
        below(Box(20, kept[0].y, 960, kept[0].height), 68, SHORT),
        "best_model/",
        ["the best of the three by weighted F1 on val; in a tie the earlier phase"],
    )
    for phase, best in zip(PHASES, kept, strict=True):
        sheet.down(best.bottom(), (best.bottom()[0], final.y), "", PHASE_COLOURS[phase])
    return sheet.figure


@dataclass(frozen=True)
class Words:
    """What stands in the column of a phase."""

    name: str
    trained: Sequence[str]
    loss: Sequence[str]


def words(phase: Phase, training: TrainingConfig) -> Words:
    own, align, intent = (named("L", term) for term in ("task", "align", "intent"))
    base = f"{own} + {training.auxiliary_weight:g} {named('L', 'aux')}"
    growing = r"$\lambda(e)$ = min({:g}, {:g} ($e$ + 1))"
    if phase == 1:
        parts = ["all but the two parts", "that join later"]
        return Words("base", parts, [base])
    if phase == 2:
        ramp = growing.format(training.alignment_weight, ALIGNMENT_STEP)
        parts = ["all of phase 1 and the", "counterfactual features"]
        return Words("alignment", parts, [base, rf"+ $\lambda(e)$ {align}", ramp])
    ramp = growing.format(training.intention_weight, INTENTION_STEP)
    added = rf"+ {training.alignment_weight:g} {align} + $\lambda(e)$ {intent}"
    parts = ["all of phase 2 and the", "intention predictor"]
    return Words("refinement", parts, [base, added, ramp])


def draw_phase(sheet: Sheet, phase: Phase, x: float, config: Config) -> tuple[Box, Box]:
    """The column of a phase; its header and its foot."""
    colour, say = PHASE_COLOURS[phase], words(phase, config.training)
    begins = "from fresh weights" if phase == 1 else f"from the best of phase {phase - 1}"
    epochs = config.training.epochs[phase - 1]
    header = sheet.box(
        Box(x, 20, LANE, 94), f"Phase {phase}: {say.name}", [f"{epochs} epochs", begins], colour, tint=0.3
    )
    what = sheet.box(below(header, 94, SHORT), "Trained", say.trained, colour)
    loss = sheet.box(below(what, 118, SHORT), "Loss", say.loss, colour)
    charts = sheet.box(below(loss, 290, SHORT), "", (), colour, tint=0)
    kept = ["of the averaged weights,", f"kept as phase{phase}/"]
    best = sheet.box(below(charts, 94, SHORT), "Best epoch on val", kept, colour)
    for one, next_one in ((header, what), (what, loss), (loss, charts), (charts, best)):
        sheet.down(one.bottom(), next_one.top(), "", colour)
    draw_weights(sheet, Box(x + 20, charts.y + 44, LANE - 40, 78), phase, config)
    draw_rate(sheet, Box(x + 20, charts.y + 172, LANE - 40, 78), phase, config)
    return header, best


def draw_weights(sheet: Sheet, at: Box, phase: Phase, config: Config) -> None:
    """The weights of the losses that read the counterfactual, epoch by epoch."""
    training = config.training
    highest = max(training.alignment_weight, training.intention_weight)
    by_epoch = [loss_weights(phase, epoch, training) for epoch in range(training.epochs[phase - 1])]
    sheet.label((at.x, at.y - 22), "Counterfactual losses" + (": none" if phase == 1 else ""), align="left")
    sheet.scale(at)
    for term, since in (("alignment", 2), ("intention", 3)):
        if phase >= since:
            weights = [weights[term] for weights in by_epoch]
            sheet.curve(at, [weight for weight in weights for _ in range(20)], PHASE_COLOURS[since], highest)
            y = at.y + at.height * (1 - weights[-1] / highest) + 18
            sheet.label((at.x + at.width, y), f"{term} {weights[-1]:g}", align="right")


def draw_rate(sheet: Sheet, at: Box, phase: Phase, config: Config) -> None:
    """The learning rate over the phase, as a share of `training.rate`."""
    sheet.label((at.x, at.y - 22), "Rate", align="left")
    sheet.scale(at)
    sheet.curve(at, learning_rates(phase, config), PHASE_COLOURS[phase])
    y = at.y + at.height + 18
    sheet.label((at.x, y), "epoch 1", colour=GREY, align="left")
    sheet.label((at.x + at.width, y), str(config.training.epochs[phase - 1]), colour=GREY, align="right")


def learning_rates(phase: Phase, config: Config, steps: int = 20) -> list[float]:
    """The rate before each of `steps` steps an epoch, as a share of `training.rate`."""
    epochs = config.training.epochs[phase - 1]
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=1.0)
    schedule = Schedule(optimizer, phase, config.training, steps)
    rates = []
    for _ in range(epochs * steps):
        rates.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        schedule.step()
    return rates


def draw_intention(config: Config, network: Network) -> Figure:
    """The intention predictor with its loss."""
    sheet = Sheet(1000, 812)
    colour, smoothing = PHASE_COLOURS[3], config.training.label_smoothing
    h_org, joined = draw_change(sheet, network)
    logits = draw_layers(sheet, joined, widths(network.intention))
    entropy = sheet.box(below(logits, 68), "Cross-entropy", [f"with the true label, smoothed by {smoothing:g}"], colour)
    sheet.down(logits.bottom(), entropy.top(), f"intention logits  {shape('$C$')}", colour)
    weight = draw_confidence(sheet, h_org, entropy.y, config, network)
    loss = sheet.box(
        Box(20, entropy.bottom()[1] + GAP, 960, 68),
        "Intention loss",
        ["mean of the cross-entropies by these weights; 0 where no row has one"],
        colour,
        tint=0.3,
    )
    sheet.down(entropy.bottom(), (entropy.bottom()[0], loss.y), shape(), colour)
    sheet.down(weight.bottom(), (weight.bottom()[0], loss.y), shape())
    return sheet.figure


def draw_change(sheet: Sheet, network: Network) -> tuple[Box, Box]:
    """H_org, and [H_cf - H_org; H_org]."""
    colour, d = PHASE_COLOURS[3], network.classifier.in_features
    org, cf = named("H", "org"), named("H", "cf")
    left, middle = LANES["text"], LANES["audio"]
    h_cf = sheet.box(Box(left, 20, LANE, 44), "", [f"{cf}  {shape(d)}"], PHASE_COLOURS[2])
    h_org = sheet.box(Box(middle, 20, LANE, 44), "", [f"{org}  {shape(d)}"])
    difference = sheet.box(below(h_cf, 68, SHORT), "Difference", [f"{cf} $-$ {org}"], colour)
    at = Box(left, difference.bottom()[1] + GAP, middle + LANE - left, 44)
    joined = sheet.bar(at, [(f"difference  {d}", colour), (f"{org}  {d}", GREY)])
    sheet.down(h_cf.bottom(), difference.top(), "", PHASE_COLOURS[2])
    bend = (h_org.bottom(0.2)[0], difference.right()[1])
    sheet.line([h_org.bottom(0.2), bend, difference.right()])
    sheet.down(difference.bottom(), (difference.bottom()[0], joined.y), shape(d), colour)
    sheet.down(h_org.bottom(), (h_org.bottom()[0], joined.y), shape(d))
    return h_org, joined


def draw_layers(sheet: Sheet, above: Box, sizes: Sequence[int]) -> Box:
    """The layers of the MLP below `above`, the last of them to the classes."""
    colour = PHASE_COLOURS[3]
    for i, (wide, out) in enumerate(pairwise(sizes), start=2):
        text = f"{chain([wide, out])}, LayerNorm, ReLU, dropout" if i < len(sizes) else chain([wide, "$C$"])
        layer = sheet.box(below(above, 44), "", [f"Linear  {text}"], colour)
        sheet.down(above.bottom(), layer.top(), shape(wide), colour)
        above = layer
    return above


def draw_confidence(sheet: Sheet, h_org: Box, y: float, config: Config, network: Network) -> Box:
    """How sure the classifier is, and the weight at `y` that it gives to a row."""
    x, sure = LANES["video"], config.training.intention_confidence
    at = Box(x, h_org.bottom()[1] + SHORT, LANE, 68)
    classifier = sheet.box(at, "Classifier", [classes_last(network.classifier)])
    corner = (classifier.top()[0], h_org.right()[1])
    sheet.line([h_org.right(), corner, classifier.top()])
    confidence = sheet.box(
        below(classifier, 94, 148), "Confidence $p$", ["probability of its answer;", "no gradient goes back"]
    )
    sheet.down(classifier.bottom(), confidence.top(), f"logits  {shape('$C$')}")
    weight = sheet.box(Box(x, y, LANE, 68), "Weight", [f"$p$ where $p$ > {sure:g}, else 0"])
    sheet.down(confidence.bottom(), weight.top(), shape())
    return weight


PICTURES = {
    "network": ("The network", draw_network),
    "progressive": ("One layer of the progressive BiLSTM", draw_progressive),
    "cross_attention": ("Cross-modal attention", draw_cross_attention),
    "phases": ("The three phases of training", draw_phases),
    "intention": ("The intention predictor and its loss", draw_intention),
}


def picture(name: str, config: Config, network: Network) -> Figure:
    with matplotlib.rc_context(LOOK):
        return PICTURES[name][1](config, network)


def svg(name: str, config: Config, network: Network) -> bytes:
    """The picture as a file: the same bytes each time."""
    out = io.BytesIO()
    with matplotlib.rc_context(LOOK):
        metadata = {"Date": None, "Title": PICTURES[name][0]}
        picture(name, config, network).savefig(out, format="svg", metadata=metadata)
    return out.getvalue()


if __name__ == "__main__":
    settings = example()
    built = default_network(settings)
    for name in PICTURES:
        (FIGURES / f"{name}.svg").write_bytes(svg(name, settings, built))
