"""Spellings of labels: what two ways of writing one label have in common.

Two spellings are the same where they differ by case, by the form of a character (NFKC), by blanks, underscores and
hyphens between words, or, of whole numbers, by `.0` and leading zeros.
"""

from __future__ import annotations

import re
import unicodedata

BETWEEN_WORDS = re.compile(r"(?<=\w)[\s_-]+(?=\w)")
WHOLE_NUMBER = re.compile(r"(?P<sign>[+-]?)0*(?P<digits>\d+)(\.0*)?", re.ASCII)


def spelling(label: str) -> str:
    """What two spellings of one label have in common."""
    folded = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", label).casefold())
    visible = "".join(c for c in folded if unicodedata.category(c) != "Cf")
    words = BETWEEN_WORDS.sub(" ", visible.replace("_", " ").strip())
    number = WHOLE_NUMBER.fullmatch(words)
    if number is None:
        return " ".join(words.split())
    sign = "-" if number["sign"] == "-" and number["digits"] != "0" else ""
    return sign + number["digits"]
