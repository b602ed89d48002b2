"""`tricue demo`: corpus, features, three phases, evaluation, prediction, on synthetic clips made here."""

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console, Group
from rich.table import Table

from tricue.checkpoint.checkpoint import TOY_MARK
from tricue.config.load import change_config
from tricue.config.settings import Config
from tricue.data.manifest import write_manifest
from tricue.evaluation.evaluate import Evaluation, evaluate, grouping
from tricue.evaluation.metrics_table import percent_with_interval, subsets_table
from tricue.evaluation.trial import open_trial
from tricue.features.extract import extract
from tricue.files.atomic import check_place
from tricue.files.json_files import write_json
from tricue.files.locks import locked
from tricue.metrics.class_metrics import score
from tricue.recognizer import MultimodalEmotionRecognizer
from tricue.report.embedding_figures import FEW
from tricue.report.report import PAGE, report_run
from tricue.studies.robustness import Bench, all_subsets
from tricue.toy.toy_corpus import make_toy, read_draws
from tricue.toy.toy_draws import Draw, bayes_posterior
from tricue.toy.toy_settings import DemoConfig, ToyConfig
from tricue.training.fleet import Call, choose_jobs, run_fleet, threads_each
from tricue.training.log import said_once
from tricue.training.run_directory import OtherRun
from tricue.training.train import train
from tricue.training.workspace import Workspace
from tricue.types import ModalityName, Utterance


@dataclass(frozen=True)
class DemoRun:
    """The demo's folder and what all its steps share."""

    config: Config
    toy: ToyConfig
    out: Path
    quiet: bool

    @property
    def corpus(self) -> Path:
        return self.out / "corpus"

    @property
    def workspace(self) -> Workspace:
        return Workspace(store=self.out / "features", data_dir=self.corpus, quiet=self.quiet)


def run_demo(config: DemoConfig, out: Path, quiet: bool = False) -> Group:
    """The whole path into `out`; what an earlier, killed demo left there is used. Returns the table to print."""
    check_place(out / "demo.json")
    # beside the folder: the training, in a process of its own, locks the folder itself
    with locked(out, beside=True), said_once():
        return _run(DemoRun(config.without_toy(), config.toy, out, quiet))


def _run(run: DemoRun) -> Group:
    config, out, workspace = run.config, run.out, run.workspace
    started = time.monotonic()
    make_toy(run.corpus, run.toy, progress=not run.quiet)
    utterances = workspace.read_corpus(config).utterances
    extract(utterances, config.features, config.modalities, workspace.store, progress=not run.quiet)
    alone = _train_all(run)
    _say(run, "Measuring, and drawing the report")
    full, _ = report_run(out / "best_model", out=out, points=FEW, workspace=workspace, measured=lambda _: None)
    subsets = _measure_subsets(run)
    draws = _draws_of(run, full.utterances)
    best_rule = _score_ceiling(run, full.utterances, draws)
    sarcastic = _compare_on_sarcasm(run, full, alone, draws)
    failed = _predict(run, full.utterances)
    seconds = time.monotonic() - started
    write_json(out / "demo.json", {"sarcastic": sarcastic, "seconds": round(seconds, 1), "toy": TOY_MARK})
    rows = [(f"one model, {name}", metrics) for name, metrics in subsets.items()]
    rows += [(f"trained on {modality} alone", result.metrics) for modality, result in alone.items()]
    rows.append(("best possible rule", best_rule))
    table = subsets_table(rows, title=f"Synthetic clips, test split ({TOY_MARK})")
    return Group(table, _sarcasm_table(sarcastic), _where(out, failed, seconds))


def _train_all(run: DemoRun) -> dict[ModalityName, Evaluation]:
    """The network of all modalities and, at the same budget, one for each modality alone: as one fleet."""
    modalities = run.config.modalities
    calls = [Call("+".join(modalities), partial(_train, run, run.config, run.out))]
    calls += [Call(modality, partial(_train_alone, run, modality)) for modality in modalities]
    _say(run, "Training on all modalities, and on each alone")
    jobs = choose_jobs(None, len(calls), "auto")
    _, *alone = run_fleet(calls, jobs=jobs, threads=threads_each(len(calls)), quiet=run.quiet)
    return dict(zip(modalities, alone, strict=True))


def _train(run: DemoRun, config: Config, folder: Path) -> None:
    """Resumes or skips a run of the same settings; one of others, in the demo's own folder, gives way."""
    begin = partial(train, config, save_dir=folder, workspace=replace(run.workspace, quiet=True))
    try:
        begin()
    except OtherRun:
        begin(restart=True)


def _train_alone(run: DemoRun, modality: ModalityName) -> Evaluation:
    """A network for one modality."""
    folder = run.out / "alone" / modality
    _train(run, change_config(run.config, {"modalities": [modality]}, "the demo"), folder)
    return evaluate(folder / "best_model", workspace=replace(run.workspace, quiet=True), out=folder)


def _measure_subsets(run: DemoRun) -> dict[str, dict[str, Any]]:
    """The one trained model on every subset of its modalities: subsets/text.json, subsets/text+audio.json, ..."""
    folder = run.out / "subsets"
    folder.mkdir(exist_ok=True)
    trial = open_trial(run.out / "best_model", workspace=run.workspace)
    bench = Bench({"demo": trial}, replace(run.workspace, quiet=True))
    subsets = {}
    for subset in all_subsets(trial.network.modalities):
        name = "+".join(subset)
        (subsets[name],) = bench.scores(name, [bench.alone(subset)])["demo"]
        write_json(folder / f"{name}.json", subsets[name])
    return subsets


def _draws_of(run: DemoRun, utterances: Sequence[Utterance]) -> list[Draw]:
    by_id = {draw.id: draw for draw in read_draws(run.corpus)}
    return [by_id[u.id] for u in utterances]


def _score_ceiling(run: DemoRun, utterances: Sequence[Utterance], draws: Sequence[Draw]) -> dict[str, Any]:
    """The best rule on the test clips' own draws, as if every modality were read without error: ceiling.json."""
    metrics = _score(run, utterances, bayes_posterior(draws, run.toy, run.config.modalities))
    write_json(run.out / "ceiling.json", metrics)
    return metrics


def _score(run: DemoRun, utterances: Sequence[Utterance], probabilities: np.ndarray) -> dict[str, Any]:
    emotions = run.config.data.emotions
    labels = np.array([emotions.index(str(u.label)) for u in utterances])
    groups, kind = grouping(utterances)
    return score(labels, probabilities, emotions, groups, kind)


def _compare_on_sarcasm(
    run: DemoRun, full: Evaluation, alone: dict[ModalityName, Evaluation], draws: Sequence[Draw]
) -> dict[str, Any]:
    """Sarcastic test clips: the network, the average of the single-modality models, the best rule."""
    rows = [i for i, draw in enumerate(draws) if draw.sarcastic]
    utterances = [full.utterances[i] for i in rows]
    average = np.mean([result.answers for result in alone.values()], axis=0)
    posterior = bayes_posterior(draws, run.toy, run.config.modalities)
    candidates = {"one model": full.answers, "average of the three alone": average, "best possible rule": posterior}
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
    return recognizer.predict_file(inputs, run.out / "predictions.csv", store=run.workspace.store, quiet=run.quiet)


def _sarcasm_table(sarcastic: dict[str, Any]) -> Table:
    table = Table(title="Sarcastic clips only: words say one thing, the voice marks it as not meant", box=None)
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
