"""Voices, faces and sentences of the toy corpus, at the level of their parameters and as signals."""

from collections import Counter

import numpy as np
import pytest

from tricue.toy.toy_draws import EMOTIONS
from tricue.toy.toy_face import FACE_PATTERNS, draw_face, face_contours, face_jitter, look_of_speaker
from tricue.toy.toy_voice import VOICE_PATTERNS, synthesise, voice_contours, voice_jitter, voice_of_speaker
from tricue.toy.toy_words import LEXICON, sentence, wording

PAIRS = [("anger", "sadness"), ("joy", "disgust"), ("surprise", "fear")]


@pytest.mark.parametrize(("rising", "falling"), PAIRS)
def test_pairs_are_each_other_backwards(rising: str, falling: str) -> None:
    for seed in range(5):
        voice, face = voice_jitter(np.random.default_rng(seed)), face_jitter(np.random.default_rng(seed))
        up, down = voice_contours(rising, voice, 480, 1.2), voice_contours(falling, voice, 480, 1.2)
        moving = VOICE_PATTERNS[rising][0]
        assert moving == VOICE_PATTERNS[falling][0] and np.ptp(up[moving]) > 0.8
        for name in up:
            np.testing.assert_array_equal(down[name], up[name][::-1])
            assert name == moving or np.ptp(up[name]) < 0.4
        up, down = face_contours(rising, face, 14), face_contours(falling, face, 14)
        for name in up:
            np.testing.assert_array_equal(down[name], up[name][::-1])
        look = look_of_speaker(np.random.default_rng(seed))
        pictures = draw_face(rising, look, face, 14, 96)
        np.testing.assert_array_equal(draw_face(falling, look, face, 14, 96), pictures[::-1])
        assert np.abs(pictures[0].astype(int) - pictures[-1]).max() > 60


def test_patterns_are_of_every_emotion_but_the_steady_one() -> None:
    assert set(VOICE_PATTERNS) == set(FACE_PATTERNS) == set(EMOTIONS) - {"neutral"}
    for patterns in (VOICE_PATTERNS, FACE_PATTERNS):
        assert len(set(patterns.values())) == 6  # three movements, two directions


def test_loudness_and_pitch_move_as_far_as_promised() -> None:
    speaker, jitter = voice_of_speaker(np.random.default_rng(0)), voice_jitter(np.random.default_rng(1))

    def level(wave: np.ndarray) -> float:
        return float(10 * np.log10((wave**2).mean()))

    growing = synthesise("anger", speaker, jitter, 1.2)
    assert level(growing[13_000:17_000]) - level(growing[2_500:5_500]) > 18
    rising = voice_contours("joy", jitter, 480, 1.2)["pitch"]
    assert 1.3 * (rising[-1] - rising[0]) > 1.0  # octaves
    assert np.abs(growing).max() <= 1.0


def test_sarcasm_sounds_the_same_forwards_and_backwards_on_average() -> None:
    jitter = voice_jitter(np.random.default_rng(4))
    contours = voice_contours(None, jitter, 480, 1.2)
    assert np.ptp(contours["pitch"]) > 0.6 and np.ptp(contours["loudness"]) > 0.6
    crossings = np.diff(np.sign(contours["loudness"] - 0.5)) != 0
    assert 4 <= crossings.sum() <= 9  # over and over, slowly enough for ten vectors a second


def test_words_tell_the_emotion_without_naming_it() -> None:
    words = [word for lexicon in LEXICON.values() for word in lexicon]
    assert len(set(words)) == len(words) == 12 * 7
    stems = ("ang", "disgust", "fear", "joy", "neutral", "sad", "surpris")
    assert not [word for word in words if word.startswith(stems)]
    speakers = [wording(np.random.default_rng(i)) for i in range(16)]
    for emotion in EMOTIONS:
        shared = Counter(word for speaker in speakers for word in speaker.lexicon[emotion])
        assert len(shared) == 12 and min(shared.values()) >= 2  # an unseen speaker's words were heard before
        rng = np.random.default_rng(5)
        for _ in range(50):
            said = sentence(emotion, speakers[0], rng).rstrip(".").lower().split()
            assert 5 <= len(said) <= 9
            telling = [word for word in said if word in words]
            assert 2 <= len(telling) <= 3 and set(telling) <= set(speakers[0].lexicon[emotion])


def test_speakers_differ() -> None:
    rngs = [np.random.default_rng(i) for i in range(8)]
    looks, voices = [look_of_speaker(rng) for rng in rngs], [voice_of_speaker(rng) for rng in rngs]
    assert all(90 <= voice.pitch <= 260 for voice in voices) and len({voice.pitch for voice in voices}) == 8
    assert len({(look.head, look.eyes, look.mouth, look.brow, *look.skin) for look in looks}) == 8
