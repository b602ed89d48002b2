"""The check of the leakage audit that asks whether two splits hold the same media: the same bytes at the same time."""

import math
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path

from tricue.audit.checks import EXAMPLES, Check, Overlap, Pair, Splits, check_none, pairs
from tricue.media.decoding import content_digest
from tricue.types import ModalityName, Utterance

SAME_SPAN = 0.5  # share of the shorter stretch from which two stretches of one file are the same media


def check_media(splits: Splits, media: "Mapping[str, Sequence[Sequence[Stretch]]]") -> Check:
    """The same bytes, at overlapping times, in two splits. media: split -> per row its stretches."""
    found = {pair: _shared_media(splits, media, pair) for pair in pairs(splits)}
    meaning = "The very recordings of the training rows are scored."
    return check_none("media", found, "no media file stands in two splits", meaning)


@dataclass(frozen=True)
class Stretch:
    """A part of a media file's content, as one modality of a row."""

    content: Hashable  # the same for files of the same bytes; with the half of a picture that is cropped
    start: float = 0.0
    end: float = math.inf

    def same(self, other: "Stretch") -> bool:
        """Whether the two share most of the shorter one's time."""
        common = min(self.end, other.end) - max(self.start, other.start)
        shorter = min(self.end - self.start, other.end - other.start)
        return common == shorter or common > SAME_SPAN * shorter


def stretches(splits: Splits) -> dict[str, list[list[Stretch]]]:
    """Split -> per row the stretches of media that it is made of. A file that cannot be read is left out.

    Files are told apart by their size where that is enough, and by their bytes where two are of one size.
    """
    paths = {path for rows in splits.values() for row in rows for path in row.media.values()}
    content = _contents(paths)
    return {
        name: [[s for modality in row.media for s in _stretch(row, modality, content)] for row in rows]
        for name, rows in splits.items()
    }  # fmt: skip


def _contents(paths: set[Path]) -> dict[Path, Hashable]:
    by_size: dict[int, list[Path]] = defaultdict(list)
    content: dict[Path, Hashable] = {}
    for path in paths:
        try:
            by_size[path.stat().st_size].append(path)
        except (OSError, ValueError):  # it is missing: another check says so
            continue
    for size, alike in by_size.items():
        for path in alike:
            try:
                content[path] = size if len(alike) == 1 else content_digest(path)
            except (OSError, ValueError):
                continue
    return content


def _stretch(row: Utterance, modality: ModalityName, content: Mapping[Path, Hashable]) -> Iterator[Stretch]:
    path = row.media[modality]
    if path not in content:
        return
    key = (content[path], row.crop if modality == "video" else None)
    start, end = row.span(modality)
    yield Stretch(key, start or 0.0, math.inf if end is None else end)


def _shared_media(splits: Splits, media: Mapping[str, Sequence[Sequence[Stretch]]], pair: Pair) -> Overlap:
    a, b = pair
    held: dict[Hashable, list[tuple[Stretch, str]]] = defaultdict(list)
    for row, own in zip(splits[a], media[a], strict=True):
        for stretch in own:
            held[stretch.content].append((stretch, row.id))
    files = {content: _File.of(parts) for content, parts in held.items()}
    shared = []
    for row, own in zip(splits[b], media[b], strict=True):
        twins = (files[s.content].twin(s) for s in own if s.content in files)
        if twin := next((id_ for id_ in twins if id_ is not None), None):
            shared.append((row.id, twin))
    return Overlap(len(shared), len(shared) / len(splits[b]), shared[:EXAMPLES])


@dataclass(frozen=True)
class _File:
    """The stretches of one file, by their start, so that a long recording's thousands need not all be compared."""

    stretches: list[tuple[Stretch, str]]
    starts: list[float]
    latest: list[float]  # the latest end up to each

    @classmethod
    def of(cls, parts: list[tuple[Stretch, str]]) -> "_File":
        ordered = sorted(parts, key=lambda part: part[0].start)
        ends = accumulate((stretch.end for stretch, _ in ordered), max)
        return cls(ordered, [stretch.start for stretch, _ in ordered], list(ends))

    def twin(self, stretch: Stretch) -> str | None:
        """The id of a row whose stretch is the same."""
        i = bisect_left(self.starts, stretch.end) - 1
        while i >= 0 and self.latest[i] > stretch.start:
            other, id_ = self.stretches[i]
            if stretch.same(other):
                return id_
            i -= 1
        return None
