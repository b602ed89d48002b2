"""Settings of the extractors."""

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal

from pydantic import ConfigDict, Field, create_model, field_validator, model_validator

from tricue.config.section import EncoderName, LayerChoice, Section
from tricue.config.tuned import PRESET
from tricue.registry import MODALITIES
from tricue.types import ModalityName


class ModalityFeatures(Section):
    """What the section of every modality has; a plugin's `Settings` adds its own."""

    preset: ClassVar[str | None] = None  # the encoder that `emotion` names

    encoder: EncoderName
    """Hub name, local folder, `light`, or the name of a plugin's extractor."""
    precomputed: str | None = None
    """A file of features that others made, by id, in place of the encoder (docs/features.md): .npz, .npy or .csv.
    Taken from here, else from the corpus's folder."""

    @field_validator("encoder")
    @classmethod
    def _preset_by_its_name(cls, encoder: str) -> str:
        """`emotion` is the name of a hub encoder from here on: results name what was used."""
        return cls.preset if encoder == PRESET and cls.preset is not None else encoder


class TextFeatures(ModalityFeatures):
    """What is said."""

    preset = "SamLowe/roberta-base-go_emotions"

    encoder: EncoderName = "roberta-base"
    """Hub name, local folder, `light` (hashed character n-grams per word; nothing is downloaded), or `emotion` (one
    that was tuned for emotion, see src/tricue/config/tuned.py: every result then names it)."""
    layer: LayerChoice = None
    """Hidden layer read: a number (0 = embeddings, -1 = last), a list (their mean), `mix` (all of them, in a mix that
    the network learns; as many times the room in the store), or null (the last)."""
    context: Annotated[int, Field(ge=0, le=1_000)] = 0
    """Preceding turns of the same dialogue, with speaker names, that the encoder reads before the utterance."""
    max_tokens: Annotated[int, Field(ge=8, le=1_000_000)] = 128
    """Longest input of the encoder in tokens; context is cut first, from its far end."""
    max_windows: Annotated[int, Field(ge=1)] = 8
    """Windows of `max_tokens`, a quarter of each shared with the next, in which a longer text is read; what goes beyond
    them is not read, and that is reported. An encoder that is fine-tuned reads the first window alone."""


class AudioFeatures(ModalityFeatures):
    """How it sounds. Speech vectors, 25 MFCC and spectral features stand side by side on one time grid."""

    preset = "audeering/wav2vec2-large-robust-12-ft-emotion-msp-dim"

    encoder: EncoderName = "facebook/wav2vec2-base-960h"
    """Hub name, local folder, `light` (log-mel spectrogram; nothing is downloaded), or `emotion`, as for text."""
    layer: LayerChoice = "mix"
    """Hidden layer read: `mix` (all of them: the network learns a mix of their sequences, and their statistics stand
    side by side), a number (0 = before the first block, -1 = last), a list, or null, as for text."""
    rate_hz: Annotated[float, Field(gt=0.0, le=50.0)] = 10.0
    """Feature vectors per second after pooling."""
    mfcc: Annotated[int, Field(ge=0, le=64)] = 25
    """Number of mel-frequency cepstral coefficients; 0 leaves them out."""
    spectral: bool = True
    """Spectral centroid, zero-crossing rate, RMS energy, pitch, onset strength and the like."""
    whisper_form: Literal["true_length", "30s"] = "true_length"
    """Whisper encoders only: run the true length, or pad every clip to the 30 s of its pre-training."""
    max_seconds: Annotated[float, Field(gt=0.0)] = 30.0
    """Longest stretch read; a longer utterance is cut and the cut is reported."""


class VideoFeatures(ModalityFeatures):
    """How it looks: key frames by the entropy of their gray-level histogram, spread over the clip."""

    preset = "trpakov/vit-face-expression"

    encoder: EncoderName = "microsoft/resnet-50"
    """Hub name, local folder, `light` (histograms of oriented gradients; nothing is downloaded), or `emotion`, as for
    text: one that looks at faces, so set `faces` too."""
    frames: Annotated[int, Field(ge=1, le=10_000)] = 10
    """Key frames per utterance."""
    side: Annotated[int, Field(ge=16, le=2_048)] | None = None
    """Pixels of the square that each picture is brought to for a hub encoder; null: as the encoder's own processor
    does, often 224. Small faces want less."""
    faces: Literal["none", "largest", "central"] = "none"
    """What of a key frame is read: all of it, or the face of one person, followed through the clip: the one of the
    largest face, or the one nearest to the middle of the picture. Where it is not found the frame stays whole, and
    the share of such frames is reported. Needs the extra `tricue[faces]`."""
    face_detector: EncoderName = "opencv/face_detection_yunet"
    """Hub name, or local folder with YuNet's .onnx file; read only where `faces` is not `none`."""


class FeaturesConfig(Section):
    """A section per modality. Those of plugins are kept beside the built-in ones once they are given or used."""

    model_config = ConfigDict(extra="allow")  # whatever is no modality is refused below

    text: TextFeatures = TextFeatures()
    """What is said."""
    audio: AudioFeatures = AudioFeatures()
    """How it sounds."""
    video: VideoFeatures = VideoFeatures()
    """How it looks."""

    @model_validator(mode="before")
    @classmethod
    def _sections_of_plugins(cls, given: Any) -> Any:
        if not isinstance(given, Mapping) or not (others := given.keys() - cls.model_fields.keys()):
            return given
        plugins: dict[str, Any] = {
            name: (MODALITIES[name].Settings, ...) for name in sorted(others) if name in MODALITIES
        }
        sections: type[Section] = create_model("Plugins", __base__=Section, **plugins)
        return {**given, **dict(sections.model_validate({name: given[name] for name in others}))}

    @classmethod
    def annotations(cls) -> dict[str, Any]:
        built_in = super().annotations()
        return built_in | {name: MODALITIES[name].Settings for name in MODALITIES if name not in built_in}

    def __getitem__(self, modality: ModalityName) -> ModalityFeatures:
        """The section of a modality; the defaults of a plugin's that none was given for."""
        own = dict(self)
        return own[modality] if modality in own else MODALITIES[modality].Settings.model_validate({})

    def precomputed_modalities(self) -> list[ModalityName]:
        """The modalities whose features come from a file: every utterance may have them, whatever its row names."""
        return [modality for modality, own in self if own.precomputed is not None]
