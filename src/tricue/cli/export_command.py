"""`tricue export`: a model to hand on, as a folder and on the hub."""

from pathlib import Path
from typing import Annotated

from typer import Option

from tricue.cli.app import app, console
from tricue.cli.outputs import check_outputs
from tricue.cli.setting_flags import parse_modalities
from tricue.registry import MODALITIES
from tricue.types import InputError, ModalityName


@app.command(short_help="A folder to hand on: weights, card, ONNX.")
def export(
    model_path: Annotated[
        str, Option("--model_path", help="Folder of a checkpoint, or its hub name.")
    ] = "checkpoints/best_model",
    out: Annotated[
        Path | None, Option("--out", help="Folder to make, or an earlier export to replace. [results/export/<name>]")
    ] = None,
    metrics: Annotated[
        list[Path] | None,
        Option(
            "--metrics",
            help="Results for the card: --out of tricue evaluate on these weights, or its metrics.json. Repeatable.",
        ),
    ] = None,
    half: Annotated[
        bool, Option("--half", help="Weights in 16 bits: half the size; probabilities move by less than 0.01.")
    ] = False,
    no_onnx: Annotated[bool, Option("--no_onnx", help="Without network.onnx.")] = False,
    modalities: Annotated[
        str | None, Option("--modalities", help="Modalities of network.onnx. [all of the model]")
    ] = None,
    no_rows: Annotated[
        bool,
        Option(
            "--no_rows", help="Without hashes of the training rows, by which tricue evaluate refuses to score them."
        ),
    ] = False,
    with_encoders: Annotated[
        bool,
        Option("--with_encoders", help="With the pretrained encoders: the folder then answers without a download."),
    ] = False,
    encoders: Annotated[
        list[str] | None, Option("--encoder", help="Hub name of a local encoder: text=OWNER/NAME. Repeatable.")
    ] = None,
    push_to_hub: Annotated[
        str | None, Option("--push_to_hub", help="OWNER/NAME on the Hugging Face hub (log in first: hf auth login).")
    ] = None,
    private: Annotated[bool, Option("--private", help="Create a private Hub repository.")] = False,
    rights_cleared: Annotated[
        bool,
        Option(
            "--rights_cleared",
            help="Publish weights of a corpus with closed terms (IEMOCAP): the recipients have the rights.",
        ),
    ] = False,
) -> None:
    """A folder to hand on: weights, settings, a model card of what was measured, network.onnx (docs/releasing.md).

    \b
    tricue export --metrics runs/mine/test --out mine
    tricue export --metrics runs/mine/test --push_to_hub me/mine --private
    """
    from tricue.checkpoint.checkpoint import checkpoint_folder
    from tricue.export.licences import check_rights
    from tricue.export.model_folder import check_hub_name, push_folder
    from tricue.recognizer import MultimodalEmotionRecognizer

    if push_to_hub is not None:
        check_hub_name(push_to_hub)
    if no_onnx and modalities is not None:
        raise InputError("--modalities are those of network.onnx, which --no_onnx leaves out: give one.")
    if private and push_to_hub is None:
        raise InputError("--private is about the hub: give --push_to_hub OWNER/NAME with it.")
    hub_names = _hub_names(encoders)
    name = push_to_hub or Path(model_path).resolve().name.removesuffix(".pth")
    folder = out or Path("results/export") / name.rpartition("/")[2]
    check_outputs("--out", [folder], files=[checkpoint_folder(model_path), *(metrics or ())])
    recognizer = MultimodalEmotionRecognizer.from_pretrained(model_path, device="cpu")
    check_rights(recognizer.card, rights_cleared)
    with console.status("Writing the folder ..."):
        recognizer.save_pretrained(
            folder,
            name=push_to_hub, results=metrics or (), half=half, onnx=not no_onnx, rows=not no_rows,
            with_encoders=with_encoders, encoders=hub_names, modalities=parse_modalities(modalities),
        )  # fmt: skip
    console.print(f"Model to hand on: {folder} (its card: {folder / 'README.md'})")
    if push_to_hub is not None:
        console.print(f"On the hub: {push_folder(folder, push_to_hub, private=private)}")
    if recognizer.card.note:
        console.print(recognizer.card.note)


def _hub_names(given: list[str] | None) -> dict[ModalityName, str]:
    """`["text=OWNER/NAME"]` by modality."""
    names: dict[ModalityName, str] = {}
    for item in given or ():
        modality, _, name = item.partition("=")
        if modality not in MODALITIES or not name:
            raise InputError(f"--encoder wants {', '.join(f'{c}=OWNER/NAME' for c in MODALITIES)}; got {item!r}.")
        names[modality] = name
    return names
