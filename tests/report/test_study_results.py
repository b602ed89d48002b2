"""Studies beside a page: what is no study is one error, and what is of something else is named, not drawn."""

import json
from pathlib import Path
from typing import Any

import pytest

from tricue.report.study_results import read_studies, study_sections
from tricue.types import InputError

INTERVAL = {"groups": 9, "unit": "dialogue", "method": "jackknife", "mark": None}
ABOUT = {"mark": None, "protocol": "official", "corpus": "toy", "split": "test", "n": 24, "interval": INTERVAL}
SCORE = {"value": 0.5, "low": 0.4, "high": 0.6}
ROBUSTNESS = ABOUT | {
    "models": {f"phase {i}": {"phase": i, "weights_sha256": letter * 64} for i, letter in ((1, "a"), (3, "b"))},
    "subsets": [{"modalities": ["text"], "weighted_f1": {"phase 1": SCORE, "phase 3": SCORE}}], "kinds": {},
}  # fmt: skip
ABLATION = ABOUT | {
    "notes": [], "seeds": 1, "epochs": 3,
    "variants": [{"name": "full", "told": "all", "weighted_f1": SCORE, "difference": None}],
}  # fmt: skip


def page_of(weights: str | None = "b" * 64, **other: Any) -> Any:
    return {"corpus": "toy", "split": "test", "n": 24, "model": {"weights_sha256": weights}, **other}


def pictures(out: Path, shown: Any) -> list[Any]:
    return [section.groups[0].pictures[0] for section in study_sections(read_studies(out), shown)]


@pytest.fixture
def both(tmp_path: Path) -> Path:
    (tmp_path / "robustness.json").write_text(json.dumps(ROBUSTNESS))
    (tmp_path / "ablation.json").write_text(json.dumps(ABLATION))
    return tmp_path


def test_of_this_model_they_are_drawn(both: Path) -> None:
    assert all(drawn.figure is not None for drawn in pictures(both, page_of()))
    assert all(drawn.figure is not None for drawn in pictures(both, page_of(None)))  # not known: not held against it


@pytest.mark.parametrize("other", [{"corpus": "MELD"}, {"split": "val"}, {"n": 25}])
def test_of_other_rows_they_are_named_in_their_place(both: Path, other: dict[str, Any]) -> None:
    robustness, ablation = pictures(both, page_of(**other))
    for drawn, name in ((robustness, "robustness.json"), (ablation, "ablation.json")):
        assert drawn.figure is None and f"{name} beside this page is of other rows: toy test, n = 24" in drawn.why_not


def test_of_another_model_it_is_named_in_its_place(both: Path) -> None:
    robustness, ablation = pictures(both, page_of("c" * 64))
    assert robustness.figure is None and "of another model: of weights bbbbbbbbbbbb" in robustness.why_not
    assert ablation.figure is not None  # of several models, each trained anew


@pytest.mark.parametrize("name", ["robustness", "ablation"])
@pytest.mark.parametrize(("content", "told"), [('{"a":', "is damaged"), ("{}", "it has no"), ("[1]", "it has no")])
def test_what_is_none_is_one_error(tmp_path: Path, name: str, content: str, told: str) -> None:
    (tmp_path / f"{name}.json").write_text(content)
    with pytest.raises(InputError, match=rf"{name}\.json .*{told}.*move it away"):
        read_studies(tmp_path)
