"""Settings of the synthetic corpus: the section `toy`, which `tricue demo` and `tricue prepare toy` read."""

from typing import Annotated, Literal

from pydantic import Field, field_validator

from tricue.config.section import PositiveInt, Rate, Section
from tricue.config.settings import Config
from tricue.types import SPLITS

TOY_EMOTIONS = ("anger", "disgust", "fear", "joy", "neutral", "sadness", "surprise")


class ToyConfig(Section):
    """The synthetic corpus, read by `tricue demo` and `tricue prepare toy` only; its rates decide the best score that
    anyone can reach."""

    text_rate: Rate = 0.80
    """Share of clips whose words show the label (else one of the others, uniformly)."""
    voice_rate: Rate = 0.70
    """Share of not sarcastic clips whose voice shows the label."""
    face_rate: Rate = 0.60
    """Share of clips whose face shows the label."""
    sarcasm_rate: Rate = 0.20
    """Share of sarcastic clips: words show `counterpart` of what they would show, the voice only the mark."""
    counterpart: dict[str, str] = {
        "anger": "joy",
        "disgust": "surprise",
        "fear": "neutral",
        "joy": "sadness",
        "neutral": "fear",
        "sadness": "anger",
        "surprise": "disgust",
    }
    """The emotion that sarcastic words show in place of each: a derangement of the emotions."""
    clips: dict[Literal["train", "val", "test"], PositiveInt] = {"train": 5200, "val": 400, "test": 720}
    """Clips per split."""
    speakers: dict[Literal["train", "val", "test"], PositiveInt] = {"train": 52, "val": 6, "test": 8}
    """Speakers per split; nobody stands in two splits."""
    turns: PositiveInt = 8
    """Utterances per dialogue, of two speakers in turn."""
    seconds: Annotated[float, Field(ge=0.5, le=10.0)] = 1.0
    """Length of a clip in seconds. Whole tenths, and pictures in whole tens, keep the grids of the features
    alike forwards and backwards, so that only order tells the pairs of emotions apart."""
    fps: Annotated[int, Field(ge=4, le=60)] = 20
    """Pictures per second."""
    size: Annotated[int, Field(ge=48, le=4096, multiple_of=2)] = 96
    """Width and height of the picture in pixels."""
    seed: int = 7
    """Seed of the corpus; independent of the training seed."""

    @field_validator("counterpart")
    @classmethod
    def _derangement(cls, counterpart: dict[str, str]) -> dict[str, str]:
        if not sorted(counterpart) == sorted(counterpart.values()) == sorted(TOY_EMOTIONS):
            raise ValueError(f"counterpart must map {', '.join(TOY_EMOTIONS)} onto themselves, each used once")
        if own := [emotion for emotion, other in counterpart.items() if emotion == other]:
            raise ValueError(f"counterpart must move every emotion; these stay: {', '.join(own)}")
        return counterpart

    @field_validator("clips", "speakers")
    @classmethod
    def _all_splits(cls, counts: dict[str, int]) -> dict[str, int]:
        if missing := [split for split in SPLITS if split not in counts]:
            raise ValueError(f"needs a number for each of {', '.join(SPLITS)}; missing: {', '.join(missing)}")
        return counts


class DemoConfig(Config):
    """The settings of all commands, and those of the toy corpus."""

    toy: ToyConfig = ToyConfig()
    """The synthetic corpus."""

    def without_toy(self) -> Config:
        """What a run is made with: the corpus's folder records how its clips were made."""
        return Config.model_validate(self.model_dump(exclude={"toy"}))
