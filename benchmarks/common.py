"""What the benchmarks share: where the real data lies, how they are called, and how results are kept."""

import argparse
import json
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.preprocessing import StandardScaler

from tricue.config.load import load_config
from tricue.config.settings import Config
from tricue.corpora.catalogue import read_corpus
from tricue.data.manifest import write_manifest
from tricue.evaluation.evaluate import Evaluation, grouping, measure, score_rows, targets_of
from tricue.evaluation.paired import Scores, compare_paired
from tricue.features.extract import extract
from tricue.metrics.grouped_intervals import Grouping
from tricue.tasks.task import Task
from tricue.training.train import train
from tricue.training.workspace import Workspace
from tricue.types import ModalityName, Utterance

HERE = Path(__file__).resolve().parent
RESULTS = HERE / "results"
FIGURES = HERE.parent / "docs/figures"


def shared_place(name: str) -> Path:
    """Where a folder of the real data and models belongs: $TRICUE_SHARED, else `shared` beside the repository."""
    return Path(os.environ.get("TRICUE_SHARED", HERE.parents[1] / "shared")) / name


def shared(name: str) -> Path:
    """A folder of the real data and models, which has to be there."""
    path = shared_place(name)
    if not path.exists():
        raise SystemExit(f"{path} is not there; set TRICUE_SHARED to the folder that holds data/ and models/.")
    return path


def make_parser(about: str | None, work: str, seeds: int) -> argparse.ArgumentParser:
    """The flags of a benchmark that trains with several seeds. work, seeds: the defaults of two of them."""
    parser = argparse.ArgumentParser(description=about, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=seeds)
    parser.add_argument("--set", action="append", default=[], dest="settings")
    parser.add_argument("--work", type=Path, default=Path(work))
    return parser


def goemotions(work: Path) -> Path:
    """GoEmotions' train.csv and val.csv as one manifest in `work`."""
    config = load_config("goemotions")
    rows = [
        row
        for part in ("train", "val")
        for row in read_corpus(config, manifest=shared(f"data/goemotions/{part}.csv")).utterances
    ]
    work.mkdir(parents=True, exist_ok=True)
    write_manifest(rows, work / "goemotions.csv")
    return work / "goemotions.csv"


def keep(name: str, content: dict[str, Any]) -> None:
    """Write benchmarks/results/<name>.json and print it."""
    RESULTS.mkdir(exist_ok=True)
    text = json.dumps(content, indent=2, ensure_ascii=False)
    (RESULTS / f"{name}.json").write_text(text + "\n", encoding="utf-8")
    print(text)


@dataclass(frozen=True)
class Measured:
    """The runs of one configuration, scored on rows that their training never read."""

    runs: list[Evaluation]  # one per seed

    @property
    def rows(self) -> list[Utterance]:
        return self.runs[0].utterances

    @property
    def task(self) -> Task:
        return self.runs[0].card.task

    def summary(self) -> dict[str, Any]:
        """The task's numbers, each the mean over the seeds with its interval, and what made them."""
        metrics, config = self.score([run.answers for run in self.runs]), self.runs[0].config
        headline = metrics["headline"]["name"]
        return {
            **headline_numbers(metrics),
            f"{headline}_per_seed": [run.metrics[headline]["value"] for run in self.runs],
            **{name: metrics[name] for name in (self.task.items, "n", "interval", "seeds")},
            "rows": self.runs[0].metrics["split_role"],
            "phase_and_epoch_per_seed": [[run.card.phase, run.card.epoch + 1] for run in self.runs],
            "model": config.model.model_dump(mode="json"),
            "training": config.training.model_dump(mode="json"),
        }

    def score(self, answers: Sequence[np.ndarray]) -> dict[str, Any]:
        """All numbers of answers to these rows, one array per seed, as `Task.answers` makes them."""
        return score_rows(self.rows, answers, self.runs[0].card)

    def score_rival(self, answers: np.ndarray) -> dict[str, Any]:
        """The numbers of another model's answers, of all rows and of each class or target."""
        metrics = self.score([answers])
        return headline_numbers(metrics) | {self.task.items: metrics[self.task.items]}

    def difference(self, *others: np.ndarray) -> dict[str, Any]:
        """Each of the task's numbers minus that of another model's answers (one array per seed)."""
        groups = Grouping.of(*grouping(self.rows), len(self.rows))
        targets = targets_of(self.rows, self.runs[0].card)
        theirs, ours = (
            Scores.of(self.task.compared(targets, answers, groups), groups)
            for answers in (others, [run.answers for run in self.runs])
        )
        return compare_paired(theirs, ours, list(self.task.numbers)).differences


def headline_numbers(metrics: Mapping[str, Any]) -> dict[str, Any]:
    """The numbers of metrics.json that are of all rows and classes."""
    return {
        name: own
        for name, own in metrics.items()
        if isinstance(own, dict) and {"value", "low"} <= own.keys() and name != "headline"
    }


def train_seeds(config: Config, *, seeds: int, work: Path, workspace: Workspace, split: str = "val") -> Measured:
    """Train `config` with several seeds, each in `work`/seed-N; finished ones are not trained again. Score `split`."""
    runs = []
    for seed in range(seeds):
        own = config.model_copy(update={"seed": seed})
        result = train(own, save_dir=work / f"seed-{seed}", workspace=workspace)
        runs.append(measure(result.best_model, split=split, workspace=workspace))
    return Measured(runs)


def pooled(
    rows: Sequence[Utterance], config: Config, modalities: Sequence[ModalityName], store: Path, deviation: bool = False
) -> np.ndarray:
    """(N, D) per row the mean over time of each modality, and its deviation; zeros where a row lacks the modality."""
    features = extract(rows, config.features, modalities, store)
    parts: list[Callable[[np.ndarray], np.ndarray]] = [lambda steps: steps.mean(0)]
    if deviation:
        parts.append(lambda steps: steps.std(0))

    def vectors(modality: ModalityName) -> np.ndarray:
        lacking = np.zeros((1, sum(features.dims[modality])), np.float32)
        steps = [features.arrays[modality].get(row.id, lacking).astype(np.float32) for row in rows]
        return np.stack([np.concatenate([part(own) for part in parts]) for own in steps])

    return np.concatenate([vectors(modality) for modality in modalities], axis=1)


def standardised(
    splits: Mapping[str, Sequence[Utterance]], config: Config, modalities: Sequence[ModalityName], store: Path
) -> dict[str, np.ndarray]:
    """`pooled` rows of train, val and held_out, scaled as those of train are to mean 0 and deviation 1."""
    vectors = {name: pooled(splits[name], config, modalities, store) for name in ("train", "val", "held_out")}
    scaler = StandardScaler().fit(vectors["train"])
    return {name: scaler.transform(own) for name, own in vectors.items()}
