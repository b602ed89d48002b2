"""Spellings of labels: what two ways of writing one label have in common.

Two spellings are the same where they differ by case, by the form of a character (NFKC), by blanks, underscores and
hyphens between words, or, of whole numbers, by `.0` and leading zeros.
"""

import re
import unicodedata
from collections.abc import Sequence

BETWEEN_WORDS = re.compile(r"(?<=\w)[\s_-]+(?=\w)")
WHOLE_NUMBER = re.compile(r"(?P<sign>[+-]?)0*(?P<digits>\d+)(\.0*)?", re.ASCII)

SHOWN_NAMES = 30  # in a message: a column of sentences may have as many classes as rows


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


def listed(names: Sequence[str], most: int = SHOWN_NAMES) -> str:
    """The first names and the number of the others: `a, b and 3 more`."""
    more = f" and {len(names) - most:,} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more
