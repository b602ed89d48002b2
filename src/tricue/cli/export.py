"""`tricue export`: a model to hand on, as a folder and on the hub."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from tricue.cli.app import app, console
from tricue.cli.outputs import check_outputs
from tricue.cli.settings import parse_cues
from tricue.types import CUES, Cue, InputError


@app.command(short_help="A folder to hand on: weights, card, ONNX.")
def export(
    model_path: Annotated[
        Path, typer.Option("--model_path", help="Folder of a checkpoint, or its hub name.")
    ] = Path("checkpoints/best_model"),
    out: Annotated[
        Path | None,
        typer.Option(
            "--out",
            help="Folder to make; an earlier export there is replaced. [results/export/<name of the model>]",
        ),
    ] = None,
    metrics: Annotated[
        list[Path] | None,
        typer.Option(
            "--metrics",
            help="What tricue evaluate said of these very weights (its --out, or the metrics.json there), for the "
            "card. Repeatable.",
        ),
    ] = None,
    half: Annotated[
        bool,
        typer.Option(
            "--half", help="Weights in 16 bits: half the size; probabilities move by less than 0.01."
        ),
    ] = False,
    no_onnx: Annotated[bool, typer.Option("--no_onnx", help="Without network.onnx.")] = False,
    modalities: Annotated[
        str | None,
        typer.Option("--modalities", help="Cues that network.onnx reads. [all that the model does]"),
    ] = None,
    no_rows: Annotated[
        bool,
        typer.Option(
            "--no_rows",
            help="Without the hashes of the rows it has seen, by which tricue evaluate refuses to score it on them.",
        ),
    ] = False,
    encoders: Annotated[
        list[str] | None,
        typer.Option(
            "--encoder",
            help="Hub name of an encoder that it was trained with from a local folder: text=OWNER/NAME. Repeatable.",
        ),
    ] = None,
    push_to_hub: Annotated[
        str | None,
        typer.Option(
            "--push_to_hub", help="OWNER/NAME on the Hugging Face hub (log in first: hf auth login)."
        ),
    ] = None,
    private: Annotated[
        bool, typer.Option("--private", help="On the hub for you alone, or your organisation.")
    ] = False,
    rights_cleared: Annotated[
        bool,
        typer.Option(
            "--rights_cleared",
            help="You may hand on weights of a corpus whose terms do not allow it to everyone (IEMOCAP), or they "
            "stay with those who may have them.",
        ),
    ] = False,
) -> None:
    """A folder to hand on: weights, settings, a model card of what was measured, network.onnx (docs/releasing.md).

    \b
    tricue export --metrics runs/mine/test --out mine
    tricue export --metrics runs/mine/test --push_to_hub me/mine --private
    """
    from tricue.checkpoint import checkpoint_folder
    from tricue.export.folder import check_hub_name, push_folder
    from tricue.export.licences import check_rights
    from tricue.recognizer import MultimodalEmotionRecognizer

    if push_to_hub is not None:
        check_hub_name(push_to_hub)
    _check_flags(no_onnx, modalities, push_to_hub, private)
    hub_names = _hub_names(encoders)
    name = push_to_hub or model_path.resolve().name.removesuffix(".pth")
    folder = out or Path("results/export") / name.rpartition("/")[2]
    check_outputs("--out", [folder], files=[checkpoint_folder(model_path), *(metrics or ())])
    recognizer = MultimodalEmotionRecognizer.from_pretrained(model_path, device="cpu")
    check_rights(recognizer.card, rights_cleared)
    with console.status("Writing the folder ..."):
        recognizer.save_pretrained(
            folder,
            name=push_to_hub,
            results=metrics or (),
            half=half,
            onnx=not no_onnx,
            rows=not no_rows,
            encoders=hub_names,
            cues=parse_cues(modalities),
        )
    console.print(f"Model to hand on: {folder} (its card: {folder / 'README.md'})")
    if push_to_hub is not None:
        console.print(f"On the hub: {push_folder(folder, push_to_hub, private=private)}")
    if recognizer.card.note:
        console.print(recognizer.card.note)


def _check_flags(no_onnx: bool, modalities: str | None, push_to_hub: str | None, private: bool) -> None:
    if no_onnx and modalities is not None:
        raise InputError(
            "--modalities chooses the cues of network.onnx, and --no_onnx leaves it out: give one."
        )
    if private and push_to_hub is None:
        raise InputError("--private is about the hub: give --push_to_hub OWNER/NAME with it.")


def _hub_names(given: list[str] | None) -> dict[Cue, str]:
    """`["text=OWNER/NAME"]` by cue."""
    names: dict[Cue, str] = {}
    for item in given or ():
        cue, _, name = item.partition("=")
        if cue not in CUES or not name:
            raise InputError(f"--encoder wants {', '.join(f'{c}=OWNER/NAME' for c in CUES)}; got {item!r}.")
        names[cue] = name
    return names
