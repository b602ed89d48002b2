"""Sentences that are nearly alike: normalised text, and a join of two sets by what their texts share.

Alike is resemblance after Broder (1997), "On the resemblance and containment of documents": the Jaccard similarity
of the sets of shingles, here of 3 characters, spaces left out ("can not" is "cannot"). The join is exact: scikit-learn
counts the shingles, scipy's sparse products what two texts share, and only texts with a rare shingle in common are
compared (the prefix filter of Xiao et al. (2008), "Efficient similarity joins for near duplicate detection").
"""

import string
import unicodedata
from collections.abc import Iterator, Sequence

import numpy as np
from scipy.sparse import csr_array
from sklearn.feature_extraction.text import CountVectorizer

NEAR = 0.8  # Jaccard similarity from which two texts are nearly alike
MIN_WORDS = 5  # shorter ones are common phrases: "I do not know." says nothing of where it comes from

_SHINGLE = 3  # characters
_AT_ONCE = 4_000_000  # pairs in hand: bounds memory
_MANY = 0.01  # share of candidates from which to count for all pairs is quicker than pair by pair
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
    """
    left, right = _places(texts, min_words), _places(others, min_words)
    if not left or not right:
        return []
    ones, twos, first = list(left), list(right), np.array([places[0] for places in right.values()])
    found: list[tuple[int, int, float]] = []
    for a, b, similarity in _alike([*ones, *twos], len(ones), threshold):
        near = np.array([ones[i] != twos[j] for i, j in zip(a, b, strict=True)], dtype=bool)
        a, b, similarity = a[near], b[near], similarity[near]
        order = np.lexsort((first[b], -similarity, a))
        for k in order[np.unique(a[order], return_index=True)[1]]:
            found += [(i, int(first[b[k]]), float(similarity[k])) for i in left[ones[a[k]]]]
    return sorted(found)


def _places(texts: Sequence[str], min_words: int) -> dict[str, list[int]]:
    """Where each normalised text of enough words stands, in alphabetical order of the texts."""
    places: dict[str, list[int]] = {}
    for i, text in enumerate(texts):
        normalised = normalise(text)
        if words(normalised) >= max(min_words, 1):
            places.setdefault(normalised, []).append(i)
    return dict(sorted(places.items()))


def _alike(texts: Sequence[str], cut: int, threshold: float) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """Pairs of the first `cut` texts with the others that are similar enough; a text's pairs come together."""
    sets, rare = _shingle_sets(texts, threshold)
    sizes = np.diff(sets.indptr)
    rows, columns = np.argsort(sizes[:cut], kind="stable"), cut + np.argsort(sizes[cut:], kind="stable")
    begin = 0
    while begin < rows.size:  # by size: only texts of about one size can be alike
        low = np.searchsorted(sizes[columns], threshold * sizes[rows[begin]] - _EXACT)
        part = rows[begin : begin + max(1, _AT_ONCE // (columns.size - low + 1))]
        high = np.searchsorted(sizes[columns], sizes[part[-1]] / threshold + _EXACT, "right")
        begin, others = begin + part.size, columns[low:high]
        pairs = (rare[part] @ rare[others].T).tocoo()
        a, b = pairs.row, pairs.col
        if a.size > _MANY * part.size * others.size:
            shared = (sets[part] @ sets[others].T).toarray()[a, b]
        else:
            shared = np.asarray(sets[part[a]].multiply(sets[others[b]]).sum(axis=1)).reshape(-1)
        a, b = part[a], others[b]
        similarity = shared / (sizes[a] + sizes[b] - shared)
        near = similarity >= threshold - _EXACT
        yield a[near], b[near] - cut, similarity[near]


def _shingle_sets(texts: Sequence[str], threshold: float) -> tuple[csr_array, csr_array]:
    """(texts, shingles), 1 where a text has a shingle: of all, and of each text's rarest few. Two texts that are
    similar enough share at least one of the few."""
    sets = csr_array(CountVectorizer(analyzer=_shingles, dtype=np.int32).fit_transform(texts))
    rank = np.argsort(np.argsort(np.bincount(sets.indices), kind="stable")).astype(sets.indices.dtype)
    sets = csr_array((sets.data, rank[sets.indices], sets.indptr), shape=sets.shape)
    sets.sort_indices()  # the rarest first
    sizes = np.diff(sets.indptr)
    few = sizes - np.ceil(threshold * sizes - _EXACT).astype(int) + 1
    kept = np.arange(sets.nnz) - np.repeat(sets.indptr[:-1], sizes) < np.repeat(few, sizes)
    begins = np.concatenate([[0], np.cumsum(few)])
    return sets, csr_array((sets.data[kept], sets.indices[kept], begins), shape=sets.shape)


def _shingles(text: str) -> set[str]:
    """Every run of 3 characters; a text of fewer is one."""
    letters = text.replace(" ", "").ljust(_SHINGLE)
    return {letters[i : i + _SHINGLE] for i in range(len(letters) - _SHINGLE + 1)}
