"""What Python's `predict_batch` takes: rows of frames, and bad rows that fail alone."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from tricue.prediction.api_inputs import as_utterances, preprocess
from tricue.recognizer import MultimodalEmotionRecognizer
from tricue.types import InputError, Utterance


@pytest.fixture(scope="module")
def model(untrained: Callable[..., Any]) -> MultimodalEmotionRecognizer:
    return untrained({"modalities": ["text"]})


SAID = ["I am so happy", "he has lost it"]


@pytest.mark.parametrize(
    "frame",
    [
        pd.DataFrame({"id": ["x", "y"], "text": SAID, "emotion": ["joy", "anger"]}, index=[7, 9]),
        pd.DataFrame({" Text ": SAID, "video": [None, np.nan]}),
        pd.Series(SAID, index=[3, 1]),
        pa.table({"text": SAID, "audio": pa.nulls(2)}),
        np.array(SAID),
        (text for text in SAID),
        [{"text": text} for text in SAID],
        [(text, None, float("nan")) for text in SAID],
    ],
    ids=lambda frame: type(frame).__name__,
)
def test_rows_of_a_frame(model: MultimodalEmotionRecognizer, frame: Any) -> None:
    answers, expected = model.predict_batch(frame), model.predict_batch(SAID)
    assert [(a.id, a.emotion, a.probabilities) for a in answers] == [
        (e.id, e.emotion, e.probabilities) for e in expected
    ]


def test_a_frame_has_times_and_paths_as_a_manifest_has(tmp_path: Path) -> None:
    frame = pd.DataFrame({"audio": ["a.wav", ""], "start": [1.5, np.nan], "end": [2, None], "text": ["hi", pd.NA]})
    asked = as_utterances(frame)
    assert asked.rows == [Utterance("1", "hi", Path("a.wav"), None, 1.5, 2.0), Utterance("2")]
    assert not asked.faults and not asked.memory
    faults = as_utterances(pd.DataFrame({"text": ["a", "b"], "start": ["soon", -1]})).faults
    assert "start 'soon'" in faults[0] and "start -1" in faults[1]


@pytest.mark.parametrize("item", ["sad", b"sad", {"text": "sad"}, Path("a.wav"), Utterance("a"), 5, None, 1.5])
def test_one_input_is_no_batch(model: MultimodalEmotionRecognizer, item: Any) -> None:
    with pytest.raises(TypeError, match=type(item).__name__):
        model.predict_batch(item)


def test_a_frame_without_its_columns_is_named(model: MultimodalEmotionRecognizer) -> None:
    with pytest.raises(InputError, match=r"columns utterance, label.*rename"):
        model.predict_batch(pd.DataFrame({"utterance": SAID, "label": SAID}))
    twice = pd.DataFrame([["a", "b"]], columns=["text", "text"])
    with pytest.raises(InputError, match="twice"):
        model.predict_batch(twice)


BAD = [
    (float("nan"), "no text to go by"), (np.float64("nan"), "no text"), (pd.NA, "no text"), (pd.NaT, "no text"),
    (None, "no text"), ({"text": float("nan")}, "no text"), ((None, None, None), "no text"),
    ((5, None, None), "text 5: int"), ({"text": b"sad"}, "bytes is no text"), (("hi", 3, None), "audio 3: int"),
    ("gone.mp4", "There is no file gone.mp4"), ({"words": "a"}, "got words"), (object(), "preprocess wants"),
    ([], "preprocess wants"), ("", "no word"), ("  ", "no word"), (("x" * 5, None, None, None), "preprocess wants"),
]  # fmt: skip


def test_a_bad_row_fails_alone(model: MultimodalEmotionRecognizer) -> None:
    answers = model.predict_batch([SAID[0], *(item for item, _ in BAD), SAID[1]])
    assert [a.id for a in answers] == [str(i + 1) for i in range(len(BAD) + 2)]
    assert answers[0].emotion and answers[-1].emotion and answers[0].error is answers[-1].error is None
    for answer, (_, reason) in zip(answers[1:-1], BAD, strict=True):
        assert answer.emotion is None and answer.probabilities == {} and reason in str(answer.error)


def test_a_long_cell_is_not_quoted_whole(model: MultimodalEmotionRecognizer) -> None:
    (answer,) = model.predict_batch([(b"x" * 1_000_000, None, None)])
    assert len(str(answer.error)) < 200


@pytest.mark.parametrize("text", ["oops \ud83d", "\udcff\udcfe oh", "\ud83d\ude21 oh"])
def test_half_a_surrogate_is_read_without_it(model: MultimodalEmotionRecognizer, text: str) -> None:
    assert model.predict(text).emotion is not None
    assert model.predict_batch([text, SAID[0]])[1].error is None


def test_predict_of_nothing_says_so(model: MultimodalEmotionRecognizer) -> None:
    for text in (float("nan"), None, pd.NA):
        with pytest.raises(InputError, match="Nothing to go by: no text"):
            model.predict(text)  # type: ignore[arg-type]


def test_pandas_is_not_needed() -> None:
    code = "import sys; import tricue.prediction.api_inputs; assert 'pandas' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)
    assert preprocess("hello") == ("hello", None, None)


@pytest.mark.slow
def test_bytes_that_are_no_text_on_the_command_line(untrained: Callable[..., Any], tmp_path: Path) -> None:
    untrained({"modalities": ["text"]}).save_pretrained(tmp_path / "model", onnx=False)
    command = [sys.executable, "-m", "tricue.cli", "predict", b"caf\xe9 oh", b"half \xed\xa0\xbd", "--model_path",
               str(tmp_path / "model"), "--store", str(tmp_path / "s"), "--output_file"]  # fmt: skip
    done = subprocess.run([*command, "-"], capture_output=True)
    assert done.returncode == 0, done.stderr
    rows = [json.loads(line) for line in done.stdout.decode().splitlines()]
    assert [row["text"] for row in rows] == ["caf\ufffd oh", "half \ufffd\ufffd\ufffd"]
    done = subprocess.run([*command[:-1], "--output_file", str(tmp_path / "a.csv")], capture_output=True)
    assert done.returncode == 0 and b"Traceback" not in done.stderr
