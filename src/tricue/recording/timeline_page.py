"""A timeline as one self-contained HTML page: player, transcript and answers that follow one another.

The recording is not in the page; it is named by its place relative to it. Nothing else is fetched from anywhere.
"""

import base64
import hashlib
import os
from pathlib import Path
from typing import Any
from urllib.parse import quote

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from tricue.media.decoding import MediaError, probe
from tricue.recording.timeline import Timeline, as_json
from tricue.registry import MODALITIES
from tricue.types import UNCERTAIN, Prediction

STATIC = Path(__file__).with_name("static")  # scripts of both pages: modules of the service's, inside of this one
_IN_ONE_LINE = 4  # values of an answer in the transcript


def page(timeline: Timeline, folder: Path) -> str:
    """The page as it is to lie in `folder`. A recording that cannot be opened or played is told of there."""
    environment = Environment(
        loader=PackageLoader("tricue.recording"), autoescape=True, undefined=StrictUndefined, trim_blocks=True,
        lstrip_blocks=True,
    )  # fmt: skip
    environment.filters |= {"clock": clock, "hash": _hash}
    content: dict[str, Any] = as_json(timeline)
    colours = {axis["name"]: axis["colour"] for axis in content["task"]["axes"]}
    try:
        player = "video" if probe(timeline.recording).size is not None else "audio"
    except MediaError:
        player = "video"
    predictions = [entry.prediction for entry in timeline.entries]
    return environment.get_template("timeline.html").render(
        content=content | {"uncertain": UNCERTAIN}, kind=timeline.task.kind, player=player,
        said=[_said(timeline, prediction, colours) for prediction in predictions],
        source=_address(timeline.recording, folder), modalities=_in_words(timeline), shared=_shared(),
        uncertain=any(p.label == UNCERTAIN for p in predictions), failed=any(p.label is None for p in predictions),
    )  # fmt: skip


def _said(timeline: Timeline, prediction: Prediction, colours: dict[str, str]) -> list[tuple[str | None, str]]:
    """What the transcript says of an answer, in pieces: a colour, `unsure`, `none` or None; and words."""
    label, values = prediction.label, prediction.values
    if label is None or label == UNCERTAIN:
        return [("none", "no answer") if label is None else ("unsure", UNCERTAIN)]
    if timeline.task.kind == "classes":
        return [(colours[str(label)], f"{label} {100 * values[str(label)]:.0f}%")]
    if timeline.task.kind == "labels":
        return [(colours[str(name)], str(name)) for name in label] or [(None, "none")]
    told: list[tuple[str | None, str]] = [(None, f"{name} {value:.2f}") for name, value in values.items()]
    return [*told[:_IN_ONE_LINE], *([(None, "…")] if len(told) > _IN_ONE_LINE else [])]


def _shared() -> Markup:
    """The scripts of both pages, without what makes modules of them."""
    return Markup("\n").join(
        Markup(path.read_text("utf-8").partition("\nexport {")[0]) for path in sorted(STATIC.iterdir())
    )


def clock(seconds: float) -> str:
    """Whole seconds as 3:07 or 1:02:33."""
    whole = int(seconds)
    minutes = f"{whole // 60 % 60}:{whole % 60:02d}"
    return f"{whole // 3600}:{minutes:0>5}" if whole >= 3600 else minutes


def _hash(source: str) -> str:
    """What a content security policy calls the one script or style that it lets run."""
    return f"sha256-{base64.b64encode(hashlib.sha256(source.encode()).digest()).decode()}"


def _address(recording: Path, folder: Path) -> str:
    """Where the page finds the recording: relative, so that both can be moved together; else from the root."""
    there = Path(os.path.abspath(recording))  # noqa: PTH100  as a browser does, which does not follow links
    try:
        relative = os.path.relpath(there, os.path.abspath(folder))  # noqa: PTH100
    except ValueError:  # Windows: another drive
        return there.as_uri()
    return quote("./" + Path(relative).as_posix())  # a colon in a name begins no scheme


def _in_words(timeline: Timeline) -> str:
    """What the answers go by: the modalities that took part somewhere, else those of the model."""
    met = {m for entry in timeline.entries for m in entry.prediction.modalities} or {*timeline.modalities}
    told = [MODALITIES[modality].word for modality in MODALITIES if modality in met]
    return " and ".join(filter(None, [", ".join(told[:-1]), told[-1]]))
