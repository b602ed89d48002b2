"""What the licences of corpora and encoders permit for the weights that are made from them.

Whether weights are a derived work of the rows that they were trained on is not settled; what stands here is the
careful reading, with its source. It is no legal advice.
"""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import yaml

from tricue.checkpoint.checkpoint import Card
from tricue.types import InputError

logger = logging.getLogger(__name__)

Verdict = Literal["free", "conditions", "unclear", "refused"]
RANK = ("mit", "apache-2.0", "cc-by-4.0", "odbl", "cc-by-nc-sa-4.0", "other", "unknown")  # each asks for more


@dataclass(frozen=True)
class Terms:
    """Licence of a corpus, and what it permits for weights that were trained on it (licences.yaml)."""

    corpus: str
    licence: str
    weights: str  # a sentence for the card
    verdict: Verdict
    hub_licence: str  # the identifier that a model card gives for such weights
    sources: Sequence[str]  # pages that state the licence
    hub_dataset: str | None = None
    language: str | None = "en"


_FILE = yaml.safe_load(Path(__file__).with_suffix(".yaml").read_text(encoding="utf-8"))
KNOWN = [Terms(**terms) for terms in _FILE["corpora"]]
ENCODERS: dict[str, str] = _FILE["encoders"]


def terms_of(corpus: str) -> Terms:
    """By its name in any case of letters; of an unknown one, that it is unknown."""
    unknown = "Unknown: clear it yourself before handing them on."
    other = Terms(corpus, "unknown to tricue", unknown, "unclear", "unknown", (), language=None)
    return next((terms for terms in KNOWN if terms.corpus.lower() == corpus.lower()), other)


def corpora_of(card: Card) -> list[Terms]:
    """All that the weights were made from: the corpora of the run and of the runs that it started from."""
    names: list[str] = []
    told: Mapping[str, Any] | None = card.trained_on
    while told is not None:
        names += str(told.get("name", "")).split("+")
        told = told.get("started_from")
    names += [] if names else [card.config.data.name]
    return [terms_of(name or "a corpus without a name") for name in dict.fromkeys(names)]


def hub_licence(card: Card) -> str:
    """The identifier of a model card's `license`: of all that is in the weights, the one that asks for most."""
    parts = [terms.hub_licence for terms in corpora_of(card)]
    for modality in {*card.config.live, *card.carried}:  # the encoder's weights are among them, or beside them
        encoder = (card.began_as | card.carried).get(modality, card.config.features[modality].encoder)
        parts.append(ENCODERS.get(encoder, "unknown"))
    return max(parts, key=RANK.index)


def check_rights(card: Card, cleared: bool) -> None:
    """Before weights go to others: warn where rights are not clear.

    Raises InputError where the corpus's terms do not let weights be handed on and nobody has said that it is cleared.
    """
    for terms in corpora_of(card):
        if terms.verdict == "refused" and not cleared:
            raise InputError(
                f"This model was trained on {terms.corpus}: {terms.licence} ({', '.join(terms.sources)}). "
                f"{terms.weights} Where they do, or where it stays with those who may have it, say so with "
                "--rights_cleared (rights_cleared=True)."
            )
        if terms.verdict in ("refused", "unclear"):
            logger.warning("Trained on %s (%s). Weights: %s", terms.corpus, terms.licence, terms.weights)
