"""What the licences of corpora and encoders permit for the weights that are made from them.

Whether weights are a derived work of the rows that they were trained on is not settled; what stands here is the
careful reading, with its source. It is no legal advice.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from tricue.checkpoint import Card
from tricue.types import InputError

logger = logging.getLogger(__name__)

Verdict = Literal["free", "conditions", "unclear", "refused"]
RANK = ("mit", "apache-2.0", "cc-by-4.0", "odbl", "cc-by-nc-sa-4.0", "other", "unknown")  # each asks for more


@dataclass(frozen=True)
class Terms:
    """Of one corpus: its licence, and what may be done with weights that were trained on it."""

    corpus: str
    licence: str
    weights: str  # a sentence for the card
    verdict: Verdict
    hub_licence: str  # the identifier that a model card gives for such weights
    sources: tuple[str, ...]  # where the licence is stated
    hub_dataset: str | None = None
    language: str | None = "en"


KNOWN = (
    Terms(
        "GoEmotions",
        "CC BY 4.0 by its repository (README of google-research: all its datasets), Apache-2.0 by its page on the "
        "Hugging Face hub",
        "May be handed on, commercially too, naming the source (Demszky et al., 2020).",
        "free",
        "cc-by-4.0",
        (
            "https://github.com/google-research/google-research",
            "https://huggingface.co/datasets/google-research-datasets/go_emotions",
        ),
        "google-research-datasets/go_emotions",
    ),
    Terms(
        "MELD",
        "GPL-3.0 by its repository and its page on the hub; the words, sound and picture are those of the television "
        "series Friends, and no licence of its owners is published with them",
        "Not for every use. One of its authors, asked about weights trained on it, lets the data be used; nobody has "
        "cleared the series' words, voices and faces. Research is what it was published for: clear anything else "
        "yourself.",
        "unclear",
        "other",
        (
            "https://github.com/declare-lab/MELD",
            "https://huggingface.co/datasets/declare-lab/MELD",
            "https://github.com/declare-lab/MELD/issues/19",
        ),
        "declare-lab/MELD",
    ),
    Terms(
        "IEMOCAP",
        "the release form of the University of Southern California, signed by each who has it; not an open licence",
        "Not to be handed on unless the form that you signed, or its owners, permit it.",
        "refused",
        "other",
        ("https://sail.usc.edu/iemocap/iemocap_release.htm",),
    ),
    Terms(
        "RAVDESS",
        "CC BY-NC-SA 4.0; its authors sell commercial licences",
        "May be handed on under the same licence, naming the source (Livingstone and Russo, 2018), for no commercial "
        "use.",
        "conditions",
        "cc-by-nc-sa-4.0",
        ("https://zenodo.org/record/1188976",),
    ),
    Terms(
        "CREMA-D",
        "ODbL 1.0, its contents DbCL 1.0",
        "May be handed on, commercially too, with a notice that they were made from the database (Cao et al., 2014) "
        "and under which licence it stands; an adapted database must stay under the ODbL.",
        "conditions",
        "odbl",
        ("https://github.com/CheyneyComputerScience/CREMA-D/blob/master/LICENSE.txt",),
    ),
    Terms(
        "toy",
        "none needed: synthetic clips, made by tricue itself (MIT)",
        "May be handed on, but are of no real use.",
        "free",
        "mit",
        ("https://opensource.org/license/mit",),
        language=None,
    ),
)
ENCODERS = {  # by their pages on the hub
    "sentence-transformers/all-MiniLM-L6-v2": "apache-2.0",
    "roberta-base": "mit",
    "FacebookAI/roberta-base": "mit",
    "facebook/wav2vec2-base-960h": "apache-2.0",
    "openai/whisper-tiny.en": "apache-2.0",
    "microsoft/resnet-50": "apache-2.0",
    "SamLowe/roberta-base-go_emotions": "mit",
    "audeering/wav2vec2-large-robust-12-ft-emotion-msp-dim": "cc-by-nc-sa-4.0",
    "trpakov/vit-face-expression": "apache-2.0",
}


def terms_of(corpus: str) -> Terms:
    """By its name in any case of letters; of an unknown one, that it is unknown."""
    for terms in KNOWN:
        if terms.corpus.lower() == corpus.lower():
            return terms
    return Terms(
        corpus,
        "unknown to tricue",
        "Unknown: clear it yourself before handing them on.",
        "unclear",
        "unknown",
        (),
        language=None,
    )


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
    if card.config.finetunes_text:  # the encoder's weights are among them
        parts.append(ENCODERS.get(card.text_encoder or card.config.features.text.encoder, "unknown"))
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
