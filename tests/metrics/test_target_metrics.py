"""Agreement and error of real-valued targets, worked by hand and against scipy and scikit-learn."""

import numpy as np
import pytest
from scipy import stats
from sklearn.metrics import accuracy_score, f1_score, mean_absolute_error, root_mean_squared_error
from tests.jackknife import share_interval, t_interval

from tricue.metrics.target_metrics import concordance, score_targets


def scored(targets: np.ndarray, values: np.ndarray, **more: object) -> dict:
    names = [f"t{k}" for k in range(targets.shape[1])]
    given = {"groups": None, "kind": "row"} | more
    return score_targets(targets, [values], names, **given)  # type: ignore[arg-type]


def test_worked_by_hand() -> None:
    """t = 1, 2, 3, 4 and v = 2, 2, 4, 4: means 2.5 and 3, variances 1.25 and 1, covariance 1."""
    found = scored(np.array([[1.0], [2], [3], [4]]), np.array([[2.0], [2], [4], [4]]))
    assert found["ccc"]["value"] == pytest.approx(2 / (1.25 + 1 + 0.25))
    assert found["pearson"]["value"] == pytest.approx(1 / np.sqrt(1.25))
    assert found["mae"]["value"] == pytest.approx(0.5) and found["rmse"]["value"] == pytest.approx(np.sqrt(0.5))
    assert found["per_target"] == {"t0": {name: found[name] for name in ("ccc", "pearson", "mae", "rmse")}}


def test_several_targets_and_their_mean() -> None:
    random = np.random.default_rng(0)
    targets = random.normal(3, 1, (200, 2))
    values = 0.6 * targets + random.normal(2, 1, (200, 2))
    found = scored(targets, values)
    pearson = [stats.pearsonr(targets[:, k], values[:, k]).statistic for k in range(2)]
    assert [found["per_target"][f"t{k}"]["pearson"]["value"] for k in range(2)] == pytest.approx(pearson)
    assert found["pearson"]["value"] == pytest.approx(np.mean(pearson))
    assert found["mae"]["value"] == pytest.approx(mean_absolute_error(targets, values))
    rmse = [root_mean_squared_error(targets[:, k], values[:, k]) for k in range(2)]
    assert found["rmse"]["value"] == pytest.approx(np.mean(rmse))
    assert found["ccc"]["low"] < found["ccc"]["value"] < found["ccc"]["high"]


def test_intervals_are_those_of_the_rows_without_each_group() -> None:
    random = np.random.default_rng(1)
    members = np.repeat(np.arange(12), 5)
    targets = random.normal(0, 1, (60, 1)) + random.normal(0, 1, 12)[members, None]
    values = targets + random.normal(0, 1, (60, 1))
    found = scored(targets, values, groups=[f"g{i:02d}" for i in members], kind="speaker")
    for name, number in (
        ("ccc", lambda t, v: float(concordance(t, v)[0])),
        ("pearson", lambda t, v: stats.pearsonr(t[:, 0], v[:, 0]).statistic),
        ("rmse", root_mean_squared_error),
    ):
        without = [number(targets[members != g], values[members != g]) for g in range(12)]
        value = found[name]["value"]
        want = t_interval(value, without) if name == "rmse" else share_interval(value, without, -1.0)
        assert [found[name]["low"], found[name]["high"]] == pytest.approx(want)


def test_what_does_not_vary_has_no_correlation() -> None:
    found = scored(np.full((20, 1), 3.7), np.linspace(0, 1, 20)[:, None])
    assert found["ccc"]["value"] is found["pearson"]["value"] is None and found["mae"]["value"] is not None
    constant = scored(np.linspace(0, 1, 20)[:, None], np.full((20, 1), 0.4))
    assert constant["ccc"]["value"] == pytest.approx(0.0, abs=1e-12) and constant["pearson"]["value"] is None


def test_few_groups_have_t_intervals_within_what_a_number_can_be() -> None:
    random = np.random.default_rng(2)
    targets = random.normal(0, 5, (30, 1))
    found = scored(targets, targets + random.normal(0, 4, (30, 1)), groups=list("abc") * 10, kind="speaker")
    assert found["interval"]["mark"] == "few groups" and set(found["groups"]["ccc"]) == set("abc")
    assert found["rmse"]["high"] > 1 and -1 <= found["ccc"]["low"] <= found["ccc"]["high"] <= 1


def test_sentiment_strength_by_hand() -> None:
    """Truth 0 counts as not negative in one convention and is left out in the other."""
    truth = np.array([[-2.0], [0.0], [0.4], [3.0], [-0.6]])
    values = np.array([[-1.6], [-0.1], [0.2], [2.4], [0.3]])
    found = scored(truth, values, strengths=[3.0])["per_target"]["t0"]
    negative = (truth[:, 0] >= 0, values[:, 0] >= 0)  # right: -2, 0.4, 3 of five
    assert found["acc2_negative_nonnegative"]["value"] == pytest.approx(3 / 5)
    assert found["f1_negative_nonnegative"]["value"] == pytest.approx(f1_score(*negative, average="weighted"))
    kept = truth[:, 0] != 0
    positive = (truth[kept, 0] > 0, values[kept, 0] > 0)
    assert found["acc2_negative_positive"]["value"] == pytest.approx(accuracy_score(*positive)) == 3 / 4
    assert found["f1_negative_positive"]["value"] == pytest.approx(f1_score(*positive, average="weighted"))
    assert found["acc7"]["value"] == pytest.approx(3 / 5)  # -2/-2, 0/0, 0/0; not 3/2, -1/0
