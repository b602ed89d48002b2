"""What is said: utterances, with the turns before them, to one vector per word or token.

An extractor here has two stages, as everywhere in this folder: `prepare` per utterance, `encode` on many.
"""

import re
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from tricue.config.feature_settings import TextFeatures
from tricue.extractors import hub, pretrained
from tricue.types import MAX_TEXT_CHARACTERS as MOST
from tricue.types import InputError, InvalidFileError, Moment, Utterance, whole_characters

_WORDS = re.compile(r"\w+(?:['’]\w+)*|[^\w\s]+")  # punctuation stands by itself: "?!" says something
_PICTURES = re.compile("[\u2190-\u2bff\ufe0f\u200d\U0001f000-\U0001faff]+")  # emoji, arrows, notes, ...
_BATCH_TOKENS = 2048  # tokens per forward pass, padding included; bounds memory, changes no value
_OVERLAP = 4  # a window shares one part in so many with the one before: tokens have context on both sides
_NAME = 100  # characters of a speaker's name that are read before the text
NO_WORDS = "its text holds no word"
_UNKNOWN = "no word of its text is known to the encoder"


@dataclass(frozen=True)
class Spoken:
    """An utterance's words and what was said before them, oldest first."""

    text: str
    prefix: str = ""  # "Speaker: ", only where context is on
    context: tuple[str, ...] = ()  # "Speaker: text" each
    cut: bool = False  # whether the text went on beyond MAX_TEXT_CHARACTERS


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
            texts = [(_prefix(other), _said(other.text)[0]) for other in earlier if other.text]
            before[row.id] = tuple(prefix + text for prefix, text in texts if text)
    spoken: list[Spoken | None] = []
    for row in utterances:
        if row.text is None:
            spoken.append(None)
            continue
        text, cut = _said(row.text)
        spoken.append(Spoken(text, _prefix(row) if turns else "", before.get(row.id, ()), cut))
    return spoken


def _said(text: str) -> tuple[str, bool]:
    """The text as it is read, and whether its end is left out: the one place where text is cut before a tokenizer."""
    text = whole_characters(text.strip())
    return text[:MOST].rstrip(), len(text) > MOST


def _prefix(utterance: Utterance) -> str:
    return f"{whole_characters(utterance.speaker[:_NAME])}: " if utterance.speaker else ""


@dataclass(frozen=True)
class LightText:
    """Hashed character n-grams (2 to 4) per word, 256 wide, each of length 1; for trying the software out.

    Words are hashed one by one, so that context changes nothing and is not read.
    """

    max_tokens: int
    max_windows: int = 1
    name: str = "light"
    version: int = 2
    dims: tuple[int, ...] = (256,)

    @property
    def settings(self) -> dict[str, Any]:
        return {"max_tokens": self.max_tokens, "max_windows": self.max_windows}

    def prepare(self, spoken: Spoken) -> list[str]:
        """As many words as windows of a hub encoder would hold."""
        starts = range(0, self.max_windows * _step(self.max_tokens), _step(self.max_tokens))
        return _WORDS.findall(spoken.text)[: starts[-1] + self.max_tokens]

    def note(self, spoken: Spoken, prepared: list[str]) -> str | None:
        """What of the text is not read, or why nothing is."""
        words = len(_WORDS.findall(spoken.text))
        return _shortened(spoken, len(prepared), words, "words") if prepared else NO_WORDS

    def moments(self, spoken: Spoken) -> list[Moment]:
        """The word of each time step."""
        return [Moment(word) for word in self.prepare(spoken)]

    def encode(self, prepared: Sequence[list[str]]) -> list[np.ndarray]:
        """(words, 256) float32 each; sklearn's HashingVectorizer over `char_wb` n-grams."""
        from sklearn.feature_extraction.text import HashingVectorizer

        hasher = HashingVectorizer(analyzer="char_wb", ngram_range=(2, 4), n_features=self.dims[0], norm="l2")
        words = [word for row in prepared for word in row]
        if not words:
            return [np.zeros((0, self.dims[0]), np.float32) for _ in prepared]
        vectors = hasher.transform(words).toarray().astype(np.float32)
        ends = np.cumsum([len(row) for row in prepared])
        return np.split(vectors, ends[:-1])


@dataclass(frozen=True)
class Tokens:
    """One utterance as the encoder reads it, or the first window of a longer one; (T,) each."""

    ids: np.ndarray  # int32
    types: np.ndarray  # int32, the segment of each token
    own: np.ndarray  # bool, True where the token is of the utterance's own text: its vector is taken from here
    ends: np.ndarray  # where the token ends: characters of the text it is of, `own` ones without the prefix
    more: "tuple[Tokens, ...]" = ()  # the windows after this one
    total: int = 0  # tokens of the utterance's own text, those that are not read included
    unknown: int = 0  # those of the ones read that the encoder does not know

    @property
    def windows(self) -> "tuple[Tokens, ...]":
        return (self, *self.more)

    def count(self) -> int:
        """Own tokens that are read."""
        return sum(int(window.own.sum()) for window in self.windows)


@dataclass(frozen=True)
class HubText:
    """Token vectors of a hub encoder (`AutoModel`): the utterance's own tokens, special tokens left out."""

    folder: Path
    config: TextFeatures
    device: str = "cpu"
    version: int = 2

    @property
    def name(self) -> str:
        return Path(self.config.encoder).name

    @property
    def turns(self) -> int:
        """Turns before an utterance that are read with it."""
        return self.config.context

    @cached_property
    def settings(self) -> dict[str, Any]:
        kept = self.config.model_dump(include={"layer", "context", "max_tokens", "max_windows"})
        return kept | {"weights": hub.encoder_digest(self.folder)}

    @cached_property
    def dims(self) -> tuple[int, ...]:
        return hub.layer_widths(self.folder, self.config.layer)

    def prepare(self, spoken: Spoken) -> Tokens:
        """Context and utterance as a pair. Beyond `max_tokens` the oldest context goes first; an utterance that is
        still longer is read in windows, each with a quarter of the one before.

        A text of which the encoder knows no token has none that are its own.
        """
        tokenizer = _tokenizer(self.folder)
        said = spoken.prefix + self._apart(spoken.text)
        pair = ("\n".join(spoken.context), said) if spoken.context else (said,)
        with pretrained.foreign(self.folder, "the tokenizer"):
            coded = tokenizer(*pair, truncation=False, padding=False, return_offsets_mapping=True,
                              return_token_type_ids=True, verbose=False)  # fmt: skip
        sequences = np.array([-1 if s is None else s for s in coded.sequence_ids(0)])
        utterance = sequences == len(pair) - 1
        ends = np.array([end for _, end in coded["offset_mapping"]])
        ids = self._in_table(coded["input_ids"], "vocab_size")
        read = (
            "token_type_ids" in tokenizer.model_input_names
        )  # else the encoder has no table of them, or does not look
        types = self._in_table(coded["token_type_ids"] if read else [0] * len(ids), "type_vocab_size")
        own = utterance & (ends > len(spoken.prefix))
        known = ids != (-1 if tokenizer.unk_token_id is None else tokenizer.unk_token_id)
        whole = Tokens(
            ids, types, own if (own & known).any() else np.zeros_like(own), ends - len(spoken.prefix) * utterance
        )
        kept = [_window(whole, *part) for part in
                _windows(sequences, len(pair) - 1, self.config.max_tokens, self.config.max_windows)]  # fmt: skip
        unknown = own & ~known
        return replace(kept[0], more=tuple(kept[1:]), total=int(own.sum()), unknown=int(unknown.sum()))

    def _in_table(self, numbers: Sequence[int], table: str) -> np.ndarray:
        """(T,) int32 rows of one of the encoder's tables. Raises InvalidFileError for one beyond its end."""
        rows = getattr(hub.load_settings(self.folder), table, None)
        if rows and max(numbers, default=0) >= rows:
            other = f"its tokenizer gives the number {max(numbers)}, its encoder has {rows} (config.json: {table})"
            raise InvalidFileError(f"The model in {self.folder}: {other}. Give the tokenizer that belongs to it.")
        return np.array(numbers, np.int32)

    def _apart(self, text: str) -> str:
        """The text with spaces around pictures that the encoder does not know: a word that they touch would be
        unknown, too. Their names in place of them help no more (benchmarks/emoji.py).
        """
        tokenizer = _tokenizer(self.folder)
        if text.isascii() or tokenizer.unk_token_id is None:
            return text

        def apart(found: re.Match[str]) -> str:
            ids = tokenizer(found[0], add_special_tokens=False)["input_ids"]
            return f" {found[0]} " if tokenizer.unk_token_id in ids else found[0]

        with pretrained.foreign(self.folder, "the tokenizer"):
            return _PICTURES.sub(apart, text)

    def note(self, spoken: Spoken, prepared: Tokens) -> str | None:
        """What of the text is not read, or not known to the encoder; why nothing of it is."""
        read = prepared.count()
        if not read:
            return _UNKNOWN if prepared.total else NO_WORDS
        notes = [_shortened(spoken, read, prepared.total, "tokens")]
        if prepared.unknown > prepared.total / 2:
            notes.append(f"{prepared.unknown} of its {prepared.total} tokens are unknown to the encoder")
        return "; ".join(filter(None, notes)) or None

    def moments(self, spoken: Spoken) -> list[Moment]:
        """The words that have time steps, cut as LightText cuts them, each with the number of its tokens.

        A token belongs to the word in which it ends: at its start some tokenizers put the space before the word.
        """
        ends = np.concatenate([window.ends[window.own] for window in self.prepare(spoken).windows])
        words = list(_WORDS.finditer(self._apart(spoken.text)))
        starts = [word.start() for word in words]
        of = np.searchsorted(starts, ends - 1, side="right") - 1
        numbers, counts = np.unique(np.maximum(of, 0), return_counts=True)  # ascending, as the tokens are
        return [Moment(words[i].group(), steps=int(n)) for i, n in zip(numbers, counts, strict=True)]

    def encode(self, prepared: Sequence[Tokens]) -> list[np.ndarray]:
        """(own tokens, D) float32 each. Batches hold similar lengths, padded under an attention mask."""
        windows = [window for tokens in prepared for window in tokens.windows]
        vectors: list[np.ndarray] = [np.zeros((0, sum(self.dims)), np.float32)] * len(windows)
        with_words = [i for i, window in enumerate(windows) if window.own.any()]
        for batch in _similar(with_words, [len(window.ids) for window in windows]):
            states = self._states([windows[i] for i in batch])
            for i, state in zip(batch, states, strict=True):
                vectors[i] = state[: len(windows[i].ids)][windows[i].own]
        left = iter(vectors)
        return [np.concatenate([next(left) for _ in tokens.windows]) for tokens in prepared]

    def _states(self, batch: Sequence[Tokens]) -> np.ndarray:
        """(B, T, D) of the chosen layer."""
        import torch

        model, tokenizer = hub.load_model(self.folder, self.device), _tokenizer(self.folder)

        def padded(rows: Iterator[np.ndarray], value: int = 0) -> torch.Tensor:
            own = [torch.from_numpy(row).long() for row in rows]
            return torch.nn.utils.rnn.pad_sequence(own, True, value).to(self.device)

        inputs = {
            "input_ids": padded((tokens.ids for tokens in batch), int(tokenizer.pad_token_id or 0)),
            "attention_mask": padded(np.ones_like(tokens.ids) for tokens in batch),
        }
        if "token_type_ids" in tokenizer.model_input_names:
            inputs["token_type_ids"] = padded(tokens.types for tokens in batch)

        def states() -> torch.Tensor:
            output = model(**inputs, output_hidden_states=self.config.layer is not None)
            return hub.choose_layer(output, self.config.layer, "features.text.layer")

        return hub.run_model(self.device, states)


@dataclass(frozen=True)
class TokenText(HubText):
    """For an encoder that is trained with the network: token ids, of the first window alone, in place of vectors."""

    is_stored: ClassVar[bool] = False

    @classmethod
    def of(cls, text: HubText) -> "TokenText":
        return cls(text.folder, text.config.model_copy(update={"max_windows": 1}), text.device)

    def encode(self, prepared: Sequence[Tokens]) -> list[np.ndarray]:
        """(T, 2) int32 each: [token id, 1 where the token is the utterance's own]; T = 0 where none is."""
        arrays = [np.stack([tokens.ids, tokens.own.astype(np.int32)], axis=1) for tokens in prepared]
        return [array if array[:, 1].any() else array[:0] for array in arrays]


def text_extractor(config: TextFeatures, device: str = "cpu", weights: bool = True) -> LightText | HubText:
    """The extractor that `features.text` asks for. Raises InputError where its encoder cannot be had.

    weights: False where the encoder is only to cut words into tokens.
    """
    if config.encoder == hub.LIGHT:
        return LightText(config.max_tokens, config.max_windows)
    folder = hub.find_encoder(config.encoder, "text", weights)
    table = getattr(hub.load_settings(folder), "max_position_embeddings", None)
    with pretrained.foreign(folder, "the tokenizer"):  # RoBERTa's table has two rows more
        positions = float(min(_tokenizer(folder).model_max_length, table or np.inf))
    if config.max_tokens > positions:
        raise InputError(f"features.text.max_tokens={config.max_tokens}: {config.encoder} reads {positions:g} at most.")
    return HubText(folder, config, device)


@lru_cache(maxsize=4)
def _tokenizer(folder: Path) -> Any:
    tokenizer = pretrained.read_tokenizer(folder)
    if not tokenizer.is_fast:  # offsets are needed to tell the words from the speaker's name
        raise InputError(f"features.text.encoder={folder}: it has no fast tokenizer (tokenizer.json).")
    return tokenizer


def _step(max_tokens: int) -> int:
    """Tokens from one window's beginning to that of the next."""
    return max_tokens - max_tokens // _OVERLAP


def _windows(sequences: np.ndarray, own: int, longest: int, most: int) -> list[tuple[np.ndarray, slice]]:
    """Positions of each window, specials around as much as fits, and which of them it is the one to give.

    The oldest context goes first. Of what two windows share each gives the half that lies nearer to its middle.
    """
    context = np.flatnonzero((sequences >= 0) & (sequences != own))
    utterance = np.flatnonzero(sequences == own)
    specials = np.flatnonzero(sequences < 0)
    room = max(1, longest - len(specials))
    newest = context[len(context) - max(0, min(len(context), room - len(utterance))) :]
    shared = min(longest // _OVERLAP, room - 1)
    count = max(1, min(most, -(-(len(utterance) - shared) // (room - shared))))
    windows = []
    for number in range(count):
        start = number * (room - shared)
        part = utterance[start : start + room]
        first = start + (shared + 1) // 2 if number else 0
        last = start + room - shared // 2 if number < count - 1 else start + room
        given = slice(*(utterance[i] if i < len(utterance) else len(sequences) for i in (first, last)))
        windows.append((np.sort(np.concatenate([specials, newest, part])), given))
    return windows


def _window(whole: Tokens, positions: np.ndarray, given: slice) -> Tokens:
    taken = np.zeros_like(whole.own)
    taken[given] = whole.own[given]
    return Tokens(whole.ids[positions], whole.types[positions], taken[positions], whole.ends[positions])


def _shortened(spoken: Spoken, read: int, total: int, unit: str) -> str | None:
    if read < total:
        return f"longer than {read:,} {unit}: only its beginning is read"
    return f"longer than {MOST:,} characters: only its beginning is read" if spoken.cut else None


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
