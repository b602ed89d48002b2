"""The pictures of docs/method.md: as the script draws them, with the numbers of the network, and readable."""

import re
import runpy
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Any

import matplotlib
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from torch import nn

from tricue.config.settings import Config
from tricue.model.network import Network
from tricue.training.phases import ALIGNMENT_STEP, INTENTION_STEP

ROOT = Path(__file__).resolve().parents[1]
SCRIPT: dict[str, Any] = runpy.run_path(str(ROOT / "docs/draw_method.py"))
PICTURES = list(SCRIPT["PICTURES"])
OTHERWISE = Config.model_validate(
    {
        "model": {"width": 80, "bilstm_layers": 4, "bilstm_heads": 5, "gate_start": 0.33, "counterfactual_start": 0.44},
        "training": {
            "phase1_epochs": 16,
            "phase2_epochs": 17,
            "phase3_epochs": 18,
            "alignment_weight": 0.6,
            "intention_weight": 0.4,
            "auxiliary_weight": 0.8,
            "label_smoothing": 0.22,
            "intention_confidence": 0.9,
        },
        "features": {"audio": {"mfcc": 21}, "video": {"frames": 11}},
    }
)
# widths of RoBERTa and ResNet-50, of their mean and deviation, names of wav2vec 2.0 and ResNet-50
ENCODERS = {"768", "2048", "1536", "4096", "2.0", "50"}
CONSTANTS = {f"{ALIGNMENT_STEP:g}", f"{INTENTION_STEP:g}"}


@cache
def network(otherwise: bool = False) -> tuple[Config, Network]:
    config = OTHERWISE if otherwise else SCRIPT["example"]()
    return config, SCRIPT["default_network"](config)


def texts(name: str, otherwise: bool = False) -> list[str]:
    return [text.get_text() for text in SCRIPT["picture"](name, *network(otherwise)).axes[0].texts]


def numbers(name: str, otherwise: bool = False) -> set[str]:
    """Those of more than one digit: the others are formulas, phases and counts of the modalities."""
    return set(re.findall(r"\d+\.\d+|\d{2,}", " ".join(texts(name, otherwise))))


@pytest.mark.parametrize("name", PICTURES)
def test_the_committed_picture_is_what_the_script_draws(name: str) -> None:
    committed = (ROOT / f"docs/figures/{name}.svg").read_bytes()
    if f"Matplotlib v{matplotlib.__version__},".encode() not in committed:
        pytest.skip(f"drawn by another matplotlib than {matplotlib.__version__}")
    assert committed == SCRIPT["svg"](name, *network()), "run python docs/draw_method.py"


def matrices(part: nn.Module) -> str:
    """The widths of a chain of Linear layers, from the shapes of its weights."""
    shapes = [m.weight.shape for m in part.modules() if isinstance(m, nn.Linear)]
    assert all(one[0] == after[1] for one, after in pairwise(shapes))
    return " – ".join(str(int(width)) for width in (shapes[0][1], *(shape[0] for shape in shapes)))


def test_the_widths_drawn_are_those_of_the_network_and_of_the_design() -> None:
    _, built = network()
    drawn, looking, layer = (" ".join(texts(name)) for name in ("network", "cross_attention", "progressive"))
    assert matrices(built.fusion) == "3072 – 512 – 256"
    assert matrices(built.fusion) in drawn
    assert matrices(built.intention) == "512 – 256 – 128 – 7"
    assert "512 – 256 – 128 – $C$" in drawn
    assert "256 – $C$" in drawn and matrices(built.classifier) == "256 – 7"
    for modality in built.modalities:
        features = len(built.scaling[modality].mean)
        assert f"$T_\\mathrm{{{modality}}}$, {features})" in drawn
        assert matrices(built.frontends[modality]) == f"{features} – 512"
        assert matrices(built.statistics[modality]) == f"{2 * features} – 512"
        assert f"{modality}  {2 * features} – 512" in drawn
        assert matrices(built.cross_attention.project[modality]) == "512 – 256"
        assert matrices(built.counterfactual.transform[modality]) == "1024 – 1024"
        assert matrices(built.auxiliary[modality]) == "1024 – 7"
    assert "FTB 512" in drawn and "1024 – $C$" in drawn and "3 gated layers" in drawn and "One of 3 layers" in layer
    assert "Linear  512 – 256" in looking and "Linear  768 – 256" in looking and "\\sqrt{256}" in looking
    assert matrices(built.cross_attention.standardise["text"]) == "768 – 256"
    assert len(built.cross_attention.query) == 3 and len(built.cross_attention.absent) == 6


@pytest.mark.parametrize("name", PICTURES)
def test_no_number_in_a_picture_is_typed(name: str) -> None:
    """With other settings all numbers are other ones."""
    assert numbers(name) & numbers(name, otherwise=True) <= ENCODERS | CONSTANTS


@pytest.mark.parametrize("name", PICTURES)
def test_texts_lie_apart_and_within_the_picture(name: str) -> None:
    figure = SCRIPT["picture"](name, *network())
    renderer = FigureCanvasAgg(figure).get_renderer()
    places = [(text.get_text(), text.get_window_extent(renderer)) for text in figure.axes[0].texts]
    for i, (text, place) in enumerate(places):
        assert place.x0 > 0 and place.x1 < figure.bbox.width, text
        assert place.y0 > 0 and place.y1 < figure.bbox.height, text
        assert not [other for other, where in places[i + 1 :] if place.overlaps(where)], text


def test_the_page_shows_each_picture_and_tells_it_to_those_who_do_not_see_it() -> None:
    page = (ROOT / "docs/method.md").read_text(encoding="utf-8")
    shown = dict(re.findall(r"!\[([^\]]+)\]\(figures/(\w+)\.svg\)", page))
    assert sorted(shown.values()) == sorted(PICTURES)
    assert all(len(told.split()) > 25 for told in shown)
    results = re.findall(r"!\[[^\]]+\]\(figures/(\w+)\.svg\)", (ROOT / "docs/results.md").read_text())
    there = sorted(path.stem for path in (ROOT / "docs/figures").glob("*.svg"))
    assert there == sorted([*PICTURES, *results])  # none that no page shows
