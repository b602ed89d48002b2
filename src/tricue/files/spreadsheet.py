"""Cells of CSV files that a spreadsheet would run as a formula: guarded when written, and read back as they were.

An apostrophe before such a cell makes it text (OWASP, CSV Injection). A cell that has one already gets one more, so
that reading takes away what writing has put there, and nothing else.
"""

import re

# what begins a formula: also after a line break, and in full width, as Japanese editions read it
_FORMULA = re.compile(r"'*[=+\-@\t\r\n＝＋－＠]")


def guarded(cell: str) -> str:
    """The cell as it is written: with an apostrophe before it where it would be a formula."""
    return f"'{cell}" if _FORMULA.match(cell) else cell


def unguarded(cell: str) -> str:
    """The cell as it was before `guarded`. In a table made elsewhere `'=a` is `=a`, as in a spreadsheet."""
    return cell[1:] if cell.startswith("'") and _FORMULA.match(cell) else cell
