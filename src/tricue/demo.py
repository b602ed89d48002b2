"""`tricue demo`: corpus, features, three phases, evaluation, prediction, on synthetic clips made here."""

from __future__ import annotations

import multiprocessing
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import torch
from rich.console import Console, Group
from rich.table import Table

from tricue.checkpoint import TOY_MARK
from tricue.config import Config, change_config
from tricue.data.corpora import read_corpus
from tricue.data.manifest import write_manifest
from tricue.data.toy import bayes_posterior, make_toy, read_draws
from tricue.data.toy_draws import Draw
from tricue.evaluation.evaluate import Evaluation, evaluate, grouping, measure
from tricue.evaluation.metrics import score
from tricue.evaluation.table import percent_with_interval, subsets_table
from tricue.features.extract import extract
from tricue.files import check_place
from tricue.json_files import write_json
from tricue.locks import locked
from tricue.recognizer import MultimodalEmotionRecognizer
from tricue.report.embedding import FEW
from tricue.report.report import PAGE, make_report
from tricue.training.place import OtherRun
from tricue.training.train import train
from tricue.types import Cue, Utterance


@dataclass(frozen=True)
class DemoRun:
    """The demo's folder and what all its steps share."""

    config: Config
    out: Path
    quiet: bool

    @property
    def corpus(self) -> Path:
        return self.out / "corpus"

    @property
    def store(self) -> Path:
        return self.out / "features"

    def measured(self, model: Path, cues: Sequence[Cue] | None = None) -> Evaluation:
        return measure(model, store=self.store, data_dir=self.corpus, cues=cues, quiet=self.quiet)


def run_demo(config: Config, out: Path, quiet: bool = False) -> Group:
    """The whole path into `out`; what an earlier, killed demo left there is used. Returns the table to print."""
    check_place(out / "demo.json")
    with locked(out):
        return _run(DemoRun(config, out, quiet))


def _run(run: DemoRun) -> Group:
    config, out, quiet = run.config, run.out, run.quiet
    started = time.monotonic()
    make_toy(run.corpus, config.data.toy, progress=not quiet)
    utterances = read_corpus(config, data_dir=run.corpus).utterances
    extract(utterances, config.features, config.modalities, run.store, progress=not quiet)
    alone = _train_all(run)
    full = evaluate(
        out / "best_model", store=run.store, data_dir=run.corpus, out=out, quiet=quiet
    )  # writes metrics.json
    subsets = _measure_subsets(run)
    draws = _draws_of(run, full.utterances)
    best_rule = _score_ceiling(run, full.utterances, draws)
    sarcastic = _compare_on_sarcasm(run, full, alone, draws)
    failed = _predict(run, full.utterances)
    _say(run, "Drawing the report")
    make_report(out / "best_model", out=out, points=FEW, store=run.store, data_dir=run.corpus, quiet=quiet)
    seconds = time.monotonic() - started
    write_json(out / "demo.json", {"sarcastic": sarcastic, "seconds": round(seconds, 1), "toy": TOY_MARK})
    rows = [(f"one model, {name}", metrics) for name, metrics in subsets.items()]
    rows += [(f"trained on {cue} alone", result.metrics) for cue, result in alone.items()]
    rows.append(("best possible rule", best_rule))
    table = subsets_table(rows, title=f"Synthetic clips, test split ({TOY_MARK})")
    return Group(table, _sarcasm_table(sarcastic), _where(out, failed, seconds))


def _train_all(run: DemoRun) -> dict[Cue, Evaluation]:
    """The network of all cues here and, at the same budget, one for each cue alone in a process beside it.

    One thread each: the networks are too small for a second one to help, and two threads each on two cores would
    stand in each other's way.
    """
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    context = multiprocessing.get_context("spawn")  # a forked copy of a threaded torch can hang
    beside = ProcessPoolExecutor(1, context, torch.set_num_threads, (1,))
    try:
        waiting = {cue: beside.submit(_train_alone, run, cue) for cue in run.config.modalities}
        _say(run, "Training on text, audio and video; beside it on each alone")
        _train(run, run.config, run.out, run.quiet)
        _say(run, "Finishing the training on each cue alone")
        return {cue: future.result() for cue, future in waiting.items()}
    finally:  # where one fails the others need not begin
        beside.shutdown(cancel_futures=True)
        torch.set_num_threads(threads)


def _train(run: DemoRun, config: Config, folder: Path, quiet: bool) -> None:
    """Resumes or skips a run of the same settings; one of others, in the demo's own folder, gives way."""
    begin = partial(train, config, save_dir=folder, store=run.store, data_dir=run.corpus, quiet=quiet)
    try:
        begin()
    except OtherRun:
        begin(restart=True)


def _train_alone(run: DemoRun, cue: Cue) -> Evaluation:
    """A network for one cue; quiet, as another one reports meanwhile."""
    folder = run.out / "alone" / cue
    config = change_config(run.config, {"modalities": [cue]}, "the demo")
    _train(run, config, folder, quiet=True)
    return evaluate(folder / "best_model", store=run.store, data_dir=run.corpus, out=folder, quiet=True)


def _measure_subsets(run: DemoRun) -> dict[str, dict[str, Any]]:
    """The one trained model on every subset of its cues: subsets/text.json, subsets/text+audio.json, ..."""
    cues = run.config.modalities
    folder = run.out / "subsets"
    folder.mkdir(exist_ok=True)
    subsets = {}
    for size in range(1, len(cues) + 1):
        for subset in combinations(cues, size):
            name = "+".join(subset)
            subsets[name] = run.measured(run.out / "best_model", subset).metrics
            write_json(folder / f"{name}.json", subsets[name])
    return subsets


def _draws_of(run: DemoRun, utterances: Sequence[Utterance]) -> list[Draw]:
    by_id = {draw.id: draw for draw in read_draws(run.corpus)}
    return [by_id[u.id] for u in utterances]


def _score_ceiling(run: DemoRun, utterances: Sequence[Utterance], draws: Sequence[Draw]) -> dict[str, Any]:
    """The best rule on the test clips' own draws, as if every cue were read without error: ceiling.json."""
    metrics = _score(run, utterances, bayes_posterior(draws, run.config.data.toy, run.config.modalities))
    write_json(run.out / "ceiling.json", metrics)
    return metrics


def _score(run: DemoRun, utterances: Sequence[Utterance], probabilities: np.ndarray) -> dict[str, Any]:
    emotions = run.config.data.emotions
    labels = np.array([emotions.index(str(u.emotion)) for u in utterances])
    groups, kind = grouping(utterances)
    return score(labels, probabilities, emotions, groups, kind, run.config.evaluation.draws, run.config.seed)


def _compare_on_sarcasm(
    run: DemoRun, full: Evaluation, alone: dict[Cue, Evaluation], draws: Sequence[Draw]
) -> dict[str, Any]:
    """Sarcastic test clips: the network, the average of the single-cue models, the best rule."""
    rows = [i for i, draw in enumerate(draws) if draw.sarcastic]
    utterances = [full.utterances[i] for i in rows]
    average = np.mean([result.probabilities for result in alone.values()], axis=0)
    posterior = bayes_posterior(draws, run.config.data.toy, run.config.modalities)
    candidates = {
        "one model": full.probabilities,
        "average of the three alone": average,
        "best possible rule": posterior,
    }
    return {
        name: _score(run, utterances, p[rows])["weighted_f1"] | {"n": len(rows)}
        for name, p in candidates.items()
        if rows
    }


def _predict(run: DemoRun, utterances: Sequence[Utterance]) -> int:
    """predictions.csv, by the way a user takes: a table without labels through the recognizer."""
    inputs = run.corpus / "unlabelled.csv"
    write_manifest([Utterance(u.id, u.text, u.audio, u.video) for u in utterances], inputs)
    recognizer = MultimodalEmotionRecognizer.from_pretrained(run.out / "best_model")
    return recognizer.predict_file(inputs, run.out / "predictions.csv", store=run.store, quiet=run.quiet)


def _sarcasm_table(sarcastic: dict[str, Any]) -> Table:
    table = Table(
        title="Sarcastic clips only: words say one thing, the voice marks it as not meant", box=None
    )
    table.add_column("rule")
    table.add_column("weighted F1", justify="right")
    for name, number in sarcastic.items():
        table.add_row(name, percent_with_interval(number))
    return table


def _where(out: Path, failed: int, seconds: float) -> str:
    trouble = f" ({failed} rows failed)" if failed else ""
    return (
        f"\nReport: {out / PAGE} (open it in a browser)\n"
        f"Results: {out}/metrics.json, {out}/subsets/, {out}/alone/, {out}/ceiling.json\n"
        f"Predictions: {out}/predictions.csv{trouble}; model: {out}/best_model; took {seconds:.0f} s\n"
        f"Next: tricue predict --model_path {out}/best_model --input_file data/sample.csv"
    )


def _say(run: DemoRun, text: str) -> None:
    if not run.quiet:
        Console(stderr=True).rule(text)
