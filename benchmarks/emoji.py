"""Emoji that a text encoder does not know: does a classifier gain where their names stand in their place?

All rows of GoEmotions with such an emoji, five folds: each time a logistic regression on mean token vectors is fitted
on the other four and 12,000 rows without, read in the same way, and says the emotions of the fifth.

    glued   as the tokenizer takes them: one unknown token, with the words that they touch
    apart   with spaces around, as tricue reads them
    named   the names of Unicode as words, skin tones and joiners left out, each once where it is repeated

    OMP_NUM_THREADS=1 .venv/bin/python benchmarks/emoji.py
"""

import re
import tempfile
import unicodedata
from collections.abc import Callable
from pathlib import Path

import numpy as np
from common import goemotions, keep, shared
from scipy.stats import binomtest
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import f1_score
from sklearn.model_selection import StratifiedKFold
from sklearn.preprocessing import StandardScaler

from tricue.config.feature_settings import TextFeatures
from tricue.data.manifest import read_manifest
from tricue.extractors.text_extractors import HubText, Spoken

_EMOJI = re.compile("([\u2600-\u27bf\u2b50\U0001f300-\U0001faff])(?:\\s*\\1)*")
_JOINERS = re.compile("[\ufe0e\ufe0f\u200d\u2640\u2642\U0001f3fb-\U0001f3ff]")
_PLAIN_NAMES = {"❤": "red heart", "☺": "smiling face", "☹": "frowning face", "👍": "thumbs up", "👎": "thumbs down"}
_OTHERS = 12_000  # rows without an emoji that every fit reads


class Glued(HubText):
    """HubText as it would be if it set nothing apart."""

    def _apart(self, text: str) -> str:
        return text


def named(text: str) -> str:
    def name(found: re.Match[str]) -> str:
        return f" {_PLAIN_NAMES.get(found[1]) or unicodedata.name(found[1], '').lower()} "

    names = _EMOJI.sub(name, _JOINERS.sub("", text))
    return " ".join(names.split())


def vectors(extractor: HubText, texts: list[str]) -> np.ndarray:
    """(N, D): the mean of each text's token vectors, zeros where it has none."""
    width, rows = sum(extractor.dims), []
    for first in range(0, len(texts), 512):
        prepared = [extractor.prepare(Spoken(text)) for text in texts[first : first + 512]]
        rows += [v.mean(axis=0) if len(v) else np.zeros(width) for v in extractor.encode(prepared)]
    return np.array(rows, np.float32)


def main() -> None:
    folder, config = shared("models/minilm-l6"), TextFeatures(layer=[-5, -3, -1])
    with tempfile.TemporaryDirectory() as work:
        rows = read_manifest(goemotions(Path(work)))
    glued = Glued(folder, config)
    unknown = [bool(_EMOJI.search(str(r.text))) and glued.prepare(Spoken(str(r.text))).unknown > 0 for r in rows]
    with_emoji = [r for r, there in zip(rows, unknown, strict=True) if there]
    others = [r for r, there in zip(rows, unknown, strict=True) if not there]
    others = [others[i] for i in np.random.default_rng(0).permutation(len(others))[:_OTHERS]]
    beside = vectors(glued, [str(r.text) for r in others])
    beside_labels = np.array([str(r.label) for r in others])
    labels = np.array([str(r.label) for r in with_emoji])
    texts = [str(r.text) for r in with_emoji]
    ways: dict[str, tuple[HubText, Callable[[str], str]]] = {
        "glued": (glued, str), "apart": (HubText(folder, config), str), "named": (glued, named),
    }  # fmt: skip
    right, told = {}, {}
    for way, (extractor, written) in ways.items():
        own, said = vectors(extractor, [written(text) for text in texts]), np.empty(len(labels), object)
        for fit, test in StratifiedKFold(5, shuffle=True, random_state=0).split(own, labels):
            known = np.vstack([beside, own[fit]])
            scale = StandardScaler().fit(known)
            model = LogisticRegression(C=0.01, max_iter=200)
            model.fit(scale.transform(known), np.concatenate([beside_labels, labels[fit]]))
            said[test] = model.predict(scale.transform(own[test]))
        right[way] = said == labels
        told[way] = {
            "weighted_f1": f1_score(labels, said.astype(str), average="weighted"),
            "accuracy": right[way].mean(),
        }
        if way != "glued":
            better = int((right[way] & ~right["glued"]).sum())
            worse = int((right["glued"] & ~right[way]).sum())
            told[way] |= {
                "better_than_glued": better,
                "worse_than_glued": worse,
                "p": binomtest(better, better + worse).pvalue,
            }
    keep("emoji", {"rows": len(labels), "encoder": "all-MiniLM-L6-v2, frozen", **told})


if __name__ == "__main__":
    main()
