"""Single utterances taken apart: which are shown, and whether the picture says what the numbers say."""

from __future__ import annotations

import json
from dataclasses import replace
from itertools import combinations, pairwise
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest
from matplotlib.patches import Rectangle
from scipy.special import softmax

from tricue.config import VideoFeatures
from tricue.evaluation.explain import Explanation, Step, Verdict, shapley
from tricue.features.audio import stretches
from tricue.features.video import key_frames
from tricue.report.cases import CLASSES_SHOWN, Case, choose_cases, draw_case, thumbnails
from tricue.report.figure import Drawn, plain, short, style
from tricue.report.words import in_lines, points
from tricue.types import Cue, Moment, Prediction, Utterance

EMOTIONS = ["anger", "joy", "neutral"]
WORDS = ["well", "$that$", "was", "not", "what", "I", "_x^2", "had", "in", "mind", "!"]
ROW = Utterance("dia3_utt5", "well", emotion="anger")


def explanation(
    moments: dict[Cue, list[Moment]],
    emotions: list[str] = EMOTIONS,
    note: str | None = None,
    residual: float = 0.0,
    temperature: float = 1.0,
) -> Explanation:
    """Made-up numbers; the second emotion is said, with 60% before calibration."""
    rng, cues = np.random.default_rng(0), tuple(moments)
    rest = 0.4 * rng.dirichlet(np.ones(len(emotions) - 1))
    chances = dict(zip(emotions, [rest[0], 0.6, *rest[1:]], strict=True))
    subsets = {"": 0.25}
    subsets |= {"+".join(s): float(rng.uniform()) for n in (1, 2, 3) for s in combinations(cues, n)}
    subsets["+".join(cues)] = 0.6
    steps = {c: [Step(m, float(0.05 * rng.normal())) for m in own] for c, own in moments.items()}
    without = {c: Verdict(emotions[i % 2], 0.41) for i, c in enumerate(cues)}
    before = np.log(np.array(list(chances.values())))
    chances = dict(zip(emotions, softmax(before / temperature).tolist(), strict=True))
    said = Prediction(ROW.id, emotions[1], chances[emotions[1]], chances, cues, None, note)
    return Explanation(said, emotions[1], subsets, shapley(cues, subsets), without, 0.12, steps, residual)


def usual() -> Explanation:
    frames = [Moment(f"frame {i + 1} of 4", i / 2, (i + 1) / 2) for i in range(4)]
    return explanation(
        {"text": [Moment(w) for w in WORDS], "audio": stretches(20, 10.0, 90.0), "video": frames}
    )


def pictures(count: int, height: int = 60, width: int = 100) -> list[np.ndarray]:
    rng = np.random.default_rng(0)
    return list(rng.integers(0, 255, (count, height, width, 3)).astype(np.uint8))


def texts(drawn: Drawn) -> list[str]:
    assert drawn.figure is not None
    return [t.get_text() for ax in drawn.figure.axes for t in ax.texts]


def panel(drawn: Drawn, named: str) -> Any:
    assert drawn.figure is not None
    (found,) = [ax for ax in drawn.figure.axes if named in ax.get_title() + ax.get_title(loc="right")]
    return found


# Which cases


def test_the_surest_the_median_and_the_least_sure_of_right_and_wrong() -> None:
    sure = np.array([0.9, 0.6, 0.7, 0.8, 0.65, 0.95, 0.55])
    probabilities = np.stack([sure, 1 - sure], axis=1)  # the first class is said of all
    labels = np.array([0, 0, 0, 0, 0, 1, 1])
    assert choose_cases(labels, probabilities, np.ones(7, bool)) == [
        Case("right, surest", 0), Case("right, median", 2), Case("right, least sure", 1),
        Case("wrong, surest", 5), Case("wrong, least sure", 6),
    ]  # fmt: skip


def test_rows_without_a_cue_are_not_shown_and_the_earlier_of_equals_is() -> None:
    probabilities = np.array([[0.9, 0.1], [0.8, 0.2], [0.8, 0.2], [0.6, 0.4]])
    usable = np.array([False, True, True, True])
    assert choose_cases(np.zeros(4, int), probabilities, usable) == [
        Case("right, surest", 1), Case("right, median", 2), Case("right, least sure", 3),
    ]  # fmt: skip


def test_few_rows_stand_once_and_none_is_none() -> None:
    one = np.array([[0.9, 0.1]])
    assert choose_cases(np.array([1]), one, np.array([True])) == [Case("wrong, surest", 0)]
    assert choose_cases(np.array([1]), one, np.array([False])) == []


# Pictures


def test_it_says_what_the_numbers_say() -> None:
    whole = usual()
    drawn = draw_case(whole, ROW, EMOTIONS, "case-1", "Right, surest", pictures(4))
    shown = texts(drawn)
    assert " 60.0  said" in shown and f" {100 * whole.prediction.probabilities['anger']:.1f}  label" in shown
    for cue, share in whole.shapley.items():
        assert f" {points(share)} " in shown
        assert f"{cue} {100 * share:+.1f} points" in drawn.alt
    told = [label.get_text() for label in panel(drawn, "each cue").get_yticklabels()]
    assert told == [
        "text\nwithout: turns to anger 41%",
        "audio\nwithout: joy 41%",
        "video\nwithout: turns to anger 41%",
    ]
    for step in whole.steps["text"]:
        assert step.moment.label in shown
        assert (points(step.weight) in shown) or abs(step.weight) < 0.005
    assert "said joy (60.0%), labelled anger" in drawn.alt
    assert "25.0%" in drawn.caption and "12.0%" in drawn.caption and "miss" not in drawn.caption
    assert drawn.data == {"id": ROW.id, "label": "anger", **whole.to_json()}
    json.dumps(drawn.data)


def test_what_the_parts_add_up_to_is_told_before_calibration() -> None:
    """With a temperature of 2 the bars say less than the sum of the cues: both numbers stand there, by their names."""
    whole = explanation({"text": [Moment(w) for w in WORDS], "audio": stretches(5, 10.0)}, temperature=2.0)
    said = whole.prediction.probabilities["joy"]
    assert said < 0.55
    drawn = draw_case(whole, ROW, EMOTIONS, "case", "")
    total = 100 * (whole.subsets[""] + sum(whole.shapley.values()))
    assert total == pytest.approx(60.0)
    assert f" {100 * said:.1f}  said" in texts(drawn)
    bars, cues = panel(drawn, "probability"), panel(drawn, "each cue")
    assert (
        bars.get_title().startswith("calibrated")
        and bars.get_xlabel() == f"joy: {total:.1f}% before calibration"
    )
    assert cues.get_xlabel() == "before calibration"
    assert f"share of the training rows, 25.0%, to {total:.1f}%" in drawn.caption
    assert (
        f"said joy ({100 * said:.1f}%), labelled anger. Before calibration it has {total:.1f}%" in drawn.alt
    )


@pytest.mark.filterwarnings("error")
def test_any_text_and_any_name_give_a_whole_picture(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Mathematics, control characters, long names that begin alike, scripts that the typeface does not have."""
    emotions = ["$a^$_b", "x" * 150, "x" * 149 + "y", "bell\a", "\U00013000喜"]
    words = ["$that$", "\x1b[31m", "\x07", "two\tparts", "\U00013000", "我很高兴"]
    row = replace(ROW, id="id" * 80, emotion=emotions[2])
    whole = explanation({"text": [Moment(w) for w in words]}, emotions)
    for name in ("case-1", "case-2"):
        drawn = draw_case(whole, row, emotions, name, f"{words}" * 2)
        drawn.write(tmp_path)
    ElementTree.parse(tmp_path / "case-1.svg")
    assert {"$that$", "\ufffd[31m", "\ufffd", "two parts"} < set(texts(drawn))
    assert len(panel(drawn, "probability").get_yticklabels()) == 5
    assert [r.message.split(":")[0] for r in caplog.records] == [
        "Some characters are empty boxes in the figures"
    ]
    assert drawn.figure is not None
    with style():
        drawn.figure.draw_without_rendering()
        inches, drawn_in = drawn.figure.bbox_inches.padded(0.02), drawn.figure.get_tightbbox()
    assert inches.contains(*drawn_in.min) and inches.contains(*drawn_in.max)


def test_labels_hold_what_can_be_written_and_no_more() -> None:
    assert plain("a\x00b\ud800c\tde\uffff ä喜") == "a\ufffdb\ufffdc de\ufffd ä喜"
    assert short("dia3_utt5") == "dia3_utt5" and short("a" * 30 + "z", 24) == "a" * 15 + "…" + "a" * 7 + "z"


def test_bars_are_the_weights_in_their_places() -> None:
    whole = usual()
    drawn = draw_case(whole, ROW, EMOTIONS, "case", "")
    for named, cue, left in (
        ("sound", "audio", 90.0 + np.arange(20) / 10),
        ("video", "video", np.arange(4) - 0.4),
    ):
        bars = [bar for bar in panel(drawn, named).patches if isinstance(bar, Rectangle)]
        weights = [100 * step.weight for step in whole.steps[cue]]  # type: ignore[index]
        assert [bar.get_height() for bar in bars] == pytest.approx(weights)
        assert [bar.get_x() for bar in bars] == pytest.approx(left.tolist())
        assert len({bar.get_facecolor() for bar in bars if bar.get_height() > 0}) == 1
        assert {bar.get_facecolor() for bar in bars if bar.get_height() > 0}.isdisjoint(
            {bar.get_facecolor() for bar in bars if bar.get_height() < 0}
        )


@pytest.mark.parametrize(("height", "width", "count"), [(60, 100, 4), (120, 90, 10), (90, 90, 2)])
def test_pictures_keep_their_shape_and_stand_over_their_bars(height: int, width: int, count: int) -> None:
    frames = [Moment(f"frame {i + 1} of {count}") for i in range(count)]
    drawn = draw_case(
        explanation({"video": frames}), ROW, EMOTIONS, "case", "", pictures(count, height, width)
    )
    assert drawn.figure is not None
    drawn.figure.draw_without_rendering()
    ax = panel(drawn, "video")
    assert len(ax.images) == count
    edges = []
    for at, image in enumerate(ax.images):
        left, right, low, high = image.get_extent()
        corners = ax.transData.transform([(left, low), (right, high)])
        across, up = corners[1] - corners[0]
        assert across / up == pytest.approx(width / height, rel=0.03)
        assert (left + right) / 2 == pytest.approx(at)
        assert low >= max(0, *(bar.get_height() for bar in ax.patches))
        edges.append((left, right))
    assert all(a[1] < b[0] for a, b in pairwise(edges))
    assert edges[0][0] >= -0.5 and edges[-1][1] <= count - 0.5


def test_sixty_words_stand_side_by_side() -> None:
    words = [*(WORDS * 6)[:58], "honestly" * 20, "!"]
    drawn = draw_case(explanation({"text": [Moment(w) for w in words]}), ROW, EMOTIONS, "case", "")
    assert drawn.figure is not None
    ax = panel(drawn, "text")
    drawn.figure.draw_without_rendering()
    frame = ax.get_window_extent()
    boxes = [(t.get_text(), t.get_window_extent()) for t in ax.texts]
    assert sum(text[0] not in "+−" for text, _ in boxes) == 60
    assert all(frame.x0 - 1 <= box.x0 and box.x1 <= frame.x1 + 1 for _, box in boxes)
    overlaps = [(a, b) for (a, one), (b, two) in combinations(boxes, 2) if one.overlaps(two)]
    assert overlaps == []
    assert any(text.endswith("…") and len(text) == 40 for text, _ in boxes)


def test_lines_hold_every_word_once() -> None:
    steps = [Step(Moment(word), 0.01 * i) for i, word in enumerate(WORDS * 5)]
    lines = in_lines(steps)
    assert len(lines) > 1
    assert [(w.text, w.weight) for line in lines for w in line] == [(s.moment.label, s.weight) for s in steps]
    for line in lines:
        assert line[0].left == 0
        assert all(a.left + a.width < b.left for a, b in pairwise(line))


@pytest.mark.parametrize("count", [2, 300])
def test_precomputed_steps_have_no_times(count: int) -> None:
    steps = [Moment(f"step {i + 1}") for i in range(count)]
    whole = explanation({"text": steps[:40], "audio": steps, "video": steps})
    drawn = draw_case(whole, ROW, EMOTIONS, "case", "")
    sound = panel(drawn, "sound")
    assert sound.get_xlabel() == "time step of the features"
    assert sound.get_xlim() == pytest.approx((0.5, count + 0.5))
    assert "step 1" in texts(drawn)


def test_one_vector_a_clip_has_no_panel_over_time() -> None:
    drawn = draw_case(
        explanation({"audio": stretches(5, 10.0), "video": [Moment("step 1")]}), ROW, EMOTIONS, "case", ""
    )
    assert drawn.figure is not None and len(drawn.figure.axes) == 3
    assert "video" in drawn.alt and panel(drawn, "sound") is not None


def test_cues_that_are_absent_have_no_panel() -> None:
    drawn = draw_case(explanation({"audio": stretches(5, 10.0)}), ROW, EMOTIONS, "case", "")
    assert drawn.figure is not None
    titles = [ax.get_title() + ax.get_title(loc="right") for ax in drawn.figure.axes]
    assert titles == [
        "calibrated probability in %",
        "what each cue adds, in points",
        "what each part of the sound adds, in points",
    ]


def test_many_classes_are_cut_to_the_likeliest_and_the_label() -> None:
    emotions = [f"e{i}" for i in range(28)]
    whole = explanation({"audio": stretches(5, 10.0)}, emotions)
    chances = whole.prediction.probabilities
    least = min(chances, key=chances.__getitem__)
    drawn = draw_case(whole, replace(ROW, emotion=least), emotions, "case", "")
    shown = [label.get_text() for label in panel(drawn, "probability").get_yticklabels()]
    likeliest = sorted(chances, key=lambda e: -chances[e])[: CLASSES_SHOWN - 1]
    assert shown == [e for e in emotions if e in {least, *likeliest}]
    assert panel(drawn, "probability").get_title() == "calibrated probability in %, 8 of 28 classes"


def test_a_row_without_a_label() -> None:
    drawn = draw_case(usual(), replace(ROW, emotion=None), EMOTIONS, "case", "")
    assert "labelled" not in drawn.alt and not any("label" in text for text in texts(drawn))
    right = draw_case(usual(), replace(ROW, emotion="joy"), EMOTIONS, "case", "")
    assert " 60.0  said = label" in texts(right)


def test_what_to_know_of_the_model_and_what_the_integral_missed_are_told() -> None:
    whole = explanation({"audio": stretches(5, 10.0)}, note="toy: not for real use", residual=-0.023)
    caption = draw_case(whole, ROW, EMOTIONS, "case", "").caption
    assert "toy: not for real use" in caption and "miss -2.3" in caption


def test_the_same_case_gives_the_same_files(tmp_path: Path) -> None:
    for folder in ("one", "two"):
        (tmp_path / folder).mkdir()
        draw_case(usual(), ROW, EMOTIONS, "case", "Case", pictures(4)).write(tmp_path / folder)
    for kind in ("svg", "png", "json"):
        assert (tmp_path / f"one/case.{kind}").read_bytes() == (tmp_path / f"two/case.{kind}").read_bytes()


def test_another_number_of_pictures_is_refused() -> None:
    with pytest.raises(ValueError, match="dia3_utt5: 3 pictures for 4 frames"):
        draw_case(usual(), ROW, EMOTIONS, "case", "", pictures(3))


def test_thumbnails_are_the_key_frames_small(make_clip: Any) -> None:
    row = Utterance("a", video=make_clip(size=320, length=480, sound=None))
    config = VideoFeatures(encoder="light", frames=5)
    small, whole = thumbnails(row, config), key_frames(row, config)
    assert len(small) == len(whole) == 5 and whole[0].shape == (320, 480, 3)
    for picture, frame in zip(small, whole, strict=True):
        assert picture.shape == (107, 160, 3) and picture.dtype == np.uint8
        assert abs(picture.mean() - frame.mean()) < 3
