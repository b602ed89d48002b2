"""The model card: README.md of a model to hand on, written from its checkpoint and from what was measured.

Its front matter is what the Hugging Face hub reads (hub-docs, modelcard.md). What comes from outside (names of corpora,
files, classes) is escaped, and no sentence about a score stands here that a result does not bear out.
"""

from __future__ import annotations

import json
import platform
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import yaml
from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from tricue.checkpoint import Card, versions
from tricue.config import Config
from tricue.data.corpora import CORPORA, about
from tricue.evaluation.table import HEADLINE, percent_with_interval
from tricue.export.licences import ENCODERS, corpora_of, hub_licence, terms_of
from tricue.features.hub import LIGHT
from tricue.types import CUES, Cue

TASKS: dict[Cue, str] = {
    "text": "text-classification",
    "audio": "audio-classification",
    "video": "video-classification",
}
EXAMPLES: dict[Cue, str] = {
    "text": '"You did this for me?"',
    "audio": 'audio="clip.mp4"',
    "video": 'video="clip.mp4"',
}
INDEXED = {"weighted_f1": "f1", "macro_f1": "f1", "accuracy": "accuracy"}  # number -> the hub's metric
SHOWN = (  # settings that a reader asks for first; config.json has all
    "model.width", "training.phase1_epochs", "training.phase2_epochs", "training.phase3_epochs",
    "training.batch_size", "training.accumulation", "training.rate", "training.encoder_rate",
    "training.weight_decay", "training.class_weights", "training.focal_gamma", "training.alignment",
    "training.modality_dropout", "training.select", "data.val_from_train", "seed",
)  # fmt: skip
LANGUAGES = {"en": "English"}
COUNTS = ("test", "val standing in for test")  # how the role of rows begins that measure and did not choose
NAME = re.compile(r"[A-Za-z0-9][\w.-]*(/[A-Za-z0-9][\w.-]*)?")  # of a model or an encoder, as on the hub
_SPACE = re.compile(r"\s+")
_MARKUP = re.compile(r"([\\`*_{}\[\]<>#|~!$&])")


@dataclass(frozen=True)
class Made:
    """How the files beside a card were made."""

    half: bool  # weights in 16 bits
    onnx: bool
    rows: bool
    parameters: int  # of the network, a text encoder that was trained along among them


@dataclass(frozen=True)
class Reading:
    """What a cue reaches the network by."""

    cue: Cue
    encoder: str
    how: str
    licence: str
    tuned: str | None  # for emotion, on what

    @property
    def pretrained(self) -> bool:
        return self.how in ("frozen", "trained along")


def model_card(
    card: Card, cues: Sequence[Cue], name: str, results: Sequence[Mapping[str, Any]], made: Made
) -> str:
    """The whole file. cues: those the network reads. results: as `read_measured` gives them."""
    environment = Environment(
        loader=PackageLoader("tricue.export"), autoescape=False, finalize=_plain, undefined=StrictUndefined,
        trim_blocks=True, lstrip_blocks=True, keep_trailing_newline=True,
    )  # fmt: skip
    environment.filters |= {"percent": lambda number: Markup(percent_with_interval(number))}
    corpora = corpora_of(card)
    text = environment.get_template("card.md").render(
        name=name,
        card=card,
        cues=cues,
        results=results,
        made=made,
        corpora=corpora,
        abouts={t.corpus: about(t.corpus) for t in corpora if t.corpus in CORPORA},
        headline=HEADLINE,
        readings=_readings(card, cues),
        settings={
            setting: _value(card.config, setting)
            for setting in SHOWN
            if card.config.finetunes_text or setting != "training.encoder_rate"
        },
        source=Markup(json.dumps(name if "/" in name else "FOLDER")),
        call=Markup(", ".join(EXAMPLES[cue] for cue in _by_clip(card.config, cues))),
        languages=[LANGUAGES[code] for code in _languages(card)],
        trained_on={terms.corpus for terms in corpora},
        licence=hub_licence(card),
        here=versions() | {"Python": platform.python_version()},
    )
    matter = yaml.safe_dump(front_matter(card, cues, name, results), sort_keys=False, allow_unicode=True)
    return f"---\n{matter}---\n\n{text}"


def front_matter(
    card: Card, cues: Sequence[Cue], name: str, results: Sequence[Mapping[str, Any]]
) -> dict[str, Any]:
    """What the hub reads. It shows no scores of a toy or leaky model, which compare with nothing, and none of rows that
    trained it or chose its epochs, which are too good.
    """
    licence = hub_licence(card)
    terms = {"license_name": "see-data", "license_link": "README.md"} if licence == "other" else {}
    marks = [mark for mark, holds in (("toy", card.toy), ("leaky", card.leaky)) if holds]
    shown = [r for r in results if not marks and r["comparable"] and r["split_role"].startswith(COUNTS)]
    matter = {
        "language": _languages(card),
        "license": licence,
        **terms,
        "library_name": "tricue",
        "pipeline_tag": TASKS[cues[0]] if len(cues) == 1 else None,
        "tags": ["emotion-recognition", *cues, *marks],
        "datasets": [terms.hub_dataset for terms in corpora_of(card) if terms.hub_dataset],
        "base_model": [r.encoder for r in _readings(card, cues) if r.pretrained],
        "metrics": sorted(set(INDEXED.values())) if shown else None,
        "model-index": [_index(name, cues, shown)] if shown else None,
    }
    return {key: value for key, value in matter.items() if value}


def _index(name: str, cues: Sequence[Cue], results: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    kind = TASKS[cues[0]] if len(cues) == 1 else "multimodal-classification"
    return {
        "name": name.rpartition("/")[2],
        "results": [
            {
                "task": {"type": kind, "name": "Emotion recognition"},
                "dataset": {
                    "name": result["corpus"],
                    "type": terms_of(result["corpus"]).hub_dataset or result["corpus"].lower(),
                    "split": result["split"],
                },
                "metrics": [
                    {"type": metric, "name": HEADLINE[number], "value": round(result[number]["value"], 4)}
                    for number, metric in INDEXED.items()
                ],
            }
            for result in results
        ],
    }


def _readings(card: Card, cues: Sequence[Cue]) -> list[Reading]:
    given = card.config.features.precomputed_cues()
    readings = []
    for cue in cues:
        encoder = getattr(card.config.features, cue).encoder
        if cue in given:
            encoder, how = "features that others made", "precomputed"
        elif encoder == LIGHT:
            how = "computed by tricue, nothing pretrained"
        elif cue == "text" and card.config.finetunes_text:
            encoder, how = card.text_encoder or encoder, "trained along"
        else:
            how = "frozen"
        own = "none needed" if encoder == LIGHT else "see where they come from" if cue in given else None
        licence = own or ENCODERS.get(encoder, "see its page on the hub")
        readings.append(Reading(cue, encoder, how, licence, card.tuned.get(cue)))
    return readings


def _by_clip(config: Config, cues: Sequence[Cue]) -> list[Cue]:
    given = config.features.precomputed_cues()
    return [cue for cue in CUES if cue in cues and cue not in given]


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
