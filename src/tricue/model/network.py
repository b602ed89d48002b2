"""The network, in the order of the data; the only file of this room that reads the config."""

import math
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import torch
from torch import nn

from tricue.config.settings import Config
from tricue.model.attention import AttentivePooling
from tricue.model.bilstm import ProgressiveBiLSTM, ProgressiveLayer
from tricue.model.counterfactual import CounterfactualFeatures
from tricue.model.fusion import CrossModalAttention
from tricue.model.intention import IntentionPredictor
from tricue.model.layer_mix import LayerMix
from tricue.model.statistics import Statistics
from tricue.model.transform import Scaling, SharedDropout
from tricue.registry import FUSIONS, MODALITIES
from tricue.types import Batch, ModalityName, Output

ABSENT_START = 0.01  # of the vectors of absent modalities: the fusion's ReLU gives none below or at 0 a gradient
LIVE = "live_"  # begins the names of encoders that are trained with the network: live_text.*

Widths = Mapping[
    ModalityName, tuple[int, ...]
]  # widths of the streams that stand side by side in a modality's features
Parts = Mapping[ModalityName, nn.Module]


class Network(nn.Module):
    """Frontends, progressive BiLSTMs, cross-modal attention, statistics, fusion, classifier; counterfactual, intention.

    statistics: None leaves out what a modality's features are on the whole.
    """

    def __init__(
        self,
        frontends: Parts,
        bilstms: Parts,
        cross_attention: CrossModalAttention,
        statistics: Parts | None,
        fusion: nn.Module,
        counterfactual: CounterfactualFeatures,
        classifier: nn.Linear,
        intention: IntentionPredictor,
        scaling: Parts,
        mixes: Parts,
        gate_start: float,
        live: Parts | None = None,
        feature_dropout: float = 0.0,
    ) -> None:
        super().__init__()
        width = classifier.in_features
        self.modalities: list[ModalityName] = list(cross_attention.modalities)
        self._live = list(live or {})
        for modality in self._live:  # not in a ModuleDict: checkpoints name the weights so
            self.add_module(LIVE + modality, (live or {})[modality])
        self.scaling = _by_modality(scaling)
        self.mixes = _by_modality(mixes)
        self.feature_dropout = SharedDropout(feature_dropout, axis=1)
        self.frontends = _by_modality(frontends)
        self.bilstms = _by_modality(bilstms)
        self.cross_attention = cross_attention
        self.pooling = nn.ModuleDict({modality: AttentivePooling(width) for modality in self.modalities})
        self.statistics = _by_modality(statistics or {})
        whole = vector_width(width, statistics is not None)
        self.absent = nn.ParameterDict(
            {modality: nn.Parameter(torch.full((whole,), ABSENT_START)) for modality in self.modalities}
        )
        self.auxiliary = nn.ModuleDict(
            {modality: nn.Linear(whole, classifier.out_features) for modality in self.modalities}
        )
        self.fusion = fusion
        self.classifier = classifier
        self.counterfactual = counterfactual
        self.intention = intention
        initialise(self, gate_start)

    @classmethod
    def from_config(cls, config: Config, dims: Widths, outputs: int, encoders: Parts | None = None) -> "Network":
        """A network as the settings describe it; their sizes are numbers by now.

        Args:
            dims: Per modality the widths of its feature streams.
            outputs: Width of the heads.
            encoders: Those that are trained with the network, of `config.live`.
        """
        m, modalities = config.model, config.modalities
        width, layers = m.sizes
        whole = vector_width(width, m.statistics)
        mixed = {
            modality: MODALITIES[modality].count_mixed_layers(config.features[modality], dims[modality])
            for modality in modalities
        }
        return cls(
            frontends={
                modality: MODALITIES[modality].make_frontend(
                    dims[modality][max(mixed[modality] - 1, 0) :], 2 * width, m.dropout
                )
                for modality in modalities
            },
            bilstms={
                modality: ProgressiveBiLSTM(width, layers, m.bilstm_heads, m.dropout, m.gating)
                for modality in modalities
            },
            cross_attention=CrossModalAttention(modalities, 2 * width, width, m.cross_attention),
            statistics={
                modality: Statistics(sum(dims[modality]), 2 * width, m.feature_dropout) for modality in modalities
            }
            if m.statistics
            else None,
            fusion=FUSIONS[m.fusion](len(modalities) * whole, width, m.fusion_dropout),
            counterfactual=CounterfactualFeatures(modalities, whole, m.counterfactual_start),
            classifier=nn.Linear(width, outputs),
            intention=IntentionPredictor(width, outputs, m.fusion_dropout),
            scaling={modality: Scaling(sum(dims[modality])) for modality in modalities},
            mixes={modality: LayerMix(count, dims[modality][0]) for modality, count in mixed.items() if count},
            gate_start=m.gate_start,
            live=_live_encoders(config, encoders or {}),
            feature_dropout=m.feature_dropout,
        )

    @property
    def outputs(self) -> int:
        return self.classifier.out_features

    @property
    def pooled_width(self) -> int:
        """Of what the fusion reads of a modality's sequence; what its statistics add stands behind."""
        return vector_width(self.classifier.in_features, statistics=False)

    @property
    def statistics_width(self) -> int:
        return vector_width(self.classifier.in_features, bool(self.statistics)) - self.pooled_width

    @property
    def live(self) -> dict[ModalityName, Any]:
        """The encoders that are trained with the network (`modality.LiveEncoder`)."""
        return {modality: getattr(self, LIVE + modality) for modality in self._live}

    def forward(self, batch: Batch, counterfactual: bool = False, intention: bool = False) -> Output:
        """logits and H for a batch; with `counterfactual` also H_cf, with `intention` also its predictor.

        Raises ValueError if the batch has none of the network's modalities.
        """
        return self.decide(*self.vectors(batch), counterfactual, intention, batch.offsets)

    def vectors(self, batch: Batch) -> tuple[dict[ModalityName, torch.Tensor], dict[ModalityName, torch.Tensor]]:
        """What `decide` reads: per modality the scaled vectors (B, T, D), zero where they are the training mean, and
        masks.

        Live encoders have run by then: steps of text are the utterance's own tokens. Raises ValueError as `forward`.
        """
        vectors: dict[ModalityName, torch.Tensor] = {}
        masks: dict[ModalityName, torch.Tensor] = {}
        for modality in self.modalities:
            if (
                modality in batch.values and batch.values[modality].shape[1] > 0
            ):  # without a time step nobody has the modality
                vectors[modality], masks[modality] = self._vectors(modality, batch)
        if not vectors:
            raise ValueError(
                f"The batch has none of the network's modalities {self.modalities}; it has {list(batch.values)}."
            )
        return vectors, masks

    def decide(
        self,
        vectors: Mapping[ModalityName, torch.Tensor],
        masks: Mapping[ModalityName, torch.Tensor],
        counterfactual: bool = False,
        intention: bool = False,
        offsets: Mapping[ModalityName, torch.Tensor] = MappingProxyType({}),
    ) -> Output:
        """`forward` from the scaled vectors on; they are zero at masked steps, valid steps stand first.

        offsets: As of a batch.
        """
        layers = {modality: self._refine(modality, own, masks[modality]) for modality, own in vectors.items()}
        enhanced = self.cross_attention({modality: outputs[-1] for modality, outputs in layers.items()}, masks)
        whole = {
            modality: self._whole(modality, own, vectors[modality], masks[modality], offsets.get(modality))
            for modality, own in enhanced.items()
        }
        present = {modality: mask.any(dim=1) for modality, mask in masks.items()}
        views = [whole, self.counterfactual(whole)] if counterfactual or intention else [whole]
        h = self.fusion(torch.stack([self._side_by_side(view, present) for view in views]))
        output = Output(self.classifier(h[0]), h[0], layers=layers, enhanced=enhanced, masks=dict(masks), whole=whole)
        if len(h) > 1:
            output.h_cf = h[1]
            output.logits_cf = self.classifier(h[1])
        if intention and output.h_cf is not None:
            output.logits_intention = self.intention(h[0], output.h_cf)
        output.auxiliary = {modality: self.auxiliary[modality](torch.relu(own)) for modality, own in whole.items()}
        return output

    def conclude(
        self, whole: Mapping[ModalityName, torch.Tensor], present: Mapping[ModalityName, torch.Tensor]
    ) -> torch.Tensor:
        """Logits (B, O) from all that the fusion reads: `Output.whole`, and (B,) which rows have each modality."""
        return self.classifier(self.fusion(self._side_by_side(whole, present)[None])[0])

    def _vectors(self, modality: ModalityName, batch: Batch) -> tuple[torch.Tensor, torch.Tensor]:
        """Scaled feature vectors (B, T, D), zeros at masked steps (never read), and the mask (B, T)."""
        values, mask = batch.values[modality], batch.masks[modality]
        if modality in self._live:
            values, mask = getattr(self, LIVE + modality)(values, mask)
        return self.scaled(modality, values, mask), mask

    def scaled(self, modality: ModalityName, values: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        """What `decide` reads of a modality, from what its encoder gives: (B, T, D), zero at masked steps."""
        return torch.where(mask.unsqueeze(-1), self.scaling[modality](values), 0.0)

    def _refine(self, modality: ModalityName, vectors: torch.Tensor, mask: torch.Tensor) -> list[torch.Tensor]:
        """The progressive BiLSTM's layers, (B, T, 2 width) each."""
        mixed = self.mixes[modality](vectors) if modality in self.mixes else vectors
        return self.bilstms[modality](self.frontends[modality](self.feature_dropout(mixed), mask), mask)

    def _whole(
        self,
        modality: ModalityName,
        enhanced: torch.Tensor,
        vectors: torch.Tensor,
        mask: torch.Tensor,
        offset: torch.Tensor | None,
    ) -> torch.Tensor:
        """All that the fusion reads of a modality: its pooled sequence and its statistics, (B, vector_width)."""
        pooled = self.pooling[modality](enhanced, mask)
        if modality not in self.statistics:
            return pooled
        return torch.cat([pooled, self.statistics[modality](vectors, mask, offset)], dim=-1)

    def _side_by_side(
        self, whole: Mapping[ModalityName, torch.Tensor], present: Mapping[ModalityName, torch.Tensor]
    ) -> torch.Tensor:
        """The modalities' vectors, a learned one where a modality is absent: (B, modalities x vector_width)."""
        rows = next(iter(whole.values())).shape[0]  # len() of it would fix the exported batch
        vectors = []
        for modality in self.modalities:
            vector = self.absent[modality].expand(rows, -1)
            if modality in whole:
                vector = torch.where(present[modality].unsqueeze(1), whole[modality], vector)
            vectors.append(vector)
        return torch.cat(vectors, dim=-1)


def vector_width(width: int, statistics: bool) -> int:
    """Of all that the fusion reads of a modality: mean and deviation of its sequence, beside its statistics."""
    return 2 * width + (2 * width if statistics else 0)


def _live_encoders(config: Config, encoders: Parts) -> Parts:
    """What wraps the encoders that are trained along. Raises ValueError where one is lacking."""
    if lacking := [modality for modality in config.live if modality not in encoders]:
        raise ValueError(f"model.finetune is set, so the network needs its {lacking[0]} encoder.")
    return {
        modality: MODALITIES[modality].make_live_encoder(
            encoders[modality], config.features[modality], config.model.finetune[modality]
        )
        for modality in config.live
    }


def _by_modality(parts: Parts) -> nn.ModuleDict:
    return nn.ModuleDict({str(modality): part for modality, part in parts.items()})


def initialise(network: Network, gate_start: float) -> None:
    """Xavier weights, orthogonal recurrences, zero biases, forget gates open; an encoder that is trained with the
    network stays as it came.

    With torch's defaults the deep stack of averaging attention and ReLU makes all utterances alike: the share of
    H's second moment that differs between utterances starts at 0.002 (RAVDESS), with these at 0.03.
    gate_start: what the adaptive gates give before they have learnt anything, in (0, 1).
    """
    for name, module in network.named_modules():
        if name.startswith(LIVE):
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
