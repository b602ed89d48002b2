"""The figures of values: what is drawn are the rows, their errors by true value, and their residuals."""

from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

from tricue.figures.page_parts import Answers
from tricue.figures.panels import PANELS
from tricue.figures.target_figures import DOTS, draw_errors, draw_residuals, draw_scatter, error_by_bin, target_sections


def made(targets: int = 2, rows: int = 60, phase: int = 1, is_shown: bool = True) -> Answers:
    rng = np.random.default_rng(phase)
    truth = rng.normal(3, 1, (rows, targets)).astype(np.float32)
    values = 0.5 * truth + 1.5 + 0.3 * rng.normal(size=truth.shape)
    names = [f"trait_{k}" for k in range(targets)]
    return Answers(f"Phase {phase}", f"phase{phase}", "#332288", names, truth, values, np.ones(rows, bool), is_shown)


def test_the_scatter_shows_the_rows_and_their_concordance() -> None:
    answers = made()
    (drawn,) = draw_scatter(answers)
    assert drawn.data["trait_1"]["label"] == pytest.approx(answers.targets[:, 1].tolist())
    assert drawn.data["trait_1"]["value"] == pytest.approx(answers.values[:, 1].tolist())
    for k, name in enumerate(answers.names):
        t, v = answers.targets[:, k].astype(float), answers.values[:, k]
        slope = stats.pearsonr(t, v)[0] * t.std() * v.std()
        ccc = 2 * slope / (t.var() + v.var() + (t.mean() - v.mean()) ** 2)
        assert f"{name} {ccc:.3f}" in drawn.alt


def test_of_many_rows_some_are_drawn_as_pixels_and_that_is_told() -> None:
    (drawn,) = draw_scatter(made(rows=DOTS + 500))
    assert len(drawn.data["trait_0"]["label"]) == DOTS and f"{DOTS} of {DOTS + 500} rows" in drawn.caption
    assert drawn.many_points and not draw_scatter(made())[0].many_points


def test_errors_by_hand() -> None:
    truth, values = np.array([0.0, 0.0, 8.0, 7.5]), np.array([1.0, -1.0, 6.0, 7.5])
    low, high = error_by_bin(truth, values)
    assert low == {"rows": 2, "label": 0.0, "absolute": 1.0, "error": 0.0}
    assert high == {"rows": 2, "label": 7.75, "absolute": 1.0, "error": -1.0}


def test_bins_hold_every_row_once() -> None:
    answers = made()
    bins = error_by_bin(answers.targets[:, 0], answers.values[:, 0])
    apart = answers.values[:, 0] - answers.targets[:, 0]
    assert sum(b["rows"] for b in bins) == 60
    assert sum(b["rows"] * b["absolute"] for b in bins) / 60 == pytest.approx(np.abs(apart).mean())
    assert sum(b["rows"] * b["error"] for b in bins) / 60 == pytest.approx(apart.mean())


def test_values_that_are_all_one_have_one_bin() -> None:
    (only,) = error_by_bin(np.ones(5), np.zeros(5))
    assert only["rows"] == 5 and only["absolute"] == 1.0


def test_residuals_are_all_rows() -> None:
    answers = made()
    (drawn,) = draw_residuals([answers])
    apart = answers.values[:, 0] - answers.targets[:, 0]
    found = drawn.data["trait_0"]["Phase 1"]
    assert sum(found["rows"]) == 60 and found["mean"] == pytest.approx(apart.mean())
    assert found["std"] == pytest.approx(apart.std())
    (same,) = draw_residuals([replace(answers, values=answers.targets.astype(float))])
    assert sum(same.data["trait_0"]["Phase 1"]["rows"]) == 60  # no residual at all


def test_the_models_own_scatter_is_seen_and_the_others_are_folded() -> None:
    others = [made(PANELS + 5, phase=phase, is_shown=phase == 3) for phase in (1, 2, 3)]
    scatter, errors, residuals = target_sections(others)
    assert [drawn.name for group in scatter.groups for drawn in group.pictures] == ["scatter-phase3"]
    assert len(scatter.folded) == 5 and len(errors.pictures) == len(residuals.pictures) == 2
    assert list(draw_errors(others)[0].data["trait_0"]) == ["Phase 1", "Phase 2", "Phase 3"]


def test_one_target_takes_a_third_of_the_page() -> None:
    for section in target_sections([made(1)]):
        assert section.groups[0].columns == 3 and not section.groups[0].wide
