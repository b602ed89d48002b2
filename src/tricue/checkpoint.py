"""A checkpoint is a folder: model.safetensors, rows.safetensors (which rows it has seen) and config.json (and, with a
trained text encoder, its tokenizer).

Nothing is unpickled.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import torch
from huggingface_hub.errors import StrictDataclassError

from tricue import __version__
from tricue.card_fields import FORMAT, REMEDY, read_fields, sealed
from tricue.config import Config, build_config
from tricue.features import hub
from tricue.features.likeness import alike, sample
from tricue.files import file_digest, is_file, recover_folder, replaced_folder
from tricue.json_files import write_json
from tricue.model.network import Network
from tricue.tensors import Shapes, read_tensors, tensor_shapes, write_tensors
from tricue.training.phases import PHASES
from tricue.types import Batch, Cue, InputError, InvalidFileError

TOY_MARK = "toy: not for real use"
LEAKY_MARK = "LEAKY: scored on copies of training rows; comparable with nothing"
WEIGHTS, SETTINGS, ROWS, TEXT_ENCODER = "model.safetensors", "config.json", "rows.safetensors", "text_encoder"


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

    def united(self, other: Seen | None) -> Seen:
        if other is None:
            return self
        return Seen(np.union1d(self.trained, other.trained), np.union1d(self.chosen, other.chosen))


@dataclass(frozen=True)
class Card:
    """What a checkpoint says of itself, beside the weights."""

    config: Config
    emotions: list[str]
    dims: dict[Cue, tuple[int, ...]]
    class_shares: list[float]  # of the training rows, in the order of `emotions`
    phase: int | None = None
    epoch: int | None = None
    val_weighted_f1: float | None = None
    trained_on: dict[str, Any] | None = None  # corpus, protocol, rows per split, digest
    audit: dict[str, Any] | None = None  # what the leakage audit found in those rows, see data/audit.py
    encoders: dict[Cue, str] = field(default_factory=dict)  # cue -> digest of its frozen weights
    samples: dict[Cue, list[float]] = field(default_factory=dict)  # what they say, see features/likeness.py
    tuned: dict[Cue, str] = field(default_factory=dict)  # cue -> what its encoder was tuned for emotion on
    calibration: dict[str, Any] | None = (
        None  # as `calibration.calibrate` gives it; None where val is never read
    )
    weights_sha256: str | None = None  # of the file beside it, once it is saved
    text_encoder: str | None = None  # of a text encoder that was trained along: what it began as
    versions: dict[str, str] | None = field(default=None, compare=False)  # that it was trained with
    seen: Seen | None = field(default=None, compare=False, repr=False)

    @property
    def temperature(self) -> float:
        """What logits are divided by before they become probabilities."""
        return self.calibration["temperature"] if self.calibration is not None else 1.0

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


def write_checkpoint(
    folder: Path, network: Network, card: Card, *, half: bool = False, rows: bool = True
) -> None:
    """The files of a checkpoint, into a folder that is there.

    half: weights in 16 bits, for handing on; they are read back into 32. rows: with the rows that it has seen. Raises
    InputError where 16 bits cannot hold a weight.
    """
    weights = network.state_dict()
    write_tensors(
        folder / WEIGHTS, {name: _halved(name, t) for name, t in weights.items()} if half else weights
    )
    if rows and card.seen is not None:
        seen = {"trained": card.seen.trained, "chosen": card.seen.chosen}
        write_tensors(folder / ROWS, {name: torch.from_numpy(keys) for name, keys in seen.items()})
    config = card.config.model_dump(mode="json")
    if network.live_text is not None:
        hub.copy_shape(card.config.features.text.encoder, folder / TEXT_ENCODER)
        config["features"]["text"]["encoder"] = card.text_encoder or card.config.features.text.encoder
    fields = {
        "format": FORMAT,
        "config": config,
        "emotions": card.emotions,
        "dims": {cue: list(widths) for cue, widths in card.dims.items()},
        "class_shares": card.class_shares,
        "cues": list(network.cues),
        "toy": card.toy,
        "leaky": card.leaky,
        "phase": card.phase,
        "epoch": card.epoch,
        "val_weighted_f1": card.val_weighted_f1,
        "trained_on": card.trained_on,
        "audit": card.audit,
        "encoders": card.encoders,
        "samples": card.samples,
        "tuned": card.tuned,
        "calibration": card.calibration,
        "weights_sha256": file_digest(folder / WEIGHTS),
        "rows_sha256": file_digest(folder / ROWS) if (folder / ROWS).is_file() else None,
        "text_encoder_digest": _encoder_digest(folder),
        "versions": card.versions or versions(),
    }
    write_json(folder / SETTINGS, sealed(fields))


def _encoder_digest(folder: Path) -> str | None:
    """Digest of the settings and the tokenizer that a fine-tuned text encoder has beside its weights."""
    return hub.encoder_digest(folder / TEXT_ENCODER) if (folder / TEXT_ENCODER).is_dir() else None


def versions() -> dict[str, str]:
    """What is installed here of what decides an answer."""
    return {"tricue": __version__, "torch": version("torch"), "transformers": version("transformers")}


def _halved(name: str, tensor: torch.Tensor) -> torch.Tensor:
    """A weight in 16 bits; what features are scaled by stays, for a sum of energies may be past their range."""
    if not tensor.is_floating_point() or name.startswith("scaling."):
        return tensor
    half = tensor.half()
    if not torch.equal(half.isfinite(), tensor.isfinite()):
        raise InputError(f"{name} is past the range of 16 bits: hand the model on in 32, without --half.")
    return half


def load_checkpoint(folder: str | Path) -> tuple[Network, Card]:
    """The network in evaluation mode on the CPU, and its card.

    `best_model.pth` means the folder `best_model` (the seed's spelling; nothing is unpickled).

    Raises:
        InputError: There is no checkpoint.
        InvalidFileError: A file is damaged, or the files contradict one another. Sizes are compared before memory of
            these sizes is asked for.
    """
    folder = checkpoint_folder(folder)
    card = read_card(folder)
    shapes = tensor_shapes(folder / WEIGHTS, REMEDY)
    with _belonging(folder):
        _check_sizes(card, shapes)
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


@contextmanager
def _belonging(folder: Path) -> Iterator[None]:
    """As InvalidFileError what building and running a network raises for settings that its weights do not fit."""
    try:
        yield
    except _MISFITS as error:
        if isinstance(error, InvalidFileError):
            raise
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0][:200]
        raise InvalidFileError(
            f"{folder}: {SETTINGS} and {WEIGHTS} do not belong together ({reason}). {REMEDY}"
        ) from error


def _check_sizes(card: Card, shapes: Shapes) -> None:
    """Raise ValueError for a size that no tensor of the file has: before modules are made, which cost even unfilled."""
    widest = max((size for shape in shapes.values() for size in shape), default=0)
    model = card.config.model
    given = {"model.width": model.width, "emotions": len(card.emotions)}
    given |= {f"dims of {cue}": max(widths) for cue, widths in card.dims.items()}
    for name, size in given.items():
        if size > widest:
            raise ValueError(f"{name} is {size:,}, and the largest size of a weight {widest:,}")
    if model.bilstm_layers > len(shapes):
        raise ValueError(
            f"model.bilstm_layers is {model.bilstm_layers:,}, and there are {len(shapes):,} weights"
        )
    if set(card.dims) != set(card.config.modalities):
        raise ValueError(
            f"dims are of {', '.join(card.dims)}, modalities {', '.join(card.config.modalities)}"
        )


def _network_of(folder: Path, card: Card, shapes: Shapes) -> Network:
    encoder = _text_encoder(folder / TEXT_ENCODER, shapes) if card.config.finetunes_text else None
    return Network.from_config(card.config, card.dims, len(card.emotions), encoder)


def _text_encoder(folder: Path, shapes: Shapes) -> torch.nn.Module:
    """The encoder that was trained along, without its weights. Raises ValueError for more layers than weights."""
    for name, value in hub.load_settings(folder).to_dict().items():
        if "layers" in name and isinstance(value, int) and value > len(shapes):
            raise ValueError(f"{folder.name} has {name}={value:,}, and there are {len(shapes):,} weights")
    return hub.untrained_model(folder)


@torch.no_grad()
def _try(network: Network, card: Card) -> None:
    """Raise ValueError, or what torch raises, for a network that cannot read a row of each cue."""
    values = {cue: torch.zeros(1, 2, sum(card.dims[cue])) for cue in network.cues}
    masks = {cue: torch.ones(1, 2, dtype=torch.bool) for cue in network.cues}
    if network.live_text is not None:
        values["text"] = torch.ones(1, 2, 2, dtype=torch.long)  # the first token twice, its own
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
        raise InputError(
            f"No checkpoint at {folder} ({SETTINGS} is missing). Train one: tricue train --dataset MELD"
        )
    card = read_fields(path)
    config = _read_config(card["config"], {}, path)
    began_as = config.features.text.encoder if config.finetunes_text else None
    if config.finetunes_text:  # the tokenizer and shape travel with the weights
        if card.get("text_encoder_digest") not in (None, _encoder_digest(folder)):
            raise InvalidFileError(f"{folder / TEXT_ENCODER} has changed since it was written. {REMEDY}")
        config = _read_config(card["config"], {"features.text.encoder": str(folder / TEXT_ENCODER)}, path)
    return Card(
        config=config,
        emotions=card["emotions"],
        dims={cue: tuple(widths) for cue, widths in card["dims"].items()},
        class_shares=card["class_shares"],
        phase=card.get("phase"),
        epoch=card.get("epoch"),
        val_weighted_f1=card.get("val_weighted_f1"),
        trained_on=card.get("trained_on"),
        audit=card.get("audit"),
        encoders=card.get("encoders", {}),
        samples=card.get("samples", {}),
        tuned=card.get("tuned", {}),
        calibration=card.get("calibration"),
        weights_sha256=card["weights_sha256"],
        text_encoder=began_as,
        versions=card.get("versions"),
        seen=_read_seen(folder / ROWS, card.get("rows_sha256")),
    )


def _read_config(settings: dict[str, Any], overrides: dict[str, str], path: Path) -> Config:
    try:
        return build_config(settings, overrides, str(path))
    except InputError as error:  # named setting by setting
        raise InvalidFileError(f"{error} {REMEDY}") from error


def _read_seen(path: Path, sha256: str | None) -> Seen | None:
    if not path.is_file():
        return None
    rows = read_tensors(path, sha256, REMEDY)
    keys = [rows.get(name) for name in ("trained", "chosen")]
    if any(found is None or found.dtype != torch.int64 or found.ndim != 1 for found in keys):
        raise InvalidFileError(f"{path} holds no rows (trained and chosen, int64, one axis). {REMEDY}")
    return Seen(*(found.numpy() for found in keys if found is not None))


def check_encoders(card: Card, config: Config, cues: Sequence[Cue]) -> None:
    """Raise InputError where an encoder of `config` is not the one whose vectors the network was trained on."""
    frozen = [cue for cue in cues if cue in card.encoders]
    for cue, digest in hub.encoder_digests(config.features, frozen).items():
        if digest != card.encoders[cue] and not _says_the_same(card, config, cue):
            raise InputError(
                f"features.{cue}.encoder={getattr(config.features, cue).encoder}: its weights or settings are not "
                f"those that this model was trained with (digest {digest}, not {card.encoders[cue]})."
            )


def _says_the_same(card: Card, config: Config, cue: Cue) -> bool:
    own = card.samples.get(cue)
    return own is not None and alike(own, sample(config.features, [cue])[cue])


def checkpoint_folder(path: str | Path) -> Path:
    path = Path(path)
    return path.with_suffix("") if path.suffix in (".pth", ".pt") else path


def load_matching(network: Network, folder: str | Path, emotions: list[str]) -> tuple[list[str], list[str]]:
    """Start from another checkpoint: load what fits by name and shape; the names loaded, and those made anew.

    Where the classes differ the classifier and the intention predictor's last layer are made anew. A cue's scaling
    is that of the training rows at hand; only that of a text encoder which is trained along belongs to its weights.
    """
    other, card = load_checkpoint(folder)
    own = network.state_dict()
    outputs = [name for name, _ in network.named_parameters() if name.startswith("classifier.")]
    outputs += [name for name, _ in list(network.intention.named_parameters(prefix="intention"))[-2:]]
    skipped = set() if card.emotions == emotions else set(outputs)
    inherits = network.live_text is not None and other.live_text is not None
    skipped |= {
        n for n in own if n.startswith("scaling.") and not (inherits and n.startswith("scaling.text."))
    }
    fitting = {
        name: tensor
        for name, tensor in other.state_dict().items()
        if name in own and own[name].shape == tensor.shape and name not in skipped
    }
    network.load_state_dict(fitting, strict=False)
    return sorted(fitting), sorted(set(own) - set(fitting))
