"""What is said: utterances, with the turns before them, to one vector per word or token.

An extractor here has two stages, as everywhere in this folder: `prepare` per utterance, `encode` on many.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from tricue.config import TextFeatures
from tricue.features import hub
from tricue.types import InputError, Moment, Utterance

_WORDS = re.compile(r"\w+(?:['’]\w+)*|[^\w\s]+")  # punctuation stands by itself: "?!" says something
_VOCABULARIES = ("tokenizer.json", "vocab.txt", "vocab.json", "spiece.model", "sentencepiece.bpe.model")
_BATCH_TOKENS = 2048  # tokens per forward pass, padding included; bounds memory, changes no value


@dataclass(frozen=True)
class Spoken:
    """An utterance's words and what was said before them, oldest first."""

    text: str
    prefix: str = ""  # "Speaker: ", only where context is on
    context: tuple[str, ...] = ()  # "Speaker: text" each


def with_context(
    utterances: Sequence[Utterance], turns: int, among: Sequence[Utterance] | None = None
) -> list[Spoken | None]:
    """Each utterance with up to `turns` preceding turns of its dialogue and split; None where it has no text.

    among: the rows whose turns count (by default the utterances themselves). Turns are ordered by `turn`, or as they
    stand where a dialogue does not number all of them. A later turn, or one of the same number, is never read.
    """
    dialogues: dict[tuple[str, str | None], list[Utterance]] = defaultdict(list)
    for utterance in utterances if among is None else among:
        if turns and utterance.dialogue is not None:
            dialogues[utterance.dialogue, utterance.split].append(utterance)
    before: dict[str, tuple[str, ...]] = {}
    for rows in dialogues.values():
        numbered = all(row.turn is not None for row in rows)
        order = [row.turn if numbered else i for i, row in enumerate(rows)]
        ranked = sorted(zip(order, rows, strict=True), key=lambda pair: pair[0] or 0)
        for own, row in ranked:
            earlier = [other for number, other in ranked if (number or 0) < (own or 0)][-turns:]
            before[row.id] = tuple(_prefix(o) + o.text.strip() for o in earlier if o.text and o.text.strip())
    return [
        None
        if row.text is None
        else Spoken(row.text.strip(), _prefix(row) if turns else "", before.get(row.id, ()))
        for row in utterances
    ]


def _prefix(utterance: Utterance) -> str:
    return f"{utterance.speaker}: " if utterance.speaker else ""


@dataclass(frozen=True)
class LightText:
    """Hashed character n-grams (2 to 4) per word, 256 wide, each of length 1; for trying the software out.

    Words are hashed one by one, so that context changes nothing and is not read.
    """

    max_tokens: int
    name: str = "light"
    version: int = 1
    dims: tuple[int, ...] = (256,)

    @property
    def settings(self) -> dict[str, Any]:
        return {"max_tokens": self.max_tokens}

    def prepare(self, spoken: Spoken) -> list[str]:
        return _WORDS.findall(spoken.text)[: self.max_tokens]

    def moments(self, spoken: Spoken) -> list[Moment]:
        """The word of each time step."""
        return [Moment(word) for word in self.prepare(spoken)]

    def encode(self, prepared: Sequence[list[str]]) -> list[np.ndarray]:
        """(words, 256) float32 each; sklearn's HashingVectorizer over `char_wb` n-grams."""
        from sklearn.feature_extraction.text import HashingVectorizer

        hasher = HashingVectorizer(
            analyzer="char_wb", ngram_range=(2, 4), n_features=self.dims[0], alternate_sign=True, norm="l2"
        )
        words = [word for row in prepared for word in row]
        if not words:
            return [np.zeros((0, self.dims[0]), np.float32) for _ in prepared]
        vectors = hasher.transform(words).toarray().astype(np.float32)
        ends = np.cumsum([len(row) for row in prepared])
        return np.split(vectors, ends[:-1])


@dataclass(frozen=True)
class Tokens:
    """One utterance as the encoder reads it; (T,) each."""

    ids: np.ndarray  # int32
    types: np.ndarray  # int32, the segment of each token
    own: np.ndarray  # bool, True where the token is of the utterance's own text
    ends: (
        np.ndarray
    )  # where the token ends: characters of the text that it is of, `own` ones without the prefix


@dataclass(frozen=True)
class HubText:
    """Token vectors of a hub encoder (`AutoModel`): the utterance's own tokens, special tokens left out."""

    folder: Path
    config: TextFeatures
    device: str = "cpu"
    version: int = 1

    @property
    def name(self) -> str:
        return Path(self.config.encoder).name

    @cached_property
    def settings(self) -> dict[str, Any]:
        kept = self.config.model_dump(include={"layer", "context", "max_tokens"})
        return kept | {"weights": hub.encoder_digest(self.folder)}

    @cached_property
    def dims(self) -> tuple[int, ...]:
        return hub.layer_widths(self.folder, self.config.layer)

    def prepare(self, spoken: Spoken) -> Tokens:
        """Context and utterance as a pair. Beyond `max_tokens` the oldest context goes first, then the
        utterance's end."""
        tokenizer = _tokenizer(self.folder)
        said = spoken.prefix + spoken.text
        pair = ("\n".join(spoken.context), said) if spoken.context else (said,)
        coded = tokenizer(*pair, truncation=False, padding=False, return_offsets_mapping=True,
                          return_token_type_ids=True)  # fmt: skip
        sequences = np.array([-1 if s is None else s for s in coded.sequence_ids(0)])
        utterance = sequences == len(pair) - 1
        ends = np.array([end for _, end in coded["offset_mapping"]])
        kept = _within(sequences, len(pair) - 1, self.config.max_tokens)
        return Tokens(
            np.array(coded["input_ids"], np.int32)[kept],
            np.array(coded["token_type_ids"], np.int32)[kept],
            (utterance & (ends > len(spoken.prefix)))[kept],
            (ends - len(spoken.prefix) * utterance)[kept],
        )

    def moments(self, spoken: Spoken) -> list[Moment]:
        """The words that have time steps, cut as LightText cuts them, each with the number of its tokens.

        A token belongs to the word in which it ends: at its start some tokenizers put the space before the word.
        """
        tokens = self.prepare(spoken)
        words = list(_WORDS.finditer(spoken.text))
        starts = [word.start() for word in words]
        of = np.searchsorted(starts, tokens.ends[tokens.own] - 1, side="right") - 1
        numbers, counts = np.unique(np.maximum(of, 0), return_counts=True)  # ascending, as the tokens are
        return [Moment(words[i].group(), steps=int(n)) for i, n in zip(numbers, counts, strict=True)]

    def encode(self, prepared: Sequence[Tokens]) -> list[np.ndarray]:
        """(own tokens, D) float32 each. Batches hold similar lengths, padded under an attention mask."""
        vectors: list[np.ndarray] = [np.zeros((0, sum(self.dims)), np.float32)] * len(prepared)
        with_words = [i for i, tokens in enumerate(prepared) if tokens.own.any()]
        for batch in _similar(with_words, [len(tokens.ids) for tokens in prepared]):
            states = self._states([prepared[i] for i in batch])
            for i, state in zip(batch, states, strict=True):
                vectors[i] = state[: len(prepared[i].ids)][prepared[i].own]
        return vectors

    def _states(self, batch: Sequence[Tokens]) -> np.ndarray:
        """(B, T, D) of the chosen layer."""
        import torch

        model, tokenizer = hub.load_model(self.folder, self.device), _tokenizer(self.folder)
        longest = max(len(tokens.ids) for tokens in batch)
        ids = torch.full((len(batch), longest), int(tokenizer.pad_token_id or 0))
        types, mask = torch.zeros_like(ids), torch.zeros_like(ids)
        for row, tokens in enumerate(batch):
            ids[row, : len(tokens.ids)] = torch.from_numpy(tokens.ids)
            types[row, : len(tokens.ids)] = torch.from_numpy(tokens.types)
            mask[row, : len(tokens.ids)] = 1
        inputs = {"input_ids": ids, "attention_mask": mask}
        if "token_type_ids" in tokenizer.model_input_names:
            inputs["token_type_ids"] = types

        def states() -> torch.Tensor:
            output = model(
                **{name: value.to(self.device) for name, value in inputs.items()},
                output_hidden_states=self.config.layer is not None,
            )
            return hub.choose_layer(output, self.config.layer, "features.text.layer")

        return hub.run_model(self.device, states)


@dataclass(frozen=True)
class TokenText:
    """For an encoder that is trained with the network: token ids in place of vectors."""

    hub_text: HubText

    @property
    def dims(self) -> tuple[int, ...]:
        return self.hub_text.dims

    def tokens(self, spoken: Spoken) -> np.ndarray:
        """(T, 2) int32: [token id, 1 where the token is the utterance's own]; T = 0 where none is."""
        tokens = self.hub_text.prepare(spoken)
        if not tokens.own.any():
            return np.zeros((0, 2), np.int32)
        return np.stack([tokens.ids, tokens.own.astype(np.int32)], axis=1)


def text_extractor(config: TextFeatures, device: str = "cpu", weights: bool = True) -> LightText | HubText:
    """The extractor that `features.text` asks for. Raises InputError where its encoder cannot be had.

    weights: False where the encoder is only to cut words into tokens.
    """
    if config.encoder == hub.LIGHT:
        return LightText(config.max_tokens)
    folder = hub.find_encoder(config.encoder, "text", weights)
    table = getattr(hub.load_settings(folder), "max_position_embeddings", None)
    positions = min(_tokenizer(folder).model_max_length, table or np.inf)  # RoBERTa's table has two rows more
    if config.max_tokens > positions:
        raise InputError(
            f"features.text.max_tokens={config.max_tokens}: {config.encoder} reads {positions} at most."
        )
    return HubText(folder, config, device)


@lru_cache(maxsize=4)
def _tokenizer(folder: Path) -> Any:
    from transformers import AutoTokenizer

    if not any((folder / name).is_file() for name in _VOCABULARIES):  # else every word would be unknown to it
        raise InputError(
            f"features.text.encoder={folder}: no tokenizer there ({', '.join(_VOCABULARIES)}); "
            "save it beside the weights with save_pretrained()."
        )
    try:
        tokenizer = AutoTokenizer.from_pretrained(str(folder))
    except (OSError, ValueError) as error:
        raise InputError(
            f"features.text.encoder={folder}: its tokenizer cannot be loaded ({error})."
        ) from error
    if not tokenizer.is_fast:  # offsets are needed to tell the words from the speaker's name
        raise InputError(f"features.text.encoder={folder}: it has no fast tokenizer (tokenizer.json).")
    return tokenizer


def _within(sequences: np.ndarray, own: int, longest: int) -> np.ndarray:
    """Positions that stay: specials, then as much of the utterance as fits, then the newest context."""
    excess = max(0, len(sequences) - longest)
    context = np.flatnonzero((sequences >= 0) & (sequences != own))
    utterance = np.flatnonzero(sequences == own)
    dropped = context[:excess]
    cut = max(0, len(utterance) - (excess - len(dropped)))
    return np.setdiff1d(np.arange(len(sequences)), np.concatenate([dropped, utterance[cut:]]))


def _similar(rows: Sequence[int], lengths: Sequence[int]) -> Iterator[list[int]]:
    """Rows in batches of similar length, each at most _BATCH_TOKENS with its padding."""
    batch: list[int] = []
    for row in sorted(rows, key=lambda i: lengths[i]):
        if batch and lengths[row] * (len(batch) + 1) > _BATCH_TOKENS:
            yield batch
            batch = []
        batch.append(row)
    if batch:
        yield batch
