"""Speakers that subtitles name before the words: `Ann: Hi`, `- ANN: Hi`, `>> Ann: Hi`, `ANN (on the phone): Hi`,
`[Ann] Hi`, `(Ann) Hi`.

`Ann:` names somebody where her name begins several lines, or is in capitals where other words are not. Where that is so
in three cues, or half of the cues begin with what looks like a name, the file uses the form: then whatever looks like a
name there is one, even if it comes once.
"""

import re
from collections import Counter
from collections.abc import Callable, Sequence, Set
from dataclasses import dataclass
from pathlib import Path

import yaml

_TWICE = 2  # lines that a name begins where its capitals say nothing: once it may be `My advice: wait`
_USED = 3  # cues that begin with a sure name, from which the file uses the form
_LONGEST = 60  # characters of a name
_ABBREVIATED = 5  # characters of Mrs. or Capt.
_WORD = r"[\w.'’#&/-]{1,40}"
_DASH = r"(?:[-–—]|>{2,3})?\s*"
_NAME = rf"((?:\d{{1,2}}(?i:st|nd|rd|th) )?[^\W\d_][\w.'’#&/-]{{0,39}}(?: {_WORD}){{0,3}})"
_ASIDE = r"(?:\s?[(\[][^()\[\]:]{1,40}[)\]])?"  # `ANN (on the phone): `
_COLON = re.compile(rf"{_DASH}{_NAME}{_ASIDE}\s?[:：](?!\s*//)(?:\s+|$|(?<=：)|(?=[^\W\d_a-z]))")
_BRACKETS = re.compile(rf"{_DASH}(?:\[{_NAME}\]|\({_NAME}\))\s?:?(?:\s+|$)")
_ENDED = (".", "!", "?", "…", '"', "”", ")", "]", "♪")  # of the line before a name that comes once
_FILE = Path(__file__).with_name("names.yaml")  # words by what they are not
_WORDS = {k: frozenset(words.split()) for k, words in yaml.safe_load(_FILE.read_text(encoding="utf-8")).items()}
_SOUNDS = re.compile(  # what brackets hold where they name nobody
    r"\w*(?:ing|[^s]s|ed)$|music|applause|laughter|laugh|sigh|gasp|silence|noise|crowd|beep|inaudible|indistinct|"
    r"unintelligible|foreign|speech|song|theme|intro|outro|chatter|static|bleep|pause|cough|scream|sob|thunder|"
    r"gunshot|explosion|bell|phone|door|knock|v\.?o\.?|o\.?[sc]\.?|english|french|spanish|german|italian|"
    r"russian|chinese|japanese|korean|arabic|hindi|latin",
    re.IGNORECASE,
)  # fmt: skip


@dataclass(frozen=True)
class Names:
    """Those that a file names before its words, however their letters are written."""

    colon: frozenset[str]
    brackets: frozenset[str]
    every_colon: bool  # whether the file uses the form
    every_bracket: bool

    def split(self, line: str, before: str | None, alone: bool) -> tuple[str | None, str]:
        """Who speaks a line, if that is said, and its words. before: the cue's line before it; alone: whether no other
        line follows."""
        begins = before is None or before.endswith(_ENDED) or line.startswith(("-", "–", "—", ">>"))
        if match := _COLON.match(line):
            name = match[1]
            if name.casefold() in self.colon or (self.every_colon and begins and _is_like_a_name(name)):
                return name, line[match.end() :]
        if match := _BRACKETS.match(line):
            name, words = _name(match), line[match.end() :]
            sure = name.casefold() in self.brackets or (self.every_bracket and begins and _is_in_brackets(name))
            if sure and (words or not alone):
                return name, words
        return None, line


def names_in(cues: Sequence[Sequence[str]]) -> Names:
    """The names in the lines of a file's cues. Tags are out of them."""
    loud = _is_loud(cues)
    begins, bracketed = _counted(cues, _COLON), _counted(cues, _BRACKETS)
    colon = frozenset(
        name.casefold() for name, times in begins.items()
        if _is_possible(name) and (times >= _TWICE or (name.isupper() and not loud))
    )  # fmt: skip
    brackets = frozenset(
        name.casefold() for name, times in bracketed.items()
        if name.casefold() in colon or (times >= _TWICE and _is_in_brackets(name))
    )  # fmt: skip
    every_colon = _is_used(cues, _COLON, colon, _is_like_a_name)
    every_bracket = _is_used(cues, _BRACKETS, brackets, _is_in_brackets)
    return Names(colon, brackets if every_bracket else brackets & colon, every_colon, every_bracket)


def _counted(cues: Sequence[Sequence[str]], form: re.Pattern[str]) -> Counter[str]:
    """How many lines begin with each name of a form."""
    return Counter(_name(match) for lines in cues for line in lines if (match := form.match(line)))


def _name(match: re.Match[str]) -> str:
    return next(filter(None, match.groups()))


def _is_used(
    cues: Sequence[Sequence[str]], form: re.Pattern[str], sure: Set[str], possible: Callable[[str], bool]
) -> bool:
    """Whether a form of naming is the file's: several cues begin with sure names, or half with possible ones."""
    names = [_name(match) for lines in cues if lines and (match := form.match(lines[0]))]
    likely = sum(map(possible, names))
    return sum(name.casefold() in sure for name in names) >= _USED or (likely >= _USED and 2 * likely >= len(cues))


def _is_loud(cues: Sequence[Sequence[str]]) -> bool:
    """Whether the words are in capitals, names aside."""
    letters = "".join(
        line[match.end() :] if (match := _COLON.match(line) or _BRACKETS.match(line)) else line
        for lines in cues for line in lines
    )  # fmt: skip
    return sum(map(str.isupper, letters)) > sum(map(str.islower, letters))


def _is_possible(name: str) -> bool:
    words = name.lower().split()
    return (
        len(name) <= _LONGEST and not name[0].islower() and not _WORDS["no_names"].intersection(words)
        and (name.isupper() or words[0].rstrip(".") not in _WORDS["no_first"])  # `HE: Wait` may be one
    )  # fmt: skip


def _is_like_a_name(name: str) -> bool:
    """Whether something before a colon that comes once is a name: each word is written as in one, and no sentence
    begins with it."""
    words = name.split()
    return (
        _is_possible(name) and words[0].lower().rstrip(".") not in _WORDS["no_first"]
        and words[-1].lower() not in _WORDS["no_last"] and name.lower() not in _WORDS["numerals"]
        and all(not word[0].islower() or word in _WORDS["between"] for word in words)
        and not any(word.endswith(".") and len(word) > _ABBREVIATED for word in words)  # `Right. Ann: No`
    )  # fmt: skip


def _is_in_brackets(name: str) -> bool:
    """The same in brackets, where sounds are more often: `[Dramatic Music]`, `[Phone Rings]`, `[Speaking Dutch]`."""
    first, *_, last = [name.split()[0], *name.split()]
    titled = first.endswith(".")  # Dr. Rhodes
    return _is_like_a_name(name) and (titled or not (_SOUNDS.fullmatch(last) or first.endswith(("ing", "ING"))))
