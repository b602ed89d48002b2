"""What toy clips show, and the best rule, against the story of the corpus walked through case by case."""

import itertools
from collections import Counter
from collections.abc import Collection

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tricue.config.load import load_settings
from tricue.registry import MODALITIES
from tricue.toy.toy_draws import EMOTIONS, Draw, bayes_posterior, draw_clips
from tricue.toy.toy_settings import DemoConfig, ToyConfig
from tricue.types import InputError, ModalityName


def every_case(config: ToyConfig) -> list[tuple[float, Draw]]:
    """All that can happen to a clip, with its probability, by walking through the story of the corpus."""
    cases = []
    rates = (config.text_rate, config.voice_rate, config.face_rate)
    for label, sarcastic, *shows in itertools.product(EMOTIONS, (False, True), EMOTIONS, EMOTIONS, EMOTIONS):
        chance = (config.sarcasm_rate if sarcastic else 1 - config.sarcasm_rate) / 7
        for rate, shown in zip(rates, shows, strict=True):
            chance *= rate if shown == label else (1 - rate) / 6
        text, voice, face = shows
        if sarcastic:
            cases.append((chance, Draw("", label, True, config.counterpart[text], None, face)))
        else:
            cases.append((chance, Draw("", label, False, text, voice, face)))
    return cases


def ceiling(draws: list[Draw], config: ToyConfig, modalities: Collection[ModalityName] = MODALITIES) -> list[str]:
    """The best rule's answer for each draw: the emotion of the largest posterior, ties to the earlier name."""
    # rounding makes ties of equal products exact, whatever order they were multiplied in
    return [EMOTIONS[best] for best in bayes_posterior(draws, config, modalities).round(12).argmax(axis=1)]


def accuracy(chances: np.ndarray, draws: list[Draw], said: list[str], *, sarcastic_only: bool = False) -> float:
    kept = np.array([draw.sarcastic or not sarcastic_only for draw in draws])
    right = np.array([draw.emotion == emotion for draw, emotion in zip(draws, said, strict=True)])
    return float(chances[kept & right].sum() / chances[kept].sum())


def test_best_rule_reaches_what_the_design_says_and_averaging_does_not() -> None:
    config = ToyConfig(text_rate=0.80, voice_rate=0.70, face_rate=0.60, sarcasm_rate=0.20)
    chances, draws = (list(part) for part in zip(*every_case(config), strict=True))
    chances = np.array(chances)
    assert chances.sum() == pytest.approx(1.0)

    best = ceiling(draws, config)
    assert accuracy(chances, draws, best) == pytest.approx(0.8544, abs=1e-4)
    assert accuracy(chances, draws, best, sarcastic_only=True) == pytest.approx(0.80, abs=1e-4)

    mean = np.mean([bayes_posterior(draws, config, [modality]) for modality in MODALITIES], axis=0)
    averaged = [EMOTIONS[i] for i in mean.argmax(axis=1)]
    assert accuracy(chances, draws, averaged, sarcastic_only=True) == pytest.approx(0.5111, abs=1e-4)


@pytest.mark.parametrize(("modality", "expected"), [
    ("text", 0.8 * 0.8 + 0.2 * 0.2 / 6),  # believed: right when meant and showing, or sarcastic and off by luck
    ("audio", 0.8 * 0.7 + 0.2 / 7),  # the mark alone leaves a guess among seven
    ("video", 0.6),
])  # fmt: skip
def test_best_rule_of_a_single_modality(modality: str, expected: float) -> None:
    config = ToyConfig(text_rate=0.80, voice_rate=0.70, face_rate=0.60, sarcasm_rate=0.20)
    chances, draws = (list(part) for part in zip(*every_case(config), strict=True))
    assert accuracy(np.array(chances), draws, ceiling(draws, config, [modality])) == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize("modalities", [c for n in (1, 2, 3) for c in itertools.combinations(MODALITIES, n)])
def test_posterior_is_bayes_rule_over_the_enumerated_joint(modalities: tuple[str, ...]) -> None:
    config = ToyConfig(text_rate=0.75, voice_rate=0.65, face_rate=0.55, sarcasm_rate=0.3)

    def seen(draw: Draw) -> tuple[str | None, ...]:
        shown = {"text": draw.text_shows, "audio": draw.voice_shows, "video": draw.face_shows}
        return tuple(shown[modality] for modality in modalities)

    cases = every_case(config)
    joint: Counter[tuple[object, ...]] = Counter()
    for chance, draw in cases:
        joint[(*seen(draw), draw.emotion)] += chance
    draws = [draw for _, draw in cases[::13]]
    expected = np.array([[joint[(*seen(draw), emotion)] for emotion in EMOTIONS] for draw in draws])
    expected /= expected.sum(axis=1, keepdims=True)
    np.testing.assert_allclose(bayes_posterior(draws, config, modalities), expected, atol=1e-12)


def test_an_impossible_draw_is_refused() -> None:
    config = ToyConfig(text_rate=1.0, face_rate=1.0, sarcasm_rate=0.0)
    with pytest.raises(InputError, match="cannot occur"):
        bayes_posterior([Draw("x", "joy", False, "joy", "joy", "fear")], config)


@pytest.mark.parametrize("change", [
    {"joy": "joy"},  # a fixed point (and no permutation)
    {"anger": "anger", "sadness": "joy", "joy": "sadness"},  # a permutation with a fixed point
    {"anger": "sadness"},  # two with the same counterpart
    {"rage": "joy"},
])  # fmt: skip
def test_counterpart_must_be_a_derangement(change: dict[str, str]) -> None:
    counterpart = ToyConfig().counterpart | change
    with pytest.raises(InputError, match="counterpart must"):
        load_settings(DemoConfig, None, {"toy.counterpart": counterpart})


def test_every_split_needs_a_number_of_clips() -> None:
    with pytest.raises(InputError, match="missing: test"):
        load_settings(DemoConfig, None, {"toy.clips": {"train": 5, "val": 5}})


@given(
    st.integers(1, 90), st.integers(1, 7), st.integers(1, 9), st.integers(0, 2**31),
)  # fmt: skip
def test_places_are_disjoint_balanced_and_unique(clips: int, speakers: int, turns: int, seed: int) -> None:
    config = ToyConfig(clips={"train": clips, "val": 9, "test": 20}, turns=turns, seed=seed,
                       speakers={"train": speakers, "val": 2, "test": 3})  # fmt: skip
    drawn = draw_clips(config)
    assert Counter(clip.split for clip in drawn) == config.clips
    assert len({clip.draw.id for clip in drawn}) == len(drawn) == len({clip.seed for clip in drawn})
    splits_of_speaker: dict[int, set[str]] = {}
    for clip in drawn:
        splits_of_speaker.setdefault(clip.speaker, set()).add(clip.split)
    assert all(len(splits) == 1 for splits in splits_of_speaker.values())
    train = [clip for clip in drawn if clip.split == "train"]
    for group in [train, *([c for c in train if c.speaker == s] for s in range(speakers))]:
        counts = Counter(clip.draw.emotion for clip in group)
        assert max(counts[e] for e in EMOTIONS) - min(counts[e] for e in EMOTIONS) <= 1
    for dialogue in {clip.dialogue for clip in train}:
        said = [clip for clip in train if clip.dialogue == dialogue]
        assert [clip.turn for clip in said] == list(range(len(said))) and len(said) <= turns
        assert len({clip.speaker for clip in said[::2]}) == 1 and len({clip.speaker for clip in said[1::2]}) <= 1
        assert len(said) < 2 or speakers == 1 or said[0].speaker != said[1].speaker


def test_ids_name_split_dialogue_and_turn() -> None:
    config = ToyConfig()
    first_of_test = config.clips["train"] + config.clips["val"]
    assert draw_clips(config)[first_of_test + 29].draw.id == "test_d003_t05"


def test_rates_of_the_draws_are_those_asked_for() -> None:
    config = ToyConfig(clips={"train": 14_000, "val": 7, "test": 7}, seed=3)
    draws = [clip.draw for clip in draw_clips(config) if clip.split == "train"]
    meant = [draw for draw in draws if not draw.sarcastic]
    plain = {mocked: emotion for emotion, mocked in config.counterpart.items()}

    def rate(hits: list[bool]) -> float:
        return sum(hits) / len(hits)

    tolerance = 0.02  # more than four standard errors of any of them
    assert rate([d.sarcastic for d in draws]) == pytest.approx(0.20, abs=tolerance)
    assert rate([d.text_shows == d.emotion for d in meant]) == pytest.approx(0.80, abs=tolerance)
    assert rate([d.voice_shows == d.emotion for d in meant]) == pytest.approx(0.70, abs=tolerance)
    assert rate([d.face_shows == d.emotion for d in draws]) == pytest.approx(0.60, abs=tolerance)
    mocking = [d for d in draws if d.sarcastic]
    assert all(d.voice_shows is None for d in mocking) and all(d.voice_shows for d in meant)
    assert rate([plain[d.text_shows] == d.emotion for d in mocking]) == pytest.approx(0.80, abs=3 * tolerance)
    both = rate([d.voice_shows == d.emotion and d.face_shows == d.emotion for d in meant])
    assert both == pytest.approx(0.70 * 0.60, abs=tolerance)  # modalities err independently
    wrong = Counter((d.emotion, d.face_shows) for d in draws if d.face_shows != d.emotion)
    assert len(wrong) == 42 and max(wrong.values()) < 2 * min(wrong.values())  # uniform over the other six
