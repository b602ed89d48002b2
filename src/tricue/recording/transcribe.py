"""What is said: a Whisper model through transformers, on stretches in which somebody speaks.

On silence and noise Whisper makes up words, often the same ones over and over. So whatever is transcribed, it is given
only the speech that the detector finds there, no more tokens than can be spoken in the time, and an answer that repeats
itself beyond what people do is dropped.
"""

import logging
import zlib
from collections.abc import Sequence
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from tricue.device import choose_device
from tricue.extractors import hub, pretrained
from tricue.files.atomic import is_folder
from tricue.media.decoding import decode
from tricue.media.sound import SAMPLE_RATE
from tricue.recording.segments import Segment
from tricue.recording.speech import detector_settings, stretches_in
from tricue.types import MAX_TEXT_CHARACTERS, InputError

_LOG = logging.getLogger(__name__)

TOO_LONG = f"a transcript has more than {MAX_TEXT_CHARACTERS:,} characters: only its beginning is kept"
VERSION = 1  # raised by hand when the same speech is transcribed otherwise: the key of stored transcripts
DEFAULT_MODEL = "openai/whisper-tiny.en"
_BATCH = 8  # stretches that are decoded and transcribed together
_WINDOW = 30 * SAMPLE_RATE  # samples that Whisper hears at once
_MOST_TOKENS = 224  # half of its positions, as OpenAI's own code has it
_TOKENS_PER_SECOND = 10  # fast speech has five
_REPEATS = 2.4  # bytes by compressed bytes, OpenAI's threshold for an answer that goes in circles


class Transcriber:
    """A Whisper model, by its name on the hub or its local folder. It runs no code that comes with it.

    Raises InputError where there is none, or its weights are not safetensors.
    """

    def __init__(self, source: str = DEFAULT_MODEL, device: str = "auto") -> None:
        self.name, self.device = source, choose_device(device)
        self._folder = _find(source)
        self._model, self._extractor, self._tokenizer = _load(self._folder, self.device)

    @cached_property
    def settings(self) -> dict[str, Any]:
        """Everything that decides a transcript, as JSON: the key of stored transcripts. The weights count by their
        content, wherever they lie."""
        return {
            "version": VERSION, "model": Path(self.name).name, "weights": hub.encoder_digest(self._folder),
            "detector": detector_settings(),
        }  # fmt: skip

    def words(self, wave: np.ndarray) -> str:
        """What is said in (samples,) float32 at 16 kHz, mono; an empty string where nobody speaks."""
        return _limited(" ".join(filter(None, self._texts(_spoken(wave)))))

    def transcribe(self, path: Path, segments: Sequence[Segment]) -> list[Segment]:
        """The segments with the words that are said within each; text stays None where nobody speaks.

        Each is judged by its own sound: of speech that goes on beyond its edge it has the part inside. Raises
        MediaError where the file cannot be opened or read.
        """
        said: list[list[str]] = [[] for _ in segments]
        parts: list[tuple[int, np.ndarray]] = []
        for i, segment in enumerate(segments):
            wave = decode(path, start=segment.start, end=segment.end).audio
            parts += [(i, part) for part in _spoken(wave)] if wave is not None else []
            if len(parts) >= _BATCH or i + 1 == len(segments):
                for (at, _), text in zip(parts, self._texts([p for _, p in parts]), strict=True):
                    said[at].append(text)
                parts = []
        texts = [_limited(" ".join(filter(None, words))) for words in said]
        return [replace(s, text=text or None) for s, text in zip(segments, texts, strict=True)]

    def _texts(self, waves: Sequence[np.ndarray]) -> list[str]:
        """The words of each wave; what is longer than Whisper hears is given to it in parts."""
        parts = [(i, w[at : at + _WINDOW]) for i, w in enumerate(waves) for at in range(0, w.size, _WINDOW)]
        said: list[list[str]] = [[] for _ in waves]
        for first in range(0, len(parts), _BATCH):
            batch = parts[first : first + _BATCH]
            for (i, _), text in zip(batch, self._generate([wave for _, wave in batch]), strict=True):
                content = text.encode()
                if len(content) <= _REPEATS * len(zlib.compress(content)):
                    said[i].append(text)
        return [" ".join(filter(None, texts)) for texts in said]

    def _generate(self, waves: list[np.ndarray]) -> list[str]:
        import torch

        how = {"sampling_rate": SAMPLE_RATE, "return_tensors": "pt", "return_attention_mask": True}
        heard = self._extractor(waves, **how).to(self.device)
        limits = [min(_MOST_TOKENS, 8 + round(_TOKENS_PER_SECOND * w.size / SAMPLE_RATE)) for w in waves]
        asked = {"task": "transcribe"} if self._model.generation_config.is_multilingual else {}
        with torch.inference_mode(), pretrained.quiet():
            found = self._model.generate(**heard, max_new_tokens=max(limits), do_sample=False, **asked)
        # each by its own length: a longer neighbour in the batch adds no words
        own = [tokens[:limit] for tokens, limit in zip(found.tolist(), limits, strict=True)]
        return [text.strip() for text in self._tokenizer.batch_decode(own, skip_special_tokens=True)]


def _spoken(wave: np.ndarray) -> list[np.ndarray]:
    """The parts of a wave in which somebody speaks: nothing else is given to Whisper."""
    found = stretches_in([(0.0, wave)])
    return [wave[round(s.start * SAMPLE_RATE) : round(s.end * SAMPLE_RATE)] for s in found]


def _limited(text: str) -> str:
    """Not longer than the text of an utterance may be, but for `…` where it is cut: whoever reads it sees that it goes
    on, and the encoder's note says so, in every answer."""
    if len(text) <= MAX_TEXT_CHARACTERS:
        return text
    _LOG.warning("%s", TOO_LONG)
    return f"{text[:MAX_TEXT_CHARACTERS]} …"


def _find(source: str) -> Path:
    """The model's folder, fetched from the hub where `source` is no folder. Raises InputError."""
    folder = hub.local_folder(source)
    if not is_folder(folder):
        remedy = "give the local folder of a Whisper model, e.g. --whisper models/whisper-tiny-en."
        folder = hub.download(source, f"No folder {source} here", remedy, ["*/*"])
    if not any(folder.glob("*.safetensors")) or not (folder / "config.json").is_file():
        raise InputError(
            f"{folder} holds no config.json with *.safetensors weights (pickled weights are not read): "
            "give another Whisper model, or convert it with save_pretrained()."
        )
    if hub.load_settings(folder).model_type != "whisper":
        raise InputError(f"{folder} is no Whisper model: give one, e.g. {DEFAULT_MODEL}.")
    return folder


def _load(folder: Path, device: str) -> tuple[Any, Any, Any]:
    """Model, feature extractor, tokenizer. Raises InvalidFileError where one of them cannot be loaded."""
    from transformers import AutoFeatureExtractor, WhisperForConditionalGeneration

    model, _ = pretrained.read_model(WhisperForConditionalGeneration, folder)
    extractor = pretrained.read_part(AutoFeatureExtractor, folder, "preprocessor_config.json")
    return model.to(device), extractor, pretrained.read_tokenizer(folder)
