"""What holds of the page's files without a browser."""

import re
from pathlib import Path

import pytest

from tricue.recording.timeline_page import STATIC as SHARED
from tricue.registry import MODALITIES
from tricue.serve.limits import LIMITS
from tricue.serve.service import STATIC

FILES = sorted([*STATIC.iterdir(), *SHARED.iterdir()])
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
    assert not re.search(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(|new Function", content)
    assert len(content.splitlines()) < 300


@pytest.mark.parametrize("path", [p for p in FILES if p.suffix == ".html"], ids=lambda p: p.name)
def test_pages_keep_to_their_own_policy(path: Path) -> None:
    """The service's Content-Security-Policy lets no script or style of the page itself run."""
    content = path.read_text(encoding="utf-8")
    assert not re.search(r"<style|\sstyle=|\son\w+=|<script(?![^>]*\ssrc=)", content)


def test_modalities_have_the_words_of_the_package() -> None:
    words = re.search(r"MODALITIES = \{(.*)\}", (STATIC / "format.js").read_text())
    own = {name: MODALITIES[name].word for name in ("text", "audio", "video")}
    assert words and dict(re.findall(r'(\w+): \{ word: "(\w+)" \}', words[1])) == own


def test_the_page_takes_as_many_words_as_the_service() -> None:
    assert f'maxlength="{LIMITS.characters}"' in (STATIC / "index.html").read_text()
