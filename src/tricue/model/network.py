"""The network, in the order of the data; the only file of this room that reads the config."""

from __future__ import annotations

import math
from collections.abc import Mapping
from functools import partial
from typing import Any

import torch
from torch import nn

from tricue.config import Config
from tricue.features import hub
from tricue.model.attention import AttentionPooling
from tricue.model.bilstm import ProgressiveBiLSTM, ProgressiveLayer
from tricue.model.counterfactual import CounterfactualFeatures
from tricue.model.frontends import AudioFrontend, LiveText, TextFrontend, VideoFrontend
from tricue.model.fusion import CrossModalAttention, FusionMLP
from tricue.model.intention import IntentionPredictor
from tricue.model.layer_mix import LayerMix
from tricue.model.linear import LinearPath
from tricue.model.transform import DimensionDropout, Scaling
from tricue.types import Batch, Cue, InputError, Output

Widths = Mapping[Cue, tuple[int, ...]]  # widths of the streams that stand side by side in a cue's features
Parts = Mapping[Cue, nn.Module]


class Network(nn.Module):
    """Frontends, progressive BiLSTMs, cross-modal attention, fusion, classifier; counterfactual and intention."""

    def __init__(
        self,
        frontends: Parts,
        bilstms: Parts,
        cross_attention: CrossModalAttention,
        fusion: FusionMLP,
        counterfactual: CounterfactualFeatures,
        classifier: nn.Linear,
        intention: IntentionPredictor,
        scaling: Parts,
        mixes: Parts,
        gate_start: float,
        live_text: LiveText | None = None,
        feature_dropout: float = 0.0,
        linear_path: LinearPath | None = None,
    ) -> None:
        super().__init__()
        width = classifier.in_features
        self.cues: list[Cue] = list(cross_attention.cues)
        self.live_text = live_text
        self.scaling = _by_cue(scaling)
        self.mixes = _by_cue(mixes)
        self.feature_dropout = DimensionDropout(feature_dropout)
        self.linear_path = linear_path
        self.frontends = _by_cue(frontends)
        self.bilstms = _by_cue(bilstms)
        self.cross_attention = cross_attention
        self.pooling = nn.ModuleDict({cue: AttentionPooling(width) for cue in self.cues})
        self.absent = nn.ParameterDict({cue: nn.Parameter(torch.zeros(width)) for cue in self.cues})
        self.fusion = fusion
        self.classifier = classifier
        self.counterfactual = counterfactual
        self.intention = intention
        initialise(self, gate_start)

    @classmethod
    def from_config(
        cls, config: Config, dims: Widths, classes: int, text_encoder: nn.Module | None = None
    ) -> Network:
        """dims: per cue the widths of its feature streams; text_encoder: trained along when model.finetune says so."""
        m, cues = config.model, config.modalities
        live = None
        if config.finetunes_text:
            if text_encoder is None:
                raise ValueError("model.finetune is set, so the network needs its text encoder.")
            live = _live_text(text_encoder, config)
        layers = {cue: _mixed_layers(cue, dims[cue], config) for cue in cues}
        streams = {cue: dims[cue][max(layers[cue] - 1, 0) :] for cue in cues}  # with the mix as one
        frontends = {cue: _frontend(cue, streams[cue], config) for cue in cues}
        return cls(
            frontends=frontends,
            bilstms={
                cue: ProgressiveBiLSTM(
                    frontends[cue].out_width, m.width, m.bilstm_layers, m.bilstm_heads, m.dropout, m.gating
                )
                for cue in cues
            },
            cross_attention=CrossModalAttention(cues, 2 * m.width, m.width, m.cross_heads, m.cross_attention),
            fusion=FusionMLP(len(cues) * m.width, m.width, m.fusion_dropout),
            counterfactual=CounterfactualFeatures(cues, m.width, m.counterfactual_start, m.dropout),
            classifier=nn.Linear(m.width, classes),
            intention=IntentionPredictor(m.width, classes, m.fusion_dropout),
            scaling={cue: Scaling(sum(dims[cue])) for cue in cues},
            mixes={cue: LayerMix(count, dims[cue][0]) for cue, count in layers.items() if count},
            gate_start=m.gate_start,
            live_text=live,
            feature_dropout=m.feature_dropout,
            linear_path=LinearPath({cue: sum(streams[cue]) for cue in cues}, m.width)
            if m.linear_path
            else None,
        )

    @property
    def classes(self) -> int:
        return self.classifier.out_features

    def forward(self, batch: Batch, counterfactual: bool = False, intention: bool = False) -> Output:
        """logits and H for a batch; with `counterfactual` also H_cf, with `intention` also its predictor.

        Raises ValueError if the batch has none of the network's cues.
        """
        return self.decide(*self.vectors(batch), counterfactual, intention)

    def vectors(self, batch: Batch) -> tuple[dict[Cue, torch.Tensor], dict[Cue, torch.Tensor]]:
        """What `decide` reads: per cue the scaled vectors (B, T, D), zero where they are the training mean, and masks.

        A live text encoder has run by then: the steps are the utterance's own tokens. Raises ValueError as `forward`.
        """
        vectors: dict[Cue, torch.Tensor] = {}
        masks: dict[Cue, torch.Tensor] = {}
        for cue in self.cues:
            if (
                cue in batch.values and batch.values[cue].shape[1] > 0
            ):  # without a time step nobody has the cue
                vectors[cue], masks[cue] = self._vectors(cue, batch)
        if not vectors:
            raise ValueError(
                f"The batch has none of the network's cues {self.cues}; it has {list(batch.values)}."
            )
        return vectors, masks

    def decide(
        self,
        vectors: Mapping[Cue, torch.Tensor],
        masks: Mapping[Cue, torch.Tensor],
        counterfactual: bool = False,
        intention: bool = False,
    ) -> Output:
        """`forward` from the scaled vectors on; they are zero at masked steps, valid steps stand first."""
        layers: dict[Cue, list[torch.Tensor]] = {
            cue: self.bilstms[cue](self.frontends[cue](own, masks[cue]), masks[cue])
            for cue, own in vectors.items()
        }
        enhanced = self.cross_attention({cue: outputs[-1] for cue, outputs in layers.items()}, masks)
        linear = self.linear_path(vectors, masks) if self.linear_path is not None else None
        h_org = self._fuse(enhanced, masks, linear)
        output = Output(self.classifier(h_org), h_org, layers=layers, enhanced=enhanced, masks=dict(masks))
        if counterfactual or intention:
            output.h_cf = self._fuse(self.counterfactual(enhanced), masks, linear)
            output.logits_cf = self.classifier(output.h_cf)
        if intention and output.h_cf is not None:
            output.logits_intention = self.intention(h_org, output.h_cf)
        return output

    def _vectors(self, cue: Cue, batch: Batch) -> tuple[torch.Tensor, torch.Tensor]:
        """Scaled feature vectors (B, T, D), zeros at masked steps (never read), and the mask (B, T)."""
        values, mask = batch.values[cue], batch.masks[cue]
        if cue == "text" and self.live_text is not None:
            values, mask = self.live_text(values, mask)
        return self.scaled(cue, values, mask), mask

    def scaled(self, cue: Cue, values: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        """What `decide` reads of a cue, from what its encoder gives: (B, T, D), zero at masked steps."""
        scaled = torch.where(mask.unsqueeze(-1), self.scaling[cue](values), 0.0)
        mixed = self.mixes[cue](scaled) if cue in self.mixes else scaled
        return self.feature_dropout(mixed)

    def _fuse(
        self,
        enhanced: Mapping[Cue, torch.Tensor],
        masks: Mapping[Cue, torch.Tensor],
        linear: torch.Tensor | None,
    ) -> torch.Tensor:
        """Pool each cue to one vector, a learned one where it is absent, fuse, add the linear path: (B, d)."""
        rows = next(iter(enhanced.values())).shape[0]
        pooled = []
        for cue in self.cues:
            vector = self.absent[cue].expand(rows, -1)
            if cue in enhanced:
                present = masks[cue].any(dim=1, keepdim=True)
                vector = torch.where(present, self.pooling[cue](enhanced[cue], masks[cue]), vector)
            pooled.append(vector)
        fused = self.fusion(torch.cat(pooled, dim=-1))
        return fused if linear is None else fused + linear


def _live_text(encoder: Any, config: Config) -> LiveText:
    layer, last = config.features.text.layer, int(encoder.config.num_hidden_layers)
    if layer not in (None, "mix") and not {-1, last} & set(layer if isinstance(layer, list) else [layer]):
        raise InputError(
            f"features.text.layer={layer}: model.finetune trains the encoder up to its last layer, "
            f"which then must be read too (-1 or {last})."
        )
    read = partial(hub.choose_layer, layer=layer, setting="features.text.layer")
    top = None if config.model.finetune == "all" else int(config.model.finetune)
    try:
        return LiveText(encoder, top, read)
    except ValueError as error:
        raise InputError(str(error)) from error


def _by_cue(parts: Parts) -> nn.ModuleDict:
    return nn.ModuleDict({str(cue): part for cue, part in parts.items()})


def _mixed_layers(cue: Cue, dims: tuple[int, ...], config: Config) -> int:
    """How many layers of its encoder stand first in a cue's features, to be mixed; 0 where there is one alone."""
    features = config.features.text if cue == "text" else config.features.audio
    if cue == "video" or features.layer != "mix" or features.precomputed or features.encoder == hub.LIGHT:
        return 0
    beside = cue == "audio" and (config.features.audio.mfcc > 0 or config.features.audio.spectral)
    return len(dims) - beside


def _frontend(
    cue: Cue, dims: tuple[int, ...], config: Config
) -> TextFrontend | AudioFrontend | VideoFrontend:
    m = config.model
    if cue == "text":
        return TextFrontend(sum(dims), m.width, m.dropout)
    if cue == "audio":
        speech, acoustic = (*dims, 0)[:2]
        return AudioFrontend(speech, acoustic, m.width, m.frontend_heads, m.dropout, m.frontend_residual)
    return VideoFrontend(sum(dims), m.width, m.frontend_heads, m.dropout, m.frontend_residual)


def initialise(network: Network, gate_start: float) -> None:
    """Xavier weights, orthogonal recurrences, zero biases, forget gates open, the linear path at zero; a live text
    encoder stays as it came.

    With torch's defaults the deep stack of averaging attention and ReLU makes all utterances alike: the share of
    H's second moment that differs between utterances starts at 0.002 (RAVDESS), with these at 0.03.
    gate_start: what the adaptive gates give before they have learnt anything, in (0, 1).
    """
    for name, module in network.named_modules():
        if name.startswith("live_text"):
            continue
        if isinstance(module, nn.Linear):
            nn.init.xavier_uniform_(module.weight)
            if module.bias is not None:
                nn.init.zeros_(module.bias)
        elif isinstance(module, nn.LSTM):
            for weight, values in module.named_parameters():
                if weight.startswith("weight_ih"):
                    nn.init.xavier_uniform_(values)
                elif weight.startswith("weight_hh"):
                    nn.init.orthogonal_(values)
                else:
                    nn.init.zeros_(values)
            hidden = module.hidden_size
            with torch.no_grad():  # torch orders the gates: input, forget, cell, output
                module.get_parameter("bias_ih_l0")[hidden : 2 * hidden] = 1.0
    for module in network.modules():
        if isinstance(module, ProgressiveLayer) and module.gate is not None:
            nn.init.constant_(module.gate.bias, math.log(gate_start / (1.0 - gate_start)))
        elif isinstance(module, LinearPath):
            for mapping in module.maps.children():
                nn.init.zeros_(mapping.get_parameter("weight"))
