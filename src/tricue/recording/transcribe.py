"""What is said: a Whisper model through transformers, on stretches in which somebody speaks.

On silence and noise Whisper makes up words, often the same ones over and over. So it is given speech alone, no more
tokens than can be spoken in the time, and an answer that repeats itself beyond what people do is dropped.
"""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError

from tricue.device import choose_device
from tricue.features import hub
from tricue.features.media import decode
from tricue.features.progress import Bar
from tricue.features.sound import SAMPLE_RATE
from tricue.recording.segments import Segment
from tricue.recording.speech import detector_settings, stretches_in
from tricue.types import InputError

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
        spoken = [
            wave[round(s.start * SAMPLE_RATE) : round(s.end * SAMPLE_RATE)]
            for s in stretches_in([(0.0, wave)])
        ]
        return " ".join(filter(None, (self._texts([part])[0] for part in spoken)))

    def transcribe(self, path: Path, stretches: Sequence[Segment], progress: bool = True) -> list[Segment]:
        """The stretches (of `speech_stretches`) with their words; text stays None where there are none.

        Raises MediaError where the file cannot be opened or read.
        """
        said: list[Segment] = []
        with Bar(progress) as bar:
            bar.begin("Transcribing stretches", len(stretches))
            for first in range(0, len(stretches), _BATCH):
                batch = stretches[first : first + _BATCH]
                waves = [decode(path, start=s.start, end=s.end).audio for s in batch]
                texts = self._texts([np.zeros(0, np.float32) if wave is None else wave for wave in waves])
                said += [replace(s, text=text or None) for s, text in zip(batch, texts, strict=True)]
                bar.advance(len(batch))
        return said

    def _texts(self, waves: Sequence[np.ndarray]) -> list[str]:
        """The words of each wave; what is longer than Whisper hears is given to it in parts."""
        parts = [(i, w[at : at + _WINDOW]) for i, w in enumerate(waves) for at in range(0, w.size, _WINDOW)]
        said: list[list[str]] = [[] for _ in waves]
        for first in range(0, len(parts), _BATCH):
            batch = parts[first : first + _BATCH]
            for (i, _), text in zip(batch, self._generate([wave for _, wave in batch]), strict=True):
                if not _goes_in_circles(text):
                    said[i].append(text)
        return [" ".join(filter(None, texts)) for texts in said]

    def _generate(self, waves: list[np.ndarray]) -> list[str]:
        import torch

        heard = self._extractor(
            waves, sampling_rate=SAMPLE_RATE, return_tensors="pt", return_attention_mask=True
        ).to(self.device)
        seconds = max(wave.size for wave in waves) / SAMPLE_RATE
        tokens = min(_MOST_TOKENS, 8 + round(_TOKENS_PER_SECOND * seconds))
        asked = {"task": "transcribe"} if self._model.generation_config.is_multilingual else {}
        with torch.inference_mode(), hub.quiet():
            found = self._model.generate(**heard, max_new_tokens=tokens, do_sample=False, **asked)
        return [text.strip() for text in self._tokenizer.batch_decode(found, skip_special_tokens=True)]


def _goes_in_circles(text: str) -> bool:
    content = text.encode()
    return bool(content) and len(content) / len(zlib.compress(content)) > _REPEATS


def _find(source: str) -> Path:
    """The model's folder, fetched from the hub where `source` is no folder. Raises InputError."""
    folder = Path(source).expanduser()
    if not folder.is_dir():
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
    """Model, feature extractor, tokenizer. Raises InputError where one of them cannot be loaded."""
    import torch
    from transformers import AutoTokenizer, WhisperFeatureExtractor, WhisperForConditionalGeneration

    try:
        with hub.quiet():
            model: Any = WhisperForConditionalGeneration.from_pretrained(
                str(folder), dtype=torch.float32, use_safetensors=True
            )
            extractor = WhisperFeatureExtractor.from_pretrained(str(folder))
            tokenizer = AutoTokenizer.from_pretrained(str(folder))
    except (OSError, ValueError, SafetensorError) as error:
        raise InputError(
            f"The Whisper model in {folder} cannot be loaded ({error}); give another copy."
        ) from error
    return model.to(device).eval(), extractor, tokenizer
