"""A timeline as one self-contained HTML page: player, transcript and emotions that follow one another.

The recording is not in the page; it is named by its place relative to it. Nothing else is fetched from anywhere.
"""

from __future__ import annotations

import base64
import hashlib
import os
from pathlib import Path
from typing import Any
from urllib.parse import quote

from jinja2 import Environment, PackageLoader, StrictUndefined

from tricue.features.media import MediaError, probe
from tricue.recording.timeline import Timeline, as_json
from tricue.report.figure import emotion_colours
from tricue.types import UNCERTAIN


def page(timeline: Timeline, folder: Path) -> str:
    """The page as it is to lie in `folder`. A recording that cannot be opened or played is told of there."""
    environment = Environment(
        loader=PackageLoader("tricue.recording"), autoescape=True, undefined=StrictUndefined, trim_blocks=True,
        lstrip_blocks=True,
    )  # fmt: skip
    environment.filters |= {"clock": clock, "hash": _hash}
    colours = emotion_colours(timeline.emotions)
    content: dict[str, Any] = as_json(timeline)
    return environment.get_template("timeline.html").render(
        content=content | {"colours": colours, "uncertain": UNCERTAIN},
        source=_address(timeline.recording, folder),
        player="video" if _has_pictures(timeline.recording) else "audio",
        colours=colours,
        cues=_in_words(timeline),
        uncertain=any(e.prediction.emotion == UNCERTAIN for e in timeline.entries),
        failed=any(e.prediction.emotion is None for e in timeline.entries),
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


def _has_pictures(recording: Path) -> bool:
    try:
        return probe(recording).size is not None
    except MediaError:
        return True


def _in_words(timeline: Timeline) -> str:
    """What the answers go by: the cues that took part somewhere, else those of the model."""
    met = {cue for entry in timeline.entries for cue in entry.prediction.cues} or set(timeline.cues)
    names = {"text": "words", "audio": "voice", "video": "picture"}
    told = [name for cue, name in names.items() if cue in met]
    return " and ".join(filter(None, [", ".join(told[:-1]), told[-1]]))
