"""What the toy speakers say: five to nine words, two or three of them from the lexicon of what is shown."""

from dataclasses import dataclass

import numpy as np

# No word is an emotion's name or a form of it.
LEXICON: dict[str, tuple[str, ...]] = {
    "anger": ("furious", "outrage", "shouting", "unfair", "slammed", "livid",
              "insult", "blame", "hateful", "boiling", "yelled", "enough"),
    "disgust": ("rotten", "slimy", "stinks", "filthy", "vomit", "mouldy",
                "gross", "revolting", "nasty", "sewage", "maggots", "greasy"),
    "fear": ("trembling", "hiding", "monster", "danger", "panic", "shadow",
             "creeping", "nightmare", "haunted", "threat", "footsteps", "escape"),
    "joy": ("wonderful", "laughing", "party", "celebrate", "sunshine", "lovely",
            "dancing", "delighted", "cheerful", "birthday", "hurray", "brilliant"),
    "neutral": ("schedule", "invoice", "parcel", "printer", "bus", "kitchen",
                "folder", "office", "tuesday", "drawer", "receipt", "corridor"),
    "sadness": ("crying", "lonely", "funeral", "tears", "lost", "grief",
                "miss", "hopeless", "mourning", "goodbye", "empty", "heartbroken"),
    "surprise": ("suddenly", "unexpected", "wow", "unbelievable", "gasped", "astonished",
                 "imagine", "never", "whoa", "shocked", "magic", "incredible"),
}  # fmt: skip
FILLER = ("the", "it", "was", "and", "then", "with", "that", "just", "there", "again", "about", "this", "we",
          "you", "they", "all", "still", "here", "my", "for")  # fmt: skip
HABITS = ("honestly", "basically", "actually", "literally", "anyway", "frankly", "obviously", "totally", "mate",
          "folks", "darling", "indeed", "perhaps", "somehow", "listen", "look", "well", "right", "okay",
          "um", "man", "dear")  # fmt: skip

WORDS_OF_SPEAKER = 7  # of the 12 in each lexicon
FILLERS_OF_SPEAKER = 10
HABITS_OF_SPEAKER = 3


@dataclass(frozen=True)
class Wording:
    """The words that one speaker uses."""

    lexicon: dict[str, tuple[str, ...]]
    filler: tuple[str, ...]
    habits: tuple[str, ...]


def wording(rng: np.random.Generator) -> Wording:
    def some(words: tuple[str, ...], count: int) -> tuple[str, ...]:
        return tuple(words[i] for i in rng.permutation(len(words))[:count])

    lexicon = {emotion: some(words, WORDS_OF_SPEAKER) for emotion, words in LEXICON.items()}
    return Wording(lexicon, some(FILLER, FILLERS_OF_SPEAKER), some(HABITS, HABITS_OF_SPEAKER))


def sentence(shown: str, speaker: Wording, rng: np.random.Generator) -> str:
    """One sentence of 5 to 9 words: a habit of the speaker first, then filler and words of `shown` mixed."""
    length = int(rng.integers(5, 10))
    telling = 2 if length < 7 else 3
    words = list(rng.choice(speaker.lexicon[shown], size=telling, replace=False))
    words += list(rng.choice(speaker.filler, size=length - 1 - telling, replace=False))
    mixed = [words[i] for i in rng.permutation(len(words))]
    text = " ".join([speaker.habits[rng.integers(len(speaker.habits))], *mixed])
    return text[0].upper() + text[1:] + "."
