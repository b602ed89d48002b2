"""The Python front door: load a trained model, ask it about text, audio and video."""

from __future__ import annotations

import logging
import tempfile
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import replace
from importlib import resources
from pathlib import Path
from typing import Any

from tricue.api_inputs import as_utterances, preprocess
from tricue.checkpoint import SETTINGS, Card, check_encoders, checkpoint_folder, load_checkpoint
from tricue.data.manifest import read_manifest
from tricue.device import choose_device
from tricue.evaluation.evaluate import reading_config, usable_cues
from tricue.evaluation.explain import Explanation, explain
from tricue.evaluation.predictions import (
    abstained,
    check_table,
    growing_table,
    is_failed,
    predict_utterances,
    unfinished,
    with_notes,
)
from tricue.export.folder import export_folder, push_folder
from tricue.export.licences import check_rights
from tricue.export.onnx_network import open_onnx
from tricue.features import hub
from tricue.features.extract import FeatureSet, extract, extract_in_parts
from tricue.features.plan import MEDIA_BATCH, TEXT_BATCH
from tricue.features.precomputed import located
from tricue.files import check_not_input, is_folder
from tricue.inference import Predictor
from tricue.model.network import Network
from tricue.types import CUES, Cue, Fault, InputError, Prediction, Utterance, quoted

logger = logging.getLogger(__name__)

BACKENDS = ("torch", "onnx")
DEFAULT_MODEL = Path("checkpoints/best_model")
SHIPPED = Path(str(resources.files("tricue") / "models" / "english-text"))
Source = str | Path


class MultimodalEmotionRecognizer:
    """A trained network with everything it needs to read clips and words.

    >>> model = MultimodalEmotionRecognizer.from_pretrained("checkpoints/best_model")  # doctest: +SKIP
    >>> print(model.predict("I can't believe you did this!", "clip.wav", "clip.mp4"))  # doctest: +SKIP
    anger
    """

    def __init__(
        self, network: Network, card: Card, device: str = "cpu", answering: Predictor | None = None
    ) -> None:
        """answering: what logits are read off in place of the network; `explain` and exports take the network."""
        self.network = network.to(device).eval()
        self.answering: Predictor = self.network if answering is None else answering
        self.card = card
        self.device = device

    @classmethod
    def from_pretrained(
        cls,
        source: Source,
        *,
        overrides: Mapping[str, Any] | None = None,
        device: str = "auto",
        backend: str = "torch",
    ) -> MultimodalEmotionRecognizer:
        """A checkpoint folder, or the name of one on the hub. `best_model.pth` means the folder `best_model`.

        overrides: where encoders lie, e.g. `{"features.text.encoder": "models/roberta-base"}`. backend: what runs the
        network behind the encoders, `torch` or `onnx` (`network.onnx` of the folder, docs/onnx.md).
        Raises InputError where there is none. No code that comes with a model is run.
        """
        if backend not in BACKENDS:
            raise InputError(f"backend {backend!r}: tricue has {' and '.join(BACKENDS)}.")
        folder = local_checkpoint(source)
        network, card = load_checkpoint(folder)
        answering = open_onnx(folder, network, card) if backend == "onnx" else None
        if overrides:
            config = reading_config(card, overrides)
            card = Card(**{**card.__dict__, "config": config})
        if card.note:
            logger.warning("%s is a %s", folder, card.note)
        return cls(network, card, choose_device(device), answering)

    @property
    def cues(self) -> list[Cue]:
        """Those that it reads: the network's, with `network.onnx` those of the file."""
        return list(self.answering.cues)

    @property
    def emotions(self) -> list[str]:
        return list(self.card.emotions)

    @property
    def toy(self) -> bool:
        """Trained on synthetic clips: not for real use."""
        return self.card.toy

    def predict(
        self,
        text: str | None = None,
        audio: Source | None = None,
        video: Source | None = None,
        *,
        abstain: float | None = None,
    ) -> Prediction:
        """The emotion of one utterance from any of its cues; audio and video are media files.

        abstain: below this confidence the answer is "uncertain". Raises InputError where nothing can be used, saying
        why.
        """
        (prediction,) = self.predict_batch([(text, audio, video)], abstain=abstain)
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

    def predict_batch(
        self,
        inputs: Iterable[Any],
        cues: Sequence[str] | None = None,
        *,
        abstain: float | None = None,
        progress: bool = False,
        workers: int | None = 0,
    ) -> list[Prediction]:
        """One prediction per input, in order; a failed one says why in `error`.

        inputs: whatever `preprocess` takes, or Utterances; or a data frame, whose rows are read as those of a manifest
        (text, audio, video, start, end). A cue that the network knows from precomputed features alone is not used: no
        clip gives it. abstain: below this confidence the answer is "uncertain". workers: as for `extract`.
        Raises TypeError for one input in place of several, InputError for a frame without any of its columns.
        """
        read = self._clip_cues(cues)
        asked, faults = as_utterances(inputs)
        utterances = [replace(u, id=str(i)) for i, u in enumerate(asked)]  # two of them may share an id
        with tempfile.TemporaryDirectory(prefix="tricue-") as scratch:  # nothing of the input is kept
            features = self._read(utterances, read, Path(scratch), not progress, workers)
            found = with_notes(self.predict_features(utterances, features), features.notes)
            predictions = abstained(found, abstain)
        return [
            replace(p, id=u.id, error=faults.get(i, p.error))
            for i, (p, u) in enumerate(zip(predictions, asked, strict=True))
        ]

    def predict_stored(
        self,
        utterances: Sequence[Utterance],
        *,
        store: Path,
        cues: Sequence[str] | None = None,
        abstain: float | None = None,
        quiet: bool = False,
        folder: Path | None = None,
    ) -> list[Prediction]:
        """As `predict_batch`, with features that stay in `store` for another time.

        folder: where files of precomputed features may lie. Raises InputError where two utterances share an id.
        """
        parts = self.predict_in_parts(
            utterances, store=store, cues=cues, abstain=abstain, quiet=quiet, folder=folder
        )
        return [prediction for part in parts for prediction in part]

    def predict_in_parts(
        self,
        utterances: Sequence[Utterance],
        *,
        store: Path,
        cues: Sequence[str] | None = None,
        abstain: float | None = None,
        quiet: bool = False,
        folder: Path | None = None,
        faults: Sequence[Fault] = (),
    ) -> Iterator[list[Prediction]]:
        """As `predict_stored`: the predictions of the next few utterances each time, as soon as they are read.

        faults: of whoever made the utterances; they are told in `error`.
        """
        (most,) = Counter(u.id for u in utterances).most_common(1) or [("", 0)]
        if most[1] > 1:
            raise InputError(f"{most[1]} utterances have the id {quoted(most[0])!r}: give each its own.")
        media = any(u.audio is not None or u.video is not None for u in utterances)
        size = MEDIA_BATCH if media else TEXT_BATCH
        parts = [utterances[at : at + size] for at in range(0, len(utterances), size)]
        config = self.card.config
        read = extract_in_parts(
            parts, located(config.features, folder), self._checked_cues(cues), store,
            live_text=config.finetunes_text, device=self.device, progress=not quiet,
        )  # fmt: skip
        with closing(read):
            for rows, features in zip(parts, read, strict=True):
                ids = {row.id for row in rows}
                own = [fault for fault in faults if fault.id in ids]
                found = with_notes(self.predict_features(rows, features, own), features.notes)
                yield abstained(found, abstain)

    def predict_file(
        self,
        input_file: Path,
        output_file: Path,
        *,
        store: Path,
        cues: Sequence[str] | None = None,
        quiet: bool = False,
    ) -> int:
        """Predict a CSV or Parquet table into another (CSV, JSON, JSON Lines); how many rows failed.

        Raises InputError for a table that is not one, or rows that contradict themselves.
        """
        check_table(output_file)
        for place in (output_file, unfinished(output_file)):
            check_not_input("output_file", place, [input_file])
        utterances = read_manifest(input_file, for_prediction=True, without_cues=self.reads_precomputed)
        failed = 0
        with growing_table(output_file, self.card.emotions) as add:
            for predictions in self.predict_in_parts(
                utterances, store=store, cues=cues, quiet=quiet, folder=input_file.parent
            ):
                add(predictions, {})
                failed += sum(map(is_failed, predictions))
        return failed

    def save_pretrained(
        self,
        folder: Source,
        *,
        results: Sequence[Path] = (),
        name: str | None = None,
        half: bool = False,
        onnx: bool = True,
        rows: bool = True,
        encoders: Mapping[Cue, str] | None = None,
        cues: Sequence[str] | None = None,
    ) -> Path:
        """A folder to hand on (docs/releasing.md): weights, settings, network.onnx, and a card of what was measured.

        results: folders of `tricue evaluate` on these very weights. name: in the card; None: the folder's. half:
        weights in 16 bits. rows: with hashes of the rows that it has seen. encoders: hub names of encoders that it was
        trained with from local folders. cues: those of the ONNX file. Raises InputError as `export_folder` does.
        """
        export_folder(
            self.network, self.card, Path(folder), name=name, results=results, half=half, onnx=onnx, rows=rows,
            encoders=encoders or {}, cues=cues,
        )  # fmt: skip
        return Path(folder)

    def push_to_hub(
        self,
        name: str,
        *,
        private: bool = False,
        rights_cleared: bool = False,
        folder: Source | None = None,
        **choices: Any,
    ) -> str:
        """`save_pretrained` (whose choices these are), then to the Hugging Face hub as OWNER/NAME; its address there.

        folder: where the files stay; None: nowhere. Raises InputError where the hub does not take it, and where the
        corpus's licence does not let weights be handed on and `rights_cleared` does not say otherwise.
        """
        check_rights(self.card, rights_cleared)
        with tempfile.TemporaryDirectory(prefix="tricue-") as scratch:
            files = self.save_pretrained(folder or Path(scratch) / "model", **{"name": name} | choices)
            return push_folder(files, name, private=private)

    @property
    def reads_precomputed(self) -> bool:
        """Whether features of some cue come from a file: rows may then be ids alone."""
        return bool(self.card.config.features.precomputed_cues())

    def _clip_cues(self, wanted: Sequence[str] | None) -> list[Cue]:
        """The cues that a clip gives, of those wanted. Raises InputError where there is none."""
        given = self.card.config.features.precomputed_cues()
        cues = [cue for cue in usable_cues(self.cues, wanted) if cue not in given]
        if not cues:
            raise InputError(
                f"This model reads precomputed features alone ({', '.join(given)}), which no clip gives: use tricue "
                "predict with a table of ids and --set features.<cue>.precomputed=FILE."
            )
        return cues

    def _checked_cues(self, wanted: Sequence[str] | None) -> list[Cue]:
        """The model's cues, or those wanted of them. Raises InputError for others, and for encoders not its own."""
        used = usable_cues(self.cues, wanted)
        check_encoders(self.card, self.card.config, used)
        return used

    def predict_features(
        self, utterances: Sequence[Utterance], features: FeatureSet, faults: Sequence[Fault] = ()
    ) -> list[Prediction]:
        """One prediction per utterance from features that were read with this model's settings."""
        size = self.card.config.evaluation.batch_size
        return predict_utterances(self.answering, self.card, utterances, features, size, self.device, faults)

    def _read(
        self,
        utterances: Sequence[Utterance],
        cues: Sequence[str] | None,
        store: Path,
        quiet: bool,
        workers: int | None = None,
    ) -> FeatureSet:
        return extract(
            utterances,
            located(self.card.config.features, None),
            self._checked_cues(cues),
            store,
            live_text=self.card.config.finetunes_text,
            device=self.device,
            workers=workers,
            progress=not quiet,
        )


def local_checkpoint(source: Source) -> Path:
    """The folder of a checkpoint; fetched where `source` is the name (not a Path) of one on the hub."""
    folder = checkpoint_folder(source)
    named = isinstance(source, str) and "/" in source and not hub.is_local_looking(source)
    return hub.fetch_checkpoint(str(source)) if named and not is_folder(folder) else folder


def find_model(model_path: Source | None) -> Source:
    """The checkpoint named, else `checkpoints/best_model`, else the one that comes with the package."""
    if model_path is not None:
        return model_path
    return DEFAULT_MODEL if (DEFAULT_MODEL / SETTINGS).is_file() else SHIPPED


def encoder_overrides(given: Sequence[str] | None, card: Card) -> dict[str, Any]:
    """`--encoder FOLDER`, or `--encoder audio=FOLDER` where the model has several, as settings.

    Raises InputError where it is not clear whose encoder is meant.
    """
    encoded = [c for c in card.config.modalities if c in card.encoders]
    settings = {}
    for item in given or ():
        cue, equals, folder = item.partition("=")
        if not (equals and cue in CUES):
            if len(encoded) != 1:
                known = ", ".join(f"{c}=FOLDER" for c in encoded) or "none: it has no encoder of the hub"
                raise InputError(f"--encoder {item}: whose? This model has {known}.")
            cue, folder = encoded[0], item
        settings[f"features.{cue}.encoder"] = folder
    return settings
