"""A checkpoint is a folder: model.safetensors, rows.safetensors (which rows it has seen), baseline.safetensors (simple
models of the same rows), speakers.safetensors (how their speakers differ) and config.json. What belongs to an encoder
that was trained along or is handed on, and is not among the weights, lies in a folder for each: text_encoder, ...

Nothing is unpickled.
"""

from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from functools import cached_property
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import torch
from huggingface_hub.errors import StrictDataclassError

from tricue import __version__
from tricue.adaptation.speaker_offsets import Speakers
from tricue.adaptation.speakers_file import read_speakers, write_speakers
from tricue.baseline.baseline_file import read_baselines, write_baselines
from tricue.baseline.baselines import Baselines
from tricue.checkpoint.card_fields import REMEDY, read_fields, sealed
from tricue.config.load import build_config
from tricue.config.migrations import FORMAT
from tricue.config.settings import Config
from tricue.extractors import hub
from tricue.extractors.likeness import alike, sample
from tricue.files.atomic import file_digest, is_file, recover_folder, replaced_folder
from tricue.files.json_files import write_json
from tricue.files.tensors import Shapes, read_tensors, tensor_shapes, write_tensors
from tricue.modalities.modality import without_frozen_part
from tricue.model.network import LIVE, Network, vector_width
from tricue.registry import MODALITIES
from tricue.tasks.task import Task, make_task
from tricue.types import PHASES, Batch, InputError, InvalidFileError, ModalityName, as_invalid

TOY_MARK = "toy: not for real use"
LEAKY_MARK = "LEAKY: scored on copies of training rows; comparable with nothing"
WEIGHTS, SETTINGS, ROWS = "model.safetensors", "config.json", "rows.safetensors"
BASELINES, SPEAKERS = "baseline.safetensors", "speakers.safetensors"
ENCODER_FOLDERS = "*_encoder"  # of encoders that were trained along, and of others that an export puts beside


PLAIN_FIELDS = (  # of a card, written and read as they are
    "emotions", "phase", "epoch", "val_score", "val_score_name", "trained_on", "audit", "encoders", "samples", "tuned",
    "calibration", "versions",
)  # fmt: skip
KNOWN_SHARE = 0.01  # of a test part: up to here known rows may be chance, see `splits.row_keys`


@dataclass(frozen=True)
class Seen:
    """The rows that a model knows, itself or through the weights that it started from, as `splits.row_keys` tells
    them again in any manifest."""

    trained: np.ndarray  # (N,) int64: rows that it was trained on
    chosen: np.ndarray  # (M,) int64: rows that chose its epochs

    def knows(self, keys: np.ndarray, *, chosen: bool = True) -> np.ndarray:
        """(N,) bool, which rows it was trained on; with `chosen` also those that chose its epochs."""
        return np.isin(keys, np.union1d(self.trained, self.chosen) if chosen else self.trained)

    def united(self, other: "Seen | None") -> "Seen":
        if other is None:
            return self
        return Seen(np.union1d(self.trained, other.trained), np.union1d(self.chosen, other.chosen))


@dataclass(frozen=True)
class Card:
    """What a checkpoint says of itself, beside the weights."""

    config: Config
    emotions: list[str]  # names of the outputs: classes, or targets
    dims: dict[ModalityName, tuple[int, ...]]
    prior: list[float]  # what is said of a row of which nothing can be read: class shares of the training rows, means
    phase: int | None = None
    epoch: int | None = None
    val_score: float | None = None
    val_score_name: str = "weighted_f1"
    trained_on: dict[str, Any] | None = None  # corpus, protocol, rows per split, digest
    audit: dict[str, Any] | None = None  # what the leakage audit found in those rows, see audit/audit.py
    # modality -> digest of its encoder's frozen weights, their output for a sample (extractors/likeness.py), and what
    # the encoder was tuned for emotion on
    encoders: dict[ModalityName, str] = field(default_factory=dict)
    samples: dict[ModalityName, list[float]] = field(default_factory=dict)
    tuned: dict[ModalityName, str] = field(default_factory=dict)
    calibration: dict[str, Any] | None = None  # as `calibrate` gives it; None where val is never read
    weights_sha256: str | None = None  # of the file beside it, once it is saved
    began_as: dict[ModalityName, str] = field(
        default_factory=dict
    )  # modality -> the encoder that was trained along and is all here, before it was
    carried: dict[ModalityName, str] = field(
        default_factory=dict, compare=False
    )  # modality -> the encoder that is not in the weights and lies beside them, by its name elsewhere
    versions: dict[str, str] | None = field(default=None, compare=False)  # that it was trained with
    seen: Seen | None = field(default=None, compare=False, repr=False)
    baselines: Baselines | None = field(default=None, compare=False, repr=False)
    speakers: Speakers | None = field(default=None, compare=False, repr=False)  # None: too few had a name

    @cached_property
    def task(self) -> Task:
        data = self.config.data.model_copy(update={"emotions": self.emotions})
        return make_task(self.config.model_copy(update={"data": data}))

    @property
    def temperature(self) -> float:
        """What logits are divided by before they become probabilities."""
        return (self.calibration or {}).get("temperature") or 1.0

    @property
    def toy(self) -> bool:
        """Trained on synthetic clips: its outputs say so."""
        corpora = str((self.trained_on or {}).get("name", "")).split("+")
        return "toy" in (self.config.data.name, *corpora)

    @property
    def leaky(self) -> bool:
        """Trained under the protocol that copies rows before it splits them: nothing of it is comparable."""
        return self.config.data.protocol == "leaky"

    @property
    def note(self) -> str | None:
        """What stands beside every prediction of it."""
        marks = [mark for mark, holds in ((LEAKY_MARK, self.leaky), (TOY_MARK, self.toy)) if holds]
        return "; ".join(marks) or None


def best_model(save_dir: Path, config: Config) -> Path:
    """Where a run leaves its best weights. A leaky one never becomes `best_model`."""
    return save_dir / ("leaky_model" if config.data.protocol == "leaky" else "best_model")


def phase_folders(model_path: Path) -> dict[int, Path]:
    """The checkpoints of the run that a model is of, by phase: those beside it, and for its own phase the model itself.

    Raises InputError where there is no checkpoint.
    """
    folder = checkpoint_folder(model_path)
    card = read_card(folder)
    beside: dict[int, Path] = {phase: folder.parent / f"phase{phase}" for phase in PHASES}
    found = {phase: path for phase, path in beside.items() if (path / SETTINGS).is_file()}
    same_run = {p: f for p, f in found.items() if read_card(f).trained_on == card.trained_on}
    return dict(sorted((same_run | {own_phase(card): folder}).items()))


def own_phase(card: Card) -> int:
    """The phase that a model stands for; 1 where its card names none."""
    return card.phase or 1


def save_checkpoint(folder: Path, network: Network, card: Card) -> None:
    """Write network and card to `folder`, replacing what lies there in one step."""
    with replaced_folder(folder) as fresh:
        write_checkpoint(fresh, network, card)


def write_checkpoint(folder: Path, network: Network, card: Card, *, half: bool = False, rows: bool = True) -> None:
    """The files of a checkpoint, into a folder that is there.

    half: weights in 16 bits, for handing on; they are read back into 32. rows: with the rows that it has seen. Raises
    InputError where 16 bits cannot hold a weight.
    """
    weights = network.state_dict()
    write_tensors(folder / WEIGHTS, {name: _halved(name, t) for name, t in weights.items()} if half else weights)
    if rows and card.seen is not None:
        seen = {"trained": card.seen.trained, "chosen": card.seen.chosen}
        write_tensors(folder / ROWS, {name: torch.from_numpy(keys) for name, keys in seen.items()})
    baselines = write_baselines(folder / BASELINES, card.baselines) if card.baselines is not None else None
    speakers = write_speakers(folder / SPEAKERS, card.speakers) if card.speakers is not None else None
    config = card.config.model_dump(mode="json")
    named = card.began_as | card.carried
    for modality in dict.fromkeys([*network.live, *card.carried]):
        own, encoder = encoder_folder(folder, modality), card.config.features[modality].encoder
        if modality in card.carried or not MODALITIES[modality].has_frozen_part:
            hub.copy_encoder(encoder, modality, own, weights=modality in card.carried)
            config["features"][modality]["encoder"] = named.get(modality, encoder)
        else:
            own.mkdir()
            hub.write_settings(network.live[modality].settings, own)
    shares = card.task.priors_are_shares
    fields = {
        "format": FORMAT,
        "config": config,
        **{name: getattr(card, name) for name in PLAIN_FIELDS},
        "class_shares": card.prior if shares else [],
        "prior": None if shares else card.prior,
        "dims": card.dims,
        "modalities": network.modalities,
        "toy": card.toy,
        "leaky": card.leaky,
        "weights_sha256": file_digest(folder / WEIGHTS),
        "rows_sha256": file_digest(folder / ROWS) if (folder / ROWS).is_file() else None,
        "baseline": baselines,
        "speakers": speakers,
        "live_encoder_digests": {m: _encoder_digest(folder, m) for m in (*network.live, *card.carried)},
        "carried_encoders": list(card.carried),
        "versions": card.versions or versions(),
    }
    write_json(folder / SETTINGS, sealed(fields))


def encoder_folder(folder: Path, modality: ModalityName) -> Path:
    """Where a checkpoint has what belongs to an encoder and is not among its weights."""
    return folder / f"{modality}_encoder"


def _encoder_digest(folder: Path, modality: ModalityName) -> str | None:
    own = encoder_folder(folder, modality)
    return hub.encoder_digest(own) if own.is_dir() else None


def versions() -> dict[str, str]:
    """What is installed here of what decides an answer."""
    return {"tricue": __version__, "torch": version("torch"), "transformers": version("transformers")}


def _halved(name: str, tensor: torch.Tensor) -> torch.Tensor:
    """A weight in 16 bits; what features are scaled by stays, for a sum of energies may be past their range."""
    if not tensor.is_floating_point() or _scaled_modality(name):
        return tensor
    half = tensor.half()
    if not torch.equal(half.isfinite(), tensor.isfinite()):
        raise InputError(f"{name} is past the range of 16 bits: hand the model on in 32, without --half.")
    return half


def _scaled_modality(name: str) -> ModalityName | None:
    """The modality whose features, or whose features' statistics, this weight scales; None of any other weight."""
    parts = name.split(".")
    return parts[1] if parts[0] == "scaling" or parts[::2] == ["statistics", "scaling"] else None


def load_checkpoint(folder: str | Path) -> tuple[Network, Card]:
    """The network in evaluation mode on the CPU, and its card.

    `best_model.pth` means the folder `best_model` (the original README's spelling; nothing is unpickled).

    Raises:
        InputError: There is no checkpoint.
        InvalidFileError: A file is damaged, or the files contradict one another. Sizes are compared before memory of
            these sizes is asked for.
    """
    folder = checkpoint_folder(folder)
    card = read_card(folder)
    shapes = tensor_shapes(folder / WEIGHTS, REMEDY)
    with _belonging(folder):
        if card.config.model.sizes[1] > len(shapes):  # modules cost even without numbers
            raise ValueError(f"{card.config.model.sizes[1]:,} layers, and {len(shapes):,} weights")
        with torch.device("meta"):  # shapes without numbers
            planned = _network_of(folder, card, shapes).state_dict()
        if {name: tuple(tensor.shape) for name, tensor in planned.items()} != shapes:
            raise ValueError("names or shapes of weights differ")
    weights = read_tensors(folder / WEIGHTS, card.weights_sha256, REMEDY)
    with _belonging(folder):
        network = _network_of(folder, card, shapes)
        network.load_state_dict(weights)
        network.eval()
        _try(network, card)
    return network, card


_MISFITS = (  # what torch and transformers raise for sizes and names that they cannot take
    RuntimeError, ValueError, TypeError, LookupError, ArithmeticError, AttributeError, MemoryError, ImportError,
    StrictDataclassError,
)  # fmt: skip


def _belonging(folder: Path) -> AbstractContextManager[None]:
    """As InvalidFileError what building and running a network raises for settings that its weights do not fit."""
    return as_invalid(_MISFITS, f"{folder}: {SETTINGS} and {WEIGHTS} do not belong together (", f"). {REMEDY}")


def _network_of(folder: Path, card: Card, shapes: Shapes) -> Network:
    encoders = {m: _live_encoder(encoder_folder(folder, m), m, shapes) for m in card.config.live}
    network = Network.from_config(card.config, card.dims, len(card.emotions), encoders)
    for modality, live in network.live.items():
        if MODALITIES[modality].has_frozen_part:  # its layers only are given numbers
            live.to_empty(device=torch.get_default_device())
    return network


def _live_encoder(folder: Path, modality: ModalityName, shapes: Shapes) -> torch.nn.Module:
    """The encoder that was trained along, without its weights; without memory for them where a part stayed frozen.

    Raises ValueError for more layers than weights."""
    for name, value in hub.load_settings(folder).to_dict().items():
        if "layers" in name and isinstance(value, int) and value > len(shapes):
            raise ValueError(f"{folder.name} has {name}={value:,}, and there are {len(shapes):,} weights")
    if MODALITIES[modality].has_frozen_part:
        with torch.device("meta"):  # nothing in `shapes` bounds the part that stays frozen
            return hub.untrained_model(folder)
    encoder = hub.untrained_model(folder)
    began = f"{LIVE}{modality}.encoder.pooler."
    pooler = getattr(encoder, "pooler", None)
    if pooler is not None and list(pooler.parameters()) and not any(name.startswith(began) for name in shapes):
        encoder.register_module("pooler", None)  # it came without, and was trained so
    return encoder


@torch.no_grad()
def _try(network: Network, card: Card) -> None:
    """Raise ValueError, or what torch raises, for a network that cannot read a row of each modality."""
    values = {modality: torch.zeros(1, 2, sum(card.dims[modality])) for modality in network.modalities}
    values |= {modality: live.example(2) for modality, live in network.live.items()}
    masks = {modality: torch.ones(own.shape[:2], dtype=torch.bool) for modality, own in values.items()}
    logits = network(Batch(["trial"], values, masks)).logits
    if logits.shape != (1, len(card.emotions)) or not bool(logits.isfinite().all()):
        raise ValueError("its logits for features of zeros are no finite numbers")


def read_weights(folder: Path, remedy: str) -> dict[str, torch.Tensor]:
    """The weights of a checkpoint, checked against its card. Raises InvalidFileError, which ends in `remedy`."""
    return read_tensors(folder / WEIGHTS, read_card(folder).weights_sha256, remedy)


def read_card(folder: str | Path) -> Card:
    """The card, without the weights.

    Raises:
        InputError: There is no checkpoint.
        InvalidFileError: The card is damaged, of another format, or one of its fields is out of its bounds.
    """
    folder = checkpoint_folder(folder)
    recover_folder(folder)
    path = folder / SETTINGS
    if not is_file(path):
        raise InputError(f"No checkpoint at {folder} ({SETTINGS} is missing). Train one: tricue train --dataset MELD")
    card = read_fields(path)
    try:
        config = build_config(card["config"] | {"format": card["format"]}, {}, str(path))
    except InputError as error:  # named setting by setting
        raise InvalidFileError(f"{error} {REMEDY}") from error
    began_as = {modality: config.features[modality].encoder for modality in without_frozen_part(config.live)}
    carried = {modality: config.features[modality].encoder for modality in card.get("carried_encoders", [])}
    digests = card.get("live_encoder_digests", {})
    for modality in (*config.live, *carried):
        if digests.get(modality) not in (None, _encoder_digest(folder, modality)):
            raise InvalidFileError(f"{encoder_folder(folder, modality)} has changed since it was written. {REMEDY}")
    here = {
        modality: config.features[modality].model_copy(update={"encoder": str(encoder_folder(folder, modality))})
        for modality in (*began_as, *carried)
    }
    dims = {modality: tuple(widths) for modality, widths in card["dims"].items()}
    widths, told = {m: sum(dims[m]) for m in config.modalities if m in dims}, card.get("baseline")
    return Card(
        config=config.model_copy(update={"features": config.features.model_copy(update=here)}) if here else config,
        **{name: card[name] for name in PLAIN_FIELDS if name in card},
        dims=dims,
        prior=card["class_shares"] or card["prior"],
        weights_sha256=card["weights_sha256"],
        began_as=began_as,
        carried=carried,
        seen=_read_seen(folder / ROWS, card.get("rows_sha256")),
        baselines=read_baselines(folder / BASELINES, told, widths, len(card["emotions"]), REMEDY)
        if told and is_file(folder / BASELINES)  # an exported folder has none
        else None,
        speakers=_read_speakers(folder / SPEAKERS, card.get("speakers"), config, len(card["emotions"])),
    )


def _read_speakers(path: Path, told: dict[str, Any] | None, config: Config, outputs: int) -> Speakers | None:
    if told is None:
        return None
    width = vector_width(config.model.sizes[0], config.model.statistics)
    own = width - vector_width(config.model.sizes[0], statistics=False)
    return read_speakers(path, told, dict.fromkeys(config.modalities, own), outputs, REMEDY)


def _read_seen(path: Path, sha256: str | None) -> Seen | None:
    if not path.is_file():
        return None
    rows = read_tensors(path, sha256, REMEDY)
    keys = [rows.get(name) for name in ("trained", "chosen")]
    if any(found is None or found.dtype != torch.int64 or found.ndim != 1 for found in keys):
        raise InvalidFileError(f"{path} holds no rows (trained and chosen, int64, one axis). {REMEDY}")
    return Seen(*(found.numpy() for found in keys if found is not None))


def check_encoders(card: Card, config: Config, modalities: Sequence[ModalityName]) -> None:
    """Raise InputError where an encoder of `config` is not the one whose vectors the network was trained on."""
    frozen = [modality for modality in modalities if modality in card.encoders]
    for modality, digest in hub.encoder_digests(config.features, frozen).items():
        if digest != card.encoders[modality] and not _says_the_same(card, config, modality):
            raise InputError(
                f"features.{modality}.encoder={config.features[modality].encoder}: its weights or settings are "
                f"not those that this model was trained with (digest {digest}, not {card.encoders[modality]})."
            )


def _says_the_same(card: Card, config: Config, modality: ModalityName) -> bool:
    own = card.samples.get(modality)
    return own is not None and alike(own, sample(config.features, [modality])[modality])


def checkpoint_folder(path: str | Path) -> Path:
    path = Path(path)
    return path.with_suffix("") if path.suffix in (".pth", ".pt") else path


def load_matching(network: Network, folder: str | Path, emotions: list[str]) -> tuple[list[str], list[str]]:
    """Start from another checkpoint: load what fits by name and shape; the names loaded, and those made anew.

    Where the classes differ the classifier, the heads of the modalities and the intention predictor's last layer are
    made anew. A modality's scaling is that of the training rows at hand; only that of an encoder which is trained along
    belongs to its weights.
    """
    other, card = load_checkpoint(folder)
    own = network.state_dict()
    outputs = [name for name, _ in network.named_parameters() if name.startswith(("classifier.", "auxiliary."))]
    outputs += [name for name, _ in list(network.intention.named_parameters(prefix="intention"))[-2:]]
    skipped = set() if card.emotions == emotions else set(outputs)
    skipped |= {n for n in own if _scaled_modality(n) not in (None, *(network.live.keys() & other.live.keys()))}
    fitting = {
        name: tensor
        for name, tensor in other.state_dict().items()
        if name in own and own[name].shape == tensor.shape and name not in skipped
    }
    network.load_state_dict(fitting, strict=False)
    return sorted(fitting), sorted(set(own) - set(fitting))
