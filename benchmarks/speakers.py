"""Adaptation to the speaker without labels: what it gains, and what it costs in the worst case.

    voice    CREMA-D, trained on speakers 1001-1063 (configs/crema-d.yaml, speaker.adaptation=all); answered: those of
             val (1064-1076) and, carried over, 20 speakers of RAVDESS in the six classes that CREMA-D has
    face     RAVDESS, voice and action units, 5 folds over 20 speakers
    text     EmoryNLP, the words of named speakers (speaker.modalities=[text]), where there is nothing to gain

Each is answered without adaptation, with `past` (the clips of each speaker in a random order, or as they were said) and
with `all`. Of the voice also a table: the gain by the number of other clips and by what is in them.

    OMP_NUM_THREADS=1 .venv/bin/python benchmarks/speakers.py voice
"""

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import simple_rivals
from common import Measured, keep, make_parser, shared

from tricue.adaptation.contexts import FORMS
from tricue.config.load import change_config, load_config, parse_overrides
from tricue.config.settings import Config
from tricue.config.speaker_settings import Form
from tricue.corpora.catalogue import read_corpus
from tricue.data.manifest import read_manifest, write_manifest
from tricue.evaluation.evaluate import Evaluation, measure
from tricue.evaluation.several_runs import measure_all
from tricue.evaluation.trial import open_trial
from tricue.prediction.adapted import Adaptation, SpeakerRows, Wholes, read_wholes
from tricue.prediction.batches import gather_examples
from tricue.training.runs import train_all
from tricue.training.workspace import Workspace
from tricue.types import Utterance

CLIPS = (1, 2, 4, 8, 16, 1_000)  # others of the speaker; the last are all
KINDS = ("any emotion", "mostly neutral", "two emotions", "one emotion")
NUMBERS = ("weighted_f1", "uar")
DRAWN = 20261201  # seed of the orders and of the other clips


@dataclass(frozen=True)
class Place:
    work: Path
    store: Path
    seeds: int


def in_random_order(rows: Sequence[Utterance]) -> list[Utterance]:
    """The rows as turns of one dialogue per speaker."""
    turns = np.random.default_rng(DRAWN).permutation(len(rows))
    return [replace(row, dialogue=row.speaker, turn=int(turn)) for row, turn in zip(rows, turns, strict=True)]


def voice_only(corpus: str, config: Config) -> list[Utterance]:
    """The labelled rows of the six classes, by their names in CREMA-D's settings."""
    known = change_config(config, {"data.name": "", "data.mapping": {"calm": "", "surprise": ""}}, "a benchmark")
    rows = read_corpus(known, manifest=shared(f"data/{corpus}") / "labels.csv").utterances
    kept = [u for u in rows if u.label is not None]
    return [Utterance(u.id, audio=u.audio, label=u.label, speaker=u.speaker, split=u.split) for u in kept]


def write_corpora(work: Path, config: Config) -> dict[str, Path]:
    """Manifests of CREMA-D and of the rows of RAVDESS that are of its classes, all of them in the part `test`."""
    work.mkdir(parents=True, exist_ok=True)
    carried = [replace(row, split="test") for row in voice_only("ravdess", config)]
    corpora = {"crema-d": voice_only("crema_d", config), "ravdess": carried}
    places = {name: work / f"{name}.csv" for name in corpora}
    for name, rows in corpora.items():
        write_manifest(in_random_order(rows), places[name])
    return places


def others_of(labels: Sequence[Any], speakers: Sequence[Any], kind: str, count: int) -> Iterator[np.ndarray]:
    """For each row the numbers of other rows of its speaker, `count` of them where there are as many."""
    label, speaker = np.array(labels), np.array(speakers)
    random = np.random.default_rng(DRAWN)
    for row in range(len(label)):
        own = random.permutation(np.flatnonzero(speaker == speaker[row]))
        own = own[own != row]
        neutral = label[own] == "neutral"
        if kind == "one emotion":
            own = own[label[own] == label[row]]
        elif kind == "two emotions":
            second = random.choice(np.setdiff1d(label[own], label[row]))
            own = own[np.isin(label[own], [label[row], second])]
        elif kind == "mostly neutral":  # three of four, as far as there are so many
            calm = own[neutral][: round(0.75 * count)]
            own = np.concatenate([calm, own[~neutral][: max(1, round(len(calm) / 3))]])
        yield own[:count]


def adapted_to(others: Iterator[np.ndarray], adaptation: Adaptation, network: Any, wholes: Wholes) -> np.ndarray:
    """(N, C) probabilities, each row adapted to its others."""
    found = []
    for row, own in enumerate(others):
        speaker = SpeakerRows(network, adaptation, adaptation.speakers.offsets, wholes.of([*own, row]))
        *_, (logits, _) = speaker.each_from_others()
        found.append(adaptation.task.values(logits[None], adaptation.calibration)[0].detach())
    return np.stack(found)


def table(models: Sequence[Path], plain: Measured, workspace: Workspace, split: str) -> dict[str, Any]:
    """Gain over no adaptation by what is in the other clips and by their number, with intervals over speakers."""
    opened = []
    for model in models:
        trial = open_trial(model, workspace=workspace, split=split, speaker_adaptation="all")
        features = trial.read_features(trial.usable(None), workspace)
        examples = gather_examples(trial.rows, features.arrays, None)
        assert trial.adaptation is not None
        opened.append((trial.network, trial.adaptation, read_wholes(trial.network, examples, 64, "cpu")))
    labels, speakers = [u.label for u in plain.rows], [u.speaker for u in plain.rows]
    found: dict[str, Any] = {}
    for kind in KINDS:
        for count in CLIPS:
            answers = [
                adapted_to(others_of(labels, speakers, kind, count), adaptation, network, wholes)
                for network, adaptation, wholes in opened
            ]
            runs = [replace(run, answers=own) for run, own in zip(plain.runs, answers, strict=True)]
            gained = Measured(runs).difference(*[run.answers for run in plain.runs])
            name = "all" if count == CLIPS[-1] else str(count)
            found.setdefault(kind, {})[name] = {number: gained[number] for number in NUMBERS}
            print(kind, name, found[kind][name]["weighted_f1"], flush=True)
    return found


def in_all_forms(models: Sequence[Path], workspace: Workspace, split: str) -> dict[Form, Measured]:
    return {
        form: Measured([measure(m, workspace=workspace, split=split, speaker_adaptation=form) for m in models])
        for form in FORMS
    }


def told(forms: Mapping[Form, Measured]) -> dict[str, Any]:
    """The scores of each form and their differences to the answers without adaptation."""
    plain = forms["off"]
    answers = [run.answers for run in plain.runs]
    content: dict[str, Any] = {form: own.summary() for form, own in forms.items()}
    for name in plain.runs[0].baselines:
        rival = [run.baselines[name] for run in plain.runs]
        content |= {f"{form}_minus_{name.replace(' ', '_')}": own.difference(*rival) for form, own in forms.items()}
    differences = {f"{form}_minus_off": own.difference(*answers) for form, own in forms.items() if form != "off"}
    confidence = {form: over_confidence(own.runs) for form, own in forms.items()}
    return content | differences | {"confidence_minus_accuracy": confidence}


def over_confidence(runs: Sequence[Evaluation]) -> float:
    """Mean confidence minus accuracy, over the seeds."""
    right = [[p.label == u.label for p, u in zip(run.predictions, run.utterances, strict=True)] for run in runs]
    return float(np.mean([run.answers.max(axis=1).mean() - np.mean(own) for run, own in zip(runs, right, strict=True)]))


def voice(place: Place, overrides: dict[str, Any]) -> dict[str, Any]:
    given = {"modalities": ["audio"], "features.audio.encoder": str(shared("models/whisper-tiny-en"))}
    config = load_config("crema-d", given | {"speaker.adaptation": "all"} | overrides)
    places = write_corpora(place.work, config)
    workspace = Workspace(store=place.store, manifest=places["crema-d"], quiet=True)
    results = train_all(config, save_dir=place.work / "voice", workspace=workspace, seeds=place.seeds)
    models = [result.best_model for result in results]
    content: dict[str, Any] = {}
    for corpus, split in (("crema-d", "val"), ("ravdess", "test")):
        own = replace(workspace, manifest=places[corpus])
        forms = in_all_forms(models, own, split)
        content[corpus] = told(forms) | {"gain": table(models, forms["off"], own, split)}
    return content


def face(place: Place, overrides: dict[str, Any]) -> dict[str, Any]:
    shipped, given = simple_rivals.settings("ravdess")
    config = load_config(shipped, given | {"speaker.adaptation": "all"} | overrides)
    source = read_manifest(simple_rivals.place("ravdess", place.work)["manifest"])
    manifest = place.work / "ordered.csv"
    write_manifest(in_random_order(source), manifest)
    workspace = Workspace(store=place.store, manifest=manifest, quiet=True)
    folder = place.work / "face"
    train_all(config, save_dir=folder, workspace=workspace, seeds=place.seeds)
    content = {}
    for modalities in (["audio", "video"], ["video"], ["audio"]):
        forms = {
            form: Measured(list(measure_all(
                folder, workspace=workspace, modalities=modalities, speaker_adaptation=form
            ).pooled.values()))
            for form in FORMS
        }  # fmt: skip
        content["+".join(modalities)] = told(forms)
    return content


def text(place: Place, overrides: dict[str, Any]) -> dict[str, Any]:
    shipped, given = simple_rivals.settings("emorynlp")
    adapted = {"speaker.adaptation": "all", "speaker.modalities": ["text"]}
    config = load_config(shipped, given | adapted | overrides)
    workspace = Workspace(store=place.store, quiet=True, **simple_rivals.place("emorynlp", place.work))
    results = train_all(config, save_dir=place.work / "text", workspace=workspace, seeds=place.seeds)
    models = [result.best_model for result in results]
    return {"emorynlp": told(in_all_forms(models, workspace, "val"))}


def main() -> None:
    parser = make_parser(__doc__, "runs/speakers", 3)
    studies = {"voice": voice, "face": face, "text": text}
    parser.add_argument("study", choices=list(studies))
    parser.add_argument("--store", type=Path, help="where features lie; by default in WORK")
    args = parser.parse_args()
    started = time.monotonic()
    place = Place(args.work, args.store or args.work / "features", args.seeds)
    measured = studies[args.study](place, {"training.tensorboard": False} | parse_overrides(args.settings))
    minutes = round((time.monotonic() - started) / 60, 1)
    keep(f"speakers_{args.study}", {"set": args.settings, **measured, "minutes_of_this_call": minutes})


if __name__ == "__main__":
    main()
