"""The checks of the leakage audit that look at content: sentences nearly alike, recordings that sound the same, and
what noise alone would score."""

from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from tricue.audit.checks import (
    EXAMPLES,
    Check,
    Labels,
    Overlap,
    Pair,
    Splits,
    Verdict,
    as_details,
    is_long,
    is_number,
    overlap,
    pairs,
    shares,
)
from tricue.audit.fingerprints import Job, Recording, fingerprint_files, same_recordings
from tricue.audit.media_checks import Stretch
from tricue.audit.near_texts import near_duplicates
from tricue.audit.noise_probe import Kind, ProbeScore, drawn_items, noise_probe
from tricue.media.decoding import MediaError, probe
from tricue.types import Utterance


def check_near_texts(splits: Splits, texts: Mapping[str, Sequence[str]]) -> Check:
    found: dict[Pair, Overlap] = {}
    for a, b in pairs(splits):
        near = near_duplicates(texts[b], texts[a])
        twins = {i: (splits[b][i].id, splits[a][j].id) for i, j, _ in near}
        found[a, b] = Overlap(len(twins), len(twins) / len(splits[b]), list(twins.values())[:EXAMPLES])
    listed = shares(found, "", "{rows} say nearly what a row of {first} says")
    return Check(
        "near texts",
        "warn" if listed else "pass",
        listed or "no sentence of 5 words or more nearly stands in two splits",
        "Reworded or retyped sentences are half known from training.",
        as_details(found),
    )


def check_recordings(splits: Splits, progress: bool) -> list[Check]:
    """The same sound under other names or in other containers; and which clips have no sound."""
    jobs: dict[str, list[Job | None]] = {  # the stretch of a file that a row's sound is
        name: [None if row.audio is None else (row.audio, *row.span("audio")) for row in own]
        for name, own in splits.items()
    }
    distinct = list(dict.fromkeys(job for own in jobs.values() for job in own if job is not None))
    recordings = dict(zip(distinct, fingerprint_files(distinct, progress=progress), strict=True))
    copies = same_recordings([recordings[job].fingerprint for job in distinct])
    one, other = [i for i, _, _ in copies], [j for _, j, _ in copies]
    links = coo_array((np.ones(len(copies)), (one, other)), shape=(len(distinct), len(distinct)))
    sound = connected_components(links, directed=False)[1].tolist()  # copies of copies are copies
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
        as_details(between) | {name: [list(pair) for pair in twins] for name, twins in inside.items() if twins},
    )
    heard = [
        (row, recordings[job])
        for name, own in splits.items()
        for row, job in zip(own, jobs[name], strict=True)
        if job is not None
    ]
    return [same, _check_sound(heard)]


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
        "Their rows stay, without that modality or with a modality that says nothing.",
        {"silent": silent, "without sound": [list(item) for item in broken]},
    )


def check_pictures(splits: Splits) -> Check | None:
    """Which clips show nothing: their file has no picture, or cannot be opened. None where no row has video."""
    paths = {row.video for own in splits.values() for row in own if row.video is not None}
    if not paths:
        return None
    reasons: dict[Path | None, str] = {}
    for path in sorted(paths):
        try:
            if probe(path).size is None:
                reasons[path] = "the file has no video stream of a known codec"
        except MediaError as error:
            reasons[path] = error.reason
    blind = [(row.id, reasons[row.video]) for own in splits.values() for row in own if row.video in reasons]
    return Check(
        "pictures",
        "warn" if blind else "pass",
        f"{len(blind):,} clips show nothing ({blind[0][0]}: {blind[0][1]})" if blind else "every clip has a picture",
        "Their rows stay, without that modality.",
        {"without picture": [list(item) for item in blind]},
    )


def check_noise(
    kind: Kind,
    splits: Splits,
    labels: Labels,
    texts: Mapping[str, Sequence[str]],
    media: Mapping[str, Sequence[Sequence[Stretch]]],
    scored: str,
    seed: int,
) -> Check | None:
    """Noise tied to items, speakers or dialogues, trained on train and scored on `scored`; None where no row has one,
    and where there are no labelled rows on one side."""
    rows = [
        # an item: its recordings, else its words where they are no common phrase
        (name, row, label, tuple(own) or (text if is_long(text) else row.id))
        for name in ("train", scored)
        for row, label, text, own in zip(splits[name], labels[name], texts[name], media[name], strict=True)
        if label is not None
    ]
    is_scored = np.array([name == scored for name, *_ in rows], dtype=bool)
    kept = drawn_items(_numbered(item for *_, item in rows), is_scored, seed)
    rows, is_scored = [row for row, keep in zip(rows, kept.tolist(), strict=True) if keep], is_scored[kept]
    tied = [item if kind == "item" else getattr(row, kind) for _, row, _, item in rows]
    if all(name is None for name in tied) or is_scored.all() or not is_scored.any():
        return None
    known = [label for _, _, label, _ in rows]
    numbers = is_number(known[0])
    classes = _thirds(np.array(known, dtype=float), ~is_scored) if numbers else _numbered(known)
    what = "weighted F1 of the thirds of each target" if numbers else "weighted F1"
    return _probe_check(kind, what, scored, noise_probe(_numbered(tied), classes, ~is_scored, seed))


def _thirds(values: np.ndarray, in_train: np.ndarray) -> np.ndarray:
    """(N, K) -> (N, K) 0 to 2: the low, middle or high third of the training rows."""
    low, high = np.quantile(values[in_train], [1 / 3, 2 / 3], axis=0)
    return (values > low).astype(int) + (values > high)


def _probe_check(kind: Kind, what: str, scored: str, scores: Sequence[ProbeScore]) -> Check:
    caught = [score for score in scores if score.exceeds]
    best = max(scores, key=lambda score: score.score - score.null_max)
    numbers = f"{100 * best.score:.1f} (chance {100 * best.null_mean:.1f}, at most {100 * best.null_max:.1f})"
    verdict: Verdict = "pass" if not caught else "fail" if kind == "item" else "warn"
    return Check(
        f"noise: {kind}s",
        verdict,
        f"{what} of noise tied to each {kind}, {best.model}, on {scored}: {numbers}",
        f"Knowing which {kind} it is gives this much of the score, without any modality.",
        {score.model: asdict(score) for score in scores},
    )


def _numbered(names: Iterable[Hashable | None]) -> np.ndarray:
    """(N,) equal numbers for equal names; None is like nothing else."""
    number: dict[Hashable, int] = {}
    return np.array([number.setdefault(object() if name is None else name, len(number)) for name in names])
