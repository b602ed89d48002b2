"""Encoders of the hub that were tuned for emotion, and on what: a result that rests on one says so.

What they were tuned on may overlap the corpus that a result is about, or resemble it: such a score is not one of
the method alone.
"""

from collections.abc import Mapping, Sequence

PRESET = "emotion"  # in place of an encoder's name: the section's `preset`
TUNED_ON = {  # by their model cards
    "SamLowe/roberta-base-go_emotions": "GoEmotions (MIT)",
    "j-hartmann/emotion-english-distilroberta-base": "six corpora, MELD and GoEmotions among them",
    "audeering/wav2vec2-large-robust-12-ft-emotion-msp-dim": "MSP-Podcast (CC BY-NC-SA 4.0)",
    "superb/wav2vec2-base-superb-er": "IEMOCAP",
    "superb/wav2vec2-large-superb-er": "IEMOCAP",
    "trpakov/vit-face-expression": "FER2013 (Apache-2.0)",
}
_EMOTIONS = {
    "anger", "angry", "disgust", "fear", "happy", "happiness", "joy", "sad", "sadness", "surprise",
    "arousal", "valence",
}  # fmt: skip


def tuned_on(encoder: str, architectures: Sequence[str], labels: Mapping[int, str]) -> str | None:
    """What an encoder was tuned for emotion on; None where nothing says that it was.

    architectures, labels: of its config.json (`id2label`): a copy in a local folder tells by its own head.
    """
    if encoder in TUNED_ON:
        return TUNED_ON[encoder]
    named = {str(label).lower() for label in labels.values()}
    if len(named & _EMOTIONS) >= 2 and any("Classification" in name for name in architectures):
        return f"data that its folder does not name (its head tells {', '.join(sorted(named & _EMOTIONS))})"
    return None
