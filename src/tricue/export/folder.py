"""The folder of a model to hand on, and the way of it to the hub."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from tricue.checkpoint import ROWS, SETTINGS, TEXT_ENCODER, WEIGHTS, Card, load_checkpoint, write_checkpoint
from tricue.config import Config, change_config
from tricue.evaluation.evaluate import usable_cues
from tricue.export.measured import read_measured
from tricue.export.model_card import NAME, Made, model_card
from tricue.export.onnx_network import NETWORK
from tricue.features.hub import LIGHT
from tricue.files import check_place, replaced_folder
from tricue.locks import locked
from tricue.model.network import Network
from tricue.types import CUES, Cue, InputError

CARD = "README.md"
FILES = (WEIGHTS, SETTINGS, ROWS, NETWORK, CARD, TEXT_ENCODER)  # nothing else lies in such a folder


def export_folder(
    network: Network,
    card: Card,
    folder: Path,
    *,
    name: str | None,
    results: Sequence[Path],
    half: bool,
    onnx: bool,
    rows: bool,
    encoders: Mapping[Cue, str],
    cues: Sequence[str] | None,
) -> None:
    """Weights, settings, rows, network.onnx and the card in `folder`, in one step.

    name: in the card; None: that of the folder. results: folders of `tricue evaluate`, or their metrics.json. encoders:
    cue -> hub name of an encoder that was trained with from a local folder. cues: those of the ONNX file.
    Raises InputError for a folder that holds something else, for encoders without a hub name, and as `read_measured`
    and `export_onnx` do.
    """
    folder = Path(folder).resolve()
    name = name or folder.name
    if not NAME.fullmatch(name):
        raise InputError(
            f"{name!r} is no name for a model: letters, digits, - _ and . make one, on the hub OWNER/NAME."
        )
    _check_free(folder)
    read = usable_cues(network.cues, cues)
    measured = read_measured(results, card)
    card = _for_others(card, encoders)
    with locked(folder, beside=True), replaced_folder(folder) as fresh:
        write_checkpoint(fresh, network, card, half=half, rows=rows)
        if onnx:
            from tricue.export.onnx import export_onnx

            export_onnx(*load_checkpoint(fresh), read, fresh / NETWORK)  # the weights as they are written
        made = Made(half, onnx, rows and card.seen is not None, sum(p.numel() for p in network.parameters()))
        (fresh / CARD).write_text(model_card(card, network.cues, name, measured, made), encoding="utf-8")


def push_folder(folder: Path, name: str, *, private: bool) -> str:
    """Upload what `export_folder` left to the hub, as OWNER/NAME (`check_rights` comes first); its address there.

    private: a repository that is there and open is then left alone. Raises InputError where the hub does not take it.
    """
    check_hub_name(name)
    from huggingface_hub import HfApi
    from huggingface_hub.errors import HFValidationError, HTTPError

    api = HfApi()
    try:
        made = api.create_repo(name, private=private, exist_ok=True)
        exposed = private and not api.model_info(made.repo_id).private  # it was there before, open to all
        if not exposed:
            api.upload_folder(
                repo_id=made.repo_id,
                folder_path=folder,
                allow_patterns=[file for file in FILES if file != TEXT_ENCODER] + [f"{TEXT_ENCODER}/*"],
                delete_patterns=[ROWS, NETWORK, f"{TEXT_ENCODER}/*"],  # of an earlier upload that had them
                commit_message="Model and card, by tricue export",
            )
    except (HFValidationError, HTTPError, OSError, ValueError) as error:
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise InputError(
            f"{name}: the hub did not take it: {reason}; log in (hf auth login) with a token that may write, and try "
            f"again. The files are in {folder}."
        ) from error
    if exposed:
        raise InputError(f"{name} is there already and open to all: take another name, or close it first.")
    return str(made)


def check_hub_name(name: str) -> None:
    """Raise InputError for what is not OWNER/NAME."""
    if not NAME.fullmatch(name) or "/" not in name:
        raise InputError(
            f"{name!r} is no place on the hub: give OWNER/NAME, the owner as you are known there."
        )


def _check_free(folder: Path) -> None:
    """Raise InputError where the folder holds anything but an earlier export."""
    if not folder.exists():
        check_place(folder)
        return
    if not folder.is_dir():
        raise InputError(f"{folder} is a file; choose another place.")
    there = {path.name for path in folder.iterdir()}
    if there and not ({CARD, SETTINGS, WEIGHTS} <= there <= set(FILES)):
        raise InputError(
            f"{folder} holds something that is no earlier export ({', '.join(sorted(there)[:3])}); choose another "
            "place, or empty it."
        )


def _for_others(card: Card, encoders: Mapping[Cue, str]) -> Card:
    """The card without places of this machine: encoders by their hub names, precomputed features by the file's name."""
    config, text_encoder = card.config, card.text_encoder
    encoded = [cue for cue in config.modalities if _has_encoder(config, cue)]
    unknown = [cue for cue in encoders if cue not in encoded]
    if unknown:
        raise InputError(
            f"--encoder {unknown[0]}=: this model has an encoder of the hub for {', '.join(encoded) or 'no cue'}."
        )
    settings: dict[str, str] = {}
    for cue in CUES:
        own = getattr(config.features, cue)
        if own.precomputed is not None:
            settings[f"features.{cue}.precomputed"] = Path(own.precomputed).name
        if cue not in config.modalities or own.precomputed is not None:
            settings[f"features.{cue}.encoder"] = getattr(Config().features, cue).encoder  # is not read
        elif cue == "text" and config.finetunes_text:  # its shape is copied from where it lies
            text_encoder = _hub_name(cue, text_encoder or own.encoder, encoders)
        elif cue in encoded:
            settings[f"features.{cue}.encoder"] = _hub_name(cue, own.encoder, encoders)
    if _is_here(config.features.video.face_detector):
        settings["features.video.face_detector"] = Config().features.video.face_detector
    return replace(card, config=change_config(config, settings, "the export"), text_encoder=text_encoder)


def _has_encoder(config: Config, cue: Cue) -> bool:
    own = getattr(config.features, cue)
    return own.precomputed is None and own.encoder != LIGHT


def _hub_name(cue: Cue, encoder: str, given: Mapping[Cue, str]) -> str:
    name = given.get(cue, encoder)
    if not NAME.fullmatch(name) or (cue not in given and _is_here(name)):
        raise InputError(
            f"features.{cue}.encoder={name} is a place on this machine: others need its name on the hub, "
            f"--encoder {cue}=OWNER/NAME (encoders={{{cue!r}: 'OWNER/NAME'}})."
        )
    return name


def _is_here(name: str) -> bool:
    return Path(name).expanduser().exists()
