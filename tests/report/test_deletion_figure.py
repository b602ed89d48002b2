"""The curves of deletion: means over utterances, modality by modality."""

import json

import numpy as np
import pytest

from tricue.explain.deletion import SHARES, Deletion, mean_area
from tricue.report.deletion_figure import draw_deletion


def deletions() -> list[Deletion]:
    rng = np.random.default_rng(0)
    return [
        Deletion(modality, rng.uniform(size=11), rng.uniform(size=(3, 11)))
        for modality in ("text", "video", "text", "video", "text")
    ]


def test_a_panel_per_modality_with_the_means() -> None:
    given = deletions()
    drawn = draw_deletion(given, "deletion", "Deletion")
    assert drawn.figure is not None
    assert [ax.get_title().split(":")[0] for ax in drawn.figure.axes] == ["text", "video"]
    for ax, modality in zip(drawn.figure.axes, ("text", "video"), strict=True):
        own = [d for d in given if d.modality == modality]
        random, falling = ax.lines
        np.testing.assert_allclose(falling.get_ydata(), 100 * np.mean([d.falling for d in own], axis=0))
        np.testing.assert_allclose(random.get_ydata(), 100 * np.mean([d.random.mean(0) for d in own], axis=0))
        assert falling.get_xdata().tolist() == pytest.approx([100 * share for share in SHARES])
        mean, low, high = mean_area(own)
        told = f"{modality} {100 * mean:+.1f} points (95%: {100 * low:.1f} to {100 * high:.1f}), n = {len(own)}"
        assert told in drawn.caption and told in drawn.alt
        assert ax.get_title() == f"{modality}: {100 * mean:+.1f} points"
    assert "before calibration" in drawn.figure.axes[0].get_ylabel() and "before calibration" in drawn.caption
    assert drawn.data["text"]["n"] == 3 and drawn.data["video"]["n"] == 2


def test_one_utterance_has_no_interval() -> None:
    drawn = draw_deletion(deletions()[:1], "deletion", "Deletion")
    assert "95%" not in drawn.caption
    assert json.loads(json.dumps(drawn.data))["text"]["low"] is None
