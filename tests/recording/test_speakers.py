"""Speakers before the words: once a file uses the form, every line of that form names one."""

from collections.abc import Sequence

import pytest

from tricue.recording.speakers import names_in

SITCOM = ["Ross: Hi!", "Rachel: Hello.", "Ross: You look nice.", "Rachel: Do I?"]
Told = list[tuple[str | None, str]]


def told(*cues: str | Sequence[str]) -> Told:
    """Who says what, line by line; a cue of several lines is a list."""
    lines = [[cue] if isinstance(cue, str) else list(cue) for cue in cues]
    names = names_in(lines)
    return [
        names.split(line, cue[i - 1] if i else None, alone=i + 1 == len(cue))
        for cue in lines for i, line in enumerate(cue)
    ]  # fmt: skip


def test_a_speaker_that_appears_once_in_a_file_that_names_them() -> None:
    assert told(*SITCOM, "Mrs. Bing: Dear.", "nobody's line")[-2:] == [
        ("Mrs. Bing", "Dear."), (None, "nobody's line"),
    ]  # fmt: skip
    assert told("Ann: Hi", "Ann: Oh", "Mrs. Bing: Dear.", *"wxyz")[2] == (None, "Mrs. Bing: Dear.")
    assert told("A: x", "B: y", "C: z") == [("A", "x"), ("B", "y"), ("C", "z")]


@pytest.mark.parametrize(
    ("line", "speaker"),
    [
        ("Chandler and Joey: Hey!", "Chandler and Joey"),
        ("Old Man #2: What?", "Old Man #2"),
        ("Second Woman: What?", "Second Woman"),
        ("Officer One: What?", "Officer One"),
        ("2nd Customer: It was.", "2nd Customer"),
        ("Joey/Drake: How can I?", "Joey/Drake"),
        ("Phoebe (on the phone): Yes?", "Phoebe"),
        ("- Monica: Yes?", "Monica"),
        (">> Monica: Yes?", "Monica"),
        ("Dr. Green：Yes?", "Dr. Green"),
        ("Dr. Green:Yes?", "Dr. Green"),
    ],
)
def test_the_form_in_its_varieties(line: str, speaker: str) -> None:
    assert told(*SITCOM, line)[-1][0] == speaker


@pytest.mark.parametrize(
    "line",
    [
        "My advice: wait",
        "My Advice: wait",
        "One thing: stop",
        "The problem: it broke",
        "Remember: wait",
        "Tonight: rain",
        "We meet at 10:30",
        "At 10: 30 people",
        "See http: //a.b",
        "Http: //a.b",
        "See Re:Zero",
        "Std:vector",
        "HTTP: //a.b",
        "He said: no",
        '"Ann: no"',
        "Right. Ann: no",
        "someone: no",
        "Breaking News: rain",
        "One: wait",
    ],
)
def test_what_is_said_with_a_colon_stays_said(line: str) -> None:
    assert told(*SITCOM, line)[-1] == (None, line)


def test_a_name_that_comes_once_does_not_begin_in_a_sentence() -> None:
    assert told(*SITCOM, ["I went to", "Paris: it was great"])[-1] == (None, "Paris: it was great")
    assert told(*SITCOM, ["I went.", "Phoebe: Where?"])[-1] == ("Phoebe", "Where?")


def test_capitals_name_where_words_are_not_in_them() -> None:
    caps = told("JOEY: How you doing?", "MAN (ON RADIO): Copy.", "WOMAN: Fine.", "My Advice: wait")
    assert [name for name, _ in caps] == ["JOEY", "MAN", "WOMAN", None]
    loud = told("NOBODY SAYS THIS", "SO: BE IT", "AND SO ON", "AND ON")
    assert [name for name, _ in loud] == [None] * 4


def test_a_name_is_the_same_in_other_letters() -> None:
    found = told("JOEY: Hi.", "Joey: Oh", "My advice: wait", "so", "it", "goes", "on")
    assert [name for name, _ in found] == ["JOEY", "Joey", *[None] * 5]
    assert told("JOEY: Hi", "JOEY: So", "ROSS: Oh", "Mrs. Bing: Dear.", *"wxyz")[3] == ("Mrs. Bing", "Dear.")


def test_words_twice_before_a_colon_are_no_name_where_sentences_begin_with_them() -> None:
    assert [name for name, _ in told("My advice: wait", "My advice: go", "so", "it", "is")] == [None] * 5


@pytest.mark.parametrize("brackets", ["[]", "()"])
def test_names_in_brackets_and_sounds(brackets: str) -> None:
    left, right = brackets
    lines = ["Ann", "Bob", "Ann", "Bob", "Mrs. Bing", "Laughs", "Door Opens", "Dramatic Music", "Speaking Dutch"]
    found = told(*(f"{left}{name}{right} Oh" for name in lines), [f"{left}Ann{right}", "Hi"], f"{left}Bob{right}")
    assert [name for name, _ in found] == ["Ann", "Bob", "Ann", "Bob", "Mrs. Bing", *[None] * 4, "Ann", None, None]
    sounds = [f"{left}{sound}{right} oh" for sound in ("SIGHS", "LAUGHS", "SIGHS", "MUSIC", "GROANING", "MUSIC")]
    assert [name for name, _ in told(*sounds)] == [None] * len(sounds)


@pytest.mark.realdata
@pytest.mark.parametrize(("form", "most"), [("{}: {}", 6), ("- {}: {}", 6), ("[{}] {}", 24), ("({}) {}", 24)])
def test_the_speakers_of_a_television_show(meld_lines: list[tuple[str, str]], form: str, most: int) -> None:
    """9,989 lines, 260 names of which 66 come once; in files of 200 lines. Without names, nobody is named."""
    wrong = 0
    for first in range(0, len(meld_lines), 200):
        part = meld_lines[first : first + 200]
        wrong += sum(
            name != who for (name, _), (who, _) in zip(told(*(form.format(*x) for x in part)), part, strict=True)
        )
        assert {name for name, _ in told(*(words for _, words in part))} == {None}
    assert wrong <= most
