"""From utterances to readings with a model that stays loaded."""

import math
from collections.abc import Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from threading import Lock
from typing import Any

import numpy as np

from tricue.explain.attribution import answers_of, read_vectors
from tricue.explain.explanation import answers_of_subsets, shapley
from tricue.extractors.choice import Extractor
from tricue.features.engine import Batch, Engine
from tricue.features.feature_set import FeatureSet
from tricue.features.pipeline import Memory
from tricue.features.worker import Job, Result, Worker
from tricue.media.decoding import SAMPLE_RATE
from tricue.modalities.reading import Frames, Waveform
from tricue.modalities.requests import Opener
from tricue.prediction.predictions import with_notes
from tricue.recognizer import MultimodalEmotionRecognizer
from tricue.serve.signals import Preparing, Shape, parts_of
from tricue.serve.upload import Upload
from tricue.tasks.task import Task
from tricue.types import ModalityName, Prediction, Utterance

_WARM = "I can't believe that you did this for me, of all people!"
_BLACK = np.zeros((64, 64, 3), np.uint8)  # the picture from which sizes are measured
_PADDING = 100  # characters, about 25 tokens: so many are encoded in the time that a call costs


@dataclass(frozen=True)
class Reading:
    """A prediction, and what each subset of its modalities says alone."""

    prediction: Prediction
    contributions: Mapping[ModalityName, np.ndarray]  # (V,) what each modality adds to each value (docs/explain.md)
    notes: tuple[str, ...] = ()  # beside the prediction's own: how the clip was cut, and what was not heard


class Reader:
    """Reads utterances with a recognizer's network and encoders.

    Raises InputError where an encoder cannot be had or is not the model's, or no clip gives what the model reads.
    """

    def __init__(self, recognizer: MultimodalEmotionRecognizer) -> None:
        self.recognizer, self.card = recognizer, recognizer.card
        self.modalities = recognizer.clip_modalities()
        self._pipeline = replace(recognizer.pipeline(self.modalities), is_logged=False)
        self._one = Lock()  # tokenizers and face detectors cannot be used by two threads at once

    @property
    def task(self) -> Task:
        return self.card.task

    @property
    def turns(self) -> int:
        """Turns before an utterance that are read with it."""
        return self._pipeline.turns

    def warm_up(self, batch: int) -> Preparing | None:
        """Read texts, a hum and black pictures of ours: what is loaded when it is needed is loaded now.

        Gives what decoders have to prepare, and how large it becomes; None: nothing.
        """
        for size in (1, batch):
            self.read([Utterance("", text=_WARM)] * size)
        config, largest = self.card.config.features, dict[ModalityName, list[Shape]]()
        media: dict[ModalityName, Extractor] = dict(self._pipeline.extractors)
        media.pop("text", None)
        if not media:
            return None
        hum, black = Waveform(np.sin(np.arange(SAMPLE_RATE, dtype=np.float32) / 10), SAMPLE_RATE), _BLACK
        own: dict[ModalityName, Opener] = {"audio": hum, "video": Frames([black] * config.video.frames)}
        self.read([Utterance("0")], memory={"0": own})
        if "audio" in media:
            heard = media["audio"].prepare(hum.samples)
            seconds = math.ceil(config.audio.max_seconds)
            largest["audio"] = [((len(p) + 1) * seconds, *p.shape[1:]) for p in parts_of(heard)]
        if "video" in media:
            shown = media["video"].prepare([black] * config.video.frames)
            largest["video"] = [part.shape for part in parts_of(shown)]
        return Preparing(Worker(media), largest)

    def read(
        self,
        rows: Sequence[Utterance],
        upload: Upload | None = None,
        among: Sequence[Utterance] | None = None,
        memory: Memory | None = None,
    ) -> list[Reading]:
        """One reading per utterance, in order. Files are not opened here but by the decoders of their `upload`.

        among: as of `FeaturePipeline`; the rows have ids of their own then. Else any will do.
        """
        if among is None and memory is None:
            rows = [replace(u, id=str(i)) for i, u in enumerate(rows)]
        features = replace(self._pipeline, engine=self._engine(upload))(rows, among, memory)
        with self._one:
            predictions = with_notes(self.recognizer.predict_features(rows, features), features.notes)
            return [Reading(p, self._contributions(p, features)) for p in predictions]

    def _engine(self, upload: Upload | None) -> Engine:
        """What others sent is opened and prepared in a decoder, all else here; the model does not wait for it."""

        def run(worker: Worker, batches: Sequence[Batch]) -> Generator[list[Result]]:
            for batch in batches:
                for jobs in alike(batch):
                    foreign = [job for job in jobs if job.is_media]
                    assert upload is not None or not foreign
                    ready = [own for job in foreign if upload is not None for own in upload.prepare(job)]
                    with self._one:
                        ready += worker.prepare([job for job in jobs if not job.is_media])
                        results = worker.encode(ready)
                    yield results

        return run

    def _contributions(self, prediction: Prediction, features: FeatureSet) -> dict[ModalityName, np.ndarray]:
        """Before calibration."""
        modalities = prediction.modalities
        if not modalities:
            return {}
        left = {"": self.card.prior}
        alone = None  # the answer itself, where it tells what one modality says
        if len(modalities) == 1:
            alone = self.task.before_calibration(np.array([list(prediction.values.values())]), self.card.calibration)
        if alone is None:
            network, device = self.recognizer.network, self.recognizer.device
            vectors, masks = read_vectors(network, prediction.id, features, device)
            left |= answers_of_subsets(answers_of(network, self.task), vectors, masks)
        else:
            left[modalities[0]] = alone[0].tolist()
        worth: Any = {name: np.array(values) for name, values in left.items()}  # all values at once
        added: Any = shapley(modalities, worth)
        return added


def alike(jobs: Sequence[Job]) -> Iterator[list[Job]]:
    """Jobs whose texts are about as long: what an encoder pads may cost more than another call of it."""
    group: list[Job] = []
    for job in sorted(jobs, key=lambda job: job.length):
        if group and len(group) * (job.length - group[-1].length) > _PADDING:
            yield group
            group = []
        group.append(job)
    if group:
        yield group
