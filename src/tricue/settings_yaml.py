"""YAML as settings are written: plain values, lists and mappings, within bounds; all else is named with its line.

YAML can say more than settings need, and a few lines of it can say a gigabyte (aliases of aliases) or run code (tags).
It also reads `2024-01-01`, `12:30` and `010` as a date, a number of minutes and an octal number: these want quotes.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import yaml

from tricue.types import shown

MAX_CHARACTERS = 100_000
MAX_DEPTH = 20  # of lists and mappings inside one another
MAX_VALUES = 10_000  # aliases counted as what they stand for
MAX_DIGITS = 100

Path = tuple[str, ...]

_TAG = "tag:yaml.org,2002:"
_PLAIN = ("null", "bool", "int", "float")
_DATES = ("timestamp",)
_OCTAL_OR_TIME = re.compile(r"[-+]?0[0-9_]+|[-+]?[0-9][0-9_]*(:[0-5]?[0-9])+(\.[0-9_]*)?")


class YamlError(ValueError):
    """What is not read: the reason, and the line where it stands (from 1; None: not known)."""

    def __init__(self, reason: str, line: int | None = None) -> None:
        super().__init__(reason)
        self.reason, self.line = reason, line


@dataclass(frozen=True)
class Document:
    """What was read, and the lines of its settings by their names."""

    value: Any
    lines: Mapping[Path, int] = field(default_factory=dict)


def read_yaml(text: str) -> Document:
    """One document. Raises YamlError, and nothing else, for what it cannot be."""
    if len(text) > MAX_CHARACTERS:
        raise YamlError(f"{len(text):,} characters; settings have at most {MAX_CHARACTERS:,}")
    try:
        _check_depth(text)
        node = yaml.compose(text, Loader=yaml.SafeLoader)
    except YamlError:
        raise
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        reason = ": ".join(part for part in (error.context, error.problem) if part)
        raise YamlError(
            f"not valid YAML ({shown(reason, 150, quoted=False)})",
            mark.line + 1 if mark is not None else None,
        ) from error
    except yaml.YAMLError as error:
        raise YamlError(
            f"not valid YAML ({shown(str(error).partition(chr(10))[0], 150, quoted=False)})"
        ) from error
    except (ValueError, OverflowError) as error:  # an escape beyond Unicode, a version of thousands of digits
        raise YamlError(f"not valid YAML ({shown(str(error), 150, quoted=False)})") from error
    reader = _Reader()
    return Document(None if node is None else reader.read(node, ()), reader.lines)


def _check_depth(text: str) -> None:
    depth = 0
    for event in yaml.parse(text, Loader=yaml.SafeLoader):
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1
        if depth > MAX_DEPTH:
            mark = event.start_mark
            raise YamlError(_too_deep(), mark.line + 1 if mark is not None else None)


def _too_deep() -> str:
    return f"lists or mappings more than {MAX_DEPTH} deep"


class _Reader:
    """Nodes to values, counted."""

    def __init__(self) -> None:
        self.lines: dict[Path, int] = {}
        self._values = 0
        self._constructor = yaml.constructor.SafeConstructor()

    def read(self, node: yaml.Node, path: Path, depth: int = 0) -> Any:
        line = node.start_mark.line + 1
        self._values += 1
        if self._values > MAX_VALUES:
            raise YamlError(f"more than {MAX_VALUES:,} values, aliases (*name) counted in full", line)
        if depth > MAX_DEPTH:  # by an alias, which may even hold itself
            raise YamlError(_too_deep(), line)
        if isinstance(node, yaml.ScalarNode):
            return self._scalar(node, line)
        if isinstance(node, yaml.SequenceNode) and node.tag == f"{_TAG}seq":
            return [self.read(item, path, depth + 1) for item in node.value]
        if isinstance(node, yaml.MappingNode) and node.tag == f"{_TAG}map":
            return self._mapping(node, path, depth)
        raise YamlError(f"the tag {_shown_tag(node.tag)} is not read; leave it out", line)

    def _mapping(self, node: yaml.MappingNode, path: Path, depth: int) -> dict[str, Any]:
        values: dict[str, Any] = {}
        for key, value in node.value:
            line = key.start_mark.line + 1
            if not isinstance(key, yaml.ScalarNode):
                raise YamlError("a list or mapping stands where a name is expected", line)
            if key.tag == f"{_TAG}merge":
                raise YamlError("<< is not read; write the settings out", line)
            name = key.value  # as it is written: 1, no and 2024-01-01 are names, too
            if name in values:
                first = self.lines[(*path, name)]
                raise YamlError(f"{shown(name)} stands twice, first in line {first}; keep one", line)
            self.lines[(*path, name)] = line
            values[name] = self.read(value, (*path, name), depth + 1)
        return values

    def _scalar(self, node: yaml.ScalarNode, line: int) -> Any:
        kind = node.tag.removeprefix(_TAG)
        text: str = node.value
        if kind in ("str", "value"):
            return text
        if kind in _DATES:
            raise YamlError(
                f'{shown(text, quoted=False)} is a date in YAML; put it in quotes: "{shown(text, quoted=False)}"',
                line,
            )
        if kind not in _PLAIN:
            raise YamlError(f"the tag {_shown_tag(node.tag)} is not read; leave it out", line)
        if kind in ("int", "float") and _OCTAL_OR_TIME.fullmatch(text):
            raise YamlError(
                f"{shown(text, quoted=False)} would be read as another number (octal, or minutes); put it in quotes, "
                f'"{shown(text, quoted=False)}", or write it without the leading 0',
                line,
            )
        if kind in ("int", "float") and len(text) > MAX_DIGITS:
            raise YamlError(f"a number of {len(text):,} characters", line)
        try:
            return self._constructor.construct_object(node)
        except (ValueError, LookupError, yaml.YAMLError) as error:  # !!int abc
            raise YamlError(f"{shown(text)} is not what its tag {_shown_tag(node.tag)} says", line) from error


def _shown_tag(tag: str) -> str:
    return shown(tag.replace(_TAG, "!!"), quoted=False)
