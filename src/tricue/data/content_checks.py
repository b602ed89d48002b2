"""The checks of the leakage audit that look at content: sentences nearly alike, recordings that sound the same, and
what noise alone would score."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from tricue.data.checks import Check, Splits, Verdict, as_details, is_long, overlap, pairs
from tricue.data.fingerprints import Job, Recording, fingerprint_files, same_recordings
from tricue.data.media_checks import Stretch
from tricue.data.near_texts import near_duplicates
from tricue.data.noise_probe import Kind, ProbeScore, drawn_items, noise_probe
from tricue.features.media import MediaError, probe
from tricue.types import Utterance


def check_near_texts(splits: Splits, texts: Mapping[str, Sequence[str]]) -> Check:
    found: dict[tuple[str, str], dict[str, Any]] = {}
    for a, b in pairs(splits):
        near = near_duplicates(texts[b], texts[a])
        twins = {i: (splits[b][i].id, splits[a][j].id) for i, j, _ in near}
        found[a, b] = {
            "rows": len(twins),
            "share": len(twins) / len(splits[b]),
            "examples": list(twins.values())[:5],
        }
    listed = "; ".join(
        f"{o['rows']:,} rows of {b} ({100 * o['share']:.1f}%) say nearly what a row of {a} says"
        for (a, b), o in found.items()
        if o["rows"]
    )
    return Check(
        "near texts",
        "warn" if listed else "pass",
        listed or "no sentence of 5 words or more nearly stands in two splits",
        "Reworded or retyped sentences are half known from training.",
        {f"{a}/{b}": o for (a, b), o in found.items()},
    )


def check_recordings(splits: Splits, progress: bool) -> list[Check]:
    """The same sound under other names or in other containers; and which clips have no sound."""
    jobs = {name: [_job(row) for row in own] for name, own in splits.items()}
    distinct = list(dict.fromkeys(job for own in jobs.values() for job in own if job is not None))
    recordings = dict(zip(distinct, fingerprint_files(distinct, progress=progress), strict=True))
    sound = _groups([recordings[job].fingerprint for job in distinct])
    group = dict(zip(distinct, sound, strict=True))
    keys = {name: [None if job is None else group[job] for job in own] for name, own in jobs.items()}
    between = {pair: overlap(splits, pair, keys) for pair in pairs(splits)}
    inside = {name: _twins(own, keys[name]) for name, own in splits.items()}
    listed = [f"{o.rows:,} rows of {b} sound like one of {a}" for (a, b), o in between.items() if o.rows]
    listed += [f"{len(p):,} twice inside {name} ({p[0][0]} = {p[0][1]})" for name, p in inside.items() if p]
    same = Check(
        "recordings",
        "fail" if any(o.rows for o in between.values()) else "warn" if listed else "pass",
        "; ".join(listed) or "every recording sounds different from every other",
        "One recording under several names is known from training, or counts several times.",
        as_details(between)
        | {name: [list(pair) for pair in twins] for name, twins in inside.items() if twins},
    )
    heard = [
        (row, recordings[job])
        for name, own in splits.items()
        for row, job in zip(own, jobs[name], strict=True)
        if job is not None
    ]
    return [same, _check_sound(heard)]


def _job(row: Utterance) -> Job | None:
    """The stretch of a file that the row's sound is."""
    return None if row.audio is None else (row.audio, *row.span("audio"))


def _groups(fingerprints: Sequence[np.ndarray | None]) -> list[int]:
    """Number of the recording that each fingerprint is of: copies of copies are copies."""
    count = len(fingerprints)
    found = same_recordings(fingerprints)
    one, other = [i for i, _, _ in found], [j for _, j, _ in found]
    links = coo_array((np.ones(len(found)), (one, other)), shape=(count, count))
    return connected_components(links, directed=False)[1].tolist()


def _twins(rows: Sequence[Utterance], groups: Sequence[int | None]) -> list[tuple[str, str]]:
    """(first, later) ids of rows of one recording."""
    first: dict[int, str] = {}
    twins = []
    for row, group in zip(rows, groups, strict=True):
        if group is not None and first.setdefault(group, row.id) != row.id:
            twins.append((first[group], row.id))
    return twins


def _check_sound(rows: Sequence[tuple[Utterance, Recording]]) -> Check:
    silent = [row.id for row, recording in rows if recording.silent]
    broken = [(row.id, recording.reason) for row, recording in rows if recording.reason is not None]
    listed = [f"{len(silent):,} clips are silent (e.g. {silent[0]})"] if silent else []
    listed += [f"{len(broken):,} give no sound ({broken[0][0]}: {broken[0][1]})"] if broken else []
    return Check(
        "sound",
        "warn" if listed else "pass",
        "; ".join(listed) or "every clip can be heard",
        "Their rows stay, without that cue or with a cue that says nothing.",
        {"silent": silent, "without sound": [list(item) for item in broken]},
    )


def check_pictures(splits: Splits) -> Check | None:
    """Which clips show nothing: their file has no picture, or cannot be opened. None where no row has video."""
    paths = {row.video for own in splits.values() for row in own if row.video is not None}
    if not paths:
        return None
    reasons = {path: reason for path in sorted(paths) if (reason := _no_picture(path)) is not None}
    blind = [(row.id, reasons[row.video]) for own in splits.values() for row in own if row.video in reasons]
    return Check(
        "pictures",
        "warn" if blind else "pass",
        f"{len(blind):,} clips show nothing ({blind[0][0]}: {blind[0][1]})"
        if blind
        else "every clip has a picture",
        "Their rows stay, without that cue.",
        {"without picture": [list(item) for item in blind]},
    )


def _no_picture(path: Path) -> str | None:
    try:
        return None if probe(path).size is not None else "the file has no video stream of a known codec"
    except MediaError as error:
        return error.reason


def check_noise(
    kind: Kind,
    splits: Splits,
    texts: Mapping[str, Sequence[str]],
    media: Mapping[str, Sequence[Sequence[Stretch]]],
    scored: str,
    seed: int,
) -> Check | None:
    """Noise tied to items, speakers or dialogues, trained on train and scored on `scored`; None where no row has one,
    and where there are no labelled rows on one side."""
    rows = [
        (name, row, _item(row, text, own))
        for name in ("train", scored)
        for row, text, own in zip(splits[name], texts[name], media[name], strict=True)
        if row.emotion is not None
    ]
    is_scored = np.array([name == scored for name, _, _ in rows], dtype=bool)
    kept = drawn_items(_numbered(item for _, _, item in rows), is_scored, seed)
    rows, is_scored = [row for row, keep in zip(rows, kept.tolist(), strict=True) if keep], is_scored[kept]
    ties: dict[Kind, Callable[[Utterance, Hashable], Hashable | None]] = {
        "item": lambda row, item: item,
        "speaker": lambda row, item: row.speaker,
        "dialogue": lambda row, item: row.dialogue,
    }
    tied = [ties[kind](row, item) for _, row, item in rows]
    if all(name is None for name in tied) or is_scored.all() or not is_scored.any():
        return None
    labels = _numbered(row.emotion for _, row, _ in rows)
    return _probe_check(kind, scored, noise_probe(_numbered(tied), labels, ~is_scored, seed))


def _probe_check(kind: Kind, scored: str, scores: Sequence[ProbeScore]) -> Check:
    caught = [score for score in scores if score.exceeds]
    best = max(scores, key=lambda score: score.score - score.null_max)
    numbers = f"{100 * best.score:.1f} (chance {100 * best.null_mean:.1f}, at most {100 * best.null_max:.1f})"
    verdict: Verdict = "pass" if not caught else "fail" if kind == "item" else "warn"
    return Check(
        f"noise: {kind}s",
        verdict,
        f"weighted F1 of noise tied to each {kind}, {best.model}, on {scored}: {numbers}",
        f"Knowing which {kind} it is gives this much of the score, without any cue.",
        {score.model: asdict(score) for score in scores},
    )


def _item(row: Utterance, text: str, media: Sequence[Stretch]) -> Hashable:
    """What makes a row the item that it is: its recordings, else its words where they are no common phrase."""
    return tuple(media) or (text if is_long(text) else row.id)


def _numbered(names: Iterable[Hashable | None]) -> np.ndarray:
    """(N,) equal numbers for equal names; None is like nothing else."""
    number: dict[Hashable, int] = {}
    return np.array([number.setdefault(object() if name is None else name, len(number)) for name in names])
