"""A checkpoint before it is scored: the settings that it is used with, the rows, their features."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from tricue.checkpoint.checkpoint import Card, check_encoders, load_checkpoint
from tricue.config.load import change_config
from tricue.config.settings import Config
from tricue.config.speaker_settings import Form
from tricue.corpora.catalogue import config_of
from tricue.data.corpus import Corpus
from tricue.device import choose_device
from tricue.evaluation.rows import deal, known_rows, labelled, split_name
from tricue.extractors.corruption import Corruption
from tricue.extractors.precomputed import located
from tricue.features.extract import extract
from tricue.features.feature_set import FeatureSet
from tricue.model.network import Network
from tricue.prediction.adapted import Adaptation, make_adaptation
from tricue.registry import MODALITIES
from tricue.training.workspace import Workspace
from tricue.types import InputError, ModalityName, Split, Utterance


@dataclass(frozen=True)
class Trial:
    """A model, and the rows that it is to be scored on."""

    path: Path
    network: Network
    card: Card
    config: Config  # how it is measured
    corpus: Corpus
    split: Split
    turns: Sequence[Utterance]  # the whole split: what text may read as context
    rows: list[Utterance]  # those with a label
    dealt: bool  # as in Evaluation
    known: int  # rows that the model may know from its training
    chose: bool  # whether some of the rows chose its epochs
    adaptation: Adaptation | None = None  # to the speakers

    def of_phase(self, path: Path) -> "Trial":
        """The model of another phase of the same run, on the same rows."""
        network, card = load_checkpoint(path)
        form = "off" if self.adaptation is None or card.speakers is None else self.adaptation.form
        return replace(self, path=path, network=network, card=card, adaptation=make_adaptation(card, form, self.turns))

    def usable(self, modalities: Sequence[str] | None) -> list[ModalityName]:
        """The model's modalities, or those wanted of them. Raises InputError for others, and for encoders not its
        own.
        """
        used = usable_modalities(self.network.modalities, modalities)
        check_encoders(self.card, self.config, used)
        return used

    def read_features(
        self, modalities: Sequence[ModalityName], workspace: Workspace, damage: Corruption | None = None
    ) -> FeatureSet:
        """`extract` for the rows, as the model reads them."""
        read = self.rows if self.adaptation is None else self.turns  # others of a speaker tell of it without a label
        return extract(
            list({row.id: row for row in read}.values()),  # each once: the leaky protocol copies them
            located(self.config.features, self.corpus.folder),
            modalities,
            workspace.store,
            live=self.config.live,
            among=self.turns,
            damage=damage,
            device=choose_device(workspace.device),
            progress=not workspace.quiet,
        )


def open_trial(
    model_path: Path,
    *,
    workspace: Workspace,
    dataset: str | None = None,
    split: str | None = None,
    overrides: Mapping[str, Any] | None = None,
    seed: int | None = None,
    corpus: Corpus | None = None,
    speaker_adaptation: Form | None = None,
) -> Trial:
    """All that is known before a feature is read.

    Args:
        model_path: A checkpoint.
        workspace: Where things lie.
        dataset: Name of the corpus, where it is not that of the training.
        split: "test" by default; under the leaky protocol "val".
        overrides: Other places of the encoders, or how to measure (`features.<modality>.encoder`, `evaluation.*`).
        seed: Of the t-SNE maps.
        corpus: Where it has been read for another model.
        speaker_adaptation: As `make_adaptation` takes it.
    """
    network, card = load_checkpoint(model_path)
    config = reading_config(card, overrides or {}, dataset, seed)
    if workspace.manifest is not None and dataset is None:  # not the corpus that the model was trained on
        config = change_config(config, {"data.name": ""}, "the manifest")
    corpus = corpus or workspace.read_corpus(config)
    wanted = split_name(split or ("val" if card.leaky else "test"))
    parts, dealt = deal(corpus, card)
    rows = labelled(parts, corpus, card, wanted)
    known, chose = known_rows(rows, card, wanted)
    adaptation = make_adaptation(card, speaker_adaptation, parts[wanted])
    return Trial(
        model_path, network, card, config, corpus, wanted, parts[wanted], rows, dealt, known, chose, adaptation
    )


def reading_config(
    card: Card, overrides: Mapping[str, Any], dataset: str | None = None, seed: int | None = None
) -> Config:
    """The checkpoint's settings, with what may differ when it is used: where encoders lie, how is measured."""
    for name, value in overrides.items():
        if name in ("task.name", "task.targets"):
            _check_task(card, name.removeprefix("task."), value)
            continue
        parts = name.split(".")
        place = parts[0] == "features" and parts[-1] in ("encoder", "precomputed")
        if not (name.startswith("evaluation.") or place or name == "task.targets_file"):
            raise InputError(
                f"--set {name}: a trained model keeps its settings; only features.<modality>.encoder (another place of "
                "the same encoder), features.<modality>.precomputed, task.targets_file (files of these rows) and "
                "evaluation.* can be set here."
            )
    changed = {name: value for name, value in overrides.items() if name not in ("task.name", "task.targets")}
    changed["task.name"] = card.task.name  # which an earlier version did not write
    if dataset is not None:
        changed["data.name"] = config_of(dataset).data.name
    if seed is not None:
        changed["seed"] = seed
    return change_config(card.config, changed, "--set", flags=["seed"] if seed is not None else [])


def _check_task(card: Card, name: str, given: Any) -> None:
    """Raise InputError where another task or other targets are asked for than the model has."""
    own = card.task.name if name == "name" else card.config.task.targets
    if given != own and (own or name == "name"):
        flag, own = ("--task", own) if name == "name" else ("--targets", ",".join(own))
        given = given if isinstance(given, str) else ",".join(given)
        raise InputError(f"{flag} {given}: this model was trained with {flag} {own}. Leave the flag out.")


def usable_modalities(built: Sequence[Any], wanted: Sequence[str] | None) -> list[Any]:
    """The network's modalities, or those wanted of them. Raises InputError for one it was not built for."""
    if wanted is None:
        return list(built)
    unknown = [modality for modality in wanted if modality not in built]
    if unknown or not wanted:
        raise InputError(f"--modalities {','.join(wanted)}: this model reads {', '.join(built)}.")
    return [modality for modality in MODALITIES if modality in wanted]
