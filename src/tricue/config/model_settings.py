"""Settings of the network."""

from typing import Annotated, Literal

from pydantic import AfterValidator, Field, model_validator

from tricue.config.section import PositiveInt, Section
from tricue.registry import FUSIONS
from tricue.types import ModalityName

ROWS = (8_000, 40_000)  # most training rows of all but the last of ...
WIDTHS = (64, 128, 256)  # ... what `width: auto` takes


Depth = Literal["none", "all"] | PositiveInt  # of an encoder: frozen, trained whole, or its top N layers trained


class FinetuneConfig(Section):
    """How much of each encoder is trained with the network; vectors of one that is frozen are cached."""

    text: Depth = "none"
    """Text encoder: frozen, trained whole, or its top N layers trained."""
    video: Depth = "none"
    """Image encoder: frozen, trained whole, or its top N layers trained. Frames are then varied in training: mirrored,
    turned, cropped, brightened, a part covered."""
    audio: Depth = "none"
    """Speech encoder: frozen, all its transformer layers trained, or its top N. The convolutions and positions before
    the layers always stay frozen; what they and the frozen layers give is stored once (docs/features.md)."""

    def __getitem__(self, modality: ModalityName) -> Depth:
        """`none` of a modality whose encoder no setting trains."""
        return dict(self).get(modality, "none")


class ModelConfig(Section):
    """The network (docs/method.md)."""

    width: Literal["auto"] | Annotated[int, Field(ge=16, le=16_384, multiple_of=16)] = "auto"
    """d: all other widths follow from it (LSTM hidden size d each way, fusion 2d, ...). `auto`: by the training rows,
    64 up to 8,000 of them, 128 up to 40,000, else 256."""
    bilstm_layers: Literal["auto"] | Annotated[int, Field(ge=0, le=100)] = "auto"
    """Layers of the progressive BiLSTM. `auto`: 1 for a width up to 128, else 3."""
    bilstm_heads: PositiveInt = 8
    """Attention heads inside each progressive layer."""
    gating: bool = True
    """Whether a progressive layer's gate mixes its output with its input; without, the output alone goes on."""
    gate_start: Annotated[float, Field(gt=0.0, lt=1.0)] = 0.5
    """Share of a progressive layer's own output at the start; the rest is its input, passed on. Small helps deep
    stacks (Srivastava et al., 2015, "Highway Networks", section 2.2); 0.5 lets one layer learn order at once."""
    cross_attention: bool = True
    """Whether each modality attends to the others; without, they meet in the fusion only."""
    statistics: bool = True
    """Whether mean and deviation over time of each modality's features enter the fusion beside its sequence: what a
    logistic regression on pooled features reads."""
    fusion: Annotated[str, AfterValidator(FUSIONS.check)] = "concatenation"
    """How the modalities' vectors become H: `concatenation` and an MLP, or the fusion of an installed plugin."""
    dropout: Annotated[float, Field(ge=0.0, lt=1.0)] = 0.0
    """Dropout of the blocks before fusion. With 0.1 and more a network of one layer is late to learn order."""
    feature_dropout: Annotated[float, Field(ge=0.0, lt=1.0)] = 0.3
    """Dropout of the scaled features and of their statistics. A dropped dimension is gone from all steps of a row."""
    fusion_dropout: Annotated[float, Field(ge=0.0, lt=1.0)] = 0.5
    """Dropout of the fusion and intention MLPs."""
    counterfactual_start: Annotated[float, Field(gt=0.0, lt=1.0)] = 0.12
    """a_m at the start: how far the counterfactual features lean to their transformation."""
    finetune: FinetuneConfig = FinetuneConfig()
    """How much of the encoders is trained. A word or number in its place is that of the text encoder."""

    @model_validator(mode="after")
    def _heads_share_the_width(self) -> "ModelConfig":
        least = WIDTHS[0] if self.width == "auto" else self.width  # which divides the others
        if (shared := 2 * least) % self.bilstm_heads:
            heads = f"bilstm_heads={self.bilstm_heads}"
            raise ValueError(f"{heads} does not divide {shared}, the width that it is shared out over")
        return self

    def settled(self, rows: int, like: "ModelConfig | None" = None) -> "ModelConfig":
        """With numbers in place of `auto`, for this many training rows; or those of the network that it starts from."""
        if like is not None:
            sizes = {"width": like.width, "bilstm_layers": like.bilstm_layers}
            taken = {name: size for name, size in sizes.items() if getattr(self, name) == "auto"}
            return ModelConfig.model_validate(self.model_dump() | taken)
        width = WIDTHS[sum(rows > most for most in ROWS)] if self.width == "auto" else self.width
        settled = self.model_copy(update={"width": width})
        return ModelConfig.model_validate(settled.model_dump() | {"bilstm_layers": settled.sizes[1]})

    @property
    def sizes(self) -> tuple[int, int]:
        """Width, and layers of the progressive BiLSTM.

        Raises:
            ValueError: The width is still `auto`.
        """
        if self.width == "auto":
            raise ValueError("model.width is auto: settled() makes it a number")
        layers = 1 if self.width <= WIDTHS[1] else 3
        return self.width, layers if self.bilstm_layers == "auto" else self.bilstm_layers
