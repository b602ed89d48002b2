"""Single utterances taken apart: which are shown, and whether the picture says what the numbers say."""

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

from tricue.config.feature_settings import VideoFeatures
from tricue.config.load import load_config
from tricue.explain.explanation import Explanation, Step, Verdict, shapley
from tricue.explain.unit import Unit
from tricue.extractors.audio_extractors import stretches
from tricue.extractors.video_extractors import key_frames
from tricue.figures.canvas import Drawn, plain, short, style
from tricue.report.cases import CLASSES_SHOWN, Case, case_title, choose_cases, draw_case, how_chosen, thumbnails
from tricue.report.shaded_words import in_lines, points
from tricue.tasks.categorical import Categorical
from tricue.tasks.dimensional import Dimensional
from tricue.tasks.multilabel import Multilabel
from tricue.tasks.task import Task
from tricue.types import ModalityName, Moment, Prediction, Utterance

EMOTIONS = ["anger", "joy", "neutral"]
WORDS = ["well", "$that$", "was", "not", "what", "I", "_x^2", "had", "in", "mind", "!"]
ROW = Utterance("dia3_utt5", "well", label="anger")
TASK, POINTS = Categorical(("anger", "joy")), Unit()


def explanation(
    moments: dict[ModalityName, list[Moment]],
    emotions: list[str] = EMOTIONS,
    note: str | None = None,
    residual: float = 0.0,
    temperature: float = 1.0,
) -> Explanation:
    """Made-up numbers; the second emotion is said, with 60% before calibration."""
    rng, modalities, task = np.random.default_rng(0), tuple(moments), Categorical(tuple(emotions))
    rest = 0.4 * rng.dirichlet(np.ones(len(emotions) - 1))
    chances = dict(zip(emotions, [rest[0], 0.6, *rest[1:]], strict=True))
    subsets = {"": 0.25}
    subsets |= {"+".join(s): float(rng.uniform()) for n in (1, 2, 3) for s in combinations(modalities, n)}
    subsets["+".join(modalities)] = 0.6
    steps = {c: [Step(m, float(0.05 * rng.normal())) for m in own] for c, own in moments.items()}
    without = {c: Verdict(emotions[i % 2], 0.41) for i, c in enumerate(modalities)}
    before = np.log(np.array(list(chances.values())))
    chances = dict(zip(emotions, softmax(before / temperature).tolist(), strict=True))
    said = Prediction(ROW.id, emotions[1], chances[emotions[1]], chances, modalities, None, note)
    return Explanation(said, emotions[1], subsets, shapley(modalities, subsets), without, 0.12, steps, residual, task)


def usual() -> Explanation:
    frames = [Moment(f"frame {i + 1} of 4", i / 2, (i + 1) / 2) for i in range(4)]
    return explanation({"text": [Moment(w) for w in WORDS], "audio": stretches(20, 10.0, 90.0), "video": frames})


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
    assert choose_cases(TASK, labels, probabilities, np.ones(7, bool)) == [
        Case("right, surest", 0), Case("right, median", 2), Case("right, least sure", 1),
        Case("wrong, surest", 5), Case("wrong, least sure", 6),
    ]  # fmt: skip


def test_rows_without_a_modality_are_not_shown_and_the_earlier_of_equals_is() -> None:
    probabilities = np.array([[0.9, 0.1], [0.8, 0.2], [0.8, 0.2], [0.6, 0.4]])
    usable = np.array([False, True, True, True])
    assert choose_cases(TASK, np.zeros(4, int), probabilities, usable) == [
        Case("right, surest", 1), Case("right, median", 2), Case("right, least sure", 3),
    ]  # fmt: skip


def test_few_rows_stand_once_and_none_is_none() -> None:
    one = np.array([[0.9, 0.1]])
    assert choose_cases(TASK, np.array([1]), one, np.array([True])) == [Case("wrong, surest", 0)]
    assert choose_cases(TASK, np.array([1]), one, np.array([False])) == []


def test_the_words_above_say_where_modalities_were_never_missing() -> None:
    for dropout, is_told in ((0.0, True), (0.3, False)):
        config = load_config(None, {"modalities": ["text", "audio"], "training.modality_dropout": dropout})
        words = how_chosen(TASK, config)
        assert words.startswith("Of the rows said right") and ("training.modality_dropout=0:" in words) == is_told
    assert "modality_dropout" not in how_chosen(TASK, load_config(None, {"modalities": ["text"]}))


# Pictures


def test_it_says_what_the_numbers_say() -> None:
    whole = usual()
    drawn = draw_case(whole, ROW, "case-1", "Right, surest", pictures(4))
    shown = texts(drawn)
    assert " 60.0  said" in shown and f" {100 * whole.prediction.probabilities['anger']:.1f}  label" in shown
    for modality, share in whole.shapley.items():
        assert f" {points(share, POINTS)} " in shown
        assert f"{modality} {100 * share:+.1f} points" in drawn.alt
    told = [label.get_text() for label in panel(drawn, "each modality").get_yticklabels()]
    assert told == [
        "text\nwithout: turns to anger 41%",
        "audio\nwithout: joy 41%",
        "video\nwithout: turns to anger 41%",
    ]
    for step in whole.steps["text"]:
        assert step.moment.label in shown
        assert (points(step.weight, POINTS) in shown) or abs(step.weight) < 0.005
    assert "said joy (60.0%), labelled anger" in drawn.alt
    assert "25.0%" in drawn.caption and "12.0%" in drawn.caption and "miss" not in drawn.caption
    assert drawn.data == {"id": ROW.id, "label": "anger", **whole.to_json()}
    json.dumps(drawn.data)


def test_what_the_parts_add_up_to_is_told_before_calibration() -> None:
    """With a temperature of 2 the bars say less than the sum of the modalities: both numbers stand there, by
    their names.
    """
    whole = explanation({"text": [Moment(w) for w in WORDS], "audio": stretches(5, 10.0)}, temperature=2.0)
    said = whole.prediction.probabilities["joy"]
    assert said < 0.55
    drawn = draw_case(whole, ROW, "case", "")
    total = 100 * (whole.subsets[""] + sum(whole.shapley.values()))
    assert total == pytest.approx(60.0)
    assert f" {100 * said:.1f}  said" in texts(drawn)
    bars, modalities = panel(drawn, "probability"), panel(drawn, "each modality")
    assert bars.get_title().startswith("calibrated") and bars.get_xlabel() == f"joy: {total:.1f}% before calibration"
    assert modalities.get_xlabel() == "before calibration"
    assert f"share of the training rows, 25.0%, to {total:.1f}%" in drawn.caption
    assert f"said joy ({100 * said:.1f}%), labelled anger. Before calibration it has {total:.1f}%" in drawn.alt


@pytest.mark.filterwarnings("error")
def test_any_text_and_any_name_give_a_whole_picture(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Mathematics, control characters, long names that begin alike, scripts that the typeface does not have."""
    emotions = ["$a^$_b", "x" * 150, "x" * 149 + "y", "bell\a", "\U00013000喜"]
    words = ["$that$", "\x1b[31m", "\x07", "two\tparts", "\U00013000", "我很高兴"]
    row = replace(ROW, id="id" * 80, label=emotions[2])
    whole = explanation({"text": [Moment(w) for w in words]}, emotions)
    for name in ("case-1", "case-2"):
        drawn = draw_case(whole, row, name, f"{words}" * 2)
        drawn.write(tmp_path)
    ElementTree.parse(tmp_path / "case-1.svg")
    assert {"$that$", "\ufffd[31m", "\ufffd", "two parts"} < set(texts(drawn))
    assert len(panel(drawn, "probability").get_yticklabels()) == 5
    assert [r.message.split(":")[0] for r in caplog.records] == ["Some characters are empty boxes in the figures"]
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
    drawn = draw_case(whole, ROW, "case", "")
    for modality, left in (("audio", 90.0 + np.arange(20) / 10), ("video", np.arange(4) - 0.4)):
        bars = [bar for bar in panel(drawn, modality).patches if isinstance(bar, Rectangle)]
        weights = [100 * step.weight for step in whole.steps[modality]]  # type: ignore[index]
        assert [bar.get_height() for bar in bars] == pytest.approx(weights)
        assert [bar.get_x() for bar in bars] == pytest.approx(left.tolist())
        assert len({bar.get_facecolor() for bar in bars if bar.get_height() > 0}) == 1
        assert {bar.get_facecolor() for bar in bars if bar.get_height() > 0}.isdisjoint(
            {bar.get_facecolor() for bar in bars if bar.get_height() < 0}
        )


@pytest.mark.parametrize(("height", "width", "count"), [(60, 100, 4), (120, 90, 10), (90, 90, 2)])
def test_pictures_keep_their_shape_and_stand_over_their_bars(height: int, width: int, count: int) -> None:
    frames = [Moment(f"frame {i + 1} of {count}") for i in range(count)]
    drawn = draw_case(explanation({"video": frames}), ROW, "case", "", pictures(count, height, width))
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
    drawn = draw_case(explanation({"text": [Moment(w) for w in words]}), ROW, "case", "")
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
    lines = in_lines(steps, POINTS)
    assert len(lines) > 1
    assert [(w.text, w.weight) for line in lines for w in line] == [(s.moment.label, s.weight) for s in steps]
    for line in lines:
        assert line[0].left == 0
        assert all(a.left + a.width < b.left for a, b in pairwise(line))


@pytest.mark.parametrize("count", [2, 300])
def test_precomputed_steps_have_no_times(count: int) -> None:
    steps = [Moment(f"step {i + 1}") for i in range(count)]
    whole = explanation({"text": steps[:40], "audio": steps, "video": steps})
    drawn = draw_case(whole, ROW, "case", "")
    sound = panel(drawn, "audio")
    assert sound.get_xlabel() == "time step of the features"
    assert sound.get_xlim() == pytest.approx((0.5, count + 0.5))
    assert "step 1" in texts(drawn)


def test_one_vector_a_clip_has_no_panel_over_time() -> None:
    drawn = draw_case(explanation({"audio": stretches(5, 10.0), "video": [Moment("step 1")]}), ROW, "case", "")
    assert drawn.figure is not None and len(drawn.figure.axes) == 3
    assert "video" in drawn.alt and panel(drawn, "audio") is not None


def test_modalities_that_are_absent_have_no_panel() -> None:
    drawn = draw_case(explanation({"audio": stretches(5, 10.0)}), ROW, "case", "")
    assert drawn.figure is not None
    titles = [ax.get_title() + ax.get_title(loc="right") for ax in drawn.figure.axes]
    assert titles == [
        "calibrated probability in %",
        "what each modality adds, in points",
        "what each part of the audio adds, in points",
    ]


def test_many_classes_are_cut_to_the_likeliest_and_the_label() -> None:
    emotions = [f"e{i}" for i in range(28)]
    whole = explanation({"audio": stretches(5, 10.0)}, emotions)
    chances = whole.prediction.probabilities
    least = min(chances, key=chances.__getitem__)
    drawn = draw_case(whole, replace(ROW, label=least), "case", "")
    shown = [label.get_text() for label in panel(drawn, "probability").get_yticklabels()]
    likeliest = sorted(chances, key=lambda e: -chances[e])[: CLASSES_SHOWN - 1]
    assert shown == [e for e in emotions if e in {least, *likeliest}]
    assert panel(drawn, "probability").get_title() == "calibrated probability in %, 8 of 28 classes"


def test_a_row_without_a_label() -> None:
    drawn = draw_case(usual(), replace(ROW, label=None), "case", "")
    assert "labelled" not in drawn.alt and not any("label" in text for text in texts(drawn))
    right = draw_case(usual(), replace(ROW, label="joy"), "case", "")
    assert " 60.0  said = label" in texts(right)


def test_what_to_know_of_the_model_and_what_the_integral_missed_are_told() -> None:
    whole = explanation({"audio": stretches(5, 10.0)}, note="toy: not for real use", residual=-0.023)
    caption = draw_case(whole, ROW, "case", "").caption
    assert "toy: not for real use" in caption and "miss -2.3" in caption


def test_the_same_case_gives_the_same_files(tmp_path: Path) -> None:
    for folder in ("one", "two"):
        (tmp_path / folder).mkdir()
        draw_case(usual(), ROW, "case", "Case", pictures(4)).write(tmp_path / folder)
    for kind in ("svg", "png", "json"):
        assert (tmp_path / f"one/case.{kind}").read_bytes() == (tmp_path / f"two/case.{kind}").read_bytes()


def test_another_number_of_pictures_is_refused() -> None:
    with pytest.raises(ValueError, match="dia3_utt5: 3 pictures for 4 frames"):
        draw_case(usual(), ROW, "case", "", pictures(3))


def test_thumbnails_are_the_key_frames_small(make_clip: Any) -> None:
    row = Utterance("a", video=make_clip(size=320, length=480, sound=None))
    config = VideoFeatures(encoder="light", frames=5)
    small, whole = thumbnails(row, config), key_frames(row, config)
    assert len(small) == len(whole) == 5 and whole[0].shape == (320, 480, 3)
    for picture, frame in zip(small, whole, strict=True):
        assert picture.shape == (107, 160, 3) and picture.dtype == np.uint8
        assert abs(picture.mean() - frame.mean()) < 3


# Answers that are sets of classes, or numbers

LABELS = Multilabel(("anger", "joy", "fear"))
NUMBERS = Dimensional(("valence", "arousal"), scales=((3.0, 0.5, 1.0, 5.0), (40.0, 10.0, 0.0, 100.0)))


def of_task(task: Task, label: Any, values: list[float], without: Any) -> Explanation:
    """One modality, whose parts come to the first value."""
    said = Prediction(ROW.id, label, None, dict(zip(task.names, values, strict=True)), ("audio",), None)
    steps = [Step(moment, 0.01 * i) for i, moment in enumerate(stretches(5, 10.0))]
    subsets = {"": 0.25, "audio": values[0]}
    marks = task.marks(None)
    return Explanation(
        said, task.names[0], subsets, shapley(["audio"], subsets), {"audio": Verdict(without, 0.125)}, 0.5,
        {"audio": steps}, 0.0, task, marks,
    )  # fmt: skip


def test_a_set_of_classes() -> None:
    whole = of_task(LABELS, ("anger", "fear"), [0.875, 0.25, 0.625], ())
    row = replace(ROW, label=("anger", "joy"))
    assert case_title(Case("closest", 0), row, whole) == "closest: dia3_utt5, anger; joy taken for anger; fear"
    drawn = draw_case(whole, row, "case", "")
    assert {" 87.5  said = label", " 25.0  label", " 62.5  said", " +62.5 "} == set(texts(drawn))
    told = [label.get_text() for label in panel(drawn, "each modality").get_yticklabels()]
    assert told == ["audio\nwithout: turns to none, 12%"]
    assert "probability in %, thresholds dotted" in panel(drawn, "probability").get_title()
    assert "said anger; fear, labelled anger; joy. anger has 87.5%" in drawn.alt
    assert "without it none (anger 12.5%)" in drawn.alt and "calibrated" not in drawn.caption
    assert drawn.data["without"] == {"audio": {"label": (), "probability": 0.125}}


def test_numbers_in_their_ranges() -> None:
    whole = of_task(NUMBERS, (3.5, 75.0), [3.5, 75.0], (2.5, 20.0))
    row = replace(ROW, label=(3.0, 50.0))
    assert case_title(Case("closest", 0), row, whole) == "closest: dia3_utt5, valence 3.000, answered 3.500"
    drawn = draw_case(whole, row, "case", "")
    assert {" 3.500  label 3", " 75.0  label 50", " +3.250 "} == set(texts(drawn))
    bars = panel(drawn, "calibrated value")
    assert [bar.get_width() for bar in bars.patches] == pytest.approx([62.5, 75.0])
    assert bars.get_xlabel() == "valence: 3.500 before calibration"
    assert panel(drawn, "each modality").get_title(loc="right") == "what each modality adds, in the unit of valence"
    assert "valence 3.500, labelled 3.000. Before calibration it is 3.500" in drawn.alt
    assert "points" not in drawn.caption + drawn.alt and "share" not in drawn.caption


def test_rows_of_other_answers_are_chosen_by_how_far_they_miss() -> None:
    answers = np.array([[3.0, 40.0], [3.5, 50.0], [3.0, 45.0], [9.0, 40.0]])
    targets = np.array([[3.0, 45.0], [3.0, 40.0], [3.0, 45.0], [3.0, 40.0]])  # misses 0.25, 1, 0, 6 deviations
    usable = np.array([True, True, True, False])
    assert NUMBERS.misses(targets, answers).tolist() == [0.25, 1.0, 0.0, 6.0]
    assert choose_cases(NUMBERS, targets, answers, usable) == [
        Case("closest", 2),
        Case("median", 0),
        Case("farthest", 1),
    ]
    named = np.array([[[0.9, 1], [0.2, 0], [0.1, 0]], [[0.4, 0], [0.4, 0], [0.4, 0]]])
    truth = np.array([[1.0, 0.0, 0.0], [1.0, 0.0, 0.0]])
    assert LABELS.misses(truth, named).tolist() == pytest.approx([0.4 / 3, 1.4 / 3])
    assert choose_cases(LABELS, truth, named, np.ones(2, bool)) == [Case("closest", 0), Case("farthest", 1)]
