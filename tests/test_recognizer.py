"""The Python front door: `explain` says of a clip what `predict` says of it, and why."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tricue.recognizer import MultimodalEmotionRecognizer
from tricue.registry import MODALITIES
from tricue.types import InputError, Utterance

EMOTIONS = ["anger", "joy", "neutral"]
SAID = "Oh my god, he's lost it!"


@pytest.fixture(scope="module")
def model(untrained: Callable[..., Any]) -> MultimodalEmotionRecognizer:
    return untrained({"features.video.frames": 4})


def test_explain_says_what_predict_says_and_why(model: MultimodalEmotionRecognizer, make_clip: Any) -> None:
    clip = make_clip()
    why, said = model.explain(SAID, clip, clip), model.predict(SAID, clip, clip)
    assert why.target == said.emotion and why.prediction.modalities == said.modalities == tuple(MODALITIES)
    assert why.prediction.probabilities == pytest.approx(said.probabilities, abs=1e-6)
    assert why.subsets["text"] == pytest.approx(model.predict(SAID).probabilities[why.target], abs=1e-5)
    gained = why.subsets["text+audio+video"] - why.subsets[""]
    assert sum(why.shapley.values()) == pytest.approx(gained, abs=1e-14)
    assert [s.moment.label for s in why.steps["text"]] == ["Oh", "my", "god", ",", "he's", "lost", "it", "!"]
    assert why.steps["audio"][-1].moment.end == pytest.approx(2.0, abs=0.06)
    assert [s.moment.start for s in why.steps["video"]] == pytest.approx([0.0, 0.5, 1.0, 1.5], abs=0.05)


def test_explain_of_some_modalities(model: MultimodalEmotionRecognizer, make_clip: Any) -> None:
    clip = make_clip(frames=0, name="sound.m4a")
    assert list(model.explain(SAID).shapley) == ["text"]
    assert list(model.explain(audio=clip).shapley) == ["audio"]
    assert list(model.explain(SAID, audio=clip).subsets) == ["", "text", "audio", "text+audio"]


def test_nothing_to_explain_is_an_error_that_says_why(model: MultimodalEmotionRecognizer, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="nothing to explain: no text, audio, video to go by"):
        model.explain()
    with pytest.raises(InputError, match=r"nothing to explain: audio: .*gone\.wav"):
        model.explain(audio=tmp_path / "gone.wav")


def test_modalities_that_no_clip_gives_are_no_players(make_clip: Any, untrained: Callable[..., Any]) -> None:
    clip = make_clip()
    mixed = untrained({"features.video.precomputed": "look.npz"})
    assert list(mixed.explain(SAID, clip, clip).shapley) == ["text", "audio"]
    others = {f"features.{modality}.precomputed": f"{modality}.npz" for modality in MODALITIES}
    with pytest.raises(InputError, match="reads precomputed features alone"):
        untrained(others).explain(SAID)


def test_stored_ids_are_distinct(untrained: Any, tmp_path: Path) -> None:
    """One would get the other's answer."""
    model = untrained({"modalities": ["text"]})
    with pytest.raises(InputError, match="2 utterances have the id 'a'"):
        next(model.predict_in_parts([Utterance("a", text="x"), Utterance("a", text="y")], store=tmp_path))
    assert list(model.predict_in_parts([], store=tmp_path)) == []
