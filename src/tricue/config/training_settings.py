"""Settings of the training."""

from typing import Annotated, Literal

from pydantic import Field

from tricue.config.section import NonNegative, NonNegativeInt, PositiveInt, Rate, Section


class TrainingConfig(Section):
    """Three phases, their losses and rates."""

    phase1_epochs: PositiveInt = 15
    """Epochs of phase 1: the task's loss alone."""
    phase2_epochs: NonNegativeInt = 15
    """Epochs of phase 2: + alignment; 0 leaves the phase out."""
    phase3_epochs: NonNegativeInt = 10
    """Epochs of phase 3: + intention; 0 leaves the phase out."""
    audio_copies: Annotated[int, Field(ge=0, le=100)] = 0
    """Copies of the sound of each training row with other speed, loudness, noise and gaps, whose features are stored
    beside those of the true one; each epoch draws one of them all per row. Val and test rows have none."""
    batch_size: PositiveInt = 16
    """Utterances per batch."""
    accumulation: PositiveInt = 1
    """Batches per optimizer step."""
    encoder_rate: Annotated[float, Field(gt=0.0)] = 5e-5
    """Learning rate of a fine-tuned encoder, of its top layer."""
    layer_decay: Annotated[float, Field(gt=0.0, le=1.0)] = 1.0
    """Factor of a fine-tuned encoder's learning rate from each of its layers to the one below; what lies before the
    lowest layer counts as one more."""
    head_first_epochs: NonNegativeInt = 0
    """First epochs of phase 1 in which fine-tuned encoders stay as they came, and all else is trained."""
    checkpointing: bool = False
    """Compute the activations of fine-tuned encoders again in the backward pass in place of keeping them: less memory,
    about a third more time."""
    rate: Annotated[float, Field(gt=0.0)] = 1e-3
    """Learning rate of the rest of the network."""
    weight_decay: NonNegative = 0.05
    """AdamW's weight decay; norms and biases are left out."""
    average: Annotated[float, Field(ge=0.0, lt=1.0)] = 0.999
    """Decay per step of the running average of the weights, which is what val scores and a checkpoint holds; 0 takes
    the weights of the last step."""
    clip_norm: Annotated[float, Field(gt=0.0)] = 1.0
    """Largest norm of the gradient."""
    mixed_precision: Literal["auto", "fp32", "fp16", "bf16"] = "auto"
    """`auto`: bf16 or fp16 on a GPU, float32 on a CPU, where bfloat16 is slower without AMX or AVX-512."""
    warmup_epochs: NonNegative = 1.0
    """Epochs of linear warm-up, at most half of all; from there the rate falls along half a cosine to the last step."""
    select: Literal["best", "last"] = "best"
    """`best`: each phase keeps its best epoch by the task's val score; `last`: fixed epochs, val is never read."""
    focal_gamma: NonNegative = 0.0
    """Focal loss: how much easy samples are played down; 0 is weighted cross-entropy, the paper has 2."""
    auxiliary_weight: NonNegative = 0.3
    """Weight of the same loss on what each modality says alone, in all phases; answers come from all together."""
    class_weights: Literal["none", "sqrt", "inverse", "effective"] = "sqrt"
    """Weights by training frequency. Strong ones raise macro F1 and UAR and cost weighted F1."""
    sampler: Literal["shuffle", "balanced"] = "shuffle"
    """`balanced`: as many training rows per epoch, drawn so that each class is as likely as any other."""
    alignment: Literal["mean", "seed", "supcon"] = "mean"
    """Form of the alignment loss: means over the pairs, the paper's literal sums, or supervised contrastive."""
    alignment_weight: NonNegative = 0.1
    """Cap of the alignment loss's weight, which grows by 0.02 per epoch of phase 2."""
    temperature: Annotated[float, Field(gt=0.0)] = 0.1
    """tau of the alignment loss."""
    margin: NonNegative = 0.5
    """m of the alignment loss."""
    intention_weight: NonNegative = 0.05
    """Cap of the intention loss's weight, which grows by 0.01 per epoch of phase 3."""
    intention_confidence: Rate = 0.7
    """Only rows that the classifier is surer of than this take part in the intention loss."""
    label_smoothing: Annotated[float, Field(ge=0.0, lt=1.0)] = 0.1
    """Label smoothing of the task's loss (classes) and of the intention loss."""
    minimal_change: NonNegative = 0.0
    """Weight of the penalty on |H_cf - H_org| in phases 2 and 3."""
    modality_dropout: Rate = 0.25
    """Chance that a modality of a training row is hidden; never its last one."""
    whole_view: bool = True
    """Whether each row stands in its batch whole, too, beside its view with hidden modalities: a step then teaches both
    the single modalities and their interplay, and costs up to twice as much."""
    save_minutes: NonNegative = 5.0
    """Minutes between saves of the state that `resume` starts from; it is also saved after each epoch."""
    tensorboard: bool = True
    """Write TensorBoard event files to `save_dir/tensorboard`."""

    @property
    def epochs(self) -> tuple[int, int, int]:
        return self.phase1_epochs, self.phase2_epochs, self.phase3_epochs
