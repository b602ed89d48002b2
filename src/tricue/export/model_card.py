"""The model card: README.md of a model to hand on, written from its checkpoint and from what was measured.

Its front matter is what the Hugging Face hub reads (hub-docs, modelcard.md). What comes from outside (names of corpora,
files, classes) is escaped, and no sentence about a score stands here that a result does not bear out.
"""

import json
import platform
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from math import inf
from typing import Any, Literal

import yaml
from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from tricue.checkpoint.checkpoint import Card, versions
from tricue.config.settings import Config
from tricue.corpora.catalogue import about
from tricue.evaluation.metrics_table import number_with_interval
from tricue.explain.unit import Unit
from tricue.export.licences import ENCODERS, corpora_of, hub_licence, terms_of
from tricue.extractors.hub import is_hub_encoder
from tricue.registry import CORPORA, MODALITIES
from tricue.tasks.task import Task
from tricue.types import ModalityName

INDEXED = {  # number -> the hub's metric
    "weighted_f1": "f1", "macro_f1": "f1", "accuracy": "accuracy", "pearson": "pearsonr", "mae": "mae",
}  # fmt: skip
SHOWN = (  # settings that a reader asks for first; config.json has all
    "model.width", "training.phase1_epochs", "training.phase2_epochs", "training.phase3_epochs",
    "training.batch_size", "training.accumulation", "training.rate", "training.encoder_rate",
    "training.weight_decay", "training.class_weights", "training.focal_gamma", "training.alignment",
    "training.modality_dropout", "training.select", "data.val_from_train", "seed",
)  # fmt: skip
OF_CLASSES = ("training.class_weights", "training.focal_gamma")
LANGUAGES = {"en": "English"}
COUNTS = ("test", "val standing in for test")  # how the role of rows begins that measure and did not choose
NAME = re.compile(r"[A-Za-z0-9][\w.-]*(/[A-Za-z0-9][\w.-]*)?")  # of a model or an encoder, as on the hub
_SPACE = re.compile(r"\s+")
_MARKUP = re.compile(r"([\\`*_{}\[\]<>#|~!$&])")


Use = Literal["precomputed", "computed", "frozen", "partly trained", "trained"]


@dataclass(frozen=True)
class Made:
    """How the files beside a card were made."""

    half: bool  # weights in 16 bits
    onnx: bool
    rows: bool
    parameters: int  # of the network, encoders that were trained along among them


@dataclass(frozen=True)
class Reading:
    """What a modality reaches the network by."""

    modality: ModalityName
    encoder: str
    use: Use
    is_carried: bool  # the encoder lies beside the weights
    licence: str
    tuned: str | None  # for emotion, on what

    @property
    def is_pretrained(self) -> bool:
        return self.use in ("frozen", "partly trained", "trained")

    @property
    def is_fetched(self) -> bool:
        """Whether others need the encoder from elsewhere."""
        return self.use in ("frozen", "partly trained") and not self.is_carried

    @property
    def how(self) -> str:
        words = {
            "computed": "computed by tricue, nothing pretrained", "trained": "trained along",
            "partly trained": "partly trained along",
        }  # fmt: skip
        return words.get(self.use, self.use) + (", in this folder" if self.is_carried else "")

    @property
    def beside(self) -> str | None:
        """What the folder of the encoder holds; None: there is none."""
        of = f"the {self.modality} encoder"
        if self.use == "partly trained":
            held = of if self.is_carried else f"settings of {of}"
            return f"{held}, whose trained layers are among the weights."
        if self.use == "trained":
            return f"settings and tokenizer of {of}, whose weights are among the others."
        return f"{of}." if self.is_carried else None


def model_card(
    card: Card, modalities: Sequence[ModalityName], name: str, results: Sequence[Mapping[str, Any]], made: Made
) -> str:
    """The whole file. modalities: those the network reads. results: as `read_measured` gives them."""
    task = card.task
    environment = Environment(
        loader=PackageLoader("tricue.export"), autoescape=False, finalize=_plain, undefined=StrictUndefined,
        trim_blocks=True, lstrip_blocks=True, keep_trailing_newline=True,
    )  # fmt: skip
    environment.filters |= {"number": lambda number: Markup(number_with_interval(number, task))}
    corpora = corpora_of(card)
    about_corpora = {t.corpus: about(t.corpus) for t in corpora if t.corpus in CORPORA}
    main = task.item_headline()
    text = environment.get_template(f"card_{task.kind}.md").render(
        name=name, card=card, task=task, prior=_prior(card), targets=_targets(task), main=main,
        worst=_worst(results, task, main), modalities=modalities, results=results, made=made, corpora=corpora,
        abouts=about_corpora,
        readings=_readings(card, modalities),
        settings={
            setting: _value(card.config, setting)
            for setting in SHOWN
            if (card.config.live or setting != "training.encoder_rate")
            and (task.kind != "values" or setting not in OF_CLASSES)
        },
        source=Markup(json.dumps(name if "/" in name else "FOLDER")),
        call=Markup(", ".join(_examples(card.config, modalities))),
        languages=[LANGUAGES[code] for code in _languages(card)],
        trained_on={terms.corpus for terms in corpora},
        licence=hub_licence(card),
        here=versions() | {"Python": platform.python_version()},
    )  # fmt: skip
    matter = front_matter(card, modalities, name, results)
    return f"---\n{yaml.safe_dump(matter, sort_keys=False, allow_unicode=True)}---\n\n{text}"


def front_matter(
    card: Card, modalities: Sequence[ModalityName], name: str, results: Sequence[Mapping[str, Any]]
) -> dict[str, Any]:
    """What the hub reads. It shows no scores of a toy or leaky model, which compare with nothing, none of rows that
    trained it or chose its epochs, which are too good, and none that looked at other test rows (transductive).
    """
    licence = hub_licence(card)
    terms = {"license_name": "see-data", "license_link": "README.md"} if licence == "other" else {}
    marks = [mark for mark, holds in (("toy", card.toy), ("leaky", card.leaky)) if holds]
    shown = [
        r
        for r in results
        if not marks
        and r["comparable"]
        and r["split_role"].startswith(COUNTS)
        and not r.get("speaker_adaptation", {}).get("transductive")
    ]
    matter = {
        "language": _languages(card),
        "license": licence,
        **terms,
        "library_name": "tricue",
        "pipeline_tag": _hub_task(card.task, modalities),
        "tags": ["regression" if card.task.kind == "values" else "emotion-recognition", *modalities, *marks],
        "datasets": [terms.hub_dataset for terms in corpora_of(card) if terms.hub_dataset],
        "base_model": [r.encoder for r in _readings(card, modalities) if r.is_pretrained and NAME.fullmatch(r.encoder)],
        "metrics": sorted({INDEXED[number] for number in card.task.numbers if number in INDEXED}) if shown else None,
        "model-index": [_index(name, card.task, modalities, shown)] if shown else None,
    }
    return {key: value for key, value in matter.items() if value}


def _index(
    name: str, task: Task, modalities: Sequence[ModalityName], results: Sequence[Mapping[str, Any]]
) -> dict[str, Any]:
    kind = _hub_task(task, modalities) or ("other" if task.kind == "values" else "multimodal-classification")
    what = ", ".join(task.names) if task.kind == "values" else "Emotion recognition"
    return {
        "name": name.rpartition("/")[2],
        "results": [
            {
                "task": {"type": kind, "name": what},
                "dataset": {
                    "name": result["corpus"],
                    "type": terms_of(result["corpus"]).hub_dataset or result["corpus"].lower(),
                    "split": result["split"],
                },
                "metrics": [
                    {"type": metric, "name": task.numbers[number], "value": round(result[number]["value"], 4)}
                    for number, metric in INDEXED.items()
                    if number in task.numbers
                ],
            }
            for result in results
        ],
    }


def _hub_task(task: Task, modalities: Sequence[ModalityName]) -> str | None:
    """As the hub names it; None: it has no name for it."""
    is_named = len(modalities) == 1 and task.kind != "values"
    return MODALITIES[modalities[0]].hub_task if is_named else None


def _prior(card: Card) -> str:
    """Of each class its share of the training rows, of each target its mean."""
    unit = partial(Unit.of, card.task)
    return ", ".join(f"{name} {unit(name).value(own)}" for name, own in zip(card.task.names, card.prior, strict=True))


def _targets(task: Task) -> str:
    """Each target with its range."""
    ranges = {name: task.range_of(name) for name in task.names}
    bounds = {name: f" from {low:g} to {high:g}" if high - low < inf else "" for name, (low, high) in ranges.items()}
    return ", ".join(f"{name}{own}" for name, own in bounds.items())


def _worst(
    results: Sequence[Mapping[str, Any]], task: Task, main: str | None
) -> list[tuple[Mapping[str, Any], str, Mapping[str, Any]]]:
    """Of each result the class or target with the least of the number `main`, where there are several."""
    found = []
    for result in results if main is not None and len(task.names) > 1 else ():
        items = {name: own for name, own in result[task.items].items() if own.get("support", 1)}
        values = {name: own[main]["value"] for name, own in items.items() if own[main]["value"] is not None}
        if values:
            least = min(values, key=values.__getitem__)
            found.append((result, least, items[least]))
    return found


def _readings(card: Card, modalities: Sequence[ModalityName]) -> list[Reading]:
    return [_reading(card, modality) for modality in modalities]


def _reading(card: Card, modality: ModalityName) -> Reading:
    encoder = (card.began_as | card.carried).get(modality, card.config.features[modality].encoder)
    tuned = card.tuned.get(modality)
    if modality in card.config.features.precomputed_modalities():
        own = "see where they come from" if is_hub_encoder(encoder) else "none needed"
        return Reading(modality, "features that others made", "precomputed", False, own, tuned)
    if not is_hub_encoder(encoder):
        return Reading(modality, encoder, "computed", False, "none needed", tuned)
    use: Use = "frozen"
    if modality in card.config.live:
        use = "partly trained" if MODALITIES[modality].has_frozen_part else "trained"
    licence = ENCODERS.get(encoder, "see its page on the hub" if NAME.fullmatch(encoder) else "see where it comes from")
    return Reading(modality, encoder, use, modality in card.carried, licence, tuned)


def _examples(config: Config, modalities: Sequence[ModalityName]) -> list[str]:
    """Arguments of `predict`, of the modalities whose features it can make."""
    given = config.features.precomputed_modalities()
    examples = [MODALITIES[modality].example for modality in modalities if modality not in given]
    return [example for example in examples if example is not None]


def _languages(card: Card) -> list[str]:
    return sorted({terms.language for terms in corpora_of(card) if terms.language})


def _value(config: Config, setting: str) -> Any:
    value: Any = config
    for part in setting.split("."):
        value = getattr(value, part)
    return value


def _plain(value: Any) -> Any:
    """What a template prints, on one line and with nothing in it that Markdown or HTML would take for markup."""
    if isinstance(value, Markup):
        return value
    return _MARKUP.sub(r"\\\1", _SPACE.sub(" ", str(value)))
