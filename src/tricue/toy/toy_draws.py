"""What each toy clip shows, drawn by chance, and the best rule that anyone could apply to it.

Of a clip with label y: the words would show y with `text_rate`, else one of the other six, uniformly; voice
and face likewise at their rates, independently given y. With `sarcasm_rate`, independently of y, the speaker
is sarcastic: the words then show the counterpart of what they would have shown, the voice carries the mark of
sarcasm and no emotion, the face is as it would be.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np

from tricue.toy.toy_settings import TOY_EMOTIONS, ToyConfig
from tricue.types import SPLITS, InputError, ModalityName, Split

EMOTIONS = TOY_EMOTIONS
SHOWN: tuple[ModalityName, ...] = ("text", "audio", "video")  # what a clip of it consists of
STREAMS = {"labels": 0, "speakers": 1, "clips": 2}  # independent random streams of one seed


@dataclass(frozen=True)
class Draw:
    """The truth of one clip: its label and what each modality shows."""

    id: str
    emotion: str
    sarcastic: bool
    text_shows: str
    voice_shows: str | None  # None: the mark of sarcasm alone
    face_shows: str


@dataclass(frozen=True)
class Clip:
    """A draw with its place in the corpus."""

    draw: Draw
    split: Split
    speaker: int  # counted over the whole corpus
    dialogue: str
    turn: int
    seed: tuple[int, ...]  # of everything random in its rendering


def draw_clips(config: ToyConfig) -> list[Clip]:
    """All clips of the corpus, a function of the settings alone; labels balanced per split and per speaker."""
    clips: list[Clip] = []
    first_speaker = 0
    for place, split in enumerate(SPLITS):
        rng = np.random.default_rng((config.seed, STREAMS["labels"], place))
        speakers = _speakers_in_turn(config.clips[split], config.speakers[split], config.turns)
        for index, (speaker, label) in enumerate(zip(speakers, _balanced_labels(speakers, rng), strict=True)):
            dialogue, turn = divmod(index, config.turns)
            name = f"{split}_d{dialogue:03d}"
            draw = _draw(f"{name}_t{turn:02d}", EMOTIONS[label], config, rng)
            seed = (config.seed, STREAMS["clips"], place, index)
            clips.append(Clip(draw, split, first_speaker + speaker, name, turn, seed))
        first_speaker += config.speakers[split]
    return clips


def _speakers_in_turn(clips: int, speakers: int, turns: int) -> list[int]:
    """The speaker of each clip: two per dialogue in turn, partners changing, everyone equally often."""
    sequence = []
    for index in range(clips):
        dialogue, turn = divmod(index, turns)
        first = dialogue % speakers
        step = 1 + (dialogue // speakers) % (speakers - 1) if speakers > 1 else 0
        sequence.append(first if turn % 2 == 0 else (first + step) % speakers)
    return sequence


def _balanced_labels(speakers: Sequence[int], rng: np.random.Generator) -> np.ndarray:
    """(N,) label indices: dealt round to the clips sorted by speaker, so that both balances hold within one."""
    shuffled = rng.permutation(len(speakers))  # which clips of a speaker get which label is by chance
    by_speaker = shuffled[np.argsort(np.asarray(speakers)[shuffled], kind="stable")]
    labels = np.empty(len(speakers), dtype=int)
    labels[by_speaker] = np.arange(len(speakers)) % len(EMOTIONS)
    return labels


def _draw(name: str, emotion: str, config: ToyConfig, rng: np.random.Generator) -> Draw:
    would_show = []
    for rate in (config.text_rate, config.voice_rate, config.face_rate):
        others = [other for other in EMOTIONS if other != emotion]
        other = others[rng.integers(len(others))]
        would_show.append(emotion if rng.random() < rate else other)
    text, voice, face = would_show
    if rng.random() < config.sarcasm_rate:
        return Draw(name, emotion, True, config.counterpart[text], None, face)
    return Draw(name, emotion, False, text, voice, face)


def bayes_posterior(
    draws: Sequence[Draw], config: ToyConfig, modalities: Collection[ModalityName] = SHOWN
) -> np.ndarray:
    """(N, 7) P(label | what `modalities` show), classes in the order of EMOTIONS, exact.

    Without the voice, sarcasm is not seen and is summed over.
    Raises InputError where a draw cannot occur at these rates.
    """
    at = {emotion: index for index, emotion in enumerate(EMOTIONS)}
    counterpart = [at[config.counterpart[emotion]] for emotion in EMOTIONS]
    text = _shown_given_label(config.text_rate)
    text_sarcastic = np.empty_like(text)
    text_sarcastic[:, counterpart] = text
    voice, face = _shown_given_label(config.voice_rate), _shown_given_label(config.face_rate)

    joint = np.zeros((len(draws), len(EMOTIONS)))
    for row, draw in enumerate(draws):
        for sarcastic, prior in ((False, 1.0 - config.sarcasm_rate), (True, config.sarcasm_rate)):
            likelihood = np.full(len(EMOTIONS), prior)
            if "text" in modalities:
                likelihood *= (text_sarcastic if sarcastic else text)[:, at[draw.text_shows]]
            if "audio" in modalities:
                if sarcastic != (draw.voice_shows is None):
                    continue  # the mark stands on every sarcastic clip and on no other
                likelihood *= 1.0 if sarcastic else voice[:, at[str(draw.voice_shows)]]
            if "video" in modalities:
                likelihood *= face[:, at[draw.face_shows]]
            joint[row] += likelihood
    evidence = joint.sum(axis=1, keepdims=True)
    if impossible := [draw.id for draw, total in zip(draws, evidence[:, 0], strict=True) if total == 0.0]:
        raise InputError(
            f"{len(impossible)} draws cannot occur at these rates, e.g. {impossible[0]}: "
            "take the toy settings that the corpus was made with (its toy.json)."
        )
    return joint / evidence


def _shown_given_label(rate: float) -> np.ndarray:
    """(7, 7) P(shown | label), rows the labels."""
    other = (1.0 - rate) / (len(EMOTIONS) - 1)
    return np.where(np.eye(len(EMOTIONS), dtype=bool), rate, other)
