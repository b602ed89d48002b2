"""The audit as a table for the terminal."""

from rich import box
from rich.table import Table
from rich.text import Text

from tricue.audit.audit import Audit

STYLE = {"pass": "green", "warn": "yellow", "fail": "bold red"}


def audit_table(audit: Audit) -> Table:
    """A row per check: its verdict, what was found, and what that means for the score where it is no pass."""
    rows = ", ".join(f"{split} {count:,}" for split, count in audit.rows.items())
    mark = "LEAKY, " if audit.protocol == "leaky" else ""
    fold = f", {audit.fold}" if audit.fold else ""
    table = Table(
        title=Text(f"Audit of {audit.corpus} ({mark}protocol {audit.protocol}{fold}; {rows})", style="bold"),
        caption=_caption(audit),
        box=box.SIMPLE,
    )
    for heading in ("Check", "Verdict", "Found"):
        table.add_column(heading, no_wrap=heading != "Found")
    for check in audit.checks:
        found = Text(check.found)
        if check.verdict != "pass" and check.meaning:
            found.append(f"\n{check.meaning}", style="dim")
        table.add_row(check.name, Text(check.verdict, style=STYLE[check.verdict]), found)
    return table


def _caption(audit: Audit) -> Text:
    left_out = "; ".join(f"{name}: {why}" for name, why in audit.not_checked.items())
    text = Text("Verdict: ")
    text.append(audit.verdict, style=STYLE[audit.verdict])
    return text.append(f". Not checked: {left_out}" if left_out else "")
