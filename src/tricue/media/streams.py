"""Which audio and which video stream of a file is read: the one that a player plays."""

from collections.abc import Sequence
from typing import Any

from av.stream import Disposition

_NO_VIDEO = Disposition.attached_pic | Disposition.timed_thumbnails | Disposition.still_image
_SPECIAL = (  # beside the main stream, not in its place
    Disposition.dub | Disposition.comment | Disposition.lyrics | Disposition.karaoke
    | Disposition.hearing_impaired | Disposition.visual_impaired | Disposition.clean_effects
    | Disposition.non_diegetic | Disposition.descriptions | Disposition.dependent | Disposition.metadata
)  # fmt: skip


def choose_stream(streams: Sequence[Any]) -> Any | None:
    """The stream of one kind (audio or video) that is read; None where none has a known codec.

    Cover pictures and thumbnails are never read. Of the others: one flagged as default, else one without a special
    purpose (a comment, a dub, a description for the blind, ...), else any; the first of equals.
    """
    readable = [s for s in streams if s.codec_context is not None and not s.disposition & _NO_VIDEO]
    return max(readable, key=_rank, default=None)


def stream_note(streams: Sequence[Any], chosen: Any) -> str | None:
    """Which of several streams of a kind is read; None where there is no choice."""
    among = [s for s in streams if not s.disposition & _NO_VIDEO]
    if len(among) < 2:
        return None
    why = "flagged as default" if chosen.disposition & Disposition.default else "none is flagged as default"
    if sum(bool(s.disposition & Disposition.default) for s in among) > 1:
        why = f"the first {why}"
    named = f", {chosen.language}" if chosen.language not in (None, "", "und") else ""
    return f"of its {len(among)} {chosen.type} streams number {among.index(chosen) + 1} is read ({why}{named})"


def _rank(stream: Any) -> tuple[bool, bool]:
    return bool(stream.disposition & Disposition.default), not stream.disposition & _SPECIAL
