"""The Python front door: load a trained model, ask it about text, audio and video."""

from __future__ import annotations

import logging
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import replace
from importlib import resources
from pathlib import Path
from typing import Any

from tricue.checkpoint import SETTINGS, Card, check_encoders, checkpoint_folder, load_checkpoint
from tricue.data.manifest import read_manifest
from tricue.device import choose_device
from tricue.evaluation.evaluate import reading_config, usable_cues
from tricue.evaluation.explain import Explanation, explain
from tricue.evaluation.predictions import predict_utterances, write_predictions
from tricue.features import hub
from tricue.features.extract import FeatureSet, extract
from tricue.features.precomputed import located
from tricue.files import check_place, is_file
from tricue.model.network import Network
from tricue.types import Cue, InputError, Prediction, Utterance

logger = logging.getLogger(__name__)

MEDIA_ENDINGS = {".mp4", ".mov", ".mkv", ".webm", ".avi", ".wav", ".flac", ".mp3", ".m4a", ".ogg"}
DEFAULT_MODEL = Path("checkpoints/best_model")
SHIPPED = Path(str(resources.files("tricue") / "models" / "english-text"))  # docs/english-text.md
Source = str | Path
Triple = tuple[str | None, Path | None, Path | None]


class MultimodalEmotionRecognizer:
    """A trained network with everything it needs to read clips and words.

    >>> model = MultimodalEmotionRecognizer.from_pretrained("checkpoints/best_model")  # doctest: +SKIP
    >>> print(model.predict("I can't believe you did this!", "clip.wav", "clip.mp4"))  # doctest: +SKIP
    anger
    """

    def __init__(self, network: Network, card: Card, device: str = "cpu") -> None:
        self.network = network.to(device).eval()
        self.card = card
        self.device = device

    @classmethod
    def from_pretrained(
        cls, source: Source, *, overrides: Mapping[str, Any] | None = None, device: str = "auto"
    ) -> MultimodalEmotionRecognizer:
        """A checkpoint folder, or the name of one on the hub. `best_model.pth` means the folder `best_model`.

        overrides: where encoders lie, e.g. `{"features.text.encoder": "models/roberta-base"}`.
        Raises InputError where there is none. No code that comes with a model is run.
        """
        folder = checkpoint_folder(source)
        if not folder.is_dir() and str(source).count("/") == 1 and not Path(source).suffix:
            folder = hub.fetch_checkpoint(str(source))
        network, card = load_checkpoint(folder)
        if overrides:
            config = reading_config(card, overrides)
            card = Card(**{**card.__dict__, "config": config})
        if card.note:
            logger.warning("%s is a %s", folder, card.note)
        return cls(network, card, choose_device(device))

    @property
    def emotions(self) -> list[str]:
        return list(self.card.emotions)

    @property
    def toy(self) -> bool:
        """Trained on synthetic clips: not for real use."""
        return self.card.toy

    def predict(
        self, text: str | None = None, audio: Source | None = None, video: Source | None = None
    ) -> Prediction:
        """The emotion of one utterance from any of its cues; audio and video are media files.

        Raises InputError where nothing can be used, saying why.
        """
        (prediction,) = self.predict_batch([(text, audio, video)])
        if prediction.emotion is None:
            raise InputError(f"Nothing to go by: {prediction.error}")
        return prediction

    def explain(
        self, text: str | None = None, audio: Source | None = None, video: Source | None = None
    ) -> Explanation:
        """Why `predict` says what it says: by cue, and by word, moment and frame (docs/explain.md).

        Raises InputError where nothing can be used, saying why.
        """
        utterance = Utterance("input", *preprocess((text, audio, video)))
        with tempfile.TemporaryDirectory(prefix="tricue-") as scratch:
            features = self._read([utterance], self._clip_cues(None), Path(scratch), quiet=True, workers=0)
            return explain(self.network, self.card, utterance, features, self.device)

    def predict_batch(self, inputs: Sequence[Any], cues: Sequence[str] | None = None) -> list[Prediction]:
        """One prediction per input (whatever `preprocess` takes), in order; a failed one says why in `error`.

        A cue that the network knows from precomputed features alone is not used: no clip gives it.
        """
        read = self._clip_cues(cues)
        asked = [_as_utterance(item, str(i + 1)) for i, item in enumerate(inputs)]
        utterances = [replace(u, id=str(i)) for i, u in enumerate(asked)]  # two of them may share an id
        with tempfile.TemporaryDirectory(prefix="tricue-") as scratch:  # nothing of the input is kept
            features = self._read(utterances, read, Path(scratch), quiet=True, workers=0)
            predictions = self._predict(utterances, features)
        return [replace(p, id=u.id) for p, u in zip(predictions, asked, strict=True)]

    def predict_file(
        self,
        input_file: Path,
        output_file: Path,
        *,
        store: Path,
        cues: Sequence[str] | None = None,
        quiet: bool = False,
    ) -> int:
        """Predict a CSV or Parquet table into a CSV; the number of rows where something failed.

        Raises InputError for a table that is not one, or rows that contradict themselves.
        """
        check_place(output_file)
        utterances = read_manifest(
            input_file, emotions=None, for_prediction=True,
            without_cues=bool(self.card.config.features.precomputed_cues()),
        )  # fmt: skip
        features = self._read(utterances, cues, store, quiet, folder=input_file.parent)
        predictions = self._predict(utterances, features)
        write_predictions(output_file, predictions, self.card.emotions)
        return sum(p.error is not None for p in predictions)

    def _clip_cues(self, wanted: Sequence[str] | None) -> list[Cue]:
        """The cues that a clip gives, of those wanted. Raises InputError where there is none."""
        given = self.card.config.features.precomputed_cues()
        cues = [cue for cue in usable_cues(self.network.cues, wanted) if cue not in given]
        if not cues:
            raise InputError(
                f"This model reads precomputed features alone ({', '.join(given)}), which no clip gives: use tricue "
                "predict with a table of ids and --set features.<cue>.precomputed=FILE."
            )
        return cues

    def _predict(self, utterances: Sequence[Utterance], features: FeatureSet) -> list[Prediction]:
        batch_size = self.card.config.evaluation.batch_size
        return predict_utterances(self.network, self.card, utterances, features, batch_size, self.device)

    def _read(
        self,
        utterances: Sequence[Utterance],
        cues: Sequence[str] | None,
        store: Path,
        quiet: bool,
        workers: int | None = None,
        folder: Path | None = None,
    ) -> FeatureSet:
        config, used = self.card.config, usable_cues(self.network.cues, cues)
        check_encoders(self.card, config, used)
        return extract(
            utterances,
            located(config.features, folder),
            used,
            store,
            live_text=config.finetunes_text,
            device=self.device,
            workers=workers,
            progress=not quiet,
        )


def _as_utterance(item: Any, id_: str) -> Utterance:
    return item if isinstance(item, Utterance) else Utterance(id_, *preprocess(item))


def preprocess(item: Any) -> Triple:
    """What `predict` takes, from words, a media file, a mapping with `text`, `audio`, `video`, or a triple.

    A media file serves as audio and video. Raises InputError for anything else.
    """
    if isinstance(item, Utterance):
        return item.text, item.audio, item.video
    if isinstance(item, Path):
        return None, item, item
    if isinstance(item, str):
        if is_file(Path(item)):
            return None, Path(item), Path(item)
        if " " not in item and Path(item).suffix.lower() in MEDIA_ENDINGS:
            raise InputError(f"There is no file {item}.")
        return item, None, None
    if isinstance(item, Mapping):
        unknown = set(item) - {"text", "audio", "video"}
        if unknown:
            raise InputError(
                f"preprocess knows text, audio and video; got {', '.join(map(str, sorted(unknown)))}."
            )
        item = (item.get("text"), item.get("audio"), item.get("video"))
    if not isinstance(item, tuple) or len(item) != 3:
        raise InputError(
            f"preprocess wants words, a media file, a mapping or (text, audio, video); got {item!r}."
        )
    text, audio, video = item
    return text, Path(audio) if audio is not None else None, Path(video) if video is not None else None


def find_model(model_path: Path | None) -> Path:
    """The checkpoint named, else `checkpoints/best_model`. Raises InputError with the command that makes one."""
    if model_path is not None:
        return model_path
    if not (DEFAULT_MODEL / SETTINGS).is_file():
        raise InputError(
            f"No model: there is no {DEFAULT_MODEL} here. Train one (tricue train --dataset MELD), or name one with "
            "--model_path (the demo's, made by tricue demo, is runs/demo/best_model: a toy, not for real use)."
        )
    return DEFAULT_MODEL
