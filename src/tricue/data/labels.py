"""Labels as they are written and the classes that they are: one class under several spellings is one class.

spelling.py defines which spellings are the same. SYNONYMS lists what corpora call the same emotion. `data.mapping`
comes before all of this, and a label that it maps to itself is kept apart from its synonyms.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import combinations

from tricue.spelling import WHOLE_NUMBER, spelling
from tricue.types import Label, Utterance, shown

SYNONYMS = (  # the first is the name where several corpora stand together and no class list decides
    ("anger", "angry", "ang"),
    ("boredom", "bored"),
    ("calm", "calmness"),
    ("contempt", "contemptuous"),
    ("disgust", "disgusted", "dis"),
    ("excited", "excitement", "exc"),  # as IEMOCAP, which has it beside happy
    ("fear", "fearful", "afraid", "fea"),
    ("frustrated", "frustration", "fru"),
    ("joy", "happy", "happiness", "joyful", "hap"),
    ("neutral", "neutrality", "neu"),
    ("sadness", "sad"),
    ("surprise", "surprised", "sur"),
)
FIRST = {name: names[0] for names in SYNONYMS for name in names}
PLACE = {name: place for names in SYNONYMS for place, name in enumerate(names)}

NEAR = ((6, 2), (4, 1))  # letters of the shorter name, and edits up to which another is probably meant to be it
PREFIX_LETTERS = 3
SYNONYM_LETTERS = 5  # of a synonym that a label may misspell; shorter ones begin many words
AROUND = "'\".,;:!?()[]‘’“”"  # marks around a label, which make no other class
MOST_COMPARED = 200  # names; more are no classes, and pairs of them are many
LONGEST = 100  # letters of a name that are compared
SHOWN_NAMES = 20


def names_of(label: str) -> tuple[str, ...]:
    """A label and its synonyms."""
    return next((names for names in SYNONYMS if spelling(label) in names), (label,))


class Labels:
    """Reads the labels of one corpus and counts how they were written.

    classes: those that are known; labels are recognised as one of them. mapping: `data.mapping`, label -> class;
    "" leaves a row unlabelled. several: rows of several corpora, where without classes each label takes the first name
    of its synonyms.
    """

    def __init__(
        self, classes: Sequence[str] | None = None, mapping: Mapping[str, str] | None = None, several: bool = False
    ) -> None:
        self.mapping = dict(mapping or {})
        self.several = several
        self.classes = list(classes or _distinct(map(str.strip, self.mapping.values())))
        # mapped to itself: no other word is a synonym of it
        self._apart = {spelling(a) for a, b in self.mapping.items() if spelling(a) == spelling(b)}
        self._mapped = _by_spelling(self.mapping)
        self._classes = _by_spelling(self.classes)
        self._synonyms: dict[str, list[str]] = defaultdict(list)
        for name in self.classes:
            if (key := spelling(name)) in FIRST and (classes or key not in self._apart):
                self._synonyms[FIRST[key]].append(name)
        self._known: dict[str, str] = {}
        self._written: dict[str, Counter[str]] = defaultdict(Counter)  # class -> how it was written

    def read(self, written: str) -> str:
        """The class of a label; "" where `mapping` leaves it out; the label itself where no class is known."""
        if written not in self._known:
            self._known[written] = self._resolve(written)
        name = self._known[written]
        self._written[name][written] += 1
        return name

    def settle(self, rows: Sequence[Utterance]) -> tuple[list[Utterance], list[str]]:
        """The rows with one name for each class, and a note for each that was written in several ways."""
        counts = Counter(name for row in rows for name in row.classes)
        name_of = self._merged(counts)
        changed = any(label != name for label, name in name_of.items())
        settled = [
            replace(row, label=_renamed(row.label, name_of))
            if changed and any(name_of[name] != name for name in row.classes)
            else row
            for row in rows
        ]
        return settled, list(self._notes(name_of, counts))

    def _resolve(self, written: str) -> str:
        source = written if written in self.mapping else _only(self._mapped.get(spelling(written)))
        if source is None:
            return self._class_of(written) or written
        target = self.mapping[source].strip()
        return (self._same_spelling(target) or target) if target else ""

    def _class_of(self, label: str) -> str | None:
        """The known class that a label is: by its spelling, else as the one synonym of it among the classes."""
        found = self._same_spelling(label)
        key = spelling(label)
        if found is None and key in FIRST and key not in self._apart:
            found = _only(self._synonyms.get(FIRST[key]))
        return found

    def _same_spelling(self, label: str) -> str | None:
        return label if label in self.classes else _only(self._classes.get(spelling(label)))

    def _merged(self, counts: Counter[str]) -> dict[str, str]:
        """Label -> class of the labels met in the rows, those without a known class by what they have in common."""
        name_of: dict[str, str] = {}
        groups: dict[str, Counter[str]] = defaultdict(Counter)
        for label, count in counts.items():
            known = self._class_of(label)
            if known is not None:
                name_of[label] = known
            else:
                key = spelling(label)
                groups[key if key in self._apart else FIRST.get(key, key)][label] = count
        for group, labels in groups.items():
            name = group if self.several and group in FIRST else _common_name(labels)
            name_of |= dict.fromkeys(labels, name)
        return name_of

    def _notes(self, name_of: Mapping[str, str], counts: Mapping[str, int]) -> Iterator[str]:
        written: dict[str, Counter[str]] = defaultdict(Counter)
        for label, name in name_of.items():
            written[name].update(self._written.get(label) or {label: counts[label]})
        for name, labels in sorted(written.items()):
            others = [(label, count) for label, count in labels.most_common() if label != name]
            if others:
                listed = ", ".join(f"{shown(label, quoted=False)} {count:,}" for label, count in others[:SHOWN_NAMES])
                more = ", ..." if len(others) > SHOWN_NAMES else ""
                yield f"class {name}: {labels.total():,} rows (also written {listed}{more})"


def _renamed(label: Label | None, name_of: Mapping[str, str]) -> Label | None:
    """The label with the new names of its classes; in a set each stands once."""
    if isinstance(label, str) or label is None:
        return name_of[label] if label is not None else None
    return tuple(dict.fromkeys(name_of[name] for name in label if isinstance(name, str)))


def _distinct(names: Iterable[str]) -> list[str]:
    """Of names that are spelt alike the first."""
    first: dict[str, str] = {}
    for name in names:
        first.setdefault(spelling(name), name)
    return [name for name in first.values() if name]


def _by_spelling(names: Iterable[str]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = defaultdict(list)
    for name in names:
        found[spelling(name)].append(name)
    return found


def _only(names: Sequence[str] | None) -> str | None:
    return names[0] if names is not None and len(names) == 1 else None


def _common_name(labels: Counter[str]) -> str:
    """The name of a class by its labels: the one as it stands, else the most common spelling in lower case."""
    by_key: Counter[str] = Counter()
    for label, count in labels.items():
        by_key[spelling(label)] += count
    key = min(by_key, key=lambda key: (-by_key[key], PLACE.get(key, 0), key))
    own = {label: count for label, count in labels.items() if spelling(label) == key}
    common = min(own, key=lambda label: (-own[label], label != key, label))
    if WHOLE_NUMBER.fullmatch(common) and (len(labels) > 1 or "." in common):
        return key
    return common if len(labels) == 1 else " ".join(common.lower().split())


def near_names(names: Iterable[str]) -> list[tuple[str, str]]:
    """Pairs of names that are probably meant to be one: a letter or two apart, or one the beginning of the other."""
    keys = {name: spelling(name[:LONGEST]) for name in sorted(set(names))}
    if len(keys) > MOST_COMPARED:
        return []
    return [(a, b) for a, b in combinations(keys, 2) if _are_near(keys[a], keys[b])]


def nearest(name: str, known: Iterable[str]) -> str | None:
    """The one name among `known` that `name` is probably meant to be; None where none is near, or several are."""
    return _only([other for other in known if _are_near(spelling(name[:LONGEST]), spelling(other))])


def _are_near(a: str, b: str) -> bool:
    if any(c.isdigit() for c in a + b):
        return False
    words, others = a.strip(AROUND).split(), b.strip(AROUND).split()
    if not words or len(words) != len(others):
        return False
    pairs = list(zip(words, others, strict=True))
    return all(one == other or _near_words(one, other) for one, other in pairs) or _near_synonym(a, b)


def _near_synonym(a: str, b: str) -> bool:
    """Whether one is a misspelt synonym of the other: happines of joy."""
    known, other = (a, b) if a in FIRST else (b, a)
    if known not in FIRST or other in FIRST:
        return False
    return any(len(name) >= SYNONYM_LETTERS and _few_edits(name, other) for name in names_of(known))


def _near_words(a: str, b: str) -> bool:
    short, long = sorted((a, b), key=len)
    if long.endswith(short):  # happy, unhappy: no misspelling
        return False
    if len(short) >= PREFIX_LETTERS and long.startswith(short):
        return True
    return _few_edits(short, long)


def _few_edits(a: str, b: str) -> bool:
    short, long = sorted((a, b), key=len)
    allowed = next((edits for letters, edits in NEAR if len(short) >= letters), 0)
    return len(long) - len(short) <= allowed and _edits(short, long) <= allowed


def _edits(a: str, b: str) -> int:
    """Letters to be put in, left out, changed or swapped with their neighbour to make `b` of `a`."""
    before: list[int] = []
    last = list(range(len(b) + 1))
    for i, letter in enumerate(a, start=1):
        row = [i]
        for j, other in enumerate(b, start=1):
            cost = min(last[j] + 1, row[j - 1] + 1, last[j - 1] + (letter != other))
            if i > 1 and j > 1 and letter == b[j - 2] and a[i - 2] == other:
                cost = min(cost, before[j - 2] + 1)
            row.append(cost)
        before, last = last, row
    return last[-1]


def class_counts(classes: Sequence[str], train: Iterable[Utterance], val: Iterable[Utterance]) -> str:
    """`anger 20 / 10, joy 20 / 8`: rows of train and val by class, in the order of the classes."""
    own, held = (Counter(c for row in rows for c in row.classes) for rows in (train, val))
    return ", ".join(f"{name} {own[name]:,} / {held[name]:,}" for name in classes)
