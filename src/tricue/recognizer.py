"""The Python front door: load a trained model, ask it about text, audio, video and what plugins read."""

import logging
import tempfile
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import replace
from importlib import resources
from pathlib import Path
from typing import Any

from tricue.checkpoint.checkpoint import SETTINGS, Card, check_encoders, checkpoint_folder, load_checkpoint
from tricue.config.speaker_settings import Form
from tricue.data.manifest import read_manifest
from tricue.device import choose_device
from tricue.evaluation.trial import reading_config, usable_modalities
from tricue.explain.explanation import Explanation, explain
from tricue.export.licences import check_rights
from tricue.export.model_folder import export_folder, push_folder
from tricue.export.onnx_network import open_onnx
from tricue.extractors import hub
from tricue.extractors.precomputed import located
from tricue.features.engine import local_engine
from tricue.features.feature_set import FeatureSet
from tricue.features.pipeline import FeaturePipeline, Memory
from tricue.files.atomic import check_not_input, is_folder
from tricue.model.network import Network
from tricue.prediction.adapted import Adaptation, make_adaptation
from tricue.prediction.api_inputs import as_utterances
from tricue.prediction.inference import Predictor
from tricue.prediction.predictions import (
    abstained,
    check_table,
    growing_table,
    is_failed,
    predict_utterances,
    unfinished,
    with_notes,
)
from tricue.registry import MODALITIES
from tricue.types import Fault, InputError, ModalityName, Prediction, Utterance, shown

logger = logging.getLogger(__name__)

BACKENDS = ("torch", "onnx")
DEFAULT_MODEL = Path("checkpoints/best_model")
SHIPPED = Path(str(resources.files("tricue") / "models" / "english-text"))
Source = str | Path
Sound = Source | bytes | tuple[Any, int]  # a media file, its bytes, or a waveform with its sample rate
Pictures = Source | bytes | Sequence[Any] | Any  # a media file, its bytes, frames, images of Pillow


class MultimodalEmotionRecognizer:
    """A trained network with everything it needs to read clips and words.

    >>> model = MultimodalEmotionRecognizer.from_pretrained("checkpoints/best_model")  # doctest: +SKIP
    >>> print(model.predict("I can't believe you did this!", "clip.wav", "clip.mp4"))  # doctest: +SKIP
    anger
    """

    def __init__(self, network: Network, card: Card, device: str = "cpu", answering: Predictor | None = None) -> None:
        """answering: what logits are read off in place of the network; `explain` and exports take the network."""
        self.network = network.to(device).eval()
        self.answering: Predictor = self.network if answering is None else answering
        self.card = card
        self.device = device
        self._pipelines: dict[tuple[ModalityName, ...], FeaturePipeline] = {}

    @classmethod
    def from_pretrained(
        cls, source: Source, *, overrides: Mapping[str, Any] | None = None, device: str = "auto", backend: str = "torch"
    ) -> "MultimodalEmotionRecognizer":
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
            card = replace(card, config=config)
        if card.note:
            logger.warning("%s is a %s", folder, card.note)
        return cls(network, card, choose_device(device), answering)

    @property
    def modalities(self) -> list[ModalityName]:
        """Those that it reads: the network's, with `network.onnx` those of the file."""
        return list(self.answering.modalities)

    @property
    def emotions(self) -> list[str]:
        """The classes of its answers; of a model of numbers the targets."""
        return list(self.card.emotions)

    @property
    def toy(self) -> bool:
        """Trained on synthetic clips: not for real use."""
        return self.card.toy

    def predict(
        self,
        text: str | None = None,
        audio: Sound | None = None,
        video: Pictures | None = None,
        *,
        abstain: float | None = None,
        **others: Any,
    ) -> Prediction:
        """The answer to one utterance from any of its modalities.

        Args:
            text: What is said.
            audio: A media file, its bytes, or (waveform, sample_rate): one channel, (samples,) floats of which 1 is
                full scale or int16, and its samples per second, 1,000 to 768,000.
            video: A media file, its bytes, frames in time order, (N, H, W, 3) uint8 RGB, or images of Pillow; one
                alone is a still.
            abstain: Below this confidence the answer is "uncertain"; of a model whose answers are one class.
            others: Of plugins' modalities, by their names: files, or openers (docs/plugins.md).

        Raises:
            InputError: Nothing can be used; the message says why.
        """
        given = {"text": text, "audio": audio, "video": video, **others}
        (prediction,) = self.predict_batch([given], abstain=abstain)
        if prediction.label is None:
            raise InputError(f"Nothing to go by: {prediction.error}")
        return prediction

    def explain(
        self,
        text: str | None = None,
        audio: Sound | None = None,
        video: Pictures | None = None,
        *,
        target: str | None = None,
        **others: Any,
    ) -> Explanation:
        """Why `predict` says what it says: by modality, and by word, moment and frame (docs/explain.md).

        target: the class or target whose value is taken apart; None: the likeliest class, of targets the first. others:
        as `predict` takes them. Raises InputError where nothing can be used, saying why, and for an unknown target.
        """
        asked = as_utterances([{"text": text, "audio": audio, "video": video, **others}])
        if asked.faults:
            raise InputError(asked.faults[0])
        row = replace(asked.rows[0], id="input")
        features = self.pipeline(self.clip_modalities())([row], memory={row.id: asked.memory.get(0, {})})
        return explain(self.network, self.card, row, features, self.device, target=target)

    def predict_batch(
        self,
        inputs: Iterable[Any],
        modalities: Sequence[str] | None = None,
        *,
        abstain: float | None = None,
        progress: bool = False,
        workers: int | None = 0,
        speaker_adaptation: Form | None = None,
    ) -> list[Prediction]:
        """One prediction per input, in order; a failed one says why in `error`.

        inputs: whatever `preprocess` takes, mappings that name plugins' modalities, or Utterances; or a data frame,
        whose rows are read as those of a manifest (the modalities, start, end). A modality that the network knows from
        precomputed features alone is not used: no clip gives it. abstain: as of `predict`. workers: processes, as
        `local_engine` takes them. speaker_adaptation: off, past or all, of Utterances that name their speakers
        (docs/speakers.md); None: as the model was trained to.
        Raises TypeError for one input in place of several, InputError for a frame without any of its columns.
        """
        pipeline = self.pipeline(self.clip_modalities(modalities))
        if workers != 0 or progress:
            pipeline = replace(pipeline, engine=local_engine(workers), progress=progress)
        asked = as_utterances(inputs)
        rows = [replace(u, id=str(i)) for i, u in enumerate(asked.rows)]  # two of them may share an id
        memory = {str(i): signals for i, signals in asked.memory.items()}
        adaptation = self._adaptation(speaker_adaptation, rows)
        predictions = self.predict_rows(pipeline, rows, memory=memory, abstain=abstain, adaptation=adaptation)
        return [
            replace(p, id=u.id, error=asked.faults.get(i, p.error))
            for i, (p, u) in enumerate(zip(predictions, asked.rows, strict=True))
        ]

    def predict_rows(
        self,
        pipeline: FeaturePipeline,
        rows: Sequence[Utterance],
        among: Sequence[Utterance] | None = None,
        memory: Memory | None = None,
        abstain: float | None = None,
        adaptation: Adaptation | None = None,
    ) -> list[Prediction]:
        """One prediction per row, in order, from what a `pipeline` of this model reads of it; among, memory: as the
        pipeline takes them."""
        features = pipeline(rows, among, memory)
        answers = self.predict_features(rows, features, adaptation=adaptation)
        return abstained(with_notes(answers, features.notes), abstain)

    def predict_in_parts(
        self,
        utterances: Sequence[Utterance],
        *,
        store: Path,
        modalities: Sequence[str] | None = None,
        abstain: float | None = None,
        quiet: bool = False,
        folder: Path | None = None,
        faults: Sequence[Fault] = (),
        speaker_adaptation: Form | None = None,
    ) -> Iterator[list[Prediction]]:
        """As `predict_batch`, with features that stay in `store` for another time: the predictions of the next few
        utterances each time, as soon as they are read; of answers that are adapted to speakers all at the end.

        folder: where files of precomputed features may lie. faults: of whoever made the utterances; they are told in
        `error`. Raises InputError where two utterances share an id.
        """
        (most,) = Counter(u.id for u in utterances).most_common(1) or [("", 0)]
        if most[1] > 1:
            raise InputError(f"{most[1]} utterances have the id {shown(most[0])}: give each its own.")
        pipeline = self._make_pipeline(usable_modalities(self.modalities, modalities), folder)
        pipeline = replace(pipeline, store=store, engine=local_engine(), progress=not quiet)
        adaptation = self._adaptation(speaker_adaptation, utterances)
        size = pipeline.batch_size(utterances) if adaptation is None else max(len(utterances), 1)
        parts = [utterances[at : at + size] for at in range(0, len(utterances), size)]
        with closing(pipeline.in_parts(parts)) as read:
            for rows, features in zip(parts, read, strict=True):
                ids = {row.id for row in rows}
                own = [fault for fault in faults if fault.id in ids]
                found = with_notes(self.predict_features(rows, features, own, adaptation), features.notes)
                yield abstained(found, abstain)

    def predict_file(
        self,
        input_file: Path,
        output_file: Path,
        *,
        store: Path,
        modalities: Sequence[str] | None = None,
        quiet: bool = False,
    ) -> int:
        """Predict a CSV or Parquet table into another (CSV, JSON, JSON Lines); how many rows failed.

        Raises InputError for a table that is not one, or rows that contradict themselves.
        """
        check_table(output_file)
        for place in (output_file, unfinished(output_file)):
            check_not_input("output_file", place, [input_file])
        utterances = read_manifest(input_file, for_prediction=True, without_modalities=self.reads_precomputed)
        failed = 0
        with growing_table(output_file, self.card.task) as add:
            for predictions in self.predict_in_parts(
                utterances, store=store, modalities=modalities, quiet=quiet, folder=input_file.parent
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
        with_encoders: bool = False,
        encoders: Mapping[ModalityName, str] | None = None,
        modalities: Sequence[str] | None = None,
    ) -> Path:
        """A folder to hand on (docs/releasing.md): weights, settings, network.onnx, and a card of what was measured.

        results: folders of `tricue evaluate` on these very weights. name: in the card; None: the folder's. half:
        weights in 16 bits. rows: with hashes of the rows that it has seen. with_encoders: with the pretrained encoders,
        so that it answers without a hub. encoders: hub names of encoders that it was trained with from local folders.
        modalities: those of the ONNX file. Raises InputError as `export_folder` does.
        """
        export_folder(
            self.network, self.card, Path(folder), name=name, results=results, half=half, onnx=onnx, rows=rows,
            with_encoders=with_encoders, encoders=encoders or {}, modalities=modalities,
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
        """Whether features of some modality come from a file: rows may then be ids alone."""
        return bool(self.card.config.features.precomputed_modalities())

    def clip_modalities(self, wanted: Sequence[str] | None = None) -> list[ModalityName]:
        """The modalities that a clip gives, of those wanted. Raises InputError where there is none."""
        given = self.card.config.features.precomputed_modalities()
        modalities = [modality for modality in usable_modalities(self.modalities, wanted) if modality not in given]
        if not modalities:
            raise InputError(
                f"This model reads precomputed features alone ({', '.join(given)}), which no clip gives: use tricue "
                "predict with a table of ids and --set features.<modality>.precomputed=FILE."
            )
        return modalities

    def pipeline(self, modalities: Sequence[ModalityName]) -> FeaturePipeline:
        """What reads these modalities for the model, in this process and without a store; made once.

        Raises InputError for encoders that are not the model's own.
        """
        known = tuple(modalities)
        if known not in self._pipelines:
            self._pipelines[known] = self._make_pipeline(known, None)
        return self._pipelines[known]

    def _make_pipeline(self, modalities: Sequence[ModalityName], folder: Path | None) -> FeaturePipeline:
        """folder: as of `predict_in_parts`."""
        config = self.card.config
        check_encoders(self.card, config, modalities)
        return FeaturePipeline.from_settings(
            located(config.features, folder), modalities, live=config.live, device=self.device,
            workers=0, progress=False,
        )  # fmt: skip

    def _adaptation(self, form: Form | None, rows: Sequence[Utterance]) -> Adaptation | None:
        """`make_adaptation`; the ONNX file has no place for an offset."""
        if self.answering is self.network or (form or self.card.config.speaker.adaptation) == "off":
            return make_adaptation(self.card, form, rows)
        if form is not None:
            raise InputError(f"--speaker_adaptation {form}: answers are adapted with --backend torch; or choose off.")
        logger.warning("With network.onnx answers are not adapted to the speaker.")
        return None

    def predict_features(
        self,
        utterances: Sequence[Utterance],
        features: FeatureSet,
        faults: Sequence[Fault] = (),
        adaptation: Adaptation | None = None,
    ) -> list[Prediction]:
        """One prediction per utterance from features that were read with this model's settings."""
        size = self.card.config.evaluation.batch_size
        return predict_utterances(
            self.answering, self.card, utterances, features, size, self.device, faults, adaptation=adaptation
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
        modality, equals, folder = item.partition("=")
        if not (equals and modality in MODALITIES):
            if len(encoded) != 1:
                known = ", ".join(f"{c}=FOLDER" for c in encoded) or "none: it has no encoder of the hub"
                raise InputError(f"--encoder {item}: whose? This model has {known}.")
            modality, folder = encoded[0], item
        settings[f"features.{modality}.encoder"] = folder
    return settings
