"""The folder of a model to hand on, and the way of it to the hub."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from tricue.checkpoint.checkpoint import (
    ENCODER_FOLDERS,
    ROWS,
    SETTINGS,
    WEIGHTS,
    Card,
    load_checkpoint,
    write_checkpoint,
)
from tricue.config.load import change_config
from tricue.config.settings import Config
from tricue.evaluation.trial import usable_modalities
from tricue.export.measured import read_measured
from tricue.export.model_card import NAME, Made, model_card
from tricue.export.onnx_network import NETWORK
from tricue.extractors.hub import has_weights
from tricue.files.atomic import check_place, replaced_folder
from tricue.files.locks import locked
from tricue.modalities.modality import without_frozen_part
from tricue.model.network import Network
from tricue.types import InputError, ModalityName, first_line

CARD = "README.md"
FILES = (WEIGHTS, SETTINGS, ROWS, NETWORK, CARD)  # nothing else but ENCODER_FOLDERS is in such a folder


def export_folder(
    network: Network, card: Card, folder: Path, *, name: str | None, results: Sequence[Path], half: bool, onnx: bool,
    rows: bool, with_encoders: bool, encoders: Mapping[ModalityName, str], modalities: Sequence[str] | None,
) -> None:  # fmt: skip
    """Weights, settings, rows, network.onnx and the card in `folder`, in one step.

    name: in the card; None: that of the folder. results: folders of `tricue evaluate`, or their metrics.json.
    with_encoders: pretrained encoders stand beside the weights, so that the folder answers by itself. encoders:
    modality -> hub name of an encoder that was trained with from a local folder. modalities: those of the ONNX file.
    Raises InputError for a folder that holds something else, for encoders without a hub name, and as `read_measured`
    and `export_onnx` do.
    """
    folder = Path(folder).resolve()
    name = name or folder.name
    if not NAME.fullmatch(name):
        raise InputError(f"{name!r} is no name for a model: give letters, digits, - _ and ., or OWNER/NAME.")
    _check_free(folder)
    read = usable_modalities(network.modalities, modalities)
    measured = read_measured(results, card)
    card = _for_others(card, encoders, with_encoders)
    with locked(folder, beside=True), replaced_folder(folder) as fresh:
        write_checkpoint(fresh, network, card, half=half, rows=rows)
        if onnx:
            from tricue.export.onnx import export_onnx

            export_onnx(*load_checkpoint(fresh), read, fresh / NETWORK)  # the weights as they are written
        made = Made(half, onnx, rows and card.seen is not None, sum(p.numel() for p in network.parameters()))
        text = model_card(card, network.modalities, name, measured, made)
        (fresh / CARD).write_text(text, encoding="utf-8")


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
                allow_patterns=[*FILES, f"{ENCODER_FOLDERS}/*"],
                delete_patterns=[ROWS, NETWORK, f"{ENCODER_FOLDERS}/*"],  # of an earlier upload that had them
                commit_message="Model and card, by tricue export",
            )
    except (HFValidationError, HTTPError, OSError, ValueError) as error:
        raise InputError(
            f"{name}: the hub did not take it: {first_line(error)}; log in (hf auth login) with a token that may "
            f"write, and try again. The files are in {folder}."
        ) from error
    if exposed:
        raise InputError(f"{name} is there already and open to all: take another name, or close it first.")
    return str(made)


def check_hub_name(name: str) -> None:
    """Raise InputError for what is not OWNER/NAME."""
    if not NAME.fullmatch(name) or "/" not in name:
        raise InputError(f"{name!r} is no place on the hub: give OWNER/NAME, with your name there as OWNER.")


def _check_free(folder: Path) -> None:
    """Raise InputError where the folder holds anything but an earlier export."""
    if not folder.exists():
        check_place(folder)
        return
    if not folder.is_dir():
        raise InputError(f"{folder} is a file; choose another place.")
    there = {path.name for path in folder.iterdir() if not path.match(ENCODER_FOLDERS)}
    if there and not ({CARD, SETTINGS, WEIGHTS} <= there <= set(FILES)):
        raise InputError(
            f"{folder} holds something that is no earlier export ({', '.join(sorted(there)[:3])}); choose another "
            "place, or empty it."
        )


def _for_others(card: Card, encoders: Mapping[ModalityName, str], with_encoders: bool) -> Card:
    """The card without places of this machine: encoders by their hub names, precomputed features by the file's name.

    with_encoders: frozen ones come along, as ./FOLDER where they have no name on the hub.
    """
    config, began_as = card.config, dict(card.began_as)
    carried: dict[ModalityName, str] = {}
    encoded = [modality for modality in config.modalities if has_weights(config.features[modality])]
    unknown = [modality for modality in encoders if modality not in encoded]
    if unknown:
        raise InputError(
            f"--encoder {unknown[0]}=: this model has an encoder of the hub for {', '.join(encoded) or 'no modality'}."
        )
    settings: dict[str, str] = {}
    for modality, own in config.features:
        if own.precomputed is not None:
            settings[f"features.{modality}.precomputed"] = Path(own.precomputed).name
        if modality not in config.modalities or own.precomputed is not None:
            settings[f"features.{modality}.encoder"] = Config().features[modality].encoder  # is not read
        elif modality in without_frozen_part(config.live):  # its shape is copied from where it lies
            began_as[modality] = _hub_name(modality, began_as.get(modality, own.encoder), encoders, frozen=False)
        elif modality in encoded:
            known = card.carried.get(modality, own.encoder)
            if with_encoders:
                carried[modality] = encoders.get(modality, f"./{Path(known).name}" if _is_here(known) else known)
            else:
                settings[f"features.{modality}.encoder"] = _hub_name(modality, known, encoders)
    if _is_here(config.features.video.face_detector):
        settings["features.video.face_detector"] = Config().features.video.face_detector
    config = change_config(config, settings, "the export")
    return replace(card, config=config, began_as=began_as, carried=carried, baselines=None)  # for `evaluate` alone


def _hub_name(modality: ModalityName, encoder: str, given: Mapping[ModalityName, str], frozen: bool = True) -> str:
    """frozen: whether the encoder is not among the weights, and could come along."""
    name = given.get(modality, encoder)
    if not NAME.fullmatch(name) or (modality not in given and _is_here(name)):
        raise InputError(
            f"features.{modality}.encoder={name} is a place on this machine: others need its name on the hub, "
            f"--encoder {modality}=OWNER/NAME (encoders={{{modality!r}: 'OWNER/NAME'}})"
            + (", or the encoder itself, --with_encoders." if frozen else ".")
        )
    return name


def _is_here(name: str) -> bool:
    return Path(name).expanduser().exists()
