"""Finding frozen encoders, in a local folder or by a name on the Hugging Face hub, and running them.

Nothing here runs code that comes with a model or unpickles weights (pretrained.py). Models are held once per process,
so that extractors stay small and picklable.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from tricue.config.feature_settings import FeaturesConfig, ModalityFeatures
from tricue.config.section import LayerChoice
from tricue.config.tuned import tuned_on
from tricue.extractors import pretrained
from tricue.files.atomic import is_folder
from tricue.files.json_files import write_json
from tricue.registry import EXTRACTORS
from tricue.types import InputError, InvalidFileError, ModalityName, first_line

if TYPE_CHECKING:
    import torch

os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")  # else the tokenizer warns in every spawned process

LIGHT = "light"
_FOLDERS = frozenset({"checkpoints", "data", "models", "results", "runs"})  # as the documentation names them
_ENDINGS = (".pth", ".pt", ".bin", ".ckpt", ".safetensors", ".onnx", ".json", ".zip", ".tar.gz")  # of no hub name
_HUB_NAME = re.compile(r"[\w.-]{1,96}(?:/[\w.-]{1,96})?", re.ASCII)
_WIDEST, _DEEPEST = 100_000, 1_000  # no encoder's width and layers come near
_DECIDING = ("*.safetensors", "*.json", "*.txt", "*.model")  # weights, settings, vocabularies
_TERMS = ("LICENSE*", "NOTICE*")  # go with the weights wherever they go


def find_encoder(source: str, modality: ModalityName, weights: bool = True) -> Path:
    """The local folder of an encoder, fetched from the hub where `source` is no folder.

    Raises InputError where neither answers, or where the folder holds no safetensors weights.
    """
    folder = local_folder(source)
    if not is_folder(folder):
        folder = _fetch(source, modality)
    if not (folder / "config.json").is_file() or (weights and not any(folder.glob("*.safetensors"))):
        raise InputError(
            f"features.{modality}.encoder={source}: {folder} holds no config.json with *.safetensors weights "
            "(pickled weights are not read). Give another encoder, or convert it with save_pretrained()."
        )
    return folder


def local_folder(source: str) -> Path:
    """The place here that a model's name may mean; `~` is the user's home."""
    with suppress(RuntimeError):  # the home of a user who is not there
        return Path(source).expanduser()
    return Path(source)


def is_local_looking(source: str) -> bool:
    """Whether a model that is not here can only have been meant as a place here: it is never looked up on the hub.

    A path from `.`, `/` or `~`, of several folders or with the ending of a file; one into a folder that is here, or
    that is called as such folders are; whatever the hub has no name for.
    """
    first, *rest = source.split("/")
    return (
        not _HUB_NAME.fullmatch(source)
        or first in (".", "..")
        or source.lower().endswith(_ENDINGS)
        or bool(rest and (first in _FOLDERS or Path(first).is_dir()))
        or Path(source).exists()
    )


def fetch_checkpoint(name: str) -> Path:
    """A tricue checkpoint from the hub, as a local folder. Raises InputError where the hub does not answer."""
    remedy = "give the folder of a checkpoint, or make one: tricue train --dataset MELD"
    return download(name, f"No folder {name}", remedy, [], [*_DECIDING, "*.onnx"])


@lru_cache(maxsize=2)  # one revision for a whole process, and one call to the hub
def find_detector(source: str) -> Path:
    """YuNet's ONNX file: in a local folder, else from the hub. Raises InputError where neither has one.

    Of several the float weights are taken, not the quantised ones (whose names say int8), and the latest by name.
    """
    folder = local_folder(source)
    remedy = "give a local folder with --set features.video.face_detector=FOLDER."
    if not is_folder(folder):
        trouble = f"features.video.face_detector={source}: not a folder here"
        folder = download(source, trouble, remedy, ["*/*", "*int8*"], ["*.onnx"])
    files = [path for path in folder.glob("*.onnx") if path.is_file()]
    if not files:
        raise InputError(f"features.video.face_detector={source}: {folder} holds no .onnx file; {remedy}")
    return max(files, key=lambda path: ("int8" not in path.name, path.name))


@lru_cache(maxsize=8)  # one revision for a whole process, and one call to the hub
def _fetch(source: str, modality: ModalityName) -> Path:
    if is_local_looking(source):
        raise InputError(
            f"features.{modality}.encoder={source}: not a folder here; give its folder: --encoder FOLDER, or "
            f"--set features.{modality}.encoder=FOLDER (or `light`)."
        )
    remedy = (
        f"where there is a connection, fetch it (hf download {source} --local-dir FOLDER), then name the folder: "
        f"--encoder FOLDER of predict and serve, elsewhere --set features.{modality}.encoder=FOLDER (or `light`)."
    )
    return download(source, f"features.{modality}.encoder={source}: not a folder here", remedy, ["*/*"])


def download(
    name: str, trouble: str, remedy: str, ignored: list[str], wanted: Sequence[str] = (*_DECIDING, *_TERMS)
) -> Path:
    """The files of a hub repository that decide a model, weights, settings, vocabularies, and its licence."""
    from huggingface_hub import errors, snapshot_download

    if is_local_looking(name):
        raise InputError(f"{trouble}; {remedy}")
    try:
        return Path(snapshot_download(name, allow_patterns=list(wanted), ignore_patterns=ignored))
    except errors.GatedRepoError as error:
        raise InputError(
            f"{trouble}, and the hub gives {name} only to those who have accepted its terms: accept them on its page "
            f"there and log in (hf auth login); or {remedy}"
        ) from error
    except errors.RepositoryNotFoundError as error:
        private = "or it is private: log in with hf auth login"
        raise InputError(f"{trouble}, and the hub has no {name} ({private}); {remedy}") from error
    except (errors.HFValidationError, errors.HTTPError, OSError, ValueError) as error:
        raise InputError(f"{trouble}, and the hub did not answer: {first_line(error)}; {remedy}") from error


def encoder_digest(folder: Path) -> str:
    """SHA-256 (16 hex digits) over the weights, settings and vocabulary files in the folder."""
    files = sorted({path for pattern in _DECIDING for path in folder.glob(pattern)})
    return _digest(tuple((path, path.stat().st_size, path.stat().st_mtime_ns) for path in files))


@lru_cache(maxsize=16)
def _digest(stats: tuple[tuple[Path, int, int], ...]) -> str:
    total = hashlib.sha256()
    for path, _, _ in stats:
        total.update(path.name.encode())
        with path.open("rb") as file:
            total.update(hashlib.file_digest(file, "sha256").digest())
    return total.hexdigest()[:16]


def encoder_digests(features: FeaturesConfig, modalities: Sequence[ModalityName]) -> dict[ModalityName, str]:
    """`encoder_digest` of each modality that has pretrained weights (`light` and precomputed ones have none)."""
    return {name: encoder_digest(folder) for name, folder in encoder_folders(features, modalities).items()}


def encoder_folders(
    features: FeaturesConfig, modalities: Iterable[ModalityName], weights: bool = True
) -> dict[ModalityName, Path]:
    """`find_encoder` of each modality that has pretrained weights."""
    encoded = [modality for modality in modalities if has_weights(features[modality])]
    return {modality: find_encoder(features[modality].encoder, modality, weights) for modality in encoded}


def has_weights(settings: ModalityFeatures) -> bool:
    """Whether a modality's features come from pretrained weights of ours or of the hub."""
    return settings.precomputed is None and is_hub_encoder(settings.encoder)


def is_hub_encoder(encoder: str) -> bool:
    """Whether an encoder is a folder or a hub name: neither `light` nor the extractor of a plugin."""
    return encoder != LIGHT and encoder not in EXTRACTORS


def emotion_tuned(features: FeaturesConfig, modalities: Sequence[ModalityName]) -> dict[ModalityName, str]:
    """What the encoder of each modality was tuned for emotion on; no entry where nothing says that it was."""
    found: dict[ModalityName, str] = {}
    for modality, folder in encoder_folders(features, modalities, weights=False).items():
        settings = load_settings(folder)
        told = tuned_on(features[modality].encoder, settings.architectures or (), settings.id2label or {})
        if told is not None:
            found[modality] = told
    return found


@lru_cache(maxsize=4)
def load_model(folder: Path, device: str) -> Any:
    """The encoder in float32 and evaluation mode on `device`. Raises InvalidFileError where its files are no encoder's.

    A pooler without weights is left out; a Whisper model is its encoder.
    """
    from transformers import AutoModel

    model, missing = pretrained.read_model(AutoModel, folder)
    if any("pooler." in name for name in missing):
        model.register_module("pooler", None)
    if model.config.model_type == "whisper":
        del model.decoder  # three quarters of whisper-tiny that nothing here runs
    return model.to(device)


@lru_cache(maxsize=8)
def load_settings(folder: Path) -> Any:
    """The encoder's own config.json (hidden size, layers, positions, ...). Raises InvalidFileError."""
    return pretrained.read_settings(folder)


def layer_widths(folder: Path, layer: LayerChoice) -> tuple[int, ...]:
    """Widths of what `choose_layer` gives: of one layer, or of all that `mix` puts side by side."""
    settings = load_settings(folder)
    with pretrained.foreign(folder, "config.json"):
        width, blocks = int(settings.hidden_size), int(settings.num_hidden_layers)
    if not (0 < width <= _WIDEST and 0 <= blocks <= _DEEPEST):
        raise InvalidFileError(
            f"The model in {folder}: config.json has hidden_size {width}, num_hidden_layers {blocks}; no encoder has. "
            "Give another copy of it."
        )
    return (width,) * (blocks + 1 if layer == "mix" else 1)  # and what goes into the first


def run_model(device: str, compute: Callable[[], torch.Tensor]) -> np.ndarray:
    """What a frozen model computes, as float32 on the CPU.

    On CUDA in mixed precision: float16 has the 11 bits that the store keeps. What exceeds its range there is
    computed again in float32.
    """
    import torch

    with torch.inference_mode():
        if not device.startswith("cuda"):
            return compute().float().cpu().numpy()
        with torch.autocast("cuda", dtype=torch.float16):
            values = compute()
        if not bool(values.isfinite().all()):
            values = compute()
        return values.float().cpu().numpy()


def choose_layer(output: Any, layer: LayerChoice, setting: str) -> torch.Tensor:
    """(B, T, D) of the hidden layer asked for: None is the last, a list is the mean of its layers; `mix` is all of them
    side by side, (B, T, layers * D), for model.LayerMix.

    Raises InputError for a layer that the encoder does not have.
    """
    if layer is None:
        return output.last_hidden_state
    states: Sequence[torch.Tensor] = output.hidden_states
    return join_states([states[i] for i in layer_numbers(layer, len(states), setting)], layer)


def layer_numbers(layer: LayerChoice, count: int, setting: str) -> list[int]:
    """Which of an encoder's `count` hidden states are asked for, counted from 0.

    Raises InputError for a layer that the encoder does not have.
    """
    if layer == "mix":
        return list(range(count))
    wanted = layer if isinstance(layer, list) else [-1 if layer is None else layer]
    if not wanted or not all(-count <= i < count for i in wanted):
        raise InputError(
            f"{setting}={layer}: the encoder has layers 0 to {count - 1} (or {-count} to -1, counted from the last)."
        )
    return [i % count for i in wanted]


def join_states(states: Sequence[torch.Tensor], layer: LayerChoice) -> torch.Tensor:
    """(..., D) of the hidden states that were asked for: their mean, or side by side for `mix`, (..., layers * D)."""
    import torch

    return torch.cat(list(states), dim=-1) if layer == "mix" else sum(states) / len(states)  # type: ignore[return-value]


def copy_encoder(source: str, modality: ModalityName, target: Path, *, weights: bool) -> None:
    """Put an encoder's settings and tokenizer into `target`, and its weights where they are asked for, for a checkpoint
    to carry."""
    folder = find_encoder(source, modality, weights)
    target.mkdir(parents=True)
    of_weights = (".safetensors", ".safetensors.index.json")
    wanted = [*_DECIDING, *_TERMS] if weights else _DECIDING
    for path in sorted({path for pattern in wanted for path in folder.glob(pattern)}):
        if weights or not path.name.endswith(of_weights):
            shutil.copyfile(path, target / path.name)


def write_settings(settings: Any, target: Path) -> None:
    """An encoder's settings as config.json in `target`, without the place that they were read from."""
    places = ("_name_or_path", "name_or_path")
    write_json(target / "config.json", {n: value for n, value in settings.to_dict().items() if n not in places})


def untrained_model(folder: Path) -> Any:
    """An encoder of the folder's shape, its weights still to be loaded."""
    import torch
    from transformers import AutoModel

    return pretrained.empty_model(AutoModel, load_settings(folder), dtype=torch.float32)
