"""Sentences that are nearly alike: normalised text, and a join of two sets by what their texts share.

Alike is resemblance after Broder (1997), "On the resemblance and containment of documents": the Jaccard similarity
of the sets of shingles, here of 3 characters, spaces left out ("can not" is "cannot"). The join is exact: prefix,
length and position filters of Xiao et al. (2008), "Efficient similarity joins for near duplicate detection".
"""

from __future__ import annotations

import string
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.sparse import csr_array

NEAR = 0.8  # Jaccard similarity from which two texts are nearly alike
MIN_WORDS = 5  # shorter ones are common phrases: "I do not know." says nothing of where it comes from

_SHINGLE = 3  # characters
_MIXER = np.uint64(0x9E3779B97F4A7C15)  # 2**64 / golden ratio: characters in, one number out
_AT_ONCE = 500_000  # candidates in hand: bounds memory
_MOST = 2000  # texts of one length range that share a shingle in both prefixes; see near_duplicates
_EXACT = 1e-9  # t * n as a float may lie a hair above the whole number that is meant

_APOSTROPHES = "'`´‘’ʼ＇"
_ASCII = bytes.maketrans(string.punctuation.encode(), b" " * len(string.punctuation))


class _Marks(dict[int, str]):
    """str.translate table, filled as characters are met: apostrophes out, other punctuation a space."""

    def __missing__(self, code: int) -> str:
        letter = chr(code)
        out = letter in string.punctuation or unicodedata.category(letter).startswith("P")
        self[code] = "" if letter in _APOSTROPHES else " " if out else letter
        return self[code]


_MARKS = _Marks()


def normalise(text: str) -> str:
    """Words parted by single spaces, without case and punctuation: "Yeah!" and "yeah." are equal, so are "it's"
    with a straight and a curly quote.

    Unicode NFKC and casefold. Apostrophes join ("its"), other punctuation parts words. Emoji and letters of all
    scripts stay; a text of punctuation alone becomes empty. Normalising twice changes nothing.
    """
    if text.isascii():
        plain = text.lower().encode().translate(_ASCII, b"'`").decode()
        return " ".join(plain.split())
    known = None
    while known != text:  # a removed mark may bring two characters together that compose
        known = text
        composed = unicodedata.normalize("NFKC", text.replace("´", "'")).casefold()
        text = " ".join(composed.translate(_MARKS).split())
    return text


def words(normalised: str) -> int:
    """Number of words of a normalised text."""
    return normalised.count(" ") + 1 if normalised else 0


def near_duplicates(
    texts: Sequence[str], others: Sequence[str], threshold: float = NEAR, min_words: int = MIN_WORDS
) -> list[tuple[int, int, float]]:
    """(i, j, similarity): for each of `texts` that has one, the most similar of `others` from `threshold` on.

    Texts are normalised here. Pairs that are equal then are left out, and texts of fewer than `min_words` words.
    Sorted by i; of equally similar others the first. The orders of both sides decide nothing else.
    Exact, unless thousands of texts of about one length share their rarest shingles (a corpus made from
    templates): then a text is compared with _MOST of them for each such shingle.
    """
    left, right = _places(texts, min_words), _places(others, min_words)
    if not left or not right:
        return []
    ones, twos = list(left), list(right)
    mine, theirs = _shingle_sets(ones, twos)
    found: list[tuple[int, int, float]] = []
    for a, b, similarity in _best(mine, theirs, ones, twos, threshold, [right[text][0] for text in twos]):
        found += [(i, right[twos[b]][0], similarity) for i in left[ones[a]]]
    return sorted(found)


def _places(texts: Sequence[str], min_words: int) -> dict[str, list[int]]:
    """Where each normalised text of enough words stands, in alphabetical order of the texts."""
    places: dict[str, list[int]] = {}
    for i, text in enumerate(texts):
        normalised = normalise(text)
        if words(normalised) >= max(min_words, 1):
            places.setdefault(normalised, []).append(i)
    return dict(sorted(places.items()))


@dataclass(frozen=True)
class _Sets:
    """A set of shingles per text, one after the other; a shingle's number is its rank, the rarest is 0."""

    shingles: np.ndarray  # (all,) int64, ascending within a text
    begins: np.ndarray  # (texts + 1,)

    @property
    def sizes(self) -> np.ndarray:
        return np.diff(self.begins)

    def prefixes(self, threshold: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Shingle, text and position of the rarest few: two texts similar enough share at least one of these."""
        lengths = self.sizes - _least(threshold * self.sizes) + 1
        owners = np.repeat(np.arange(self.sizes.size), lengths)
        positions = np.arange(owners.size) - np.repeat(np.cumsum(lengths) - lengths, lengths)
        return self.shingles[self.begins[owners] + positions], owners, positions

    def matrix(self, width: int) -> csr_array:
        ones = np.ones(self.shingles.size, np.int32)
        return csr_array((ones, self.shingles, self.begins), shape=(self.sizes.size, width))


def _least(value: np.ndarray) -> np.ndarray:
    return np.ceil(value - _EXACT).astype(np.int64)


def _shingle_sets(ones: Sequence[str], twos: Sequence[str]) -> tuple[_Sets, _Sets]:
    owners, codes = _shingles([*ones, *twos])
    _, which, counts = np.unique(codes, return_inverse=True, return_counts=True)
    rank = np.empty(counts.size, np.int64)
    rank[np.argsort(counts, kind="stable")] = np.arange(counts.size)
    keys = np.unique(owners << 32 | rank[which])
    owners, shingles = keys >> 32, keys & 0xFFFFFFFF
    begins = np.searchsorted(owners, np.arange(len(ones) + len(twos) + 1))
    middle = begins[len(ones)]
    return (
        _Sets(shingles[:middle], begins[: len(ones) + 1]),
        _Sets(shingles[middle:], begins[len(ones) :] - middle),
    )


def _shingles(texts: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
    """Text and number of every run of _SHINGLE characters; a text of fewer characters is one run."""
    packed = [text.replace(" ", "").ljust(_SHINGLE) for text in texts]
    letters = np.frombuffer("".join(packed).encode("utf-32-le", "surrogatepass"), "<u4").astype(np.uint64)
    lengths = np.array([len(text) for text in packed])
    owners = np.repeat(np.arange(lengths.size), lengths)
    codes = np.zeros(letters.size - _SHINGLE + 1, np.uint64)
    for at in range(_SHINGLE):
        codes = (codes ^ letters[at : at + codes.size]) * _MIXER  # wraps around
        codes ^= codes >> np.uint64(29)
    whole = owners[: codes.size] == owners[_SHINGLE - 1 :]
    return owners[: codes.size][whole], codes[whole]


def _best(
    mine: _Sets,
    theirs: _Sets,
    ones: Sequence[str],
    twos: Sequence[str],
    threshold: float,
    first: Sequence[int],
) -> Iterator[tuple[int, int, float]]:
    """(a, b, similarity) for each text `a` that has a partner; `first`: decides between equally similar ones."""
    width = int(max(mine.shingles.max(), theirs.shingles.max())) + 1
    rows, columns = mine.matrix(width), theirs.matrix(width)
    for a, b in _candidates(mine, theirs, threshold):
        shared = np.asarray(rows[a].multiply(columns[b]).sum(axis=1)).reshape(-1)
        similarity = shared / (mine.sizes[a] + theirs.sizes[b] - shared)
        near = np.flatnonzero(similarity >= threshold - _EXACT)
        near = near[[ones[a[k]] != twos[b[k]] for k in near]] if near.size else near
        order = near[np.lexsort((np.asarray(first)[b[near]], -similarity[near], a[near]))]
        best = order[np.append(True, np.diff(a[order]) != 0)] if order.size else order
        yield from zip(a[best].tolist(), b[best].tolist(), similarity[best].tolist(), strict=True)


def _candidates(mine: _Sets, theirs: _Sets, threshold: float) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Pairs of texts that share a rare shingle and whose sizes allow enough similarity, each once.

    A text's pairs come together.
    """
    shingles, owners, positions = mine.prefixes(threshold)
    shingles2, owners2, positions2 = theirs.prefixes(threshold)
    shelf = shingles2 << 24 | np.minimum(theirs.sizes[owners2], 2**24 - 1)
    order = np.lexsort((positions2, shelf))
    shelf, owners2, positions2 = shelf[order], owners2[order], positions2[order]
    sizes = mine.sizes[owners]
    largest = np.floor(sizes / threshold + _EXACT).astype(np.int64)
    lows = np.searchsorted(shelf, shingles << 24 | _least(threshold * sizes))
    highs = np.searchsorted(shelf, shingles << 24 | largest, "right")
    counts = np.minimum(highs - lows, _MOST)
    for part in _parts(owners, counts):
        here = np.repeat(np.arange(part.start, part.stop), counts[part])
        there = (
            lows[here]
            + np.arange(here.size)
            - np.repeat(np.cumsum(counts[part]) - counts[part], counts[part])
        )
        a, b = owners[here], owners2[there]
        left = np.minimum(mine.sizes[a] - positions[here], theirs.sizes[b] - positions2[there])
        enough = left >= _least(threshold / (1 + threshold) * (mine.sizes[a] + theirs.sizes[b]))
        pairs = np.unique(a[enough] << 32 | b[enough])
        yield pairs >> 32, pairs & 0xFFFFFFFF


def _parts(owners: np.ndarray, counts: np.ndarray) -> Iterator[slice]:
    """Slices of about _AT_ONCE candidates that keep a text's entries together."""
    begins = np.flatnonzero(np.append(True, np.diff(owners) != 0))
    sums = np.cumsum(np.add.reduceat(counts, begins))
    bounds = np.append(begins, owners.size)
    done = 0
    while done < begins.size:
        before = sums[done - 1] if done else 0
        stop = max(done + 1, int(np.searchsorted(sums, before + _AT_ONCE, "right")))
        yield slice(int(bounds[done]), int(bounds[stop]))
        done = stop
