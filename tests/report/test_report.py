"""The page of a run: whole, self-contained, honest about what it lacks."""

import html.parser
import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from tricue.checkpoint.checkpoint import read_card
from tricue.data.manifest import read_manifest, write_manifest
from tricue.evaluation.evaluate import evaluate
from tricue.evaluation.metrics_table import number_with_interval
from tricue.report.report import _write_figures, make_report
from tricue.studies.robustness import measure_robustness
from tricue.tasks.categorical import Categorical
from tricue.training.workspace import Workspace
from tricue.types import InputError

HEADINGS = ["Phases side by side", "Baselines", "Learning curves", "ROC", "Confusion matrix", "Calibration", "t-SNE"]


class Page(html.parser.HTMLParser):
    """What a page says: headings, pictures, addresses, text."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.headings: list[str] = []
        self.text = ""
        self.inside = ""
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag: str, attrs: Any) -> None:
        self.tags.append((tag, dict(attrs)))
        self.inside = tag

    def handle_data(self, data: str) -> None:
        if self.inside == "h2" and data.strip():
            self.headings.append(data.strip())
        if self.inside not in ("style", "script"):
            self.text += data

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attrs for name, attrs in self.tags if name == tag]


def choices(run: Path) -> dict[str, Any]:
    return {"workspace": workspace(run, run / "rows.csv")}


def workspace(run: Path, manifest: Path) -> Workspace:
    return Workspace(store=run / "store", manifest=manifest, device="cpu", quiet=True)


@pytest.fixture(scope="module")
def page(run: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_report(run / "checkpoints/best_model", out=tmp_path_factory.mktemp("page"), **choices(run))


def test_the_page_is_whole(page: Path) -> None:
    found = Page(page)
    assert found.headings[: len(HEADINGS)] == HEADINGS
    assert page.stat().st_size < 8_000_000
    pictures = found.all("img")
    # learning, counterfactual part, ROC, confusion, maps, calibration, coverage, cases, their check
    assert len(pictures) == 4 + 3 + 3 + 3 + 9 + 3 + 1 + 6 + 1
    assert all(picture["alt"] and len(picture["alt"]) > 20 for picture in pictures)
    files = {path.suffix for path in (page.parent / "report").iterdir()}
    assert files == {".svg", ".png", ".json"} and "not drawn" not in found.text


def test_nothing_is_fetched(page: Path) -> None:
    found = Page(page)
    sources = [v for _, attrs in found.tags for k, v in attrs.items() if k in ("src", "href") and v]
    assert sources and all(source.startswith(("data:", "#")) for source in sources)
    assert not found.all("script")


def test_the_numbers_are_those_of_evaluate(page: Path, run: Path, tmp_path: Path) -> None:
    metrics = evaluate(run / "checkpoints/best_model", out=tmp_path, **choices(run)).metrics
    text = Page(page).text
    for name in ("weighted_f1", "accuracy", "macro_f1", "uar"):
        assert f"{100 * metrics[name]['value']:.1f} [" in text
    for own in metrics["baselines"]:
        difference = number_with_interval(own["difference"], Categorical, "+")
        cells = [own["name"], number_with_interval(own["headline"], Categorical), difference, own["verdict"]]
        assert "".join(cells) in text.replace("\n", "")
    phase = metrics["model"]["phase"]
    counts = json.loads((page.parent / f"report/confusion-phase{phase}.json").read_text())["counts"]
    assert counts == metrics["confusion"]
    curves = json.loads((page.parent / f"report/roc-phase{phase}.json").read_text())
    for emotion, numbers in metrics["per_class"].items():
        assert curves[emotion]["auc"] == pytest.approx(numbers["auc"]["value"], abs=1e-9)


def test_without_history_and_without_a_phase(run: Path, tmp_path: Path) -> None:
    gone = 1 if read_card(run / "checkpoints/best_model").phase != 1 else 3
    for name in ("phase1", "phase2", "phase3", "best_model"):
        if name != f"phase{gone}":
            shutil.copytree(run / "checkpoints" / name, tmp_path / name)
    found = Page(make_report(tmp_path / "best_model", out=tmp_path / "out", **choices(run)))
    assert "history.json does not lie beside the model" in found.text
    assert not list((tmp_path / "out/report").glob(f"*phase{gone}*"))
    assert len(found.all("img")) == 1 + 2 + 2 + 6 + 2 + 1 + 6 + 1


@pytest.fixture(scope="module")
def other(run: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a/best_model, whose own phase is gone, and its page in out, where an earlier one had a case-9 and
    another corpus's robustness lies."""
    place = tmp_path_factory.mktemp("other")
    shutil.copytree(run / "checkpoints", place / "a")
    shutil.rmtree(place / f"a/phase{read_card(place / 'a/best_model').phase}")
    (place / "out/report").mkdir(parents=True)
    for kind in ("svg", "png", "json"):
        (place / f"out/report/case-9.{kind}").write_text("")
    study = {"corpus": "else", "split": "test", "n": 7, "models": {}, "kinds": {}, "interval": {}, "protocol": ""}
    (place / "out/robustness.json").write_text(json.dumps(study | {"mark": None}))
    make_report(place / "a/best_model", out=place / "out", points=10, seed=7, **choices(run))
    return place


def test_a_model_without_its_own_phase_beside_it_stands_for_that_phase(run: Path, other: Path, tmp_path: Path) -> None:
    """Else the page and the curves would be another model's, under this one's name."""
    model, phase = other / "a/best_model", read_card(other / "a/best_model").phase
    assert f"{model} (phase {phase}, " in Page(other / "out/report.html").text
    metrics = evaluate(model, out=tmp_path, **choices(run)).metrics
    counts = json.loads((other / f"out/report/confusion-phase{phase}.json").read_text())["counts"]
    assert counts == metrics["confusion"]
    curves = measure_robustness(model, out=tmp_path, names=["subsets"], **choices(run))
    assert list(curves["models"]) == ["phase 1", "phase 2", "phase 3"]
    assert curves["models"][f"phase {phase}"]["path"] == str(model)


def test_figures_of_an_earlier_page_do_not_stay(other: Path) -> None:
    assert (other / "out/report/case-1.svg").is_file()
    assert not list((other / "out/report").glob("case-9*"))


def test_the_seed_of_the_maps_is_the_one_asked_for(other: Path) -> None:
    assert ", seed 7, the same rows" in Page(other / "out/report.html").text


def test_a_study_of_other_rows_is_not_shown_as_this_models(other: Path) -> None:
    page = Page(other / "out/report.html")
    assert "Robustness" in page.headings and "is of other rows: else test, n = 7" in page.text


def test_a_damaged_study_is_known_before_the_work(run: Path, tmp_path: Path) -> None:
    (tmp_path / "ablation.json").write_text("{")
    with pytest.raises(InputError, match=r"ablation\.json"):
        make_report(run / "checkpoints/best_model", out=tmp_path, workspace=workspace(run, Path("nowhere")))


@pytest.mark.parametrize("kept", [["report.html"], ["robustness.json", "robustness.svg", "robustness.png"]])
def test_what_is_no_figure_of_the_page_is_never_taken_away(tmp_path: Path, kept: list[str]) -> None:
    """`evaluate --out results` has its figures in results/report, where `report` leaves a page by default."""
    for name in kept:
        (tmp_path / name).write_text("mine")
    _write_figures(tmp_path, [])
    assert [(tmp_path / name).read_text() for name in kept] == ["mine"] * len(kept)


def test_a_class_without_rows_and_one_of_a_single_row(run: Path, tmp_path: Path) -> None:
    rows = [u for u in read_manifest(run / "rows.csv") if u.split != "test"]
    test = [u for u in read_manifest(run / "rows.csv") if u.split == "test"]
    joys = [u for u in test if u.label == "joy"]
    kept = [u for u in test if u.label == "anger"] + joys[:1]
    write_manifest(rows + kept, tmp_path / "rows.csv")
    place = workspace(run, tmp_path / "rows.csv")
    found = Page(make_report(run / "checkpoints/best_model", out=tmp_path / "out", workspace=place))
    assert "No curve for neutral" in found.text and "The rows hold no neutral" in found.text
    assert found.headings[: len(HEADINGS)] == HEADINGS


def test_a_folder_of_several_runs_is_one_error_that_names_a_model_in_it(run: Path, tmp_path: Path) -> None:
    shutil.copytree(run / "checkpoints/best_model", tmp_path / "runs/fold-1/best_model")
    folds = [{"seed": 0, "fold": fold, "folder": f"fold-{fold}"} for fold in ("1", "2")]
    (tmp_path / "runs/runs.json").write_text(json.dumps({"runs": folds}))
    for measure in (make_report, measure_robustness):
        with pytest.raises(InputError, match=r"several runs, and .* give e\.g\. .*runs/fold-1/best_model\.$"):
            measure(tmp_path / "runs", out=tmp_path / "out", **choices(run))


@pytest.mark.parametrize("content", ["{", "[1, 2]", '{"a": 1}'])
def test_a_damaged_history_is_named(run: Path, tmp_path: Path, content: str) -> None:
    shutil.copytree(run / "checkpoints/best_model", tmp_path / "best_model")
    (tmp_path / "history.json").write_text(content)
    with pytest.raises(InputError, match=r"history\.json"):
        make_report(tmp_path / "best_model", out=tmp_path / "out", **choices(run))


@pytest.mark.slow
def test_what_stands_in_the_page_cannot_be_markup(run: Path, tmp_path: Path) -> None:
    folder = tmp_path / "<img src=x>"
    shutil.copytree(run / "checkpoints/best_model", folder)
    page = make_report(folder, out=tmp_path / "out", **choices(run))
    assert "<img src=x>" not in page.read_text() and "<img src=x>" in Page(page).text


@pytest.mark.slow
def test_in_a_browser(page: Path, browser: Any, tmp_path: Path) -> None:
    """No message on the console, no request, nothing wider than the window, every picture decoded."""
    for width in (1280, 390):
        window = browser.new_page(viewport={"width": width, "height": 900})
        said: list[str] = []
        window.on("console", lambda message, said=said: said.append(message.text))
        window.on("pageerror", lambda error, said=said: said.append(str(error)))
        asked: list[str] = []
        window.on("request", lambda request, asked=asked: asked.append(request.url))
        window.goto(page.as_uri())
        window.evaluate("document.querySelectorAll('details').forEach(d => d.open = true)")
        window.evaluate("document.querySelectorAll('img').forEach(i => i.loading = 'eager')")
        window.wait_for_function("[...document.images].every(i => i.complete)")
        assert window.evaluate("document.documentElement.scrollWidth") <= width
        assert window.evaluate("[...document.images].every(i => i.naturalWidth > 0)")
        assert not said and [url for url in asked if not url.startswith("data:")] == [page.as_uri()]
        window.close()
