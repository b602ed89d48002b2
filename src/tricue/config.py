"""The one tree of settings, and the one home of every default.

A config is read from a YAML file (only what differs from the defaults stands there), changed by
`--set a.b=value`, validated at once and frozen. An unknown name is an error, never ignored.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from importlib import resources
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    ValidationError,
    ValidationInfo,
    field_validator,
    model_validator,
)

from tricue.files import is_file
from tricue.setting_faults import SHOWN_FAULTS, UnknownSetting, describe, given_by, parts_of
from tricue.settings_yaml import MAX_CHARACTERS, YamlError, read_yaml
from tricue.spelling import spelling
from tricue.tuned import PRESET, PRESETS
from tricue.types import CUES, SPLITS, Cue, InputError, InvalidFileError, shown

PositiveInt = Annotated[int, Field(ge=1, le=1_000_000)]
NonNegativeInt = Annotated[int, Field(ge=0, le=1_000_000)]
Rate = Annotated[float, Field(ge=0.0, le=1.0)]
NonNegative = Annotated[float, Field(ge=0.0)]
EncoderName = Annotated[str, Field(min_length=1, max_length=4096, pattern=r"^[^\x00-\x1f\x7f]+$")]
LayerChoice = int | list[int] | Literal["mix"] | None
Protocol = Literal["official", "loso", "kfold-speaker", "kfold-dialogue", "leaky"]

TOY_EMOTIONS = (
    "anger",
    "disgust",
    "fear",
    "joy",
    "neutral",
    "sadness",
    "surprise",
)  # of the synthetic corpus
PHASE_SHARES = (15, 15, 10)  # the seed's epochs per phase; `--epochs N` is shared out in this proportion


class Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True, allow_inf_nan=False)

    @field_validator("*", mode="before")
    @classmethod
    def _as_it_is_meant(cls, value: Any, info: ValidationInfo) -> Any:
        """No true where a number is expected, which would be read as 1, and no control characters in names."""
        kind = cls.model_fields[info.field_name or ""].annotation
        if isinstance(value, bool) and kind is not bool:
            raise ValueError("true and false (also yes, no, on, off) fit switches only; put a word in quotes")
        if isinstance(value, str) and any(ord(letter) < 32 for letter in value):
            raise ValueError("it holds control characters")
        return value


def _as_name(label: Any) -> Any:
    return str(label) if isinstance(label, int | float) and not isinstance(label, bool) else label


class ToyConfig(Section):
    """The synthetic corpus of `tricue prepare toy`; its rates decide the best score anyone can reach."""

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
        if sorted(counterpart) != sorted(TOY_EMOTIONS) or sorted(counterpart.values()) != sorted(
            TOY_EMOTIONS
        ):
            raise ValueError(
                f"counterpart must map {', '.join(TOY_EMOTIONS)} onto themselves, each used once"
            )
        if own := [emotion for emotion, other in counterpart.items() if emotion == other]:
            raise ValueError(f"counterpart must move every emotion; these stay: {', '.join(own)}")
        return counterpart

    @field_validator("clips", "speakers")
    @classmethod
    def _all_splits(cls, counts: dict[str, int]) -> dict[str, int]:
        if missing := [split for split in SPLITS if split not in counts]:
            raise ValueError(f"needs a number for each of {', '.join(SPLITS)}; missing: {', '.join(missing)}")
        return counts


class DataConfig(Section):
    """Which corpus, which labels, which rows stand in which split."""

    name: str = ""
    """Name of the corpus, as its reader is registered (MELD, toy); empty for a plain manifest."""
    emotions: list[str] = []
    """The classes, in the order of every table; empty: those found in the training rows, sorted."""
    labels: str = ""
    """Label set of a corpus that has several (MELD: emotions, sentiments; IEMOCAP: 8-way, 6-way, 4-way);
    empty: its first. Where it is named, its classes stand in place of `emotions`."""
    mapping: dict[str, str] = {}
    """Labels of manifests that have other names than the classes, e.g. {thrilled: joy}; "" leaves such rows
    unlabelled. Spellings and synonyms (JOY, happy for joy, ...) are known (docs/protocols.md); a label that is mapped
    to itself is kept apart from them."""
    protocol: Protocol = "official"
    """How rows are dealt to splits (docs/protocols.md): `official` keeps the split column as it is; `loso` leaves
    one session out (without sessions: one speaker), `kfold-speaker` and `kfold-dialogue` a share of the speakers or
    dialogues, each in turn; `leaky` copies rows before a random split, to reproduce and explain such figures."""
    folds: Annotated[int, Field(ge=2, le=1_000_000)] = 5
    """Folds of the kfold protocols."""
    fold: str = ""
    """The one fold to run, by its name (a session, a speaker, or 1 to `folds`); empty: all, one after another. Names
    that begin with 0 need quotes: --set "data.fold='03'"."""
    val_from_train: Annotated[float, Field(ge=0.0, lt=1.0)] = 0.0
    """Share of the training dialogues (without dialogues: speakers; without either: rows) taken as val.
    The manifest's own val rows are then never read in training and can stand in for a test part. Where a protocol
    leaves no val (loso, kfold), 0 means a tenth."""
    toy: ToyConfig = ToyConfig()
    """Settings of the synthetic corpus; read by `tricue prepare toy` and by the demo only."""

    @field_validator("fold", mode="before")
    @classmethod
    def _name_of_a_fold(cls, fold: Any) -> Any:
        return _as_name(fold)  # kfold's are numbers, and YAML reads them so

    @model_validator(mode="after")
    def _only_folds_are_named(self) -> DataConfig:
        if self.fold and self.protocol in ("official", "leaky"):
            raise ValueError(f"fold={self.fold}: the protocol {self.protocol} has no folds")
        return self

    @field_validator("emotions", "mapping", mode="before")
    @classmethod
    def _numbers_are_names(cls, labels: Any) -> Any:
        names = labels if isinstance(labels, list) else labels.values() if isinstance(labels, dict) else []
        if any(isinstance(name, bool) for name in names):
            raise ValueError("yes, no, on and off are read as true and false; put labels in quotes")
        if isinstance(labels, list):
            return [_as_name(label) for label in labels]
        return (
            {name: _as_name(label) for name, label in labels.items()} if isinstance(labels, dict) else labels
        )

    @field_validator("emotions")
    @classmethod
    def _distinct(cls, emotions: list[str]) -> list[str]:
        same = Counter(spelling(emotion) for emotion in emotions)
        if repeated := [emotion for emotion in emotions if same[spelling(emotion)] > 1]:
            raise ValueError(f"emotions repeat: {', '.join(shown(emotion) for emotion in repeated[:10])}")
        if "" in same:
            raise ValueError("an emotion without a name")
        return emotions


class TextFeatures(Section):
    """What is said."""

    encoder: EncoderName = "roberta-base"
    """Hub name, local folder, `light` (hashed character n-grams per word; nothing is downloaded), or `emotion` (one
    that was tuned for emotion, see src/tricue/tuned.py: every result then names it)."""
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
    precomputed: str | None = None
    """A file of features that others made, by id, in place of the encoder (docs/features.md): .npz, .npy or .csv.
    Taken from here, else from the corpus's folder."""


class AudioFeatures(Section):
    """How it sounds. Speech vectors, 25 MFCC and spectral features stand side by side on one time grid."""

    encoder: EncoderName = "facebook/wav2vec2-base-960h"
    """Hub name, local folder, `light` (log-mel spectrogram; nothing is downloaded), or `emotion`, as for text."""
    layer: LayerChoice = None
    """Hidden layer read: a number (0 = before the first block, -1 = last), a list, `mix`, or null, as for text."""
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
    precomputed: str | None = None
    """As `features.text.precomputed`."""


class VideoFeatures(Section):
    """How it looks: key frames by the entropy of their gray-level histogram, spread over the clip."""

    encoder: EncoderName = "microsoft/resnet-50"
    """Hub name, local folder, `light` (histograms of oriented gradients; nothing is downloaded), or `emotion`, as for
    text: one that looks at faces, so set `faces` too."""
    frames: Annotated[int, Field(ge=1, le=10_000)] = 10
    """Key frames per utterance."""
    faces: Literal["none", "largest", "central"] = "none"
    """What of a key frame is read: all of it, or the face of one person, followed through the clip: the one of the
    largest face, or the one nearest to the middle of the picture. Where it is not found the frame stays whole, and
    the share of such frames is reported. Needs the extra `tricue[faces]`."""
    face_detector: EncoderName = "opencv/face_detection_yunet"
    """Hub name, or local folder with YuNet's .onnx file; read only where `faces` is not `none`."""
    precomputed: str | None = None
    """As `features.text.precomputed`."""


class FeaturesConfig(Section):
    text: TextFeatures = TextFeatures()
    """What is said."""
    audio: AudioFeatures = AudioFeatures()
    """How it sounds."""
    video: VideoFeatures = VideoFeatures()
    """How it looks."""

    @model_validator(mode="before")
    @classmethod
    def _presets_by_their_names(cls, given: Any) -> Any:
        """`emotion` is the name of a hub encoder from here on: results name what was used."""
        if not isinstance(given, Mapping):
            return given
        return {
            cue: {**own, "encoder": PRESETS[cue]}
            if isinstance(own, Mapping) and own.get("encoder") == PRESET
            else own
            for cue, own in given.items()
        }

    def precomputed_cues(self) -> list[Cue]:
        """The cues whose features come from a file: every utterance may have them, whatever its row names."""
        return [cue for cue in CUES if getattr(self, cue).precomputed is not None]


class ModelConfig(Section):
    """The network of design.md, section 4."""

    width: Annotated[int, Field(ge=16, le=16_384, multiple_of=16)] = 256
    """d: all other widths follow from it (LSTM hidden size d each way, text frontend 2d, ...)."""
    bilstm_layers: Annotated[int, Field(ge=1, le=100)] = 3
    """Layers of the progressive BiLSTM."""
    bilstm_heads: PositiveInt = 8
    """Attention heads inside each progressive layer."""
    gating: bool = True
    """Whether a progressive layer's gate mixes its output with its input; without, the output alone goes on."""
    gate_start: Annotated[float, Field(gt=0.0, lt=1.0)] = 0.12
    """Share of a progressive layer's own output at the start; the rest is its input, passed on. Small helps deep
    stacks (Srivastava et al., 2015, "Highway Networks", section 2.2); 0.5 lets one layer learn order at once."""
    frontend_heads: PositiveInt = 4
    """Attention heads of the audio and video frontends."""
    frontend_residual: bool = False
    """Whether the attention of the audio and video frontends adds to what it reads instead of replacing it.
    Keeps order in time for what comes after; without it the frontends average more, which suits utterances
    that differ as a whole."""
    cross_heads: PositiveInt = 1
    """Heads of the cross-modal attention; one is the seed's formula, scaled by sqrt(d)."""
    cross_attention: bool = True
    """Whether each cue attends to the others; without, they meet in the fusion only."""
    dropout: Annotated[float, Field(ge=0.0, lt=1.0)] = 0.3
    """Dropout of the blocks before fusion."""
    feature_dropout: Annotated[float, Field(ge=0.0, lt=1.0)] = 0.0
    """Dropout of the scaled feature vectors: a dropped dimension is gone from all steps of a row, so that no average
    over time brings it back (Gal and Ghahramani, 2016, "A Theoretically Grounded Application of Dropout in RNNs")."""
    fusion_dropout: Annotated[float, Field(ge=0.0, lt=1.0)] = 0.2
    """Dropout of the fusion and intention MLPs."""
    linear_path: bool = False
    """Whether the mean over time of each cue's scaled features is also added to H through a matrix of its own, from
    zero (Cheng et al., 2016, "Wide & Deep Learning"). What a logistic regression finds, the rest then need not: with
    a few hundred training rows the deep part alone generalises worse than that. It is the same in H_cf as in H."""
    counterfactual_start: Annotated[float, Field(gt=0.0, lt=1.0)] = 0.12
    """a_m at the start: how far the counterfactual features lean to their transformation."""
    finetune: Literal["none", "all"] | PositiveInt = "none"
    """Text encoder: frozen (its vectors are cached), trained whole, or its top N layers trained."""

    @model_validator(mode="after")
    def _heads_share_the_width(self) -> ModelConfig:
        for heads, name, width in (
            (self.bilstm_heads, "bilstm_heads", 2 * self.width),
            (self.frontend_heads, "frontend_heads", self.width),
            (self.cross_heads, "cross_heads", self.width),
        ):
            if width % heads:
                raise ValueError(
                    f"{name}={heads} does not divide {width}, the width that it is shared out over"
                )
        return self


class TrainingConfig(Section):
    """Three phases, their losses, rates and stopping (design.md, section 5)."""

    phase1_epochs: PositiveInt = 15
    """Epochs of phase 1: focal loss alone."""
    phase2_epochs: NonNegativeInt = 15
    """Epochs of phase 2: + alignment; 0 leaves the phase out."""
    phase3_epochs: NonNegativeInt = 10
    """Epochs of phase 3: + intention; 0 leaves the phase out."""
    batch_size: PositiveInt = 16
    """Utterances per batch."""
    accumulation: PositiveInt = 4
    """Batches per optimizer step."""
    encoder_rate: Annotated[float, Field(gt=0.0)] = 5e-5
    """Learning rate of a fine-tuned encoder."""
    rate: Annotated[float, Field(gt=0.0)] = 5e-4
    """Learning rate of the rest of the network."""
    weight_decay: NonNegative = 0.01
    """AdamW's weight decay; norms and biases are left out."""
    clip_norm: Annotated[float, Field(gt=0.0)] = 1.0
    """Largest norm of the gradient."""
    mixed_precision: Literal["auto", "fp32", "fp16", "bf16"] = "auto"
    """`auto`: bf16 or fp16 on a GPU, float32 on a CPU, where bfloat16 is slower without AMX or AVX-512."""
    warmup_epochs: NonNegative = 1.0
    """Phase 1: epochs of linear warm-up, shortened to a phase's half where it is short."""
    warmup_start: Rate = 0.1
    """Phase 1: share of the rate at the first step."""
    plateau_factor: Annotated[float, Field(gt=0.0, lt=1.0)] = 0.5
    """Phase 1: factor of the rate where val has not improved."""
    plateau_patience: NonNegativeInt = 2
    """Phase 1: epochs without improvement before that."""
    cosine_epochs: PositiveInt = 5
    """Phase 2: epochs of the first cosine period."""
    cosine_growth: PositiveInt = 2
    """Phase 2: each period is this many times the one before."""
    onecycle_rise: Annotated[float, Field(gt=0.0, lt=1.0)] = 0.3
    """Phase 3: share of the steps in which the rate rises."""
    onecycle_start: Annotated[float, Field(gt=1.0)] = 10.0
    """Phase 3: the rate starts at 1 / this."""
    onecycle_end: Annotated[float, Field(gt=1.0)] = 1e4
    """Phase 3: and ends at 1 / this of its start."""
    least_rate: NonNegative = 1e-7
    """No schedule goes below it."""
    patience: PositiveInt = 7
    """Epochs without a better val score before a phase ends, never before its loss weight reached its cap."""
    select: Literal["best", "last"] = "best"
    """`best`: each phase keeps its best epoch by val weighted F1; `last`: fixed epochs, val is never read."""
    focal_gamma: NonNegative = 2.0
    """Focal loss: how much easy samples are played down; 0 is weighted cross-entropy."""
    class_weights: Literal["none", "sqrt", "inverse", "effective"] = "sqrt"
    """Weights by training frequency. Strong ones raise macro F1 and UAR and cost weighted F1."""
    sampler: Literal["shuffle", "balanced"] = "shuffle"
    """`balanced`: as many training rows per epoch, drawn so that each class is as likely as any other."""
    alignment: Literal["mean", "seed", "supcon"] = "mean"
    """Form of the alignment loss: means over the pairs, the seed's literal sums, or supervised contrastive."""
    alignment_weight: NonNegative = 0.1
    """Cap of the alignment loss's weight."""
    alignment_step: Annotated[float, Field(gt=0.0)] = 0.02
    """Its growth per epoch of phase 2."""
    temperature: Annotated[float, Field(gt=0.0)] = 0.1
    """tau of the alignment loss."""
    margin: NonNegative = 0.5
    """m of the alignment loss."""
    alignment_queue: NonNegativeInt = 0
    """Detached earlier pairs that also serve as partners in the alignment loss (1024 is usual; 0: none)."""
    intention_weight: NonNegative = 0.05
    """Cap of the intention loss's weight."""
    intention_step: Annotated[float, Field(gt=0.0)] = 0.01
    """Its growth per epoch of phase 3."""
    intention_confidence: Rate = 0.7
    """Only rows that the classifier is surer of than this take part in the intention loss."""
    label_smoothing: Annotated[float, Field(ge=0.0, lt=1.0)] = 0.1
    """Label smoothing of the intention loss."""
    minimal_change: NonNegative = 0.0
    """Weight of the penalty on |H_cf - H_org| in phases 2 and 3."""
    modality_dropout: Rate = 0.0
    """Chance that a cue of a training row is hidden; never its last one."""
    whole_view: bool = False
    """Whether a row with hidden cues stands in its batch a second time, whole: each step then teaches both the
    single cues and their interplay, at about one and a half times the cost."""
    save_minutes: NonNegative = 5.0
    """Minutes between saves of the state that `resume` starts from; it is also saved after each epoch."""
    tensorboard: bool = True
    """Write TensorBoard event files to `save_dir/tensorboard`."""

    @property
    def epochs(self) -> tuple[int, int, int]:
        return self.phase1_epochs, self.phase2_epochs, self.phase3_epochs


class EvaluationConfig(Section):
    draws: Annotated[int, Field(ge=100, le=1_000_000)] = 1000
    """Bootstrap draws behind each 95% interval."""
    batch_size: PositiveInt = 64
    """Utterances per batch; changes speed, never results."""


class AuditConfig(Section):
    """What the leakage audit of `train` looks at beside ids, media files, texts, speakers and dialogues. `tricue
    audit` looks at all of it."""

    near_duplicates: bool = True
    """Texts that are nearly the same in two splits."""
    fingerprints: bool = False
    """The same recording under another name or container, silent clips, clips without picture: all audio is decoded."""
    probe: bool = False
    """The noise probe: what score noise alone reaches under the protocol."""


class Config(Section):
    """Everything that decides a result, saved beside the weights."""

    data: DataConfig = DataConfig()
    """Corpus, labels, splits."""
    modalities: list[Cue] = list(CUES)
    """The cues that the network is built for, in this order."""
    features: FeaturesConfig = FeaturesConfig()
    """Frozen encoders and signal features, per cue."""
    model: ModelConfig = ModelConfig()
    """The network."""
    training: TrainingConfig = TrainingConfig()
    """Phases, losses, rates."""
    evaluation: EvaluationConfig = EvaluationConfig()
    """How quality is measured."""
    audit: AuditConfig = AuditConfig()
    """What is looked at for leaks; changes no result."""
    seed: Annotated[int, Field(ge=0, lt=2**32)] = 0
    """Seed of everything random in training and in the intervals."""

    @field_validator("modalities")
    @classmethod
    def _in_canonical_order(cls, cues: list[Cue]) -> list[Cue]:
        if not cues or len(set(cues)) != len(cues):
            raise ValueError(f"modalities must be distinct and at least one of {', '.join(CUES)}; got {cues}")
        return [cue for cue in CUES if cue in cues]

    @model_validator(mode="after")
    def _finetune_needs_a_hub_text_encoder(self) -> Config:
        if (
            self.model.finetune != "none"
            and "text" in self.modalities
            and self.features.text.encoder == "light"
        ):
            raise ValueError("model.finetune needs a hub text encoder; features.text.encoder is light")
        if self.model.finetune != "none" and "text" in self.modalities and self.features.text.precomputed:
            raise ValueError("model.finetune trains the text encoder; features.text.precomputed has none")
        return self

    @property
    def finetunes_text(self) -> bool:
        """Whether text reaches the network as token ids and its encoder is trained with it."""
        return self.model.finetune != "none" and "text" in self.modalities


def shipped_configs() -> dict[str, Path]:
    """Name -> file of the configs that come with the package."""
    folder = Path(str(resources.files("tricue") / "configs"))
    return {path.stem: path for path in sorted(folder.glob("*.yaml"))}


def load_config(
    source: str | Path | None = None, overrides: Mapping[str, Any] | None = None, flags: Collection[str] = ()
) -> Config:
    """The settings of a shipped config (`MELD`, any case), of a YAML file, or the defaults; then the overrides.

    overrides: dotted name -> value, e.g. `{"training.rate": 1e-3}`. flags: those of them that a flag of its own gave,
    not --set.
    Raises InputError naming every setting that is wrong, InvalidFileError where the file is at fault.
    """
    if source is None:
        return build_config({}, overrides or {}, "the defaults", flags=flags)
    path = shipped_configs().get(str(source).lower(), Path(source))
    if not is_file(path):
        raise InputError(
            f"No config named {shown(str(source), 200)}. Shipped: {', '.join(shipped_configs())}; "
            "or give the path of a YAML file with --config, or your own corpus with --manifest."
        )
    if path.stat().st_size > 4 * MAX_CHARACTERS:
        raise InvalidFileError(f"{path}: {path.stat().st_size:,} bytes; a file of settings is far smaller.")
    try:
        document = read_yaml(path.read_text(encoding="utf-8"))
    except UnicodeDecodeError as error:
        raise InvalidFileError(
            f"{path} is not valid YAML in UTF-8 ({error.reason}). Save it as UTF-8."
        ) from error
    except YamlError as error:
        place = f"{path}, line {error.line}" if error.line else str(path)
        raise InvalidFileError(f"{place}: {error.reason}.") from error
    settings = {} if document.value is None else document.value
    if not isinstance(settings, dict):
        raise InvalidFileError(f"{path} holds no settings: it should look like configs/meld.yaml.")
    return build_config(settings, overrides or {}, str(path), lines=document.lines, flags=flags)


def build_config(
    settings: Mapping[str, Any],
    overrides: Mapping[str, Any],
    origin: str,
    *,
    given: str = "--set",
    lines: Mapping[tuple[str, ...], int] | None = None,
    flags: Collection[str] = (),
) -> Config:
    """A validated Config from nested settings and dotted overrides.

    origin, given: where the settings and the overrides come from, as errors name them. lines: of the settings in their
    file. flags: overrides that a flag of their own gave. Raises InvalidFileError where one of the settings is wrong,
    InputError where only overrides are.
    """

    def place(name: str) -> str:
        if given_by(name, overrides):
            return (
                f"--{name.rpartition('.')[2]}"
                if name in flags
                else f"{given} {shown(name, 100, quoted=False)}"
            )
        line = (lines or {}).get(tuple(name.split(".")))
        return f"{origin}{f', line {line}' if line else ''}{', ' if name else ''}{shown(name, 100, quoted=False)}"

    tree = _copy(settings)
    faults = []
    for dotted, value in overrides.items():
        try:
            _put(tree, parts_of(dotted, Config), value)
        except UnknownSetting as error:
            faults.append((dotted, f"{place(dotted)}={shown(value)}: {error}"))
    try:
        config = Config.model_validate(tree)
    except ValidationError as error:
        faults += describe(error, Config, overrides, place)
    if not faults:
        return config
    kind = InputError if all(given_by(name, overrides) for name, _ in faults) else InvalidFileError
    said = [line for _, line in faults[:SHOWN_FAULTS]]
    if len(faults) > SHOWN_FAULTS:
        said.append(f"... and {len(faults) - SHOWN_FAULTS:,} more")
    raise kind(f"{said[0]}." if len(said) == 1 else "Settings are not valid:\n  " + "\n  ".join(said))


def _put(tree: dict[str, Any], parts: Sequence[str], value: Any) -> None:
    """A value in its place; where the tree is no section there, its own fault is found by the validation."""
    *parents, leaf = parts
    section: Any = tree
    for name in parents:
        section = section.setdefault(name, {})
        if not isinstance(section, dict):
            return
    section[leaf] = value


def change_config(
    config: Config, overrides: Mapping[str, Any], origin: str, flags: Collection[str] = ()
) -> Config:
    """`config` with dotted overrides, validated anew. origin, flags: where they come from, as errors name it."""
    return build_config(config.model_dump(mode="json"), overrides, origin, given=origin, flags=flags)


def parse_overrides(assignments: Iterable[str]) -> dict[str, Any]:
    """`["training.rate=0.001"]` -> `{"training.rate": 0.001}`; values are read as YAML."""
    overrides: dict[str, Any] = {}
    for assignment in assignments:
        name, equals, value = assignment.partition("=")
        if not equals or not name.strip():
            raise InputError(
                f"--set expects NAME=VALUE, e.g. --set training.rate=1e-3; got {shown(assignment, 100)}."
            )
        try:
            overrides[name.strip()] = read_yaml(value).value
        except YamlError as error:
            raise InputError(f"--set {shown(assignment, 100, quoted=False)}: {error.reason}.") from error
    return overrides


def share_epochs(total: int, shares: Sequence[int] = PHASE_SHARES) -> tuple[int, int, int]:
    """`--epochs N` over the phases by largest remainder, the earlier phase first, each with a share at least 1.

    Raises InputError for fewer epochs than phases.
    """
    phases = [i for i, share in enumerate(shares) if share]
    if total < len(phases):
        raise InputError(f"--epochs {total}: {len(phases)} phases need at least {len(phases)} epochs.")
    exact = [total * share / sum(shares) for share in shares]
    epochs = [int(share) for share in exact]
    by_remainder = sorted(phases, key=lambda i: (-(exact[i] - epochs[i]), i))
    for i in by_remainder[: total - sum(epochs)]:
        epochs[i] += 1
    while starved := [i for i in phases if not epochs[i]]:  # a few epochs in all: the longest phase gives one
        epochs[epochs.index(max(epochs))] -= 1
        epochs[starved[0]] += 1
    return epochs[0], epochs[1], epochs[2]


def _copy(tree: Mapping[str, Any]) -> dict[str, Any]:
    return {name: _copy(value) if isinstance(value, Mapping) else value for name, value in tree.items()}
