"""The leakage audit: what the splits share, what that means for a score, and what noise alone would reach.

    splits -> checks.py (ids, media, texts, targets, ...), content_checks.py (near texts, recordings, noise),
              feature_checks.py (precomputed features)
           -> Audit: a verdict per check -> table, audit.json, the checkpoint

It fails where the same utterance or recording stands in two splits, where whole sentences do in more than 1% of a
split's rows, where the protocol's promise is broken, or where noise tied to items beats chance. The rest warns.
"""

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from tricue.audit.checks import (
    Check,
    Splits,
    Verdict,
    check_classes,
    check_conflicts,
    check_groups,
    check_ids,
    check_labels,
    check_modalities,
    check_repeats,
    check_targets,
    check_texts,
)
from tricue.audit.content_checks import check_near_texts, check_noise, check_pictures, check_recordings
from tricue.audit.feature_checks import check_features
from tricue.audit.media_checks import check_media, stretches
from tricue.audit.near_texts import normalise
from tricue.audit.noise_probe import Kind
from tricue.config.settings import AuditConfig, Config
from tricue.data.corpus import Corpus
from tricue.data.splits import fold_names, split_utterances
from tricue.extractors.choice import precomputed_files
from tricue.extractors.precomputed import located, read_precomputed
from tricue.features.feature_set import check_ids as check_ids_of_features
from tricue.progress import Bar
from tricue.tasks.task import make_task

logger = logging.getLogger(__name__)

Step = Callable[[], Check | None]
KINDS: tuple[Kind, ...] = ("item", "speaker", "dialogue")
MOST_NEAR = 200_000  # rows up to which texts that are nearly alike are looked for: a minute or two

SEVERITY: dict[Verdict, int] = {"pass": 0, "warn": 1, "fail": 2}
EVERYTHING = AuditConfig(near_duplicates=True, fingerprints=True, probe=True)
NOTHING_LONG = AuditConfig(near_duplicates=False, fingerprints=False, probe=False)
FORBIDDEN = {  # what a protocol keeps out of the test part; loso: sessions where the corpus has them
    "kfold-speaker": ("speakers",),
    "kfold-dialogue": ("dialogues",),
}


@dataclass(frozen=True)
class Audit:
    """What was found in the splits of one corpus under one protocol."""

    corpus: str
    protocol: str
    rows: dict[str, int]  # per split
    checks: list[Check]
    not_checked: dict[str, str]  # what was left out, and why
    fold: str = ""

    @property
    def verdict(self) -> Verdict:
        return max((check.verdict for check in self.checks), key=SEVERITY.__getitem__, default="pass")

    def summary(self) -> dict[str, Any]:
        """What a checkpoint keeps of it, and `evaluate` shows beside the score."""
        return {
            "verdict": self.verdict,
            "protocol": self.protocol,
            "fold": self.fold or None,
            "rows": self.rows,
            "checks": {check.name: {"verdict": check.verdict, "found": check.found} for check in self.checks},
            "not_checked": self.not_checked,
        }

    def as_json(self) -> dict[str, Any]:
        """All of it, for audit.json."""
        return {
            "corpus": self.corpus,
            "comparable": self.protocol != "leaky",
            **self.summary(),
            "checks": [asdict(check) for check in self.checks],
        }

    def report(self) -> None:
        """Log what is worth knowing before a training run."""
        for check in self.checks:
            if check.verdict == "fail":
                logger.warning("Audit, %s: FAIL. %s. %s", check.name, check.found, check.meaning)
            elif check.verdict == "warn":
                logger.info("Audit, %s: %s.", check.name, check.found)


def audit_corpus(corpus: Corpus, config: Config, *, fast: bool = False, progress: bool = True) -> Audit:
    """The audit of a corpus under `config.data.protocol`; of several folds the worst of each check.

    fast: without the checks of content. They look at the first fold alone: all folds hold the same rows. Raises
    InputError as `split_utterances` does.
    """
    found = []
    for i, fold in enumerate(fold_names(corpus.utterances, config.data)):
        data = config.data.model_copy(update={"fold": fold})
        splits = split_utterances(corpus.utterances, data, config.seed)
        looks = EVERYTHING if i == 0 and not fast else NOTHING_LONG
        found.append(audit(splits, looks, corpus.name, config, fold, progress, corpus.folder))
    return worst_of(found)


def audit(
    splits: Splits, looks: AuditConfig, corpus: str, config: Config, fold: str = "", progress: bool = True,
    folder: Path | None = None,
) -> Audit:  # fmt: skip
    """Look at the splits of one run.

    looks: which of the longer checks take part. config: of the run; its protocol, task, modalities and seed are read.
    folder: of the corpus, where precomputed features may lie.
    """
    protocol = config.data.protocol
    made = ("train", "val") if protocol == "leaky" else tuple(splits)  # the leaky protocol makes its own val
    splits = {name: rows for name, rows in splits.items() if rows and name in made}
    rows = {name: len(own) for name, own in splits.items()}
    texts = {name: [normalise(row.text) if row.text else "" for row in own] for name, own in splits.items()}
    media, task = stretches(splits), make_task(config)
    labels = {
        name: [None if row.label is None else task.audited(row.label) for row in own] for name, own in splits.items()
    }
    near = looks.near_duplicates and sum(rows.values()) <= MOST_NEAR
    steps: list[Step] = [
        lambda: check_ids(splits),
        lambda: check_media(splits, media),
        lambda: check_texts(splits, texts, used="text" in config.modalities),
        *(partial(check_groups, name, splits, banned) for name, banned in _group_checks(splits, protocol)),
        lambda: check_repeats(splits, texts, media),
        lambda: check_conflicts(labels, texts, media),
        lambda: check_classes(labels),
        lambda: check_targets(labels, task.names),
        lambda: check_labels(splits),
        lambda: check_modalities(splits),
        lambda: check_near_texts(splits, texts) if near else None,
    ]
    checks = _done("Comparing rows", steps, progress)
    if looks.fingerprints and any(row.audio for own in splits.values() for row in own):
        checks += check_recordings(splits, progress)
    later: list[Step] = []
    if looks.fingerprints:
        later.append(lambda: check_pictures(splits))
    scored = next((name for name in ("test", "held_out", "val") if name in splits), None)
    if looks.probe and scored and "train" in splits:
        later += [partial(check_noise, kind, splits, labels, texts, media, scored, config.seed) for kind in KINDS]
        for modality, path in precomputed_files(located(config.features, folder), config.modalities).items():
            file = read_precomputed(path, modality)
            check_ids_of_features(modality, file, [*splits["train"], *splits[scored]])
            later.append(partial(check_features, modality, file.arrays, splits, scored, config))
    checks += _done("Looking for pictures, probing with noise", later, progress)
    return Audit(corpus, protocol, rows, checks, _not_checked(checks, looks, len(splits), near), fold)


def _done(label: str, steps: Sequence[Step], progress: bool) -> list[Check]:
    """What the steps find, one after another. A step gives None where there is nothing for it to look at."""
    checks = []
    with Bar(progress) as bar:
        bar.begin(label, len(steps))
        for step in steps:
            if (check := step()) is not None:
                checks.append(check)
            bar.advance()
    return checks


def _not_checked(checks: Sequence[Check], looks: AuditConfig, splits: int, near: bool) -> dict[str, str]:
    """What was not looked at, and why."""
    names = {check.name for check in checks}
    unnamed = [name for name in ("speakers", "dialogues") if name not in names]
    reasons = {name: f"no row names a {name.removesuffix('s')}" for name in unnamed}
    if splits == 1:
        reasons["splits"] = "there is one split only, and nothing to compare it with"
    if looks.near_duplicates and not near:
        reasons["near texts"] = f"left out, over {MOST_NEAR:,} rows"
    if looks.probe and not any(name.startswith("noise") for name in names):
        reasons["noise"] = "there are no labelled rows to train on, or none to score"
    if looks.probe and not any(name.startswith("features") for name in names):
        reasons["features"] = "none are precomputed; `evaluate` looks at those of a trained model"
    return reasons | {name: "left out" for name, looked in looks if not looked}


def worst_of(audits: Sequence[Audit]) -> Audit:
    """One audit of several folds: of each check the worst fold's, named in what was found."""
    first = audits[0]
    if len(audits) == 1:
        return first
    checks = []
    for check in first.checks:
        own = [(a.fold, c) for a in audits for c in a.checks if c.name == check.name]
        fold, worst = max(own, key=lambda item: SEVERITY[item[1].verdict])
        checks.append(worst if worst.verdict == "pass" else replace(worst, found=f"fold {fold}: {worst.found}"))
    return replace(first, checks=checks, fold=f"worst of {len(audits)}")


def worst_summary(summaries: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """Of several runs' summaries, by the run's name, one with the worst of each check."""
    first = next(iter(summaries.values()))
    checks = {}
    for name in first["checks"]:
        own = [(run, s["checks"][name]) for run, s in summaries.items() if name in s["checks"]]
        run, worst = max(own, key=lambda item: SEVERITY[item[1]["verdict"]])
        checks[name] = worst if worst["verdict"] == "pass" else {**worst, "found": f"{run}: {worst['found']}"}
    verdict = max((check["verdict"] for check in checks.values()), key=SEVERITY.__getitem__, default="pass")
    return {**first, "verdict": verdict, "fold": f"worst of {len(summaries)}", "checks": checks}


def _group_checks(splits: Splits, protocol: str) -> Iterator[tuple[Any, bool]]:
    forbidden: tuple[str, ...] = FORBIDDEN.get(protocol, ())
    sessions = any(row.session is not None for own in splits.values() for row in own)
    if protocol == "loso":
        forbidden = ("sessions", "speakers", "dialogues") if sessions else ("speakers",)
    for name in ("speakers", "dialogues", *(("sessions",) if sessions else ())):
        yield name, name in forbidden
