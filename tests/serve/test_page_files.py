"""What holds of the page's files without a browser."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tricue.recording import page
from tricue.report import figure
from tricue.serve.limits import LIMITS
from tricue.serve.service import STATIC

FILES = sorted(STATIC.iterdir())
NAMES = [path.name for path in FILES]


@pytest.mark.parametrize("path", FILES, ids=NAMES)
def test_nothing_comes_from_elsewhere(path: Path) -> None:
    content = path.read_text(encoding="utf-8").replace('xmlns="http://www.w3.org/2000/svg"', "")
    assert not re.search(r"https?://\w", content) and "url(" not in content and "@import" not in content
    for name in re.findall(r'/static/([\w.-]+)|from "\./([\w.-]+)"', content):
        assert "".join(name) in NAMES


@pytest.mark.parametrize("path", [p for p in FILES if p.suffix == ".js"], ids=lambda p: p.name)
def test_no_script_makes_markup_or_code(path: Path) -> None:
    content = path.read_text(encoding="utf-8")
    assert not re.search(
        r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(|new Function", content
    )
    assert len(content.splitlines()) < 300


@pytest.mark.parametrize("path", [p for p in FILES if p.suffix == ".html"], ids=lambda p: p.name)
def test_pages_keep_to_their_own_policy(path: Path) -> None:
    """The service's Content-Security-Policy lets no script or style of the page itself run."""
    content = path.read_text(encoding="utf-8")
    assert not re.search(r"<style|\sstyle=|\son\w+=|<script(?![^>]*\ssrc=)", content)


def test_colours_are_those_of_the_reports() -> None:
    content = (STATIC / "colours.js").read_text()
    named = dict(re.findall(r'\["(\w+)", "(#\w{6})"\]', content))
    scheme = re.search(r"MUTED = \[(.*?)\]", content, re.DOTALL)
    cues = re.search(r"CUE_COLOURS = \{(.*?)\}", content)
    assert scheme and cues
    assert named == figure._NAMED
    assert tuple(re.findall(r"#\w{6}", scheme[1])) == figure._MUTED
    assert dict(re.findall(r'(\w+): "(#\w{6})"', cues[1])) == figure.CUE_COLOURS


def test_the_page_takes_as_many_words_as_the_service() -> None:
    assert f'maxlength="{LIMITS.characters}"' in (STATIC / "index.html").read_text()


def test_both_timelines_go_by_one_rule() -> None:
    """The page that `tricue predict` writes is self-contained: it has the module's text inside, without its exports."""
    inside = Path(page.__file__).with_name("templates") / "timeline_segments.html"
    exports = "\nexport { currentOf, ledTo, segmentsAt };\n"
    assert (STATIC / "segments.js").read_text() == inside.read_text() + exports
