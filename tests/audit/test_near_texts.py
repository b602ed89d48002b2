import random

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tricue.audit import near_texts
from tricue.audit.near_texts import MIN_WORDS, NEAR, near_duplicates, normalise, words


@pytest.mark.parametrize(
    ("text", "normalised"),
    [
        ("Yeah!", "yeah"),
        ("  Oh,my\tGOD...\n no?! ", "oh my god no"),
        ("It's", "its"),
        ("It’s “fine”", "its fine"),
        ("It´s", "its"),
        ("well-known", "well known"),
        ("WEISS und weiß", "weiss und weiss"),
        ("ｆｕｌｌ ｗｉｄｔｈ！", "full width"),
        ("Caf\u00e9, cafe\u0301", "café café"),
        ("so happy 😀", "so happy 😀"),
        ("もう、いいよ。", "もう いいよ"),
        ("¿Qué?", "qué"),
        ("?!", ""),
        ("", ""),
    ],
)
def test_normalise(text: str, normalised: str) -> None:
    assert normalise(text) == normalised


@given(st.text())
@example("a'\u0301")
@example("\u0345\u03b1")
def test_normalising_twice_changes_nothing(text: str) -> None:
    once = normalise(text)
    assert normalise(once) == once
    assert words(once) == len(once.split())


@given(st.text(st.characters(codec="ascii")))
def test_plain_and_other_text_follow_one_rule(text: str) -> None:
    assert normalise(text + " é") == " ".join([*normalise(text).split(), "é"])


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("I can not believe you did this to me", "I cannot believe you did this to me!"),
        ("Well, I'm gonna go and get the coffee.", "I'm gonna go and get the coffee"),
        ("We were on a break, and you know it!", "We where on a break and you know it."),
        ("so are you coming to the wedding tomorrow", "So, are you coming to the weddings tomorrow?"),
    ],
)
def test_reworded_sentences_are_found(one: str, other: str) -> None:
    ((i, j, similarity),) = near_duplicates(["hello there my dear old friend", one], [other, "what is it"])
    assert (i, j) == (1, 0)
    assert NEAR <= similarity <= 1


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("I can not believe you did this to me", "I can believe that she did it to him"),
        ("You are my best friend", "You are my best friend!"),  # equal: another check's business
        ("I do not know", "I do not know her"),  # too short
        ("", ""),
    ],
)
def test_what_is_left_out(one: str, other: str) -> None:
    assert near_duplicates([one], [other]) == []


def test_an_equal_text_does_not_hide_a_near_one() -> None:
    texts, others = (["Where did you put my coat"], ["where did you put my coats", "Where did you put my coat?"])
    assert [(i, j) for i, j, _ in near_duplicates(texts, others)] == [(0, 0)]


def test_the_best_partner_and_of_equal_ones_the_first() -> None:
    others = ["where did he put my old coats", "Where did you put my coats", "where did you put my coats?"]
    rows = near_duplicates(["where did you put my coat", "Where did you put my coat!"], others)
    assert [(i, j) for i, j, _ in rows] == [(0, 1), (1, 1)]


def test_letters_that_make_no_shingle() -> None:
    assert near_duplicates(["a b c d e"], ["a b c d f"]) == []
    assert near_duplicates(["a"], ["b"], min_words=1) == []
    assert near_duplicates([], ["one two three four five"]) == []
    assert near_duplicates(["one two three four five"], []) == []


def made_up(rng: random.Random, count: int) -> list[str]:
    """Sentences of few words, and copies of theirs with a word more, less or misspelt."""
    vocabulary = ["the", "a", "cat", "house", "tree", "running", "over", "blue", "quickly", "never", "I'm", "you're"]
    texts = [" ".join(rng.choices(vocabulary, k=rng.randint(3, 12))) for _ in range(count // 2)]
    while len(texts) < count:
        parts = rng.choice(texts).split()
        at = rng.randrange(len(parts))
        parts[at : at + 1] = rng.choice([[], [parts[at] + "s"], [parts[at], "oh"], [parts[at][:-1] or "x"]])
        texts.append(" ".join(parts))
    return texts


def shingles(normalised: str) -> set[str]:
    letters = normalised.replace(" ", "").ljust(3)
    return {letters[k : k + 3] for k in range(len(letters) - 2)}


def by_force(texts: list[str], others: list[str], threshold: float) -> list[tuple[int, int, float]]:
    found = []
    for i, one in enumerate(map(normalise, texts)):
        best: tuple[float, int] | None = None
        for j, other in enumerate(map(normalise, others)):
            if one == other or min(words(one), words(other)) < MIN_WORDS:
                continue
            a, b = shingles(one), shingles(other)
            similarity = len(a & b) / len(a | b)
            if similarity >= threshold and (best is None or similarity > best[0]):
                best = similarity, j
        if best is not None:
            found.append((i, best[1], best[0]))
    return found


@pytest.mark.parametrize("threshold", [0.5, 0.7, NEAR, 0.9])
@pytest.mark.parametrize("seed", range(3))
def test_as_by_comparing_all(seed: int, threshold: float, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(near_texts, "_AT_ONCE", 50)  # many parts
    rng = random.Random(seed)
    texts = made_up(rng, 400)
    texts, others = texts[::2], texts[1::2]
    found, expected = near_duplicates(texts, others, threshold), by_force(texts, others, threshold)
    assert expected
    assert [row[:2] for row in found] == [row[:2] for row in expected]
    assert [row[2] for row in found] == pytest.approx([row[2] for row in expected])


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10_000))
def test_both_sides_see_each_other_and_order_decides_nothing(seed: int) -> None:
    rng = random.Random(seed)
    texts = made_up(rng, 80)
    texts, others = texts[::2], texts[1::2]
    there, back = near_duplicates(texts, others), near_duplicates(others, texts)
    best = {i: similarity for i, _, similarity in back}
    assert all(best[j] >= similarity for _, j, similarity in there)
    order = rng.sample(range(len(texts)), len(texts))
    mixed = near_duplicates([texts[k] for k in order], rng.sample(others, len(others)))
    assert sorted((order[i], similarity) for i, _, similarity in mixed) == [(i, s) for i, _, s in there]


def test_thousands_of_sentences_from_one_template() -> None:
    texts = [f"this is sentence number {k} of all the sentences of this corpus" for k in range(6000)]
    found = near_duplicates(texts[::2], texts[1::2])
    assert [i for i, _, _ in found] == list(range(3000))
