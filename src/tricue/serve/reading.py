"""From utterances to readings with a model that stays loaded; nothing is written to the disk."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from threading import Lock
from typing import Any

import numpy as np

from tricue.calibration import uncalibrated
from tricue.checkpoint import check_encoders
from tricue.evaluation.attribution import read_vectors
from tricue.evaluation.explain import chances_of_subsets, shapley
from tricue.evaluation.predictions import with_notes
from tricue.features.extract import FeatureSet
from tricue.features.extractors import Extractor, make_extractors
from tricue.features.media import SAMPLE_RATE
from tricue.features.text import HubText, TokenText, with_context
from tricue.features.worker import Job, Ready, Result, Worker
from tricue.recognizer import MultimodalEmotionRecognizer
from tricue.serve.signals import Preparing, Shape, parts_of
from tricue.types import Cue, Fault, InputError, Prediction, Utterance

_WARM = "I can't believe that you did this for me, of all people!"
_SIDE = 64  # pixels of the picture from which sizes are measured
_PADDING = 100  # characters, about 25 tokens: so many are encoded in the time that a call costs


@dataclass(frozen=True)
class Reading:
    """A prediction, and what each subset of its cues says alone."""

    prediction: Prediction
    subsets: Mapping[str, Sequence[float]]  # "text+audio" -> probabilities (C,), "": of the training rows
    notes: tuple[str, ...] = ()  # beside the prediction's own: how the clip was cut, and what was not heard
    shares: Mapping[Cue, float] | None = None  # contributions that are known already

    def contributions(self, column: int) -> dict[Cue, float]:
        """What each cue adds to the probability of class `column`, before calibration (docs/explain.md)."""
        if self.shares is not None:
            return dict(self.shares)
        if not self.subsets:
            return {}
        return shapley(self.prediction.cues, {name: row[column] for name, row in self.subsets.items()})


class Reader:
    """Reads utterances with a recognizer's network and encoders.

    Raises InputError where an encoder cannot be had or is not the model's, or no clip gives what the model reads.
    """

    def __init__(self, recognizer: MultimodalEmotionRecognizer) -> None:
        self.recognizer, self.card = recognizer, recognizer.card
        config, given = self.card.config, self.card.config.features.precomputed_cues()
        self.cues: list[Cue] = [cue for cue in recognizer.cues if cue not in given]
        if not self.cues:
            raise InputError("This model reads precomputed features alone, which no text and no clip gives.")
        check_encoders(self.card, config, self.cues)
        live = config.finetunes_text
        self._extractors = make_extractors(
            config.features, self.cues, recognizer.device, text_weights=not live
        )
        self._tokens: TokenText | None = None
        text = self._extractors.get("text")
        self.turns = config.features.text.context if isinstance(text, HubText) else 0
        self._one = Lock()  # tokenizers and face detectors cannot be used by two threads at once
        self._dims = {cue: e.dims for cue, e in self._extractors.items()}
        if live and isinstance(text, HubText):
            self._tokens = TokenText(self._extractors.pop("text"))  # type: ignore[arg-type]

    @property
    def emotions(self) -> list[str]:
        return self.card.emotions

    def warm_up(self, batch: int) -> Preparing | None:
        """Read texts and a hum of ours: the first inputs of a process wait for what is loaded when it is needed.

        Gives what decoders have to prepare, measured on that hum and on black pictures; None: nothing.
        """
        for size in (1, batch):
            self.read([Utterance("", text=_WARM)] * size)
        media: dict[Cue, Extractor] = {cue: e for cue, e in self._extractors.items() if cue != "text"}
        if not media:
            return None
        config, largest = self.card.config.features, dict[Cue, list[Shape]]()
        if "audio" in media:
            heard = media["audio"].prepare(np.sin(np.arange(SAMPLE_RATE, dtype=np.float32) / 10))
            self.read([Utterance("")], [[Ready("", "audio", "", heard)]])
            seconds = math.ceil(config.audio.max_seconds)
            largest["audio"] = [((len(p) + 1) * seconds, *p.shape[1:]) for p in parts_of(heard)]
        if "video" in media:
            black = np.zeros((_SIDE, _SIDE, 3), np.uint8)
            shown = media["video"].prepare([black] * config.video.frames)
            largest["video"] = [part.shape for part in parts_of(shown)]
        return Preparing(Worker(media), largest)

    def read(
        self, utterances: Sequence[Utterance], signals: Sequence[Sequence[Ready]] | None = None
    ) -> list[Reading]:
        """One reading per utterance, in order; whatever their ids are. Files are not opened here: signals are what
        decoders made ready of them, for each utterance."""
        with self._one:
            return self._read([replace(u, id=str(i)) for i, u in enumerate(utterances)], signals)

    def _read(self, rows: Sequence[Utterance], signals: Sequence[Sequence[Ready]] | None) -> list[Reading]:
        features = self._features(rows, signals)
        predictions = with_notes(self.recognizer.predict_features(rows, features), features.notes)
        return [Reading(p, self._subsets(p, features)) for p in predictions]

    def _features(self, rows: Sequence[Utterance], signals: Sequence[Sequence[Ready]] | None) -> FeatureSet:
        found = FeatureSet({cue: {} for cue in self.cues}, self._dims)
        for result in self._results(rows, signals, found):
            if result.row.values is not None:
                found.arrays[result.cue][result.id] = result.row.values
            if result.row.note is not None:
                told = found.faults if result.row.values is None else found.notes
                told.append(Fault(result.id, result.cue, result.row.note))
        return found

    def _results(
        self, rows: Sequence[Utterance], signals: Sequence[Sequence[Ready]] | None, found: FeatureSet
    ) -> Iterator[Result]:
        worker = Worker(self._extractors, self.recognizer.device)
        for group in alike(self._jobs(rows, found)):
            yield from worker(group)
        if signals is not None:
            ready = [replace(r, id=row.id) for row, own in zip(rows, signals, strict=True) for r in own]
            yield from worker.encode(ready)

    def _jobs(self, rows: Sequence[Utterance], found: FeatureSet) -> list[Job]:
        """What the text extractor has to do; tokens of a live encoder are put into `found` at once."""
        jobs = []
        spoken = with_context(rows, self.turns) if "text" in self.cues else [None] * len(rows)
        for row, words in zip(rows, spoken, strict=True):
            if words is not None and self._tokens is not None:
                tokens, note = self._tokens.tokens(words)
                if len(tokens):
                    found.arrays["text"][row.id] = tokens
                if note is not None:
                    (found.notes if len(tokens) else found.faults).append(Fault(row.id, "text", note))
            elif words is not None:
                jobs.append(Job(row.id, {"text": row.id}, spoken=words))
        return jobs

    def _subsets(self, prediction: Prediction, features: FeatureSet) -> dict[str, Any]:
        if not prediction.cues:
            return {}
        nothing = {"": self.card.class_shares}
        if len(prediction.cues) > 1:
            network, device = self.recognizer.network, self.recognizer.device
            vectors, masks = read_vectors(network, prediction.id, features, device)
            return nothing | chances_of_subsets(network, vectors, masks)
        chances = np.array([[prediction.probabilities[e] for e in self.emotions]])
        (alone,) = uncalibrated(chances, self.card.temperature).tolist()
        return nothing | {prediction.cues[0]: alone}


def alike(jobs: Sequence[Job]) -> Iterator[list[Job]]:
    """Jobs whose texts are about as long: what an encoder pads may cost more than another call of it."""
    group: list[Job] = []
    for job in sorted(jobs, key=_characters):
        if group and len(group) * (_characters(job) - _characters(group[-1])) > _PADDING:
            yield group
            group = []
        group.append(job)
    if group:
        yield group


def _characters(job: Job) -> int:
    """Of its text and what is read before it; 0: it has none."""
    spoken = job.spoken
    return 0 if spoken is None else len(spoken.text) + sum(map(len, spoken.context))
